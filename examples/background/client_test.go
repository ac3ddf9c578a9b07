package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/examples/background/backgroundclient"
	"github.com/agentcore-go/agentcore/examples/internal/llm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect serves the agent with a model, and returns a client of it.
func connect(t *testing.T, model llm.Model) *backgroundclient.Client {
	t.Helper()
	server := httptest.NewServer(serve(t, model).server)
	t.Cleanup(server.Close)
	transport, err := client.Direct(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return backgroundclient.New(transport)
}

func TestClient(t *testing.T) {
	model := make(puppet)
	agent := connect(t, model)
	expectStatus(t, agent, client.Healthy)

	started, err := agent.Handle(t.Context(), backgroundclient.Request{
		Action: backgroundclient.Start, Topics: []string{"otters", "terns"},
	})
	if err != nil {
		t.Fatal(err)
	}
	expectReport(t, started, backgroundclient.Report{ID: started.ID, State: backgroundclient.Running, Topics: 2})
	expectStatus(t, agent, client.HealthyBusy)

	otters := backgroundclient.Section{Topic: "otters", Text: "They swim."}
	model <- reply{text: otters.Text}
	expectReport(t, wait(t, agent, started.ID, func(r backgroundclient.Report) bool { return len(r.Sections) == 1 }),
		backgroundclient.Report{ID: started.ID, State: backgroundclient.Running, Topics: 2, Sections: []backgroundclient.Section{otters}})
	expectStatus(t, agent, client.HealthyBusy)

	terns := backgroundclient.Section{Topic: "terns", Text: "They fly."}
	model <- reply{text: terns.Text}
	expectReport(t, wait(t, agent, started.ID, func(r backgroundclient.Report) bool { return r.State != backgroundclient.Running }),
		backgroundclient.Report{ID: started.ID, State: backgroundclient.Done, Topics: 2, Sections: []backgroundclient.Section{otters, terns}})
	expectStatus(t, agent, client.Healthy)
}

// wait asks for a report until it is far enough.
func wait(t *testing.T, agent *backgroundclient.Client, id string, enough func(backgroundclient.Report) bool) backgroundclient.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		report, err := agent.Handle(ctx, backgroundclient.Request{Action: backgroundclient.Progress, ID: id})
		if err != nil {
			t.Fatal(err)
		}
		if enough(report) {
			return report
		}
		<-tick.C
	}
}

func TestClientIsRefused(t *testing.T) {
	agent := connect(t, new(llm.Local))
	for _, tt := range []struct {
		request    backgroundclient.Request
		wantStatus int
		want       string
	}{
		{backgroundclient.Request{Action: "stop"}, http.StatusUnprocessableEntity, `the action is "stop", want "start" or "progress"`},
		{backgroundclient.Request{Action: backgroundclient.Progress, ID: "7"}, http.StatusNotFound, `there is no report "7"`},
	} {
		_, err := agent.Handle(t.Context(), tt.request)
		refused, ok := errors.AsType[*client.Error](err)
		if !ok {
			t.Fatalf("%+v: the error is %v", tt.request, err)
		}
		if refused.StatusCode != tt.wantStatus || refused.Message != tt.want {
			t.Errorf("%+v is refused with %d: %s\nwant %d: %s", tt.request, refused.StatusCode, refused.Message, tt.wantStatus, tt.want)
		}
	}
}

func expectReport(t *testing.T, got, want backgroundclient.Report) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("report = %+v\nwant     %+v", got, want)
	}
}

func expectStatus(t *testing.T, agent *backgroundclient.Client, want client.PingStatus) {
	t.Helper()
	got, err := agent.Ping(t.Context())
	if err != nil || got.Status != want {
		t.Errorf("the agent says it is %s, %v; want %s", got.Status, err, want)
	}
}
