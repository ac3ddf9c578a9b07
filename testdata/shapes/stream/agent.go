// Package stream counts down.
package stream

import (
	"errors"
	"iter"
	"sync/atomic"
)

// Hold stops a countdown before its end.
var Hold atomic.Bool

// Countdown counts from 3 to 1.
//
//agentcore:entrypoint
func Countdown() iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for n := 3; n > 0; n-- {
			if n == 1 && Hold.Load() {
				yield(0, errors.New("hold"))
				return
			}
			if !yield(n, nil) {
				return
			}
		}
	}
}
