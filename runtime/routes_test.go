package runtime_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/runtime"
)

func TestRoutes(t *testing.T) {
	a := serve(t, runtime.Handlers{Invoke: echo})
	const text = "text/plain; charset=utf-8"
	for _, test := range []struct {
		request string
		status  int
		body    string
		kind    string
		allow   string
	}{
		{request: "POST /invocations", status: 200, body: `1`, kind: "application/json"},
		{request: "POST /invocations?prompt=2", status: 200, body: `1`, kind: "application/json"},

		{request: "GET /invocations", status: 405, body: "Method Not Allowed", kind: text, allow: "POST"},
		{request: "HEAD /invocations", status: 405, kind: text, allow: "POST"},
		{request: "PUT /invocations", status: 405, body: "Method Not Allowed", kind: text, allow: "POST"},
		{request: "PATCH /invocations", status: 405, body: "Method Not Allowed", kind: text, allow: "POST"},
		{request: "DELETE /invocations", status: 405, body: "Method Not Allowed", kind: text, allow: "POST"},
		{request: "OPTIONS /invocations", status: 405, body: "Method Not Allowed", kind: text, allow: "POST"},

		{request: "POST /ping", status: 405, body: "Method Not Allowed", kind: text, allow: "GET, HEAD"},
		{request: "OPTIONS /ping", status: 405, body: "Method Not Allowed", kind: text, allow: "GET, HEAD"},

		{request: "GET /ws", status: 404, body: "Not Found", kind: text},
		{request: "POST /ws", status: 404, body: "Not Found", kind: text},
		{request: "GET /", status: 404, body: "Not Found", kind: text},
		{request: "POST /", status: 404, body: "Not Found", kind: text},
		{request: "GET /nothing", status: 404, body: "Not Found", kind: text},
		{request: "POST /Invocations", status: 404, body: "Not Found", kind: text},
		{request: "GET /PING", status: 404, body: "Not Found", kind: text},
		{request: "POST //invocations", status: 404, body: "Not Found", kind: text},
		{request: "POST /invocations//", status: 404, body: "Not Found", kind: text},
		{request: "POST /invocations/more", status: 404, body: "Not Found", kind: text},
		{request: "GET /ping/more", status: 404, body: "Not Found", kind: text},
		{request: "GET /ws/", status: 404, body: "Not Found", kind: text},
	} {
		t.Run(test.request, func(t *testing.T) {
			method, path, _ := strings.Cut(test.request, " ")
			got := a.do(t, method, path, `1`)
			if got.status != test.status || got.body != test.body {
				t.Errorf("answered %d %q, want %d %q", got.status, got.body, test.status, test.body)
			}
			if kind := got.header.Get("Content-Type"); kind != test.kind {
				t.Errorf("Content-Type is %q, want %q", kind, test.kind)
			}
			if allow := got.header.Get("Allow"); allow != test.allow {
				t.Errorf("Allow is %q, want %q", allow, test.allow)
			}
		})
	}
}

func TestRoutesHeadPing(t *testing.T) {
	a := serve(t, runtime.Handlers{})
	get, head := a.do(t, http.MethodGet, "/ping?x=1", ""), a.do(t, http.MethodHead, "/ping", "")
	if head.status != 200 || head.body != "" {
		t.Errorf("HEAD answered %d %q, want 200 and no body", head.status, head.body)
	}
	for _, name := range []string{"Content-Type", "Content-Length"} {
		if got, want := head.header.Get(name), get.header.Get(name); got != want || got == "" {
			t.Errorf("HEAD has %s %q, GET has %q", name, got, want)
		}
	}
}

func TestRoutesSlashAtTheEnd(t *testing.T) {
	type seen struct{ method, path, query string }
	var last seen
	handlers := runtime.Handlers{
		Invoke: echo,
		Middleware: []func(http.Handler) http.Handler{func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				last = seen{r.Method, r.URL.Path, r.URL.RawQuery}
				next.ServeHTTP(w, r)
			})
		}},
	}
	mux := http.NewServeMux()
	mux.Handle("/", newServer(handlers))
	mux.Handle("/my/agent/", http.StripPrefix("/my/agent", newServer(handlers)))
	server := httptest.NewServer(mux)
	defer server.Close()

	for _, test := range []struct{ method, path, target string }{
		{"POST", "/invocations/", "/invocations"},
		{"POST", "/invocations/?a=b&c=%20", "/invocations?a=b&c=%20"},
		{"GET", "/ping/", "/ping"},
		{"GET", "/ping/?x=1", "/ping?x=1"},
		{"POST", "/my/agent/invocations/?a=b", "/my/agent/invocations?a=b"},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			a := &agent{url: server.URL, client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			}}}
			response := a.open(t, t.Context(), test.method, test.path, strings.NewReader(`{"kept":true}`))
			location, err := response.Location()
			if response.StatusCode != http.StatusTemporaryRedirect || err != nil {
				t.Fatalf("answered %d (%v), want 307", response.StatusCode, err)
			}
			if got := location.RequestURI(); got != test.target {
				t.Errorf("redirects to %q, want %q", got, test.target)
			}

			a.client = server.Client()
			followed := a.do(t, test.method, test.path, `{"kept":true}`)
			if followed.status != 200 {
				t.Errorf("the redirect leads to %d %q", followed.status, followed.body)
			}
			if test.method == "POST" && followed.body != `{"kept":true}` {
				t.Errorf("behind the redirect the body is %q", followed.body)
			}
			path, query, _ := strings.Cut(strings.TrimPrefix(test.target, "/my/agent"), "?")
			if want := (seen{test.method, path, query}); last != want {
				t.Errorf("behind the redirect the request is %+v, want %+v", last, want)
			}
		})
	}
}

func TestRoutesUpgrade(t *testing.T) {
	talk := runtime.WebSocket("Talk", func(_ context.Context, conn *runtime.Conn[string, string]) error {
		return conn.Accept()
	})
	for _, test := range []struct {
		name     string
		handlers runtime.Handlers
		path     string
	}{
		{"no WebSocket handler", runtime.Handlers{Invoke: echo}, "/ws"},
		{"unknown path", runtime.Handlers{WebSocket: talk}, "/other"},
		{"slash at the end", runtime.Handlers{WebSocket: talk}, "/ws/"},
		{"other case", runtime.Handlers{WebSocket: talk}, "/WS"},
		{"invocations", runtime.Handlers{WebSocket: talk, Invoke: echo}, "/invocations"},
		{"ping", runtime.Handlers{WebSocket: talk}, "/ping"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := serve(t, test.handlers).upgrade(t, test.path); got.status != http.StatusForbidden {
				t.Errorf("the handshake was answered with %d, want 403", got.status)
			}
		})
	}
	t.Run("POST is not a handshake", func(t *testing.T) {
		a := serve(t, runtime.Handlers{Invoke: echo})
		got := a.invoke(t, `1`, "Connection", "Upgrade", "Upgrade", "websocket")
		if got.status != 200 || got.body != `1` {
			t.Errorf("answered %d %q, want 200", got.status, got.body)
		}
	})
}
