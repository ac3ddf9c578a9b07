// Package awssdk_test checks agents and the client against the AWS SDK for Go.
package awssdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockagentcore"
	"github.com/aws/aws-sdk-go-v2/service/bedrockagentcore/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.uber.org/goleak"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/internal/dataplane"
	"github.com/agentcore-go/agentcore/runtime"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The AWS SDK leaves one behind for each command (v1.56.3): it waits on a
		// channel that nobody closes.
		goleak.IgnoreTopFunction("github.com/aws/aws-sdk-go-v2/service/bedrockagentcore.newAsyncEventStreamReader.func1"))
}

const (
	region  = "us-west-2"
	arn     = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my_agent-abcde12345"
	cardARN = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/a2a-abcde12345"
	gone    = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/gone-abcde12345"
	session = "session-0123456789-0123456789-0123456789"
)

var credentials = aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "session token"}

func provider(c aws.Credentials) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil })
}

type question struct {
	Prompt string `json:"prompt"`
}

type answer struct {
	Text    string `json:"text"`
	Session string `json:"session"`
}

// place is a data plane of AgentCore with agents behind it.
type place struct {
	front *dataplane.Front
	url   string
	http  *http.Client
	// throttle has an element for each request that is to be refused.
	throttle chan struct{}
}

// newPlace returns one that listens.
func newPlace(t *testing.T) *place {
	t.Helper()
	p := newFront(t)
	server := httptest.NewServer(p.front)
	t.Cleanup(server.Close)
	p.url, p.http = server.URL, server.Client()
	return p
}

// newPlaceInMemory returns one for bubbles of testing/synctest, which does not
// stream.
func newPlaceInMemory(t *testing.T) *place {
	t.Helper()
	p := newFront(t)
	p.url, p.http = "http://agentcore", &http.Client{Transport: inMemory{p.front}}
	return p
}

// inMemory is an [http.RoundTripper] that calls a handler.
type inMemory struct{ http.Handler }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := r.Clone(r.Context())
	sent.Host = r.URL.Host
	if sent.Body == nil {
		sent.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, sent)
	return w.Result(), nil
}

func newFront(t *testing.T) *place {
	t.Helper()
	p := &place{throttle: make(chan struct{}, 8)}
	p.front = dataplane.New(dataplane.Config{
		Region:      region,
		Credentials: []aws.Credentials{credentials},
		Refuse: func(string, *http.Request) *dataplane.Error {
			select {
			case <-p.throttle:
				return &dataplane.Error{Status: http.StatusTooManyRequests, Code: "ThrottlingException", Message: "Rate exceeded"}
			default:
				return nil
			}
		},
	})
	t.Cleanup(p.front.Close)
	return p
}

func (p *place) deploy(t *testing.T, arn string, agent dataplane.Agent) {
	t.Helper()
	if err := p.front.Deploy(arn, agent); err != nil {
		t.Fatal(err)
	}
}

// sdk returns the AWS SDK's client.
func (p *place) sdk(opts ...func(*bedrockagentcore.Options)) *bedrockagentcore.Client {
	return bedrockagentcore.New(bedrockagentcore.Options{
		Region: region, Credentials: provider(credentials), BaseEndpoint: aws.String(p.url),
		HTTPClient: &http.Client{Transport: plainBodies{p.http.Transport}},
	}, opts...)
}

// plainBodies is an [http.RoundTripper] for the AWS SDK, which closes the body of a
// request when the answer begins. Should that be before net/http has looked for the
// body's end, the WriteTo of smithy-go's bodies (v1.28.8) fails with io.EOF, and
// net/http breaks the connection off. Their Read does not fail.
type plainBodies struct{ http.RoundTripper }

func (p plainBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	plain := *r
	if r.Body != nil {
		plain.Body = struct{ io.ReadCloser }{r.Body}
	}
	return p.RoundTripper.RoundTrip(&plain)
}

