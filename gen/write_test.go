package gen_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/agentcore-go/agentcore/gen"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	holds := func(path, want string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v, want %q", filepath.Base(path), got, err, want)
		}
	}
	write := func(files ...gen.File) {
		t.Helper()
		if err := gen.Write(files); err != nil {
			t.Error(err)
		}
	}

	t.Run("same", func(t *testing.T) {
		path := file("same", "edited meanwhile")
		write(gen.File{Path: path, Content: []byte("a"), Previous: []byte("a")})
		holds(path, "edited meanwhile")
	})
	t.Run("new, changed and removed", func(t *testing.T) {
		created, changed, removed := filepath.Join(dir, "created"), file("changed", "a"), file("removed", "a")
		if err := os.Chmod(changed, 0o640); err != nil {
			t.Fatal(err)
		}
		write(
			gen.File{Path: created, Content: []byte("b")},
			gen.File{Path: changed, Content: []byte("b"), Previous: []byte("a")},
			gen.File{Path: removed, Previous: []byte("a")},
			gen.File{Path: filepath.Join(dir, "never")},
		)
		holds(created, "b")
		holds(changed, "b")
		if info, err := os.Stat(changed); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("the mode is now %v, %v", info.Mode(), err)
		}
		if _, err := os.Stat(removed); !os.IsNotExist(err) {
			t.Errorf("the file is still there: %v", err)
		}
	})
	t.Run("symbolic link", func(t *testing.T) {
		target, link := file("target", "a"), filepath.Join(dir, "link")
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		write(gen.File{Path: link, Content: []byte("b"), Previous: []byte("a")})
		holds(target, "b")
		if got, err := os.Readlink(link); err != nil || got != target {
			t.Errorf("the link is now %q, %v", got, err)
		}
	})
	t.Run("failure", func(t *testing.T) {
		blocked, later := filepath.Join(dir, "blocked"), file("later", "a")
		if err := os.Mkdir(blocked, 0o755); err != nil {
			t.Fatal(err)
		}
		err := gen.Write([]gen.File{
			{Path: blocked, Content: []byte("b")},
			{Path: later, Content: []byte("b"), Previous: []byte("a")},
		})
		if err == nil {
			t.Error("a directory was replaced by a file")
		}
		holds(later, "a")
	})
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}
