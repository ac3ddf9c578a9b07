// Package session_websocket goes on with a conversation where it was left.
package session_websocket

import (
	"context"
	"errors"

	"github.com/agentcore-go/agentcore/runtime"
)

// Say is what somebody says.
type Say struct {
	Text string `json:"text"`
}

// Heard is how much the agent has heard so far.
type Heard struct {
	Messages int    `json:"messages"`
	Last     string `json:"last"`
}

// Talk counts what it hears.
//
//agentcore:websocket
func Talk(ctx context.Context, conn *runtime.Conn[Say, Heard], session *runtime.Session[Heard]) error {
	for say, err := range conn.Messages(ctx) {
		if err != nil {
			return err
		}
		session.State.Messages++
		session.State.Last = say.Text
		if say.Text == "" {
			return errors.New("speak up")
		}
		if err := conn.Send(ctx, session.State); err != nil {
			return err
		}
	}
	return nil
}

// Recall tells what was heard, to those who do not talk.
//
//agentcore:entrypoint
func Recall(session *runtime.Session[Heard]) Heard { return session.State }
