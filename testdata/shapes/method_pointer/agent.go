// Package method_pointer counts its visitors.
package method_pointer

import "sync/atomic"

// Counter counts.
type Counter struct{ visits atomic.Int64 }

// Visit returns the number of visits, with this one.
//
//agentcore:entrypoint
func (c *Counter) Visit() int64 { return c.visits.Add(1) }
