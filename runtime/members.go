package runtime

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// members is a set of what must end before a server has ended. It is safe for
// concurrent use; the zero value is an empty set.
type members[T comparable] struct {
	mu     sync.Mutex
	live   map[T]struct{}
	closed bool
	empty  chan struct{} // not nil once closed, closed once nothing lives
}

// add puts m into the set, unless the set was closed.
func (s *members[T]) add(m T) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.live == nil {
		s.live = make(map[T]struct{})
	}
	s.live[m] = struct{}{}
	return true
}

func (s *members[T]) remove(m T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, m)
	if s.closed && len(s.live) == 0 {
		close(s.empty)
	}
}

// all returns what is in the set, in no order.
func (s *members[T]) all() []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.live))
}

// close lets nothing more in and calls end, which must not block, for each
// that is in the set. Only the first call does anything.
func (s *members[T]) close(end func(T)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	s.empty = make(chan struct{})
	if len(s.live) == 0 {
		close(s.empty)
	}
	for m := range s.live {
		end(m)
	}
}

// wait waits until a closed set is empty. It returns how many were left when
// ctx ended.
func (s *members[T]) wait(ctx context.Context) int {
	select {
	case <-s.empty:
		return 0
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.live)
	}
}
