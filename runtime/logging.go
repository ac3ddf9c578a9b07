package runtime

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// LogHandler returns a handler that adds requestId and sessionId to the records
// that are logged with the context of a request, outside of all groups, and
// passes them on to next.
func LogHandler(next slog.Handler) slog.Handler {
	if h, ok := next.(logHandler); ok {
		return h // once is enough
	}
	return logHandler{Handler: next}
}

// identifiedKey marks a context whose record has the ids already, from a
// LogHandler around another one.
type identifiedKey struct{}

type logHandler struct {
	slog.Handler              // with all attributes and groups
	outer        slog.Handler // without what inner adds; nil if that is nothing
	inner        []addition   // the first group, and what was added after it
}

// addition is a WithAttrs or WithGroup that is yet to be applied.
type addition func(slog.Handler) slog.Handler

func (h logHandler) Handle(ctx context.Context, record slog.Record) error {
	req := requestFrom(ctx)
	if req == nil || ctx.Value(identifiedKey{}) != nil {
		return h.Handler.Handle(ctx, record)
	}
	ctx = context.WithValue(ctx, identifiedKey{}, true)
	ids := []slog.Attr{slog.String("requestId", req.requestID()), slog.String("sessionId", req.sessionID())}
	if h.outer == nil {
		record = record.Clone()
		record.AddAttrs(ids...)
		return h.Handler.Handle(ctx, record)
	}
	next := h.outer.WithAttrs(ids)
	for _, add := range h.inner {
		next = add(next)
	}
	return next.Handle(ctx, record)
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if h.outer == nil {
		return logHandler{Handler: h.Handler.WithAttrs(attrs)}
	}
	return h.with(func(next slog.Handler) slog.Handler { return next.WithAttrs(attrs) })
}

func (h logHandler) WithGroup(name string) slog.Handler {
	return h.with(func(next slog.Handler) slog.Handler { return next.WithGroup(name) })
}

func (h logHandler) with(add addition) slog.Handler {
	outer := h.outer
	if outer == nil {
		outer = h.Handler
	}
	return logHandler{add(h.Handler), outer, append(slices.Clip(h.inner), add)}
}

// isBuiltin reports whether a handler is the one that package log/slog begins
// with, which has no name for others to compare with.
func isBuiltin(h slog.Handler) bool { return fmt.Sprintf("%T", h) == "*slog.defaultHandler" }

// ownLog is a logger that the program has not brought.
type ownLog struct {
	all  *slog.Logger // for all records, without the name of the server's
	json *jsonHandler // of the server's records, nil if they are text
}

// flush writes what is to be written soon.
func (l *ownLog) flush() {
	if l != nil && l.json != nil {
		l.json.out.flush()
	}
}

