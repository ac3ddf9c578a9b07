// Package payload_raw passes JSON on as it is.
package payload_raw

import (
	"context"
	"encoding/json"
)

// Wrap puts a value into an envelope, digit for digit.
//
//agentcore:entrypoint
func Wrap(_ context.Context, value json.RawMessage) (map[string]json.RawMessage, error) {
	return map[string]json.RawMessage{"value": value}, nil
}
