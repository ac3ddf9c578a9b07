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
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

func init() {
	const anyPort = "127.0.0.1:0"
	run := func(handlers runtime.Handlers, opts ...runtime.Option) func() error {
		return func() error { return runtime.NewServer(handlers, opts...).Run(context.Background()) }
	}
	children["defaults"] = run(runtime.Handlers{})
	children["address"] = run(runtime.Handlers{}, runtime.WithAddr(anyPort))
	children["stream"] = run(runtime.Handlers{
		Invoke: runtime.Stream("Stream", func(ctx context.Context, _ any) values[string] {
			return func(yield func(string, error) bool) {
				terminated := make(chan os.Signal, 1)
				signal.Notify(terminated, syscall.SIGTERM)
				if !yield("before", nil) {
					return
				}
				<-terminated
				if err := ctx.Err(); err != nil {
					yield("", err)
					return
				}
				yield("after", nil)
			}
		}),
	}, runtime.WithAddr(anyPort))
	children["handler logs"] = run(runtime.Handlers{
		Invoke: runtime.Unary("Log", func(ctx context.Context, _ any) (any, error) {
			slog.InfoContext(ctx, "from a handler", "time", "noon")
			return nil, nil
		}),
	}, runtime.WithAddr(anyPort))
	children["websocket"] = run(runtime.Handlers{WebSocket: talk(echoTexts)}, runtime.WithAddr(anyPort))
	children["task"] = run(runtime.Handlers{
		Invoke: runtime.Unary("Start", func(ctx context.Context, _ any) (any, error) {
			_, err := runtime.StartTask(ctx, "Work", 0, func(ctx context.Context, _ int) error {
				<-ctx.Done()
				fmt.Println("cleaned up after:", context.Cause(ctx))
				return nil
			})
			return nil, err
		}),
	}, runtime.WithAddr(anyPort))
	children["stubborn"] = run(runtime.Handlers{
		Invoke: stream(func(_ context.Context, yield func(int, error) bool) {
			yield(1, nil)
			select {}
		}),
	}, runtime.WithAddr(anyPort), runtime.WithGracePeriod(10*time.Millisecond))
	children["patient"] = run(runtime.Handlers{
		Invoke: stream(func(_ context.Context, yield func(int, error) bool) {
			yield(1, nil)
			select {}
		}),
	}, runtime.WithAddr(anyPort), runtime.WithGracePeriod(time.Hour))
}

