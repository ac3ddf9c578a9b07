//go:build unix

// Package interop_test checks the client and the runtime against the SDKs and
// the libraries of other languages, which run in processes of their own.
package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/agentcore-go/agentcore/client"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(examplesDir)
		os.Exit(code)
	}))
}

// patience bounds waits that end at once when all is well.
const patience = 30 * time.Second

// installed returns what a variable says, which interop/setup has printed. INTEROP
// has the languages whose tests must not be skipped.
func installed(t *testing.T, language, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		problem := fmt.Sprintf("%s is not set; to run this test: export \"$(interop/setup %s)\"", variable, language)
		if slices.Contains(strings.Fields(os.Getenv("INTEROP")), language) {
			t.Fatal(problem)
		}
		t.Skip(problem)
	}
	return value
}

// pythonProgram returns the interpreter with the Python SDK.
func pythonProgram(t *testing.T) string {
	t.Helper()
	return installed(t, "python", "INTEROP_PYTHON")
}

// nodeModules returns the directory with the TypeScript SDK.
func nodeModules(t *testing.T) string {
	t.Helper()
	return installed(t, "node", "INTEROP_NODE_MODULES")
}

// python returns the command that runs a script of ours with the Python SDK.
func python(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	interpreter := pythonProgram(t)
	script = filepath.Join("python", script)
	if _, err := os.Stat(script); err != nil { // so that go test sees changes of it, too
		t.Fatal(err)
	}
	return exec.Command(interpreter, append([]string{script}, args...)...)
}

// node returns the command that runs a script of ours with the TypeScript SDK.
func node(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	modules := nodeModules(t)
	dir := t.TempDir() // because a script imports what is installed beside it
	if err := os.CopyFS(dir, os.DirFS("node")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	// Before version 22, Node has to be asked for its WebSocket.
	args = append([]string{"--experimental-websocket", "--no-warnings", filepath.Join(dir, script)}, args...)
	return exec.Command("node", args...)
}

// output runs a script and reads the JSON that it prints.
func output[T any](t *testing.T, cmd *exec.Cmd) T {
	t.Helper()
	var result T
	var printed, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(2*patience, func() { _ = cmd.Process.Kill() }).Stop()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, complaints.String())
	}
	if err := json.Unmarshal(printed.Bytes(), &result); err != nil {
		t.Fatalf("%v: %v: it has printed\n%s", cmd, err, printed.String())
	}
	return result
}

// agent is an agent in a process of its own.
type agent struct {
	host  string
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended
}

// start starts an agent, which takes its port from the environment, and returns
// when it answers pings. It is ended with the test, and what it has logged shown
// if the test has failed.
func start(t *testing.T, cmd *exec.Cmd, env ...string) *agent {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()

	var logged bytes.Buffer
	cmd.Env = append(append(os.Environ(), fmt.Sprint("PORT=", port)), env...)
	cmd.Stdout, cmd.Stderr = &logged, &logged
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a := &agent{host: fmt.Sprint("127.0.0.1:", port), cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(a.ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		a.terminate(t)
		select {
		case <-a.ended:
		case <-time.After(patience):
			t.Error("the agent does not end on SIGTERM")
			_ = cmd.Process.Kill()
			<-a.ended
		}
		if t.Failed() {
			t.Logf("%v ended with %v and has logged\n%s", cmd, cmd.ProcessState, logged.String())
		}
	})
	a.await(t)
	return a
}

// await waits until the agent answers.
func (a *agent) await(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	c := a.client(t, client.WithMaxAttempts(1))
	for {
		if _, err := c.Ping(ctx); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-a.ended:
			t.Fatalf("%v ended with %v", a.cmd, a.cmd.ProcessState)
		case <-ctx.Done():
			t.Fatalf("%v does not answer", a.cmd)
		}
	}
}

// terminate asks the process to end.
func (a *agent) terminate(t *testing.T) {
	t.Helper()
	select {
	case <-a.ended:
	default:
		_ = a.cmd.Process.Signal(syscall.SIGTERM)
	}
}

// client returns a client of the agent.
func (a *agent) client(t *testing.T, opts ...client.TransportOption) *client.Client {
	t.Helper()
	transport, err := client.Direct("http://"+a.host, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return client.New(transport)
}
