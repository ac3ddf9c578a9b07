package client_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/runtime"
)

// agentOf starts an agent whose WebSocket this handler serves, and returns a client
// of it. Both end with the test.
func agentOf(t *testing.T, handler runtime.WebSocketHandler, opts ...client.TransportOption) *client.Client {
	t.Helper()
	return serverOf(t, agentHandler(handler), opts...)
}

func agentHandler(handler runtime.WebSocketHandler, opts ...runtime.Option) http.Handler {
	opts = append(opts, quiet)
	return runtime.NewServer(runtime.Handlers{WebSocket: handler}, opts...)
}

func serverOf(t *testing.T, handler http.Handler, opts ...client.TransportOption) *client.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return clientOf(t, server.URL, opts...)
}

func clientOf(t *testing.T, url string, opts ...client.TransportOption) *client.Client {
	t.Helper()
	transport, err := client.Direct(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return client.New(transport)
}

// peer is an agent that works on the connection itself. Its connection is closed
// when it returns, without a goodbye. The upgrader may be another than gorilla's own.
func peer(t *testing.T, serve func(*websocket.Conn), upgrader ...websocket.Upgrader) http.Handler {
	upgrader = append(upgrader, websocket.Upgrader{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader[0].Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		serve(conn)
	})
}

// inBubble starts a peer in a bubble of testing/synctest, to which connections are
// pipes: what one end writes waits until the other has read it.
func inBubble(t *testing.T, serve func(*websocket.Conn), opts ...client.TransportOption) *client.Client {
	t.Helper()
	network := newMemory()
	server := &http.Server{Handler: peer(t, serve)}
	go func() { _ = server.Serve(network) }()
	t.Cleanup(func() { _ = server.Close() })
	opts = append(opts, client.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: network.dial}}))
	return clientOf(t, "http://agent", opts...)
}

