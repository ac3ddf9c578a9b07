package main

import (
	"bufio"
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
	NewServer().ServeHTTP(answer, question(t.Context(), "", "hello there"))
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
	NewServer().ServeHTTP(answer, question(t.Context(), "", "hello"))
	if got := answer.Body.String(); got != want {
		t.Errorf("answer:\n%s\nwant:\n%s", got, want)
	}
}

// A piece is there while the model still writes, and the model stops when
// the caller goes away.
func TestCallerLeaves(t *testing.T) {
	stopped := make(chan error, 1)
	use(t, llm.Func(func(ctx context.Context, _ []llm.Message) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			if yield("You ", nil) { // or the caller has left already
				<-ctx.Done()
			}
			stopped <- ctx.Err()
		}
	}))
	server := httptest.NewServer(NewServer())
	defer server.Close()

	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	response, err := server.Client().Do(question(ctx, server.URL, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	line, err := bufio.NewReader(response.Body).ReadString('\n')
	if want := `data: {"text":"You "}` + "\n"; line != want || err != nil {
		t.Errorf("the stream begins with %q, %v; want %q", line, err, want)
	}
	leave()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("the model stopped with %v, want %v", err, context.Canceled)
	}
}

// use makes m the agent's model for the time of a test.
func use(t *testing.T, m llm.Model) {
	before := model
	t.Cleanup(func() { model = before })
	model = m
}

// question returns the request that asks a question.
func question(ctx context.Context, url, prompt string) *http.Request {
	body := strings.NewReader(`{"prompt":"` + prompt + `"}`)
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, url+"/invocations", body)
	request.RequestURI = "" // so that a client can send it too
	return request
}
