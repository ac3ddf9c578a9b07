package names_packages

import (
	"context"
	_ "embed" // not one of those that are needed

	bmodel "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/c/a/model"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/model.v3"
)

// Reindex takes others of the same names.
//
//agentcore:task
func Reindex(_ context.Context, in map[model.T]bmodel.T) error {
	for version, text := range in {
		Started <- string(version) + string(text)
	}
	return nil
}
