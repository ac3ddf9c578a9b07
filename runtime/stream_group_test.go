package runtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

// flight is what goes out at once: what is written before a flush.
type flight struct {
	after time.Duration
	text  string
}

// flights records what goes out, and may hold it up.
type flights struct {
	mu    sync.Mutex
	start time.Time
	text  strings.Builder
	list  []flight
	hold  chan struct{} // a flush waits until it is closed
}

type recordingWriter struct {
	unwrappingWriter
	flights *flights
}

func (w recordingWriter) Write(b []byte) (int, error) {
	w.flights.mu.Lock()
	w.flights.text.Write(b)
	w.flights.mu.Unlock()
	return w.unwrappingWriter.Write(b)
}

func (w recordingWriter) FlushError() error {
	f := w.flights
	f.mu.Lock()
	if text := f.text.String(); text != "" {
		f.list = append(f.list, flight{time.Since(f.start), text})
		f.text.Reset()
	}
	hold := f.hold
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return http.NewResponseController(w.wrapped).Flush()
}

func (f *flights) middleware() []func(http.Handler) http.Handler {
	return wrapping(func(w plainWriter) http.ResponseWriter { return recordingWriter{unwrappingWriter{w}, f} })
}

// Values that come slowly go out each on its own, and at once.
func TestStreamSlowEventsGoOutAlone(t *testing.T) {
	for _, pause := range []time.Duration{time.Hour, time.Second, 10 * time.Millisecond, time.Millisecond} {
		t.Run(pause.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 100
				out := new(flights)
				a := serveInMemory(t, runtime.Handlers{Middleware: out.middleware(), Invoke: stream(func(_ context.Context, yield func(int, error) bool) {
					out.start = time.Now()
					for i := range n {
						time.Sleep(pause)
						if !yield(i, nil) {
							return
						}
					}
				})})
				if got := a.invoke(t, `{}`); got.status != 200 {
					t.Errorf("answered %d", got.status)
				}
				if len(out.list) != n {
					t.Fatalf("%d events went out in %d flights", n, len(out.list))
				}
				for i, got := range out.list {
					if want := (flight{time.Duration(i+1) * pause, fmt.Sprintf("data: %d\n\n", i)}); got != want {
						t.Fatalf("flight %d is %v, want %v", i, got, want)
					}
				}
			})
		})
	}
}

// Values that come while others are on their way out go out together.
func TestStreamFastEventsGoOutTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		out := &flights{hold: make(chan struct{})} // beginning with the header
		a := serveInMemory(t, runtime.Handlers{Middleware: out.middleware(), Invoke: stream(func(_ context.Context, yield func(int, error) bool) {
			time.Sleep(time.Second) // so that it is the header that is held up
			for i := range n {
				if !yield(i, nil) {
					return
				}
			}
			close(out.hold)
			time.Sleep(time.Second)
			yield(n, nil)
		})})
		events := parseEvents(t, a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`)).Body)
		if len(events) != n+1 {
			t.Fatalf("%d events arrived, want %d", len(events), n+1)
		}
		if len(out.list) != 2 || strings.Count(out.list[0].text, "\n\n") != n {
			t.Errorf("they went out in %d flights, want two: all of them, and the last", len(out.list))
		}
	})
}

// So do values that come faster than they are sent, though nothing holds them up.
func TestStreamFastEventsGoOutInGroups(t *testing.T) {
	const n = 10_000
	out := new(flights)
	a := serve(t, runtime.Handlers{Middleware: out.middleware(), Invoke: stream(func(_ context.Context, yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
	})})
	if events := parseEvents(t, a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`)).Body); len(events) != n {
		t.Errorf("%d events arrived, want %d", len(events), n)
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	t.Logf("%d events went out in %d flights", n, len(out.list))
	if len(out.list) > n/2 {
		t.Errorf("%d events went out in %d flights", n, len(out.list))
	}
}

