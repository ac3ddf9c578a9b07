package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/agentcore-go/agentcore/runtime"
)

// inspect serves one request with the given headers, and calls look with the
// handler's context.
func inspect(t *testing.T, h http.Header, look func(context.Context), middleware ...func(http.Handler) http.Handler) http.Header {
	t.Helper()
	looked := false
	server := newServer(runtime.Handlers{
		Middleware: middleware,
		Invoke: runtime.Unary("Look", func(ctx context.Context, _ any) (any, error) {
			looked = true
			look(ctx)
			return nil, nil
		}),
	})
	request := httptest.NewRequest("POST", "/invocations?q=1", strings.NewReader(`{}`))
	request.Header = h
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, request)
	if !looked {
		t.Fatalf("the handler was not called: %d %s", recorder.Code, recorder.Body)
	}
	return recorder.Result().Header
}

// restricted are the header names that never reach an agent.
var restricted = strings.Fields(`
	:authority :method :path :scheme :status accept accept-ch accept-ch-lifetime accept-charset accept-encoding
	accept-language accept-ranges access-control-allow-credentials access-control-allow-headers
	access-control-allow-methods access-control-allow-origin access-control-expose-headers access-control-max-age
	access-control-request-headers access-control-request-method cache-control cf-connecting-ip cf-ray clear-site-data
	connection content-encoding content-language content-length content-location content-range content-security-policy
	content-security-policy-report-only content-type cookie cross-origin-embedder-policy cross-origin-opener-policy
	cross-origin-resource-policy date downlink dpr ect etag expect-ct expires feature-policy forwarded from host if-match
	if-modified-since if-none-match if-range if-unmodified-since keep-alive last-modified link location origin
	permissions-policy pragma proxy-authorization proxy-connection public-key-pins public-key-pins-report-only range
	referer referrer-policy retry-after rtt save-data sec-websocket-accept sec-websocket-extensions sec-websocket-key
	sec-websocket-protocol sec-websocket-version server set-cookie strict-transport-security te trailer transfer-encoding
	true-client-ip upgrade user-agent vary via viewport-width width www-authenticate x-amz-cf-id x-cache x-client-ip
	x-cluster-client-ip x-content-type-options x-csrf-token x-forwarded-for x-forwarded-host x-forwarded-proto
	x-frame-options x-original-host x-original-url x-originating-ip x-real-ip x-requested-with x-rewrite-url x-served-by
	x-source-ip x-xss-protection`)

func TestRequestHeadersRestricted(t *testing.T) {
	if len(restricted) != 108 {
		t.Fatalf("the list has %d names, want 108", len(restricted))
	}
	all := header("X-Api-Key", "kept")
	for _, name := range restricted {
		inspect(t, header(name, "value"), func(ctx context.Context) {
			if got := runtime.RequestHeaders(ctx); got != nil {
				t.Errorf("%s: the headers are %v, want nil", name, got)
			}
		})
		all.Set(name, "value")
	}
	inspect(t, all, func(ctx context.Context) {
		want := runtime.Headers{"x-api-key": "kept"}
		if got := runtime.RequestHeaders(ctx); !maps.Equal(got, want) {
			t.Errorf("the headers are %v, want %v", got, want)
		}
	})
}

