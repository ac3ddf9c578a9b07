package client

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agentcore-go/agentcore/internal/wire"
)

// WebSocketHeaders returns with what another program can open a WebSocket
// connection to an agent on AgentCore for this client's session: the URL and all
// headers of the handshake, which prove who calls. With the credentials of AWS they
// hold for five minutes, with a bearer token, which is fetched for this, as long as
// the token does. A Go program does it with [Connect].
//
// The signature covers the host, the date, and what [WithHeader] and [WithUserID]
// add, but not the session id, as in the Python SDK.
//
// For an agent that is reached with [Direct] the error is [errors.ErrUnsupported].
func (c *Client) WebSocketHeaders(ctx context.Context, opts ...Option) (url string, header http.Header, err error) {
	call, settings, err := c.newCredentials(ctx, opts)
	if err != nil {
		return "", nil, err
	}
	settings.override(call.header)
	agent := "AgentCoreRuntimeClient/1.0"
	switch auth := c.transport.auth.(type) {
	case *bearer:
		agent = "OAuth-WebSocket-Client/1.0"
		if _, err := auth.fresh(ctx); err != nil {
			return "", nil, call.op.failed(ctx, err)
		}
	case nil:
		return "", nil, errNoCredentials
	}
	session := call.header[wire.HeaderSessionID]
	if call.op == opConnect { // for a shell the SDK signs it
		delete(call.header, wire.HeaderSessionID)
	}
	r, err := c.transport.newRequest(ctx, call)
	if err != nil {
		return "", nil, err
	}
	header = r.Header
	header[wire.HeaderSessionID] = session
	key := make([]byte, 16)
	_, _ = rand.Read(key) // which never fails
	for name, value := range map[string]string{
		"Host":                  r.Host,
		"Upgrade":               "websocket",
		"Connection":            "Upgrade",
		"Sec-Websocket-Version": "13",
		"Sec-Websocket-Key":     base64.StdEncoding.EncodeToString(key),
	} {
		header.Set(name, value)
	}
	if settings.header.Get("User-Agent") == "" {
		header.Set("User-Agent", agent)
	}
	return webSocketURL(r.URL).String(), header, nil
}

// PresignOptions say what a presigned URL is like.
type PresignOptions struct {
	// Expires is for how long the URL can be used to open a connection, which then
	// lasts longer: whole seconds, up to the 300 that are the default.
	Expires time.Duration
	// Query is added to the URL, which the agent gets it from.
	Query url.Values
}

// maxPresigned is the longest that AgentCore allows.
const maxPresigned = 300 * time.Second

// PresignWebSocket returns a URL with which another program can open a WebSocket
// connection to an agent on AgentCore for this client's session, for instance a
// browser, which cannot send headers of its own. Who has the URL needs nothing
// else, so that it is a secret until it expires. Of the options, [WithSession],
// [PassSession], [WithUserID] and [ForShell] count; what else the agent has to know
// goes into the query.
//
// It is for transports of [AgentCore]; for others the error is
// [errors.ErrUnsupported]. Whose credentials they are needs the permission
// bedrock-agentcore:InvokeAgentRuntimeWithWebSocketStream. Options that do not fit
// are a [*ParameterError].
func (c *Client) PresignWebSocket(ctx context.Context, o PresignOptions, opts ...Option) (string, error) {
	c.check()
	auth, ok := c.transport.auth.(*sigV4)
	if !ok {
		return "", fmt.Errorf("presign a WebSocket URL: %w: only a transport of AgentCore has credentials to sign with; those of a bearer token are made with WebSocketSubprotocols", errors.ErrUnsupported)
	}
	expires := o.Expires
	if expires == 0 {
		expires = maxPresigned
	}
	if expires < time.Second || expires > maxPresigned || expires%time.Second != 0 {
		return "", &ParameterError{"expiry", o.Expires.String(), "a presigned URL is valid for whole seconds, from 1 to 300"}
	}
	call, _, err := c.newCredentials(ctx, opts)
	if err != nil {
		return "", err
	}
	for name, values := range o.Query {
		if reserved(name) {
			return "", &ParameterError{"query parameter", name, "it is not for the agent: AgentCore or the signature has one of this name"}
		}
		call.query[name] = slices.Clone(values)
	}
	call.query.Set(querySessionID, call.header.Get(wire.HeaderSessionID))
	if user := call.header.Get(headerUserID); user != "" {
		call.query.Set(queryUserID, user)
	}
	call.query.Set("X-Amz-Expires", strconv.Itoa(int(expires/time.Second)))
	return auth.presign(ctx, c.transport.address, call)
}

