//go:build unix

package main

import (
	"bytes"
	"context"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/examples/background/backgroundclient"
	"github.com/agentcore-go/agentcore/examples/chat/chatclient"
	"github.com/agentcore-go/agentcore/examples/hello/helloclient"
	"github.com/agentcore-go/agentcore/examples/streaming/streamingclient"
	"github.com/agentcore-go/agentcore/runtime"
)

// interrupted runs the command, and ends its context as soon as it has written
// something or called interrupt.
func interrupted(t *testing.T, serve func(interrupt func()) (url string), stdin io.Reader, args ...string) result {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var err bytes.Buffer
	out := &interrupting{interrupt: interrupt}
	status := run(ctx, append([]string{"-url", serve(interrupt)}, args...), terminal{stdin, out, &err})
	return result{status, out.written.String(), err.String()}
}

// interrupting calls a function whenever something is written.
type interrupting struct {
	interrupt func()
	written   bytes.Buffer
}

func (w *interrupting) Write(b []byte) (int, error) {
	w.interrupt()
	return w.written.Write(b)
}

// endless serves a stream that goes on until the caller leaves, which it tells.
func endless(t *testing.T, left chan<- error) (url string) {
	return serve(t, runtime.Handlers{Invoke: runtime.Stream[streamingclient.Question, streamingclient.Token]("Answer",
		func(ctx context.Context, _ streamingclient.Question) iter.Seq2[streamingclient.Token, error] {
			return func(yield func(streamingclient.Token, error) bool) {
				if yield(streamingclient.Token{Text: "Well, "}, nil) {
					<-ctx.Done()
				}
				left <- ctx.Err()
			}
		})})
}

func TestStreamIsInterrupted(t *testing.T) {
	left := make(chan error, 1)
	serve := func(func()) string { return endless(t, left) }
	interrupted(t, serve, nil, "streaming", "hi").expect(t, 130, "Well, \n", "caller: interrupted\n")
	if err := <-left; err != context.Canceled {
		t.Errorf("the agent has ended with %v", err)
	}
}

func TestCallIsInterrupted(t *testing.T) {
	left := make(chan error, 1)
	serve := func(interrupt func()) string {
		return serve(t, runtime.Handlers{Invoke: runtime.Unary[helloclient.Question, helloclient.Answer]("Hello",
			func(ctx context.Context, _ helloclient.Question) (helloclient.Answer, error) {
				interrupt()
				<-ctx.Done()
				left <- ctx.Err()
				return helloclient.Answer{}, ctx.Err()
			})})
	}
	interrupted(t, serve, nil, "hello", "hi").expect(t, 130, "", "caller: interrupted\n")
	if err := <-left; err != context.Canceled {
		t.Errorf("the agent has ended with %v", err)
	}
}

func TestReportIsInterrupted(t *testing.T) {
	serve := func(func()) string {
		return serve(t, runtime.Handlers{Invoke: runtime.Unary[backgroundclient.Request, backgroundclient.Report]("Handle",
			func(context.Context, backgroundclient.Request) (backgroundclient.Report, error) {
				return backgroundclient.Report{ID: "7", State: backgroundclient.Running, Topics: 2,
					Sections: []backgroundclient.Section{{Topic: "otters", Text: "They swim."}}}, nil
			})})
	}
	interrupted(t, serve, nil, "background", "otters", "terns").
		expect(t, 130, "otters: They swim.\n", "caller: interrupted\n")
}

// The agent hears a regular goodbye, though nobody has stopped typing.
func TestChatIsInterrupted(t *testing.T) {
	ended := make(chan error, 1)
	serve := func(func()) string {
		return talk(t, func(ctx context.Context, conn *runtime.Conn[chatclient.Say, chatclient.Heard]) error {
			for _, err := range conn.Messages(ctx) {
				if err == nil {
					err = conn.Send(ctx, chatclient.Heard{Turn: 1, Text: "Well, "})
				}
				if err != nil {
					ended <- err
					return err
				}
			}
			ended <- nil
			return nil
		})
	}
	stdin, typist := io.Pipe()
	defer typist.Close()
	go io.WriteString(typist, "hi\n")
	interrupted(t, serve, stdin, "chat").expect(t, 130, "Well, \n", "caller: interrupted\n")
	if err := <-ended; err != nil {
		t.Errorf("the conversation has ended with %v", err)
	}
}

// command is the command itself, running.
func command(t *testing.T, stdin io.Reader, args ...string) (cmd *exec.Cmd, out io.Reader, failed *bytes.Buffer) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), filepath.Join(programs, "caller"), args...)
	failed = new(bytes.Buffer)
	cmd.Stdin, cmd.Stderr = stdin, failed
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out, failed
}

func expectRead(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("it writes %q, %v; want %q", got, err, want)
	}
}

func TestCtrlC(t *testing.T) {
	left := make(chan error, 1)
	cmd, out, failed := command(t, nil, "-url", endless(t, left), "streaming", "hi")
	expectRead(t, out, "Well, ")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-left
	rest, _ := io.ReadAll(out)
	_ = cmd.Wait() // the status tells
	result{cmd.ProcessState.ExitCode(), string(rest), failed.String()}.expect(t, 130, "\n", "caller: interrupted\n")
}

// An agent that does not say goodbye is waited for, but not if the user insists.
func TestCtrlCTwice(t *testing.T) {
	goodbye := make(chan struct{})
	deaf := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetCloseHandler(func(int, string) error { close(goodbye); return nil })
		_ = conn.WriteJSON(chatclient.Heard{Turn: 1, Text: "Well, "})
		_, _, _ = conn.ReadMessage()
		_, _ = io.Copy(io.Discard, conn.NetConn()) // until the caller is gone
	}))
	defer deaf.Close()
	stdin, typist, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer typist.Close()
	defer stdin.Close()
	cmd, out, _ := command(t, stdin, "-url", deaf.URL, "chat")
	expectRead(t, out, "Well, ")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-goodbye

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	}()
	again := time.NewTicker(10 * time.Millisecond) // for the first is dealt with in its own time
	defer again.Stop()
	for waiting := true; waiting; {
		select {
		case <-again.C:
			_ = cmd.Process.Signal(os.Interrupt)
		case <-ended:
			waiting = false
		}
	}
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("it ended with %v, want killed by the signal", cmd.ProcessState)
	}
}