// ours returns this project's client.
func (p *place) ours(t *testing.T, arn string, opts ...client.TransportOption) *client.Client {
	t.Helper()
	return p.oursWith(t, credentials, arn, opts...)
}

func (p *place) oursWith(t *testing.T, c aws.Credentials, arn string, opts ...client.TransportOption) *client.Client {
	t.Helper()
	opts = append([]client.TransportOption{client.WithEndpoint(p.url), client.WithHTTPClient(p.http)}, opts...)
	transport, err := client.AgentCore(aws.Config{Region: region, Credentials: provider(c)}, arn, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return client.New(transport, client.WithSession(session))
}

// once is an agent that answers once.
func once() http.Handler {
	return runtime.NewServer(runtime.Handlers{
		Invoke: runtime.Unary("Answer", func(ctx context.Context, q question) (answer, error) {
			return answer{Text: "You said: " + q.Prompt, Session: runtime.SessionID(ctx)}, nil
		}),
	})
}

// streaming is an agent whose second value comes when the first has arrived.
func streaming(arrived <-chan struct{}) http.Handler {
	return runtime.NewServer(runtime.Handlers{
		Invoke: runtime.Stream("Answer", func(ctx context.Context, q question) iter.Seq2[answer, error] {
			return func(yield func(answer, error) bool) {
				if !yield(answer{Text: q.Prompt}, nil) {
					return
				}
				select {
				case <-arrived:
				case <-ctx.Done():
					return
				}
				yield(answer{Text: "and on"}, nil)
			}
		}),
	})
}

func TestSDKInvokesOnce(t *testing.T) {
	p := newPlace(t)
	p.deploy(t, arn, dataplane.Agent{Handler: once()})
	got, err := p.sdk().InvokeAgentRuntime(t.Context(), &bedrockagentcore.InvokeAgentRuntimeInput{
		AgentRuntimeArn: aws.String(arn), RuntimeSessionId: aws.String(session), Qualifier: aws.String("DEFAULT"),
		ContentType: aws.String("application/json"), Accept: aws.String("application/json"), Payload: []byte(`{"prompt":"hi"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Response.Close()
	body, err := io.ReadAll(got.Response)
	if want := `{"text":"You said: hi","session":"` + session + `"}`; string(body) != want || err != nil {
		t.Errorf("answer = %s, %v\nwant %s", body, err, want)
	}
	if aws.ToString(got.RuntimeSessionId) != session || aws.ToString(got.ContentType) != "application/json" || aws.ToInt32(got.StatusCode) != 200 {
		t.Errorf("answer = %+v", got)
	}
}

func TestSDKGetsASession(t *testing.T) {
	p := newPlace(t)
	p.deploy(t, arn, dataplane.Agent{Handler: once()})
	got, err := p.sdk().InvokeAgentRuntime(t.Context(), &bedrockagentcore.InvokeAgentRuntimeInput{AgentRuntimeArn: aws.String(arn), Payload: []byte(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Response.Close()
	var said answer
	if err := json.NewDecoder(got.Response).Decode(&said); err != nil || said.Session == "" || said.Session != aws.ToString(got.RuntimeSessionId) {
		t.Errorf("the agent's session is %q, the caller's is %q (%v)", said.Session, aws.ToString(got.RuntimeSessionId), err)
	}
}

func TestSDKInvokesStream(t *testing.T) {
	p := newPlace(t)
	arrived := make(chan struct{})
	p.deploy(t, arn, dataplane.Agent{Handler: streaming(arrived)})
	got, err := p.sdk().InvokeAgentRuntime(t.Context(), &bedrockagentcore.InvokeAgentRuntimeInput{
		AgentRuntimeArn: aws.String(arn), RuntimeSessionId: aws.String(session), Accept: aws.String("text/event-stream"), Payload: []byte(`{"prompt":"hi"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Response.Close()
	var events []string
	for event, err := range client.ReadEvents(got.Response) {
		if err != nil {
			t.Fatal(err)
		}
		if events = append(events, string(event.Data)); len(events) == 1 {
			close(arrived) // had it waited in a buffer, the agent would wait for ever
		}
	}
	if want := []string{`{"text":"hi","session":""}`, `{"text":"and on","session":""}`}; !reflect.DeepEqual(events, want) {
		t.Errorf("events = %q, want %q", events, want)
	}
	if !strings.HasPrefix(aws.ToString(got.ContentType), "text/event-stream") {
		t.Errorf("ContentType = %s", aws.ToString(got.ContentType))
	}
}

func TestSDKStopsSession(t *testing.T) {
	p := newPlace(t)
	stopped := make(chan string, 1)
	p.deploy(t, arn, dataplane.Agent{Handler: once(), Stopped: func(id string) { stopped <- id }})
	stop := func() (*bedrockagentcore.StopRuntimeSessionOutput, error) {
		return p.sdk().StopRuntimeSession(t.Context(), &bedrockagentcore.StopRuntimeSessionInput{AgentRuntimeArn: aws.String(arn), RuntimeSessionId: aws.String(session)})
	}
	_, err := stop()
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok {
		t.Errorf("of a session that has not begun: %v", err)
	}
	if _, err := client.Invoke[question, answer](t.Context(), p.ours(t, arn), question{}); err != nil {
		t.Fatal(err)
	}
	got, err := stop()
	if err != nil {
		t.Fatal(err)
	}
	if id := <-stopped; id != session || aws.ToString(got.RuntimeSessionId) != session || aws.ToInt32(got.StatusCode) != 200 {
		t.Errorf("stopped %s, answer %+v", id, got)
	}
}

func TestSDKRefused(t *testing.T) {
	p := newPlace(t)
	p.deploy(t, arn, dataplane.Agent{Handler: runtime.NewServer(runtime.Handlers{
		Invoke: runtime.Unary("Fail", func(context.Context, any) (any, error) { return nil, errors.New("no") }),
	})})
	otherSecret := credentials
	otherSecret.SecretAccessKey = "other"
	otherToken := credentials
	otherToken.SessionToken = "other"
	tests := []struct {
		name        string
		credentials aws.Credentials
		arn         string
		qualifier   *string
		wantStatus  int
		wantCode    string
	}{
		{"agent fails", credentials, arn, nil, 424, "RuntimeClientError"},
		{"other secret", otherSecret, arn, nil, 403, "InvalidSignatureException"},
		{"other token", otherToken, arn, nil, 403, "UnrecognizedClientException"},
		{"other runtime", credentials, gone, nil, 404, "ResourceNotFoundException"},
		{"other endpoint", credentials, arn, aws.String("prod"), 404, "ResourceNotFoundException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := p.sdk(func(o *bedrockagentcore.Options) { o.Credentials = provider(tt.credentials) }).
				InvokeAgentRuntime(t.Context(), &bedrockagentcore.InvokeAgentRuntimeInput{AgentRuntimeArn: aws.String(tt.arn), Qualifier: tt.qualifier, Payload: []byte("{}")})
			code, status := "", 0
			if e, ok := errors.AsType[smithy.APIError](err); ok {
				code = e.ErrorCode()
			}
			if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
				status = e.HTTPStatusCode()
			}
			if code != tt.wantCode || status != tt.wantStatus {
				t.Errorf("SDK: status %d, code %s (%v), want %d and %s", status, code, err, tt.wantStatus, tt.wantCode)
			}

			var opts []client.TransportOption
			if tt.qualifier != nil {
				opts = append(opts, client.WithQualifier(*tt.qualifier))
			}
			_, err = client.Invoke[any, any](t.Context(), p.oursWith(t, tt.credentials, tt.arn, opts...), nil)
			ours, ok := errors.AsType[*client.Error](err)
			if !ok || ours.StatusCode != tt.wantStatus || ours.Code != tt.wantCode || ours.RequestID == "" {
				t.Errorf("ours: %v, want %d and %s", err, tt.wantStatus, tt.wantCode)
			}
		})
	}
}

func TestSDKGetsAgentCard(t *testing.T) {
	p := newPlace(t)
	const card = `{"name":"a2a","skills":[{"id":"main"}]}`
	p.deploy(t, cardARN, dataplane.Agent{Protocol: "A2A", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/agent-card.json" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, card)
	})})
	got, err := p.sdk().GetAgentCard(t.Context(), &bedrockagentcore.GetAgentCardInput{AgentRuntimeArn: aws.String(cardARN), RuntimeSessionId: aws.String(session)})
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Name string `document:"name"`
	}
	if err := got.AgentCard.UnmarshalSmithyDocument(&said); err != nil || said.Name != "a2a" || aws.ToString(got.RuntimeSessionId) != session {
		t.Errorf("card of %q for session %s (%v)", said.Name, aws.ToString(got.RuntimeSessionId), err)
	}
	ours, err := p.ours(t, cardARN).AgentCard(t.Context())
	if string(ours) != card || err != nil {
		t.Errorf("AgentCard() = %s, %v", ours, err)
	}
}

