package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/internal/shelltest"
)

// refusing serves one connection that breaks after a while, and refuses all
// others. It notes when they came.
func refusing(t *testing.T, refuse func(n int, c *shellPeer)) (http.Handler, *attempts) {
	a := new(attempts)
	return scripted(t, func(n int, c *shellPeer) {
		if n == 1 {
			c.confirm(false)
			time.Sleep(20 * time.Second)
			a.mu.Lock()
			a.broken = time.Now()
			a.mu.Unlock()
			return
		}
		a.mu.Lock()
		a.times = append(a.times, time.Since(a.broken))
		a.mu.Unlock()
		refuse(n, c)
	}), a
}

// attempts are when connections were made.
type attempts struct {
	mu     sync.Mutex
	broken time.Time
	times  []time.Duration
}

// all returns when there were attempts after the connection broke.
func (a *attempts) all() []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.times)
}

// since returns how long ago the connection broke.
func (a *attempts) since() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.broken)
}

func notReady(_ int, c *shellPeer) {
	shelltest.Refuse(c.w, http.StatusFailedDependency, "RuntimeClientError", "the VM is not ready")
}

func TestShellReconnectDelays(t *testing.T) {
	delays := []time.Duration{1, 2, 4, 8, 15}
	// check looks at the delays between attempts.
	check := func(t *testing.T, a *attempts) {
		t.Helper()
		times := a.all()
		if times[0] != 0 {
			t.Errorf("the first attempt is made after %v", times[0])
		}
		for i := range len(times) - 1 {
			base := delays[i%5] * time.Second
			least, most := base*3/4, min(base*5/4, 15*time.Second)
			if i%5 == 4 {
				least, most = least+30*time.Second, most+30*time.Second
			}
			if got := times[i+1] - times[i]; got < least || got > most {
				t.Errorf("attempt %d follows after %v, want %v to %v", i+2, got, least, most)
			}
		}
	}
	t.Run("refused", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			handler, a := refusing(t, notReady)
			shell := openShell(t, serveShells(t, handler), client.ShellOptions{})
			_, err := shell.Wait()
			if since := a.since(); since != 15*time.Minute {
				t.Errorf("it was given up after %v", since)
			}
			if refused, ok := errors.AsType[*client.Error](err); !errors.Is(err, client.ErrShellLost) || !ok || refused.StatusCode != http.StatusFailedDependency {
				t.Errorf("the error is %v", err)
			}
			if n := len(a.all()); n < 50 || n > 80 { // 5 in some 60 seconds
				t.Errorf("there were %d attempts", n)
			}
			check(t, a)
		})
	})
	t.Run("no network", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			handler, a := refusing(t, notReady)
			service := serveShells(t, handler)
			shell := openShell(t, service, client.ShellOptions{Reconnect: time.Minute})
			service.pipes.Close()
			_, err := shell.Wait()
			if since := a.since(); since != time.Minute || !errors.Is(err, client.ErrShellLost) {
				t.Errorf("it was given up after %v with %v", since, err)
			}
		})
	})
	t.Run("closed before the confirmation", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			handler, a := refusing(t, func(_ int, c *shellPeer) {
				c.accept()
				c.hangUp(1000)
			})
			shell := openShell(t, serveShells(t, handler), client.ShellOptions{Reconnect: 3 * time.Minute})
			_, err := shell.Wait()
			if closed, ok := errors.AsType[*client.CloseError](err); !errors.Is(err, client.ErrShellLost) || !ok || closed.Code != 1000 {
				t.Errorf("the error is %v", err)
			}
			check(t, a)
		})
	})
	t.Run("never", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			handler, a := refusing(t, notReady)
			shell := openShell(t, serveShells(t, handler), client.ShellOptions{Reconnect: client.NeverReconnect})
			_, err := shell.Wait()
			if !errors.Is(err, client.ErrShellLost) || len(a.all()) != 0 {
				t.Errorf("there were %d attempts, the error is %v", len(a.all()), err)
			}
		})
	})
	t.Run("for ever", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			handler, a := refusing(t, func(n int, c *shellPeer) {
				if n < 500 {
					notReady(n, c)
					return
				}
				c.confirm(false)
				c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
				_ = c.drain()
			})
			var again []bool
			shell := openShell(t, serveShells(t, handler), client.ShellOptions{
				Reconnect:   client.ReconnectForever,
				OnReconnect: func(_ *client.Shell, reconnected bool) { again = append(again, reconnected) },
			})
			wantEnd(t, shell, "", client.ExitStatus{}, nil)
			check(t, a)
			if !slices.Equal(again, []bool{false}) {
				t.Errorf("the callbacks have got %v", again)
			}
		})
	})
	t.Run("retry after", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			handler, a := refusing(t, func(n int, c *shellPeer) {
				c.w.Header().Set("Retry-After", "7")
				shelltest.Refuse(c.w, http.StatusTooManyRequests, "ThrottlingException", "ten shells")
			})
			shell := openShell(t, serveShells(t, handler), client.ShellOptions{Reconnect: 20 * time.Second})
			if _, err := shell.Wait(); !errors.Is(err, client.ErrShellLost) {
				t.Errorf("the error is %v", err)
			}
			if want := []time.Duration{0, 7 * time.Second, 14 * time.Second}; !slices.Equal(a.all(), want) {
				t.Errorf("there were attempts after %v, want %v", a.all(), want)
			}
		})
	})
	t.Run("connections that do not last", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			handler, a := refusing(t, func(_ int, c *shellPeer) { c.confirm(true) })
			shell := openShell(t, serveShells(t, handler), client.ShellOptions{})
			time.Sleep(20 * time.Minute)
			if n := len(a.all()); n < 70 || n > 110 {
				t.Errorf("there were %d attempts", n)
			}
			check(t, a)
			_ = shell.Close()
		})
	})
	t.Run("connections that last", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			handler, a := refusing(t, func(n int, c *shellPeer) {
				if n == 6 {
					c.confirm(true)
					c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
					_ = c.drain()
					return
				}
				c.confirm(true)
				time.Sleep(15 * time.Second)
			})
			shell := openShell(t, serveShells(t, handler), client.ShellOptions{})
			wantEnd(t, shell, "", client.ExitStatus{}, nil)
			if want := []time.Duration{0, 15 * time.Second, 30 * time.Second, 45 * time.Second, time.Minute}; !slices.Equal(a.all(), want) {
				t.Errorf("there were attempts after %v, want %v", a.all(), want)
			}
		})
	})
}

