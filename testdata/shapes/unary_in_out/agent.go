// Package unary_in_out counts words.
package unary_in_out

import "strings"

// Text is what to count in.
type Text struct {
	Body string `json:"body"`
}

// Count is how much of it there is.
type Count struct {
	Words int `json:"words"`
}

// CountWords counts the words of a text.
//
//agentcore:entrypoint
func CountWords(text Text) Count { return Count{Words: len(strings.Fields(text.Body))} }
