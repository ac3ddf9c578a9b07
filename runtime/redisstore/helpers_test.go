package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/agentcore-go/agentcore/runtime"
)

func TestMain(m *testing.M) {
	logging.Disable() // the client's own
	if os.Getenv(replicaVariable) != "" {
		if err := runReplica(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// patience bounds waits that end at once when all is well.
const patience = 30 * time.Second

// server is a Redis that keeps nothing, and is killed with the test.
type server struct {
	addr    string
	process *os.Process
}

// startRedis starts a Redis with more arguments.
func startRedis(t *testing.T, args ...string) *server {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("REDIS_SERVER") == "required" {
			t.Fatal(err)
		}
		t.Skip("there is no program redis-server, whose Debian package has the same name:", err)
	}
	for range 5 { // another program may take the port first
		s, err := tryStartRedis(t, program, args)
		if err == nil {
			return s
		}
		t.Log(err)
	}
	t.Fatal("redis-server does not start")
	return nil
}

func tryStartRedis(t *testing.T, program string, args []string) (*server, error) {
	t.Helper()
	port := freePort(t)
	var output bytes.Buffer
	cmd := exec.Command(program, append([]string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", t.TempDir(), "--save", "", "--appendonly", "no",
	}, args...)...)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	s := &server{addr: fmt.Sprint("127.0.0.1:", port), process: cmd.Process}
	client := redis.NewClient(&redis.Options{Addr: s.addr, MaxRetries: -1})
	defer client.Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		if client.Ping(t.Context()).Err() == nil {
			return s, nil
		}
		select {
		case <-tick.C:
		case <-ended:
			return nil, errors.New(output.String())
		case <-late:
			return nil, errors.New("redis-server does not answer")
		}
	}
}

// freePort returns a port that also leaves room for that of the cluster bus,
// which is 10000 higher.
func freePort(t *testing.T) int {
	t.Helper()
	for {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := listener.Addr().(*net.TCPAddr).Port
		if port < 55000 {
			listener.Close()
			return port
		}
		defer listener.Close() // lest it come again
	}
}

func (s *server) client(t *testing.T) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.addr})
	t.Cleanup(func() { client.Close() })
	return client
}

// line is a way to Redis that can be cut.
type line struct {
	process func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error
}

func (l *line) DialHook(next redis.DialHook) redis.DialHook { return next }

func (l *line) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return l.process(ctx, cmd, next) }
}

func (l *line) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func hold(t *testing.T, store runtime.SessionStore, id string, idle time.Duration) runtime.HeldSession {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	held, err := store.Hold(ctx, id, idle)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func save(t *testing.T, held runtime.HeldSession, data string) {
	t.Helper()
	if err := held.Save(t.Context(), []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func wantData(t *testing.T, held runtime.HeldSession, want string) {
	t.Helper()
	if data, err := held.Load(t.Context()); err != nil || string(data) != want {
		t.Errorf("loaded %q (%v), want %q", data, err, want)
	}
}

// until looks again and again until done.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
