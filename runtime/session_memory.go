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
