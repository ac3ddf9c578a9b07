package runtime

import (
	"bufio"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/internal/wire"
)

const (
	// sendTimeout bounds one Send to a client that does not read.
	sendTimeout = 30 * time.Second
	// closeTimeout bounds the wait for the client's half of the closing
	// handshake.
	closeTimeout = time.Second
	// watchDelay is how long a handler may go without receiving before the
	// connection is read ahead, so that pings are answered and a client that
	// goes away is noticed.
	watchDelay = time.Second
	// goingAway is the reason to close at a shutdown.
	goingAway = "the server is shutting down"
)

// upgrader has small or shared buffers, since most connections are idle most of
// the time.
var upgrader = websocket.Upgrader{
	ReadBufferSize:   256, // what does not fit is read into the message itself
	WriteBufferSize:  4 << 10,
	HandshakeTimeout: sendTimeout,
	WriteBufferPool:  new(sync.Pool),
	CheckOrigin:      func(*http.Request) bool { return true }, // [WithAllowedOrigins] has seen to it
}

// minCompressed is how large a message has to be for compression to pay off.
const minCompressed = 256

// errHandshake is a failure that the upgrader has already answered.
var errHandshake = errors.New("the WebSocket handshake failed")

// socket is one WebSocket connection, from the request to upgrade it onwards.
// It keeps gorilla's rules for its users: one reader and one writer at a time,
// and no reading after a failure.
type socket struct {
	server *Server
	raw    bool // the handler reads and writes by itself
	r      *request
	freed  chan struct{} // closed when net/http is no longer needed; nil if it cannot be left

	// ctx is the handler's. It ends with a *CloseError when the client has
	// ended the connection.
	ctx    context.Context
	cancel context.CancelCauseFunc

	acceptOnce sync.Once
	acceptErr  error
	conn       *websocket.Conn // nil unless accepted
	unbind     func() bool     // undoes that the end of r's context stops reads and writes; may be nil
	unbound    chan struct{}   // closed when that has happened

	receiving sync.Mutex    // held by the one that reads
	ahead     chan received // where a message read ahead is, or will be; nil when there is none
	watch     *time.Timer   // reads ahead when it fires

	sending chan struct{} // a lock that can be waited for with a context

	reads   atomic.Uint64 // of the connection that have begun or ended: odd while one is under way
	pinging sync.Mutex    // held to set the timer, which may fire before it is stored
	pinger  *time.Timer   // nil if no pings are wanted
	pinged  uint64        // reads when the last ping was sent
}

// received is the outcome of one read.
type received struct {
	kind int
	data []byte
	err  error
}

// webSocket serves a WebSocket. Where it can, it does so in a goroutine of its own
// and returns once the connection is accepted: what net/http holds for each
// request, buffers and a deep stack, is more than all else of an idle connection.
func (s *Server) webSocket(r *request) {
	socket := &socket{server: s, raw: s.handlers.WebSocket.raw, r: r, sending: make(chan struct{}, 1)}
	requests, ok := r.Value(requestsKey{s}).(context.Context)
	if !ok || s.root != nil { // the end of this call may mean something to others
		socket.ctx, socket.cancel = context.WithCancelCause(r)
		socket.serve()
		return
	}
	request := r.Context // which ends with this call
	r.Context = detachedContext{requests, request.Value(http.ServerContextKey), request.Value(http.LocalAddrContextKey)}
	r.http = r.httpRequest() // not to keep the other's context
	socket.ctx, socket.cancel = context.WithCancelCause(r)
	freed := make(chan struct{})
	socket.freed = freed
	go func() {
		defer socket.free()
		defer socket.recover() // as net/http does for its goroutines
		socket.serve()
	}()
	select {
	case <-freed:
	case <-request.Done(): // the client is gone before it was accepted
		socket.cancel(context.Cause(request))
		<-freed
	}
}

// requestsKey holds the context of all requests of a server's [Server.Serve] in
// each of them. They may reach other servers, which are mounted in its middleware.
type requestsKey struct{ server *Server }

