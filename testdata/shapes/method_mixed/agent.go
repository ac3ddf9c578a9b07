// Package method_mixed has handlers on a type and on the pointer to it.
package method_mixed

import (
	"context"

	"github.com/agentcore-go/agentcore/runtime"
)

// Desk serves customers by name.
type Desk struct {
	Clerk  string
	Served int
}

// Serve names the clerk.
//
//agentcore:entrypoint
func (d Desk) Serve(_ context.Context, customer string) (string, error) {
	return d.Clerk + " serves " + customer, nil
}

// Queue serves one customer after the other.
//
//agentcore:websocket
func (d *Desk) Queue(ctx context.Context, conn *runtime.Conn[string, int]) error {
	for _, err := range conn.Messages(ctx) {
		if err != nil {
			return err
		}
		d.Served++
		if err := conn.Send(ctx, d.Served); err != nil {
			return err
		}
	}
	return nil
}
