package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/runtime"
)

// collect reads a stream to its end.
func collect[Out any](t *testing.T, events string) (values []Out, last error) {
	t.Helper()
	c := client.New(direct(t, serve(t, answerEvents(events)).url))
	for value, err := range client.Stream[any, Out](t.Context(), c, nil) {
		if last = err; err == nil {
			values = append(values, value)
		}
	}
	return values, last
}

// streams tests what a stream's values are.
func streams[Out any](t *testing.T, events string, want ...Out) {
	t.Helper()
	got, err := collect[Out](t, events)
	if err != nil || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
		t.Errorf("%q is %#v, %v, want %#v", events, got, err, want)
	}
}

func TestStreamValues(t *testing.T) {
	type token struct {
		Text string          `json:"text"`
		Meta json.RawMessage `json:"meta"`
	}
	streams[string](t, "")
	streams(t, "data: \"a\"\n\ndata: \"b\\n\"\n\n", "a", "b\n")
	streams(t, "data: {\"text\":\"a\",\"meta\":{\"n\": 1}}\n\ndata: {\"meta\":[22222]}\n\n", token{"a", rawJSON(`{"n": 1}`)}, token{"", rawJSON(`[22222]`)})
	streams(t, "data: 1\n\n: comment\n\ndata:\ndata: 2\n\n", 1, 2)
	streams(t, "data: null\n\ndata: {}\n\n", token{}, token{})
	streams(t, "data: null\n\ndata: what\n\ndata:\n\n", client.None{}, client.None{}, client.None{})
	streams(t, "data: {\"n\":12345678901234567890.5}\n\ndata: 9007199254740993\n\n",
		any(map[string]any{"n": json.Number("12345678901234567890.5")}), any(json.Number("9007199254740993")))
	streams(t, "data: 1.50\n\n", json.Number("1.50"))
	streams(t, "data: {\"a\": 1}\n\ndata: [ ]\n\n", rawJSON(`{"a": 1}`), rawJSON(`[ ]`))
	streams(t, "data: \"aGk=\"\n\n", []byte("hi"))
	one := 1
	if got, err := collect[*int](t, "data: 1\n\ndata: null\n\n"); err != nil || len(got) != 2 || *got[0] != one || got[1] != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// The TypeScript SDK sends the text of a string as it is, line by line.
func TestStreamText(t *testing.T) {
	const events = "data: Hello\n\ndata:  you\n\ndata: one\ndata: two\n\ndata: 42\n\ndata: {\n\ndata:\n\ndata: \"quoted\" text\n\n"
	streams(t, events, "Hello", " you", "one\ntwo", "42", "{", "", `"quoted" text`)
	streams(t, events, any("Hello"), any(" you"), any("one\ntwo"), any(json.Number("42")), any("{"), any(""), any(`"quoted" text`))
	streams(t, events, rawJSON(`"Hello"`), rawJSON(`" you"`), rawJSON(`"one\ntwo"`), rawJSON(`42`), rawJSON(`"{"`), rawJSON(`""`), rawJSON(`"\"quoted\" text"`))
}

func TestStreamDecodeError(t *testing.T) {
	got, err := collect[int](t, "data: 1\n\ndata: x\n\ndata: 2\n\n")
	e := as[*client.DecodeError](t, err)
	if !slices.Equal(got, []int{1}) || string(e.Data) != "x" {
		t.Errorf("%v, %q", got, e.Data)
	}
	says(t, err, `invoke: the event "x" does not fit int: invalid character 'x' looking for beginning of value`)
	_, err = collect[int](t, "data: \"x\"\n\n")
	says(t, as[*client.DecodeError](t, err), `invoke: the event "\"x\"" does not fit int: json: cannot unmarshal string into Go value of type int`)
}

func TestInvokeOfStream(t *testing.T) {
	c := client.New(direct(t, serve(t, answerEvents("data: 1\n\n")).url))
	_, err := client.Invoke[any, any](t.Context(), c, nil)
	says(t, err, "invoke: the agent answers with a stream: call it with Stream, or generate its client again")
}

func TestMaxEvent(t *testing.T) {
	text := "data: " + strings.Repeat("1", 9) + "\n\ndata: " + strings.Repeat("1", 10) + "\n\ndata: " + strings.Repeat("1", 11) + "\n\n"
	s := serve(t, answerEvents(text))
	for limit, want := range map[int]struct {
		values int
		err    string
	}{
		9:           {1, "invoke: the stream was cut off: an event is larger than 9 bytes: raise the limit with WithMaxEvent"},
		10:          {2, "invoke: the stream was cut off: an event is larger than 10 bytes: raise the limit with WithMaxEvent"},
		11:          {3, ""},
		0:           {3, ""},
		-1:          {3, ""},
		1<<63 - 1:   {3, ""},
		1<<63 - 100: {3, ""},
	} {
		values := 0
		var last error
		for _, err := range client.Stream[any, json.Number](t.Context(), client.New(direct(t, s.url, client.WithMaxEvent(limit))), nil) {
			if last = err; err == nil {
				values++
			}
		}
		says(t, last, want.err)
		if values != want.values {
			t.Errorf("with the limit %d: %d values, want %d", limit, values, want.values)
		}
	}
}

// endless is an agent that counts until its caller leaves, and then says so. With
// a limit it waits there.
func endless(t *testing.T, limit int) (c *client.Client, left <-chan struct{}) {
	t.Helper()
	gone := make(chan struct{})
	agent := runtime.NewServer(runtime.Handlers{
		Invoke: runtime.Stream("Count", func(ctx context.Context, _ any) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				defer close(gone)
				for i := 0; i != limit; i++ {
					if !yield(i, nil) {
						return
					}
				}
				<-ctx.Done()
			}
		}),
	}, quiet)
	return client.New(direct(t, serve(t, agent.ServeHTTP).url)), gone
}