func TestRequestHeaders(t *testing.T) {
	for _, test := range []struct {
		name    string
		headers http.Header
		want    runtime.Headers
	}{
		{"none", header(), nil},
		{"authorization", header("authorization", "Bearer x"), runtime.Headers{"Authorization": "Bearer x"}},
		{"AUTHORIZATION", header("AUTHORIZATION", "Bearer x"), runtime.Headers{"Authorization": "Bearer x"}},
		{"the caller's own", header("X-Amzn-Bedrock-AgentCore-Runtime-Custom-Tenant", "a"), runtime.Headers{"x-amzn-bedrock-agentcore-runtime-custom-tenant": "a"}},
		{"only the prefix", header("X-Amzn-Bedrock-AgentCore-Runtime-Custom-", "a"), runtime.Headers{"x-amzn-bedrock-agentcore-runtime-custom-": "a"}},
		{"prefix without its dash", header("X-Amzn-Bedrock-AgentCore-Runtime-Custom", "a"), nil},
		{"prefix and something else", header("X-Amzn-Bedrock-AgentCore-Runtime-Customer", "a"), nil},
		{"identity token", header("X-Amz-Bedrock-AgentCore-Identity-WAT", "t"), runtime.Headers{"x-amz-bedrock-agentcore-identity-wat": "t"}},
		{"another x-amz", header("X-Amz-Bedrock-AgentCore-Identity-WAT-2", "t", "X-Amz-Date", "d"), nil},
		{"another x-amzn", header("X-Amzn-Trace-Id", "t", "X-Amzn-Bedrock-AgentCore-Runtime-User-Id", "u"), nil},
		{"ids", header(sessionHeader, "s", requestHeader, "r"), nil},
		{"almost x-amz", header("X-Amzon", "a", "X-Amz", "b", "X-Amazon", "c"), runtime.Headers{"x-amzon": "a", "x-amz": "b", "x-amazon": "c"}},
		{
			"anything else",
			header("WorkloadAccessToken", "w", "OAuth2CallbackUrl", "u", "Traceparent", "t", "Tracestate", "s", "Baggage", "b", "X-Api-Key", "k",
				"Mcp-Session-Id", "m", "X-Request-Id", "r", "Accept-Patch", "p", "X-Forwarded-Server", "f"),
			runtime.Headers{"workloadaccesstoken": "w", "oauth2callbackurl": "u", "traceparent": "t", "tracestate": "s", "baggage": "b", "x-api-key": "k",
				"mcp-session-id": "m", "x-request-id": "r", "accept-patch": "p", "x-forwarded-server": "f"},
		},
		{"an empty value", header("X-Empty", ""), runtime.Headers{"x-empty": ""}},
		{"the last value", header("X-Many", "1", "X-Many", "2", "Authorization", "a", "Authorization", "b"), runtime.Headers{"x-many": "2", "Authorization": "b"}},
		{"the last value is empty", header("X-Many", "1", "X-Many", ""), runtime.Headers{"x-many": ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inspect(t, test.headers, func(ctx context.Context) {
				got := runtime.RequestHeaders(ctx)
				if !maps.Equal(got, test.want) || (got == nil) != (test.want == nil) {
					t.Errorf("the headers are %#v, want %#v", got, test.want)
				}
				for name, value := range test.want {
					for _, spelling := range []string{name, strings.ToUpper(name), strings.ToLower(name)} {
						if found := got.Get(spelling); found != value {
							t.Errorf("Get(%q) is %q, want %q", spelling, found, value)
						}
					}
				}
			})
		})
	}
	if got := runtime.Headers(nil).Get("any"); got != "" {
		t.Errorf("Get of nil is %q", got)
	}
}

func TestIDs(t *testing.T) {
	for _, test := range []struct {
		name             string
		headers          http.Header
		session, request string // "" for a fresh one
	}{
		{"absent", header(), "", ""},
		{"empty", header(sessionHeader, "", requestHeader, ""), "", ""},
		{"given", header(sessionHeader, "s-1", requestHeader, "r-1"), "s-1", "r-1"},
		{"in another case", header(strings.ToLower(sessionHeader), "s-1", strings.ToUpper(requestHeader), "r-1"), "s-1", "r-1"},
		{"given twice", header(sessionHeader, "s-1", sessionHeader, "s-2", requestHeader, "r-1", requestHeader, "r-2"), "s-2", "r-2"},
		{"not a UUID", header(sessionHeader, "ż, x", requestHeader, "../r"), "ż, x", "../r"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var session, request string
			answer := inspect(t, test.headers, func(ctx context.Context) {
				session, request = runtime.SessionID(ctx), runtime.RequestID(ctx)
				if runtime.SessionID(ctx) != session || runtime.RequestID(ctx) != request {
					t.Error("the ids are not stable")
				}
			})
			for kind, id := range map[string][2]string{"session": {session, test.session}, "request": {request, test.request}} {
				got, want := id[0], id[1]
				if want != "" && got != want {
					t.Errorf("the %s id is %q, want %q", kind, got, want)
				}
				if want == "" {
					if parsed, err := uuid.Parse(got); err != nil || parsed.Version() != 4 {
						t.Errorf("the %s id is %q (%v), want a UUID of version 4", kind, got, err)
					}
				}
			}
			if returned := answer.Get(sessionHeader); returned != session {
				t.Errorf("the answer has the session id %q, want %q", returned, session)
			}
		})
	}
}

type contextKey struct{}

