//go:build unix

package interop_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/agentcore-go/agentcore/internal/testmodule"
)

// caller is a language whose libraries call our examples.
type caller struct {
	// installed skips the test if the language is not there.
	installed func(t *testing.T) string
	// script runs the script that makes calls.
	script func(t *testing.T, args ...string) *exec.Cmd
	// sockets are the libraries for WebSocket that it knows.
	sockets []string
}

var (
	pythonCaller = caller{
		installed: pythonProgram,
		script:    func(t *testing.T, args ...string) *exec.Cmd { return python(t, "caller.py", args...) },
		sockets:   []string{"websockets.sync", "websockets.asyncio"},
	}
	nodeCaller = caller{
		installed: nodeModules,
		script:    func(t *testing.T, args ...string) *exec.Cmd { return node(t, "caller.mjs", args...) },
		sockets:   []string{"ws", "WebSocket"},
	}
)

// outgoing is one call of a script.
type outgoing struct {
	// With is what makes the call: request, events, or one of the sockets.
	With string `json:"with"`
	URL  string `json:"url"`
	// Body is posted; without one, the request is a GET.
	Body   string            `json:"body"`
	Header map[string]string `json:"header"`
	// Say are the messages to send, the first at once and each of the others, and
	// at last a close, when a message with the text Until has come.
	Say   []string `json:"say"`
	Until string   `json:"until"`
}

// seen is what a script has seen of the answer to a call.
type seen struct {
	Status int
	Type   string // of the content
	Body   string
	Events []event
	Heard  []string // messages
	Code   int      // of the close
	Reason string
}

type event struct{ Name, Data string }

func (c caller) call(t *testing.T, calls ...outgoing) []seen {
	t.Helper()
	for i := range calls {
		if calls[i].Header == nil {
			calls[i].Header = map[string]string{"Content-Type": "application/json"}
		}
	}
	text, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	answers := output[[]seen](t, c.script(t, string(text)))
	if len(answers) != len(calls) {
		t.Fatalf("it has seen %v of %d calls", answers, len(calls))
	}
	return answers
}

func (c caller) post(t *testing.T, a *agent, body string) seen {
	t.Helper()
	return c.call(t, outgoing{With: "request", URL: a.http("/invocations"), Body: body})[0]
}

func (a *agent) http(path string) string { return "http://" + a.host + path }

// buildExamples builds them into examplesDir, once.
var buildExamples = sync.OnceValue(func() (err error) {
	if examplesDir, err = os.MkdirTemp("", "examples"); err != nil {
		return err
	}
	if out, err := exec.Command("go", "build", "-o", examplesDir, "github.com/agentcore-go/agentcore/examples/...").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
})

// examplesDir is removed when all tests have run.
var examplesDir string

// example starts an example, with the model that is built in.
func example(t *testing.T, name string, env ...string) *agent {
	t.Helper()
	if err := testmodule.DependOnSources(); err != nil {
		t.Fatal(err)
	}
	if err := buildExamples(); err != nil {
		t.Fatal(err)
	}
	return start(t, exec.Command(filepath.Join(examplesDir, name)), append([]string{"OPENAI_BASE_URL="}, env...)...)
}

// model starts a stand-in for the endpoint of a language model, and returns the
// variables with which the examples use it.
func model(t *testing.T, answer http.HandlerFunc) []string {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return []string{"OPENAI_BASE_URL=" + server.URL, "OPENAI_MODEL=interop"}
}

