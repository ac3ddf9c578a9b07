// Package openstream_ctx_in reads documents aloud.
package openstream_ctx_in

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"github.com/agentcore-go/agentcore/runtime"
)

// Request names a document.
type Request struct {
	Document string `json:"document"`
}

// Line is a line of it.
type Line struct {
	Number int    `json:"number"`
	Text   string `json:"text"`
}

var documents = map[string][]string{
	"poem":  {"Roses are red,", "violets are blue."},
	"torn":  {"Dear Sir,", ""},
	"blank": nil,
}

// Lines is a stream of lines.
type Lines = iter.Seq2[Line, error]

// Read streams the lines of a document.
//
//agentcore:entrypoint
func Read(ctx context.Context, r Request) (Lines, error) {
	document, ok := documents[r.Document]
	if !ok {
		return nil, runtime.Errorf(http.StatusNotFound, "there is no %s", r.Document)
	}
	if document == nil {
		return nil, nil // a stream of nothing
	}
	return func(yield func(Line, error) bool) {
		for i, text := range document {
			if text == "" {
				yield(Line{}, fmt.Errorf("line %d is torn off: %w", i+1, context.DeadlineExceeded))
				return
			}
			if !yield(Line{i + 1, text}, nil) {
				return
			}
		}
	}, nil
}
