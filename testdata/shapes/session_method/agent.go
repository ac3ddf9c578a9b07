// Package session_method has handlers on a type, which hold a session, and one
// on the pointer to it, which does not.
package session_method

import (
	"context"

	"github.com/agentcore-go/agentcore/runtime"
)

// Desk serves customers by name.
type Desk struct {
	Clerk string
	Ready bool
}

// Visits are the names that a customer went by.
type Visits []string

// Serve names the clerk and the customer's earlier names.
//
//agentcore:entrypoint
func (d Desk) Serve(_ context.Context, customer string, session *runtime.Session[Visits]) (Visits, error) {
	session.State = append(session.State, customer)
	return append(Visits{d.Clerk}, session.State...), nil
}

// Queue does so again and again.
//
//agentcore:websocket
func (d Desk) Queue(ctx context.Context, conn *runtime.Conn[string, Visits], session *runtime.Session[Visits]) error {
	for customer, err := range conn.Messages(ctx) {
		if err != nil {
			return err
		}
		served, _ := d.Serve(ctx, customer, session)
		if err := conn.Send(ctx, served); err != nil {
			return err
		}
	}
	return nil
}

// Health is the desk's.
//
//agentcore:ping
func (d *Desk) Health() runtime.PingStatus {
	if d.Ready {
		return runtime.Healthy
	}
	return runtime.HealthyBusy
}
