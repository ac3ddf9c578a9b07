package runtime

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// A Task is work that goes on after the request that began it was answered.
// Its methods may be called concurrently.
type Task struct {
	id     string
	name   string
	cancel context.CancelCauseFunc
	done   chan struct{}
	err    error
}

// ID returns the task's id, unique among all tasks.
func (t *Task) ID() string { return t.id }

// Done returns a channel that is closed when the task has ended.
func (t *Task) Done() <-chan struct{} { return t.done }

// Err returns nil while the task runs, and then what it returned. A panic is
// an error.
func (t *Task) Err() error {
	select {
	case <-t.done:
		return t.err
	default:
		return nil
	}
}

// ErrNoServer is returned by [StartTask] for a context that belongs to no
// [Server].
var ErrNoServer = errors.New("the context does not come from a runtime.Server: pass the context of a handler, or one from Server.Context")

// StartTask runs handle in a goroutine of its own and returns at once. Until it
// ends, GET /ping reports [HealthyBusy], so that the platform keeps the
// session. Generated launchers call it; the name stands for the task in logs.
//
// The task belongs to the server that ctx comes from. Its context has the
// values of ctx and not its end: it ends when the server shuts down, and the
// server then waits for the task within the grace period. An error is logged.
//
// It fails with [ErrNoServer], or with [http.ErrServerClosed] in a [StatusError]
// of 503 when the server is shutting down; the task is then not started.
func StartTask[In any](ctx context.Context, name string, in In, handle func(context.Context, In) error) (*Task, error) {
	s := serverFrom(ctx)
	if s == nil {
		return nil, fmt.Errorf("start task %s: %w", name, ErrNoServer)
	}
	taskCtx := context.WithValue(context.WithoutCancel(ctx), holdsSessionKey{}, false) // which ends with the handler
	taskCtx, cancel := context.WithCancelCause(taskCtx)
	task := &Task{id: uuid.NewString(), name: name, cancel: cancel, done: make(chan struct{})}
	if !s.tasks.add(task) {
		cancel(nil)
		return nil, &StatusError{
			Status: http.StatusServiceUnavailable,
			Detail: "the server is shutting down",
			Err:    fmt.Errorf("start task %s: %w", name, http.ErrServerClosed),
		}
	}
	s.status.begin()
	go func() {
		defer s.tasks.remove(task) // last, for it lets Shutdown return
		defer close(task.done)
		defer s.status.end()
		defer cancel(nil)
		start := time.Now()
		task.err = errors.New("the task ended its goroutine") // unless it returns
		task.err = safely(func() error { return handle(taskCtx, in) })
		s.logTask(taskCtx, task, time.Since(start))
	}()
	return task, nil
}
