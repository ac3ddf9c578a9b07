package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/agentcore-go/agentcore/bench/load"
	"github.com/agentcore-go/agentcore/bench/report"
)

// A measure is one row of the table.
type measure struct {
	name string
	unit string
	cost string // what there should be little of; "" for a rate
	// mode is that of the server that serves all rounds, one after another. A
	// measure without it starts what it needs.
	mode   string
	rounds int // 0 is the number that was asked for
	agents []string
	sample sampler
}

// A sampler measures an agent once. The server is nil in a measure without a
// mode.
type sampler func(ctx context.Context, a *agent, s *server) (float64, error)

const (
	manySockets = 5000
	settle      = 3 * time.Second // for what a server puts off
)

// measures returns what is measured, for the given time each. Rates are by the
// clock, or else by the processor time that the server takes.
func measures(d time.Duration, byClock bool) []measure {
	rate := func(n, worth int, dial dialer) sampler { return rate(d, byClock, n, worth, dial) }
	var ms []measure
	for _, prompt := range []struct {
		name, text string
		conns      []int
	}{
		{"", "hi", []int{1, 16, 64}},
		{"2 KB, ", strings.Repeat("What is the answer? ", 100), []int{16, 64}},
	} {
		for _, n := range prompt.conns {
			ms = append(ms, measure{
				name: fmt.Sprintf("invocations, %s%s", prompt.name, connections(n)),
				unit: "invocations/s", mode: "invoke", sample: rate(n, 1, invocation(prompt.text)),
			})
		}
	}
	const events = 1000
	quick := map[string]any{"events": events, "every_ms": 0, "flush": "each"}
	atEnd := map[string]any{"events": events, "every_ms": 0, "flush": "end"}
	ms = append(ms,
		measure{
			name: "quick stream", unit: "events/s", mode: "stream",
			sample: rate(4, events, stream(quick, events)),
		},
		measure{
			name: "quick stream, theirs flushed at its end", unit: "events/s", mode: "stream",
			agents: []string{"ours", "plain"}, sample: rate(4, events, stream(atEnd, events)),
		},
		measure{
			name: "first event of a stream", unit: "s", cost: "time", mode: "stream",
			sample: firstEvent(d),
		},
		measure{
			name: "delay of an event every 20 ms", unit: "s", cost: "time", mode: "stream",
			sample: eventDelay(d),
		},
	)
	for _, n := range []int{1, 16} {
		ms = append(ms, measure{
			name: "WebSocket echo, " + connections(n), unit: "messages/s", mode: "invoke",
			sample: rate(n, 1, func(addr string) (load.Worker, error) { return load.DialEcho(addr, message) }),
		})
	}
	ms = append(ms, measure{name: "pings, " + connections(16), unit: "pings/s", mode: "invoke", sample: rate(16, 1, ping)})
	if runtime.GOOS == "linux" { // see residentMemory
		ms = append(ms,
			measure{name: "memory, idle", unit: "bytes", cost: "memory", sample: idleMemory},
			measure{name: "memory, after a load", unit: "bytes", cost: "memory", sample: loadedMemory(d)},
			measure{name: "memory, per idle WebSocket", unit: "bytes", cost: "memory", sample: socketMemory},
		)
	}
	return append(ms,
		measure{name: "start to first ping", unit: "s", cost: "time", rounds: 10, sample: startTime},
		measure{name: "binary size", unit: "bytes", cost: "size", rounds: 1, agents: []string{"ours", "plain"}, sample: binarySize},
	)
}

