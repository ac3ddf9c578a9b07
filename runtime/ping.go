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

func known(s PingStatus) bool { return s == Automatic || s == Healthy || s == HealthyBusy }

// pingTimeout bounds how long /ping waits for a custom ping function. The
// platform asks about every two seconds.
const pingTimeout = time.Second

// status holds the agent's status and the time since which it has been so.
//
// Without a custom function the status is HealthyBusy while something is under
// way, and a change is recorded when it happens. A custom function can only be
// asked, so its changes are recorded when somebody asks. A forced status goes
// before both.
type status struct {
	custom func(context.Context) (PingStatus, error)
	warn   func(ctx context.Context, problem error)

	mu      sync.Mutex
	work    int        // invocations and tasks under way
	forced  PingStatus // Automatic if it is not
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
func (s *status) begin(now time.Time) { s.add(1, now) }

// end notes that it has ended.
func (s *status) end(now time.Time) { s.add(-1, now) }

func (s *status) add(n int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work += n
	s.update(now)
}

// force puts a status before all others, or ends that with Automatic.
func (s *status) force(forced PingStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forced = forced
	s.update(time.Now())
}

// update records the status, unless the custom function is to be asked for it.
// The caller holds s.mu.
func (s *status) update(now time.Time) {
	switch {
	case s.forced != Automatic:
		s.set(s.forced, now)
	case s.custom == nil:
		s.set(s.automatic(), now)
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
func (s *status) set(status PingStatus, now time.Time) {
	if status == s.current {
		return
	}
	s.current = status
	if now.After(s.since) { // several goroutines have looked at the clock before
		s.since = now
	}
}

// read returns the status and since when it has been so.
func (s *status) read(ctx context.Context) (PingStatus, time.Time) {
	s.mu.Lock()
	ask := s.forced == Automatic && s.custom != nil
	s.mu.Unlock()
	answer := Automatic
	if ask {
		answer = s.ask(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ask && s.forced == Automatic { // still
		if answer == Automatic {
			answer = s.automatic()
		}
		s.set(answer, time.Now())
	}
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
	case !known(answer):
		return Automatic, fmt.Errorf("the ping function returned %q, want %q or %q", answer, Healthy, HealthyBusy)
	}
	return answer, nil
}

func (s *Server) ping(r *request) {
	if s.opts.debug {
		s.log.DebugContext(r, "ping")
	}
	var body [64]byte
	writeBody(r.w, http.StatusOK, s.pingBody(r, body[:0]))
}

// pingBody appends the body of GET /ping.
func (s *Server) pingBody(ctx context.Context, body []byte) []byte {
	current, since := s.status.read(ctx)
	body = append(body, `{"status":"`...)
	body = append(body, current...)
	body = append(body, `","time_of_last_update":`...)
	body = strconv.AppendInt(body, since.Unix(), 10)
	return append(body, '}')
}

// Status returns what GET /ping reports. A custom ping function is asked.
func (s *Server) Status(ctx context.Context) PingStatus {
	current, _ := s.status.read(ctx)
	return current
}

// ForceStatus makes GET /ping report [Healthy] or [HealthyBusy] whatever happens,
// until [Automatic] ends that. It panics on another status.
func (s *Server) ForceStatus(status PingStatus) {
	if !known(status) {
		panic(fmt.Sprintf("ForceStatus: %q is no status", status))
	}
	s.status.force(status)
}
