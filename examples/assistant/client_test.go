package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/examples/assistant/assistantclient"
	"github.com/agentcore-go/agentcore/examples/internal/llm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect serves the agent, and returns what its clients are made with.
func connect(t *testing.T) *client.Transport {
	t.Helper()
	server := httptest.NewServer(NewServer(&Assistant{Model: new(llm.Local), Handbook: handbook}))
	t.Cleanup(server.Close)
	transport, err := client.Direct(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return transport
}

// answer asks a question, and returns the whole answer.
func answer(t *testing.T, agent *assistantclient.Client, q assistantclient.Question) (string, error) {
	var text strings.Builder
	for token, err := range agent.Ask(t.Context(), q) {
		if err != nil {
			return text.String(), err
		}
		text.WriteString(token.Text)
	}
	return text.String(), nil
}

// Each client is a conversation of its own, unless it continues another's.
func TestClientSessions(t *testing.T) {
	transport := connect(t)
	ada, bob := assistantclient.New(transport), assistantclient.New(transport)
	later := assistantclient.New(transport, client.WithSession(ada.SessionID()))
	for _, tt := range []struct {
		name   string
		agent  *assistantclient.Client
		prompt string
		want   string
	}{
		{"Ada's first", ada, "when?", `You said: "when?". We have only just met.`},
		{"Bob's first", bob, "who?", `You said: "who?". We have only just met.`},
		{"Ada's second", ada, "why?", `You said: "why?". I remember 1 earlier turn.`},
		{"Ada's, continued", later, "so?", `You said: "so?". I remember 2 earlier turns.`},
		{"Bob's second", bob, "what?", `You said: "what?". I remember 1 earlier turn.`},
	} {
		got, err := answer(t, tt.agent, assistantclient.Question{Topic: "opening", Prompt: tt.prompt})
		if got != tt.want || err != nil {
			t.Errorf("%s answer is %s, %v\nwant %s", tt.name, got, err, tt.want)
		}
	}
}

func TestClientIsRefused(t *testing.T) {
	agent := assistantclient.New(connect(t))
	for _, tt := range []struct {
		question   assistantclient.Question
		wantStatus int
		want       string
	}{
		{assistantclient.Question{Topic: "opening"}, http.StatusUnprocessableEntity, "the prompt is empty"},
		{assistantclient.Question{Topic: "love", Prompt: "how?"}, http.StatusNotFound, `the handbook has no topic "love"`},
	} {
		got, err := answer(t, agent, tt.question)
		refused, ok := errors.AsType[*client.Error](err)
		if got != "" || !ok {
			t.Fatalf("%+v is answered with %q, %v", tt.question, got, err)
		}
		if refused.StatusCode != tt.wantStatus || refused.Message != tt.want {
			t.Errorf("%+v is refused with %d: %s\nwant %d: %s", tt.question, refused.StatusCode, refused.Message, tt.wantStatus, tt.want)
		}
	}
}
