package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/agentcore-go/agentcore/bench/load"
	"github.com/agentcore-go/agentcore/bench/ours"
	"github.com/agentcore-go/agentcore/bench/plain"
)

// The same in process: for profiles and allocations. What comes over loopback
// includes the load, which allocates nothing.

func BenchmarkUnarySmall(b *testing.B) { benchmarkUnary(b, "hi") }

func BenchmarkUnary2KB(b *testing.B) { benchmarkUnary(b, strings.Repeat("What is the answer? ", 100)) }

func benchmarkUnary(b *testing.B, prompt string) {
	benchmark(b, "invoke", map[string]any{"prompt": prompt})
}

func BenchmarkStream1000(b *testing.B) {
	benchmark(b, "stream", map[string]any{"events": 1000, "every_ms": 0, "flush": "each"})
}

func benchmark(b *testing.B, mode string, payload any) {
	body, err := json.Marshal(payload)
	if err != nil {
		b.Fatal(err)
	}
	eachHandler(b, mode, func(b *testing.B, handler http.Handler) {
		b.Run("ServeHTTP", func(b *testing.B) { direct(b, handler, body) })
		b.Run("loopback", func(b *testing.B) {
			server := httptest.NewServer(handler)
			defer server.Close()
			addr := server.Listener.Addr().String()
			client, err := load.Dial(addr, load.Post(addr, "*/*", body), func([]byte) error { return nil })
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			repeat(b, client)
		})
	})
}

func BenchmarkWebSocketEcho(b *testing.B) {
	eachHandler(b, "invoke", func(b *testing.B, handler http.Handler) {
		server := httptest.NewServer(handler)
		defer server.Close()
		echo, err := load.DialEcho(server.Listener.Addr().String(), strings.Repeat("x", 100))
		if err != nil {
			b.Fatal(err)
		}
		defer echo.Close()
		repeat(b, echo)
	})
}

// eachHandler runs a benchmark with both handlers. Ours logs as it does in a
// container: to a pipe that somebody reads.
func eachHandler(b *testing.B, mode string, run func(*testing.B, http.Handler)) {
	b.Run("ours", func(b *testing.B) {
		r, w, err := os.Pipe()
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			defer r.Close()
			_, _ = io.Copy(io.Discard, r)
		}()
		stderr := os.Stderr
		os.Stderr = w
		server := ours.Server(mode)
		os.Stderr = stderr
		defer w.Close()
		run(b, server)
	})
	b.Run("plain", func(b *testing.B) { run(b, plain.Handler(mode)) })
}

func repeat(b *testing.B, w load.Worker) {
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Do(); err != nil {
			b.Fatal(err)
		}
	}
}

// direct calls a handler without a connection.
func direct(b *testing.B, handler http.Handler, body []byte) {
	reader := bytes.NewReader(body)
	r := httptest.NewRequest(http.MethodPost, "/invocations", reader)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id", "5b0bb9a4-58b1-4c1f-9c2b-6f3a1d1f7e10")
	r.Header.Set("X-Amzn-Bedrock-AgentCore-Runtime-Request-Id", "0f6a2d56-94c7-4e0e-8a5e-0d3f5c1b9a77")
	w := &writer{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		clear(w.header)
		w.written = 0
		handler.ServeHTTP(w, r)
		if w.written == 0 {
			b.Fatal("there is no answer")
		}
	}
}

// writer is a ResponseWriter that costs next to nothing.
type writer struct {
	header  http.Header
	written int
}

func (w *writer) Header() http.Header              { return w.header }
func (w *writer) WriteHeader(int)                  {}
func (w *writer) Flush()                           {}
func (w *writer) SetWriteDeadline(time.Time) error { return nil }

func (w *writer) Write(p []byte) (int, error) {
	w.written += len(p)
	return len(p), nil
}
