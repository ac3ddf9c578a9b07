package client_test

import (
	"testing"

	"github.com/agentcore-go/agentcore/client"
)

// panics returns what a function panics with.
func panics(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

// A program that drops the error of Direct fails where it does so.
func TestNewWithoutTransport(t *testing.T) {
	transport, _ := client.Direct("localhost")
	const want = "client.New: the transport is nil: was the error of Direct or AgentCore dropped?"
	if got := panics(func() { client.New(transport) }); got != want {
		t.Errorf("New panics with %v, want %s", got, want)
	}
}

// A generated client that was not made with its New has a Client that is nil.
func TestZeroClient(t *testing.T) {
	for _, c := range []*client.Client{nil, new(client.Client)} {
		for name, call := range map[string]func(){
			"Ping":                  func() { _, _ = c.Ping(t.Context()) },
			"Invoke":                func() { _, _ = client.Invoke[any, any](t.Context(), c, nil) },
			"PresignWebSocket":      func() { _, _ = c.PresignWebSocket(t.Context(), client.PresignOptions{}) },
			"WebSocketSubprotocols": func() { _, _, _ = c.WebSocketSubprotocols(t.Context()) },
		} {
			if got := panics(call); got != "client: this Client was not made with New" {
				t.Errorf("%s panics with %v", name, got)
			}
		}
	}
}

func TestNilOptions(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	c := client.New(direct(t, s.url, nil, client.WithMaxAttempts(1)), nil, client.WithSession("mine"))
	invoke(t, c, nil, client.WithHeader("X-Thing", "here"))
	if r := s.last(t); r.header.Get("X-Thing") != "here" || r.header.Get(sessionHeader) != "mine" {
		t.Errorf("headers %v", r.header)
	}
}

func TestEmptySessionIsNew(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	c := client.New(direct(t, s.url), client.WithSession(""))
	invoke(t, c)
	if got := s.last(t).header.Get(sessionHeader); got == "" || got != c.SessionID() {
		t.Errorf("session %q, want %q", got, c.SessionID())
	}
}
