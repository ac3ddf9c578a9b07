package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentcore-go/agentcore/client"
)

// retries runs a call of an agent in memory, and returns how many requests came,
// for how long the client has waited, and its error.
func retries(t *testing.T, handler http.HandlerFunc, call func(context.Context, *client.Client) error, opts ...client.TransportOption) (requests int, waited time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, own := serveInMemory(t, handler)
		opts := append(opts, client.WithHTTPClient(own))
		c := client.New(direct(t, s.url, opts...))
		if strings.Contains(t.Name(), "StopSession") {
			c = client.New(made(t)(client.AgentCore(awsConfig(), testARN, append(opts, client.WithEndpoint(s.url))...)))
		}
		start := time.Now()
		err = call(t.Context(), c)
		requests, waited = len(s.all()), time.Since(start)
	})
	return requests, waited, err
}

func callInvoke(ctx context.Context, c *client.Client) error {
	got, err := client.Invoke[any, string](ctx, c, "hello")
	if err == nil && got != "yes" {
		return fmt.Errorf("the answer is %q", got)
	}
	return err
}

func callStop(ctx context.Context, c *client.Client) error { return c.StopSession(ctx) }

func callPing(ctx context.Context, c *client.Client) error { _, err := c.Ping(ctx); return err }

// first serves refusals before the answer.
func first(n int32, refusal http.HandlerFunc) http.HandlerFunc {
	var count atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		if count.Add(1) <= n {
			refusal(w, r)
			return
		}
		answerJSON(`"yes"`)(w, r)
	}
}

func TestRetries(t *testing.T) {
	refused := func(status int, code string, header ...string) http.HandlerFunc {
		return answer(status, "application/json", `{"message":"no"}`, append(header, "X-Amzn-ErrorType", code)...)
	}
	throttled := refused(429, "ThrottlingException")
	const noMore = "invoke: no (ThrottlingException, status 429)"
	lost := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for name, test := range map[string]struct {
		handler  func() http.HandlerFunc
		call     func(context.Context, *client.Client) error
		opts     []client.TransportOption
		want     string
		requests int
		least    time.Duration // that it waits
	}{
		"throttled once":     {func() http.HandlerFunc { return first(1, throttled) }, callInvoke, nil, "", 2, 0},
		"throttled twice":    {func() http.HandlerFunc { return first(2, throttled) }, callInvoke, nil, "", 3, 0},
		"throttled thrice":   {func() http.HandlerFunc { return first(3, throttled) }, callInvoke, nil, noMore, 3, 0},
		"more attempts":      {func() http.HandlerFunc { return first(4, throttled) }, callInvoke, []client.TransportOption{client.WithMaxAttempts(5)}, "", 5, 0},
		"one attempt":        {func() http.HandlerFunc { return first(1, throttled) }, callInvoke, []client.TransportOption{client.WithMaxAttempts(1)}, noMore, 1, 0},
		"no attempts is one": {func() http.HandlerFunc { return first(1, throttled) }, callInvoke, []client.TransportOption{client.WithMaxAttempts(0)}, noMore, 1, 0},
		"Retry-After": {func() http.HandlerFunc { return first(2, refused(429, "ThrottlingException", "Retry-After", "7")) },
			callInvoke, nil, "", 3, 14 * time.Second},
		"Retry-After, a date": {func() http.HandlerFunc {
			return first(1, func(w http.ResponseWriter, r *http.Request) {
				refused(429, "ThrottlingException", "Retry-After", time.Now().Add(10*time.Second).UTC().Format(http.TimeFormat))(w, r)
			})
		}, callInvoke, nil, "", 2, 9 * time.Second},
		"Retry-After, long": {func() http.HandlerFunc { return first(1, refused(429, "ThrottlingException", "Retry-After", "21")) }, callInvoke, nil, noMore, 1, 0},
		"Retry-After, endless": {func() http.HandlerFunc {
			return first(1, refused(429, "ThrottlingException", "Retry-After", "9223372036854775807"))
		}, callInvoke, nil, noMore, 1, 0},
		"Retry-After, other":         {func() http.HandlerFunc { return first(1, refused(429, "ThrottlingException", "Retry-After", "soon")) }, callInvoke, nil, "", 2, 0},
		"retryable conflict":         {func() http.HandlerFunc { return first(1, refused(409, "RetryableConflictException")) }, callInvoke, nil, "", 2, 0},
		"conflict":                   {func() http.HandlerFunc { return first(1, refused(409, "ConflictException")) }, callInvoke, nil, "invoke: no (ConflictException, status 409)", 1, 0},
		"server error":               {func() http.HandlerFunc { return first(1, refused(503, "X")) }, callInvoke, nil, "invoke: no (X, status 503)", 1, 0},
		"StopSession, server errors": {func() http.HandlerFunc { return first(2, refused(500, "InternalServerException")) }, callStop, nil, "", 3, 0},
		"StopSession, client error":  {func() http.HandlerFunc { return first(1, refused(404, "ResourceNotFoundException")) }, callStop, nil, "stop session: no (ResourceNotFoundException, status 404)", 1, 0},
		"StopSession, lost":          {func() http.HandlerFunc { return first(2, lost) }, callStop, nil, "", 3, 0},
		"Ping, lost": {func() http.HandlerFunc { return first(2, lost) }, func(ctx context.Context, c *client.Client) error {
			if err := callPing(ctx, c); !strings.HasPrefix(errorText(err), "ping: the answer ") { // it is no ping's
				return err
			}
			return nil
		}, nil, "", 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			requests, waited, err := retries(t, test.handler(), test.call, test.opts...)
			says(t, err, test.want)
			if requests != test.requests || waited < test.least {
				t.Errorf("%d requests in %v, want %d in %v", requests, waited, test.requests, test.least)
			}
		})
	}
}

