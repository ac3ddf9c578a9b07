package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/runtime"
)

// The rows of section 11 of the contract.
func TestContract11WebSocket(t *testing.T) {
	fails := errors.New("secret")
	accepting := func(end error) runtime.WebSocketHandler {
		return talk(func(_ context.Context, conn *textConn) error { return errors.Join(conn.Accept(), end) })
	}
	returning := func(end error) runtime.WebSocketHandler {
		return talk(func(context.Context, *textConn) error { return end })
	}

	t.Run("same port, session and headers of the upgrade request", func(t *testing.T) {
		a := serve(t, runtime.Handlers{Invoke: echo, WebSocket: talk(func(ctx context.Context, conn *textConn) error {
			return conn.Send(ctx, runtime.SessionID(ctx)+" "+runtime.RequestHeaders(ctx).Get("Authorization"))
		})})
		conn := a.connect(t, sessionHeader, "s-1", "Authorization", "Bearer x")
		if got := readText(t, conn); got != "s-1 Bearer x" {
			t.Errorf("the handler sees %q", got)
		}
		if got := a.invoke(t, `1`); got.status != 200 {
			t.Errorf("an invocation was answered with %d", got.status)
		}
	})

	for _, test := range []struct {
		name     string
		handlers runtime.Handlers
		path     string
		status   int
	}{
		{"no WebSocket handler registered", runtime.Handlers{Invoke: echo}, "/ws", 403},
		{"handler fails before accepting", runtime.Handlers{WebSocket: returning(fails)}, "/ws", 403},
		{"handler fails before accepting, with a status", runtime.Handlers{WebSocket: returning(runtime.Errorf(429, "later"))}, "/ws", 429},
		{"handler panics before accepting", runtime.Handlers{WebSocket: talk(func(context.Context, *textConn) error { panic("secret") })}, "/ws", 403},
		{"handler returns without accepting", runtime.Handlers{WebSocket: returning(nil)}, "/ws", 500},
		{"upgrade on the path of invocations", runtime.Handlers{Invoke: echo, WebSocket: accepting(nil)}, "/invocations", 403},
		{"upgrade on the path of pings", runtime.Handlers{WebSocket: accepting(nil)}, "/ping", 403},
		{"upgrade on an unknown path", runtime.Handlers{WebSocket: accepting(nil)}, "/other", 403},
		{"upgrade on a path in other case", runtime.Handlers{WebSocket: accepting(nil)}, "/WS", 403},
		{"upgrade on a path with a slash behind", runtime.Handlers{WebSocket: accepting(nil)}, "/ws/", 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			wherever(t, func(t *testing.T, serve serveFunc) {
				if got := serve(t, test.handlers).upgrade(t, test.path); got.status != test.status {
					t.Errorf("answered %d %s, want %d", got.status, got.body, test.status)
				}
			})
		})
	}

	for _, test := range []struct {
		name    string
		handler runtime.WebSocketHandler
		code    int
	}{
		{"handler returns without closing", accepting(nil), 1000},
		{"handler fails after accepting", accepting(fails), 1011},
		{"handler fails after accepting, with a status", accepting(runtime.Errorf(429, "later")), 1011},
		{"message is not JSON", runtime.WebSocket("Talk", func(ctx context.Context, conn *runtime.Conn[say, say]) error {
			_, err := conn.Receive(ctx)
			return err
		}), 1011},
		{"message is not JSON, and the handler fails for it", runtime.WebSocket("Talk", func(ctx context.Context, conn *runtime.Conn[say, say]) error {
			_, err := conn.Receive(ctx)
			return fmt.Errorf("what is that? %w", err)
		}), 1011},
		{"message is not JSON, and the handler catches it", runtime.WebSocket("Talk", func(ctx context.Context, conn *runtime.Conn[say, say]) error {
			if _, err := conn.Receive(ctx); err == nil {
				t.Error("a message that is not JSON was received")
			}
			return nil
		}), 1000},
	} {
		t.Run(test.name, func(t *testing.T) {
			wherever(t, func(t *testing.T, serve serveFunc) {
				conn := serve(t, runtime.Handlers{WebSocket: test.handler}).connect(t)
				_ = conn.WriteMessage(websocket.TextMessage, []byte("{")) // which most do not wait for
				if got := readClose(t, conn); got.Code != test.code || strings.Contains(got.Text, "secret") {
					t.Errorf("closed with %d %q, want %d and no secrets", got.Code, got.Text, test.code)
				}
			})
		})
	}

	t.Run("text, binary and JSON messages in both directions", func(t *testing.T) {
		a := serve(t, runtime.Handlers{WebSocket: runtime.WebSocket("Talk", echoMessages)})
		conn := a.connect(t)
		for _, test := range []struct {
			kind int
			data string
		}{
			{websocket.TextMessage, "żółć"}, {websocket.BinaryMessage, "\xff\x00"}, {websocket.TextMessage, `{"a":[1]}`},
		} {
			if err := conn.WriteMessage(test.kind, []byte(test.data)); err != nil {
				t.Fatal(err)
			}
			if kind, data, err := conn.ReadMessage(); kind != test.kind || string(data) != test.data || err != nil {
				t.Errorf("%q of type %d came back as %q of type %d (%v)", test.data, test.kind, data, kind, err)
			}
		}
	})

	t.Run("client goes away", func(t *testing.T) { clientGoesAway(t) })
	t.Run("close codes", func(t *testing.T) { closeCodes(t) })

	t.Run("GET without upgrade", func(t *testing.T) {
		for name, headers := range map[string][]string{
			"plain":                    nil,
			"Connection alone":         {"Connection", "Upgrade"},
			"Upgrade alone":            {"Upgrade", "websocket"},
			"upgrade to something new": {"Connection", "Upgrade", "Upgrade", "h2c"},
		} {
			a := serve(t, runtime.Handlers{WebSocket: accepting(nil)})
			if got := a.do(t, "GET", "/ws", "", headers...); got.status != 404 || got.body != "Not Found" {
				t.Errorf("%s: answered %d %q, want 404", name, got.status, got.body)
			}
		}
		if got := serve(t, runtime.Handlers{}).do(t, "GET", "/ws", ""); got.status != 404 {
			t.Errorf("without a handler: answered %d, want 404", got.status)
		}
	})

	// They wait for one another: if one held the others up, none would end.
	t.Run("many connections and requests side by side", func(t *testing.T) {
		const n = 40
		var all sync.WaitGroup
		all.Add(3 * n)
		meet := func() {
			all.Done()
			all.Wait()
		}
		a := serve(t, runtime.Handlers{
			Invoke: runtime.Unary("Meet", func(context.Context, any) (string, error) {
				meet()
				return "met", nil
			}),
			WebSocket: talk(func(ctx context.Context, conn *textConn) error {
				if runtime.RequestHeaders(ctx).Get("X-Early") != "" {
					meet() // before it is accepted
					return conn.Send(ctx, "met")
				}
				if err := conn.Accept(); err != nil {
					return err
				}
				meet()
				return conn.Send(ctx, "met")
			}),
		})
		var clients sync.WaitGroup
		for range n {
			clients.Go(func() {
				if got := a.invoke(t, `{}`); got.body != `"met"` {
					t.Errorf("an invocation was answered with %d %s", got.status, got.body)
				}
			})
			for _, headers := range [][]string{nil, {"X-Early", "1"}} {
				clients.Go(func() {
					if got := readText(t, a.connect(t, headers...)); got != "met" {
						t.Errorf("received %q", got)
					}
				})
			}
		}
		clients.Wait()
	})
}

