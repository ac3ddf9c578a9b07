package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// DirStore is a [SessionStore] in a directory, with a file for each session: for
// local development, where state should survive a restart. Each state is written
// to a new file and put in place when it is complete, so that a crash leaves the
// one before.
//
// The directory is the store's own, and one process at a time may have it open.
// Servers with different session timeouts need a store each.
type DirStore struct {
	dir   string
	lock  *os.File // nil where the file system has no locks
	turns turns    // by file name

	mu    sync.Mutex
	swept time.Time
}

const (
	stateSuffix = ".json"
	tempPattern = ".*.tmp" // behind the name of a session's file
	lockFile    = ".lock"
)

// errLocked is the error of tryLock when another process has the lock.
var errLocked = errors.New("it is in use, by another process or another DirStore")

// OpenDirStore opens the store in a directory, which is made if there is none,
// and removes what a crash has left behind. It fails when the directory cannot be
// written, or another process has it open.
func OpenDirStore(dir string) (*DirStore, error) {
	store, err := openDirStore(dir)
	if err != nil {
		return nil, fmt.Errorf("open the session directory %q: %w", dir, err)
	}
	return store, nil
}

func openDirStore(dir string) (*DirStore, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := tryLock(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, err
	}
	d := &DirStore{dir: dir, lock: lock}
	if err := d.prepare(); err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// prepare removes the files of saves that were never completed, and learns
// whether the directory can be written before a session depends on it.
func (d *DirStore) prepare() error {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if left, _ := filepath.Match("*"+stateSuffix+tempPattern, entry.Name()); !left {
			continue
		}
		if err := os.Remove(filepath.Join(d.dir, entry.Name())); err != nil {
			return err
		}
	}
	probe, err := os.CreateTemp(d.dir, stateSuffix+tempPattern)
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// Close lets another process open the directory. The store must not be used any
// more. The end of the process does the same.
func (d *DirStore) Close() error {
	if d.lock == nil {
		return nil
	}
	return d.lock.Close()
}

// Hold implements [SessionStore]. Now and then it removes the sessions that have
// expired.
func (d *DirStore) Hold(ctx context.Context, id string, idle time.Duration) (HeldSession, error) {
	d.sweep(idle)
	name := stateFile(id)
	if err := d.turns.take(ctx, name); err != nil {
		return nil, err
	}
	if err := d.expire(name, idle); err != nil {
		d.turns.give(name)
		return nil, err
	}
	return &dirHold{store: d, name: name, idle: idle}, nil
}

// sweep removes the expired sessions that nobody holds or waits for, at most ten
// times in the idle time.
func (d *DirStore) sweep(idle time.Duration) {
	if idle <= 0 {
		return
	}
	d.mu.Lock()
	due := time.Since(d.swept) >= idle/10
	if due {
		d.swept = time.Now()
	}
	d.mu.Unlock()
	if !due {
		return
	}
	entries, _ := os.ReadDir(d.dir) // who needs a file of it will meet the error
	for _, entry := range entries {
		if name := entry.Name(); filepath.Ext(name) == stateSuffix && d.turns.tryTake(name) {
			_ = d.expire(name, idle)
			d.turns.give(name)
		}
	}
}

// expire removes a session that has been idle for too long. The caller has its
// turn.
func (d *DirStore) expire(name string, idle time.Duration) error {
	if idle <= 0 {
		return nil
	}
	path := filepath.Join(d.dir, name)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || time.Since(info.ModTime()) < idle {
		return err
	}
	return os.Remove(path)
}

type dirHold struct {
	store *DirStore
	name  string
	idle  time.Duration
}

func (h *dirHold) path() string { return filepath.Join(h.store.dir, h.name) }

func (h *dirHold) Load(context.Context) ([]byte, error) {
	data, err := os.ReadFile(h.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

func (h *dirHold) Save(_ context.Context, data []byte) (err error) {
	temp, err := os.CreateTemp(h.store.dir, h.name+tempPattern) // with mode 0600
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Sync()
	}
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), h.path())
	}
	if err != nil {
		_ = os.Remove(temp.Name())
	}
	return err
}

func (h *dirHold) Delete(context.Context) error {
	if err := os.Remove(h.path()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Release touches the file, for the idle time to begin.
func (h *dirHold) Release() {
	now := time.Now()
	_ = os.Chtimes(h.path(), now, now) // there may be none
	h.store.turns.give(h.name)
}

// isPlain reports whether every file system can tell an id from others.
func isPlain(id string) bool {
	if id == "" || len(id) > 100 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	switch id { // what Windows takes for a device, whatever the suffix
	case "con", "prn", "aux", "nul":
		return false
	}
	port := len(id) == 4 && (id[:3] == "com" || id[:3] == "lpt")
	return !port
}

// stateFile returns the name of a session's file: the id, if that is plain, and
// else its hash, which has a dot more.
func stateFile(id string) string {
	if isPlain(id) {
		return id + stateSuffix
	}
	hash := sha256.Sum256([]byte(id))
	return "sha256." + hex.EncodeToString(hash[:]) + stateSuffix
}
