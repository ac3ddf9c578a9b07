package dataplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
)

const (
	headerAWSRequestID  = "X-Amzn-Requestid"
	headerRequestID     = "X-Amzn-Bedrock-Agentcore-Runtime-Request-Id"
	headerUserID        = "X-Amzn-Bedrock-Agentcore-Runtime-User-Id"
	headerIdentityWAT   = "X-Amz-Bedrock-Agentcore-Identity-Wat"
	headerWorkloadToken = "Workloadaccesstoken"
	customPrefix        = "X-Amzn-Bedrock-Agentcore-Runtime-Custom-"
)

// passed are the headers that always reach the agent, besides the custom ones. The
// last three are what a WebSocket handshake consists of.
var passed = []string{
	"Content-Type", "Accept", "Mcp-Session-Id", "Mcp-Protocol-Version", "Mcp-Method", "Mcp-Name",
	"X-Amzn-Trace-Id", "Traceparent", "Tracestate", "Baggage",
	"Connection", "Upgrade", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions",
}

func (c *call) invoke()  { c.forward(paths[c.runtime.Protocol], nil) }
func (c *call) connect() { c.forward("/ws", c.ownQuery()) }
func (c *call) card()    { c.forward("/.well-known/agent-card.json", nil) }

// forward sends a request to the agent, and its answer to the caller, as it comes.
//
// An answer whose status is no good one becomes a RuntimeClientError, as the
// failure to get one does. How the service tells of an agent's own status is not
// documented; callers report such errors.
func (c *call) forward(path string, query url.Values) {
	ctx, done, refused := c.begin()
	if refused != nil {
		refused.write(c.w)
		return
	}
	defer done()
	proxy := &httputil.ReverseProxy{
		Transport:     c.runtime.at.transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // the caller is told
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL = c.runtime.at.base.JoinPath(path)
			p.Out.URL.RawQuery = query.Encode()
			p.Out.Host = ""
			p.Out.Header = c.agentHeader(p.Out.Header)
		},
		ModifyResponse: c.checkAnswer,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			c.failure(ctx, err).write(w)
		},
	}
	r := c.r.WithContext(ctx)
	r.Body = io.NopCloser(bytes.NewReader(c.body))
	r.ContentLength = int64(len(c.body))
	r.TransferEncoding = nil
	proxy.ServeHTTP(c.w, r)
}

// agentHeader returns the headers that reach the agent.
func (c *call) agentHeader(from http.Header) http.Header {
	to := make(http.Header)
	for name, values := range from {
		if c.passes(name) {
			to[name] = values
		}
	}
	for name, values := range c.query { // so those who cannot set headers send them
		if hasHeaderPrefix(name, customPrefix) {
			to[http.CanonicalHeaderKey(name)] = values
		}
	}
	own := slices.DeleteFunc(subprotocolsOf(from), isBearerSubprotocol)
	if len(own) > 0 {
		to.Set(headerSubprotocol, strings.Join(own, ", "))
	}
	to.Set(headerSessionID, c.session)
	to.Set(headerRequestID, c.requestID)
	if c.runtime.WorkloadToken != nil {
		token := c.runtime.WorkloadToken(c.parameter(headerUserID))
		to.Set(headerIdentityWAT, token)
		to.Set(headerWorkloadToken, token)
	}
	return to
}

// passes reports whether a header of the caller reaches the agent. A signature
// never does, but a bearer token may.
func (c *call) passes(name string) bool {
	if slices.Contains(passed, name) || hasHeaderPrefix(name, customPrefix) {
		return true
	}
	if strings.HasPrefix(name, "X-Amz-") || name == "Authorization" && c.runtime.BearerToken == nil {
		return false
	}
	return slices.ContainsFunc(c.runtime.AllowedHeaders, func(allowed string) bool { return sameHeader(allowed, name) })
}

// ownQuery returns the parameters that are not the service's.
func (c *call) ownQuery() url.Values {
	own := make(url.Values)
	for name, values := range c.query {
		if name == "qualifier" || name == "accountId" || hasHeaderPrefix(name, "X-Amz-") || hasHeaderPrefix(name, "X-Amzn-") {
			continue
		}
		own[name] = values
	}
	return own
}

// checkAnswer looks at what the agent answers before the caller gets it.
func (c *call) checkAnswer(answer *http.Response) error {
	if answer.StatusCode != http.StatusSwitchingProtocols && answer.StatusCode/100 != 2 {
		return agentFailed(fmt.Sprintf("Received error (%d) from runtime. Please check your CloudWatch logs for more information.", answer.StatusCode))
	}
	answer.Header.Del(headerSessionID) // the front says it
	answer.Header.Del(headerAWSRequestID)
	if slices.Contains(subprotocolsOf(c.r.Header), subprotocol) && answer.Header.Get(headerSubprotocol) == "" &&
		answer.StatusCode == http.StatusSwitchingProtocols {
		answer.Header.Set(headerSubprotocol, subprotocol)
	}
	return nil
}

// failure says why there is no answer.
func (c *call) failure(ctx context.Context, err error) *Error {
	if refused, ok := errors.AsType[*Error](err); ok {
		return refused
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return agentFailed("The runtime could not be reached: " + err.Error())
}

func isBearerSubprotocol(name string) bool {
	return name == subprotocol || strings.HasPrefix(name, tokenSubprotocol)
}

func sameHeader(a, b string) bool { return http.CanonicalHeaderKey(a) == http.CanonicalHeaderKey(b) }

func hasHeaderPrefix(name, prefix string) bool {
	return strings.HasPrefix(http.CanonicalHeaderKey(name), http.CanonicalHeaderKey(prefix))
}