// TestShellRefused has what follows when a handshake is refused.
// The next handshake is for the same shell, whatever became of the first.
func TestShellOpensAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var ids [2]string
		shell := openShell(t, serveShells(t, scripted(t, func(n int, c *shellPeer) {
			ids[n-1] = c.r.URL.Query().Get("shellId")
			if n == 1 {
				panic(http.ErrAbortHandler)
			}
			c.confirm(false)
			_ = c.drain()
		})), client.ShellOptions{})
		if id := shell.ID(); ids != [2]string{id, id} {
			t.Errorf("connections were made to the shells %q, want %s twice", ids, id)
		}
	})
}

func TestShellRefused(t *testing.T) {
	for _, test := range []struct {
		status int
		code   string
		final  bool
	}{
		{400, "ValidationException", true},
		{401, "UnauthorizedException", true},
		{402, "ServiceQuotaExceededException", true},
		{403, "AccessDeniedException", true},
		{404, "ResourceNotFoundException", true},
		{409, "ConflictException", false},
		{424, "RuntimeClientError", false},
		{429, "ThrottlingException", false},
		{500, "InternalServerException", false},
		{503, "", false},
	} {
		refuse := func(_ int, c *shellPeer) { shelltest.Refuse(c.w, test.status, test.code, "no") }
		t.Run(fmt.Sprint("at first ", test.status), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				_, err := serveShells(t, scripted(t, refuse)).Shell(t.Context(), client.ShellOptions{})
				refused, ok := errors.AsType[*client.Error](err)
				if !ok || refused.StatusCode != test.status || refused.Code != test.code || refused.Message != "no" || refused.Operation != "shell" {
					t.Errorf("the error is %v", err)
				}
			})
		})
		t.Run(fmt.Sprint("later ", test.status), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				handler, a := refusing(t, func(n int, c *shellPeer) {
					if n < 4 {
						refuse(n, c)
						return
					}
					c.confirm(true)
					c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
					_ = c.drain()
				})
				_, err := openShell(t, serveShells(t, handler), client.ShellOptions{}).Wait()
				if !test.final {
					if err != nil || len(a.all()) != 3 {
						t.Errorf("there were %d attempts, the error is %v", len(a.all()), err)
					}
					return
				}
				refused, ok := errors.AsType[*client.Error](err)
				if !ok || refused.StatusCode != test.status || len(a.all()) != 1 {
					t.Errorf("there were %d attempts, the error is %v", len(a.all()), err)
				}
			})
		})
	}
	t.Run("taken later", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			handler, a := refusing(t, func(_ int, c *shellPeer) {
				c.accept()
				c.hangUp(shelltest.CloseTaken)
			})
			_, err := openShell(t, serveShells(t, handler), client.ShellOptions{}).Wait()
			if !errors.Is(err, client.ErrShellTaken) || len(a.all()) != 1 {
				t.Errorf("there were %d attempts, the error is %v", len(a.all()), err)
			}
		})
	})
	t.Run("exited meanwhile", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			handler, _ := refusing(t, func(_ int, c *shellPeer) {
				c.accept()
				c.send(shelltest.Stdout, "last")
				c.send(shelltest.Status, string(shelltest.Exit(4, 0)))
				_ = c.drain()
			})
			wantEnd(t, openShell(t, serveShells(t, handler), client.ShellOptions{}), "last", client.ExitStatus{Code: 4}, nil)
		})
	})
}