func connect[In, Out any](t *testing.T, c *client.Client, opts ...client.Option) *client.Conn[In, Out] {
	t.Helper()
	conn, err := client.Connect[In, Out](t.Context(), c, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func send[In, Out any](t *testing.T, conn *client.Conn[In, Out], message Out) {
	t.Helper()
	if err := conn.Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
}

// receives tests what the next message is.
func receives[In comparable, Out any](t *testing.T, conn *client.Conn[In, Out], want In) {
	t.Helper()
	if got, err := conn.Receive(t.Context()); err != nil || got != want {
		t.Fatalf("received %v (%v), want %v", got, err, want)
	}
}

// endsWith tests how a connection has ended.
func endsWith(t *testing.T, err error, code int, reason string) {
	t.Helper()
	closed, ok := errors.AsType[*client.CloseError](err)
	if !ok || closed.Code != code || !strings.Contains(closed.Reason, reason) {
		t.Errorf("it ended with a %T, %v, want code %d and reason %q", err, err, code, reason)
	}
}

// echo answers each message with the same.
var echo = runtime.WebSocket("Echo", func(ctx context.Context, conn *runtime.Conn[runtime.Message, runtime.Message]) error {
	for message, err := range conn.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := conn.Send(ctx, message); err != nil {
			return err
		}
	}
	return nil
})

type said struct {
	Text string `json:"text"`
	More []int  `json:"more,omitempty"`
}

func TestConnMessages(t *testing.T) {
	text, binary := websocket.TextMessage, websocket.BinaryMessage
	t.Run("string", messageTest("Grüße <&>\n", text, "Grüße <&>\n", "Grüße <&>\n"))
	t.Run("empty string", messageTest("", text, "", ""))
	t.Run("string that is no text", messageTest("a\xffb", text, "a\ufffdb", "a\ufffdb"))
	t.Run("bytes", messageTest([]byte{0, 0xff}, binary, "\x00\xff", []byte{0, 0xff}))
	t.Run("text message", messageTest(client.TextMessage("x"), text, "x", client.TextMessage("x")))
	t.Run("text message that is no text", messageTest(client.TextMessage("a\xffb"), text, "a\ufffdb", client.TextMessage("a\ufffdb")))
	t.Run("binary message", messageTest(client.BinaryMessage([]byte{0xff}), binary, "\xff", client.BinaryMessage([]byte{0xff})))
	t.Run("struct", messageTest(said{Text: "<&>"}, text, `{"text":"<&>"}`, said{Text: "<&>"}))
	t.Run("pointer", messageTest(&said{Text: "a"}, text, `{"text":"a"}`, &said{Text: "a"}))
	t.Run("slice", messageTest([]int{1, 2}, text, "[1,2]", []int{1, 2}))
	t.Run("any", messageTest[any](map[string]any{"n": 1}, text, `{"n":1}`, map[string]any{"n": json.Number("1")}))
	t.Run("null", messageTest[any](nil, text, "null", nil))
	type name string
	t.Run("named string", messageTest(name("x"), text, `"x"`, "x"))
}

// messageTest sends a message, which has to arrive as data says, and to come back.
func messageTest[T any](message T, kind int, data string, back T) func(*testing.T) {
	return func(t *testing.T) {
		arrived := make(chan string, 1)
		c := serverOf(t, peer(t, func(conn *websocket.Conn) {
			kind, data, err := conn.ReadMessage()
			arrived <- fmt.Sprint(kind, string(data), err)
			_ = conn.WriteMessage(kind, data)
			_, _, _ = conn.ReadMessage()
		}))
		conn := connect[T, T](t, c)
		send(t, conn, message)
		if got, want := <-arrived, fmt.Sprint(kind, data, nil); got != want {
			t.Errorf("it arrived as %q, want %q", got, want)
		}
		if got, err := conn.Receive(t.Context()); err != nil || !reflect.DeepEqual(got, back) {
			t.Errorf("it came back as %v (%v), want %v", got, err, back)
		}
	}
}

func TestConnSendsWhatEncodesOnly(t *testing.T) {
	conn := connect[string, any](t, agentOf(t, echo))
	if err := conn.Send(t.Context(), make(chan int)); err == nil || !strings.Contains(err.Error(), "encode the message") {
		t.Errorf("error %v", err)
	}
	send[string, any](t, conn, 1)
	receives(t, conn, "1")
}

func TestConnMessageThatDoesNotDecode(t *testing.T) {
	c := agentOf(t, echo)
	conn := connect[said, client.Message](t, c)
	for _, text := range []string{`{"text":1}`, `{"text":"a"}`, "{", `{"text":"b"}`} {
		send(t, conn, client.TextMessage(text))
	}
	send(t, conn, client.BinaryMessage([]byte(`{"text":"c"}`)))
	var texts []string
	for message, err := range conn.Messages(t.Context()) {
		if bad, ok := errors.AsType[*client.DecodeError](err); ok {
			texts = append(texts, "not "+string(bad.Data))
		} else if err != nil {
			t.Fatal(err)
		} else if texts = append(texts, message.Text); message.Text == "c" {
			break
		}
	}
	if got, want := strings.Join(texts, ", "), `not {"text":1}, a, not {, b, c`; got != want {
		t.Errorf("received %s, want %s", got, want)
	}

	texted := connect[string, []byte](t, c)
	send(t, texted, []byte{0xff})
	if _, err := texted.Receive(t.Context()); err == nil || err.Error() != `receive: the message "\xff" does not fit string: binary data that is not text` {
		t.Errorf("error %v", err)
	}
	send(t, texted, []byte("text"))
	receives(t, texted, "text")
}

func TestJSONMessage(t *testing.T) {
	message, err := client.JSONMessage(said{Text: "<"})
	if err != nil || message.Binary || string(message.Data) != `{"text":"<"}` {
		t.Errorf("message %v (%v)", message, err)
	}
	back, err := client.DecodeMessage[said](message)
	if err != nil || back.Text != "<" {
		t.Errorf("decoded %v (%v)", back, err)
	}
	if _, err := client.JSONMessage(func() {}); err == nil {
		t.Error("a function was encoded")
	}
	if _, err := client.DecodeMessage[int](message); err == nil {
		t.Error("an object was decoded into a number")
	} else if bad, ok := errors.AsType[*client.DecodeError](err); !ok || string(bad.Data) != `{"text":"<"}` {
		t.Errorf("error %T", err)
	}
}

func TestConnClosedByTheAgent(t *testing.T) {
	cases := []struct {
		name    string
		code    int // 0 for an empty frame
		reason  string
		want    int
		regular bool
	}{
		{"normal", 1000, "", 1000, true},
		{"going away", 1001, "bye", 1001, true},
		{"no code", 0, "", 1005, true},
		{"failed", 1011, "no luck", 1011, false},
		{"restarting", 1012, "", 1012, false},
		{"its own", 4321, "Grüße", 4321, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			confirmed := make(chan error, 1)
			conn := connect[string, string](t, serverOf(t, peer(t, func(conn *websocket.Conn) {
				_ = conn.WriteMessage(websocket.TextMessage, []byte("last"))
				var frame []byte
				if c.code != 0 {
					frame = websocket.FormatCloseMessage(c.code, c.reason)
				}
				_ = conn.WriteControl(websocket.CloseMessage, frame, time.Time{})
				_, _, err := conn.ReadMessage()
				confirmed <- err
			})))
			var texts []string
			var end error
			for text, err := range conn.Messages(t.Context()) {
				texts, end = append(texts, text), err
			}
			if (end == nil) != c.regular || texts[0] != "last" {
				t.Errorf("messages %q, the last with %v", texts, end)
			}
			_, err := conn.Receive(t.Context())
			endsWith(t, err, c.want, c.reason)
			if errors.Is(err, io.EOF) != c.regular {
				t.Errorf("%v is regular: %v, want %v", err, !c.regular, c.regular)
			}
			endsWith(t, conn.Send(t.Context(), "x"), c.want, c.reason)
			if err := <-confirmed; !websocket.IsCloseError(err, c.want) {
				t.Errorf("the agent got %v", err)
			}
			for range 2 {
				if err := conn.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}
			_, err = conn.Receive(t.Context())
			endsWith(t, err, c.want, c.reason)
		})
	}
}

