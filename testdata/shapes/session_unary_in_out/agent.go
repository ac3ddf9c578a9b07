// Package session_unary_in_out adds up.
package session_unary_in_out

import "github.com/agentcore-go/agentcore/runtime"

// Add adds a number to those before.
//
//agentcore:entrypoint
func Add(n float64, session *runtime.Session[struct {
	Sum float64 `json:"sum"`
}]) float64 {
	session.State.Sum += n
	return session.State.Sum
}
