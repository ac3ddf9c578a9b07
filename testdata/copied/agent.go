// Package copied has a client that imports nothing of it, though it could: the
// option -client=copy has been given.
package copied

import (
	"context"
	"net/url"

	"github.com/agentcore-go/agentcore/testdata/copied/model"
)

//go:generate go run github.com/agentcore-go/agentcore/cmd/agentcore-gen -client=copy

// Visit is a visit to a place.
type Visit struct {
	model.Place
	// Season is when.
	Season model.Season `json:"season"`
	Link   *url.URL     `json:"link,omitempty"`
	Place2 Place        `json:"place2"`
}

// Place is called like that of package model.
type Place struct {
	Model string `json:"model"`
}

// Plan answers with pages of what it was asked.
//
//agentcore:entrypoint
func Plan(_ context.Context, visit Visit) (model.Page[Visit], error) {
	return model.Page[Visit]{Items: []Visit{visit}}, nil
}
