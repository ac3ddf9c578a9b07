// Package session_stream counts on.
package session_stream

import (
	"iter"

	"github.com/agentcore-go/agentcore/runtime"
)

// Count streams the next two numbers.
//
//agentcore:entrypoint
func Count(session *runtime.Session[int]) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for range 2 {
			session.State++
			if !yield(session.State, nil) {
				return
			}
		}
	}
}