// callHello checks answers in JSON.
func (c caller) callHello(t *testing.T) {
	c.installed(t)
	a := example(t, "hello")
	answers := c.call(t,
		outgoing{With: "request", URL: a.http("/invocations"), Body: `{"prompt":"hi \u00fc🤖"}`},
		outgoing{With: "request", URL: a.http("/invocations"), Body: `{"prompt":1}`},
		outgoing{With: "request", URL: a.http("/invocations"), Body: `{"prompt":`},
		outgoing{With: "request", URL: a.http("/ping")},
		outgoing{With: "request", URL: a.http("/nothing")},
	)
	const isJSON = "application/json"
	want := []seen{
		{Status: 200, Type: isJSON, Body: `{"text":"You said: hi ü🤖"}`},
		{Status: 400, Type: isJSON, Body: `{"error":"Invalid payload","details":"prompt: cannot use number as string"}`},
		{Status: 400, Type: isJSON},
		{Status: 200, Type: isJSON},
		{Status: 404, Type: "text/plain; charset=utf-8", Body: "Not Found"},
	}
	if broken := answers[2].Body; !strings.HasPrefix(broken, `{"error":"Invalid JSON","details":"`) {
		t.Errorf("broken JSON is answered with %s", broken)
	}
	if ping := answers[3].Body; !strings.HasPrefix(ping, `{"status":"Healthy","time_of_last_update":`) {
		t.Errorf("the ping is answered with %s", ping)
	}
	answers[2].Body, answers[3].Body = "", ""
	for i := range want {
		if !reflect.DeepEqual(answers[i], want[i]) {
			t.Errorf("got %+v, want %+v", answers[i], want[i])
		}
	}
}

// callStreaming checks a stream, and one that fails.
func (c caller) callStreaming(t *testing.T) {
	c.installed(t)
	call := func(t *testing.T, a *agent) seen {
		t.Helper()
		return c.call(t, outgoing{With: "events", URL: a.http("/invocations"), Body: `{"prompt":"hi"}`})[0]
	}
	check := func(t *testing.T, got seen, events ...string) {
		t.Helper()
		want := seen{Status: 200, Type: "text/event-stream; charset=utf-8"}
		for _, data := range events {
			want.Events = append(want.Events, event{Name: "message", Data: data})
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	t.Run("whole", func(t *testing.T) {
		check(t, call(t, example(t, "streaming")),
			`{"text":"You "}`, `{"text":"said: "}`, `{"text":"\"hi\". "}`, `{"text":"We "}`, `{"text":"have "}`, `{"text":"only "}`, `{"text":"just "}`, `{"text":"met."}`)
	})
	t.Run("that fails", func(t *testing.T) {
		got := call(t, example(t, "streaming", model(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, `data: {"choices":[{"delta":{"content":"two\nlines"}}]}`+"\n\n") // and no end
		})...))
		check(t, got, `{"text":"two\nlines"}`,
			`{"error":"llm: the reply was cut off: unexpected EOF","error_type":"error","message":"An error occurred during streaming"}`)
	})
	t.Run("that fails at once", func(t *testing.T) {
		got := call(t, example(t, "streaming", model(t, func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "no", http.StatusTeapot)
		})...))
		if got.Status != 200 || len(got.Events) != 1 || !strings.HasPrefix(got.Events[0].Data, `{"error":"llm: `) {
			t.Errorf("got %+v", got)
		}
	})
}

