package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentcore-go/agentcore/examples/internal/llm"
	"github.com/agentcore-go/agentcore/runtime"
)

func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := make(puppet)
		agent := serve(t, model)
		agent.expectPing(runtime.Healthy)

		started := agent.handle(Request{Action: Start, Topics: []string{"otters", "terns"}})
		expect(t, started, Report{ID: started.ID, State: Running, Topics: 2})
		agent.expectPing(runtime.HealthyBusy)

		model <- reply{text: "They swim."}
		synctest.Wait()
		ask := Request{Action: Progress, ID: started.ID}
		expect(t, agent.handle(ask), Report{ID: started.ID, State: Running, Topics: 2, Sections: []Section{
			{"otters", "They swim."},
		}})

		model <- reply{text: "They fly."}
		synctest.Wait()
		agent.expectPing(runtime.HealthyBusy) // nobody has seen the report

		for range 2 { // it may be asked for again
			expect(t, agent.handle(ask), Report{ID: started.ID, State: Done, Topics: 2, Sections: []Section{
				{"otters", "They swim."},
				{"terns", "They fly."},
			}})
			agent.expectPing(runtime.Healthy)
		}
	})
}

func TestReportIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := serve(t, new(llm.Local))
		started := agent.handle(Request{Action: Start, Topics: []string{"otters"}})
		synctest.Wait()
		<-time.After(keepFor - 1)
		agent.expectPing(runtime.HealthyBusy)
		<-time.After(1)
		agent.expectPing(runtime.Healthy)
		agent.expectRefused(Request{Action: Progress, ID: started.ID}, http.StatusNotFound,
			fmt.Sprintf("there is no report %q", started.ID))
	})
}

func TestReportFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := make(puppet)
		agent := serve(t, model)
		started := agent.handle(Request{Action: Start, Topics: []string{"otters", "terns"}})
		model <- reply{text: "They swim."}
		model <- reply{err: errors.New("the model is on strike")}
		synctest.Wait()
		expect(t, agent.handle(Request{Action: Progress, ID: started.ID}), Report{
			ID: started.ID, State: Failed, Topics: 2, Error: "the model is on strike",
			Sections: []Section{{"otters", "They swim."}},
		})
		agent.expectPing(runtime.Healthy)
	})
}

func TestModelPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := serve(t, llm.Func(func(context.Context, []llm.Message) iter.Seq2[string, error] { panic("no model") }))
		started := agent.handle(Request{Action: Start, Topics: []string{"otters"}})
		synctest.Wait()
		expect(t, agent.handle(Request{Action: Progress, ID: started.ID}), Report{
			ID: started.ID, State: Failed, Topics: 1, Error: "internal error",
		})
	})
}

func TestShutdownEndsReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := serve(t, make(puppet))
		started := agent.handle(Request{Action: Start, Topics: []string{"otters"}})
		if err := agent.server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		expect(t, agent.handle(Request{Action: Progress, ID: started.ID}), Report{
			ID: started.ID, State: Failed, Topics: 1, Error: context.Canceled.Error(),
		})
	})
}

func TestRefused(t *testing.T) {
	agent := serve(t, new(llm.Local))
	agent.expectRefused(Request{}, http.StatusUnprocessableEntity, `the action is "", want "start" or "progress"`)
	agent.expectRefused(Request{Action: Start}, http.StatusUnprocessableEntity, "there are no topics")
	agent.expectRefused(Request{Action: Progress, ID: "7"}, http.StatusNotFound, `there is no report "7"`)
	for range maxReports {
		agent.handle(Request{Action: Start, Topics: []string{"otters"}})
	}
	agent.expectRefused(Request{Action: Start, Topics: []string{"otters"}}, http.StatusTooManyRequests, "there are 100 reports already")
}

// agent is a server under test.
type agent struct {
	t      *testing.T
	server *runtime.Server
}

// serve makes an agent, which ends with the test.
func serve(t *testing.T, model llm.Model) agent {
	server := NewServer(NewResearcher(model))
	t.Cleanup(func() {
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return agent{t, server}
}

// call sends a request and decodes the answer.
func (a agent) call(method, path string, in, out any) (status int) {
	a.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		a.t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	a.server.ServeHTTP(answer, httptest.NewRequest(method, path, strings.NewReader(string(body))))
	if err := json.Unmarshal(answer.Body.Bytes(), out); err != nil {
		a.t.Fatalf("%s %s answered %s: %v", method, path, answer.Body, err)
	}
	return answer.Code
}

// handle sends a request that must be answered well.
func (a agent) handle(request Request) (report Report) {
	a.t.Helper()
	if status := a.call(http.MethodPost, "/invocations", request, &report); status != http.StatusOK {
		a.t.Fatalf("%+v was answered with status %d", request, status)
	}
	return report
}

func (a agent) expectRefused(request Request, wantStatus int, want string) {
	a.t.Helper()
	var refusal struct{ Error string }
	status := a.call(http.MethodPost, "/invocations", request, &refusal)
	if status != wantStatus || refusal.Error != want {
		a.t.Errorf("%+v was answered with %d %s\nwant %d %s", request, status, refusal.Error, wantStatus, want)
	}
}

func (a agent) expectPing(want runtime.PingStatus) {
	a.t.Helper()
	var got struct{ Status runtime.PingStatus }
	a.call(http.MethodGet, "/ping", nil, &got)
	if got.Status != want {
		a.t.Errorf("ping says %s, want %s", got.Status, want)
	}
}

func expect(t *testing.T, got, want Report) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("report = %+v\nwant     %+v", got, want)
	}
}

// puppet is a model that replies what the test wants.
type puppet chan reply

type reply struct {
	text string
	err  error
}

func (p puppet) Reply(ctx context.Context, _ []llm.Message) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		select {
		case r := <-p:
			yield(r.text, r.err)
		case <-ctx.Done():
			yield("", ctx.Err())
		}
	}
}
