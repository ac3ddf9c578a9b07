package runtime_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

// blocking returns handlers of each kind that say when they have begun and then
// wait to be let go, or for the end of their context.
func blocking(begun chan<- struct{}, proceed <-chan struct{}) map[string]runtime.InvokeHandler {
	wait := func(ctx context.Context) {
		begun <- struct{}{}
		select {
		case <-proceed:
		case <-ctx.Done():
		}
	}
	return map[string]runtime.InvokeHandler{
		"unary":  runtime.Unary("Wait", func(ctx context.Context, _ any) (any, error) { wait(ctx); return nil, nil }),
		"stream": stream(func(ctx context.Context, _ func(any, error) bool) { wait(ctx) }),
		"stream that opens": runtime.OpenStream("Wait", func(ctx context.Context, _ any) (values[int], error) {
			wait(ctx)
			return nil, nil
		}),
		"raw": runtime.Raw("Wait", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body) // before that net/http does not see callers leave
			wait(r.Context())
		}),
	}
}

func TestMaxInvocations(t *testing.T) {
	const limit = 3
	begun, proceed := make(chan struct{}), make(chan struct{})
	for kind, handler := range blocking(begun, proceed) {
		t.Run(kind, func(t *testing.T) {
			a := serve(t, runtime.Handlers{Invoke: handler, WebSocket: talk(echoTexts)}, runtime.WithMaxInvocations(limit))
			answered := make(chan int, limit)
			invoke := func() {
				go func() { answered <- a.invoke(t, `{}`).status }()
				await(t, "an invocation", begun)
			}
			refused := func(body string) {
				t.Helper()
				got := a.invoke(t, body, sessionHeader, "s-1", requestHeader, "refused")
				if want := `{"error":"too many invocations are under way"}`; got.status != 429 || got.body != want {
					t.Errorf("one more was answered with %d %s, want 429 %s", got.status, got.body, want)
				}
				for name, want := range map[string]string{"Retry-After": "1", "Content-Type": "application/json", sessionHeader: "s-1"} {
					if value := got.header.Get(name); value != want {
						t.Errorf("%s is %q, want %q", name, value, want)
					}
				}
			}
			for range limit {
				invoke()
			}
			for _, body := range []string{`{}`, `not JSON`, ``} {
				refused(body)
			}

			// Nothing else counts, nor is it refused.
			if got := a.pingStatus(t); got != runtime.HealthyBusy {
				t.Errorf("the agent is %s", got)
			}
			for range limit {
				conn := a.connect(t)
				sendText(t, conn, "hello")
				if got := readText(t, conn); got != "hello" {
					t.Errorf("received %q", got)
				}
			}
			if got := a.do(t, "GET", "/invocations", ""); got.status != 405 {
				t.Errorf("a request that is no invocation was answered with %d", got.status)
			}

			proceed <- struct{}{}
			if status := await(t, "an answer", answered); status != 200 {
				t.Errorf("an invocation within the limit was answered with %d", status)
			}
			invoke() // in its place
			refused(`{}`)
			for range limit {
				proceed <- struct{}{}
				if status := await(t, "an answer", answered); status != 200 {
					t.Errorf("an invocation within the limit was answered with %d", status)
				}
			}
			for _, got := range a.logs.records(t) {
				if got["requestId"] == "refused" && (got["level"] != "WARN" || got["status"] != 429.0) {
					t.Errorf("logged %v, want a warning of 429", got)
				}
			}
		})
	}
}

