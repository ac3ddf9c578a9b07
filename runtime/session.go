package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"reflect"
	"sync"
	"time"
)

const (
	// maxSessionID is the service's limit for a session id, and keeps stores
	// from huge keys.
	maxSessionID = 256
	// storeTimeout bounds what happens in a store after a handler has returned,
	// when its caller may be gone.
	storeTimeout = 5 * time.Second
	// sessionVersion is the version of savedSession.
	sessionVersion = 1
)

// A Session is the state of a caller's session, in the hands of one handler.
// Until that handler returns, every other handler that wants the same session
// waits, in this process or in another that shares the [SessionStore].
//
// What the handler leaves in State is saved when it succeeds: when it returns
// no error and, for a stream, the sequence has come to its end while the caller
// was there. A WebSocket handler also succeeds with the error of a regular end, see
// [CloseError.Is], or of a shutdown. Nothing is saved when the handler fails.
//
// The answer is sent after the state is saved, so that what a caller has been
// told is never lost. The values of a stream are sent before: its end is what
// tells that the state is saved.
//
// A Session is not safe for concurrent use, and ends with its handler. One that
// was made by hand, &Session[S]{State: …}, is a new session that is kept
// nowhere: for tests of handlers.
type Session[S any] struct {
	// State is the zero value in a new session, and else what was saved last.
	// It is stored as JSON. Fields may be added to the type and removed from it;
	// the state of another type that does not fit is an error, and stays.
	State S

	hold  *sessionHold // nil in a Session made by hand
	ended bool
}

// ID returns the session's id, as [SessionID] does.
func (s *Session[S]) ID() string {
	if s.hold == nil {
		return ""
	}
	return s.hold.id
}

// New reports whether nothing was saved for the session before.
func (s *Session[S]) New() bool { return s.hold == nil || s.hold.isNew }

// End makes the success of the handler delete the state instead of saving it.
func (s *Session[S]) End() { s.ended = true }

// Save saves the state now, whatever becomes of the handler: for streams and
// WebSocket conversations, before the caller is told of something that must not
// be lost. When the store fails, the error is a [StatusError] of 503.
func (s *Session[S]) Save(ctx context.Context) error {
	data, err := json.Marshal(savedSession[S]{Version: sessionVersion, Type: typeName[S](), State: s.State})
	if err != nil {
		return fmt.Errorf("encode the state of the session: %w", err)
	}
	if s.hold == nil {
		return nil
	}
	return s.hold.do(ctx, func(held HeldSession) error { return held.Save(ctx, data) })
}

// commit saves the state for good, when the handler has succeeded. The caller
// may be gone by then.
func (s *Session[S]) commit(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), storeTimeout, errStoreTimeout)
	defer cancel()
	if s.ended {
		return s.hold.do(ctx, func(held HeldSession) error { return held.Delete(ctx) })
	}
	return s.Save(ctx)
}

// savedSession is what a store holds.
type savedSession[S any] struct {
	Version int    `json:"version"`
	Type    string `json:"type"`
	State   S      `json:"state"`
}

// A SessionStore keeps the state of sessions. [NewMemoryStore], [OpenDirStore]
// and package redisstore have one; package storetest tests others. It is safe for
// concurrent use.
type SessionStore interface {
	// Hold waits until nobody else holds the session, and takes hold of it.
	// It fails when ctx ends first. A state that nobody has held for the time
	// idle may be forgotten; zero or less is no limit.
	Hold(ctx context.Context, id string, idle time.Duration) (HeldSession, error)
}

// HeldSession is the state of one session, which nobody else can change before
// Release. Only one goroutine uses it at a time.
type HeldSession interface {
	// Load returns what was saved last, or nil when there is nothing.
	Load(ctx context.Context) ([]byte, error)
	// Save replaces the state, wholly or not at all. It fails with
	// [ErrSessionLost] when the hold was lost. It does not keep data.
	Save(ctx context.Context, data []byte) error
	// Delete removes the state. It fails as Save does.
	Delete(ctx context.Context) error
	// Release lets go of the session. The idle time begins. It does not block
	// for long. It is called once, and nothing after it.
	Release()
}