// What cannot be said does not end a connection.
func TestCloseWithWhatCannotBeSent(t *testing.T) {
	conn := connect[string, string](t, agentOf(t, echo))
	long := strings.Repeat("x", 124)
	for _, test := range []struct {
		code         int
		reason, want string
	}{
		{1006, "", `close code "1006": it cannot be sent: 1000 is for a regular end, and 4000 to 4999 for one's own`},
		{0, "", `close code "0": it cannot be sent: 1000 is for a regular end, and 4000 to 4999 for one's own`},
		{5000, "", `close code "5000": it cannot be sent: 1000 is for a regular end, and 4000 to 4999 for one's own`},
		{4000, long, `close reason "` + long + `": a close frame has room for 123 bytes, and this has 124`},
	} {
		err := conn.CloseWith(test.code, test.reason)
		says(t, as[*client.ParameterError](t, err), test.want)
		send(t, conn, "still here")
		receives(t, conn, "still here")
	}
	if err := conn.CloseWith(4000, long[:123]); err != nil {
		t.Error(err)
	}
}

func TestConnClose(t *testing.T) {
	long := strings.Repeat("é", 100)
	cases := []struct {
		name   string
		close  func(*client.Conn[string, string]) error
		code   int
		reason string
	}{
		{"regularly", (*client.Conn[string, string]).Close, 1000, ""},
		{"with a code", func(c *client.Conn[string, string]) error { return c.CloseWith(4001, "enough") }, 4001, "enough"},
		{"with a reason that just fits", func(c *client.Conn[string, string]) error { return c.CloseWith(4002, long[:122]) }, 4002, long[:122]},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := make(chan error, 1)
			conn := connect[string, string](t, agentOf(t, runtime.WebSocket("x", func(ctx context.Context, conn *runtime.Conn[string, string]) error {
				for range 3 { // which nobody will receive
					if err := conn.Send(ctx, "x"); err != nil {
						return err
					}
				}
				_, err := conn.Receive(ctx)
				got <- err
				return err
			})))
			loop := make(chan error, 1)
			go func() {
				for _, err := range conn.Messages(context.Background()) {
					if err != nil {
						loop <- err
						break
					}
				}
				close(loop)
			}()
			if err := c.close(conn); err != nil {
				t.Errorf("Close: %v", err)
			}
			closed, ok := errors.AsType[*runtime.CloseError](<-got)
			if !ok || closed.Code != c.code || closed.Reason != c.reason {
				t.Errorf("the agent got %v", closed)
			}
			if err := <-loop; err != nil {
				t.Errorf("the loop over the messages ended with %v", err)
			}
			if _, err := conn.Receive(t.Context()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Receive: %v", err)
			}
			if err := conn.Send(t.Context(), "x"); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Send: %v", err)
			}
			if err := conn.CloseWith(4003, "again"); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// An agent that does not confirm the end may not have got what was sent last.
func TestConnCloseUnconfirmed(t *testing.T) {
	t.Run("silence", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			conn := connect[string, string](t, inBubble(t, func(conn *websocket.Conn) {
				go func() { _, _ = io.Copy(io.Discard, conn.NetConn()) }()
				<-release
			}))
			defer close(release)
			start := time.Now()
			errs := make(chan error, 2)
			for range 2 {
				go func() { errs <- conn.Close() }()
			}
			for range 2 {
				if err := <-errs; err == nil || err.Error() != "the agent has not said goodbye within 5s" {
					t.Errorf("Close: %v", err)
				}
			}
			if took := time.Since(start); took != 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	})
	t.Run("nobody reads", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			conn := connect[string, string](t, inBubble(t, func(conn *websocket.Conn) { <-release }))
			defer close(release)
			sent := make(chan error, 1)
			go func() { sent <- conn.Send(t.Context(), "x") }()
			synctest.Wait()
			start := time.Now()
			if err := conn.Close(); err == nil || !strings.Contains(err.Error(), "say goodbye to the agent") {
				t.Errorf("Close: %v", err)
			}
			if took := time.Since(start); took != 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if err := <-sent; !errors.Is(err, net.ErrClosed) {
				t.Errorf("Send: %v", err)
			}
		})
	})
	t.Run("it hangs up", func(t *testing.T) {
		conn := connect[string, string](t, serverOf(t, peer(t, func(conn *websocket.Conn) {
			conn.SetCloseHandler(func(int, string) error { return nil })
			_, _, _ = conn.ReadMessage()
		})))
		if err := conn.Close(); err == nil || err.Error() != "the agent has closed the connection without a goodbye" {
			t.Errorf("Close: %v", err)
		}
	})
}