// ran is what a caller gets of a command.
type ran struct {
	Stdout, Stderr string
	ExitCode       int
	Status         string
	Code           string // of an exception
	RequestAccept  string
}

// commands are what the agent's command function does, by the line it gets.
func commands(ctx context.Context, c dataplane.Command, stdout, stderr io.Writer) (int, error) {
	switch c.Line {
	case "both":
		fmt.Fprintf(stdout, "out in %s, for %s at most\n", c.Session, c.Timeout)
		fmt.Fprint(stderr, "err\n")
		return 3, nil
	case "halves":
		for _, b := range []byte("naïve 🙂 \xff") {
			_, _ = stdout.Write([]byte{b})
		}
		return 0, nil
	case "slow":
		_, _ = io.WriteString(stdout, "begun")
		<-ctx.Done()
		return 0, ctx.Err()
	case "refused":
		_, _ = io.WriteString(stdout, "begun")
		return 0, &dataplane.Error{Code: "ThrottlingException", Message: "Rate exceeded"}
	case "late":
		return 0, context.DeadlineExceeded
	case "broken":
		return 0, errors.New("it broke")
	}
	return -1, nil
}

func TestCommand(t *testing.T) {
	tests := []struct {
		line    string
		timeout time.Duration
		want    ran
	}{
		{"both", 0, ran{Stdout: "out in " + session + ", for 5m0s at most\n", Stderr: "err\n", ExitCode: 3, Status: "COMPLETED"}},
		{"both", 1500 * time.Millisecond, ran{Stdout: "out in " + session + ", for 2s at most\n", Stderr: "err\n", ExitCode: 3, Status: "COMPLETED"}},
		{"halves", 0, ran{Stdout: "naïve 🙂 \ufffd", Status: "COMPLETED"}},
		{"refused", 0, ran{Stdout: "begun", Code: "ThrottlingException"}},
		{"broken", 0, ran{Code: "InternalServerException"}},
		{"late", 0, ran{ExitCode: -1, Status: "TIMED_OUT"}},
		{"of the platform", 0, ran{ExitCode: -1, Status: "COMPLETED"}},
	}
	p := newPlace(t)
	p.deploy(t, arn, dataplane.Agent{Handler: once(), Command: commands})
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			if got := runWithSDK(t, p.sdk(), tt.line, tt.timeout); got != tt.want {
				t.Errorf("SDK:  %+v\nwant: %+v", got, tt.want)
			}
			if got := runWithOurs(t, p.ours(t, arn), tt.line, tt.timeout); got != tt.want {
				t.Errorf("ours: %+v\nwant: %+v", got, tt.want)
			}
		})
	}
}