// ErrSessionLost is the error of a [HeldSession] that somebody else may hold by
// now, because this process could not reach the store for too long. Nothing was
// changed.
var ErrSessionLost = errors.New("the hold on the session was lost")

// UnaryWithSession is [Unary] for a handler that holds the caller's session.
func UnaryWithSession[In, Out, S any](name string, handle func(context.Context, In, *Session[S]) (Out, error)) InvokeHandler {
	return Unary(name, func(ctx context.Context, in In) (Out, error) {
		var out Out
		err := inSession(ctx, func(ctx context.Context, session *Session[S]) (err error) {
			out, err = handle(ctx, in, session)
			return err
		})
		return out, err
	})
}

// StreamWithSession is [Stream] for a handler that holds the caller's session,
// until the sequence ends.
func StreamWithSession[In, Out, S any](name string, handle func(context.Context, In, *Session[S]) iter.Seq2[Out, error]) InvokeHandler {
	return OpenStreamWithSession(name, func(ctx context.Context, in In, session *Session[S]) (iter.Seq2[Out, error], error) {
		return handle(ctx, in, session), nil
	})
}

// OpenStreamWithSession is [OpenStream] for a handler that holds the caller's
// session, until the sequence ends.
func OpenStreamWithSession[In, Out, S any](name string, handle func(context.Context, In, *Session[S]) (iter.Seq2[Out, error], error)) InvokeHandler {
	return openStream(name, func(ctx context.Context, in In) (iter.Seq2[Out, error], func(), error) {
		session, err := openSession[S](ctx)
		if err != nil {
			return nil, nil, err
		}
		opened := false
		defer func() {
			if !opened { // but failed, or panicked
				session.hold.release()
			}
		}()
		ctx = session.hold.mark(ctx)
		values, err := handle(ctx, in, session)
		if err != nil {
			return nil, nil, err
		}
		opened = true
		return commitAfter(ctx, values, session), session.hold.release, nil
	})
}

// commitAfter returns the sequence with the end of the session behind it.
func commitAfter[Out, S any](ctx context.Context, values iter.Seq2[Out, error], session *Session[S]) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		defer session.hold.release() // before the caller has read the rest
		if values != nil {
			for value, err := range values {
				if !yield(value, err) || err != nil {
					return
				}
			}
		}
		err := context.Cause(ctx) // for which the sequence may have ended early
		if err == nil {
			err = session.commit(ctx)
		}
		if err != nil {
			var none Out
			yield(none, err)
		}
	}
}

// WebSocketWithSession is [WebSocket] for a handler that holds the caller's
// session for as long as the connection lasts. Invocations of the same session
// that want its state wait for that long, too.
func WebSocketWithSession[In, Out, S any](name string, handle func(context.Context, *Conn[In, Out], *Session[S]) error) WebSocketHandler {
	return WebSocket(name, func(ctx context.Context, conn *Conn[In, Out]) error {
		var end error
		err := inSession(ctx, func(ctx context.Context, session *Session[S]) error {
			end = handle(ctx, conn, session)
			closed, ok := errors.AsType[*CloseError](end)
			if ok && errors.Is(closed, io.EOF) || errors.Is(end, http.ErrServerClosed) {
				return nil // a regular end
			}
			return end
		})
		if err == nil {
			err = end
		}
		return err
	})
}

// UseSession runs use with the session of the request that ctx belongs to, as
// the WithSession handlers do: for raw handlers and tasks. It fails inside of a
// handler that holds the session already, and waits for ever, or until ctx
// ends, inside of itself.
func UseSession[S any](ctx context.Context, use func(*Session[S]) error) error {
	return inSession(ctx, func(_ context.Context, session *Session[S]) error { return use(session) })
}

func inSession[S any](ctx context.Context, use func(context.Context, *Session[S]) error) error {
	session, err := openSession[S](ctx)
	if err != nil {
		return err
	}
	defer session.hold.release()
	if err := use(session.hold.mark(ctx), session); err != nil {
		return err
	}
	return session.commit(ctx)
}

