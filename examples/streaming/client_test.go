package main

import (
	"context"
	"errors"
	"iter"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/examples/internal/llm"
	"github.com/agentcore-go/agentcore/examples/streaming/streamingclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect serves the agent with a model, and returns a client of it.
func connect(t *testing.T, model llm.Model) *streamingclient.Client {
	t.Helper()
	use(t, model)
	server := httptest.NewServer(NewServer())
	t.Cleanup(server.Close)
	transport, err := client.Direct(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return streamingclient.New(transport)
}

func TestClient(t *testing.T) {
	agent := connect(t, new(llm.Local))
	var text strings.Builder
	for token, err := range agent.Answer(t.Context(), streamingclient.Question{Prompt: "hello there"}) {
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(token.Text)
	}
	if got, want := text.String(), `You said: "hello there". We have only just met.`; got != want {
		t.Errorf("answer = %s\nwant     %s", got, want)
	}
}

func TestClientSeesFailure(t *testing.T) {
	agent := connect(t, llm.Func(func(context.Context, []llm.Message) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			if yield("You ", nil) {
				yield("", errors.New("the model is on strike"))
			}
		}
	}))
	var text strings.Builder
	var failure error
	for token, err := range agent.Answer(t.Context(), streamingclient.Question{Prompt: "hello"}) {
		if err != nil {
			failure = err
			break
		}
		text.WriteString(token.Text)
	}
	if got, want := text.String(), "You "; got != want {
		t.Errorf("before the failure comes %q, want %q", got, want)
	}
	failed, ok := errors.AsType[*client.Error](failure)
	if !ok || failed.Message != "the model is on strike" {
		t.Errorf("the failure is %v", failure)
	}
}

// A piece is there while the model still writes, and the model stops when the
// caller goes away: it leaves the loop, or ends the context.
func TestCallerLeaves(t *testing.T) {
	for _, name := range []string{"the loop", "the context"} {
		t.Run(name, func(t *testing.T) {
			stopped := make(chan error, 1)
			agent := connect(t, llm.Func(func(ctx context.Context, _ []llm.Message) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					if yield("You ", nil) { // or the caller has left already
						<-ctx.Done()
					}
					stopped <- ctx.Err()
				}
			}))
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			var pieces []string
			var failure error
			for token, err := range agent.Answer(ctx, streamingclient.Question{Prompt: "hello"}) {
				if err != nil {
					failure = err
					break
				}
				pieces = append(pieces, token.Text)
				if name == "the loop" {
					break
				}
				leave()
			}
			if err := <-stopped; !errors.Is(err, context.Canceled) {
				t.Errorf("the model stopped with %v, want %v", err, context.Canceled)
			}
			if len(pieces) != 1 || pieces[0] != "You " {
				t.Errorf("the pieces are %q", pieces)
			}
			if failure != ctx.Err() {
				t.Errorf("the loop ended with %v, want %v", failure, ctx.Err())
			}
		})
	}
}
