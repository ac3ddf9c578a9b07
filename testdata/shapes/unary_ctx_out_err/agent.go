// Package unary_ctx_out_err looks up the caller's account.
package unary_ctx_out_err

import (
	"context"
	"fmt"

	"github.com/agentcore-go/agentcore/runtime"
)

// Account is what somebody has.
type Account struct {
	Owner string `json:"owner"`
	Cents int    `json:"cents"`
}

var accounts = map[string]Account{"ada": {"Ada", 1200}}

// Balance returns the account of the user whom the caller names in a header.
//
//agentcore:entrypoint
func Balance(ctx context.Context) (Account, error) {
	user := runtime.RequestHeaders(ctx).Get("X-User")
	account, ok := accounts[user]
	if !ok {
		return Account{}, fmt.Errorf("no account for %q", user)
	}
	return account, nil
}
