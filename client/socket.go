package client

import (
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/internal/wire"
)

const (
	// sendTimeout bounds one Send to an agent that does not read.
	sendTimeout = 30 * time.Second
	// closeTimeout bounds the wait for the agent's half of the closing handshake.
	closeTimeout = 5 * time.Second

	defaultMaxMessage = 16 << 20
)

// socket is one WebSocket connection. It keeps gorilla's rules for its users: one
// reader and one writer at a time, and no reading after a failure.
type socket struct {
	conn         *websocket.Conn
	maxMessage   int64
	pingInterval time.Duration

	// ended ends with the connection. Its cause is a *CloseError, or net.ErrClosed
	// when it was closed here.
	ended context.Context
	end   context.CancelCauseFunc

	next    chan received // has room for one message, which is read ahead
	taken   chan struct{} // says that there is room again
	sending chan struct{} // a lock that can be waited for with a context
	ponging atomic.Bool

	background sync.WaitGroup
	goodbye    bool          // the agent has said it
	readEnded  chan struct{} // closed after goodbye was set, if ever
	closing    atomic.Bool
	closeErr   error
	closed     chan struct{} // closed after closeErr was set
}

// received is a message.
type received struct {
	kind int
	data []byte
}

func newSocket(conn *websocket.Conn, maxMessage int64, pingInterval time.Duration) *socket {
	s := &socket{
		conn: conn, maxMessage: maxMessage, pingInterval: pingInterval,
		next: make(chan received, 1), taken: make(chan struct{}, 1), sending: make(chan struct{}, 1),
		readEnded: make(chan struct{}), closed: make(chan struct{}),
	}
	if s.maxMessage <= 0 || s.maxMessage == math.MaxInt64 {
		s.maxMessage = math.MaxInt64 - 1 // for one more is read to see that there is more
	}
	s.ended, s.end = context.WithCancelCause(context.Background())
	conn.SetReadLimit(s.maxMessage)
	conn.SetPingHandler(s.pong)
	conn.SetPongHandler(func(string) error { s.expectLife(); return nil })
	conn.SetCloseHandler(func(code int, reason string) error {
		s.goodbye = true
		s.end(&CloseError{Code: code, Reason: reason}) // before a Send can fail for the answer
		_ = s.writeClose(code, "")
		return nil
	})
	s.background.Go(s.readAll)
	if pingInterval > 0 {
		s.background.Go(s.ping)
	}
	return s
}

// readAll reads one message after the other, each when the last was taken, until
// the connection ends.
func (s *socket) readAll() {
	defer close(s.readEnded)
	for {
		got, err := s.read()
		if err != nil {
			s.end(err)
			s.drop()
			return
		}
		if s.ended.Err() != nil {
			continue // for the agent's goodbye
		}
		s.next <- got
		select {
		case <-s.taken:
		case <-s.ended.Done():
		}
	}
}

// read reads one message. Its failure is the end of the connection.
func (s *socket) read() (received, error) {
	kind, data, err := s.readMessage()
	code := 0 // the code of a close frame that gorilla has not sent
	switch {
	case err == nil && kind == websocket.TextMessage && !utf8.Valid(data):
		code = websocket.CloseInvalidFramePayloadData
		err = &CloseError{Code: code, Reason: "text that is not UTF-8"}
	case err == nil:
		return received{kind, data}, nil
	case errors.Is(err, websocket.ErrReadLimit): // not for a length beyond 63 bits, or what it expands to
		code = websocket.CloseMessageTooBig
	default:
		// gorilla has a CloseError for a connection that was lost.
		if _, corrupt := errors.AsType[flate.CorruptInputError](err); corrupt || err == io.ErrUnexpectedEOF {
			code = websocket.CloseProtocolError
		}
	}
	end := readError(err)
	s.end(end) // before the agent knows
	if code != 0 {
		_ = s.writeClose(code, "")
	}
	if !s.goodbye && end.Code != websocket.CloseAbnormalClosure {
		s.linger()
	}
	return received{}, end
}

// linger lets the agent have the close frame for what it did wrong. To close a
// connection on which something is unread could cost the agent what was sent last.
func (s *socket) linger() {
	_ = s.conn.SetReadDeadline(time.Now().Add(closeTimeout))
	conn := s.conn.NetConn()
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, conn)
}

// errExpandsTooFar is the error for a compressed message that is too large.
var errExpandsTooFar = fmt.Errorf("%w when it is expanded", websocket.ErrReadLimit)

// readMessage is gorilla's, with a limit for what a compressed message expands to.
func (s *socket) readMessage() (int, []byte, error) {
	s.expectLife()
	kind, r, err := s.conn.NextReader()
	if err != nil {
		return 0, nil, err
	}
	if s.pingInterval > 0 {
		r = livingReader{r, s}
	}
	data, err := io.ReadAll(io.LimitReader(r, s.maxMessage+1))
	if err == nil && int64(len(data)) > s.maxMessage {
		return 0, nil, errExpandsTooFar
	}
	return kind, data, err
}

