package runtime_test

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
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/agentcore-go/agentcore/runtime"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		os.Exit(runChild(name))
	}
	goleak.VerifyTestMain(m)
}

// echo answers with its payload.
var echo = runtime.Unary("Echo", func(_ context.Context, in any) (any, error) { return in, nil })

const (
	sessionHeader = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
	requestHeader = "X-Amzn-Bedrock-AgentCore-Runtime-Request-Id"
)

// agent is a server that serves, and a client of it.
type agent struct {
	server *runtime.Server
	url    string
	client *http.Client
	dialer *websocket.Dialer
	dial   dialFunc
	logs   *logs
	stop   func() error // ends Serve and returns what it returned
	fails  bool         // stop may return an error
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// serve starts an agent on a port of the loopback interface. It ends with the
// test, which fails if the shutdown does.
func serve(t *testing.T, handlers runtime.Handlers, opts ...runtime.Option) *agent {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, listener, new(net.Dialer).DialContext, handlers, opts...)
}

// serveInMemory is serve for the bubbles of testing/synctest.
func serveInMemory(t *testing.T, handlers runtime.Handlers, opts ...runtime.Option) *agent {
	t.Helper()
	listener := newMemoryListener()
	return serveOn(t, listener, listener.dial, handlers, opts...)
}

func serveOn(t *testing.T, listener net.Listener, dial dialFunc, handlers runtime.Handlers, opts ...runtime.Option) *agent {
	t.Helper()
	a := &agent{
		logs:   new(logs),
		url:    "http://" + listener.Addr().String(),
		client: &http.Client{Transport: &http.Transport{DialContext: dial}},
		dialer: wsDialer(dial),
		dial:   dial,
	}
	a.server = runtime.NewServer(handlers, append([]runtime.Option{runtime.WithLogger(a.logs.logger())}, opts...)...)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- a.server.Serve(ctx, listener) }()
	a.stop = sync.OnceValue(func() error {
		cancel()
		return <-served
	})
	t.Cleanup(func() {
		a.client.CloseIdleConnections()
		if err := a.stop(); err != nil && !a.fails {
			t.Errorf("Serve: %v", err)
		}
	})
	return a
}

func wsDialer(dial dialFunc) *websocket.Dialer { return &websocket.Dialer{NetDialContext: dial} }

// memoryListener is a network of unbuffered pipes: a write waits until the
// other side reads.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr{} }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "agent" }

func (l *memoryListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// open sends a request and returns the response, whose body is closed with the
// test. Headers are given in pairs.
func (a *agent) open(t *testing.T, ctx context.Context, method, path string, body io.Reader, headers ...string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, a.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header(headers...)
	response, err := a.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func (a *agent) do(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	response := a.open(t, t.Context(), method, path, strings.NewReader(body), headers...)
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: the body was cut: %v", method, path, err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

func (a *agent) invoke(t *testing.T, body string, headers ...string) answer {
	t.Helper()
	return a.do(t, http.MethodPost, "/invocations", body, headers...)
}

// pingStatus returns the status that /ping reports.
func (a *agent) pingStatus(t *testing.T) runtime.PingStatus {
	t.Helper()
	return parsePing(t, a.do(t, http.MethodGet, "/ping", "").body).Status
}

type pingBody struct {
	Status runtime.PingStatus `json:"status"`
	Since  int64              `json:"time_of_last_update"`
}

func parsePing(t *testing.T, text string) (body pingBody) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatalf("ping answered %q: %v", text, err)
	}
	return body
}

// connect opens a WebSocket that is closed with the test.
func (a *agent) connect(t *testing.T, headers ...string) *websocket.Conn {
	t.Helper()
	conn, _, err := a.dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(a.url, "http")+"/ws", header(headers...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// upgrade asks for a WebSocket and returns the answer that refuses it.
func (a *agent) upgrade(t *testing.T, path string, headers ...string) answer {
	t.Helper()
	conn, response, err := a.dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(a.url, "http")+path, header(headers...))
	if err == nil {
		conn.Close()
		t.Fatalf("the handshake on %s was accepted", path)
	}
	if response == nil {
		t.Fatalf("the handshake on %s was not answered: %v", path, err)
	}
	text, _ := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(text)}
}

// header makes a header of pairs of names and values.
func header(pairs ...string) http.Header {
	h := make(http.Header)
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// record serves one request without a network.
func record(h http.Handler, method, path, body string, headers ...string) answer {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.Header = header(headers...)
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	return answer{recorder.Code, recorder.Result().Header, recorder.Body.String()}
}

// newServer returns a server that logs nowhere.
func newServer(handlers runtime.Handlers, opts ...runtime.Option) *runtime.Server {
	return runtime.NewServer(handlers, append([]runtime.Option{runtime.WithLogger(slog.New(slog.DiscardHandler))}, opts...)...)
}

// announce returns middleware that tells when a request has been served, its
// log record included.
func announce(served chan<- struct{}) []func(http.Handler) http.Handler {
	return []func(http.Handler) http.Handler{func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { served <- struct{}{} }()
			next.ServeHTTP(w, r)
		})
	}}
}

// patience bounds waits that a working server ends at once.
const patience = 30 * time.Second

// await receives from c. A closed channel will do.
func await[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case value := <-c:
		return value
	case <-time.After(patience):
		t.Fatalf("waited in vain: %s", what)
		panic("unreachable")
	}
}

// logs collects log records.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// logger returns a logger to l, with the ids of requests.
func (l *logs) logger() *slog.Logger {
	return slog.New(runtime.LogHandler(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

type logRecord map[string]any

// records returns the records that are about a request, a connection or a task.
func (l *logs) records(t *testing.T) []logRecord {
	t.Helper()
	var records []logRecord
	for _, record := range parseLogs(t, l.String()) {
		if record["requestId"] != nil || record["task"] != nil {
			records = append(records, record)
		}
	}
	return records
}

// only returns the one record that there must be.
func (l *logs) only(t *testing.T) logRecord {
	t.Helper()
	records := l.records(t)
	if len(records) != 1 {
		t.Fatalf("logged %d records, want 1:\n%s", len(records), l)
	}
	return records[0]
}

func parseLogs(t *testing.T, text string) (records []logRecord) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	for {
		var record logRecord
		err := decoder.Decode(&record)
		if errors.Is(err, io.EOF) {
			return records
		}
		if err != nil {
			t.Fatalf("the log is not JSON: %v\n%s", err, text)
		}
		records = append(records, record)
	}
}
