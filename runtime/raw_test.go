package runtime_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/runtime"
)

func TestRaw(t *testing.T) {
	for _, test := range []struct {
		name   string
		handle func(http.ResponseWriter, *http.Request)
		status int
		body   string
		logged float64 // the status in the log
	}{
		{
			name: "its own status, headers and body",
			handle: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Own", "yes")
				w.Header().Set("Content-Type", "text/csv")
				w.WriteHeader(http.StatusTeapot)
				fmt.Fprint(w, "a,b")
			},
			status: 418, body: "a,b", logged: 418,
		},
		{
			name:   "the body is not read",
			handle: func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) },
			status: 200, body: "not JSON", logged: 200,
		},
		{
			name:   "nothing written",
			handle: func(http.ResponseWriter, *http.Request) {},
			status: 200, body: "", logged: 200,
		},
		{
			name: "only flushed",
			handle: func(w http.ResponseWriter, r *http.Request) {
				w.(http.Flusher).Flush()
			},
			status: 200, body: "", logged: 200,
		},
		{
			name: "an early hint first",
			handle: func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusEarlyHints)
				w.WriteHeader(http.StatusAccepted)
			},
			status: 202, body: "", logged: 202,
		},
		{
			name: "panic before a write",
			handle: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/csv")
				panic("secret")
			},
			status: 500, body: `{"error":"internal error"}`, logged: 500,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := serve(t, runtime.Handlers{Invoke: runtime.Raw("Raw", test.handle)})
			got := a.invoke(t, "not JSON")
			if got.status != test.status || got.body != test.body {
				t.Errorf("answered %d %q, want %d %q", got.status, got.body, test.status, test.body)
			}
			if status := a.logs.only(t)["status"]; status != test.logged {
				t.Errorf("logged the status %v, want %v", status, test.logged)
			}
			if session := got.header.Get(sessionHeader); session == "" {
				t.Error("the answer has no session id")
			}
		})
	}
}

func TestRawFlush(t *testing.T) {
	proceed := make(chan struct{})
	a := serve(t, runtime.Handlers{Invoke: runtime.Raw("Raw", func(w http.ResponseWriter, r *http.Request) {
		for _, word := range []string{"one", "two"} {
			fmt.Fprint(w, word)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-proceed
		}
	})})
	response := a.open(t, t.Context(), "POST", "/invocations", nil)
	word := make([]byte, 3)
	for _, want := range []string{"one", "two"} {
		if _, err := io.ReadFull(response.Body, word); err != nil || string(word) != want {
			t.Errorf("read %q (%v), want %q", word, err, want)
		}
		proceed <- struct{}{}
	}
}

func TestRawPanicAfterWrite(t *testing.T) {
	a := serve(t, runtime.Handlers{Invoke: runtime.Raw("Raw", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic("secret")
	})})
	response := a.open(t, t.Context(), "POST", "/invocations", nil)
	if body, err := io.ReadAll(response.Body); err == nil || string(body) != "half" {
		t.Errorf("read %q (%v), want %q and a cut connection", body, err, "half")
	}
}

func TestRawHijack(t *testing.T) {
	a := serve(t, runtime.Handlers{Invoke: runtime.Raw("Raw", func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(buffered, "HTTP/1.1 299 Mine\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
		buffered.Flush()
	})})
	if got := a.invoke(t, `{}`); got.status != 299 || got.body != "ok" {
		t.Errorf("answered %d %q, want 299 ok", got.status, got.body)
	}
}

func TestRawPanicAfterHijack(t *testing.T) {
	served := make(chan struct{}, 1)
	a := serve(t, runtime.Handlers{Middleware: announce(served), Invoke: runtime.Raw("Raw", func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		panic("secret")
	})})
	if response, err := a.client.Post(a.url+"/invocations", "", strings.NewReader(`{}`)); err == nil {
		response.Body.Close()
		t.Errorf("answered %d on a connection that was taken over", response.StatusCode)
	}
	await(t, "the end of the request", served)
	if text := a.logs.String(); strings.Contains(text, "hijacked connection") {
		t.Errorf("an answer was tried:\n%s", text)
	}
}

// An answer that a raw handler chose is logged like one that was chosen for it.
func TestRawIsLogged(t *testing.T) {
	for status, want := range map[int]string{200: "INFO", 204: "INFO", 302: "INFO", 400: "WARN", 404: "WARN", 499: "WARN", 500: "ERROR", 503: "ERROR"} {
		var logs logs
		server := runtime.NewServer(runtime.Handlers{Invoke: runtime.Raw("Raw", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
		})}, runtime.WithLogger(logs.logger()))
		record(server, "POST", "/invocations", `{}`)
		got := logs.only(t)
		if got["level"] != want || got["status"] != float64(status) || got["errorType"] != nil {
			t.Errorf("after %d, logged %v, want the level %s", status, got, want)
		}
	}
}
