// Package payload_interface sends values of several types, which JSON does not
// tell apart.
package payload_interface

import (
	"context"
	"iter"
)

// Shape is a Square or a Circle.
type Shape interface{ Area() float64 }

type Square struct {
	Side float64 `json:"side"`
}

func (s Square) Area() float64 { return s.Side * s.Side }

type Circle struct {
	Radius float64 `json:"radius"`
}

func (c Circle) Area() float64 { return 3 * c.Radius * c.Radius }

// Draw sends one of each.
//
//agentcore:entrypoint
func Draw(context.Context) iter.Seq2[Shape, error] {
	return func(yield func(Shape, error) bool) {
		_ = yield(Square{1}, nil) && yield(Circle{2}, nil)
	}
}
