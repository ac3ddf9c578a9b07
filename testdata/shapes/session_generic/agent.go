// Package session_generic remembers the last two things.
package session_generic

import (
	"context"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

// Window keeps the last items of some.
type Window[T any] struct {
	Items []T `json:"items"`
	Seen  int `json:"seen"`
}

// Add adds an item and drops the oldest.
func (w *Window[T]) Add(item T) {
	w.Seen++
	if w.Items = append(w.Items, item); len(w.Items) > 2 {
		w.Items = w.Items[1:]
	}
}

// Pair holds two things.
type Pair[A, B any] struct {
	First  A `json:"first"`
	Second B `json:"second"`
}

// Windows is an alias that is generic itself.
type Windows[T any] = Pair[Window[T], map[string]Window[T]]

// Note notes a moment.
//
//agentcore:entrypoint
func Note(_ context.Context, at time.Time, session *runtime.Session[Windows[time.Time]]) (Window[time.Time], error) {
	session.State.First.Add(at)
	return session.State.First, nil
}
