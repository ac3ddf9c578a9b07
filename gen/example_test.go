package gen_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/agentcore-go/agentcore/gen"
	"github.com/agentcore-go/agentcore/internal/testmodule"
)

const agentSource = `package main

type Question struct {
	Prompt string
	Reply  chan string
}

//agentcore:entrypoint
func Answer(q Question) string { return q.Prompt }

func main() {}
`

func ExampleGenerate() {
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := testmodule.Write(dir, "example.com/agent"); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(agentSource), 0o644); err != nil {
		log.Fatal(err)
	}

	result, err := gen.Generate(context.Background(), gen.Config{Dir: dir, Patterns: []string{"./..."}})
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range result.Diagnostics {
		fmt.Printf("%s:%d: %s (%s)\n", filepath.Base(d.Pos.Filename), d.Pos.Line, d.Message, d.Code)
	}
	if result.Failed() {
		return
	}
	if err := gen.Write(result.Files); err != nil {
		log.Fatal(err)
	}

	// Output:
	// main.go:5: Question.Reply: JSON has no value for a channel: change its type, or leave it out with the tag json:"-" (payload-no-json)
}
