// Chat talks over a WebSocket. It listens while it answers, and a new message
// interrupts the answer under way.
package main

import (
	"context"
	"log"
	"log/slog"
	"strings"

	"github.com/agentcore-go/agentcore/examples/internal/llm"
	"github.com/agentcore-go/agentcore/runtime"
)

//go:generate go run github.com/agentcore-go/agentcore/cmd/agentcore-gen

// Say is a message from the client.
type Say struct {
	Text string `json:"text"`
}

// Heard is a piece of an answer. The texts of one turn are to be joined as they
// are; the last piece has no text and says how the answer ended.
type Heard struct {
	Turn int    `json:"turn"` // the message that is answered, from 1
	Text string `json:"text,omitempty"`
	End  End    `json:"end,omitempty"`
}

// End is how an answer ended.
type End string

const (
	Done        End = "done"
	Interrupted End = "interrupted" // by the next message
	Failed      End = "failed"      // with the model
)

// maxHistory bounds the messages that the model gets to see. The first of them
// is always the user's.
const maxHistory = 50

// Chat is the agent.
type Chat struct {
	Model llm.Model
}

// Talk holds one conversation.
//
//agentcore:websocket
func (c *Chat) Talk(ctx context.Context, conn *runtime.Conn[Say, Heard]) error {
	ctx, hangUp := context.WithCancel(ctx)
	questions := make(chan question)
	result := make(chan error, 1)
	go func() {
		defer close(questions)
		result <- listen(ctx, conn, questions)
	}()
	defer func() { // the listener ends before Talk does, whatever ends Talk
		hangUp()
		for range questions {
		}
	}()

	var history []llm.Message
	for q := range questions {
		history = append(history, llm.Message{Role: llm.RoleUser, Content: q.text})
		for len(history) > maxHistory || history[0].Role != llm.RoleUser {
			history = history[1:]
		}
		if said := c.answer(ctx, conn, q, history); said != "" {
			history = append(history, llm.Message{Role: llm.RoleAssistant, Content: said})
		}
	}
	return <-result
}

// question is a message from the client.
type question struct {
	ctx  context.Context // ends when the next message comes
	turn int
	text string
}

// listen passes messages on until the conversation ends.
func listen(ctx context.Context, conn *runtime.Conn[Say, Heard], questions chan<- question) error {
	interrupt := func() {}
	defer func() { interrupt() }()
	turn := 0
	for say, err := range conn.Messages(ctx) {
		if err != nil {
			return err
		}
		interrupt()
		turn++
		answering, cancel := context.WithCancel(ctx)
		interrupt = cancel
		select {
		case questions <- question{ctx: answering, turn: turn, text: say.Text}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// answer sends the model's reply and returns as much of it as was sent.
func (c *Chat) answer(ctx context.Context, conn *runtime.Conn[Say, Heard], q question, history []llm.Message) string {
	var said strings.Builder
	end := Done
	for text, err := range c.Model.Reply(q.ctx, history) {
		if err == nil {
			// Not with q.ctx: a Send that is broken off costs the connection.
			err = conn.Send(ctx, Heard{Turn: q.turn, Text: text})
		}
		if err != nil {
			end = Interrupted
			if q.ctx.Err() == nil {
				end = Failed
				slog.ErrorContext(ctx, "the model failed", "turn", q.turn, "error", err)
			}
			break
		}
		said.WriteString(text)
	}
	// When this fails the client is gone, and the listener ends the conversation.
	_ = conn.Send(ctx, Heard{Turn: q.turn, End: end})
	return said.String()
}

func main() {
	model, err := llm.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	if err := NewServer(&Chat{Model: model}).Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
