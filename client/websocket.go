package client

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/internal/wire"
)

// Connect opens a WebSocket connection to an agent, which receives values of type
// In and sends values of type Out. The types are the handler's the other way
// round. The caller closes it.
//
// On AgentCore it needs the permission
// bedrock-agentcore:InvokeAgentRuntimeWithWebSocketStream.
//
// The context bounds the handshake only. A handshake that the agent or AgentCore
// refuses is an [*Error] with the status of the refusal. One that was throttled,
// or that has met no agent, is made again, up to [WithMaxAttempts].
//
// AgentCore ends connections after an hour, and when nothing has come or gone for
// some 15 minutes; see [WithPingInterval].
func Connect[In, Out any](ctx context.Context, c *Client, opts ...Option) (*Conn[In, Out], error) {
	call, settings, err := c.newCall(ctx, opConnect, http.MethodGet, opts)
	if err != nil {
		return nil, err
	}
	settings.override(call.header)
	conn, answer, err := c.transport.dial(ctx, call)
	if err != nil {
		return nil, err
	}
	settings.note(answer)
	return &Conn[In, Out]{
		socket:  newSocket(conn, c.transport.maxMessage, c.transport.pingInterval),
		session: cmp.Or(answer.Header.Get(wire.HeaderSessionID), settings.session),
		decode:  wire.MessageDecoder[Message](jsonDecoder[In](receivedMessage), refuseMessage[In]),
		encode:  wire.MessageEncoder[Message, Out](),
	}, nil
}

