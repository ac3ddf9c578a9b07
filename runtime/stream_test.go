package runtime_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"net/http/httptrace"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tmaxmax/go-sse"

	"github.com/agentcore-go/agentcore/runtime"
)

type values[T any] = iter.Seq2[T, error]

// stream returns a handler whose stream the function yields.
func stream[T any](run func(ctx context.Context, yield func(T, error) bool)) runtime.InvokeHandler {
	return runtime.Stream("Stream", func(ctx context.Context, _ any) values[T] {
		return func(yield func(T, error) bool) { run(ctx, yield) }
	})
}

// parseEvents returns the data of the events in a body, read by a parser that
// is not ours. Nothing but data may be there.
func parseEvents(t *testing.T, body io.Reader) (data []string) {
	t.Helper()
	for event, err := range sse.Read(body, &sse.ReadConfig{MaxEventSize: 16 << 20}) {
		if err != nil {
			t.Fatalf("after %d events: %v", len(data), err)
		}
		if event.Type != "" || event.LastEventID != "" {
			t.Errorf("event %d has the type %q and the id %q", len(data), event.Type, event.LastEventID)
		}
		data = append(data, event.Data)
	}
	return data
}

func TestStreamFraming(t *testing.T) {
	tests := results()
	a := serve(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(any, error) bool) {
		for _, test := range tests {
			if !yield(test.value, nil) {
				return
			}
		}
	})})
	for _, accept := range []string{"", "text/event-stream", "application/json"} {
		t.Run("Accept: "+accept, func(t *testing.T) {
			response := a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`), "Accept", accept)
			raw, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			var want strings.Builder
			for _, test := range tests {
				fmt.Fprintf(&want, "data: %s\n\n", test.want)
			}
			if string(raw) != want.String() {
				t.Errorf("the body is\n%s\nwant\n%s", raw, want.String())
			}
			events := parseEvents(t, strings.NewReader(string(raw)))
			if len(events) != len(tests) {
				t.Fatalf("parsed %d events, want %d", len(events), len(tests))
			}
			for i, test := range tests {
				if events[i] != test.want {
					t.Errorf("%s: the data is %s, want %s", test.name, events[i], test.want)
				}
			}

			if response.StatusCode != 200 || response.ContentLength != -1 {
				t.Errorf("status %d, content length %d, want 200 and none", response.StatusCode, response.ContentLength)
			}
			for name, want := range map[string]string{
				"Content-Type":      "text/event-stream; charset=utf-8",
				"Cache-Control":     "no-cache",
				"X-Accel-Buffering": "no",
			} {
				if got := response.Header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if response.Header.Get(sessionHeader) == "" {
				t.Error("the answer has no session id")
			}
		})
	}
}

func TestStreamWithoutValues(t *testing.T) {
	for name, sequence := range map[string]values[string]{
		"empty": func(func(string, error) bool) {},
		"nil":   nil,
	} {
		t.Run(name, func(t *testing.T) {
			handle := func(context.Context, any) values[string] { return sequence }
			a := serve(t, runtime.Handlers{Invoke: runtime.Stream("Stream", handle)})
			got := a.invoke(t, `{}`)
			if kind := got.header.Get("Content-Type"); got.status != 200 || got.body != "" || kind != "text/event-stream; charset=utf-8" {
				t.Errorf("answered %d %s %q, want an empty stream", got.status, kind, got.body)
			}
		})
	}
}

func TestStreamSendsEachValueWhileTheProducerWaits(t *testing.T) {
	begun, proceed := make(chan struct{}), make(chan struct{})
	a := serve(t, runtime.Handlers{Invoke: stream(func(ctx context.Context, yield func(int, error) bool) {
		close(begun)
		<-proceed // so that the header comes before any value
		for i := range 3 {
			if !yield(i, nil) {
				t.Error("the stream was stopped")
				return
			}
			<-proceed
		}
	})})
	response := a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`))
	await(t, "the beginning", begun)
	body := bufio.NewReader(response.Body)
	proceed <- struct{}{}
	for i := range 3 {
		want := fmt.Sprintf("data: %d\n", i)
		if line, err := body.ReadString('\n'); err != nil || line != want {
			t.Fatalf("read %q (%v), want %q", line, err, want)
		}
		if line, err := body.ReadString('\n'); err != nil || line != "\n" {
			t.Fatalf("read %q (%v) behind the event", line, err)
		}
		proceed <- struct{}{}
	}
	if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
		t.Errorf("the stream ends with %q (%v)", rest, err)
	}
}

