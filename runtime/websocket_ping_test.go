package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/runtime"
)

// pingInterval is the default.
const pingInterval = 20 * time.Second

// countPings makes a client count the server's pings, and answer them or not. It
// has to read for that.
func countPings(conn *websocket.Conn, answer bool) *atomic.Int64 {
	pings := new(atomic.Int64)
	pong := conn.PingHandler()
	conn.SetPingHandler(func(data string) error {
		pings.Add(1)
		if !answer {
			return nil
		}
		return pong(data)
	})
	return pings
}

// readTexts reads messages until the connection ends.
func readTexts(conn *websocket.Conn) <-chan string {
	texts := make(chan string, 1000)
	go func() {
		defer close(texts)
		for {
			_, data, err := conn.ReadMessage()
			if err != nil {
				return
			}
			texts <- string(data)
		}
	}()
	return texts
}

// A client that answers lives, whatever the handler does meanwhile.
func TestWebSocketPingsAreAnswered(t *testing.T) {
	whereverInMemory(t, func(t *testing.T, serve serveFunc) {
		for does, receive := range receivers {
			if does == "sends" {
				continue
			}
			var ended context.Context
			a := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
				if err := conn.Accept(); err != nil {
					return err
				}
				err := receive(ctx, conn)
				ended = ctx
				return err
			})})
			conn := a.connect(t)
			pings := countPings(conn, true)
			readTexts(conn)
			const n = 30
			time.Sleep(n*pingInterval + pingInterval/2)
			synctest.Wait()
			if got := pings.Load(); got != n {
				t.Errorf("a handler that %s: %d pings came in %d intervals", does, got, n)
			}
			if ended != nil {
				t.Errorf("a handler that %s: it was ended by %v", does, context.Cause(ended))
			}
			if err := closeWith(1000, "")(conn); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if ended == nil || !errors.Is(context.Cause(ended), io.EOF) {
				t.Errorf("a handler that %s: it did not end with the client's close", does)
			}
			if got := pings.Load(); got != n {
				t.Errorf("a handler that %s: %d pings came after its end", does, got-n)
			}
			conn.Close()
			if err := a.stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

// A client that sends anything lives, too.
func TestWebSocketMessagesAreSignsOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := serveInMemory(t, runtime.Handlers{WebSocket: talk(echoTexts)})
		conn := a.connect(t)
		countPings(conn, false)
		texts := readTexts(conn)
		for i := range 50 {
			time.Sleep(pingInterval * 3 / 4)
			sendText(t, conn, fmt.Sprint(i))
			if got := await(t, "the echo", texts); got != fmt.Sprint(i) {
				t.Errorf("received %q, want %d", got, i)
			}
		}
		conn.Close()
	})
}

// A client that gives no sign of life is gone. How it is found depends on whether
// the network still takes what is sent to it.
func TestWebSocketPingsAreNotAnswered(t *testing.T) {
	for how, behave := range map[string]func(*websocket.Conn){
		"takes what is sent": func(conn *websocket.Conn) { go func() { _, _ = io.Copy(io.Discard, conn.NetConn()) }() },
		"reads nothing":      func(*websocket.Conn) {},
		"stops amid a message": func(conn *websocket.Conn) {
			go func() {
				_ = write(conn, []byte{0x81, 0x85, 0, 0, 0, 0, 'a'})
				_, _ = io.Copy(io.Discard, conn.NetConn())
			}()
		},
	} {
		for does, receive := range receivers {
			t.Run(fmt.Sprintf("a client that %s, a handler that %s", how, does), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var got, cause error
					var took time.Duration
					a := serveInMemory(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
						if err := conn.Accept(); err != nil {
							return err
						}
						start := time.Now()
						got = receive(ctx, conn)
						took = time.Since(start)
						cause = context.Cause(ctx)
						if err := conn.Send(ctx, "too late"); err == nil {
							t.Error("a message was sent to a client that is gone")
						}
						return got
					})})
					conn := a.connect(t)
					behave(conn)
					time.Sleep(time.Hour)
					synctest.Wait()
					closed, ok := errors.AsType[*runtime.CloseError](got)
					if !ok || closed.Code != websocket.CloseAbnormalClosure || cause != got {
						t.Errorf("the handler's end is %v, its context's %v, want a CloseError with 1006", got, cause)
					}
					if took < pingInterval || took > 4*pingInterval && does != "sends" { // which may be in the way
						t.Errorf("that took %v", took)
					}
					if how == "takes what is sent" && does != "sends" && took != 2*pingInterval {
						t.Errorf("that took %v, want two intervals", took)
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

func TestWebSocketPingInterval(t *testing.T) {
	for _, test := range []struct {
		name string
		opts []runtime.Option
		want int64 // in an hour
	}{
		{"default", nil, 179},
		{"longer", []runtime.Option{runtime.WithPingInterval(7 * time.Minute)}, 8},
		{"shorter", []runtime.Option{runtime.WithPingInterval(time.Second)}, 3599},
		{"none", []runtime.Option{runtime.WithPingInterval(0)}, 0},
		{"less than none", []runtime.Option{runtime.WithPingInterval(-1)}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := serveInMemory(t, runtime.Handlers{WebSocket: talk(echoTexts)}, test.opts...)
				conn := a.connect(t)
				pings := countPings(conn, test.want > 0) // where none are sent, silence is no fault
				texts := readTexts(conn)
				time.Sleep(time.Hour - time.Millisecond)
				if got := pings.Load(); got != test.want {
					t.Errorf("%d pings came in an hour, want %d", got, test.want)
				}
				sendText(t, conn, "hello")
				if got := await(t, "the echo", texts); got != "hello" {
					t.Errorf("received %q", got)
				}
				conn.Close()
			})
		})
	}
}

