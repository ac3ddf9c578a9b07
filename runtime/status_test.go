package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

// timeline expects a status at each point of the time of a bubble.
type timeline struct {
	server *runtime.Server
	begin  time.Time
	step   string
}

func startTimeline(server *runtime.Server) *timeline {
	return &timeline{server: server, begin: time.Now()}
}

// at waits for a second of the timeline and names what happens next.
func (l *timeline) at(t *testing.T, second int, step string) {
	t.Helper()
	time.Sleep(time.Until(l.begin.Add(time.Duration(second) * time.Second)))
	l.step = step
	synctest.Wait()
}

// is observes the status several times, from all sides.
func (l *timeline) is(t *testing.T, status runtime.PingStatus, since int) {
	t.Helper()
	synctest.Wait()
	now := int(time.Since(l.begin).Seconds())
	for range 2 {
		got := parsePing(t, recordPing(l.server))
		if second := int(got.Since - l.begin.Unix()); got.Status != status || second != since {
			t.Errorf("at %d s, %s: ping reports %s since %d s, want %s since %d s", now, l.step, got.Status, second, status, since)
		}
		if got := l.server.Status(t.Context()); got != status {
			t.Errorf("at %d s, %s: Status returns %s, want %s", now, l.step, got, status)
		}
	}
}

// The status and its time from the beginning to the end: both move when
// something changes, at that very time, whether anybody asks or not.
func TestStatusTimeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proceed := make(chan struct{})
		server := newServer(runtime.Handlers{Invoke: runtime.Raw("Do", func(w http.ResponseWriter, r *http.Request) {
			switch r.Header.Get("Do") {
			case "wait":
				<-proceed
			case "stream":
				for range 3 {
					_, _ = w.Write([]byte("data: 1\n\n"))
					_ = http.NewResponseController(w).Flush()
					time.Sleep(10 * time.Second)
				}
			case "start":
				if _, err := runtime.StartTask(r.Context(), "Task", 0, func(context.Context, int) error {
					<-proceed
					return nil
				}); err != nil {
					t.Error(err)
				}
			case "panic":
				panic("x")
			}
		})})
		var invocations sync.WaitGroup
		defer invocations.Wait()
		do := func(what string) {
			invocations.Go(func() { record(server, "POST", "/invocations", `{}`, "Do", what) })
			synctest.Wait()
		}
		const idle, busy = runtime.Healthy, runtime.HealthyBusy

		l := startTimeline(server)
		l.is(t, idle, 0)
		l.at(t, 10, "nothing has happened")
		l.is(t, idle, 0)
		record(server, "GET", "/invocations", "")
		record(server, "POST", "/ping", "")
		record(server, "POST", "/nothing", "")
		l.at(t, 11, "requests that are no invocations have come")
		l.is(t, idle, 0)

		l.at(t, 20, "an invocation waits")
		do("wait")
		l.is(t, busy, 20)
		l.at(t, 30, "it still does")
		l.is(t, busy, 20)
		do("")
		l.is(t, busy, 20)
		do("panic")
		l.at(t, 40, "others have come and gone")
		l.is(t, busy, 20)
		l.at(t, 50, "it has ended")
		proceed <- struct{}{}
		l.is(t, idle, 50)
		l.at(t, 60, "long ago")
		l.is(t, idle, 50)

		l.at(t, 100, "a stream begins")
		do("stream")
		l.is(t, busy, 100)
		l.at(t, 115, "events go out")
		l.is(t, busy, 100)
		l.at(t, 150, "the stream has ended when nobody asked")
		l.is(t, idle, 130)
		do("stream")
		l.at(t, 199, "another has come and gone when nobody asked")
		l.is(t, idle, 180)

		l.at(t, 200, "an invocation of no time")
		do("")
		l.is(t, idle, 200)
		l.at(t, 210, "one that panics")
		do("panic")
		l.is(t, idle, 210)

		l.at(t, 300, "an invocation has started a task")
		do("start")
		l.is(t, busy, 300)
		l.at(t, 310, "a task of the program begins")
		if _, err := runtime.Go(server.Context(t.Context()), "Go", func(context.Context) error {
			time.Sleep(20 * time.Second)
			return errors.New("no matter")
		}); err != nil {
			t.Fatal(err)
		}
		l.is(t, busy, 300)
		l.at(t, 320, "the first ends")
		proceed <- struct{}{}
		l.is(t, busy, 300)
		l.at(t, 360, "the second has failed when nobody asked")
		l.is(t, idle, 330)

		l.at(t, 400, "a task is noted by hand")
		first := server.AddTask("Same")
		l.is(t, busy, 400)
		l.at(t, 410, "a second one")
		second := server.AddTask("Same")
		l.is(t, busy, 400)
		l.at(t, 420, "the first is complete")
		server.CompleteTask(first)
		l.is(t, busy, 400)
		l.at(t, 430, "an unknown one, and the first again")
		server.CompleteTask(first)
		server.CompleteTask("nonsense")
		l.is(t, busy, 400)
		l.at(t, 440, "the second is complete")
		server.CompleteTask(second)
		l.is(t, idle, 440)
		l.at(t, 450, "and again")
		server.CompleteTask(second)
		l.is(t, idle, 440)

		l.at(t, 500, "forced to be busy")
		server.ForceStatus(busy)
		l.is(t, busy, 500)
		l.at(t, 510, "an invocation makes no difference")
		do("")
		l.is(t, busy, 500)
		l.at(t, 520, "forced to be busy again")
		server.ForceStatus(busy)
		l.is(t, busy, 500)
		l.at(t, 530, "forced to be idle")
		server.ForceStatus(idle)
		l.is(t, idle, 530)
		l.at(t, 540, "a task makes no difference")
		task := server.AddTask("Task")
		l.is(t, idle, 530)
		l.at(t, 550, "cleared, beside the task")
		server.ForceStatus(runtime.Automatic)
		l.is(t, busy, 550)
		l.at(t, 560, "forced to be what it is")
		server.ForceStatus(busy)
		l.is(t, busy, 550)
		l.at(t, 570, "the task is complete")
		server.CompleteTask(task)
		l.is(t, busy, 550)
		l.at(t, 580, "cleared")
		server.ForceStatus(runtime.Automatic)
		l.is(t, idle, 580)
		l.at(t, 590, "cleared again")
		server.ForceStatus(runtime.Automatic)
		l.is(t, idle, 580)
		server.ForceStatus(busy)
		l.at(t, 600, "forced at 590 s, and cleared")
		server.ForceStatus(runtime.Automatic)
		l.at(t, 610, "when nobody asked")
		l.is(t, idle, 600)

		l.at(t, 700, "a task ends with the server")
		if _, err := runtime.Go(server.Context(t.Context()), "Go", func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		l.is(t, busy, 700)
		l.at(t, 710, "the server is shut down")
		if err := server.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.is(t, idle, 710)
		l.at(t, 720, "a task that comes too late")
		if _, err := runtime.Go(server.Context(t.Context()), "Go", func(context.Context) error { return nil }); err == nil {
			t.Error("a task began after the shutdown")
		}
		l.is(t, idle, 710)
	})
}