// What was sent again is the same.
func TestRetriesAreTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, own := serveInMemory(t, first(2, answer(429, "", "")))
		c := client.New(made(t)(client.AgentCore(awsConfig(), testARN, client.WithHTTPClient(own), client.WithEndpoint(s.url))))
		if err := callInvoke(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		for _, r := range s.all() {
			if r.body != `"hello"` || r.header.Get(sessionHeader) != c.SessionID() {
				t.Errorf("%+v", r)
			}
			if _, err := verify(r, "secret", "us-west-2"); err != nil {
				t.Error(err) // each has the time at which it is sent
			}
		}
	})
}

// A request that may have arrived is never sent again.
func TestLostConnection(t *testing.T) {
	for name, lose := range map[string]http.HandlerFunc{
		"before the answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"by a reset": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				if tcp, ok := conn.(*net.TCPConn); ok {
					_ = tcp.SetLinger(0)
				}
				conn.Close()
			}
		},
		"within the header": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-")
				conn.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var warm atomic.Bool
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if !warm.Swap(true) {
					answerJSON(`"yes"`)(w, r)
					return
				}
				lose(w, r)
			})
			c := client.New(direct(t, s.url))
			if err := callInvoke(t.Context(), c); err != nil { // so that there is a connection to be used again
				t.Fatal(err)
			}
			err := callInvoke(t.Context(), c)
			if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf(`invoke: Post "%s/invocations": `, s.url)) {
				t.Errorf("error %v", err)
			}
			if n := len(s.all()); n != 2 {
				t.Errorf("the request was sent %d times", n-1)
			}
		})
	}
}

// An HTTP client that does not send by net/http does not tell what was sent.
func TestOtherRoundTripper(t *testing.T) {
	attempts := 0
	own := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		attempts++
		return nil, errors.New("broken")
	})}
	says(t, callInvoke(t.Context(), client.New(direct(t, "http://agent", client.WithHTTPClient(own)))), `invoke: Post "http://agent/invocations": broken`)
	if attempts != 1 {
		t.Errorf("%d attempts, want 1", attempts)
	}
}

// Without a connection, nothing was sent.
func TestConnectionRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, reachable := serveInMemory(t, answerJSON(`"yes"`))
		dial := reachable.Transport.(*http.Transport).DialContext
		dials := 0
		refuses := func(n int) *http.Client {
			dials = 0
			return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if dials++; dials <= n {
					return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connection refused")}
				}
				return dial(ctx, network, address)
			}}}
		}
		for n, want := range []string{"", "", "", `invoke: Post "http://agent/invocations": dial tcp: connection refused`} {
			says(t, callInvoke(t.Context(), client.New(direct(t, s.url, client.WithHTTPClient(refuses(n))))), want)
			if want := min(n+1, 3); dials != want {
				t.Errorf("%d attempts, want %d", dials, want)
			}
		}
	})
}

