// Package unary rings a bell.
package unary

import "sync/atomic"

// Rung counts how often the bell was rung.
var Rung atomic.Int64

// Ring rings the bell.
//
//agentcore:entrypoint
func Ring() { Rung.Add(1) }
