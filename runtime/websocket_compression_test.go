package runtime_test

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	goruntime "runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/runtime"
)

func TestWebSocketCompressionIsNegotiated(t *testing.T) {
	for _, test := range []struct {
		name          string
		opts          []runtime.Option
		offers, takes bool
	}{
		{"by default", nil, true, false},
		{"with the option", []runtime.Option{runtime.WithCompression()}, true, true},
		{"with a client that does not offer it", []runtime.Option{runtime.WithCompression()}, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			wherever(t, func(t *testing.T, serve serveFunc) {
				a := serve(t, runtime.Handlers{WebSocket: talk(echoTexts)}, test.opts...)
				a.dialer.EnableCompression = test.offers
				conn, response, err := a.dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(a.url, "http")+"/ws", nil)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				extensions := response.Header.Get("Sec-WebSocket-Extensions")
				if got := strings.Contains(extensions, "permessage-deflate"); got != test.takes {
					t.Errorf("the server answers with the extensions %q, want compression: %v", extensions, test.takes)
				}
				for _, text := range []string{"", "short", strings.Repeat("long ", 10_000)} {
					sendText(t, conn, text)
					if got := readText(t, conn); got != text {
						t.Errorf("%.20q came back as %.20q", text, got)
					}
				}
			})
		})
	}
}

// countingConn counts what goes over the wire.
type countingConn struct {
	net.Conn
	read, written atomic.Int64
}

func (c *countingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read.Add(int64(n))
	return n, err
}

func (c *countingConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.written.Add(int64(n))
	return n, err
}

func TestWebSocketCompresses(t *testing.T) {
	const size = 1 << 20
	for _, test := range []struct {
		name     string
		opts     []runtime.Option
		compress bool
	}{
		{"by default", nil, false},
		{"with the option", []runtime.Option{runtime.WithCompression()}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := serve(t, runtime.Handlers{WebSocket: runtime.WebSocket("Echo", echoMessages)}, test.opts...)
			a.dialer.EnableCompression = true
			a.dialer.NetDialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := a.dial(ctx, network, addr)
				return &countingConn{Conn: conn}, err
			}
			conn := a.connect(t)
			wire := conn.NetConn().(*countingConn)
			for i, test2 := range []struct {
				kind int
				data []byte
			}{
				{websocket.TextMessage, bytes.Repeat([]byte("text "), size/5)},
				{websocket.BinaryMessage, bytes.Repeat([]byte{0, 1, 2, 0xff}, size/4)},
				{websocket.TextMessage, bytes.Repeat([]byte("ż"), size/2)},
			} {
				read, written := wire.read.Load(), wire.written.Load()
				if err := conn.WriteMessage(test2.kind, test2.data); err != nil {
					t.Fatal(err)
				}
				kind, data, err := conn.ReadMessage()
				if err != nil || kind != test2.kind || !bytes.Equal(data, test2.data) {
					t.Fatalf("message %d: %d bytes of type %d came back (%v)", i, len(data), kind, err)
				}
				read, written = wire.read.Load()-read, wire.written.Load()-written
				if small := read < size/10 && written < size/10; small != test.compress {
					t.Errorf("message %d took %d bytes to send and %d to receive, want compression: %v", i, written, read, test.compress)
				}
			}
		})
	}
}

// Many connections share what compression needs, and no bytes.
func TestWebSocketCompressionSideBySide(t *testing.T) {
	const n = 10
	a := serve(t, runtime.Handlers{WebSocket: talk(echoTexts)}, runtime.WithCompression())
	a.dialer.EnableCompression = true
	done := make(chan string, n)
	for i := range n {
		conn := a.connect(t)
		go func() {
			problem := ""
			for j := range 10 {
				text := strings.Repeat(fmt.Sprint("connection ", i, " message ", j, " "), 50*j)
				if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
					problem = err.Error()
				} else if _, data, err := conn.ReadMessage(); err != nil || string(data) != text {
					problem = fmt.Sprintf("%.40q came back as %.40q (%v)", text, data, err)
				}
			}
			done <- problem
		}()
	}
	for range n {
		if problem := await(t, "the end of a client", done); problem != "" {
			t.Error(problem)
		}
	}
}

