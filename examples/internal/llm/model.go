// Package llm is the language model of the examples: [OpenAI] for any endpoint
// with an OpenAI-compatible API, and [Local] for when there is none. [FromEnv]
// chooses between them.
package llm

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"os"
	"time"
)

// The roles that a [Message] can have.
const (
	RoleSystem    = "system"
	RoleUser      = "user"
	RoleAssistant = "assistant"
)

// Message is one message of a conversation.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Model replies to conversations. It is safe for concurrent use.
type Model interface {
	// Reply streams the reply to messages, oldest first, in pieces that are to
	// be joined as they are.
	//
	// The model is asked when the sequence is ranged over, and asked again each
	// time; messages must not change until the loop ends. The sequence ends at
	// the first error, which comes with an empty piece. When ctx is done, that
	// error is ctx's. Leaving the loop early stops the model.
	Reply(ctx context.Context, messages []Message) iter.Seq2[string, error]
}

// Func is a [Model] that is a function.
type Func func(ctx context.Context, messages []Message) iter.Seq2[string, error]

// Reply implements [Model].
func (f Func) Reply(ctx context.Context, messages []Message) iter.Seq2[string, error] {
	return f(ctx, messages)
}

// localDelay makes the streaming of a [Local] model visible.
const localDelay = 30 * time.Millisecond

// FromEnv returns the model that the environment asks for:
//
//   - OPENAI_BASE_URL is the endpoint of an [OpenAI] model, such as
//     https://api.openai.com/v1. Without it the model is a [Local] one that
//     takes 30ms from word to word.
//   - OPENAI_MODEL is the name of the model, required with OPENAI_BASE_URL.
//   - OPENAI_API_KEY is the key, if the endpoint needs one.
//
// An empty variable counts as unset. The endpoint is not contacted.
func FromEnv() (Model, error) {
	base := os.Getenv("OPENAI_BASE_URL")
	if base == "" {
		return &Local{Delay: localDelay}, nil
	}
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("llm: OPENAI_BASE_URL must be an http or https URL such as https://api.openai.com/v1, not %q", base)
	}
	name := os.Getenv("OPENAI_MODEL")
	if name == "" {
		return nil, errors.New("llm: OPENAI_MODEL must name a model when OPENAI_BASE_URL is set")
	}
	return &OpenAI{BaseURL: base, APIKey: os.Getenv("OPENAI_API_KEY"), Name: name}, nil
}
