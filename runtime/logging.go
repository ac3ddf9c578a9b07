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

// defaultLogger returns the program's own default logger, if it has set one, and
// else one that writes to standard error: text on a terminal, and otherwise
// JSON with the keys that the Python SDK uses. That one is returned without the
// name of the server's records, too, for other records.
func defaultLogger() (log, own *slog.Logger) {
	if program := slog.Default(); !isBuiltin(program.Handler()) {
		return slog.New(LogHandler(program.Handler())), nil
	}
	if isTerminal(os.Stderr) && !inContainer() {
		own = slog.New(LogHandler(slog.NewTextHandler(os.Stderr, nil)))
		return own, own
	}
	own = slog.New(LogHandler(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: renameKey})))
	return own.With("logger", "agentcore.runtime"), own
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

func renameKey(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		if a.Value.Kind() != slog.KindTime {
			return a // a handler's own
		}
		return slog.String("timestamp", a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
	case slog.MessageKey:
		a.Key = "message"
	case slog.LevelKey:
		if a.Value.Any() == slog.LevelWarn {
			return slog.String(slog.LevelKey, "WARNING")
		}
	}
	return a
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
func (s *Server) logInvocation(ctx context.Context, out outcome, took time.Duration) {
	_, chosen := errors.AsType[*StatusError](out.err)
	level, what := slog.LevelInfo, "the invocation completed"
	var attrs []any
	switch {
	case isPanic(out.err):
		level, what, attrs = slog.LevelError, "the invocation failed", errorAttrs(out.err)
	case errors.Is(context.Cause(ctx), http.ErrServerClosed):
		level, what = slog.LevelWarn, "the shutdown ended the invocation"
	case errors.Is(ctx.Err(), context.Canceled): // and not a middleware's deadline
		what = "the caller left the invocation"
	case out.cut:
		level, what = slog.LevelWarn, "the handler cut the connection"
	case out.err != nil && out.streaming:
		level, what, attrs = slog.LevelError, "the stream failed", errorAttrs(out.err)
	case out.status >= 500 && out.err != nil && !chosen:
		level, what, attrs = slog.LevelError, "the invocation failed", errorAttrs(out.err)
	case out.status >= 500:
		level, what, attrs = slog.LevelError, "the invocation failed", causeAttrs(out.err)
	case out.status >= 400:
		level, what, attrs = slog.LevelWarn, "the invocation was refused", causeAttrs(out.err)
	}
	attrs = append([]any{"handler", s.handlers.Invoke.name, "status", out.status}, attrs...)
	s.log.Log(ctx, level, fmt.Sprintf("%s (%.3fs)", what, took.Seconds()), attrs...)
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
