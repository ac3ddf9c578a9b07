// Package openstream plays a record, if one is on.
package openstream

import (
	"errors"
	"iter"
	"net/http"
	"sync/atomic"

	"github.com/agentcore-go/agentcore/runtime"
)

// Record is what is on the turntable.
var Record atomic.Pointer[[]string]

// Play streams what is on the record. An empty groove is a scratch.
//
//agentcore:entrypoint
func Play() (iter.Seq2[string, error], error) {
	record := Record.Load()
	if record == nil {
		return nil, runtime.Errorf(http.StatusConflict, "no record is on")
	}
	return func(yield func(string, error) bool) {
		for _, bar := range *record {
			var err error
			if bar == "" {
				err = errors.New("the needle jumped")
			}
			if !yield(bar, err) {
				return
			}
		}
	}, nil
}
