package runtime_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

// The tables of the contract, one test for each section and one subtest for each
// row, so that a row can be looked up. What is behind a row is tested elsewhere,
// in the file of its subject; §11, the WebSocket, in websocket_test.go.
//
// Where a title says "ours", we differ from the Python SDK on purpose.

// contractRow is a row of the contract.
type contractRow struct {
	title string
	check func(*testing.T)
}

func checkRows(t *testing.T, rows []contractRow) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.title, row.check)
	}
}

// answers returns the check of a row that one request can show.
func answers(server *runtime.Server, method, path, body string, status int, want string) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		if got := record(server, method, path, body); got.status != status || got.body != want {
			t.Errorf("%s %s %s was answered with %d %q, want %d %q", method, path, body, got.status, got.body, status, want)
		}
	}
}

// gives returns a server whose handler returns a value, or fails.
func gives(value any, err error) *runtime.Server {
	return newServer(runtime.Handlers{Invoke: runtime.Unary("Give", func(context.Context, any) (any, error) { return value, err })})
}

// yields returns a server whose handler streams values, and then an error.
func yields(err error, sequence ...any) *runtime.Server {
	return newServer(runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(any, error) bool) {
		for _, value := range sequence {
			if !yield(value, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	})})
}

func TestContract2Routes(t *testing.T) {
	server := newServer(runtime.Handlers{Invoke: echo})
	a := serve(t, runtime.Handlers{Invoke: echo, WebSocket: talk(echoTexts)})
	refuses := func(method, path, allow string) func(*testing.T) {
		return func(t *testing.T) {
			got := record(server, method, path, `1`)
			if kind := got.header.Get("Content-Type"); got.status != 405 || got.body != "Method Not Allowed" || !strings.HasPrefix(kind, "text/plain") {
				t.Errorf("answered %d %s %q", got.status, kind, got.body)
			}
			if got := got.header.Get("Allow"); got != allow {
				t.Errorf("Allow is %q, want %q", got, allow)
			}
		}
	}
	checkRows(t, []contractRow{
		{"POST invocations", answers(server, "POST", "/invocations", `1`, 200, `1`)},
		{"GET ping, HEAD ping", func(t *testing.T) {
			get, head := a.do(t, "GET", "/ping", ""), a.do(t, "HEAD", "/ping", "")
			if get.status != 200 || head.status != 200 || head.body != "" || head.header.Get("Content-Type") != get.header.Get("Content-Type") {
				t.Errorf("GET was answered with %d %v, and HEAD with %d %v %q", get.status, get.header, head.status, head.header, head.body)
			}
		}},
		{"GET ws with upgrade", func(t *testing.T) {
			conn := a.connect(t)
			sendText(t, conn, "hello")
			if got := readText(t, conn); got != "hello" {
				t.Errorf("received %q", got)
			}
		}},
		{"GET ws without upgrade: 404", answers(server, "GET", "/ws", ``, 404, "Not Found")},
		{"other method on invocations: 405, Allow POST", refuses("PUT", "/invocations", "POST")},
		{"other method on ping: 405, Allow GET and HEAD", refuses("POST", "/ping", "GET, HEAD")},
		{"unknown path: 404", answers(server, "POST", "/unknown", `1`, 404, "Not Found")},
		{"unknown path: they are case-sensitive", answers(server, "POST", "/Invocations", `1`, 404, "Not Found")},
		{"unknown path: two slashes", answers(server, "POST", "//invocations", `1`, 404, "Not Found")},
		{"slash at the end: 307, method and body preserved", func(t *testing.T) {
			if got := record(server, "POST", "/invocations/", `1`); got.status != 307 {
				t.Errorf("answered %d", got.status)
			}
			if got := a.do(t, "POST", "/invocations/", `{"a":1}`); got.status != 200 || got.body != `{"a":1}` {
				t.Errorf("behind the redirect, answered %d %q", got.status, got.body)
			}
			if got := a.do(t, "GET", "/ping/", ""); got.status != 200 {
				t.Errorf("behind the redirect, a ping was answered with %d", got.status)
			}
		}},
		{"no authentication", func(t *testing.T) {
			for _, token := range []string{"", "Bearer nonsense", "nonsense"} {
				if got := record(server, "POST", "/invocations", `1`, "Authorization", token); got.status != 200 {
					t.Errorf("with the token %q, answered %d", token, got.status)
				}
			}
		}},
	})
}

