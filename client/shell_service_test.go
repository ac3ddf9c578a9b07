package client_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/internal/shelltest"
)

// puppet is a program whose strings a test pulls.
type puppet struct {
	*io.PipeReader                // what it writes
	out            *io.PipeWriter // where it is written
	in             chan string
	sizes          chan [2]int
	code, signal   int
}

func newPuppet() *puppet {
	p := &puppet{in: make(chan string, 10), sizes: make(chan [2]int, 10)}
	p.PipeReader, p.out = io.Pipe()
	return p
}

func (p *puppet) Write(b []byte) (int, error) {
	p.in <- string(b)
	return len(b), nil
}

func (p *puppet) Resize(width, height int) error {
	p.sizes <- [2]int{width, height}
	return nil
}

func (p *puppet) Wait() (code, signal int) { return p.code, p.signal }

func (p *puppet) Kill() {
	p.code, p.signal = 137, 9
	_ = p.out.Close()
}

// says makes the program write, and waits until the service has got it.
func (p *puppet) says(text string) {
	_, _ = io.WriteString(p.out, text)
	synctest.Wait()
}

// exits makes the program exit.
func (p *puppet) exits(code int) {
	p.code = code
	_ = p.out.Close()
}

// servePuppets serves shells, each of which runs a puppet.
func servePuppets(t *testing.T) (*shellService, *shelltest.Server, <-chan *puppet) {
	puppets := make(chan *puppet, shelltest.MaxShells)
	server := &shelltest.Server{Start: func() (shelltest.Program, error) {
		p := newPuppet()
		puppets <- p
		return p, nil
	}}
	service := serveShells(t, server)
	t.Cleanup(server.Close)
	return service, server, puppets
}

// reads fails the test when the shell's next output is another one.
func reads(t *testing.T, shell *client.Shell, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(shell, got)
	if string(got[:n]) != want {
		t.Errorf("the output is %.60q and %v, want %.60q", got[:n], err, want)
	}
}

func TestShellService(t *testing.T) {
	t.Run("from the beginning to the end", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service, server, puppets := servePuppets(t)
			shell := openShell(t, service, client.ShellOptions{Width: 80, Height: 25})
			p := <-puppets
			if got := <-p.sizes; got != [2]int{80, 25} {
				t.Errorf("the size is %v", got)
			}
			p.says("$ ")
			reads(t, shell, "$ ")
			if _, err := io.WriteString(shell, "ls\r"); err != nil {
				t.Error(err)
			}
			if got := <-p.in; got != "ls\r" {
				t.Errorf("the program reads %q", got)
			}
			p.says("bin\r\n")
			p.exits(5)
			wantEnd(t, shell, "bin\r\n", client.ExitStatus{Code: 5}, nil)
			if n := server.Shells(); n != 0 {
				t.Errorf("there are %d shells", n)
			}
		})
	})
	t.Run("close kills", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service, server, puppets := servePuppets(t)
			shell := openShell(t, service, client.ShellOptions{})
			<-puppets
			if err := shell.Close(); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if n := server.Shells(); n != 0 {
				t.Errorf("there are %d shells", n)
			}
		})
	})
	t.Run("detach and come back", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service, _, puppets := servePuppets(t)
			shell := openShell(t, service, client.ShellOptions{ID: "mine"})
			p := <-puppets
			p.says("one ")
			reads(t, shell, "one ")
			if err := shell.Detach(); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			p.says("two ")
			shell = openShell(t, service, client.ShellOptions{ID: shell.ID()})
			p.says("three")
			p.exits(0)
			wantEnd(t, shell, "two three", client.ExitStatus{}, nil)
		})
	})
	t.Run("take over", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service, _, puppets := servePuppets(t)
			first := openShell(t, service, client.ShellOptions{ID: "mine"})
			p := <-puppets
			second := openShell(t, service, client.ShellOptions{ID: "mine"})
			wantEnd(t, first, "", noExit, client.ErrShellTaken)
			if err := first.Close(); err != nil {
				t.Error(err)
			}
			p.says("on")
			reads(t, second, "on")
			p.exits(1)
			wantEnd(t, second, "", client.ExitStatus{Code: 1}, nil)
		})
	})
	t.Run("ten shells", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service, _, _ := servePuppets(t)
			for range shelltest.MaxShells {
				defer openShell(t, service, client.ShellOptions{}).Detach()
			}
			_, err := service.Shell(t.Context(), client.ShellOptions{})
			if refused, ok := errors.AsType[*client.Error](err); !ok || refused.StatusCode != 429 || refused.Code != "ThrottlingException" {
				t.Errorf("the error is %v", err)
			}
		})
	})
	t.Run("lost and found", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service, server, puppets := servePuppets(t)
			found := make(chan bool, 1)
			shell := openShell(t, service, client.ShellOptions{ID: "mine", Width: 80, Height: 25,
				OnReconnect: func(_ *client.Shell, reconnected bool) { found <- reconnected }})
			p := <-puppets
			p.says("one ")
			for range 3 {
				time.Sleep(time.Minute)
				server.Drop("mine")
				p.says("two ")
				if !<-found {
					t.Error("the shell is a new one")
				}
				p.says("three ")
				server.HangUp("mine", 1001)
				p.says("four ")
				<-found
			}
			p.exits(0)
			wantEnd(t, shell, "one "+strings.Repeat("two three four ", 3), client.ExitStatus{}, nil)
			if n := shell.BytesDropped(); n != 0 {
				t.Errorf("%d bytes are lost", n)
			}
			for range 7 {
				if got := <-p.sizes; got != [2]int{80, 25} {
					t.Errorf("the size is %v", got)
				}
			}
		})
	})
	t.Run("output that is lost", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service, _, puppets := servePuppets(t)
			shell := openShell(t, service, client.ShellOptions{ID: "mine"})
			p := <-puppets
			_ = shell.Detach()
			synctest.Wait()
			p.says("lost")
			p.says(strings.Repeat("x", shelltest.MaxReplay))
			shell = openShell(t, service, client.ShellOptions{ID: "mine"})
			p.says("live")
			p.exits(0)
			wantEnd(t, shell, strings.Repeat("x", shelltest.MaxReplay)+"live", client.ExitStatus{}, nil)
			if n := shell.BytesDropped(); n != 4 {
				t.Errorf("%d bytes are lost", n)
			}
		})
	})
	t.Run("does not start", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service := serveShells(t, &shelltest.Server{Start: func() (shelltest.Program, error) {
				return nil, errors.New("no VM")
			}})
			_, err := service.Shell(t.Context(), client.ShellOptions{})
			if refused, ok := errors.AsType[*client.Error](err); !ok || refused.StatusCode != 424 || refused.Message != "no VM" {
				t.Errorf("the error is %v", err)
			}
		})
	})
}
