package client

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Transport reaches one agent. [Direct], [AgentCore] and [AgentCoreOAuth] make
// one. It holds the connections to the agent, so that it is best made once and
// shared; all its methods may be called concurrently.
type Transport struct {
	address address
	auth    authorizer // nil for none
	http    *http.Client
	dialer  *websocket.Dialer
	retry   retrier

	maxAnswer    int64
	maxEvent     int
	maxMessage   int64
	pingInterval time.Duration
}

// address knows the URLs of an agent.
type address interface {
	// url returns the URL of an operation. The caller may change it.
	url(operation) (*url.URL, error)
	// checkSession says what is wrong with the id of a session.
	checkSession(id string) error
	// trusted reports whether tokens of this agent's own identity may go there.
	trusted() bool
}

// operation is something that can be asked of an agent.
type operation string

const (
	opInvoke    operation = "invoke"
	opConnect   operation = "connect"
	opPing      operation = "ping"
	opStop      operation = "stop session"
	opCommand   operation = "run command"
	opAgentCard operation = "agent card"
	opShell     operation = "shell"
)

// failed says what was to be done when something failed; or why the context has ended.
func (op operation) failed(ctx context.Context, err error) error {
	return contextError(ctx, fmt.Errorf("%s: %w", op, err))
}

// authorizer gives a request what proves who sends it.
type authorizer interface {
	authorize(ctx context.Context, r *http.Request, body []byte) error
	// renew is called when a request was refused with 401. It reports whether
	// there is something else to try it with.
	renew(ctx context.Context, refused *http.Request) (bool, error)
}

// TransportOption changes how a [Transport] works. One that is nil is passed over.
type TransportOption func(*transportOptions)

type transportOptions struct {
	http        *http.Client
	dialer      *websocket.Dialer
	endpoint    string
	qualifier   string
	region      string
	account     string
	maxAttempts int
	maxAnswer   int64
	maxEvent    int

	maxMessage   int64
	pingInterval time.Duration
}

const (
	defaultMaxAttempts = 3
	defaultMaxAnswer   = 100 << 20
	defaultMaxEvent    = 10 << 20
)

// WithHTTPClient sends requests through c, which stays the caller's. Its Timeout
// should be zero, for it would cut streams; contexts bound calls instead. The
// default is a client of its own with the settings of [http.DefaultTransport].
//
// WebSocket connections are made with the proxy, the dialer and the TLS settings
// of c, if its Transport is nil or an [*http.Transport]; see [WithWebSocketDialer]
// else.
func WithHTTPClient(c *http.Client) TransportOption {
	return func(o *transportOptions) { o.http = c }
}

// WithWebSocketDialer makes WebSocket connections with d.
func WithWebSocketDialer(d *websocket.Dialer) TransportOption {
	return func(o *transportOptions) { o.dialer = d }
}

// WithMaxAttempts sets how often a request is sent at most; the default is 3,
// and 1 means never again, as does what is less. Only what cannot have run is sent again: see
// [Error.Retryable]. A service that asks for more than 20 seconds of patience, with
// Retry-After, is left to the caller.
func WithMaxAttempts(n int) TransportOption {
	return func(o *transportOptions) { o.maxAttempts = max(n, 1) }
}

// WithMaxAnswer limits the bytes of an answer that is no stream. The default is
// 100 MiB, which the service does not exceed; zero means no limit.
func WithMaxAnswer(bytes int64) TransportOption {
	return func(o *transportOptions) { o.maxAnswer = bytes }
}

// WithMaxEvent limits the bytes of one event of a stream. The default is 10 MiB,
// which the service does not exceed; zero means no limit.
func WithMaxEvent(bytes int) TransportOption {
	return func(o *transportOptions) { o.maxEvent = bytes }
}

func newTransportOptions(opts []TransportOption) transportOptions {
	o := transportOptions{maxAttempts: defaultMaxAttempts, maxAnswer: defaultMaxAnswer, maxEvent: defaultMaxEvent, maxMessage: defaultMaxMessage}
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	return o
}

func newTransport(at address, auth authorizer, o transportOptions) *Transport {
	t := &Transport{
		address: at, auth: auth, http: o.http, dialer: o.dialer,
		retry: newRetrier(o.maxAttempts), maxAnswer: o.maxAnswer, maxEvent: o.maxEvent,
		maxMessage: o.maxMessage, pingInterval: o.pingInterval,
	}
	if t.http == nil {
		t.http = &http.Client{Transport: connections}
	}
	if t.dialer == nil {
		t.dialer = dialerOf(t.http)
	}
	own := *t.http
	own.CheckRedirect = redirects(own.CheckRedirect, auth)
	t.http = &own
	return t
}

// connections are shared by all transports without an HTTP client of their own.
// Each of them mostly talks to one host, for which the default keeps too few.
var connections = func() http.RoundTripper {
	standard, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	own := standard.Clone()
	own.MaxIdleConnsPerHost = 64
	return own
}()

