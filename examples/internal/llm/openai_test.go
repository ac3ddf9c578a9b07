package llm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/agentcore-go/agentcore/examples/internal/llm"
)

// serve starts an OpenAI-compatible endpoint below /v1 and returns a model
// that talks to it. The endpoint checks the form of each request and leaves
// the answer to answer.
func serve(t *testing.T, answer http.HandlerFunc) *llm.OpenAI {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
			t.Errorf("Content-Type = %q", r.Header.Get("Content-Type"))
		}
		if got := r.Header.Get("Accept"); got != "text/event-stream" {
			t.Errorf("Accept = %q", got)
		}
		// The server notices a lost client only once the body is read.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading the request: %v", err)
		}
		var request struct {
			Stream bool
		}
		if err := json.Unmarshal(body, &request); err != nil || !request.Stream {
			t.Errorf("the request does not ask for a stream: %s (%v)", body, err)
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		answer(w, r)
	})
	mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("unexpected request: %s %s", r.Method, r.URL)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &llm.OpenAI{BaseURL: server.URL + "/v1", Name: "small", Client: server.Client()}
}

// send starts an event stream, or goes on with it, and flushes each part. It
// gives up when the client has hung up, as some tests do.
func send(w http.ResponseWriter, parts ...string) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	for _, part := range parts {
		if _, err := io.WriteString(w, part); err != nil {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
	}
}

