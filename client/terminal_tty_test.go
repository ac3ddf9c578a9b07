//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package client_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/internal/shelltest"
)

// runShell opens a shell that runs a command on a terminal, over the network.
func runShell(t *testing.T, command ...string) *client.Shell {
	t.Helper()
	checkLeaks(t)
	server := &shelltest.Server{Start: shelltest.Run(command[0], command[1:]...)}
	listening := httptest.NewServer(server)
	t.Cleanup(listening.Close)
	t.Cleanup(server.Close)
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
	})
	transport, err := client.AgentCore(aws.Config{Credentials: credentials}, shellRuntime, client.WithEndpoint(listening.URL))
	if err != nil {
		t.Fatal(err)
	}
	shell, err := client.New(transport).Shell(t.Context(), client.ShellOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = shell.Close() })
	return shell
}

// screen is a terminal that a test sits at.
type screen struct {
	t        *testing.T
	keys     *os.File // where the test types and looks
	tty      *os.File // what a program has
	original unix.Termios
	lines    *bufio.Scanner
}

func newScreen(t *testing.T, width, height uint16) *screen {
	t.Helper()
	keys, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		keys.Close()
		tty.Close()
	})
	s := &screen{t: t, keys: keys, tty: tty, lines: bufio.NewScanner(keys)}
	s.resize(width, height)
	s.original = s.modes()
	return s
}

func (s *screen) modes() unix.Termios {
	s.t.Helper()
	modes, err := unix.IoctlGetTermios(int(s.tty.Fd()), termiosRequest)
	if err != nil {
		s.t.Fatal(err)
	}
	return *modes
}

func (s *screen) resize(width, height uint16) {
	s.t.Helper()
	if err := pty.Setsize(s.keys, &pty.Winsize{Cols: width, Rows: height}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *screen) types(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.keys, text); err != nil {
		s.t.Fatal(err)
	}
}

// shows reads lines until one has the text.
func (s *screen) shows(text ...string) string {
	s.t.Helper()
	for s.lines.Scan() {
		for _, text := range text {
			if strings.Contains(s.lines.Text(), text) {
				return text
			}
		}
	}
	s.t.Fatalf("the screen does not show %q: %v", text, s.lines.Err())
	return ""
}

// isRestored fails the test when the terminal is not as it was.
func (s *screen) isRestored() {
	s.t.Helper()
	if got := s.modes(); got != s.original {
		s.t.Errorf("the terminal is left as %+v, it was %+v", got, s.original)
	}
}

