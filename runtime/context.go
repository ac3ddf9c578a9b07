package runtime

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/agentcore-go/agentcore/internal/wire"
)

// Request headers with a meaning, beside those of package wire.
const (
	headerOAuth2Callback   = "Oauth2callbackurl"
	customHeaderPrefix     = "x-amzn-bedrock-agentcore-runtime-custom-"
	identityWATHeaderLower = "x-amz-bedrock-agentcore-identity-wat"
)

// RequestID returns the id of the request that ctx belongs to: the caller's
// X-Amzn-Bedrock-AgentCore-Runtime-Request-Id, or a fresh UUID when none came.
// It is "" when ctx does not come from a [Server].
func RequestID(ctx context.Context) string {
	if req := requestFrom(ctx); req != nil {
		return req.requestID()
	}
	return ""
}

// SessionID returns the id of the caller's session: the caller's
// X-Amzn-Bedrock-AgentCore-Runtime-Session-Id, or a fresh UUID when none, or an
// empty one, came. The answer to an invocation or a WebSocket handshake carries
// it in the same header, so that the caller can come back to it. It is "" when
// ctx does not come from a [Server].
func SessionID(ctx context.Context) string {
	if req := requestFrom(ctx); req != nil {
		return req.sessionID()
	}
	return ""
}

// WorkloadAccessToken returns the token that AgentCore Identity issued for
// this request, or "" when none came.
func WorkloadAccessToken(ctx context.Context) string {
	req := requestFrom(ctx)
	if req == nil {
		return ""
	}
	return wire.WorkloadToken(req.http.Header)
}

// OAuth2CallbackURL returns the URL that a three-legged OAuth flow returns to,
// or "" when none came.
func OAuth2CallbackURL(ctx context.Context) string {
	if req := requestFrom(ctx); req != nil {
		return wire.Last(req.http.Header, headerOAuth2Callback)
	}
	return ""
}

// HTTPRequest returns the request as it reached the handler, with the context
// values of every middleware, or nil when ctx does not come from a [Server].
// Its body is already read, except in raw handlers.
func HTTPRequest(ctx context.Context) *http.Request {
	if req := requestFrom(ctx); req != nil {
		return req.httpRequest()
	}
	return nil
}

// Headers are the headers of a request that are meant for the agent. Keys are
// lower case, except Authorization. It is safe to read concurrently.
type Headers map[string]string

// Get returns the value of the named header in whatever case, or "".
func (h Headers) Get(name string) string {
	lower := strings.ToLower(name)
	if lower == "authorization" {
		return h["Authorization"]
	}
	return h[lower]
}

// RequestHeaders returns the headers of the request that are meant for the
// agent: Authorization, the caller's X-Amzn-Bedrock-AgentCore-Runtime-Custom-*
// and whatever else is neither a standard HTTP header nor an x-amz- or x-amzn-
// header of AWS. Of a header that was sent several times, it is the last value.
// It is nil when there are none. See [HTTPRequest] for all headers.
func RequestHeaders(ctx context.Context) Headers {
	req := requestFrom(ctx)
	if req == nil {
		return nil
	}
	var headers Headers
	for name, values := range req.http.Header {
		key, ok := forwardedHeader(name)
		if !ok || len(values) == 0 {
			continue
		}
		if headers == nil {
			headers = make(Headers)
		}
		headers[key] = values[len(values)-1]
	}
	return headers
}

// forwardedHeader reports whether a header is meant for the agent, and its key.
func forwardedHeader(name string) (string, bool) {
	lower := strings.ToLower(name)
	switch {
	case lower == "authorization":
		return "Authorization", true
	case restricted(lower):
		return "", false
	case strings.HasPrefix(lower, "x-amz-"):
		return lower, lower == identityWATHeaderLower
	case strings.HasPrefix(lower, "x-amzn-"):
		return lower, strings.HasPrefix(lower, customHeaderPrefix)
	}
	return lower, true
}