// detachedContext has the values of a request's context and the end of another.
type detachedContext struct {
	context.Context
	server, localAddr any
}

func (c detachedContext) Value(key any) any {
	switch key {
	case http.ServerContextKey:
		return c.server
	case http.LocalAddrContextKey:
		return c.localAddr
	}
	return c.Context.Value(key)
}

// free lets webSocket return.
func (s *socket) free() {
	if s.freed != nil {
		close(s.freed)
		s.freed = nil
	}
}

// recover ends the connection after a panic that is not the handler's: of a logger,
// or of an error's own methods.
func (s *socket) recover() {
	value := recover()
	if value == nil {
		return
	}
	err := panicked(value)
	_ = safely(func() error {
		s.server.log.ErrorContext(s.r, "serving a WebSocket failed", errorAttrs(err)...)
		return nil
	})
	if s.conn != nil {
		_ = s.conn.Close()
	} else if !s.r.w.begun {
		fail(s.r.w, err)
	}
}

// serve runs the handler and ends the connection.
func (s *socket) serve() {
	defer s.cancel(nil)
	s.r.w.Header()[wire.HeaderSessionID] = s.r.sessionHeader()
	if !s.server.sockets.add(s) {
		s.r.w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer s.server.sockets.remove(s)
	start := time.Now()
	err := errors.New("the handler ended its goroutine") // unless it returns
	defer func() {
		end, err := s.finish(err)
		s.server.logSocket(s.r, end, err, time.Since(start))
	}()
	err = safely(func() error { return s.server.handlers.WebSocket.serve(s) })
}

// socketEnd is how a connection ended, for the log.
type socketEnd int

const (
	socketServed  socketEnd = iota // the handler returned nil, or chose how to close
	socketRefused                  // before it was accepted
	socketLeft                     // by the client
	socketStopped                  // by the shutdown
	socketMisused                  // by the client, with a message that the handler did not take
	socketFailed                   // by the handler
)

// finish ends the connection after the handler has returned err.
func (s *socket) finish(err error) (socketEnd, error) {
	s.acceptOnce.Do(func() { s.acceptErr = errors.New("the handler has returned") })
	if s.conn == nil {
		return s.refuse(err)
	}
	defer s.conn.Close()
	if s.unbind != nil && !s.unbind() {
		<-s.unbound // lest it stop what is to be written now
	}
	if !s.raw {
		s.watch.Stop()
	}
	if s.pinger != nil {
		s.pinger.Stop()
	}
	cause := context.Cause(s.ctx)
	s.cancel(nil) // for goroutines that the handler left behind

	end, code, reason := socketServed, websocket.CloseNormalClosure, ""
	if own, ok := errors.AsType[*CloseError](err); ok {
		code, reason = own.Code, own.Reason
	} else if bad, ok := errors.AsType[*MessageError](err); ok {
		end, code, reason = socketMisused, websocket.CloseInternalServerErr, bad.Error()
	} else if err != nil {
		end, code = socketFailed, websocket.CloseInternalServerErr
	}
	if s.leftByClient(cause, err) {
		end = socketLeft
	} else if errors.Is(cause, http.ErrServerClosed) {
		code, reason = websocket.CloseGoingAway, goingAway // if shutDown has not said it yet
		if !isPanic(err) {
			end = socketStopped
		}
	}
	if err := s.writeClose(code, reason); err == nil || errors.Is(err, websocket.ErrCloseSent) {
		s.awaitClose()
	}
	return end, err
}

// leftByClient reports whether the client ended the connection, and the
// handler's error, if there is one, only says so.
func (s *socket) leftByClient(cause, err error) bool {
	if s.raw {
		if _, closed := errors.AsType[*websocket.CloseError](err); closed {
			return true
		}
		broken, ok := errors.AsType[*net.OpError](err)
		return ok && !broken.Timeout() && broken.Addr != nil && broken.Addr.String() == s.conn.RemoteAddr().String()
	}
	if _, left := errors.AsType[*CloseError](cause); !left && cause != context.Canceled { // before it was accepted
		return false
	}
	_, same := errors.AsType[*CloseError](err)
	return err == nil || same || errors.Is(err, context.Canceled)
}

// refuse answers a handshake that the handler has not accepted.
func (s *socket) refuse(err error) (socketEnd, error) {
	if errors.Is(s.acceptErr, errHandshake) {
		return socketRefused, s.acceptErr
	}
	s.r.w.Header().Set("Connection", "close")
	if err == nil {
		err = errors.New("the WebSocket handler returned without accepting the connection")
		fail(s.r.w, err)
		return socketFailed, err
	}
	end := socketRefused
	if isPanic(err) {
		end = socketFailed
	} else if context.Cause(s.ctx) == context.Canceled && errors.Is(err, context.Canceled) {
		end = socketLeft
	}
	answer := err
	if errors.Is(context.Cause(s.ctx), http.ErrServerClosed) {
		answer = Errorf(http.StatusServiceUnavailable, goingAway)
	} else if _, chosen := errors.AsType[*StatusError](err); !chosen {
		answer = &StatusError{Status: http.StatusForbidden, Err: err}
	}
	fail(s.r.w, answer)
	return end, err
}

// accept upgrades the connection, once.
func (s *socket) accept() error {
	s.acceptOnce.Do(func() {
		upgrader := upgrader
		// A raw handler's messages could not be kept within the limit.
		upgrader.EnableCompression = s.server.opts.compression && !s.raw
		header := s.r.w.Header() // with what middleware has set
		conn, err := upgrader.Upgrade(hijacker{s.r.w, s}, s.r.http, header)
		if err != nil {
			s.acceptErr = fmt.Errorf("%w: %w", errHandshake, err)
			return
		}
		conn.SetReadLimit(max(s.server.opts.maxMessage, 0)) // 0 is no limit
		if !s.raw {
			conn.SetCloseHandler(func(code int, reason string) error {
				s.cancel(&CloseError{Code: code, Reason: reason}) // before a Send can fail for the answer
				_ = s.writeClose(code, "")
				return nil
			})
		}
		s.conn = conn
		if s.freed == nil {
			s.unbound = make(chan struct{})
			s.unbind = context.AfterFunc(s.r, func() {
				defer close(s.unbound)
				if !errors.Is(context.Cause(s.r), http.ErrServerClosed) { // then shutDown is at work
					s.stopReading()
					s.stopSending()
				}
			})
		}
		if !s.raw {
			s.watch = time.AfterFunc(watchDelay, s.readOn)
		}
		if every := s.server.opts.pingInterval; every > 0 && !s.raw {
			s.pinging.Lock()
			s.pinger = time.AfterFunc(every, s.ping)
			s.pinging.Unlock()
		}
		if s.freed != nil {
			s.r.own.ResponseWriter = nil // the way to what net/http holds
			s.free()
		}
	})
	return s.acceptErr
}

// hijacker makes the socket know of reads from its connection.
type hijacker struct {
	*responseWriter
	socket *socket
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := h.responseWriter.Hijack()
	if err != nil || h.socket.raw {
		return conn, rw, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		return countingTCPConn{tcp, h.socket}, rw, nil
	}
	return countingConn{conn, h.socket}, rw, nil
}

// countingConn counts reads.
type countingConn struct {
	net.Conn
	socket *socket
}

func (c countingConn) Read(b []byte) (int, error) {
	c.socket.reads.Add(1)
	defer c.socket.reads.Add(1)
	return c.Conn.Read(b)
}

// countingTCPConn is countingConn with all methods of a TCP connection, one that
// writes several buffers at once among them.
type countingTCPConn struct {
	*net.TCPConn
	socket *socket
}

func (c countingTCPConn) Read(b []byte) (int, error) {
	c.socket.reads.Add(1)
	defer c.socket.reads.Add(1)
	return c.TCPConn.Read(b)
}

// ping asks the client for a sign of life, or ends the connection if the client has
// given none since the last time. Only where a read has been waiting all the time
// is that sure: else the sign may be among what was not read yet.
func (s *socket) ping() {
	if s.ctx.Err() != nil {
		return
	}
	gone := func() {
		s.cancel(&CloseError{Code: websocket.CloseAbnormalClosure, Reason: "the client gives no sign of life"})
		s.stopReading()
		s.stopSending()
	}
	reads := s.reads.Load()
	if reads%2 == 1 && reads == s.pinged {
		gone()
		return
	}
	select {
	case s.sending <- struct{}{}: // else a message under way would take of the ping's time
	case <-s.ctx.Done():
		return
	}
	s.pinged = reads
	err := s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(sendTimeout))
	<-s.sending
	if err != nil && !errors.Is(err, websocket.ErrCloseSent) {
		gone() // which nobody may be reading to learn
		return
	}
	s.pinging.Lock()
	defer s.pinging.Unlock()
	s.pinger.Reset(s.server.opts.pingInterval)
}

