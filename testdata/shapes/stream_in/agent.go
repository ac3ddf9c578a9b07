// Package stream_in splits text into words.
package stream_in

import (
	"iter"
	"strconv"
	"strings"
)

// Text is what to split.
type Text struct {
	Body string `json:"body"`
}

// Word is one word, and how long it is.
type Word struct {
	Text   string `json:"text"`
	Length int    `json:"length"`
}

// LongWord is the error for a word that nobody can read.
type LongWord struct{ Length int }

func (e *LongWord) Error() string { return "a word of " + strconv.Itoa(e.Length) + " letters" }

// Words streams the words of a text.
//
//agentcore:entrypoint
func Words(text Text) iter.Seq2[Word, error] {
	return func(yield func(Word, error) bool) {
		for word := range strings.FieldsSeq(text.Body) {
			if len(word) > 10 {
				yield(Word{}, &LongWord{len(word)})
				return
			}
			if !yield(Word{word, len(word)}, nil) {
				return
			}
		}
	}
}