func TestConnLost(t *testing.T) {
	drop := make(chan struct{})
	conn := connect[string, string](t, serverOf(t, peer(t, func(conn *websocket.Conn) {
		_ = conn.WriteMessage(websocket.TextMessage, []byte("last"))
		<-drop
	})))
	receives(t, conn, "last")
	close(drop)
	_, err := conn.Receive(t.Context())
	endsWith(t, err, 1006, "")
	if errors.Is(err, io.EOF) {
		t.Errorf("%v is a regular end", err)
	}
	endsWith(t, conn.Send(t.Context(), "x"), 1006, "")
	if err := conn.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// A connection whose end nobody looks at is released all the same: else goleak
// would find what reads from it.
func TestConnLostWhileNobodyReceives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, err := client.Connect[string, string](t.Context(), inBubble(t, func(conn *websocket.Conn) {
			_ = conn.WriteMessage(websocket.TextMessage, []byte("last"))
		}))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		receives(t, conn, "last")
		_, err = conn.Receive(t.Context())
		endsWith(t, err, 1006, "")
		synctest.Wait()
	})
}

func TestConnAgentFails(t *testing.T) {
	cases := []struct {
		name   string
		handle func(context.Context, *runtime.Conn[string, string]) error
		code   int
		reason string
	}{
		{"panic", func(_ context.Context, conn *runtime.Conn[string, string]) error {
			_ = conn.Accept()
			panic("x")
		}, 1011, ""},
		{"error", func(_ context.Context, conn *runtime.Conn[string, string]) error {
			return errors.Join(conn.Accept(), errors.New("x"))
		}, 1011, ""},
		{"code", func(_ context.Context, conn *runtime.Conn[string, string]) error {
			return errors.Join(conn.Accept(), &runtime.CloseError{Code: 4000, Reason: "y"})
		}, 4000, "y"},
		{"return", func(_ context.Context, conn *runtime.Conn[string, string]) error { return conn.Accept() }, 1000, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			conn := connect[string, string](t, agentOf(t, runtime.WebSocket("x", c.handle)))
			_, err := conn.Receive(t.Context())
			endsWith(t, err, c.code, c.reason)
		})
	}
}

