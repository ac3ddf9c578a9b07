package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	sessionHeader  = "X-Amzn-Bedrock-Agentcore-Runtime-Session-Id"
	identityHeader = "X-Amz-Bedrock-Agentcore-Identity-Wat"
	requestHeader  = "X-Amzn-Requestid"
	testARN        = "arn:aws:bedrock-agentcore:us-west-2:111122223333:runtime/hello-a1b2c3d4e5"
	escapedARN     = "arn%3Aaws%3Abedrock-agentcore%3Aus-west-2%3A111122223333%3Aruntime%2Fhello-a1b2c3d4e5"
	testSession    = "session-0123456789-0123456789-0123456789"
)

// quiet keeps a server of package runtime from logging.
var quiet = runtime.WithLogger(slog.New(slog.DiscardHandler))

type rawJSON = json.RawMessage

// request is one as a server has got it.
type request struct {
	method, uri, host string
	header            http.Header
	body              string
}

// server remembers the requests that it gets.
type server struct {
	url string

	mu       sync.Mutex
	requests []request
}

// serve starts a server, which ends with the test. Its handler may read the body.
func serve(t *testing.T, handler http.HandlerFunc) *server {
	t.Helper()
	s := new(server)
	listening := httptest.NewServer(s.recording(handler))
	t.Cleanup(listening.Close)
	s.url = listening.URL
	return s
}

// serveInMemory starts a server in a bubble of testing/synctest, and returns an
// HTTP client that reaches it under any address.
func serveInMemory(t *testing.T, handler http.HandlerFunc) (*server, *http.Client) {
	t.Helper()
	s := &server{url: "http://agent"}
	network := newMemory()
	listening := &http.Server{Handler: s.recording(handler)}
	done := make(chan error, 1)
	go func() { done <- listening.Serve(network) }()
	c := &http.Client{Transport: &http.Transport{DialContext: network.dial}}
	t.Cleanup(func() {
		c.CloseIdleConnections()
		if err := errors.Join(listening.Close(), <-done); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s, c
}

func (s *server) recording(handler http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller has left
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.mu.Lock()
		s.requests = append(s.requests, request{r.Method, r.RequestURI, r.Host, r.Header.Clone(), string(body)})
		s.mu.Unlock()
		handler(w, r)
	})
}

// all returns the requests so far.
func (s *server) all() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// last returns the newest request.
func (s *server) last(t *testing.T) request {
	t.Helper()
	all := s.all()
	if len(all) == 0 {
		t.Fatal("no request came")
	}
	return all[len(all)-1]
}

// answer serves the same with each request.
func answer(status int, contentType, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func answerJSON(body string) http.HandlerFunc { return answer(200, "application/json", body) }

func answerEvents(body string) http.HandlerFunc {
	return answer(200, "text/event-stream; charset=utf-8", body)
}

// made returns the transport of a constructor, with connections that end with the test.
func made(t *testing.T) func(*client.Transport, error) *client.Transport {
	return func(transport *client.Transport, err error) *client.Transport {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(transport.CloseIdleConnections)
		return transport
	}
}

func direct(t *testing.T, url string, opts ...client.TransportOption) *client.Transport {
	t.Helper()
	return made(t)(client.Direct(url, opts...))
}

// invoke is an invocation of whatever answers JSON.
func invoke(t *testing.T, c *client.Client, opts ...client.Option) {
	t.Helper()
	if _, err := client.Invoke[any, any](t.Context(), c, nil, opts...); err != nil {
		t.Fatal(err)
	}
}

// as returns an error as one of type E, which it has to be.
func as[E error](t *testing.T, err error) E {
	t.Helper()
	e, ok := errors.AsType[E](err)
	if !ok {
		t.Fatalf("the error is a %T (%v), want a %T", err, err, e)
	}
	return e
}

// says tests the text of an error.
func says(t *testing.T, err error, want string) {
	t.Helper()
	if got := errorText(err); got != want {
		t.Errorf("error\n\t%s\nwant\n\t%s", got, want)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// memory is a network of pipes.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemory() *memory {
	return &memory{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case conn := <-m.conns:
		return conn, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

func (*memory) Addr() net.Addr     { return memoryAddr{} }
func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "agent" }

type memoryAddr struct{}

func (m *memory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case m.conns <- theirs:
		return ours, nil
	case <-m.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
