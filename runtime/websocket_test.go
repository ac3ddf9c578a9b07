package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/runtime"
)

type (
	say   struct{ Text string }
	heard struct {
		Text  string `json:"text"`
		Count any    `json:"count"`
	}
	textConn = runtime.Conn[string, string]
)

// talk returns a WebSocket handler of texts.
func talk(handle func(context.Context, *textConn) error) runtime.WebSocketHandler {
	return runtime.WebSocket("Talk", handle)
}

// echoTexts sends every text back until the client leaves.
func echoTexts(ctx context.Context, conn *textConn) error {
	for message, err := range conn.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := conn.Send(ctx, message); err != nil {
			return err
		}
	}
	return nil
}

func sendText(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func readText(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	kind, data, err := conn.ReadMessage()
	if err != nil || kind != websocket.TextMessage {
		t.Fatalf("read a message of type %d: %v", kind, err)
	}
	return string(data)
}

// readClose reads until the server closes the connection, and says how. It then
// closes the client's side.
func readClose(t *testing.T, conn *websocket.Conn) *websocket.CloseError {
	t.Helper()
	for {
		_, _, err := conn.ReadMessage()
		if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
			conn.Close()
			return closed
		}
		if err != nil {
			t.Fatalf("the connection ended without a close frame: %v", err)
		}
	}
}

func TestWebSocketJSON(t *testing.T) {
	a := serve(t, runtime.Handlers{WebSocket: runtime.WebSocket("Talk", func(ctx context.Context, conn *runtime.Conn[map[string]any, heard]) error {
		for message, err := range conn.Messages(ctx) {
			if err != nil {
				return err
			}
			if err := conn.Send(ctx, heard{Text: fmt.Sprint(message["text"]), Count: message["count"]}); err != nil {
				return err
			}
		}
		return nil
	})})
	conn := a.connect(t, "Origin", "https://elsewhere.test")
	for _, test := range []struct {
		kind       int
		send, want string
	}{
		{websocket.TextMessage, `{"text":"<ż>","count":9007199254740993}`, `{"text":"<ż>","count":9007199254740993}`},
		{websocket.BinaryMessage, ` {"text":"b"} `, `{"text":"b","count":null}`},
		{websocket.TextMessage, `null`, `{"text":"<nil>","count":null}`},
	} {
		if err := conn.WriteMessage(test.kind, []byte(test.send)); err != nil {
			t.Fatal(err)
		}
		if got := readText(t, conn); got != test.want {
			t.Errorf("%s was answered with %s, want %s", test.send, got, test.want)
		}
	}
}

func TestWebSocketText(t *testing.T) {
	a := serve(t, runtime.Handlers{WebSocket: talk(echoTexts)})
	conn := a.connect(t)
	large := strings.Repeat("ż", 1<<20)
	for _, text := range []string{"hello", "", "żółć", `{"a":1}`, large} {
		for _, kind := range []int{websocket.TextMessage, websocket.BinaryMessage} {
			if err := conn.WriteMessage(kind, []byte(text)); err != nil {
				t.Fatal(err)
			}
			if got := readText(t, conn); got != text {
				t.Errorf("%.40q came back as %.40q", text, got)
			}
		}
	}
}

func TestWebSocketBytes(t *testing.T) {
	a := serve(t, runtime.Handlers{WebSocket: runtime.WebSocket("Talk", func(ctx context.Context, conn *runtime.Conn[[]byte, []byte]) error {
		for {
			message, err := conn.Receive(ctx)
			if err != nil {
				return err
			}
			if err := conn.Send(ctx, message); err != nil {
				return err
			}
		}
	})})
	conn := a.connect(t)
	for _, message := range [][]byte{{}, {0, 1, 0xff}, []byte("text"), bytes.Repeat([]byte{0xfe}, 1<<20)} {
		if err := conn.WriteMessage(websocket.BinaryMessage, message); err != nil {
			t.Fatal(err)
		}
		kind, got, err := conn.ReadMessage()
		if err != nil || kind != websocket.BinaryMessage || !bytes.Equal(got, message) {
			t.Errorf("%d bytes came back as %d of type %d (%v)", len(message), len(got), kind, err)
		}
	}
}

