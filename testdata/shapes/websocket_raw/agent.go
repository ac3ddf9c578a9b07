// Package websocket_raw echoes messages of both kinds.
package websocket_raw

import (
	"context"
	"errors"

	"github.com/gorilla/websocket"
)

// Echo sends every message back.
//
//agentcore:websocket
func Echo(ctx context.Context, conn *websocket.Conn) error {
	for ctx.Err() == nil {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		if len(data) == 0 {
			return errors.New("nothing to echo")
		}
		if err := conn.WriteMessage(kind, data); err != nil {
			return err
		}
	}
	return nil
}
