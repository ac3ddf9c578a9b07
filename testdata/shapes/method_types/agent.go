// Package method_types has handlers on two types, and one on neither.
package method_types

import (
	"context"
	"iter"
	"net/http"

	"github.com/agentcore-go/agentcore/runtime"
)

// LLM is a model that can only repeat.
type LLM struct{ Name string }

// Complete repeats the prompt, and says who it is.
//
//agentcore:entrypoint
func (m *LLM) Complete(_ context.Context, prompt string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		_ = yield(m.Name, nil) && yield(prompt, nil)
	}
}

// gate lets the holders of a key in.
type gate struct{ key string }

// Gate returns a gate.
func Gate(key string) gate { return gate{key} }

// check refuses a request without the key. It outranks the model.
//
//agentcore:middleware
func (g gate) check(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Key") != g.key {
			http.Error(w, "the key is missing", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Health is always the same.
//
//agentcore:ping
func (g gate) Health(context.Context) (runtime.PingStatus, error) { return runtime.HealthyBusy, nil }