// A message that does not decode is the handler's to judge: it may go on.
func TestWebSocketMessageThatDoesNotDecode(t *testing.T) {
	for name, test := range map[string]struct {
		handler runtime.WebSocketHandler
		kind    int
		bad     string
		good    string
	}{
		"not JSON": {tolerant[say](), websocket.TextMessage, `{`, `{"Text":"x"}`},
		"empty":    {tolerant[say](), websocket.TextMessage, ``, `{"Text":"x"}`},
		"other":    {tolerant[say](), websocket.TextMessage, `{"Text":1}`, `{"Text":"x"}`},
		"not text": {tolerant[string](), websocket.BinaryMessage, "\xff", `x`},
	} {
		t.Run(name, func(t *testing.T) {
			conn := serve(t, runtime.Handlers{WebSocket: test.handler}).connect(t)
			for _, step := range []struct{ send, want string }{{test.bad, "bad"}, {test.good, "good"}, {test.bad, "bad"}} {
				if err := conn.WriteMessage(test.kind, []byte(step.send)); err != nil {
					t.Fatal(err)
				}
				if got := readText(t, conn); got != step.want {
					t.Errorf("%q is %s, want %s", step.send, got, step.want)
				}
			}
		})
	}
	t.Run("and the handler gives up", func(t *testing.T) {
		var logs logs
		served := make(chan struct{}, 1)
		a := serve(t, runtime.Handlers{
			WebSocket: runtime.WebSocket("Talk", func(ctx context.Context, conn *runtime.Conn[say, say]) error {
				_, err := conn.Receive(ctx)
				return err
			}),
			Middleware: announce(served),
		}, runtime.WithLogger(logs.logger()))
		conn := a.connect(t)
		sendText(t, conn, `{"Text":1}`)
		const reason = "unexpected message: Invalid payload: Text: cannot use number as string"
		if got := readClose(t, conn); got.Code != websocket.CloseInternalServerErr || got.Text != reason {
			t.Errorf("closed with %d %q, want 1011 and the reason", got.Code, got.Text)
		}
		await(t, "the end of the handler", served)
		if record := logs.only(t); record["level"] != "WARN" || record["reason"] != reason {
			t.Errorf("logged %v, want a warning with the reason", record)
		}
	})
}

// tolerant says of each message whether it decodes.
func tolerant[In any]() runtime.WebSocketHandler {
	return runtime.WebSocket("Judge", func(ctx context.Context, conn *runtime.Conn[In, string]) error {
		for _, err := range conn.Messages(ctx) {
			verdict := "good"
			if _, bad := errors.AsType[*runtime.MessageError](err); bad {
				verdict = "bad"
			} else if err != nil {
				return err
			}
			if err := conn.Send(ctx, verdict); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestWebSocketSendOfAValueWithoutJSON(t *testing.T) {
	a := serve(t, runtime.Handlers{WebSocket: runtime.WebSocket("Talk", func(ctx context.Context, conn *runtime.Conn[string, any]) error {
		if err := conn.Send(ctx, make(chan int)); err == nil {
			t.Error("a channel was sent")
		}
		return conn.Send(ctx, "still good")
	})})
	if got := readText(t, a.connect(t)); got != `"still good"` {
		t.Errorf("received %s", got)
	}
}

func TestWebSocketRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		handle func(context.Context, *textConn) error
		status int
		body   string
		level  string
	}{
		{"error", func(context.Context, *textConn) error { return errors.New("no seat") }, 403, `{"error":"no seat"}`, "WARN"},
		{"status", func(context.Context, *textConn) error { return runtime.Errorf(401, "who are you?") }, 401, `{"error":"who are you?"}`, "WARN"},
		{"wrapped status", func(context.Context, *textConn) error {
			return fmt.Errorf("talk: %w", &runtime.StatusError{Status: 429, Detail: map[string]int{"after": 5}})
		}, 429, `{"error":{"after":5}}`, "WARN"},
		{"close error", func(context.Context, *textConn) error { return &runtime.CloseError{Code: 4000, Reason: "no"} }, 403, `{"error":"websocket closed with 4000: no"}`, "WARN"},
		{"panic", func(context.Context, *textConn) error { panic("secret") }, 403, `{"error":"internal error"}`, "ERROR"},
		{"returns without accepting", func(context.Context, *textConn) error { return nil }, 500, `{"error":"the WebSocket handler returned without accepting the connection"}`, "ERROR"},
	} {
		t.Run(test.name, func(t *testing.T) {
			served := make(chan struct{}, 1)
			a := serve(t, runtime.Handlers{WebSocket: talk(test.handle), Middleware: announce(served)})
			got := a.upgrade(t, "/ws")
			if got.status != test.status || got.body != test.body {
				t.Errorf("answered %d %s, want %d %s", got.status, got.body, test.status, test.body)
			}
			await(t, "the end of the request", served)
			record := a.logs.only(t)
			if record["level"] != test.level || record["handler"] != "Talk" {
				t.Errorf("logged %v, want a record of level %s", record, test.level)
			}
			if test.name == "panic" && (record["errorMessage"] != "secret" || record["stackTrace"] == nil) {
				t.Errorf("logged %v, want the panic and its stack", record)
			}
		})
	}
}

func TestWebSocketBrokenHandshake(t *testing.T) {
	accepted := errors.New("accepted")
	a := serve(t, runtime.Handlers{WebSocket: talk(func(_ context.Context, conn *textConn) error {
		if err := conn.Accept(); err != nil {
			return err
		}
		return accepted
	})})
	for name, headers := range map[string][]string{
		"no key":       {"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13"},
		"old version":  {"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "8", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
		"no version":   {"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
		"a broken key": {"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "x"},
	} {
		if got := a.do(t, "GET", "/ws", "", headers...); got.status != http.StatusBadRequest {
			t.Errorf("%s: answered %d %q, want 400", name, got.status, got.body)
		}
	}
}

func TestWebSocketOrigin(t *testing.T) {
	allowed := []runtime.Option{runtime.WithAllowedOrigins("https://a.test", "http://localhost:3000")}
	for _, test := range []struct {
		name    string
		opts    []runtime.Option
		headers []string
		ok      bool
	}{
		{"any, by default", nil, []string{"Origin", "https://elsewhere.test"}, true},
		{"none, by default", nil, nil, true},
		{"listed", allowed, []string{"Origin", "https://a.test"}, true},
		{"listed, with a port", allowed, []string{"Origin", "http://localhost:3000"}, true},
		{"listed, in capitals", allowed, []string{"Origin", "HTTPS://A.TEST"}, true},
		{"none", allowed, nil, true},
		{"another host", allowed, []string{"Origin", "https://b.test"}, false},
		{"another scheme", allowed, []string{"Origin", "http://a.test"}, false},
		{"another port", allowed, []string{"Origin", "https://a.test:8443"}, false},
		{"a host that ends like it", allowed, []string{"Origin", "https://evil-a.test"}, false},
		{"a host that begins like it", allowed, []string{"Origin", "https://a.test.evil"}, false},
		{"a page without an origin", allowed, []string{"Origin", "null"}, false},
		{"an empty one", allowed, []string{"Origin", ""}, false},
		{"the agent's own", allowed, []string{"Origin", "http://agent", "Host", "agent"}, false},
		{"none allowed", []runtime.Option{runtime.WithAllowedOrigins()}, []string{"Origin", "https://a.test"}, false},
		{"none allowed, from no page", []runtime.Option{runtime.WithAllowedOrigins()}, nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			wherever(t, func(t *testing.T, serve serveFunc) {
				a := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
					if !test.ok {
						t.Error("the handler was called")
					}
					return conn.Send(ctx, "welcome")
				})}, test.opts...)
				if !test.ok {
					if got := a.upgrade(t, "/ws", test.headers...); got.status != http.StatusForbidden {
						t.Errorf("answered %d %s, want 403", got.status, got.body)
					}
					return
				}
				if got := readText(t, a.connect(t, test.headers...)); got != "welcome" {
					t.Errorf("received %q", got)
				}
			})
		})
	}
}

