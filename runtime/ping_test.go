package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

func TestPingBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(runtime.Handlers{})
		want := fmt.Sprintf(`{"status":"Healthy","time_of_last_update":%d}`, time.Now().Unix())
		got := record(server, "GET", "/ping", "")
		if got.status != 200 || got.body != want {
			t.Errorf("answered %d %s, want 200 %s", got.status, got.body, want)
		}
		if kind := got.header.Get("Content-Type"); kind != "application/json" {
			t.Errorf("Content-Type is %q", kind)
		}
	})
}

func TestPingIsBusy(t *testing.T) {
	begun, proceed := make(chan struct{}), make(chan struct{})
	work := func() {
		begun <- struct{}{}
		<-proceed
	}
	for name, handler := range map[string]runtime.InvokeHandler{
		"during an invocation": runtime.Unary("Work", func(context.Context, any) (any, error) {
			work()
			return nil, nil
		}),
		"during an invocation that panics": runtime.Unary("Work", func(context.Context, any) (any, error) {
			work()
			panic("x")
		}),
		"during a raw invocation": runtime.Raw("Work", func(http.ResponseWriter, *http.Request) { work() }),
		"during a stream": stream(func(_ context.Context, yield func(int, error) bool) {
			if yield(1, nil) {
				work()
			}
		}),
		"during a task": runtime.Unary("Work", func(ctx context.Context, _ any) (any, error) {
			_, err := runtime.StartTask(ctx, "Work", 0, func(context.Context, int) error {
				work()
				return nil
			})
			return nil, err
		}),
	} {
		t.Run(name, func(t *testing.T) {
			a := serve(t, runtime.Handlers{Invoke: handler})
			if got := a.pingStatus(t); got != runtime.Healthy {
				t.Errorf("at first the agent is %s", got)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				a.invoke(t, `{}`)
			}()
			await(t, "the beginning", begun)
			if name == "during a task" {
				await(t, "the answer", ended)
			}
			if got := a.pingStatus(t); got != runtime.HealthyBusy {
				t.Errorf("meanwhile the agent is %s", got)
			}
			proceed <- struct{}{}
			await(t, "the answer", ended)
			if err := a.server.Shutdown(t.Context()); err != nil { // waits for the task
				t.Fatal(err)
			}
			if got := a.pingStatus(t); got != runtime.Healthy {
				t.Errorf("afterwards the agent is %s", got)
			}
		})
	}
}

func TestPingTimeOfLastUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now().Unix()
		var ends []chan struct{}
		server := newServer(runtime.Handlers{Invoke: runtime.Unary("Start", func(ctx context.Context, seconds int) (any, error) {
			time.Sleep(time.Duration(seconds) * time.Second)
			end := make(chan struct{})
			ends = append(ends, end)
			_, err := runtime.StartTask(ctx, "Work", end, func(_ context.Context, end chan struct{}) error {
				<-end
				return nil
			})
			return nil, err
		})})
		// Each step says what the ping behind it reports, in seconds since the
		// beginning.
		for _, step := range []struct {
			name   string
			do     func()
			status runtime.PingStatus
			since  int64
		}{
			{"new", func() {}, runtime.Healthy, 0},
			{"10 s pass", func() { time.Sleep(10 * time.Second) }, runtime.Healthy, 0},
			{"5 s pass", func() { time.Sleep(5 * time.Second) }, runtime.Healthy, 0},
			{"at 15 s a task begins, in an invocation of 5 s", func() { record(server, "POST", "/invocations", `5`) }, runtime.HealthyBusy, 15},
			{"10 s pass", func() { time.Sleep(10 * time.Second) }, runtime.HealthyBusy, 15},
			{"a second task begins, which changes nothing", func() { record(server, "POST", "/invocations", `0`) }, runtime.HealthyBusy, 15},
			{"the first ends, which changes nothing", func() { close(ends[0]); time.Sleep(time.Second) }, runtime.HealthyBusy, 15},
			{"at 31 s the second ends, and 100 s pass unobserved", func() { close(ends[1]); time.Sleep(100 * time.Second) }, runtime.Healthy, 31},
			{"a refused request changes nothing for an instant", func() { record(server, "GET", "/invocations", ``) }, runtime.Healthy, 31},
			{"at 131 s a task of 9 s begins, and 20 s pass unobserved", func() {
				record(server, "POST", "/invocations", `0`)
				time.Sleep(9 * time.Second)
				close(ends[2])
				time.Sleep(11 * time.Second)
			}, runtime.Healthy, 140},
		} {
			step.do()
			synctest.Wait()
			want := pingBody{step.status, begin + step.since}
			for range 3 {
				if got := parsePing(t, record(server, "GET", "/ping", "").body); got != want {
					t.Errorf("%s: ping reports %s since %d s, want %s since %d s", step.name, got.Status, got.Since-begin, want.Status, step.since)
				}
			}
		}
	})
}

