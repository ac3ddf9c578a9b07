package main

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestBench runs it for a moment: callers that get wrong answers fail.
func TestBench(t *testing.T) {
	c := config{only: regexp.MustCompile(""), rounds: 1, duration: time.Millisecond}
	var out, progress strings.Builder
	if err := bench(t.Context(), c, &out, &progress); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"invocations", "streams of tokens"} {
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "failed") {
			t.Errorf("there is no %q in\n%s%s", want, &out, &progress)
		}
	}
}

// The same call by call: for profiles and allocations.
func BenchmarkCallers(b *testing.B) {
	a, err := startAgent()
	if err != nil {
		b.Fatal(err)
	}
	defer a.stop()
	for name, newCall := range map[string]func() (func(context.Context) error, error){
		"invoke/ours": a.invokeOurs, "invoke/by hand": a.invokeByHand, "stream/ours": a.streamOurs, "stream/by hand": a.streamByHand,
	} {
		b.Run(name, func(b *testing.B) {
			call, err := newCall()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := call(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
