// Package session_stream_ctx_in repeats everything that it has heard.
package session_stream_ctx_in

import (
	"context"
	"errors"
	"iter"

	"github.com/agentcore-go/agentcore/runtime"
)

// Token is a piece of the answer.
type Token struct {
	Text string `json:"text"`
}

// Echo streams what was said, and all that was said before it.
//
//agentcore:entrypoint
func Echo(ctx context.Context, text string, session *runtime.Session[[]Token]) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		session.State = append(session.State, Token{text})
		for _, token := range session.State {
			if !yield(token, nil) {
				return
			}
		}
		if text == "" {
			yield(Token{}, errors.New("silence is not remembered"))
		}
	}
}
