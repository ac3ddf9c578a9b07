// Package session_unary is a turnstile that lets everybody through twice.
package session_unary

import "github.com/agentcore-go/agentcore/runtime"

// Pass lets one more through.
//
//agentcore:entrypoint
func Pass(session *runtime.Session[int]) {
	if session.State++; session.State > 2 {
		panic("the turnstile is stuck")
	}
}
