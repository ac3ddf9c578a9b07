//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/agentcore-go/agentcore/examples/background/backgroundclient"
	"github.com/agentcore-go/agentcore/examples/chat/chatclient"
	"github.com/agentcore-go/agentcore/examples/internal/process"
	"github.com/agentcore-go/agentcore/examples/streaming/streamingclient"
	"github.com/agentcore-go/agentcore/runtime"
)

// programs is the directory with the examples, built.
var programs string

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "examples"); err == nil {
		err = process.Build(programs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		os.RemoveAll(programs)
		os.Exit(status)
	}))
}

// start runs an example, and returns where it listens.
func start(t *testing.T, name string) (url string) {
	t.Helper()
	return "http://" + process.Start(t, filepath.Join(programs, name))
}

// serve serves an agent that is made for one test, for what the examples do only
// now and then.
func serve(t *testing.T, handlers runtime.Handlers) (url string) {
	t.Helper()
	server := httptest.NewServer(runtime.NewServer(handlers, runtime.WithLogger(slog.New(slog.DiscardHandler))))
	t.Cleanup(server.Close)
	return server.URL
}

// result is what a run of the command comes to.
type result struct {
	status   int
	out, err string
}

// invoke runs the command.
func invoke(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var out, err bytes.Buffer
	status := run(t.Context(), args, terminal{strings.NewReader(stdin), &out, &err})
	return result{status, out.String(), err.String()}
}

var sessionLine = regexp.MustCompile(`^session (\S+)\n`)

// session returns the id that a run has told.
func (r result) session(t *testing.T) string {
	t.Helper()
	line := sessionLine.FindStringSubmatch(r.err)
	if line == nil {
		t.Fatalf("it does not tell the session: %q", r.err)
	}
	return line[1]
}

// expect checks a result. What it says of the session counts for nothing.
func (r result) expect(t *testing.T, status int, out, err string) {
	t.Helper()
	if r.status != status {
		t.Errorf("exit status = %d, want %d", r.status, status)
	}
	if r.out != out {
		t.Errorf("stdout = %q\nwant     %q", r.out, out)
	}
	if got := sessionLine.ReplaceAllString(r.err, ""); got != err {
		t.Errorf("stderr = %q\nwant     %q", got, err)
	}
}

func TestHello(t *testing.T) {
	url := start(t, "hello")
	invoke(t, "", "-url", url, "hello", "how", "are", "you?").expect(t, 0, "You said: how are you?\n", "")
	invoke(t, "", "-url", url, "hello").expect(t, 0, "You said: \n", "")
	invoke(t, "", "-url", url, "hello", "-5", "degrees,", "url").expect(t, 0, "You said: -5 degrees, url\n", "")
}

func TestStreaming(t *testing.T) {
	url := start(t, "streaming")
	invoke(t, "", "-url", url, "streaming", "hi").expect(t, 0, "You said: \"hi\". We have only just met.\n", "")
}

func TestAssistant(t *testing.T) {
	url := start(t, "assistant")
	first := invoke(t, "", "-url", url, "assistant", "returns", "how?")
	first.expect(t, 0, "You said: \"how?\". We have only just met.\n", "")

	continued := invoke(t, "", "-url", url, "-session", first.session(t), "assistant", "returns", "and", "why?")
	continued.expect(t, 0, "You said: \"and why?\". I remember 1 earlier turn.\n", "")
	if got, want := continued.session(t), first.session(t); got != want {
		t.Errorf("it continues the session %s, want %s", got, want)
	}
	invoke(t, "", "-url", url, "assistant", "returns", "how?").
		expect(t, 0, "You said: \"how?\". We have only just met.\n", "")

	invoke(t, "", "-url", url, "assistant", "love", "how?").
		expect(t, 1, "", "caller: refused with status 404: the handbook has no topic \"love\"\n")
	invoke(t, "", "-url", url, "assistant", "returns").
		expect(t, 1, "", "caller: refused with status 422: the prompt is empty\n")
}

func TestGateway(t *testing.T) {
	url := start(t, "gateway")
	t.Setenv("GATEWAY_TOKEN", "dev-token")
	invoke(t, "", "-url", url, "-token-env", "GATEWAY_TOKEN", "gateway", "hi").
		expect(t, 0, "You said: \"hi\". We have only just met.\n", "")
	invoke(t, "", "-url", url, "gateway", "hi").
		expect(t, 1, "", "caller: refused with status 401: a valid bearer token is required\n")
}

func TestBackground(t *testing.T) {
	url := start(t, "background")
	invoke(t, "", "-url", url, "background", "otters", "terns").expect(t, 0,
		"otters: You said: \"Write a paragraph about otters\". We have only just met.\n"+
			"terns: You said: \"Write a paragraph about terns\". We have only just met.\n", "")
}

