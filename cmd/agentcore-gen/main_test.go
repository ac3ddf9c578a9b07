package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/agentcore-go/agentcore/internal/testmodule"
)

var update = flag.Bool("update", false, "rewrite what the scripts compare with")

// In a script, agentcore-gen is the command of this package.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"agentcore-gen": main})
}

// TestStories runs the scripts in testdata/stories, each in a module of its own:
// generate, edit, generate again.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                filepath.Join(testmodule.Root(), "testdata", "stories"),
		UpdateScripts:      *update,
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"HOME", "PATH", "GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOFLAGS"} {
				if value, ok := os.LookupEnv(name); ok {
					env.Setenv(name, value)
				}
			}
			env.Setenv("OS", runtime.GOOS)
			env.Setenv("ARCH", runtime.GOARCH)
			command, err := exec.LookPath("agentcore-gen")
			if err != nil {
				return err
			}
			env.Setenv("VETTOOL", "-vettool="+command)
			return testmodule.Write(env.WorkDir, "example.com/agent")
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"alone":     alone,
			"backdate":  backdate,
			"bom":       bom,
			"bound":     bound,
			"crlf":      crlf,
			"cut":       cut,
			"edit":      edit,
			"line":      line,
			"screen":    screen,
			"status":    status,
			"untouched": untouched,
		},
	})
}

// status runs a command that must end with a given exit status:
// status n command [args].
func status(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want, err := strconv.Atoi(args[0]); err != nil || got != want {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

// screen runs a command whose standard error is a terminal of so many columns.
// What that shows becomes the standard output, with \e for each escape: screen
// columns command [args]. The command must fail when negated.
func screen(ts *testscript.TestScript, neg bool, args []string) {
	columns, err := strconv.ParseUint(args[0], 10, 16)
	ts.Check(err)
	terminal, tty, err := pty.Open()
	ts.Check(err)
	defer terminal.Close()
	ts.Check(pty.Setsize(terminal, &pty.Winsize{Rows: 24, Cols: uint16(columns)}))
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	command := exec.Command(path, args[2:]...)
	command.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "PATH", "GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOFLAGS", "NO_COLOR", "TERM"} {
		command.Env = append(command.Env, name+"="+ts.Getenv(name))
	}
	command.Stderr = tty
	ts.Check(command.Start())
	ts.Check(tty.Close())
	text, _ := io.ReadAll(terminal) // it fails when the last process has closed the terminal
	if err := command.Wait(); (err != nil) != neg {
		ts.Fatalf("%v\n%s", err, text)
	}
	_, err = strings.NewReplacer("\r\n", "\n", "\x1b", `\e`).WriteString(ts.Stdout(), string(text))
	ts.Check(err)
}

// cut leaves the first bytes of a file: cut file n.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// rewrite changes the content of a file.
func rewrite(ts *testscript.TestScript, name string, change func([]byte) []byte) {
	path := ts.MkAbs(name)
	content, err := os.ReadFile(path)
	ts.Check(err)
	ts.Check(os.WriteFile(path, change(content), 0o644))
}

// crlf ends the lines of a file as Windows does.
func crlf(ts *testscript.TestScript, neg bool, args []string) {
	rewrite(ts, args[0], func(content []byte) []byte { return bytes.ReplaceAll(content, []byte("\n"), []byte("\r\n")) })
}

// bom puts a byte order mark before a file.
func bom(ts *testscript.TestScript, neg bool, args []string) {
	rewrite(ts, args[0], func(content []byte) []byte { return append([]byte("\ufeff"), content...) })
}

// edit replaces what a pattern matches in a file, which must be something:
// edit file pattern replacement, with \n for a new line.
func edit(ts *testscript.TestScript, neg bool, args []string) {
	rewrite(ts, args[0], func(content []byte) []byte {
		changed := regexp.MustCompile(args[1]).ReplaceAll(content, []byte(strings.ReplaceAll(args[2], `\n`, "\n")))
		if bytes.Equal(changed, content) {
			ts.Fatalf("%s has no %s", args[0], args[1])
		}
		return changed
	})
}

// line checks one line of a file: line file n pattern.
func line(ts *testscript.TestScript, neg bool, args []string) {
	lines := strings.Split(ts.ReadFile(args[0]), "\n")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	if n > len(lines) || !regexp.MustCompile(args[2]).MatchString(lines[n-1]) {
		ts.Fatalf("line %d of %s does not match %s", n, args[0], args[2])
	}
}

// longAgo is a time that no write in a test can have.
var longAgo = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

// backdate makes files look as if they were written long ago.
func backdate(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		ts.Check(os.Chtimes(ts.MkAbs(name), longAgo, longAgo))
	}
}

// untouched checks that files have not been written since backdate, or, when
// negated, that they have.
func untouched(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		info, err := os.Stat(ts.MkAbs(name))
		ts.Check(err)
		if same := info.ModTime().Equal(longAgo); same == neg {
			ts.Fatalf("%s: written again is %v", name, !same)
		}
	}
}
