// Package websocket_json keeps score of a game.
package websocket_json

import (
	"context"
	"errors"
	"net/http"

	"github.com/agentcore-go/agentcore/runtime"
)

// Point is a point for a player.
type Point struct {
	Player string `json:"player"`
}

// Score is what the player has now.
type Score struct {
	Player string `json:"player"`
	Points int    `json:"points"`
}

// Play counts points until somebody has three. Spectators are refused.
//
//agentcore:websocket
func Play(ctx context.Context, conn *runtime.Conn[Point, Score]) error {
	if runtime.HTTPRequest(ctx).Header.Get("X-Role") == "spectator" {
		return runtime.Errorf(http.StatusConflict, "the game is not public")
	}
	points := make(map[string]int)
	for point, err := range conn.Messages(ctx) {
		if err != nil {
			return err
		}
		if point.Player == "" {
			return errors.New("a point for nobody")
		}
		points[point.Player]++
		if points[point.Player] == 3 {
			return &runtime.CloseError{Code: 4000, Reason: point.Player + " wins"}
		}
		if err := conn.Send(ctx, Score{point.Player, points[point.Player]}); err != nil {
			return err
		}
	}
	return nil
}
