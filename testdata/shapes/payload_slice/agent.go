// Package payload_slice sorts.
package payload_slice

import (
	"context"
	"slices"
)

// Sort sorts words by length, and those of one length as they came.
//
//agentcore:entrypoint
func Sort(_ context.Context, words []string) ([][2]any, error) {
	slices.SortStableFunc(words, func(a, b string) int { return len(a) - len(b) })
	var sorted [][2]any
	for _, word := range words {
		sorted = append(sorted, [2]any{len(word), word})
	}
	return sorted, nil
}