func TestReportFails(t *testing.T) {
	url := serve(t, runtime.Handlers{Invoke: runtime.Unary[backgroundclient.Request, backgroundclient.Report]("Handle",
		func(_ context.Context, r backgroundclient.Request) (backgroundclient.Report, error) {
			report := backgroundclient.Report{ID: "7", State: backgroundclient.Running, Topics: 2}
			if r.Action == backgroundclient.Progress && r.ID == "7" {
				report.State, report.Error = backgroundclient.Failed, "the model is on strike"
				report.Sections = []backgroundclient.Section{{Topic: "otters", Text: "They swim."}}
			}
			return report, nil
		})})
	invoke(t, "", "-url", url, "background", "otters", "terns").
		expect(t, 1, "otters: They swim.\n", "caller: the report has failed: the model is on strike\n")
}

func TestReportInAnotherState(t *testing.T) {
	for _, state := range []backgroundclient.State{"", "postponed"} {
		url := serve(t, runtime.Handlers{Invoke: runtime.Unary[backgroundclient.Request, backgroundclient.Report]("Handle",
			func(_ context.Context, r backgroundclient.Request) (backgroundclient.Report, error) {
				report := backgroundclient.Report{ID: "7", State: backgroundclient.Running, Topics: 2}
				if r.Action == backgroundclient.Progress {
					report.State = state
				} else {
					report.Sections = []backgroundclient.Section{{Topic: "otters", Text: "They swim."}}
				}
				return report, nil
			})})
		invoke(t, "", "-url", url, "background", "otters", "terns").
			expect(t, 1, "otters: They swim.\n", fmt.Sprintf("caller: the report is in a state that is not known here: %q\n", state))
	}
}

func TestStreamFails(t *testing.T) {
	url := serve(t, runtime.Handlers{Invoke: runtime.Stream[streamingclient.Question, streamingclient.Token]("Answer",
		func(context.Context, streamingclient.Question) iter.Seq2[streamingclient.Token, error] {
			return func(yield func(streamingclient.Token, error) bool) {
				if yield(streamingclient.Token{Text: "Well, "}, nil) {
					yield(streamingclient.Token{}, errors.New("the model is on strike"))
				}
			}
		})})
	invoke(t, "", "-url", url, "streaming", "hi").
		expect(t, 1, "Well, \n", "caller: the answer has failed: the model is on strike\n\tcode error\n")
}

func TestChat(t *testing.T) {
	url := start(t, "chat")
	got := invoke(t, "\n  hi  \n\n", "-url", url, "chat")
	got.expect(t, 0, "You said: \"hi\". We have only just met.\n", "")
	invoke(t, "hi", "-url", url, "-session", "mine", "chat").expect(t, 0, "You said: \"hi\". We have only just met.\n", "")
	invoke(t, "", "-url", url, "chat").expect(t, 0, "", "")
}

// talk serves a chat.
func talk(t *testing.T, handler func(context.Context, *runtime.Conn[chatclient.Say, chatclient.Heard]) error) (url string) {
	t.Helper()
	return serve(t, runtime.Handlers{WebSocket: runtime.WebSocket[chatclient.Say, chatclient.Heard]("Talk", handler)})
}

// A message is sent while the answer to the one before is still heard.
func TestChatInterrupts(t *testing.T) {
	url := talk(t, func(ctx context.Context, conn *runtime.Conn[chatclient.Say, chatclient.Heard]) error {
		turn := 0
		for say, err := range conn.Messages(ctx) {
			if err != nil {
				return err
			}
			turn++
			var answer []chatclient.Heard
			switch say.Text {
			case "tell me everything":
				answer = []chatclient.Heard{{Turn: turn, Text: "Well, "}}
			case "stop":
				answer = []chatclient.Heard{{Turn: turn - 1, End: chatclient.Interrupted}, {Turn: turn, Text: "Yes?"}, {Turn: turn, End: chatclient.Done}}
			}
			for _, piece := range answer {
				if err := conn.Send(ctx, piece); err != nil {
					return err
				}
			}
		}
		return nil
	})
	stdin, typist := io.Pipe()
	var err bytes.Buffer
	out := &watched{to: make(chan string)}
	status := make(chan int, 1)
	go func() {
		defer close(out.to)
		status <- run(t.Context(), []string{"-url", url, "chat"}, terminal{stdin, out, &err})
	}()
	fmt.Fprintln(typist, "tell me everything")
	if got, want := <-out.to, "Well, "; got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
	fmt.Fprintln(typist, "stop")
	typist.Close()
	var rest strings.Builder
	for text := range out.to {
		rest.WriteString(text)
	}
	result{<-status, rest.String(), err.String()}.expect(t, 0, "[interrupted]\nYes?\n", "")
}

