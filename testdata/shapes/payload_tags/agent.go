// Package payload_tags returns what it gets, by all names and with all options.
package payload_tags

import (
	"context"
	"time"
)

// Parcel has every kind of tag.
type Parcel struct {
	Plain    string
	Named    string         `json:"named"`
	Space    string         `json:"the name"`
	Foreign  string         `json:"größe"`
	Signs    string         `json:"$ref/@id"`
	Empty    []string       `json:"empty,omitempty"`
	Zero     time.Time      `json:"zero,omitzero"`
	Both     map[string]int `json:"both,omitempty,omitzero"`
	Option   bool           `json:",omitempty"`
	Number   int64          `json:"number,string"`
	Pointer  *float64       `json:"pointer,string,omitempty"`
	Others   string         `xml:"-" json:"others" yaml:"x,inline"`
	Excluded func()         `json:"-"`
	None     [0]string      `json:"none,omitempty"`
}

// Return returns a parcel to its sender.
//
//agentcore:entrypoint
func Return(_ context.Context, parcel Parcel) (Parcel, error) { return parcel, nil }