// promises are what the project claims.
var promises = []report.Promise{
	{Row: "invocations, 16 connections", Against: "plain", Limit: 1.05},
	{Row: "invocations, 64 connections", Against: "plain", Limit: 1.05},
	{Row: "invocations, 2 KB, 16 connections", Against: "plain", Limit: 1.05},
	{Row: "invocations, 2 KB, 64 connections", Against: "plain", Limit: 1.05},
	{Row: "quick stream", Against: "plain", Limit: 10},
	{Row: "quick stream, theirs flushed at its end", Against: "plain", Limit: 0.6},
	{Row: "first event of a stream", Against: "plain", Limit: 1.1},
	{Row: "WebSocket echo, 1 connection", Against: "plain", Limit: 0.95},
	{Row: "WebSocket echo, 16 connections", Against: "plain", Limit: 0.95},
	{Row: "memory, per idle WebSocket", Against: "plain", Limit: 0.6},
	{Row: "start to first ping", Against: "plain", Limit: 1.15},
	{Row: "binary size", Against: "plain", Limit: 1.25},
	{Row: "invocations, 16 connections", Against: "python", Limit: 10},
	{Row: "invocations, 64 connections", Against: "python", Limit: 10},
	{Row: "quick stream", Against: "python", Limit: 50},
	{Row: "start to first ping", Against: "python", Limit: 1.0 / 50},
}

func connections(n int) string {
	if n == 1 {
		return "1 connection"
	}
	return fmt.Sprintf("%d connections", n)
}

// A dialer connects a worker to the agent at addr.
type dialer func(addr string) (load.Worker, error)

func invocation(prompt string) dialer {
	return func(addr string) (load.Worker, error) {
		return load.Dial(addr, load.Post(addr, "application/json", mustJSON(map[string]any{"prompt": prompt})), func(body []byte) error {
			var answer struct{ Result string }
			if err := json.Unmarshal(body, &answer); err != nil || answer.Result != "You said: "+prompt {
				return fmt.Errorf("the answer is %.200q", body)
			}
			return nil
		})
	}
}

func stream(order map[string]any, events int) dialer {
	return func(addr string) (load.Worker, error) { return dialStream(addr, order, events) }
}

func dialStream(addr string, order map[string]any, events int) (*load.Client, error) {
	return load.Dial(addr, load.Post(addr, "text/event-stream", mustJSON(order)), func(body []byte) error {
		data := load.Events(body)
		if len(data) != events {
			return fmt.Errorf("the stream has %d events, want %d: %.200q", len(data), events, body)
		}
		for i, text := range data {
			var event struct {
				Index int
				Text  string
			}
			if err := json.Unmarshal(text, &event); err != nil || event.Index != i || event.Text != "token" {
				return fmt.Errorf("event %d is %.200q", i, text)
			}
		}
		return nil
	})
}

func ping(addr string) (load.Worker, error) { return load.Dial(addr, load.Ping(addr), checkPing) }

func checkPing(body []byte) error {
	var answer struct{ Status string }
	if err := json.Unmarshal(body, &answer); err != nil || !strings.HasPrefix(answer.Status, "Healthy") {
		return fmt.Errorf("the ping is answered with %.200q", body)
	}
	return nil
}

// message is what a chat may send in one go, 100 bytes.
const message = `{"type":"message","id":12345,"text":"What is the answer to life, the universe, and everything else?"}`

func mustJSON(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return data
}

// rate measures how often in a second n connections do what is worth the given
// number of things.
func rate(d time.Duration, byClock bool, n, worth int, dial dialer) sampler {
	return func(ctx context.Context, _ *agent, s *server) (float64, error) {
		result, err := run(s, d, n, dial)
		if err := errors.Join(err, ctx.Err()); err != nil {
			return 0, err
		}
		if n == 1 {
			s.busy = 0 // it has to wait for the next request
		}
		if byClock {
			return result.Rate * float64(worth), nil
		}
		if s.used == 0 {
			return 0, errors.New("the processor time of a server is known on Linux only")
		}
		return float64(result.Count*worth) / s.used.Seconds(), nil
	}
}