// receive returns the next message. With the handler's own context, whose end
// ends reading too, it reads in the calling goroutine. With another context it
// reads ahead, so that an end of that context leaves the message for the next
// call.
func (s *socket) receive(ctx context.Context) (int, []byte, error) {
	if err := s.accept(); err != nil {
		return 0, nil, err
	}
	s.receiving.Lock()
	defer s.receiving.Unlock()
	s.watch.Stop()
	defer func() {
		if s.ctx.Err() == nil {
			s.watch.Reset(watchDelay)
		}
	}()

	if s.ahead == nil {
		if s.ctx.Err() != nil {
			return 0, nil, context.Cause(s.ctx)
		}
		if ctx.Done() == nil || ctx.Done() == s.ctx.Done() {
			got := s.read()
			return got.kind, got.data, got.err
		}
		s.readAhead()
	}
	select {
	case got := <-s.ahead:
		s.ahead = nil
		return got.kind, got.data, got.err
	case <-ctx.Done():
		return 0, nil, context.Cause(ctx)
	}
}

// readOn reads ahead unless somebody receives. One message is enough: a client
// that sends more has to wait for the handler.
func (s *socket) readOn() {
	if !s.receiving.TryLock() {
		return
	}
	defer s.receiving.Unlock()
	if s.ahead == nil && s.ctx.Err() == nil {
		s.readAhead()
	}
}