func TestStreamManyFastEvents(t *testing.T) {
	const n = 50_000
	a := serve(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
	})})
	events := parseEvents(t, a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`)).Body)
	if len(events) != n {
		t.Fatalf("%d events arrived, want %d", len(events), n)
	}
	for i, event := range events {
		if event != strconv.Itoa(i) {
			t.Fatalf("event %d is %s", i, event)
		}
	}
}

// An event larger than all buffers.
func TestStreamLargeEvents(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	a := serve(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(string, error) bool) {
		_ = yield(large, nil) && yield("small", nil) && yield(large, nil)
	})})
	events := parseEvents(t, a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`)).Body)
	if len(events) != 3 || events[0] != `"`+large+`"` || events[1] != `"small"` || events[2] != events[0] {
		t.Errorf("%d events arrived, or not what was sent", len(events))
	}
}

type throttled struct{}

func (throttled) Error() string     { return "slow down" }
func (throttled) ErrorType() string { return "ThrottlingException" }

type panickingError struct{}

func (panickingError) Error() string { panic("no text") }

func TestStreamFailure(t *testing.T) {
	fails := func(err error) func(func(string, error) bool) {
		return func(yield func(string, error) bool) { yield("ignored", err) }
	}
	const first = "data: \"first\"\n\n"
	for _, test := range []struct {
		name string
		run  func(yield func(string, error) bool)
		err  string
		kind string
	}{
		{"plain", fails(errors.New("no <model>")), "no <model>", "error"},
		{"empty text", fails(errors.New("")), "", "error"},
		{"wrapped text", fails(fmt.Errorf("ask: %w", io.EOF)), "ask: EOF", "error"},
		{"pointer type", fails(&fs.PathError{Op: "open", Path: "x", Err: io.EOF}), "open x: EOF", "fs.PathError"},
		{"wrapped type", fails(fmt.Errorf("ask: %w", &fs.PathError{Op: "open", Path: "x", Err: io.EOF})), "ask: open x: EOF", "fs.PathError"},
		{"joined", fails(errors.Join(io.EOF, io.ErrNoProgress)), "EOF\nmultiple Read calls return no data or error", "error"},
		{"its own name", fails(fmt.Errorf("ask: %w", throttled{})), "ask: slow down", "ThrottlingException"},
		{"status", fails(runtime.Errorf(402, "pay first")), "pay first", "runtime.StatusError"},
		{"context", fails(context.DeadlineExceeded), "context deadline exceeded", "context.deadlineExceededError"},
		{"panic", func(func(string, error) bool) { panic("secret") }, "internal error", "panic"},
		{"panic with an error", func(func(string, error) bool) { panic(errors.New("secret")) }, "internal error", "panic"},
		{"panic in an encoder", func(yield func(string, error) bool) { panic(panickingJSON{}) }, "internal error", "panic"},
		{"nil in an interface", fails((*nilError)(nil)), "internal error", "panic"},
		{"panic in the error's text", fails(panickingError{}), "internal error", "panic"},
		{"goes on after its error", func(yield func(string, error) bool) {
			if yield("", errors.New("first error")) {
				t.Error("an error did not stop the sequence")
			}
		}, "first error", "error"},
	} {
		text, err := json.Marshal(test.err)
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(text)))
		want := fmt.Sprintf(`data: {"error":%s,"error_type":%q,"message":"An error occurred during streaming"}`, text, test.kind) + "\n\n"

		t.Run(test.name+" before the first value", func(t *testing.T) {
			a := serve(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(string, error) bool) { test.run(yield) })})
			if got := a.invoke(t, `{}`); got.status != 200 || got.body != want {
				t.Errorf("answered %d %q, want 200 %q", got.status, got.body, want)
			}
		})
		t.Run(test.name+" after a value", func(t *testing.T) {
			a := serve(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(string, error) bool) {
				if yield("first", nil) {
					test.run(yield)
				}
			})})
			if got := a.invoke(t, `{}`); got.status != 200 || got.body != first+want {
				t.Errorf("answered %d %q, want 200 %q", got.status, got.body, first+want)
			}
			if got := a.pingStatus(t); got != runtime.Healthy {
				t.Errorf("afterwards the agent is %s", got)
			}
		})
	}
}

