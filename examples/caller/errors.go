package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"

	"github.com/agentcore-go/agentcore/client"
)

// explain says why a call has failed, for the one who made it.
func (o *options) explain(err error) string {
	if refused, ok := errors.AsType[*client.Error](err); ok {
		return refusal(refused)
	}
	if o.runtime == "" && errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Sprintf("nothing listens at %s: start the agent, as in\n\tgo run ./examples/%s", o.url, o.name)
	}
	return err.Error() // the connection was lost, or there are no credentials, ...
}

// refusal says what the agent has answered instead, or AgentCore for it.
func refusal(e *client.Error) string {
	var b strings.Builder
	if e.StatusCode == http.StatusOK { // when the answer had begun
		fmt.Fprintf(&b, "the answer has failed: %s", e.Message)
	} else {
		fmt.Fprintf(&b, "refused with status %d: %s", e.StatusCode, e.Message)
	}
	if e.Code != "" {
		fmt.Fprintf(&b, "\n\tcode %s", e.Code)
	}
	if e.RequestID != "" { // what the logs of AgentCore have it under
		fmt.Fprintf(&b, "\n\trequest %s", e.RequestID)
	}
	return b.String()
}
