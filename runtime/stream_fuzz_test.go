package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/runtime"
)

// readEvents is the standard's reader of server-sent events, as far as these have
// to be told from others.
func readEvents(body string) (events []string) {
	var data []string
	for line := range strings.SplitSeq(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(body), "\n") {
		name, value, _ := strings.Cut(line, ":")
		switch {
		case line == "" && data != nil:
			events, data = append(events, strings.Join(data, "\n")), nil
		case name == "data":
			data = append(data, strings.TrimPrefix(value, " "))
		}
	}
	return events
}

// Whatever a value is, it is one event of one line, and is read as it was.
func FuzzStreamEvents(f *testing.F) {
	f.Add("hello", []byte("hello"), 1.5)
	f.Fuzz(func(t *testing.T, text string, data []byte, number float64) {
		runes := func(s string) string { return string([]rune(s)) } // JSON has no place for other bytes
		var float any = number
		if math.IsNaN(number) || math.IsInf(number, 0) {
			float = fmt.Sprint(number) // nor for these
		}
		yielded := []any{text, string(data), data, number, map[string]any{text: []any{string(data)}}, &text}
		want := []any{runes(text), runes(string(data)), data, float, map[string]any{runes(text): []any{runes(string(data))}}, runes(text)}
		if json.Valid(data) {
			var value any
			if err := json.Unmarshal(data, &value); err != nil {
				return // a number that is too large
			}
			yielded, want = append(yielded, json.RawMessage(data)), append(want, value)
		}
		server := newServer(runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(any, error) bool) {
			for _, value := range yielded {
				if !yield(value, nil) {
					t.Error("the stream was stopped")
				}
			}
			yield(nil, errors.New(text))
		})})
		want = append(want, map[string]any{"error": runes(text), "error_type": "error", "message": "An error occurred during streaming"})

		body := record(server, "POST", "/invocations", `{}`).body
		if lines := strings.Split(body, "\n"); len(lines) != 2*len(want)+1 {
			t.Fatalf("%d events have %d lines: %q", len(want), len(lines), lines)
		}
		events := readEvents(body)
		if parsed := parseEvents(t, strings.NewReader(body)); !slices.Equal(parsed, events) {
			t.Fatalf("one reader makes %q of it, another %q", parsed, events)
		}
		if len(events) != len(want) {
			t.Fatalf("%d events arrived, want %d: %q", len(events), len(want), events)
		}
		for i := range want {
			if b, ok := want[i].([]byte); ok {
				var got []byte
				if err := json.Unmarshal([]byte(events[i]), &got); err != nil || string(got) != string(b) {
					t.Errorf("event %d is %q (%v), want the bytes %q", i, events[i], err, b)
				}
				continue
			}
			var got any
			if err := json.Unmarshal([]byte(events[i]), &got); err != nil || !reflect.DeepEqual(got, want[i]) {
				t.Errorf("event %d is %q (%v), want %#v", i, events[i], err, want[i])
			}
		}
	})
}