// receivers are the ways in which a handler may learn of the client. Each returns
// the error that tells of the end.
var receivers = map[string]func(context.Context, *textConn) error{
	"receives": func(ctx context.Context, conn *textConn) error {
		for {
			if _, err := conn.Receive(ctx); err != nil {
				return err
			}
		}
	},
	"ranges over messages": func(ctx context.Context, conn *textConn) error {
		for _, err := range conn.Messages(ctx) {
			if err != nil {
				return err
			}
		}
		return context.Cause(ctx)
	},
	"receives with a context of its own": func(ctx context.Context, conn *textConn) error {
		own, cancel := context.WithCancel(ctx)
		defer cancel()
		for {
			if _, err := conn.Receive(own); err != nil {
				<-ctx.Done() // own may have told first
				return context.Cause(ctx)
			}
		}
	},
	"waits for the end": func(ctx context.Context, _ *textConn) error {
		<-ctx.Done()
		return context.Cause(ctx)
	},
	"sends": func(ctx context.Context, conn *textConn) error {
		for every := time.NewTicker(10 * time.Millisecond); ; <-every.C { // else a bubble's clock would stand still
			if err := conn.Send(ctx, "more"); err != nil {
				every.Stop()
				<-ctx.Done()
				return context.Cause(ctx)
			}
		}
	},
}

// endings are what a handler may make of that error.
var endings = map[string]func(error) error{
	"the error": func(err error) error { return err },
	"nil":       func(error) error { return nil },
	"a wrapper": func(err error) error { return fmt.Errorf("talk: %w", err) },
}

