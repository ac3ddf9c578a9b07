package client

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// maxBackoff is the longest wait between two attempts, as in the AWS SDKs.
const maxBackoff = 20 * time.Second

// retrier spaces the attempts of a call.
type retrier struct {
	maxAttempts int
	backoff     *retry.ExponentialJitterBackoff
}

func newRetrier(maxAttempts int) retrier {
	return retrier{maxAttempts, retry.NewExponentialJitterBackoff(maxBackoff)}
}

// wait waits before another attempt. It reports false when there is none: too
// many were made, or ctx has ended.
func (r retrier) wait(ctx context.Context, attempt int, failure error, atLeast time.Duration) bool {
	if attempt >= r.maxAttempts {
		return false
	}
	delay, err := r.backoff.BackoffDelay(attempt-1, failure)
	if err != nil {
		return false
	}
	timer := time.NewTimer(max(delay, min(atLeast, maxBackoff)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// send sends a request once. It was not sent when there was no connection: then
// the agent cannot have seen any of it.
func (t *Transport) send(r *http.Request) (answer *http.Response, sent bool, err error) {
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	answer, err = t.http.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	return answer, connected.Load(), err
}
