// Package payload_marshaler moves points, which make their own JSON.
package payload_marshaler

import (
	"context"
	"encoding/json"
)

// Point is an array of two numbers in JSON.
type Point struct{ x, y int }

// MarshalJSON writes [x,y].
func (p Point) MarshalJSON() ([]byte, error) { return json.Marshal([2]int{p.x, p.y}) }

// UnmarshalJSON reads [x,y].
func (p *Point) UnmarshalJSON(text []byte) error {
	var xy [2]int
	if err := json.Unmarshal(text, &xy); err != nil {
		return err
	}
	p.x, p.y = xy[0], xy[1]
	return nil
}

// Move moves points.
type Move struct {
	From  Point            `json:"from"`
	By    *Point           `json:"by"`
	Named map[string]Point `json:"named,omitempty"`
}

// Apply returns where the points of a move are after it.
//
//agentcore:entrypoint
func Apply(_ context.Context, move Move) ([]Point, error) {
	moved := []Point{{move.From.x + move.By.x, move.From.y + move.By.y}}
	for _, p := range move.Named {
		moved = append(moved, Point{p.x + move.By.x, p.y + move.By.y})
	}
	return moved, nil
}
