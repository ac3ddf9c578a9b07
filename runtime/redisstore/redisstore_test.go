package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/agentcore-go/agentcore/runtime"
	"github.com/agentcore-go/agentcore/runtime/redisstore"
	"github.com/agentcore-go/agentcore/runtime/storetest"
)

func TestStore(t *testing.T) {
	client := startRedis(t).client(t)
	storetest.Run(t, numbered(client))
}

// In a cluster, a script's keys must have their place in one slot.
func TestStoreInACluster(t *testing.T) {
	server := startRedis(t, "--cluster-enabled", "yes")
	if err := server.client(t).ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.addr}})
	t.Cleanup(func() { client.Close() })
	until(t, "the cluster", func() bool {
		info, err := client.ClusterInfo(t.Context()).Result()
		return err == nil && strings.Contains(info, "cluster_state:ok")
	})
	storetest.Run(t, numbered(client))
}

// numbered returns a function that opens stores with a prefix each.
func numbered(client redis.UniversalClient) func(*testing.T) runtime.SessionStore {
	n := 0
	return func(*testing.T) runtime.SessionStore {
		n++
		return redisstore.New(client, redisstore.WithPrefix(fmt.Sprint("test:", n, ":")))
	}
}

func TestKeys(t *testing.T) {
	client := startRedis(t).client(t)
	held := hold(t, redisstore.New(client), "s-1", time.Hour)
	save(t, held, "state")
	wantKeys(t, client, "agentcore:session:{s-1}", "agentcore:session:{s-1}:lock")
	if ttl := client.PTTL(t.Context(), "agentcore:session:{s-1}:lock").Val(); ttl <= 0 || ttl > 15*time.Second {
		t.Errorf("the lock expires in %v, want at most the lease", ttl)
	}
	if ttl := client.PTTL(t.Context(), "agentcore:session:{s-1}").Val(); ttl <= time.Hour {
		t.Errorf("the state expires in %v while it is held, want more than the idle time", ttl)
	}
	held.Release()
	wantKeys(t, client, "agentcore:session:{s-1}")
	if ttl := client.PTTL(t.Context(), "agentcore:session:{s-1}").Val(); ttl <= 0 || ttl > time.Hour {
		t.Errorf("the state expires in %v, want at most the idle time", ttl)
	}

	// A hold without a limit lifts that of an earlier one.
	held = hold(t, redisstore.New(client), "s-1", 0)
	held.Release()
	if ttl := client.PTTL(t.Context(), "agentcore:session:{s-1}").Val(); ttl != -1 {
		t.Errorf("the state expires in %v, want never", ttl)
	}

	held = hold(t, redisstore.New(client, redisstore.WithPrefix("shop/")), "s-1", time.Hour)
	defer held.Release()
	wantData(t, held, "")
	wantKeys(t, client, "agentcore:session:{s-1}", "shop/{s-1}:lock")
}

func wantKeys(t *testing.T, client *redis.Client, want ...string) {
	t.Helper()
	got, err := client.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("Redis has the keys %q, want %q", got, want)
	}
}

// A session that is held for long stays held, and its state does not expire.
func TestLeaseIsRenewed(t *testing.T) {
	const idle = 10 * time.Millisecond
	client := startRedis(t).client(t)
	store := redisstore.New(client, redisstore.WithLease(lease))
	held := hold(t, store, "s", idle)
	save(t, held, "state")
	ctx, cancel := context.WithTimeout(t.Context(), 3*lease/2)
	defer cancel()
	if _, err := store.Hold(ctx, "s", idle); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Hold returned %v while the session is held", err)
	}
	wantData(t, held, "state")
	save(t, held, "more")
	held.Release()
}

// What a holder without a connection does after the lease changes nothing.
func TestLeaseIsLost(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	var cut atomic.Bool
	client.AddHook(&line{func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		if cut.Load() {
			err := &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
			cmd.SetErr(err)
			return err
		}
		return next(ctx, cmd)
	}})
	first := hold(t, redisstore.New(client, redisstore.WithLease(lease)), "s", time.Hour)
	save(t, first, "first")
	late := map[string]func() error{
		"load": func() error {
			_, err := first.Load(t.Context())
			return err
		},
		"save":   func() error { return first.Save(t.Context(), []byte("late")) },
		"delete": func() error { return first.Delete(t.Context()) },
	}
	cut.Store(true)
	for name, call := range late {
		if err := call(); err == nil || errors.Is(err, runtime.ErrSessionLost) {
			t.Errorf("%s: %v, want the error of the connection", name, err)
		}
	}

	other := redisstore.New(server.client(t))
	second := hold(t, other, "s", time.Hour)
	wantData(t, second, "first")
	save(t, second, "second")
	cut.Store(false)
	for range 2 { // it stays lost
		for name, call := range late {
			if err := call(); !errors.Is(err, runtime.ErrSessionLost) {
				t.Errorf("%s: %v, want ErrSessionLost", name, err)
			}
		}
	}
	wantData(t, second, "second")
	first.Release() // which does not release what the other holds
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := other.Hold(ctx, "s", time.Hour); err == nil {
		t.Error("the session is held twice")
	}
	save(t, second, "third")
	second.Release()
}