// A custom function can only be asked, so what it says counts from when it is.
// A forced status goes before it, at once.
func TestStatusTimelineOfACustomFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle, busy = runtime.Healthy, runtime.HealthyBusy
		var answer runtime.PingStatus
		var problem error
		asked := 0
		server := newServer(runtime.Handlers{Invoke: echo, Ping: func(context.Context) (runtime.PingStatus, error) {
			asked++
			return answer, problem
		}})
		say := func(status runtime.PingStatus, err error) { answer, problem = status, err }

		say(idle, nil)
		l := startTimeline(server)
		l.is(t, idle, 0)
		l.at(t, 10, "it says so again")
		l.is(t, idle, 0)
		say(busy, nil)
		l.at(t, 20, "it has changed its mind")
		l.is(t, busy, 20)
		say(idle, nil)
		l.at(t, 30, "it has changed its mind back and forth when nobody asked")
		say(busy, nil)
		l.at(t, 40, "so that nothing has changed")
		l.is(t, busy, 20)

		say(runtime.Automatic, nil)
		l.at(t, 50, "it leaves the choice to the server")
		l.is(t, idle, 50)
		task := server.AddTask("Task")
		l.is(t, busy, 50)
		say(idle, nil)
		l.at(t, 60, "it overrules the server")
		l.is(t, idle, 60)
		say("", errors.New("no database"))
		l.at(t, 70, "it fails")
		l.is(t, busy, 70)
		say("Sick", nil)
		l.at(t, 80, "it says what nobody knows")
		l.is(t, busy, 70)
		say(idle, nil)
		l.at(t, 90, "it recovers")
		l.is(t, idle, 90)
		say(busy, nil)
		server.CompleteTask(task)
		l.at(t, 100, "it is busy without a task")
		l.is(t, busy, 100)

		before := asked
		l.at(t, 110, "forced to be idle")
		server.ForceStatus(idle)
		l.is(t, idle, 110)
		say(idle, nil)
		l.at(t, 120, "which it knows nothing of")
		l.is(t, idle, 110)
		l.at(t, 130, "forced to be busy")
		server.ForceStatus(busy)
		l.is(t, busy, 130)
		if asked != before {
			t.Errorf("the function was called %d times while the status was forced", asked-before)
		}
		l.at(t, 140, "cleared")
		server.ForceStatus(runtime.Automatic)
		l.is(t, idle, 140)
		server.ForceStatus(busy)
		server.ForceStatus(runtime.Automatic)
		say(busy, nil)
		l.at(t, 150, "forced and cleared when nobody asked, and busy by itself when somebody does")
		l.is(t, busy, 140)
	})
}

