package client_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/runtime"
)

// inHandler runs call with the context of a handler whose request has a header.
func inHandler(t *testing.T, header http.Header, call func(context.Context)) {
	t.Helper()
	agent := serve(t, runtime.NewServer(runtime.Handlers{
		Invoke: runtime.Unary("Call", func(ctx context.Context, _ any) (any, error) {
			call(ctx)
			return nil, nil
		}),
	}, quiet).ServeHTTP)
	own := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		r.Header = header.Clone()
		return http.DefaultTransport.RoundTrip(r)
	})}
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	invoke(t, client.New(direct(t, agent.url, client.WithHTTPClient(own))))
}

const customHeader = "X-Amzn-Bedrock-Agentcore-Runtime-Custom-Thing"

// inbound is the header of a request that an agent serves.
func inbound() http.Header {
	return http.Header{
		"Content-Type":      {"application/json"},
		sessionHeader:       {testSession},
		identityHeader:      {"workload token"},
		"Authorization":     {"Bearer of the user"},
		"Traceparent":       {"00-first", "00-last"},
		"Tracestate":        {"a=1"},
		"X-Amzn-Trace-Id":   {"Root=1"},
		"Baggage":           {"a=1,b=2", "c=3"},
		"Oauth2callbackurl": {"https://example.com"},
		customHeader:        {"custom"},
	}
}

var passedOn = map[string]string{"Traceparent": "00-last", "Tracestate": "a=1", "X-Amzn-Trace-Id": "Root=1", "Baggage": "a=1,b=2,c=3"}

func TestPropagation(t *testing.T) {
	s := serve(t, answerJSON(`{"status":"Healthy"}`))
	at := client.WithEndpoint(s.url)
	transports := map[string]*client.Transport{
		"Direct":         direct(t, s.url),
		"AgentCore":      made(t)(client.AgentCore(awsConfig(), testARN, at)),
		"AgentCoreOAuth": made(t)(client.AgentCoreOAuth(client.StaticToken("token"), testARN, at)),
	}
	for name, transport := range transports {
		trusted := name != "Direct"
		for call, run := range map[string]struct {
			call  func(context.Context, *client.Client) error
			token bool // is passed on to agents of the same owner
		}{
			"Invoke": {func(ctx context.Context, c *client.Client) error {
				_, err := client.Invoke[any, any](ctx, c, nil)
				return err
			}, true},
			"Stream": {func(ctx context.Context, c *client.Client) (last error) {
				for _, last = range client.Stream[any, any](ctx, c, nil) {
				}
				return last
			}, true},
			"Do": {func(ctx context.Context, c *client.Client) error {
				answer, err := c.Do(ctx, []byte("{}"))
				if err == nil {
					answer.Body.Close()
				}
				return err
			}, true},
			"Command": {func(ctx context.Context, c *client.Client) error {
				_, _ = c.RunCommand(ctx, client.Command{Line: "true"}, io.Discard, io.Discard)
				return nil // only the request counts
			}, true},
			"StopSession": {callStop, false},
			"Ping":        {callPing, false},
		} {
			if call == "Ping" && trusted || (call == "StopSession" || call == "Command") && !trusted {
				continue
			}
			t.Run(name+" "+call, func(t *testing.T) {
				inHandler(t, inbound(), func(ctx context.Context) {
					if err := run.call(ctx, client.New(transport)); err != nil {
						t.Error(err)
					}
				})
				got := s.last(t).header
				for name, want := range passedOn {
					if !slices.Equal(got[name], []string{want}) {
						t.Errorf("%s: %q, want %q", name, got[name], want)
					}
				}
				var want []string
				if trusted && run.token {
					want = []string{"workload token"}
				}
				if !slices.Equal(got[identityHeader], want) {
					t.Errorf("workload token %q, want %q", got[identityHeader], want)
				}
				if got.Get(sessionHeader) == testSession || got.Get("Oauth2callbackurl") != "" || got.Get(customHeader) != "" || strings.Contains(got.Get("Authorization"), "of the user") {
					t.Errorf("too much was passed on: %v", got)
				}
			})
		}
	}
}

