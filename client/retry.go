package client

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
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

// lasting reports whether there would be no connection the next time, either: the
// address is none, nobody has the name, or who is there does not speak TLS or is
// somebody else.
func lasting(err error) bool {
	if _, ok := errors.AsType[*net.AddrError](err); ok {
		return true
	}
	if lookup, ok := errors.AsType[*net.DNSError](err); ok {
		return lookup.IsNotFound
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	return noTLS || errors.Is(err, http.ErrSchemeMismatch)
}

// progress is how far a request has come.
type progress struct{ atomic.Int32 }

const (
	progressUnknown   = iota // its HTTP client may not be of package net/http
	progressWaiting          // for a connection
	progressConnected        // and perhaps sent
)

// follow returns a request that tells how far it has come.
func follow(r *http.Request) (*http.Request, *progress) {
	p := new(progress)
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { p.CompareAndSwap(progressUnknown, progressWaiting) },
		GotConn: func(httptrace.GotConnInfo) { p.Store(progressConnected) },
	})), p
}

// unsent reports whether nothing of a request was sent, so that the agent cannot
// have begun with it.
func (p *progress) unsent() bool { return p.Load() == progressWaiting }