// A raw handler sees to that itself.
func TestRawWebSocketIsNotPinged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := serveInMemory(t, runtime.Handlers{WebSocket: runtime.RawWebSocket("Echo", func(_ context.Context, conn *websocket.Conn) error {
			kind, data, err := conn.ReadMessage()
			if err != nil {
				return err
			}
			return conn.WriteMessage(kind, data)
		})})
		conn := a.connect(t)
		pings := countPings(conn, false)
		texts := readTexts(conn)
		time.Sleep(time.Hour)
		sendText(t, conn, "hello")
		if got := await(t, "the echo", texts); got != "hello" || pings.Load() > 0 {
			t.Errorf("received %q and %d pings", got, pings.Load())
		}
		conn.Close()
	})
}

// Where messages wait to be read, so may the client's answer.
func TestWebSocketBusyHandlerIsNotADeadClient(t *testing.T) {
	for name, busy := range map[string]func(context.Context, *textConn){
		"computes": func(ctx context.Context, _ *textConn) {
			select {
			case <-time.After(10 * time.Minute):
			case <-ctx.Done():
				t.Errorf("the context has ended: %v", context.Cause(ctx))
			}
		},
		"receives and computes in turn": func(ctx context.Context, conn *textConn) {
			for range 3 {
				time.Sleep(5 * time.Minute)
				if _, err := conn.Receive(ctx); err != nil {
					t.Error(err)
				}
			}
		},
		"gives up receiving": func(ctx context.Context, conn *textConn) {
			time.Sleep(time.Minute)
			for range 10 {
				ended, cancel := context.WithCancel(ctx)
				cancel()
				_, _ = conn.Receive(ended) // which may have a message
				time.Sleep(time.Minute)
			}
		},
		"sends": func(ctx context.Context, conn *textConn) {
			for range 10 {
				time.Sleep(time.Minute)
				if err := conn.Send(ctx, "busy"); err != nil {
					t.Error(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := serveInMemory(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
					if err := conn.Accept(); err != nil {
						return err
					}
					busy(ctx, conn)
					return echoTexts(ctx, conn)
				})})
				conn := a.connect(t)
				conn.SetPingHandler(func(data string) error { // answers when the server reads, and reads on
					go func() { _ = conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Hour)) }()
					return nil
				})
				texts := readTexts(conn)
				const n = 20
				go func() {
					for i := range n {
						sendText(t, conn, fmt.Sprint("message ", i))
					}
				}()
				for last := ""; last != fmt.Sprint("message ", n-1); {
					select {
					case text, open := <-texts:
						if !open {
							t.Fatalf("the connection has ended after %q", last)
						}
						last = text
					case <-time.After(time.Hour):
						t.Fatalf("nothing came after %q", last)
					}
				}
				conn.Close()
			})
		})
	}
}

