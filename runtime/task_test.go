package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

func TestTaskOutlivesItsRequest(t *testing.T) {
	type key struct{}
	proceed := make(chan struct{})
	var task *runtime.Task
	a := serve(t, runtime.Handlers{
		Middleware: []func(http.Handler) http.Handler{func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "kept")))
			})
		}},
		Invoke: runtime.Unary("Start", func(ctx context.Context, in string) (string, error) {
			var err error
			task, err = runtime.StartTask(ctx, "Work", in, func(ctx context.Context, in string) error {
				<-proceed
				if err := ctx.Err(); err != nil {
					return fmt.Errorf("the context has ended: %w", err)
				}
				if in != "input" || ctx.Value(key{}) != "kept" || runtime.SessionID(ctx) != "s-1" {
					return fmt.Errorf("got the input %q, the value %v and the session %q", in, ctx.Value(key{}), runtime.SessionID(ctx))
				}
				return nil
			})
			return task.ID(), err
		}),
	})
	if got := a.invoke(t, `"input"`, sessionHeader, "s-1"); got.status != 200 || got.body != fmt.Sprintf("%q", task.ID()) || task.ID() == "" {
		t.Fatalf("answered %d %s, want the id %q", got.status, got.body, task.ID())
	}
	select {
	case <-task.Done():
		t.Error("the task has ended with its request")
	default:
	}
	if err := task.Err(); err != nil {
		t.Errorf("Err is %v while the task runs", err)
	}
	close(proceed)
	await(t, "the end of the task", task.Done())
	if err := task.Err(); err != nil {
		t.Error(err)
	}
}

func TestTaskErrors(t *testing.T) {
	failure := errors.New("no model")
	for _, test := range []struct {
		name    string
		run     func(context.Context, int) error
		want    string // "" for none
		is      error
		level   string
		message string // errorMessage in the log
	}{
		{"none", func(context.Context, int) error { return nil }, "", nil, "INFO", ""},
		{"error", func(context.Context, int) error { return failure }, "no model", failure, "ERROR", "no model"},
		{"wrapped error", func(context.Context, int) error { return fmt.Errorf("work: %w", failure) }, "work: no model", failure, "ERROR", "work: no model"},
		{"panic", func(context.Context, int) error { panic("boom") }, "internal error", nil, "ERROR", "boom"},
		{"panic with http.ErrAbortHandler", func(context.Context, int) error { panic(http.ErrAbortHandler) }, "net/http: abort Handler", http.ErrAbortHandler, "ERROR", "net/http: abort Handler"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var logs logs
			server := runtime.NewServer(runtime.Handlers{}, runtime.WithLogger(logs.logger()))
			task, err := runtime.StartTask(server.Context(t.Context()), "Work", 1, test.run)
			if err != nil {
				t.Fatal(err)
			}
			await(t, "the end of the task", task.Done())
			if err := task.Err(); fmt.Sprint(err) != test.want && (err != nil || test.want != "") {
				t.Errorf("Err is %v, want %q", err, test.want)
			} else if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("Err is %v, which is not %v", err, test.is)
			}
			if err := server.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			record := logs.only(t)
			if record["level"] != test.level || record["task"] != "Work" || record["taskId"] != task.ID() {
				t.Errorf("logged %v", record)
			}
			if got, _ := record["errorMessage"].(string); got != test.message {
				t.Errorf("logged the error %q, want %q", got, test.message)
			}
			if got := parsePing(t, recordPing(server)).Status; got != runtime.Healthy {
				t.Errorf("afterwards the agent is %s", got)
			}
		})
	}
}

// An error that cannot even say its text is the task's, not the process's.
func TestTaskErrorThatPanics(t *testing.T) {
	server := newServer(runtime.Handlers{})
	task, err := runtime.StartTask(server.Context(t.Context()), "Work", 1, func(context.Context, int) error { return (*nilError)(nil) })
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the end of the task", task.Done())
	if task.Err() == nil {
		t.Error("Err is nil")
	}
}

func recordPing(server http.Handler) string { return record(server, "GET", "/ping", "").body }

// unwrapping is an error whose methods panic for a nil pointer.
type unwrapping struct{ cause error }

func (e *unwrapping) Error() string { return e.cause.Error() }
func (e *unwrapping) Unwrap() error { return e.cause }

// Neither an error that panics nor the end of the goroutine keeps a task alive.
func TestTaskEndsInAnyWay(t *testing.T) {
	for name, run := range map[string]func(context.Context, int) error{
		"a nil error in an interface": func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return (*unwrapping)(nil)
		},
		"Goexit": func(ctx context.Context, _ int) error {
			<-ctx.Done()
			goruntime.Goexit()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(runtime.Handlers{})
			task, err := runtime.StartTask(server.Context(t.Context()), "Work", 1, run)
			if err != nil {
				t.Fatal(err)
			}
			if err := server.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			<-task.Done()
			if task.Err() == nil {
				t.Error("the task has no error")
			}
			if got := record(server, "GET", "/ping", "").body; !strings.Contains(got, `"Healthy"`) {
				t.Errorf("/ping answers %s", got)
			}
		})
	}
}

