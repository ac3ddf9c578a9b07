package client_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/internal/shelltest"
)

func TestShellHandshake(t *testing.T) {
	var got *http.Request
	serve := func(t *testing.T, opts ...client.TransportOption) *shellService {
		return serveShells(t, scripted(t, func(_ int, c *shellPeer) {
			got = c.r
			c.header.Set("X-Seen", "yes")
			c.confirm(false)
			_ = c.drain()
		}), opts...)
	}

	t.Run("signed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var answer http.Header
			shell := openShell(t, serve(t), client.ShellOptions{ID: "build"}, client.WithAnswerHeader(&answer), client.WithUserID("ada"))
			defer shell.Detach()
			if want := "/runtimes/arn%3Aaws%3Abedrock-agentcore%3Aus-west-2%3A123456789012%3Aruntime%2Fmy_agent-abcde12345/ws/shells?qualifier=DEFAULT&shellId=build"; got.RequestURI != want {
				t.Errorf("the URL is %s\nwant %s", got.RequestURI, want)
			}
			if session := got.Header.Get("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"); session != shellSession {
				t.Errorf("the session is %q", session)
			}
			auth := got.Header.Get("Authorization")
			if !strings.HasPrefix(auth, "AWS4-HMAC-SHA256 ") || !strings.Contains(auth, "x-amzn-bedrock-agentcore-runtime-session-id") {
				t.Errorf("the signature %q does not cover the session", auth)
			}
			if user := got.Header.Get("X-Amzn-Bedrock-AgentCore-Runtime-User-Id"); user != "ada" {
				t.Errorf("the user is %q", user)
			}
			if shell.ID() != "build" || shell.SessionID() != shellSession {
				t.Errorf("the shell is %q in %q", shell.ID(), shell.SessionID())
			}
			if answer.Get("X-Seen") != "yes" {
				t.Errorf("the answer has the headers %v", answer)
			}
		})
	})
	t.Run("qualifier", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			shell := openShell(t, serve(t, client.WithQualifier("prod")), client.ShellOptions{})
			defer shell.Detach()
			if q := got.URL.Query(); !slices.Equal(q["qualifier"], []string{"prod"}) || q.Get("shellId") != shell.ID() || len(shell.ID()) != 36 {
				t.Errorf("the parameters are %v, the id is %s", q, shell.ID())
			}
		})
	})
	t.Run("bearer token", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service := serve(t)
			shell, err := service.withTokens(t, client.StaticToken("a token?~")).Shell(t.Context(), client.ShellOptions{ID: "x"})
			if err != nil {
				t.Fatal(err)
			}
			defer shell.Detach()
			token := base64.RawURLEncoding.EncodeToString([]byte("a token?~"))
			if got := websocket.Subprotocols(got); !slices.Equal(got, []string{"base64UrlBearerAuthorization." + token, "base64UrlBearerAuthorization"}) {
				t.Errorf("the subprotocols are %q", got)
			}
			if got.Header.Get("Authorization") != "" {
				t.Error("the token is in a header, too")
			}
			if session := got.URL.Query().Get("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"); session != shellSession {
				t.Errorf("the session in the query is %q", session)
			}
		})
	})
	t.Run("renewed token", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			good := "base64UrlBearerAuthorization." + base64.RawURLEncoding.EncodeToString([]byte("token 2"))
			service := serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				if !slices.Contains(websocket.Subprotocols(c.r), good) {
					shelltest.Refuse(c.w, http.StatusUnauthorized, "UnauthorizedException", "expired")
					return
				}
				c.confirm(false)
				_ = c.drain()
			}))
			n := 0
			shell, err := service.withTokens(t, func(context.Context) (string, error) {
				n++
				return fmt.Sprintf("token %d", n), nil
			}).Shell(t.Context(), client.ShellOptions{})
			if err != nil {
				t.Fatal(err)
			}
			shell.Detach()
		})
	})
	t.Run("token that is too long", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			token := strings.Repeat("x", 3073)
			_, err := serve(t).withTokens(t, client.StaticToken(token)).Shell(t.Context(), client.ShellOptions{})
			if _, ok := errors.AsType[*client.ParameterError](err); !ok || strings.Contains(err.Error(), "xxx") {
				t.Errorf("the error is %v", err)
			}
		})
	})
	t.Run("ids of the service", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var second *http.Request
			service := serveShells(t, scripted(t, func(n int, c *shellPeer) {
				c.header.Set("X-Amzn-Bedrock-AgentCore-Shell-Id", "given")
				c.header.Set("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id", "another-"+shellSession)
				if n == 1 {
					c.confirm(false)
					return
				}
				second = c.r
				c.confirm(true)
				_ = c.drain()
			}))
			reconnected := make(chan bool, 1)
			shell := openShell(t, service, client.ShellOptions{ID: "mine", OnReconnect: func(_ *client.Shell, again bool) { reconnected <- again }})
			defer shell.Detach()
			if !<-reconnected {
				t.Error("the shell is said to be a new one")
			}
			if shell.ID() != "given" || shell.SessionID() != "another-"+shellSession {
				t.Errorf("the shell is %q in %q", shell.ID(), shell.SessionID())
			}
			if got := second.URL.Query().Get("shellId"); got != "given" {
				t.Errorf("the second connection asks for %q", got)
			}
			if got := second.Header.Get("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"); got != "another-"+shellSession {
				t.Errorf("the second connection asks for session %q", got)
			}
		})
	})
	t.Run("id in the status", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.accept()
				c.send(shelltest.Status, `{"metadata":{"shellId":"given","reconnected":true}}`)
				_ = c.drain()
			})), client.ShellOptions{})
			defer shell.Detach()
			if shell.ID() != "given" {
				t.Errorf("the id is %q", shell.ID())
			}
		})
	})
}

