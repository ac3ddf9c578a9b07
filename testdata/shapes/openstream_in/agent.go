// Package openstream_in divides a number again and again.
package openstream_in

import (
	"errors"
	"iter"
)

// Start is where to begin, and by what to divide.
type Start struct {
	Number int `json:"number"`
	By     int `json:"by"`
}

// Divide streams the quotients until nothing is left.
//
//agentcore:entrypoint
func Divide(start Start) (iter.Seq2[int, error], error) {
	if start.By == 0 {
		return nil, errors.New("division by zero")
	}
	return func(yield func(int, error) bool) {
		for n := start.Number; n > 0; n /= start.By {
			if n%start.By != 0 && n > start.By {
				yield(0, errors.New("it does not divide"))
				return
			}
			if !yield(n, nil) {
				return
			}
		}
	}, nil
}