// What would fail the same the next time is not tried again.
func TestLastingFailures(t *testing.T) {
	for name, test := range map[string]struct {
		failure error
		dials   int
	}{
		"no such name":             {&net.DNSError{Err: "no such host", Name: "agent", IsNotFound: true}, 1},
		"a name server is away":    {&net.DNSError{Err: "server misbehaving", Name: "agent", IsTemporary: true}, 3},
		"no address":               {&net.AddrError{Err: "invalid port", Addr: "agent"}, 1},
		"another certificate":      {&tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: new(x509.Certificate), Host: "agent"}}, 1},
		"no TLS":                   {tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, 1},
		"no TLS, but HTTP":         {tls.RecordHeaderError{RecordHeader: [5]byte([]byte("HTTP/"))}, 1},
		"nobody listens, as usual": {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dials := 0
				own := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
					dials++
					return nil, test.failure
				}}}
				c := client.New(direct(t, "http://agent", client.WithHTTPClient(own)))
				for what, call := range map[string]func() error{
					"invoke":  func() error { return callInvoke(t.Context(), c) },
					"ping":    func() error { return callPing(t.Context(), c) },
					"connect": func() error { _, err := client.Connect[string, string](t.Context(), c); return err },
				} {
					dials = 0
					if err := call(); err == nil || dials != test.dials {
						t.Errorf("%s: %v after %d attempts, want %d", what, err, dials, test.dials)
					}
				}
			})
		})
	}
}

func TestConnectionRefusedByTheSystem(t *testing.T) {
	listening := httptest.NewServer(nil)
	listening.Close()
	err := callInvoke(t.Context(), client.New(direct(t, listening.URL, client.WithMaxAttempts(1))))
	if e, ok := errors.AsType[*net.OpError](err); !ok || e.Op != "dial" {
		t.Errorf("error %v", err)
	}
}

// A stream that has begun is not called again, whatever happens to it.
func TestStreamIsNotRestarted(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\ndata: 2\n")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	var values []int
	var last error
	for value, err := range client.Stream[any, int](t.Context(), client.New(direct(t, s.url)), nil) {
		if last = err; err == nil {
			values = append(values, value)
		}
	}
	says(t, last, "invoke: the stream was cut off: unexpected EOF")
	if !errors.Is(last, io.ErrUnexpectedEOF) || fmt.Sprint(values) != "[1]" || len(s.all()) != 1 {
		t.Errorf("values %v, %v, %d requests", values, last, len(s.all()))
	}
}

func TestContextEndsBetweenAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, own := serveInMemory(t, answer(429, "", "", "Retry-After", "20"))
		c := client.New(direct(t, s.url, client.WithHTTPClient(own)))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errHurry)
		defer cancel()
		start := time.Now()
		if err := callInvoke(ctx, c); err != errHurry || time.Since(start) != time.Second {
			t.Errorf("%v after %v, want the cause", err, time.Since(start))
		}
		if n := len(s.all()); n != 1 {
			t.Errorf("%d requests", n)
		}
		unreachable := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("no route to host")
		}}}
		ctx, cancel = context.WithTimeoutCause(t.Context(), time.Millisecond, errHurry)
		defer cancel()
		if err := callInvoke(ctx, client.New(direct(t, s.url, client.WithHTTPClient(unreachable), client.WithMaxAttempts(1000)))); err != errHurry {
			t.Errorf("%v, want the cause", err)
		}
	})
}

// The timeout of an HTTP client is no end of the context.
func TestHTTPClientTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, own := serveInMemory(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		own.Timeout = time.Second
		err := callInvoke(t.Context(), client.New(direct(t, s.url, client.WithHTTPClient(own))))
		if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(errorText(err), `invoke: Post "http://agent/invocations": `) || len(s.all()) != 1 {
			t.Errorf("%v, %d requests", err, len(s.all()))
		}
	})
}