// withTokens returns a client of the service that has a bearer token.
func (s *shellService) withTokens(t *testing.T, token client.TokenSource) *client.Client {
	t.Helper()
	transport, err := client.AgentCoreOAuth(token, shellRuntime, client.WithEndpoint("http://service"),
		client.WithWebSocketDialer(&websocket.Dialer{NetDialContext: s.pipes.dial}))
	if err != nil {
		t.Fatal(err)
	}
	return client.New(transport, client.WithSession(shellSession))
}

func TestShellParameters(t *testing.T) {
	service := serveShells(t, http.NotFoundHandler())
	for name, o := range map[string]client.ShellOptions{
		"underscore first": {ID: "_x"},
		"dash first":       {ID: "-x"},
		"space":            {ID: "a b"},
		"line end":         {ID: "x\n"},
		"parameter":        {ID: "x&y=z"},
		"too long":         {ID: strings.Repeat("x", 129)},
		"not ASCII":        {ID: "größe"},
		"no height":        {Width: 80},
		"no width":         {Height: 25},
		"negative":         {Width: -1, Height: 25},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := service.Shell(t.Context(), o)
			if _, ok := errors.AsType[*client.ParameterError](err); !ok {
				t.Errorf("the error is %v", err)
			}
		})
	}
	t.Run("direct", func(t *testing.T) {
		transport, err := client.Direct("http://localhost:8080")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.New(transport).Shell(t.Context(), client.ShellOptions{}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("the error is %v", err)
		}
	})
	for _, id := range []string{"x", "0", strings.Repeat("x", 128), "a_b-C9"} {
		t.Run("good "+id[:1], func(t *testing.T) {
			_, err := service.Shell(t.Context(), client.ShellOptions{ID: id})
			if refused, ok := errors.AsType[*client.Error](err); !ok || refused.StatusCode != http.StatusNotFound {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// TestShellStatus has the statuses of a shell, each in all its forms.
func TestShellStatus(t *testing.T) {
	const confirmed = `{"kind":"Status","apiVersion":"v1","metadata":{"shellId":"s","reconnected":false},"status":"Success"}`
	for _, test := range []struct {
		name   string
		status string
		exit   client.ExitStatus
		err    *client.Error
	}{
		{"success", `{"metadata":{},"status":"Success"}`, client.ExitStatus{}, nil},
		{"success without metadata", `{"status":"Success"}`, client.ExitStatus{}, nil},
		{"success with null metadata", `{"metadata":null,"status":"Success"}`, client.ExitStatus{}, nil},
		{"exit code", `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","reason":"NonZeroExitCode","message":"command terminated with exit code 3","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}`, client.ExitStatus{Code: 3}, nil},
		{"exit code as a number", `{"metadata":{},"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":3}]}}`, client.ExitStatus{Code: 3}, nil},
		{"signal", `{"metadata":{},"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"137"},{"reason":"Signal","message":"9"}]}}`, client.ExitStatus{Code: 137, Signal: "9"}, nil},
		{"signal first", `{"metadata":{},"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"Signal","message":"SIGTERM"},{"reason":"ExitCode","message":"143"}]}}`, client.ExitStatus{Code: 143, Signal: "SIGTERM"}, nil},
		{"signal alone", `{"metadata":{},"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"Signal","message":"9"}]}}`, client.ExitStatus{Code: -1, Signal: "9"}, nil},
		{"other causes", `{"metadata":{},"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"Weather"},{"reason":"ExitCode","message":"x"},{"reason":"ExitCode","message":"2"}]}}`, client.ExitStatus{Code: 2}, nil},
		{"no causes", `{"metadata":{},"status":"Failure","reason":"NonZeroExitCode","message":"it has failed"}`, noExit,
			&client.Error{StatusCode: 200, Code: "NonZeroExitCode", Message: "it has failed"}},
		{"causes of another type", `{"metadata":{},"status":"Failure","reason":"NonZeroExitCode","details":{"causes":"none"}}`, noExit,
			&client.Error{StatusCode: 200, Code: "NonZeroExitCode", Message: "the shell has failed"}},
		{"internal error", `{"metadata":{},"status":"Failure","reason":"InternalError","message":"init has failed","code":500}`, noExit,
			&client.Error{StatusCode: 500, Code: "InternalError", Message: "init has failed"}},
		{"internal error with a code", `{"metadata":{},"status":"Failure","reason":"InternalError","message":"no","code":500,"details":{"causes":[{"reason":"ExitCode","message":"1"}]}}`, noExit,
			&client.Error{StatusCode: 500, Code: "InternalError", Message: "no"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				connections := 0
				shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
					connections++
					c.accept()
					c.send(shelltest.Status, confirmed)
					c.send(shelltest.Stdout, "bye")
					c.send(shelltest.Status, test.status)
					_ = c.drain()
				})), client.ShellOptions{})
				var target error
				if test.err != nil {
					_, err := shell.Wait()
					refused, ok := errors.AsType[*client.Error](err)
					if !ok || refused.StatusCode != test.err.StatusCode || refused.Code != test.err.Code || refused.Message != test.err.Message || string(refused.Body) != test.status {
						t.Errorf("the error is %v, want %v", err, test.err)
					}
					target = err
				}
				wantEnd(t, shell, "bye", test.exit, target)
				time.Sleep(time.Hour)
				if connections != 1 {
					t.Errorf("there were %d connections", connections)
				}
				if _, err := shell.Write([]byte("x")); err == nil {
					t.Error("writing to a shell that has ended does not fail")
				}
				if err := shell.Resize(1, 1); err == nil {
					t.Error("resizing a shell that has ended does not fail")
				}
				if err := shell.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		})
	}

	t.Run("before the confirmation", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.accept()
				c.send(shelltest.Stdout, "no such shell")
				c.send(shelltest.Status, string(shelltest.Exit(127, 0)))
				_ = c.drain()
			})), client.ShellOptions{})
			wantEnd(t, shell, "no such shell", client.ExitStatus{Code: 127}, nil)
		})
	})
	t.Run("internal error before the confirmation", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			_, err := serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.accept()
				c.send(shelltest.Status, `{"metadata":{},"status":"Failure","reason":"InternalError","message":"init has failed","code":500}`)
				_ = c.drain()
			})).Shell(t.Context(), client.ShellOptions{})
			if refused, ok := errors.AsType[*client.Error](err); !ok || refused.Code != "InternalError" {
				t.Errorf("the error is %v", err)
			}
		})
	})
	t.Run("confirmation after output", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			start := time.Now()
			shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.accept()
				c.send(shelltest.Stdout, "one ")
				c.send(shelltest.Stderr, "two ")
				time.Sleep(9 * time.Second)
				c.send(shelltest.Status, confirmed)
				c.send(shelltest.Stdout, "three")
				c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
				_ = c.drain()
			})), client.ShellOptions{})
			if waited := time.Since(start); waited != 9*time.Second {
				t.Errorf("opening has taken %v", waited)
			}
			wantEnd(t, shell, "one two three", client.ExitStatus{}, nil)
		})
	})
	t.Run("no confirmation", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var log bytes.Buffer
			start := time.Now()
			shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.accept()
				c.send(shelltest.Stdout, "hello")
				time.Sleep(11 * time.Second)
				c.send(shelltest.Status, confirmed)
				c.hangUp(websocket.CloseNormalClosure)
			})), client.ShellOptions{ID: "mine", Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if waited := time.Since(start); waited != 10*time.Second {
				t.Errorf("opening has taken %v", waited)
			}
			if shell.ID() != "mine" {
				t.Errorf("the id is %q", shell.ID())
			}
			if !strings.Contains(log.String(), "level=WARN") {
				t.Errorf("the log is %s", &log)
			}
			wantEnd(t, shell, "hello", noExit, client.ErrShellEnded)
			if shell.ID() != "s" {
				t.Errorf("the id is %q", shell.ID())
			}
		})
	})
	for name, code := range map[string]int{"closed": 1000, "going away": 1001, "internal": 1011} {
		t.Run(name+" before the confirmation", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				_, err := serveShells(t, scripted(t, func(_ int, c *shellPeer) {
					c.accept()
					c.send(shelltest.Stdout, "hello")
					c.hangUp(code)
				})).Shell(t.Context(), client.ShellOptions{})
				if closed, ok := errors.AsType[*client.CloseError](err); !ok || closed.Code != code {
					t.Errorf("the error is %v", err)
				}
			})
		})
	}
	t.Run("taken before the confirmation", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			_, err := serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.accept()
				c.hangUp(shelltest.CloseTaken)
			})).Shell(t.Context(), client.ShellOptions{})
			if !errors.Is(err, client.ErrShellTaken) {
				t.Errorf("the error is %v", err)
			}
		})
	})
	t.Run("gone before the confirmation", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			_, err := serveShells(t, scripted(t, func(_ int, c *shellPeer) { c.accept() })).Shell(t.Context(), client.ShellOptions{})
			if err == nil || !strings.Contains(err.Error(), "before the service had said that it is made") {
				t.Errorf("the error is %v", err)
			}
		})
	})
	t.Run("context ends before the confirmation", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.accept()
				c.send(shelltest.Stdout, "hello")
				_ = c.drain()
			})).Shell(ctx, client.ShellOptions{})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the error is %v", err)
			}
		})
	})
	t.Run("bytes dropped", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			shell := openShell(t, serveShells(t, scripted(t, func(n int, c *shellPeer) {
				c.accept()
				if n == 1 {
					c.send(shelltest.Status, confirmed)
					return
				}
				c.send(shelltest.Status, `{"metadata":{"shellId":"s","reconnected":true,"bytesDropped":10},"status":"Success"}`)
				c.send(shelltest.Stdout, "replay ")
				c.send(shelltest.Status, `{"metadata":{"shellId":"s","reconnected":true,"bytesDropped":12},"status":"Success"}`)
				c.send(shelltest.Status, `{"metadata":{"bytesDropped":-1},"status":"Success"}`)
				if n == 2 {
					return
				}
				c.send(shelltest.Stdout, "live")
				c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
				_ = c.drain()
			})), client.ShellOptions{})
			wantEnd(t, shell, "replay replay live", client.ExitStatus{}, nil)
			if got := shell.BytesDropped(); got != 24 {
				t.Errorf("%d bytes are said to be lost", got)
			}
		})
	})
	for name, status := range map[string]string{
		"no JSON": "hello", "nothing": "", "a list": "[]", "unknown": `{"metadata":{},"status":"Confused"}`,
	} {
		t.Run("not understood: "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log bytes.Buffer
				shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
					c.confirm(false)
					c.send(shelltest.Status, status)
					c.send(shelltest.Stdout, "on")
					c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
					_ = c.drain()
				})), client.ShellOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
				wantEnd(t, shell, "on", client.ExitStatus{}, nil)
				if !strings.Contains(log.String(), "not understood") {
					t.Errorf("the log is %s", &log)
				}
			})
		})
	}
}