func TestConnAgentShutsDown(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	agent := runtime.NewServer(runtime.Handlers{WebSocket: echo}, quiet)
	go func() { served <- agent.Serve(ctx, listener) }()
	conn := connect[string, string](t, clientOf(t, "http://"+listener.Addr().String()))
	send(t, conn, "x")
	receives(t, conn, "x")
	stop()
	_, err = conn.Receive(t.Context())
	endsWith(t, err, 1001, "the server is shutting down")
	if !errors.Is(err, io.EOF) {
		t.Errorf("%v is no regular end", err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestConnAgentBreaksTheRules(t *testing.T) {
	frame := func(head ...byte) []byte { return head }
	cases := []struct {
		name   string
		bytes  []byte
		code   int
		reason string
	}{
		{"text that is not UTF-8", frame(0x81, 1, 0xff), 1007, "text that is not UTF-8"},
		{"reserved bits", frame(0xf1, 0), 1002, "RSV"},
		{"unknown opcode", frame(0x83, 0), 1002, "opcode"},
		{"masked", frame(0x81, 0x81, 1, 2, 3, 4, 5), 1002, "MASK"},
		{"large", frame(0x82, 126, 0x04, 0x01), 1009, "raise the limit with WithMaxMessage"},
		{"impossibly large", frame(0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 1009, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			told := make(chan error, 1)
			conn := connect[string, string](t, serverOf(t, peer(t, func(conn *websocket.Conn) {
				_, _ = conn.NetConn().Write(c.bytes)
				_, _ = conn.NetConn().Write(make([]byte, 1<<16)) // which nobody reads in vain
				_, _, err := conn.ReadMessage()
				told <- err
			}), client.WithMaxMessage(1<<10)))
			_, err := conn.Receive(t.Context())
			endsWith(t, err, c.code, c.reason)
			if err := <-told; !websocket.IsCloseError(err, c.code) {
				t.Errorf("the agent was told %v", err)
			}
		})
	}
}

func TestConnBigMessages(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	conn := connect[string, string](t, agentOf(t, echo))
	send(t, conn, large)
	receives(t, conn, large)

	largest := strings.Repeat("x", 16<<20)
	server := httptest.NewServer(peer(t, func(conn *websocket.Conn) {
		_ = conn.WriteMessage(websocket.TextMessage, []byte(largest))
		_ = conn.WriteMessage(websocket.TextMessage, []byte(largest+"x"))
		_, _, _ = conn.ReadMessage()
	}))
	defer server.Close()
	conn = connect[string, string](t, clientOf(t, server.URL))
	receives(t, conn, largest)
	_, err := conn.Receive(t.Context())
	endsWith(t, err, 1009, "too large")
	for _, limit := range []int64{0, math.MaxInt64} {
		conn = connect[string, string](t, clientOf(t, server.URL, client.WithMaxMessage(limit)))
		receives(t, conn, largest)
		receives(t, conn, largest+"x")
	}
}

// Compression is for those who bring a dialer that asks for it.
func TestConnCompression(t *testing.T) {
	agent := agentHandler(echo, runtime.WithCompression())
	conn := connect[string, string](t, serverOf(t, agent, client.WithWebSocketDialer(&websocket.Dialer{EnableCompression: true})))
	text := strings.Repeat("x", 1<<20)
	send(t, conn, text)
	receives(t, conn, text)

	header := make(http.Header)
	plain := connect[string, string](t, serverOf(t, agent), client.WithAnswerHeader(&header))
	send(t, plain, text)
	receives(t, plain, text)
	if extensions := header.Get("Sec-Websocket-Extensions"); extensions != "" {
		t.Errorf("the client has asked for %s", extensions)
	}
}

// The limit is that of what a message expands to.
func TestConnCompressedTooMuch(t *testing.T) {
	told := make(chan error, 1)
	c := serverOf(t, peer(t, func(conn *websocket.Conn) {
		_ = conn.WriteMessage(websocket.TextMessage, make([]byte, 1<<16))
		_, _, err := conn.ReadMessage()
		told <- err
	}, websocket.Upgrader{EnableCompression: true}), client.WithMaxMessage(1<<10), client.WithWebSocketDialer(&websocket.Dialer{EnableCompression: true}))
	_, err := connect[string, string](t, c).Receive(t.Context())
	endsWith(t, err, 1009, "too large")
	if err := <-told; !websocket.IsCloseError(err, 1009) {
		t.Errorf("the agent was told %v", err)
	}
}

func TestConnCompressedBadly(t *testing.T) {
	c := serverOf(t, peer(t, func(conn *websocket.Conn) {
		_, _ = conn.NetConn().Write([]byte{0xc1, 2, 0xff, 0xff}) // which is no deflate
		_, _, _ = conn.ReadMessage()
	}, websocket.Upgrader{EnableCompression: true}), client.WithWebSocketDialer(&websocket.Dialer{
		EnableCompression: true,
		NetDial:           net.Dial,
	}))
	_, err := connect[string, string](t, c).Receive(t.Context())
	endsWith(t, err, 1002, "flate")
}

func TestCloseError(t *testing.T) {
	for _, c := range []struct {
		err  client.CloseError
		want string
	}{
		{client.CloseError{Code: 1001}, "websocket closed with 1001"},
		{client.CloseError{Code: 1011, Reason: "no luck"}, "websocket closed with 1011: no luck"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("error %s, want %s", got, c.want)
		}
	}
}

func TestConnReceiveContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := connect[string, string](t, inBubble(t, func(conn *websocket.Conn) {
			for i := range 3 {
				time.Sleep(time.Minute)
				_ = conn.WriteMessage(websocket.TextMessage, fmt.Append(nil, i))
			}
			_, _, _ = conn.ReadMessage()
		}))
		var got []string
		timeouts := 0
		for len(got) < 3 {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 7*time.Second, errTest)
			message, err := conn.Receive(ctx)
			cancel()
			switch {
			case err == nil:
				got = append(got, message)
			case err == errTest:
				timeouts++
			default:
				t.Fatal(err)
			}
		}
		if text := strings.Join(got, ""); text != "012" || timeouts < 20 {
			t.Errorf("received %s after %d timeouts", text, timeouts)
		}
		ended, cancel := context.WithCancelCause(t.Context())
		cancel(errTest)
		if _, err := conn.Receive(ended); err != errTest {
			t.Errorf("Receive: %v", err)
		}
		for _, err := range conn.Messages(ended) {
			if err != errTest {
				t.Errorf("Messages: %v", err)
			}
		}
		if err := conn.Send(ended, "x"); err != errTest {
			t.Errorf("Send: %v", err)
		}
		send(t, conn, "the connection is good")
	})
}

var errTest = errors.New("test")

func TestConnSendContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		conn := connect[string, string](t, inBubble(t, func(conn *websocket.Conn) { <-release }))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errTest)
		defer cancel()
		waiting := make(chan error)
		go func() {
			time.Sleep(time.Second / 2)
			short, cancel := context.WithTimeout(t.Context(), time.Second/4)
			defer cancel()
			waiting <- conn.Send(short, "behind the other")
		}()
		go func() {
			time.Sleep(time.Second / 2)
			waiting <- conn.Send(t.Context(), "behind both")
		}()
		if err := conn.Send(ctx, "x"); err != errTest {
			t.Errorf("Send: %v", err)
		}
		if err := <-waiting; err != context.DeadlineExceeded {
			t.Errorf("the Send that has waited: %v", err)
		}
		endsWith(t, <-waiting, 1006, "")
		_, err := conn.Receive(t.Context())
		endsWith(t, err, 1006, "")
	})
}

func TestConnSendToWhoDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		conn := connect[string, string](t, inBubble(t, func(conn *websocket.Conn) { <-release }))
		start := time.Now()
		endsWith(t, conn.Send(t.Context(), "x"), 1006, "timeout")
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// An agent that reads slowly, and pings all the same, is served.
func TestConnSendToWhoReadsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const text = "a long message"
		conn := connect[string, string](t, inBubble(t, func(conn *websocket.Conn) {
			for range 5 {
				_ = conn.WriteControl(websocket.PingMessage, []byte("p"), time.Time{})
				time.Sleep(10 * time.Second)
				if _, data, err := conn.ReadMessage(); string(data) != text {
					t.Errorf("read %q (%v)", data, err)
				}
			}
			_ = conn.WriteMessage(websocket.TextMessage, []byte("done"))
			_, _, _ = conn.ReadMessage()
		}))
		for range 5 {
			send(t, conn, text)
		}
		receives(t, conn, "done")
	})
}

