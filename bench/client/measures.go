package main

import (
	"context"

	"github.com/agentcore-go/agentcore/bench/load"
	"github.com/agentcore-go/agentcore/bench/report"
)

// theirs is the name, in the report, of what ours is compared with.
const theirs = "theirs"

// connections is how many calls are under way at once.
const connections = 4

// A measure compares two callers that do the same.
type measure struct {
	name, unit   string
	each         int     // of the unit, in one call
	promise      float64 // the least that ours may be, divided by theirs
	ours, theirs func() (load.Worker, error)
}

func measures(ctx context.Context, a *agent) []measure {
	return []measure{
		{name: "invocations", unit: "calls/s", each: 1, promise: 0.95,
			ours: a.worker(ctx, a.invokeOurs), theirs: a.worker(ctx, a.invokeByHand)},
		{name: "streams of tokens", unit: "events/s", each: streamTokens, promise: 1.5,
			ours: a.worker(ctx, a.streamOurs), theirs: a.worker(ctx, a.streamByHand)},
	}
}

// promises returns what the project claims.
func promises(ms []measure) []report.Promise {
	var all []report.Promise
	for _, m := range ms {
		all = append(all, report.Promise{Row: m.name, Against: theirs, Limit: m.promise})
	}
	return all
}
