package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync"

	"github.com/agentcore-go/agentcore/internal/wire"
)

// None stands for a payload or a result that there is not. As a payload it is
// sent as {}, for agents tend to look for something in it.
type None struct{}

// MarshalJSON returns null, as the agent does.
func (None) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// UnmarshalJSON takes anything.
func (*None) UnmarshalJSON([]byte) error { return nil }

// Invoke calls an agent that answers once, and returns its answer. On AgentCore
// that needs the permission bedrock-agentcore:InvokeAgentRuntime, as [Stream] and
// [Client.Do] do.
//
// A string is also what an agent says in plain text, as those of the TypeScript
// SDK do, and an empty answer is the zero value. An answer that does not fit Out
// is a [*DecodeError]. A number that lands in an any is a [json.Number], here and
// wherever values are decoded, so that large ones survive.
func Invoke[In, Out any](ctx context.Context, c *Client, in In, opts ...Option) (Out, error) {
	var out Out
	body, err := encode(opInvoke, in)
	if err != nil {
		return out, err
	}
	answer, err := c.invoke(ctx, body, "application/json", opts)
	if err != nil {
		return out, err
	}
	kind := mediaType(answer)
	if kind == eventStream {
		answer.Body.Close()
		return out, errors.New("invoke: the agent answers with a stream: call it with Stream, or generate its client again")
	}
	buf := getBuffer()
	defer putBuffer(buf)
	if err := c.transport.readAnswer(opInvoke, answer, buf); err != nil {
		return out, contextError(ctx, err)
	}
	return decodeAnswer[Out](kind, buf.Bytes())
}

// Stream calls an agent that answers with a stream, and returns its values as
// they come. The call is made when the sequence is ranged over, each time anew.
//
// A failure, of the call or later, is the sequence's last element; so is a value
// that does not fit Out, as a [*DecodeError]. A loop that is left early, and the
// end of ctx, close the connection, so that the agent stops. An agent that answers
// once after all is a stream of one value.
func Stream[In, Out any](ctx context.Context, c *Client, in In, opts ...Option) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		var none Out
		body, err := encode(opInvoke, in)
		if err != nil {
			yield(none, err)
			return
		}
		answer, err := c.invoke(ctx, body, "text/event-stream, application/json", opts)
		if err != nil {
			yield(none, err)
			return
		}
		if kind := mediaType(answer); kind != eventStream {
			buf := getBuffer()
			defer putBuffer(buf)
			if err := c.transport.readAnswer(opInvoke, answer, buf); err != nil {
				yield(none, contextError(ctx, err))
				return
			}
			yield(decodeAnswer[Out](kind, buf.Bytes()))
			return
		}
		defer answer.Body.Close()
		decode := valueDecoder[Out](origin{op: opInvoke, what: "event"})
		for event, err := range readEvents(answer.Body, c.transport.maxEvent) {
			if err != nil {
				yield(none, contextError(ctx, fmt.Errorf("%s: the stream was cut off: %w", opInvoke, err)))
				return
			}
			if failure := newStreamError(event); failure != nil {
				failure.RequestID = requestID(answer.Header)
				yield(none, failure)
				return
			}
			value, err := decode(event.Data)
			if !yield(value, err) || err != nil {
				return
			}
		}
	}
}

// Do invokes an agent with a body, for those whose handlers read and write HTTP
// themselves, and returns the answer, whose body the caller closes. The body is
// sent as JSON unless [WithHeader] gives a Content-Type, and must not change even after
// Do has returned, for an agent may answer before it has got all of it. Other statuses than 2xx
// are an [*Error].
func (c *Client) Do(ctx context.Context, body []byte, opts ...Option) (*http.Response, error) {
	return c.invoke(ctx, body, "application/json, text/event-stream, */*", opts)
}

func (c *Client) invoke(ctx context.Context, body []byte, accept string, opts []Option) (*http.Response, error) {
	call, settings, err := c.newCall(ctx, opInvoke, http.MethodPost, opts)
	if err != nil {
		return nil, err
	}
	call.body = body
	call.header["Content-Type"] = jsonContent
	call.header["Accept"] = []string{accept}
	settings.override(call.header)
	answer, err := c.transport.do(ctx, call)
	if err == nil {
		settings.note(answer)
	}
	return answer, err
}

var jsonContent = []string{"application/json"}

const eventStream = "text/event-stream"

func mediaType(answer *http.Response) string {
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

func encode(op operation, value any) ([]byte, error) {
	if _, none := value.(None); none {
		return []byte("{}"), nil
	}
	var buf bytes.Buffer
	if err := wire.AppendJSON(&buf, value); err != nil {
		return nil, fmt.Errorf("%s: encode the payload: %w", op, err)
	}
	return buf.Bytes(), nil
}

// contextError returns why the context ended if it has, and else err.
func contextError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// maxPooledBuffer keeps one large answer from pinning its memory for ever.
const maxPooledBuffer = 64 << 10

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func getBuffer() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) }

func putBuffer(buf *bytes.Buffer) {
	if buf.Cap() <= maxPooledBuffer {
		buf.Reset()
		buffers.Put(buf)
	}
}
