package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/examples/internal/llm"
	"github.com/agentcore-go/agentcore/runtime"
)

func TestAuthenticate(t *testing.T) {
	const (
		refused = `{"error":"a valid bearer token is required"}`
		said    = `{"text":"You said: \"hi\". We have only just met.","correlation":"c-1"}`
	)
	tests := []struct {
		name          string
		authorization string
		wantStatus    int
		want          string
	}{
		{"right token", "Bearer secret", http.StatusOK, said},
		{"scheme in lower case", "bearer secret", http.StatusOK, said},
		{"no token", "", http.StatusUnauthorized, refused},
		{"empty token", "Bearer ", http.StatusUnauthorized, refused},
		{"wrong token", "Bearer secrets", http.StatusUnauthorized, refused},
		{"other scheme", "Basic secret", http.StatusUnauthorized, refused},
		{"token alone", "secret", http.StatusUnauthorized, refused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request := invocation()
			request.Header.Set("Authorization", tt.authorization)
			request.Header.Set(correlationHeader, "c-1")
			answer, _ := serve(request)
			if got := answer.Code; got != tt.wantStatus {
				t.Errorf("status = %d, want %d", got, tt.wantStatus)
			}
			if got := answer.Body.String(); got != tt.want {
				t.Errorf("answer = %s\nwant     %s", got, tt.want)
			}
			if got := answer.Header().Get(correlationHeader); got != "c-1" {
				t.Errorf("%s = %q", correlationHeader, got)
			}
			want := ""
			if tt.wantStatus == http.StatusUnauthorized {
				want = "Bearer"
			}
			if got := answer.Header().Get("WWW-Authenticate"); got != want {
				t.Errorf("WWW-Authenticate = %q, want %q", got, want)
			}
		})
	}
}

func TestNoTokenLetsNobodyPass(t *testing.T) {
	request := invocation()
	request.Header.Set("Authorization", "Bearer ")
	answer := httptest.NewRecorder()
	gateway := &Gateway{Model: new(llm.Local), Log: slog.New(slog.DiscardHandler)}
	NewServer(gateway, runtime.WithLogger(gateway.Log)).ServeHTTP(answer, request)
	if got := answer.Code; got != http.StatusUnauthorized {
		t.Errorf("status = %d, want %d", got, http.StatusUnauthorized)
	}
}

func TestPingIsOpen(t *testing.T) {
	answer, logged := serve(httptest.NewRequest(http.MethodGet, "/ping", nil))
	if got := answer.Code; got != http.StatusOK {
		t.Errorf("status = %d", got)
	}
	if logged != "" {
		t.Errorf("logged %s", logged)
	}
}

func TestWebSocketIsClosed(t *testing.T) {
	request := httptest.NewRequest(http.MethodGet, "/ws", nil)
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "websocket")
	if answer, _ := serve(request); answer.Code != http.StatusUnauthorized {
		t.Errorf("status = %d, want %d", answer.Code, http.StatusUnauthorized)
	}
}

func TestCorrelate(t *testing.T) {
	tests := []struct{ name, sent, want string }{
		{"the caller's", "c-1", "c-1"},
		{"the request's", "", "r-1"},
		{"too long", strings.Repeat("c", maxCorrelation+1), "r-1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request := invocation()
			request.Header.Set("Authorization", "Bearer secret")
			request.Header.Set("X-Amzn-Bedrock-AgentCore-Runtime-Request-Id", "r-1")
			request.Header.Set(correlationHeader, tt.sent)
			answer, _ := serve(request)
			if got := answer.Header().Get(correlationHeader); got != tt.want {
				t.Errorf("%s = %q, want %q", correlationHeader, got, tt.want)
			}
			var body Answer
			if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
				t.Fatalf("answer %s: %v", answer.Body, err)
			}
			if body.Correlation != tt.want {
				t.Errorf("the handler saw %q, want %q", body.Correlation, tt.want)
			}
		})
	}
}

// Whoever is refused is logged too: Time is outside of Authenticate, and inside
// of Correlate.
func TestTime(t *testing.T) {
	request := invocation()
	request.Header.Set("X-Amzn-Bedrock-AgentCore-Runtime-Request-Id", "r-1")
	request.Header.Set(correlationHeader, "c-1")
	_, logged := serve(request)
	var record map[string]any
	if err := json.Unmarshal([]byte(logged), &record); err != nil {
		t.Fatalf("logged %q: %v", logged, err)
	}
	for key, want := range map[string]any{
		"msg": "request", "method": "POST", "path": "/invocations", "correlation": "c-1", "requestId": "r-1",
	} {
		if got := record[key]; got != want {
			t.Errorf("logged %s = %v, want %v", key, got, want)
		}
	}
	if _, ok := record["took"].(float64); !ok {
		t.Errorf("logged took = %v", record["took"])
	}
}

func invocation() *http.Request {
	return httptest.NewRequest(http.MethodPost, "/invocations", strings.NewReader(`{"prompt":"hi"}`))
}

// serve serves one request, and returns the answer and what was logged.
func serve(request *http.Request) (answer *httptest.ResponseRecorder, logged string) {
	var buf bytes.Buffer
	logger := slog.New(runtime.LogHandler(slog.NewJSONHandler(&buf, nil)))
	answer = httptest.NewRecorder()
	gateway := &Gateway{Model: new(llm.Local), Token: "secret", Log: logger}
	NewServer(gateway, runtime.WithLogger(logger)).ServeHTTP(answer, request)
	return answer, buf.String()
}