// handshake dials, and unlike gorilla's dialer gives up as soon as ctx ends, also
// while it waits for an answer.
func handshake(ctx context.Context, d websocket.Dialer, url string, header http.Header) (*websocket.Conn, *http.Response, error) {
	stop := func() bool { return true }
	stoppable := func(dial dialFunc) dialFunc {
		return func(dialContext context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(dialContext, network, address)
			if err == nil {
				stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
			}
			return conn, err
		}
	}
	if d.NetDialTLSContext != nil {
		d.NetDialTLSContext = stoppable(d.NetDialTLSContext)
	}
	switch dial := d.NetDial; {
	case d.NetDialContext != nil:
		d.NetDialContext = stoppable(d.NetDialContext)
	case dial != nil:
		d.NetDialContext = stoppable(func(_ context.Context, network, address string) (net.Conn, error) { return dial(network, address) })
	default:
		d.NetDialContext = stoppable(new(net.Dialer).DialContext)
	}
	conn, answer, err := d.DialContext(ctx, url, header)
	if !stop() {
		return nil, nil, context.Cause(ctx)
	}
	return conn, answer, err
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// refuseMessage returns the error for a message that does not decode.
func refuseMessage[In any](data []byte, err error) error {
	if _, ok := errors.AsType[*DecodeError](err); ok {
		return err
	}
	return misfit[In](receivedMessage, data, err)
}

// WithMaxMessage limits the bytes of one message of a WebSocket connection. The
// default is 16 MiB, as on the side of the agent; zero means no limit. A larger
// message ends the connection with 1009.
func WithMaxMessage(bytes int64) TransportOption {
	return func(o *transportOptions) { o.maxMessage = bytes }
}

// WithPingInterval sends a ping on each WebSocket connection as often as that,
// which keeps those in between from taking it for idle. A connection on which
// nothing has come for twice as long while somebody receives is lost. The default
// is none: an agent that runs on package runtime, or the Python SDK, sends pings
// itself.
func WithPingInterval(every time.Duration) TransportOption {
	return func(o *transportOptions) { o.pingInterval = every }
}

// Conn is a WebSocket connection to an agent. A string travels as a text message,
// a []byte as a binary one, a [Message] as what it says, and every other type as
// JSON in a text message.
//
// Its methods may be called concurrently: one goroutine may receive while any
// number send. Pings are answered while somebody receives, and until one message
// has come that nobody has received. The caller closes it, also when it was lost.
type Conn[In, Out any] struct {
	socket  *socket
	session string
	decode  func(kind int, data []byte) (In, error)
	encode  func(Out) (kind int, data []byte, err error)
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

// DecodeMessage decodes the JSON of a message as a Conn of that type does. The
// error is a [*DecodeError].
func DecodeMessage[T any](m Message) (T, error) {
	return jsonDecoder[T](origin{what: "message"})(m.Data)
}

// CloseError says how the agent, or what is in between, has ended a connection.
type CloseError struct {
	// Code is a close code of RFC 6455, or 4000 to 4999 for the agent's own. An
	// agent's shutdown is 1001, its failure 1011, and a connection that was lost
	// 1006.
	Code int
	// Reason is what was said about it, which may be "".
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

// SessionID returns the id of the session that the connection belongs to: the one
// that the agent has answered with, or else the client's.
func (c *Conn[In, Out]) SessionID() string { return c.session }

// Receive returns the agent's next message. It waits until one comes, the
// connection ends, or ctx does, which does no harm to the connection and loses no
// message.
//
// When the agent has closed the connection, or it was lost, the error is a
// [*CloseError]; errors.Is(err, io.EOF) tells a regular end. After [Conn.Close] it
// is [net.ErrClosed]. When the message does not decode into an In, it is a
// [*DecodeError], and the connection is still good.
func (c *Conn[In, Out]) Receive(ctx context.Context) (In, error) {
	got, err := c.socket.receive(ctx)
	if err != nil {
		var none In
		return none, err
	}
	return c.decode(got.kind, got.data)
}

// Messages returns the agent's messages in turn. It ends when the conversation
// has had a regular end, or the connection was closed here, and else with the
// error of [Conn.Receive]. After a [*DecodeError] a loop may go on.
func (c *Conn[In, Out]) Messages(ctx context.Context) iter.Seq2[In, error] {
	return func(yield func(In, error) bool) {
		for {
			got, err := c.socket.receive(ctx)
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
					var none In
					yield(none, err)
				}
				return
			}
			if !yield(c.decode(got.kind, got.data)) {
				return
			}
		}
	}
}

// Send sends a message. It returns when the message is handed to the operating
// system, not when the agent has it. Text that is not UTF-8 is mended. The errors
// of [Conn.Receive] about the end of the connection are those of Send, too.
//
// A message cannot be taken back half sent. When the agent does not read for 30
// seconds, or ctx ends meanwhile, Send fails and the connection is lost.
func (c *Conn[In, Out]) Send(ctx context.Context, message Out) error {
	kind, data, err := c.encode(message)
	if err != nil {
		return fmt.Errorf("encode the message: %w", err)
	}
	return c.socket.send(ctx, kind, data)
}

// Close ends the conversation regularly, with 1000: see [Conn.CloseWith].
func (c *Conn[In, Out]) Close() error { return c.CloseWith(websocket.CloseNormalClosure, "") }

// CloseWith says goodbye with a close code, 4000 to 4999 for one's own, and a
// reason of at most 123 bytes. It waits for the agent's goodbye, up to five
// seconds, and releases the connection. What the agent still sends is dropped.
//
// The error says that the agent has not said goodbye, so that it may not have got
// what was sent last. There is none when the connection had ended before. Only
// the first call does something; the others wait for it and return the same.
//
// A code that cannot be sent, or a longer reason, is a [*ParameterError], and the
// connection is as it was.
func (c *Conn[In, Out]) CloseWith(code int, reason string) error {
	if !wire.Sendable(code) {
		return &ParameterError{"close code", strconv.Itoa(code), "it cannot be sent: 1000 is for a regular end, and 4000 to 4999 for one's own"}
	}
	if n := len(reason); n > wire.MaxCloseReason {
		return &ParameterError{"close reason", reason, fmt.Sprintf("a close frame has room for %d bytes, and this has %d", wire.MaxCloseReason, n)}
	}
	return c.socket.close(code, reason)
}
