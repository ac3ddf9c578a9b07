package load_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/agentcore-go/agentcore/bench/load"
	"github.com/agentcore-go/agentcore/bench/plain"
)

// serve answers every request with raw bytes, all at once or one by one, and
// returns the address.
func serve(t *testing.T, response string, bytewise bool) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					var out io.Reader = strings.NewReader(response)
					if bytewise {
						out = iotest.OneByteReader(out)
					}
					// A struct, lest Copy take a shortcut around the reader.
					_, _ = io.Copy(struct{ io.Writer }{conn}, struct{ io.Reader }{out})
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func TestBodies(t *testing.T) {
	long := strings.Repeat("0123456789", 10_000)
	for name, test := range map[string]struct{ response, want string }{
		"length":       {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		"lower case":   {"HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello", "hello"},
		"empty":        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
		"chunks":       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n", "hello world"},
		"long":         {fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(long), long), long},
		"a long chunk": {fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%X\r\n%s\r\n0\r\n\r\n", len(long), long), long},
		"a long head":  {fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Long: %s\r\nContent-Length: 2\r\n\r\nok", long), "ok"},
	} {
		for _, bytewise := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, bytewise %v", name, bytewise), func(t *testing.T) {
				addr := serve(t, test.response, bytewise && len(test.response) < 1000)
				checked := 0
				client, err := load.Dial(addr, load.Post(addr, "*/*", []byte("{}")), func(body []byte) error {
					checked++
					if string(body) != test.want {
						t.Errorf("the body is %.100q", body)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				for range 3 { // what one response leaves in the buffer must not spoil the next
					if err := client.Do(); err != nil {
						t.Fatal(err)
					}
				}
				if checked == 0 {
					t.Error("the body was not checked")
				}
			})
		}
	}
}

func TestWrongResponses(t *testing.T) {
	for response, want := range map[string]string{
		"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nhelp":                "status 500: help",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong":                 "not what I want",
		"HTTP/1.1 200 OK\r\n\r\n":                                           "neither Content-Length nor chunks",
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n":                      "invalid syntax",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n":       "invalid syntax",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n": "a chunk ends with",
		"SSH-2.0-OpenSSH\r\n":                                               "not a response",
	} {
		addr := serve(t, response, false)
		result := load.Run(2, time.Hour, func() (load.Worker, error) {
			return load.Dial(addr, load.Ping(addr), func([]byte) error { return errors.New("not what I want") })
		})
		if result.Errors != 2 || result.Count != 0 || result.Err == nil || !strings.Contains(result.Err.Error(), want) {
			t.Errorf("%q: %+v, want 2 errors: %s", response, result, want)
		}
	}
}

func TestRequests(t *testing.T) {
	for _, request := range [][]byte{load.Post("host:80", "text/event-stream", []byte("{}")), load.Ping("host:80")} {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
		if err != nil {
			t.Fatalf("%v: %s", err, request)
		}
		if id := r.Header.Get("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"); len(id) != 36 || r.Host != "host:80" {
			t.Errorf("the session is %q, the host %q", id, r.Host)
		}
	}
}

func TestRunCounts(t *testing.T) {
	server := httptest.NewServer(plain.Handler("invoke"))
	defer server.Close()
	addr := server.Listener.Addr().String()
	for name, connect := range map[string]func() (load.Worker, error){
		"pings": func() (load.Worker, error) {
			return load.Dial(addr, load.Ping(addr), func([]byte) error { return nil })
		},
		"WebSockets": func() (load.Worker, error) { return load.DialEcho(addr, strings.Repeat("x", 200)) },
	} {
		result := load.Run(3, 10*time.Millisecond, connect)
		if result.Err != nil || result.Count == 0 || result.Rate <= 0 {
			t.Errorf("%s: %+v", name, result)
		}
	}
}

func TestNoWebSocket(t *testing.T) {
	addr := serve(t, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", false)
	if _, err := load.DialEcho(addr, "hi"); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("the error is %v", err)
	}
}

func TestArrivals(t *testing.T) {
	server := httptest.NewServer(plain.Handler("stream"))
	defer server.Close()
	addr := server.Listener.Addr().String()
	client, err := load.Dial(addr, load.Post(addr, "*/*", []byte(`{"events":3,"every_ms":1}`)), func([]byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	first, events, err := client.Arrivals()
	if err != nil || len(events) != 3 {
		t.Fatalf("the events came at %v: %v", events, err)
	}
	if first <= 0 || first > events[0] || events[0] > events[1] || events[1] > events[2] {
		t.Errorf("the first byte came at %v, the events at %v", first, events)
	}
}

func TestEvents(t *testing.T) {
	got := load.Events([]byte("data: a\n\n: a comment\n\nid: 1\ndata:b\n\ndata: not whole\n"))
	if s := fmt.Sprintf("%s", got); s != "[a b]" {
		t.Errorf("the events are %s", s)
	}
}
