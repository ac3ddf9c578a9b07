package main

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/examples/internal/llm"
)

func TestAnswer(t *testing.T) {
	const want = `data: {"text":"You "}

data: {"text":"said: "}

data: {"text":"\"hello "}

data: {"text":"there\". "}

data: {"text":"We "}

data: {"text":"have "}

data: {"text":"only "}

data: {"text":"just "}

data: {"text":"met."}

`
	use(t, new(llm.Local))
	answer := httptest.NewRecorder()
	NewServer().ServeHTTP(answer, question("hello there"))
	if got := answer.Header().Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
		t.Errorf("Content-Type = %q", got)
	}
	if got := answer.Body.String(); got != want {
		t.Errorf("answer:\n%s\nwant:\n%s", got, want)
	}
}

func TestModelFails(t *testing.T) {
	const want = `data: {"text":"You "}

data: {"error":"the model is on strike","error_type":"error","message":"An error occurred during streaming"}

`
	use(t, llm.Func(func(context.Context, []llm.Message) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			if yield("You ", nil) {
				yield("", errors.New("the model is on strike"))
			}
		}
	}))
	answer := httptest.NewRecorder()
	NewServer().ServeHTTP(answer, question("hello"))
	if got := answer.Body.String(); got != want {
		t.Errorf("answer:\n%s\nwant:\n%s", got, want)
	}
}

// use makes m the agent's model for the time of a test.
func use(t *testing.T, m llm.Model) {
	before := model
	t.Cleanup(func() { model = before })
	model = m
}

// question returns the request that asks a question.
func question(prompt string) *http.Request {
	return httptest.NewRequest(http.MethodPost, "/invocations", strings.NewReader(`{"prompt":"`+prompt+`"}`))
}