// dialerOf returns a dialer that goes the way of an HTTP client.
func dialerOf(c *http.Client) *websocket.Dialer {
	d := &websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: handshakeTimeout, Jar: c.Jar}
	way := c.Transport
	if way == nil {
		way = http.DefaultTransport
	}
	if t, ok := way.(*http.Transport); ok {
		t = t.Clone() // which unlike reading it does no harm while its first request is made elsewhere
		d.Proxy, d.NetDialContext, d.NetDialTLSContext = t.Proxy, t.DialContext, t.DialTLSContext
		if t.TLSClientConfig != nil {
			d.TLSClientConfig = t.TLSClientConfig
			d.TLSClientConfig.NextProtos = nil // an upgrade needs HTTP/1.1
		}
	}
	return d
}

const handshakeTimeout = 45 * time.Second

// CloseIdleConnections closes the connections that no call uses. Those of the
// default HTTP client are shared with other transports.
func (t *Transport) CloseIdleConnections() { t.http.CloseIdleConnections() }

// Direct returns a transport for an agent behind a URL such as
// http://localhost:8080, without authentication of AgentCore's: what the agent's
// owner asks for goes into headers, with [WithHeader], or into the HTTP client.
// The agent's routes are below the URL. A URL that is none, and an option that is
// for AgentCore, is a [*ParameterError].
//
// Redirections are followed as the HTTP client does, but not where a call would
// lose its body on the way, with 301, 302 and 303, nor by WebSocket connections:
// those are an [*Error] that says where the agent is.
func Direct(baseURL string, opts ...TransportOption) (*Transport, error) {
	base, err := parseBaseURL("base URL", baseURL)
	if err != nil {
		return nil, err
	}
	for _, op := range []operation{opInvoke, opConnect, opPing} {
		if route := directRoutes[op]; strings.HasSuffix(strings.TrimSuffix(base.Path, "/"), route) {
			return nil, &ParameterError{"base URL", base.Redacted(), "leave out " + route + ": it is added"}
		}
	}
	o := newTransportOptions(opts)
	for name, value := range map[string]string{"qualifier": o.qualifier, "region": o.region, "account id": o.account, "endpoint": o.endpoint} {
		if value != "" {
			return nil, &ParameterError{name, value, "an agent that is reached directly has none: its URL says all"}
		}
	}
	return newTransport(newDirectAddress(base), nil, o), nil
}

func parseBaseURL(what, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	problem := ""
	switch {
	case err != nil:
		problem = "it is no URL: write one like http://localhost:8080"
	case u.Scheme == "ws" || u.Scheme == "wss":
		problem = "write it with http or https: WebSocket connections are made from there"
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		problem = "write it with its scheme, as in http://localhost:8080"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		problem = "leave out what follows the path"
	case tooLarge(u.Port()):
		problem = "ports end with 65535"
	default:
		u.Path = cmp.Or(u.Path, "/") // or else those joined to it have none in front
		return u, nil
	}
	if err == nil && u.User != nil {
		text = u.Redacted() // for errors are logged
	}
	return nil, &ParameterError{Name: what, Value: text, Problem: problem}
}

func tooLarge(port string) bool {
	n, err := strconv.Atoi(port)
	return port != "" && (err != nil || n > math.MaxUint16)
}

// directAddress has the URLs of an agent that is reached without AgentCore.
type directAddress map[operation]*url.URL

// directRoutes are the paths of the operations, below the base URL.
var directRoutes = map[operation]string{
	opInvoke:    "/invocations",
	opConnect:   "/ws",
	opPing:      "/ping",
	opAgentCard: "/.well-known/agent-card.json",
}

func newDirectAddress(base *url.URL) directAddress {
	a := make(directAddress)
	for op, route := range directRoutes {
		a[op] = base.JoinPath(route)
	}
	return a
}

func (a directAddress) url(op operation) (*url.URL, error) {
	if u, ok := a[op]; ok {
		return new(*u), nil
	}
	return nil, fmt.Errorf("%s: %w for an agent that is reached directly: AgentCore does it", op, errors.ErrUnsupported)
}

func (directAddress) checkSession(string) error { return nil }
func (directAddress) trusted() bool             { return false }

// call is one operation on its way.
type call struct {
	op     operation
	method string
	query  url.Values // beside what the address has
	header http.Header
	body   []byte
	// replayable: it does no harm to do it twice.
	replayable bool
	// tokenAsSubprotocol: a bearer token is sent as tokenSubprotocols says.
	tokenAsSubprotocol bool
}

// do sends a call, again if that is safe, and returns the answer to it if its
// status is a good one. The caller closes the body.
func (t *Transport) do(ctx context.Context, c call) (*http.Response, error) {
	renewed := false
	for attempt := 1; ; attempt++ {
		r, err := t.newRequest(ctx, c)
		if err != nil {
			return nil, err
		}
		r, progress := follow(r)
		answer, err := t.http.Do(r)
		if err == nil && answer.StatusCode/100 == 2 {
			return answer, nil
		}
		if err != nil {
			if (c.replayable || progress.unsent()) && !lasting(err) && t.retry.wait(ctx, attempt, err, 0) {
				continue
			}
			return nil, c.op.failed(ctx, err)
		}
		failure := t.newError(c.op, answer)
		if again, err := t.renew(ctx, r, failure, &renewed); err != nil {
			return nil, err
		} else if again {
			attempt--
			continue
		}
		if !failure.Retryable() && !(c.replayable && failure.StatusCode >= 500) {
			return nil, failure
		}
		if !t.retry.wait(ctx, attempt, failure, failure.retryAfter) {
			return nil, contextError(ctx, failure)
		}
	}
}