func TestRunSIGTERM(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(fmt.Sprint(signal, " when idle"), func(t *testing.T) {
			t.Parallel()
			child := startChild(t, "address")
			child.listening(t)
			if got := child.pingStatus(t); got != runtime.Healthy {
				t.Errorf("the agent is %s", got)
			}
			child.signal(t, signal)
			child.wait(t, 0)
		})
	}
	t.Run("finishes a stream", func(t *testing.T) {
		t.Parallel()
		child := startChild(t, "stream")
		child.listening(t)
		response := child.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`))
		body := bufio.NewReader(response.Body)
		if line, err := body.ReadString('\n'); line != "data: \"before\"\n" {
			t.Errorf("read %q (%v)", line, err)
		}
		child.signal(t, syscall.SIGTERM)
		if rest, err := io.ReadAll(body); err != nil || string(rest) != "\ndata: \"after\"\n\n" {
			t.Errorf("the stream ends with %q (%v)", rest, err)
		}
		child.wait(t, 0)
	})
	t.Run("closes a WebSocket with 1001", func(t *testing.T) {
		t.Parallel()
		child := startChild(t, "websocket")
		child.listening(t)
		conn := child.connect(t)
		sendText(t, conn, "hello")
		if got := readText(t, conn); got != "hello" {
			t.Errorf("received %q", got)
		}
		child.signal(t, syscall.SIGTERM)
		if got := readClose(t, conn); got.Code != 1001 {
			t.Errorf("closed with %d, want 1001", got.Code)
		}
		child.wait(t, 0)
	})
	t.Run("cancels a task and waits for it", func(t *testing.T) {
		t.Parallel()
		child := startChild(t, "task")
		child.listening(t)
		child.invoke(t, `{}`)
		child.signal(t, syscall.SIGTERM)
		child.wait(t, 0)
		if got, want := child.stdout.String(), "cleaned up after: http: Server closed\n"; got != want {
			t.Errorf("the task printed %q, want %q", got, want)
		}
	})
	t.Run("does not wait for ever", func(t *testing.T) {
		t.Parallel()
		child := startChild(t, "stubborn")
		child.listening(t)
		response := child.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`))
		child.signal(t, syscall.SIGTERM)
		if _, err := io.ReadAll(response.Body); err == nil {
			t.Error("the stream ended as if it were complete")
		}
		child.wait(t, 1)
		if text := child.stderr.String(); !strings.Contains(text, "grace period of 10ms") {
			t.Errorf("the error does not speak of the grace period:\n%s", text)
		}
	})
	t.Run("twice ends the process", func(t *testing.T) {
		t.Parallel()
		child := startChild(t, "patient")
		child.listening(t)
		child.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`))
		child.signal(t, syscall.SIGTERM)
		child.until(t, "shutting down")
		// The first may not be forgotten yet, so the second is repeated.
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for repeat := time.NewTicker(10 * time.Millisecond); ; {
				select {
				case <-repeat.C:
					_ = child.cmd.Process.Signal(syscall.SIGTERM)
				case <-stop:
					repeat.Stop()
					return
				}
			}
		}()
		child.wait(t, -1)
		if !child.killedBy(syscall.SIGTERM) {
			t.Errorf("the process ended with %v", child.cmd.ProcessState)
		}
	})
}

// Where Run listens shows in its log, or in its error if another program is
// there already.
func TestRunAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())

	// The tests themselves may run in a container.
	_, err = os.Stat("/.dockerenv")
	const everywhere = "localhost:" // in what the server says of all interfaces
	elsewhere := "127.0.0.1:"
	if err == nil {
		elsewhere = everywhere
	}
	for _, test := range []struct {
		name  string
		child string
		env   []string
		want  string
	}{
		{"default", "defaults", nil, elsewhere + "8080"},
		{"in a container", "defaults", []string{"DOCKER_CONTAINER=1"}, everywhere + "8080"},
		{"in a container, by any text", "defaults", []string{"DOCKER_CONTAINER=no"}, everywhere + "8080"},
		{"PORT", "defaults", []string{"PORT=" + port}, elsewhere + port},
		{"PORT in a container", "defaults", []string{"PORT=" + port, "DOCKER_CONTAINER=1"}, everywhere + port},
		{"WithAddr", "address", []string{"PORT=" + port, "DOCKER_CONTAINER=1"}, "127.0.0.1:"},
	} {
		t.Run(test.name, func(t *testing.T) {
			child := startChild(t, test.child, test.env...)
			// "listen tcp :8080" is what an error says of all interfaces.
			failed := "listen tcp " + strings.TrimPrefix(test.want, "localhost") + ":"
			for line := range child.lines {
				if strings.Contains(line, "serving on http://"+test.want) &&
					strings.HasPrefix(test.want, everywhere) == strings.Contains(line, "(all interfaces)") {
					child.signal(t, syscall.SIGTERM)
					child.wait(t, 0)
					return
				}
				if strings.Contains(line, failed) {
					if !strings.Contains(line, "address already in use") || !strings.Contains(line, "PORT") {
						t.Errorf("the error is no help: %s", line)
					}
					child.wait(t, 1)
					return
				}
			}
			t.Errorf("it does not listen on %s:\n%s", test.want, &child.stderr)
		})
	}
}

func TestRunAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	err = newServer(runtime.Handlers{}, runtime.WithAddr(addr)).Run(t.Context())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "WithAddr") {
		t.Errorf("Run returned %v, want that %s is in use and what to do", err, addr)
	}
	if err := newServer(runtime.Handlers{}, runtime.WithAddr("nonsense")).Run(t.Context()); err == nil {
		t.Error("Run accepts an address that is none")
	}
}

func TestRunOnAPortThatIsNone(t *testing.T) {
	child := startChild(t, "defaults", "PORT=http-ish")
	child.wait(t, 1)
	if text := child.stderr.String(); !strings.Contains(text, `PORT is "http-ish"`) {
		t.Errorf("the error is no help: %s", text)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newServer(runtime.Handlers{}, runtime.WithAddr("127.0.0.1:0")).Run(ctx); err != nil {
		t.Errorf("Run returned %v", err)
	}
}

func TestServeListenerFails(t *testing.T) {
	listener := newMemoryListener()
	listener.Close()
	if err := newServer(runtime.Handlers{}).Serve(t.Context(), listener); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve returned %v, want the listener's error", err)
	}
}

// What is under way at the end is finished if it ends within the grace period.
func TestServeShutdownWaits(t *testing.T) {
	const grace = time.Minute
	synctest.Test(t, func(t *testing.T) {
		a := serveInMemory(t, runtime.Handlers{
			Invoke: stream(func(ctx context.Context, yield func(int, error) bool) {
				for i := range 5 {
					if !yield(i, nil) || ctx.Err() != nil {
						t.Errorf("the stream was stopped: %v", ctx.Err())
						return
					}
					time.Sleep(grace / 10)
				}
			}),
		}, runtime.WithGracePeriod(grace))
		response := a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`))
		stopped := make(chan error, 1)
		go func() { stopped <- a.stop() }()
		synctest.Wait()
		select {
		case err := <-stopped:
			t.Fatalf("Serve did not wait: %v", err)
		default:
		}
		if _, err := a.dial(t.Context(), "", ""); err == nil {
			t.Error("a new connection was accepted")
		}
		if events := parseEvents(t, response.Body); len(events) != 5 {
			t.Errorf("%d events arrived, want 5", len(events))
		}
		if err := <-stopped; err != nil {
			t.Errorf("Serve returned %v", err)
		}
	})
}

