// Package payload_embedded_pointer edits pages that may have been published.
package payload_embedded_pointer

import "context"

// Published is embedded as a pointer: its fields are there or are not.
type Published struct {
	By string `json:"by"`
	On int    `json:"on"`
}

// Page is a page.
type Page struct {
	*Published
	Title string `json:"title"`
}

// state says what has become of a page.
type state string

// Edit returns whether a page was published, and the page as it is now.
//
//agentcore:entrypoint
func Edit(_ context.Context, page Page) (map[state]*Page, error) {
	was := state("draft")
	if page.Published != nil {
		was = "published"
		page.Published = nil
	}
	return map[state]*Page{was: &page}, nil
}