// A Redis that was restarted without its data has forgotten who holds what.
func TestRedisForgets(t *testing.T) {
	client := startRedis(t).client(t)
	store := redisstore.New(client)
	held := hold(t, store, "s", time.Hour)
	save(t, held, "state")
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := held.Save(t.Context(), []byte("more")); !errors.Is(err, runtime.ErrSessionLost) {
		t.Errorf("saved with %v, want ErrSessionLost", err)
	}
	held.Release()
	wantKeys(t, client)
}

// A write whose answer got lost may reach Redis at any time. Whatever was saved
// after it stays.
func TestLateWrites(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	var keep atomic.Bool
	var kept [][]any
	client.AddHook(&line{func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		if keep.Load() {
			kept = append(kept, cmd.Args())
			cmd.SetErr(context.DeadlineExceeded)
			return context.DeadlineExceeded
		}
		return next(ctx, cmd)
	}})
	other := server.client(t)
	// deliver sends what was kept.
	deliver := func() {
		t.Helper()
		for _, args := range kept {
			if err := other.Do(t.Context(), args...).Err(); err != nil {
				t.Error(err)
			}
		}
	}
	store := redisstore.New(client)
	held := hold(t, store, "s", time.Hour)
	save(t, held, "first")
	remove := held.Delete
	if err := remove(t.Context()); err != nil { // for Redis to know the script
		t.Fatal(err)
	}

	keep.Store(true)
	if err := held.Save(t.Context(), []byte("lost")); err == nil {
		t.Error("saved without an answer")
	}
	if err := remove(t.Context()); err == nil {
		t.Error("deleted without an answer")
	}
	keep.Store(false)
	deliver() // late, and before anything else: it may come into effect
	deliver() // twice
	wantData(t, held, "")

	save(t, held, "second")
	deliver()
	wantData(t, held, "second")
	held.Release()
	deliver()
	next := hold(t, store, "s", time.Hour)
	deliver()
	wantData(t, next, "second")
	next.Release()
}

// A lock that was granted without the caller's knowledge is the caller's.
func TestGrantedUnknowingly(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	var calls atomic.Int32
	client.AddHook(&line{func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		err := next(ctx, cmd)
		if cmd.Name() == "evalsha" && calls.Add(1) == 2 { // the first is unknown to Redis
			return next(ctx, cmd) // as the client does when it has got no answer
		}
		return err
	}})
	store := redisstore.New(client)
	first := hold(t, store, "first", time.Hour)
	second := hold(t, store, "second", time.Hour)
	save(t, second, "state")
	first.Release()
	second.Release()
	if n := calls.Load(); n < 2 {
		t.Errorf("%d calls were made", n)
	}
}

// While Redis hangs, nobody waits for longer than they want to.
func TestRedisHangs(t *testing.T) {
	server := startRedis(t)
	store := redisstore.New(server.client(t))
	held := hold(t, store, "s", time.Hour)
	save(t, held, "first")
	if err := server.process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	left := errors.New("the caller has left")
	for name, call := range map[string]func(context.Context) error{
		"hold": func(ctx context.Context) error {
			_, err := store.Hold(ctx, "other", time.Hour)
			return err
		},
		"load": func(ctx context.Context) error {
			_, err := held.Load(ctx)
			return err
		},
		"save":   func(ctx context.Context) error { return held.Save(ctx, []byte("second")) },
		"delete": held.Delete,
	} {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, left)
		if err := call(ctx); !errors.Is(err, left) {
			t.Errorf("%s: %v, want the end of the context", name, err)
		}
		cancel()
	}
	held.Release() // returns, and Redis will hear of it
	if err := server.process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"s", "other"} {
		held := hold(t, store, id, time.Hour)
		held.Release()
	}
}

func TestNoRedis(t *testing.T) {
	server := startRedis(t)
	client := redis.NewClient(&redis.Options{Addr: server.addr, MaxRetries: -1, DialerRetries: 1})
	defer client.Close()
	store := redisstore.New(client)
	held := hold(t, store, "s", time.Hour)
	if err := server.process.Kill(); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"hold the session in Redis: ": func() error {
			_, err := store.Hold(t.Context(), "s", time.Hour)
			return err
		},
		"load the session from Redis: ": func() error {
			_, err := held.Load(t.Context())
			return err
		},
		"save the session in Redis: ":     func() error { return held.Save(t.Context(), []byte("state")) },
		"delete the session from Redis: ": func() error { return held.Delete(t.Context()) },
	} {
		if err := call(); err == nil || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%v, want an error that begins with %q", err, name)
		}
	}
	held.Release()
}
