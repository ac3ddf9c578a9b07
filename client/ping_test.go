package client_test

import (
	"context"
	"testing"
	"time"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/runtime"
)

func TestPing(t *testing.T) {
	since := time.Unix(1795333389, 0)
	for body, want := range map[string]client.PingResult{
		`{"status":"Healthy","time_of_last_update":1795333389}`:                     {Status: client.Healthy, Since: since},
		`{"status":"HealthyBusy", "time_of_last_update":1795333389}`:                {Status: client.HealthyBusy, Since: since},
		`{"status":"Healthy","time_of_last_update":"2026-11-22T03:03:09Z"}`:         {Status: client.Healthy, Since: time.Date(2026, 11, 22, 3, 3, 9, 0, time.UTC)},
		`{"status":"Healthy","time_of_last_update":"soon"}`:                         {Status: client.Healthy},
		`{"status":"Healthy","time_of_last_update":null}`:                           {Status: client.Healthy},
		`{"status":"Healthy","time_of_last_update":1795333389,"other":{"a":["b"]}}`: {Status: client.Healthy, Since: since},
	} {
		c := client.New(direct(t, serve(t, answerJSON(body)).url))
		got, err := c.Ping(t.Context())
		if err != nil || got.Status != want.Status || !got.Since.Equal(want.Since) {
			t.Errorf("%s is %+v, %v, want %+v", body, got, err, want)
		}
	}
	for body, want := range map[string]string{
		`OK`:                    `ping: the answer "OK" (application/json) does not fit a ping: invalid character 'O' looking for beginning of value`,
		``:                      `ping: the answer "" (application/json) does not fit a ping: unexpected end of JSON input`,
		`{"status":1}`:          `ping: the answer "{\"status\":1}" (application/json) does not fit a ping: json: cannot unmarshal number into Go struct field .status of type client.PingStatus`,
		`{}`:                    `ping: the answer "{}" (application/json) does not fit a ping: the status is "", and neither Healthy nor HealthyBusy`,
		`{"status":"Draining"}`: `ping: the answer "{\"status\":\"Draining\"}" (application/json) does not fit a ping: the status is "Draining", and neither Healthy nor HealthyBusy`,
	} {
		_, err := client.New(direct(t, serve(t, answerJSON(body)).url)).Ping(t.Context())
		says(t, as[*client.DecodeError](t, err), want)
	}
}

// An agent of this project is busy while it is invoked.
func TestPingOfRuntime(t *testing.T) {
	invoked, proceed := make(chan struct{}), make(chan struct{})
	agent := runtime.NewServer(runtime.Handlers{
		Invoke: runtime.Unary("Wait", func(context.Context, any) (any, error) {
			invoked <- struct{}{}
			<-proceed
			return nil, nil
		}),
	}, quiet)
	c := client.New(direct(t, serve(t, agent.ServeHTTP).url))
	status := func(want client.PingStatus) {
		t.Helper()
		if got, err := c.Ping(t.Context()); err != nil || got.Status != want || got.Since.IsZero() {
			t.Errorf("%+v, %v, want %s", got, err, want)
		}
	}
	status(client.Healthy)
	done := make(chan struct{})
	go func() {
		defer close(done)
		invoke2(t.Context(), t, c)
	}()
	<-invoked
	status(client.HealthyBusy)
	close(proceed)
	<-done
	status(client.Healthy)
}