// Events of a stream, as api.openai.com sends them.
const (
	roleEvent  = `data: {"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	stopEvent  = `data: {"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	usageEvent = `data: {"id":"c1","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}` + "\n\n"
	doneEvent  = "data: [DONE]\n\n"
)

func contentEvent(content string) string {
	return fmt.Sprintf(`data: {"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":%q},"finish_reason":null}]}`+"\n\n", content)
}

func TestOpenAIRequest(t *testing.T) {
	tests := []struct {
		name              string
		baseURLEnd        string
		key               string
		wantAuthorization []string
	}{
		{name: "with a key", key: "secret", wantAuthorization: []string{"Bearer secret"}},
		{name: "without a key"},
		{name: "slash at the end", baseURLEnd: "/"},
		{name: "slashes at the end", baseURLEnd: "//"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var requests atomic.Int32
			model := serve(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				if got, want := fmt.Sprint(r.Header["Authorization"]), fmt.Sprint(tt.wantAuthorization); got != want {
					t.Errorf("Authorization = %s, want %s", got, want)
				}
				body, _ := io.ReadAll(r.Body)
				const want = `{"model":"small","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hello"}],"stream":true}`
				if got := string(body); got != want {
					t.Errorf("request = %s\nwant      %s", got, want)
				}
				send(w, contentEvent("hi"), doneEvent)
			})
			model.BaseURL += tt.baseURLEnd
			model.APIKey = tt.key
			reply := model.Reply(t.Context(), []llm.Message{
				{Role: llm.RoleSystem, Content: "Be brief."},
				{Role: llm.RoleUser, Content: "hello"},
			})
			if requests.Load() != 0 {
				t.Error("the model was asked before the sequence was ranged over")
			}
			for range 2 { // a sequence can be ranged over again
				got, err := collect(t, reply)
				if got != "hi" || err != nil {
					t.Errorf("reply = %q, %v", got, err)
				}
			}
			if got := requests.Load(); got != 2 {
				t.Errorf("requests = %d, want 2", got)
			}
		})
	}
}

func TestOpenAIDefaultClient(t *testing.T) {
	model := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		send(w, contentEvent("hi"), doneEvent)
	})
	model.Client = nil
	got, err := collect(t, model.Reply(t.Context(), user("hello")))
	if got != "hi" || err != nil {
		t.Errorf("reply = %q, %v", got, err)
	}
}

func TestOpenAIStream(t *testing.T) {
	tests := []struct {
		name    string
		parts   []string
		abort   bool // cut the connection instead of ending the answer
		want    string
		wantErr string // "" = none
		wantIs  error  // nil = any
	}{
		{
			name:  "complete",
			parts: []string{roleEvent, contentEvent("Hello"), contentEvent(" world"), stopEvent, usageEvent, doneEvent},
			want:  "Hello| world",
		},
		{
			name:  "all at once",
			parts: []string{roleEvent + contentEvent("Hello") + contentEvent(" world") + stopEvent + doneEvent},
			want:  "Hello| world",
		},
		{
			name:  "events torn apart",
			parts: strings.SplitAfter(roleEvent+contentEvent("Hello")+stopEvent+doneEvent, `"`),
			want:  "Hello",
		},
		{
			name:  "CRLF, comments, other fields and no spaces",
			parts: []string{": waiting\r\n\r\n", "event: ping\r\n\r\n", "id:1\r\ndata:{\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\r\n\r\n", "data:[DONE]\r\n\r\n"},
			want:  "Hello",
		},
		{
			name:  "null content and no choices",
			parts: []string{`data: {"choices":[{"delta":{"content":null}}],"usage":null,"error":null}` + "\n\n", "data: {}\n\n", doneEvent},
		},
		{
			name:  "content in the last chunk",
			parts: []string{`data: {"choices":[{"delta":{"content":"Hello"},"finish_reason":"length"}]}` + "\n\n"},
			want:  "Hello",
		},
		{
			name:  "[DONE] without a finish_reason",
			parts: []string{contentEvent("Hello"), doneEvent},
			want:  "Hello",
		},
		{
			name:  "finish_reason without [DONE]",
			parts: []string{contentEvent("Hello"), stopEvent},
			want:  "Hello",
		},
		{
			name:  "connection lost after a finish_reason",
			parts: []string{contentEvent("Hello"), stopEvent},
			abort: true,
			want:  "Hello",
		},
		{
			name:  "large event",
			parts: []string{contentEvent(strings.Repeat("x", 100_000)), doneEvent},
			want:  strings.Repeat("x", 100_000),
		},
		{
			name:    "event without an end",
			parts:   []string{contentEvent("Hello"), "data: " + strings.Repeat("x", 1<<20)},
			want:    "Hello",
			wantErr: "llm: reading the reply: bufio.Scanner: token too long",
		},
		{
			name:    "empty stream",
			parts:   []string{""},
			wantErr: "llm: the reply was cut off: unexpected EOF",
			wantIs:  io.ErrUnexpectedEOF,
		},
		{
			name:    "cut off",
			parts:   []string{roleEvent, contentEvent("Hello")},
			want:    "Hello",
			wantErr: "llm: the reply was cut off: unexpected EOF",
			wantIs:  io.ErrUnexpectedEOF,
		},
		{
			name:    "cut off in an event",
			parts:   []string{contentEvent("Hello"), `data: {"choices":[{"delta":{"con`},
			want:    "Hello",
			wantErr: "llm: the reply was cut off: unexpected EOF",
			wantIs:  io.ErrUnexpectedEOF,
		},
		{
			name:    "connection lost",
			parts:   []string{contentEvent("Hello"), `data: {"choices":[{"delta":{"con`},
			abort:   true,
			want:    "Hello",
			wantErr: "llm: reading the reply: unexpected EOF",
			wantIs:  io.ErrUnexpectedEOF,
		},
		{
			name:    "error in mid-stream",
			parts:   []string{contentEvent("Hello"), `data: {"error":{"message":"the model is overloaded","type":"server_error","code":null}}` + "\n\n", doneEvent},
			want:    "Hello",
			wantErr: "llm: the endpoint failed in mid-reply: the model is overloaded",
		},
		{
			name:    "error as a string",
			parts:   []string{`data: {"error":"out of memory"}` + "\n\n"},
			wantErr: `llm: the endpoint failed in mid-reply: "out of memory"`,
		},
		{
			name:    "error without a message",
			parts:   []string{`data: {"error":{"code":500}}` + "\n\n"},
			wantErr: `llm: the endpoint failed in mid-reply: {"code":500}`,
		},
		{
			name:    "event that is not JSON",
			parts:   []string{contentEvent("Hello"), "data: sorry\n\n", doneEvent},
			want:    "Hello",
			wantErr: "llm: decoding the reply: invalid character 's' looking for beginning of value",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			model := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				send(w, tt.parts...)
				if tt.abort {
					panic(http.ErrAbortHandler)
				}
			})
			got, err := collect(t, model.Reply(t.Context(), user("hello")))
			if got != tt.want {
				t.Errorf("reply = %q\nwant    %q", got, tt.want)
			}
			if message(err) != tt.wantErr {
				t.Errorf("error = %q\nwant    %q", message(err), tt.wantErr)
			}
			if tt.wantIs != nil && !errors.Is(err, tt.wantIs) {
				t.Errorf("error %v is not %v", err, tt.wantIs)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Pieces must not wait for those after them.
func TestOpenAIStreamsAtOnce(t *testing.T) {
	received := make(chan struct{})
	model := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for _, content := range []string{"one", "two", "three"} {
			send(w, contentEvent(content))
			select {
			case <-received:
			case <-r.Context().Done():
				return
			}
		}
		send(w, doneEvent)
	})
	var got []string
	for piece, err := range model.Reply(t.Context(), user("count")) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, piece)
		received <- struct{}{}
	}
	if strings.Join(got, " ") != "one two three" {
		t.Errorf("pieces = %q", got)
	}
}

