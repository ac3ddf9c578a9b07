package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/internal/wire"
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
	decode := wire.MessageDecoder[Message](decoder[In](), func(_ []byte, err error) error { return &MessageError{err} })
	encode := wire.MessageEncoder[Message, Out]()
	return WebSocketHandler{name: name, serve: func(s *socket) error {
		return handle(s.ctx, &Conn[In, Out]{socket: s, decode: decode, encode: encode})
	}}
}

// RawWebSocket returns a handler that works on the accepted connection itself.
// It must keep the rules of package websocket: one reader and one writer at a
// time, and somebody has to read. When it returns, the connection is closed as
// in [WebSocket]. The context ends when the server shuts down or the handler has
// returned, and not when the client goes away, which only reading tells.
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
// one, a [Message] as what it says, and every other type as JSON in a text message.
//
// One goroutine may receive while any number send. A Conn is closed when its
// handler returns; it must not be used after that. A panic in a goroutine that
// the handler has started is not recovered: it ends the process.
type Conn[In, Out any] struct {
	socket *socket
	decode func(kind int, data []byte) (In, error)
	encode func(Out) (kind int, data []byte, err error)
}

// Message is a WebSocket message as it comes or goes. A Conn that receives or sends
// Messages can mix text, JSON and binary data.
type Message struct {
	// Binary tells a binary message from a text.
	Binary bool
	// Data is the message. Text that is sent has to be UTF-8; what is not is mended.
	Data []byte
}

// TextMessage returns a text message.
func TextMessage(text string) Message { return Message{Data: []byte(text)} }

// BinaryMessage returns a binary message. It keeps data.
func BinaryMessage(data []byte) Message { return Message{Binary: true, Data: data} }

// JSONMessage returns a text message with the JSON of value.
func JSONMessage(value any) (Message, error) {
	var buf bytes.Buffer
	err := wire.AppendJSON(&buf, value)
	return Message{Data: buf.Bytes()}, err
}

// DecodeMessage decodes the JSON of a message, and validates the value, as a Conn
// of that type does. The error is a [*MessageError].
func DecodeMessage[T any](m Message) (T, error) {
	value, err := decoder[T]()(m.Data)
	if err != nil {
		var none T
		return none, &MessageError{err}
	}
	return value, nil
}

// CloseError says how a connection was closed. [Conn.Receive] returns the one
// that the client sent; a handler returns one to choose what it sends.
type CloseError struct {
	// Code is a close code of RFC 6455, or 4000 to 4999 for the agent's own.
	// What must not be sent, 1006 for one, is sent as 1011.
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

// MessageError is the error of [Conn.Receive] for a message that does not decode.
// The connection is still good. A handler that returns one closes it with 1011
// and the error's text for a reason.
type MessageError struct {
	// Err is what is wrong with the message.
	Err error
}

func (e *MessageError) Error() string { return "unexpected message: " + e.Err.Error() }

func (e *MessageError) Unwrap() error { return e.Err }

// Accept accepts the connection, if that has not happened yet. When the client's
// handshake is not a good one, the client has been told so.
func (c *Conn[In, Out]) Accept() error { return c.socket.accept() }

// Receive returns the client's next message. It waits until one comes, the
// client goes away, or ctx ends, which does the connection no harm.
//
// When the client has closed the connection or gone away, the error is a
// [*CloseError]; errors.Is(err, io.EOF) tells a regular end. When the server
// shuts down, it is [http.ErrServerClosed]. When the message does not decode
// into an In, it is a [*MessageError].
func (c *Conn[In, Out]) Receive(ctx context.Context) (In, error) {
	kind, data, err := c.socket.receive(ctx)
	if err != nil {
		var none In
		return none, err
	}
	return c.decode(kind, data)
}

// Messages returns the client's messages in turn. It ends when the conversation
// has had a regular end, and else with the error of [Conn.Receive]. After a
// [*MessageError] a loop may go on.
func (c *Conn[In, Out]) Messages(ctx context.Context) iter.Seq2[In, error] {
	return func(yield func(In, error) bool) {
		for {
			kind, data, err := c.socket.receive(ctx)
			if err != nil {
				if !errors.Is(err, io.EOF) {
					var none In
					yield(none, err)
				}
				return
			}
			if !yield(c.decode(kind, data)) {
				return
			}
		}
	}
}

// Send sends a message. It returns when the message is handed to the operating
// system, not when the client has it. Text that is not UTF-8 is mended. The
// errors of [Conn.Receive] about the end of the connection are those of Send,
// too.
//
// A message cannot be taken back half sent. When a client does not read for 30
// seconds, or ctx ends meanwhile, Send fails and the connection is lost: to
// break off an answer, end the context of what makes it, and not that of Send.
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
	_ = c.socket.conn.SetReadDeadline(time.Now().Add(closeTimeout))
	return c.socket.writeClose(code, reason)
}