func TestIDsBehindMiddleware(t *testing.T) {
	type seen struct{ session, request string }
	look := func(ctx context.Context) seen { return seen{runtime.SessionID(ctx), runtime.RequestID(ctx)} }
	for _, test := range []struct {
		name    string
		headers http.Header
		change  func(*http.Request) *http.Request
		want    seen // "" for what middleware saw
	}{
		{
			name: "WithContext", headers: header(),
			change: func(r *http.Request) *http.Request {
				return r.WithContext(context.WithValue(r.Context(), contextKey{}, "value"))
			},
		},
		{
			name: "Clone", headers: header(sessionHeader, "s-1", requestHeader, "r-1"),
			change: func(r *http.Request) *http.Request { return r.Clone(r.Context()) },
			want:   seen{"s-1", "r-1"},
		},
		{
			name: "headers removed", headers: header(sessionHeader, "s-1", requestHeader, "r-1"),
			change: func(r *http.Request) *http.Request {
				r = r.Clone(r.Context())
				r.Header = http.Header{}
				return r
			},
			want: seen{"s-1", "r-1"},
		},
		{
			name: "headers of its own", headers: header(requestHeader, "r-1"),
			change: func(r *http.Request) *http.Request {
				r = r.Clone(r.Context())
				r.Header.Set(sessionHeader, "s-2")
				return r
			},
			want: seen{"s-2", "r-1"},
		},
	} {
		for _, before := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, looked at before: %v", test.name, before), func(t *testing.T) {
				var outside, inside seen
				replace := func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						ctx := r.Context()
						if before {
							outside = look(ctx)
						}
						next.ServeHTTP(w, test.change(r))
						if !before {
							outside = look(ctx)
						}
					})
				}
				answer := inspect(t, test.headers, func(ctx context.Context) { inside = look(ctx) }, replace)
				want := test.want
				if want.session == "" {
					want.session = outside.session
				}
				if want.request == "" {
					want.request = outside.request
				}
				if inside != want {
					t.Errorf("the handler sees %+v, want %+v", inside, want)
				}
				if got := answer.Get(sessionHeader); got != inside.session {
					t.Errorf("the answer has the session id %q, the handler %q", got, inside.session)
				}
			})
		}
	}
}

// Middleware that drops the request's context costs the handler the old ids,
// and nothing else.
func TestContextDroppedByMiddleware(t *testing.T) {
	drop := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.Background()))
		})
	}
	answer := inspect(t, header(sessionHeader, "s-1", "X-Api-Key", "k"), func(ctx context.Context) {
		if got := runtime.SessionID(ctx); got != "s-1" {
			t.Errorf("the session id is %q", got)
		}
		if runtime.RequestID(ctx) == "" || runtime.RequestHeaders(ctx).Get("x-api-key") != "k" {
			t.Error("the context knows nothing of the request")
		}
	}, drop)
	if got := answer.Get(sessionHeader); got != "s-1" {
		t.Errorf("the answer has the session id %q", got)
	}
	server := newServer(runtime.Handlers{
		Middleware: []func(http.Handler) http.Handler{drop},
		Invoke:     runtime.Unary("Panic", func(context.Context, any) (any, error) { panic("secret") }),
	})
	if got := record(server, "POST", "/invocations", `{}`); got.status != 500 {
		t.Errorf("a panic behind it was answered with %d", got.status)
	}
}

func TestHTTPRequest(t *testing.T) {
	mark := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.WithContext(context.WithValue(r.Context(), contextKey{}, "from middleware"))
			r.Header.Set("X-Added", "yes")
			w.Header().Set("X-Answer", "changed")
			next.ServeHTTP(w, r)
		})
	}
	answer := inspect(t, header("Cookie", "a=b"), func(ctx context.Context) {
		r := runtime.HTTPRequest(ctx)
		if r.Method != "POST" || r.URL.Path != "/invocations" || r.URL.RawQuery != "q=1" || r.Header.Get("Cookie") != "a=b" {
			t.Errorf("the request is %s %s %v", r.Method, r.URL, r.Header)
		}
		for _, ctx := range []context.Context{ctx, r.Context()} {
			if got := ctx.Value(contextKey{}); got != "from middleware" {
				t.Errorf("middleware's value is %v", got)
			}
		}
		if got := runtime.RequestHeaders(ctx).Get("x-added"); got != "yes" {
			t.Errorf("middleware's header is %q", got)
		}
	}, mark)
	if got := answer.Get("X-Answer"); got != "changed" {
		t.Errorf("middleware's answer header is %q", got)
	}
}

func TestMiddlewareOrder(t *testing.T) {
	var order []string
	note := func(name string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				order = append(order, name)
				next.ServeHTTP(w, r)
			})
		}
	}
	server := newServer(runtime.Handlers{Middleware: []func(http.Handler) http.Handler{note("outer"), note("inner")}})
	for _, path := range []string{"/ping", "/invocations", "/ws", "/unknown"} {
		order = nil
		record(server, "GET", path, "")
		if got := strings.Join(order, " "); got != "outer inner" {
			t.Errorf("%s passed %q, want the outer and then the inner", path, got)
		}
	}
}

