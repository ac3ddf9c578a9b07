package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
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
// [errors.ErrUnsupported]. An answer without one of the statuses is a [*DecodeError].
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
	from := origin{op: opPing, what: "answer", mediaType: mediaType(answer), into: "a ping"}
	got, err := jsonDecoder[struct {
		Status PingStatus      `json:"status"`
		Since  json.RawMessage `json:"time_of_last_update"`
	}](from)(buf.Bytes())
	if err == nil && got.Status != Healthy && got.Status != HealthyBusy {
		err = misfit[PingResult](from, bytes.Clone(buf.Bytes()), fmt.Errorf("the status is %q, and neither Healthy nor HealthyBusy", got.Status))
	}
	if err != nil {
		return PingResult{}, err
	}
	return PingResult{got.Status, pingTime(got.Since)}, nil
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