// TestShellChannels has what a client does with each channel.
func TestShellChannels(t *testing.T) {
	t.Run("stderr", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var stderr bytes.Buffer
			shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.confirm(false)
				c.send(shelltest.Stdout, "out")
				c.send(shelltest.Stderr, "err")
				c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
				_ = c.drain()
			})), client.ShellOptions{Stderr: &stderr})
			wantEnd(t, shell, "out", client.ExitStatus{}, nil)
			if stderr.String() != "err" {
				t.Errorf("what the platform says is %q", &stderr)
			}
		})
	})
	t.Run("unknown", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var got []string
			shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.confirm(false)
				c.send(0x06, "six")
				c.send(0xFE, "")
				c.send(shelltest.Stdin, "odd")
				c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
				_ = c.drain()
			})), client.ShellOptions{OnUnknown: func(channel byte, payload []byte) {
				got = append(got, fmt.Sprintf("%#x %s", channel, payload))
			}})
			wantEnd(t, shell, "", client.ExitStatus{}, nil)
			if want := []string{"0x6 six", "0xfe ", "0x0 odd"}; !slices.Equal(got, want) {
				t.Errorf("the messages are %q, want %q", got, want)
			}
		})
	})
	t.Run("heartbeat", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.confirm(false)
				c.send(shelltest.Heartbeat, "")
				c.expect(shelltest.Stdin, "x") // and no echo, which could go on for ever
				c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
				_ = c.drain()
			})), client.ShellOptions{})
			if _, err := shell.Write([]byte("x")); err != nil {
				t.Error(err)
			}
			wantEnd(t, shell, "", client.ExitStatus{}, nil)
		})
	})
	t.Run("resize", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.confirm(false)
				c.expect(shelltest.Resize, `{"width":80,"height":25}`)
				c.expect(shelltest.Resize, `{"width":132,"height":50}`)
				c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
				_ = c.drain()
			})), client.ShellOptions{Width: 80, Height: 25})
			for _, size := range [][2]int{{0, 1}, {1, 0}, {-1, 5}} {
				if _, ok := errors.AsType[*client.ParameterError](shell.Resize(size[0], size[1])); !ok {
					t.Errorf("the size %v is good", size)
				}
			}
			if err := shell.Resize(132, 50); err != nil {
				t.Error(err)
			}
			wantEnd(t, shell, "", client.ExitStatus{}, nil)
		})
	})
	t.Run("stdin", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			text := strings.Repeat("0123456789abcdef", 10_000)
			var sizes []int
			var got strings.Builder
			shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.confirm(false)
				for got.Len() < len(text) {
					channel, payload, err := c.next()
					if err != nil || channel != shelltest.Stdin {
						t.Errorf("the client sends %#x, %v", channel, err)
						break
					}
					sizes = append(sizes, len(payload)+1)
					got.WriteString(payload)
				}
				c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
				_ = c.drain()
			})), client.ShellOptions{})
			if n, err := io.WriteString(shell, text); n != len(text) || err != nil {
				t.Errorf("Write: %d, %v", n, err)
			}
			wantEnd(t, shell, "", client.ExitStatus{}, nil)
			if got.String() != text || !slices.Equal(sizes, []int{65536, 65536, 160_000 - 2*65535 + 1}) {
				t.Errorf("the messages have %v bytes", sizes)
			}
		})
	})
	t.Run("a message is one frame", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.confirm(false)
				header := make([]byte, 14)
				_, _ = io.ReadFull(c.ws.NetConn(), header) // final, binary, 64 bits of length, of which 65536
				if want := []byte{0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0}; !bytes.Equal(header[:10], want) {
					t.Errorf("the frame begins with % x, want % x", header, want)
				}
			})), client.ShellOptions{Reconnect: client.NeverReconnect})
			_, _ = shell.Write(make([]byte, shelltest.MaxFrame-1))
			wantEnd(t, shell, "", noExit, client.ErrShellLost)
		})
	})
	t.Run("largest output", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			text := strings.Repeat("x", shelltest.MaxFrame-1)
			shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.confirm(false)
				for range 20 { // more than is kept for a reader
					c.send(shelltest.Stdout, text)
				}
				c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
				_ = c.drain()
			})), client.ShellOptions{})
			time.Sleep(10 * time.Minute) // in which nobody reads
			wantEnd(t, shell, strings.Repeat(text, 20), client.ExitStatus{}, nil)
		})
	})
}

