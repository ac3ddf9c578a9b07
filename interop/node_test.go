//go:build unix

package interop_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/client"
)

// TestNodeAnswers calls an agent on the TypeScript SDK that answers once.
func TestNodeAnswers(t *testing.T) {
	a := start(t, node(t, "agent.mjs"))

	t.Run("JSON", func(t *testing.T) {
		for _, value := range []string{`{"text":"<&>, ü🤖","list":[1,2.5,null,true]}`, `[]`, `9007199254740991`, `false`} {
			echoed(t, a, value)
		}
	})
	t.Run("plain text", func(t *testing.T) {
		want := "two\nlines and \"quotes\", \u00fc\U0001f916"
		if got, err := invoke[string](t, a, request{Answer: "text"}); err != nil || got != want {
			t.Errorf("got %q, %v", got, err)
		}
		if got, err := invoke[any](t, a, request{Answer: "text"}); err != nil || got != want {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		got, err := invoke[[]byte](t, a, request{Answer: "buffer"})
		if want := []byte{0, 1, 254, 255}; err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("undefined", func(t *testing.T) {
		if got, err := invoke[piece](t, a, request{Answer: "nothing"}); err != nil || got != (piece{}) {
			t.Errorf("got %v, %v", got, err)
		}
		if _, err := invoke[client.None](t, a, request{Answer: "nothing"}); err != nil {
			t.Error(err)
		}
	})
	t.Run("context", func(t *testing.T) {
		got, err := invoke[who](t, a, request{Answer: "who"},
			client.WithSession(session), client.WithHeader(customHeader, "blue"), client.WithHeader("Authorization", "Bearer 123"))
		if err != nil || got.Session != session || got.Headers[strings.ToLower(customHeader)] != "blue" || got.Headers["authorization"] != "Bearer 123" {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("no session", func(t *testing.T) {
		_, err := invoke[who](t, a, request{Answer: "who"}, client.WithHeader("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id", ""))
		const message = "Missing sessionId. Provide via x-amzn-bedrock-agentcore-runtime-session-id header or request body."
		refused(t, err, 400, "", message, `"`+message+`"`)
	})
	t.Run("error", func(t *testing.T) {
		_, err := invoke[piece](t, a, request{Answer: "fail"})
		refused(t, err, 500, "", "boom in handler", `"boom in handler"`)
	})
	t.Run("broken request", func(t *testing.T) {
		_, err := a.client(t).Do(t.Context(), []byte("{"))
		refused(t, err, 400, "FST_ERR_CTP_INVALID_JSON_BODY", "Body is not valid JSON", `"Bad Request"`)
	})
	t.Run("request that does not fit the schema", func(t *testing.T) {
		_, err := client.Invoke[map[string]int, piece](t.Context(), a.client(t), map[string]int{"answer": 1})
		refused(t, err, 400, "", `Invalid request body format: [{"expected":"string"`, `"Invalid request body format"`)
	})
	t.Run("request that is too large", func(t *testing.T) {
		_, err := a.client(t).Do(t.Context(), []byte(`"`+strings.Repeat("0123456789", 1<<18)+`"`))
		if _, told := errors.AsType[*client.Error](err); err != nil && !told {
			return // it hangs up on what is still being sent, and its answer can get lost
		}
		refused(t, err, 413, "FST_ERR_CTP_BODY_TOO_LARGE", "Request body is too large", `"Payload Too Large"`)
	})
	t.Run("stream after all", func(t *testing.T) {
		_, err := invoke[piece](t, a, request{Answer: "stream", Stream: "objects"})
		refused(t, err, 406, "", "Streaming response requires Accept: text/event-stream header.",
			`"Streaming response requires Accept: text/event-stream header. Please include this header in your request to receive streaming data."`)
	})
}

// TestNodeStreams calls an agent on the TypeScript SDK that answers with streams.
func TestNodeStreams(t *testing.T) {
	a := start(t, node(t, "agent.mjs"))

	t.Run("objects", func(t *testing.T) {
		got, err := collect[piece](t, a, request{Answer: "stream", Stream: "objects"})
		if want := []piece{{0, "line\nbreak"}, {1, "line\nbreak"}, {2, "line\nbreak"}}; err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("strings", func(t *testing.T) {
		want := []string{"one", "two\nlines", `{"looks":"like JSON"}`, "data: like an event"}
		got, err := collect[string](t, a, request{Answer: "stream", Stream: "strings"})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("events with a name", func(t *testing.T) {
		got, err := collect[piece](t, a, request{Answer: "stream", Stream: "named"})
		if want := []piece{{0, "named"}}; err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("error in the middle", func(t *testing.T) {
		got, err := collect[piece](t, a, request{Answer: "stream", Stream: "failLater"})
		if want := []piece{{0, "fine"}}; !slices.Equal(got, want) {
			t.Errorf("before that it is %v", got)
		}
		refused(t, err, 200, "", "boom mid-stream", `"boom mid-stream"`)
	})
	t.Run("error at once", func(t *testing.T) {
		got, err := collect[piece](t, a, request{Answer: "stream", Stream: "failFirst"})
		if len(got) != 0 {
			t.Errorf("before that it is %v", got)
		}
		refused(t, err, 200, "", "boom at once", `"boom at once"`)
	})
	t.Run("left", func(t *testing.T) { leave(t, a) })
	t.Run("single answer after all", func(t *testing.T) {
		got, err := collect[piece](t, a, request{Answer: "echo", Value: []byte(`{"index":7,"text":"alone"}`)})
		if want := []piece{{7, "alone"}}; err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v", got, err)
		}
		_, err = collect[piece](t, a, request{Answer: "fail"})
		refused(t, err, 500, "", "Internal Server Error", "") // it does not say why to those who accept streams
	})
}

// TestNodePing asks an agent on the TypeScript SDK how it is.
func TestNodePing(t *testing.T) {
	a := start(t, node(t, "agent.mjs"))
	pinged(t, a, client.Healthy)
	if _, err := invoke[client.None](t, a, request{Answer: "work"}); err != nil {
		t.Fatal(err)
	}
	pinged(t, a, client.HealthyBusy)
	if done, err := invoke[bool](t, a, request{Answer: "rest"}); err != nil || !done {
		t.Fatal(done, err)
	}
	pinged(t, a, client.Healthy)
}

// TestNodeWebSocket talks to an agent on the TypeScript SDK.
func TestNodeWebSocket(t *testing.T) {
	a := start(t, node(t, "agent.mjs"))
	converse(t, a)

	t.Run("error at once", func(t *testing.T) {
		conn := dial[say, say](t, a, client.WithHeader("X-Amzn-Bedrock-AgentCore-Runtime-Custom-Fail", "please"))
		_, err := conn.Receive(t.Context())
		closed(t, err, 1011, "Internal server error")
	})
	t.Run("error in a listener, which ends the process", func(t *testing.T) {
		_, err := ask(t, dial[say, say](t, a), say{Do: "fail"})
		if lost, ok := errors.AsType[*client.CloseError](err); !ok || lost.Code != 1006 {
			t.Errorf("the error is %v", err)
		}
		<-a.ended
	})
}

// TestNodeWithoutWebSocket connects to an agent on the TypeScript SDK that has no
// handler for that.
func TestNodeWithoutWebSocket(t *testing.T) {
	a := start(t, node(t, "agent.mjs"), "WEBSOCKET=none")
	_, err := client.Connect[say, say](t.Context(), a.client(t))
	refused(t, err, 404, "", "Route GET:/ws not found", `"Not Found"`)
}
