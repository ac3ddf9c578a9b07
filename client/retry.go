package client

import (
	"bytes"
	"context"
	"io"
	"net/http"
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
// many were made, it would have to wait for too long, or ctx has ended.
func (r retrier) wait(ctx context.Context, attempt int, failure error, atLeast time.Duration) bool {
	if attempt >= r.maxAttempts || atLeast > maxBackoff {
		return false
	}
	delay, err := r.backoff.BackoffDelay(attempt-1, failure)
	if err != nil {
		return false
	}
	timer := time.NewTimer(max(delay, atLeast))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// payload is the body of a request, which tells whether any of it was sent.
type payload struct {
	text  bytes.Reader
	begun atomic.Bool
}

func (p *payload) Read(b []byte) (int, error) {
	p.begun.Store(true)
	return p.text.Read(b)
}

func (*payload) Close() error { return nil }

func setPayload(r *http.Request, text []byte) {
	p := new(payload)
	p.text.Reset(text)
	r.Body, r.ContentLength = p, int64(len(text))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
}

// unsent reports whether nothing of a request's body was sent, so that the agent
// cannot have begun with it: there was no connection, for one.
func unsent(r *http.Request) bool {
	p, ok := r.Body.(*payload)
	return ok && !p.begun.Load()
}
