package runtime

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	goruntime "runtime"
	"runtime/debug"
	"strings"
)

// StatusError is an error that chooses the HTTP status of the answer. A
// handler returns one, wrapped or not, to answer {"error": Detail} with
// Status; any other error is answered with 500 and its text.
//
// A stream that has begun has sent its status: there the error becomes the
// last event, like any other. A WebSocket handler that returns a StatusError
// before it accepts the connection refuses the handshake with Status.
type StatusError struct {
	// Status is from 200 to 599; anything else, and 204 and 304, which have
	// no body, is answered as 500.
	Status int
	// Detail is any value that encodes to JSON. Nil stands for the text of Err,
	// or of the status.
	Detail any
	// Err is the cause, for errors.Is. With a Detail, the caller does not see it.
	Err error
}

// Errorf returns a [StatusError] whose detail is the formatted text. As with
// [fmt.Errorf], %w wraps an error; its text is then part of the detail.
func Errorf(status int, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &StatusError{Status: status, Detail: err.Error(), Err: err}
}

func (e *StatusError) Error() string {
	switch detail := e.Detail.(type) {
	case nil:
		if e.Err != nil {
			return e.Err.Error()
		}
		return http.StatusText(e.status())
	case string:
		return detail
	default:
		return fmt.Sprintf("status %d", e.status())
	}
}

func (e *StatusError) Unwrap() error { return e.Err }

func (e *StatusError) status() int {
	if e.Status < 200 || e.Status > 599 || e.Status == http.StatusNoContent || e.Status == http.StatusNotModified {
		return http.StatusInternalServerError
	}
	return e.Status
}

// WriteError answers a request with an error, as the server does it for the
// errors of handlers: for raw handlers and middleware that have written nothing
// yet.
func WriteError(w http.ResponseWriter, err error) { fail(w, err) }

// errorBody is the JSON of a failed request.
type errorBody struct {
	Error   any    `json:"error"`
	Details string `json:"details,omitempty"`
}

// statusAndBody is how a failed invocation is answered.
func statusAndBody(err error) (int, errorBody) {
	if bad, ok := err.(*badRequest); ok {
		return bad.status, bad.body
	}
	if se, ok := errors.AsType[*StatusError](err); ok {
		if se.Detail != nil {
			return se.status(), errorBody{Error: se.Detail}
		}
		return se.status(), errorBody{Error: se.Error()}
	}
	return http.StatusInternalServerError, errorBody{Error: err.Error()}
}

// panicError is a recovered panic. Its text goes to the caller, so it does not
// hold the panic's value, which nobody wrote with the caller in mind.
type panicError struct {
	value    any
	stack    []byte
	location string // file:function:line where it began
}

func (*panicError) Error() string     { return "internal error" }
func (*panicError) ErrorType() string { return "panic" }

func isPanic(err error) bool {
	_, ok := err.(*panicError)
	return ok
}

// panicked returns the error for a recovered value: [http.ErrAbortHandler] for
// itself, since it is net/http's way to cut a connection. It must be called
// while the panic unwinds, for the stack to show where it began.
func panicked(value any) error {
	if value == http.ErrAbortHandler {
		return http.ErrAbortHandler
	}
	return &panicError{value: value, stack: debug.Stack(), location: panicLocation()}
}

// panicLocation returns the place of the panic that unwinds.
func panicLocation() string {
	var pcs [64]uintptr
	frames := goruntime.CallersFrames(pcs[:goruntime.Callers(2, pcs[:])])
	panicking := false
	for {
		frame, more := frames.Next()
		inRuntime := strings.HasPrefix(frame.Function, "runtime.")
		if panicking && !inRuntime {
			return fmt.Sprintf("%s:%s:%d", frame.File, frame.Function, frame.Line)
		}
		panicking = panicking || inRuntime
		if !more {
			return ""
		}
	}
}

// safely calls f. A panic of f, or of the methods of the error that it returns,
// as those of a nil pointer may, is returned as an error.
func safely(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = panicked(value)
		}
	}()
	if err = f(); err != nil {
		_, _ = err.Error(), errorType(err)
	}
	return err
}

// errorType names the kind of a failure in a stream's error event: what the
// error says of itself with an ErrorType method, else its Go type, of the
// first error in the chain that is more than a wrapper with text.
func errorType(err error) string {
	if t, ok := errors.AsType[interface {
		error
		ErrorType() string
	}](err); ok && t.ErrorType() != "" {
		return t.ErrorType()
	}
	for isTextWrapper(err) {
		cause := errors.Unwrap(err)
		if cause == nil {
			return "error"
		}
		err = cause
	}
	t := reflect.TypeOf(err)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.String()
}

// isTextWrapper reports whether err is one of the standard library's errors
// that carry only text and, perhaps, causes.
func isTextWrapper(err error) bool {
	switch reflect.TypeOf(err).String() {
	case "*errors.errorString", "*errors.joinError", "*fmt.wrapError", "*fmt.wrapErrors":
		return true
	}
	return false
}
