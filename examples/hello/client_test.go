package main

import (
	"errors"
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/examples/hello/helloclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect serves the agent, and returns a client of it.
func connect(t *testing.T) *helloclient.Client {
	t.Helper()
	server := httptest.NewServer(NewServer())
	t.Cleanup(server.Close)
	transport, err := client.Direct(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return helloclient.New(transport)
}

func TestClient(t *testing.T) {
	agent := connect(t)
	answer, err := agent.Hello(t.Context(), helloclient.Question{Prompt: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	if want := (helloclient.Answer{Text: "You said: hi"}); answer != want {
		t.Errorf("answer = %+v, want %+v", answer, want)
	}
	state, err := agent.Ping(t.Context())
	if err != nil || state.Status != client.Healthy || state.Since.IsZero() {
		t.Errorf("the agent says it is %+v, %v", state, err)
	}
}

// A generated client does not compile with another question. Without one, the
// agent says what is wrong.
func TestOtherQuestion(t *testing.T) {
	agent := connect(t)
	type question struct {
		Prompt int `json:"prompt"`
	}
	_, err := client.Invoke[question, helloclient.Answer](t.Context(), agent.Client, question{1})
	refused, ok := errors.AsType[*client.Error](err)
	if !ok {
		t.Fatalf("the error is %v", err)
	}
	if want := "Invalid payload: prompt: cannot use number as string"; refused.StatusCode != 400 || refused.Message != want {
		t.Errorf("refused with %d: %s\nwant 400: %s", refused.StatusCode, refused.Message, want)
	}
}
