package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"sync"
	"time"

	"github.com/agentcore-go/agentcore/internal/wire"
)

const (
	// maxUnsent bounds the bytes that wait while the caller reads slowly. A
	// sequence that gets this far ahead waits.
	maxUnsent = 64 << 10

	// grouping is how soon after a write the next event is left to the goroutine
	// that groups them.
	grouping = time.Millisecond

	// keepAliveComment is a comment line of the SSE standard, with an empty event
	// after it, which readers ignore.
	keepAliveComment = ": keep-alive\n\n"
)

// streamError is the last event of a stream that failed. Its fields and the
// text of Message are the Python SDK's.
type streamError struct {
	Error   string `json:"error"`
	Type    string `json:"error_type"`
	Message string `json:"message"`
}

// Shared by all answers, like jsonContent.
var (
	eventStreamContent = []string{"text/event-stream; charset=utf-8"}
	noCache            = []string{"no-cache"}
	noBuffering        = []string{"no"} // else nginx holds events back
)

// stream runs a sequence and sends its values as server-sent events. It ends
// the sequence's context with cancel as soon as the caller is gone.
func stream[Out any](r *request, cancel context.CancelCauseFunc, values iter.Seq2[Out, error]) outcome {
	h := r.w.Header()
	h["Content-Type"] = eventStreamContent
	h["Cache-Control"] = noCache
	h["X-Accel-Buffering"] = noBuffering
	r.w.WriteHeader(http.StatusOK)

	events := startEvents(r, cancel)
	defer events.end() // r.w must not be used after the return, however that comes about
	last, failure := runSequence(values, func(value Out) bool { return events.send(value) })
	cut := errors.Is(failure, http.ErrAbortHandler)
	if failure != nil && !cut && !errors.Is(r.Err(), context.Canceled) {
		events.send(last)
	}
	if err := events.close(); err != nil {
		cut = true // lest what was sent pass for all
		if !isPanic(failure) {
			failure = err // and what the sequence made of it does not matter
		}
	}
	return outcome{status: http.StatusOK, err: failure, streaming: true, cut: cut}
}

// runSequence sends the values of a sequence until it ends, fails, panics, or
// nobody takes them any more. It returns the event for a failure, too.
func runSequence[Out any](values iter.Seq2[Out, error], send func(Out) bool) (last streamError, failure error) {
	defer func() {
		if value := recover(); value != nil {
			failure = panicked(value)
			last = newStreamError(failure)
		}
	}()
	if values == nil {
		return last, nil
	}
	for value, err := range values {
		if err != nil {
			return newStreamError(err), err // here, for an error's own methods may panic
		}
		if !send(value) {
			break
		}
	}
	return last, nil
}

func newStreamError(err error) streamError {
	return streamError{err.Error(), errorType(err), wire.StreamErrorMessage}
}

// events writes events. One that comes after a pause is written by its sender,
// at once. What comes faster is left to a goroutine: all that has come while it
// was at work, or before it had its turn, goes out together. So values that come
// slowly go out alone, values that come fast go out in groups, and nothing waits
// for a timer.
type events struct {
	r       *request
	control *http.ResponseController
	cancel  context.CancelCauseFunc
	unwatch func() bool   // undoes that the end of r's context aborts the stream
	aborted chan struct{} // closed when that has happened
	done    chan struct{} // closed when the goroutine has ended
	idle    *time.Timer   // asks for a keep-alive comment, nil if none is wanted

	event   bytes.Buffer // the one to send next
	encoder *json.Encoder

	mu      sync.Mutex
	changed sync.Cond    // any field below has changed
	unsent  bytes.Buffer // at most maxUnsent, plus one event
	count   int          // of events in unsent
	spare   bytes.Buffer
	writing bool // somebody uses r.w
	begun   bool // something was written
	last    time.Time
	closed  bool
	err     error
}

func startEvents(r *request, cancel context.CancelCauseFunc) *events {
	e := &events{
		r: r, control: http.NewResponseController(r.w), cancel: cancel,
		aborted: make(chan struct{}), done: make(chan struct{}),
	}
	e.changed.L = &e.mu
	e.encoder = json.NewEncoder(&e.event)
	e.encoder.SetEscapeHTML(false)
	// A caller that is gone may leave a write blocked that the kernel does not
	// fail for minutes.
	e.unwatch = context.AfterFunc(r, func() {
		defer close(e.aborted)
		if errors.Is(r.Err(), context.DeadlineExceeded) { // a middleware's: the caller is still there
			_ = e.control.SetWriteDeadline(time.Now().Add(closeTimeout))
			return
		}
		e.abort(context.Cause(r))
	})
	if after := r.server.opts.keepAlive; after > 0 {
		e.mu.Lock()
		e.idle = time.AfterFunc(after, e.keepAlive)
		e.mu.Unlock()
	}
	go e.write()
	return e
}