func TestPropagationOfOlderToken(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	header := inbound()
	delete(header, identityHeader)
	header["Workloadaccesstoken"] = []string{"older"}
	transport := made(t)(client.AgentCore(awsConfig(), testARN, client.WithEndpoint(s.url)))
	inHandler(t, header, func(ctx context.Context) { invoke2(ctx, t, client.New(transport)) })
	if got := s.last(t).header.Get(identityHeader); got != "older" {
		t.Errorf("token %q", got)
	}
	if _, err := verify(s.last(t), "secret", "us-west-2"); err != nil {
		t.Error(err)
	}
}

// invoke2 is invoke with a context.
func invoke2(ctx context.Context, t *testing.T, c *client.Client, opts ...client.Option) {
	if _, err := client.Invoke[any, any](ctx, c, nil, opts...); err != nil {
		t.Error(err)
	}
}

func TestPassSession(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	transport := direct(t, s.url)
	for name, test := range map[string]struct {
		client, call []client.Option
		want         string // "" for one of the client's own
	}{
		"not asked for":         {nil, nil, ""},
		"by the client":         {[]client.Option{client.PassSession()}, nil, testSession},
		"by the call":           {nil, []client.Option{client.PassSession()}, testSession},
		"the call has another":  {[]client.Option{client.PassSession()}, []client.Option{client.WithSession("other")}, "other"},
		"the call passes it":    {[]client.Option{client.WithSession("other")}, []client.Option{client.PassSession()}, testSession},
		"the last option of it": {[]client.Option{client.PassSession(), client.WithSession("other")}, nil, "other"},
		"a header":              {[]client.Option{client.PassSession()}, []client.Option{client.WithHeader(sessionHeader, "mine")}, "mine"},
	} {
		t.Run(name, func(t *testing.T) {
			c := client.New(transport, test.client...)
			inHandler(t, inbound(), func(ctx context.Context) { invoke2(ctx, t, c, test.call...) })
			want := test.want
			if want == "" {
				want = c.SessionID()
			}
			if got := s.last(t).header.Get(sessionHeader); got != want {
				t.Errorf("session %q, want %q", got, want)
			}
		})
	}
	// The session that an agent has made for a request without one counts as well.
	header := inbound()
	delete(header, sessionHeader)
	made := ""
	inHandler(t, header, func(ctx context.Context) {
		made = runtime.SessionID(ctx)
		invoke2(ctx, t, client.New(transport, client.PassSession()))
	})
	if got := s.last(t).header.Get(sessionHeader); got != made || made == "" {
		t.Errorf("session %q, want %q", got, made)
	}
}

// What is passed on can be replaced.
func TestPropagationReplaced(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	transport := made(t)(client.AgentCore(awsConfig(), testARN, client.WithEndpoint(s.url)))
	c := client.New(transport, client.WithHeader("traceparent", "00-mine"), client.WithHeader(identityHeader, "my token"))
	inHandler(t, inbound(), func(ctx context.Context) { invoke2(ctx, t, c, client.WithHeader("Baggage", "mine=1")) })
	got := s.last(t).header
	for name, want := range map[string]string{"Traceparent": "00-mine", identityHeader: "my token", "Baggage": "mine=1", "Tracestate": "a=1"} {
		if !slices.Equal(got[name], []string{want}) {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
}

// Only a handler's context carries anything on.
func TestNoPropagation(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	transport := made(t)(client.AgentCore(awsConfig(), testARN, client.WithEndpoint(s.url)))
	c := client.New(transport, client.PassSession())
	inHandler(t, inbound(), func(context.Context) { invoke2(t.Context(), t, c) })
	got := s.last(t).header
	for name := range passedOn {
		if len(got[name]) > 0 {
			t.Errorf("%s: %q", name, got[name])
		}
	}
	if got.Get(identityHeader) != "" || got.Get(sessionHeader) != c.SessionID() {
		t.Errorf("headers %v", got)
	}
	inHandler(t, http.Header{"Content-Type": {"application/json"}}, func(ctx context.Context) { invoke2(ctx, t, c, client.WithSession(testSession)) })
	got = s.last(t).header
	for name := range passedOn {
		if len(got[name]) > 0 {
			t.Errorf("of a request without it, %s: %q", name, got[name])
		}
	}
}
