// Package websocket_text shouts back.
package websocket_text

import (
	"context"
	"errors"
	"strings"

	"github.com/agentcore-go/agentcore/runtime"
)

// Shout answers in capitals.
//
//agentcore:websocket
func Shout(ctx context.Context, conn *runtime.Conn[string, string]) error {
	for said, err := range conn.Messages(ctx) {
		if err != nil {
			return err
		}
		if said == "hush" {
			return errors.New("it cannot hush")
		}
		if err := conn.Send(ctx, strings.ToUpper(said)); err != nil {
			return err
		}
	}
	return nil
}
