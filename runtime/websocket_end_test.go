package runtime_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/runtime"
)

// A client that says goodbye while the handler sends is not an error of the
// handler's, whichever of Send and Receive learns of it.
func TestWebSocketClientClosesWhileTheHandlerSends(t *testing.T) {
	for range 50 {
		ended := make(chan error, 1)
		a := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
			go func() { _, _ = conn.Receive(ctx) }()
			for {
				if err := conn.Send(ctx, "tick"); err != nil {
					ended <- err
					return err
				}
			}
		})})
		conn := a.connect(t)
		readText(t, conn)
		if err := closeWith(websocket.CloseNormalClosure, "bye")(conn); err != nil {
			t.Fatal(err)
		}
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				break
			}
		}
		if err := await(t, "the end of Send", ended); !errors.Is(err, io.EOF) {
			t.Fatalf("Send returned %v, want the CloseError of the client", err)
		}
		if err := a.stop(); err != nil {
			t.Fatal(err)
		}
		if record := a.logs.only(t); record["level"] != "INFO" {
			t.Fatalf("logged %v, want no more than INFO", record)
		}
	}
}

// A refusal that cannot be encoded costs its caller an answer, and nobody else
// anything.
func TestWebSocketRefusalThatPanics(t *testing.T) {
	a := serve(t, runtime.Handlers{WebSocket: talk(func(context.Context, *textConn) error {
		return &runtime.StatusError{Status: 401, Detail: panickingJSON{}}
	})})
	if got := a.upgrade(t, "/ws"); got.status != 500 {
		t.Errorf("the handshake was answered with %d, want 500", got.status)
	}
	if got := a.do(t, "GET", "/ping", ""); got.status != 200 {
		t.Errorf("the ping was answered with %d", got.status)
	}
}
