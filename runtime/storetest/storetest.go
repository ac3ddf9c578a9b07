// Package storetest tests implementations of [runtime.SessionStore].
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

const (
	// patience bounds waits that a working store ends sooner.
	patience = 30 * time.Second
	// short is the idle time, and the wait for a session that is held.
	short = 50 * time.Millisecond
	// long is an idle time that no test lives to see.
	long = time.Hour
)

// Run tests that a store keeps the contract of [runtime.SessionStore] and
// [runtime.HeldSession]. Each subtest calls open for a store of its own, which
// holds nothing and is used with one idle time; what needs to be closed, open
// leaves to t.Cleanup. It takes a second or two, for idle times must pass.
func Run(t *testing.T, open func(t *testing.T) runtime.SessionStore) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, runtime.SessionStore)
	}{
		{"nothing saved", testNothing},
		{"saved", testSaved},
		{"saved in many forms", testForms},
		{"buffers are not shared", testBuffers},
		{"deleted", testDeleted},
		{"ids", testIDs},
		{"held by one at a time", testExclusive},
		{"a waiting caller leaves", testWaiterLeaves},
		{"sessions do not wait for each other", testIndependent},
		{"nothing is lost among many", testCounter},
		{"idle", testIdle},
		{"not idle while held", testHeldIsNotIdle},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
	t.Run("no idle time", func(t *testing.T) { testNoIdleTime(t, open(t), open(t)) })
}

func testNothing(t *testing.T, store runtime.SessionStore) {
	for range 2 { // holding it makes nothing
		held := hold(t, store, "new", long)
		wantData(t, held, nil)
		held.Release()
	}
}

func testSaved(t *testing.T, store runtime.SessionStore) {
	held := hold(t, store, "s", long)
	save(t, held, []byte("one"))
	wantData(t, held, []byte("one"))
	save(t, held, []byte("two, which is longer"))
	held.Release()

	held = hold(t, store, "s", long)
	wantData(t, held, []byte("two, which is longer"))
	wantData(t, held, []byte("two, which is longer")) // as often as one likes
	save(t, held, []byte("3"))
	held.Release()

	held = hold(t, store, "s", long)
	wantData(t, held, []byte("3"))
	held.Release()

	held = hold(t, store, "other", long)
	wantData(t, held, nil)
	held.Release()
}

func testForms(t *testing.T, store runtime.SessionStore) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for name, data := range map[string][]byte{
		"empty": {}, // which is not nothing
		"every": every,
		"lines": []byte("\r\n\n\x00\n"),
		"large": bytes.Repeat(every, 4096), // 1 MiB
	} {
		held := hold(t, store, name, long)
		save(t, held, data)
		held.Release()
		held = hold(t, store, name, long)
		wantData(t, held, data)
		held.Release()
	}
}

func testBuffers(t *testing.T, store runtime.SessionStore) {
	held := hold(t, store, "s", long)
	buffer := []byte("saved")
	save(t, held, buffer)
	copy(buffer, "spoil")
	wantData(t, held, []byte("saved"))
	copy(load(t, held), "spoil")
	wantData(t, held, []byte("saved"))
	held.Release()

	held = hold(t, store, "s", long)
	wantData(t, held, []byte("saved"))
	held.Release()
}

func testDeleted(t *testing.T, store runtime.SessionStore) {
	held := hold(t, store, "s", long)
	remove(t, held) // nothing is there, which is no error
	save(t, held, []byte("saved"))
	remove(t, held)
	wantData(t, held, nil)
	remove(t, held)
	held.Release()

	held = hold(t, store, "s", long)
	wantData(t, held, nil)
	save(t, held, []byte("again"))
	held.Release()

	held = hold(t, store, "s", long)
	wantData(t, held, []byte("again"))
	remove(t, held)
	held.Release()

	held = hold(t, store, "s", long)
	wantData(t, held, nil)
	held.Release()
}

// ids are different sessions, however alike they look to a file system, a URL or
// a pattern.
var ids = []string{
	"", " ", ".", "..", "../x", "/x", "x", "x/", "x\\", "./x", "x.", "x ", "C:x",
	"a", "A", "b", "B", "é", "e\u0301", "É", "ż", "😀", "\xff", "\xfe",
	"\x00", "a\x00", "a\x00b", "a\n", "a\r\n", "\t",
	"a.json", "a.json.json", "a.tmp", ".lock", "~", "con", "nul", "COM1",
	"{a}", "{", "}", "{}", "}a", "a}", "{a}:lock", "a}:lock", "a:lock", ":lock",
	"%", "%7D", "%257D", "%00", "*", "?", "[a]", "a*", "-", "--help", "_", "'", `"`, "$a", "`a`",
	strings.Repeat("x", 100), strings.Repeat("x", 101), strings.Repeat("x", 256), strings.Repeat("x", 255) + "y",
	strings.Repeat("X", 256), strings.Repeat("ż", 128), strings.Repeat("../", 85),
}

