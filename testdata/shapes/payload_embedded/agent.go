// Package payload_embedded files letters, whose fields come from embedded structs.
package payload_embedded

import "context"

// Base is embedded, so its fields are those of a Letter.
type Base struct {
	ID   int    `json:"id"`
	Text string `json:"text"`
}

// Sender is embedded and has a name, so it is a field.
type Sender struct {
	Name string `json:"name"`
}

// Lines is no struct, so it is a field.
type Lines []string

// stamp is not exported, and its field is.
type stamp struct {
	Cents int `json:"cents"`
}

// Letter has a Text of its own, which hides that of its Base.
type Letter struct {
	Base
	Sender `json:"from"`
	stamp
	Lines
	Text string `json:"text"`
}

// File files a letter.
//
//agentcore:entrypoint
func File(_ context.Context, letter Letter) (Letter, error) {
	letter.ID++
	letter.Cents *= 2
	letter.Base.Text = "hidden"
	return letter, nil
}