// A loop that is left stops the agent, and its iterator cleans up.
func TestStreamBreak(t *testing.T) {
	c, left := endless(t, -1)
	want := 0
	for got, err := range client.Stream[any, int](t.Context(), c, nil) {
		if err != nil || got != want {
			t.Fatalf("%d, %v, want %d", got, err, want)
		}
		if want++; want == 3 {
			break
		}
	}
	<-left
}

func TestStreamPanic(t *testing.T) {
	c, left := endless(t, -1)
	func() {
		defer func() { _ = recover() }()
		for range client.Stream[any, int](t.Context(), c, nil) {
			panic("in the loop")
		}
	}()
	<-left
}

// The end of a context ends a stream that says nothing.
func TestStreamContextEnds(t *testing.T) {
	c, left := endless(t, 2)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var last error
	n := 0
	for value, err := range client.Stream[any, int](ctx, c, nil) {
		n++
		if last = err; err == nil && value == 1 {
			go cancel(errHurry) // while this goroutine waits for another value
		}
	}
	if last != errHurry || n != 3 {
		t.Errorf("%d elements, the last is %v", n, last)
	}
	<-left
}

// Each loop is a call.
func TestStreamTwice(t *testing.T) {
	s := serve(t, answerEvents("data: 1\n\n"))
	stream := client.Stream[string, int](t.Context(), client.New(direct(t, s.url)), "hello")
	if len(s.all()) != 0 {
		t.Error("the agent is called before the loop")
	}
	for n := 1; n <= 2; n++ {
		for value, err := range stream {
			if value != 1 || err != nil {
				t.Errorf("%d, %v", value, err)
			}
		}
		if got := len(s.all()); got != n || s.last(t).body != `"hello"` {
			t.Errorf("%d requests after %d loops", got, n)
		}
	}
}

// Two streams of one client, taken in turn.
func TestStreamsInTurn(t *testing.T) {
	c, left := endless(t, -1)
	one, stopOne := iter.Pull2(client.Stream[any, int](t.Context(), c, nil))
	other, _ := endless(t, 1)
	two, stopTwo := iter.Pull2(client.Stream[any, int](t.Context(), other, nil))
	for i := range 2 {
		if got, err, _ := one(); got != i || err != nil {
			t.Errorf("%d, %v", got, err)
		}
	}
	if got, err, _ := two(); got != 0 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	stopTwo()
	stopOne()
	<-left
}

// A connection that breaks is an error, with whatever has come before.
func TestStreamCutOff(t *testing.T) {
	for name, test := range map[string]struct {
		header http.Header
		text   string
		values int
	}{
		"between events":           {nil, "data: 1\n\n", 1},
		"within an event":          {nil, "data: 1\n\ndata: 2\n", 1},
		"with nothing":             {nil, "", 0},
		"below its content length": {http.Header{"Content-Length": {"100"}}, "data: 1\n\ndata: 2\n\n", 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				for name, values := range test.header {
					w.Header()[name] = values
				}
				_, _ = io.WriteString(w, test.text)
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			})
			values := 0
			var last error
			for _, err := range client.Stream[any, int](t.Context(), client.New(direct(t, s.url)), nil) {
				if last = err; err == nil {
					values++
				}
			}
			says(t, last, "invoke: the stream was cut off: unexpected EOF")
			if !errors.Is(last, io.ErrUnexpectedEOF) || values != test.values {
				t.Errorf("%d values, %v", values, last)
			}
		})
	}
}

// An agent's values are there when it has yielded them, one by one.
func TestStreamAtOnce(t *testing.T) {
	next := make(chan struct{})
	agent := runtime.NewServer(runtime.Handlers{
		Invoke: runtime.Stream("Wait", func(context.Context, any) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				for i := range 3 {
					if !yield(i, nil) {
						return
					}
					<-next
				}
			}
		}),
	}, quiet)
	want := 0
	for got, err := range client.Stream[any, int](t.Context(), client.New(direct(t, serve(t, agent.ServeHTTP).url)), nil) {
		if err != nil || got != want {
			t.Fatalf("%d, %v, want %d", got, err, want)
		}
		want++
		next <- struct{}{}
	}
	if want != 3 {
		t.Errorf("%d values", want)
	}
}

// However long a stream is, it takes no more memory than a short one.
func TestStreamMemory(t *testing.T) {
	const events = 1_000_000
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		buf := bufio.NewWriterSize(w, 64<<10)
		for i := range events {
			_, _ = fmt.Fprintf(buf, "data: %d\n\n", i)
		}
		_ = buf.Flush()
	})
	c := client.New(direct(t, s.url))
	var before, after goruntime.MemStats
	want, grown := 0, uint64(0)
	for got, err := range client.Stream[any, int](t.Context(), c, nil) {
		if err != nil || got != want {
			t.Fatalf("%d, %v, want %d", got, err, want)
		}
		switch want++; {
		case want == 1000: // everything is in use
			goruntime.GC()
			goruntime.ReadMemStats(&before)
		case want%250_000 == 0:
			goruntime.GC()
			goruntime.ReadMemStats(&after)
			grown = max(grown, after.HeapAlloc-min(before.HeapAlloc, after.HeapAlloc))
		}
	}
	if want != events {
		t.Errorf("%d events", want)
	}
	if grown > 4<<20 { // the text is 13 MB; the server allocates, too, between the two readings
		t.Errorf("the heap has grown by %d bytes", grown)
	}
}
