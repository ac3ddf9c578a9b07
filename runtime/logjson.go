package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/agentcore-go/agentcore/internal/wire"
)

// jsonHandler writes records as lines of JSON with the keys of the Python SDK.
// [slog.JSONHandler] can be made to do so, at several times the cost, with which
// logging would be most of what a small invocation takes.
type jsonHandler struct {
	out    *logWriter
	level  slog.Level
	attrs  []byte   // what WithAttrs and WithGroup have added, each with a comma before it
	groups int      // that are open in attrs
	opened []string // groups without an attribute so far, which may stay empty
}

func newJSONHandler(w io.Writer, level slog.Level) *jsonHandler {
	return &jsonHandler{out: &logWriter{w: w}, level: level}
}

func (h *jsonHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h *jsonHandler) WithAttrs(attrs []slog.Attr) slog.Handler { return h.with(attrs) }

func (h *jsonHandler) with(attrs []slog.Attr) *jsonHandler {
	opened := h.openGroups(slices.Clone(h.attrs))
	with := *h
	with.attrs = opened
	for _, a := range attrs {
		with.attrs = appendAttr(with.attrs, a)
	}
	if len(with.attrs) == len(opened) {
		return h
	}
	with.groups += len(h.opened)
	with.opened = nil
	return &with
}

func (h *jsonHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	with.opened = append(slices.Clip(h.opened), name)
	return &with
}

// openGroups appends the beginnings of groups that turn out not to be empty.
func (h *jsonHandler) openGroups(dst []byte) []byte {
	for _, name := range h.opened {
		dst = append(appendKey(dst, name), '{')
	}
	return dst
}

func (h *jsonHandler) Handle(_ context.Context, record slog.Record) error {
	buf := getBuffer()
	defer putBuffer(buf)
	line := appendRecord(buf.AvailableBuffer(), record.Time, record.Level, record.Message)
	line = append(line, h.attrs...)
	groups := h.groups
	before := len(line)
	line = h.openGroups(line)
	inside := len(line)
	record.Attrs(func(a slog.Attr) bool {
		line = appendAttr(line, a)
		return true
	})
	if len(line) == inside {
		line = line[:before]
	} else {
		groups += len(h.opened)
	}
	for range groups {
		line = append(line, '}')
	}
	return h.out.write(append(line, "}\n"...), false)
}

// invocation writes the record of an invocation, which may wait for others. It is
// the same as that of Handle, at less cost: each invocation has one.
func (h *jsonHandler) invocation(end time.Time, level slog.Level, message []byte, status int, requestID, sessionID string) {
	if level < h.level {
		return
	}
	buf := getBuffer()
	defer putBuffer(buf)
	line := appendRecord(buf.AvailableBuffer(), end, level, message)
	line = append(line, h.attrs...)
	line = append(line, `,"status":`...)
	line = strconv.AppendInt(line, int64(status), 10)
	line = append(line, `,"requestId":`...)
	line = appendText(line, requestID)
	line = append(line, `,"sessionId":`...)
	line = appendText(line, sessionID)
	_ = h.out.write(append(line, "}\n"...), true)
}

// appendRecord appends the beginning of a record.
func appendRecord[Text string | []byte](line []byte, t time.Time, level slog.Level, message Text) []byte {
	line = append(line, '{')
	if !t.IsZero() {
		line = append(line, `"timestamp":"`...)
		line = t.UTC().AppendFormat(line, time.RFC3339) // which package time is quick at
		line[len(line)-1] = '.'
		millis := t.Nanosecond() / 1e6
		line = append(line, byte('0'+millis/100), byte('0'+millis/10%10), byte('0'+millis%10), 'Z', '"', ',')
	}
	line = append(line, `"level":"`...)
	if level == slog.LevelWarn {
		line = append(line, "WARNING"...)
	} else {
		line = append(line, level.String()...)
	}
	line = append(line, `","message":`...)
	return appendText(line, message)
}

func appendAttr(dst []byte, a slog.Attr) []byte {
	a.Value = a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return dst
	}
	if a.Value.Kind() != slog.KindGroup {
		return appendValue(appendKey(dst, a.Key), a.Value)
	}
	before := len(dst)
	if a.Key != "" {
		dst = append(appendKey(dst, a.Key), '{')
	}
	inside := len(dst)
	for _, member := range a.Value.Group() {
		dst = appendAttr(dst, member)
	}
	if len(dst) == inside { // an empty group is left out
		return dst[:before]
	}
	if a.Key != "" {
		dst = append(dst, '}')
	}
	return dst
}

// appendKey appends a key, with a comma before it unless it is the first of its
// group.
func appendKey(dst []byte, key string) []byte {
	if len(dst) == 0 || dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(appendText(dst, key), ':')
}

func appendValue(dst []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindString:
		return appendText(dst, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(dst, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(dst, v.Uint64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(dst, v.Bool())
	case slog.KindDuration:
		return strconv.AppendInt(dst, int64(v.Duration()), 10) // nanoseconds, as in slog
	case slog.KindTime:
		return appendText(dst, v.Time().Format(time.RFC3339Nano))
	}
	return appendAny(dst, v.Any())
}

func appendAny(dst []byte, value any) (with []byte) {
	defer func() {
		if problem := recover(); problem != nil { // from a method of the value
			with = appendText(dst, fmt.Sprintf("!PANIC: %v", problem))
		}
	}()
	switch v := value.(type) {
	case *slog.Source:
		return appendText(dst, fmt.Sprintf("%s:%s:%d", v.File, v.Function, v.Line))
	case error:
		if _, ok := value.(json.Marshaler); !ok {
			return appendText(dst, v.Error())
		}
	}
	var buf bytes.Buffer
	if err := wire.AppendJSON(&buf, value); err != nil {
		return appendText(dst, fmt.Sprintf("!ERROR: %v", err))
	}
	return append(dst, buf.Bytes()...)
}

// appendText appends a JSON string. Bytes that are not UTF-8 are replaced.
func appendText[Text string | []byte](dst []byte, text Text) []byte {
	dst, _ = jsontext.AppendQuote(dst, text)
	return dst
}

// logWriter writes lines, each whole, in their order.
type logWriter struct {
	w io.Writer

	mu      sync.Mutex
	pending []byte // lines to be written soon
}

const (
	// maxPending bounds the lines that wait to be written.
	maxPending = 32 << 10
	// logDelay is how long a line waits for others. To write each on its own can
	// cost more than to serve a small invocation.
	logDelay = 5 * time.Millisecond
)

// write writes a line, with those that wait. One that is to be written soon waits
// for others to come, but not for long.
func (l *logWriter) write(line []byte, soon bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := len(l.pending) == 0
	l.pending = append(l.pending, line...)
	switch {
	case !soon || len(l.pending) > maxPending:
		return l.writePending()
	case first:
		time.AfterFunc(logDelay, l.flush)
	}
	return nil
}

func (l *logWriter) writePending() error {
	if len(l.pending) == 0 {
		return nil
	}
	_, err := l.w.Write(l.pending)
	l.pending = l.pending[:0]
	if cap(l.pending) > 2*maxPending {
		l.pending = nil // a large record does not keep its memory for ever
	}
	return err
}

func (l *logWriter) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.writePending()
}
