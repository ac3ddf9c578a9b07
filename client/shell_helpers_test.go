package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/internal/shelltest"
)

const (
	shellRuntime = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my_agent-abcde12345"
	shellSession = "session-0123456789-0123456789-0123456789"
)

// shellPipes is a network in memory, for the bubbles of testing/synctest.
type shellPipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *shellPipes) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *shellPipes) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *shellPipes) Addr() net.Addr { return &net.UnixAddr{Name: "service"} }

func (l *shellPipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// shellService is a service in memory, and a client of it.
type shellService struct {
	*client.Client
	pipes *shellPipes
	stop  func()
}

// serveShells serves shells in memory, until the test or bubble ends.
func serveShells(t *testing.T, handler http.Handler, opts ...client.TransportOption) *shellService {
	t.Helper()
	pipes := &shellPipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	var handling sync.WaitGroup
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handling.Add(1)
		defer handling.Done()
		handler.ServeHTTP(w, r)
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(pipes) })
	service := &shellService{pipes: pipes}
	service.stop = sync.OnceFunc(func() {
		_ = server.Close()
		_ = pipes.Close()
		serving.Wait()
		handling.Wait()
	})
	t.Cleanup(service.stop)
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
	})
	transport, err := client.AgentCore(aws.Config{Credentials: credentials}, shellRuntime, append([]client.TransportOption{
		client.WithEndpoint("http://service"),
		client.WithWebSocketDialer(&websocket.Dialer{NetDialContext: pipes.dial}),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	service.Client = client.New(transport, client.WithSession(shellSession))
	return service
}

// shellScript serves a connection, of which it knows the number.
type shellScript func(n int, c *shellPeer)

// scripted serves each connection with a script.
func scripted(t *testing.T, script shellScript) http.Handler {
	var mu sync.Mutex
	n := 0
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n++
		number := n
		mu.Unlock()
		c := &shellPeer{t: t, r: r, w: w, upgrader: upgrader, header: make(http.Header)}
		script(number, c)
		if c.ws != nil {
			_ = c.ws.NetConn().Close()
		}
	})
}

// shellPeer is the service's end of a connection.
type shellPeer struct {
	t        *testing.T
	r        *http.Request
	w        http.ResponseWriter
	upgrader websocket.Upgrader
	header   http.Header // of the answer
	ws       *websocket.Conn
}

// accept upgrades the connection.
func (c *shellPeer) accept() {
	ws, err := c.upgrader.Upgrade(c.w, c.r, c.header)
	if err != nil {
		c.t.Errorf("upgrade: %v", err)
		panic(http.ErrAbortHandler)
	}
	c.ws = ws
}

// confirm upgrades the connection and says that it is made.
func (c *shellPeer) confirm(reconnected bool) {
	c.accept()
	c.send(shelltest.Status, string(shelltest.Confirmation(c.r.URL.Query().Get("shellId"), reconnected, 0)))
}

// send sends a message. A client that has gone does not matter.
func (c *shellPeer) send(channel byte, payload string) {
	_ = c.ws.WriteMessage(websocket.BinaryMessage, append([]byte{channel}, payload...))
}

// hangUp sends a close frame and waits for the client's.
func (c *shellPeer) hangUp(code int) {
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(time.Second))
	c.drain()
}

// drain reads until the client has gone, and returns why.
func (c *shellPeer) drain() error {
	for {
		if _, _, err := c.ws.ReadMessage(); err != nil {
			return err
		}
	}
}

// next returns the client's next message.
func (c *shellPeer) next() (channel byte, payload string, err error) {
	kind, message, err := c.ws.ReadMessage()
	switch {
	case err != nil:
		return 0, "", err
	case kind != websocket.BinaryMessage || len(message) == 0:
		c.t.Errorf("the client has sent a message of type %d with %q", kind, message)
		return 0, "", io.ErrUnexpectedEOF
	}
	return message[0], string(message[1:]), nil
}

// expect fails the test when the client's next message is another one.
func (c *shellPeer) expect(channel byte, payload string) {
	c.t.Helper()
	gotChannel, got, err := c.next()
	if err != nil || gotChannel != channel || got != payload {
		c.t.Errorf("the client has sent %#x %.40q and %v, want %#x %.40q", gotChannel, got, err, channel, payload)
	}
}

// bubble runs a test with a clock of its own.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// openShell opens a shell, which is closed when the test ends.
func openShell(t *testing.T, service *shellService, o client.ShellOptions, opts ...client.Option) *client.Shell {
	t.Helper()
	shell, err := service.Shell(t.Context(), o, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = shell.Detach() })
	return shell
}

// wantEnd fails the test when a shell ends differently.
func wantEnd(t *testing.T, shell *client.Shell, output string, exit client.ExitStatus, target error) {
	t.Helper()
	got, readErr := io.ReadAll(shell)
	if string(got) != output {
		t.Errorf("the output is %q, want %q", got, output)
	}
	gotExit, err := shell.Wait()
	if gotExit != exit || !errors.Is(err, target) {
		t.Errorf("the shell has ended with %+v and %v, want %+v and %v", gotExit, err, exit, target)
	}
	if !errors.Is(readErr, err) {
		t.Errorf("reading has ended with %v, and the shell with %v", readErr, err)
	}
}

// noExit is the status of a shell that has not exited.
var noExit = client.ExitStatus{Code: -1}

// checkLeaks fails the test when goroutines are left.
func checkLeaks(t *testing.T) {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
}
