//go:build unix

package gen_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/agentcore-go/agentcore/gen"
)

func TestWritePermissions(t *testing.T) {
	for _, test := range []struct {
		umask  int
		before fs.FileMode // 0 for a new file
		want   fs.FileMode
	}{
		{umask: 0o022, want: 0o644},
		{umask: 0o002, want: 0o664},
		{umask: 0o077, want: 0o600},
		{umask: 0o000, want: 0o666},
		{umask: 0o077, before: 0o666, want: 0o666},
		{umask: 0o022, before: 0o640, want: 0o640},
		{umask: 0o000, before: 0o600, want: 0o600},
		{umask: 0o022, before: 0o755, want: 0o755},
	} {
		t.Chdir(t.TempDir())
		file := gen.File{Path: "out", Content: []byte(after)}
		if test.before != 0 {
			put(t, "out", before)
			check(t, os.Chmod("out", test.before))
			file.Previous = []byte(before)
		}
		client := gen.File{Path: "a/client/out", Content: []byte(after), Client: true}
		old := syscall.Umask(test.umask)
		err := gen.Write([]gen.File{file, client})
		syscall.Umask(old)
		check(t, err)
		for path, perm := range map[string]fs.FileMode{"a": 0o777, "a/client": 0o777, "a/client/out": 0o666} {
			info, err := os.Stat(path)
			check(t, err)
			if got, want := info.Mode().Perm(), perm&^fs.FileMode(test.umask); got != want {
				t.Errorf("umask %04o makes %s with %04o, want %04o", test.umask, path, got, want)
			}
		}
		info, err := os.Stat("out")
		check(t, err)
		if got := info.Mode().Perm(); got != test.want {
			t.Errorf("umask %04o makes %04o of %04o, want %04o", test.umask, got, test.before, test.want)
		}
	}
}

// TestWriteReadOnlyDirectories is run by a user whom permissions bind.
func TestWriteReadOnlyDirectories(t *testing.T) {
	t.Chdir(t.TempDir())
	put(t, "a/out", before)
	put(t, "b/out", before)
	put(t, "d/out", before)
	put(t, "d/.agentcore-gen.1", before)
	check(t, os.Mkdir("c", 0o777))
	user := os.Geteuid()
	if user == 0 {
		user = 1000
		check(t, filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Chown(path, user, -1))
		}))
	}
	for _, dir := range []string{"b", "c", "d"} {
		check(t, os.Chmod(dir, 0o555))
		t.Cleanup(func() { check(t, os.Chmod(dir, 0o777)) })
	}
	want := snapshot(t)

	if user != os.Geteuid() {
		check(t, syscall.Seteuid(user))
	}
	err := gen.Write([]gen.File{
		{Path: "a/out", Previous: []byte(before), Content: []byte(after)},
		{Path: "b/out", Previous: []byte(before), Content: []byte(after)},
		{Path: "c/out", Content: []byte(after)},
		{Path: "d/out", Previous: []byte(before)},
	})
	if user != os.Getuid() {
		check(t, syscall.Seteuid(os.Getuid()))
	}

	const text = "write b/out: the directory b is not writable, change that or generate in a copy of it: permission denied\n" +
		"write c/out: the directory c is not writable, change that or generate in a copy of it: permission denied\n" +
		"remove d/out: the directory d is not writable, change that or generate in a copy of it: permission denied"
	if err == nil || err.Error() != text || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("the error is\n%v, want\n%s", err, text)
	}
	same(t, snapshot(t), want)
}