func TestShellWhileReconnecting(t *testing.T) {
	t.Run("what is typed waits", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			handler, _ := refusing(t, func(n int, c *shellPeer) {
				if n < 5 {
					notReady(n, c)
					return
				}
				c.confirm(true)
				c.expect(shelltest.Resize, `{"width":132,"height":50}`)
				c.expect(shelltest.Stdin, "while away")
				c.expect(shelltest.Stdin, "and after")
				c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
				_ = c.drain()
			})
			shell := openShell(t, serveShells(t, handler), client.ShellOptions{})
			time.Sleep(21 * time.Second)
			if err := shell.Resize(132, 50); err != nil { // at once
				t.Error(err)
			}
			for _, text := range []string{"while away", "and after"} {
				if n, err := io.WriteString(shell, text); n != len(text) || err != nil {
					t.Errorf("Write: %d, %v", n, err)
				}
			}
			wantEnd(t, shell, "", client.ExitStatus{}, nil)
		})
	})
	t.Run("a message that was cut off is sent again", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			first := strings.Repeat("a", shelltest.MaxFrame-1)
			second := strings.Repeat("b", shelltest.MaxFrame-1)
			shell := openShell(t, serveShells(t, scripted(t, func(n int, c *shellPeer) {
				c.confirm(n > 1)
				if n == 1 {
					c.expect(shelltest.Stdin, first)
					_, _ = io.CopyN(io.Discard, c.ws.NetConn(), 1000) // of the second one
					return
				}
				c.expect(shelltest.Stdin, second)
				c.expect(shelltest.Stdin, "c")
				c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
				_ = c.drain()
			})), client.ShellOptions{})
			text := first + second + "c"
			if n, err := io.WriteString(shell, text); n != len(text) || err != nil {
				t.Errorf("Write: %d, %v", n, err)
			}
			wantEnd(t, shell, "", client.ExitStatus{}, nil)
		})
	})
	t.Run("writes are not mixed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			const size = 3 * shelltest.MaxFrame
			var got strings.Builder
			shell := openShell(t, serveShells(t, scripted(t, func(n int, c *shellPeer) {
				c.confirm(n > 1)
				for got.Len() < 4*size {
					_, payload, err := c.next()
					if err != nil {
						t.Error(err)
						return
					}
					got.WriteString(payload)
					if n < 4 && got.Len() > n*size {
						return
					}
				}
				c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
				_ = c.drain()
			})), client.ShellOptions{})
			var writing sync.WaitGroup
			for _, letter := range "abcd" {
				writing.Go(func() {
					if _, err := io.WriteString(shell, strings.Repeat(string(letter), size)); err != nil {
						t.Error(err)
					}
				})
			}
			writing.Wait()
			wantEnd(t, shell, "", client.ExitStatus{}, nil)
			for i := range 4 {
				part := got.String()[i*size : (i+1)*size]
				if part != strings.Repeat(part[:1], size) {
					t.Errorf("the part %d is a mixture", i)
				}
			}
		})
	})
	t.Run("output comes in order, and none of an old connection", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			shell := openShell(t, serveShells(t, scripted(t, func(n int, c *shellPeer) {
				c.confirm(n > 1)
				for i := range 3 {
					c.send(shelltest.Stdout, fmt.Sprintf("%d.%d ", n, i))
				}
				if n < 3 {
					c.hangUp(websocket.CloseGoingAway)
					return
				}
				c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
				_ = c.drain()
			})), client.ShellOptions{})
			wantEnd(t, shell, "1.0 1.1 1.2 2.0 2.1 2.2 3.0 3.1 3.2 ", client.ExitStatus{}, nil)
		})
	})
	t.Run("the callback may use the shell", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			handler, _ := refusing(t, func(_ int, c *shellPeer) {
				c.confirm(false)
				c.expect(shelltest.Stdin, "cd /work\r")
				c.expect(shelltest.Close, "")
				c.hangUp(websocket.CloseNormalClosure)
			})
			shell := openShell(t, serveShells(t, handler), client.ShellOptions{OnReconnect: func(shell *client.Shell, reconnected bool) {
				if reconnected {
					t.Error("the shell is said to be the old one")
				}
				if _, err := io.WriteString(shell, "cd /work\r"); err != nil {
					t.Error(err)
				}
				if err := shell.Close(); err != nil {
					t.Error(err)
				}
			}})
			wantEnd(t, shell, "", noExit, client.ErrShellClosed)
		})
	})
	t.Run("the end of the context is not that of the shell", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			handler, _ := refusing(t, func(_ int, c *shellPeer) {
				c.confirm(true)
				c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
				_ = c.drain()
			})
			ctx, cancel := context.WithCancel(t.Context())
			shell, err := serveShells(t, handler).Shell(ctx, client.ShellOptions{})
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			wantEnd(t, shell, "", client.ExitStatus{}, nil)
		})
	})
}