// send sends an event, or queues it, and waits while the caller is too far
// behind. It reports whether events are still wanted.
func (e *events) send(value any) bool {
	e.event.Reset()
	e.event.WriteString("data: ")
	if err := e.encoder.Encode(value); err != nil {
		e.event.Truncate(len("data: "))
		e.r.server.log.ErrorContext(e.r, "the event cannot be encoded to JSON", errorAttrs(err)...)
		appendSubstitute(&e.event, value)
		e.event.WriteByte('\n')
	}
	e.event.WriteByte('\n')

	e.mu.Lock()
	defer e.mu.Unlock()
	for e.unsent.Len() >= maxUnsent && e.err == nil {
		e.changed.Wait()
	}
	if e.err != nil {
		return false
	}
	e.unsent.Write(e.event.Bytes())
	e.count++
	switch {
	case e.writing:
	case e.count%16 == 1 && time.Since(e.last) >= grouping: // to ask for the time costs time, too
		e.flush(true)
	default:
		e.changed.Broadcast()
	}
	return e.err == nil
}

// close writes what is left and waits for the goroutine to end. It returns why
// the stream was given up, if it was.
func (e *events) close() error {
	e.mu.Lock()
	for e.writing {
		e.changed.Wait()
	}
	if e.unsent.Len() > 0 && e.err == nil {
		e.flush(false) // net/http does it, with the end of the answer
	}
	e.closed = true
	e.changed.Broadcast()
	e.mu.Unlock()
	<-e.done
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// end is the last call, whatever has happened to the others.
func (e *events) end() {
	err := e.close()
	if e.idle != nil {
		e.idle.Stop()
	}
	if e.unwatch() {
		return
	}
	<-e.aborted
	if err == nil {
		_ = e.control.SetWriteDeadline(time.Time{}) // for the next request
	}
}

// abort gives the stream up, a write under way included.
func (e *events) abort(cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.giveUp(cause)
}

// giveUp is abort for one who holds e.mu.
func (e *events) giveUp(cause error) {
	if e.err == nil {
		e.err = cause
	}
	e.changed.Broadcast()
	e.cancel(cause)
	_ = e.control.SetWriteDeadline(time.Unix(1, 0))
}

// keepAlive sends a comment when nothing else was sent for a while.
func (e *events) keepAlive() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.err != nil {
		return
	}
	after := e.r.server.opts.keepAlive
	if since := time.Since(e.last); since < after {
		e.idle.Reset(after - since)
		return
	}
	if !e.writing && e.unsent.Len() == 0 {
		e.unsent.WriteString(keepAliveComment)
		e.changed.Broadcast()
	}
	e.idle.Reset(after)
}

// write writes what others leave to it. It begins with the header, so that the
// caller learns that the stream has begun.
func (e *events) write() {
	defer close(e.done)
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.begun {
		e.flush(true)
		e.changed.Broadcast()
	}
	for !e.closed && e.err == nil {
		if e.unsent.Len() > 0 && !e.writing {
			e.flush(true)
			e.changed.Broadcast()
		} else {
			e.changed.Wait()
		}
	}
}

// flush writes what is unsent. The caller holds e.mu, which is free meanwhile,
// and nobody else is writing.
func (e *events) flush(through bool) {
	batch := e.unsent
	e.unsent, e.spare = e.spare, bytes.Buffer{}
	e.count = 0
	e.writing, e.begun = true, true
	e.mu.Unlock()
	err := e.put(batch.Bytes(), through)
	e.mu.Lock()
	e.writing = false
	e.last = time.Now()
	batch.Reset()
	e.spare = batch
	if err != nil {
		e.giveUp(err)
	}
	if e.unsent.Len() > 0 { // more has come
		e.changed.Broadcast()
	}
}

func (e *events) put(text []byte, through bool) (err error) {
	defer func() {
		if value := recover(); value != nil { // from a ResponseWriter of some middleware
			err = fmt.Errorf("write: %v", value)
		}
	}()
	if len(text) > 0 {
		if _, err := e.r.w.Write(text); err != nil {
			return err
		}
	}
	if !through {
		return nil
	}
	err = e.control.Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return errors.New("a middleware's http.ResponseWriter can neither Flush nor Unwrap, so nothing can be streamed through it")
	}
	return err
}