// Whatever becomes of an invocation, its place is free again.
func TestMaxInvocationsAfterFailures(t *testing.T) {
	handler := runtime.Raw("Fail", func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("How") {
		case "error":
			runtime.WriteError(w, errors.New("no model"))
		case "panic":
			panic("boom")
		case "panic in mid-answer":
			fmt.Fprint(w, "half")
			panic("boom")
		case "abort":
			panic(http.ErrAbortHandler)
		case "hijack":
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			conn.Close()
		}
	})
	served := make(chan struct{}, 1)
	a := serve(t, runtime.Handlers{Invoke: handler, Middleware: announce(served)}, runtime.WithMaxInvocations(1))
	for _, how := range []string{"error", "panic", "panic in mid-answer", "abort", "hijack", "not at all"} {
		for range 3 {
			request, _ := http.NewRequest("POST", a.url+"/invocations", strings.NewReader(`{}`))
			request.Header.Set("How", how)
			if response, err := a.client.Do(request); err == nil {
				if response.StatusCode == 429 {
					t.Errorf("%s: there is no place", how)
				}
				_, _ = io.ReadAll(response.Body)
				response.Body.Close()
			}
			await(t, "the end of the request", served)
		}
	}

	typed := runtime.Unary("Fail", func(_ context.Context, in []int) (any, error) { return nil, errors.New("no model") })
	server := newServer(runtime.Handlers{Invoke: typed}, runtime.WithMaxInvocations(1))
	for _, body := range []string{`[]`, `{}`, `{`, ``, "\xff", `[1]`} {
		if got := record(server, "POST", "/invocations", body); got.status != 500 && got.status != 400 {
			t.Errorf("%s was answered with %d", body, got.status)
		}
	}
}

func TestMaxInvocationsWhenTheCallerLeaves(t *testing.T) {
	begun, proceed := make(chan struct{}), make(chan struct{})
	for kind, handler := range blocking(begun, proceed) {
		t.Run(kind, func(t *testing.T) {
			served := make(chan struct{}, 1)
			a := serve(t, runtime.Handlers{Invoke: handler, Middleware: announce(served)}, runtime.WithMaxInvocations(1))
			for range 3 {
				ctx, leave := context.WithCancel(t.Context())
				left := make(chan struct{})
				go func() {
					defer close(left)
					request, _ := http.NewRequestWithContext(ctx, "POST", a.url+"/invocations", strings.NewReader(`{}`))
					if response, err := a.client.Do(request); err == nil {
						_, _ = io.ReadAll(response.Body)
						response.Body.Close()
					}
				}()
				await(t, "an invocation", begun)
				leave()
				await(t, "the caller to leave", left)
				await(t, "the end of the request", served)
			}
		})
	}
}

func TestMaxInvocationsWithoutLimit(t *testing.T) {
	const many = 50
	for _, limit := range []int{0, -1} {
		begun, proceed := make(chan struct{}), make(chan struct{})
		a := serve(t, runtime.Handlers{Invoke: blocking(begun, proceed)["unary"]}, runtime.WithMaxInvocations(limit))
		var running sync.WaitGroup
		for range many {
			running.Go(func() {
				if got := a.invoke(t, `{}`); got.status != 200 {
					t.Errorf("with the limit %d, answered %d", limit, got.status)
				}
			})
			await(t, "an invocation", begun)
		}
		close(proceed)
		running.Wait()
	}
}

// Of many at once exactly as many are served as may be.
func TestMaxInvocationsConcurrently(t *testing.T) {
	const limit, many = 5, 60
	begun, proceed := make(chan struct{}, many), make(chan struct{})
	a := serve(t, runtime.Handlers{Invoke: blocking(begun, proceed)["unary"]}, runtime.WithMaxInvocations(limit))
	statuses := make(chan int, many)
	for range many {
		go func() { statuses <- a.invoke(t, `{}`).status }()
	}
	count := make(map[int]int)
	for range many - limit {
		count[await(t, "an answer", statuses)]++
	}
	close(proceed)
	for range limit {
		count[await(t, "an answer", statuses)]++
	}
	if count[200] != limit || count[429] != many-limit || len(begun) != limit {
		t.Errorf("the answers are %v, and the handler was called %d times, want %d times", count, len(begun), limit)
	}
}

