// Package session_openstream_ctx_in sells tickets.
package session_openstream_ctx_in

import (
	"context"
	"iter"
	"net/http"

	"github.com/agentcore-go/agentcore/runtime"
)

// Order is how many tickets somebody wants.
type Order struct {
	Count int `json:"count"`
}

// Ticket has a number.
type Ticket struct {
	Number int `json:"number"`
}

// Roll is what was sold.
type Roll struct {
	Sold int `json:"sold"`
}

// Sell streams tickets, of which there are three.
//
//agentcore:entrypoint
func Sell(ctx context.Context, order Order, session *runtime.Session[Roll]) (iter.Seq2[Ticket, error], error) {
	if session.State.Sold+order.Count > 3 {
		return nil, runtime.Errorf(http.StatusConflict, "%d tickets are sold", session.State.Sold)
	}
	return func(yield func(Ticket, error) bool) {
		for range order.Count {
			session.State.Sold++
			if !yield(Ticket{session.State.Sold}, nil) {
				return
			}
		}
	}, nil
}