// openSession takes hold of the session of ctx and decodes its state.
func openSession[S any](ctx context.Context) (*Session[S], error) {
	req := requestFrom(ctx)
	if req == nil {
		return nil, errors.New("the context belongs to no request, and so to no session: pass the context of a handler")
	}
	if ctx.Value(holdsSessionKey{}) == req {
		return nil, errors.New("this handler holds its session already: use the *runtime.Session that it was given")
	}
	id := req.sessionID()
	if len(id) > maxSessionID {
		return nil, Errorf(http.StatusBadRequest, "the session id is %d bytes long, and at most %d are allowed", len(id), maxSessionID)
	}
	held, err := req.server.opts.sessions.Hold(ctx, id, req.server.opts.sessionTimeout)
	if err != nil {
		return nil, storeError(ctx, ctx, err)
	}
	session := &Session[S]{hold: &sessionHold{ctx: ctx, id: id, held: held}}
	opened := false
	defer func() {
		if !opened {
			session.hold.release()
		}
	}()
	data, err := held.Load(ctx)
	if err != nil {
		return nil, storeError(ctx, ctx, err)
	}
	if session.hold.isNew = data == nil; !session.hold.isNew {
		if session.State, err = decodeSession[S](data); err != nil {
			return nil, sessionError(ctx, http.StatusInternalServerError, "the saved state of the session cannot be used", err)
		}
	}
	opened = true
	return session, nil
}

// decodeSession returns the state in what a store holds. Saved by the same type
// it may lack fields and have others, which come and go between releases. With
// another type that would pass for an empty state, and be lost with the next
// save.
func decodeSession[S any](data []byte) (state S, err error) {
	var saved savedSession[json.RawMessage]
	if err := json.Unmarshal(data, &saved); err != nil {
		return state, fmt.Errorf("what the store holds is not a saved session: %w", err)
	}
	if saved.Version != sessionVersion {
		return state, fmt.Errorf("it was saved in version %d of the format, and this program knows version %d", saved.Version, sessionVersion)
	}
	d := json.NewDecoder(bytes.NewReader(saved.State))
	d.UseNumber() // so that big ones survive in an interface
	if saved.Type != typeName[S]() {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(&state); err != nil {
		return state, fmt.Errorf("it was saved as a %s and does not decode into a %s: %w", saved.Type, typeName[S](), err)
	}
	return state, nil
}

func typeName[S any]() string { return reflect.TypeFor[S]().String() }

// errStoreTimeout is the cause of the end of storeTimeout.
var errStoreTimeout = fmt.Errorf("the session store has not answered within %v", storeTimeout)

// storeError is the error of a handler, whose context is the first, when a store
// has failed that was called with the second.
func storeError(handler, ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && cause != errStoreTimeout {
		return Errorf(http.StatusServiceUnavailable, "waiting for the session: %w", cause) // no fault of the store
	}
	return sessionError(handler, http.StatusServiceUnavailable, "the state of the session is not available", err)
}

// sessionError is a [StatusError]. Its cause is not for the caller, and logged
// here: not every kind of handler has it in the record of its end.
func sessionError(handler context.Context, status int, detail string, err error) error {
	requestFrom(handler).server.log.ErrorContext(handler, detail, errorAttrs(err)...)
	return &StatusError{Status: status, Detail: detail, Err: err}
}

// holdsSessionKey is for the request whose session the handler of a context
// holds.
type holdsSessionKey struct{}

// sessionHold is a HeldSession that knows when it has been released.
type sessionHold struct {
	ctx   context.Context // the handler's
	id    string
	isNew bool

	mu   sync.Mutex
	held HeldSession // nil once released
}

// mark returns a context in which the session cannot be held again.
func (h *sessionHold) mark(ctx context.Context) context.Context {
	return context.WithValue(ctx, holdsSessionKey{}, requestFrom(h.ctx))
}

// do calls use, unless it is called too late, by a goroutine that the handler has
// left behind.
func (h *sessionHold) do(ctx context.Context, use func(HeldSession) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held == nil {
		return errors.New("the session has ended with its handler")
	}
	if err := use(h.held); err != nil {
		return storeError(h.ctx, ctx, err)
	}
	return nil
}

func (h *sessionHold) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if held := h.held; held != nil {
		h.held = nil
		held.Release()
	}
}