// WebSocketSubprotocols returns with what a browser can open a WebSocket connection
// to an agent on AgentCore for this client's session: the URL, and the
// subprotocols, which have a bearer token in them that was fetched for this.
//
//	new WebSocket(url, protocols)
//
// It is for transports of [AgentCoreOAuth]; for others the error is
// [errors.ErrUnsupported]. A token of more than 3,072 bytes is too long for it. Of
// the options, [WithSession], [PassSession] and [ForShell] count.
func (c *Client) WebSocketSubprotocols(ctx context.Context, opts ...Option) (url string, protocols []string, err error) {
	c.check()
	auth, ok := c.transport.auth.(*bearer)
	if !ok {
		return "", nil, fmt.Errorf("make WebSocket subprotocols: %w: only a transport of AgentCoreOAuth has a bearer token; with the credentials of AWS, a browser takes a URL of PresignWebSocket", errors.ErrUnsupported)
	}
	call, _, err := c.newCredentials(ctx, opts)
	if err != nil {
		return "", nil, err
	}
	token, err := auth.fresh(ctx)
	if err != nil {
		return "", nil, call.op.failed(ctx, err)
	}
	protocols, err = tokenSubprotocols(http.Header{"Authorization": {bearerPrefix + token}})
	if err != nil {
		return "", nil, err
	}
	at, err := c.transport.address.url(call.op)
	if err != nil {
		return "", nil, err
	}
	call.query.Set(querySessionID, call.header.Get(wire.HeaderSessionID))
	addQuery(at, call.query)
	return webSocketURL(at).String(), protocols, nil
}

// ForShell lets [Client.WebSocketHeaders], [Client.PresignWebSocket] and
// [Client.WebSocketSubprotocols] make credentials for a shell of the session, and
// not for the agent's own WebSocket. The id, which names a shell that is there or
// is to be, has up to 128 letters, digits, dashes and underscores, of which the first is a
// letter or a digit. Elsewhere it changes nothing.
func ForShell(id string) Option {
	return func(s *settings) { s.shell = &id }
}

const (
	// querySessionID is the header's name as the SDKs spell it in a query.
	querySessionID = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
	queryUserID    = "X-Amzn-Bedrock-AgentCore-Runtime-User-Id"
)

var errNoCredentials = fmt.Errorf("make WebSocket headers: %w for an agent that is reached directly, which asks for no credentials of AgentCore's: make the transport with AgentCore or AgentCoreOAuth", errors.ErrUnsupported)

// newCredentials makes the call that another program is to make. Of a handler's
// request it says nothing, the workload access token least of all.
func (c *Client) newCredentials(ctx context.Context, opts []Option) (call, settings, error) {
	made, s, err := c.newCall(ctx, opConnect, http.MethodGet, opts)
	if err != nil {
		return call{}, s, err
	}
	maps.DeleteFunc(made.header, func(name string, _ []string) bool {
		return name != wire.HeaderSessionID && name != headerUserID
	})
	made.query = make(url.Values)
	if s.shell != nil {
		if !shellIDPattern.MatchString(*s.shell) {
			return call{}, s, &ParameterError{"shell id", *s.shell, "it has up to 128 letters, digits, underscores and dashes, and begins with a letter or a digit"}
		}
		made.op = opShell
		made.query.Set("shellId", *s.shell)
	}
	return made, s, nil
}

// reserved reports whether a query parameter means something to AgentCore.
func reserved(name string) bool {
	switch strings.ToLower(name) {
	case "qualifier", "accountid", "shellid", strings.ToLower(querySessionID), strings.ToLower(queryUserID):
		return true
	}
	return strings.HasPrefix(strings.ToLower(name), "x-amz-")
}

// presign returns the URL of a call with its signature in it.
func (s *sigV4) presign(ctx context.Context, at address, c call) (string, error) {
	credentials, err := s.retrieve(ctx)
	if err != nil {
		return "", c.op.failed(ctx, err)
	}
	u, err := at.url(c.op)
	if err != nil {
		return "", err
	}
	addQuery(u, c.query)
	r := &http.Request{Method: c.method, URL: u, Host: u.Host, Header: make(http.Header)}
	signed, _, err := s.signer.PresignHTTP(ctx, credentials, r, hashOf(nil), signingName, s.region, time.Now().UTC())
	if err != nil {
		return "", fmt.Errorf("presign a WebSocket URL: %w", err)
	}
	return "ws" + strings.TrimPrefix(signed, "http"), nil
}

// fresh returns a token that was fetched just now: nobody would fetch another one
// when it is refused elsewhere.
func (b *bearer) fresh(ctx context.Context) (string, error) {
	select {
	case b.lock <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	b.token = ""
	<-b.lock
	return b.current(ctx, "")
}
