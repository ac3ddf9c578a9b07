// Package unary_ctx_in keeps one note for each session.
package unary_ctx_in

import (
	"context"
	"sync"

	"github.com/agentcore-go/agentcore/runtime"
)

// Note is something to keep.
type Note struct {
	Text string `json:"text"`
}

// Notes holds the note of each session, by the session's id.
var Notes sync.Map

// Keep replaces the note of the caller's session.
//
//agentcore:entrypoint
func Keep(ctx context.Context, note Note) { Notes.Store(runtime.SessionID(ctx), note) }
