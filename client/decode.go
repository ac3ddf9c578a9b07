package client

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/agentcore-go/agentcore/internal/wire"
)

// DecodeError is something of an agent's that does not decode into the type that
// the caller expects of it. A [Conn] is still good.
type DecodeError struct {
	// Data is what came.
	Data []byte
	// Err is what is wrong with it.
	Err error

	origin origin
}

// origin says what is decoded.
type origin struct {
	op        operation // "" for none
	what      string
	mediaType string // "" if it has none
	into      string // the type that is expected, "" if it is not known
}

// receivedMessage is a message of a WebSocket connection.
var receivedMessage = origin{op: "receive", what: "message"}

// maxShown is how many bytes of what came are part of an error's text.
const maxShown = 60

func (e *DecodeError) Error() string {
	var b strings.Builder
	if e.origin.op != "" {
		b.WriteString(string(e.origin.op) + ": ")
	}
	shown := string(beginning(e.Data, maxShown))
	if len(shown) < len(e.Data) {
		shown += "…"
	}
	fmt.Fprintf(&b, "the %s %q", cmp.Or(e.origin.what, "answer"), shown)
	if e.origin.mediaType != "" {
		fmt.Fprintf(&b, " (%s)", e.origin.mediaType)
	}
	fmt.Fprintf(&b, " does not fit %s: %v", cmp.Or(e.origin.into, "what is expected"), e.Err)
	return b.String()
}

func (e *DecodeError) Unwrap() error { return e.Err }

// misfit returns the error for data that is no T. It keeps data.
func misfit[T any](from origin, data []byte, err error) *DecodeError {
	from.into = cmp.Or(from.into, reflect.TypeFor[T]().String())
	return &DecodeError{Data: data, Err: err, origin: from}
}

// decodeAnswer decodes an answer that is no stream.
func decodeAnswer[Out any](kind string, body []byte) (Out, error) {
	var out Out
	if _, nothing := any(out).(None); nothing || len(bytes.TrimSpace(body)) == 0 {
		return out, nil // the TypeScript SDK answers undefined with an empty body
	}
	switch to := any(&out).(type) {
	case *[]byte:
		if kind == "application/octet-stream" {
			*to = bytes.Clone(body)
			return out, nil
		}
	case *string:
		if strings.HasPrefix(kind, "text/") {
			*to = string(body)
			return out, nil
		}
	}
	from := origin{op: opInvoke, what: "answer", mediaType: kind}
	if kind == "application/json" {
		return jsonDecoder[Out](from)(body)
	}
	return valueDecoder[Out](from)(body)
}

// valueDecoder returns the function that decodes one value. Where text fits, what
// is no JSON is one: so the TypeScript SDK sends strings.
func valueDecoder[Out any](from origin) func([]byte) (Out, error) {
	var zero Out
	switch any(&zero).(type) {
	case *None:
		return func([]byte) (Out, error) { return zero, nil }
	case *string:
		return func(data []byte) (Out, error) {
			text, ok := textOf(data)
			if !ok {
				text = string(data)
			}
			return any(text).(Out), nil
		}
	case *any, *json.RawMessage:
		decode := jsonDecoder[Out](from)
		return func(data []byte) (Out, error) {
			value, err := decode(data)
			if err == nil {
				return value, nil
			}
			text, err := encode(opInvoke, string(data))
			if err != nil {
				return zero, err
			}
			return decode(text)
		}
	}
	return jsonDecoder[Out](from)
}

func jsonDecoder[Out any](from origin) func([]byte) (Out, error) {
	unmarshal := wire.Unmarshaler[Out]()
	return func(data []byte) (Out, error) {
		var value Out
		if err := unmarshal(data, &value); err != nil {
			var none Out
			return none, misfit[Out](from, bytes.Clone(data), err)
		}
		return value, nil
	}
}
