// Package hostile has everything at once that could be in the way of generated
// code: names, imports, and comments.
//
//lint:file-ignore U1000 What is not used is in the way.
//lint:file-ignore ST1001 A dot brings more names.
package hostile

import (
	. "context"
	. "iter"
	web "net/http"
	"sync/atomic"

	agentcore "github.com/agentcore-go/agentcore/runtime"
	. "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/dot"
	nethttp "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/http"
	agentcoreruntime "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/runtime"
	words "github.com/agentcore-go/agentcore/testdata/shapes/names_predeclared/words"
)

// Answer streams what it was asked.
//
//agentcore:entrypoint
func (f *Func) Answer(q Question[nethttp.T, T], session *words.Session) (Seq2[words.Text, words.Failure], words.Failure) {
	if q.HTTP == "" {
		return words.Spell(words.Text(q.Runtime), session), words.Fine()
	}
	return words.Spell(words.Text(q.HTTP)+words.Text(q.Dot), session), words.Fine()
}

// Talk has a receiver that is called like a package.
//
//agentcore:websocket
func (http Type) Talk(ctx Context, conn *words.Conn) words.Failure { return words.Echo(ctx, conn) }

// Health has a receiver without a name.
//
//agentcore:ping
func (*Type) Health() agentcore.PingStatus { return agentcore.HealthyBusy }

//agentcore:middleware
func (_Range) Handler(next web.Handler) web.Handler { return passing(next) }

//agentcore:middleware
func (Map) Handler(next web.Handler) web.Handler { return passing(next) }

//agentcore:middleware
func (m) Handler(next web.Handler) web.Handler { return passing(next) }

//agentcore:middleware
func string(next web.Handler) web.Handler { return passing(next) }

// Passed counts how often a request has passed a middleware.
var Passed atomic.Int64

func passing(next web.Handler) web.Handler {
	return web.HandlerFunc(func(w web.ResponseWriter, r *web.Request) {
		Passed.Add(1)
		next.ServeHTTP(w, r)
	})
}

// Question has type parameters that are called like packages.
type Question[http, context interface{ ~words.Text }] struct {
	HTTP    http               `json:"http,omitempty" doc:"\u0060*/"`
	Dot     context            `json:"dot,omitempty"`
	Runtime agentcoreruntime.T `json:"runtime"`
}

// Done is what the tasks have said.
var Done = make(chan words.Text, 10)