func TestStreamEncoderPanicsInMidStream(t *testing.T) {
	cleanedUp := false
	a := serve(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(any, error) bool) {
		defer func() { cleanedUp = true }()
		_ = yield(1, nil) && yield(panickingJSON{}, nil)
	})})
	got := a.invoke(t, `{}`)
	const want = "data: 1\n\ndata: {\"error\":\"internal error\",\"error_type\":\"panic\",\"message\":\"An error occurred during streaming\"}\n\n"
	if got.body != want {
		t.Errorf("the body is %q, want %q", got.body, want)
	}
	if !cleanedUp {
		t.Error("the sequence was not cleaned up")
	}
}

func TestStreamAborted(t *testing.T) {
	a := serve(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(int, error) bool) {
		yield(1, nil)
		panic(http.ErrAbortHandler)
	})})
	response, err := a.client.Post(a.url+"/invocations", "", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err == nil || string(body) != "data: 1\n\n" {
		t.Errorf("read %q (%v), want one event and a cut connection", body, err)
	}
}

// A client that goes away ends the sequence wherever it is: its context ends,
// its deferred calls run, and no goroutine is left when the bubble closes.
func TestStreamClientLeaves(t *testing.T) {
	for name, produce := range map[string]func(ctx context.Context, yield func(string, error) bool){
		"while the producer waits": func(ctx context.Context, yield func(string, error) bool) {
			if yield("first", nil) {
				<-ctx.Done()
				yield("", context.Cause(ctx))
			}
		},
		"while the producer yields": func(_ context.Context, yield func(string, error) bool) {
			for yield("again", nil) {
			}
		},
		"while the producer sleeps between values": func(_ context.Context, yield func(string, error) bool) {
			for yield("again", nil) {
				time.Sleep(time.Minute)
			}
		},
		"while a write is stuck": func(_ context.Context, yield func(string, error) bool) {
			for yield(strings.Repeat("x", 1<<16), nil) {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ended, cleanedUp context.Context
				a := serveInMemory(t, runtime.Handlers{Invoke: stream(func(ctx context.Context, yield func(string, error) bool) {
					defer func() { cleanedUp = ctx }()
					context.AfterFunc(ctx, func() { ended = ctx })
					produce(ctx, yield)
				})})
				ctx, leave := context.WithCancel(t.Context())
				response := a.open(t, ctx, "POST", "/invocations", strings.NewReader(`{}`))
				if _, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if cleanedUp != nil || ended != nil {
					t.Fatal("the sequence has ended by itself")
				}
				leave()
				synctest.Wait()
				if ended == nil {
					t.Error("the context has not ended")
				}
				time.Sleep(time.Hour) // on the bubble's clock
				synctest.Wait()
				if cleanedUp == nil {
					t.Error("the sequence was not cleaned up")
				}
				if got := a.pingStatus(t); got != runtime.Healthy {
					t.Errorf("afterwards the agent is %s", got)
				}
			})
		})
	}
}

func TestStreamClientLeavesBeforeItOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cause error
		a := serveInMemory(t, runtime.Handlers{
			Invoke: runtime.OpenStream("Stream", func(ctx context.Context, _ any) (values[int], error) {
				<-ctx.Done()
				cause = context.Cause(ctx)
				return nil, cause
			}),
		})
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			synctest.Wait()
			leave()
		}()
		request, err := http.NewRequestWithContext(ctx, "POST", a.url+"/invocations", strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		if response, err := a.client.Do(request); err == nil {
			response.Body.Close()
			t.Errorf("answered %d", response.StatusCode)
		}
		synctest.Wait()
		if !errors.Is(cause, context.Canceled) {
			t.Errorf("the context ended with %v", cause)
		}
	})
}

