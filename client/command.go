package client

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/smithy-go/eventstream"
)

// Command is a command for the shell of the container that a session runs in.
type Command struct {
	// Line is what the shell runs, of 1 to 65536 characters.
	Line string
	// Timeout is how long the command may run before AgentCore ends it: at most an
	// hour, in seconds, to which it is rounded up. Zero is the service's default of
	// 300 seconds.
	Timeout time.Duration
}

// The limits of the service.
const (
	maxCommandLine    = 65536
	maxCommandTimeout = time.Hour
)

// CommandResult is how a command has ended.
type CommandResult struct {
	// ExitCode is the command's own, or -1 when the platform failed to run it.
	ExitCode int
	// Status is COMPLETED, or TIMED_OUT for a command that was ended because its
	// time was up.
	Status string
}

const (
	commandCompleted = "COMPLETED"
	commandTimedOut  = "TIMED_OUT"
)

// CommandEvent is something that a command has written, or its end.
type CommandEvent struct {
	Stdout, Stderr string
	// Result is there in the last event only.
	Result *CommandResult
}

// CommandError is a command that has not come to its own end: its time was up, or
// the platform failed. A command that ended by itself is none, whatever its exit
// code.
type CommandError struct {
	Result CommandResult
}

func (e *CommandError) Error() string {
	switch {
	case e.Timeout():
		return string(opCommand) + ": the command took longer than its timeout, and was ended"
	case e.Result.Status == commandCompleted:
		return fmt.Sprintf("%s: the platform failed to run the command (exit code %d)", opCommand, e.Result.ExitCode)
	}
	return fmt.Sprintf("%s: the command did not complete (%s, exit code %d)", opCommand, e.Result.Status, e.Result.ExitCode)
}

// Timeout reports whether the command took longer than its [Command.Timeout].
func (e *CommandError) Timeout() bool { return e.Result.Status == commandTimedOut }

// RunCommand runs a command in the container of the client's session, beside the
// agent, and writes what it writes to stdout and stderr as it comes, which may be
// nil. It needs the permission bedrock-agentcore:InvokeAgentRuntimeCommand.
//
// The result of a command that ended by itself comes without an error, whatever
// its exit code. One that did not is a [*CommandError], beside which the result is
// there as well. A refusal by AgentCore is an [*Error], also when it came amid the
// output: its StatusCode is 200 then. The end of ctx and the failure of a writer
// end the call with that error; whether they end the command is up to the service.
//
// A command or a timeout that the service would not take is a [*ParameterError].
// For an agent that is reached with [Direct], the error is
// [errors.ErrUnsupported].
func (c *Client) RunCommand(ctx context.Context, command Command, stdout, stderr io.Writer, opts ...Option) (CommandResult, error) {
	var result CommandResult
	for event, err := range c.StreamCommand(ctx, command, opts...) {
		if event.Result != nil {
			result = *event.Result
		}
		if err != nil {
			return result, err
		}
		if err := errors.Join(write(stdout, event.Stdout), write(stderr, event.Stderr)); err != nil {
			return result, fmt.Errorf("%s: write the output: %w", opCommand, err)
		}
	}
	return result, nil
}

func write(w io.Writer, text string) error {
	if w == nil || text == "" {
		return nil
	}
	n, err := io.WriteString(w, text)
	if err == nil && n < len(text) {
		err = io.ErrShortWrite
	}
	return err
}

// StreamCommand is [Client.RunCommand] for those who want to have the output
// themselves. The command is run when the sequence is ranged over, each time anew.
// Its last element has the result, or is an error; a [*CommandError] comes with the
// result. A loop that is left early closes the connection.
func (c *Client) StreamCommand(ctx context.Context, command Command, opts ...Option) iter.Seq2[CommandEvent, error] {
	return func(yield func(CommandEvent, error) bool) {
		answer, err := c.command(ctx, command, opts)
		if err != nil {
			yield(CommandEvent{}, err)
			return
		}
		defer answer.Body.Close()
		reader := newCommandReader(answer, c.transport.maxEvent)
		for {
			event, err := reader.next()
			if err != nil {
				yield(event, contextError(ctx, err))
				return
			}
			if event.Result != nil {
				yield(event, event.Result.err())
				return
			}
			if !yield(event, nil) {
				return
			}
		}
	}
}

// err returns the error that a result is, or nil.
func (r CommandResult) err() error {
	if r.Status == commandCompleted && r.ExitCode >= 0 {
		return nil
	}
	return &CommandError{r}
}

// command sends a command.
func (c *Client) command(ctx context.Context, command Command, opts []Option) (*http.Response, error) {
	if err := command.check(); err != nil {
		return nil, err
	}
	call, settings, err := c.newCall(ctx, opCommand, http.MethodPost, opts)
	if err != nil {
		return nil, err
	}
	if call.body, err = encode(opCommand, struct {
		Command string `json:"command"`
		Timeout int    `json:"timeout,omitempty"`
	}{command.Line, command.seconds()}); err != nil {
		return nil, err
	}
	call.header["Content-Type"] = jsonContent
	call.header["Accept"] = awsEventStream
	settings.override(call.header)
	answer, err := c.transport.do(ctx, call)
	if err == nil {
		settings.note(answer)
	}
	return answer, err
}

var awsEventStream = []string{"application/vnd.amazon.eventstream"}