func TestMaxHeaderBytes(t *testing.T) {
	for _, test := range []struct {
		name   string
		opts   []runtime.Option
		size   int
		status int
	}{
		{"20 KB by default", nil, 20_000, 200},
		{"2 MB by default", nil, 2_000_000, 431},
		{"20 KB of the default of zero", []runtime.Option{runtime.WithMaxHeaderBytes(0)}, 20_000, 200},
		{"2 MB of the default of zero", []runtime.Option{runtime.WithMaxHeaderBytes(0)}, 2_000_000, 431},
		{"2 MB of less than zero", []runtime.Option{runtime.WithMaxHeaderBytes(-1)}, 2_000_000, 431},
		{"1 KB of 10 KB", []runtime.Option{runtime.WithMaxHeaderBytes(10_000)}, 1000, 200},
		{"20 KB of 10 KB", []runtime.Option{runtime.WithMaxHeaderBytes(10_000)}, 20_000, 431},
		{"2 MB of 3 MB", []runtime.Option{runtime.WithMaxHeaderBytes(3_000_000)}, 2_000_000, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			// In memory, for over TCP an answer can be lost when the server does not
			// read all of the request, and in a bubble, for net/http waits after a 431
			// lest that happens.
			synctest.Test(t, func(t *testing.T) {
				a := serveInMemory(t, runtime.Handlers{Invoke: echo}, test.opts...)
				conn, err := a.dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				var writer sync.WaitGroup
				defer writer.Wait()
				defer conn.Close()
				writer.Go(func() {
					_, _ = fmt.Fprintf(conn, "POST /invocations HTTP/1.1\r\nHost: agent\r\nX-Large: %s\r\nContent-Length: 1\r\n\r\n1", strings.Repeat("x", test.size))
				})
				response, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				if response.StatusCode != test.status {
					t.Errorf("answered %d, want %d", response.StatusCode, test.status)
				}
			})
		})
	}
}

// exchange writes a request to a server in memory, pausing between its parts,
// and returns when the connection was closed, after how long, and what had come.
func exchange(t *testing.T, a *agent, pause time.Duration, parts ...string) (answer string, took time.Duration) {
	t.Helper()
	conn, err := a.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	var writer sync.WaitGroup
	defer writer.Wait()
	defer conn.Close()
	start := time.Now()
	writer.Go(func() {
		for i, part := range parts {
			if i > 0 {
				time.Sleep(pause)
			}
			if _, err := io.WriteString(conn, part); err != nil {
				return // the server has closed it
			}
		}
	})
	text, _ := io.ReadAll(conn)
	return string(text), time.Since(start)
}

func TestHeaderTimeout(t *testing.T) {
	const close = "Connection: close\r\n"
	for _, test := range []struct {
		name     string
		opts     []runtime.Option
		pause    time.Duration
		parts    []string
		answered bool
		takes    time.Duration
	}{
		{"nothing comes", []runtime.Option{runtime.WithHeaderTimeout(3 * time.Second)}, 0, nil, false, 3 * time.Second},
		{"half a header comes", []runtime.Option{runtime.WithHeaderTimeout(3 * time.Second)}, 0, []string{"GET /ping HTTP/1.1\r\nHo"}, false, 3 * time.Second},
		{"a header comes drop by drop", []runtime.Option{runtime.WithHeaderTimeout(3 * time.Second)}, time.Second,
			[]string{"GET /p", "ing HT", "TP/1.1\r\n", "Host: a\r\n", close, "\r\n"}, false, 3 * time.Second},
		{"a slow header in time", []runtime.Option{runtime.WithHeaderTimeout(3 * time.Second)}, time.Second,
			[]string{"GET /ping HT", "TP/1.1\r\nHost: a\r\n", close + "\r\n"}, true, 2 * time.Second},
		{"a body that takes longer", []runtime.Option{runtime.WithHeaderTimeout(3 * time.Second)}, time.Hour,
			[]string{"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n" + close + "\r\n", "1", "2"}, true, 2 * time.Hour},
		{"the default", nil, 0, []string{"GET"}, false, 10 * time.Second},
		{"no limit", []runtime.Option{runtime.WithHeaderTimeout(0)}, time.Hour, []string{"GET /ping HT", "TP/1.1\r\nHost: a\r\n", close + "\r\n"}, true, 2 * time.Hour},
		{"less than none", []runtime.Option{runtime.WithHeaderTimeout(-1)}, time.Hour, []string{"GET /ping HT", "TP/1.1\r\nHost: a\r\n", close + "\r\n"}, true, 2 * time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := serveInMemory(t, runtime.Handlers{Invoke: echo}, test.opts...)
				answer, took := exchange(t, a, test.pause, test.parts...)
				if answered := strings.HasPrefix(answer, "HTTP/1.1 200 OK"); answered != test.answered {
					t.Errorf("answered %q, want that it is answered: %v", answer, test.answered)
				}
				if took != test.takes {
					t.Errorf("the connection ended after %v, want %v", took, test.takes)
				}
			})
		})
	}
}

