package runtime

import (
	"context"
	"slices"
	"sync"
	"time"
)

// MemoryStore is a [SessionStore] in the memory of the process, the default.
type MemoryStore struct {
	turns turns

	mu       sync.Mutex
	sessions map[string]*memorySession
}

type memorySession struct {
	data   []byte
	expiry *time.Timer // nil while somebody holds the session, or no limit is set
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{sessions: make(map[string]*memorySession)}
}

// Hold implements [SessionStore].
func (m *MemoryStore) Hold(ctx context.Context, id string, idle time.Duration) (HeldSession, error) {
	if err := m.turns.take(ctx, id); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.sessions[id]; s != nil && s.expiry != nil {
		s.expiry.Stop()
		s.expiry = nil
	}
	return &memoryHold{store: m, id: id, idle: idle}, nil
}

type memoryHold struct {
	store *MemoryStore
	id    string
	idle  time.Duration
}

func (h *memoryHold) Load(context.Context) ([]byte, error) {
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	if s := h.store.sessions[h.id]; s != nil {
		return slices.Clone(s.data), nil
	}
	return nil, nil
}

func (h *memoryHold) Save(_ context.Context, data []byte) error {
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	h.store.sessions[h.id] = &memorySession{data: slices.Clone(data)}
	return nil
}

func (h *memoryHold) Delete(context.Context) error {
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	delete(h.store.sessions, h.id)
	return nil
}

func (h *memoryHold) Release() {
	m := h.store
	m.mu.Lock()
	if s := m.sessions[h.id]; s != nil && h.idle > 0 {
		var expiry *time.Timer
		expiry = time.AfterFunc(h.idle, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			if s.expiry == expiry { // nobody has come in the meantime
				delete(m.sessions, h.id)
			}
		})
		s.expiry = expiry
	}
	m.mu.Unlock()
	m.turns.give(h.id)
}

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
	t.mu.Lock()
	l := t.lines[name]
	if l == nil {
		l = &line{free: make(chan struct{}, 1)}
		l.free <- struct{}{}
		if t.lines == nil {
			t.lines = make(map[string]*line)
		}
		t.lines[name] = l
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
