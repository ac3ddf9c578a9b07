package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

// WebSocketHandler serves GET /ws. [WebSocket] and [RawWebSocket] make one; the
// zero value is no handler.
type WebSocketHandler struct {
	name  string
	serve func(*socket) error
	raw   bool
}

// WebSocket returns a handler for WebSocket connections, one call for each. The
// name stands for the handler in logs.
//
// The handler accepts the connection by using it, or with [Conn.Accept]. If it
// returns an error before that, the handshake is refused with 403, or with the
// status of a [StatusError]. After that, returning nil closes the connection
// with 1000, a [CloseError] with its code, and any other error or a panic with
// 1011. The context ends when the client goes away or the server shuts down.
func WebSocket[In, Out any](name string, handle func(context.Context, *Conn[In, Out]) error) WebSocketHandler {
	decode, encode := messageDecoder[In](), messageEncoder[Out]()
	return WebSocketHandler{name: name, serve: func(s *socket) error {
		return handle(s.ctx, &Conn[In, Out]{socket: s, decode: decode, encode: encode})
	}}
}

// RawWebSocket returns a handler that works on the accepted connection itself.
// It must keep the rules of package websocket: one reader and one writer at a
// time, and somebody has to read. When it returns, the connection is closed as
// in [WebSocket]. The context ends when the server shuts down.
func RawWebSocket(name string, handle func(context.Context, *websocket.Conn) error) WebSocketHandler {
	return WebSocketHandler{name: name, raw: true, serve: func(s *socket) error {
		if err := s.accept(); err != nil {
			return err
		}
		return handle(s.ctx, s.conn)
	}}
}

// Conn is a WebSocket connection that receives values of type In and sends
// values of type Out. A string travels as a text message, a []byte as a binary
// one, and every other type as JSON in a text message.
//
// One goroutine may receive while any number send. A Conn is closed when its
// handler returns; it must not be used after that.
type Conn[In, Out any] struct {
	socket *socket
	decode func(kind int, data []byte) (In, error)
	encode func(Out) (kind int, data []byte, err error)
}

// CloseError says how a connection was closed. [Conn.Receive] returns the one
// that the client sent; a handler returns one to choose what it sends.
type CloseError struct {
	// Code is a close code of RFC 6455, or 4000 to 4999 for the agent's own.
	Code int
	// Reason has at most 123 bytes; the rest is cut off.
	Reason string
}

func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("websocket closed with %d", e.Code)
	}
	return fmt.Sprintf("websocket closed with %d: %s", e.Code, e.Reason)
}

// Is reports a regular end of the conversation, with code 1000, 1001 or none,
// as [io.EOF].
func (e *CloseError) Is(target error) bool {
	switch e.Code {
	case websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived:
		return target == io.EOF
	}
	return false
}

// Accept accepts the connection, if that has not happened yet.
func (c *Conn[In, Out]) Accept() error { return c.socket.accept() }

// Receive returns the client's next message. It waits until one comes, the
// client goes away, or ctx ends, which does the connection no harm.
//
// When the client has closed the connection or gone away, the error is a
// [*CloseError]; errors.Is(err, io.EOF) tells a regular end. After a message
// that does not decode into an In the connection is still good.
func (c *Conn[In, Out]) Receive(ctx context.Context) (In, error) {
	kind, data, err := c.socket.receive(ctx)
	if err != nil {
		var none In
		return none, err
	}
	return c.decode(kind, data)
}

// Messages returns the client's messages in turn. The sequence ends when the
// conversation does, and else with the error of [Conn.Receive].
func (c *Conn[In, Out]) Messages(ctx context.Context) iter.Seq2[In, error] {
	return func(yield func(In, error) bool) {
		for {
			message, err := c.Receive(ctx)
			if errors.Is(err, io.EOF) || !yield(message, err) || err != nil {
				return
			}
		}
	}
}

// Send sends a message. It returns when the message is handed to the operating
// system, not when the client has it. A client that does not read makes it
// fail after 30 seconds, or when ctx ends; the connection is then lost.
func (c *Conn[In, Out]) Send(ctx context.Context, message Out) error {
	kind, data, err := c.encode(message)
	if err != nil {
		return fmt.Errorf("encode the message: %w", err)
	}
	return c.socket.send(ctx, kind, data)
}

// Close says goodbye with a code and a reason. The client's answer ends
// [Conn.Receive], and nothing can be sent any more. A handler that has nothing
// special to say need not call it.
func (c *Conn[In, Out]) Close(code int, reason string) error {
	if err := c.socket.accept(); err != nil {
		return err
	}
	return c.socket.sayGoodbye(code, reason)
}

func messageDecoder[In any]() func(int, []byte) (In, error) {
	var zero In
	switch any(zero).(type) {
	case string:
		return func(kind int, data []byte) (In, error) {
			if kind == websocket.BinaryMessage && !utf8.Valid(data) {
				return zero, errors.New("received a binary message that is not text")
			}
			return any(string(data)).(In), nil
		}
	case []byte:
		return func(_ int, data []byte) (In, error) { return any(data).(In), nil }
	}
	decode := decoder[In]()
	return func(_ int, data []byte) (In, error) {
		value, err := decode(data)
		if err != nil {
			return zero, fmt.Errorf("received a message that is not as expected: %w", err)
		}
		return value, nil
	}
}

func messageEncoder[Out any]() func(Out) (int, []byte, error) {
	var zero Out
	switch any(zero).(type) {
	case string:
		return func(out Out) (int, []byte, error) { return websocket.TextMessage, []byte(any(out).(string)), nil }
	case []byte:
		return func(out Out) (int, []byte, error) { return websocket.BinaryMessage, any(out).([]byte), nil }
	}
	return func(out Out) (int, []byte, error) {
		var buf bytes.Buffer
		err := appendJSON(&buf, out)
		return websocket.TextMessage, buf.Bytes(), err
	}
}
