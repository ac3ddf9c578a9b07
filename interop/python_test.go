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

// TestPythonAnswers calls an agent on the Python SDK that answers once.
func TestPythonAnswers(t *testing.T) {
	a := start(t, python(t, "agent.py"))

	t.Run("JSON", func(t *testing.T) {
		for _, value := range []string{
			`{"text":"\u003c&>, ü🤖","list":[1,2.5,null,true]}`, `[]`, `12345678901234567890123`, `false`, `"text"`, `null`,
		} {
			echoed(t, a, strings.ReplaceAll(value, `\u003c`, "<"))
		}
	})
	t.Run("string", func(t *testing.T) {
		got, err := invoke[string](t, a, request{Answer: "text"})
		if want := "two\nlines and \"quotes\", \u00fc\U0001f916"; err != nil || got != want {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("None", func(t *testing.T) {
		if got, err := invoke[*piece](t, a, request{Answer: "nothing"}); err != nil || got != nil {
			t.Errorf("got %v, %v", got, err)
		}
		if _, err := invoke[client.None](t, a, request{Answer: "nothing"}); err != nil {
			t.Error(err)
		}
	})
	t.Run("context", func(t *testing.T) {
		got, err := invoke[who](t, a, request{Answer: "who"},
			client.WithSession(session), client.WithHeader(customHeader, "blue"), client.WithHeader("Authorization", "Bearer 123"))
		if err != nil || got.Session != session || got.Headers[strings.ToLower(customHeader)] != "blue" || got.Headers["Authorization"] != "Bearer 123" {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("exception", func(t *testing.T) {
		_, err := invoke[piece](t, a, request{Answer: "fail"})
		refused(t, err, 500, "", "boom in handler", `"boom in handler"`)
	})
	t.Run("exception without a text", func(t *testing.T) {
		_, err := invoke[piece](t, a, request{Answer: "fail_silently"})
		refused(t, err, 500, "", "Internal Server Error", `""`)
	})
	t.Run("HTTPException", func(t *testing.T) {
		_, err := invoke[piece](t, a, request{Answer: "refuse"})
		refused(t, err, 409, "", `{"reason":"taken","by":[1,2]}`, `{"reason":"taken","by":[1,2]}`)
	})
	t.Run("broken request", func(t *testing.T) {
		_, err := a.client(t).Do(t.Context(), []byte("{"))
		refused(t, err, 400, "", "Invalid JSON: Expecting property name", `"Invalid JSON"`)
	})
	t.Run("stream after all", func(t *testing.T) {
		_, err := invoke[piece](t, a, request{Answer: "stream", Stream: "objects"})
		if err == nil || !strings.Contains(err.Error(), "call it with Stream") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("large", func(t *testing.T) {
		echoed(t, a, `"`+strings.Repeat("0123456789", 1<<18)+`"`)
	})
}

// TestPythonStreams calls an agent on the Python SDK that answers with streams.
func TestPythonStreams(t *testing.T) {
	a := start(t, python(t, "agent.py"))

	t.Run("async generator", func(t *testing.T) {
		got, err := collect[piece](t, a, request{Answer: "stream", Stream: "objects"})
		if want := []piece{{0, "line\nbreak"}, {1, "line\nbreak"}, {2, "line\nbreak"}}; err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("generator", func(t *testing.T) {
		got, err := collect[piece](t, a, request{Answer: "stream", Stream: "blocking"})
		if want := []piece{{0, "from a thread"}}; err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("strings", func(t *testing.T) {
		got, err := collect[string](t, a, request{Answer: "stream", Stream: "strings"})
		if want := []string{"one", "two\nlines", "", `{"looks":"like JSON"}`, "data: like an event"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("exception in the middle", func(t *testing.T) {
		got, err := collect[piece](t, a, request{Answer: "stream", Stream: "fail_later"})
		if want := []piece{{0, "fine"}}; !slices.Equal(got, want) {
			t.Errorf("before that it is %v", got)
		}
		refused(t, err, 200, "Unlucky", "boom mid-stream", `"boom mid-stream"`)
	})
	t.Run("exception at once", func(t *testing.T) {
		got, err := collect[piece](t, a, request{Answer: "stream", Stream: "fail_first"})
		if len(got) != 0 {
			t.Errorf("before that it is %v", got)
		}
		refused(t, err, 200, "Unlucky", "boom at once", `"boom at once"`)
	})
	t.Run("left", func(t *testing.T) { leave(t, a) })
	t.Run("single answer after all", func(t *testing.T) {
		got, err := collect[string](t, a, request{Answer: "text"})
		if err != nil || len(got) != 1 || !strings.HasPrefix(got[0], "two\nlines") {
			t.Errorf("got %q, %v", got, err)
		}
		_, err = collect[string](t, a, request{Answer: "fail"})
		refused(t, err, 500, "", "boom in handler", `"boom in handler"`)
	})
}

// TestPythonPing asks an agent on the Python SDK how it is.
func TestPythonPing(t *testing.T) {
	a := start(t, python(t, "agent.py"))
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

// TestPythonWebSocket talks to an agent on the Python SDK.
func TestPythonWebSocket(t *testing.T) {
	a := start(t, python(t, "agent.py"))
	converse(t, a)

	t.Run("exception", func(t *testing.T) {
		_, err := ask(t, dial[say, say](t, a), say{Do: "fail"})
		closed(t, err, 1011, "")
	})
	t.Run("message that it cannot decode", func(t *testing.T) {
		_, err := ask(t, dial[say, string](t, a), "{")
		closed(t, err, 1011, "")
	})
	t.Run("message that is too large", func(t *testing.T) {
		conn := dial[client.Message, client.Message](t, a)
		_ = conn.Send(t.Context(), client.BinaryMessage(bytes.Repeat([]byte("0123456789"), 2<<20)))
		_, err := conn.Receive(t.Context())
		// The agent hangs up on what is still being sent, and why can get lost.
		if end, ok := errors.AsType[*client.CloseError](err); !ok || end.Code != 1009 && end.Code != 1006 {
			t.Errorf("the error is %T: %[1]v", err)
		}
	})
	t.Run("shutdown", func(t *testing.T) {
		conn := dial[say, say](t, a)
		if _, err := ask(t, conn, say{Do: "echo"}); err != nil {
			t.Fatal(err)
		}
		a.terminate(t)
		_, err := conn.Receive(t.Context())
		closed(t, err, 1012, "")
	})
}

// TestPythonWithoutWebSocket connects to an agent on the Python SDK that has no
// handler for that.
func TestPythonWithoutWebSocket(t *testing.T) {
	a := start(t, python(t, "agent.py"), "WEBSOCKET=none")
	_, err := client.Connect[say, say](t.Context(), a.client(t))
	refused(t, err, 403, "", "Forbidden", "")
}