// compressed is data as a message's payload with permessage-deflate.
func compressed(t *testing.T, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// frame is a client's frame, masked with zeros.
func frame(first byte, payload []byte) []byte {
	head := []byte{first, 0xff}
	head = binary.BigEndian.AppendUint64(head, uint64(len(payload)))
	return append(append(head, 0, 0, 0, 0), payload...)
}

const (
	compressedBinary = 0x80 | 0x40 | websocket.BinaryMessage
	emptyBlock       = "\x00\x00\xff\xff" // what Flush ends with, and a message does not
)

// A small message that expands to a large one costs the server no more than a
// large one would.
func TestWebSocketBomb(t *testing.T) {
	const (
		maxMessage = 1 << 20
		expanded   = 256 << 20
		allowed    = 32 << 20 // for all that is allocated meanwhile, by the tests as well
	)
	part := compressed(t, make([]byte, 1<<20)) // of no context, so that it may be repeated
	bomb := bytes.TrimSuffix(bytes.Repeat(part, expanded/(1<<20)), []byte(emptyBlock))
	if len(bomb) > maxMessage {
		t.Fatalf("a bomb of %d bytes does not need to be decompressed to be refused", len(bomb))
	}
	half := len(bomb) / 2
	for name, frames := range map[string][]byte{
		"in one frame": frame(compressedBinary, bomb),
		"in fragments": append(frame(0x40|websocket.BinaryMessage, bomb[:half]), frame(0x80, bomb[half:])...),
	} {
		t.Run(name, func(t *testing.T) {
			wherever(t, func(t *testing.T, serve serveFunc) {
				received := make(chan error, 1)
				a := serve(t, runtime.Handlers{WebSocket: runtime.WebSocket("Receive", func(ctx context.Context, conn *messageConn) error {
					if err := conn.Accept(); err != nil {
						return err
					}
					message, err := conn.Receive(ctx)
					if err == nil {
						t.Errorf("received a message of %d bytes", len(message.Data))
					}
					received <- err
					return err
				})}, runtime.WithCompression(), runtime.WithMaxMessageBytes(maxMessage))
				a.dialer.EnableCompression = true
				conn := a.connect(t)
				var before, after goruntime.MemStats
				goruntime.ReadMemStats(&before)
				if err := write(conn, frames); err != nil {
					t.Fatal(err)
				}
				if got := readClose(t, conn); got.Code != websocket.CloseMessageTooBig {
					t.Errorf("closed with %d, want 1009", got.Code)
				}
				err := await(t, "the end of Receive", received)
				if closed, ok := errors.AsType[*runtime.CloseError](err); !ok || closed.Code != websocket.CloseMessageTooBig {
					t.Errorf("Receive returned %v, want a CloseError with 1009", err)
				}
				if err := a.stop(); err != nil {
					t.Error(err)
				}
				goruntime.ReadMemStats(&after)
				if used := after.TotalAlloc - before.TotalAlloc; used > allowed {
					t.Errorf("%d MiB were allocated for it, want no more than %d", used>>20, allowed>>20)
				}
				if record := a.logs.only(t); record["level"] != "INFO" {
					t.Errorf("logged %v, want no more than INFO", record)
				}
			})
		})
	}
}

func TestWebSocketLimitOfCompressedMessages(t *testing.T) {
	const size = 100_000
	noise := make([]byte, size) // which does not shrink
	for i, x := 0, uint32(1); i < size; i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	for _, test := range []struct {
		name  string
		limit int64
		data  []byte
		fits  bool
	}{
		{"just right", size, make([]byte, size), true},
		{"a byte too large", size, make([]byte, size+1), false},
		{"far too large", size, make([]byte, 10*size), false},
		{"noise that fits", 2 * size, noise, true},
		{"noise that is too large", size - 1, noise, false},
		{"no limit", 0, make([]byte, 10*size), true},
		{"less than none", -1, make([]byte, size), true},
		{"the highest limit", math.MaxInt64, make([]byte, size), true},
	} {
		for _, offers := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, compression: %v", test.name, offers), func(t *testing.T) {
				a := serve(t, runtime.Handlers{WebSocket: runtime.WebSocket("Count", func(ctx context.Context, conn *runtime.Conn[[]byte, int]) error {
					for message, err := range conn.Messages(ctx) {
						if err != nil {
							return err
						}
						if err := conn.Send(ctx, len(message)); err != nil {
							return err
						}
					}
					return nil
				})}, runtime.WithCompression(), runtime.WithMaxMessageBytes(test.limit))
				a.dialer.EnableCompression = offers
				conn := a.connect(t)
				if err := conn.WriteMessage(websocket.BinaryMessage, test.data); err != nil {
					t.Fatal(err)
				}
				if !test.fits {
					if got := readClose(t, conn); got.Code != websocket.CloseMessageTooBig {
						t.Errorf("closed with %d, want 1009", got.Code)
					}
					return
				}
				for range 2 { // the limit is for one message
					if got, want := readText(t, conn), fmt.Sprint(len(test.data)); got != want {
						t.Errorf("the handler received %s bytes, want %s", got, want)
					}
					if err := conn.WriteMessage(websocket.BinaryMessage, test.data); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

// The default limit is that of messages that are not compressed.
func TestWebSocketDefaultLimitOfCompressedMessages(t *testing.T) {
	part := compressed(t, make([]byte, 1<<20))
	for parts, fits := range map[int]bool{16: true, 17: false} {
		a := serve(t, runtime.Handlers{WebSocket: runtime.WebSocket("Count", func(ctx context.Context, conn *runtime.Conn[[]byte, int]) error {
			message, err := conn.Receive(ctx)
			if err != nil {
				return err
			}
			return conn.Send(ctx, len(message))
		})}, runtime.WithCompression())
		a.dialer.EnableCompression = true
		conn := a.connect(t)
		message := bytes.TrimSuffix(bytes.Repeat(part, parts), []byte(emptyBlock))
		if err := write(conn, frame(compressedBinary, message)); err != nil {
			t.Fatal(err)
		}
		if fits {
			if got, want := readText(t, conn), fmt.Sprint(parts<<20); got != want {
				t.Errorf("the handler received %s bytes, want %s", got, want)
			}
		} else if got := readClose(t, conn); got.Code != websocket.CloseMessageTooBig {
			t.Errorf("closed with %d, want 1009", got.Code)
		}
	}
}

// What does not decompress is the client's fault, whatever the handler returns.
func TestWebSocketBrokenCompression(t *testing.T) {
	for _, limit := range []int64{0, 1 << 20} {
		for returns, ending := range endings {
			t.Run(fmt.Sprintf("limit %d, the handler returns %s", limit, returns), func(t *testing.T) {
				ended := make(chan struct{})
				a := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
					defer close(ended)
					if err := conn.Accept(); err != nil {
						return err
					}
					_, err := conn.Receive(ctx)
					if closed, ok := errors.AsType[*runtime.CloseError](err); !ok || closed.Code != websocket.CloseProtocolError {
						t.Errorf("Receive returned %v, want a CloseError with 1002", err)
					}
					return ending(err)
				})}, runtime.WithCompression(), runtime.WithMaxMessageBytes(limit))
				a.dialer.EnableCompression = true
				conn := a.connect(t)
				if err := write(conn, frame(compressedBinary, []byte{0x06, 0xff, 0xff, 0xff})); err != nil {
					t.Fatal(err)
				}
				if got := readClose(t, conn); got.Code != websocket.CloseProtocolError {
					t.Errorf("closed with %d %q, want 1002", got.Code, got.Text)
				}
				await(t, "the end of the handler", ended)
				if err := a.stop(); err != nil {
					t.Error(err)
				}
				if record := a.logs.only(t); record["level"] != "INFO" {
					t.Errorf("logged %v, want no more than INFO", record)
				}
			})
		}
	}
}