func TestAttachTerminal(t *testing.T) {
	type end struct {
		exit client.ExitStatus
		err  error
	}
	attach := func(shell *client.Shell, ctx context.Context, terminal client.Terminal) <-chan end {
		ended := make(chan end, 1)
		go func() {
			exit, err := shell.Attach(ctx, terminal)
			ended <- end{exit, err}
		}()
		return ended
	}

	t.Run("sh", func(t *testing.T) {
		shell := runShell(t, "sh")
		s := newScreen(t, 132, 43)
		ended := attach(shell, t.Context(), client.Terminal{Stdin: s.tty, Stdout: s.tty})
		for size := ""; size != "43 132"; { // until the size has got there
			s.types("echo size: $(stty size)\r")
			size = strings.TrimPrefix(s.shows("size: 43 132", "size: 0 0", "size: 24 80"), "size: ")
		}
		if modes := s.modes(); modes.Lflag&(unix.ECHO|unix.ICANON|unix.ISIG) != 0 {
			t.Errorf("the terminal is not raw: %+v", modes)
		}
		s.resize(100, 30)
		if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil { // which the system sends to those whose terminal it is
			t.Fatal(err)
		}
		for size := ""; size != "30 100"; {
			s.types("echo size: $(stty size)\r")
			size = strings.TrimPrefix(s.shows("size: 43 132", "size: 30 100"), "size: ")
		}
		s.types("trap 'echo got it' INT; echo set: $((1+1))\r")
		s.shows("set: 2")
		s.types("\x03\r")
		s.shows("got it")
		s.types("exit 3\r")
		if got := <-ended; got.exit != (client.ExitStatus{Code: 3}) || got.err != nil {
			t.Errorf("the shell has ended with %+v, %v", got.exit, got.err)
		}
		s.isRestored()
	})
	t.Run("killed", func(t *testing.T) {
		shell := runShell(t, "sh", "-c", "kill -KILL $$")
		s := newScreen(t, 80, 25)
		if got := <-attach(shell, t.Context(), client.Terminal{Stdin: s.tty, Stdout: s.tty}); got.exit != (client.ExitStatus{Code: 137, Signal: "9"}) || got.err != nil {
			t.Errorf("the shell has ended with %+v, %v", got.exit, got.err)
		}
		s.isRestored()
	})
	t.Run("what is typed afterwards is for the program", func(t *testing.T) {
		shell := runShell(t, "sh", "-c", "read line")
		s := newScreen(t, 80, 25)
		ended := attach(shell, t.Context(), client.Terminal{Stdin: s.tty, Stdout: s.tty})
		s.types("for the shell\r")
		if got := <-ended; got.exit != (client.ExitStatus{}) || got.err != nil {
			t.Errorf("the shell has ended with %+v, %v", got.exit, got.err)
		}
		s.types("for the program\n")
		line, err := bufio.NewReader(s.tty).ReadString('\n')
		if line != "for the program\n" {
			t.Errorf("the program reads %q, %v", line, err)
		}
	})
	t.Run("detach key", func(t *testing.T) {
		shell := runShell(t, "sh", "-c", "read line; exit 4")
		s := newScreen(t, 80, 25)
		terminal := client.Terminal{Stdin: s.tty, Stdout: s.tty, DetachKey: 0x1d}
		s.types("\x1d\n") // the line is for the mode before
		ctx, cancel := context.WithCancel(t.Context())
		ended := attach(shell, ctx, client.Terminal{Stdin: bytes.NewReader([]byte{0x1d}), Stdout: s.tty, DetachKey: 0x1d})
		if got := <-ended; got.err != client.ErrDetachKey {
			t.Errorf("Attach has ended with %v", got.err)
		}
		ended = attach(shell, ctx, terminal)
		if got := <-ended; got.err != nil || got.exit.Code != 4 {
			t.Errorf("the shell has ended with %+v, %v", got.exit, got.err)
		}
		cancel()
		s.isRestored()
	})
	t.Run("end of the context", func(t *testing.T) {
		shell := runShell(t, "cat")
		s := newScreen(t, 80, 25)
		ctx, cancel := context.WithCancel(t.Context())
		ended := attach(shell, ctx, client.Terminal{Stdin: s.tty, Stdout: s.tty})
		s.types("hello\r")
		s.shows("hello")
		cancel()
		if got := <-ended; got.exit != noExit || got.err != context.Canceled {
			t.Errorf("Attach has ended with %+v, %v", got.exit, got.err)
		}
		s.isRestored()
	})
	t.Run("panic of the output", func(t *testing.T) {
		shell := runShell(t, "sh", "-c", "echo hello; cat")
		s := newScreen(t, 80, 25)
		func() {
			defer func() {
				if value := recover(); value != "no ink" {
					t.Errorf("the panic is %v", value)
				}
			}()
			_, _ = shell.Attach(t.Context(), client.Terminal{Stdin: s.tty, Stdout: writerFunc(func([]byte) (int, error) { panic("no ink") })})
		}()
		s.isRestored()
	})
	t.Run("panic of the input", func(t *testing.T) {
		shell := runShell(t, "cat")
		defer func() {
			if value := recover(); value != "no keys" {
				t.Errorf("the panic is %v", value)
			}
		}()
		_, _ = shell.Attach(t.Context(), client.Terminal{Stdin: readerFunc(func([]byte) (int, error) { panic("no keys") }), Stdout: io.Discard})
	})
	t.Run("input from a pipe", func(t *testing.T) {
		shell := runShell(t, "cat")
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		_, _ = io.WriteString(w, "hello\n")
		_ = w.Close()
		var shown bytes.Buffer
		exit, err := shell.Attach(t.Context(), client.Terminal{Stdin: r, Stdout: &shown})
		if exit != (client.ExitStatus{}) || err != nil || !strings.Contains(shown.String(), "hello\r\nhello\r\n") {
			t.Errorf("the shell has ended with %+v, %v after %q", exit, err, &shown)
		}
	})
	t.Run("a terminal that is closed", func(t *testing.T) {
		shell := runShell(t, "cat")
		s := newScreen(t, 80, 25)
		_ = s.tty.Close()
		if _, err := shell.Attach(t.Context(), client.Terminal{Stdin: s.tty, Stdout: io.Discard}); err == nil {
			t.Error("reading a file that is closed does not fail")
		}
	})
}

// readerFunc is a function that reads.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