func runWithSDK(t *testing.T, c *bedrockagentcore.Client, line string, timeout time.Duration) (got ran) {
	t.Helper()
	body := &types.InvokeAgentRuntimeCommandRequestBody{Command: aws.String(line)}
	if timeout > 0 {
		body.Timeout = aws.Int32(int32((timeout + time.Second - 1) / time.Second))
	}
	out, err := c.InvokeAgentRuntimeCommand(t.Context(), &bedrockagentcore.InvokeAgentRuntimeCommandInput{
		AgentRuntimeArn: aws.String(arn), RuntimeSessionId: aws.String(session), Body: body,
	})
	if err != nil {
		t.Fatal(err)
	}
	stream := out.GetStream()
	defer stream.Close()
	starts := 0
	for event := range stream.Events() {
		chunk, ok := event.(*types.InvokeAgentRuntimeCommandStreamOutputMemberChunk)
		if !ok {
			t.Fatalf("event = %T", event)
		}
		if chunk.Value.ContentStart != nil {
			starts++
		}
		if delta := chunk.Value.ContentDelta; delta != nil {
			got.Stdout += aws.ToString(delta.Stdout)
			got.Stderr += aws.ToString(delta.Stderr)
		}
		if stop := chunk.Value.ContentStop; stop != nil {
			got.ExitCode, got.Status = int(aws.ToInt32(stop.ExitCode)), string(stop.Status)
		}
	}
	if e, ok := errors.AsType[smithy.APIError](stream.Err()); ok {
		got.Code = e.ErrorCode()
	} else if stream.Err() != nil {
		t.Fatal(stream.Err())
	}
	if starts != 1 {
		t.Errorf("the stream has %d starts", starts)
	}
	return got
}