// readAhead starts a read. The caller holds s.receiving.
func (s *socket) readAhead() {
	ahead := make(chan received, 1)
	s.ahead = ahead
	go func() { ahead <- s.read() }()
}

// read reads one message. Its failure is the end of the connection.
func (s *socket) read() received {
	kind, data, err := s.readMessage()
	code := 0 // the code of a close frame that gorilla has not sent
	switch {
	case err == nil && kind == websocket.TextMessage && !utf8.Valid(data):
		code = websocket.CloseInvalidFramePayloadData
		err = &CloseError{Code: code, Reason: "text that is not UTF-8"}
	case errors.Is(err, errExpandsTooFar):
		code = websocket.CloseMessageTooBig
	default:
		// gorilla has a CloseError for a connection that was lost.
		if _, corrupt := errors.AsType[flate.CorruptInputError](err); corrupt || err == io.ErrUnexpectedEOF {
			code = websocket.CloseProtocolError
		}
	}
	if err == nil {
		return received{kind: kind, data: data}
	}
	s.cancel(clientError(err)) // before the client knows, and may make other things happen
	if code != 0 {
		_ = s.writeClose(code, "")
	}
	return received{err: context.Cause(s.ctx)} // of the shutdown, if that came first
}

// errExpandsTooFar is the error for a compressed message that is too large.
var errExpandsTooFar = fmt.Errorf("%w when it is expanded", websocket.ErrReadLimit)

// readMessage is gorilla's, with a limit for what a compressed message expands to.
func (s *socket) readMessage() (int, []byte, error) {
	limit := s.server.opts.maxMessage
	if !s.server.opts.compression || limit <= 0 {
		return s.conn.ReadMessage()
	}
	kind, r, err := s.conn.NextReader()
	if err != nil {
		return 0, nil, err
	}
	limit = min(limit, math.MaxInt64-1)
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		return 0, nil, errExpandsTooFar
	}
	return kind, data, err
}