// A task hears of the shutdown although a WebSocket handler does not care.
func TestTaskAtShutdownBesideAStubbornWebSocket(t *testing.T) {
	told, release := make(chan struct{}), make(chan struct{})
	a := serve(t, runtime.Handlers{WebSocket: talk(func(_ context.Context, conn *textConn) error {
		err := conn.Accept()
		<-release
		return err
	})})
	a.connect(t)
	if _, err := runtime.StartTask(a.server.Context(t.Context()), "Work", 1, func(ctx context.Context, _ int) error {
		<-ctx.Done()
		close(told)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.server.Shutdown(t.Context()) }()
	await(t, "the end of the task's context", told)
	close(release)
	if err := await(t, "the shutdown", ended); err != nil {
		t.Error(err)
	}
}

func TestTaskWithoutServer(t *testing.T) {
	for name, ctx := range map[string]context.Context{
		"background": context.Background(),
		"test":       t.Context(),
	} {
		task, err := runtime.StartTask(ctx, "Work", 1, func(context.Context, int) error {
			t.Error("the task runs")
			return nil
		})
		if !errors.Is(err, runtime.ErrNoServer) || task != nil {
			t.Errorf("%s: StartTask returned %v and %v, want ErrNoServer", name, task, err)
		}
		if err != nil && !strings.Contains(err.Error(), "Work") {
			t.Errorf("%s: %q does not name the task", name, err)
		}
	}
}

func TestTaskAtShutdown(t *testing.T) {
	var logs logs
	server := runtime.NewServer(runtime.Handlers{}, runtime.WithLogger(logs.logger()))
	begun := make(chan struct{})
	cleanedUp := false
	task, err := runtime.StartTask(server.Context(t.Context()), "Work", 1, func(ctx context.Context, _ int) error {
		close(begun)
		<-ctx.Done()
		cleanedUp = true
		return context.Cause(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Shutdown has waited: nothing of the task is left to happen.
	select {
	case <-task.Done():
	default:
		t.Error("the task is not done after the shutdown")
	}
	if !cleanedUp || !errors.Is(task.Err(), http.ErrServerClosed) {
		t.Errorf("cleaned up: %v, error %v, want http.ErrServerClosed", cleanedUp, task.Err())
	}
	if record := logs.only(t); record["level"] != "WARN" {
		t.Errorf("logged %v, want a warning", record)
	}

	late, err := runtime.StartTask(server.Context(t.Context()), "Late", 1, func(context.Context, int) error {
		t.Error("a task runs after the shutdown")
		return nil
	})
	if !errors.Is(err, http.ErrServerClosed) || late != nil {
		t.Errorf("StartTask returned %v and %v, want http.ErrServerClosed", late, err)
	}
	if refusal, ok := errors.AsType[*runtime.StatusError](err); !ok || refusal.Status != http.StatusServiceUnavailable {
		t.Errorf("StartTask returned %v, want a StatusError of 503", err)
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Errorf("a second Shutdown: %v", err)
	}
}

func TestTaskIgnoresTheShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(runtime.Handlers{})
		proceed := make(chan struct{})
		task, err := runtime.StartTask(server.Context(t.Context()), "Work", 1, func(context.Context, int) error {
			<-proceed
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 task") {
			t.Errorf("Shutdown returned %v, want that 1 task is left", err)
		}
		close(proceed)
		if err := server.Shutdown(t.Context()); err != nil {
			t.Errorf("a second Shutdown: %v", err)
		}
		<-task.Done()
	})
}

// The context of a task's context starts tasks, too.
func TestTaskStartsTask(t *testing.T) {
	server := newServer(runtime.Handlers{})
	inner := make(chan *runtime.Task, 1)
	outer, err := runtime.StartTask(server.Context(t.Context()), "Outer", 1, func(ctx context.Context, _ int) error {
		task, err := runtime.StartTask(ctx, "Inner", 1, func(context.Context, int) error { return nil })
		inner <- task
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the end of the outer task", outer.Done())
	await(t, "the end of the inner task", (<-inner).Done())
	if err := outer.Err(); err != nil {
		t.Error(err)
	}
}

func TestTasksConcurrently(t *testing.T) {
	const n = 100
	server := newServer(runtime.Handlers{})
	ctx := server.Context(t.Context())
	tasks := make(chan *runtime.Task, n)
	var starters sync.WaitGroup
	for range n {
		starters.Go(func() {
			task, err := runtime.StartTask(ctx, "Same name", 1, func(context.Context, int) error { return nil })
			if err != nil {
				t.Error(err)
				return
			}
			tasks <- task
		})
	}
	starters.Wait()
	close(tasks)
	ids := make(map[string]bool)
	for task := range tasks {
		await(t, "the end of a task", task.Done())
		ids[task.ID()] = true
	}
	if len(ids) != n {
		t.Errorf("%d tasks have %d ids", n, len(ids))
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if got := parsePing(t, recordPing(server)).Status; got != runtime.Healthy {
		t.Errorf("afterwards the agent is %s", got)
	}
}
