package hostile

import (
	errors "context"
	fmt "unsafe"

	agentcore "github.com/agentcore-go/agentcore/runtime"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/a/model"
	amodel "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/b/a/model"
	other "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/c/a/model"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_predeclared/words"
)

// Start starts the task of a name.
func Start(ctx errors.Context, name words.Text) (*agentcore.Task, words.Failure) {
	switch name {
	case "Map.Index":
		return new(Map).StartIndex(ctx, struct {
			A model.T
			B amodel.T
			C []other.T
			D func(_ fmt.Pointer, more ...Go) words.Failure
		}{"a", "b", []other.T{"c"}, func(fmt.Pointer, ...Go) words.Failure { return words.Fine() }})
	case "Go.ſtop":
		return Go{}.startStop(ctx)
	case "Select.日本":
		return Select{}.start日本(ctx, nil{})
	case "nil2":
		return startNil2(ctx)
	default:
		return StartIndex(ctx, name)
	}
}
