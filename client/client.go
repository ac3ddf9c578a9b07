package client

import (
	"context"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/agentcore-go/agentcore/internal/wire"
)

// Client is a conversation with an agent: all its calls belong to one session of
// the agent. Generated clients embed one. It holds nothing that would have to be
// closed, so that a program may make one for each of its own users. Its methods,
// and functions that take it, may be called concurrently. [New] makes one: others
// call nobody, but panic.
type Client struct {
	transport *Transport
	settings  settings
}

// New returns a client. The options hold for all its calls. Without
// [WithSession] it has a new session. Without a transport it panics; an Option that
// is nil is passed over.
func New(transport *Transport, opts ...Option) *Client {
	if transport == nil {
		panic("client.New: the transport is nil: was the error of Direct or AgentCore dropped?")
	}
	c := &Client{transport: transport}
	c.settings.apply(opts)
	if c.settings.session == "" {
		c.settings.session = uuid.NewString()
	}
	return c
}

// SessionID returns the id of the client's session. With [WithSession], a later
// client can continue it.
func (c *Client) SessionID() string { return c.settings.session }

// Transport returns what the client was made with.
func (c *Client) Transport() *Transport { return c.transport }

// Option is a setting of calls: of all that a [Client] makes when it is given to
// [New], and of one call when it is given to that.
type Option func(*settings)

type settings struct {
	session     string
	passSession bool
	userID      string
	shell       *string     // the one that credentials are for, if any
	header      http.Header // never changed, but replaced
	answer      *http.Header
}

func (s *settings) apply(opts []Option) {
	for _, opt := range opts {
		if opt != nil {
			opt(s)
		}
	}
}

// WithSession continues the session with this id, or begins one. AgentCore takes
// ids of 33 to 256 characters. An empty id, given to [New], is a new session.
func WithSession(id string) Option {
	return func(s *settings) { s.session, s.passSession = id, false }
}

// PassSession lets a call from the handler of an agent belong to the session that
// the handler serves. Elsewhere it changes nothing.
func PassSession() Option {
	return func(s *settings) { s.passSession = true }
}

// WithUserID tells AgentCore which user the call is for, which needs the
// permission bedrock-agentcore:InvokeAgentRuntimeForUser. It is for callers with
// the credentials of AWS: a bearer token names its user itself.
func WithUserID(id string) Option {
	return func(s *settings) { s.userID = id }
}

// WithHeader adds a header to a request, and replaces what the client would send
// under that name. What no header can be, as a line break in a value, is a
// [*ParameterError] of the call. AgentCore passes on those that the runtime's configuration
// allows, and all that begin with X-Amzn-Bedrock-AgentCore-Runtime-Custom-.
// Authorization is the transport's, unless that is [Direct].
func WithHeader(name, value string) Option {
	return func(s *settings) {
		header := s.header.Clone()
		if header == nil {
			header = make(http.Header)
		}
		header.Set(name, value)
		s.header = header
	}
}

// WithAnswerHeader stores the headers of the answer to a call in header: of an
// invocation, when its answer has begun, and of a connection, when it is made. A
// client whose calls run concurrently cannot be made with it, but each call can.
func WithAnswerHeader(header *http.Header) Option {
	return func(s *settings) { s.answer = header }
}

const headerUserID = "X-Amzn-Bedrock-Agentcore-Runtime-User-Id"

// check keeps a client that nobody has made from failing in a place that says
// nothing.
func (c *Client) check() {
	if c == nil || c.transport == nil {
		panic("client: this Client was not made with New")
	}
}

// newCall makes a call with the settings of the client and its own.
func (c *Client) newCall(ctx context.Context, op operation, method string, opts []Option) (call, settings, error) {
	c.check()
	s := c.settings
	s.apply(opts)
	inbound, session := wire.InboundFrom(ctx)
	if s.passSession && session != "" {
		s.session = session
	}
	if err := s.check(); err != nil {
		return call{}, s, err
	}
	if err := c.transport.address.checkSession(s.session); err != nil {
		return call{}, s, err
	}
	header := make(http.Header, 8)
	if inbound != nil {
		propagate(header, inbound, c.transport.address.trusted() && invokes(op))
	}
	header[wire.HeaderSessionID] = []string{s.session}
	if s.userID != "" {
		header[headerUserID] = []string{s.userID}
	}
	header["User-Agent"] = userAgent()
	return call{op: op, method: method, header: header}, s, nil
}

// userAgent names this module, with its version if it has one.
var userAgent = sync.OnceValue(func() []string {
	const name, module = "agentcore-go", "github.com/agentcore-go/agentcore"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == module && dep.Replace == nil && dep.Version != "" {
				return []string{name + "/" + strings.TrimPrefix(dep.Version, "v")}
			}
		}
	}
	return []string{name}
})

// override lets the caller's headers replace others.
func (s *settings) override(header http.Header) {
	for name, values := range s.header {
		header[name] = slices.Clone(values)
	}
}

// note stores the headers of an answer for a caller who wants them.
func (s *settings) note(answer *http.Response) {
	if s.answer != nil {
		*s.answer = answer.Header
	}
}

// propagate passes on what a handler's request says of where it belongs.
func propagate(to, inbound http.Header, token bool) {
	for _, name := range []string{"Traceparent", "Tracestate", "X-Amzn-Trace-Id"} {
		if value := wire.Last(inbound, name); value != "" {
			to[name] = []string{value}
		}
	}
	if values := inbound["Baggage"]; len(values) > 0 {
		to["Baggage"] = []string{strings.Join(values, ",")}
	}
	if value := wire.WorkloadToken(inbound); token && value != "" {
		to[wire.HeaderIdentityWAT] = []string{value}
	}
}

// invokes reports whether an operation runs something of the agent's, which is
// what the SDKs pass a workload access token to.
func invokes(op operation) bool {
	return op == opInvoke || op == opConnect || op == opCommand || op == opShell
}
