package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
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
	// maxCloseReason is what fits into a close frame beside the code.
	maxCloseReason = 123
)

var upgrader = websocket.Upgrader{
	// The platform has authenticated the caller, and its proxy is no browser.
	CheckOrigin: func(*http.Request) bool { return true },
}

// errHandshake is a failure that the upgrader has already answered.
var errHandshake = errors.New("the WebSocket handshake failed")

// socket is one WebSocket connection, from the request to upgrade it onwards.
// It keeps gorilla's rules for its users: one reader and one writer at a time,
// and no reading after a failure.
type socket struct {
	server *Server
	raw    bool // the handler reads and writes by itself
	w      http.ResponseWriter
	r      *http.Request

	// ctx is the handler's. It ends with a *CloseError when the client has
	// ended the connection.
	ctx    context.Context
	cancel context.CancelCauseFunc

	acceptOnce sync.Once
	acceptErr  error
	conn       *websocket.Conn // nil unless accepted
	unbind     func() bool     // undoes that the end of r's context stops reads and writes

	receiving sync.Mutex    // held by the one that reads
	ahead     chan received // where a message read ahead is, or will be; nil when there is none
	watch     *time.Timer   // reads ahead when it fires

	sending chan struct{} // a lock that can be waited for with a context
}

// received is the outcome of one read.
type received struct {
	kind int
	data []byte
	err  error
}

func (s *Server) webSocket(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	socket := &socket{
		server: s, raw: s.handlers.WebSocket.raw, w: w, r: r,
		ctx: ctx, cancel: cancel, sending: make(chan struct{}, 1),
	}
	w.Header().Set(headerSessionID, SessionID(ctx))
	if !s.sockets.add(socket) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer s.sockets.remove(socket)
	start := time.Now()
	err := errors.New("the handler ended its goroutine") // unless it returns
	defer func() {
		end, err := socket.finish(err)
		s.logSocket(r.Context(), end, err, time.Since(start))
	}()
	err = safely(func() error { return s.handlers.WebSocket.serve(socket) })
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
	s.unbind()
	if s.watch != nil {
		s.watch.Stop()
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
		code, reason = websocket.CloseGoingAway, goingAway // if leave has not said it yet
		if !isPanic(err) {
			end = socketStopped
		}
	}
	if err := s.sayGoodbye(code, reason); err == nil || errors.Is(err, websocket.ErrCloseSent) {
		s.awaitGoodbye()
	}
	return end, err
}

// leftByClient reports whether the client ended the connection, and the
// handler's error, if there is one, only says so.
func (s *socket) leftByClient(cause, err error) bool {
	if s.raw {
		_, closed := errors.AsType[*websocket.CloseError](err)
		return closed
	}
	if _, left := errors.AsType[*CloseError](cause); !left {
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
	s.w.Header().Set("Connection", "close")
	if err == nil {
		err = errors.New("the WebSocket handler returned without accepting the connection")
		fail(s.w, err)
		return socketFailed, err
	}
	end := socketRefused
	if isPanic(err) {
		end = socketFailed
	}
	answer := err
	if errors.Is(context.Cause(s.ctx), http.ErrServerClosed) {
		answer = Errorf(http.StatusServiceUnavailable, goingAway)
	} else if _, chosen := errors.AsType[*StatusError](err); !chosen {
		answer = &StatusError{Status: http.StatusForbidden, Err: err}
	}
	fail(s.w, answer)
	return end, err
}

// accept upgrades the connection, once.
func (s *socket) accept() error {
	s.acceptOnce.Do(func() {
		conn, err := upgrader.Upgrade(s.w, s.r, s.w.Header()) // what middleware has set
		if err != nil {
			s.acceptErr = fmt.Errorf("%w: %w", errHandshake, err)
			return
		}
		conn.SetReadLimit(max(s.server.opts.maxMessage, 0)) // 0 is no limit
		s.conn = conn
		s.unbind = context.AfterFunc(s.r.Context(), func() {
			if !errors.Is(context.Cause(s.r.Context()), http.ErrServerClosed) { // then leave is at work
				s.stopReading()
				s.stopSending()
			}
		})
		if !s.raw {
			s.watch = time.AfterFunc(watchDelay, s.readOn)
		}
	})
	return s.acceptErr
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
	kind, data, err := s.conn.ReadMessage()
	if err == nil && kind == websocket.TextMessage && !utf8.Valid(data) {
		err = &CloseError{Code: websocket.CloseInvalidFramePayloadData, Reason: "text that is not UTF-8"}
		_ = s.sayGoodbye(websocket.CloseInvalidFramePayloadData, "")
	}
	if err != nil {
		s.cancel(clientError(err))
		return received{err: context.Cause(s.ctx)} // of the shutdown, if that came first
	}
	return received{kind: kind, data: data}
}

// clientError says in a close code how reading from the client failed. For
// what the client did wrong, gorilla has already sent that code.
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
	err := s.conn.WriteMessage(kind, data)
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

// sayGoodbye sends a close frame.
func (s *socket) sayGoodbye(code int, reason string) error {
	if !sendable(code) {
		code = websocket.CloseInternalServerErr
	}
	reason = strings.ToValidUTF8(reason, "\ufffd") // else the client fails the connection
	for len(reason) > maxCloseReason {
		_, size := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-size]
	}
	message := websocket.FormatCloseMessage(code, reason)
	return s.conn.WriteControl(websocket.CloseMessage, message, time.Now().Add(closeTimeout))
}

// sendable reports whether a close frame may carry the code. 1005 stands for a
// frame without one.
func sendable(code int) bool {
	switch code {
	case 1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 1011, 1012, 1013:
		return true
	}
	return 3000 <= code && code <= 4999
}

// awaitGoodbye reads until the client's close frame, or its end where frames
// cannot be read any more. To close a connection on which something is unread
// could cost the client what was sent last.
func (s *socket) awaitGoodbye() {
	_ = s.conn.SetReadDeadline(time.Now().Add(closeTimeout))
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

// leave ends the connection for the shutdown. The handler's next Receive or
// Send fails, and a Receive under way as soon as the client has answered.
func (s *socket) leave() {
	s.cancel(http.ErrServerClosed)
	s.acceptOnce.Do(func() { s.acceptErr = http.ErrServerClosed })
	if s.conn == nil {
		return
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(closeTimeout))
	if s.sayGoodbye(websocket.CloseGoingAway, goingAway) != nil {
		s.stopSending()
	}
}
