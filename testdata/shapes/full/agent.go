// Package full has a handler of every kind.
package full

import (
	"context"
	"iter"
	"net/http"
	"sync/atomic"

	"github.com/agentcore-go/agentcore/runtime"
)

// Question is what somebody asks.
type Question struct {
	Prompt string `json:"prompt"`
}

// Token is a piece of the answer.
type Token struct {
	Text string `json:"text"`
}

// Answered counts answers.
var Answered atomic.Int64

// Answer repeats the prompt and has the answer counted.
//
//agentcore:entrypoint
func Answer(ctx context.Context, q Question) (iter.Seq2[Token, error], error) {
	count, err := startCount(ctx, 1)
	if err != nil {
		return nil, err
	}
	<-count.Done()
	return func(yield func(Token, error) bool) { yield(Token{q.Prompt}, nil) }, nil
}

// Talk repeats what it hears.
//
//agentcore:websocket
func Talk(ctx context.Context, conn *runtime.Conn[Question, Token]) error {
	for q, err := range conn.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := conn.Send(ctx, Token{q.Prompt}); err != nil {
			return err
		}
	}
	return nil
}

// Health is busy as long as it has answered nothing.
//
//agentcore:ping
func Health(context.Context) (runtime.PingStatus, error) {
	if Answered.Load() == 0 {
		return runtime.HealthyBusy, nil
	}
	return runtime.Healthy, nil
}

//agentcore:task
func count(_ context.Context, n int64) error {
	Answered.Add(n)
	return nil
}

// Logging would log. It refuses what nobody should send.
//
//agentcore:middleware
func Logging(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" {
			http.Error(w, "no query, please", http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