func TestWorkloadAccessToken(t *testing.T) {
	const preferred, older = "X-Amz-Bedrock-AgentCore-Identity-WAT", "WorkloadAccessToken"
	for _, test := range []struct {
		name    string
		headers http.Header
		want    string
	}{
		{"none", header(), ""},
		{"preferred", header(preferred, "new"), "new"},
		{"older", header(older, "old"), "old"},
		{"both", header(older, "old", preferred, "new"), "new"},
		{"preferred is empty", header(older, "old", preferred, ""), "old"},
		{"both are empty", header(older, "", preferred, ""), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			inspect(t, test.headers, func(ctx context.Context) {
				if got := runtime.WorkloadAccessToken(ctx); got != test.want {
					t.Errorf("the token is %q, want %q", got, test.want)
				}
			})
		})
	}
}

func TestOAuth2CallbackURL(t *testing.T) {
	for want, headers := range map[string]http.Header{
		"":                  header(),
		"https://e.test/cb": header("OAuth2CallbackUrl", "https://e.test/cb"),
	} {
		inspect(t, headers, func(ctx context.Context) {
			if got := runtime.OAuth2CallbackURL(ctx); got != want {
				t.Errorf("the URL is %q, want %q", got, want)
			}
		})
	}
}

func TestContextOfNoRequest(t *testing.T) {
	for name, ctx := range map[string]context.Context{
		"of nobody":   context.Background(),
		"of a server": newServer(runtime.Handlers{}).Context(context.Background()),
	} {
		if runtime.RequestID(ctx) != "" || runtime.SessionID(ctx) != "" || runtime.WorkloadAccessToken(ctx) != "" ||
			runtime.OAuth2CallbackURL(ctx) != "" || runtime.HTTPRequest(ctx) != nil || runtime.RequestHeaders(ctx) != nil {
			t.Errorf("a context %s knows of a request", name)
		}
	}
}

// Requests at the same time see their own values and nobody else's, and so do
// the goroutines and tasks that outlive them.
func TestContextIsolation(t *testing.T) {
	const n = 50
	var all, answered, background sync.WaitGroup
	all.Add(n)
	answered.Add(n)
	check := func(ctx context.Context, i int) error {
		want := ""
		if i%2 == 0 { // every other one has a token
			want = fmt.Sprint("token-", i)
		}
		if token := runtime.WorkloadAccessToken(ctx); token != want {
			return fmt.Errorf("request %d has the token %q, want %q", i, token, want)
		}
		if id := runtime.RequestID(ctx); id != fmt.Sprint("r-", i) {
			return fmt.Errorf("request %d has the id %q", i, id)
		}
		if id := runtime.SessionID(ctx); id != fmt.Sprint("s-", i) {
			return fmt.Errorf("request %d has the session %q", i, id)
		}
		if got := runtime.RequestHeaders(ctx).Get("X-Index"); got != fmt.Sprint(i) {
			return fmt.Errorf("request %d has the header %q", i, got)
		}
		return nil
	}
	a := serve(t, runtime.Handlers{Invoke: runtime.Unary("Check", func(ctx context.Context, i int) (any, error) {
		all.Done()
		all.Wait()
		background.Go(func() {
			answered.Wait()
			if err := check(ctx, i); err != nil {
				t.Errorf("in a goroutine after the answer: %v", err)
			}
		})
		_, err := runtime.StartTask(ctx, "Check", i, func(ctx context.Context, i int) error {
			answered.Wait()
			err := check(ctx, i)
			if err != nil {
				t.Errorf("in a task after the answer: %v", err)
			}
			return err
		})
		return nil, errors.Join(err, check(ctx, i))
	})})
	for i := range n {
		go func() {
			defer answered.Done()
			headers := []string{"X-Index", fmt.Sprint(i), requestHeader, fmt.Sprint("r-", i), sessionHeader, fmt.Sprint("s-", i)}
			if i%2 == 0 {
				headers = append(headers, "WorkloadAccessToken", fmt.Sprint("token-", i))
			}
			request, _ := http.NewRequest("POST", a.url+"/invocations", strings.NewReader(fmt.Sprint(i)))
			request.Header = header(headers...)
			response, err := a.client.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			if response.StatusCode != 200 || response.Header.Get(sessionHeader) != fmt.Sprint("s-", i) {
				t.Errorf("request %d was answered with %d in session %s", i, response.StatusCode, response.Header.Get(sessionHeader))
			}
		}()
	}
	answered.Wait()
	background.Wait()
}
