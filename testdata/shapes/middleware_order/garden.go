package middleware_order

import "net/http"

// Path and Lawn have the same order, and stand in one file.
//
//agentcore:middleware order=2
func Path(next http.Handler) http.Handler { return passing("path", next) }

// Lawn comes after Path.
//
//agentcore:middleware order=2
func Lawn(next http.Handler) http.Handler { return passing("lawn", next) }