func TestContract5PlainResponse(t *testing.T) {
	type point struct {
		X int `json:"x"`
	}
	checkRows(t, []contractRow{
		{"200, application json, the result as JSON", func(t *testing.T) {
			got := record(gives(map[string]any{"a": []int{1}}, nil), "POST", "/invocations", `{}`)
			if got.status != 200 || got.body != `{"a":[1]}` || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("answered %d %s %q", got.status, got.header.Get("Content-Type"), got.body)
			}
		}},
		{"a string is encoded, with quotes", answers(gives("a\n", nil), "POST", "/invocations", `{}`, 200, `"a\n"`)},
		{"no result: null", answers(gives(nil, nil), "POST", "/invocations", `{}`, 200, `null`)},
		{"non-ASCII characters as UTF-8", answers(gives("żółć 😀 <&>", nil), "POST", "/invocations", `{}`, 200, `"żółć 😀 <&>"`)},
		{"structs become objects, lists arrays", answers(gives([2]point{{1}, {2}}, nil), "POST", "/invocations", `{}`, 200, `[{"x":1},{"x":2}]`)},
		{"no JSON: its text", answers(gives(math.Inf(1), nil), "POST", "/invocations", `{}`, 200, `"+Inf"`)},
		{"no JSON and no text: a note", answers(gives(make(chan int), nil), "POST", "/invocations", `{}`, 200, `{"error":"Serialization failed","original_type":"chan int"}`)},
		{"nesting of more than 50 levels: ours has no marker", func(t *testing.T) {
			deep := any(1)
			for range 100 {
				deep = []any{deep}
			}
			answers(gives(deep, nil), "POST", "/invocations", `{}`, 200, strings.Repeat("[", 100)+"1"+strings.Repeat("]", 100))(t)
		}},
		{"a response of its own goes out untouched", func(t *testing.T) {
			server := newServer(runtime.Handlers{Invoke: runtime.Raw("Own", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/csv")
				w.Header().Set("X-Own", "yes")
				w.WriteHeader(418)
				fmt.Fprint(w, "a,b")
			})})
			got := record(server, "POST", "/invocations", `{}`)
			if got.status != 418 || got.body != "a,b" || got.header.Get("Content-Type") != "text/csv" || got.header.Get("X-Own") != "yes" {
				t.Errorf("answered %d %v %q", got.status, got.header, got.body)
			}
		}},
		{"a pair of body and status is an array of two", answers(gives([]any{"body", 401}, nil), "POST", "/invocations", `{}`, 200, `["body",401]`)},
	})
}

