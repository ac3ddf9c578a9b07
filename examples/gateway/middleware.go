package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

const (
	correlationHeader = "X-Correlation-Id"
	maxCorrelation    = 128
)

type correlationKey struct{}

// Correlation returns the id that ties together what happens for one request,
// here and elsewhere.
func Correlation(ctx context.Context) string {
	id, _ := ctx.Value(correlationKey{}).(string)
	return id
}

// Correlate gives each request its correlation id: the caller's, or else the
// request's own. The answer carries it, whatever it is.
//
//agentcore:middleware
func Correlate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(correlationHeader)
		if id == "" || len(id) > maxCorrelation {
			id = runtime.RequestID(r.Context())
		}
		w.Header().Set(correlationHeader, id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), correlationKey{}, id)))
	})
}

// Time logs each request with the time that it took, up to the end of a stream
// or a WebSocket. Pings, which come all the time, are logged at debug level.
//
//agentcore:middleware
func (g *Gateway) Time(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		level := slog.LevelInfo
		if r.URL.Path == "/ping" {
			level = slog.LevelDebug
		}
		start := time.Now()
		defer func() { // also when the connection is cut, which is a panic
			g.Log.Log(r.Context(), level, "request",
				"method", r.Method, "path", r.URL.Path,
				"correlation", Correlation(r.Context()), "took", time.Since(start))
		}()
		next.ServeHTTP(w, r)
	})
}

// Authenticate lets those pass who know the token. The platform's health
// check is none of them, so /ping stays open.
//
//agentcore:middleware
func (g *Gateway) Authenticate(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(g.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ping" {
			next.ServeHTTP(w, r)
			return
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		// Hashes are of one length, so that the comparison tells nothing of the token's.
		got := sha256.Sum256([]byte(token))
		if token == "" || !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			runtime.WriteError(w, runtime.Errorf(http.StatusUnauthorized, "a valid bearer token is required"))
			return
		}
		next.ServeHTTP(w, r)
	})
}
