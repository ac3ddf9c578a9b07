// Package unary_ctx_in_out greets people in their language.
package unary_ctx_in_out

import (
	"context"

	"github.com/agentcore-go/agentcore/runtime"
)

// Person is whom to greet.
type Person struct {
	Name string `json:"name"`
}

// Greeting is what to say to them.
type Greeting struct {
	Text string `json:"text"`
}

// Greet greets a person.
//
//agentcore:entrypoint
func Greet(ctx context.Context, person Person) Greeting {
	if runtime.HTTPRequest(ctx).Header.Get("Accept-Language") == "fr" {
		return Greeting{"Bonjour, " + person.Name}
	}
	return Greeting{"Hello, " + person.Name}
}