// defaultLogger returns the program's own default logger, if it has set one, and
// else one that writes to standard error: text on a terminal, and otherwise
// JSON with the keys that the Python SDK uses.
func defaultLogger(debug bool) (*slog.Logger, *ownLog) {
	if program := slog.Default(); !isBuiltin(program.Handler()) {
		return slog.New(LogHandler(program.Handler())), nil
	}
	level := slog.LevelInfo
	if debug {
		level = slog.LevelDebug
	}
	if isTerminal(os.Stderr) && !inContainer() {
		logger := slog.New(LogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
		return logger, &ownLog{all: logger}
	}
	all := newJSONHandler(os.Stderr, level)
	named := all.with([]slog.Attr{slog.String("logger", "agentcore.runtime")})
	return slog.New(LogHandler(named)), &ownLog{all: slog.New(LogHandler(all)), json: named}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// setDefaultLogger makes a logger the default of package slog, unless the
// program has set one. Package log, which slog would take over and whose lines
// would all have the level INFO, stays as it is.
func setDefaultLogger(logger *slog.Logger) {
	if !isBuiltin(slog.Default().Handler()) {
		return
	}
	writer, flags := log.Writer(), log.Flags()
	slog.SetDefault(logger)
	log.SetOutput(writer)
	log.SetFlags(flags)
}

// errorAttrs describes an error in the keys that the Python SDK uses. If the
// error's own methods panic, as those of a nil pointer may, it describes that.
func errorAttrs(err error) (attrs []any) {
	defer func() {
		if value := recover(); value != nil {
			attrs = errorAttrs(panicked(value))
		}
	}()
	if p, ok := errors.AsType[*panicError](err); ok {
		return []any{
			"errorType", "panic",
			"errorMessage", fmt.Sprint(p.value),
			"stackTrace", strings.Split(strings.TrimSpace(string(p.stack)), "\n"),
			"location", p.location,
		}
	}
	return []any{"errorType", errorType(err), "errorMessage", err.Error()}
}

// causeAttrs describes why an invocation was refused, without what the handler
// has said of it: that was for the caller, and may hold a prompt.
func causeAttrs(err error) (attrs []any) {
	defer func() {
		if recover() != nil { // a cause whose own methods panic
			attrs = nil
		}
	}()
	if bad, ok := err.(*badRequest); ok {
		return []any{"reason", bad.Error()}
	}
	chosen, ok := errors.AsType[*StatusError](err)
	if !ok {
		return nil
	}
	cause := chosen.Err
	if cause != nil && cause.Error() == chosen.Error() {
		cause = errors.Unwrap(cause) // of Errorf
	}
	if cause == nil {
		return nil
	}
	return []any{"cause", cause.Error()}
}

// logInvocation writes the one record of an invocation that has ended.
// Prompts and answers are not logged.
func (s *Server) logInvocation(r *request, out outcome, start, end time.Time) {
	level, what, attrs := describe(r, out)
	var text [64]byte
	message := append(text[:0], what...)
	message = append(message, " ("...)
	message = strconv.AppendFloat(message, end.Sub(start).Seconds(), 'f', 3, 64)
	message = append(message, "s)"...)
	if s.invocations != nil && level < slog.LevelWarn {
		s.invocations.invocation(end, level, message, out.status, r.requestID(), r.sessionID())
		return
	}
	handler := s.log.Handler()
	if !handler.Enabled(r, level) {
		return
	}
	record := slog.NewRecord(end, level, string(message), 0)
	record.AddAttrs(slog.String("handler", s.handlers.Invoke.name), slog.Int("status", out.status))
	record.Add(attrs...)
	_ = handler.Handle(r, record)
}

// describe says how an invocation has ended.
func describe(r *request, out outcome) (level slog.Level, what string, attrs []any) {
	if out.err == nil && out.status < 400 && r.Err() == nil {
		return slog.LevelInfo, "the invocation completed", nil
	}
	_, chosen := errors.AsType[*StatusError](out.err)
	switch {
	case isPanic(out.err):
		return slog.LevelError, "the invocation failed", errorAttrs(out.err)
	case errors.Is(context.Cause(r), http.ErrServerClosed):
		return slog.LevelWarn, "the shutdown ended the invocation", nil
	case errors.Is(r.Err(), context.Canceled): // and not a middleware's deadline
		return slog.LevelInfo, "the caller left the invocation", nil
	case out.err != nil && out.streaming && !errors.Is(out.err, http.ErrAbortHandler):
		return slog.LevelError, "the stream failed", errorAttrs(out.err)
	case out.cut:
		return slog.LevelWarn, "the handler cut the connection", nil
	case out.status >= 500 && out.err != nil && !chosen:
		return slog.LevelError, "the invocation failed", errorAttrs(out.err)
	case out.status >= 500:
		return slog.LevelError, "the invocation failed", causeAttrs(out.err)
	case out.status >= 400:
		return slog.LevelWarn, "the invocation was refused", causeAttrs(out.err)
	}
	return slog.LevelInfo, "the invocation completed", nil
}

func (s *Server) logTask(ctx context.Context, t *Task, took time.Duration) {
	log := s.log.With("task", t.name, "taskId", t.id)
	switch {
	case t.err == nil:
		log.InfoContext(ctx, fmt.Sprintf("the task completed (%.3fs)", took.Seconds()))
	case errors.Is(context.Cause(ctx), http.ErrServerClosed) && !isPanic(t.err):
		log.WarnContext(ctx, fmt.Sprintf("the shutdown ended the task (%.3fs)", took.Seconds()), errorAttrs(t.err)...)
	default:
		log.ErrorContext(ctx, fmt.Sprintf("the task failed (%.3fs)", took.Seconds()), errorAttrs(t.err)...)
	}
}

func (s *Server) logSocket(ctx context.Context, end socketEnd, err error, took time.Duration) {
	log := s.log.With("handler", s.handlers.WebSocket.name)
	switch end {
	case socketRefused:
		log.WarnContext(ctx, "the WebSocket handshake was refused", "reason", err.Error())
	case socketMisused:
		log.WarnContext(ctx, fmt.Sprintf("the WebSocket closed (%.3fs)", took.Seconds()), "reason", err.Error())
	case socketFailed:
		log.ErrorContext(ctx, fmt.Sprintf("the WebSocket handler failed (%.3fs)", took.Seconds()), errorAttrs(err)...)
	default:
		log.InfoContext(ctx, fmt.Sprintf("the WebSocket closed (%.3fs)", took.Seconds()))
	}
}