func runWithOurs(t *testing.T, c *client.Client, line string, timeout time.Duration) (got ran) {
	t.Helper()
	var stdout, stderr strings.Builder
	result, err := c.RunCommand(t.Context(), client.Command{Line: line, Timeout: timeout}, &stdout, &stderr)
	got = ran{Stdout: stdout.String(), Stderr: stderr.String(), ExitCode: result.ExitCode, Status: result.Status}
	if refused, ok := errors.AsType[*client.Error](err); ok {
		got.Code = refused.Code
	} else if _, ended := errors.AsType[*client.CommandError](err); err != nil && (!ended || result.ExitCode >= 0) {
		t.Fatal(err)
	}
	return got
}

func TestCommandOfTheShell(t *testing.T) {
	p := newPlace(t)
	p.deploy(t, arn, dataplane.Agent{Handler: once(), Command: dataplane.RunShell})
	var stdout, stderr strings.Builder
	result, err := p.ours(t, arn).RunCommand(t.Context(), client.Command{Line: "echo out; echo err >&2; exit 7"}, &stdout, &stderr)
	if want := (client.CommandResult{ExitCode: 7, Status: "COMPLETED"}); result != want || err != nil {
		t.Errorf("RunCommand() = %+v, %v, want %+v", result, err, want)
	}
	if stdout.String() != "out\n" || stderr.String() != "err\n" {
		t.Errorf("stdout = %q, stderr = %q", &stdout, &stderr)
	}
}

func TestCommandWhoseTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaceInMemory(t)
		p.deploy(t, arn, dataplane.Agent{Handler: once(), Command: commands})
		begun := time.Now()
		result, err := p.ours(t, arn).RunCommand(t.Context(), client.Command{Line: "slow", Timeout: time.Minute}, nil, nil)
		ended, ok := errors.AsType[*client.CommandError](err)
		if !ok || !ended.Timeout() || ended.Result != result || result != (client.CommandResult{ExitCode: -1, Status: "TIMED_OUT"}) {
			t.Errorf("RunCommand() = %+v, %v", result, err)
		}
		if took := time.Since(begun); took != time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

func TestThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaceInMemory(t)
		p.deploy(t, arn, dataplane.Agent{Handler: once()})
		p.throttle <- struct{}{}
		p.throttle <- struct{}{}
		got, err := client.Invoke[question, answer](t.Context(), p.ours(t, arn), question{"hi"})
		if want := (answer{"You said: hi", session}); got != want || err != nil {
			t.Errorf("Invoke() = %+v, %v, want %+v after two attempts", got, err, want)
		}
	})
}
