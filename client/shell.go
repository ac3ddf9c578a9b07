package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/internal/wire"
)

// Errors of a [Shell] that has ended without an exit status.
var (
	// ErrShellClosed follows [Shell.Close] and [Shell.Detach].
	ErrShellClosed = errors.New("shell: closed by this client")
	// ErrShellEnded is the end of a shell whose session has ended, for one: the
	// service says that it has ended, but not how.
	ErrShellEnded = errors.New("shell: ended by the service")
	// ErrShellTaken says that another client has connected to the shell, which
	// lives on.
	ErrShellTaken = errors.New("shell: taken over by another client")
	// ErrShellLost says that the connection was lost and not made again in time.
	// The shell may live on: a client of the same session can connect to it with
	// the same id.
	ErrShellLost = errors.New("shell: the connection was lost")
)

// shellError is one of the errors above, and what has led to it. It is not what
// that is: of the closing of a connection, [io.EOF].
type shellError struct{ kind, cause error }

func (e *shellError) Error() string { return e.kind.Error() + ": " + e.cause.Error() }

func (e *shellError) Is(target error) bool { return target == e.kind }

func (e *shellError) As(target any) bool { return errors.As(e.cause, target) }

// ShellOptions says which shell to open, and how to keep it. The zero value is
// good for a new one.
type ShellOptions struct {
	// ID is the id of the shell: up to 128 letters, digits, underscores and dashes,
	// of which the first is a letter or a digit. When the session has a shell with
	// this id it is taken over, with what it has written meanwhile. The default is
	// a new UUID.
	ID string
	// Width and Height are the size of the terminal in columns and lines. Zero
	// leaves that to the service.
	Width, Height int
	// Reconnect is how long it is tried to make a lost connection again. Zero is
	// 15 minutes, for which the service keeps a shell that nobody is connected to;
	// NeverReconnect and ReconnectForever are what they say.
	Reconnect time.Duration
	// OnReconnect is called when a lost connection was made again, with false if
	// the shell is a new one, for the old one is gone. It may use the
	// shell. Until it returns, the next loss is not seen to.
	OnReconnect func(shell *Shell, reconnected bool)
	// Stderr takes what the platform itself has to say, which is text. Without it,
	// that is part of the output. What the programs in the shell write to their
	// standard error is always part of it: a terminal has one stream.
	Stderr io.Writer
	// OnUnknown is called with messages on channels that have no meaning yet. It
	// must not keep payload.
	OnUnknown func(channel byte, payload []byte)
	// Logger takes warnings, and the attempts to connect again. There is none by
	// default.
	Logger *slog.Logger
}

// Values of [ShellOptions].Reconnect.
const (
	NeverReconnect   time.Duration = -1
	ReconnectForever time.Duration = math.MaxInt64
)

// shellIDPattern is the Python SDK's.
var shellIDPattern = regexp.MustCompile(`\A[a-zA-Z0-9][a-zA-Z0-9_-]{0,127}\z`)

// shellConfirmTimeout is how long the service may take to say that a connection is made.
const shellConfirmTimeout = 10 * time.Second

// headerShellID is where the answer to a handshake has the id of the shell.
const headerShellID = "X-Amzn-Bedrock-Agentcore-Shell-Id"

// Shell is an interactive shell in the container of an agent's session, on a
// terminal: what is written to it is typed there, and what is read from it is
// what the terminal shows. [Client.Shell] opens one.
//
// A connection that is lost is made again, as [ShellOptions] says. The shell
// runs on meanwhile, and what it has written, up to 256 KB, comes when the
// connection is there again.
//
// Somebody has to read: when 256 KB wait for that, the shell has to wait, too,
// and the end of the connection goes unnoticed. One goroutine may read while
// others write, resize, wait and close.
//
// A Shell holds a connection until [Shell.Close] or [Shell.Detach] is called, or
// the shell has ended.
type Shell struct {
	options ShellOptions
	log     *slog.Logger

	transport *Transport // for reconnecting
	call      call       // without what adopt may change

	// ctx has the values of the one that opened the shell, and ends with the shell.
	ctx    context.Context
	cancel context.CancelFunc

	output *shellOutput
	typing chan struct{} // a lock, held by one Write

	mu           sync.Mutex
	changed      *sync.Cond // conn has, or the shell has ended
	conn         *shellConn // nil while there is none
	id           string
	idFromHeader bool
	session      string
	size         terminalSize // zero for what the service has
	dropped      int64
	connDropped  int64 // of dropped, what conn has added

	ended chan struct{} // closed when the shell has, for this client
	exit  ExitStatus    // before it is closed
	err   error
}

