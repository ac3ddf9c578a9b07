// Package payload_alias calls its types by other names.
package payload_alias

import (
	"context"
	"iter"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

type (
	// ID is a string.
	ID = string
	// Several is some of anything.
	Several[T any] = []T
	// Span is a duration, in nanoseconds.
	Span = time.Duration
	// Spans is a stream of them.
	Spans = iter.Seq2[Span, error]
	// Call is a connection to somebody who waits.
	Call = runtime.Conn[ID, Span]

	ctx = context.Context
)

// Waits streams how long each in a queue must wait.
//
//agentcore:entrypoint
func Waits(_ ctx, queue Several[ID]) Spans {
	return func(yield func(Span, error) bool) {
		for i := range queue {
			if !yield(Span(i)*time.Microsecond, nil) {
				return
			}
		}
	}
}

// Wait tells one after the other how long they must wait.
//
//agentcore:websocket
func Wait(ctx ctx, call *Call) error {
	var wait Span
	for _, err := range call.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := call.Send(ctx, wait); err != nil {
			return err
		}
		wait += time.Microsecond
	}
	return nil
}
