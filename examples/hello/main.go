// Hello is the smallest agent: it answers a prompt with JSON.
package main

import (
	"context"
	"log"
)

//go:generate go run github.com/agentcore-go/agentcore/cmd/agentcore-gen

// Question is what a caller sends.
type Question struct {
	Prompt string `json:"prompt"`
}

// Answer is what the caller gets.
type Answer struct {
	Text string `json:"text"`
}

// Hello answers a question.
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
