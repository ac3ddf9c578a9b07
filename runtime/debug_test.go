package runtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

// debugAction is the body that asks for a debug action.
func debugAction(name string) string { return fmt.Sprintf(`{"_agent_core_app_action":%q}`, name) }

// refuseCalls is a handler that must not be called.
func refuseCalls(t *testing.T) runtime.InvokeHandler {
	return runtime.Unary("Never", func(_ context.Context, in any) (any, error) {
		t.Errorf("the handler was called with %v", in)
		return nil, nil
	})
}

func TestDebugActions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now().Unix()
		server := newServer(runtime.Handlers{Invoke: refuseCalls(t)}, runtime.WithDebug())
		var first string
		end := make(chan struct{})
		for _, step := range []struct {
			name   string
			do     func()
			action string
			want   string // the answer, with %d for the second
			second int64  // since the beginning
		}{
			{"ping_status when idle", nil, "ping_status", `{"status":"Healthy","time_of_last_update":%d}`, 0},
			{"job_status when idle", nil, "job_status", `{"active_count":0,"running_jobs":[]}`, -1},
			{"job_status with a task", func() { first = server.AddTask("Index"); time.Sleep(1500 * time.Millisecond) },
				"job_status", `{"active_count":1,"running_jobs":[{"name":"Index","duration":1.5}]}`, -1},
			{"ping_status with a task", nil, "ping_status", `{"status":"HealthyBusy","time_of_last_update":%d}`, 20},
			{"job_status with two tasks", func() {
				if _, err := runtime.Go(server.Context(t.Context()), "Crawl", func(context.Context) error {
					<-end
					return nil
				}); err != nil {
					t.Error(err)
				}
			}, "job_status", `{"active_count":2,"running_jobs":[{"name":"Index","duration":21.5},{"name":"Crawl","duration":0}]}`, -1},
			{"force_healthy", nil, "force_healthy", `{"forced_status":"Healthy"}`, -1},
			{"ping_status when forced to be idle", nil, "ping_status", `{"status":"Healthy","time_of_last_update":%d}`, 51},
			{"clear_forced_status", nil, "clear_forced_status", `{"forced_status":"Cleared"}`, -1},
			{"ping_status when cleared", nil, "ping_status", `{"status":"HealthyBusy","time_of_last_update":%d}`, 71},
			{"ping_status when the tasks have ended", func() {
				server.CompleteTask(first)
				close(end)
				synctest.Wait()
				time.Sleep(10 * time.Second)
			}, "ping_status", `{"status":"Healthy","time_of_last_update":%d}`, 91},
			{"force_busy", nil, "force_busy", `{"forced_status":"HealthyBusy"}`, -1},
			{"ping_status when forced to be busy", nil, "ping_status", `{"status":"HealthyBusy","time_of_last_update":%d}`, 111},
			{"clear_forced_status again", nil, "clear_forced_status", `{"forced_status":"Cleared"}`, -1},
			{"clear_forced_status of nothing", nil, "clear_forced_status", `{"forced_status":"Cleared"}`, -1},
			{"ping_status in the end", nil, "ping_status", `{"status":"Healthy","time_of_last_update":%d}`, 131},
		} {
			if step.do != nil {
				step.do()
			}
			want := step.want
			if step.second >= 0 {
				want = fmt.Sprintf(want, begin+step.second)
			}
			got := record(server, "POST", "/invocations", debugAction(step.action))
			if got.status != 200 || got.body != want {
				t.Errorf("after %d s, %s: answered %d %s, want 200 %s", time.Now().Unix()-begin, step.name, got.status, got.body, want)
			}
			if kind := got.header.Get("Content-Type"); kind != "application/json" || got.header.Get(sessionHeader) == "" {
				t.Errorf("%s: the headers are %v", step.name, got.header)
			}
			if step.action == "ping_status" {
				if ping := record(server, "GET", "/ping", ""); ping.body != got.body {
					t.Errorf("%s: ping_status answers %s, and /ping %s", step.name, got.body, ping.body)
				}
			}
			time.Sleep(10 * time.Second)
		}
	})
}

