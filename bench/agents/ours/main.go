// Command ours serves the agent on the package runtime.
package main

import (
	"context"
	"log"
	"os"

	"github.com/agentcore-go/agentcore/bench/ours"
)

func main() {
	if err := ours.Server(os.Getenv("BENCH_MODE")).Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
