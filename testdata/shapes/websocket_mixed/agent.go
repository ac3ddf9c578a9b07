// Package websocket_mixed hears text and answers with JSON.
package websocket_mixed

import (
	"context"

	"github.com/agentcore-go/agentcore/runtime"
)

// Heard is how much the agent has heard so far.
type Heard struct {
	Messages int `json:"messages"`
	Bytes    int `json:"bytes"`
}

// Listen counts what it hears, and leaves after three messages.
//
//agentcore:websocket
func Listen(ctx context.Context, conn *runtime.Conn[string, *Heard]) error {
	var heard Heard
	for heard.Messages < 3 {
		text, err := conn.Receive(ctx)
		if err != nil {
			return err
		}
		heard.Messages++
		heard.Bytes += len(text)
		if err := conn.Send(ctx, &heard); err != nil {
			return err
		}
	}
	return nil
}