// expectLife gives the agent time for its next sign of life.
func (s *socket) expectLife() {
	if s.pingInterval > 0 {
		_ = s.conn.SetReadDeadline(time.Now().Add(2 * s.pingInterval))
	}
}

// livingReader takes each part of a message for a sign of life.
type livingReader struct {
	io.Reader
	socket *socket
}

func (r livingReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if n > 0 {
		r.socket.expectLife()
	}
	return n, err
}

// readError says in a close code how reading failed.
func readError(err error) *CloseError {
	if own, ok := errors.AsType[*CloseError](err); ok {
		return own
	}
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
		return &CloseError{Code: closed.Code, Reason: closed.Text}
	}
	if errors.Is(err, websocket.ErrReadLimit) {
		return &CloseError{Code: websocket.CloseMessageTooBig, Reason: "the message is too large: raise the limit with WithMaxMessage"}
	}
	if _, broken := errors.AsType[net.Error](err); broken {
		return &CloseError{Code: websocket.CloseAbnormalClosure, Reason: err.Error()}
	}
	return &CloseError{Code: websocket.CloseProtocolError, Reason: strings.TrimPrefix(err.Error(), "websocket: ")}
}

// receive returns the next message. What came before the end comes before it.
func (s *socket) receive(ctx context.Context) (received, error) {
	if ctx.Err() != nil {
		return received{}, context.Cause(ctx)
	}
	if context.Cause(s.ended) == net.ErrClosed {
		return received{}, net.ErrClosed
	}
	select {
	case got := <-s.next:
		return s.take(got)
	case <-ctx.Done():
		return received{}, context.Cause(ctx)
	case <-s.ended.Done():
	}
	select {
	case got := <-s.next:
		return s.take(got)
	default:
		return received{}, context.Cause(s.ended)
	}
}

// take makes room for another message.
func (s *socket) take(got received) (received, error) {
	s.taken <- struct{}{}
	return got, nil
}

// send sends one message, alone.
func (s *socket) send(ctx context.Context, kind int, data []byte) error {
	select {
	case s.sending <- struct{}{}:
		defer func() { <-s.sending }()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.ended.Done():
	}
	if s.ended.Err() != nil {
		return context.Cause(s.ended)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	stop := context.AfterFunc(ctx, func() {
		s.end(&CloseError{Code: websocket.CloseAbnormalClosure, Reason: "the context of a Send has ended, and a message was broken off"})
		s.drop()
	})
	err := s.conn.WriteMessage(kind, data)
	if !stop() {
		err = context.Cause(ctx) // which has cost the connection, however far the message came
	}
	if err == nil {
		return nil
	}
	if !errors.Is(err, websocket.ErrCloseSent) {
		// Part of the message may be out, so nothing can follow it.
		s.end(&CloseError{Code: websocket.CloseAbnormalClosure, Reason: err.Error()})
		s.drop()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return context.Cause(s.ended)
}

// drop ends the connection without a goodbye.
func (s *socket) drop() { _ = s.conn.Close() }

// ping sends pings for as long as the connection lasts.
func (s *socket) ping() {
	ticker := time.NewTicker(s.pingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			// Reading finds out what it means if this fails.
			_ = s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(sendTimeout))
		case <-s.ended.Done():
			return
		}
	}
}

// pong answers a ping. It does not make reading wait for an agent that does not
// read itself before it was read from.
func (s *socket) pong(data string) error {
	s.expectLife()
	if s.ponging.CompareAndSwap(false, true) {
		s.background.Go(func() {
			_ = s.conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(sendTimeout))
			s.ponging.Store(false)
		})
	}
	return nil
}

// close says goodbye and releases the connection, once.
func (s *socket) close(code int, reason string) error {
	if !s.closing.CompareAndSwap(false, true) {
		<-s.closed
		return s.closeErr
	}
	defer close(s.closed)
	s.end(net.ErrClosed)
	if context.Cause(s.ended) == net.ErrClosed { // and not what came before
		s.closeErr = s.sayGoodbye(code, reason)
	}
	s.drop()
	s.background.Wait()
	return s.closeErr
}

// sayGoodbye sends a close frame and waits for the agent's.
func (s *socket) sayGoodbye(code int, reason string) error {
	timeout := time.NewTimer(closeTimeout)
	defer timeout.Stop()
	if err := s.writeClose(code, reason); err != nil && !errors.Is(err, websocket.ErrCloseSent) {
		return fmt.Errorf("say goodbye to the agent: %w", err)
	}
	select {
	case <-s.readEnded:
		if s.goodbye {
			return nil
		}
		return errors.New("the agent has closed the connection without a goodbye")
	case <-timeout.C:
		return fmt.Errorf("the agent has not said goodbye within %v", closeTimeout)
	}
}

// writeClose sends a close frame.
func (s *socket) writeClose(code int, reason string) error {
	message := wire.CloseMessage(code, reason)
	return s.conn.WriteControl(websocket.CloseMessage, message, time.Now().Add(closeTimeout))
}