func testIDs(t *testing.T, store runtime.SessionStore) {
	var all []runtime.HeldSession
	for _, id := range ids { // all at once
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		held, err := store.Hold(ctx, id, long)
		cancel()
		if err != nil {
			t.Fatalf("hold %q while others are held: %v", id, err)
		}
		all = append(all, held)
	}
	for i, held := range all {
		save(t, held, []byte(strconv.Itoa(i)))
	}
	for i, held := range all {
		if got, want := load(t, held), strconv.Itoa(i); string(got) != want {
			t.Errorf("session %q holds the state of number %s, and is number %s", ids[i], got, want)
		}
		held.Release()
	}
	for i, id := range ids {
		held := hold(t, store, id, long)
		if got, want := load(t, held), strconv.Itoa(i); string(got) != want {
			t.Errorf("session %q is back with the state of number %q, and is number %s", id, got, want)
		}
		remove(t, held)
		held.Release()
	}
}

func testExclusive(t *testing.T, store runtime.SessionStore) {
	held := hold(t, store, "s", long)
	if second := tryHold(t, store, "s"); second != nil {
		t.Fatal("a session is held twice")
	}
	save(t, held, []byte("saved"))
	if second := tryHold(t, store, "s"); second != nil {
		t.Fatal("a session is held twice, after it was saved")
	}
	remove(t, held)
	if second := tryHold(t, store, "s"); second != nil {
		t.Fatal("a session is held twice, after it was deleted")
	}
	save(t, held, []byte("saved again"))

	// Those who wait get it one after the other.
	const waiting = 5
	var wg sync.WaitGroup
	begun := make(chan struct{}, waiting)
	var mu sync.Mutex
	holders := 0
	for range waiting {
		wg.Go(func() {
			begun <- struct{}{}
			held, err := store.Hold(t.Context(), "s", long)
			if err != nil {
				t.Error(err)
				return
			}
			if !mu.TryLock() {
				t.Error("a session is held twice, after a release")
				mu.Lock()
			}
			holders++
			mu.Unlock()
			if data, err := held.Load(t.Context()); err != nil || string(data) != "saved again" {
				t.Errorf("loaded %q (%v)", data, err)
			}
			held.Release()
		})
	}
	for range waiting {
		<-begun
	}
	held.Release()
	wg.Wait()
	if holders != waiting {
		t.Errorf("%d of %d who waited got the session", holders, waiting)
	}
}

func testWaiterLeaves(t *testing.T, store runtime.SessionStore) {
	held := hold(t, store, "s", long)
	save(t, held, []byte("saved"))
	left := errors.New("the caller has left")
	gone, leave := context.WithCancelCause(t.Context())
	begun, ended := make(chan struct{}), make(chan error)
	go func() {
		close(begun)
		_, err := store.Hold(gone, "s", long)
		ended <- err
	}()
	<-begun
	leave(left)
	select {
	case err := <-ended:
		if err == nil {
			t.Fatal("a session is held twice")
		}
	case <-time.After(patience):
		t.Fatal("Hold does not return when its context ends")
	}
	if _, err := store.Hold(gone, "free", long); err == nil {
		t.Error("Hold does not mind that its context has ended")
	}
	held.Release()

	for _, id := range []string{"s", "free"} { // nobody holds them for the one who has left
		held = hold(t, store, id, long)
		held.Release()
	}
}

func testIndependent(t *testing.T, store runtime.SessionStore) {
	first := hold(t, store, "first", long)
	second := hold(t, store, "second", long)
	save(t, first, []byte("1"))
	save(t, second, []byte("2"))
	wantData(t, first, []byte("1"))
	second.Release()
	wantData(t, first, []byte("1"))
	save(t, first, []byte("3"))
	first.Release()
}

