// Package names_predeclared gives words that are predeclared a meaning of its own.
//
//lint:file-ignore U1000 What is not used is in the way.
package names_predeclared

import (
	"context"
	"net/http"

	"github.com/agentcore-go/agentcore/runtime"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_predeclared/words"
)

// All of these are the package's own.
type (
	string struct {
		Word words.Text `json:"word"`
	}
	error interface{ Wrong() words.Text }
	int   []string
	any   struct{ count words.Text }
	bool  struct{}
	nil   map[words.Text]nil
	byte  func(string) error
)

const (
	true = iota
	false
)

var append, cap, copy, new, panic = true, false, true, false, true

// Spell has a payload of the package's own string, and yields the predeclared one.
//
//agentcore:entrypoint
func (b *bool) Spell(q string, session *words.Session) words.Letters {
	return words.Spell(q.Word, session)
}

// Talk hears the predeclared string.
//
//agentcore:websocket
func (bool) Talk(ctx context.Context, conn *words.Conn) words.Failure {
	return words.Echo(ctx, conn)
}

// make is always well.
//
//agentcore:ping
func make() runtime.PingStatus { return runtime.Healthy }

// len wraps every request.
//
//agentcore:middleware
func len(next http.Handler) http.Handler { return next }

// recover is a task that takes nothing.
//
//agentcore:task
func recover(context.Context) words.Failure { return words.Fine() }

// print is a task whose payload has many predeclared types.
//
//agentcore:task
func (s string) print(_ context.Context, jobs words.Jobs) words.Failure { return words.Do(jobs) }

// New returns what NewServer wants.
func New() *bool { return &bool{} }

// Recover starts the task recover.
func Recover(ctx context.Context) (*runtime.Task, words.Failure) { return startRecover(ctx) }

// Print starts the task print.
func Print(ctx context.Context, jobs words.Jobs) (*runtime.Task, words.Failure) {
	return string{"jobs"}.startPrint(ctx, jobs)
}
