package runtime_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/runtime"
)

// FuzzRequestHeaders sends any header lines: what a handler sees of them follows
// from the names alone.
func FuzzRequestHeaders(f *testing.F) {
	for _, seed := range []string{
		"", "X-Api-Key: k", "authorization: a\r\nAUTHORIZATION: b", "X-Many: 1\r\nx-many:\r\nX-MANY: 3",
		"X-Amzn-Bedrock-AgentCore-Runtime-Custom-: a\r\nX-Amzn-Bedrock-AgentCore-Runtime-Custom: b",
		"X-Amz-Bedrock-AgentCore-Identity-WAT: t\r\nX-Amz-Date: d\r\nX-Amzn-Trace-Id: i\r\nX-Amzon: o",
		"Cookie: a=b\r\nWorkloadAccessToken: w\r\nbaggage: b\r\nKeep-Alive: 1\r\nA: \xff",
	} {
		f.Add(seed)
	}
	var got runtime.Headers
	server := newServer(runtime.Handlers{Invoke: runtime.Unary("Look", func(ctx context.Context, _ any) (any, error) {
		got = runtime.RequestHeaders(ctx)
		return nil, nil
	})})
	f.Fuzz(func(t *testing.T, lines string) {
		request, err := http.ReadRequest(bufio.NewReader(strings.NewReader("POST /invocations HTTP/1.1\r\nHost: agent\r\n" + lines + "\r\n\r\n")))
		if err != nil {
			return
		}
		for name := range request.Header {
			if strings.Contains(name, " ") {
				return // net/http's server refuses it
			}
		}
		invocation := httptest.NewRequest("POST", "/invocations", strings.NewReader(`{}`))
		invocation.Header = request.Header
		got = nil
		server.ServeHTTP(httptest.NewRecorder(), invocation)

		want := make(map[string]string)
		for name, values := range request.Header {
			if key := slowForward(name); key != "" {
				want[key] = values[len(values)-1]
			}
		}
		if len(want) == 0 && got != nil {
			t.Errorf("the headers are %q, want nil", got)
		}
		if len(got) != len(want) {
			t.Errorf("the headers are %q, want %q", got, want)
		}
		for key, value := range got {
			if expected, ok := want[key]; !ok || expected != value {
				t.Errorf("%q is %q, want %q (%v)", key, value, expected, ok)
			}
			if key != "Authorization" && key != strings.ToLower(key) || slices.Contains(restricted, key) {
				t.Errorf("the key %q is not lower case, or restricted", key)
			}
			for _, spelling := range []string{key, strings.ToUpper(key), http.CanonicalHeaderKey(key)} {
				if found := got.Get(spelling); found != value {
					t.Errorf("Get(%q) is %q, want %q", spelling, found, value)
				}
			}
		}
	})
}

// slowForward returns the key that a header has for handlers, or "" if they do
// not see it: the contract's rules, one by one.
func slowForward(name string) string {
	name = strings.ToLower(name)
	if name == "authorization" {
		return "Authorization"
	}
	for _, other := range restricted {
		if name == other {
			return ""
		}
	}
	words := strings.SplitN(name, "-", 3)
	if len(words) < 3 || words[0] != "x" {
		return name
	}
	switch {
	case words[1] == "amz" && words[2] != "bedrock-agentcore-identity-wat":
		return ""
	case words[1] == "amzn" && strings.TrimPrefix(words[2], "bedrock-agentcore-runtime-custom-") == words[2]:
		return ""
	}
	return name
}
