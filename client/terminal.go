package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// Terminal is what [Shell.Attach] connects a shell with, which mostly is the
// terminal that the program runs in: os.Stdin and os.Stdout.
type Terminal struct {
	// Stdin is what is typed. If it is a terminal, it is put into raw mode, so that
	// the shell gets every key as it is pressed. The end of another input is typed
	// as Ctrl+D. Nil types nothing.
	Stdin io.Reader
	// Stdout shows the output. If it is a terminal, or else Stdin is, the shell gets
	// its size, and on Unix its later sizes, too. Nil discards the output.
	Stdout io.Writer
	// DetachKey leaves the shell running and ends Attach when it is pressed, and
	// not pasted among other text. The CLI of AWS has Ctrl+], which is 0x1d. Zero is
	// no key.
	DetachKey byte
}

// ErrDetachKey is the error of [Shell.Attach] after the detach key. The shell is
// still open.
var ErrDetachKey = errors.New("shell: the detach key was pressed")

// Attach types on the shell what comes from a terminal, and shows there what the
// shell writes, until the shell has ended. It returns what [Shell.Wait] does. When
// ctx ends first, the detach key is pressed, or reading or writing the terminal
// fails, that is the error, and the shell stays open: the caller detaches or
// closes it. Nobody else should read from the shell meanwhile.
//
// The terminal is left as it was found, whatever happens. A read of Stdin that is
// under way is called off if Stdin is an [*os.File] on Unix. Any other is left
// behind, and what it reads is lost.
func (s *Shell) Attach(ctx context.Context, t Terminal) (ExitStatus, error) {
	restore, err := makeRaw(t.Stdin)
	if err != nil {
		return noExit, err
	}
	defer restore()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer s.followSize(t)()
	input, release := newInput(t.Stdin)
	defer release()

	if input != nil {
		go func() {
			defer func() {
				if value := recover(); value != nil { // lest the terminal stay raw
					cancel(&inputPanic{value})
				}
			}()
			if err := s.typeFrom(ctx, input, t.DetachKey); err != nil {
				cancel(err)
			}
		}()
	}
	err = s.show(ctx, cmp.Or(t.Stdout, io.Discard))
	if panicked, ok := errors.AsType[*inputPanic](context.Cause(ctx)); ok {
		panic(panicked.value)
	}
	if err == nil {
		return s.Wait()
	}
	return noExit, err
}

// inputPanic is a panic of a reader.
type inputPanic struct{ value any }

func (p *inputPanic) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// endOfInput is Ctrl+D.
const endOfInput = 0x04

// typeFrom types what comes from input until ctx ends. It returns nil when nothing
// more comes.
func (s *Shell) typeFrom(ctx context.Context, input io.Reader, detachKey byte) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := input.Read(buf)
		if ctx.Err() != nil {
			return nil // nor is the end of the input one of the shell, which others may have by now
		}
		if detachKey != 0 && n == 1 && buf[0] == detachKey {
			return ErrDetachKey
		}
		if _, failed := s.Write(buf[:n]); failed != nil {
			return nil // the shell has ended, which its reader knows
		}
		switch {
		case err == io.EOF:
			_, _ = s.Write([]byte{endOfInput})
			return nil
		case err != nil:
			return fmt.Errorf("shell: read the terminal: %w", err)
		}
	}
}

// show writes the shell's output. It returns nil when the shell has ended.
func (s *Shell) show(ctx context.Context, output io.Writer) error {
	buf := make([]byte, 32<<10)
	for {
		if ctx.Err() != nil { // which endless output would hide
			return context.Cause(ctx)
		}
		n, err := s.output.read(ctx, buf)
		switch {
		case err == nil:
		case s.output.ended():
			return nil
		default:
			return err
		}
		if _, err := output.Write(buf[:n]); err != nil {
			return fmt.Errorf("shell: write to the terminal: %w", err)
		}
	}
}

// followSize tells the shell the size of the terminal, now and whenever it changes,
// until the function that it returns is called.
func (s *Shell) followSize(t Terminal) (stop func()) {
	file := terminalOf(t.Stdout)
	if file == nil {
		file = terminalOf(t.Stdin)
	}
	if file == nil {
		return func() {}
	}
	tell := func() {
		var width, height int
		var err error
		withFD(file, func(fd int) { width, height, err = term.GetSize(fd) })
		if err == nil && width > 0 && height > 0 {
			_ = s.Resize(width, height) // it fails when the shell has ended
		}
	}
	changed, stopSignals := sizeChanges()
	done := make(chan struct{})
	go func() {
		tell()
		for {
			select {
			case <-changed:
				tell()
			case <-done:
				return
			}
		}
	}()
	return func() {
		stopSignals()
		close(done)
	}
}

// makeRaw puts a terminal into raw mode, until the function that it returns is called.
func makeRaw(input io.Reader) (restore func(), err error) {
	file := terminalOf(input)
	if file == nil {
		return func() {}, nil
	}
	var before *term.State
	withFD(file, func(fd int) { before, err = term.MakeRaw(fd) })
	if err != nil {
		return nil, fmt.Errorf("shell: put the terminal into raw mode: %w", err)
	}
	return func() {
		withFD(file, func(fd int) { _ = term.Restore(fd, before) })
	}, nil
}

// terminalOf returns the terminal that a reader or writer is, or nil.
func terminalOf(stream any) *os.File {
	file, ok := stream.(*os.File)
	if !ok || file == nil {
		return nil
	}
	is := false
	withFD(file, func(fd int) { is = term.IsTerminal(fd) })
	if !is {
		return nil
	}
	return file
}

// withFD calls f with a file's descriptor, and leaves the file as it is: its method
// Fd would make reads of it block threads.
func withFD(file *os.File, f func(fd int)) {
	if raw, err := file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) }) // a closed file is no terminal
	}
}
