package client

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/agentcore-go/agentcore/internal/wire"
)

// Error is a call that AgentCore or the agent has refused, or an agent's stream
// that has failed. What comes before that, no connection for one, is an error of
// another type.
type Error struct {
	// Operation is what was called, as in invoke.
	Operation string
	// StatusCode is the HTTP status. It is 200 when a stream failed that had
	// begun, and may be that when a WebSocket handshake got an answer of another kind.
	StatusCode int
	// Code is AgentCore's own, as in ThrottlingException; or the agent's: the
	// error_type of an event, or the code of a framework. It is "" when none came.
	Code string
	// Message is for people. It is never "".
	Message string
	// Detail is what the agent said is the error, which may be any JSON value. It
	// is nil when the agent did not say so in JSON.
	Detail json.RawMessage
	// Body is the answer as it came, of at most 1 MiB.
	Body []byte
	// RequestID is what AgentCore calls the request, "" if it does not say.
	RequestID string

	retryAfter time.Duration
	hint       string // what to look at, "" for nothing
}

// maxErrorBody is how much of a refusal is read.
const maxErrorBody = 1 << 20

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s (", e.Operation, e.Message)
	switch {
	case e.StatusCode == http.StatusOK && e.Operation != string(opConnect):
		if e.Code == "" || e.Code == "error" { // the latter says no more
			b.WriteString("in the stream")
		} else {
			b.WriteString(e.Code)
		}
	case e.Code != "":
		fmt.Fprintf(&b, "%s, status %d", e.Code, e.StatusCode)
	default:
		fmt.Fprintf(&b, "status %d", e.StatusCode)
	}
	if e.RequestID != "" {
		b.WriteString(", request " + e.RequestID)
	}
	b.WriteString(")")
	if e.hint != "" {
		b.WriteString(": " + e.hint)
	}
	return b.String()
}

// Retryable reports whether the call cannot have run, so that it does no harm to
// make it again: it was throttled, or met another change of its session. Calls
// are, up to [WithMaxAttempts].
func (e *Error) Retryable() bool {
	switch e.StatusCode {
	case http.StatusTooManyRequests:
		return true
	case http.StatusConflict:
		return e.Code == "RetryableConflictException"
	}
	return false
}

// newError reads an answer that is a refusal, and closes it.
func (t *Transport) newError(op operation, answer *http.Response) *Error {
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxErrorBody)) // what has come says something
	e := &Error{
		Operation: string(op), StatusCode: answer.StatusCode, Body: body,
		RequestID: requestID(answer.Header), retryAfter: retryAfter(answer.Header),
	}
	e.read(body)
	if code := answer.Header.Get("X-Amzn-Errortype"); code != "" {
		e.Code = errorCode(code)
	}
	if to, err := answer.Location(); err == nil && e.StatusCode/100 == 3 {
		e.Message = elsewhere(op, to, t.auth)
	}
	if e.StatusCode == http.StatusForbidden && op == opConnect && len(body) == 0 && e.Code == "" {
		e.hint = "has the agent a WebSocket handler?" // the Python SDK refuses so without one
	}
	if e.Message == "" {
		e.Message = cmp.Or(http.StatusText(e.StatusCode), "no reason given")
	}
	return e
}

func requestID(header http.Header) string {
	return cmp.Or(header.Get("X-Amzn-Requestid"), header.Get(wire.HeaderRequestID))
}

// retryAfter returns for how long the service asks to be left alone.
func retryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(seconds, math.MaxInt32)) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return time.Until(date)
	}
	return 0
}

// errorBody is what the services of AWS, the SDKs and their frameworks say of an
// error. What has another type than theirs does not hide the rest.
type errorBody struct {
	Error     json.RawMessage `json:"error"`
	ErrorType json.RawMessage `json:"error_type"`
	Message   json.RawMessage `json:"message"`
	Details   json.RawMessage `json:"details"`
	Code      json.RawMessage `json:"code"`
	AWSCode   json.RawMessage `json:"__type"`
}

// read takes what it can from the body of a refusal, or from the data of an event.
func (e *Error) read(text []byte) {
	text = bytes.TrimSpace(text)
	var body errorBody
	if json.Unmarshal(text, &body) != nil {
		e.Message = plainMessage(text)
		return
	}
	e.Code = cmp.Or(stringOf(body.ErrorType), errorCode(stringOf(body.AWSCode)), stringOf(body.Code))
	e.Message = stringOf(body.Message)
	if len(body.Error) == 0 {
		return
	}
	e.Detail = body.Error
	if e.Message == "" || e.Message == wire.StreamErrorMessage { // else error is the text of the status: Fastify's
		e.Message = cmp.Or(messageOf(body.Error), e.Message)
	}
	if details := messageOf(body.Details); details != "" {
		e.Message = strings.TrimPrefix(e.Message+": "+details, ": ")
	}
}

// maxPlainMessage is how much of a text becomes a message.
const maxPlainMessage = 1 << 10

// plainMessage returns the message of a refusal that is no JSON object.
func plainMessage(text []byte) string {
	if message, ok := textOf(text); ok {
		return message
	}
	if bytes.HasPrefix(text, []byte("<")) { // a page, which is for browsers
		return ""
	}
	text = beginning(text, maxPlainMessage)
	if !utf8.Valid(text) {
		return ""
	}
	return string(text)
}

// beginning returns up to n bytes of a text, and no part of a character.
func beginning(text []byte, n int) []byte {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// messageOf returns a JSON string's text, and of another value its JSON; of null,
// nothing.
func messageOf(value json.RawMessage) string {
	if text, ok := textOf(value); ok || string(value) == "null" {
		return text
	}
	return string(value)
}

// textOf returns the text of a JSON string.
func textOf(text []byte) (string, bool) {
	var s string
	if text = bytes.TrimSpace(text); len(text) == 0 || text[0] != '"' || json.Unmarshal(text, &s) != nil {
		return "", false
	}
	return s, true
}

// stringOf returns the text of a JSON string, and nothing of another value.
func stringOf(value json.RawMessage) string {
	text, _ := textOf(value)
	return text
}

// errorCode leaves the name of a code that comes with a namespace before it, or a
// URL behind it.
func errorCode(code string) string {
	code, _, _ = strings.Cut(code, ":")
	return code[strings.LastIndexByte(code, '#')+1:]
}

// newStreamError returns the error that an event of a stream is, or nil. The
// Python SDK and this project's runtime send it as data, the TypeScript SDK as an
// event called error.
func newStreamError(event Event) *Error {
	if event.Name != "error" {
		if !bytes.Contains(event.Data, []byte(`"error_type"`)) {
			return nil
		}
		var body errorBody
		if json.Unmarshal(event.Data, &body) != nil || body.Error == nil || stringOf(body.Message) != wire.StreamErrorMessage {
			return nil
		}
	}
	e := &Error{Operation: string(opInvoke), StatusCode: http.StatusOK, Body: bytes.Clone(event.Data)}
	e.read(e.Body)
	e.Message = cmp.Or(e.Message, wire.StreamErrorMessage)
	return e
}
