package middleware_order

import "net/http"

// Yard is a method, and has no order, which is 0.
//
//agentcore:middleware
func (p Porter) Yard(next http.Handler) http.Handler { return passing(p.Name, next) }

// Porter keeps the yard.
type Porter struct{ Name string }