func TestWebSocketClosedByTheHandler(t *testing.T) {
	const long = 50 // of three bytes each
	for _, test := range []struct {
		name   string
		end    func(ctx context.Context, conn *textConn) error
		code   int
		reason string
		level  string
	}{
		{"returns nil", func(context.Context, *textConn) error { return nil }, 1000, "", "INFO"},
		{"returns an error", func(context.Context, *textConn) error { return errors.New("secret") }, 1011, "", "ERROR"},
		{"panics", func(context.Context, *textConn) error { panic("secret") }, 1011, "", "ERROR"},
		{"returns a StatusError", func(context.Context, *textConn) error { return runtime.Errorf(404, "secret") }, 1011, "", "ERROR"},
		{"returns a nil error in an interface", func(context.Context, *textConn) error { return (*nilError)(nil) }, 1011, "", "ERROR"},
		{"chooses a code", func(context.Context, *textConn) error { return &runtime.CloseError{Code: 4001, Reason: "enough"} }, 4001, "enough", "INFO"},
		{"gives a reason that is not UTF-8", func(context.Context, *textConn) error { return &runtime.CloseError{Code: 4001, Reason: "caf\xc3"} }, 4001, "caf\ufffd", "INFO"},
		{"chooses a code, wrapped", func(context.Context, *textConn) error {
			return fmt.Errorf("talk: %w", &runtime.CloseError{Code: 1008, Reason: "rude"})
		}, 1008, "rude", "INFO"},
		{"chooses no code", func(context.Context, *textConn) error { return &runtime.CloseError{Code: 1005} }, 1005, "", "INFO"},
		{"chooses a code that cannot be sent", func(context.Context, *textConn) error { return &runtime.CloseError{Code: 1006, Reason: "lost"} }, 1011, "lost", "INFO"},
		{"forgets the code", func(context.Context, *textConn) error { return &runtime.CloseError{Reason: "well"} }, 1011, "well", "INFO"},
		{"has a long reason", func(context.Context, *textConn) error {
			return &runtime.CloseError{Code: 1000, Reason: strings.Repeat("ⓐ", long)}
		}, 1000, strings.Repeat("ⓐ", 41), "INFO"},
		{"closes", func(_ context.Context, conn *textConn) error { return conn.Close(4002, "bye") }, 4002, "bye", "INFO"},
		{"closes, and fails", func(_ context.Context, conn *textConn) error {
			_ = conn.Close(4002, "bye")
			return errors.New("secret")
		}, 4002, "bye", "ERROR"},
		{"closes, and can send no more", func(ctx context.Context, conn *textConn) error {
			_ = conn.Close(1000, "bye")
			if err := conn.Send(ctx, "more"); err == nil {
				t.Error("a message was sent after the close")
			}
			if _, err := conn.Receive(ctx); !errors.Is(err, io.EOF) {
				t.Errorf("Receive returned %v after the close, want the client's answer", err)
			}
			return nil
		}, 1000, "bye", "INFO"},
	} {
		t.Run(test.name, func(t *testing.T) {
			served := make(chan struct{}, 1)
			a := serve(t, runtime.Handlers{Middleware: announce(served), WebSocket: talk(func(ctx context.Context, conn *textConn) error {
				if err := conn.Send(ctx, "accepted"); err != nil {
					return err
				}
				return test.end(ctx, conn)
			})})
			conn := a.connect(t)
			if got := readText(t, conn); got != "accepted" {
				t.Errorf("received %q", got)
			}
			if got := readClose(t, conn); got.Code != test.code || got.Text != test.reason {
				t.Errorf("closed with %d %q, want %d %q", got.Code, got.Text, test.code, test.reason)
			}
			await(t, "the end of the request", served)
			if record := a.logs.only(t); record["level"] != test.level {
				t.Errorf("logged %v, want the level %s", record, test.level)
			}
		})
	}
}

