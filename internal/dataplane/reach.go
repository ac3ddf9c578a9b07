package dataplane

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
)

// reached is an agent that can be sent requests.
type reached struct {
	base      *url.URL
	transport *http.Transport
	server    *http.Server // nil for an agent elsewhere
}

// reach makes an agent reachable: a handler by connections in memory, so that it
// is talked to in the same way as one that listens.
func reach(agent Agent) (*reached, error) {
	to := &reached{transport: &http.Transport{DisableCompression: true}}
	var err error
	switch {
	case (agent.Handler == nil) == (agent.URL == ""):
		return nil, errors.New("give the agent as either a Handler or a URL")
	case agent.URL != "":
		to.base, err = url.Parse(agent.URL + "/") // so that what is joined to it begins with a slash
		return to, err
	}
	listener := newPipeListener()
	to.base = &url.URL{Scheme: "http", Host: "agent", Path: "/"}
	to.transport.DialContext = listener.dial
	to.server = &http.Server{Handler: agent.Handler}
	go func() { _ = to.server.Serve(listener) }() // until it is closed
	return to, nil
}

func (to *reached) close() {
	if to.server != nil {
		_ = to.server.Close()
	}
	to.transport.CloseIdleConnections()
}

// pipeListener is a listener to which connections lead that are pipes in memory.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "agent", Net: "pipe"} }
