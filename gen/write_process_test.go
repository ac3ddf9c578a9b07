package gen_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/gen"
)

// The contents that processes write are long, so that it takes them a while.
var (
	contentA = []byte(header + strings.Repeat("\n// a", 50_000))
	contentB = []byte(header + strings.Repeat("\n// b", 60_000))
)

// writtenPaths are what all processes write, in the current directory.
var writtenPaths = []string{"x/agentcore_gen.go", "y/agentcore_gen.go", "z/agentcore_gen.go"}

func write(content []byte) error { return writeFiles(content, false) }

func writeFiles(content []byte, client bool) error {
	var files []gen.File
	for _, path := range writtenPaths {
		files = append(files, gen.File{Path: path, Previous: []byte(header), Content: content, Client: client})
	}
	return gen.Write(files)
}

// process is the test that calls it once more, as a process of its own, which
// finds its role with playing. It ends with its standard input.
func process(t *testing.T, role string) (*exec.Cmd, io.ReadCloser) {
	t.Helper()
	executable, err := os.Executable()
	check(t, err)
	cmd := exec.Command(executable, "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), "GEN_TEST_ROLE="+role)
	stdin, err := cmd.StdinPipe()
	check(t, err)
	stdout, err := cmd.StdoutPipe()
	check(t, err)
	t.Cleanup(func() { stdin.Close() })
	return cmd, stdout
}

// playing does nothing in the test itself. In a process it plays the role, round
// by round, until there are no more, and does not return.
func playing(roles map[string]func(round int) (more bool, err error)) {
	role, ok := roles[os.Getenv("GEN_TEST_ROLE")]
	if !ok {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	for round := 0; ; round++ {
		more, err := role(round)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if !more {
			os.Exit(0)
		}
		fmt.Println(round)
	}
}

// readWhole reads every file once, and reports those that are missing.
func readWhole(t *testing.T) (missing int) {
	t.Helper()
	for _, path := range writtenPaths {
		switch got, err := os.ReadFile(path); {
		case errors.Is(err, fs.ErrNotExist):
			missing++
		case err != nil:
			t.Fatal(err)
		case string(got) != string(contentA) && string(got) != string(contentB):
			t.Fatalf("%s holds neither content: %d bytes", path, len(got))
		}
	}
	return missing
}

// readWhileRunning reads every file again and again while processes run, and
// counts those that were missing.
func readWhileRunning(t *testing.T, roles ...string) (missing int) {
	t.Helper()
	done := make(chan error)
	for _, role := range roles {
		cmd, stdout := process(t, role)
		cmd.Stderr = os.Stderr
		check(t, cmd.Start())
		go func() {
			_, err := io.Copy(io.Discard, stdout)
			done <- errors.Join(err, cmd.Wait())
		}()
	}
	for running := len(roles); running > 0; {
		select {
		case err := <-done:
			running--
			if err != nil {
				t.Errorf("a run failed for the sake of another: %v", err)
			}
		default:
			missing += readWhole(t)
		}
	}
	noTemporaryFiles(t, "*")
	return missing
}

func enterPackages(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, path := range writtenPaths {
		check(t, os.Mkdir(filepath.Dir(path), 0o777))
	}
	check(t, write(contentA))
}

func TestWriteTwoRuns(t *testing.T) {
	const rounds = 100
	playing(map[string]func(int) (bool, error){
		"a": func(round int) (bool, error) { return round < rounds, write(contentA) },
		"b": func(round int) (bool, error) { return round < rounds, write(contentB) },
	})
	enterPackages(t)
	if missing := readWhileRunning(t, "a", "b"); missing > 0 {
		t.Errorf("files were missing %d times", missing)
	}
}

func TestWriteAndRemove(t *testing.T) {
	const rounds = 100
	playing(map[string]func(int) (bool, error){
		"write":  func(round int) (bool, error) { return round < rounds, write(contentA) },
		"remove": func(round int) (bool, error) { return round < rounds, write(nil) },
	})
	enterPackages(t)
	readWhileRunning(t, "write", "remove", "remove")
}

// TestWriteAndRemoveClients has directories that come and go as well.
func TestWriteAndRemoveClients(t *testing.T) {
	const rounds = 300
	write := func(round int) (bool, error) { return round < rounds, writeFiles(contentA, true) }
	remove := func(round int) (bool, error) { return round < rounds, writeFiles(nil, true) }
	playing(map[string]func(int) (bool, error){"write": write, "remove": remove})
	t.Chdir(t.TempDir())
	readWhileRunning(t, "write", "write", "remove", "remove")
	check(t, writeFiles([]byte(after), true))
	check(t, writeFiles(nil, true))
	same(t, snapshot(t), nil)
}

func TestWriteKilled(t *testing.T) {
	playing(map[string]func(int) (bool, error){
		"both": func(round int) (bool, error) {
			if round%2 == 0 {
				return true, write(contentB)
			}
			return true, write(contentA)
		},
	})
	enterPackages(t)
	for range 30 {
		cmd, stdout := process(t, "both")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		check(t, cmd.Start())
		_, err := stdout.Read(make([]byte, 1)) // from now on it writes
		check(t, err)
		for range rand.IntN(20) {
			readWhole(t)
		}
		check(t, cmd.Process.Kill())
		_ = cmd.Wait() // which says that it was killed
		if stderr.Len() > 0 {
			t.Errorf("what was killed before has stopped a run: %s", &stderr)
		}
		if missing := readWhole(t); missing > 0 {
			t.Fatalf("%d files are missing", missing)
		}
	}
	left, err := filepath.Glob("*/.*")
	check(t, err)
	t.Logf("%d temporary files were left by 30 runs that were killed", len(left))
	for _, path := range left {
		check(t, os.Chtimes(path, longAgo, longAgo))
	}
	check(t, write([]byte(after)))
	noTemporaryFiles(t, "*")
}
