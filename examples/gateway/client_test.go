package main

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/examples/gateway/gatewayclient"
	"github.com/agentcore-go/agentcore/examples/internal/llm"
	"github.com/agentcore-go/agentcore/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect serves the agent, and returns a client of it.
func connect(t *testing.T, opts ...client.Option) *gatewayclient.Client {
	t.Helper()
	gateway := &Gateway{Model: new(llm.Local), Token: "secret", Log: slog.New(slog.DiscardHandler)}
	server := httptest.NewServer(NewServer(gateway, runtime.WithLogger(gateway.Log)))
	t.Cleanup(server.Close)
	transport, err := client.Direct(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return gatewayclient.New(transport, opts...)
}

// The options of a client hold for all its calls, those of a call for that one.
func TestClient(t *testing.T) {
	agent := connect(t, client.WithHeader("Authorization", "Bearer secret"))
	var header http.Header
	answer, err := agent.Ask(t.Context(), gatewayclient.Question{Prompt: "hi"},
		client.WithHeader(correlationHeader, "order-7"), client.WithAnswerHeader(&header))
	if err != nil {
		t.Fatal(err)
	}
	if want := (gatewayclient.Answer{Text: `You said: "hi". We have only just met.`, Correlation: "order-7"}); answer != want {
		t.Errorf("answer = %+v\nwant     %+v", answer, want)
	}
	if got := header.Get(correlationHeader); got != "order-7" {
		t.Errorf("%s = %q, want order-7", correlationHeader, got)
	}
	answer, err = agent.Ask(t.Context(), gatewayclient.Question{Prompt: "hi"})
	if err != nil || answer.Correlation == "order-7" || answer.Correlation == "" {
		t.Errorf("without an id of the caller's, the answer is %+v, %v", answer, err)
	}
}

func TestClientWithoutToken(t *testing.T) {
	agent := connect(t)
	_, err := agent.Ask(t.Context(), gatewayclient.Question{Prompt: "hi"})
	refused, ok := errors.AsType[*client.Error](err)
	if !ok {
		t.Fatalf("the error is %v", err)
	}
	if want := "a valid bearer token is required"; refused.StatusCode != http.StatusUnauthorized || refused.Message != want {
		t.Errorf("refused with %d: %s\nwant 401: %s", refused.StatusCode, refused.Message, want)
	}
	if state, err := agent.Ping(t.Context()); err != nil || state.Status != client.Healthy {
		t.Errorf("/ping is open, and says %+v, %v", state, err)
	}
}
