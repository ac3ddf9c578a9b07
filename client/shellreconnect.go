package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	// defaultReconnect is how long the service keeps a shell without a connection.
	defaultReconnect = 15 * time.Minute
	// shellPause follows each round of attempts.
	shellPause = 30 * time.Second
	// maxShellDelay bounds one delay, but for the pause.
	maxShellDelay = 15 * time.Second
	// shellSteady is how long a connection has to last so that the attempt after
	// its loss is the first one again, which is made at once.
	shellSteady = maxShellDelay
)

// shellDelays follow the attempts of a round. They are those of the SDKs.
var shellDelays = []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, maxShellDelay}

// shellDelay is how long to wait after so many attempts have failed.
func shellDelay(attempts int) time.Duration {
	i := (attempts - 1) % len(shellDelays)
	delay := time.Duration(float64(shellDelays[i]) * (0.75 + rand.Float64()/2)) // lest all clients come at once
	delay = min(delay, maxShellDelay)
	if i == len(shellDelays)-1 {
		delay += shellPause
	}
	return delay
}

// reconnect makes a lost connection again. It counts the attempts that were made
// since a connection has lasted.
func (s *Shell) reconnect(loss error, attempts *int) (*shellConn, error) {
	window := s.options.Reconnect
	switch {
	case window < 0:
		return nil, &shellError{ErrShellLost, loss}
	case window == 0:
		window = defaultReconnect
	}
	ctx, cancel := context.WithTimeout(s.ctx, window)
	defer cancel()
	atLeast := time.Duration(0)
	for {
		if *attempts > 0 && !sleep(ctx, max(shellDelay(*attempts), atLeast)) {
			return nil, &shellError{ErrShellLost, &shellError{fmt.Errorf("and not made again within %v", window), loss}}
		}
		*attempts++
		s.log.Info("shell: connecting again", "shell", s.ID(), "attempt", *attempts, "error", loss)
		conn, err := s.connect(ctx, s.transport, func(*http.Response) {})
		if err == nil || isFinal(err) {
			return conn, err
		}
		if ctx.Err() == nil {
			loss = err
		}
		atLeast = 0
		if refused, ok := errors.AsType[*Error](err); ok {
			atLeast = min(refused.retryAfter, maxBackoff)
		}
	}
}

// isFinal reports whether another attempt to connect would fail in the same way.
func isFinal(err error) bool {
	if _, ok := errors.AsType[*ParameterError](err); ok {
		return true
	}
	refused, ok := errors.AsType[*Error](err)
	if !ok || refused.StatusCode >= 500 {
		return false
	}
	switch refused.StatusCode {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusFailedDependency, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return true
}

// sleep reports whether ctx has lasted as long as d.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