// Servers may keep the connection open behind the end of the stream.
func TestOpenAIDoneEndsReply(t *testing.T) {
	model := serve(t, func(w http.ResponseWriter, r *http.Request) {
		send(w, contentEvent("hi"), doneEvent)
		<-r.Context().Done()
	})
	got, err := collect(t, model.Reply(t.Context(), user("hello")))
	if got != "hi" || err != nil {
		t.Errorf("reply = %q, %v", got, err)
	}
}

func TestOpenAIErrorResponse(t *testing.T) {
	tests := []struct {
		name        string
		status      int
		contentType string
		body        string
		want        string // after "llm: POST URL: "
	}{
		{
			name:        "error of the API",
			status:      401,
			contentType: "application/json",
			body:        `{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`,
			want:        "401 Unauthorized: Incorrect API key provided.",
		},
		{
			name:        "error as a string",
			status:      404,
			contentType: "application/json",
			body:        `{"error":"model not found"}`,
			want:        `404 Not Found: "model not found"`,
		},
		{
			name:        "JSON without an error",
			status:      422,
			contentType: "application/json",
			body:        `{"detail":"bad role"}`,
			want:        `422 Unprocessable Entity: "{\"detail\":\"bad role\"}"`,
		},
		{
			name:        "text",
			status:      502,
			contentType: "text/html",
			body:        "<h1>Bad Gateway</h1>\n",
			want:        `502 Bad Gateway: "<h1>Bad Gateway</h1>"`,
		},
		{
			name:        "nothing",
			status:      503,
			contentType: "text/plain",
			want:        "503 Service Unavailable",
		},
		{
			name:        "error status on an event stream",
			status:      500,
			contentType: "text/event-stream",
			body:        doneEvent,
			want:        `500 Internal Server Error: "data: [DONE]"`,
		},
		{
			name:        "long body",
			status:      500,
			contentType: "text/plain",
			body:        strings.Repeat("x", 1<<20),
			want:        `500 Internal Server Error: "` + strings.Repeat("x", 4<<10) + `"`,
		},
		{
			name:        "not modified",
			status:      304,
			contentType: "text/event-stream",
			want:        "304 Not Modified",
		},
		{
			name:        "reply that is not streamed",
			status:      200,
			contentType: "application/json",
			body:        `{"choices":[]}`,
			want:        `200 OK with Content-Type "application/json" instead of text/event-stream: "{\"choices\":[]}"`,
		},
		{
			name:        "error with status 200",
			status:      200,
			contentType: "application/json",
			body:        `{"error":{"message":"no such model"}}`,
			want:        `200 OK with Content-Type "application/json" instead of text/event-stream: no such model`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			model := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				w.WriteHeader(tt.status)
				// The client may hang up before it has read a long body.
				_, _ = io.WriteString(w, tt.body)
			})
			got, err := collect(t, model.Reply(t.Context(), user("hello")))
			want := "llm: POST " + model.BaseURL + "/chat/completions: " + tt.want
			if got != "" || message(err) != want {
				t.Errorf("reply = %q, %v\nwant error %s", got, err, want)
			}
		})
	}
}