// A message that takes longer to come than a client has to answer is a sign of
// life as long as it comes.
func TestWebSocketSlowMessage(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		t.Run(fmt.Sprint("compression: ", compressed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := []runtime.Option(nil)
				if compressed {
					opts = append(opts, runtime.WithCompression())
				}
				a := serveInMemory(t, runtime.Handlers{WebSocket: talk(echoTexts)}, opts...)
				a.dialer.EnableCompression = compressed
				a.dialer.NetDialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
					conn, err := a.dial(ctx, network, addr)
					return &slowConn{Conn: conn}, err
				}
				conn := a.connect(t)
				countPings(conn, false) // an answer cannot be sent amid a message
				texts := readTexts(conn)
				text := strings.Repeat("slowly ", 40)
				conn.NetConn().(*slowConn).slow.Store(true)
				start := time.Now()
				sendText(t, conn, text)
				if took := time.Since(start); took < 5*pingInterval {
					t.Fatalf("sending took only %v", took)
				}
				if got := await(t, "the echo", texts); got != text {
					t.Errorf("%d bytes came back, want %d", len(got), len(text))
				}
				conn.Close()
			})
		})
	}
}

// slowConn writes a few bytes at a time.
type slowConn struct {
	net.Conn
	slow atomic.Bool
}

func (c *slowConn) Write(b []byte) (n int, err error) {
	if !c.slow.Load() {
		return c.Conn.Write(b)
	}
	for len(b) > 0 && err == nil {
		time.Sleep(pingInterval * 9 / 10)
		part := b[:min(4, len(b))]
		b = b[len(part):]
		var m int
		m, err = c.Conn.Write(part)
		n += m
	}
	return n, err
}

// A large answer that the client reads slowly is no reason to hang up on it, as
// long as it reads.
func TestWebSocketSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := make(chan error, 1)
		a := serveInMemory(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
			for range 20 {
				if err := conn.Send(ctx, strings.Repeat("x", 10_000)); err != nil {
					sent <- err
					return err
				}
			}
			sent <- nil
			_, err := conn.Receive(ctx)
			return err
		})})
		conn := a.connect(t)
		for range 20 {
			time.Sleep(pingInterval)
			if _, _, err := conn.ReadMessage(); err != nil {
				t.Fatal(err)
			}
		}
		if err := await(t, "the end of Send", sent); err != nil {
			t.Error(err)
		}
		if err := closeWith(1000, "")(conn); err != nil {
			t.Error(err)
		}
		if got := readClose(t, conn); got.Code != 1000 {
			t.Errorf("closed with %d", got.Code)
		}
	})
}

// Pings that come all the time get in nobody's way.
func TestWebSocketPingsBesideEverything(t *testing.T) {
	a := serve(t, runtime.Handlers{WebSocket: talk(echoTexts)}, runtime.WithPingInterval(50*time.Microsecond))
	for i := range 30 {
		conn := a.connect(t)
		text := strings.Repeat("x", i*1000)
		for range 20 {
			// A client as slow as this may be taken for dead at any time.
			if conn.WriteMessage(websocket.TextMessage, []byte(text)) != nil {
				break
			}
			if _, data, err := conn.ReadMessage(); err != nil {
				break
			} else if string(data) != text {
				t.Fatalf("%d bytes came back, want %d", len(data), len(text))
			}
		}
		if i%2 == 0 {
			_ = closeWith(1000, "")(conn)
		}
		conn.Close()
	}
	if err := a.stop(); err != nil {
		t.Error(err)
	}
	if text := a.logs.String(); strings.Contains(text, `"ERROR"`) {
		t.Errorf("an error was logged:\n%s", text)
	}
}

// A client that is found dead does not hold the shutdown up, nor is it told
// anything else.
func TestWebSocketShutdownWithADeadClient(t *testing.T) {
	for _, wait := range []time.Duration{0, pingInterval, pingInterval + time.Second, 2 * pingInterval} {
		t.Run(wait.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := serveInMemory(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
					_ = conn.Accept()
					_, err := conn.Receive(ctx)
					if _, left := errors.AsType[*runtime.CloseError](err); !left && !errors.Is(err, http.ErrServerClosed) {
						t.Errorf("Receive returned %v", err)
					}
					return err
				})})
				a.connect(t)
				time.Sleep(wait)
				start := time.Now()
				if err := a.stop(); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("the shutdown took %v", took)
				}
				if record := a.logs.only(t); record["level"] != "INFO" {
					t.Errorf("logged %v, want no more than INFO", record)
				}
			})
		})
	}
}
