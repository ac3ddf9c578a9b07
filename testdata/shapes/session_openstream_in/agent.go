// Package session_openstream_in reads a book, page by page.
package session_openstream_in

import (
	"iter"
	"net/http"
	"slices"

	"github.com/agentcore-go/agentcore/runtime"
)

// Bookmark is where the reader is, in each book.
type Bookmark map[string]int

var books = map[string][]string{"poem": {"Roses are red,", "violets are blue."}}

// Read streams the rest of a book, from the bookmark on.
//
//agentcore:entrypoint
func Read(book string, session *runtime.Session[Bookmark]) (iter.Seq2[string, error], error) {
	pages, ok := books[book]
	if !ok {
		return nil, runtime.Errorf(http.StatusNotFound, "there is no %s", book)
	}
	at := session.State[book]
	if at == len(pages) {
		return nil, runtime.Errorf(http.StatusGone, "you have read the %s", book)
	}
	if session.New() {
		session.State = make(Bookmark)
	}
	session.State[book]++
	return func(yield func(string, error) bool) {
		for page := range slices.Values(pages[at : at+1]) {
			if !yield(page, nil) {
				return
			}
		}
	}, nil
}