func TestShellLiveness(t *testing.T) {
	t.Run("pings", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var pings []time.Duration
			service := serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.confirm(false)
				start := time.Now()
				pong := c.ws.PingHandler()
				c.ws.SetPingHandler(func(text string) error {
					pings = append(pings, time.Since(start))
					if len(pings) == 10 {
						go c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
					}
					return pong(text)
				})
				_ = c.drain()
			}))
			shell := openShell(t, service, client.ShellOptions{})
			wantEnd(t, shell, "", client.ExitStatus{}, nil)
			service.stop()
			for i, after := range pings {
				if want := time.Duration(i+1) * 30 * time.Second; after != want {
					t.Errorf("ping %d came after %v, want %v", i+1, after, want)
				}
			}
		})
	})
	t.Run("no sign of life", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			start := time.Now()
			shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.confirm(false)
				c.ws.SetPingHandler(func(string) error { return nil })
				_ = c.drain()
			})), client.ShellOptions{Reconnect: client.NeverReconnect})
			_, err := shell.Wait()
			closed, ok := errors.AsType[*client.CloseError](err)
			if !errors.Is(err, client.ErrShellLost) || !ok || !strings.Contains(closed.Reason, "sign of life") {
				t.Errorf("the error is %v", err)
			}
			if since := time.Since(start); since != time.Minute {
				t.Errorf("it was given up after %v", since)
			}
		})
	})
	t.Run("output is no pong", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			start := time.Now()
			shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.confirm(false)
				for range 100 {
					c.send(shelltest.Stdout, ".")
					time.Sleep(time.Second)
				}
			})), client.ShellOptions{Reconnect: client.NeverReconnect})
			if _, err := shell.Wait(); !errors.Is(err, client.ErrShellLost) {
				t.Errorf("the error is %v", err)
			}
			if since := time.Since(start); since != time.Minute {
				t.Errorf("it was given up after %v", since)
			}
		})
	})
	t.Run("a reader that rests", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			const size = 300 << 10
			shell := openShell(t, serveShells(t, scripted(t, func(_ int, c *shellPeer) {
				c.confirm(false)
				c.ws.SetPingHandler(func(string) error { return nil }) // it would wait for the client to read
				go func() { _ = c.drain() }()
				for range 10 {
					c.send(shelltest.Stdout, strings.Repeat("x", size/10))
				}
				c.send(shelltest.Status, string(shelltest.Exit(0, 0)))
				time.Sleep(time.Second)
			})), client.ShellOptions{Reconnect: client.NeverReconnect})
			time.Sleep(14 * time.Minute)
			synctest.Wait()
			wantEnd(t, shell, strings.Repeat("x", size), client.ExitStatus{}, nil)
		})
	})
}