// run warms a server up, loads it, and notes how much processor time it used.
func run(s *server, d time.Duration, n int, dial dialer) (load.Result, error) {
	connect := func() (load.Worker, error) { return dial(s.addr) }
	if warm := load.Run(n, d/4, connect); warm.Err != nil {
		return warm, warm.Err
	}
	before, start := processorTime(s.cmd.Process.Pid), time.Now()
	result := load.Run(n, d, connect)
	s.used = processorTime(s.cmd.Process.Pid) - before
	s.busy = s.used.Seconds() / time.Since(start).Seconds()
	return result, result.Err
}

// paced has streams one after another for a time and returns the median of what
// look makes of each.
func paced(d time.Duration, events int, look func(first time.Duration, events []time.Duration) []time.Duration) sampler {
	return func(ctx context.Context, _ *agent, s *server) (float64, error) {
		client, err := dialStream(s.addr, map[string]any{"events": events, "every_ms": every.Milliseconds(), "flush": "each"}, events)
		if err != nil {
			return 0, err
		}
		defer client.Close()
		var all []time.Duration
		for start := time.Now(); time.Since(start) < d+d/4; {
			first, arrivals, err := client.Arrivals()
			if err := errors.Join(err, ctx.Err()); err != nil {
				return 0, err
			}
			if time.Since(start) > d/4 { // warm
				all = append(all, look(first, arrivals)...)
			}
		}
		slices.Sort(all)
		if len(all) == 0 {
			return 0, errors.New("the time is too short for one stream")
		}
		return all[len(all)/2].Seconds(), nil
	}
}

const every = 20 * time.Millisecond

func firstEvent(d time.Duration) sampler {
	return paced(d, 2, func(first time.Duration, _ []time.Duration) []time.Duration { return []time.Duration{first} })
}

// eventDelay measures by how much events come later than they would from a
// server that took no time. The first is the business of firstEvent.
func eventDelay(d time.Duration) sampler {
	return paced(d, 10, func(_ time.Duration, events []time.Duration) []time.Duration {
		var late []time.Duration
		for i, at := range events[1:] {
			late = append(late, at-time.Duration(i+1)*every)
		}
		return late
	})
}

func idleMemory(ctx context.Context, a *agent, _ *server) (float64, error) {
	return withServer(ctx, a, func(s *server) (float64, error) {
		wait(ctx, settle)
		return residentMemory(s.cmd.Process.Pid)
	})
}

func loadedMemory(d time.Duration) sampler {
	return func(ctx context.Context, a *agent, _ *server) (float64, error) {
		return withServer(ctx, a, func(s *server) (float64, error) {
			if _, err := run(s, d, 16, invocation("hi")); err != nil {
				return 0, err
			}
			wait(ctx, settle)
			return residentMemory(s.cmd.Process.Pid)
		})
	}
}

// socketMemory measures by how much a server grows with each WebSocket that has
// had one message and then nothing.
func socketMemory(ctx context.Context, a *agent, _ *server) (float64, error) {
	return withServer(ctx, a, func(s *server) (float64, error) {
		wait(ctx, settle)
		before, err := residentMemory(s.cmd.Process.Pid)
		if err != nil {
			return 0, err
		}
		for range manySockets {
			echo, err := load.DialEcho(s.addr, message)
			if err != nil {
				return 0, err
			}
			defer echo.Close()
			if err := echo.Do(); err != nil {
				return 0, err
			}
		}
		wait(ctx, settle)
		after, err := residentMemory(s.cmd.Process.Pid)
		return (after - before) / manySockets, err
	})
}

func startTime(ctx context.Context, a *agent, _ *server) (float64, error) {
	return withServer(ctx, a, func(s *server) (float64, error) { return s.ready.Seconds(), nil })
}

func binarySize(_ context.Context, a *agent, _ *server) (float64, error) {
	info, err := os.Stat(a.binary)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()), nil
}

// withServer measures a server that has done nothing before.
func withServer(ctx context.Context, a *agent, f func(*server) (float64, error)) (float64, error) {
	s, err := a.start(ctx, "invoke")
	if err != nil {
		return 0, err
	}
	defer s.stop()
	return f(s)
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