// A custom function can only be asked, so its changes are seen when it is.
func TestPingTimeOfLastUpdateOfACustomFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now().Unix()
		status := runtime.Healthy
		server := newServer(runtime.Handlers{
			Invoke: echo,
			Ping:   func(context.Context) (runtime.PingStatus, error) { return status, nil },
		})
		for _, step := range []struct {
			set   runtime.PingStatus
			since int64
		}{
			{runtime.Healthy, 0}, {runtime.HealthyBusy, 10}, {runtime.HealthyBusy, 10}, {"", 30}, {runtime.Healthy, 30}, {runtime.HealthyBusy, 50},
		} {
			status = step.set
			record(server, "POST", "/invocations", `{}`) // does not matter
			if got := parsePing(t, record(server, "GET", "/ping", "").body); got.Since != begin+step.since {
				t.Errorf("after %d s ping reports %s since %d s, want %d s", time.Now().Unix()-begin, got.Status, got.Since-begin, step.since)
			}
			time.Sleep(10 * time.Second)
		}
	})
}

func TestPingCustomFunction(t *testing.T) {
	for _, test := range []struct {
		name    string
		ping    func(context.Context) (runtime.PingStatus, error)
		want    runtime.PingStatus // "" for the server's own
		warning string             // in the log
	}{
		{"none", nil, "", ""},
		{"Healthy", func(context.Context) (runtime.PingStatus, error) { return runtime.Healthy, nil }, runtime.Healthy, ""},
		{"HealthyBusy", func(context.Context) (runtime.PingStatus, error) { return runtime.HealthyBusy, nil }, runtime.HealthyBusy, ""},
		{"empty", func(context.Context) (runtime.PingStatus, error) { return "", nil }, "", ""},
		{"unknown", func(context.Context) (runtime.PingStatus, error) { return "Sick", nil }, "", "Sick"},
		{"wrong case", func(context.Context) (runtime.PingStatus, error) { return "healthy", nil }, "", "healthy"},
		{"error", func(context.Context) (runtime.PingStatus, error) { return "", errors.New("no database") }, "", "no database"},
		{"error with a status", func(context.Context) (runtime.PingStatus, error) {
			return runtime.HealthyBusy, errors.New("no database")
		}, "", "no database"},
		{"status error", func(context.Context) (runtime.PingStatus, error) { return "", runtime.Errorf(503, "no database") }, "", "no database"},
		{"panic", func(context.Context) (runtime.PingStatus, error) { panic("no database") }, "", "no database"},
	} {
		for _, busy := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, busy: %v", test.name, busy), func(t *testing.T) {
				var logs logs
				server := runtime.NewServer(runtime.Handlers{Ping: test.ping}, runtime.WithLogger(logs.logger()))
				own := runtime.Healthy
				end := make(chan struct{})
				if busy {
					own = runtime.HealthyBusy
					if _, err := runtime.StartTask(server.Context(t.Context()), "Work", 0, func(context.Context, int) error {
						<-end
						return nil
					}); err != nil {
						t.Fatal(err)
					}
				}
				got := record(server, "GET", "/ping", "")
				want := test.want
				if want == "" {
					want = own
				}
				if status := parsePing(t, got.body).Status; got.status != 200 || status != want {
					t.Errorf("answered %d %s, want 200 %s", got.status, status, want)
				}
				if test.warning == "" {
					if logs.String() != "" {
						t.Errorf("logged %s", &logs)
					}
				} else if record := logs.only(t); record["level"] != "WARN" || !strings.Contains(fmt.Sprint(record["errorMessage"]), test.warning) {
					t.Errorf("logged %v, want a warning of %q", record, test.warning)
				}
				close(end)
				if err := server.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// The answer of a function that returns at once is never lost.
func TestPingCustomFunctionAlwaysCounts(t *testing.T) {
	server := newServer(runtime.Handlers{Ping: func(context.Context) (runtime.PingStatus, error) { return runtime.HealthyBusy, nil }})
	var pings sync.WaitGroup
	for range 8 {
		pings.Go(func() {
			for range 1000 {
				if got := parsePing(t, record(server, "GET", "/ping", "").body).Status; got != runtime.HealthyBusy {
					t.Errorf("ping reports %s", got)
				}
			}
		})
	}
	pings.Wait()
}

func TestPingCustomFunctionHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logs logs
		var calls atomic.Int64
		proceed := make(chan struct{})
		server := runtime.NewServer(runtime.Handlers{Ping: func(ctx context.Context) (runtime.PingStatus, error) {
			calls.Add(1)
			<-proceed
			return runtime.HealthyBusy, ctx.Err()
		}}, runtime.WithLogger(logs.logger()))
		ping := func() (runtime.PingStatus, time.Duration) {
			start := time.Now()
			got := record(server, "GET", "/ping", "")
			if got.status != 200 {
				t.Errorf("ping answered %d %s", got.status, got.body)
			}
			return parsePing(t, got.body).Status, time.Since(start)
		}

		var first sync.WaitGroup
		for range 10 { // together: all wait for the one call
			first.Go(func() {
				if status, took := ping(); status != runtime.Healthy || took > time.Second {
					t.Errorf("a first ping reports %s after %v", status, took)
				}
			})
		}
		first.Wait()
		for range 10 {
			if status, took := ping(); status != runtime.Healthy || took > 0 {
				t.Errorf("a later ping reports %s after %v", status, took)
			}
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("the function was called %d times while it hung", n)
		}
		if record := logs.only(t); record["level"] != "WARN" {
			t.Errorf("logged %v, want a warning", record)
		}

		close(proceed) // the next call returns at once
		synctest.Wait()
		if status, took := ping(); status != runtime.HealthyBusy || took > 0 {
			t.Errorf("in the end ping reports %s after %v", status, took)
		}
	})
}

