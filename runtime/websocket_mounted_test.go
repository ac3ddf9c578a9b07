package runtime_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
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

// A server that serves by itself and has no middleware leaves net/http as soon
// as a WebSocket is accepted. Nobody must be able to tell.

type serveFunc func(t *testing.T, handlers runtime.Handlers, opts ...runtime.Option) *agent

// wherever runs a test for each way in which an agent may be served.
func wherever(t *testing.T, test func(t *testing.T, serve serveFunc)) {
	t.Helper()
	t.Run("served", func(t *testing.T) { test(t, serve) })
	t.Run("served with middleware", func(t *testing.T) { test(t, behindMiddleware(serve)) })
	t.Run("mounted", func(t *testing.T) { test(t, mount) })
}

// whereverInMemory is wherever in the bubbles of testing/synctest.
func whereverInMemory(t *testing.T, test func(t *testing.T, serve serveFunc)) {
	t.Helper()
	for name, serve := range map[string]serveFunc{
		"served":                 serveInMemory,
		"served with middleware": behindMiddleware(serveInMemory),
		"mounted":                mountInMemory,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, serve) })
		})
	}
}

// behindMiddleware serves with middleware that does nothing.
func behindMiddleware(serve serveFunc) serveFunc {
	return func(t *testing.T, handlers runtime.Handlers, opts ...runtime.Option) *agent {
		t.Helper()
		handlers.Middleware = append(handlers.Middleware, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r) })
		})
		return serve(t, handlers, opts...)
	}
}

// mount serves an agent as a part of another program's server.
func mount(t *testing.T, handlers runtime.Handlers, opts ...runtime.Option) *agent {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return mountOn(t, listener, new(net.Dialer).DialContext, handlers, opts...)
}

func mountInMemory(t *testing.T, handlers runtime.Handlers, opts ...runtime.Option) *agent {
	t.Helper()
	listener := newMemoryListener()
	return mountOn(t, listener, listener.dial, handlers, opts...)
}

const mountGrace = time.Minute

