// Package websocket_message answers text with bytes, and bytes with text.
package websocket_message

import (
	"context"
	"encoding/hex"

	"github.com/agentcore-go/agentcore/runtime"
)

// Dump reads and writes hexadecimal numbers.
//
//agentcore:websocket
func Dump(ctx context.Context, conn *runtime.Conn[runtime.Message, runtime.Message]) error {
	for message, err := range conn.Messages(ctx) {
		if err != nil {
			return err
		}
		answer := runtime.TextMessage(hex.EncodeToString(message.Data))
		if !message.Binary {
			data, err := hex.DecodeString(string(message.Data))
			if err != nil {
				return err
			}
			answer = runtime.BinaryMessage(data)
		}
		if err := conn.Send(ctx, answer); err != nil {
			return err
		}
	}
	return nil
}