// A forced status goes before that of the custom function, and that before the
// server's own.
func TestStatusPrecedence(t *testing.T) {
	type custom struct {
		name   string
		ping   func(context.Context) (runtime.PingStatus, error)
		status runtime.PingStatus // Automatic for none
	}
	says := func(status runtime.PingStatus, err error) func(context.Context) (runtime.PingStatus, error) {
		return func(context.Context) (runtime.PingStatus, error) { return status, err }
	}
	for _, forced := range []runtime.PingStatus{runtime.Automatic, runtime.Healthy, runtime.HealthyBusy} {
		for _, custom := range []custom{
			{"none", nil, runtime.Automatic},
			{"Healthy", says(runtime.Healthy, nil), runtime.Healthy},
			{"HealthyBusy", says(runtime.HealthyBusy, nil), runtime.HealthyBusy},
			{"Automatic", says(runtime.Automatic, nil), runtime.Automatic},
			{"unknown", says("Unhealthy", nil), runtime.Automatic},
			{"an error", says(runtime.HealthyBusy, errors.New("no database")), runtime.Automatic},
			{"a panic", func(context.Context) (runtime.PingStatus, error) { panic("no database") }, runtime.Automatic},
		} {
			for _, working := range []bool{false, true} {
				t.Run(fmt.Sprintf("forced %q, custom %s, working %v", forced, custom.name, working), func(t *testing.T) {
					server := newServer(runtime.Handlers{Ping: custom.ping})
					want := runtime.Healthy
					if working {
						server.AddTask("Work")
						want = runtime.HealthyBusy
					}
					if custom.status != runtime.Automatic {
						want = custom.status
					}
					if forced != runtime.Automatic {
						want = forced
					}
					server.ForceStatus(forced)
					got := record(server, "GET", "/ping", "")
					if status := parsePing(t, got.body).Status; got.status != 200 || status != want {
						t.Errorf("ping answers %d and %s, want 200 and %s", got.status, status, want)
					}
					if status := server.Status(t.Context()); status != want {
						t.Errorf("Status returns %s, want %s", status, want)
					}
				})
			}
		}
	}
}

func TestForceStatusUnknown(t *testing.T) {
	server := newServer(runtime.Handlers{})
	server.ForceStatus(runtime.HealthyBusy)
	for _, status := range []runtime.PingStatus{"Unhealthy", "healthy", "HEALTHYBUSY", " ", "Cleared"} {
		func() {
			defer func() {
				if problem := fmt.Sprint(recover()); !strings.Contains(problem, "ForceStatus") || !strings.Contains(problem, string(status)) {
					t.Errorf("ForceStatus(%q) panicked with %q, want that it names the status", status, problem)
				}
			}()
			server.ForceStatus(status)
		}()
	}
	if got := server.Status(t.Context()); got != runtime.HealthyBusy {
		t.Errorf("afterwards the agent is %s", got)
	}
}

// Handlers and tasks force the status of their server, and see it.
func TestStatusInAHandler(t *testing.T) {
	server := newServer(runtime.Handlers{Invoke: runtime.Unary("Force", func(ctx context.Context, status runtime.PingStatus) (runtime.PingStatus, error) {
		runtime.ServerFrom(ctx).ForceStatus(status)
		return runtime.ServerFrom(ctx).Status(ctx), nil
	})})
	for _, test := range []struct{ force, inside, afterwards runtime.PingStatus }{
		{runtime.Healthy, runtime.Healthy, runtime.Healthy},
		{runtime.HealthyBusy, runtime.HealthyBusy, runtime.HealthyBusy},
		{runtime.Automatic, runtime.HealthyBusy, runtime.Healthy}, // busy with the invocation itself
	} {
		if got := record(server, "POST", "/invocations", fmt.Sprintf("%q", test.force)); got.body != fmt.Sprintf("%q", test.inside) {
			t.Errorf("inside of the handler that forces %q the agent is %s, want %s", test.force, got.body, test.inside)
		}
		if got := parsePing(t, recordPing(server)).Status; got != test.afterwards {
			t.Errorf("after the handler that forces %q the agent is %s, want %s", test.force, got, test.afterwards)
		}
	}
}

// Whatever happens at once, the time of a ping is never before that of an
// earlier one, and in the end the agent is idle.
func TestStatusConcurrently(t *testing.T) {
	server := newServer(runtime.Handlers{Invoke: echo})
	var workers, pings sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for range 200 {
				record(server, "POST", "/invocations", `1`)
				server.CompleteTask(server.AddTask("Task"))
				server.ForceStatus(runtime.HealthyBusy)
				server.ForceStatus(runtime.Automatic)
			}
		})
	}
	stop := make(chan struct{})
	for range 2 {
		pings.Go(func() {
			for last := int64(0); ; {
				select {
				case <-stop:
					return
				default:
				}
				got := parsePing(t, recordPing(server))
				if got.Since < last {
					t.Errorf("the time of a ping went back from %d to %d", last, got.Since)
				}
				last = got.Since
			}
		})
	}
	workers.Wait()
	close(stop)
	pings.Wait()
	if got := server.Status(t.Context()); got != runtime.Healthy {
		t.Errorf("in the end the agent is %s", got)
	}
}
