package client

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// PingStatus is what an agent says of itself.
type PingStatus string

const (
	// Healthy is an idle agent.
	Healthy PingStatus = "Healthy"
	// HealthyBusy is an agent at work.
	HealthyBusy PingStatus = "HealthyBusy"
)

// PingResult is an agent's answer to a ping.
type PingResult struct {
	Status PingStatus
	// Since is when the status last changed, to the second. It is zero when the
	// agent does not say.
	Since time.Time
}

// Ping asks an agent how it is. It is for agents that are reached with [Direct]:
// those on AgentCore answer only to the platform, and the error is
// [errors.ErrUnsupported].
func (c *Client) Ping(ctx context.Context, opts ...Option) (PingResult, error) {
	call, settings, err := c.newCall(ctx, opPing, http.MethodGet, opts)
	if err != nil {
		return PingResult{}, err
	}
	call.replayable = true
	settings.override(call.header)
	answer, err := c.transport.do(ctx, call)
	if err != nil {
		return PingResult{}, err
	}
	settings.note(answer)
	buf := getBuffer()
	defer putBuffer(buf)
	if err := c.transport.readAnswer(opPing, answer, buf); err != nil {
		return PingResult{}, contextError(ctx, err)
	}
	got, err := jsonDecoder[struct {
		Status PingStatus      `json:"status"`
		Since  json.RawMessage `json:"time_of_last_update"`
	}]()(buf.Bytes())
	return PingResult{got.Status, pingTime(got.Since)}, err
}

// pingTime reads the time of a ping: seconds, or the text that early versions of
// the TypeScript SDK sent.
func pingTime(text json.RawMessage) (t time.Time) {
	if seconds, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return time.Unix(seconds, 0)
	}
	_ = json.Unmarshal(text, &t)
	return t
}
