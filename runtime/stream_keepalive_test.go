package runtime_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

// arrival is a line of a stream that is not empty, and when it came.
type arrival struct {
	after time.Duration
	line  string
}

// arrivals reads a stream to its end.
func arrivals(t *testing.T, start time.Time, body io.Reader) (got []arrival) {
	t.Helper()
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimSuffix(line, "\n"); line != "" {
			got = append(got, arrival{time.Since(start), line})
		}
		if err == io.EOF {
			return got
		}
		if err != nil {
			t.Errorf("the stream was cut: %v", err)
			return got
		}
	}
}

// step is what a sequence does: to wait, and to yield.
type step struct {
	wait  time.Duration
	value string // "" for none
}

func TestStreamKeepAlive(t *testing.T) {
	const comment = ": keep-alive"
	every := func(d time.Duration) []runtime.Option { return []runtime.Option{runtime.WithStreamKeepAlive(d)} }
	s := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	for _, test := range []struct {
		name  string
		opts  []runtime.Option
		steps []step
		want  []arrival
	}{
		{"after each quiet interval", every(s(10)), []step{{s(35), "a"}, {s(5), "b"}, {s(25), "c"}, {s(9), ""}},
			[]arrival{{s(10), comment}, {s(20), comment}, {s(30), comment}, {s(35), `data: "a"`}, {s(40), `data: "b"`},
				{s(50), comment}, {s(60), comment}, {s(65), `data: "c"`}}},
		{"not while events come", every(s(10)), []step{{s(9), "a"}, {s(9.9), "b"}, {s(9), "c"}, {s(1), "d"}, {s(9), ""}},
			[]arrival{{s(9), `data: "a"`}, {s(18.9), `data: "b"`}, {s(27.9), `data: "c"`}, {s(28.9), `data: "d"`}}},
		{"when there is no event at all", every(s(10)), []step{{s(25), ""}},
			[]arrival{{s(10), comment}, {s(20), comment}}},
		{"not in a short stream", every(s(10)), []step{{0, "a"}, {0, "b"}},
			[]arrival{{0, `data: "a"`}, {0, `data: "b"`}}},
		{"not by default", nil, []step{{time.Hour, "a"}, {time.Hour, ""}},
			[]arrival{{time.Hour, `data: "a"`}}},
		{"not with zero", every(0), []step{{time.Hour, "a"}}, []arrival{{time.Hour, `data: "a"`}}},
		{"not with less", every(-1), []step{{time.Hour, "a"}}, []arrival{{time.Hour, `data: "a"`}}},
		{"often", every(time.Millisecond), []step{{3500 * time.Microsecond, "a"}, {1500 * time.Microsecond, ""}},
			[]arrival{{s(.001), comment}, {s(.002), comment}, {s(.003), comment}, {s(.0035), `data: "a"`}, {s(.0045), comment}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			whereverInMemory(t, func(t *testing.T, serve serveFunc) {
				var start time.Time
				a := serve(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(string, error) bool) {
					start = time.Now()
					for _, step := range test.steps {
						time.Sleep(step.wait)
						if step.value != "" && !yield(step.value, nil) {
							t.Error("the stream was stopped")
							return
						}
					}
				})}, test.opts...)
				for range 2 { // what is left of the first would show in the second
					var raw strings.Builder
					response := a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`))
					synctest.Wait()
					got := arrivals(t, start, io.TeeReader(response.Body, &raw))
					if fmt.Sprint(got) != fmt.Sprint(test.want) {
						t.Errorf("arrived\n%v, want\n%v", got, test.want)
					}
					var events []string
					for _, a := range test.want {
						if data, ok := strings.CutPrefix(a.line, "data: "); ok {
							events = append(events, data)
						}
					}
					if parsed := parseEvents(t, strings.NewReader(raw.String())); fmt.Sprint(parsed) != fmt.Sprint(events) {
						t.Errorf("a reader makes %v of it, want %v", parsed, events)
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
}

// The comments of a caller that does not read do not pile up.
func TestStreamKeepAliveOfAStalledClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := serveInMemory(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(string, error) bool) {
			time.Sleep(time.Hour)
			yield("at last", nil)
		})}, runtime.WithStreamKeepAlive(time.Second))
		response := a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`))
		time.Sleep(2 * time.Hour)
		body, err := io.ReadAll(response.Body)
		if err != nil || !strings.HasSuffix(string(body), "data: \"at last\"\n\n") {
			t.Errorf("the stream ends with %.100q (%v)", body, err)
		}
		// The client's transport reads some ahead.
		if n := strings.Count(string(body), ":"); n > 500 {
			t.Errorf("%d comments have waited for the client", n)
		}
	})
}

// Comments tell that a client is gone, where nothing else does, and then they end.
func TestStreamKeepAliveEnds(t *testing.T) {
	for name, end := range map[string]func(yield func(string, error) bool){
		"by an error": func(yield func(string, error) bool) { yield("", errors.New("too bad")) },
		"by a panic":  func(func(string, error) bool) { panic("secret") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := serveInMemory(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(string, error) bool) {
					time.Sleep(1500 * time.Millisecond)
					end(yield)
				})}, runtime.WithStreamKeepAlive(time.Second))
				for range 2 {
					got := a.invoke(t, `{}`).body
					if comment, event, ok := strings.Cut(got, "\n\n"); comment != ": keep-alive" || !ok || !strings.HasPrefix(event, `data: {"error":`) || strings.Contains(event, "keep") {
						t.Errorf("received %q, want a comment and the error", got)
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
	t.Run("by the client", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ended := false
			a := serveInMemory(t, runtime.Handlers{Invoke: stream(func(ctx context.Context, yield func(string, error) bool) {
				<-ctx.Done()
				ended = true
			})}, runtime.WithStreamKeepAlive(time.Second))
			ctx, leave := context.WithCancel(t.Context())
			response := a.open(t, ctx, "POST", "/invocations", strings.NewReader(`{}`))
			if line, err := bufio.NewReader(response.Body).ReadString('\n'); line != ": keep-alive\n" || err != nil {
				t.Errorf("read %q (%v)", line, err)
			}
			leave()
			synctest.Wait()
			if !ended {
				t.Error("the sequence goes on")
			}
		})
	})
	t.Run("by the shutdown", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := serveInMemory(t, runtime.Handlers{Invoke: stream(func(ctx context.Context, yield func(string, error) bool) {
				<-ctx.Done()
			})}, runtime.WithStreamKeepAlive(time.Second))
			a.fails = true
			response := a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`))
			go func() { _, _ = io.Copy(io.Discard, response.Body) }()
			if err := a.stop(); err == nil {
				t.Error("the shutdown returned no error, though it cut a stream off")
			}
		})
	})
}