func TestConnConcurrently(t *testing.T) {
	const senders, each = 8, 50
	conn := connect[said, said](t, agentOf(t, echo))
	var sending sync.WaitGroup
	for i := range senders {
		sending.Go(func() {
			for j := range each {
				if err := conn.Send(t.Context(), said{Text: fmt.Sprint(i), More: []int{j}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := make(map[string]int)
	for range senders * each {
		got, err := conn.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.More[0] != next[got.Text] {
			t.Errorf("%v came before its turn", got)
		}
		next[got.Text]++
	}
	sending.Wait()
	var closing sync.WaitGroup
	for range 4 {
		closing.Go(func() { _ = conn.Send(t.Context(), said{}) })
		closing.Go(func() { _, _ = conn.Receive(t.Context()) })
		closing.Go(func() {
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	closing.Wait()
}

// Pings are answered although nobody receives, until a message is in the way.
func TestConnAnswersPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pongs := make(chan string, 9)
		conn := connect[string, string](t, inBubble(t, func(conn *websocket.Conn) {
			conn.SetPongHandler(func(data string) error { pongs <- data; return nil })
			go func() {
				for _, data := range []string{"one", "two"} {
					_ = conn.WriteControl(websocket.PingMessage, []byte(data), time.Time{})
					time.Sleep(time.Second)
				}
				_ = conn.WriteMessage(websocket.TextMessage, []byte("in the way"))
				_ = conn.WriteControl(websocket.PingMessage, []byte("three"), time.Time{})
			}()
			_, _, _ = conn.ReadMessage()
		}))
		if got := <-pongs + <-pongs; got != "onetwo" {
			t.Errorf("pongs %s", got)
		}
		time.Sleep(time.Minute)
		if len(pongs) > 0 {
			t.Errorf("pong %s", <-pongs)
		}
		receives(t, conn, "in the way")
		if got := <-pongs; got != "three" {
			t.Errorf("pong %s", got)
		}
	})
}

func TestWithPingInterval(t *testing.T) {
	t.Run("an agent that answers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var pings atomic.Int32
			conn := connect[string, string](t, inBubble(t, func(conn *websocket.Conn) {
				answer := conn.PingHandler()
				conn.SetPingHandler(func(data string) error { pings.Add(1); return answer(data) })
				time.AfterFunc(time.Hour+time.Second, func() { _ = conn.WriteMessage(websocket.TextMessage, []byte("still here")) })
				_, _, _ = conn.ReadMessage()
			}, client.WithPingInterval(time.Minute)))
			receives(t, conn, "still here")
			if n := pings.Load(); n != 60 {
				t.Errorf("%d pings came within an hour", n)
			}
		})
	})
	t.Run("an agent that sends slowly", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			conn := connect[string, string](t, inBubble(t, func(conn *websocket.Conn) {
				go func() { _, _ = io.Copy(io.Discard, conn.NetConn()) }()
				_, _ = conn.NetConn().Write([]byte{0x81, 100})
				for range 100 {
					time.Sleep(time.Minute)
					_, _ = conn.NetConn().Write([]byte("x"))
				}
			}, client.WithPingInterval(time.Minute)))
			receives(t, conn, strings.Repeat("x", 100))
		})
	})
	t.Run("an agent that is gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			defer close(release)
			conn := connect[string, string](t, inBubble(t, func(conn *websocket.Conn) {
				go func() { _, _ = io.Copy(io.Discard, conn.NetConn()) }()
				<-release
			}, client.WithPingInterval(time.Minute)))
			start := time.Now()
			_, err := conn.Receive(t.Context())
			endsWith(t, err, 1006, "timeout")
			if took := time.Since(start); took != 2*time.Minute {
				t.Errorf("it took %v", took)
			}
		})
	})
}

func TestConnectRefused(t *testing.T) {
	refusing := func(err error) http.Handler {
		return agentHandler(runtime.WebSocket("x", func(context.Context, *runtime.Conn[string, string]) error { return err }))
	}
	cases := []struct {
		name    string
		handler http.Handler
		status  int
		text    string
	}{
		{"no handler", agentHandler(runtime.WebSocketHandler{}), 403, "connect: "},
		{"error", refusing(errors.New("not you")), 403, "connect: "},
		{"status", refusing(runtime.Errorf(424, "the VM is not ready")), 424, "connect: the VM is not ready (status 424)"},
		{"the service", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amzn-Requestid", "r-1")
			w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException:http://x/")
			w.WriteHeader(404)
			_, _ = io.WriteString(w, `{"message":"no such agent"}`)
		}), 404, "connect: no such agent (ResourceNotFoundException, status 404, request r-1)"},
		{"no WebSocket", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }),
			200, "connect: the answer is none to a WebSocket handshake: hello (status 200)"},
		{"another handshake", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n")
			_ = conn.Close()
		}), 101, "connect: the answer is none to a WebSocket handshake: Switching Protocols (status 101)"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := client.Connect[string, string](t.Context(), serverOf(t, c.handler))
			refused, ok := errors.AsType[*client.Error](err)
			if !ok || refused.StatusCode != c.status || !strings.HasPrefix(err.Error(), c.text) {
				t.Errorf("a %T, %v, want %d and %s", err, err, c.status, c.text)
			}
		})
	}
}

