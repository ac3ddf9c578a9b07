package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/agentcore-go/agentcore/client"
)

func TestAttach(t *testing.T) {
	t.Run("streams", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service, _, puppets := servePuppets(t)
			shell := openShell(t, service, client.ShellOptions{})
			p := <-puppets
			go func() {
				for _, want := range []string{"ls\n", "\x04"} {
					if got := <-p.in; got != want {
						t.Errorf("the program reads %q, want %q", got, want)
					}
				}
				p.says("bin\r\n")
				p.exits(2)
			}()
			var shown bytes.Buffer
			exit, err := shell.Attach(t.Context(), client.Terminal{Stdin: strings.NewReader("ls\n"), Stdout: &shown})
			if exit != (client.ExitStatus{Code: 2}) || err != nil || shown.String() != "bin\r\n" {
				t.Errorf("the shell has ended with %v, %v after %q", exit, err, &shown)
			}
		})
	})
	t.Run("input that never comes", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service, _, puppets := servePuppets(t)
			shell := openShell(t, service, client.ShellOptions{})
			input, typing := io.Pipe()
			defer typing.Close()
			(<-puppets).exits(0)
			exit, err := shell.Attach(t.Context(), client.Terminal{Stdin: input, Stdout: io.Discard})
			if exit != (client.ExitStatus{}) || err != nil {
				t.Errorf("the shell has ended with %v, %v", exit, err)
			}
		})
	})
	t.Run("nothing", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service, _, puppets := servePuppets(t)
			shell := openShell(t, service, client.ShellOptions{})
			p := <-puppets
			p.says("hello")
			p.exits(1)
			if exit, err := shell.Attach(t.Context(), client.Terminal{}); exit != (client.ExitStatus{Code: 1}) || err != nil {
				t.Errorf("the shell has ended with %v, %v", exit, err)
			}
		})
	})
	t.Run("detach key", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service, _, puppets := servePuppets(t)
			shell := openShell(t, service, client.ShellOptions{})
			p := <-puppets
			input, typing := io.Pipe()
			defer typing.Close()
			go func() {
				_, _ = io.WriteString(typing, "a\x1db") // pasted
				_, _ = io.WriteString(typing, "\x1d")
			}()
			exit, err := shell.Attach(t.Context(), client.Terminal{Stdin: input, Stdout: io.Discard, DetachKey: 0x1d})
			if exit != noExit || err != client.ErrDetachKey {
				t.Errorf("Attach has ended with %v, %v", exit, err)
			}
			if got := <-p.in; got != "a\x1db" {
				t.Errorf("the program reads %q", got)
			}
			p.says("still there")
			reads(t, shell, "still there")
		})
	})
	t.Run("end of the context", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service, _, puppets := servePuppets(t)
			shell := openShell(t, service, client.ShellOptions{})
			p := <-puppets
			ctx, cancel := context.WithCancelCause(t.Context())
			why := errors.New("tea time")
			go func() {
				synctest.Wait()
				cancel(why)
			}()
			input, typing := io.Pipe()
			defer typing.Close()
			if _, err := shell.Attach(ctx, client.Terminal{Stdin: input, Stdout: io.Discard}); err != why {
				t.Errorf("the error is %v", err)
			}
			p.says("still there")
			reads(t, shell, "still there")
			if _, err := io.WriteString(typing, "for somebody else"); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			select {
			case got := <-p.in:
				t.Errorf("the program reads %q, which was typed later", got)
			default:
			}
		})
	})
	t.Run("end of the context amid output", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service, _, puppets := servePuppets(t)
			shell := openShell(t, service, client.ShellOptions{})
			p := <-puppets
			p.says(strings.Repeat("x", 200<<10))
			ctx, cancel := context.WithCancel(t.Context())
			shown := 0
			input, typing := io.Pipe()
			defer typing.Close()
			_, err := shell.Attach(ctx, client.Terminal{Stdin: input, Stdout: writerFunc(func(b []byte) (int, error) {
				shown += len(b)
				cancel()
				return len(b), nil
			})})
			if err != context.Canceled || shown > 100<<10 {
				t.Errorf("%d bytes were shown, the error is %v", shown, err)
			}
		})
	})
	errTest := errors.New("out of order")
	t.Run("input that fails", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service, _, puppets := servePuppets(t)
			shell := openShell(t, service, client.ShellOptions{})
			p := <-puppets
			exit, err := shell.Attach(t.Context(), client.Terminal{
				Stdin: io.MultiReader(strings.NewReader("x"), iotest.ErrReader(errTest)), Stdout: io.Discard})
			if exit != noExit || !errors.Is(err, errTest) {
				t.Errorf("Attach has ended with %v, %v", exit, err)
			}
			if got := <-p.in; got != "x" {
				t.Errorf("the program reads %q", got)
			}
		})
	})
	t.Run("output that fails", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service, _, puppets := servePuppets(t)
			shell := openShell(t, service, client.ShellOptions{})
			(<-puppets).says("hello")
			input, typing := io.Pipe()
			defer typing.Close()
			_, err := shell.Attach(t.Context(), client.Terminal{Stdin: input, Stdout: writerFunc(func([]byte) (int, error) { return 0, errTest })})
			if !errors.Is(err, errTest) {
				t.Errorf("the error is %v", err)
			}
		})
	})
	t.Run("a shell that is taken", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			service, server, puppets := servePuppets(t)
			shell := openShell(t, service, client.ShellOptions{ID: "mine"})
			<-puppets
			go func() {
				synctest.Wait()
				server.HangUp("mine", 4000)
			}()
			input, typing := io.Pipe()
			defer typing.Close()
			exit, err := shell.Attach(t.Context(), client.Terminal{Stdin: input, Stdout: io.Discard})
			if exit != noExit || !errors.Is(err, client.ErrShellTaken) {
				t.Errorf("Attach has ended with %v, %v", exit, err)
			}
		})
	})
}

// writerFunc is a function that writes.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
