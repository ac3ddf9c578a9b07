// Package middleware_order shows the way a request took, through three files.
package middleware_order

import (
	"context"
	"net/http"

	"github.com/agentcore-go/agentcore/runtime"
)

// Way returns what the request passed, the first first.
//
//agentcore:entrypoint
func Way(ctx context.Context) []string {
	return runtime.HTTPRequest(ctx).Header.Values("X-Passed")
}

// passing returns middleware that notes its name.
func passing(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Add("X-Passed", name)
		next.ServeHTTP(w, r)
	})
}

// Door is the last.
//
//agentcore:middleware order=10
func Door(next http.Handler) http.Handler { return passing("door", next) }

// Gate is the first.
//
//agentcore:middleware order=-1
func Gate(next http.Handler) http.Handler { return passing("gate", next) }
