// Package task_methods grows plants in the background.
package task_methods

import (
	"context"
	"errors"

	"github.com/agentcore-go/agentcore/runtime"
)

// Garden is where things grow. Harvest has what grew.
type Garden struct {
	Harvest chan string
}

// Seed is something to plant.
type Seed struct {
	Plant string `json:"plant"`
}

// Plant sows a seed and waters the garden.
//
//agentcore:entrypoint
func (g *Garden) Plant(ctx context.Context, seed Seed) error {
	if _, err := g.StartGrow(ctx, seed); err != nil {
		return err
	}
	_, err := g.startWater(ctx)
	return err
}

// Grow takes until somebody harvests.
//
//agentcore:task
func (g *Garden) Grow(ctx context.Context, seed Seed) error {
	select {
	case g.Harvest <- seed.Plant:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// water has no effect on weeds.
//
//agentcore:task
func (g *Garden) water(context.Context) error { return nil }

// Shed is where tools are. It has tasks and nothing to serve, so NewServer
// does not ask for one.
type Shed struct{ Locked bool }

// Tidy tidies up.
//
//agentcore:task
func (s Shed) Tidy(context.Context) error {
	if s.Locked {
		return errors.New("the shed is locked")
	}
	return nil
}

// TidyFor tidies up for somebody who has time.
//
//agentcore:task
func (s Shed) TidyFor(_ context.Context, status runtime.PingStatus) error {
	if status == runtime.HealthyBusy {
		return errors.New("they are busy")
	}
	return nil
}
