// Package payload_recursive turns trees around.
package payload_recursive

import "context"

// Tree is a tree, and there are trees in its branches.
type Tree struct {
	Name     string          `json:"name"`
	Branches []Tree          `json:"branches,omitempty"`
	Grafted  map[string]Tree `json:"grafted,omitempty"`
	Note     *Note[Tree]     `json:"note,omitempty"`
}

// Note is about something, and may be about a note.
type Note[T any] struct {
	About *T       `json:"about,omitempty"`
	Next  *Note[T] `json:"next,omitempty"`
}

// Turn turns a tree and all that grows on it around.
//
//agentcore:entrypoint
func Turn(_ context.Context, tree Tree) (Tree, error) {
	turned := Tree{Name: tree.Name, Grafted: tree.Grafted, Note: tree.Note}
	for _, branch := range tree.Branches {
		branch, _ = Turn(context.Background(), branch)
		turned.Branches = append([]Tree{branch}, turned.Branches...)
	}
	return turned, nil
}
