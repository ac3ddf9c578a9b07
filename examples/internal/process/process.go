//go:build unix

// Package process builds and runs the examples for tests, as their users do.
package process

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/agentcore-go/agentcore/internal/testmodule"
)

// Patience bounds waits that a working example ends at once.
const Patience = 30 * time.Second

// Build builds all examples into a directory.
func Build(dir string) error {
	if err := testmodule.DependOnSources(); err != nil {
		return err
	}
	build := exec.Command("go", "build", "-o", dir, "./...")
	build.Dir = filepath.Join(testmodule.Root(), "examples")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// Start starts a program that is an agent and returns its host and port when it
// answers. When the test ends, it must end well on SIGTERM.
func Start(t *testing.T, program string) (host string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()

	var logged bytes.Buffer
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), fmt.Sprint("PORT=", port), "OPENAI_BASE_URL=", "AGENT_TOKEN=")
	cmd.Stdout, cmd.Stderr = &logged, &logged
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v:\n%s", err, logged.String())
		}
	})

	host = fmt.Sprint("127.0.0.1:", port)
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		ping, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/ping", nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := http.DefaultClient.Do(ping); err == nil {
			answer.Body.Close()
			return host
		}
		select {
		case <-tick.C:
		case err := <-ended:
			ended <- err
			t.Fatalf("it ended with %v:\n%s", err, logged.String())
		case <-ctx.Done():
			t.Fatal("it does not answer")
		}
	}
}
