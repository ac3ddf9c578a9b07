package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

var duration = regexp.MustCompile(`\(\d+\.\d{3}s\)$`)

func TestLogInvocation(t *testing.T) {
	fails := func(err error) runtime.InvokeHandler {
		return runtime.Unary("Ask", func(context.Context, any) (any, error) { return nil, err })
	}
	streams := func(run func(yield func(int, error) bool)) runtime.InvokeHandler {
		return runtime.Stream("Ask", func(context.Context, any) values[int] { return run })
	}
	for _, test := range []struct {
		name    string
		handler runtime.InvokeHandler
		body    string
		level   string
		status  float64
		kind    any // errorType, nil for none
		message any // errorMessage
	}{
		{"completed", fails(nil), `{}`, "INFO", 200, nil, nil},
		{"stream completed", streams(func(yield func(int, error) bool) { yield(1, nil) }), `{}`, "INFO", 200, nil, nil},
		{"broken body", fails(nil), `{`, "WARN", 400, nil, nil},
		{"body too large", fails(nil), strings.Repeat(" ", 2000) + `1`, "WARN", 413, nil, nil},
		{"failed", fails(errors.New("no model")), `{}`, "ERROR", 500, "error", "no model"},
		{"failed with a type", fails(fmt.Errorf("ask: %w", throttled{})), `{}`, "ERROR", 500, "ThrottlingException", "ask: slow down"},
		{"failed without a text", fails((*nilError)(nil)), `{}`, "ERROR", 500, "panic", "runtime error: invalid memory address or nil pointer dereference"},
		{"refused by the handler", fails(runtime.Errorf(404, "no session")), `{}`, "WARN", 404, nil, nil},
		{"failed by choice", fails(runtime.Errorf(503, "later")), `{}`, "ERROR", 503, nil, nil},
		{"panic", runtime.Unary("Ask", func(context.Context, any) (any, error) { panic("boom") }), `{}`, "ERROR", 500, "panic", "boom"},
		{"stream failed", streams(func(yield func(int, error) bool) { yield(0, errors.New("no model")) }), `{}`, "ERROR", 200, "error", "no model"},
		{"stream panic", streams(func(func(int, error) bool) { panic("boom") }), `{}`, "ERROR", 200, "panic", "boom"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var logs logs
			server := runtime.NewServer(runtime.Handlers{Invoke: test.handler}, runtime.WithLogger(logs.logger()), runtime.WithMaxBodyBytes(1000))
			record(server, "POST", "/invocations", test.body, sessionHeader, "s-1", requestHeader, "r-1")
			got := logs.only(t)
			for key, want := range map[string]any{
				"level": test.level, "status": test.status, "handler": "Ask", "requestId": "r-1", "sessionId": "s-1",
				"errorType": test.kind, "errorMessage": test.message,
			} {
				if got[key] != want {
					t.Errorf("%s is %v, want %v: %v", key, got[key], want, got)
				}
			}
			if text := fmt.Sprint(got["msg"]); !duration.MatchString(text) && !strings.Contains(text, "stream failed") {
				t.Errorf("%q does not say how long it took", text)
			}
			stack, _ := got["stackTrace"].([]any)
			if panicked := test.kind == "panic"; panicked != (len(stack) > 0) {
				t.Errorf("the stack trace is %v", got["stackTrace"])
			} else if panicked && !strings.Contains(fmt.Sprint(stack...), "_test.go") {
				t.Errorf("the stack trace does not show where it began: %v", stack)
			}
		})
	}
}

func TestLogMissingEntrypoint(t *testing.T) {
	var logs logs
	record(runtime.NewServer(runtime.Handlers{}, runtime.WithLogger(logs.logger())), "POST", "/invocations", `{}`)
	if got := logs.only(t); got["level"] != "ERROR" || got["status"] != 500.0 {
		t.Errorf("logged %v", got)
	}
}

func TestLogUnencodableResult(t *testing.T) {
	for name, handler := range map[string]runtime.InvokeHandler{
		"answer": runtime.Unary("Ask", func(context.Context, any) (any, error) { return make(chan int), nil }),
		"event":  stream(func(_ context.Context, yield func(any, error) bool) { yield(make(chan int), nil) }),
	} {
		var logs logs
		record(runtime.NewServer(runtime.Handlers{Invoke: handler}, runtime.WithLogger(logs.logger())), "POST", "/invocations", `{}`)
		records := logs.records(t)
		if len(records) != 2 || records[0]["level"] != "ERROR" || records[0]["errorType"] != "json.UnsupportedTypeError" || records[1]["level"] != "INFO" {
			t.Errorf("%s: logged %v, want an error and the completion", name, records)
		}
	}
}

