package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/eventstream"

	"github.com/agentcore-go/agentcore/client"
)

// deployed returns a client of an agent on AgentCore, for which a server stands in.
func deployed(t *testing.T, s *server, opts ...client.TransportOption) *client.Client {
	t.Helper()
	keys := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
	})
	opts = append(opts, client.WithEndpoint(s.url))
	return client.New(made(t)(client.AgentCore(aws.Config{Credentials: keys}, testARN, opts...)), client.WithSession(testSession))
}

// message encodes a message of an AWS event stream.
func message(payload string, headers ...string) string {
	m := eventstream.Message{Payload: []byte(payload)}
	for i := 0; i < len(headers); i += 2 {
		m.Headers.Set(headers[i], eventstream.StringValue(headers[i+1]))
	}
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.String()
}

func chunk(payload string) string {
	return message(payload, ":event-type", "chunk", ":content-type", "application/json", ":message-type", "event")
}

func exception(name, payload string) string {
	return message(payload, ":exception-type", name, ":content-type", "application/json", ":message-type", "exception")
}

func stdout(text string) string { return chunk(fmt.Sprintf(`{"contentDelta":{"stdout":%q}}`, text)) }

func stop(exitCode int, status string) string {
	return chunk(fmt.Sprintf(`{"contentStop":{"exitCode":%d,"status":%q}}`, exitCode, status))
}

var (
	start     = chunk(`{"contentStart":{}}`)
	completed = stop(0, "COMPLETED")
)

func answerCommand(messages ...string) http.HandlerFunc {
	return answer(200, "application/vnd.amazon.eventstream", strings.Join(messages, ""), requestHeader, "request-1")
}

