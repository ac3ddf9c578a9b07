package runtime

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// PingStatus is what GET /ping tells the platform of this agent.
type PingStatus string

const (
	// Automatic leaves the choice to the server: HealthyBusy while an invocation
	// or a task is under way, and else Healthy.
	Automatic PingStatus = ""
	// Healthy is an idle agent. The platform may reclaim its session after
	// the idle timeout.
	Healthy PingStatus = "Healthy"
	// HealthyBusy is an agent at work. The platform keeps its session.
	HealthyBusy PingStatus = "HealthyBusy"
)

// pingTimeout bounds how long /ping waits for a custom ping function. The
// platform asks about every two seconds.
const pingTimeout = time.Second

// status holds the agent's status and the time since which it has been so.
//
// Without a custom function the status is HealthyBusy while something is under
// way, and a change is recorded when it happens. A custom function can only be
// asked, so its changes are recorded when somebody asks.
type status struct {
	custom func(context.Context) (PingStatus, error)
	warn   func(ctx context.Context, problem error)

	mu      sync.Mutex
	work    int // invocations and tasks under way
	current PingStatus
	since   time.Time
	asked   *question // the custom function's run under way
}

// question is one run of the custom ping function.
type question struct {
	done     chan struct{}
	overdue  <-chan struct{} // closed pingTimeout after the start
	answer   PingStatus
	problem  error
	reported sync.Once
}

func newStatus(custom func(context.Context) (PingStatus, error), warn func(context.Context, error)) *status {
	return &status{custom: custom, warn: warn, current: Healthy, since: time.Now()}
}

// begin notes that an invocation or a task has begun.
func (s *status) begin() { s.add(1) }

// end notes that it has ended.
func (s *status) end() { s.add(-1) }

func (s *status) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work += n
	if s.custom == nil {
		s.set(s.automatic())
	}
}

// automatic is the status without a custom function. The caller holds s.mu.
func (s *status) automatic() PingStatus {
	if s.work > 0 {
		return HealthyBusy
	}
	return Healthy
}

// set records the status. The caller holds s.mu.
func (s *status) set(now PingStatus) {
	if now != s.current {
		s.current, s.since = now, time.Now()
	}
}

// read returns the status and since when it has been so.
func (s *status) read(ctx context.Context) (PingStatus, time.Time) {
	answer := Automatic
	if s.custom != nil {
		answer = s.ask(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if answer == Automatic {
		answer = s.automatic()
	}
	s.set(answer)
	return s.current, s.since
}

// ask returns the custom function's answer, or Automatic when it has none. A function
// that hangs holds up the pings of one pingTimeout and no later ones, and is
// not called again before it returns.
func (s *status) ask(ctx context.Context) PingStatus {
	s.mu.Lock()
	q := s.asked
	if q == nil {
		q = s.start(ctx)
		s.asked = q
	}
	s.mu.Unlock()

	select {
	case <-q.done:
	case <-q.overdue:
	}
	var problem error
	select {
	case <-q.done: // an answer counts even if both are closed, as they soon are
		if q.problem == nil {
			return q.answer
		}
		problem = q.problem
	default:
		problem = fmt.Errorf("the ping function has not returned within %v", pingTimeout)
	}
	q.reported.Do(func() { s.warn(ctx, problem) })
	return Automatic
}

// start runs the custom function, detached from the one ping that happened to
// ask first. The caller holds s.mu.
func (s *status) start(ctx context.Context) *question {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
	q := &question{done: make(chan struct{}), overdue: ctx.Done()}
	go func() {
		defer cancel()
		defer close(q.done)
		defer func() {
			s.mu.Lock()
			s.asked = nil
			s.mu.Unlock()
		}()
		q.problem = errors.New("the ping function ended its goroutine") // unless it returns
		q.answer, q.problem = s.call(ctx)
	}()
	return q
}

func (s *status) call(ctx context.Context) (answer PingStatus, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("the ping function panicked: %v", value)
		}
	}()
	answer, err = s.custom(ctx)
	switch {
	case err != nil:
		return Automatic, err
	case answer != Automatic && answer != Healthy && answer != HealthyBusy:
		return Automatic, fmt.Errorf("the ping function returned %q, want %q or %q", answer, Healthy, HealthyBusy)
	}
	return answer, nil
}

func (s *Server) ping(w http.ResponseWriter, r *http.Request) {
	current, since := s.status.read(r.Context())
	body := make([]byte, 0, 64)
	body = append(body, `{"status":"`...)
	body = append(body, current...)
	body = append(body, `","time_of_last_update":`...)
	body = strconv.AppendInt(body, since.Unix(), 10)
	body = append(body, '}')
	writeBody(w, http.StatusOK, body)
}