func TestConnectAgain(t *testing.T) {
	t.Run("throttled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var attempts atomic.Int32
			network := newMemory()
			agent := agentHandler(echo)
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if attempts.Add(1) < 3 {
					w.WriteHeader(http.StatusTooManyRequests)
					return
				}
				agent.ServeHTTP(w, r)
			})}
			go func() { _ = server.Serve(network) }()
			defer server.Close()
			c := clientOf(t, "http://agent", client.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: network.dial}}))
			conn := connect[string, string](t, c)
			send(t, conn, "x")
			receives(t, conn, "x")
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("lost before the answer", func(t *testing.T) { // when the handler may have begun
		var attempts atomic.Int32
		_, err := client.Connect[string, string](t.Context(), serverOf(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			attempts.Add(1)
			panic(http.ErrAbortHandler)
		})))
		if n := attempts.Load(); n != 1 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d attempts, %v", n, err)
		}
	})
	t.Run("no connection", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			attempts := 0
			dialer := &websocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) {
				attempts++
				return nil, errTest
			}}
			_, err := client.Connect[string, string](t.Context(), clientOf(t, "http://agent", client.WithWebSocketDialer(dialer)))
			if attempts != 3 || !errors.Is(err, errTest) {
				t.Errorf("%d attempts, %v", attempts, err)
			}
		})
	})
	t.Run("token refused", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer second" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			r.URL.Path = "/ws"
			agentHandler(echo).ServeHTTP(w, r)
		}))
		defer server.Close()
		tokens := []string{"first", "second"}
		source := func(context.Context) (string, error) {
			token := tokens[0]
			tokens = tokens[1:]
			return token, nil
		}
		conn := connect[string, string](t, client.New(bearing(t, source, client.WithEndpoint(server.URL))))
		send(t, conn, "x")
		receives(t, conn, "x")
	})
}

// The context is that of the handshake.
func TestConnectContext(t *testing.T) {
	t.Run("before the end", func(t *testing.T) {
		asked, done := make(chan struct{}), make(chan struct{})
		c := serverOf(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			close(asked)
			<-done
		}))
		defer close(done)
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			<-asked
			cancel(errTest)
		}()
		if _, err := client.Connect[string, string](ctx, c); err != errTest {
			t.Errorf("Connect: %v", err)
		}
	})
	t.Run("after it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		conn, err := client.Connect[string, string](ctx, agentOf(t, echo))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		cancel()
		send(t, conn, "x")
		receives(t, conn, "x")
	})
	t.Run("nobody there", func(t *testing.T) {
		c := clientOf(t, "http://agent", client.WithMaxAttempts(1), client.WithHTTPClient(&http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errTest },
		}}))
		if _, err := client.Connect[string, string](t.Context(), c); !errors.Is(err, errTest) {
			t.Errorf("Connect: %v", err)
		}
	})
}

// Connections go the way that the HTTP client goes, whatever that is.
func TestConnectTheWayOfTheHTTPClient(t *testing.T) {
	tlsServer := httptest.NewTLSServer(agentHandler(echo))
	defer tlsServer.Close()
	server := httptest.NewServer(agentHandler(echo))
	defer server.Close()
	dial := func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("tcp", server.Listener.Addr().String())
	}
	transport := tlsServer.Client().Transport.(*http.Transport)
	dialTLS := &tls.Dialer{Config: transport.TLSClientConfig.Clone()}
	dialTLS.Config.NextProtos = nil
	tunnel, tunnelled := newTunnel(t)
	cases := []struct {
		name      string
		url       string
		transport *http.Transport
	}{
		{"TLS", tlsServer.URL, transport},
		{"a dialer", "http://agent.test", &http.Transport{DialContext: dial}},
		{"a dialer of TLS", "https://agent.test", &http.Transport{DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialTLS.DialContext(ctx, network, tlsServer.Listener.Addr().String())
		}}},
		{"a proxy", tlsServer.URL, &http.Transport{TLSClientConfig: transport.TLSClientConfig, Proxy: http.ProxyURL(tunnel)}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			conn := connect[string, string](t, clientOf(t, c.url, client.WithHTTPClient(&http.Client{Transport: c.transport})))
			send(t, conn, "x")
			receives(t, conn, "x")
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if n := tunnelled.Load(); n != 1 {
		t.Errorf("%d connections went through the proxy", n)
	}
}