// Shell opens a shell in the client's session, or takes over the one with the id
// in o. It is AWS's operation InvokeAgentRuntimeCommandShell, which needs the
// permission of that name; the CLI of AWS asks for another one,
// bedrock-agentcore:InvokeAgentRuntimeCommandWithWebSocketStream. Agents that were
// deployed before 5 June 2026 have to be deployed again for it.
//
// An id or a size that is none is a [*ParameterError]; a refusal is an [*Error],
// with status 424 when the container is not ready and 429 when the runtime has ten
// shells already. For an agent that is reached with [Direct], the error is
// [errors.ErrUnsupported].
//
// The end of ctx ends the attempt to open the shell, and means nothing to one that
// is open.
func (c *Client) Shell(ctx context.Context, o ShellOptions, opts ...Option) (*Shell, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	call, settings, err := c.newCall(ctx, opShell, http.MethodGet, opts)
	if err != nil {
		return nil, err
	}
	if call.query, err = c.shellQuery(); err != nil {
		return nil, err
	}
	settings.override(call.header)
	call.tokenAsSubprotocol = true
	call.replayable = true // the next connection has the same shell

	s := &Shell{
		options: o, log: o.Logger, transport: c.transport.forShells(true), call: call,
		output: newShellOutput(), typing: make(chan struct{}, 1), ended: make(chan struct{}),
		id: cmp.Or(o.ID, uuid.NewString()), session: settings.session,
		size: terminalSize{o.Width, o.Height},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.changed = sync.NewCond(&s.mu)
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))

	conn, err := s.connect(ctx, c.transport.forShells(false), settings.note)
	if err == nil && !conn.isConfirmed() && conn.isDone() {
		err = conn.end.err // nil when the shell has exited already
	}
	if err != nil {
		if conn != nil {
			conn.abort()
		}
		s.finish(noExit, err)
		return nil, err
	}
	s.install(conn)
	go s.run(conn)
	return s, nil
}

func (o *ShellOptions) check() error {
	switch {
	case o.ID != "" && !shellIDPattern.MatchString(o.ID):
		return &ParameterError{"shell id", o.ID, "it has up to 128 letters, digits, underscores and dashes, and begins with a letter or a digit"}
	case o.Width == 0 && o.Height == 0:
		return nil
	}
	return checkSize(o.Width, o.Height)
}

func checkSize(width, height int) error {
	for _, n := range []int{width, height} {
		if n <= 0 {
			return &ParameterError{"size of the terminal", strconv.Itoa(n), "it is the number of columns or lines, which is at least 1"}
		}
	}
	return nil
}

// shellQuery returns the parameters of every handshake. The CLI of AWS always
// names the endpoint.
func (c *Client) shellQuery() (url.Values, error) {
	u, err := c.transport.address.url(opShell)
	if err != nil {
		return nil, err
	}
	query := make(url.Values)
	if !u.Query().Has("qualifier") {
		query.Set("qualifier", "DEFAULT")
	}
	return query, nil
}

// ID returns the id of the shell, with which another [Client] of the same session
// can take it over.
func (s *Shell) ID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// SessionID returns the id of the session that the shell is in. It is the
// client's, unless the service has given it another one.
func (s *Shell) SessionID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.session
}

// BytesDropped returns how much of the shell's output was lost because the shell
// has written more than 256 KB while there was no connection.
func (s *Shell) BytesDropped() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// Read reads what the shell has written, as the terminal shows it. After the shell
// has exited, and all of it was read, the error is [io.EOF]; after any other end
// it is that of [Shell.Wait].
func (s *Shell) Read(p []byte) (int, error) { return s.output.read(context.Background(), p) }