// renew gets what a refused request can be sent with again, once for each call.
func (t *Transport) renew(ctx context.Context, refused *http.Request, failure *Error, renewed *bool) (bool, error) {
	if failure.StatusCode != http.StatusUnauthorized || *renewed || t.auth == nil {
		return false, nil
	}
	*renewed = true
	again, err := t.auth.renew(ctx, refused)
	if err != nil {
		return false, operation(failure.Operation).failed(ctx, err)
	}
	return again, nil
}

// newRequest makes the request of a call, with what proves who sends it.
func (t *Transport) newRequest(ctx context.Context, c call) (*http.Request, error) {
	u, err := t.address.url(c.op)
	if err != nil {
		return nil, err
	}
	addQuery(u, c.query)
	r, err := http.NewRequestWithContext(ctx, c.method, "", bytes.NewReader(c.body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.op, err)
	}
	r.URL = u
	r.Host = cmp.Or(c.header.Get("Host"), u.Host)
	r.Header = c.header.Clone()
	if t.auth != nil {
		if err := t.auth.authorize(ctx, r, c.body); err != nil {
			return nil, c.op.failed(ctx, err)
		}
	}
	return r, nil
}

// addQuery adds parameters, with spaces as %20: not every server takes a plus
// for one.
func addQuery(u *url.URL, more url.Values) {
	if len(more) == 0 {
		return
	}
	query := u.Query()
	for name, values := range more {
		query[name] = append(query[name], values...)
	}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
}

// dial opens a WebSocket connection. The answer is there when it was opened.
func (t *Transport) dial(ctx context.Context, c call) (*websocket.Conn, *http.Response, error) {
	renewed := false
	for attempt := 1; ; attempt++ {
		r, err := t.newRequest(ctx, c)
		if err != nil {
			return nil, nil, err
		}
		r, progress := follow(r)
		useBasicAuth(r)
		header := r.Header.Clone() // for renewing looks for the token in the request
		header.Set("Host", r.Host) // where the dialer looks for it
		dialer := *t.dialer
		if c.tokenAsSubprotocol {
			token, err := tokenSubprotocols(header)
			if err != nil {
				return nil, nil, err
			}
			dialer.Subprotocols = slices.Concat(dialer.Subprotocols, token)
		}
		conn, answer, err := handshake(r.Context(), dialer, webSocketURL(r.URL).String(), header)
		switch {
		case err == nil:
			return conn, answer, nil
		case answer == nil:
			if (c.replayable || progress.unsent()) && !lasting(err) && t.retry.wait(ctx, attempt, err, 0) {
				continue
			}
			return nil, nil, c.op.failed(ctx, err)
		}
		failure := t.newError(c.op, answer)
		if failure.StatusCode < 300 {
			failure.Message = "the answer is none to a WebSocket handshake: " + failure.Message
		}
		if again, err := t.renew(ctx, r, failure, &renewed); err != nil {
			return nil, nil, err
		} else if again {
			attempt--
			continue
		}
		if !failure.Retryable() {
			return nil, nil, failure
		}
		if !t.retry.wait(ctx, attempt, failure, failure.retryAfter) {
			return nil, nil, contextError(ctx, failure)
		}
	}
}

// useBasicAuth moves a user and a password from the URL of a request into its header,
// as package net/http does. The dialer takes no such URL.
func useBasicAuth(r *http.Request) {
	if user := r.URL.User; user != nil && r.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		r.SetBasicAuth(user.Username(), password)
	}
	r.URL.User = nil
}

// webSocketURL returns a URL with the scheme for WebSocket.
func webSocketURL(u *url.URL) *url.URL {
	ws := *u
	ws.Scheme = "ws" + strings.TrimPrefix(u.Scheme, "http")
	return &ws
}

// readAnswer reads a body that is no stream, and closes it.
func (t *Transport) readAnswer(op operation, answer *http.Response, buf *bytes.Buffer) error {
	defer answer.Body.Close()
	limit := t.maxAnswer
	if limit <= 0 || limit == math.MaxInt64 {
		limit = math.MaxInt64 - 1
	}
	if n := answer.ContentLength; n > 0 && n <= maxPooledBuffer {
		buf.Grow(int(n) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(io.LimitReader(answer.Body, limit+1)); err != nil {
		return fmt.Errorf("%s: the answer was cut off: %w", op, err)
	}
	if int64(buf.Len()) > limit {
		return fmt.Errorf("%s: the answer is longer than %d bytes: raise the limit with WithMaxAnswer, or let the agent stream", op, limit)
	}
	return nil
}
