package dataplane

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Error is a refusal in the way of AWS's.
type Error struct {
	Status  int
	Code    string // as in ThrottlingException
	Message string
	// RetryAfter is said in whole seconds if it is more than zero.
	RetryAfter time.Duration

	field string // that a ValidationException is about
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// errorBody is the error in JSON.
type errorBody struct {
	Message string       `json:"message"`
	Reason  string       `json:"reason,omitempty"`
	Fields  []errorField `json:"fieldList,omitempty"`
}

type errorField struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

func (e *Error) body() []byte {
	body := errorBody{Message: e.Message}
	if e.field != "" {
		body.Reason = "FieldValidationFailed"
		body.Fields = []errorField{{e.field, e.Message}}
	}
	text, _ := json.Marshal(body) // strings always can
	return text
}

func (e *Error) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Amzn-Errortype", e.Code)
	if e.Status == http.StatusUnauthorized {
		h.Set("Www-Authenticate", "Bearer")
	}
	if seconds := int(e.RetryAfter / time.Second); seconds > 0 {
		h.Set("Retry-After", fmt.Sprint(seconds))
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(e.body()) // the caller may be gone
}

// invalid is a parameter that the service does not take.
func invalid(field, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "ValidationException", Message: field + ": " + message, field: field}
}

func notFound(message string) *Error {
	return &Error{Status: http.StatusNotFound, Code: "ResourceNotFoundException", Message: message}
}

// agentFailed is an agent that could not be reached, or has failed.
func agentFailed(message string) *Error {
	return &Error{Status: http.StatusFailedDependency, Code: "RuntimeClientError", Message: message}
}
