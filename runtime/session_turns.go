package runtime

import (
	"context"
	"sync"
)

// turns lets one at a time have a name, in the order in which they ask. The zero
// value is ready.
type turns struct {
	mu    sync.Mutex
	lines map[string]*line
}

// line is those who have a name or wait for it.
type line struct {
	length int
	free   chan struct{} // holds a value while nobody has the name
}

// take waits for the name until ctx ends.
func (t *turns) take(ctx context.Context, name string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t.mu.Lock()
	l := t.lines[name]
	if l == nil {
		l = t.begin(name)
		l.free <- struct{}{}
	}
	l.length++
	t.mu.Unlock()
	select {
	case <-l.free:
		return nil
	case <-ctx.Done():
		t.leave(name, false)
		return context.Cause(ctx)
	}
}

// tryTake takes the name if nobody has it or waits for it.
func (t *turns) tryTake(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines[name] != nil {
		return false
	}
	t.begin(name).length++
	return true
}

// begin returns a line for a name that has none. The caller holds t.mu.
func (t *turns) begin(name string) *line {
	if t.lines == nil {
		t.lines = make(map[string]*line)
	}
	l := &line{free: make(chan struct{}, 1)}
	t.lines[name] = l
	return l
}

// give lets the next one have the name.
func (t *turns) give(name string) { t.leave(name, true) }

func (t *turns) leave(name string, had bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lines[name]
	if had {
		l.free <- struct{}{}
	}
	if l.length--; l.length == 0 {
		delete(t.lines, name)
	}
}
