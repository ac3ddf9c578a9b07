// Package redisstore keeps the state of sessions in Redis, for several replicas
// of one agent.
//
// A session is held by a lock in Redis that has to be renewed. When a replica
// crashes, or cannot reach Redis, the sessions that it holds are free for the
// others after the lease, 15 seconds by default; what it has not saved is lost,
// and its callers have not been answered. A replica that comes back after that
// can change nothing: its handlers fail with [runtime.ErrSessionLost].
//
// Redis must keep what it has confirmed. It does with appendonly yes and
// appendfsync always; with the default, a snapshot now and then, its crash costs
// the turns since the last one. The same goes for a failover to a replica of
// Redis, which may lack the latest writes. With a maxmemory it needs the policy
// noeviction, for any other may drop sessions and locks. A Redis Cluster will do.
package redisstore

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/agentcore-go/agentcore/runtime"
)

const (
	defaultPrefix = "agentcore:session:"
	defaultLease  = 15 * time.Second
	minLease      = 100 * time.Millisecond

	// firstPoll and lastPoll bound the pauses between looks at a session that is
	// held.
	firstPoll = 5 * time.Millisecond
	lastPoll  = 100 * time.Millisecond

	// releaseTimeout keeps a Redis that hangs from blocking Release.
	releaseTimeout = 2 * time.Second
)

// Store is a [runtime.SessionStore] in Redis. Callers that wait for a session
// get it in no particular order.
type Store struct {
	client redis.UniversalClient
	prefix string
	lease  time.Duration
}

// An Option changes a default of a [Store].
type Option func(*Store)

// WithPrefix sets what the keys in Redis begin with. The default is
// "agentcore:session:". Agents that share a Redis need one each.
func WithPrefix(prefix string) Option { return func(s *Store) { s.prefix = prefix } }

// WithLease sets how long a session stays held by a replica that has crashed or
// cannot reach Redis. The default is 15 seconds, the least 100 milliseconds. It
// is renewed at a third of it: one that is shorter than Redis or the network may
// pause costs the work of handlers.
func WithLease(d time.Duration) Option { return func(s *Store) { s.lease = max(d, minLease) } }

// New returns a store that uses the client, which remains the caller's to close.
func New(client redis.UniversalClient, opts ...Option) *Store {
	s := &Store{client: client, prefix: defaultPrefix, lease: defaultLease}
	for _, opt := range opts {
		opt(s)
	}
	return s
}

// keys returns the keys of a session's lock and of its state. What is in braces
// decides on their place in a cluster, so that it must end where the id does and
// not be empty.
func (s *Store) keys(id string) []string {
	tag := braces.Replace(id)
	if tag == "" {
		tag = "%"
	}
	state := s.prefix + "{" + tag + "}"
	return []string{state + ":lock", state}
}

var braces = strings.NewReplacer("%", "%25", "}", "%7D")

// Hold implements [runtime.SessionStore].
func (s *Store) Hold(ctx context.Context, id string, idle time.Duration) (runtime.HeldSession, error) {
	h := &hold{
		store: s,
		keys:  s.keys(id),
		token: rand.Text(),
		lease: milliseconds(s.lease),
		idle:  milliseconds(idle),
	}
	if idle > 0 { // held is not idle
		h.kept = milliseconds(idle + s.lease)
	}
	for pause := firstPoll; ; pause = min(2*pause, lastPoll) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		answers := s.start(context.WithoutCancel(ctx), acquire, h.keys, h.token, h.lease, h.kept)
		got, err := await(ctx, answers)
		if err != nil {
			go func() { // it may yet be granted
				<-answers
				h.letGo()
			}()
			return nil, fmt.Errorf("hold the session in Redis: %w", err)
		}
		if got == granted {
			break
		}
		select {
		case <-time.After(pause/2 + mathrand.N(pause)):
		case <-ctx.Done():
		}
	}
	renewal, stop := context.WithCancel(context.Background())
	h.stop, h.renewed = stop, make(chan struct{})
	go h.renew(renewal)
	return h, nil
}

// milliseconds returns what Redis understands: 0 is no limit.
func milliseconds(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return max(d.Milliseconds(), 1)
}

type answer struct {
	value any
	err   error
}

// start runs a script. The channel is closed behind the answer.
func (s *Store) start(ctx context.Context, script *redis.Script, keys []string, args ...any) <-chan answer {
	answers := make(chan answer, 1)
	go func() {
		defer close(answers)
		value, err := script.Run(ctx, s.client, keys, args...).Result()
		answers <- answer{value, err}
	}()
	return answers
}

// await waits for the answer until ctx ends, which the client would not notice
// while it waits for Redis.
func await(ctx context.Context, answers <-chan answer) (any, error) {
	select {
	case got := <-answers:
		return got.value, got.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// hold is a session that is held. Its lock has the value token:n, of which n is
// the number of the latest write.
type hold struct {
	store  *Store
	keys   []string
	token  string
	writes int

	// In milliseconds, 0 for no limit.
	lease int64
	idle  int64
	kept  int64 // the expiry of the state while it is held

	stop    func()
	renewed chan struct{} // closed when renew has returned
}

func (h *hold) run(ctx context.Context, script *redis.Script, args ...any) (any, error) {
	return await(ctx, h.store.start(ctx, script, h.keys, append([]any{h.token}, args...)...))
}

// Load implements [runtime.HeldSession].
func (h *hold) Load(ctx context.Context) ([]byte, error) {
	got, err := h.run(ctx, load)
	found, own := got.([]any)
	if err == nil && !own {
		err = runtime.ErrSessionLost
	}
	if err != nil {
		return nil, fmt.Errorf("load the session from Redis: %w", err)
	}
	if data, ok := found[0].(string); ok {
		return []byte(data), nil
	}
	return nil, nil
}

// Save implements [runtime.HeldSession].
func (h *hold) Save(ctx context.Context, data []byte) error {
	if err := h.write(ctx, save, data, h.kept); err != nil {
		return fmt.Errorf("save the session in Redis: %w", err)
	}
	return nil
}

// Delete implements [runtime.HeldSession].
func (h *hold) Delete(ctx context.Context) error {
	if err := h.write(ctx, remove); err != nil {
		return fmt.Errorf("delete the session from Redis: %w", err)
	}
	return nil
}

// write runs a script that changes the state. The number makes sure that a write
// which was given up, or sent twice, does not come into effect after a later one.
func (h *hold) write(ctx context.Context, script *redis.Script, args ...any) error {
	h.writes++
	got, err := h.run(ctx, script, append([]any{h.writes, h.lease}, args...)...)
	if err == nil && got != granted {
		err = runtime.ErrSessionLost
	}
	return err
}

// Release implements [runtime.HeldSession]. When Redis does not answer, the lock
// ends with its lease.
func (h *hold) Release() {
	h.stop()
	<-h.renewed
	h.letGo()
}

// letGo gives the lock back. It does not wait for a Redis that hangs, and yet
// Redis may hear of it.
func (h *hold) letGo() {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	_, _ = await(ctx, h.store.start(context.Background(), release, h.keys, h.token, h.idle))
}

// renew renews the lock until ctx ends or the lock is lost, which the next write
// will be told.
func (h *hold) renew(ctx context.Context) {
	defer close(h.renewed)
	interval := h.store.lease / 3
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		attempt, cancel := context.WithTimeout(ctx, interval)
		got, err := h.run(attempt, extend, h.lease, h.kept)
		cancel()
		if err == nil && got != granted {
			return
		}
	}
}
