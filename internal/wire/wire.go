// Package wire is what the two ends of the protocol have in common: a server,
// which is package runtime, and its callers, which are package client.
package wire

import (
	"context"
	"net/http"
)

// Headers of a request to an agent, in Go's canonical spelling.
const (
	HeaderSessionID     = "X-Amzn-Bedrock-Agentcore-Runtime-Session-Id"
	HeaderRequestID     = "X-Amzn-Bedrock-Agentcore-Runtime-Request-Id"
	HeaderIdentityWAT   = "X-Amz-Bedrock-Agentcore-Identity-Wat"
	HeaderWorkloadToken = "Workloadaccesstoken"
)

// StreamErrorMessage is the text in every event that says that a stream has
// failed. It is the Python SDK's.
const StreamErrorMessage = "An error occurred during streaming"

// InboundKey is the key of the context of a handler, for the request that it
// serves: an [Inbound].
type InboundKey struct{}

// Inbound is a request that an agent serves.
type Inbound interface {
	// Inbound returns the request's headers, which nobody may change, and the id
	// of its session. There are none outside of a request.
	Inbound() (header http.Header, session string)
}

// InboundFrom returns the request whose handler has the context.
func InboundFrom(ctx context.Context) (header http.Header, session string) {
	if r, ok := ctx.Value(InboundKey{}).(Inbound); ok {
		return r.Inbound()
	}
	return nil, ""
}

// Last returns the last value of a header, which is the one that counts when it
// came several times: so the Python SDK reads them.
func Last(h http.Header, canonicalName string) string {
	if values := h[canonicalName]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// WorkloadToken returns the token that AgentCore Identity issued for a request,
// or "".
func WorkloadToken(h http.Header) string {
	if token := Last(h, HeaderIdentityWAT); token != "" {
		return token
	}
	return Last(h, HeaderWorkloadToken)
}
