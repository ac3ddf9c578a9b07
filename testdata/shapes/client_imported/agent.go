// Package client_imported calls itself: its client has copies of the types that
// it could import if it were not imported.
package client_imported

import (
	"context"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/testdata/shapes/client_imported/client_importedclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_enum"
)

// Transport leads to another agent of this kind.
var Transport *client.Transport

// Countdown is what is left to do.
type Countdown struct {
	Steps  int                 `json:"steps"`
	Season payload_enum.Season `json:"season"`
}

// Count counts with the help of others.
//
//agentcore:entrypoint
func Count(ctx context.Context, c Countdown) ([]Countdown, error) {
	counted := []Countdown{c}
	if c.Steps > 0 {
		rest, err := clientimportedclient.New(Transport).Count(ctx, clientimportedclient.Countdown{Steps: c.Steps - 1, Season: c.Season})
		if err != nil {
			return nil, err
		}
		for _, r := range rest {
			counted = append(counted, Countdown(r))
		}
	}
	return counted, nil
}
