package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// maxUnsent bounds the bytes that wait while the caller reads slowly. A
// sequence that gets this far ahead waits.
const maxUnsent = 64 << 10

// streamError is the last event of a stream that failed. Its fields and the
// text of Message are the Python SDK's.
type streamError struct {
	Error   string `json:"error"`
	Type    string `json:"error_type"`
	Message string `json:"message"`
}

// stream runs a sequence and sends its values as server-sent events. It ends
// the sequence's context with cancel as soon as the caller is gone.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, cancel context.CancelCauseFunc, values func(yield func(any, error) bool)) outcome {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no") // else nginx holds events back
	w.WriteHeader(http.StatusOK)

	events := startEvents(w, cancel)
	// A caller that is gone may leave the writer blocked in a write that the
	// kernel does not fail for minutes.
	aborted := make(chan struct{})
	stop := context.AfterFunc(r.Context(), func() {
		defer close(aborted)
		if errors.Is(r.Context().Err(), context.DeadlineExceeded) { // a middleware's: the caller is still there
			_ = events.control.SetWriteDeadline(time.Now().Add(closeTimeout))
			return
		}
		events.abort(context.Cause(r.Context()))
	})
	defer func() { // w must not be used after the return, however that comes about
		_ = events.close()
		if !stop() {
			<-aborted
			if events.err == nil {
				_ = events.control.SetWriteDeadline(time.Time{}) // for the next request
			}
		}
	}()

	var buf bytes.Buffer
	send := func(value any) bool {
		buf.Reset()
		buf.WriteString("data: ")
		if err := appendResult(&buf, value); err != nil {
			s.log.ErrorContext(r.Context(), "the event cannot be encoded to JSON", errorAttrs(err)...)
		}
		buf.WriteString("\n\n")
		return events.send(buf.Bytes())
	}

	last, failure := runSequence(values, send)
	cut := errors.Is(failure, http.ErrAbortHandler)
	if failure != nil && !cut && !errors.Is(r.Context().Err(), context.Canceled) {
		send(last)
	}
	if err := events.close(); err != nil && !isPanic(failure) {
		failure = err // and what the sequence made of it does not matter
	}
	return outcome{status: http.StatusOK, err: failure, streaming: true, cut: cut}
}

// runSequence sends the values of a sequence until it ends, fails, panics, or
// nobody takes them any more. It returns the event for a failure, too.
func runSequence(values func(yield func(any, error) bool), send func(any) bool) (last streamError, failure error) {
	defer func() {
		if value := recover(); value != nil {
			failure = panicked(value)
			last = newStreamError(failure)
		}
	}()
	values(func(value any, err error) bool {
		if err != nil {
			last = newStreamError(err) // here, for an error's own methods may panic
			failure = err
			return false
		}
		return send(value)
	})
	return last, failure
}

func newStreamError(err error) streamError {
	return streamError{err.Error(), errorType(err), "An error occurred during streaming"}
}

// events writes events from a goroutine of its own. What comes while a write
// is under way goes out with the next one: values that come slowly go out at
// once and alone, values that come fast go out in groups, and nothing waits
// for a timer.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	cancel  context.CancelCauseFunc
	done    chan struct{}

	mu      sync.Mutex
	changed sync.Cond    // any field below has changed
	unsent  bytes.Buffer // at most maxUnsent, plus one event
	closed  bool
	err     error
}

func startEvents(w http.ResponseWriter, cancel context.CancelCauseFunc) *events {
	e := &events{w: w, control: http.NewResponseController(w), cancel: cancel, done: make(chan struct{})}
	e.changed.L = &e.mu
	go e.write()
	return e
}

// send queues an event, and waits while the caller is too far behind. It
// reports whether events are still wanted.
func (e *events) send(event []byte) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.unsent.Len() >= maxUnsent && e.err == nil {
		e.changed.Wait()
	}
	if e.err != nil {
		return false
	}
	e.unsent.Write(event)
	e.changed.Broadcast()
	return true
}

// close waits until everything is written, or nothing can be any more.
func (e *events) close() error {
	e.mu.Lock()
	e.closed = true
	e.changed.Broadcast()
	e.mu.Unlock()
	<-e.done
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// abort gives the stream up, a write under way included.
func (e *events) abort(cause error) {
	e.mu.Lock()
	if e.err == nil {
		e.err = cause
	}
	e.changed.Broadcast()
	e.mu.Unlock()
	e.cancel(cause)
	_ = e.control.SetWriteDeadline(time.Unix(1, 0))
}

func (e *events) write() {
	defer close(e.done)
	defer func() {
		if value := recover(); value != nil { // from a ResponseWriter of some middleware
			e.abort(fmt.Errorf("write: %v", value))
		}
	}()
	if err := e.flush(); err != nil { // the header: the caller learns that the stream has begun
		e.abort(err)
		return
	}
	var batch bytes.Buffer
	for {
		e.mu.Lock()
		for e.unsent.Len() == 0 && !e.closed && e.err == nil {
			e.changed.Wait()
		}
		if e.err != nil || e.unsent.Len() == 0 {
			e.mu.Unlock()
			return
		}
		batch, e.unsent = e.unsent, batch
		e.changed.Broadcast()
		e.mu.Unlock()

		_, err := e.w.Write(batch.Bytes())
		if err == nil {
			err = e.flush()
		}
		if err != nil {
			e.abort(err)
			return
		}
		batch.Reset()
	}
}

func (e *events) flush() error {
	err := e.control.Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return errors.New("a middleware's http.ResponseWriter can neither Flush nor Unwrap, so nothing can be streamed through it")
	}
	return err
}