func TestOpenAIBadBaseURL(t *testing.T) {
	for _, base := range []string{"", "localhost:11434", "http://[::1", "gopher://example.com"} {
		model := &llm.OpenAI{BaseURL: base, Name: "small"}
		if got, err := collect(t, model.Reply(t.Context(), user("hello"))); got != "" || err == nil {
			t.Errorf("BaseURL %q: reply = %q, %v; want an error", base, got, err)
		}
	}
}

func TestOpenAIEarlyStop(t *testing.T) {
	stopped := make(chan struct{})
	model := serve(t, func(w http.ResponseWriter, r *http.Request) {
		send(w, contentEvent("one"), contentEvent("two"))
		<-r.Context().Done()
		close(stopped)
	})
	for piece, err := range model.Reply(t.Context(), user("count")) {
		if piece != "one" || err != nil {
			t.Errorf("first piece = %q, %v", piece, err)
		}
		break
	}
	<-stopped
}

func TestOpenAICancel(t *testing.T) {
	tests := []struct {
		name string
		// answer is called with the function that cancels the request.
		answer func(w http.ResponseWriter, cancel func())
		want   string
	}{
		{
			name:   "before the status",
			answer: func(_ http.ResponseWriter, cancel func()) { cancel() },
		},
		{
			name: "before the first piece",
			answer: func(w http.ResponseWriter, cancel func()) {
				send(w, roleEvent)
				cancel()
			},
		},
		{
			name: "in an error's body",
			answer: func(w http.ResponseWriter, cancel func()) {
				w.WriteHeader(http.StatusInternalServerError)
				send(w, "half a mess")
				cancel()
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// With a cause, so that the cause is not taken for ctx's error.
			ctx, cancel := context.WithCancelCause(t.Context())
			stopped := make(chan struct{})
			model := serve(t, func(w http.ResponseWriter, r *http.Request) {
				tt.answer(w, func() { cancel(errors.New("not interested")) })
				<-r.Context().Done()
				close(stopped)
			})
			got, err := collect(t, model.Reply(ctx, user("hello")))
			if got != "" || !errors.Is(err, context.Canceled) {
				t.Errorf("reply = %q, %v; want %v", got, err, context.Canceled)
			}
			<-stopped
		})
	}
}

func TestOpenAICancelBetweenPieces(t *testing.T) {
	tests := []struct {
		name string
		rest string // what is here already when the context is canceled
	}{
		{name: "blocked on the server"},
		{name: "with a piece at hand", rest: contentEvent("two")},
		{name: "with the end at hand", rest: stopEvent + doneEvent},
		{name: "after the finish_reason", rest: stopEvent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			model := serve(t, func(w http.ResponseWriter, r *http.Request) {
				send(w, contentEvent("one")+tt.rest)
				<-r.Context().Done()
			})
			var got []string
			var end error
			for piece, err := range model.Reply(ctx, user("count")) {
				if err != nil {
					end = err
					break
				}
				got = append(got, piece)
				cancel()
			}
			if len(got) != 1 || !errors.Is(end, context.Canceled) {
				t.Errorf("reply = %q, %v; want one piece and %v", got, end, context.Canceled)
			}
		})
	}
}

func TestOpenAIContextAlreadyDone(t *testing.T) {
	model := serve(t, func(http.ResponseWriter, *http.Request) {
		t.Error("the endpoint was asked")
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := collect(t, model.Reply(ctx, user("hello")))
	if got != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("reply = %q, %v; want %v", got, err, context.Canceled)
	}
}
