// Package load loads an agent and costs little itself: requests are built in
// advance, responses are parsed no further than they must be, and nothing is
// allocated for a request. It checks every answer all the same.
package load

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Worker does one thing again and again over a connection of its own.
type Worker interface {
	// Do does it once. After an error the worker is of no use.
	Do() error
	Close() error
}

// Result is what [Run] has counted.
type Result struct {
	Count int     // of what was done well
	Rate  float64 // per second, of all workers together
	// Errors counts the workers that failed, and Err is the first one's error.
	Errors int
	Err    error
}

// Run connects n workers and then has each of them do its work in a closed
// loop for the given time. What is under way at the end is finished and counted.
func Run(n int, d time.Duration, connect func() (Worker, error)) Result {
	workers := make([]Worker, 0, n)
	defer func() {
		for _, w := range workers {
			_ = w.Close()
		}
	}()
	for range n {
		w, err := connect()
		if err != nil {
			return Result{Errors: 1, Err: err}
		}
		workers = append(workers, w)
	}

	var (
		result Result
		mu     sync.Mutex
		done   sync.WaitGroup
		stop   atomic.Bool // cheaper to ask than the time
	)
	start := time.Now()
	timer := time.AfterFunc(d, func() { stop.Store(true) })
	defer timer.Stop()
	for _, w := range workers {
		done.Go(func() {
			count := 0
			var err error
			for !stop.Load() && err == nil {
				if err = w.Do(); err == nil {
					count++
				}
			}
			rate := float64(count) / time.Since(start).Seconds()
			mu.Lock()
			defer mu.Unlock()
			result.Count += count
			result.Rate += rate
			if err != nil {
				result.Errors++
				result.Err = errors.Join(result.Err, err)
			}
		})
	}
	done.Wait()
	return result
}

// Post returns the bytes of an invocation, with the headers that the platform
// sends.
func Post(host, accept string, body []byte) []byte {
	return fmt.Appendf(nil, "POST /invocations HTTP/1.1\r\n%sContent-Type: application/json\r\nAccept: %s\r\nContent-Length: %d\r\n\r\n%s",
		headers(host), accept, len(body), body)
}

// Ping returns the bytes of a health check.
func Ping(host string) []byte {
	return []byte("GET /ping HTTP/1.1\r\n" + headers(host) + "Accept: */*\r\n\r\n")
}

func handshake(host string) []byte {
	return []byte("GET /ws HTTP/1.1\r\n" + headers(host) + "Connection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
}

func headers(host string) string {
	return strings.Join([]string{
		"Host: " + host,
		"User-Agent: agentcore-bench/1.0",
		"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"X-Amzn-Bedrock-AgentCore-Runtime-Session-Id: 5b0bb9a4-58b1-4c1f-9c2b-6f3a1d1f7e10",
		"X-Amzn-Bedrock-AgentCore-Runtime-Request-Id: 0f6a2d56-94c7-4e0e-8a5e-0d3f5c1b9a77",
	}, "\r\n") + "\r\n"
}
