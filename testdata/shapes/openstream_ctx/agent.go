// Package openstream_ctx resumes a feed of events for subscribers.
package openstream_ctx

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strconv"

	"github.com/agentcore-go/agentcore/runtime"
)

// Event is one thing that happened.
type Event struct {
	ID int `json:"id"`
}

// Resume streams the events after the one that the header Last-Event-Id names.
//
//agentcore:entrypoint
func Resume(ctx context.Context) (iter.Seq2[Event, error], error) {
	last, err := strconv.Atoi(runtime.RequestHeaders(ctx).Get("Last-Event-Id"))
	if err != nil {
		return nil, &runtime.StatusError{Status: http.StatusBadRequest, Detail: map[string]string{"header": "Last-Event-Id"}, Err: err}
	}
	return func(yield func(Event, error) bool) {
		for id := last + 1; id <= 5; id++ {
			if !yield(Event{id}, nil) {
				return
			}
		}
		if last >= 5 {
			yield(Event{}, errors.New("that is yet to come"))
		}
	}, nil
}
