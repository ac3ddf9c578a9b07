package runtime

import (
	"context"
	"iter"
	"net/http"
)

// Handlers are the functions of one agent. Every field may be left out: a
// server without Invoke answers invocations with 500, one without WebSocket
// refuses the handshake with 403, and one without Ping reports its own status.
//
// Handlers run concurrently, one goroutine for each request.
type Handlers struct {
	// Invoke serves POST /invocations.
	Invoke InvokeHandler
	// WebSocket serves GET /ws.
	WebSocket WebSocketHandler
	// Ping chooses the status that GET /ping reports. Automatic, an unknown
	// status, an error, a panic, or no answer within a second leave the choice
	// to the server.
	Ping func(context.Context) (PingStatus, error)
	// Middleware wraps all routes. The first is the outermost.
	Middleware []func(http.Handler) http.Handler
}

// InvokeHandler serves POST /invocations. [Unary], [Stream], [OpenStream] and
// [Raw] make one; the zero value is no handler.
type InvokeHandler struct {
	name  string
	serve func(*request) outcome
}

// None is the payload type of a handler that takes none: it decodes from any
// JSON value. As a result it encodes to null.
type None struct{}

// MarshalJSON returns null.
func (None) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// UnmarshalJSON accepts any JSON value and drops it.
func (*None) UnmarshalJSON([]byte) error { return nil }

// Unary returns a handler that answers an invocation with one JSON value. The
// name stands for the handler in logs.
//
// A payload with a method Validate() error is validated first: its error is
// answered with 400, or as a [StatusError]. This holds for all handlers and
// WebSocket messages.
//
// The context ends when the caller goes away. An error is answered with 500
// and its text, or with the status and detail of a [StatusError].
func Unary[In, Out any](name string, handle func(context.Context, In) (Out, error)) InvokeHandler {
	decode := decoder[In]()
	return InvokeHandler{name: name, serve: func(r *request) outcome {
		in, err := payload(r, decode)
		if err != nil {
			return fail(r.w, err)
		}
		out, err := handle(r, in)
		if err != nil {
			return fail(r.w, err)
		}
		return answer(r, out)
	}}
}

// Stream returns a handler that answers an invocation with a stream of
// server-sent events, one for each value of the sequence. Values go out as soon
// as they come; those that come faster than the caller reads go out together,
// and a caller who falls behind holds the sequence up.
//
// When the caller goes away, the context ends and the sequence is stopped at
// its next value, so that its deferred calls run. An error ends the stream
// with an error event; the status is 200 all the same, see [OpenStream].
func Stream[In, Out any](name string, handle func(context.Context, In) iter.Seq2[Out, error]) InvokeHandler {
	return OpenStream(name, func(ctx context.Context, in In) (iter.Seq2[Out, error], error) {
		return handle(ctx, in), nil
	})
}

// OpenStream is [Stream] for a handler that can fail before the stream begins:
// its own error is answered with a status, as in [Unary].
func OpenStream[In, Out any](name string, handle func(context.Context, In) (iter.Seq2[Out, error], error)) InvokeHandler {
	return openStream(name, func(ctx context.Context, in In) (iter.Seq2[Out, error], func(), error) {
		values, err := handle(ctx, in)
		return values, func() {}, err
	})
}

// openStream is [OpenStream] for a handler that wants to be called at the end,
// unless it has failed.
func openStream[In, Out any](name string, handle func(context.Context, In) (values iter.Seq2[Out, error], end func(), err error)) InvokeHandler {
	decode := decoder[In]()
	return InvokeHandler{name: name, serve: func(r *request) outcome {
		in, err := payload(r, decode)
		if err != nil {
			return fail(r.w, err)
		}
		ctx, cancel := context.WithCancelCause(r)
		defer cancel(nil)
		values, end, err := handle(ctx, in)
		if err != nil {
			return fail(r.w, err)
		}
		defer end()
		return stream(r, cancel, values)
	}}
}

// Raw returns a handler that reads the request and writes the answer itself.
// The body has not been read, nor limited, nor checked.
func Raw(name string, handle func(http.ResponseWriter, *http.Request)) InvokeHandler {
	return InvokeHandler{name: name, serve: func(r *request) outcome {
		handle(r.w, r.httpRequest())
		if !r.w.begun {
			return outcome{status: http.StatusOK} // which net/http sends
		}
		return outcome{status: r.w.status}
	}}
}

// payload reads and decodes the body, and lets go of it before the handler runs.
func payload[In any](r *request, decode func([]byte) (In, error)) (In, error) {
	buf := getBuffer()
	defer putBuffer(buf)
	body, err := readBody(r, buf)
	if err != nil {
		var none In
		return none, err
	}
	return decode(body)
}

// noEntrypoint returns what stands in for a missing handler. The body is checked
// first.
func noEntrypoint() InvokeHandler {
	return Unary("none", func(context.Context, None) (None, error) {
		return None{}, Errorf(http.StatusInternalServerError, "No entrypoint defined")
	})
}

// outcome is how an invocation ended, for the log.
type outcome struct {
	status    int
	err       error
	streaming bool // the status had been sent before the outcome was known
	cut       bool // the connection must be cut, for the answer cannot be ended well
}

// fail answers a handler's error.
func fail(w http.ResponseWriter, err error) outcome {
	status, body := statusAndBody(err)
	return outcome{status: writeError(w, status, body), err: err}
}

// answer writes a handler's result.
func answer[Out any](r *request, value Out) outcome {
	buf := getBuffer()
	defer putBuffer(buf)
	if err := appendResult(buf, value); err != nil {
		r.server.log.ErrorContext(r, "the result cannot be encoded to JSON", errorAttrs(err)...)
	}
	writeBody(r.w, http.StatusOK, buf.Bytes())
	return outcome{status: http.StatusOK}
}
