package runtime

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/agentcore-go/agentcore/internal/wire"
)

// maxPooledBuffer keeps one large body from pinning its memory for ever.
const maxPooledBuffer = 64 << 10

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func getBuffer() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) }

func putBuffer(buf *bytes.Buffer) {
	if buf.Cap() <= maxPooledBuffer {
		buf.Reset()
		buffers.Put(buf)
	}
}

// badRequest is a body that is refused before the handler sees it.
type badRequest struct {
	status int
	body   errorBody
	cause  error // of a payload's type; nil if the server found the fault itself
}

// Error is for logs, so it leaves out what a type's own decoder says: that
// tends to quote the payload.
func (e *badRequest) Error() string {
	details := e.body.Details
	if e.cause != nil {
		details = "refused with " + errorType(e.cause)
	}
	return fmt.Sprintf("%v: %s", e.body.Error, details)
}

func (e *badRequest) Unwrap() error { return e.cause }

// readBody reads the whole body of r into buf and returns its text, which is
// valid as long as buf is. Content-Type is not consulted: whatever the caller
// sends is taken for JSON, as in the Python SDK.
func readBody(r *request, buf *bytes.Buffer) ([]byte, error) {
	limit := r.server.opts.maxBody
	if limit <= 0 {
		limit = math.MaxInt64 - 1
	}
	length := r.http.ContentLength
	if length > limit {
		return nil, tooLarge(limit) // without a look at it
	}
	if length > 0 && length <= maxPooledBuffer {
		buf.Grow(int(length) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(io.LimitReader(r.http.Body, limit+1)); err != nil {
		return nil, &badRequest{status: http.StatusBadRequest, body: errorBody{Error: "Incomplete body", Details: err.Error()}}
	}
	if int64(buf.Len()) > limit {
		r.w.Header().Set("Connection", "close") // net/http would read the rest, to serve the next request
		return nil, tooLarge(limit)
	}
	body := bytes.TrimPrefix(buf.Bytes(), []byte("\ufeff"))
	if !utf8.Valid(body) {
		return nil, &badRequest{status: http.StatusBadRequest, body: errorBody{
			Error:   "Invalid encoding",
			Details: fmt.Sprintf("byte %d is not valid UTF-8", invalidUTF8At(body)),
		}}
	}
	return body, nil
}

func tooLarge(limit int64) error {
	return &badRequest{status: http.StatusRequestEntityTooLarge, body: errorBody{
		Error:   "Payload too large",
		Details: fmt.Sprintf("the limit is %d bytes", limit),
	}}
}

func invalidUTF8At(b []byte) int {
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(b)
}

// decoder returns the function that decodes a JSON text into a T, and validates
// it if T has a Validate method. A number that lands in an interface becomes a
// [json.Number], so that big ones survive.
func decoder[T any]() func([]byte) (T, error) {
	unmarshal := wire.Unmarshaler[T]()
	return func(text []byte) (T, error) {
		var value T
		if err := unmarshal(text, &value); err != nil {
			return value, payloadError(err)
		}
		err := validate(&value) // which may complete the value
		return value, err
	}
}

// validator is a payload with demands that its type does not express.
type validator interface{ Validate() error }

// validate lets a payload refuse itself. A [StatusError] of its own counts.
func validate[T any](value *T) error {
	v, ok := any(value).(validator)
	if !ok { // T may be a pointer
		if v, ok = any(*value).(validator); !ok || reflect.ValueOf(*value).IsZero() {
			return nil
		}
	}
	err := v.Validate()
	if _, chosen := errors.AsType[*StatusError](err); err == nil || chosen {
		return err
	}
	return &badRequest{status: http.StatusBadRequest, body: errorBody{Error: "Invalid payload", Details: err.Error()}, cause: err}
}

// payloadError says what is wrong with a payload in terms of its JSON, where
// encoding/json speaks of Go.
func payloadError(err error) error {
	bad := &badRequest{status: http.StatusBadRequest}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		bad.body = errorBody{Error: "Invalid JSON", Details: fmt.Sprintf("%v (byte %d)", syntax, syntax.Offset)}
		if syntax.Offset == 0 {
			bad.body.Details = "it is empty"
		}
	} else if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		where := "the payload"
		if mismatch.Field != "" {
			where = mismatch.Field
		}
		bad.body = errorBody{Error: "Invalid payload", Details: fmt.Sprintf("%s: cannot use %s as %s", where, mismatch.Value, jsonKind(mismatch.Type))}
	} else {
		bad.body = errorBody{Error: "Invalid payload", Details: err.Error()}
		bad.cause = err
	}
	return bad
}

// jsonKind names the JSON that decodes into a type, in the words that
// encoding/json has for what it finds instead.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Struct, reflect.Map:
		return "object"
	}
	return t.Kind().String() // string, bool, and integers, whose limits matter
}

// appendResult appends the JSON of what a handler returned. A value that JSON
// cannot hold, NaN for one, does not fail the request. The error is for the log.
func appendResult(buf *bytes.Buffer, value any) error {
	err := wire.AppendJSON(buf, value)
	if err != nil {
		appendSubstitute(buf, value)
	}
	return err
}

// appendSubstitute appends what goes out for a value that JSON cannot hold: as
// in the Python SDK its text, or else a note of its type.
func appendSubstitute(buf *bytes.Buffer, value any) {
	if text, ok := textOf(value); ok && wire.AppendJSON(buf, text) == nil {
		return
	}
	appendNote(buf, value)
}

// appendNote appends what stands for a value that JSON cannot hold.
func appendNote(buf *bytes.Buffer, value any) {
	_ = wire.AppendJSON(buf, struct { // of strings, so that it cannot fail
		Error        string `json:"error"`
		OriginalType string `json:"original_type"`
	}{"Serialization failed", fmt.Sprintf("%T", value)})
}

// textOf returns the text of a value that has an obvious one. Others are left
// alone: a cyclic map or slice would take fmt, and the process, down.
func textOf(value any) (string, bool) {
	switch v := value.(type) {
	case error, fmt.Stringer:
		return fmt.Sprint(v), true // Sprint outlives a method that panics
	}
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return fmt.Sprint(value), true
	}
	return "", false
}

// writeError writes the answer to a failed request and returns its status.
func writeError(w http.ResponseWriter, status int, body errorBody) int {
	buf := getBuffer()
	defer putBuffer(buf)
	if err := wire.AppendJSON(buf, body); err != nil { // a StatusError's detail that JSON cannot hold
		status = http.StatusInternalServerError
		appendNote(buf, body.Error)
	}
	writeBody(w, status, buf.Bytes())
	return status
}

// jsonContent is shared by all answers. Nobody changes a header's slice in place.
var jsonContent = []string{"application/json"}

// writeBody writes a JSON body. A failed write means that the caller is gone,
// which is not ours to report.
func writeBody(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = jsonContent
	if len(body) > 2000 { // net/http sees to others itself, at less cost
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
