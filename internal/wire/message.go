package wire

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

// Message is a WebSocket message, for which each end has a type of its own.
type Message interface {
	~struct {
		Binary bool
		Data   []byte
	}
}

// message is what every Message converts to.
type message struct {
	Binary bool
	Data   []byte
}

var errNotText = errors.New("binary data that is not text")

// MessageDecoder returns the function that makes an In of a message: a string of
// text, a []byte of any data, an M of the message itself, and another type with
// decode. What does not decode is an error that refuse makes.
func MessageDecoder[M Message, In any](decode func(data []byte) (In, error), refuse func(data []byte, err error) error) func(kind int, data []byte) (In, error) {
	var zero In
	switch any(zero).(type) {
	case string:
		return func(kind int, data []byte) (In, error) {
			if kind == websocket.BinaryMessage && !utf8.Valid(data) {
				return zero, refuse(data, errNotText)
			}
			return any(string(data)).(In), nil
		}
	case []byte:
		return func(_ int, data []byte) (In, error) { return any(data).(In), nil }
	case M:
		return func(kind int, data []byte) (In, error) {
			return any(M(message{Binary: kind == websocket.BinaryMessage, Data: data})).(In), nil
		}
	}
	return func(_ int, data []byte) (In, error) {
		value, err := decode(data)
		if err != nil {
			return zero, refuse(data, err)
		}
		return value, nil
	}
}

// MessageEncoder returns the function that makes a message of an Out, the other
// way round. Text that is not UTF-8 is mended.
func MessageEncoder[M Message, Out any]() func(Out) (kind int, data []byte, err error) {
	var zero Out
	switch any(zero).(type) {
	case string:
		return func(out Out) (int, []byte, error) {
			return websocket.TextMessage, []byte(strings.ToValidUTF8(any(out).(string), "\ufffd")), nil
		}
	case []byte:
		return func(out Out) (int, []byte, error) { return websocket.BinaryMessage, any(out).([]byte), nil }
	case M:
		return func(out Out) (int, []byte, error) {
			m := message(any(out).(M))
			if m.Binary {
				return websocket.BinaryMessage, m.Data, nil
			}
			return websocket.TextMessage, bytes.ToValidUTF8(m.Data, []byte("\ufffd")), nil
		}
	}
	return func(out Out) (int, []byte, error) {
		var buf bytes.Buffer
		err := AppendJSON(&buf, out)
		return websocket.TextMessage, buf.Bytes(), err
	}
}

// MaxCloseReason is what fits into a close frame beside the code.
const MaxCloseReason = 123

// CloseMessage returns what goes into a close frame. A code that must not be sent
// becomes 1011, and a reason is mended, and cut off, so that the frame is a good
// one.
func CloseMessage(code int, reason string) []byte {
	if !Sendable(code) {
		code = websocket.CloseInternalServerErr
	}
	reason = strings.ToValidUTF8(reason, "\ufffd") // else the other end fails the connection
	for len(reason) > MaxCloseReason {
		_, size := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-size]
	}
	return websocket.FormatCloseMessage(code, reason)
}

// Sendable reports whether a close frame may carry the code. 1005 stands for a
// frame without one.
func Sendable(code int) bool {
	switch code {
	case 1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 1011, 1012, 1013:
		return true
	}
	return 3000 <= code && code <= 4999
}
