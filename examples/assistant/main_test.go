package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/agentcore-go/agentcore/examples/internal/llm"
)

const sessionHeader = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"

// handbook is a small one.
var handbook = files{fstest.MapFS{
	"opening.md":     {Data: []byte("We open at nine.")},
	"secret/safe.md": {Data: []byte("1234")},
}}

func TestRefused(t *testing.T) {
	tests := []struct {
		name       string
		question   Question
		wantStatus int
		want       string
	}{
		{"no prompt", Question{Topic: "opening"}, 422, `{"error":"the prompt is empty"}`},
		{"blank prompt", Question{Topic: "opening", Prompt: " \n"}, 422, `{"error":"the prompt is empty"}`},
		{"no topic", Question{Prompt: "when?"}, 404, `{"error":"the handbook has no topic \"\""}`},
		{"unknown topic", Question{Topic: "love", Prompt: "when?"}, 404, `{"error":"the handbook has no topic \"love\""}`},
		{"outside of the handbook", Question{Topic: "../main", Prompt: "when?"}, 404, `{"error":"the handbook has no topic \"../main\""}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer := ask(t, NewServer(&Assistant{Model: new(llm.Local), Handbook: handbook}), "", tt.question)
			if got := answer.Code; got != tt.wantStatus {
				t.Errorf("status = %d, want %d", got, tt.wantStatus)
			}
			if got := answer.Body.String(); got != tt.want {
				t.Errorf("answer = %s\nwant     %s", got, tt.want)
			}
		})
	}
}

// burnt is a handbook that cannot be read.
type burnt struct{}

func (burnt) Chapter(context.Context, string) (string, error) { return "", errors.New("only ashes") }

func TestHandbookFails(t *testing.T) {
	answer := ask(t, NewServer(&Assistant{Model: new(llm.Local), Handbook: burnt{}}), "", Question{"opening", "when?"})
	if got, want := answer.Code, http.StatusInternalServerError; got != want {
		t.Errorf("status = %d, want %d", got, want)
	}
}

// A caller without a session gets one, and can continue it.
func TestSessionIsMade(t *testing.T) {
	server := NewServer(&Assistant{Model: new(llm.Local), Handbook: handbook})
	first := ask(t, server, "", Question{"opening", "when?"})
	made := first.Header().Get(sessionHeader)
	if made == "" {
		t.Fatal("the answer names no session")
	}
	if got, want := text(t, first), `You said: "when?". We have only just met.`; got != want {
		t.Errorf("the answer is %s\nwant %s", got, want)
	}
	if got, want := text(t, ask(t, server, made, Question{"opening", "why?"})), `You said: "why?". I remember 1 earlier turn.`; got != want {
		t.Errorf("in its session the answer is %s\nwant %s", got, want)
	}
}

func TestModelSees(t *testing.T) {
	var seen []llm.Message
	model := llm.Func(func(_ context.Context, messages []llm.Message) iter.Seq2[string, error] {
		seen = messages
		return func(yield func(string, error) bool) { yield("At nine.", nil) }
	})
	server := NewServer(&Assistant{Model: model, Handbook: handbook})
	ask(t, server, "one", Question{"opening", "when?"})
	ask(t, server, "one", Question{"opening", "why?"})
	if want := []llm.Message{
		{Role: llm.RoleSystem, Content: "Answer the customer from this chapter of the handbook:\n\nWe open at nine."},
		{Role: llm.RoleUser, Content: "when?"},
		{Role: llm.RoleAssistant, Content: "At nine."},
		{Role: llm.RoleUser, Content: "why?"},
	}; !slices.Equal(seen, want) {
		t.Errorf("the model saw %q\nwant %q", seen, want)
	}
}

func TestIncompleteIsForgotten(t *testing.T) {
	var seen []llm.Message
	model := llm.Func(func(_ context.Context, messages []llm.Message) iter.Seq2[string, error] {
		seen = messages
		return func(yield func(string, error) bool) {
			if yield("At ", nil) {
				yield("", errors.New("the model is on strike"))
			}
		}
	})
	server := NewServer(&Assistant{Model: model, Handbook: handbook})
	for range 2 {
		answer := ask(t, server, "one", Question{"opening", "when?"})
		if got, want := answer.Body.String(), "the model is on strike"; !strings.Contains(got, want) {
			t.Errorf("answer = %s\nwant an event with: %s", got, want)
		}
		if got, want := len(seen), 2; got != want { // the handbook and the question
			t.Errorf("the model saw %d messages, want %d: %q", got, want, seen)
		}
	}
}

func TestLatestMessagesAreRemembered(t *testing.T) {
	var seen []llm.Message
	model := llm.Func(func(_ context.Context, messages []llm.Message) iter.Seq2[string, error] {
		seen = messages
		return func(yield func(string, error) bool) { yield("At nine.", nil) }
	})
	server := NewServer(&Assistant{Model: model, Handbook: handbook})
	const turns = maxMessages/2 + 3
	for i := range turns {
		ask(t, server, "one", Question{"opening", fmt.Sprint("question ", i)})
	}
	if got, want := len(seen), maxMessages+2; got != want {
		t.Fatalf("the model saw %d messages, want %d", got, want)
	}
	if got, want := seen[1].Content, "question 2"; got != want {
		t.Errorf("the oldest message is %q, want %q", got, want)
	}
	if got, want := seen[maxMessages+1].Content, fmt.Sprint("question ", turns-1); got != want {
		t.Errorf("the latest message is %q, want %q", got, want)
	}
}

// The handbook of the agent itself has the chapters that the README asks for.
func TestEmbedded(t *testing.T) {
	for _, topic := range []string{"returns", "shipping"} {
		text, err := fs.ReadFile(embedded, "handbook/"+topic+".md")
		if err != nil || len(text) == 0 {
			t.Errorf("%s: %q, %v", topic, text, err)
		}
	}
}

// ask asks the assistant that a server serves, in a session or in a new one.
func ask(t *testing.T, server http.Handler, session string, q Question) *httptest.ResponseRecorder {
	t.Helper()
	body, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodPost, "/invocations", strings.NewReader(string(body)))
	if session != "" {
		request.Header.Set(sessionHeader, session)
	}
	answer := httptest.NewRecorder()
	server.ServeHTTP(answer, request)
	return answer
}

// text joins the pieces of a streamed answer.
func text(t *testing.T, answer *httptest.ResponseRecorder) string {
	t.Helper()
	var joined strings.Builder
	for event := range strings.SplitSeq(strings.TrimSuffix(answer.Body.String(), "\n\n"), "\n\n") {
		var token Token
		if err := json.Unmarshal([]byte(strings.TrimPrefix(event, "data: ")), &token); err != nil {
			t.Fatalf("event %q: %v", event, err)
		}
		joined.WriteString(token.Text)
	}
	return joined.String()
}