func TestWebSocketClosedByTheClient(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(*websocket.Conn) error
		code int
		eof  bool
	}{
		{"1000", closeWith(1000, "bye"), 1000, true},
		{"1001", closeWith(1001, ""), 1001, true},
		{"no code", closeWith(1005, ""), 1005, true},
		{"4000", closeWith(4000, "own"), 4000, false},
		{"1011", closeWith(1011, ""), 1011, false},
		{"vanishes", func(conn *websocket.Conn) error { return conn.NetConn().Close() }, 1006, false},
		{"not UTF-8", func(conn *websocket.Conn) error { return conn.WriteMessage(websocket.TextMessage, []byte("\xff")) }, 1007, false},
		{"unknown opcode", func(conn *websocket.Conn) error {
			_, err := conn.NetConn().Write([]byte{0x83, 0x80, 0, 0, 0, 0})
			return err
		}, 1002, false},
		{"unmasked frame", func(conn *websocket.Conn) error {
			_, err := conn.NetConn().Write([]byte{0x81, 0x01, 'a'})
			return err
		}, 1002, false},
		{"too large", func(conn *websocket.Conn) error {
			return conn.WriteMessage(websocket.TextMessage, bytes.Repeat([]byte("x"), limit+1))
		}, 1009, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			received, served := make(chan error, 2), make(chan struct{}, 1)
			a := serve(t, runtime.Handlers{Middleware: announce(served), WebSocket: talk(func(ctx context.Context, conn *textConn) error {
				if err := conn.Accept(); err != nil {
					return err
				}
				_, err := conn.Receive(ctx)
				received <- err
				_, again := conn.Receive(ctx)
				received <- again
				if ctx.Err() == nil {
					t.Error("the context has not ended")
				}
				if cause := context.Cause(ctx); cause != err {
					t.Errorf("the context ended with %v, Receive with %v", cause, err)
				}
				if err := conn.Send(ctx, "too late"); err == nil {
					t.Error("a message was sent after the end")
				}
				return err
			})}, runtime.WithMaxMessageBytes(limit))
			conn := a.connect(t)
			if err := test.end(conn); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the end stays the end
				err := await(t, "the end of Receive", received)
				closed, ok := errors.AsType[*runtime.CloseError](err)
				if !ok || closed.Code != test.code {
					t.Errorf("Receive returned %v, want a CloseError with %d", err, test.code)
				}
				if got := errors.Is(err, io.EOF); got != test.eof {
					t.Errorf("%v is the regular end: %v, want %v", err, got, test.eof)
				}
			}
			if test.code != 1006 {
				if got := readClose(t, conn); got.Code != test.code {
					t.Errorf("the server closed with %d, want %d", got.Code, test.code)
				}
			}
			conn.Close()
			await(t, "the end of the request", served)
			if record := a.logs.only(t); record["level"] != "INFO" {
				t.Errorf("logged %v, want no more than INFO", record)
			}
		})
	}
}

const limit = 1000

func closeWith(code int, reason string) func(*websocket.Conn) error {
	return func(conn *websocket.Conn) error {
		return conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(patience))
	}
}

// The client learns why, however much of its message the server never reads.
func TestWebSocketFarTooLarge(t *testing.T) {
	a := serve(t, runtime.Handlers{WebSocket: talk(echoTexts)}, runtime.WithMaxMessageBytes(limit))
	message := bytes.Repeat([]byte("x"), 8<<20)
	for range 10 {
		conn := a.connect(t)
		sent := make(chan error, 1)
		go func() { sent <- conn.WriteMessage(websocket.TextMessage, message) }()
		if got := readClose(t, conn); got.Code != websocket.CloseMessageTooBig {
			t.Errorf("closed with %d, want 1009", got.Code)
		}
		conn.Close()
		<-sent
	}
}

func TestWebSocketAtTheLimit(t *testing.T) {
	a := serve(t, runtime.Handlers{WebSocket: talk(echoTexts)}, runtime.WithMaxMessageBytes(limit))
	conn := a.connect(t)
	text := strings.Repeat("x", limit)
	sendText(t, conn, text)
	if got := readText(t, conn); got != text {
		t.Errorf("%d bytes came back", len(got))
	}
}

