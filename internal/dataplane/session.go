package dataplane

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/google/uuid"
)

const headerSessionID = "X-Amzn-Bedrock-Agentcore-Runtime-Session-Id"

// setSession sets which session a request is for: one that its header says, or
// its query, as presigned URLs have it. Without that, a new one.
func (c *call) setSession(needed bool) *Error {
	c.session = c.parameter(headerSessionID)
	_, said := c.r.Header[headerSessionID]
	said = said || c.session != ""
	switch n := len(c.session); {
	case !said && needed:
		return invalid("runtimeSessionId", "Member must not be null")
	case !said:
		c.session = uuid.NewString()
	case n < 33:
		return invalid("runtimeSessionId", "Member must have length greater than or equal to 33")
	case n > 256:
		return invalid("runtimeSessionId", "Member must have length less than or equal to 256")
	}
	c.w.Header().Set(headerSessionID, c.session)
	return nil
}

// parameter returns the value of a header, or of the parameter of the query that
// has its name.
func (c *call) parameter(header string) string {
	if values, ok := c.r.Header[header]; ok {
		return values[0]
	}
	for name, values := range c.query {
		if sameHeader(name, header) {
			return values[0]
		}
	}
	return ""
}

// lengths are the most that headers may have, in bytes.
var lengths = map[string]int{
	"Content-Type": 256, "Accept": 256,
	"Mcp-Session-Id": 1024, "Mcp-Protocol-Version": 1024, "Mcp-Method": 1024, "Mcp-Name": 1024,
	headerUserID: 1024, "X-Amzn-Trace-Id": 128, "Traceparent": 128, "Tracestate": 512, "Baggage": 8192,
}

func (c *call) checkLengths() *Error {
	for _, name := range slices.Sorted(maps.Keys(lengths)) {
		if len(c.r.Header.Get(name)) > lengths[name] {
			return invalid(name, fmt.Sprintf("Member must have length less than or equal to %d", lengths[name]))
		}
	}
	return nil
}

// sessions are those of a runtime.
type sessions struct {
	mu     sync.Mutex
	closed bool
	active map[string]session
}

// session is one whose context ends when it is stopped.
type session struct {
	ctx    context.Context
	cancel context.CancelFunc
}

func newSessions() *sessions { return &sessions{active: make(map[string]session)} }

var errClosed = errors.New("the runtime was removed")

// begin returns the context of a session, which begins if there is none.
func (s *sessions) begin(id string) (context.Context, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	one, ok := s.active[id]
	if !ok {
		one.ctx, one.cancel = context.WithCancel(context.Background())
		s.active[id] = one
	}
	return one.ctx, nil
}

// stop ends a session, and reports whether there was one.
func (s *sessions) stop(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.active[id]
	if ok {
		one.cancel()
		delete(s.active, id)
	}
	return ok
}

func (s *sessions) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.active))
}

func (s *sessions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, one := range s.active {
		one.cancel()
	}
	clear(s.active)
}