func TestLogPanicInMiddleware(t *testing.T) {
	var logs logs
	server := runtime.NewServer(runtime.Handlers{
		Middleware: []func(http.Handler) http.Handler{func(http.Handler) http.Handler {
			return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })
		}},
	}, runtime.WithLogger(logs.logger()))
	record(server, "POST", "/invocations", `{}`, requestHeader, "r-1")
	got := logs.only(t)
	if got["level"] != "ERROR" || got["errorMessage"] != "boom" || got["stackTrace"] == nil || got["requestId"] != "r-1" {
		t.Errorf("logged %v", got)
	}
}

func TestLogEndedContext(t *testing.T) {
	for _, test := range []struct {
		name   string
		end    func(context.Context) (context.Context, context.CancelFunc)
		handle func(context.Context, any) (any, error)
		level  string
	}{
		{"the caller left", context.WithCancel, nil, "INFO"},
		{"the caller left, and the handler panicked", context.WithCancel, func(ctx context.Context, _ any) (any, error) {
			<-ctx.Done()
			panic("boom")
		}, "ERROR"},
		{"a deadline of middleware", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, nil, "ERROR"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handle := test.handle
				if handle == nil {
					handle = func(ctx context.Context, _ any) (any, error) {
						<-ctx.Done()
						return nil, ctx.Err()
					}
				}
				var logs logs
				server := runtime.NewServer(runtime.Handlers{Invoke: runtime.Unary("Ask", handle)}, runtime.WithLogger(logs.logger()))
				ctx, cancel := test.end(t.Context())
				time.AfterFunc(time.Minute, cancel)
				server.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "POST", "/invocations", strings.NewReader(`{}`)))
				if got := logs.only(t); got["level"] != test.level {
					t.Errorf("logged %v, want the level %s", got, test.level)
				}
			})
		})
	}
}

func TestLogAbort(t *testing.T) {
	a := serve(t, runtime.Handlers{Invoke: runtime.Unary("Ask", func(context.Context, any) (any, error) { panic(http.ErrAbortHandler) })})
	if response, err := a.client.Post(a.url+"/invocations", "", strings.NewReader(`{}`)); err == nil {
		response.Body.Close()
		t.Errorf("answered %d", response.StatusCode)
	}
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	if got := a.logs.only(t); got["level"] != "WARN" || got["stackTrace"] != nil {
		t.Errorf("logged %v, want a warning", got)
	}
}

type fussy struct{}

func (*fussy) UnmarshalJSON(text []byte) error { return fmt.Errorf("cannot use %s", text) }

// Whatever happens to prompts and answers, they are not logged.
func TestLogNeverHoldsPrompts(t *testing.T) {
	const secret = "attack at dawn"
	for name, test := range map[string]struct {
		handler runtime.InvokeHandler
		body    string
	}{
		"answered":             {echo, `"` + secret + `"`},
		"streamed":             {stream(func(_ context.Context, yield func(string, error) bool) { yield(secret, nil) }), `"` + secret + `"`},
		"not JSON":             {echo, secret},
		"of another type":      {runtime.Unary("Ask", func(context.Context, struct{ N int }) (any, error) { return nil, nil }), `{"N":"` + secret + `"}`},
		"refused by its type":  {runtime.Unary("Ask", func(context.Context, fussy) (any, error) { return nil, nil }), `"` + secret + `"`},
		"not a time":           {runtime.Unary("Ask", func(context.Context, time.Time) (any, error) { return nil, nil }), `"` + secret + `"`},
		"answer without JSON":  {runtime.Unary("Ask", func(context.Context, any) (any, error) { return map[string]any{secret: func() {}}, nil }), `1`},
		"missing entrypoint":   {runtime.InvokeHandler{}, `"` + secret + `"`},
		"detail of the status": {runtime.Unary("Ask", func(context.Context, any) (any, error) { return nil, runtime.Errorf(404, secret) }), `1`},
	} {
		t.Run(name, func(t *testing.T) {
			var logs logs
			server := runtime.NewServer(runtime.Handlers{Invoke: test.handler}, runtime.WithLogger(logs.logger()))
			record(server, "POST", "/invocations", test.body)
			if text := logs.String(); strings.Contains(text, secret) || text == "" {
				t.Errorf("logged %s", text)
			}
		})
	}
	t.Run("over a WebSocket", func(t *testing.T) {
		served := make(chan struct{}, 1)
		a := serve(t, runtime.Handlers{Middleware: announce(served), WebSocket: runtime.WebSocket("Talk", func(ctx context.Context, conn *runtime.Conn[fussy, string]) error {
			if err := conn.Send(ctx, secret); err != nil {
				return err
			}
			_, err := conn.Receive(ctx)
			return err
		})})
		conn := a.connect(t)
		sendText(t, conn, `"`+secret+`"`)
		readClose(t, conn)
		await(t, "the end of the request", served)
		if got := a.logs.only(t); strings.Contains(fmt.Sprint(got), secret) {
			t.Errorf("logged %v", got)
		}
	})
}