// Write types p on the shell's terminal: \r is the enter key, and \x03 ends the
// program that runs. It returns when all of p is handed to the operating system.
// While there is no connection it waits for one.
//
// What a connection has not taken completely when it is lost is sent again with
// the next one, and nothing twice. What it has taken just before is lost with it
// if the service has not seen it yet.
func (s *Shell) Write(p []byte) (int, error) {
	select {
	case s.typing <- struct{}{}:
		defer func() { <-s.typing }()
	case <-s.ended:
	}
	written := 0
	for written < len(p) {
		frame := p[written:min(len(p), written+maxFrame-1)]
		if err := s.send(channelStdin, frame); err != nil {
			return written, err
		}
		written += len(frame)
	}
	return written, nil
}

// send sends a message, with the next connection if this one fails.
func (s *Shell) send(ch channel, payload []byte) error {
	var failed *shellConn
	for {
		conn, err := s.connOtherThan(failed)
		if err != nil {
			return err
		}
		if conn.write(ch, func() []byte { return payload }) == nil {
			return nil
		}
		conn.abort() // so that reading ends, too
		failed = conn
	}
}

// connOtherThan waits until there is another connection than the one that has failed.
func (s *Shell) connOtherThan(failed *shellConn) (*shellConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.isEnded():
			return nil, cmp.Or(s.err, io.ErrClosedPipe)
		case s.conn != nil && s.conn != failed:
			return s.conn, nil
		}
		s.changed.Wait()
	}
}

// Resize says how many columns and lines the terminal has. While there is no
// connection, the next one will say so. A size that is none is a
// [*ParameterError].
func (s *Shell) Resize(width, height int) error {
	if err := checkSize(width, height); err != nil {
		return err
	}
	s.mu.Lock()
	if s.isEnded() {
		defer s.mu.Unlock()
		return cmp.Or(s.err, io.ErrClosedPipe)
	}
	s.size = terminalSize{width, height}
	conn := s.conn
	s.mu.Unlock()
	if conn != nil {
		s.sendSize(conn)
	}
	return nil
}

// terminalSize is in columns and lines.
type terminalSize struct{ width, height int }

// sendSize says how large the terminal is, and returns what it has said. When
// that fails, the next connection says it.
func (s *Shell) sendSize(conn *shellConn) (size terminalSize) {
	err := conn.write(channelResize, func() []byte { // the last one says the newest size
		s.mu.Lock()
		defer s.mu.Unlock()
		size = s.size
		return resizePayload(size.width, size.height)
	})
	if err != nil {
		conn.abort()
	}
	return size
}

// Wait waits until the shell has ended, and returns its exit status. Something
// has to read meanwhile. A shell that has failed, or was killed, has no error for
// that. The error is one of [ErrShellClosed], [ErrShellEnded], [ErrShellTaken] and
// [ErrShellLost], or an [*Error] when it was the platform that failed, or what the
// service did wrong. It may be called more than once.
func (s *Shell) Wait() (ExitStatus, error) {
	<-s.ended
	return s.exit, s.err
}

// Close ends the shell, and the programs that run in it: the service kills them.
// See [Shell.Detach] for another way. It returns when the service has said that
// it knows, which it waits a second for. What was not read is lost. While there
// is no connection the shell cannot be told, and that is an error. On a shell
// that has ended Close does nothing.
func (s *Shell) Close() error { return s.leave(true) }

// Detach closes the connection and leaves the shell running. For about 15
// minutes, a client of the same session can connect to it with the same id. On a
// shell that has ended it does nothing.
func (s *Shell) Detach() error { return s.leave(false) }

func (s *Shell) leave(kill bool) error {
	conn, ended := s.finish(noExit, ErrShellClosed)
	switch {
	case ended:
		return nil
	case conn == nil && kill:
		return errors.New("shell: there is no connection to say it with: the shell runs until the service gives it up")
	case conn == nil:
		return nil
	}
	gone := make(chan struct{})
	timer := time.AfterFunc(shellCloseTimeout, func() {
		conn.abort()
		close(gone)
	})
	defer timer.Stop()
	defer conn.abort()
	if kill {
		if err := conn.write(channelClose, nil); err != nil {
			return fmt.Errorf("shell: it could not be told to end: %w", err)
		}
	}
	conn.sayGoodbye(websocket.CloseNormalClosure, "")
	select {
	case <-conn.done: // to go earlier could cost the service what was sent last
	case <-gone:
	}
	return nil
}

