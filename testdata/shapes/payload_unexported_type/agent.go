// Package payload_unexported_type keeps the names of its payloads to itself.
package payload_unexported_type

import (
	"context"
	"iter"
)

type question struct {
	Prompt  string  `json:"prompt"`
	Options options `json:"options"`
}

type options struct {
	Upto level `json:"upto"`
}

type level int

type answer struct {
	*meta
	Text string `json:"text"`
	cost int
}

type meta struct {
	Level level `json:"level"`
}

// Count counts up.
//
//agentcore:entrypoint
func Count(_ context.Context, q question) iter.Seq2[*answer, error] {
	return func(yield func(*answer, error) bool) {
		for i := range q.Options.Upto {
			if !yield(&answer{&meta{i}, q.Prompt, 1}, nil) {
				return
			}
		}
	}
}