// Debug actions come before the handler and before the question whether there
// is one, and are no invocations.
func TestDebugActionsAreNoInvocations(t *testing.T) {
	for name, server := range map[string]*runtime.Server{
		"without a handler":               newServer(runtime.Handlers{}, runtime.WithDebug()),
		"with a raw handler":              newServer(runtime.Handlers{Invoke: runtime.Raw("Never", func(http.ResponseWriter, *http.Request) { t.Error("called") })}, runtime.WithDebug()),
		"with a handler of another shape": newServer(runtime.Handlers{Invoke: runtime.Unary("Never", func(context.Context, []int) (any, error) { panic("called") })}, runtime.WithDebug()),
	} {
		if got, want := record(server, "POST", "/invocations", debugAction("force_busy")), `{"forced_status":"HealthyBusy"}`; got.status != 200 || got.body != want {
			t.Errorf("%s: answered %d %s, want 200 %s", name, got.status, got.body, want)
		}
	}

	begun, proceed := make(chan struct{}), make(chan struct{})
	a := serve(t, runtime.Handlers{Invoke: runtime.Unary("Work", func(context.Context, any) (any, error) {
		begun <- struct{}{}
		<-proceed
		return nil, nil
	})}, runtime.WithDebug(), runtime.WithMaxInvocations(1))
	if got := a.invoke(t, debugAction("ping_status")).body; !strings.Contains(got, `"Healthy"`) {
		t.Errorf("an agent with nothing but a debug action says %s", got)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.invoke(t, `{}`)
	}()
	await(t, "the invocation", begun)
	if got := a.invoke(t, debugAction("ping_status")); got.status != 200 || !strings.Contains(got.body, `"HealthyBusy"`) {
		t.Errorf("beside the last invocation that may be under way, ping_status answers %d %s", got.status, got.body)
	}
	close(proceed)
	await(t, "the end of the invocation", ended)
}

// A body without a debug action reaches the handler as it is.
func TestDebugBodyOfNoAction(t *testing.T) {
	keep := func(_ context.Context, in json.RawMessage) (json.RawMessage, error) { return in, nil }
	handlers := map[string]runtime.InvokeHandler{
		"unary": runtime.Unary("Keep", keep),
		"stream": runtime.OpenStream("Keep", func(_ context.Context, in json.RawMessage) (values[json.RawMessage], error) {
			return func(yield func(json.RawMessage, error) bool) { yield(in, nil) }, nil
		}),
		"raw": runtime.Raw("Keep", func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || r.ContentLength != int64(len(body)) {
				t.Errorf("read %d bytes (%v) of %d", len(body), err, r.ContentLength)
			}
			_, _ = w.Write(body)
		}),
	}
	for _, body := range []string{
		`{}`, `{"prompt":"hi"}`, `{"n":9007199254740993,"a":1e400,"b":"\u00e9"}`,
		`{"_agent_core_app_action":null}`, `{"_agent_core_app_action":""}`, `{"_agent_core_app_action":false}`, `{"_agent_core_app_action":0}`,
		`{"_agent_core_app_action":-0.0e5}`, `{"_agent_core_app_action":[]}`, `{"_agent_core_app_action":{},"prompt":"hi"}`,
		`{"_agent_core_app_action":"force_busy","_agent_core_app_action":""}`, // the last one counts
		`{"_Agent_Core_App_Action":"force_busy"}`, `{"_agent_core_app_action ":"force_busy"}`,
		`{"nested":{"_agent_core_app_action":"force_busy"}}`,
	} {
		for kind, handler := range handlers {
			t.Run(kind+" "+body, func(t *testing.T) {
				server := newServer(runtime.Handlers{Invoke: handler}, runtime.WithDebug())
				want := body
				if kind == "stream" {
					want = "data: " + body + "\n\n"
				}
				if got := record(server, "POST", "/invocations", body); got.status != 200 || got.body != want {
					t.Errorf("answered %d %s, want 200 %s", got.status, got.body, want)
				}
				if got := server.Status(t.Context()); got != runtime.Healthy {
					t.Errorf("afterwards the agent is %s", got)
				}
			})
		}
	}
	t.Run("raw, behind middleware", func(t *testing.T) {
		served := make(chan struct{}, 1)
		a := serve(t, runtime.Handlers{Invoke: handlers["raw"], Middleware: announce(served)}, runtime.WithDebug())
		if got := a.invoke(t, " { \"a\" : 1 }\n"); got.status != 200 || got.body != " { \"a\" : 1 }\n" {
			t.Errorf("answered %d %q", got.status, got.body)
		}
	})
	t.Run("raw, chunked", func(t *testing.T) {
		a := serve(t, runtime.Handlers{Invoke: handlers["raw"]}, runtime.WithDebug())
		response := a.open(t, t.Context(), "POST", "/invocations", io.MultiReader(strings.NewReader(`{"a":`), strings.NewReader(`1}`)))
		if got, err := io.ReadAll(response.Body); err != nil || string(got) != `{"a":1}` {
			t.Errorf("answered %d %s (%v)", response.StatusCode, got, err)
		}
	})
}

