//go:build unix

package shelltest

import (
	"os"
	"os/exec"
	"sync"
	"syscall"

	"github.com/creack/pty"
)

// Run returns a function for [Server].Start that runs a command on a terminal of
// its own.
func Run(name string, args ...string) func() (Program, error) {
	return func() (Program, error) {
		command := exec.Command(name, args...)
		file, err := pty.Start(command)
		if err != nil {
			return nil, err
		}
		return &process{File: file, command: command}, nil
	}
}

// process is a command that runs on a terminal.
type process struct {
	*os.File
	command *exec.Cmd
	mu      sync.Mutex // held by those who need the file to be open
	closed  bool
}

func (p *process) Resize(width, height int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return os.ErrClosed
	}
	return pty.Setsize(p.File, &pty.Winsize{Cols: uint16(width), Rows: uint16(height)})
}

func (p *process) Wait() (code, signal int) {
	_ = p.command.Wait() // the state says it
	p.mu.Lock()
	p.closed = true
	_ = p.File.Close()
	p.mu.Unlock()
	status, ok := p.command.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal()), int(status.Signal())
	}
	return p.command.ProcessState.ExitCode(), 0
}

// Kill kills the command and what it has started on its terminal.
func (p *process) Kill() { _ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL) }
