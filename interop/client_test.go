//go:build unix

package interop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/client"
)

// request tells the agents here what to answer.
type request struct {
	Answer string          `json:"answer"`
	Stream string          `json:"stream,omitempty"` // when the answer is a stream
	Value  json.RawMessage `json:"value,omitempty"`  // when the answer is an echo
}

// piece is what their streams mostly consist of.
type piece struct {
	Index int    `json:"index"`
	Text  string `json:"text"`
}

// who is what they know of a request.
type who struct {
	Session string            `json:"session"`
	Headers map[string]string `json:"headers"`
}

const (
	session      = "session-0123456789-0123456789-0123456789"
	customHeader = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Colour"
)

func invoke[Out any](t *testing.T, a *agent, in request, opts ...client.Option) (Out, error) {
	t.Helper()
	return client.Invoke[request, Out](t.Context(), a.client(t), in, opts...)
}

// echoed checks that a value comes back as it was sent.
func echoed(t *testing.T, a *agent, value string) {
	t.Helper()
	got, err := invoke[json.RawMessage](t, a, request{Answer: "echo", Value: json.RawMessage(value)})
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, got); err != nil {
		t.Fatal(err)
	}
	if compact.String() != value {
		t.Errorf("%s came back as %s", value, got)
	}
}

// collect returns the values of a stream, and its error.
func collect[Out any](t *testing.T, a *agent, in request) (values []Out, failure error) {
	t.Helper()
	for value, err := range client.Stream[request, Out](t.Context(), a.client(t), in) {
		if err != nil {
			return values, err
		}
		values = append(values, value)
	}
	return values, nil
}

// leave leaves a stream that would never end.
func leave(t *testing.T, a *agent) {
	t.Helper()
	for value, err := range client.Stream[request, piece](t.Context(), a.client(t), request{Answer: "stream", Stream: "endless"}) {
		if err != nil {
			t.Fatal(err)
		}
		if value.Index == 3 {
			break
		}
	}
	if _, err := a.client(t).Ping(t.Context()); err != nil {
		t.Error("after that:", err)
	}
}

// refused checks that an error is the agent's, and what it says.
func refused(t *testing.T, err error, status int, code, message, detail string) {
	t.Helper()
	failure, ok := errors.AsType[*client.Error](err)
	if !ok {
		t.Fatalf("the error is %T: %[1]v", err)
	}
	if failure.StatusCode != status || failure.Code != code || !strings.HasPrefix(failure.Message, message) || string(failure.Detail) != detail {
		t.Errorf("got status %d, code %q, message %q and detail %s", failure.StatusCode, failure.Code, failure.Message, failure.Detail)
	}
}

// pinged checks what an agent says of itself.
func pinged(t *testing.T, a *agent, want client.PingStatus) {
	t.Helper()
	got, err := a.client(t).Ping(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != want || got.Since.IsZero() {
		t.Errorf("it says %s since %v, want %s", got.Status, got.Since, want)
	}
}

// say is what the agents here are told over a WebSocket.
type say struct {
	Do   string `json:"do"`
	Text string `json:"text,omitempty"`
}

// dial connects to an agent.
func dial[In, Out any](t *testing.T, a *agent, opts ...client.Option) *client.Conn[In, Out] {
	t.Helper()
	conn, err := client.Connect[In, Out](t.Context(), a.client(t), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ask sends a message and returns the next that comes.
func ask[In, Out any](t *testing.T, conn *client.Conn[In, Out], message Out) (In, error) {
	t.Helper()
	if err := conn.Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	return conn.Receive(t.Context())
}

// closed checks how the agent has closed a connection.
func closed(t *testing.T, err error, code int, reason string) {
	t.Helper()
	end, ok := errors.AsType[*client.CloseError](err)
	if !ok {
		t.Fatalf("the error is %T: %[1]v", err)
	}
	if end.Code != code || end.Reason != reason {
		t.Errorf("closed with %d %q, want %d %q", end.Code, end.Reason, code, reason)
	}
}

// converse checks what all agents here do with messages.
func converse(t *testing.T, a *agent) {
	t.Helper()
	t.Run("JSON", func(t *testing.T) {
		conn := dial[say, say](t, a)
		want := say{Do: "echo", Text: "line\nbreak, \u00fc\U0001f916"}
		if got, err := ask(t, conn, want); err != nil || got != want {
			t.Errorf("got %v, %v", got, err)
		}
		if err := conn.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	t.Run("text that is not the JSON expected", func(t *testing.T) {
		conn := dial[say, say](t, a)
		_, err := ask(t, conn, say{Do: "text"})
		if bad, ok := errors.AsType[*client.DecodeError](err); !ok || string(bad.Data) != "no JSON" {
			t.Errorf("the error is %v", err)
		}
		if got, err := ask(t, conn, say{Do: "echo"}); err != nil || got.Do != "echo" {
			t.Errorf("after that: %v, %v", got, err)
		}
	})
	t.Run("binary and text", func(t *testing.T) {
		conn := dial[client.Message, client.Message](t, a)
		data := bytes.Repeat([]byte{0, 1, 2, 255}, 1<<18)
		got, err := ask(t, conn, client.BinaryMessage(data))
		if want := bytes.Repeat([]byte{255, 2, 1, 0}, 1<<18); err != nil || !got.Binary || !bytes.Equal(got.Data, want) {
			t.Errorf("got a message of %d bytes, binary: %t, %v", len(got.Data), got.Binary, err)
		}
		got, err = ask(t, conn, client.TextMessage(`{"do":"text"}`))
		if err != nil || !reflect.DeepEqual(got, client.TextMessage("no JSON")) {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("context", func(t *testing.T) {
		conn := dial[who, say](t, a, client.WithSession(session), client.WithHeader(customHeader, "blue"))
		got, err := ask(t, conn, say{Do: "who"})
		if err != nil || got.Session != session || got.Headers[strings.ToLower(customHeader)] != "blue" {
			t.Errorf("got %v, %v", got, err)
		}
		if got := conn.SessionID(); got != session {
			t.Errorf("the connection's session is %q", got)
		}
	})
	t.Run("close", func(t *testing.T) {
		conn := dial[say, say](t, a)
		_, err := ask(t, conn, say{Do: "close"})
		closed(t, err, 4321, "as you say")
	})
}