// The handler's context knows of the request to upgrade.
func TestWebSocketContext(t *testing.T) {
	a := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
		return conn.Send(ctx, fmt.Sprint(
			runtime.SessionID(ctx), " ", runtime.RequestID(ctx), " ",
			runtime.RequestHeaders(ctx).Get("Authorization"), " ", runtime.HTTPRequest(ctx).URL.RawQuery))
	})})
	conn, _, err := a.dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(a.url, "http")+"/ws?q=1",
		header(sessionHeader, "s-1", requestHeader, "r-1", "Authorization", "Bearer x"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, want := readText(t, conn), "s-1 r-1 Bearer x q=1"; got != want {
		t.Errorf("the handler sees %q, want %q", got, want)
	}
}

func TestWebSocketThroughMiddleware(t *testing.T) {
	a := serve(t, runtime.Handlers{
		Middleware: wrapping(func(w plainWriter) http.ResponseWriter { return unwrappingWriter{w} }),
		WebSocket:  talk(echoTexts),
	})
	conn := a.connect(t)
	sendText(t, conn, "hello")
	if got := readText(t, conn); got != "hello" {
		t.Errorf("received %q", got)
	}
}

// The handshake tells the client its session, and what middleware has to say.
func TestWebSocketHandshakeHeaders(t *testing.T) {
	a := serve(t, runtime.Handlers{
		WebSocket: talk(echoTexts),
		Middleware: []func(http.Handler) http.Handler{func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Stamp", "here")
				next.ServeHTTP(w, r)
			})
		}},
	})
	conn, answer, err := a.dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(a.url, "http")+"/ws", header(sessionHeader, "s-1"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if session, stamp := answer.Header.Get(sessionHeader), answer.Header.Get("X-Stamp"); session != "s-1" || stamp != "here" {
		t.Errorf("the session id is %q and the stamp %q", session, stamp)
	}
}

// A client that is gone ends the context even if nobody receives.
func TestWebSocketClientVanishesUnreceived(t *testing.T) {
	for name, end := range map[string]func(*websocket.Conn) error{
		"without a word":     func(conn *websocket.Conn) error { return conn.NetConn().Close() },
		"with a close frame": closeWith(1000, ""),
	} {
		for _, receives := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, after receiving: %v", name, receives), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var cause error
					a := serveInMemory(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
						if err := conn.Accept(); err != nil {
							return err
						}
						if receives {
							if _, err := conn.Receive(ctx); err != nil {
								return err
							}
						}
						<-ctx.Done()
						cause = context.Cause(ctx)
						return cause
					})})
					conn := a.connect(t)
					if receives {
						sendText(t, conn, "hello")
					}
					synctest.Wait()
					go func() { _, _, _ = conn.ReadMessage() }() // for the server to finish its writes
					if err := end(conn); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute) // on the bubble's clock
					synctest.Wait()
					if _, ok := errors.AsType[*runtime.CloseError](cause); !ok {
						t.Errorf("the context ended with %v, want a CloseError", cause)
					}
					conn.Close()
					if record := a.logs.only(t); record["level"] != "INFO" {
						t.Errorf("logged %v, want no more than INFO", record)
					}
				})
			})
		}
	}
}

// Messages that came while nobody received are all there, in order.
func TestWebSocketMessagesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := serveInMemory(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
			if err := conn.Accept(); err != nil {
				return err
			}
			time.Sleep(time.Minute)
			return echoTexts(ctx, conn)
		})}, runtime.WithPingInterval(0)) // for the client cannot answer while it waits to send
		conn := a.connect(t)
		go func() {
			for i := range 5 {
				sendText(t, conn, fmt.Sprint(i))
			}
		}()
		for i := range 5 {
			if got := readText(t, conn); got != fmt.Sprint(i) {
				t.Errorf("message %d is %q", i, got)
			}
		}
	})
}

func TestWebSocketPingsAreAnsweredWhileTheHandlerIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proceed := make(chan struct{})
		a := serveInMemory(t, runtime.Handlers{WebSocket: talk(func(_ context.Context, conn *textConn) error {
			if err := conn.Accept(); err != nil {
				return err
			}
			<-proceed
			return nil
		})})
		conn := a.connect(t)
		pong := make(chan string, 1)
		conn.SetPongHandler(func(data string) error {
			pong <- data
			return nil
		})
		closed := make(chan *websocket.CloseError)
		go func() { closed <- readClose(t, conn) }()
		if err := conn.WriteControl(websocket.PingMessage, []byte("there?"), time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if got := await(t, "the pong", pong); got != "there?" {
			t.Errorf("the pong is %q", got)
		}
		close(proceed)
		if got := <-closed; got.Code != websocket.CloseNormalClosure {
			t.Errorf("closed with %d", got.Code)
		}
	})
}

