package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// A Task is work that goes on after the request that began it was answered.
// Its methods may be called concurrently.
type Task struct {
	id     string
	name   string
	number int64 // in the order of their starts
	start  time.Time
	cancel context.CancelCauseFunc
	done   chan struct{}
	err    error
}

// taskCount numbers tasks: a clock may have the same time for several.
var taskCount atomic.Int64

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
	s := ServerFrom(ctx)
	if s == nil {
		return nil, fmt.Errorf("start task %s: %w", name, ErrNoServer)
	}
	taskCtx := context.WithValue(context.WithoutCancel(ctx), holdsSessionKey{}, false) // which ends with the handler
	taskCtx, cancel := context.WithCancelCause(taskCtx)
	task := &Task{id: uuid.NewString(), name: name, number: taskCount.Add(1), start: time.Now(), cancel: cancel, done: make(chan struct{})}
	if !s.tasks.add(task) {
		cancel(nil)
		return nil, &StatusError{
			Status: http.StatusServiceUnavailable,
			Detail: "the server is shutting down",
			Err:    fmt.Errorf("start task %s: %w", name, http.ErrServerClosed),
		}
	}
	s.status.begin(task.start)
	go func() {
		defer s.tasks.remove(task) // last, for it lets Shutdown return
		defer close(task.done)
		defer func() { s.status.end(time.Now()) }()
		defer cancel(nil)
		task.err = errors.New("the task ended its goroutine") // unless it returns
		task.err = safely(func() error { return handle(taskCtx, in) })
		_ = safely(func() error { // a logger may panic
			s.logTask(taskCtx, task, time.Since(task.start))
			return nil
		})
	}()
	return task, nil
}

// Go is [StartTask] for work that needs nothing but its context.
func Go(ctx context.Context, name string, run func(context.Context) error) (*Task, error) {
	return StartTask(ctx, name, None{}, func(ctx context.Context, _ None) error { return run(ctx) })
}

// manualTasks are the tasks of [Server.AddTask], by id.
type manualTasks struct {
	mu   sync.Mutex
	live map[string]*Task
}

// AddTask notes work that this process does not do in a goroutine of its own, a
// job of another service for one. Until [Server.CompleteTask] is called with the
// id, GET /ping reports [HealthyBusy]. A shutdown does not wait for it: use
// [StartTask] or [Go] where that is wanted.
//
// Handlers reach their server with [ServerFrom].
func (s *Server) AddTask(name string) (id string) {
	task := &Task{id: uuid.NewString(), name: name, number: taskCount.Add(1), start: time.Now()}
	s.manual.mu.Lock()
	defer s.manual.mu.Unlock()
	if s.manual.live == nil {
		s.manual.live = make(map[string]*Task)
	}
	s.manual.live[task.id] = task
	s.status.begin(task.start)
	return task.id
}

// CompleteTask ends a task of [Server.AddTask]. It returns false, and logs a
// warning, if there is none with that id.
func (s *Server) CompleteTask(id string) bool {
	s.manual.mu.Lock()
	task := s.manual.live[id]
	if task != nil {
		delete(s.manual.live, id)
		s.status.end(time.Now())
	}
	s.manual.mu.Unlock()
	if task == nil {
		s.log.Warn("CompleteTask: no such task is under way", "taskId", id)
	}
	return task != nil
}

// TaskInfo tells which tasks are under way. Its JSON is that of the Python SDK.
type TaskInfo struct {
	ActiveCount int          `json:"active_count"`
	RunningJobs []RunningJob `json:"running_jobs"`
}

// RunningJob is a task under way.
type RunningJob struct {
	Name     string  `json:"name"`
	Duration float64 `json:"duration"` // in seconds
}

// TaskInfo returns the tasks under way, of [StartTask] and [Server.AddTask], the
// oldest first.
func (s *Server) TaskInfo() TaskInfo {
	tasks := s.tasks.all()
	s.manual.mu.Lock()
	tasks = slices.AppendSeq(tasks, maps.Values(s.manual.live))
	s.manual.mu.Unlock()
	slices.SortFunc(tasks, func(a, b *Task) int { return cmp.Compare(a.number, b.number) })
	info := TaskInfo{ActiveCount: len(tasks), RunningJobs: []RunningJob{}}
	for _, task := range tasks {
		info.RunningJobs = append(info.RunningJobs, RunningJob{task.name, time.Since(task.start).Seconds()})
	}
	return info
}