func TestLogHandler(t *testing.T) {
	type m = map[string]any
	ids := m{"requestId": "r-1", "sessionId": "s-1"}
	with := func(more m) m {
		all := maps.Clone(ids)
		maps.Copy(all, more)
		return all
	}
	for _, test := range []struct {
		name string
		log  func(context.Context, *slog.Logger)
		want m
	}{
		{"in a request", func(ctx context.Context, log *slog.Logger) { log.InfoContext(ctx, "x", "a", 1.0) }, with(m{"a": 1.0})},
		{"without a context", func(_ context.Context, log *slog.Logger) { log.Info("x") }, m{}},
		{"below its level", func(ctx context.Context, log *slog.Logger) { log.DebugContext(ctx, "y") }, nil},
		{"With", func(ctx context.Context, log *slog.Logger) { log.With("b", 2.0).InfoContext(ctx, "x", "a", 1.0) }, with(m{"a": 1.0, "b": 2.0})},
		{"WithGroup", func(ctx context.Context, log *slog.Logger) { log.WithGroup("g").InfoContext(ctx, "x", "a", 1.0) }, with(m{"g": m{"a": 1.0}})},
		{"WithGroup without a context", func(_ context.Context, log *slog.Logger) { log.WithGroup("g").Info("x", "a", 1.0) }, m{"g": m{"a": 1.0}}},
		{"With around and in groups", func(ctx context.Context, log *slog.Logger) {
			log = log.With("b", 2.0).WithGroup("g").With("c", 3.0).WithGroup("h")
			log.With("other", 1).InfoContext(context.Background(), "x") // leaves log alone
			log.With("d", 4.0).InfoContext(ctx, "x", "a", 1.0)
		}, with(m{"b": 2.0, "g": m{"c": 3.0, "h": m{"d": 4.0, "a": 1.0}}})},
		{"wrapped twice", func(ctx context.Context, log *slog.Logger) {
			slog.New(runtime.LogHandler(log.Handler())).InfoContext(ctx, "x")
		}, ids},
		{"in a task", func(ctx context.Context, log *slog.Logger) {
			task, err := runtime.StartTask(ctx, "Work", log, func(ctx context.Context, log *slog.Logger) error {
				log.InfoContext(ctx, "x")
				return nil
			})
			if err != nil {
				t.Error(err)
				return
			}
			<-task.Done()
		}, ids},
	} {
		t.Run(test.name, func(t *testing.T) {
			var text strings.Builder
			log := slog.New(runtime.LogHandler(slog.NewJSONHandler(&text, nil)))
			server := newServer(runtime.Handlers{Invoke: runtime.Unary("Log", func(ctx context.Context, _ any) (any, error) {
				test.log(ctx, log)
				return nil, nil
			})})
			record(server, "POST", "/invocations", `{}`, sessionHeader, "s-1", requestHeader, "r-1")
			records := parseLogs(t, text.String())
			if test.want == nil {
				if len(records) > 0 {
					t.Errorf("logged %s", &text)
				}
				return
			}
			if len(records) == 0 {
				t.Fatal("logged nothing")
			}
			last := records[len(records)-1]
			for _, key := range []string{"time", "level", "msg"} {
				delete(last, key)
			}
			if fmt.Sprint(m(last)) != fmt.Sprint(test.want) {
				t.Errorf("logged %v, want %v", last, test.want)
			}
			if n := strings.Count(text.String(), `"requestId"`); n > 1 {
				t.Errorf("the request id is there %d times: %s", n, &text)
			}
		})
	}
}

// The loggers below are the defaults, which depend on the process.

func init() {
	invoke := func(server *runtime.Server) error {
		for _, body := range []string{`"ż"`, `{`} {
			record(server, "POST", "/invocations", body, sessionHeader, "s-ż", requestHeader, "r-1")
		}
		record(server, "GET", "/ping", "")
		_, err := runtime.StartTask(server.Context(context.Background()), "Work", 0, func(context.Context, int) error {
			panic("boom")
		})
		return errors.Join(err, server.Shutdown(context.Background()))
	}
	children["default logger"] = func() error {
		return invoke(runtime.NewServer(runtime.Handlers{Invoke: echo}))
	}
	for name, wrap := range map[string]func(slog.Handler) slog.Handler{
		"own logger":         func(h slog.Handler) slog.Handler { return h },
		"own logger wrapped": runtime.LogHandler,
	} {
		children[name] = func() error {
			slog.SetDefault(slog.New(wrap(slog.NewJSONHandler(os.Stderr, nil))).With("own", true))
			return invoke(runtime.NewServer(runtime.Handlers{Invoke: echo}))
		}
	}
}

