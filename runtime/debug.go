package runtime

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// debugKey in the body of an invocation holds the name of a debug action, for a
// server with [WithDebug]. The protocol is the Python SDK's.
const debugKey = "_agent_core_app_action"

// debugAction answers r if it asks for a debug action or cannot be asked. Else it
// leaves the body to the handler.
func (s *Server) debugAction(r *request, start time.Time) (answered bool) {
	var buf bytes.Buffer
	body, err := readBody(r, &buf)
	if err != nil {
		s.logInvocation(r, fail(r.w, err), start, time.Now())
		return true
	}
	r.http.Body = io.NopCloser(bytes.NewReader(body))
	r.http.ContentLength = int64(len(body))
	value, err := decoder[any]()(body)
	if err != nil {
		s.logInvocation(r, fail(r.w, err), start, time.Now())
		return true
	}
	object, ok := value.(map[string]any)
	if !ok {
		err := Errorf(http.StatusInternalServerError, "a server with debug actions takes only JSON objects")
		s.logInvocation(r, fail(r.w, err), start, time.Now())
		return true
	}
	action := object[debugKey]
	if isFalse(action) {
		return false
	}
	s.logInvocation(r, s.answerDebugAction(r, action), start, time.Now())
	return true
}

// isFalse reports whether Python takes a JSON value for false.
func isFalse(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case json.Number:
		f, err := v.Float64()
		return err == nil && f == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

func (s *Server) answerDebugAction(r *request, action any) outcome {
	force := func(status PingStatus, text string) outcome {
		s.ForceStatus(status)
		return answer(r, map[string]string{"forced_status": text})
	}
	switch action {
	case "ping_status":
		return answer(r, json.RawMessage(s.pingBody(r, nil)))
	case "job_status":
		return answer(r, s.TaskInfo())
	case "force_healthy":
		return force(Healthy, string(Healthy))
	case "force_busy":
		return force(HealthyBusy, string(HealthyBusy))
	case "clear_forced_status":
		return force(Automatic, "Cleared")
	}
	switch action.(type) {
	case []any, map[string]any:
		return fail(r.w, &badRequest{status: http.StatusInternalServerError, body: errorBody{
			Error:   "Debug action failed",
			Details: debugKey + " must be a string",
		}})
	}
	return fail(r.w, Errorf(http.StatusBadRequest, "Unknown action: %v", action))
}
