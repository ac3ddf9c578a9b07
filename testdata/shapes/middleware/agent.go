// Package middleware lets in who has a name, and counts how often.
package middleware

import (
	"context"
	"net/http"
	"sync"
)

type userKey struct{}

// Authenticate takes the caller's name from a header.
//
//agentcore:middleware
func Authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := r.Header.Get("X-User")
		if user == "" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
	})
}

// Limit lets every caller in once. It needs the name that Authenticate found.
//
//agentcore:middleware
func Limit(next http.Handler) http.Handler {
	var seen sync.Map
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, twice := seen.LoadOrStore(r.Context().Value(userKey{}), true); twice {
			http.Error(w, "not again", http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Greet greets the caller.
//
//agentcore:entrypoint
func Greet(ctx context.Context) string { return "Hello, " + ctx.Value(userKey{}).(string) }