// A context of its own bounds one Receive. Its end costs neither the
// connection nor a message.
func TestWebSocketReceiveWithAnotherContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := serveInMemory(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
			ended, cancel := context.WithCancel(ctx)
			cancel()
			if _, err := conn.Receive(ended); !errors.Is(err, context.Canceled) {
				t.Errorf("Receive with an ended context returned %v", err)
			}
			for range 3 {
				bounded, cancel := context.WithTimeout(ctx, time.Minute)
				if message, err := conn.Receive(bounded); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Receive returned %q, %v, want that the time is over", message, err)
				}
				cancel()
			}
			if err := conn.Send(ctx, "go ahead"); err != nil {
				return err
			}
			time.Sleep(time.Minute) // the message is there before it is asked for
			bounded, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			for i, ctx := range []context.Context{bounded, ctx, bounded} {
				message, err := conn.Receive(ctx)
				if want := fmt.Sprint("message ", i); message != want || err != nil {
					t.Errorf("Receive returned %q, %v, want %q", message, err, want)
				}
			}
			return nil
		})}, runtime.WithPingInterval(0)) // for the client cannot read while it waits to send
		conn := a.connect(t)
		if got := readText(t, conn); got != "go ahead" {
			t.Errorf("received %q", got)
		}
		for i := range 3 {
			sendText(t, conn, fmt.Sprint("message ", i))
		}
		if got := readClose(t, conn); got.Code != websocket.CloseNormalClosure {
			t.Errorf("closed with %d", got.Code)
		}
	})
}

// Receive ends when the request's context does, even if that is middleware's.
func TestWebSocketContextEndedByMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := serveInMemory(t, runtime.Handlers{
			Middleware: []func(http.Handler) http.Handler{func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					ctx, cancel := context.WithTimeout(r.Context(), 50*time.Second) // and not when a ping is due
					defer cancel()
					next.ServeHTTP(w, r.WithContext(ctx))
				})
			}},
			WebSocket: talk(func(ctx context.Context, conn *textConn) error {
				_, err := conn.Receive(ctx)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Receive returned %v, want that the time is over", err)
				}
				return err
			}),
		})
		if got := readClose(t, a.connect(t)); got.Code != websocket.CloseInternalServerErr {
			t.Errorf("closed with %d, want 1011", got.Code)
		}
	})
}

func TestWebSocketSendToAClientThatDoesNotRead(t *testing.T) {
	for _, test := range []struct {
		name    string
		timeout time.Duration // 0 for none
		is      error
	}{
		{"the handler's context", 0, nil},
		{"a context with a deadline", time.Second, context.DeadlineExceeded},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := serveInMemory(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
					sendCtx, cancel := ctx, func() {}
					if test.timeout > 0 {
						sendCtx, cancel = context.WithTimeout(ctx, test.timeout)
					}
					defer cancel()
					received := make(chan error, 1)
					go func() {
						_, err := conn.Receive(ctx)
						received <- err
					}()
					start := time.Now()
					err := conn.Send(sendCtx, "hello")
					if err == nil || test.is != nil && !errors.Is(err, test.is) {
						t.Errorf("Send returned %v", err)
					}
					if took := time.Since(start); took > time.Minute {
						t.Errorf("Send took %v", took)
					}
					if ctx.Err() == nil {
						t.Error("the connection is not lost")
					}
					if err := await(t, "the end of Receive", received); err == nil {
						t.Error("Receive goes on after the connection is lost")
					}
					return err
				})})
				a.connect(t)
				time.Sleep(time.Hour)
				synctest.Wait()
			})
		})
	}
}

// The end of one Send's context must not stop the next Send.
func TestWebSocketSendWithContextsThatEnd(t *testing.T) {
	a := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
		for range 100 {
			once, cancel := context.WithCancel(ctx)
			go cancel() // before, during or after the Send
			err := conn.Send(once, "maybe")
			if ctx.Err() != nil {
				return nil // it was during
			}
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("Send with a context that ends: %v", err)
			}
			if err := conn.Send(ctx, "surely"); err != nil {
				t.Errorf("Send with the handler's context: %v", err)
				return err
			}
		}
		return nil
	})})
	for range 50 {
		conn := a.connect(t)
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				break
			}
		}
	}
}

