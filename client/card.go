package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// AgentCard returns the card of an agent that speaks A2A, which says what the
// agent can do and how it is called, as JSON. On AgentCore it needs the permission
// bedrock-agentcore:GetAgentCard; an agent that is reached with [Direct] has it at
// /.well-known/agent-card.json. What is no JSON is a [*DecodeError].
func (c *Client) AgentCard(ctx context.Context, opts ...Option) (json.RawMessage, error) {
	call, settings, err := c.newCall(ctx, opAgentCard, http.MethodGet, opts)
	if err != nil {
		return nil, err
	}
	call.replayable = true
	call.header["Accept"] = jsonContent
	settings.override(call.header)
	answer, err := c.transport.do(ctx, call)
	if err != nil {
		return nil, err
	}
	settings.note(answer)
	buf := getBuffer()
	defer putBuffer(buf)
	if err := c.transport.readAnswer(opAgentCard, answer, buf); err != nil {
		return nil, contextError(ctx, err)
	}
	from := origin{op: opAgentCard, what: "answer", mediaType: mediaType(answer), into: "an agent card"}
	if !json.Valid(buf.Bytes()) {
		return nil, misfit[json.RawMessage](from, bytes.Clone(buf.Bytes()), errors.New("it is no JSON"))
	}
	return bytes.Clone(buf.Bytes()), nil
}
