// Package payload_map inverts an index.
package payload_map

import "context"

// Invert turns pages by word into words by page.
//
//agentcore:entrypoint
func Invert(_ context.Context, index map[string]int) (map[int][]string, error) {
	inverted := make(map[int][]string)
	for word, page := range index {
		inverted[page] = append(inverted[page], word)
	}
	return inverted, nil
}