func TestWebSocketManySendersBesideOneReceiver(t *testing.T) {
	const senders, each = 20, 50
	a := serve(t, runtime.Handlers{WebSocket: runtime.WebSocket("Talk", func(ctx context.Context, conn *runtime.Conn[int, int]) error {
		var sending sync.WaitGroup
		for s := range senders {
			sending.Go(func() {
				for i := range each {
					if err := conn.Send(ctx, s*each+i); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for want := range senders * each {
			got, err := conn.Receive(ctx)
			if err != nil {
				return err
			}
			if got != want {
				return fmt.Errorf("received %d, want %d", got, want)
			}
		}
		sending.Wait()
		return nil
	})})
	conn := a.connect(t)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range senders * each {
			sendText(t, conn, fmt.Sprint(i))
		}
	}()
	seen := make(map[string]bool)
	for range senders * each {
		seen[readText(t, conn)] = true
	}
	<-sent
	if got := readClose(t, conn); got.Code != websocket.CloseNormalClosure || len(seen) != senders*each {
		t.Errorf("%d messages arrived, closed with %v", len(seen), got)
	}
}

func TestWebSocketsSideBySide(t *testing.T) {
	const n = 30
	a := serve(t, runtime.Handlers{Invoke: echo, WebSocket: talk(echoTexts)})
	var conns []*websocket.Conn
	for range n {
		conns = append(conns, a.connect(t))
	}
	var clients sync.WaitGroup
	for i, conn := range conns[1:] { // the first says nothing
		clients.Go(func() {
			text := fmt.Sprint("text of ", i)
			sendText(t, conn, text)
			if got := readText(t, conn); got != text {
				t.Errorf("received %q, want %q", got, text)
			}
		})
	}
	clients.Wait()
	if got := a.invoke(t, `1`); got.status != 200 {
		t.Errorf("an invocation was answered with %d", got.status)
	}
}

// Whatever a handler does when the server shuts down, the client is told 1001.
func TestWebSocketShutdown(t *testing.T) {
	for name, handler := range map[string]runtime.WebSocketHandler{
		"receives": talk(func(ctx context.Context, conn *textConn) error {
			_ = conn.Send(ctx, "accepted")
			_, err := conn.Receive(ctx)
			if !errors.Is(err, http.ErrServerClosed) {
				t.Errorf("Receive returned %v, want http.ErrServerClosed", err)
			}
			return err
		}),
		"ranges over messages": talk(func(ctx context.Context, conn *textConn) error {
			_ = conn.Send(ctx, "accepted")
			return echoTexts(ctx, conn)
		}),
		"waits for the end": talk(func(ctx context.Context, conn *textConn) error {
			_ = conn.Send(ctx, "accepted")
			<-ctx.Done()
			return ctx.Err()
		}),
		"waits for the end, and returns nil": talk(func(ctx context.Context, conn *textConn) error {
			_ = conn.Send(ctx, "accepted")
			<-ctx.Done()
			return nil
		}),
		"chooses a code of its own": talk(func(ctx context.Context, conn *textConn) error {
			_ = conn.Send(ctx, "accepted")
			<-ctx.Done()
			return &runtime.CloseError{Code: 4000}
		}),
		"sends": talk(func(ctx context.Context, conn *textConn) error {
			for {
				if err := conn.Send(ctx, "accepted"); err != nil {
					return err
				}
			}
		}),
		"raw, waits for the end": runtime.RawWebSocket("Talk", func(ctx context.Context, conn *websocket.Conn) error {
			_ = conn.WriteMessage(websocket.TextMessage, []byte("accepted"))
			<-ctx.Done()
			return nil
		}),
		"raw, reads": runtime.RawWebSocket("Talk", func(ctx context.Context, conn *websocket.Conn) error {
			_ = conn.WriteMessage(websocket.TextMessage, []byte("accepted"))
			_, _, err := conn.ReadMessage()
			return err
		}),
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				a := serve(t, runtime.Handlers{WebSocket: handler})
				conn := a.connect(t)
				readText(t, conn)
				stopped := make(chan error, 1)
				go func() { stopped <- a.stop() }()
				if got := readClose(t, conn); got.Code != websocket.CloseGoingAway {
					t.Errorf("closed with %d %q, want 1001", got.Code, got.Text)
				}
				if err := await(t, "the end of Serve", stopped); err != nil {
					t.Errorf("Serve: %v", err)
				}
				if record := a.logs.only(t); record["level"] != "INFO" {
					t.Errorf("logged %v, want no more than INFO", record)
				}
			}
		})
	}
}

// A client that does not answer the close frame does not hold the shutdown up.
func TestWebSocketShutdownWithADeafClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := serveInMemory(t, runtime.Handlers{WebSocket: talk(echoTexts)})
		a.connect(t)
		synctest.Wait()
		start := time.Now()
		if err := a.stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("the shutdown took %v", took)
		}
	})
}

func TestWebSocketAfterShutdown(t *testing.T) {
	server := newServer(runtime.Handlers{WebSocket: talk(echoTexts)})
	if err := server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := record(server, "GET", "/ws", "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	if got.status != http.StatusServiceUnavailable {
		t.Errorf("answered %d, want 503", got.status)
	}
}

