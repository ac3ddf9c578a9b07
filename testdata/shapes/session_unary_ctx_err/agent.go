// Package session_unary_ctx_err is a door with a lock.
package session_unary_ctx_err

import (
	"context"
	"net/http"

	"github.com/agentcore-go/agentcore/runtime"
)

// Door is open or closed.
type Door struct {
	Open bool `json:"open"`
}

// Push opens the door, or closes it and forgets that there was one.
//
//agentcore:entrypoint
func Push(ctx context.Context, session *runtime.Session[Door]) error {
	switch {
	case runtime.RequestHeaders(ctx).Get("X-Locked") != "":
		session.State.Open = !session.State.Open // which is not saved
		return runtime.Errorf(http.StatusLocked, "open: %t, new: %t", !session.State.Open, session.New())
	case session.State.Open:
		session.End()
	default:
		session.State.Open = true
	}
	return nil
}
