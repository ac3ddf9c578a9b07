// Assistant answers questions about a shop from its handbook, and remembers the
// conversation of each session.
package main

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"iter"
	"log"
	"net/http"
	"strings"

	"github.com/agentcore-go/agentcore/examples/internal/llm"
	"github.com/agentcore-go/agentcore/runtime"
)

//go:generate go run github.com/agentcore-go/agentcore/cmd/agentcore-gen

// Question is what a customer asks.
type Question struct {
	// Topic is a chapter of the handbook, such as "returns".
	Topic string `json:"topic"`
	// Prompt is the question itself.
	Prompt string `json:"prompt"`
}

// Token is a piece of the answer. The pieces are to be joined as they are.
type Token struct {
	Text string `json:"text"`
}

// Conversation is the state of a session.
type Conversation struct {
	// Messages are the latest, oldest first: a question and its answer by turns.
	Messages []llm.Message `json:"messages"`
}

// maxMessages is how many messages are remembered. It is even, for they come in
// pairs.
const maxMessages = 20

// Assistant is the agent. Its fields must not change while it serves.
type Assistant struct {
	Model    llm.Model
	Handbook Handbook
}

// Handbook is what the assistant knows.
type Handbook interface {
	// Chapter returns the text on a topic, or an error that is
	// [fs.ErrNotExist] when there is none.
	Chapter(ctx context.Context, topic string) (string, error)
}

// Ask streams the answer to a question. The status is 422 when nothing is
// asked, and 404 when the handbook has no such topic.
//
//agentcore:entrypoint
func (a *Assistant) Ask(ctx context.Context, q Question, session *runtime.Session[Conversation]) (iter.Seq2[Token, error], error) {
	if strings.TrimSpace(q.Prompt) == "" {
		return nil, runtime.Errorf(http.StatusUnprocessableEntity, "the prompt is empty")
	}
	chapter, err := a.Handbook.Chapter(ctx, q.Topic)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, runtime.Errorf(http.StatusNotFound, "the handbook has no topic %q", q.Topic)
	}
	if err != nil {
		return nil, err
	}
	return a.answer(ctx, chapter, q.Prompt, &session.State), nil
}

// answer streams the model's reply, and remembers it. What is remembered is saved
// when the reply is complete, and not if the model fails or the caller leaves.
func (a *Assistant) answer(ctx context.Context, chapter, prompt string, memory *Conversation) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		question := llm.Message{Role: llm.RoleUser, Content: prompt}
		messages := []llm.Message{{Role: llm.RoleSystem, Content: "Answer the customer from this chapter of the handbook:\n\n" + chapter}}
		messages = append(messages, memory.Messages...)
		messages = append(messages, question)

		var answer strings.Builder
		for text, err := range a.Model.Reply(ctx, messages) {
			if !yield(Token{Text: text}, err) || err != nil {
				return
			}
			answer.WriteString(text)
		}
		memory.Messages = append(memory.Messages, question, llm.Message{Role: llm.RoleAssistant, Content: answer.String()})
		memory.Messages = memory.Messages[max(0, len(memory.Messages)-maxMessages):]
	}
}

// files is a [Handbook] with a Markdown file for each topic.
type files struct{ fs.FS }

func (f files) Chapter(_ context.Context, topic string) (string, error) {
	name := topic + ".md"
	if !fs.ValidPath(name) {
		return "", fs.ErrNotExist
	}
	text, err := fs.ReadFile(f, name)
	return string(text), err
}

//go:embed handbook
var embedded embed.FS

func main() {
	model, err := llm.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	handbook, err := fs.Sub(embedded, "handbook")
	if err != nil {
		log.Fatal(err)
	}
	assistant := &Assistant{Model: model, Handbook: files{handbook}}
	if err := NewServer(assistant).Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