func TestStreamStalledClient(t *testing.T) {
	const size, limit = 1000, 200 // each event, and how many may be on their way
	synctest.Test(t, func(t *testing.T) {
		var produced atomic.Int64
		a := serveInMemory(t, runtime.Handlers{Invoke: runtime.Stream("Count", func(_ context.Context, n int64) values[string] {
			return func(yield func(string, error) bool) {
				for i := range n {
					produced.Store(i)
					if !yield(fmt.Sprintf("%0*d", size, i), nil) {
						return
					}
				}
			}
		})})
		const n = 5000
		stalled := a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(strconv.Itoa(n)))
		synctest.Wait() // all are blocked: the producer is as far ahead as it gets
		ahead := produced.Load()
		if ahead == 0 || ahead > limit {
			t.Errorf("the producer ran %d events ahead, want at most %d", ahead, limit)
		}

		// Whoever else there is does not notice. No time passes on this clock
		// unless somebody waits for it.
		start := time.Now()
		if got := a.pingStatus(t); got != runtime.HealthyBusy {
			t.Errorf("the agent is %s", got)
		}
		other := a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`3`))
		if events := parseEvents(t, other.Body); len(events) != 3 {
			t.Errorf("another stream has %d events, want 3", len(events))
		}
		if waited := time.Since(start); waited > 0 {
			t.Errorf("others were held up for %v", waited)
		}

		// The client comes back, and nothing is lost.
		events := parseEvents(t, stalled.Body)
		if len(events) != n {
			t.Fatalf("%d events arrived, want %d", len(events), n)
		}
		for i, event := range events {
			if want := fmt.Sprintf(`"%0*d"`, size, i); event != want {
				t.Fatalf("event %d is %.40s", i, event)
			}
		}
	})
}

