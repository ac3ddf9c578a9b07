// Package payload_textkey plays on a board of squares.
package payload_textkey

import (
	"context"
	"fmt"
)

// Square is a square of a board, in text a letter and a digit.
type Square struct{ Column, Row int }

// MarshalText returns a text like b3.
func (s Square) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%c%d", 'a'+s.Column, 1+s.Row), nil
}

// UnmarshalText reads a text like b3.
func (s *Square) UnmarshalText(text []byte) error {
	if len(text) != 2 || text[0] < 'a' || text[0] > 'h' || text[1] < '1' || text[1] > '8' {
		return fmt.Errorf("%q is no square", text)
	}
	s.Column, s.Row = int(text[0]-'a'), int(text[1]-'1')
	return nil
}

// Mirror moves all pieces to the other side of the board.
//
//agentcore:entrypoint
func Mirror(_ context.Context, board map[Square]string) (map[Square]string, error) {
	mirrored := make(map[Square]string)
	for square, piece := range board {
		mirrored[Square{square.Column, 7 - square.Row}] = piece
	}
	return mirrored, nil
}
