package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/runtime"
)

// nilError panics in Error when it is nil, as errors with fields do.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestInvocationError(t *testing.T) {
	cause := errors.New("secret cause")
	for _, test := range []struct {
		name   string
		err    error
		status int
		body   string
	}{
		{"plain", errors.New("no model"), 500, `{"error":"no model"}`},
		{"empty text", errors.New(""), 500, `{"error":""}`},
		{"text with HTML", errors.New("<a> & ż"), 500, `{"error":"<a> & ż"}`},
		{"wrapped", fmt.Errorf("ask: %w", io.ErrUnexpectedEOF), 500, `{"error":"ask: unexpected EOF"}`},
		{"status", runtime.Errorf(402, "pay %d first", 5), 402, `{"error":"pay 5 first"}`},
		{"status below 400", runtime.Errorf(202, "later"), 202, `{"error":"later"}`},
		{"status, wrapped", fmt.Errorf("ask: %w", runtime.Errorf(404, "no such session")), 404, `{"error":"no such session"}`},
		{"status, joined", errors.Join(io.EOF, runtime.Errorf(429, "slow down")), 429, `{"error":"slow down"}`},
		{"detail is an object", &runtime.StatusError{Status: 422, Detail: map[string]any{"field": "a", "n": 1}}, 422, `{"error":{"field":"a","n":1}}`},
		{"detail is a list", &runtime.StatusError{Status: 422, Detail: []int{1, 2}}, 422, `{"error":[1,2]}`},
		{"detail is false", &runtime.StatusError{Status: 409, Detail: false}, 409, `{"error":false}`},
		{"detail is empty", &runtime.StatusError{Status: 409, Detail: ""}, 409, `{"error":""}`},
		{"no detail", &runtime.StatusError{Status: 503}, 503, `{"error":"Service Unavailable"}`},
		{"cause instead of detail", &runtime.StatusError{Status: 503, Err: errors.New("overloaded")}, 503, `{"error":"overloaded"}`},
		{"cause beside detail", &runtime.StatusError{Status: 503, Detail: "try later", Err: cause}, 503, `{"error":"try later"}`},
		{"detail without JSON", &runtime.StatusError{Status: 400, Detail: make(chan int)}, 500, unencodable("chan int")},
		{"status 0", &runtime.StatusError{Detail: "x"}, 500, `{"error":"x"}`},
		{"status 101", runtime.Errorf(101, "x"), 500, `{"error":"x"}`},
		{"status 204", runtime.Errorf(204, "x"), 500, `{"error":"x"}`},
		{"status 304", runtime.Errorf(304, "x"), 500, `{"error":"x"}`},
		{"status 600", runtime.Errorf(600, "x"), 500, `{"error":"x"}`},
		{"status 599", runtime.Errorf(599, "x"), 599, `{"error":"x"}`},
		{"nil in an interface", (*nilError)(nil), 500, `{"error":"internal error"}`},
		{"nil StatusError in an interface", (*runtime.StatusError)(nil), 500, `{"error":"internal error"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			for kind, handler := range map[string]runtime.InvokeHandler{
				"unary": runtime.Unary("Fail", func(context.Context, any) (any, error) { return "unused", test.err }),
				"stream": runtime.OpenStream("Fail", func(context.Context, any) (values[string], error) {
					return nil, test.err
				}),
			} {
				got := record(newServer(runtime.Handlers{Invoke: handler}), "POST", "/invocations", `{}`)
				if got.status != test.status || got.body != test.body {
					t.Errorf("%s: answered %d %s, want %d %s", kind, got.status, got.body, test.status, test.body)
				}
				if contentType := got.header.Get("Content-Type"); contentType != "application/json" {
					t.Errorf("%s: Content-Type is %q", kind, contentType)
				}
				if session := got.header.Get(sessionHeader); session == "" {
					t.Errorf("%s: the answer has no session id", kind)
				}
			}
		})
	}
}

// Middleware refuses as handlers do.
func TestWriteError(t *testing.T) {
	refuse := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			runtime.WriteError(w, runtime.Errorf(http.StatusUnauthorized, "no %s", "token"))
		})
	}
	got := record(newServer(runtime.Handlers{Middleware: []func(http.Handler) http.Handler{refuse}}), "POST", "/invocations", `{}`)
	if want := `{"error":"no token"}`; got.status != 401 || got.body != want || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("answered %d %s as %s, want 401 %s", got.status, got.body, got.header.Get("Content-Type"), want)
	}
}

func TestStatusErrorIsAnError(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		text string
		is   []error
	}{
		{"formatted", runtime.Errorf(404, "no file %q", "a"), `no file "a"`, nil},
		{"formatted around a cause", runtime.Errorf(404, "open: %w", fs.ErrNotExist), "open: file does not exist", []error{fs.ErrNotExist}},
		{"formatted around two", runtime.Errorf(404, "%w, %w", fs.ErrNotExist, io.EOF), "file does not exist, EOF", []error{fs.ErrNotExist, io.EOF}},
		{"cause", &runtime.StatusError{Status: 500, Err: io.EOF}, "EOF", []error{io.EOF}},
		{"object", &runtime.StatusError{Status: 422, Detail: []int{1}}, "status 422", nil},
		{"status alone", &runtime.StatusError{Status: 404}, "Not Found", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.err.Error(); got != test.text {
				t.Errorf("the text is %q, want %q", got, test.text)
			}
			for _, cause := range test.is {
				if !errors.Is(test.err, cause) {
					t.Errorf("it is not %v", cause)
				}
			}
		})
	}
}

func TestPanic(t *testing.T) {
	middleware := func(before, after any) []func(http.Handler) http.Handler {
		return []func(http.Handler) http.Handler{func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if before != nil {
					panic(before)
				}
				next.ServeHTTP(w, r)
				panic(after)
			})
		}}
	}
	panicking := func(value any) runtime.InvokeHandler {
		return runtime.Unary("Panic", func(context.Context, any) (any, error) { panic(value) })
	}
	for _, test := range []struct {
		name     string
		handlers runtime.Handlers
		cut      bool // the connection, instead of an answer
	}{
		{"in a handler", runtime.Handlers{Invoke: panicking("secret")}, false},
		{"with an error", runtime.Handlers{Invoke: panicking(errors.New("secret"))}, false},
		{"with a value that cannot be compared", runtime.Handlers{Invoke: panicking([]string{"secret"})}, false},
		{"with nil", runtime.Handlers{Invoke: panicking(nil)}, false},
		{"in middleware", runtime.Handlers{Invoke: echo, Middleware: middleware("secret", nil)}, false},
		{"in middleware after the header was sent", runtime.Handlers{Invoke: echo, Middleware: middleware(nil, "secret")}, true},
		{"http.ErrAbortHandler in a handler", runtime.Handlers{Invoke: panicking(http.ErrAbortHandler)}, true},
		{"http.ErrAbortHandler in middleware", runtime.Handlers{Invoke: echo, Middleware: middleware(http.ErrAbortHandler, nil)}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := serve(t, test.handlers)
			for range 2 { // the server survives
				response, err := a.client.Post(a.url+"/invocations", "application/json", strings.NewReader(`{}`))
				if test.cut {
					if err == nil {
						_, err = io.ReadAll(response.Body)
						response.Body.Close()
					}
					if err == nil {
						t.Error("the connection was not cut")
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(response.Body)
				response.Body.Close()
				if want := `{"error":"internal error"}`; response.StatusCode != 500 || string(body) != want {
					t.Errorf("answered %d %s, want 500 %s", response.StatusCode, body, want)
				}
			}
		})
	}
}

// A panic in the handler must not keep the agent busy.
func TestPanicLeavesTheAgentIdle(t *testing.T) {
	a := serve(t, runtime.Handlers{Invoke: runtime.Unary("Panic", func(context.Context, any) (any, error) { panic("x") })})
	a.invoke(t, `{}`)
	if got := a.pingStatus(t); got != runtime.Healthy {
		t.Errorf("the agent is %s", got)
	}
}
