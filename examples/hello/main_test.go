package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHello(t *testing.T) {
	tests := []struct {
		name, body string
		wantStatus int
		want       string
	}{
		{"prompt", `{"prompt":"hi"}`, http.StatusOK, `{"text":"You said: hi"}`},
		{"no prompt", `{}`, http.StatusOK, `{"text":"You said: "}`},
		{"other type", `{"prompt":1}`, http.StatusBadRequest, `{"error":"Invalid payload","details":"prompt: cannot use number as string"}`},
		{"no JSON", `hi`, http.StatusBadRequest, `{"error":"Invalid JSON","details":"invalid character 'h' looking for beginning of value (byte 1)"}`},
	}
	server := NewServer()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer := httptest.NewRecorder()
			server.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/invocations", strings.NewReader(tt.body)))
			if got := answer.Code; got != tt.wantStatus {
				t.Errorf("status = %d, want %d", got, tt.wantStatus)
			}
			if got := answer.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type = %q", got)
			}
			if got := answer.Body.String(); got != tt.want {
				t.Errorf("answer = %s\nwant     %s", got, tt.want)
			}
		})
	}
}
