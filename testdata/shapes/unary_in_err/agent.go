// Package unary_in_err checks orders.
package unary_in_err

import (
	"net/http"

	"github.com/agentcore-go/agentcore/runtime"
)

// Order is a number of things of one kind.
type Order struct {
	Item     string `json:"item"`
	Quantity int    `json:"quantity"`
}

// Check refuses an order that cannot be filled.
//
//agentcore:entrypoint
func Check(order Order) error {
	if order.Quantity < 1 {
		return runtime.Errorf(http.StatusUnprocessableEntity, "order at least one %s", order.Item)
	}
	return nil
}