// An HTTP client may be in use when it is given, also for the first time.
func TestConnectTheWayOfABusyHTTPClient(t *testing.T) {
	server := httptest.NewServer(agentHandler(echo))
	defer server.Close()
	c := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true}}
	defer c.CloseIdleConnections()
	var busy sync.WaitGroup
	busy.Go(func() {
		if answer, err := c.Get(server.URL + "/ping"); err != nil || answer.Body.Close() != nil {
			t.Error(err)
		}
	})
	_ = connect[string, string](t, clientOf(t, server.URL, client.WithHTTPClient(c)))
	busy.Wait()
}

// newTunnel starts a proxy that connects.
func newTunnel(t *testing.T) (*url.URL, *atomic.Int32) {
	var count atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		there, err := net.Dial("tcp", r.Host)
		if r.Method != http.MethodConnect || err != nil {
			t.Errorf("%s %s: %v", r.Method, r.Host, err)
			return
		}
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		count.Add(1)
		for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
			go func() {
				_, _ = io.Copy(way[0], way[1])
				_ = way[0].Close()
			}()
		}
	}))
	t.Cleanup(proxy.Close)
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	return at, &count
}

// A URL may have a user and a password in it, which both kinds of requests prove.
func TestConnectWithPassword(t *testing.T) {
	const header = "Basic bWU6c2VjcmV0" // me:secret
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != header {
			t.Errorf("%s: Authorization: %s", r.URL, got)
		}
		agentHandler(echo).ServeHTTP(w, r)
	}))
	defer server.Close()
	c := client.New(direct(t, strings.Replace(server.URL, "://", "://me:secret@", 1)))
	if _, err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	conn := connect[string, string](t, c)
	send(t, conn, "x")
	receives(t, conn, "x")
}

func TestConnectHeaders(t *testing.T) {
	got := make(chan http.Header, 2)
	inner := serverOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header
		header := http.Header{"X-Amzn-Bedrock-Agentcore-Runtime-Session-Id": {"the agent's own"}, "X-More": {"y"}}
		conn, err := new(websocket.Upgrader).Upgrade(w, r, header)
		if err != nil {
			t.Error(err)
			return
		}
		_, _, _ = conn.ReadMessage()
		_ = conn.Close()
	}))
	answer := make(http.Header)
	var session string
	outer := agentOf(t, runtime.WebSocket("x", func(ctx context.Context, conn *runtime.Conn[string, string]) error {
		next, err := client.Connect[string, string](ctx, inner, client.PassSession(), client.WithUserID("ada"),
			client.WithHeader("X-Amzn-Bedrock-AgentCore-Runtime-Custom-Plan", "gold"), client.WithAnswerHeader(&answer))
		if err != nil {
			return err
		}
		session = next.SessionID()
		_ = next.Close()
		return conn.Accept()
	}))
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	conn := connect[string, string](t, outer, client.WithSession("mine"), client.WithHeader("Traceparent", trace), client.WithHeader("Baggage", "a=b"),
		client.WithHeader("WorkloadAccessToken", "secret"))
	if _, err := conn.Receive(t.Context()); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if id := conn.SessionID(); id != "mine" {
		t.Errorf("session %s", id)
	}
	if session != "the agent's own" || answer.Get("X-More") != "y" {
		t.Errorf("the next agent's session is %s, and its answer %v", session, answer)
	}
	header := <-got
	for name, want := range map[string]string{
		"Traceparent": trace, "Baggage": "a=b", "User-Agent": "agentcore-go",
		"X-Amzn-Bedrock-Agentcore-Runtime-Session-Id":  "mine",
		"X-Amzn-Bedrock-Agentcore-Runtime-User-Id":     "ada",
		"X-Amzn-Bedrock-Agentcore-Runtime-Custom-Plan": "gold",
		"Workloadaccesstoken":                          "", // for agents on AgentCore only
		"X-Amz-Bedrock-Agentcore-Identity-Wat":         "",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// A handshake to AgentCore is signed, and goes where WebSockets are.
func TestConnectToAgentCore(t *testing.T) {
	got := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Clone(context.Background())
		r.URL.Path = "/ws"
		agentHandler(echo).ServeHTTP(w, r)
	}))
	defer server.Close()
	conn := connect[string, string](t, client.New(transportThatSigns(t, vectorToken, client.WithEndpoint(server.URL), client.WithQualifier("prod")), client.WithSession(vectorSession)))
	send(t, conn, "x")
	receives(t, conn, "x")
	r := <-got
	if want := strings.TrimPrefix(vectorURL, "wss://bedrock-agentcore.us-west-2.amazonaws.com") + "?qualifier=prod"; r.RequestURI != want {
		t.Errorf("it went to %s, want %s", r.RequestURI, want)
	}
	if auth := r.Header.Get("Authorization"); !strings.Contains(auth, "SignedHeaders=host;x-amz-date;x-amz-security-token;x-amzn-bedrock-agentcore-runtime-session-id,") {
		t.Errorf("Authorization %s", auth)
	}
}
