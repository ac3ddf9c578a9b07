// Package words has predeclared types for a package that cannot write them.
package words

import (
	"context"
	"iter"

	"github.com/agentcore-go/agentcore/runtime"
)

type (
	Text    = string
	Failure = error
	Letters = iter.Seq2[string, error]
	Conn    = runtime.Conn[string, map[string]any]
	Session = runtime.Session[struct{ Asked int }]
	Jobs    = struct {
		Names []string
		Done  func(name string, left *int, more ...byte) (ok bool, err error)
	}
)

// Spell yields the letters of a text, and how often a session has asked.
func Spell(text string, session *Session) Letters {
	session.State.Asked++
	return func(yield func(string, error) bool) {
		for _, letter := range text {
			if !yield(string(letter), nil) {
				return
			}
		}
		yield(string(rune('0'+session.State.Asked)), nil)
	}
}

// Echo answers one message.
func Echo(ctx context.Context, conn *Conn) error {
	text, err := conn.Receive(ctx)
	if err != nil {
		return err
	}
	return conn.Send(ctx, map[string]any{"heard": text})
}

// Do does the last of some jobs.
func Do(jobs Jobs) error {
	left := len(jobs.Names) - 1
	_, err := jobs.Done(jobs.Names[left], &left)
	return err
}

// Fine is no failure.
func Fine() error { return nil }