func testCounter(t *testing.T, store runtime.SessionStore) {
	const (
		sessions = 3
		workers  = 8
		times    = 5
	)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	increment := func(id string) error {
		held, err := store.Hold(ctx, id, long)
		if err != nil {
			return err
		}
		defer held.Release()
		data, err := held.Load(ctx)
		if err != nil {
			return err
		}
		count := 0
		if data != nil {
			if count, err = strconv.Atoi(string(data)); err != nil {
				return err
			}
		}
		return held.Save(ctx, strconv.AppendInt(nil, int64(count)+1, 10))
	}
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for i := range sessions * times {
				if err := increment(fmt.Sprint((worker + i) % sessions)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for session := range sessions {
		held := hold(t, store, fmt.Sprint(session), long)
		if got, want := load(t, held), strconv.Itoa(workers*times); string(got) != want {
			t.Errorf("counted to %s in session %d, want %s", got, session, want)
		}
		held.Release()
	}
}

func testIdle(t *testing.T, store runtime.SessionStore) {
	saveIdle(t, store, "s", short)
	awaitExpiry(t, store, "s", short)

	held := hold(t, store, "s", long) // and it is as good as new
	save(t, held, []byte("again"))
	held.Release()
	held = hold(t, store, "s", long)
	wantData(t, held, []byte("again"))
	held.Release()
}

// The state of a session that is held for longer than the idle time stays.
func testHeldIsNotIdle(t *testing.T, store runtime.SessionStore) {
	during := hold(t, store, "during", short) // saved by this holder
	save(t, during, []byte("saved"))
	saveIdle(t, store, "before", short)
	before := hold(t, store, "before", short) // saved by an earlier one
	for load(t, before) == nil {              // which was too long ago
		before.Release()
		saveIdle(t, store, "before", short)
		before = hold(t, store, "before", short)
	}

	saveIdle(t, store, "clock", short)
	awaitExpiry(t, store, "clock", short)
	wantData(t, before, []byte("saved"))
	wantData(t, during, []byte("saved"))
	before.Release()
	during.Release()
	awaitExpiry(t, store, "before", short)
	awaitExpiry(t, store, "during", short)
}

// The idle time that passes is that of another store.
func testNoIdleTime(t *testing.T, store, clock runtime.SessionStore) {
	forever := []time.Duration{0, -1}
	for _, idle := range forever {
		saveIdle(t, store, fmt.Sprint(idle), idle)
	}
	saveIdle(t, clock, "s", short)
	awaitExpiry(t, clock, "s", short)
	for _, idle := range forever {
		held := hold(t, store, fmt.Sprint(idle), idle)
		wantData(t, held, []byte("saved"))
		held.Release()
	}
}

// hold takes hold of a session that must become free.
func hold(t *testing.T, store runtime.SessionStore, id string, idle time.Duration) runtime.HeldSession {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	held, err := store.Hold(ctx, id, idle)
	if err != nil {
		t.Fatalf("hold session %q: %v", id, err)
	}
	return held
}

// tryHold returns nil when a session stays held for a moment.
func tryHold(t *testing.T, store runtime.SessionStore, id string) runtime.HeldSession {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), short)
	defer cancel()
	held, err := store.Hold(ctx, id, long)
	if err != nil && ctx.Err() == nil {
		t.Fatalf("hold session %q: %v", id, err)
	}
	return held
}

func load(t *testing.T, held runtime.HeldSession) []byte {
	t.Helper()
	data, err := held.Load(t.Context())
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return data
}

func save(t *testing.T, held runtime.HeldSession, data []byte) {
	t.Helper()
	if err := held.Save(t.Context(), data); err != nil {
		t.Fatalf("save %d bytes: %v", len(data), err)
	}
}

func remove(t *testing.T, held runtime.HeldSession) {
	t.Helper()
	if err := held.Delete(t.Context()); err != nil {
		t.Fatalf("delete: %v", err)
	}
}

// wantData compares what is saved, in which nil differs from empty.
func wantData(t *testing.T, held runtime.HeldSession, want []byte) {
	t.Helper()
	got := load(t, held)
	if !slices.Equal(got, want) || (got == nil) != (want == nil) {
		t.Errorf("loaded %.100q (nil: %v), want %.100q (nil: %v)", got, got == nil, want, want == nil)
	}
}

// saveIdle saves the state "saved" in a session, and lets go of it.
func saveIdle(t *testing.T, store runtime.SessionStore, id string, idle time.Duration) {
	t.Helper()
	held := hold(t, store, id, idle)
	save(t, held, []byte("saved"))
	held.Release()
}

// awaitExpiry looks, more and more rarely, until a session is found to have
// expired: to look is to use it.
func awaitExpiry(t *testing.T, store runtime.SessionStore, id string, idle time.Duration) {
	t.Helper()
	deadline := time.After(patience)
	for pause := 2 * short; ; pause *= 2 {
		select {
		case <-time.After(pause):
		case <-deadline:
			t.Fatalf("session %q does not expire", id)
		}
		held := hold(t, store, id, idle)
		data := load(t, held)
		held.Release()
		if data == nil {
			return
		}
	}
}
