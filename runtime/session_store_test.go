package runtime_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
	"github.com/agentcore-go/agentcore/runtime/storetest"
)

func TestMemoryStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) runtime.SessionStore { return runtime.NewMemoryStore() })
}

func TestDirStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) runtime.SessionStore { return openDir(t, t.TempDir()) })
}

func openDir(t *testing.T, dir string) *runtime.DirStore {
	t.Helper()
	store, err := runtime.OpenDirStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// put saves the state of a session.
func put(t *testing.T, store runtime.SessionStore, id, data string, idle time.Duration) {
	t.Helper()
	held, err := store.Hold(t.Context(), id, idle)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	if err := held.Save(t.Context(), []byte(data)); err != nil {
		t.Fatal(err)
	}
}

// get returns the state of a session, "" for none.
func get(t *testing.T, store runtime.SessionStore, id string, idle time.Duration) string {
	t.Helper()
	held, err := store.Hold(t.Context(), id, idle)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	data, err := held.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// files returns the names of what is in a directory, but for the lock.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() != ".lock" {
			names = append(names, entry.Name())
		}
	}
	return names
}

func TestDirStoreSurvivesARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "for", "it")
	first := openDir(t, dir)
	ids := []string{"plain", "Not plain", "../x", "", strings.Repeat("x", 256)}
	for _, id := range ids {
		put(t, first, id, "state of "+id, time.Hour)
	}
	first.Close()

	second := openDir(t, dir)
	for _, id := range ids {
		if got := get(t, second, id, time.Hour); got != "state of "+id {
			t.Errorf("session %q is back as %q", id, got)
		}
	}
}

func TestDirStoreFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sessions")
	store := openDir(t, dir)
	for id, file := range map[string]string{
		"a-b_9":                  "a-b_9.json",
		strings.Repeat("x", 100): strings.Repeat("x", 100) + ".json",
		"A":                      "sha256.559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd.json",
		"nul":                    "sha256.", // which Windows takes for a device
		"":                       "sha256.",
		"a.json":                 "sha256.",
		"../a":                   "sha256.",
		strings.Repeat("x", 101): "sha256.",
	} {
		put(t, store, id, id, time.Hour)
		names := files(t, dir)
		if len(names) != 1 || !strings.HasPrefix(names[0], file) || !strings.HasSuffix(names[0], ".json") {
			t.Fatalf("session %q is in the files %q, want %s", id, names, file)
		}
		path := filepath.Join(dir, names[0])
		if data, err := os.ReadFile(path); err != nil || string(data) != id {
			t.Errorf("the file holds %q (%v)", data, err)
		}
		wantMode(t, path, 0o600)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	wantMode(t, dir, fs.ModeDir|0o700)
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != want {
		t.Errorf("%s has the mode %v, want %v", path, got, want)
	}
}

// A crash while a state is written leaves part of it in a file of its own.
func TestDirStoreRemovesWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	store := openDir(t, dir)
	put(t, store, "s", "whole", time.Hour)
	store.Close()
	for name, data := range map[string]string{
		"s.json.123.tmp": "ha",
		"notes.tmp":      "not ours",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	store = openDir(t, dir)
	if got, want := files(t, dir), []string{"notes.tmp", "s.json"}; !slices.Equal(got, want) {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
	if got := get(t, store, "s", time.Hour); got != "whole" {
		t.Errorf("loaded %q", got)
	}
}

// The files of sessions that nobody asks for go, too, now and then.
func TestDirStoreSweeps(t *testing.T) {
	const idle = 15 * time.Minute
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir)
		put(t, store, "old", "1", idle)
		put(t, store, "Old", "1", idle)
		held, err := store.Hold(t.Context(), "held", idle)
		if err != nil {
			t.Fatal(err)
		}
		if err := held.Save(t.Context(), []byte("2")); err != nil {
			t.Fatal(err)
		}
		touched := filepath.Join(dir, "held.json") // long ago, on the bubble's clock
		if err := os.Chtimes(touched, time.Now(), time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		put(t, store, "young", "3", idle)
		time.Sleep(5*time.Minute - time.Second)
		get(t, store, "other", idle)
		if got := files(t, dir); len(got) != 4 {
			t.Errorf("a second early, the directory holds %q", got)
		}
		time.Sleep(idle/10 + time.Second)
		get(t, store, "other", idle)
		if got, want := files(t, dir), []string{"held.json", "young.json"}; !slices.Equal(got, want) {
			t.Errorf("the directory holds %q, want %q", got, want)
		}
		held.Release()
		time.Sleep(idle - time.Second)
		if got := get(t, store, "held", idle); got != "2" {
			t.Errorf("loaded %q, a second before the session was idle for too long", got)
		}
	})
}

func TestDirStoreUnusable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{
		"a file":         file,
		"below a file":   filepath.Join(file, "sessions"),
		"not a name":     "a\x00b",
		"no name at all": string(filepath.Separator) + strings.Repeat("x", 300),
	} {
		store, err := runtime.OpenDirStore(dir)
		if store != nil || err == nil || !strings.HasPrefix(err.Error(), "open the session directory ") {
			t.Errorf("%s: opened with %v", name, err)
		}
	}
}

func TestDirStoreThatCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sessions")
	store := openDir(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	held, err := store.Hold(t.Context(), "s", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	if err := held.Save(t.Context(), []byte("state")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("saved with %v in a directory that is gone", err)
	}
}

// When a state cannot be put in place, the one before stays, and nothing else is
// left.
func TestDirStoreSaveFails(t *testing.T) {
	dir := t.TempDir()
	store := openDir(t, dir)
	obstacle := filepath.Join(dir, "s.json")
	if err := os.MkdirAll(filepath.Join(obstacle, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	held, err := store.Hold(t.Context(), "s", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	if data, err := held.Load(t.Context()); err == nil {
		t.Errorf("loaded %q from a directory", data)
	}
	if err := held.Save(t.Context(), []byte("state")); err == nil {
		t.Error("saved in place of a directory")
	}
	if err := held.Delete(t.Context()); err == nil {
		t.Error("deleted a directory")
	}
	if got, want := files(t, dir), []string{"s.json"}; !slices.Equal(got, want) {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
}

func init() {
	children["holds a directory"] = func() error {
		store, err := runtime.OpenDirStore(os.Getenv("SESSIONS"))
		if err != nil {
			return err
		}
		held, err := store.Hold(context.Background(), "s", time.Hour)
		if err != nil {
			return err
		}
		if err := held.Save(context.Background(), []byte("state")); err != nil {
			return err
		}
		os.Stderr.WriteString("holding\n")
		select {}
	}
}

func TestDirStoreOfAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	other := startChild(t, "holds a directory", "SESSIONS="+dir)
	other.until(t, "holding")
	_, err := runtime.OpenDirStore(dir)
	if want := "it is in use, by another process or another DirStore"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("opened with %v, want an error that ends with %q", err, want)
	}

	// Its crash leaves nothing locked.
	other.signal(t, syscall.SIGKILL)
	other.wait(t, -1)
	if got := get(t, openDir(t, dir), "s", time.Hour); got != "state" {
		t.Errorf("loaded %q", got)
	}
}