// The header is what tells the client that its stream has begun.
func TestStreamHeaderGoesOutFirst(t *testing.T) {
	wherever(t, func(t *testing.T, serve serveFunc) {
		proceed := make(chan struct{})
		a := serve(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(int, error) bool) {
			<-proceed
			yield(1, nil)
		})})
		response := a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`)) // which waits for the header
		close(proceed)
		if body, err := io.ReadAll(response.Body); string(body) != "data: 1\n\n" || err != nil {
			t.Errorf("read %q (%v)", body, err)
		}
	})
}

// A stream that fails ends as it should, behind all that was yielded, and its
// connection is still good.
func TestStreamFailureKeepsTheConnection(t *testing.T) {
	for name, fail := range map[string]func(yield func(any, error) bool){
		"error": func(yield func(any, error) bool) { yield(nil, errors.New("too bad")) },
		"panic": func(func(any, error) bool) { panic("too bad") },
	} {
		for _, before := range []int{0, 1, 2, 15, 16, 17, 100, 10_000} {
			t.Run(fmt.Sprintf("%s after %d values", name, before), func(t *testing.T) {
				cleanedUp := 0
				a := serve(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(any, error) bool) {
					defer func() { cleanedUp++ }()
					for i := range before {
						if !yield(i, nil) {
							return
						}
					}
					fail(yield)
				})})
				const n = 3
				for i := range n {
					reused := false
					ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
						GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
					})
					events := parseEvents(t, a.open(t, ctx, "POST", "/invocations", strings.NewReader(`{}`)).Body)
					if len(events) != before+1 || !strings.HasPrefix(events[before], `{"error":`) {
						t.Errorf("%d events arrived, want %d and the failure", len(events), before)
					}
					if i > 0 && !reused {
						t.Error("the connection was cut")
					}
				}
				if err := a.stop(); err != nil {
					t.Error(err)
				}
				if cleanedUp != n {
					t.Errorf("%d sequences were cleaned up, want %d", cleanedUp, n)
				}
			})
		}
	}
}

// A client that leaves is nobody's fault.
func TestStreamClientLeavesIsNoError(t *testing.T) {
	for name, produce := range map[string]func(ctx context.Context, yield func(string, error) bool){
		"and the producer returns": func(ctx context.Context, _ func(string, error) bool) { <-ctx.Done() },
		"and the producer says so": func(ctx context.Context, yield func(string, error) bool) {
			<-ctx.Done()
			yield("", ctx.Err())
		},
		"and the producer fails for it": func(ctx context.Context, yield func(string, error) bool) {
			<-ctx.Done()
			yield("", fmt.Errorf("ask the model: %w", context.Cause(ctx)))
		},
		"amid values": func(_ context.Context, yield func(string, error) bool) {
			for yield("more", nil) {
			}
		},
		"amid a value": func(_ context.Context, yield func(string, error) bool) {
			for yield(strings.Repeat("x", 1<<20), nil) {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			wherever(t, func(t *testing.T, serve serveFunc) {
				ended, cleanedUp := make(chan error, 1), make(chan struct{})
				a := serve(t, runtime.Handlers{Invoke: stream(func(ctx context.Context, yield func(string, error) bool) {
					defer close(cleanedUp)
					context.AfterFunc(ctx, func() { ended <- ctx.Err() })
					if yield("first", nil) {
						produce(ctx, yield)
					}
				})})
				ctx, leave := context.WithCancel(t.Context())
				response := a.open(t, ctx, "POST", "/invocations", strings.NewReader(`{}`))
				if line, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil {
					t.Fatalf("read %q (%v)", line, err)
				}
				leave()
				if err := await(t, "the end of the context", ended); !errors.Is(err, context.Canceled) {
					t.Errorf("the context ended with %v", err)
				}
				await(t, "the clean-up of the sequence", cleanedUp)
				if err := a.stop(); err != nil {
					t.Error(err)
				}
				if record := a.logs.only(t); record["level"] != "INFO" {
					t.Errorf("logged %v, want no more than INFO", record)
				}
			})
		})
	}
}

// Many stalled clients hold up nothing that others need. On the clock of a bubble
// nobody waits unless something holds them up.
func TestStreamManyStalledClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := serveInMemory(t, runtime.Handlers{
			Invoke: runtime.Stream("Stream", func(_ context.Context, endless bool) values[string] {
				return func(yield func(string, error) bool) {
					for yield(strings.Repeat("x", 1000), nil) && endless {
					}
				}
			}),
			WebSocket: talk(echoTexts),
		})
		ctx, leave := context.WithCancel(t.Context())
		for range 50 {
			a.open(t, ctx, "POST", "/invocations", strings.NewReader(`true`)) // of which nothing is read
		}
		synctest.Wait()
		start := time.Now()
		for range 10 {
			if got := a.pingStatus(t); got != runtime.HealthyBusy {
				t.Errorf("the agent is %s", got)
			}
			if got := a.invoke(t, `false`); len(got.body) != len("data: \"\"\n\n")+1000 {
				t.Errorf("another stream has %d bytes", len(got.body))
			}
		}
		conn := a.connect(t)
		sendText(t, conn, "hello")
		readText(t, conn)
		conn.Close()
		if took := time.Since(start); took > 0 {
			t.Errorf("the others waited for %v", took)
		}
		leave()
		synctest.Wait()
		if got := a.pingStatus(t); got != runtime.Healthy {
			t.Errorf("when they have left, the agent is %s", got)
		}
	})
}

// plainWriter, flushingWriter and unwrappingWriter are what middleware wraps
// around an answer to look at it.
type plainWriter struct{ wrapped http.ResponseWriter }

func (w plainWriter) Header() http.Header         { return w.wrapped.Header() }
func (w plainWriter) WriteHeader(status int)      { w.wrapped.WriteHeader(status) }
func (w plainWriter) Write(b []byte) (int, error) { return w.wrapped.Write(b) }

type flushingWriter struct{ plainWriter }

func (w flushingWriter) Flush() { w.wrapped.(http.Flusher).Flush() }

type unwrappingWriter struct{ plainWriter }

func (w unwrappingWriter) Unwrap() http.ResponseWriter { return w.wrapped }

// wrapping returns middleware that passes answers through a writer.
func wrapping(wrap func(plainWriter) http.ResponseWriter) []func(http.Handler) http.Handler {
	return []func(http.Handler) http.Handler{func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(wrap(plainWriter{w}), r)
		})
	}}
}

func TestStreamThroughMiddleware(t *testing.T) {
	for _, test := range []struct {
		name string
		wrap func(plainWriter) http.ResponseWriter
	}{
		{"with Unwrap", func(w plainWriter) http.ResponseWriter { return unwrappingWriter{w} }},
		{"with Flush", func(w plainWriter) http.ResponseWriter { return flushingWriter{w} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			proceed := make(chan struct{})
			a := serve(t, runtime.Handlers{
				Middleware: wrapping(test.wrap),
				Invoke: stream(func(_ context.Context, yield func(int, error) bool) {
					for i := range 2 {
						if !yield(i, nil) {
							return
						}
						<-proceed
					}
				}),
			})
			response := a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`))
			body := bufio.NewReader(response.Body)
			for i := range 2 {
				if line, err := body.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
					t.Errorf("read %q (%v)", line, err)
				}
				_, _ = body.ReadString('\n')
				proceed <- struct{}{}
			}
		})
	}

	t.Run("with neither", func(t *testing.T) {
		stopped := make(chan struct{})
		a := serve(t, runtime.Handlers{
			Middleware: wrapping(func(w plainWriter) http.ResponseWriter { return w }),
			Invoke: stream(func(ctx context.Context, yield func(int, error) bool) {
				defer close(stopped)
				<-ctx.Done()
				yield(0, ctx.Err())
			}),
		})
		response, err := a.client.Post(a.url+"/invocations", "application/json", strings.NewReader(`{}`))
		if err == nil {
			defer response.Body.Close()
			_, err = io.ReadAll(response.Body)
		}
		if err == nil {
			t.Error("the stream has ended well, want a cut connection")
		}
		await(t, "the end of the sequence", stopped)
		record := a.logs.only(t)
		if text := fmt.Sprint(record["errorMessage"]); record["level"] != "ERROR" || !strings.Contains(text, "Unwrap") {
			t.Errorf("logged %v, want what is wrong with the middleware", record)
		}
	})

	t.Run("that panics in Write", func(t *testing.T) {
		stopped := make(chan struct{})
		a := serve(t, runtime.Handlers{
			Middleware: wrapping(func(w plainWriter) http.ResponseWriter { return panickingWriter{unwrappingWriter{w}} }),
			Invoke: stream(func(_ context.Context, yield func(int, error) bool) {
				defer close(stopped)
				for yield(0, nil) {
				}
			}),
		})
		response, err := a.client.Post(a.url+"/invocations", "application/json", strings.NewReader(`{}`))
		if err == nil { // the header was sent before the first event
			defer response.Body.Close()
			_, err = io.ReadAll(response.Body)
		}
		if err == nil {
			t.Error("the stream has ended well, want a cut connection")
		}
		await(t, "the end of the sequence", stopped)
	})
}