func TestPingCustomFunctionHasTheRequest(t *testing.T) {
	server := newServer(runtime.Handlers{Ping: func(ctx context.Context) (runtime.PingStatus, error) {
		if _, limited := ctx.Deadline(); !limited {
			t.Error("the context has no deadline")
		}
		if runtime.RequestHeaders(ctx).Get("X-Probe") == "busy" {
			return runtime.HealthyBusy, nil
		}
		return runtime.Healthy, nil
	}})
	for probe, want := range map[string]runtime.PingStatus{"busy": runtime.HealthyBusy, "idle": runtime.Healthy} {
		if got := parsePing(t, record(server, "GET", "/ping", "", "X-Probe", probe).body).Status; got != want {
			t.Errorf("ping reports %s, want %s", got, want)
		}
	}
}

func TestPingAnswersWhileHandlersBlock(t *testing.T) {
	const n = 100
	begun, proceed := make(chan struct{}), make(chan struct{})
	a := serve(t, runtime.Handlers{Invoke: runtime.Unary("Block", func(context.Context, any) (any, error) {
		begun <- struct{}{}
		<-proceed
		return nil, nil
	})})
	var invocations sync.WaitGroup
	for range n {
		invocations.Go(func() { a.invoke(t, `{}`) })
	}
	for range n {
		await(t, "the beginning", begun)
	}
	for range 3 {
		if got := a.pingStatus(t); got != runtime.HealthyBusy {
			t.Errorf("the agent is %s", got)
		}
	}
	close(proceed)
	invocations.Wait()
}

func TestPingIsNotLogged(t *testing.T) {
	a := serve(t, runtime.Handlers{})
	for range 5 {
		a.pingStatus(t)
	}
	if records := a.logs.records(t); len(records) > 0 {
		t.Errorf("logged %v", records)
	}
}

func TestPingTimeIsAnInteger(t *testing.T) {
	var body map[string]json.RawMessage
	if err := json.Unmarshal([]byte(record(newServer(runtime.Handlers{}), "GET", "/ping", "").body), &body); err != nil {
		t.Fatal(err)
	}
	seconds := string(body["time_of_last_update"])
	if len(body) != 2 || len(seconds) != 10 || strings.Trim(seconds, "0123456789") != "" {
		t.Errorf("the body is %s, want a status and a time in whole seconds", body)
	}
}