// TestShellEnd has how a connection may end, and what follows.
func TestShellEnd(t *testing.T) {
	for _, test := range []struct {
		name   string
		end    func(c *shellPeer)
		again  bool
		target error
		code   int // of a CloseError
	}{
		{"CLOSE", func(c *shellPeer) { c.send(shelltest.Close, ""); _ = c.drain() }, false, client.ErrShellEnded, 0},
		{"close 1000", func(c *shellPeer) { c.hangUp(1000) }, false, client.ErrShellEnded, 1000},
		{"close 4000", func(c *shellPeer) { c.hangUp(4000) }, false, client.ErrShellTaken, 4000},
		{"close 1003", func(c *shellPeer) { c.hangUp(1003) }, false, nil, 1003},
		{"close 1001", func(c *shellPeer) { c.hangUp(1001) }, true, client.ErrShellLost, 1001},
		{"close 1006", func(*shellPeer) {}, true, client.ErrShellLost, 1006},
		{"close without a code", func(c *shellPeer) { c.hangUp(1005) }, true, client.ErrShellLost, 1005},
		{"close 1011", func(c *shellPeer) { c.hangUp(1011) }, true, client.ErrShellLost, 1011},
		{"close 1012", func(c *shellPeer) { c.hangUp(1012) }, true, client.ErrShellLost, 1012},
		{"close 4001", func(c *shellPeer) { c.hangUp(4001) }, true, client.ErrShellLost, 4001},
		{"text", func(c *shellPeer) {
			_ = c.ws.WriteMessage(websocket.TextMessage, []byte("hello"))
			if err := c.drain(); !websocket.IsCloseError(err, websocket.CloseUnsupportedData) {
				c.t.Errorf("the client ends with %v", err)
			}
		}, false, nil, 0},
		{"empty message", func(c *shellPeer) {
			_ = c.ws.WriteMessage(websocket.BinaryMessage, nil)
			if err := c.drain(); !websocket.IsCloseError(err, websocket.CloseProtocolError) {
				c.t.Errorf("the client ends with %v", err)
			}
		}, false, nil, 0},
		{"message that is too large", func(c *shellPeer) {
			go c.send(shelltest.Stdout, strings.Repeat("x", 1<<20))
			_ = c.drain()
		}, false, nil, 0},
		{"part of a message", func(c *shellPeer) {
			_, _ = c.ws.NetConn().Write([]byte{0x82, 5, 1, 'x'})
		}, true, client.ErrShellLost, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
					c.confirm(false)
					c.send(shelltest.Stdout, "x")
					test.end(c)
				})), client.ShellOptions{Reconnect: client.NeverReconnect})
				_, err := shell.Wait()
				if closed, ok := errors.AsType[*client.CloseError](err); test.code != 0 && (!ok || closed.Code != test.code) {
					t.Errorf("the error is %v, want %d", err, test.code)
				}
				if errors.Is(err, io.EOF) {
					t.Errorf("%v is the end of a file", err)
				}
				target := test.target
				if target == nil {
					target = err
				}
				wantEnd(t, shell, "x", noExit, target)
			})
		})
		t.Run(test.name+", reconnecting", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				calls := 0
				var again []bool
				shell := openShell(t, serveShells(t, scripted(t, func(n int, c *shellPeer) {
					calls = n
					c.confirm(n > 1)
					if n == 1 {
						test.end(c)
						return
					}
					c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
					_ = c.drain()
				})), client.ShellOptions{OnReconnect: func(_ *client.Shell, reconnected bool) { again = append(again, reconnected) }})
				_, err := shell.Wait()
				if (err == nil) != test.again || (calls == 2) != test.again || slices.Equal(again, []bool{true}) != test.again {
					t.Errorf("there were %d connections, callbacks with %v, the error is %v", calls, again, err)
				}
			})
		})
	}
}

