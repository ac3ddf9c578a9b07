// Package unary_err prints a page while there is paper.
package unary_err

import (
	"errors"
	"sync/atomic"
)

// Paper is how many sheets are left.
var Paper atomic.Int64

// Print uses up one sheet.
//
//agentcore:entrypoint
func Print() error {
	if Paper.Add(-1) < 0 {
		return errors.New("out of paper")
	}
	return nil
}