// finish ends the shell, once. It returns the connection that there was, and
// whether the shell had ended before.
func (s *Shell) finish(exit ExitStatus, err error) (conn *shellConn, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isEnded() {
		return nil, true
	}
	s.exit, s.err = exit, err
	close(s.ended)
	s.cancel()
	s.output.end(cmp.Or(err, io.EOF), err == ErrShellClosed)
	s.changed.Broadcast()
	return s.conn, false
}

// isEnded reports whether the shell has ended. The caller holds s.mu.
func (s *Shell) isEnded() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// run keeps the shell connected until it has ended.
func (s *Shell) run(conn *shellConn) {
	for attempts := 0; ; {
		since := time.Now()
		conn.ping()
		if time.Since(since) >= shellSteady {
			attempts = 0
		}
		s.uninstall(conn)
		if !conn.end.lost {
			if _, left := s.finish(conn.end.exit, conn.end.err); !left {
				conn.sayGoodbye(websocket.CloseNormalClosure, "")
				conn.abort()
			}
			return
		}
		if s.ctx.Err() != nil { // it was this client that left
			return
		}
		var err error
		if conn, err = s.reconnect(conn.end.err, &attempts); err != nil {
			s.finish(noExit, err)
			return
		}
		if s.install(conn) && s.options.OnReconnect != nil {
			s.options.OnReconnect(s, conn.isReconnected())
		}
	}
}

// install makes a connection the one that is used, unless the shell has ended. The
// size of the terminal comes before what is typed.
func (s *Shell) install(conn *shellConn) bool {
	defer context.AfterFunc(s.ctx, conn.abort)()
	for said := (terminalSize{}); ; said = s.sendSize(conn) {
		s.mu.Lock()
		switch {
		case s.isEnded():
			s.mu.Unlock()
			return false
		case conn.isDone() || said == s.size:
			s.conn = conn
			s.changed.Broadcast()
			s.mu.Unlock()
			return true
		}
		s.mu.Unlock()
	}
}

// uninstall takes away a connection that has ended.
func (s *Shell) uninstall(conn *shellConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = nil
}

// connect makes a connection, and waits until the service says that it is made.
// One over which the shell has ended already is a good one.
func (s *Shell) connect(ctx context.Context, t *Transport, note func(*http.Response)) (*shellConn, error) {
	ws, answer, err := t.dial(ctx, s.handshake())
	if err != nil {
		return nil, err
	}
	note(answer)
	s.adoptHeader(answer.Header)
	conn := newShellConn(ws)
	go s.receive(conn)

	timer := time.NewTimer(shellConfirmTimeout)
	defer timer.Stop()
	select {
	case <-conn.confirmed:
	case <-conn.done:
	case <-timer.C:
		s.log.Warn("shell: the service has not said that the connection is made, and it is used nevertheless",
			"shell", s.ID(), "waited", shellConfirmTimeout)
	case <-ctx.Done():
		conn.abort()
		return nil, context.Cause(ctx)
	}
	if conn.isDone() && !conn.isConfirmed() && conn.end.isEarly() {
		conn.abort()
		return nil, fmt.Errorf("shell: the connection was closed before the service had said that it is made: %w", conn.end.err)
	}
	return conn, nil
}

// handshake returns the call that connects to the shell.
func (s *Shell) handshake() call {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.call
	c.header, c.query = c.header.Clone(), maps.Clone(c.query)
	c.header[wire.HeaderSessionID] = []string{s.session}
	c.query.Set("shellId", s.id)
	if _, ok := s.transport.auth.(*bearer); ok { // as in the Python SDK; the CLI has the header only
		c.query.Set("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id", s.session)
	}
	return c
}

// adoptHeader takes the ids that the service has given. It also begins to count
// what the connection has lost.
func (s *Shell) adoptHeader(answer http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connDropped = 0
	s.session = cmp.Or(answer.Get(wire.HeaderSessionID), s.session)
	if id := answer.Get(headerShellID); id != "" {
		s.id, s.idFromHeader = id, true
	}
}

// adoptStatus takes the shell's id from the confirmation if the handshake's answer
// had none.
func (s *Shell) adoptStatus(status shellStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if status.shellID != "" && !s.idFromHeader {
		s.id = status.shellID
	}
}

// noteDropped counts what was lost before a connection was made, which the
// service says up to twice.
func (s *Shell) noteDropped(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > s.connDropped {
		s.dropped += n - s.connDropped
		s.connDropped = n
	}
}