func (c Command) check() error {
	if n := utf8.RuneCountInString(c.Line); n == 0 || n > maxCommandLine {
		shown := c.Line[:min(len(c.Line), 40)]
		return &ParameterError{"command", shown, fmt.Sprintf("AgentCore takes 1 to %d characters, and this has %d", maxCommandLine, n)}
	}
	if !utf8.ValidString(c.Line) {
		return &ParameterError{"command", c.Line[:min(len(c.Line), 40)], "it is no UTF-8, and JSON would change it"}
	}
	if c.Timeout < 0 || c.Timeout > maxCommandTimeout {
		return &ParameterError{"timeout", c.Timeout.String(), "AgentCore takes 1 second to 1 hour; 0 is its default"}
	}
	return nil
}

func (c Command) seconds() int { return int((c.Timeout + time.Second - 1) / time.Second) }

// commandReader reads the events of a command, which come as messages of an AWS
// event stream: frames with checksums around JSON.
type commandReader struct {
	answer  *http.Response
	limited *io.LimitedReader
	max     int64
	decoder *eventstream.Decoder
	buf     []byte
}

// messageOverhead is what a message has beside its payload: the lengths, the
// checksums, and more headers than the service sends.
const messageOverhead = 4 << 10

func newCommandReader(answer *http.Response, maxEvent int) *commandReader {
	r := &commandReader{answer: answer, max: math.MaxInt64, decoder: eventstream.NewDecoder()}
	if maxEvent > 0 {
		r.max = min(int64(maxEvent), math.MaxInt64-messageOverhead) + messageOverhead
	}
	r.limited = &io.LimitedReader{R: bufio.NewReader(answer.Body)}
	return r
}

// next returns the next event that says something.
func (r *commandReader) next() (CommandEvent, error) {
	for {
		message, err := r.read()
		if err != nil {
			return CommandEvent{}, err
		}
		event, err := r.event(message)
		if err != nil || event != (CommandEvent{}) {
			return event, err
		}
	}
}

// read reads one message.
func (r *commandReader) read() (eventstream.Message, error) {
	r.limited.N = r.max
	message, err := r.decoder.Decode(r.limited, r.buf)
	switch {
	case err == nil:
		r.buf = message.Payload[:0]
		return message, nil
	case r.limited.N <= 0:
		return message, fmt.Errorf("%s: an event is larger than %d bytes: raise the limit with WithMaxEvent", opCommand, r.max-messageOverhead)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // neither may come before the result
		return message, fmt.Errorf("%s: the stream was cut off: %w", opCommand, io.ErrUnexpectedEOF)
	}
	return message, fmt.Errorf("%s: read the stream: %w", opCommand, err)
}

// event returns what a message says, which is nothing when it is of a kind that
// may come to be in the future.
func (r *commandReader) event(message eventstream.Message) (CommandEvent, error) {
	switch kind := headerOf(message, eventstream.MessageTypeHeader); kind {
	case eventstream.ExceptionMessageType:
		e := r.failure(message.Payload)
		e.Code = exceptionCode(headerOf(message, eventstream.ExceptionTypeHeader))
		return CommandEvent{}, e
	case eventstream.ErrorMessageType:
		e := r.failure(nil)
		e.Code = headerOf(message, eventstream.ErrorCodeHeader)
		e.Message = cmp.Or(headerOf(message, eventstream.ErrorMessageHeader), e.Message)
		return CommandEvent{}, e
	case eventstream.EventMessageType:
	default:
		return CommandEvent{}, fmt.Errorf("%s: the answer has a message of the unknown type %q", opCommand, kind)
	}
	if headerOf(message, eventstream.EventTypeHeader) != "chunk" {
		return CommandEvent{}, nil
	}
	chunk, err := decodeChunk(message.Payload)
	if err != nil {
		return CommandEvent{}, err
	}
	event := CommandEvent{Stdout: chunk.Delta.Stdout, Stderr: chunk.Delta.Stderr}
	if chunk.Stop != nil {
		event.Result = &CommandResult{ExitCode: chunk.Stop.ExitCode, Status: chunk.Stop.Status}
	}
	return event, nil
}

// commandChunk is the payload of an event: contentStart, which says nothing, or one
// of these.
type commandChunk struct {
	Delta struct {
		Stdout string `json:"stdout"`
		Stderr string `json:"stderr"`
	} `json:"contentDelta"`
	Stop *struct {
		ExitCode int    `json:"exitCode"`
		Status   string `json:"status"`
	} `json:"contentStop"`
}

var decodeChunk = jsonDecoder[commandChunk](origin{op: opCommand, what: "event", into: "what a command says"})

// failure makes the error of a stream from its payload.
func (r *commandReader) failure(payload []byte) *Error {
	e := &Error{Operation: string(opCommand), StatusCode: r.answer.StatusCode, Body: bytes.Clone(payload),
		RequestID: requestID(r.answer.Header)}
	e.read(e.Body)
	e.Message = cmp.Or(e.Message, "no reason given")
	return e
}

// exceptionCode spells the name of an exception in a stream as it is elsewhere:
// there it is that of a member, throttlingException.
func exceptionCode(name string) string {
	if name == "" {
		return ""
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

func headerOf(message eventstream.Message, name string) string {
	if value := message.Headers.Get(name); value != nil {
		return value.String()
	}
	return ""
}