func TestShellClose(t *testing.T) {
	type goodbye struct {
		frames string
		err    error
	}
	// serve serves one shell, and tells how the client leaves.
	serve := func(t *testing.T, answer func(*shellPeer)) (*client.Shell, <-chan goodbye) {
		left := make(chan goodbye, 1)
		shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
			c.confirm(false)
			c.send(shelltest.Stdout, "unread")
			var frames strings.Builder
			for {
				channel, payload, err := c.next()
				if err != nil {
					left <- goodbye{frames.String(), err}
					return
				}
				fmt.Fprintf(&frames, "%#x%s ", channel, payload)
				if channel == shelltest.Close {
					answer(c)
				}
			}
		})), client.ShellOptions{})
		return shell, left
	}
	ended := func(t *testing.T, shell *client.Shell) {
		t.Helper()
		if exit, err := shell.Wait(); exit != noExit || err != client.ErrShellClosed {
			t.Errorf("the shell has ended with %+v and %v", exit, err)
		}
		if n, err := shell.Read(make([]byte, 10)); n != 0 || err != client.ErrShellClosed {
			t.Errorf("reading has ended with %d and %v", n, err)
		}
		if _, err := shell.Write([]byte("x")); err != client.ErrShellClosed {
			t.Errorf("writing has ended with %v", err)
		}
		if err := shell.Close(); err != nil {
			t.Errorf("the second Close: %v", err)
		}
		if err := shell.Detach(); err != nil {
			t.Errorf("Detach after Close: %v", err)
		}
	}
	t.Run("close", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			shell, left := serve(t, func(c *shellPeer) {
				c.send(shelltest.Close, "")
				c.hangUp(1000)
			})
			start := time.Now()
			if err := shell.Close(); err != nil {
				t.Error(err)
			}
			if waited := time.Since(start); waited != 0 {
				t.Errorf("Close has waited %v", waited)
			}
			ended(t, shell)
			if got := <-left; got.frames != "0xff " {
				t.Errorf("the client has sent %s and left with %v", got.frames, got.err)
			}
		})
	})
	t.Run("close that nobody answers", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			shell, _ := serve(t, func(*shellPeer) { time.Sleep(time.Hour) })
			start := time.Now()
			if err := shell.Close(); err != nil {
				t.Error(err)
			}
			if waited := time.Since(start); waited != time.Second {
				t.Errorf("Close has waited %v", waited)
			}
			ended(t, shell)
			time.Sleep(time.Hour)
		})
	})
	t.Run("detach", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			shell, left := serve(t, nil)
			if err := shell.Detach(); err != nil {
				t.Error(err)
			}
			ended(t, shell)
			if got := <-left; got.frames != "" || !websocket.IsCloseError(got.err, websocket.CloseNormalClosure) {
				t.Errorf("the client has sent %s and left with %v", got.frames, got.err)
			}
		})
	})
	t.Run("while others wait", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			stuck := make(chan struct{})
			shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.confirm(false)
				<-stuck // and read nothing
			})), client.ShellOptions{})
			errs := make(chan error, 4)
			go func() { _, err := shell.Read(make([]byte, 1)); errs <- err }()
			for range 2 {
				go func() { _, err := shell.Write(make([]byte, 1<<20)); errs <- err }()
			}
			go func() { _, err := shell.Wait(); errs <- err }()
			synctest.Wait()
			if err := shell.Close(); err == nil {
				t.Error("the shell is said to be told")
			}
			for range 4 {
				if err := <-errs; err != client.ErrShellClosed {
					t.Errorf("the error is %v", err)
				}
			}
			close(stuck)
		})
	})
	t.Run("while reconnecting", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			shell := openShell(t, serveShells(t, scripted(t, func(n int, c *shellPeer) {
				if n > 1 {
					shelltest.Refuse(c.w, http.StatusFailedDependency, "RuntimeClientError", "not ready")
					return
				}
				c.confirm(false)
			})), client.ShellOptions{})
			errs := make(chan error, 2)
			go func() { _, err := shell.Read(make([]byte, 1)); errs <- err }()
			go func() { _, err := shell.Write([]byte("x")); errs <- err }()
			synctest.Wait()
			if err := shell.Close(); err == nil || !strings.Contains(err.Error(), "no connection") {
				t.Errorf("the error is %v", err)
			}
			for range 2 {
				if err := <-errs; err != client.ErrShellClosed {
					t.Errorf("the error is %v", err)
				}
			}
		})
	})
}