func TestLogDefault(t *testing.T) {
	child := startChild(t, "default logger")
	child.wait(t, 0)
	records := parseLogs(t, child.stderr.String())
	if len(records) != 3 {
		t.Fatalf("logged %d records, want 3:\n%s", len(records), &child.stderr)
	}
	timestamp := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	for i, want := range []struct {
		level string
		keys  []string
	}{
		{"INFO", []string{"handler", "level", "logger", "message", "requestId", "sessionId", "status", "timestamp"}},
		{"WARNING", []string{"handler", "level", "logger", "message", "reason", "requestId", "sessionId", "status", "timestamp"}},
		{"ERROR", []string{"errorMessage", "errorType", "level", "location", "logger", "message", "stackTrace", "task", "taskId", "timestamp"}},
	} {
		got := records[i]
		if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, want.keys) {
			t.Errorf("record %d has the keys %v, want %v", i, keys, want.keys)
		}
		if got["level"] != want.level {
			t.Errorf("record %d has the level %v, want %s", i, got["level"], want.level)
		}
		if text := fmt.Sprint(got["timestamp"]); !timestamp.MatchString(text) {
			t.Errorf("the timestamp is %s", text)
		}
	}
	if got := records[0]["sessionId"]; got != "s-ż" || !strings.Contains(child.stderr.String(), "s-ż") {
		t.Errorf("the session id is %v in\n%s", got, &child.stderr)
	}
}

// The cause of a refusal is for the log, and what the caller is told is not.
func TestLogCause(t *testing.T) {
	cause := errors.New("the database is down")
	for name, test := range map[string]struct {
		err  error
		want any
	}{
		"beside a detail": {&runtime.StatusError{Status: 500, Detail: "sorry", Err: cause}, cause.Error()},
		"wrapped":         {runtime.Errorf(503, "not now: %w", cause), cause.Error()},
		"none":            {runtime.Errorf(404, "no order"), nil},
		"that panics":     {&runtime.StatusError{Status: 404, Detail: "gone", Err: (*unwrapping)(nil)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var logs logs
			handler := runtime.Unary("Ask", func(context.Context, any) (any, error) { return nil, test.err })
			record(runtime.NewServer(runtime.Handlers{Invoke: handler}, runtime.WithLogger(logs.logger())), "POST", "/invocations", `{}`)
			if got := logs.only(t); got["cause"] != test.want {
				t.Errorf("logged %v, want the cause %v", got, test.want)
			}
		})
	}
}

// A LogHandler around another one adds the ids once.
func TestLogHandlerTwice(t *testing.T) {
	var text bytes.Buffer
	inner := slog.New(runtime.LogHandler(slog.NewJSONHandler(&text, nil))).With("a", 1)
	logger := slog.New(runtime.LogHandler(struct{ slog.Handler }{inner.Handler()}))
	handler := runtime.Unary("Ask", func(ctx context.Context, _ any) (any, error) {
		logger.InfoContext(ctx, "asked")
		return nil, nil
	})
	record(newServer(runtime.Handlers{Invoke: handler}), "POST", "/invocations", `{}`)
	if n := strings.Count(text.String(), `"requestId"`); n != 1 {
		t.Errorf("there are %d request ids in %s", n, &text)
	}
}

// What a handler logs with its context carries the ids without further ado.
func TestLogOfHandlersByDefault(t *testing.T) {
	child := startChild(t, "handler logs")
	child.listening(t)
	child.invoke(t, `{}`, requestHeader, "r-1", sessionHeader, "s-1")
	child.signal(t, syscall.SIGTERM)
	child.wait(t, 0)
	for _, record := range parseLogs(t, child.stderr.String()) {
		if record["message"] == "from a handler" {
			if record["requestId"] != "r-1" || record["sessionId"] != "s-1" || record["logger"] != nil || record["time"] != "noon" {
				t.Errorf("logged %v, want the ids of the request, and what the handler said", record)
			}
			return
		}
	}
	t.Errorf("the handler's record is missing:\n%s", &child.stderr)
}

func TestLogDefaultOfTheProgram(t *testing.T) {
	for _, name := range []string{"own logger", "own logger wrapped"} {
		t.Run(name, func(t *testing.T) {
			child := startChild(t, name)
			child.wait(t, 0)
			records := parseLogs(t, child.stderr.String())
			if len(records) != 3 {
				t.Fatalf("logged %d records, want 3:\n%s", len(records), &child.stderr)
			}
			if got := records[0]; got["own"] != true || got["requestId"] != "r-1" || got["msg"] == nil {
				t.Errorf("logged %v", got)
			}
			if n := strings.Count(child.stderr.String(), `"requestId"`); n != 2 {
				t.Errorf("there are %d request ids, want one in each of two records:\n%s", n, &child.stderr)
			}
		})
	}
}