// Invocations that do not end leave tasks half of the grace period.
func TestServeShutdownTellsTasksInTime(t *testing.T) {
	const grace = time.Minute
	synctest.Test(t, func(t *testing.T) {
		a := serveInMemory(t, runtime.Handlers{
			Invoke: stream(func(ctx context.Context, yield func(int, error) bool) {
				yield(1, nil)
				<-ctx.Done()
			}),
		}, runtime.WithGracePeriod(grace))
		a.fails = true
		response := a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`))
		defer response.Body.Close()
		start := time.Now()
		var told time.Duration
		task, err := runtime.StartTask(a.server.Context(t.Context()), "Save", 0, func(ctx context.Context, _ int) error {
			<-ctx.Done()
			told = time.Since(start)
			time.Sleep(grace / 3)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.stop(); err == nil {
			t.Error("Serve returned no error, though it cut an invocation off")
		}
		if told != grace/2 || task.Err() != nil {
			t.Errorf("the task was told after %v and ended with %v", told, task.Err())
		}
		select {
		case <-task.Done():
		default:
			t.Error("the task has not ended")
		}
	})
}

// A handler under way at the end may be of any kind, and may end when it is
// told to or not at all.
func TestServeShutdownForces(t *testing.T) {
	const grace = time.Minute
	type handle func(ctx context.Context)
	kinds := map[string]func(handle) runtime.Handlers{
		"invocation": func(handle handle) runtime.Handlers {
			return runtime.Handlers{Invoke: runtime.Unary("Work", func(ctx context.Context, _ any) (any, error) {
				handle(ctx)
				return nil, nil
			})}
		},
		"stream": func(handle handle) runtime.Handlers {
			return runtime.Handlers{Invoke: stream(func(ctx context.Context, yield func(int, error) bool) {
				if yield(1, nil) {
					handle(ctx)
				}
			})}
		},
		"WebSocket": func(handle handle) runtime.Handlers {
			return runtime.Handlers{WebSocket: talk(func(ctx context.Context, conn *textConn) error {
				if err := conn.Accept(); err != nil {
					return err
				}
				handle(ctx)
				return nil
			})}
		},
		"task": func(handle handle) runtime.Handlers {
			return runtime.Handlers{Invoke: runtime.Unary("Start", func(ctx context.Context, _ any) (any, error) {
				_, err := runtime.StartTask(ctx, "Work", 0, func(ctx context.Context, _ int) error {
					handle(ctx)
					return nil
				})
				return nil, err
			})}
		},
	}
	for _, test := range []struct {
		kind     string
		stubborn bool
		fails    bool
		takes    time.Duration // at least
	}{
		{"invocation", false, true, grace}, // it was cut off
		{"stream", false, true, grace},
		{"WebSocket", false, false, 0},
		{"task", false, false, 0},
		{"invocation", true, true, grace},
		{"stream", true, true, grace},
		{"WebSocket", true, true, grace},
		{"task", true, true, grace},
	} {
		t.Run(fmt.Sprintf("%s, stubborn: %v", test.kind, test.stubborn), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var cause error
				release := make(chan struct{})
				handlers := kinds[test.kind](func(ctx context.Context) {
					if test.stubborn {
						<-release
						return
					}
					<-ctx.Done()
					cause = context.Cause(ctx)
				})
				a := serveInMemory(t, handlers, runtime.WithGracePeriod(grace))
				a.fails = test.fails
				switch test.kind {
				case "WebSocket":
					conn := a.connect(t)
					go func() { _, _, _ = conn.ReadMessage() }()
				case "task":
					a.invoke(t, `{}`)
				default:
					go func() {
						response, err := a.client.Post(a.url+"/invocations", "", strings.NewReader(`{}`))
						if err == nil {
							_, err = io.ReadAll(response.Body)
							response.Body.Close()
						}
						if err == nil && test.stubborn {
							t.Error("the invocation ended as if it were complete")
						}
					}()
				}
				synctest.Wait()
				start := time.Now()
				err := a.stop()
				took := time.Since(start)
				if (err != nil) != test.fails {
					t.Errorf("Serve returned %v, want an error: %v", err, test.fails)
				}
				if err != nil && !strings.Contains(err.Error(), "grace period of 1m0s") {
					t.Errorf("Serve returned %v, want that it speaks of the grace period", err)
				}
				if took < test.takes || took > test.takes+5*time.Second {
					t.Errorf("Serve took %v to end, want %v and a little", took, test.takes)
				}
				close(release)
				synctest.Wait()
				if !test.stubborn && !errors.Is(cause, http.ErrServerClosed) {
					t.Errorf("the context ended with %v, want http.ErrServerClosed", cause)
				}
			})
		})
	}
}

// An invocation that uses up the grace period does not cost WebSockets their
// close frame.
func TestServeShutdownForcesPolitely(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			a := serveInMemory(t, runtime.Handlers{
				WebSocket: talk(echoTexts),
				Invoke: runtime.Unary("Wait", func(ctx context.Context, _ any) (any, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}),
			})
			a.fails = true
			conn := a.connect(t)
			sendText(t, conn, "hello")
			readText(t, conn)
			go func() {
				if response, err := a.client.Post(a.url+"/invocations", "", strings.NewReader(`{}`)); err == nil {
					response.Body.Close()
				}
			}()
			synctest.Wait()
			stopped := make(chan error, 1)
			go func() { stopped <- a.stop() }()
			if got := readClose(t, conn); got.Code != 1001 {
				t.Errorf("closed with %d, want 1001", got.Code)
			}
			if err := <-stopped; err == nil {
				t.Error("Serve returned no error")
			}
		})
	}
}

func TestShutdownOfAMountedServer(t *testing.T) {
	server := newServer(runtime.Handlers{Invoke: echo, WebSocket: talk(echoTexts)})
	mounted := httptest.NewServer(server)
	defer mounted.Close()
	a := &agent{url: mounted.URL, client: mounted.Client(), dialer: wsDialer(new(net.Dialer).DialContext)}
	conn := a.connect(t)
	sendText(t, conn, "hello")
	readText(t, conn)

	ended := make(chan error, 1)
	go func() { ended <- server.Shutdown(t.Context()) }()
	if got := readClose(t, conn); got.Code != 1001 {
		t.Errorf("closed with %d, want 1001", got.Code)
	}
	if err := await(t, "the end of the shutdown", ended); err != nil {
		t.Error(err)
	}
	if got := a.upgrade(t, "/ws"); got.status != http.StatusServiceUnavailable {
		t.Errorf("a new WebSocket was answered with %d, want 503", got.status)
	}
	if got := a.invoke(t, `1`); got.status != 200 {
		t.Errorf("an invocation was answered with %d: they are not Shutdown's", got.status)
	}
}

func TestShutdownAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		a := serveInMemory(t, runtime.Handlers{WebSocket: talk(func(_ context.Context, conn *textConn) error {
			err := conn.Accept()
			<-release
			return err
		})})
		conn := a.connect(t)
		go func() { _, _, _ = conn.ReadMessage() }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := a.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 WebSocket") {
			t.Errorf("Shutdown returned %v, want that 1 WebSocket is left", err)
		}
		close(release)
		if err := a.server.Shutdown(t.Context()); err != nil {
			t.Errorf("a second Shutdown returned %v", err)
		}
	})
}

// Slow callers do not hold connections for ever.
func TestServeTimeouts(t *testing.T) {
	for name, request := range map[string]string{
		"no header":         "",
		"half a header":     "POST /invocations HTTP/1.1\r\nHost: ag",
		"no second request": "GET /ping HTTP/1.1\r\nHost: agent\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := serveInMemory(t, runtime.Handlers{})
				conn, err := a.dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := io.WriteString(conn, request); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				_, _ = io.ReadAll(conn) // until the server closes it
				if waited := time.Since(start); waited > 5*time.Minute {
					t.Errorf("the connection was held for %v", waited)
				}
			})
		})
	}
}

// Bodies and answers may take their time.
func TestServeSlowBodyAndAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := serveInMemory(t, runtime.Handlers{Invoke: runtime.Unary("Wait", func(_ context.Context, in any) (any, error) {
			time.Sleep(time.Hour)
			return in, nil
		})})
		body, upload := io.Pipe()
		go func() {
			for _, part := range []string{`"slow`, ` `, `body"`} {
				time.Sleep(time.Hour)
				_, _ = io.WriteString(upload, part)
			}
			upload.Close()
		}()
		response := a.open(t, t.Context(), "POST", "/invocations", body)
		if got, err := io.ReadAll(response.Body); err != nil || string(got) != `"slow body"` {
			t.Errorf("answered %q (%v)", got, err)
		}
	})
}