// clientGoesAway: whatever the handler does, that is not an error.
func clientGoesAway(t *testing.T) {
	departures := map[string]func(*websocket.Conn) error{
		"with 1000":           closeWith(1000, "bye"),
		"with 1001":           closeWith(1001, ""),
		"with its own code":   closeWith(4000, "my own"),
		"with no code":        closeWith(1005, ""),
		"without a word":      func(conn *websocket.Conn) error { return conn.NetConn().Close() },
		"amid a message":      thenClose(0x81, 0x85, 0, 0, 0, 0, 'a'),
		"amid a frame header": thenClose(0x81),
		"amid the fragments":  thenClose(0x01, 0x81, 0, 0, 0, 0, 'a'),
	}
	check := func(t *testing.T, a *agent, ended <-chan struct{}, leave func(*websocket.Conn) error) {
		t.Helper()
		conn := a.connect(t)
		read := make(chan struct{})
		go func() { // as a client does that may be sent something
			defer close(read)
			for {
				if _, _, err := conn.NextReader(); err != nil {
					return
				}
			}
		}()
		if err := leave(conn); err != nil {
			t.Error(err)
		}
		await(t, "the end of the handler", ended)
		conn.Close()
		<-read
		if err := a.stop(); err != nil {
			t.Error(err)
		}
		if record := a.logs.only(t); record["level"] != "INFO" {
			t.Errorf("logged %v, want no more than INFO", record)
		}
	}
	for how, leave := range departures {
		for does, receive := range receivers {
			for returns, ending := range endings {
				t.Run(fmt.Sprintf("%s while the handler %s and returns %s", how, does, returns), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						ended := make(chan struct{})
						check(t, serveInMemory(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
							defer close(ended)
							if err := conn.Accept(); err != nil {
								return err
							}
							err := receive(ctx, conn)
							if _, ok := errors.AsType[*runtime.CloseError](context.Cause(ctx)); !ok {
								t.Errorf("the context ended with %v, want a CloseError", context.Cause(ctx))
							}
							return ending(err)
						})}), ended, leave)
					})
				})
			}
		}
	}
	departures["by a reset"] = func(conn *websocket.Conn) error {
		if err := conn.NetConn().(*net.TCPConn).SetLinger(0); err != nil {
			return err
		}
		return conn.NetConn().Close()
	}
	for how, leave := range departures {
		t.Run(how+" over TCP", func(t *testing.T) {
			ended := make(chan struct{})
			check(t, serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
				defer close(ended)
				_ = conn.Accept()
				_, err := conn.Receive(ctx)
				return err
			})}), ended, leave)
		})
		t.Run(how+" while a raw handler reads", func(t *testing.T) {
			ended := make(chan struct{})
			check(t, serve(t, runtime.Handlers{WebSocket: runtime.RawWebSocket("Talk", func(_ context.Context, conn *websocket.Conn) error {
				defer close(ended)
				_, _, err := conn.ReadMessage()
				return err
			})}), ended, leave)
		})
	}
}

// thenClose sends something that is not complete, and leaves.
func thenClose(frame ...byte) func(*websocket.Conn) error {
	return func(conn *websocket.Conn) error { return errors.Join(write(conn, frame), conn.NetConn().Close()) }
}

func write(conn *websocket.Conn, frame []byte) error {
	_, err := conn.NetConn().Write(frame)
	return err
}