func mountOn(t *testing.T, listener net.Listener, dial dialFunc, handlers runtime.Handlers, opts ...runtime.Option) *agent {
	t.Helper()
	const prefix = "/agents/one"
	a := &agent{
		logs:   new(logs),
		url:    "http://" + listener.Addr().String() + prefix,
		client: &http.Client{Transport: &http.Transport{DialContext: dial}},
		dialer: wsDialer(dial),
		dial:   dial,
	}
	a.server = runtime.NewServer(handlers, append([]runtime.Option{runtime.WithLogger(a.logs.logger())}, opts...)...)
	routes := http.NewServeMux()
	routes.Handle(prefix+"/", http.StripPrefix(prefix, a.server))
	program := &http.Server{Handler: routes, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	served := make(chan error, 1)
	go func() { served <- program.Serve(listener) }()
	a.stop = sync.OnceValue(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), mountGrace)
		defer cancel()
		err := a.server.Shutdown(ctx)
		_ = program.Shutdown(ctx) // which waits for invocations
		_ = program.Close()
		<-served
		return err
	})
	t.Cleanup(func() {
		a.client.CloseIdleConnections()
		if err := a.stop(); err != nil && !a.fails {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return a
}

func TestWebSocketServedAnyhow(t *testing.T) {
	wherever(t, func(t *testing.T, serve serveFunc) {
		t.Run("echo", func(t *testing.T) {
			a := serve(t, runtime.Handlers{WebSocket: talk(echoTexts)})
			conn := a.connect(t)
			for _, text := range []string{"one", strings.Repeat("ż", 1<<18), ""} {
				sendText(t, conn, text)
				if got := readText(t, conn); got != text {
					t.Errorf("%.20q came back as %.20q", text, got)
				}
			}
			if err := closeWith(1000, "bye")(conn); err != nil {
				t.Fatal(err)
			}
			if got := readClose(t, conn); got.Code != 1000 {
				t.Errorf("closed with %d, want 1000", got.Code)
			}
			if err := a.stop(); err != nil {
				t.Error(err)
			}
			if record := a.logs.only(t); record["level"] != "INFO" || record["handler"] != "Talk" {
				t.Errorf("logged %v, want INFO of Talk", record)
			}
		})

		t.Run("refusal", func(t *testing.T) {
			a := serve(t, runtime.Handlers{Invoke: echo, WebSocket: talk(func(ctx context.Context, _ *textConn) error {
				return runtime.Errorf(http.StatusPaymentRequired, "pay first, %s", runtime.SessionID(ctx))
			})})
			got := a.upgrade(t, "/ws", sessionHeader, "s-1")
			if got.status != 402 || got.body != `{"error":"pay first, s-1"}` {
				t.Errorf("answered %d %s, want 402", got.status, got.body)
			}
			if session := got.header.Get(sessionHeader); session != "s-1" {
				t.Errorf("the session id is %q", session)
			}
			if got := a.invoke(t, `1`); got.body != `1` {
				t.Errorf("an invocation was answered with %d %s", got.status, got.body)
			}
			if err := a.stop(); err != nil {
				t.Error(err)
			}
		})

		t.Run("panic", func(t *testing.T) {
			a := serve(t, runtime.Handlers{WebSocket: talk(func(_ context.Context, conn *textConn) error {
				if err := conn.Accept(); err != nil {
					return err
				}
				panic("secret")
			})})
			for range 2 {
				if got := readClose(t, a.connect(t)); got.Code != 1011 || got.Text != "" {
					t.Errorf("closed with %d %q, want 1011 alone", got.Code, got.Text)
				}
			}
		})

		t.Run("aborting panic before it accepts", func(t *testing.T) {
			a := serve(t, runtime.Handlers{WebSocket: talk(func(context.Context, *textConn) error { panic(http.ErrAbortHandler) })})
			if got := a.upgrade(t, "/ws"); got.status != 403 {
				t.Errorf("answered %d, want 403", got.status)
			}
		})

		t.Run("goroutine ended before it accepts", func(t *testing.T) {
			a := serve(t, runtime.Handlers{WebSocket: talk(func(context.Context, *textConn) error {
				goruntime.Goexit()
				return nil
			})})
			conn, response, err := a.dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(a.url, "http")+"/ws", nil)
			if err == nil {
				conn.Close()
				t.Fatal("the handshake was accepted")
			}
			if response != nil && response.StatusCode != 403 {
				t.Errorf("answered %d, want 403 or nothing", response.StatusCode)
			}
			if err := a.stop(); err != nil {
				t.Error(err)
			}
		})

		t.Run("client leaves before it is accepted", func(t *testing.T) {
			begun, ended := make(chan struct{}), make(chan error, 1)
			a := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, _ *textConn) error {
				close(begun)
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return ctx.Err()
			})})
			conn := a.knock(t)
			await(t, "the handler", begun)
			conn.Close()
			if cause := await(t, "the end of the context", ended); !errors.Is(cause, context.Canceled) {
				t.Errorf("the context ended with %v", cause)
			}
			if err := a.stop(); err != nil {
				t.Error(err)
			}
			if record := a.logs.only(t); record["level"] != "INFO" {
				t.Errorf("logged %v, want no more than INFO: it is nobody's fault", record)
			}
		})

		t.Run("client leaves before it is accepted, and the handler does not care", func(t *testing.T) {
			begun, proceed, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			a := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
				close(begun)
				<-proceed
				err := conn.Accept()
				if err == nil {
					_, err = conn.Receive(ctx)
				}
				ended <- err
				return err
			})})
			conn := a.knock(t)
			await(t, "the handler", begun)
			conn.Close()
			close(proceed)
			if err := await(t, "the end of Receive", ended); err == nil {
				t.Error("something was received from a client that is gone")
			}
			if err := a.stop(); err != nil {
				t.Error(err)
			}
			if text := a.logs.String(); strings.Contains(text, `"ERROR"`) {
				t.Errorf("an error was logged:\n%s", text)
			}
		})

		t.Run("shutdown", func(t *testing.T) {
			for range 10 {
				ended := make(chan error, 1)
				a := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
					if err := conn.Accept(); err != nil {
						return err
					}
					_, err := conn.Receive(ctx)
					ended <- context.Cause(ctx)
					return err
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
				if cause := await(t, "the end of the context", ended); !errors.Is(cause, http.ErrServerClosed) {
					t.Errorf("the context ended with %v, want http.ErrServerClosed", cause)
				}
			}
		})

		t.Run("context", func(t *testing.T) {
			type sight struct{ session, request, secret, query, header, addr string }
			look := func(ctx context.Context) sight {
				r := runtime.HTTPRequest(ctx)
				if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); !ok || server.Handler == nil {
					t.Error("the context does not know the http.Server")
				}
				if runtime.ServerFrom(r.Context()) == nil || runtime.ServerFrom(ctx) != runtime.ServerFrom(r.Context()) {
					t.Error("the context does not know the agent's server")
				}
				return sight{
					runtime.SessionID(ctx), runtime.RequestID(ctx), runtime.RequestHeaders(ctx).Get("Authorization"),
					r.URL.RawQuery, runtime.RequestHeaders(r.Context()).Get("X-Custom"), fmt.Sprint(ctx.Value(http.LocalAddrContextKey)),
				}
			}
			proceed, seen := make(chan struct{}), make(chan sight, 20)
			a := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
				seen <- look(ctx)
				for i := range 3 { // some while the connection lives, some later
					go func() {
						if i > 0 {
							<-proceed
						}
						seen <- look(ctx)
						if i > 0 && ctx.Err() == nil {
							t.Error("the context has not ended with the handler")
						}
					}()
				}
				if err := conn.Send(ctx, "accepted"); err != nil {
					return err
				}
				seen <- look(ctx)
				_, err := conn.Receive(ctx)
				seen <- look(ctx)
				return err
			})})
			conn, _, err := a.dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(a.url, "http")+"/ws?q=1",
				header(sessionHeader, "s-1", requestHeader, "r-1", "Authorization", "Bearer x", "X-Custom", "c"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			readText(t, conn)
			// Another request, of which the first one must see nothing.
			a.upgrade(t, "/nowhere", sessionHeader, "s-2", requestHeader, "r-2", "Authorization", "Bearer y", "X-Custom", "d")
			sendText(t, conn, "go on")
			readClose(t, conn)
			if err := a.stop(); err != nil { // so the handler has returned
				t.Error(err)
			}
			close(proceed)
			want := sight{"s-1", "r-1", "Bearer x", "q=1", "c", conn.RemoteAddr().String()}
			for range 6 {
				if got := await(t, "a look at the context", seen); got != want {
					t.Errorf("the handler sees %+v, want %+v", got, want)
				}
			}
		})

		// Goroutines of net/http outlive a panic, and so must ours.
		t.Run("logger that panics", func(t *testing.T) {
			ended := make(chan struct{}, 2)
			a := serve(t, runtime.Handlers{Invoke: echo, WebSocket: talk(func(ctx context.Context, conn *textConn) error {
				defer func() { ended <- struct{}{} }()
				if runtime.RequestHeaders(ctx).Get("X-Refuse") != "" {
					return errors.New("as you wish")
				}
				return conn.Send(ctx, "hello")
			})}, runtime.WithLogger(slog.New(runtime.LogHandler(panickingLog{slog.DiscardHandler}))))
			if got := readText(t, a.connect(t)); got != "hello" {
				t.Errorf("received %q", got)
			}
			conn, _, err := a.dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(a.url, "http")+"/ws", header("X-Refuse", "1"))
			if err == nil {
				conn.Close()
				t.Error("the handshake was accepted")
			}
			for range 2 {
				await(t, "the end of a handler", ended)
			}
			if got := a.do(t, "GET", "/ping", ""); got.status != 200 {
				t.Errorf("a ping was answered with %d", got.status)
			}
			if err := a.stop(); err != nil {
				t.Error(err)
			}
		})

		t.Run("many at once", func(t *testing.T) {
			const n = 50
			a := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
				if runtime.RequestHeaders(ctx).Get("X-Refuse") != "" {
					return errors.New("as you wish")
				}
				return conn.Send(ctx, runtime.SessionID(ctx))
			})})
			var clients sync.WaitGroup
			for i := range n {
				clients.Go(func() {
					session := fmt.Sprint("s-", i)
					if i%3 == 0 {
						if got := a.upgrade(t, "/ws", sessionHeader, session, "X-Refuse", "1"); got.status != 403 || got.header.Get(sessionHeader) != session {
							t.Errorf("answered %d in the session %q, want 403 in %q", got.status, got.header.Get(sessionHeader), session)
						}
						return
					}
					conn := a.connect(t, sessionHeader, session)
					if got := readText(t, conn); got != session {
						t.Errorf("the handler of %s sees %s", session, got)
					}
					if got := readClose(t, conn); got.Code != 1000 {
						t.Errorf("closed with %d", got.Code)
					}
				})
			}
			clients.Wait()
		})
	})
}