func TestIdleTimeout(t *testing.T) {
	const request = "GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, test := range []struct {
		name    string
		opts    []runtime.Option
		pause   time.Duration // between two requests
		answers int
		takes   time.Duration // until the server closes the connection; 0 for never
	}{
		{"a second request in time", []runtime.Option{runtime.WithIdleTimeout(5 * time.Second)}, 4 * time.Second, 2, 9 * time.Second},
		{"a second request too late", []runtime.Option{runtime.WithIdleTimeout(5 * time.Second)}, 6 * time.Second, 1, 5 * time.Second},
		{"the default", nil, time.Hour, 1, 3 * time.Minute},
		{"no limit", []runtime.Option{runtime.WithIdleTimeout(0)}, 24 * time.Hour, 2, 0},
		{"less than none", []runtime.Option{runtime.WithIdleTimeout(-time.Second)}, 24 * time.Hour, 2, 0},
		{"no limit, but one for headers", []runtime.Option{runtime.WithIdleTimeout(0), runtime.WithHeaderTimeout(time.Second)}, 24 * time.Hour, 2, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := serveInMemory(t, runtime.Handlers{}, test.opts...)
				last := request
				if test.takes == 0 {
					last = strings.Replace(request, "\r\n", "\r\nConnection: close\r\n", 1)
				}
				answer, took := exchange(t, a, test.pause, request, last)
				if n := strings.Count(answer, "HTTP/1.1 200 OK"); n != test.answers {
					t.Errorf("%d requests were answered, want %d", n, test.answers)
				}
				if test.takes == 0 {
					test.takes = test.pause
				}
				if took != test.takes {
					t.Errorf("the connection ended after %v, want %v", took, test.takes)
				}
			})
		})
	}
}

func TestAllowedOrigins(t *testing.T) {
	allow := func(origins ...string) []runtime.Option {
		return []runtime.Option{runtime.WithAllowedOrigins(origins...)}
	}
	two := allow("https://example.com", "http://localhost:3000")
	for _, test := range []struct {
		name   string
		opts   []runtime.Option
		origin []string // nil for no header
		passes bool
	}{
		{"by default, any", nil, []string{"https://evil.test"}, true},
		{"by default, none", nil, nil, true},
		{"none", two, nil, true},
		{"the first", two, []string{"https://example.com"}, true},
		{"the second", two, []string{"http://localhost:3000"}, true},
		{"another case", two, []string{"HTTPS://Example.COM"}, true},
		{"another", two, []string{"https://evil.test"}, false},
		{"another scheme", two, []string{"http://example.com"}, false},
		{"another port", two, []string{"https://example.com:8443"}, false},
		{"a subdomain", two, []string{"https://www.example.com"}, false},
		{"a longer one", two, []string{"https://example.com.evil.test"}, false},
		{"with a path", two, []string{"https://example.com/"}, false},
		{"of a sandbox", two, []string{"null"}, false},
		{"empty", two, []string{""}, false},
		{"two, the first of which is another", two, []string{"https://evil.test", "https://example.com"}, false},
		{"nobody, and none", allow(), nil, true},
		{"nobody, and another", allow(), []string{"https://example.com"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			called := false
			a := serve(t, runtime.Handlers{
				Invoke:    runtime.Unary("Note", func(context.Context, any) (any, error) { called = true; return nil, nil }),
				WebSocket: talk(echoTexts),
			}, test.opts...)
			var headers []string
			for _, origin := range test.origin {
				headers = append(headers, "Origin", origin)
			}
			got := a.invoke(t, `{}`, headers...)
			if test.passes != called || test.passes != (got.status == 200) {
				t.Errorf("an invocation was answered with %d, and the handler called: %v", got.status, called)
			}
			if want := `{"error":"the origin is not allowed"}`; !test.passes && (got.status != 403 || got.body != want) {
				t.Errorf("an invocation was answered with %d %s, want 403 %s", got.status, got.body, want)
			}
			if got := a.do(t, "GET", "/ping", "", headers...); got.status != 200 {
				t.Errorf("a ping was answered with %d", got.status)
			}
			if test.passes {
				conn := a.connect(t, headers...)
				sendText(t, conn, "hello")
				if got := readText(t, conn); got != "hello" {
					t.Errorf("received %q", got)
				}
			} else if got := a.upgrade(t, "/ws", headers...); got.status != 403 {
				t.Errorf("a handshake was answered with %d, want 403", got.status)
			}
		})
	}
	t.Run("a refusal is logged", func(t *testing.T) {
		var logs logs
		server := runtime.NewServer(runtime.Handlers{Invoke: refuseCalls(t)}, runtime.WithAllowedOrigins("https://example.com"), runtime.WithLogger(logs.logger()))
		record(server, "POST", "/invocations", `1`, "Origin", "https://evil.test", requestHeader, "r-1")
		if got := logs.only(t); got["level"] != "WARN" || got["requestId"] != "r-1" || got["origin"] != "https://evil.test" {
			t.Errorf("logged %v, want a warning that names the origin", got)
		}
	})
	t.Run("the list is copied", func(t *testing.T) {
		origins := []string{"https://example.com"}
		server := newServer(runtime.Handlers{Invoke: echo}, runtime.WithAllowedOrigins(origins...))
		origins[0] = "https://evil.test"
		if got := record(server, "POST", "/invocations", `1`, "Origin", "https://evil.test"); got.status != 403 {
			t.Errorf("answered %d, want 403", got.status)
		}
	})
}

