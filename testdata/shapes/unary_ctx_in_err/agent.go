// Package unary_ctx_in_err sends mail, so to speak.
package unary_ctx_in_err

import (
	"context"
	"errors"
	"strings"
)

// Mail is a message to somebody.
type Mail struct {
	To   string `json:"to"`
	Body string `json:"body"`
}

// Send sends a mail.
//
//agentcore:entrypoint
func Send(ctx context.Context, mail Mail) error {
	if !strings.Contains(mail.To, "@") {
		return errors.New(mail.To + " is no address")
	}
	return ctx.Err()
}
