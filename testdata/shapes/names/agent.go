// Package names has taken every name that a generated file would like to use.
package names

import (
	stdcontext "context"
	stditer "iter"
	nethttp "net/http"
	wall "time"

	agentcore "github.com/agentcore-go/agentcore/runtime"
)

// All of these are the package's own.
type (
	// Server is no server.
	Server struct{}
	r      struct{}
	opts   struct{}
)

const (
	ctx  = "ctx"
	in   = "in"
	http = "http"
)

var (
	runtime = ctx
	context = in
	iter    = http
	time    = runtime + context + iter
	_       = time
)

// Time returns a moment later.
//
//agentcore:entrypoint
func (*Server) Time(now wall.Time) stditer.Seq2[wall.Time, error] {
	return func(yield func(wall.Time, error) bool) { yield(now.Add(wall.Second), nil) }
}

// Opts lets everything pass.
//
//agentcore:middleware
func Opts(next nethttp.Handler) nethttp.Handler { return next }

// health is as well as can be.
//
//agentcore:ping
func (opts) health(stdcontext.Context) agentcore.PingStatus { return agentcore.HealthyBusy }

// Context is a task of a type that is called like a receiver.
//
//agentcore:task
func (r) Context(stdcontext.Context) error { return nil }

// New returns what NewServer wants.
func New() (*Server, opts) { return new(Server), opts{} }