// notes are what hooks and handlers have done, in their order.
type notes struct {
	mu   sync.Mutex
	list []string
}

func (n *notes) add(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, text)
}

func (n *notes) expect(t *testing.T, want ...string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Equal(n.list, want) {
		t.Errorf("what happened is %q, want %q", n.list, want)
	}
}

// Startup hooks come first and in order, shutdown hooks in reverse and when
// nothing is under way any more.
func TestHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done notes
		hook := func(name string) func(context.Context) error {
			return func(ctx context.Context) error {
				if runtime.ServerFrom(ctx) == nil {
					t.Errorf("%s: the context belongs to no server", name)
				}
				done.add(name)
				return nil
			}
		}
		slowly := func(ctx context.Context, name string) {
			<-ctx.Done()
			time.Sleep(time.Second)
			done.add(name + " ended")
		}
		a := serveInMemory(t, runtime.Handlers{
			Invoke: stream(func(_ context.Context, yield func(int, error) bool) {
				yield(1, nil)
				time.Sleep(time.Second)
				done.add("stream ended")
			}),
			WebSocket: talk(func(ctx context.Context, conn *textConn) error {
				err := conn.Accept()
				slowly(ctx, "WebSocket")
				return err
			}),
		},
			runtime.WithStartup(hook("startup 1")), runtime.WithShutdown(hook("shutdown 1")),
			runtime.WithStartup(func(ctx context.Context) error {
				done.add("startup 2")
				_, err := runtime.Go(ctx, "Work", func(ctx context.Context) error {
					slowly(ctx, "task")
					return nil
				})
				return err
			}),
			runtime.WithShutdown(func(ctx context.Context) error {
				_, err := runtime.Go(ctx, "Late", func(context.Context) error { return nil })
				if !errors.Is(err, http.ErrServerClosed) {
					t.Errorf("a task of a shutdown hook is started with %v, want http.ErrServerClosed", err)
				}
				return hook("shutdown 2")(ctx)
			}),
		)
		synctest.Wait()
		done.expect(t, "startup 1", "startup 2")
		if got := a.server.TaskInfo().ActiveCount; got != 1 {
			t.Errorf("%d tasks of the startup are active, want 1", got)
		}
		conn := a.connect(t)
		go func() { _, _, _ = conn.ReadMessage() }()
		response := a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`))
		go func() { _, _ = io.ReadAll(response.Body) }()
		synctest.Wait()
		if err := a.stop(); err != nil {
			t.Error(err)
		}
		ended := done.list[2:5]
		slices.Sort(ended[1:]) // those two end together
		done.expect(t, "startup 1", "startup 2", "stream ended", "WebSocket ended", "task ended", "shutdown 2", "shutdown 1")
	})
}

func TestHooksFail(t *testing.T) {
	first, second, third := errors.New("no database"), errors.New("no queue"), errors.New("no disk")
	for _, test := range []struct {
		name              string
		startup, shutdown []error
		want              []string // what was called
		is                []error
	}{
		{"nothing", []error{nil}, []error{nil}, []string{"startup 0", "serving", "shutdown 0"}, nil},
		{"the first startup", []error{first, nil}, []error{nil}, []string{"startup 0", "shutdown 0"}, []error{first}},
		{"the second startup", []error{nil, second}, []error{nil, nil}, []string{"startup 0", "startup 1", "shutdown 1", "shutdown 0"}, []error{second}},
		{"a startup and both shutdowns", []error{first}, []error{second, third}, []string{"startup 0", "shutdown 1", "shutdown 0"}, []error{first, second, third}},
		{"the last shutdown", []error{nil}, []error{first, nil}, []string{"startup 0", "serving", "shutdown 1", "shutdown 0"}, []error{first}},
		{"all shutdowns", nil, []error{first, second, third}, []string{"serving", "shutdown 2", "shutdown 1", "shutdown 0"}, []error{first, second, third}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var done notes
				var opts []runtime.Option
				for i, err := range test.startup {
					opts = append(opts, runtime.WithStartup(func(context.Context) error { done.add(fmt.Sprint("startup ", i)); return err }))
				}
				for i, err := range test.shutdown {
					opts = append(opts, runtime.WithShutdown(func(context.Context) error { done.add(fmt.Sprint("shutdown ", i)); return err }))
				}
				listener := newMemoryListener()
				server := newServer(runtime.Handlers{}, opts...)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				served := make(chan error, 1)
				go func() { served <- server.Serve(ctx, listener) }()
				client := &http.Client{Transport: &http.Transport{DialContext: listener.dial}}
				if response, err := client.Get("http://agent/ping"); err == nil {
					response.Body.Close()
					done.add("serving")
				}
				client.CloseIdleConnections()
				cancel()
				err := <-served
				if (err == nil) != (len(test.is) == 0) {
					t.Errorf("Serve returned %v", err)
				}
				for _, cause := range test.is {
					if !errors.Is(err, cause) {
						t.Errorf("Serve returned %q, which is not %q", err, cause)
					}
				}
				done.expect(t, test.want...)
				if _, err := listener.dial(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
					t.Errorf("the listener is not closed: %v", err)
				}
			})
		})
	}
}

// What a startup hook has begun ends when a later one fails, before the shutdown
// hooks that may take away what it works with.
func TestStartupFailsWithATaskUnderWay(t *testing.T) {
	for _, stubborn := range []bool{false, true} {
		t.Run(fmt.Sprint("stubborn: ", stubborn), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var done notes
				failure, release := errors.New("no database"), make(chan struct{})
				start := time.Now()
				err := newServer(runtime.Handlers{},
					runtime.WithStartup(func(ctx context.Context) error {
						_, err := runtime.Go(ctx, "Refresh", func(ctx context.Context) error {
							<-ctx.Done()
							if stubborn {
								<-release
							}
							done.add("task")
							return nil
						})
						return err
					}),
					runtime.WithStartup(func(context.Context) error { return failure }),
					runtime.WithShutdown(func(context.Context) error { done.add("shutdown"); return nil }),
				).Serve(t.Context(), newMemoryListener())
				if !errors.Is(err, failure) {
					t.Errorf("Serve returned %v, want the error of the hook", err)
				}
				if stubborn != strings.Contains(fmt.Sprint(err), "1 tasks") {
					t.Errorf("Serve returned %v, want that a task is left: %v", err, stubborn)
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("Serve took %v to fail", took)
				}
				if stubborn {
					done.expect(t, "shutdown")
					close(release)
				} else {
					done.expect(t, "task", "shutdown")
				}
			})
		})
	}
}

// A caller who connects during the startup waits for its end.
func TestStartupHoldsUpCallers(t *testing.T) {
	var over atomic.Bool
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	early := make(chan net.Conn, 1)
	serveOn(t, listener, new(net.Dialer).DialContext, runtime.Handlers{Ping: func(context.Context) (runtime.PingStatus, error) {
		if !over.Load() {
			t.Error("a ping was served before the startup was over")
		}
		return runtime.Healthy, nil
	}}, runtime.WithStartup(func(context.Context) error {
		defer over.Store(true)
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			return err
		}
		early <- conn
		_, err = io.WriteString(conn, "GET /ping HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		return err
	}))
	conn := await(t, "a connection", early)
	defer conn.Close()
	if got, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 200 OK") {
		t.Errorf("answered %q (%v)", got, err)
	}
}

// Which hook has failed shows in the error.
func TestHookErrorText(t *testing.T) {
	err := newServer(runtime.Handlers{},
		runtime.WithStartup(func(context.Context) error { return errors.New("no database") }),
		runtime.WithShutdown(func(context.Context) error { return errors.New("no disk") }),
	).Serve(t.Context(), newMemoryListener())
	if want := "startup: no database\nshutdown: no disk"; err == nil || err.Error() != want {
		t.Errorf("Serve returned %v, want %q", err, want)
	}
}

func TestHooksOfRun(t *testing.T) {
	failure := errors.New("no database")
	closed := false
	err := newServer(runtime.Handlers{}, runtime.WithAddr("127.0.0.1:0"),
		runtime.WithStartup(func(context.Context) error { return failure }),
		runtime.WithShutdown(func(context.Context) error { closed = true; return nil }),
	).Run(t.Context())
	if !errors.Is(err, failure) || !closed {
		t.Errorf("Run returned %v, and called the shutdown hook: %v", err, closed)
	}

	// The context of a startup hook ends with Run's.
	ctx, cancel := context.WithCancel(t.Context())
	err = newServer(runtime.Handlers{}, runtime.WithAddr("127.0.0.1:0"),
		runtime.WithStartup(func(ctx context.Context) error {
			cancel()
			<-ctx.Done()
			return context.Cause(ctx)
		}),
	).Run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v, want the startup hook's error", err)
	}

	// Without an address nothing has to be started.
	err = newServer(runtime.Handlers{}, runtime.WithAddr("nonsense"), runtime.WithStartup(func(context.Context) error {
		t.Error("a startup hook was called")
		return nil
	})).Run(t.Context())
	if err == nil {
		t.Error("Run accepts an address that is none")
	}
}

// Hooks that hang do not keep the process for ever, nor keep others from being
// called.
func TestShutdownHooksHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var called []time.Duration
		hang := func(ctx context.Context) error {
			called = append(called, time.Since(start))
			<-ctx.Done()
			return ctx.Err()
		}
		a := serveInMemory(t, runtime.Handlers{}, runtime.WithShutdown(hang), runtime.WithShutdown(hang))
		a.fails = true
		synctest.Wait()
		if err := a.stop(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Serve returned %v, want that the hooks took too long", err)
		}
		if want := []time.Duration{0, 2 * time.Second}; !slices.Equal(called, want) {
			t.Errorf("the hooks were called after %v, want %v", called, want)
		}
	})
}

// Shutdown hooks are called also when the grace period was too short.
func TestShutdownHooksAfterForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done notes
		a := serveInMemory(t, runtime.Handlers{Invoke: runtime.Unary("Wait", func(ctx context.Context, _ any) (any, error) {
			<-ctx.Done()
			done.add("cancelled")
			return nil, ctx.Err()
		})}, runtime.WithGracePeriod(time.Minute), runtime.WithShutdown(func(ctx context.Context) error {
			if err := ctx.Err(); err != nil {
				t.Errorf("the hook has no time: %v", err)
			}
			done.add("shutdown")
			return errors.New("no disk")
		}))
		a.fails = true
		go func() {
			if response, err := a.client.Post(a.url+"/invocations", "", strings.NewReader(`{}`)); err == nil {
				response.Body.Close()
			}
		}()
		synctest.Wait()
		if err := a.stop(); err == nil || !strings.Contains(err.Error(), "grace period") || !strings.Contains(err.Error(), "shutdown: no disk") {
			t.Errorf("Serve returned %v, want both errors", err)
		}
		done.expect(t, "cancelled", "shutdown")
	})
}

// Shutdown alone, of a server that is mounted elsewhere, calls no hooks: they
// belong to Run.
func TestShutdownCallsNoHooks(t *testing.T) {
	server := newServer(runtime.Handlers{}, runtime.WithShutdown(func(context.Context) error {
		t.Error("a shutdown hook was called")
		return nil
	}))
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
