// Command plain serves the agent that is written by hand.
package main

import (
	"log"
	"net/http"
	"os"

	"github.com/agentcore-go/agentcore/bench/plain"
)

func main() {
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), plain.Handler(os.Getenv("BENCH_MODE"))))
}