func TestCommandRequest(t *testing.T) {
	tests := []struct {
		name    string
		command client.Command
		want    string
	}{
		{"default timeout", client.Command{Line: "echo <hi> && ls"}, `{"command":"echo <hi> && ls"}`},
		{"timeout", client.Command{Line: "ls", Timeout: time.Hour}, `{"command":"ls","timeout":3600}`},
		{"part of a second", client.Command{Line: "ls", Timeout: time.Millisecond}, `{"command":"ls","timeout":1}`},
		{"rounded up", client.Command{Line: "ls", Timeout: time.Second + 1}, `{"command":"ls","timeout":2}`},
		{"longest", client.Command{Line: strings.Repeat("é", 65536)}, `{"command":"` + strings.Repeat("é", 65536) + `"}`},
	}
	s := serve(t, answerCommand(start, completed))
	c := deployed(t, s, client.WithQualifier("prod"))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := c.RunCommand(t.Context(), tt.command, nil, nil); err != nil {
				t.Fatal(err)
			}
			got := s.last(t)
			if want := "/runtimes/" + escapedARN + "/commands?qualifier=prod"; got.method != "POST" || got.uri != want || got.body != tt.want {
				t.Errorf("sent %s %s %s\nwant POST %s %s", got.method, got.uri, got.body, want, tt.want)
			}
			for name, want := range map[string]string{
				"Content-Type": "application/json", "Accept": "application/vnd.amazon.eventstream", sessionHeader: testSession,
			} {
				if got := got.header.Get(name); got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestCommandOutput(t *testing.T) {
	s := serve(t, answerCommand(
		start,
		stdout("one\n"),
		chunk(`{"contentDelta":{"stderr":"two\n"}}`),
		chunk(`{"contentDelta":{"stdout":"three","stderr":"four"}}`),
		chunk(`{"contentDelta":{}}`),
		chunk(`{"contentFuture":{"a":1}}`),
		message(`{}`, ":event-type", "future", ":message-type", "event"),
		stdout("é🙂"),
		stop(7, "COMPLETED"),
		"what comes after the end",
	))
	c := deployed(t, s)
	wantResult := client.CommandResult{ExitCode: 7, Status: "COMPLETED"}

	var out, errs strings.Builder
	result, err := c.RunCommand(t.Context(), client.Command{Line: "run"}, &out, &errs)
	if result != wantResult || err != nil || out.String() != "one\nthreeé🙂" || errs.String() != "two\nfour" {
		t.Errorf("RunCommand() = %+v, %v, stdout %q, stderr %q", result, err, &out, &errs)
	}
	if result, err = c.RunCommand(t.Context(), client.Command{Line: "run"}, nil, nil); result != wantResult || err != nil {
		t.Errorf("without writers: %+v, %v", result, err)
	}

	var events []client.CommandEvent
	for event, err := range c.StreamCommand(t.Context(), client.Command{Line: "run"}) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	want := []client.CommandEvent{{Stdout: "one\n"}, {Stderr: "two\n"}, {Stdout: "three", Stderr: "four"}, {Stdout: "é🙂"}, {Result: &wantResult}}
	if !reflect.DeepEqual(events, want) {
		t.Errorf("events = %+v\nwant     %+v", events, want)
	}
}

func TestCommandAnswerHeader(t *testing.T) {
	var header http.Header
	_, err := deployed(t, serve(t, answerCommand(completed))).RunCommand(t.Context(), client.Command{Line: "ls"}, nil, nil, client.WithAnswerHeader(&header))
	if header.Get(requestHeader) != "request-1" || err != nil {
		t.Errorf("header = %q, %v", header, err)
	}
}

func TestCommandDoesNotComplete(t *testing.T) {
	tests := []struct {
		exitCode    int
		status      string
		wantTimeout bool
		want        string
	}{
		{-1, "TIMED_OUT", true, "run command: the command took longer than its timeout, and was ended"},
		{124, "TIMED_OUT", true, "run command: the command took longer than its timeout, and was ended"},
		{-1, "COMPLETED", false, "run command: the platform failed to run the command (exit code -1)"},
		{0, "EVICTED", false, "run command: the command did not complete (EVICTED, exit code 0)"},
	}
	for _, tt := range tests {
		var out strings.Builder
		result, err := deployed(t, serve(t, answerCommand(start, stdout("begun"), stop(tt.exitCode, tt.status)))).RunCommand(t.Context(), client.Command{Line: "ls"}, &out, nil)
		says(t, err, tt.want)
		e := as[*client.CommandError](t, err)
		if want := (client.CommandResult{ExitCode: tt.exitCode, Status: tt.status}); e.Result != want || result != want || e.Timeout() != tt.wantTimeout || out.String() != "begun" {
			t.Errorf("%s: result %+v, error's %+v, timeout %t, stdout %q", tt.status, result, e.Result, e.Timeout(), &out)
		}
	}
}

func TestCommandRefused(t *testing.T) {
	const unavailable = `{"message":"Received error from runtime"}`
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    client.Error
		text    string
	}{
		{"before the stream", answer(403, "application/json", `{"message":"no permission"}`, "X-Amzn-Errortype", "AccessDeniedException", requestHeader, "request-1"),
			client.Error{Operation: "run command", StatusCode: 403, Code: "AccessDeniedException", Message: "no permission", Body: []byte(`{"message":"no permission"}`), RequestID: "request-1"},
			"run command: no permission (AccessDeniedException, status 403, request request-1)"},
		{"exception", answerCommand(start, stdout("begun"), exception("runtimeClientError", unavailable)),
			client.Error{Operation: "run command", StatusCode: 200, Code: "RuntimeClientError", Message: "Received error from runtime", Body: []byte(unavailable), RequestID: "request-1"},
			"run command: Received error from runtime (RuntimeClientError, request request-1)"},
		{"exception without message", answerCommand(exception("throttlingException", "")),
			client.Error{Operation: "run command", StatusCode: 200, Code: "ThrottlingException", Message: "no reason given", Body: []byte{}, RequestID: "request-1"},
			"run command: no reason given (ThrottlingException, request request-1)"},
		{"exception without name", answerCommand(message("", ":message-type", "exception")),
			client.Error{Operation: "run command", StatusCode: 200, Message: "no reason given", Body: []byte{}, RequestID: "request-1"},
			"run command: no reason given (in the stream, request request-1)"},
		{"error", answerCommand(start, message("", ":message-type", "error", ":error-code", "InternalFailure", ":error-message", "it broke")),
			client.Error{Operation: "run command", StatusCode: 200, Code: "InternalFailure", Message: "it broke", RequestID: "request-1"},
			"run command: it broke (InternalFailure, request request-1)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := deployed(t, serve(t, tt.handler)).RunCommand(t.Context(), client.Command{Line: "ls"}, nil, nil)
			says(t, err, tt.text)
			got := *as[*client.Error](t, err)
			if got.Retryable() {
				t.Error("it is retryable, though the command may have run")
			}
			if len(got.Body) == 0 && len(tt.want.Body) == 0 {
				got.Body = tt.want.Body
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("error = %+v\nwant    %+v", got, tt.want)
			}
		})
	}
}