type panickingWriter struct{ unwrappingWriter }

func (panickingWriter) Write([]byte) (int, error) { panic("no more paper") }

// A request's context may end though the client is still there: by a deadline
// of middleware, or at a shutdown. That ends the stream even if the client
// does not read it.
func TestStreamContextEndedByMiddleware(t *testing.T) {
	for name, produce := range map[string]func(ctx context.Context, yield func(string, error) bool){
		"while the producer waits": func(ctx context.Context, yield func(string, error) bool) {
			<-ctx.Done()
			yield("", ctx.Err())
		},
		"while a write is stuck": func(_ context.Context, yield func(string, error) bool) {
			for yield(strings.Repeat("x", 1<<16), nil) {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cleanedUp := false
				served := make(chan struct{}, 1)
				limit := func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						ctx, cancel := context.WithTimeout(r.Context(), time.Second)
						defer cancel()
						next.ServeHTTP(w, r.WithContext(ctx))
					})
				}
				a := serveInMemory(t, runtime.Handlers{
					Middleware: append(announce(served), limit),
					Invoke: stream(func(ctx context.Context, yield func(string, error) bool) {
						defer func() { cleanedUp = true }()
						produce(ctx, yield)
					}),
				})
				a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`)) // and no more
				await(t, "the end of the request", served)
				if !cleanedUp {
					t.Error("the sequence was not cleaned up")
				}
			})
		})
	}
}

// A deadline of middleware is a failure of the stream: a client that reads is
// told, and may use the connection again.
func TestStreamOutlivesItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithTimeout(r.Context(), time.Second)
				defer cancel()
				next.ServeHTTP(w, r.WithContext(ctx))
			})
		}
		a := serveInMemory(t, runtime.Handlers{
			Middleware: []func(http.Handler) http.Handler{limit},
			Invoke: stream(func(ctx context.Context, yield func(string, error) bool) {
				if yield("in time", nil) {
					<-ctx.Done()
					yield("", ctx.Err())
				}
			}),
		})
		for range 2 {
			const want = "data: \"in time\"\n\n" +
				`data: {"error":"context deadline exceeded","error_type":"context.deadlineExceededError","message":"An error occurred during streaming"}` + "\n\n"
			if got := a.invoke(t, `{}`); got.status != 200 || got.body != want {
				t.Errorf("answered %d %s, want the error event", got.status, got.body)
			}
			time.Sleep(time.Minute) // for a write deadline that was forgotten
		}
	})
}

// A goroutine may end without a panic and without a return.
func TestStreamGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := serveInMemory(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(int, error) bool) {
			yield(1, nil)
			goruntime.Goexit()
		})})
		response := a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`))
		if body, err := io.ReadAll(response.Body); err == nil {
			t.Errorf("read %q as if it were complete", body)
		}
		if got := a.pingStatus(t); got != runtime.Healthy {
			t.Errorf("afterwards the agent is %s", got)
		}
	})
}