// closeCodes: what the client is told does not depend on what the handler was
// about to do.
func closeCodes(t *testing.T) {
	bytesOf := func(frame ...byte) func(*websocket.Conn) error {
		return func(conn *websocket.Conn) error { return write(conn, frame) }
	}
	for what, offend := range map[string]struct {
		act  func(*websocket.Conn) error
		code int
	}{
		"an unknown opcode":         {bytesOf(0x83, 0x80, 0, 0, 0, 0), 1002},
		"a frame without a mask":    {bytesOf(0x81, 0x01, 'a'), 1002},
		"a reserved bit":            {bytesOf(0xc1, 0x80, 0, 0, 0, 0), 1002},
		"a continuation of nothing": {bytesOf(0x80, 0x80, 0, 0, 0, 0), 1002},
		"a long ping":               {bytesOf(0x89, 0xfe, 0, 126, 0, 0, 0, 0), 1002},
		"a close code of no use":    {bytesOf(0x88, 0x82, 0, 0, 0, 0, 1006>>8, 1006&0xff), 1002},
		"text that is not UTF-8":    {func(conn *websocket.Conn) error { return conn.WriteMessage(websocket.TextMessage, []byte("\xff")) }, 1007},
		"a message too large": {func(conn *websocket.Conn) error {
			return conn.WriteMessage(websocket.BinaryMessage, bytes.Repeat([]byte("x"), limit+1))
		}, 1009},
		"fragments that are too large together": {func(conn *websocket.Conn) error {
			part := append([]byte{0x02, 0xfe, limit / 2 >> 8, limit / 2 & 0xff, 0, 0, 0, 0}, make([]byte, limit/2)...)
			next := bytes.Clone(part)
			next[0] = 0x00
			return write(conn, bytes.Join([][]byte{part, next, next}, nil))
		}, 1009},
	} {
		for does, receive := range receivers {
			for returns, ending := range endings {
				t.Run(fmt.Sprintf("%d for %s while the handler %s and returns %s", offend.code, what, does, returns), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						a := serveInMemory(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
							if err := conn.Accept(); err != nil {
								return err
							}
							return ending(receive(ctx, conn))
						})}, runtime.WithMaxMessageBytes(limit))
						conn := a.connect(t)
						conn.SetCloseHandler(func(int, string) error { return nil }) // it could not write beside the other
						go func() { _ = offend.act(conn) }()                         // of which the server may not read all
						if got := readClose(t, conn); got.Code != offend.code {
							t.Errorf("closed with %d %q, want %d", got.Code, got.Text, offend.code)
						}
						if err := a.stop(); err != nil {
							t.Error(err)
						}
						if record := a.logs.only(t); record["level"] != "INFO" {
							t.Errorf("logged %v, want no more than INFO", record)
						}
					})
				})
			}
		}
	}

	for does, receive := range receivers {
		for returns, ending := range endings {
			t.Run(fmt.Sprintf("1001 at the shutdown while the handler %s and returns %s", does, returns), func(t *testing.T) {
				a := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
					if err := conn.Accept(); err != nil {
						return err
					}
					err := receive(ctx, conn)
					if !errors.Is(err, http.ErrServerClosed) {
						t.Errorf("the end is %v, want http.ErrServerClosed", err)
					}
					return ending(err)
				})})
				conn := a.connect(t)
				stopped := make(chan error, 1)
				go func() { stopped <- a.stop() }()
				if got := readClose(t, conn); got.Code != 1001 {
					t.Errorf("closed with %d, want 1001", got.Code)
				}
				if err := await(t, "the end of the shutdown", stopped); err != nil {
					t.Error(err)
				}
				if record := a.logs.only(t); record["level"] != "INFO" {
					t.Errorf("logged %v, want no more than INFO", record)
				}
			})
		}
	}

	for _, end := range []struct {
		what string
		run  func() error
		code int
	}{
		{"the handler returns nil", func() error { return nil }, 1000},
		{"the handler fails", func() error { return errors.New("secret") }, 1011},
		{"the handler panics", func() error { panic("secret") }, 1011},
	} {
		for name, handle := range map[string]func(run func() error) runtime.WebSocketHandler{
			"at once": func(run func() error) runtime.WebSocketHandler {
				return talk(func(_ context.Context, conn *textConn) error {
					if err := conn.Accept(); err != nil {
						return err
					}
					return run()
				})
			},
			"after a message": func(run func() error) runtime.WebSocketHandler {
				return talk(func(ctx context.Context, conn *textConn) error {
					if _, err := conn.Receive(ctx); err != nil {
						return err
					}
					return run()
				})
			},
			"beside a receiver": func(run func() error) runtime.WebSocketHandler {
				return talk(func(ctx context.Context, conn *textConn) error {
					if err := conn.Accept(); err != nil {
						return err
					}
					first := make(chan struct{})
					go func() {
						_, _ = conn.Receive(ctx)
						close(first)
						_, _ = conn.Receive(ctx)
					}()
					<-first
					return run()
				})
			},
			"beside a sender": func(run func() error) runtime.WebSocketHandler {
				return talk(func(ctx context.Context, conn *textConn) error {
					if err := conn.Send(ctx, "first"); err != nil {
						return err
					}
					go func() {
						for conn.Send(ctx, "more") == nil {
						}
					}()
					return run()
				})
			},
			"raw": func(run func() error) runtime.WebSocketHandler {
				return runtime.RawWebSocket("Talk", func(context.Context, *websocket.Conn) error { return run() })
			},
		} {
			t.Run(fmt.Sprintf("%d when %s %s", end.code, end.what, name), func(t *testing.T) {
				conn := serve(t, runtime.Handlers{WebSocket: handle(end.run)}).connect(t)
				_ = conn.WriteMessage(websocket.TextMessage, []byte("hello"))
				if got := readClose(t, conn); got.Code != end.code || got.Text != "" {
					t.Errorf("closed with %d %q, want %d alone", got.Code, got.Text, end.code)
				}
			})
		}
	}
}