// An event goes out though its sequence does not come back for more.
func TestStreamLastFastEventsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := range 40 { // which of them goes out by itself must not matter
			out := new(flights)
			proceed := make(chan struct{})
			a := serveInMemory(t, runtime.Handlers{Middleware: out.middleware(), Invoke: stream(func(_ context.Context, yield func(int, error) bool) {
				for i := range n {
					if !yield(i, nil) {
						return
					}
				}
				<-proceed
			})})
			response := a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`))
			read := make(chan struct{})
			go func() {
				defer close(read)
				_, _ = io.Copy(io.Discard, response.Body)
			}()
			start := time.Now()
			synctest.Wait()
			sent := 0
			for _, flight := range out.list {
				sent += strings.Count(flight.text, "\n\n")
			}
			if sent != n || time.Since(start) > 0 {
				t.Errorf("%d of %d events are out while the sequence waits", sent, n)
			}
			close(proceed)
			<-read
		}
	})
}

// Whatever a sequence yields, and at whatever pace, arrives as it was, in order.
func TestStreamAnyPace(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 0))
				var plan []any // values, and pauses among them
				var want strings.Builder
				for range random.IntN(300) {
					value := randomValue(random)
					text, err := json.Marshal(value)
					if err != nil {
						t.Fatal(err)
					}
					fmt.Fprintf(&want, "data: %s\n\n", text)
					plan = append(plan, value)
					if random.IntN(3) == 0 {
						plan = append(plan, time.Duration(random.ExpFloat64()*float64(2*time.Millisecond)))
					}
				}
				readPause := time.Duration(random.IntN(3)) * time.Millisecond
				a := serveInMemory(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(any, error) bool) {
					for _, value := range plan {
						if pause, ok := value.(time.Duration); ok {
							time.Sleep(pause)
						} else if !yield(value, nil) {
							t.Error("the stream was stopped")
							return
						}
					}
				})})
				response := a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`))
				var got strings.Builder
				buffer := make([]byte, 1+random.IntN(5000))
				for {
					n, err := response.Body.Read(buffer)
					got.Write(buffer[:n])
					if err == io.EOF {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(readPause)
				}
				if got.String() != want.String() {
					t.Errorf("the body has %d bytes, want %d, or others", got.Len(), want.Len())
				}
			})
		})
	}
}

// randomValue has no JSON that encoding/json escapes and the server does not.
func randomValue(random *rand.Rand) any {
	switch random.IntN(5) {
	case 0:
		return random.Int64()
	case 1:
		return random.NormFloat64() * math.Pow(10, float64(random.IntN(40)-20))
	case 2:
		return strings.Repeat("data: \n\n", random.IntN(10))
	case 3:
		return map[string]any{"ż": []int{random.IntN(10)}, "": nil}
	default:
		return strings.Repeat("x", int(math.Pow(10, random.Float64()*4.9)))
	}
}

// A caller that reads slowly slows the sequence down, whatever it yields.
func TestStreamIsNotFarAheadOfItsReader(t *testing.T) {
	const ahead = 200_000 // bytes: what the server keeps, and the transports at both ends
	for _, size := range []int{0, 100, 10_000, 100_000} {
		t.Run(fmt.Sprint("events of ", size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var yielded []int // bytes, after each value
				text := strings.Repeat("x", size)
				a := serveInMemory(t, runtime.Handlers{Invoke: stream(func(ctx context.Context, yield func(string, error) bool) {
					sum := 0
					for yield(text, nil) {
						sum += len("data: ") + size + len(`""`) + len("\n\n")
						yielded = append(yielded, sum)
					}
				})})
				ctx, leave := context.WithCancel(t.Context())
				response := a.open(t, ctx, "POST", "/invocations", strings.NewReader(`{}`))
				read := 0
				buffer := make([]byte, 1000)
				for range 100 {
					synctest.Wait() // the sequence is as far ahead as it gets
					if sum := slices.Max(append(yielded, 0)); sum-read > ahead+size {
						t.Fatalf("%d bytes were yielded and %d read", sum, read)
					}
					n, err := response.Body.Read(buffer)
					if err != nil {
						t.Fatal(err)
					}
					read += n
				}
				leave()
				synctest.Wait()
			})
		})
	}
}
