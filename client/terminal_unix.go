//go:build unix

package client

import (
	"io"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// sizeChanges returns a channel that gets something when the size of the terminal
// changes.
func sizeChanges() (changed <-chan os.Signal, stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGWINCH)
	return signals, func() { signal.Stop(signals) }
}

// newInput returns a reader of what is typed, and a function that calls off a read
// of it, if it is a file.
func newInput(stdin io.Reader) (input io.Reader, release func()) {
	file, ok := stdin.(*os.File)
	if !ok || file == nil {
		return stdin, func() {}
	}
	released, releaser, err := os.Pipe()
	if err != nil {
		return stdin, func() {}
	}
	if !selectable(file) || !selectable(released) {
		released.Close()
		releaser.Close()
		return stdin, func() {}
	}
	r := &fileInput{file: file, released: released}
	return r, func() {
		releaser.Close() // which the other end of the pipe sees
		r.mu.Lock()
		defer r.mu.Unlock()
		released.Close()
		r.released = nil
	}
}

// fileInput reads from a file only when something is there to be read. A read of a
// terminal that waits could not be called off, and would take what is typed for
// the program after the shell. There is select for it because poll does not know
// the terminals of macOS.
type fileInput struct {
	file     *os.File
	mu       sync.Mutex // held by a read
	released *os.File   // gets readable when reading is to end; nil after that
}

func (r *fileInput) Read(p []byte) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.released == nil {
		return 0, os.ErrClosed
	}
	ready := true
	withFD(r.released, func(released int) {
		withFD(r.file, func(fd int) { ready, err = waitReadable(fd, released) })
	})
	switch {
	case err != nil:
		return 0, err
	case !ready:
		return 0, os.ErrClosed
	}
	return r.file.Read(p)
}

// selectable reports whether a file can be waited for.
func selectable(file *os.File) (is bool) {
	withFD(file, func(fd int) { is = fd < unix.FD_SETSIZE })
	return is
}

// waitReadable waits until a descriptor can be read. It reports false when
// the other one can.
func waitReadable(fd, released int) (bool, error) {
	for {
		var set unix.FdSet
		set.Set(fd)
		set.Set(released)
		_, err := unix.Select(max(fd, released)+1, &set, nil, nil, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return false, os.NewSyscallError("select", err)
		default:
			return !set.IsSet(released), nil
		}
	}
}
