// Package unary_out_err draws numbered tickets from a roll.
package unary_out_err

import (
	"net/http"
	"sync/atomic"

	"github.com/agentcore-go/agentcore/runtime"
)

// Roll is the number of the last ticket that was drawn. There are three.
var Roll atomic.Int64

// Ticket is a place in the queue.
type Ticket struct {
	Number int64 `json:"number"`
}

// Draw returns the next ticket.
//
//agentcore:entrypoint
func Draw() (*Ticket, error) {
	number := Roll.Add(1)
	if number > 3 {
		return nil, runtime.Errorf(http.StatusServiceUnavailable, "no ticket is left")
	}
	return &Ticket{number}, nil
}