func TestDebugRefusals(t *testing.T) {
	const failed = `{"error":"Debug action failed","details":"_agent_core_app_action must be a string"}`
	const noObject = `{"error":"a server with debug actions takes only JSON objects"}`
	for _, test := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"unknown", debugAction("nonsense"), 400, `{"error":"Unknown action: nonsense"}`},
		{"another case", debugAction("PING_STATUS"), 400, `{"error":"Unknown action: PING_STATUS"}`},
		{"white space", debugAction(" "), 400, `{"error":"Unknown action:  "}`},
		{"not ASCII", debugAction("żółć <&>"), 400, `{"error":"Unknown action: żółć <&>"}`},
		{"format", debugAction("%d%s"), 400, `{"error":"Unknown action: %d%s"}`},
		{"true", `{"_agent_core_app_action":true}`, 400, `{"error":"Unknown action: true"}`},
		{"number", `{"_agent_core_app_action":7.0}`, 400, `{"error":"Unknown action: 7.0"}`},
		{"number beyond a float", `{"_agent_core_app_action":1e400}`, 400, `{"error":"Unknown action: 1e400"}`},
		{"the last of two", `{"_agent_core_app_action":"","_agent_core_app_action":"x"}`, 400, `{"error":"Unknown action: x"}`},
		{"list", `{"_agent_core_app_action":["ping_status"]}`, 500, failed},
		{"object", `{"_agent_core_app_action":{"a":1}}`, 500, failed},
		{"body is a list", `[{"_agent_core_app_action":"ping_status"}]`, 500, noObject},
		{"body is a string", `"ping_status"`, 500, noObject},
		{"body is a number", `0`, 500, noObject},
		{"body is a boolean", `false`, 500, noObject},
		{"body is null", `null`, 500, noObject},
		{"body is empty", ``, 400, `{"error":"Invalid JSON","details":"it is empty"}`},
		{"body is not JSON", `{"_agent_core_app_action":`, 400, `{"error":"Invalid JSON","details":"unexpected end of JSON input (byte 26)"}`},
		{"data behind the body", debugAction("ping_status") + `{}`, 400, `{"error":"Invalid JSON","details":"invalid character '{' after top-level value (byte 41)"}`},
		{"body is not UTF-8", "{\"a\":\"\xff\"}", 400, `{"error":"Invalid encoding","details":"byte 6 is not valid UTF-8"}`},
		{"body is too large", `{"a":"` + strings.Repeat("x", 100) + `"}`, 413, `{"error":"Payload too large","details":"the limit is 100 bytes"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := newServer(runtime.Handlers{Invoke: refuseCalls(t)}, runtime.WithDebug(), runtime.WithMaxBodyBytes(100))
			got := record(server, "POST", "/invocations", test.body)
			if got.status != test.status || got.body != test.want {
				t.Errorf("answered %d %s, want %d %s", got.status, got.body, test.status, test.want)
			}
			if kind := got.header.Get("Content-Type"); kind != "application/json" {
				t.Errorf("Content-Type is %q", kind)
			}
		})
	}
}

// Without WithDebug the key is payload like any other.
func TestDebugOff(t *testing.T) {
	var in []string
	server := newServer(runtime.Handlers{Invoke: runtime.Unary("Keep", func(_ context.Context, body json.RawMessage) (json.RawMessage, error) {
		in = append(in, string(body))
		return body, nil
	})})
	bodies := []string{
		debugAction("ping_status"), debugAction("force_busy"), debugAction("nonsense"), `{"_agent_core_app_action":[1]}`, `[]`, `null`, `"force_busy"`,
	}
	for _, body := range bodies {
		if got := record(server, "POST", "/invocations", body); got.status != 200 || got.body != body {
			t.Errorf("%s was answered with %d %s", body, got.status, got.body)
		}
	}
	if !slices.Equal(in, bodies) {
		t.Errorf("the handler saw %q, want %q", in, bodies)
	}
	if got := server.Status(t.Context()); got != runtime.Healthy {
		t.Errorf("the agent is %s", got)
	}
}

// A ping_status is an observation: what a custom function has said to it is
// where the time of the next ping comes from.
func TestDebugPingStatusObserves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now().Unix()
		status := runtime.Healthy
		server := newServer(runtime.Handlers{
			Ping: func(context.Context) (runtime.PingStatus, error) { return status, nil },
		}, runtime.WithDebug())
		time.Sleep(10 * time.Second)
		status = runtime.HealthyBusy
		record(server, "POST", "/invocations", debugAction("ping_status"))
		time.Sleep(10 * time.Second)
		if got, want := parsePing(t, recordPing(server)), (pingBody{runtime.HealthyBusy, begin + 10}); got != want {
			t.Errorf("ping reports %s since %d s, want %s since %d s", got.Status, got.Since-begin, want.Status, want.Since-begin)
		}
	})
}

func TestDebugActionsAreLogged(t *testing.T) {
	for _, test := range []struct {
		name, body, level string
		status            float64
	}{
		{"done", debugAction("force_busy"), "INFO", 200},
		{"unknown", debugAction("nonsense"), "WARN", 400},
		{"failed", `{"_agent_core_app_action":[1]}`, "ERROR", 500},
		{"not an object", `[]`, "ERROR", 500},
		{"not JSON", `{`, "WARN", 400},
		{"no action", `{}`, "INFO", 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			var logs logs
			server := runtime.NewServer(runtime.Handlers{Invoke: echo}, runtime.WithDebug(), runtime.WithLogger(logs.logger()))
			record(server, "POST", "/invocations", test.body, requestHeader, "r-1")
			got := logs.only(t)
			if got["level"] != test.level || got["status"] != test.status || got["requestId"] != "r-1" {
				t.Errorf("logged %v, want the level %s and the status %v", got, test.level, test.status)
			}
			if text := fmt.Sprint(got["msg"]); !duration.MatchString(text) {
				t.Errorf("%q does not say how long it took", text)
			}
		})
	}
}

// The line for each ping is for debugging, also where the logger would take it.
func TestDebugPingIsLogged(t *testing.T) {
	for name, opts := range map[string][]runtime.Option{"debugging": {runtime.WithDebug()}, "not debugging": nil} {
		var logs logs
		server := runtime.NewServer(runtime.Handlers{}, append(opts, runtime.WithLogger(logs.logger()))...)
		record(server, "GET", "/ping", "", requestHeader, "r-1")
		record(server, "HEAD", "/ping", "", requestHeader, "r-2")
		var lines []string
		for _, got := range logs.records(t) {
			lines = append(lines, fmt.Sprint(got["level"], " ", got["requestId"]))
		}
		want := []string{"DEBUG r-1", "DEBUG r-2"}
		if len(opts) == 0 {
			want = nil
		}
		if !slices.Equal(lines, want) {
			t.Errorf("%s: logged %q, want %q", name, lines, want)
		}
	}
}

// A slow upload to a server with debug actions is no invocation yet, and does
// not turn the time of the status back when it becomes one.
func TestDebugSlowUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now().Unix()
		server := newServer(runtime.Handlers{Invoke: runtime.Unary("Wait", func(context.Context, any) (any, error) {
			time.Sleep(10 * time.Second)
			return nil, nil
		})}, runtime.WithDebug())
		body, upload := io.Pipe()
		slow := make(chan struct{})
		go func() {
			defer close(slow)
			server.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/invocations", body))
		}()
		expect := func(status runtime.PingStatus, since int64) {
			t.Helper()
			synctest.Wait()
			if got := parsePing(t, recordPing(server)); got != (pingBody{status, begin + since}) {
				t.Errorf("ping reports %s since %d s, want %s since %d s", got.Status, got.Since-begin, status, since)
			}
		}
		time.Sleep(5 * time.Second)
		expect(runtime.Healthy, 0)
		record(server, "POST", "/invocations", `{}`) // from 5 to 15 s
		expect(runtime.Healthy, 15)
		time.Sleep(5 * time.Second)
		_, _ = io.WriteString(upload, `{}`)
		upload.Close()
		synctest.Wait()
		if got := parsePing(t, recordPing(server)); got.Status != runtime.HealthyBusy || got.Since < begin+15 {
			t.Errorf("ping reports %s since %d s, before the change that was reported last", got.Status, got.Since-begin)
		}
		<-slow
		expect(runtime.Healthy, 30)
	})
}

func init() {
	program := func(opts ...runtime.Option) func() error {
		return func() error {
			server, err := takeOver(runtime.Handlers{Invoke: runtime.Unary("Log", func(ctx context.Context, _ any) (any, error) {
				slog.DebugContext(ctx, "from a handler")
				return nil, nil
			})}, opts...)
			if err != nil {
				return err
			}
			record(server, "POST", "/invocations", `{}`)
			record(server, "GET", "/ping", "")
			return nil
		}
	}
	children["debug"] = program(runtime.WithDebug())
	children["no debug"] = program()
}

func TestDebugLevel(t *testing.T) {
	for name, want := range map[string][]string{"debug": {"from a handler", "ping"}, "no debug": nil} {
		child := startChild(t, name)
		child.wait(t, 0)
		var got []string
		for _, record := range parseLogs(t, child.stderr.String()) {
			if record["level"] == "DEBUG" {
				got = append(got, fmt.Sprint(record["message"]))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: logged %q at the level DEBUG, want %q:\n%s", name, got, want, &child.stderr)
		}
	}
}
