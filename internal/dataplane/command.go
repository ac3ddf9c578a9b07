package dataplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/smithy-go/eventstream"
)

// Command is what a caller wants to have run in the container.
type Command struct {
	Line    string
	Timeout time.Duration
	Session string
}

// RunShell is for [Agent.Command]: it runs commands with the shell of this
// machine, sh.
func RunShell(ctx context.Context, command Command, stdout, stderr io.Writer) (exitCode int, err error) {
	shell := exec.CommandContext(ctx, "sh", "-c", command.Line)
	shell.Stdout, shell.Stderr = stdout, stderr
	shell.WaitDelay = time.Second // for what the shell has left running
	err = shell.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); ended || errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	if shell.ProcessState == nil {
		return -1, err
	}
	return shell.ProcessState.ExitCode(), err
}

// command runs a command, and streams what it writes.
//
// A command whose time is up, or that returns [context.DeadlineExceeded], has the
// exit code -1; the service's is not known. Another error of [Agent.Command] is an
// exception in the stream: itself if it is an [*Error], else an
// InternalServerException.
func (c *call) command() {
	command, refused := c.parseCommand()
	if refused == nil && c.runtime.Command == nil {
		refused = agentFailed("the runtime runs no commands")
	}
	if refused != nil {
		refused.write(c.w)
		return
	}
	ctx, done, refused := c.begin()
	if refused != nil {
		refused.write(c.w)
		return
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, command.Timeout)
	defer cancel()
	c.w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	out := &commandWriter{w: c.w, flush: http.NewResponseController(c.w).Flush, encoder: eventstream.NewEncoder()}
	out.chunk(map[string]any{"contentStart": struct{}{}})
	exitCode, err := c.runtime.Command(ctx, command, &channelWriter{to: out, name: "stdout"}, &channelWriter{to: out, name: "stderr"})
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		out.stop(-1, "TIMED_OUT")
	case err != nil:
		out.exception(err)
	default:
		out.stop(exitCode, "COMPLETED")
	}
}

// parseCommand reads the request of a command.
func (c *call) parseCommand() (Command, *Error) {
	body := struct {
		Command *string `json:"command"`
		Timeout *int    `json:"timeout"`
	}{}
	if err := json.Unmarshal(c.body, &body); err != nil {
		return Command{}, &Error{Status: http.StatusBadRequest, Code: "SerializationException", Message: err.Error()}
	}
	const maxLine, maxSeconds = 65536, 3600
	seconds := 300
	if body.Timeout != nil {
		seconds = *body.Timeout
	}
	switch {
	case body.Command == nil:
		return Command{}, invalid("body.command", "Member must not be null")
	case *body.Command == "" || utf8.RuneCountInString(*body.Command) > maxLine:
		return Command{}, invalid("body.command", fmt.Sprintf("Member must have length between 1 and %d", maxLine))
	case seconds < 1 || seconds > maxSeconds:
		return Command{}, invalid("body.timeout", fmt.Sprintf("Member must be between 1 and %d", maxSeconds))
	}
	return Command{Line: *body.Command, Timeout: time.Duration(seconds) * time.Second, Session: c.session}, nil
}

// commandWriter writes the messages of an AWS event stream. What the command
// writes last may be half of a character, which has to wait for the rest.
type commandWriter struct {
	mu      sync.Mutex
	w       io.Writer
	flush   func() error
	encoder *eventstream.Encoder
	waiting map[string][]byte // by channel
}

// channelWriter is what a command writes to.
type channelWriter struct {
	to   *commandWriter
	name string
}

func (w *channelWriter) Write(p []byte) (int, error) {
	w.to.mu.Lock()
	defer w.to.mu.Unlock()
	text := append(w.to.waiting[w.name], p...)
	whole := len(text) - partOfRune(text)
	if w.to.waiting == nil {
		w.to.waiting = make(map[string][]byte)
	}
	w.to.waiting[w.name] = append([]byte(nil), text[whole:]...)
	if whole == 0 {
		return len(p), nil
	}
	return len(p), w.to.delta(w.name, string(text[:whole]))
}

// partOfRune returns how many bytes at the end of a text begin a character.
func partOfRune(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if last := text[len(text)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

func (w *commandWriter) delta(name, text string) error {
	return w.chunk(map[string]any{"contentDelta": map[string]string{name: text}})
}

func (w *commandWriter) chunk(payload any) error {
	text, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	return w.message(eventstream.EventMessageType, eventstream.EventTypeHeader, "chunk", text)
}

// end writes what still waits.
func (w *commandWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range []string{"stdout", "stderr"} {
		if text := w.waiting[name]; len(text) > 0 {
			_ = w.delta(name, string(text)) // the caller may be gone
		}
	}
}

func (w *commandWriter) stop(exitCode int, status string) {
	w.end()
	_ = w.chunk(map[string]any{"contentStop": map[string]any{"exitCode": exitCode, "status": status}})
}

func (w *commandWriter) exception(err error) {
	w.end()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Code: "InternalServerException", Message: err.Error()}
	}
	member := strings.ToLower(e.Code[:1]) + e.Code[1:]
	_ = w.message(eventstream.ExceptionMessageType, eventstream.ExceptionTypeHeader, member, e.body())
}

func (w *commandWriter) message(kind, typeHeader, name string, payload []byte) error {
	m := eventstream.Message{Payload: payload}
	m.Headers.Set(typeHeader, eventstream.StringValue(name))
	m.Headers.Set(eventstream.ContentTypeHeader, eventstream.StringValue("application/json"))
	m.Headers.Set(eventstream.MessageTypeHeader, eventstream.StringValue(kind))
	if err := w.encoder.Encode(w.w, m); err != nil {
		return err
	}
	return w.flush()
}
