package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/agentcore-go/agentcore/bench/load"
	"github.com/agentcore-go/agentcore/client"
)

// agent is what both callers call: a server that costs as little as one can, and
// a way to it for each of them, of the same kind.
type agent struct {
	server *http.Server
	url    string
	ours   *client.Client
	byHand *http.Client
}

// Prompt is a small payload, which is also the answer.
type Prompt struct {
	Prompt string `json:"prompt"`
	UserID string `json:"user_id"`
	Turn   int    `json:"turn"`
}

var prompt = Prompt{"What is the capital of France, and how large is it?", "5b0bb9a4-58b1", 3}

// Token is an event of a stream.
type Token struct {
	Text   string  `json:"text"`
	Index  int     `json:"index"`
	Role   string  `json:"role"`
	Score  float64 `json:"score"`
	Finish bool    `json:"finish"`
}

// streamTokens is how many tokens a stream has.
const streamTokens = 1000

func tokenAt(i int) Token {
	words := []string{"The ", "capital", " of France", " is \"Paris\"", ",\n", "naturellement é"}
	return Token{words[i%len(words)], i, "assistant", 0.25 + float64(i)/1000, i == streamTokens-1}
}

func startAgent() (*agent, error) {
	var stream bytes.Buffer
	for i := range streamTokens {
		data, err := json.Marshal(tokenAt(i))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&stream, "data: %s\n\n", data)
	}
	routes := http.NewServeMux()
	routes.HandleFunc("POST /echo/invocations", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller has left
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
	routes.HandleFunc("POST /stream/invocations", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = w.Write(stream.Bytes())
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &agent{server: &http.Server{Handler: routes}, url: "http://" + listener.Addr().String(), byHand: newHTTPClient()}
	go func() { _ = a.server.Serve(listener) }()
	return a, nil
}

func newHTTPClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
}

func (a *agent) stop() {
	a.byHand.CloseIdleConnections()
	_ = a.server.Close()
}

// worker returns a function that connects workers, which do one call each time.
func (a *agent) worker(ctx context.Context, newCall func() (func(context.Context) error, error)) func() (load.Worker, error) {
	return func() (load.Worker, error) {
		call, err := newCall()
		return worker{ctx, call}, err
	}
}

type worker struct {
	ctx  context.Context
	call func(context.Context) error
}

func (w worker) Do() error { return w.call(w.ctx) }

func (worker) Close() error { return nil }
