// Package session_pointer has state that makes its JSON itself, by methods of
// the pointer.
package session_pointer

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/agentcore-go/agentcore/runtime"
)

// Basket is a set of items.
type Basket struct{ items map[string]bool }

// MarshalJSON makes a list.
func (b *Basket) MarshalJSON() ([]byte, error) { return json.Marshal(b.list()) }

// UnmarshalJSON takes a list.
func (b *Basket) UnmarshalJSON(text []byte) error {
	var list []string
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	b.items = make(map[string]bool)
	for _, item := range list {
		b.items[item] = true
	}
	return nil
}

func (b *Basket) list() []string {
	list := []string{}
	for item := range b.items {
		list = append(list, item)
	}
	slices.Sort(list)
	return list
}

// Put puts an item into the basket.
//
//agentcore:entrypoint
func Put(_ context.Context, item string, session *runtime.Session[*Basket]) ([]string, error) {
	if session.State == nil {
		session.State = &Basket{items: make(map[string]bool)}
	}
	session.State.items[item] = true
	return session.State.list(), nil
}