// callChat talks over a WebSocket, and checks how that ends.
func (c caller) callChat(t *testing.T) {
	c.installed(t)
	chat, hello := example(t, "chat"), example(t, "hello")
	for _, library := range c.sockets {
		t.Run(library, func(t *testing.T) {
			talk := func(t *testing.T, a *agent, say ...string) seen {
				t.Helper()
				return c.call(t, outgoing{With: library, URL: "ws://" + a.host + "/ws", Say: say, Until: `"end"`})[0]
			}
			t.Run("conversation", func(t *testing.T) {
				got := talk(t, chat, `{"text":"hi"}`, `{"text":"\u00fc🤖"}`)
				var heard strings.Builder
				for _, message := range got.Heard {
					var piece struct {
						Text, End string
						Turn      int
					}
					if err := json.Unmarshal([]byte(message), &piece); err != nil {
						t.Fatalf("%v in %s", err, message)
					}
					heard.WriteString(piece.Text)
					if piece.End != "" {
						fmt.Fprintf(&heard, "|%d %s|", piece.Turn, piece.End)
					}
				}
				if want := `You said: "hi". We have only just met.|1 done|You said: "ü🤖". I remember 1 earlier turn.|2 done|`; heard.String() != want {
					t.Errorf("heard %s", heard.String())
				}
				if got.Code != 1000 {
					t.Errorf("closed with %d %q", got.Code, got.Reason)
				}
			})
			t.Run("message that does not fit", func(t *testing.T) {
				got := talk(t, chat, `{"text":1}`)
				if got.Heard = nil; got.Code != 1011 || got.Reason != "unexpected message: Invalid payload: text: cannot use number as string" {
					t.Errorf("closed with %d %q", got.Code, got.Reason)
				}
			})
			t.Run("shutdown", func(t *testing.T) {
				asked := make(chan struct{})
				a := example(t, "chat", model(t, func(w http.ResponseWriter, r *http.Request) {
					close(asked)
					_, _ = io.Copy(io.Discard, r.Body) // else the context does not see the connection end
					<-r.Context().Done()
				})...)
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					<-asked
					a.terminate(t)
				}()
				got := talk(t, a, `{"text":"hi"}`)
				<-ended
				if got.Code != 1001 {
					t.Errorf("closed with %d %q", got.Code, got.Reason)
				}
			})
			t.Run("refusal", func(t *testing.T) {
				if library == "WebSocket" {
					return // it is like a browser's, which does not tell
				}
				if got := talk(t, hello); got.Status != http.StatusForbidden {
					t.Errorf("the handshake is refused with %d", got.Status)
				}
			})
		})
	}
}

// callBackground follows a task that outlives its request.
func (c caller) callBackground(t *testing.T) {
	c.installed(t)
	a := example(t, "background")
	started := c.post(t, a, `{"action":"start","topics":["otters"]}`)
	var report struct{ ID, State string }
	if err := json.Unmarshal([]byte(started.Body), &report); err != nil || started.Status != 200 || report.State != "running" {
		t.Fatalf("got %+v, %v", started, err)
	}
	progress := fmt.Sprintf(`{"action":"progress","id":%q}`, report.ID)
	answers := c.call(t,
		outgoing{With: "request", URL: a.http("/ping")},
		outgoing{With: "request", URL: a.http("/invocations"), Body: `{"action":"progress","id":"x"}`},
		outgoing{With: "request", URL: a.http("/invocations"), Body: `{"action":"stop"}`},
	)
	if !strings.HasPrefix(answers[0].Body, `{"status":"HealthyBusy"`) {
		t.Errorf("the ping is answered with %s", answers[0].Body)
	}
	for i, want := range map[int]seen{
		1: {Status: 404, Type: "application/json", Body: `{"error":"there is no report \"x\""}`},
		2: {Status: 422, Type: "application/json", Body: `{"error":"the action is \"stop\", want \"start\" or \"progress\""}`},
	} {
		if !reflect.DeepEqual(answers[i], want) {
			t.Errorf("got %+v, want %+v", answers[i], want)
		}
	}
	for report.State == "running" { // each turn takes the start of a process; go test bounds them
		if err := json.Unmarshal([]byte(c.post(t, a, progress).Body), &report); err != nil {
			t.Fatal(err)
		}
	}
	ping := c.call(t, outgoing{With: "request", URL: a.http("/ping")})[0]
	if report.State != "done" || !strings.HasPrefix(ping.Body, `{"status":"Healthy",`) {
		t.Errorf("the report is %s, and the ping then answered with %s", report.State, ping.Body)
	}
}

func TestPythonCallsHello(t *testing.T)      { pythonCaller.callHello(t) }
func TestPythonCallsStreaming(t *testing.T)  { pythonCaller.callStreaming(t) }
func TestPythonCallsChat(t *testing.T)       { pythonCaller.callChat(t) }
func TestPythonCallsBackground(t *testing.T) { pythonCaller.callBackground(t) }

func TestNodeCallsHello(t *testing.T)      { nodeCaller.callHello(t) }
func TestNodeCallsStreaming(t *testing.T)  { nodeCaller.callStreaming(t) }
func TestNodeCallsChat(t *testing.T)       { nodeCaller.callChat(t) }
func TestNodeCallsBackground(t *testing.T) { nodeCaller.callBackground(t) }
