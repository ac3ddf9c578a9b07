// Hello answers a prompt with JSON.
package main

import (
	"context"
	"log"
)

//go:generate go run github.com/agentcore-go/agentcore/cmd/agentcore-gen

// Question is what the agent is asked.
type Question struct {
	Prompt string `json:"prompt"`
}

// Answer is what it says.
type Answer struct {
	Text string `json:"text"`
}

// Hello greets whoever asks.
//
//agentcore:entrypoint
func Hello(ctx context.Context, q Question) (Answer, error) {
	return Answer{Text: "You said: " + q.Prompt}, nil
}

func main() {
	if err := NewServer().Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