// A handler that has not accepted yet when the server shuts down.
func TestWebSocketShutdownBeforeAccept(t *testing.T) {
	begun := make(chan struct{})
	server := newServer(runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
		close(begun)
		<-ctx.Done()
		return conn.Accept()
	})})
	answered := make(chan answer)
	go func() {
		answered <- record(server, "GET", "/ws", "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	}()
	await(t, "the handler", begun)
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if got := await(t, "the answer", answered); got.status != http.StatusServiceUnavailable {
		t.Errorf("answered %d %s, want 503", got.status, got.body)
	}
}

func TestRawWebSocket(t *testing.T) {
	for _, test := range []struct {
		name   string
		handle func(context.Context, *websocket.Conn) error
		code   int
		level  string
	}{
		{"returns nil", func(context.Context, *websocket.Conn) error { return nil }, 1000, "INFO"},
		{"returns an error", func(context.Context, *websocket.Conn) error { return errors.New("secret") }, 1011, "ERROR"},
		{"panics", func(context.Context, *websocket.Conn) error { panic("secret") }, 1011, "ERROR"},
		{"chooses a code", func(context.Context, *websocket.Conn) error { return &runtime.CloseError{Code: 4001} }, 4001, "INFO"},
		{"closes", func(_ context.Context, conn *websocket.Conn) error { return closeWith(4002, "bye")(conn) }, 4002, "INFO"},
		{"passes on the end of another connection", func(context.Context, *websocket.Conn) error { return &websocket.CloseError{Code: 1000} }, 1011, "INFO"},
		{"reads until the client leaves", func(_ context.Context, conn *websocket.Conn) error {
			for {
				kind, message, err := conn.ReadMessage()
				if err != nil {
					return err
				}
				if err := conn.WriteMessage(kind, message); err != nil {
					return err
				}
			}
		}, 1000, "INFO"},
	} {
		t.Run(test.name, func(t *testing.T) {
			served := make(chan struct{}, 1)
			a := serve(t, runtime.Handlers{Middleware: announce(served), WebSocket: runtime.RawWebSocket("Talk", test.handle)})
			conn := a.connect(t)
			if strings.HasPrefix(test.name, "reads") {
				sendText(t, conn, "hello")
				if got := readText(t, conn); got != "hello" {
					t.Errorf("received %q", got)
				}
				if err := closeWith(1000, "")(conn); err != nil {
					t.Fatal(err)
				}
			}
			if got := readClose(t, conn); got.Code != test.code {
				t.Errorf("closed with %d, want %d", got.Code, test.code)
			}
			await(t, "the end of the request", served)
			if record := a.logs.only(t); record["level"] != test.level {
				t.Errorf("logged %v, want the level %s", record, test.level)
			}
		})
	}
}

// A raw handler may leave a goroutine behind that reads.
func TestRawWebSocketLeavesAReader(t *testing.T) {
	var readers sync.WaitGroup
	t.Cleanup(readers.Wait) // after the server's end
	a := serve(t, runtime.Handlers{WebSocket: runtime.RawWebSocket("Leave", func(_ context.Context, conn *websocket.Conn) error {
		readers.Go(func() {
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					return
				}
			}
		})
		return nil
	})})
	for range 20 {
		conn := a.connect(t)
		for range 100 {
			if conn.WriteMessage(websocket.BinaryMessage, make([]byte, 10_000)) != nil {
				break // the agent has hung up
			}
		}
		conn.Close()
	}
}

// A handler that says goodbye does not wait for a client that does not.
func TestWebSocketCloseToADeafClient(t *testing.T) {
	received := make(chan error, 1)
	conn := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
		if err := conn.Close(4001, "enough"); err != nil {
			return err
		}
		_, err := conn.Receive(ctx)
		received <- err
		return nil
	})}).connect(t)
	conn.SetCloseHandler(func(int, string) error { return nil }) // which answers nothing
	if err := await(t, "the end of Receive", received); err == nil {
		t.Error("Receive returned a message")
	}
}

// Text that is not UTF-8 would make the client fail the connection.
func TestWebSocketSendsOnlyText(t *testing.T) {
	conn := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
		return conn.Send(ctx, "caf\xc3")
	})}).connect(t)
	if got := readText(t, conn); got != "caf\ufffd" {
		t.Errorf("received %q", got)
	}
}

// A handshake that has failed is answered once, whatever the handler returns.
func TestWebSocketBrokenHandshakeIgnored(t *testing.T) {
	handler := talk(func(_ context.Context, conn *textConn) error {
		_ = conn.Accept()
		return nil
	})
	got := record(newServer(runtime.Handlers{WebSocket: handler}), "GET", "/ws", "",
		"Connection", "upgrade", "Upgrade", "websocket", "Sec-Websocket-Version", "13") // and no key
	if got.status != 400 || strings.Contains(got.body, "{") {
		t.Errorf("answered %d %s, want the upgrader's 400 alone", got.status, got.body)
	}
}

// A handler that ends its goroutine, as t.FailNow does, ends the connection.
func TestWebSocketHandlerEndsItsGoroutine(t *testing.T) {
	conn := serve(t, runtime.Handlers{WebSocket: talk(func(_ context.Context, conn *textConn) error {
		if err := conn.Accept(); err != nil {
			return err
		}
		goruntime.Goexit()
		return nil
	})}).connect(t)
	if got := readClose(t, conn); got.Code != websocket.CloseInternalServerErr {
		t.Errorf("closed with %d, want 1011", got.Code)
	}
}

func TestCloseErrorText(t *testing.T) {
	for want, err := range map[string]error{
		"websocket closed with 1000":      &runtime.CloseError{Code: 1000},
		"websocket closed with 4000: own": &runtime.CloseError{Code: 4000, Reason: "own"},
	} {
		if got := err.Error(); got != want {
			t.Errorf("the text is %q, want %q", got, want)
		}
	}
}
