// Package session_names has taken the names that a session would like to use.
package session_names

import (
	agentcore "github.com/agentcore-go/agentcore/runtime"
)

// Session is a receiver, and state is what it keeps.
type Session struct{ Step int }

type state struct {
	Count int `json:"count"`
}

var runtime = 0

// Count counts in steps.
//
//agentcore:entrypoint
func (s *Session) Count(session *agentcore.Session[state]) (int, error) {
	session.State.Count += s.Step + runtime
	return session.State.Count, nil
}
