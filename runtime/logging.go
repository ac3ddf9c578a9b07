package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"
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

type logHandler struct {
	slog.Handler              // with all attributes and groups
	outer        slog.Handler // without what inner adds; nil if that is nothing
	inner        []addition   // the first group, and what was added after it
}

// addition is a WithAttrs or WithGroup that is yet to be applied.
type addition func(slog.Handler) slog.Handler

func (h logHandler) Handle(ctx context.Context, record slog.Record) error {
	req := requestFrom(ctx)
	if req == nil {
		return h.Handler.Handle(ctx, record)
	}
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

// untouchedLog is the handler that package log/slog begins with. A program that
// has put its own in place keeps it.
var untouchedLog = slog.Default().Handler()

// defaultLogger returns the program's own default logger, if it has set one,
// and else one that writes to standard error.
func defaultLogger() *slog.Logger {
	if own := slog.Default(); own.Handler() != untouchedLog {
		return slog.New(LogHandler(own.Handler()))
	}
	return newLogger(os.Stderr, term.IsTerminal(int(os.Stderr.Fd())) && !inContainer())
}

// newLogger returns a logger whose records are text, or JSON with the keys that
// the Python SDK uses.
func newLogger(w io.Writer, text bool) *slog.Logger {
	if text {
		return slog.New(LogHandler(slog.NewTextHandler(w, nil)))
	}
	return slog.New(LogHandler(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: renameKey}))).
		With("logger", "agentcore.runtime")
}

func renameKey(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
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

// logInvocation writes the one record of an invocation that has ended.
// Prompts and answers are not logged.
func (s *Server) logInvocation(ctx context.Context, out outcome, took time.Duration) {
	log := s.log.With("handler", s.handlers.Invoke.name, "status", out.status)
	_, chosen := errors.AsType[*StatusError](out.err)
	_, refused := out.err.(*badRequest)
	switch {
	case isPanic(out.err):
		log.ErrorContext(ctx, fmt.Sprintf("the invocation failed (%.3fs)", took.Seconds()), errorAttrs(out.err)...)
	case errors.Is(context.Cause(ctx), http.ErrServerClosed):
		log.WarnContext(ctx, fmt.Sprintf("the shutdown ended the invocation (%.3fs)", took.Seconds()))
	case errors.Is(ctx.Err(), context.Canceled): // and not a middleware's deadline
		log.InfoContext(ctx, fmt.Sprintf("the caller left the invocation (%.3fs)", took.Seconds()))
	case errors.Is(out.err, http.ErrAbortHandler):
		log.WarnContext(ctx, fmt.Sprintf("the handler cut the connection (%.3fs)", took.Seconds()))
	case out.err != nil && out.streaming:
		log.ErrorContext(ctx, "the stream failed", errorAttrs(out.err)...)
	case out.status >= 500 && out.err != nil && !chosen:
		log.ErrorContext(ctx, fmt.Sprintf("the invocation failed (%.3fs)", took.Seconds()), errorAttrs(out.err)...)
	case out.status >= 500:
		log.ErrorContext(ctx, fmt.Sprintf("the invocation failed (%.3fs)", took.Seconds()))
	case out.status >= 400 && refused:
		log.WarnContext(ctx, fmt.Sprintf("the invocation was refused (%.3fs)", took.Seconds()), "reason", out.err.Error())
	case out.status >= 400:
		log.WarnContext(ctx, fmt.Sprintf("the invocation was refused (%.3fs)", took.Seconds()))
	default:
		log.InfoContext(ctx, fmt.Sprintf("the invocation completed (%.3fs)", took.Seconds()))
	}
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
		if err == nil {
			err = errors.New("the handler returned without accepting the connection")
		}
		log.ErrorContext(ctx, fmt.Sprintf("the WebSocket handler failed (%.3fs)", took.Seconds()), errorAttrs(err)...)
	default:
		log.InfoContext(ctx, fmt.Sprintf("the WebSocket closed (%.3fs)", took.Seconds()))
	}
}
