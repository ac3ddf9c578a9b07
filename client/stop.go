package client

import (
	"context"
	"net/http"

	"github.com/google/uuid"
)

// StopSession ends the client's session on AgentCore, and with it what runs there,
// instead of leaving it to the idle timeout. It needs the permission
// bedrock-agentcore:StopRuntimeSession. A session that is not there is an [*Error]
// with status 404. For an agent that is reached with [Direct], the error is
// [errors.ErrUnsupported].
func (c *Client) StopSession(ctx context.Context, opts ...Option) error {
	call, settings, err := c.newCall(ctx, opStop, http.MethodPost, opts)
	if err != nil {
		return err
	}
	if call.body, err = encode(opStop, struct {
		ClientToken string `json:"clientToken"`
	}{uuid.NewString()}); err != nil {
		return err
	}
	call.replayable = true // the token tells the service
	call.header["Content-Type"] = jsonContent
	settings.override(call.header)
	answer, err := c.transport.do(ctx, call)
	if err != nil {
		return err
	}
	settings.note(answer)
	buf := getBuffer()
	defer putBuffer(buf)
	return c.transport.readAnswer(opStop, answer, buf) // for the connection to be of use again
}
