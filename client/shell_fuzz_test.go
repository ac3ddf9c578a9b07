package client_test

import (
	"io"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/internal/shelltest"
)

// FuzzShellMessage lets the service send anything. The client must end as it would
// without, or say what is wrong, and deliver what is output.
func FuzzShellMessage(f *testing.F) {
	for _, message := range []string{
		"", "\x00x", "\x01", "\x01hello", "\x02hello", "\x03", "\x03{}", "\x03null", "\x03[]", "\x03{", "\x04{}", "\x05", "\x06x", "\xff", "\xffx",
		"\x03" + string(shelltest.Confirmation("s", true, 5)),
		"\x03" + string(shelltest.Exit(0, 0)),
		"\x03" + string(shelltest.Exit(3, 0)),
		"\x03" + string(shelltest.Exit(137, 9)),
		"\x03" + `{"metadata":{"bytesDropped":1e99},"status":"Success"}`,
		"\x03" + `{"metadata":{"shellId":7},"status":"Failure","code":"x","details":{"causes":[null,{"reason":"ExitCode","message":null},{"reason":"ExitCode","message":"99999999999999999999"}]}}`,
		"\x03" + `{"metadata":{},"status":"Failure","reason":"InternalError","message":"no","code":500}`,
	} {
		f.Add([]byte(message), true, true)
		f.Add([]byte(message), true, false)
		f.Add([]byte(message), false, true)
	}
	f.Fuzz(func(t *testing.T, message []byte, binary, confirmed bool) {
		service := serveShells(t, scripted(t, func(_ int, c *shellPeer) {
			c.accept()
			if confirmed {
				c.send(shelltest.Status, string(shelltest.Confirmation("s", false, 0)))
			}
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				_ = c.drain()
			}()
			kind := websocket.TextMessage
			if binary {
				kind = websocket.BinaryMessage
			}
			_ = c.ws.WriteMessage(kind, message)
			c.send(shelltest.Stdout, "|last")
			c.send(shelltest.Status, string(shelltest.Exit(42, 0)))
			<-gone
		}))
		defer service.stop()
		shell, err := service.Shell(t.Context(), client.ShellOptions{Reconnect: client.NeverReconnect})
		if err != nil {
			if confirmed {
				t.Errorf("the shell was not opened: %v", err)
			}
			return
		}
		defer shell.Detach()
		output, _ := io.ReadAll(shell)
		exit, err := shell.Wait()
		want := ""
		if binary && len(message) > 0 && (message[0] == shelltest.Stdout || message[0] == shelltest.Stderr) {
			want = string(message[1:])
		}
		rest, found := strings.CutSuffix(string(output), "|last")
		if rest != want {
			t.Errorf("the output is %q, want %q", rest, want)
		}
		if found != (exit.Code == 42) && err == nil && message[0] != shelltest.Status {
			t.Errorf("the shell has ended with %+v after %q", exit, output)
		}
		if !found && err == nil && (len(message) == 0 || message[0] != shelltest.Status) {
			t.Errorf("the rest of the output is missing: %q", output)
		}
	})
}
