package runtime

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// Request headers with a meaning, in Go's canonical spelling, which lastValue
// depends on.
const (
	headerSessionID        = "X-Amzn-Bedrock-Agentcore-Runtime-Session-Id"
	headerRequestID        = "X-Amzn-Bedrock-Agentcore-Runtime-Request-Id"
	headerIdentityWAT      = "X-Amz-Bedrock-Agentcore-Identity-Wat"
	headerWorkloadToken    = "Workloadaccesstoken"
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
	if token := lastValue(req.http.Header, headerIdentityWAT); token != "" {
		return token
	}
	return lastValue(req.http.Header, headerWorkloadToken)
}

// OAuth2CallbackURL returns the URL that a three-legged OAuth flow returns to,
// or "" when none came.
func OAuth2CallbackURL(ctx context.Context) string {
	if req := requestFrom(ctx); req != nil {
		return lastValue(req.http.Header, headerOAuth2Callback)
	}
	return ""
}

// HTTPRequest returns the request as it reached the handler, with the context
// values of every middleware, or nil when ctx does not come from a [Server].
// Its body is already read, except in raw handlers.
func HTTPRequest(ctx context.Context) *http.Request {
	if req := requestFrom(ctx); req != nil {
		return req.http
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
	case restrictedHeaders[lower]:
		return "", false
	case strings.HasPrefix(lower, "x-amz-"):
		return lower, lower == identityWATHeaderLower
	case strings.HasPrefix(lower, "x-amzn-"):
		return lower, strings.HasPrefix(lower, customHeaderPrefix)
	}
	return lower, true
}

// restrictedHeaders never reach the agent. The list is the Python SDK's.
var restrictedHeaders = func() map[string]bool {
	names := strings.Fields(`
:authority :method :path :scheme :status
accept accept-ch accept-ch-lifetime accept-charset accept-encoding accept-language accept-ranges
access-control-allow-credentials access-control-allow-headers access-control-allow-methods
access-control-allow-origin access-control-expose-headers access-control-max-age
access-control-request-headers access-control-request-method
cache-control cf-connecting-ip cf-ray clear-site-data connection
content-encoding content-language content-length content-location content-range
content-security-policy content-security-policy-report-only content-type cookie
cross-origin-embedder-policy cross-origin-opener-policy cross-origin-resource-policy
date downlink dpr ect etag expect-ct expires feature-policy forwarded from host
if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive
last-modified link location origin permissions-policy pragma proxy-authorization proxy-connection
public-key-pins public-key-pins-report-only range referer referrer-policy retry-after rtt
save-data sec-websocket-accept sec-websocket-extensions sec-websocket-key sec-websocket-protocol
sec-websocket-version server set-cookie strict-transport-security te trailer transfer-encoding
true-client-ip upgrade user-agent vary via viewport-width width www-authenticate
x-amz-cf-id x-cache x-client-ip x-cluster-client-ip x-content-type-options x-csrf-token
x-forwarded-for x-forwarded-host x-forwarded-proto x-frame-options x-original-host x-original-url
x-originating-ip x-real-ip x-requested-with x-rewrite-url x-served-by x-source-ip x-xss-protection`)
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}()

// request is what a context knows of the server and the request it belongs to. The ids are
// made on first use: a ping needs neither.
type request struct {
	server *Server
	http   *http.Request

	requestIDOnce sync.Once
	requestIDText string
	sessionIDOnce sync.Once
	sessionIDText string
}

type requestKey struct{}

// requestFrom returns the request that ctx belongs to, or nil.
func requestFrom(ctx context.Context) *request {
	if req, ok := ctx.Value(requestKey{}).(*request); ok && req.http != nil {
		return req
	}
	return nil
}

// serverFrom returns the server that ctx belongs to, or nil. A context may
// belong to a server and to no request: see [Server.Context].
func serverFrom(ctx context.Context) *Server {
	if req, ok := ctx.Value(requestKey{}).(*request); ok {
		return req.server
	}
	return nil
}

// newRequest returns r with a context that knows of it.
func newRequest(s *Server, r *http.Request) *http.Request {
	req := &request{server: s}
	req.http = r.WithContext(context.WithValue(r.Context(), requestKey{}, req))
	return req.http
}

// renewRequest is newRequest for a request that middleware has replaced: the
// handler sees what middleware made of it, and the ids stay what they were.
func renewRequest(s *Server, r *http.Request) *http.Request {
	old := requestFrom(r.Context())
	if old == nil {
		return newRequest(s, r) // middleware has put another context in place
	}
	if old.http == r {
		return r
	}
	renewed := newRequest(s, r)
	req := requestFrom(renewed.Context())
	if lastValue(r.Header, headerRequestID) == "" {
		req.requestIDOnce.Do(func() { req.requestIDText = old.requestID() })
	}
	if lastValue(r.Header, headerSessionID) == "" {
		req.sessionIDOnce.Do(func() { req.sessionIDText = old.sessionID() })
	}
	return renewed
}

func (r *request) requestID() string {
	r.requestIDOnce.Do(func() { r.requestIDText = valueOrUUID(r.http.Header, headerRequestID) })
	return r.requestIDText
}

func (r *request) sessionID() string {
	r.sessionIDOnce.Do(func() { r.sessionIDText = valueOrUUID(r.http.Header, headerSessionID) })
	return r.sessionIDText
}

func valueOrUUID(h http.Header, name string) string {
	if value := lastValue(h, name); value != "" {
		return value
	}
	return uuid.NewString()
}

// lastValue is h.Get for the last value instead of the first, as the Python SDK
// reads headers that came several times.
func lastValue(h http.Header, canonicalName string) string {
	if values := h[canonicalName]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}
