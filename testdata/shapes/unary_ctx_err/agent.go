// Package unary_ctx_err tells whether the caller may come in.
package unary_ctx_err

import (
	"context"
	"net/http"

	"github.com/agentcore-go/agentcore/runtime"
)

// Authorize refuses a caller without the right token.
//
//agentcore:entrypoint
func Authorize(ctx context.Context) error {
	if runtime.RequestHeaders(ctx).Get("Authorization") != "Bearer sesame" {
		return runtime.Errorf(http.StatusUnauthorized, "say the word")
	}
	return nil
}