// panickingLog panics at records of WebSockets.
type panickingLog struct{ slog.Handler }

func (panickingLog) Enabled(context.Context, slog.Level) bool { return true }

func (panickingLog) Handle(_ context.Context, record slog.Record) error {
	if strings.Contains(record.Message, "WebSocket") {
		panic("no more paper")
	}
	return nil
}

func (l panickingLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// knock sends a handshake and does not wait for the answer.
func (a *agent) knock(t *testing.T) net.Conn {
	t.Helper()
	host, prefix, _ := strings.Cut(strings.TrimPrefix(a.url, "http://"), "/")
	if prefix != "" {
		prefix = "/" + prefix
	}
	conn, err := a.dial(t.Context(), "tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_, err = fmt.Fprintf(conn, "GET %s/ws HTTP/1.1\r\nHost: agent\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", prefix)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// A client may send its first message with the handshake, before it knows that it
// is accepted. What matters is that this is not taken for a departure.
func TestWebSocketClientDoesNotWaitForTheAnswer(t *testing.T) {
	wherever(t, func(t *testing.T, serve serveFunc) {
		ended := make(chan error, 1)
		a := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
			err := conn.Accept()
			if err == nil {
				_, err = conn.Receive(ctx)
			}
			ended <- err
			return err
		})})
		conn := a.knock(t)
		// An empty text message, which the upgrader may refuse to take so early.
		if _, err := conn.Write([]byte{0x81, 0x80, 0, 0, 0, 0}); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.Copy(io.Discard, bufio.NewReader(conn)) }()
		await(t, "the end of the handler", ended)
		conn.Close()
		if err := a.stop(); err != nil {
			t.Error(err)
		}
		if text := a.logs.String(); strings.Contains(text, `"ERROR"`) {
			t.Errorf("an error was logged:\n%s", text)
		}
	})
}

