// Package unary_in_out_err divides whole numbers.
package unary_in_out_err

import "errors"

// Division is what to divide by what.
type Division struct {
	Dividend int `json:"dividend"`
	Divisor  int `json:"divisor"`
}

// Result is a quotient and what remains.
type Result struct {
	Quotient  int `json:"quotient"`
	Remainder int `json:"remainder"`
}

// Divide divides.
//
//agentcore:entrypoint
func Divide(d Division) (Result, error) {
	if d.Divisor == 0 {
		return Result{}, errors.New("division by zero")
	}
	return Result{d.Dividend / d.Divisor, d.Dividend % d.Divisor}, nil
}