// clientError says in a close code how reading from the client failed. For
// what the client did wrong, that code has already been sent.
func clientError(err error) *CloseError {
	if own, ok := errors.AsType[*CloseError](err); ok {
		return own
	}
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
		return &CloseError{Code: closed.Code, Reason: closed.Text}
	}
	if errors.Is(err, websocket.ErrReadLimit) {
		return &CloseError{Code: websocket.CloseMessageTooBig, Reason: "the message is too large"}
	}
	if _, broken := errors.AsType[net.Error](err); broken {
		return &CloseError{Code: websocket.CloseAbnormalClosure, Reason: err.Error()}
	}
	return &CloseError{Code: websocket.CloseProtocolError, Reason: strings.TrimPrefix(err.Error(), "websocket: ")}
}

// send sends one message, alone.
func (s *socket) send(ctx context.Context, kind int, data []byte) error {
	if err := s.accept(); err != nil {
		return err
	}
	select {
	case s.sending <- struct{}{}:
		defer func() { <-s.sending }()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.ctx.Done():
	}
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	if ctx.Done() != nil && ctx.Done() != s.ctx.Done() {
		written, stopped := make(chan struct{}), make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(stopped)
			for { // gorilla sets its deadline late, and may undo ours
				s.stopSending()
				select {
				case <-written:
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
		defer func() {
			close(written)
			if !stop() {
				<-stopped // lest it stop the next one
			}
		}()
	}
	if s.server.opts.compression {
		s.conn.EnableWriteCompression(len(data) >= minCompressed)
	}
	err := s.conn.WriteMessage(kind, data)
	if errors.Is(err, websocket.ErrCloseSent) && s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	if err == nil || errors.Is(err, websocket.ErrCloseSent) {
		return err
	}
	// Part of the message may be out, so nothing can follow it.
	s.cancel(&CloseError{Code: websocket.CloseAbnormalClosure, Reason: err.Error()})
	_ = s.conn.NetConn().Close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return context.Cause(s.ctx)
}

// stopSending makes a write under way fail.
func (s *socket) stopSending() { _ = s.conn.NetConn().SetWriteDeadline(time.Unix(1, 0)) }

// stopReading makes a read under way fail, and all later ones.
func (s *socket) stopReading() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) }

// writeClose sends a close frame.
func (s *socket) writeClose(code int, reason string) error {
	message := wire.CloseMessage(code, reason)
	return s.conn.WriteControl(websocket.CloseMessage, message, time.Now().Add(closeTimeout))
}

// awaitClose reads until the client's close frame, or its end where frames
// cannot be read any more. To close a connection on which something is unread
// could cost the client what was sent last.
func (s *socket) awaitClose() {
	_ = s.conn.SetReadDeadline(time.Now().Add(closeTimeout))
	// A reader that a raw handler has left behind may go on setting deadlines.
	defer time.AfterFunc(2*closeTimeout, func() { _ = s.conn.Close() }).Stop()
	s.receiving.Lock()
	defer s.receiving.Unlock()
	if s.ahead != nil {
		<-s.ahead
	}
	for !s.raw { // a raw handler may have left a reader behind, and frames have room for one
		_, _, err := s.conn.NextReader()
		if err == nil {
			continue
		}
		if _, closed := errors.AsType[*websocket.CloseError](err); closed {
			return
		}
		break
	}
	conn := s.conn.NetConn()
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, conn)
}

// shutDown ends the connection for the shutdown. The handler's next Receive or
// Send fails, and a Receive under way as soon as the client has answered.
func (s *socket) shutDown() {
	s.cancel(http.ErrServerClosed)
	s.acceptOnce.Do(func() { s.acceptErr = http.ErrServerClosed })
	if s.conn == nil {
		return
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(closeTimeout))
	if s.writeClose(websocket.CloseGoingAway, goingAway) != nil {
		s.stopSending()
	}
}