func TestCommandAnswerIsBroken(t *testing.T) {
	corrupt := []byte(stdout("corrupt"))
	corrupt[len(corrupt)-6] ^= 1 // in its payload
	prelude := []byte(stdout("corrupt"))
	prelude[5] ^= 1 // in the length of its headers
	tests := []struct {
		name, answer string
		want         string
		is           error // that the error wraps, if any
	}{
		{"nothing", "", "run command: the stream was cut off: unexpected EOF", io.ErrUnexpectedEOF},
		{"without its end", start + stdout("begun"), "run command: the stream was cut off: unexpected EOF", io.ErrUnexpectedEOF},
		{"within lengths", start + completed[:4], "run command: the stream was cut off: unexpected EOF", io.ErrUnexpectedEOF},
		{"within headers", start + completed[:20], "run command: the stream was cut off: unexpected EOF", io.ErrUnexpectedEOF},
		{"within the payload", start + completed[:len(completed)-8], "run command: the stream was cut off: unexpected EOF", io.ErrUnexpectedEOF},
		{"within the checksum", start + completed[:len(completed)-1], "run command: the stream was cut off: unexpected EOF", io.ErrUnexpectedEOF},
		{"payload", start + string(corrupt) + completed, "run command: read the stream: message checksum mismatch", eventstream.ChecksumError{}},
		{"lengths", start + string(prelude) + completed, "run command: read the stream: message checksum mismatch", eventstream.ChecksumError{}},
		{"no event stream", `{"stdout":"hello, world"}`, "run command: read the stream: message checksum mismatch", eventstream.ChecksumError{}},
		{"too large", start + stdout(strings.Repeat("x", 9<<10)), "run command: an event is larger than 4096 bytes: raise the limit with WithMaxEvent", nil},
		{"no type", message("{}", ":event-type", "chunk"), `run command: the answer has a message of the unknown type ""`, nil},
		{"other type", message("{}", ":message-type", "future"), `run command: the answer has a message of the unknown type "future"`, nil},
		{"no JSON", chunk("hi"), `run command: the event "hi" does not fit what a command says: invalid character 'h' looking for beginning of value`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := deployed(t, serve(t, answerCommand(tt.answer)), client.WithMaxEvent(4096)).RunCommand(t.Context(), client.Command{Line: "ls"}, nil, nil)
			says(t, err, tt.want)
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("the error is no %T", tt.is)
			}
		})
	}
}

func TestCommandLargeEvents(t *testing.T) {
	text := strings.Repeat("x", 1<<20)
	for _, limit := range []int{0, math.MaxInt} {
		var out strings.Builder
		_, err := deployed(t, serve(t, answerCommand(stdout(text), stdout(text), completed)), client.WithMaxEvent(limit)).RunCommand(t.Context(), client.Command{Line: "ls"}, &out, nil)
		if out.String() != text+text || err != nil {
			t.Errorf("with the limit %d, stdout has %d bytes, %v", limit, out.Len(), err)
		}
	}
}

func TestCommandParameters(t *testing.T) {
	tests := []struct {
		name    string
		command client.Command
		opts    []client.Option
		want    string
	}{
		{"no command", client.Command{}, nil, `command "": AgentCore takes 1 to 65536 characters, and this has 0`},
		{"too long", client.Command{Line: strings.Repeat("x", 65537)}, nil, `command "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": AgentCore takes 1 to 65536 characters, and this has 65537`},
		{"no UTF-8", client.Command{Line: "\xff"}, nil, `command "\xff": it is no UTF-8, and JSON would change it`},
		{"negative", client.Command{Line: "ls", Timeout: -1}, nil, `timeout "-1ns": AgentCore takes 1 second to 1 hour; 0 is its default`},
		{"too much time", client.Command{Line: "ls", Timeout: time.Hour + 1}, nil, `timeout "1h0m0.000000001s": AgentCore takes 1 second to 1 hour; 0 is its default`},
		{"short session", client.Command{Line: "ls"}, []client.Option{client.WithSession("short")}, `session id "short": AgentCore takes 33 to 256 characters, and this has 5: a UUID has 36`},
	}
	s := serve(t, answerCommand(completed))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := deployed(t, s).RunCommand(t.Context(), tt.command, nil, nil, tt.opts...)
			says(t, err, tt.want)
			as[*client.ParameterError](t, err)
		})
	}
	if n := len(s.all()); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestCommandOfDirect(t *testing.T) {
	_, err := client.New(direct(t, "http://127.0.0.1:1")).RunCommand(t.Context(), client.Command{Line: "ls"}, nil, nil)
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("error = %v", err)
	}
}

