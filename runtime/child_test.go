package runtime_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/gorilla/websocket"
)

// childVariable makes the test binary run one of children instead of tests.
const childVariable = "AGENTCORE_TEST_CHILD"

// children are programs for what takes a process of its own: signals, and
// defaults that depend on the environment. Tests register theirs.
var children = make(map[string]func() error)

func runChild(name string) (status int) {
	if err := children[name](); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// child is such a process.
type child struct {
	*agent // with the client's side alone, once listening has returned
	cmd    *exec.Cmd
	lines  chan string // of standard error, until it is closed
	stdout bytes.Buffer
	stderr bytes.Buffer // complete once wait has returned
}

// startChild starts one of children, with more environment variables. It is
// killed with the test.
func startChild(t *testing.T, name string, env ...string) *child {
	t.Helper()
	if children[name] == nil {
		t.Fatalf("there is no child %q", name)
	}
	c := &child{
		agent: &agent{client: &http.Client{Transport: &http.Transport{}}, dialer: new(websocket.Dialer)},
		cmd:   exec.CommandContext(t.Context(), os.Args[0]),
		lines: make(chan string, 1000),
	}
	c.cmd.Env = append(os.Environ(), "DOCKER_CONTAINER=", "PORT=", childVariable+"="+name,
		"GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0") // else the race detector waits for a second
	c.cmd.Env = append(c.cmd.Env, env...)
	c.cmd.Stdout = &c.stdout
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.lines)
		for scanner := bufio.NewScanner(io.TeeReader(stderr, &c.stderr)); scanner.Scan(); {
			c.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		c.client.CloseIdleConnections()
		for range c.lines {
		}
		_ = c.cmd.Wait()
	})
	return c
}

// until returns the first line of standard error that contains text.
func (c *child) until(t *testing.T, text string) string {
	t.Helper()
	for line := range c.lines {
		if strings.Contains(line, text) {
			return line
		}
	}
	t.Fatalf("standard error never said %q:\n%s", text, &c.stderr)
	return ""
}

// listening waits until the child serves, and sets the agent's address.
func (c *child) listening(t *testing.T) {
	t.Helper()
	var record struct{ Message string }
	if err := json.Unmarshal([]byte(c.until(t, "serving on")), &record); err != nil {
		t.Fatal(err)
	}
	_, c.url, _ = strings.Cut(record.Message, "serving on ")
	c.url, _, _ = strings.Cut(c.url, " ")
}

func (c *child) signal(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// wait waits for the end of the process, which must have the given status.
func (c *child) wait(t *testing.T, status int) {
	t.Helper()
	for range c.lines {
	}
	_ = c.cmd.Wait()
	if got := c.cmd.ProcessState; got.ExitCode() != status {
		t.Errorf("the process ended with %v, want %d:\n%s", got, status, &c.stderr)
	}
}

// killedBy reports whether the process was ended by a signal.
func (c *child) killedBy(signal syscall.Signal) bool {
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == signal
}