// watched hands over what is written, piece by piece.
type watched struct{ to chan string }

func (w *watched) Write(b []byte) (int, error) {
	w.to <- string(b)
	return len(b), nil
}

func TestChatEndsEarly(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  error
		want string
	}{
		{"regularly", nil, "caller: the agent has ended the conversation\n"},
		{"with a failure", errors.New("out of words"), "caller: websocket closed with 1011\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := talk(t, func(ctx context.Context, conn *runtime.Conn[chatclient.Say, chatclient.Heard]) error {
				if _, err := conn.Receive(ctx); err != nil {
					return err
				}
				if err := conn.Send(ctx, chatclient.Heard{Turn: 1, Text: "Well, "}); err != nil {
					return err
				}
				return tt.end
			})
			invoke(t, "hi\n", "-url", url, "chat").expect(t, 1, "Well, \n", tt.want)
		})
	}
}

func TestInputFails(t *testing.T) {
	url := start(t, "chat")
	var out, err bytes.Buffer
	stdin := io.MultiReader(strings.NewReader(""), broken{})
	status := run(t.Context(), []string{"-url", url, "chat"}, terminal{stdin, &out, &err})
	result{status, out.String(), err.String()}.expect(t, 1, "", "caller: the cable is cut\n")
}

// broken is a file that can neither be read nor written.
type broken struct{}

func (broken) Read([]byte) (int, error)  { return 0, errors.New("the cable is cut") }
func (broken) Write([]byte) (int, error) { return 0, errors.New("the cable is cut") }

func TestOutputFails(t *testing.T) {
	for _, args := range [][]string{{"hello", "hi"}, {"streaming", "hi"}, {"chat"}} {
		t.Run(args[0], func(t *testing.T) {
			var err bytes.Buffer
			status := run(t.Context(), append([]string{"-url", start(t, args[0])}, args...), terminal{strings.NewReader("hi\n"), broken{}, &err})
			result{status, "", err.String()}.expect(t, 1, "", "caller: the cable is cut\n")
		})
	}
}

func TestNobodyListens(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	for _, name := range []string{"hello", "chat"} {
		invoke(t, "hi\n", "-url", server.URL, name).expect(t, 1, "",
			"caller: nothing listens at "+server.URL+": start the agent, as in\n\tgo run ./examples/"+name+"\n")
	}
}

func TestUsage(t *testing.T) {
	t.Setenv("EMPTY_TOKEN", "")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "which agent?"},
		{[]string{"weather"}, `there is no agent "weather"`},
		{[]string{"-verbose", "hello"}, "flag provided but not defined: -verbose"},
		{[]string{"assistant"}, "write assistant topic [text...]"},
		{[]string{"background"}, "write background topic..."},
		{[]string{"chat", "hi"}, "write chat"},
		{[]string{"hello", "-url", "http://localhost:8081"}, "-url comes after the agent: flags go before the agent"},
		{[]string{"hello", "hi", "--session=mine"}, "--session=mine comes after the agent: flags go before the agent"},
		{[]string{"chat", "-session", "mine"}, "-session comes after the agent: flags go before the agent"},
		{[]string{"-url", "http://localhost", "-runtime", "my_agent-abcde12345", "hello"}, "an agent has a -url or a -runtime, not both"},
		{[]string{"-runtime", "", "hello"}, "the -runtime is empty"},
		{[]string{"-region", "us-west-2", "hello"}, "-region is for an agent on AgentCore: say which with -runtime"},
		{[]string{"-token-env", "EMPTY_TOKEN", "gateway"}, "there is no token in the environment variable EMPTY_TOKEN"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			got := invoke(t, "", tt.args...)
			message, usage, _ := strings.Cut(got.err, "\n")
			if got.status != 2 || message != tt.want || !strings.HasPrefix(usage, "usage: caller [flags] agent") {
				t.Errorf("status %d: %s\nwant status 2: %s, and the usage", got.status, got.err, tt.want)
			}
		})
	}
	if got := invoke(t, "", "-help"); got.status != 0 || !strings.HasPrefix(got.err, "usage: caller [flags] agent") {
		t.Errorf("-help ends with status %d: %s", got.status, got.err)
	}
	invoke(t, "", "-url", "localhost:8080", "hello").
		expect(t, 2, "", "caller: base URL \"localhost:8080\": write it with its scheme, as in http://localhost:8080\n")
}