// restricted reports whether a header, in lower case, never reaches the agent. The
// list is the Python SDK's.
func restricted(lower string) bool {
	switch lower {
	case ":authority", ":method", ":path", ":scheme", ":status", "accept", "accept-ch", "accept-ch-lifetime",
		"accept-charset", "accept-encoding", "accept-language", "accept-ranges",
		"access-control-allow-credentials", "access-control-allow-headers", "access-control-allow-methods",
		"access-control-allow-origin", "access-control-expose-headers", "access-control-max-age",
		"access-control-request-headers", "access-control-request-method", "cache-control", "cf-connecting-ip",
		"cf-ray", "clear-site-data", "connection", "content-encoding", "content-language", "content-length",
		"content-location", "content-range", "content-security-policy", "content-security-policy-report-only",
		"content-type", "cookie", "cross-origin-embedder-policy", "cross-origin-opener-policy",
		"cross-origin-resource-policy", "date", "downlink", "dpr", "ect", "etag", "expect-ct", "expires",
		"feature-policy", "forwarded", "from", "host", "if-match", "if-modified-since", "if-none-match",
		"if-range", "if-unmodified-since", "keep-alive", "last-modified", "link", "location", "origin",
		"permissions-policy", "pragma", "proxy-authorization", "proxy-connection", "public-key-pins",
		"public-key-pins-report-only", "range", "referer", "referrer-policy", "retry-after", "rtt", "save-data",
		"sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-key", "sec-websocket-protocol",
		"sec-websocket-version", "server", "set-cookie", "strict-transport-security", "te", "trailer",
		"transfer-encoding", "true-client-ip", "upgrade", "user-agent", "vary", "via", "viewport-width", "width",
		"www-authenticate", "x-amz-cf-id", "x-cache", "x-client-ip", "x-cluster-client-ip",
		"x-content-type-options", "x-csrf-token", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
		"x-frame-options", "x-original-host", "x-original-url", "x-originating-ip", "x-real-ip",
		"x-requested-with", "x-rewrite-url", "x-served-by", "x-source-ip", "x-xss-protection":
		return true
	}
	return false
}

// request is a request as its handler sees it, and the context of that handler.
// The ids are made on first use: a ping needs neither.
type request struct {
	context.Context // the http.Request's
	server          *Server
	http            *http.Request
	w               *responseWriter

	requestIDOnce sync.Once
	requestIDText string
	sessionIDOnce sync.Once
	sessionIDText string

	baggageLogged atomic.Bool // that something is wrong with it

	own       responseWriter // what w points to, unless middleware lies in between
	boundOnce sync.Once
	bound     *http.Request // http with the request for its context
}

// Value implements [context.Context].
func (r *request) Value(key any) any {
	if key == (wire.InboundKey{}) {
		return r
	}
	return r.Context.Value(key)
}

// Inbound implements [wire.Inbound].
func (r *request) Inbound() (http.Header, string) {
	if r.http == nil {
		return nil, ""
	}
	return r.http.Header, r.sessionID()
}

// requestFrom returns the request that ctx belongs to, or nil.
func requestFrom(ctx context.Context) *request {
	if req, ok := ctx.Value(wire.InboundKey{}).(*request); ok && req.http != nil {
		return req
	}
	return nil
}

// ServerFrom returns the server that ctx belongs to, be it a handler's context
// or one of [Server.Context], or nil.
func ServerFrom(ctx context.Context) *Server {
	if req, ok := ctx.Value(wire.InboundKey{}).(*request); ok {
		return req.server
	}
	return nil
}

// newRequest begins to serve r.
func newRequest(s *Server, w http.ResponseWriter, r *http.Request) *request {
	req := &request{Context: r.Context(), server: s, http: r}
	if writer, ok := w.(*responseWriter); ok {
		req.w = writer
	} else {
		req.own.ResponseWriter = w
		req.w = &req.own
	}
	return req
}

// renewRequest returns the request after middleware. If that has replaced
// something, the handler sees what middleware made of it, and the ids stay what
// they were.
func renewRequest(s *Server, w http.ResponseWriter, r *http.Request) *request {
	old := requestFrom(r.Context())
	if old == nil {
		return newRequest(s, w, r) // middleware has put another context in place
	}
	if old.http == r && w == http.ResponseWriter(old.w) {
		return old
	}
	req := newRequest(s, w, r)
	if wire.Last(r.Header, wire.HeaderRequestID) == "" {
		req.requestIDOnce.Do(func() { req.requestIDText = old.requestID() })
	}
	if wire.Last(r.Header, wire.HeaderSessionID) == "" {
		req.sessionIDOnce.Do(func() { req.sessionIDText = old.sessionID() })
	}
	return req
}

// httpRequest returns the http.Request with a context that knows of r. To make
// one costs a copy, which most handlers can do without.
func (r *request) httpRequest() *http.Request {
	r.boundOnce.Do(func() { r.bound = r.http.WithContext(r) })
	return r.bound
}

func (r *request) requestID() string {
	r.requestIDOnce.Do(func() { r.requestIDText = valueOrUUID(r.http.Header, wire.HeaderRequestID) })
	return r.requestIDText
}

func (r *request) sessionID() string {
	r.sessionIDOnce.Do(func() { r.sessionIDText = valueOrUUID(r.http.Header, wire.HeaderSessionID) })
	return r.sessionIDText
}

// sessionHeader is the session id as a header of the answer.
func (r *request) sessionHeader() []string {
	if values := r.http.Header[wire.HeaderSessionID]; len(values) == 1 && values[0] != "" {
		return values
	}
	return []string{r.sessionID()}
}

func valueOrUUID(h http.Header, name string) string {
	if value := wire.Last(h, name); value != "" {
		return value
	}
	return uuid.NewString()
}
