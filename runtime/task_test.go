package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

func TestGo(t *testing.T) {
	type key struct{}
	failure := errors.New("no model")
	for _, test := range []struct {
		name string
		run  func(context.Context) error
		want string // "" for none
	}{
		{"returns nil", func(context.Context) error { return nil }, ""},
		{"fails", func(context.Context) error { return failure }, "no model"},
		{"panics", func(context.Context) error { panic("boom") }, "internal error"},
		{"has the values of the context, and not its end", func(ctx context.Context) error {
			if ctx.Value(key{}) != "kept" || ctx.Err() != nil || runtime.ServerFrom(ctx) == nil {
				return fmt.Errorf("the value is %v, and the context ended with %v", ctx.Value(key{}), ctx.Err())
			}
			return nil
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var logs logs
			server := runtime.NewServer(runtime.Handlers{}, runtime.WithLogger(logs.logger()))
			ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
			cancel()
			task, err := runtime.Go(server.Context(ctx), "Work", test.run)
			if err != nil {
				t.Fatal(err)
			}
			await(t, "the end of the task", task.Done())
			if err := task.Err(); (err == nil) != (test.want == "") || err != nil && err.Error() != test.want {
				t.Errorf("Err is %v, want %q", err, test.want)
			}
			if err := server.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if got := logs.only(t); got["task"] != "Work" || got["taskId"] != task.ID() {
				t.Errorf("logged %v", got)
			}
		})
	}
	if task, err := runtime.Go(t.Context(), "Work", nil); !errors.Is(err, runtime.ErrNoServer) || task != nil {
		t.Errorf("without a server Go returned %v and %v, want ErrNoServer", task, err)
	}
}

func TestManualTask(t *testing.T) {
	var logs logs
	server := runtime.NewServer(runtime.Handlers{}, runtime.WithLogger(logs.logger()))
	other := newServer(runtime.Handlers{})
	first, second := server.AddTask("Same name"), server.AddTask("Same name")
	if first == "" || second == "" || first == second {
		t.Fatalf("the ids are %q and %q", first, second)
	}
	elsewhere := other.AddTask("Same name")
	for _, step := range []struct {
		name, id string
		want     bool
		active   int
	}{
		{"the second", second, true, 1},
		{"the second again", second, false, 1},
		{"one of another server", elsewhere, false, 1},
		{"one that never was", "nonsense", false, 1},
		{"none", "", false, 1},
		{"the first", first, true, 0},
		{"the first again", first, false, 0},
	} {
		before := logs.String()
		if got := server.CompleteTask(step.id); got != step.want {
			t.Errorf("%s: CompleteTask returned %v", step.name, got)
		}
		if got := server.TaskInfo().ActiveCount; got != step.active {
			t.Errorf("%s: %d tasks are active, want %d", step.name, got, step.active)
		}
		warnings := parseLogs(t, strings.TrimPrefix(logs.String(), before))
		if step.want && len(warnings) > 0 {
			t.Errorf("%s: logged %v", step.name, warnings)
		}
		if !step.want && (len(warnings) != 1 || warnings[0]["level"] != "WARN" || warnings[0]["taskId"] != step.id) {
			t.Errorf("%s: logged %v, want a warning with the id", step.name, warnings)
		}
		want := runtime.Healthy
		if step.active > 0 {
			want = runtime.HealthyBusy
		}
		if got := server.Status(t.Context()); got != want {
			t.Errorf("%s: the agent is %s, want %s", step.name, got, want)
		}
	}
	if !other.CompleteTask(elsewhere) {
		t.Error("the other server has lost its task")
	}
	// An id is not used again.
	if again := server.AddTask("Same name"); again == first || again == second {
		t.Errorf("the id %q came twice", again)
	}
}

// Each id is completed once, whoever is first.
func TestManualTasksConcurrently(t *testing.T) {
	const n = 200
	server := newServer(runtime.Handlers{})
	ids := make(chan string, n)
	var workers sync.WaitGroup
	for i := range n {
		workers.Go(func() { ids <- server.AddTask(fmt.Sprint("Task ", i)) })
	}
	workers.Wait()
	close(ids)
	unique := make(map[string]bool)
	var completed, refused atomic.Int64
	for id := range ids {
		unique[id] = true
		for range 3 {
			workers.Go(func() {
				if server.CompleteTask(id) {
					completed.Add(1)
				} else {
					refused.Add(1)
				}
				_ = server.TaskInfo()
			})
		}
	}
	workers.Wait()
	if len(unique) != n || completed.Load() != n || refused.Load() != 2*n {
		t.Errorf("%d tasks have %d ids, and %d were completed and %d refused", n, len(unique), completed.Load(), refused.Load())
	}
	if info, status := server.TaskInfo(), server.Status(t.Context()); info.ActiveCount != 0 || status != runtime.Healthy {
		t.Errorf("afterwards %d tasks are active, and the agent is %s", info.ActiveCount, status)
	}
}

func TestTaskInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(runtime.Handlers{})
		expect := func(step, want string) {
			t.Helper()
			synctest.Wait()
			got, err := json.Marshal(server.TaskInfo())
			if err != nil || string(got) != want {
				t.Errorf("%s: the tasks are %s (%v), want %s", step, got, err, want)
			}
		}
		expect("at first", `{"active_count":0,"running_jobs":[]}`)
		index := server.AddTask("Index")
		time.Sleep(250 * time.Millisecond)
		end := make(chan struct{})
		crawl, err := runtime.StartTask(server.Context(t.Context()), "Crawl", end, func(_ context.Context, end chan struct{}) error {
			<-end
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		server.AddTask("żółć \"<&>\"\n")
		server.AddTask("")
		expect("with four", `{"active_count":4,"running_jobs":[{"name":"Index","duration":1.25},{"name":"Crawl","duration":1},`+
			`{"name":"żółć \"\u003c\u0026\u003e\"\n","duration":0},{"name":"","duration":0}]}`)
		server.CompleteTask(index)
		time.Sleep(100 * 24 * time.Hour)
		expect("after 100 days", `{"active_count":3,"running_jobs":[{"name":"Crawl","duration":8640001},`+
			`{"name":"żółć \"\u003c\u0026\u003e\"\n","duration":8640000},{"name":"","duration":8640000}]}`)
		close(end)
		<-crawl.Done()
		expect("when one has ended", `{"active_count":2,"running_jobs":[{"name":"żółć \"\u003c\u0026\u003e\"\n","duration":8640000},{"name":"","duration":8640000}]}`)
	})
}

// The order is that of the beginnings, also where a clock has the same time for
// all of them.
func TestTaskInfoOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(runtime.Handlers{})
		end := make(chan struct{})
		var want []string
		for i := range 100 {
			name := fmt.Sprint("Task ", i)
			want = append(want, name)
			if i%2 == 0 {
				server.AddTask(name)
				continue
			}
			if _, err := runtime.Go(server.Context(t.Context()), name, func(context.Context) error {
				<-end
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, job := range server.TaskInfo().RunningJobs {
			got = append(got, job.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the tasks are %q, want the order in which they began", got)
		}
		close(end)
	})
}

// What TaskInfo returned is the caller's.
func TestTaskInfoIsACopy(t *testing.T) {
	server := newServer(runtime.Handlers{})
	server.AddTask("Work")
	info := server.TaskInfo()
	info.RunningJobs[0].Name = "changed"
	if got := server.TaskInfo().RunningJobs[0].Name; got != "Work" {
		t.Errorf("the task is called %q", got)
	}
}

func TestServerFrom(t *testing.T) {
	var server *runtime.Server
	seen := make(chan string, 10)
	look := func(where string, ctx context.Context) {
		if got := runtime.ServerFrom(ctx); got != server {
			t.Errorf("%s: the server is %p, want %p", where, got, server)
		}
		seen <- where
	}
	handlers := runtime.Handlers{
		Invoke: runtime.Raw("Look", func(w http.ResponseWriter, r *http.Request) {
			look("raw handler", r.Context())
			task, err := runtime.Go(r.Context(), "Look", func(ctx context.Context) error {
				look("task", ctx)
				child, cancel := context.WithTimeout(ctx, time.Minute)
				defer cancel()
				look("context derived from a task's", child)
				return nil
			})
			if err != nil {
				t.Error(err)
				return
			}
			<-task.Done()
		}),
		WebSocket: talk(func(ctx context.Context, _ *textConn) error {
			look("WebSocket handler", ctx)
			return nil
		}),
		Ping: func(ctx context.Context) (runtime.PingStatus, error) {
			look("ping function", ctx)
			return runtime.Automatic, nil
		},
		Middleware: []func(http.Handler) http.Handler{func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				look("middleware", r.Context())
				next.ServeHTTP(w, r)
			})
		}},
	}
	server = newServer(handlers)
	record(server, "POST", "/invocations", `{}`)
	record(server, "GET", "/ping", "")
	mounted := httptest.NewServer(server)
	defer mounted.Close()
	a := &agent{url: mounted.URL, dialer: wsDialer(new(net.Dialer).DialContext)}
	a.upgrade(t, "/ws")
	look("Context", server.Context(t.Context()))
	for _, where := range []string{"middleware", "raw handler", "task", "context derived from a task's", "middleware", "ping function", "middleware", "WebSocket handler", "Context"} {
		if got := <-seen; got != where {
			t.Errorf("looked at %s, want at %s", got, where)
		}
	}

	unary := runtime.Unary("Look", func(ctx context.Context, _ any) (any, error) { look("unary handler", ctx); return nil, nil })
	server = newServer(runtime.Handlers{Invoke: unary})
	record(server, "POST", "/invocations", `{}`)
	server = newServer(runtime.Handlers{Invoke: stream(func(ctx context.Context, _ func(any, error) bool) { look("stream", ctx) })})
	record(server, "POST", "/invocations", `{}`)

	other := newServer(runtime.Handlers{})
	if got := runtime.ServerFrom(other.Context(server.Context(t.Context()))); got != other {
		t.Error("a context of two servers does not belong to the inner one")
	}
	for name, ctx := range map[string]context.Context{
		"background": context.Background(), "a test": t.Context(), "a request of its own": httptest.NewRequest("GET", "/", nil).Context(),
	} {
		if got := runtime.ServerFrom(ctx); got != nil {
			t.Errorf("%s: the server is %p, want nil", name, got)
		}
	}
}

// A context of the server's own ends with its parent and has its values.
func TestServerContext(t *testing.T) {
	type key struct{}
	parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "kept"))
	ctx := newServer(runtime.Handlers{}).Context(parent)
	if ctx.Value(key{}) != "kept" || ctx.Err() != nil {
		t.Errorf("the value is %v, and the context ended with %v", ctx.Value(key{}), ctx.Err())
	}
	reason := errors.New("enough")
	cancel(reason)
	if ctx.Err() == nil || context.Cause(ctx) != reason {
		t.Errorf("the context ended with %v", context.Cause(ctx))
	}
}

// Work that is done elsewhere does not keep the process.
func TestManualTaskAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := serveInMemory(t, runtime.Handlers{})
		id := a.server.AddTask("Job of another service")
		start := time.Now()
		if err := a.stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("the shutdown took %v", took)
		}
		if !a.server.CompleteTask(id) {
			t.Error("the task is lost")
		}
	})
}