func TestContract6Failures(t *testing.T) {
	debug := newServer(runtime.Handlers{Invoke: echo}, runtime.WithDebug())
	failure := errors.New("no model")
	event := func(text, kind string) string {
		return fmt.Sprintf(`data: {"error":%q,"error_type":%q,"message":"An error occurred during streaming"}`, text, kind) + "\n\n"
	}
	logged := func(server func(...runtime.Option) *runtime.Server, body, level string) func(*testing.T) {
		return func(t *testing.T) {
			var logs logs
			record(server(runtime.WithLogger(logs.logger())), "POST", "/invocations", body)
			if got := logs.only(t); got["level"] != level {
				t.Errorf("logged %v, want the level %s", got, level)
			}
		}
	}
	failing := func(err error) func(...runtime.Option) *runtime.Server {
		return func(opts ...runtime.Option) *runtime.Server {
			return runtime.NewServer(runtime.Handlers{Invoke: runtime.Unary("Fail", func(context.Context, any) (any, error) { return nil, err })}, opts...)
		}
	}
	checkRows(t, []contractRow{
		{"body is not JSON", answers(gives(1, nil), "POST", "/invocations", `x`, 400, `{"error":"Invalid JSON","details":"invalid character 'x' looking for beginning of value (byte 1)"}`)},
		{"body is empty", answers(gives(1, nil), "POST", "/invocations", ``, 400, `{"error":"Invalid JSON","details":"it is empty"}`)},
		{"trailing data", answers(gives(1, nil), "POST", "/invocations", `1 2`, 400, `{"error":"Invalid JSON","details":"invalid character '2' after top-level value (byte 3)"}`)},
		{"body is not UTF-8", answers(gives(1, nil), "POST", "/invocations", "\"\xff\"", 400, `{"error":"Invalid encoding","details":"byte 1 is not valid UTF-8"}`)},
		{"no entrypoint registered", answers(newServer(runtime.Handlers{}), "POST", "/invocations", `{}`, 500, `{"error":"No entrypoint defined"}`)},
		{"no entrypoint registered: the body is checked first", answers(newServer(runtime.Handlers{}), "POST", "/invocations", ``, 400, `{"error":"Invalid JSON","details":"it is empty"}`)},
		{"handler fails before returning anything", answers(gives(nil, failure), "POST", "/invocations", `{}`, 500, `{"error":"no model"}`)},
		{"handler fails with an empty text", answers(gives(nil, errors.New("")), "POST", "/invocations", `{}`, 500, `{"error":""}`)},
		{"handler fails with a JSON error of its own", answers(gives(nil, json.Unmarshal([]byte(`{`), new(any))), "POST", "/invocations", `{}`, 500, `{"error":"unexpected end of JSON input"}`)},
		{"handler fails with a status-carrying error", answers(gives(nil, runtime.Errorf(404, "no order")), "POST", "/invocations", `{}`, 404, `{"error":"no order"}`)},
		{"handler fails with a status-carrying error: any JSON value", answers(gives(nil, &runtime.StatusError{Status: 422, Detail: []any{"a", 1, nil}}), "POST", "/invocations", `{}`, 422, `{"error":["a",1,null]}`)},
		{"handler fails on its first step of a stream", answers(yields(failure), "POST", "/invocations", `{}`, 200, event("no model", "error"))},
		{"handler fails after streaming began", answers(yields(failure, 1), "POST", "/invocations", `{}`, 200, "data: 1\n\n"+event("no model", "error"))},
		{"debug: unknown action", answers(debug, "POST", "/invocations", debugAction("nonsense"), 400, `{"error":"Unknown action: nonsense"}`)},
		{"debug: action code failed", answers(debug, "POST", "/invocations", `{"_agent_core_app_action":["ping_status"]}`, 500,
			`{"error":"Debug action failed","details":"_agent_core_app_action must be a string"}`)},
		{"debug: body is not an object", answers(debug, "POST", "/invocations", `[]`, 500, `{"error":"a server with debug actions takes only JSON objects"}`)},
		{"the level of a status-carrying error: ERROR from 500 up", logged(failing(runtime.Errorf(500, "x")), `{}`, "ERROR")},
		{"the level of a status-carrying error: WARNING below", logged(failing(runtime.Errorf(499, "x")), `{}`, "WARN")},
		{"stack traces never go to the client", func(t *testing.T) {
			server := newServer(runtime.Handlers{Invoke: runtime.Unary("Panic", func(context.Context, any) (any, error) { panic("secret") })})
			answers(server, "POST", "/invocations", `{}`, 500, `{"error":"internal error"}`)(t)
		}},
		{"error bodies are application json", func(t *testing.T) {
			for _, got := range []answer{
				record(gives(nil, failure), "POST", "/invocations", `{}`), record(gives(nil, failure), "POST", "/invocations", `{`),
				record(debug, "POST", "/invocations", `[]`),
			} {
				if kind := got.header.Get("Content-Type"); kind != "application/json" {
					t.Errorf("%s is %q", got.body, kind)
				}
			}
		}},
	})
}

