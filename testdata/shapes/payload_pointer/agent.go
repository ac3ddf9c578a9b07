// Package payload_pointer tells null from a value.
package payload_pointer

import "context"

// Node is a node of a linked list.
type Node struct {
	Value int   `json:"value"`
	Next  *Node `json:"next,omitempty"`
}

// Reverse reverses a list, which may be empty.
//
//agentcore:entrypoint
func Reverse(_ context.Context, list *Node) (*Node, error) {
	var reversed *Node
	for node := list; node != nil; node = node.Next {
		reversed = &Node{node.Value, reversed}
	}
	return reversed, nil
}