// The request's own context is that of the connection, which lasts.
func TestWebSocketOutlivesItsRequest(t *testing.T) {
	whereverInMemory(t, func(t *testing.T, serve serveFunc) {
		contexts := make(chan context.Context, 2)
		a := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
			contexts <- ctx
			contexts <- runtime.HTTPRequest(ctx).Context()
			return echoTexts(ctx, conn)
		})})
		conn := a.connect(t)
		synctest.Wait() // what ends with the handshake has ended
		time.Sleep(time.Second)
		handlers, requests := <-contexts, <-contexts
		if handlers.Err() != nil || requests.Err() != nil {
			t.Errorf("the handler's context: %v, the request's: %v", context.Cause(handlers), context.Cause(requests))
		}
		sendText(t, conn, "hello")
		if got := readText(t, conn); got != "hello" {
			t.Errorf("received %q", got)
		}
		go func() { _, _, _ = conn.ReadMessage() }()
		if err := a.stop(); err != nil {
			t.Error(err)
		}
		if cause := context.Cause(handlers); !errors.Is(cause, http.ErrServerClosed) {
			t.Errorf("the handler's context ended with %v", cause)
		}
	})
}

// That is what it is for: an idle connection costs no more than it must.
func TestWebSocketLeavesNetHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := serveInMemory(t, runtime.Handlers{WebSocket: talk(echoTexts)})
		conn := a.connect(t)
		synctest.Wait()
		stacks := make([]byte, 1<<20)
		stacks = stacks[:goruntime.Stack(stacks, true)]
		for stack := range strings.SplitSeq(string(stacks), "\n\n") {
			if strings.Contains(stack, "synctest bubble") && strings.Contains(stack, "net/http.(*conn).serve") {
				t.Errorf("net/http still serves the connection:\n%s", stack)
			}
		}
		sendText(t, conn, "hello")
		readText(t, conn)
		conn.Close()
	})
}

// A handler that does not end in time is left behind.
func TestWebSocketThatDoesNotEnd(t *testing.T) {
	for _, accepts := range []bool{true, false} {
		t.Run(fmt.Sprint("accepted: ", accepts), func(t *testing.T) {
			whereverInMemory(t, func(t *testing.T, serve serveFunc) {
				release, ended := make(chan struct{}), make(chan error, 1)
				a := serve(t, runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
					if accepts {
						if err := conn.Accept(); err != nil {
							return err
						}
					}
					<-release
					ended <- context.Cause(ctx)
					return nil
				})}, runtime.WithGracePeriod(mountGrace))
				a.fails = true
				conn := a.knock(t)
				go func() { _, _ = io.Copy(io.Discard, conn) }()
				synctest.Wait()
				start := time.Now()
				err := a.stop()
				if err == nil {
					t.Error("the shutdown returned no error, though a handler is left")
				}
				if took := time.Since(start); took < mountGrace || took > mountGrace+5*time.Second {
					t.Errorf("the shutdown took %v, want %v and a little", took, mountGrace)
				}
				close(release)
				if cause := <-ended; !errors.Is(cause, http.ErrServerClosed) {
					t.Errorf("the context ended with %v, want http.ErrServerClosed", cause)
				}
			})
		})
	}
}

// A server behind another one's middleware is not the one that serves.
func TestWebSocketMountedBehindAnAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inner *runtime.Server
		returned := false
		outer := serveInMemory(t, runtime.Handlers{
			Middleware: []func(http.Handler) http.Handler{func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					ctx, cancel := context.WithTimeout(r.Context(), 50*time.Second) // and not when a ping is due
					defer cancel()
					inner.ServeHTTP(w, r.WithContext(ctx))
					returned = true
				})
			}},
		})
		inner = newServer(runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
			if err := conn.Accept(); err != nil {
				return err
			}
			_, err := conn.Receive(ctx)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Receive returned %v, want that the middleware's time is over", err)
			}
			return nil
		})})
		conn := outer.connect(t)
		synctest.Wait()
		if returned {
			t.Error("the middleware believes that the connection has ended")
		}
		if got := readClose(t, conn); got.Code != websocket.CloseNormalClosure {
			t.Errorf("closed with %d", got.Code)
		}
	})
}