// slowCommand answers with the beginning of an output, and reports when its caller
// has gone.
func slowCommand(gone chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, start+stdout("begun"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	}
}

// writer is an [io.Writer] that calls a function.
type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestCommandIsLeft(t *testing.T) {
	full := errors.New("the disk is full")
	reason := errors.New("nobody waits")
	run := func(t *testing.T, c *client.Client, ctx context.Context, w io.Writer) error {
		_, err := c.RunCommand(ctx, client.Command{Line: "ls"}, w, nil)
		return err
	}
	tests := []struct {
		name  string
		leave func(*testing.T, *client.Client) error
		want  string
		is    error
	}{
		{"writer fails", func(t *testing.T, c *client.Client) error {
			return run(t, c, t.Context(), writer(func([]byte) (int, error) { return 0, full }))
		}, "run command: write the output: the disk is full", full},
		{"writer does not write all", func(t *testing.T, c *client.Client) error {
			return run(t, c, t.Context(), writer(func(p []byte) (int, error) { return len(p) - 1, nil }))
		}, "run command: write the output: short write", io.ErrShortWrite},
		{"context ends", func(t *testing.T, c *client.Client) error {
			ctx, cancel := context.WithCancelCause(t.Context())
			return run(t, c, ctx, writer(func(p []byte) (int, error) { cancel(reason); return len(p), nil }))
		}, "nobody waits", reason},
		{"loop is left", func(t *testing.T, c *client.Client) error {
			for event, err := range c.StreamCommand(t.Context(), client.Command{Line: "ls"}) {
				if event.Stdout != "begun" {
					t.Errorf("event = %+v", event)
				}
				return err
			}
			return nil
		}, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			gone := make(chan struct{})
			err := tt.leave(t, deployed(t, serve(t, slowCommand(gone))))
			says(t, err, tt.want)
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("the error is no %v", tt.is)
			}
			<-gone
		})
	}
}

func TestAgentCard(t *testing.T) {
	const card = `{"name":"helper","protocolVersion":"0.3.0"}`
	onAgentCore := func(t *testing.T, s *server) *client.Client { return deployed(t, s) }
	directly := func(t *testing.T, s *server) *client.Client { return client.New(direct(t, s.url+"/helper")) }
	tests := []struct {
		name    string
		client  func(*testing.T, *server) *client.Client
		handler http.HandlerFunc
		wantURI string
		want    string
	}{
		{"on AgentCore", onAgentCore, answerJSON(card), "/runtimes/" + escapedARN + "/invocations/.well-known/agent-card.json", ""},
		{"directly", directly, answerJSON(card), "/helper/.well-known/agent-card.json", ""},
		{"no JSON", directly, answer(200, "text/html", "<p>hi</p>"), "/helper/.well-known/agent-card.json", `agent card: the answer "<p>hi</p>" (text/html) does not fit an agent card: it is no JSON`},
		{"none", directly, answer(404, "text/plain", "404 page not found"), "/helper/.well-known/agent-card.json", "agent card: 404 page not found (status 404)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, tt.handler)
			got, err := tt.client(t, s).AgentCard(t.Context())
			says(t, err, tt.want)
			if sent := s.last(t); sent.method != "GET" || sent.uri != tt.wantURI || sent.body != "" || sent.header.Get(sessionHeader) == "" {
				t.Errorf("sent %+v", sent)
			}
			if tt.want == "" && !json.Valid(got) {
				t.Errorf("AgentCard() = %s", got)
			}
		})
	}
}