func TestContract7Streaming(t *testing.T) {
	checkRows(t, []contractRow{
		{"chosen by the handler, not by Accept", func(t *testing.T) {
			for _, accept := range []string{"", "application/json", "text/event-stream"} {
				got := record(yields(nil, 1), "POST", "/invocations", `{}`, "Accept", accept)
				if kind := got.header.Get("Content-Type"); got.status != 200 || got.body != "data: 1\n\n" || kind != "text/event-stream; charset=utf-8" {
					t.Errorf("with Accept %q, answered %d %s %q", accept, got.status, kind, got.body)
				}
				if got := record(gives(1, nil), "POST", "/invocations", `{}`, "Accept", accept); got.header.Get("Content-Type") != "application/json" {
					t.Errorf("with Accept %q, a plain answer is %v", accept, got.header)
				}
			}
		}},
		{"chunked", func(t *testing.T) {
			a := serve(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(int, error) bool) { yield(1, nil) })})
			response := a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`))
			if !slices.Equal(response.TransferEncoding, []string{"chunked"}) || response.ContentLength != -1 {
				t.Errorf("the encoding is %v, of the length %d", response.TransferEncoding, response.ContentLength)
			}
		}},
		{"each value is data, JSON and two newlines, and there is nothing else", answers(yields(nil, "a", map[string]int{"b": 1}, nil), "POST", "/invocations", `{}`, 200,
			"data: \"a\"\n\ndata: {\"b\":1}\n\ndata: null\n\n")},
		{"one value is one line", answers(yields(nil, "a\nb\r\n"), "POST", "/invocations", `{}`, 200, "data: \"a\\nb\\r\\n\"\n\n")},
		{"a value that looks like an SSE line", answers(yields(nil, "data: x\n\n"), "POST", "/invocations", `{}`, 200, "data: \"data: x\\n\\n\"\n\n")},
		{"values by the rules of section 5", answers(yields(nil, math.NaN(), make(chan int), "ż"), "POST", "/invocations", `{}`, 200,
			"data: \"NaN\"\n\ndata: {\"error\":\"Serialization failed\",\"original_type\":\"chan int\"}\n\ndata: \"ż\"\n\n")},
		{"each value is flushed as soon as it is produced", func(t *testing.T) {
			proceed := make(chan struct{})
			a := serve(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(int, error) bool) {
				for i := range 3 {
					<-proceed
					if !yield(i, nil) {
						return
					}
				}
			})})
			body := bufio.NewReader(a.open(t, t.Context(), "POST", "/invocations", strings.NewReader(`{}`)).Body)
			for i := range 3 {
				proceed <- struct{}{}
				if line, err := body.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
					t.Fatalf("read %q (%v)", line, err)
				}
				_, _ = body.ReadString('\n')
			}
		}},
		{"empty sequence", func(t *testing.T) {
			got := record(yields(nil), "POST", "/invocations", `{}`)
			if kind := got.header.Get("Content-Type"); got.status != 200 || got.body != "" || kind != "text/event-stream; charset=utf-8" {
				t.Errorf("answered %d %s %q", got.status, kind, got.body)
			}
		}},
		{"failure in the sequence, even before the first value", answers(yields(throttled{}), "POST", "/invocations", `{}`, 200,
			`data: {"error":"slow down","error_type":"ThrottlingException","message":"An error occurred during streaming"}`+"\n\n")},
		{"client disconnect cancels the producer, and its cleanup runs", func(t *testing.T) {
			cleaned := make(chan error, 1)
			a := serve(t, runtime.Handlers{Invoke: stream(func(ctx context.Context, yield func(int, error) bool) {
				defer func() { cleaned <- ctx.Err() }()
				if yield(1, nil) {
					<-ctx.Done() // blocked in something slow
				}
			})})
			ctx, leave := context.WithCancel(t.Context())
			response := a.open(t, ctx, "POST", "/invocations", strings.NewReader(`{}`))
			if _, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			leave()
			if err := await(t, "the cleanup", cleaned); !errors.Is(err, context.Canceled) {
				t.Errorf("the context ended with %v", err)
			}
		}},
	})
}

func TestContract8Ping(t *testing.T) {
	pinging := func(status runtime.PingStatus, err error) *runtime.Server {
		return newServer(runtime.Handlers{Ping: func(context.Context) (runtime.PingStatus, error) { return status, err }})
	}
	reports := func(server *runtime.Server, want runtime.PingStatus) func(*testing.T) {
		return func(t *testing.T) {
			got := record(server, "GET", "/ping", "")
			if status := parsePing(t, got.body).Status; got.status != 200 || status != want {
				t.Errorf("answered %d and %s, want 200 and %s", got.status, status, want)
			}
		}
	}
	checkRows(t, []contractRow{
		{"200, a status and integer Unix seconds", func(t *testing.T) {
			got := record(newServer(runtime.Handlers{}), "GET", "/ping", "")
			if got.status != 200 || !regexp.MustCompile(`^\{"status":"Healthy","time_of_last_update":\d{10}\}$`).MatchString(got.body) {
				t.Errorf("answered %d %s", got.status, got.body)
			}
		}},
		{"Healthy: idle", reports(newServer(runtime.Handlers{}), runtime.Healthy)},
		{"8.1 automatic: HealthyBusy while a task is registered", func(t *testing.T) {
			server := newServer(runtime.Handlers{})
			id := server.AddTask("Task")
			reports(server, runtime.HealthyBusy)(t)
			server.CompleteTask(id)
			reports(server, runtime.Healthy)(t)
		}},
		{"8.1 ours: an invocation makes the agent busy, too", func(t *testing.T) {
			var server *runtime.Server
			server = newServer(runtime.Handlers{Invoke: runtime.Unary("Ping", func(context.Context, any) (any, error) {
				return json.RawMessage(record(server, "GET", "/ping", "").body), nil
			})})
			if got := parsePing(t, record(server, "POST", "/invocations", `{}`).body).Status; got != runtime.HealthyBusy {
				t.Errorf("meanwhile the agent is %s", got)
			}
		}},
		{"8.1 forced before custom", func(t *testing.T) {
			server := pinging(runtime.HealthyBusy, nil)
			server.ForceStatus(runtime.Healthy)
			reports(server, runtime.Healthy)(t)
		}},
		{"8.1 custom before automatic", reports(pinging(runtime.HealthyBusy, nil), runtime.HealthyBusy)},
		{"8.1 custom function returns its string", reports(pinging("HealthyBusy", nil), runtime.HealthyBusy)},
		{"8.1 custom function: unknown string, warning and automatic", func(t *testing.T) {
			var logs logs
			server := runtime.NewServer(runtime.Handlers{Ping: func(context.Context) (runtime.PingStatus, error) { return "Unhealthy", nil }}, runtime.WithLogger(logs.logger()))
			server.AddTask("Task")
			reports(server, runtime.HealthyBusy)(t)
			if got := logs.only(t); got["level"] != "WARN" {
				t.Errorf("logged %v", got)
			}
		}},
		{"8.1 custom function fails: warning and automatic", func(t *testing.T) {
			var logs logs
			server := runtime.NewServer(runtime.Handlers{Ping: func(context.Context) (runtime.PingStatus, error) { panic("no database") }}, runtime.WithLogger(logs.logger()))
			reports(server, runtime.Healthy)(t)
			if got := logs.only(t); got["level"] != "WARN" {
				t.Errorf("logged %v", got)
			}
		}},
		{"8.1 custom function: no value, automatic", reports(pinging("", nil), runtime.Healthy)},
		{"8.1 custom function: always 200", reports(pinging("", runtime.Errorf(503, "no database")), runtime.Healthy)},
		{"8.2 the time moves with a change", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newServer(runtime.Handlers{})
				begin := time.Now().Unix()
				time.Sleep(time.Minute)
				server.AddTask("Task")
				time.Sleep(time.Minute)
				if got := parsePing(t, recordPing(server)); got.Since != begin+60 {
					t.Errorf("ping reports %s since %d s, want since 60 s", got.Status, got.Since-begin)
				}
			})
		}},
		{"8.2 it is not the time of the ping", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newServer(runtime.Handlers{})
				first := recordPing(server)
				for range 10 {
					time.Sleep(time.Minute)
					if got := recordPing(server); got != first {
						t.Errorf("ping reports %s, and %s before", got, first)
					}
				}
			})
		}},
		{"8.2 it is never missing", func(t *testing.T) {
			for _, server := range []*runtime.Server{newServer(runtime.Handlers{}), pinging("Unhealthy", nil), pinging(runtime.Healthy, nil)} {
				if got := parsePing(t, recordPing(server)); got.Since == 0 {
					t.Error("the time is missing")
				}
			}
		}},
		{"8.2 ours: forcing and clearing between two observations leaves a trace", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newServer(runtime.Handlers{})
				begin := time.Now().Unix()
				time.Sleep(time.Minute)
				server.ForceStatus(runtime.HealthyBusy)
				time.Sleep(time.Minute)
				server.ForceStatus(runtime.Automatic)
				time.Sleep(time.Minute)
				if got := parsePing(t, recordPing(server)); got != (pingBody{runtime.Healthy, begin + 120}) {
					t.Errorf("ping reports %s since %d s, want Healthy since 120 s", got.Status, got.Since-begin)
				}
			})
		}},
		{"8.3 answers while handlers block", func(t *testing.T) {
			begun, proceed := make(chan struct{}), make(chan struct{})
			a := serve(t, runtime.Handlers{Invoke: blocking(begun, proceed)["unary"]})
			var running sync.WaitGroup
			for range 50 {
				running.Go(func() { a.invoke(t, `{}`) })
				await(t, "an invocation", begun)
			}
			if got := a.pingStatus(t); got != runtime.HealthyBusy {
				t.Errorf("the agent is %s", got)
			}
			close(proceed)
			running.Wait()
		}},
		{"8.3 answers while the client of a stream is stalled", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := serveInMemory(t, runtime.Handlers{Invoke: stream(func(_ context.Context, yield func(string, error) bool) {
					for yield(strings.Repeat("x", 1000), nil) {
					}
				})})
				ctx, leave := context.WithCancel(t.Context())
				a.open(t, ctx, "POST", "/invocations", strings.NewReader(`{}`)) // and is not read
				synctest.Wait()
				if got := a.pingStatus(t); got != runtime.HealthyBusy {
					t.Errorf("the agent is %s", got)
				}
				leave()
			})
		}},
	})
}

func TestContract9Tasks(t *testing.T) {
	checkRows(t, []contractRow{
		{"add: an id, and HealthyBusy", func(t *testing.T) {
			server := newServer(runtime.Handlers{})
			if first, second := server.AddTask("Task"), server.AddTask("Task"); first == "" || first == second {
				t.Errorf("the ids are %q and %q", first, second)
			}
			if got := server.Status(t.Context()); got != runtime.HealthyBusy {
				t.Errorf("the agent is %s", got)
			}
		}},
		{"complete: true, then false with a warning", func(t *testing.T) {
			var logs logs
			server := runtime.NewServer(runtime.Handlers{}, runtime.WithLogger(logs.logger()))
			id := server.AddTask("Task")
			if !server.CompleteTask(id) || logs.String() != "" {
				t.Errorf("a task cannot be completed: %s", &logs)
			}
			if server.CompleteTask(id) || !strings.Contains(logs.String(), `"WARN"`) {
				t.Errorf("a task is completed twice: %s", &logs)
			}
		}},
		{"complete: false for an unknown id", func(t *testing.T) {
			if newServer(runtime.Handlers{}).CompleteTask("nonsense") {
				t.Error("a task that never was is completed")
			}
		}},
		{"info", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newServer(runtime.Handlers{})
				server.AddTask("Task")
				time.Sleep(1250 * time.Millisecond)
				got, _ := json.Marshal(server.TaskInfo())
				if want := `{"active_count":1,"running_jobs":[{"name":"Task","duration":1.25}]}`; string(got) != want {
					t.Errorf("the tasks are %s, want %s", got, want)
				}
			})
		}},
		{"wrapper: complete on return, error or panic; the error is passed on", func(t *testing.T) {
			failure := errors.New("no model")
			for want, run := range map[string]func() error{
				"":               func() error { return nil },
				"no model":       func() error { return failure },
				"internal error": func() error { panic("x") },
			} {
				server := newServer(runtime.Handlers{})
				task, err := runtime.Go(server.Context(t.Context()), "Task", func(context.Context) error {
					if got := server.Status(t.Context()); got != runtime.HealthyBusy {
						t.Errorf("meanwhile the agent is %s", got)
					}
					if got := server.TaskInfo().RunningJobs; len(got) != 1 || got[0].Name != "Task" {
						t.Errorf("meanwhile the tasks are %v", got)
					}
					return run()
				})
				if err != nil {
					t.Fatal(err)
				}
				await(t, "the end of the task", task.Done())
				if err := server.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := task.Err(); err == nil && want != "" || err != nil && err.Error() != want {
					t.Errorf("the task's error is %v, want %q", err, want)
				}
				if got := server.TaskInfo().ActiveCount; got != 0 || server.Status(t.Context()) != runtime.Healthy {
					t.Errorf("afterwards %d tasks are active", got)
				}
			}
		}},
		{"tasks of one name are separate, in the order of insertion", func(t *testing.T) {
			server := newServer(runtime.Handlers{})
			for _, name := range []string{"b", "a", "b"} {
				server.AddTask(name)
			}
			var names []string
			for _, job := range server.TaskInfo().RunningJobs {
				names = append(names, job.Name)
			}
			if !slices.Equal(names, []string{"b", "a", "b"}) {
				t.Errorf("the tasks are %q", names)
			}
		}},
		{"ids are opaque text", func(t *testing.T) {
			server := newServer(runtime.Handlers{})
			id := server.AddTask("Task")
			text, _ := json.Marshal(map[string]string{"id": id}) // through JSON, and never as a number
			var back map[string]string
			if err := json.Unmarshal(text, &back); err != nil || !server.CompleteTask(back["id"]) {
				t.Errorf("the id %q does not survive JSON (%v)", id, err)
			}
		}},
		{"safe from many goroutines at once", func(t *testing.T) {
			server := newServer(runtime.Handlers{})
			var workers sync.WaitGroup
			for range 20 {
				workers.Go(func() {
					id := server.AddTask("Task")
					_ = server.TaskInfo()
					if !server.CompleteTask(id) {
						t.Error("a task is lost")
					}
				})
			}
			workers.Wait()
		}},
		{"a task does not refuse invocations", func(t *testing.T) {
			server := newServer(runtime.Handlers{Invoke: echo})
			server.AddTask("Task")
			answers(server, "POST", "/invocations", `1`, 200, `1`)(t)
		}},
	})
}

func TestContract10DebugActions(t *testing.T) {
	debug := func() *runtime.Server { return newServer(runtime.Handlers{Invoke: echo}, runtime.WithDebug()) }
	invoke := func(server *runtime.Server, body string, status int, want string) func(*testing.T) {
		return answers(server, "POST", "/invocations", body, status, want)
	}
	rows := []contractRow{
		{"ping_status", func(t *testing.T) {
			server := debug()
			invoke(server, debugAction("ping_status"), 200, recordPing(server))(t)
		}},
		{"job_status", invoke(debug(), debugAction("job_status"), 200, `{"active_count":0,"running_jobs":[]}`)},
		{"force_healthy", invoke(debug(), debugAction("force_healthy"), 200, `{"forced_status":"Healthy"}`)},
		{"force_busy", func(t *testing.T) {
			server := debug()
			invoke(server, debugAction("force_busy"), 200, `{"forced_status":"HealthyBusy"}`)(t)
			if got := server.Status(t.Context()); got != runtime.HealthyBusy {
				t.Errorf("the agent is %s", got)
			}
		}},
		{"clear_forced_status", func(t *testing.T) {
			server := debug()
			server.ForceStatus(runtime.HealthyBusy)
			invoke(server, debugAction("clear_forced_status"), 200, `{"forced_status":"Cleared"}`)(t)
			if got := server.Status(t.Context()); got != runtime.Healthy {
				t.Errorf("the agent is %s", got)
			}
		}},
		{"other non-empty", invoke(debug(), debugAction("nonsense"), 400, `{"error":"Unknown action: nonsense"}`)},
		{"missing", invoke(debug(), `{"a":1}`, 200, `{"a":1}`)},
		{"debug off: the key is payload", invoke(newServer(runtime.Handlers{Invoke: echo}), debugAction("ping_status"), 200, debugAction("ping_status"))},
		{"before the entrypoint check, after JSON parsing", func(t *testing.T) {
			server := newServer(runtime.Handlers{}, runtime.WithDebug())
			invoke(server, debugAction("job_status"), 200, `{"active_count":0,"running_jobs":[]}`)(t)
			invoke(server, `{}`, 500, `{"error":"No entrypoint defined"}`)(t)
			invoke(server, ``, 400, `{"error":"Invalid JSON","details":"it is empty"}`)(t)
		}},
		{"forcing works from code too, with debug off", func(t *testing.T) {
			server := newServer(runtime.Handlers{})
			server.ForceStatus(runtime.HealthyBusy)
			if got := parsePing(t, recordPing(server)).Status; got != runtime.HealthyBusy {
				t.Errorf("the agent is %s", got)
			}
		}},
	}
	for _, value := range []string{`""`, `null`, `false`, `0`} {
		body := `{"_agent_core_app_action":` + value + `}`
		rows = append(rows, contractRow{value + " is no debug action", invoke(debug(), body, 200, body)})
	}
	checkRows(t, rows)
}

// contractLogs are handlers whose records are those of §13, by the request ids
// of their invocations.
var contractLogs = map[string]runtime.InvokeHandler{
	"completes":          runtime.Unary("Ask", func(context.Context, any) (any, error) { return "secret answer", nil }),
	"streams":            stream(func(_ context.Context, yield func(string, error) bool) { yield("secret answer", nil) }),
	"is refused":         runtime.Unary("Ask", func(context.Context, int) (any, error) { return nil, nil }),
	"refuses":            runtime.Unary("Ask", func(context.Context, any) (any, error) { return nil, runtime.Errorf(404, "no order") }),
	"fails by choice":    runtime.Unary("Ask", func(context.Context, any) (any, error) { return nil, runtime.Errorf(503, "later") }),
	"fails":              runtime.Unary("Ask", func(context.Context, any) (any, error) { return nil, fmt.Errorf("ask: %w", throttled{}) }),
	"panics":             runtime.Unary("Ask", func(context.Context, any) (any, error) { panic("boom ż") }),
	"fails in a stream":  stream(func(_ context.Context, yield func(string, error) bool) { yield("", errors.New("no model")) }),
	"panics in a stream": stream(func(_ context.Context, yield func(string, error) bool) { panic("boom ż") }),
}

func init() {
	children["contract logs"] = func() error {
		servers := make(map[string]*runtime.Server)
		for name, handler := range contractLogs {
			servers[name] = runtime.NewServer(runtime.Handlers{Invoke: handler})
		}
		debugging := runtime.NewServer(runtime.Handlers{}, runtime.WithDebug())
		for name, server := range servers {
			record(server, "POST", "/invocations", `"secret prompt"`, requestHeader, name, sessionHeader, "s-ż")
			if err := server.Shutdown(context.Background()); err != nil {
				return err
			}
		}
		record(debugging, "POST", "/invocations", debugAction("job_status"), requestHeader, "debug action")
		record(debugging, "GET", "/ping", "", requestHeader, "ping when debugging")
		if err := debugging.Shutdown(context.Background()); err != nil {
			return err
		}
		record(servers["completes"], "GET", "/ping", "", requestHeader, "ping")
		servers["completes"].CompleteTask("outside of all requests")

		slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
		brought := runtime.NewServer(runtime.Handlers{Invoke: echo})
		record(brought, "POST", "/invocations", `1`, requestHeader, "brought")
		return nil
	}
}

func TestContract13Logs(t *testing.T) {
	child := startChild(t, "contract logs")
	child.wait(t, 0)
	text, brought, _ := strings.Cut(child.stderr.String(), "time=")
	byID := make(map[any]logRecord)
	var all []logRecord
	for line := range strings.Lines(text) {
		var record logRecord
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if id := record["requestId"]; id != nil {
			if byID[id] != nil {
				t.Errorf("there are several records of %v:\n%s", id, text)
			}
			byID[id] = record
		}
		all = append(all, record)
	}
	for name := range contractLogs {
		if byID[name] == nil {
			t.Fatalf("there is no record of %q:\n%s", name, text)
		}
	}
	each := func(key, pattern string) func(*testing.T) {
		return func(t *testing.T) {
			for _, record := range all {
				if value, _ := record[key].(string); !regexp.MustCompile(pattern).MatchString(value) {
					t.Errorf("%s is %v in %v", key, record[key], record)
				}
			}
		}
	}
	levels := func(want string, ids ...string) func(*testing.T) {
		return func(t *testing.T) {
			for _, id := range ids {
				if got := byID[id]["level"]; got != want {
					t.Errorf("the level of %q is %v, want %s", id, got, want)
				}
			}
		}
	}
	checkRows(t, []contractRow{
		{"timestamp: UTC, ISO 8601, milliseconds, Z", each("timestamp", `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)},
		{"level", each("level", `^(DEBUG|INFO|WARNING|ERROR)$`)},
		{"message", each("message", `.`)},
		{"logger: ours has its own name", each("logger", `^agentcore\.runtime$`)},
		{"requestId, only inside of a request", func(t *testing.T) {
			outside := 0
			for _, record := range all {
				if record["requestId"] == nil {
					outside++
				}
			}
			if outside != 1 {
				t.Errorf("%d records are of no request, want one:\n%s", outside, text)
			}
		}},
		{"sessionId: ours is made when none has come", func(t *testing.T) {
			for id, record := range byID {
				got, _ := record["sessionId"].(string)
				if _, sent := contractLogs[id.(string)]; sent && got != "s-ż" || got == "" {
					t.Errorf("the session of %v is %q", id, got)
				}
			}
			if got := byID["debug action"]["sessionId"]; got == nil {
				t.Error("a request without a session has none")
			}
		}},
		{"errorType and errorMessage, only with an error", func(t *testing.T) {
			want := map[string][2]any{
				"fails": {"ThrottlingException", "ask: slow down"}, "panics": {"panic", "boom ż"},
				"fails in a stream": {"error", "no model"}, "panics in a stream": {"panic", "boom ż"},
			}
			for id := range contractLogs {
				if got := byID[id]; got["errorType"] != want[id][0] || got["errorMessage"] != want[id][1] {
					t.Errorf("of %q there is %v", id, got)
				}
			}
		}},
		{"stackTrace: an array of strings", func(t *testing.T) {
			for id, record := range byID {
				lines, _ := record["stackTrace"].([]any)
				if panicked := strings.HasPrefix(id.(string), "panics"); panicked != (len(lines) > 0) {
					t.Errorf("the stack trace of %v is %v", id, record["stackTrace"])
				}
			}
		}},
		{"location: file, function and line", func(t *testing.T) {
			location := regexp.MustCompile(`/contract_test\.go:github\.com/agentcore-go/agentcore/runtime_test\..+:\d+$`)
			for id, record := range byID {
				place, _ := record["location"].(string)
				if panicked := strings.HasPrefix(id.(string), "panics"); panicked && !location.MatchString(place) || !panicked && place != "" {
					t.Errorf("the location of %v is %q", id, place)
				}
			}
		}},
		{"one object per line, non-ASCII kept", func(t *testing.T) {
			if !strings.Contains(text, `"sessionId":"s-ż"`) || !strings.Contains(text, `"errorMessage":"boom ż"`) {
				t.Errorf("the log is\n%s", text)
			}
		}},
		{"INFO when an invocation completes, streams, or a debug action completes", levels("INFO", "completes", "streams", "debug action")},
		{"WARNING for a 4xx", levels("WARNING", "is refused", "refuses")},
		{"ERROR for a failure or a 5xx", levels("ERROR", "fails by choice", "fails", "panics", "fails in a stream", "panics in a stream")},
		{"the message carries the duration, in seconds with three decimals", func(t *testing.T) {
			for id, record := range byID {
				if text, _ := record["message"].(string); id != "ping when debugging" && !duration.MatchString(text) {
					t.Errorf("the message of %v is %q", id, text)
				}
			}
		}},
		{"DEBUG with debug on, else INFO", func(t *testing.T) {
			if byID["ping when debugging"]["level"] != "DEBUG" || byID["ping"] != nil {
				t.Errorf("the pings are %v and %v", byID["ping when debugging"], byID["ping"])
			}
		}},
		{"prompts and answers are not logged", func(t *testing.T) {
			if strings.Contains(text, "secret") {
				t.Errorf("the log is\n%s", text)
			}
		}},
		{"the program's own handler is not replaced", func(t *testing.T) {
			if !strings.Contains(brought, "level=INFO") || !strings.Contains(brought, "requestId=brought") || strings.Contains(brought, "{") {
				t.Errorf("the log is\n%s", brought)
			}
		}},
	})
}
