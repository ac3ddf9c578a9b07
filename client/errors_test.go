package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/runtime"
)

// Each server has its own way to refuse.
func TestErrors(t *testing.T) {
	page := "<html><body><h1>502 Bad Gateway</h1></body></html>"
	long := strings.Repeat("é", 600) // 1200 bytes
	for name, test := range map[string]struct {
		status        int
		content, body string
		header        []string
		want          string
		code, detail  string
	}{
		"bad JSON, in Python": {400, "application/json", `{"error":"Invalid JSON","details":"Expecting value: line 1 column 12 (char 11)"}`, nil,
			"invoke: Invalid JSON: Expecting value: line 1 column 12 (char 11) (status 400)", "", `"Invalid JSON"`},
		"a handler's error":             {500, "application/json", `{"error":"boom in handler"}`, nil, "invoke: boom in handler (status 500)", "", `"boom in handler"`},
		"an empty error":                {500, "application/json", `{"error":""}`, nil, "invoke: Internal Server Error (status 500)", "", `""`},
		"an error that is null":         {418, "application/json", `{"error":null}`, nil, "invoke: I'm a teapot (status 418)", "", `null`},
		"an error that is an object":    {422, "application/json", `{"error":{"field":"name","n":[1, 2]}}`, nil, `invoke: {"field":"name","n":[1, 2]} (status 422)`, "", `{"field":"name","n":[1, 2]}`},
		"an error that is an array":     {422, "application/json", `{"error":["a","b"]}`, nil, `invoke: ["a","b"] (status 422)`, "", `["a","b"]`},
		"an error that is a number":     {422, "application/json", `{"error":7}`, nil, `invoke: 7 (status 422)`, "", `7`},
		"an error that is false":        {422, "application/json", `{"error":false}`, nil, `invoke: false (status 422)`, "", `false`},
		"details that are none":         {400, "application/json", `{"error":"a","details":null}`, nil, "invoke: a (status 400)", "", `"a"`},
		"details of an empty error":     {400, "application/json", `{"error":"","details":"b"}`, nil, "invoke: b (status 400)", "", `""`},
		"no session, in TypeScript":     {400, "application/json; charset=utf-8", `{"error":"Missing sessionId. Provide via header or request body."}`, nil, "invoke: Missing sessionId. Provide via header or request body. (status 400)", "", `"Missing sessionId. Provide via header or request body."`},
		"validation, in TypeScript":     {400, "application/json", `{"error":"Invalid request body format","details":[{"path":["a"]}]}`, nil, `invoke: Invalid request body format: [{"path":["a"]}] (status 400)`, "", `"Invalid request body format"`},
		"bad JSON, in TypeScript":       {400, "application/json; charset=utf-8", `{"statusCode":400,"code":"FST_ERR_CTP_INVALID_JSON_BODY","error":"Bad Request","message":"Body is not valid JSON but content-type is set to 'application/json'"}`, nil, "invoke: Body is not valid JSON but content-type is set to 'application/json' (FST_ERR_CTP_INVALID_JSON_BODY, status 400)", "FST_ERR_CTP_INVALID_JSON_BODY", `"Bad Request"`},
		"too large, in TypeScript":      {413, "application/json", `{"statusCode":413,"code":"FST_ERR_CTP_BODY_TOO_LARGE","error":"Payload Too Large","message":"Request body is too large"}`, nil, "invoke: Request body is too large (FST_ERR_CTP_BODY_TOO_LARGE, status 413)", "FST_ERR_CTP_BODY_TOO_LARGE", `"Payload Too Large"`},
		"no route, in TypeScript":       {404, "application/json", `{"message":"Route POST:/invocations not found","error":"Not Found","statusCode":404}`, nil, "invoke: Route POST:/invocations not found (status 404)", "", `"Not Found"`},
		"no JSON, in TypeScript":        {500, "application/json", `{"statusCode":500,"error":"Internal Server Error","message":"Converting circular structure to JSON..."}`, nil, "invoke: Converting circular structure to JSON... (status 500)", "", `"Internal Server Error"`},
		"an error for Accept: SSE":      {500, "", "", nil, "invoke: Internal Server Error (status 500)", "", ""},
		"a status of its own":           {599, "", "", nil, "invoke: no reason given (status 599)", "", ""},
		"no route, in Python":           {404, "text/plain; charset=utf-8", "Not Found", nil, "invoke: Not Found (status 404)", "", ""},
		"a crash, in Python":            {500, "text/plain; charset=utf-8", "Internal Server Error", nil, "invoke: Internal Server Error (status 500)", "", ""},
		"text with line ends":           {500, "text/plain", "\n it broke\nhere \n", nil, "invoke: it broke\nhere (status 500)", "", ""},
		"long text":                     {500, "text/plain", long, nil, "invoke: " + long[:1024] + " (status 500)", "", ""},
		"long text, cut in a character": {500, "text/plain", "x" + long, nil, "invoke: x" + long[:1022] + " (status 500)", "", ""},
		"a page":                        {502, "text/html", page, nil, "invoke: Bad Gateway (status 502)", "", ""},
		"bytes":                         {502, "", "\xff\xfe\x00", nil, "invoke: Bad Gateway (status 502)", "", ""},
		"a JSON string":                 {500, "application/json", ` "it broke" `, nil, "invoke: it broke (status 500)", "", ""},
		"a JSON array":                  {500, "application/json", `["it broke"]`, nil, `invoke: ["it broke"] (status 500)`, "", ""},
		"JSON null":                     {500, "application/json", `null`, nil, `invoke: Internal Server Error (status 500)`, "", ""},
		"an object of something else":   {500, "application/json", `{"status":"broken"}`, nil, `invoke: Internal Server Error (status 500)`, "", ""},
		"members of other types":        {500, "application/json", `{"error":"a","message":{"b":1},"error_type":2,"__type":3,"code":4}`, nil, `invoke: a (status 500)`, "", `"a"`},
		"throttled, by AWS":             {403, "application/json", `{"message":"no"}`, []string{"X-Amzn-ErrorType", "AccessDeniedException:http://internal.amazon.com/coral/com.amazon.bedrock/", requestHeader, "r-1"}, "invoke: no (AccessDeniedException, status 403, request r-1)", "AccessDeniedException", ""},
		"a header with a fragment":      {403, "application/json", `{"message":"no"}`, []string{"X-Amzn-ErrorType", "AccessDeniedException:http://amazon.com/#x"}, "invoke: no (AccessDeniedException, status 403)", "AccessDeniedException", ""},
		"a namespace":                   {400, "application/json", `{"__type":"com.amazonaws.bedrockagentcore#ValidationException","message":"bad","fieldList":[]}`, nil, "invoke: bad (ValidationException, status 400)", "ValidationException", ""},
		"a namespace and a URL":         {400, "application/json", `{"__type":"aws.protocoltests#FooError:http://internal.amazon.com/coral/","Message":"bad"}`, nil, "invoke: bad (FooError, status 400)", "FooError", ""},
		"a code":                        {400, "application/json", `{"code":"ValidationException","Message":"bad"}`, nil, "invoke: bad (ValidationException, status 400)", "ValidationException", ""},
		"the header before the body":    {424, "application/json", `{"__type":"Other","message":"it failed"}`, []string{"X-Amzn-Errortype", "RuntimeClientError"}, "invoke: it failed (RuntimeClientError, status 424)", "RuntimeClientError", ""},
		"a code and no body":            {403, "", "", []string{"X-Amzn-Errortype", "AccessDeniedException"}, "invoke: Forbidden (AccessDeniedException, status 403)", "AccessDeniedException", ""},
		"a request id of the agent":     {500, "application/json", `{"error":"a"}`, []string{"X-Amzn-Bedrock-AgentCore-Runtime-Request-Id", "r-2"}, "invoke: a (status 500, request r-2)", "", `"a"`},
		"an error that names its type":  {500, "application/json", `{"error":"a","error_type":"ValueError","message":"An error occurred during streaming"}`, nil, "invoke: a (ValueError, status 500)", "ValueError", `"a"`},
		"not modified":                  {304, "", "", nil, "invoke: Not Modified (status 304)", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, answer(test.status, test.content, test.body, test.header...))
			c := client.New(direct(t, s.url, client.WithMaxAttempts(1)))
			for name, call := range calls(t.Context(), c) {
				err := call()
				e := as[*client.Error](t, fmt.Errorf("wrapped: %w", err))
				operation := "invoke"
				if name == "Ping" {
					operation = "ping"
				}
				says(t, err, operation+strings.TrimPrefix(test.want, "invoke"))
				if e.Operation != operation || e.StatusCode != test.status || e.Code != test.code || string(e.Detail) != test.detail || string(e.Body) != test.body || e.Message == "" {
					t.Errorf("%s: %+v", name, e)
				}
			}
		})
	}
}

// calls are the ways to call an agent that is reached directly.
func calls(ctx context.Context, c *client.Client) map[string]func() error {
	return map[string]func() error{
		"Invoke": func() error { _, err := client.Invoke[any, any](ctx, c, nil); return err },
		"Stream": func() (last error) {
			n := 0
			for _, last = range client.Stream[any, any](ctx, c, nil) {
				n++
			}
			if n != 1 {
				return fmt.Errorf("a stream that is refused has %d elements", n)
			}
			return last
		},
		"Do":   func() error { _, err := c.Do(ctx, []byte("null")); return err },
		"Ping": func() error { _, err := c.Ping(ctx); return err },
	}
}

// A refusal that does not end is not read to its end.
func TestHugeError(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		chunk := strings.Repeat("x", 64<<10)
		for {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	})
	_, err := client.Invoke[any, any](t.Context(), client.New(direct(t, s.url)), nil)
	e := as[*client.Error](t, err)
	if len(e.Body) != 1<<20 || e.Message != strings.Repeat("x", 1<<10) {
		t.Errorf("a body of %d bytes, and a message of %d", len(e.Body), len(e.Message))
	}
}

// A refusal that is cut off says what has come of it.
func TestErrorCutOff(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "it is bad")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	_, err := client.Invoke[any, any](t.Context(), client.New(direct(t, s.url)), nil)
	says(t, as[*client.Error](t, err), "invoke: it is bad (status 400)")
}

func TestStreamErrors(t *testing.T) {
	const message = `"message":"An error occurred during streaming"`
	for name, test := range map[string]struct {
		events       string
		values       int
		want         string // "" for no error
		code, detail string
	}{
		"Python, at once":        {`data: {"error": "boom", "error_type": "RuntimeError", "message": "An error occurred during streaming"}` + "\n\n", 0, "invoke: boom (RuntimeError, request r-1)", "RuntimeError", `"boom"`},
		"Python, after values":   {"data: 1\n\ndata: 2\n\n" + `data: {"error":"boom","error_type":"ValueError",` + message + "}\n\n", 2, "invoke: boom (ValueError, request r-1)", "ValueError", `"boom"`},
		"Python, no text":        {`data: {"error":"","error_type":"ValueError",` + message + "}\n\n", 0, "invoke: An error occurred during streaming (ValueError, request r-1)", "ValueError", `""`},
		"Python, a detail":       {`data: {"error":{"a":[1]},"error_type":"ValueError",` + message + "}\n\n", 0, `invoke: {"a":[1]} (ValueError, request r-1)`, "ValueError", `{"a":[1]}`},
		"nothing after an error": {`data: {"error":"boom","error_type":"E",` + message + "}\n\ndata: 1\n\n", 0, "invoke: boom (E, request r-1)", "E", `"boom"`},
		"TypeScript, at once":    {"event: error\ndata: {\"error\":\"boom\"}\n\n", 0, "invoke: boom (in the stream, request r-1)", "", `"boom"`},
		"TypeScript, after":      {"data: 1\n\nevent: error\ndata: {\"error\":\"boom mid-stream\"}\n\ndata: 2\n\n", 1, "invoke: boom mid-stream (in the stream, request r-1)", "", `"boom mid-stream"`},
		"an idle type":           {"event: error\ndata: {\"error\":\"boom\",\"error_type\":\"error\"}\n\n", 0, "invoke: boom (in the stream, request r-1)", "error", `"boom"`},
		"text":                   {"event: error\ndata: it broke\n\n", 0, "invoke: it broke (in the stream, request r-1)", "", ""},
		"empty":                  {"event: error\ndata:\n\n", 0, "invoke: An error occurred during streaming (in the stream, request r-1)", "", ""},
		"another name":           {"event: token\ndata: 1\n\n", 1, "", "", ""},
		"another message":        {`data: {"error":"a","error_type":"b","message":"c"}` + "\n\ndata: 1\n\n", 2, "", "", ""},
		"no error":               {`data: {"error_type":"b",` + message + "}\n\n", 1, "", "", ""},
		"a message alone":        {"data: {" + message + "}\n\n", 1, "", "", ""},
		"within a value":         {`data: {"value":{"error":"a","error_type":"b",` + message + "}}\n\n", 1, "", "", ""},
		"in a string":            {`data: "{\"error\":\"a\",\"error_type\":\"b\",\"message\":\"An error occurred during streaming\"}"` + "\n\n", 1, "", "", ""},
		"text that says so":      {`data: "error_type" and An error occurred during streaming` + "\n\n", 1, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, answer(200, "text/event-stream", test.events, requestHeader, "r-1"))
			values := 0
			var last error
			for value, err := range client.Stream[any, any](t.Context(), client.New(direct(t, s.url)), nil) {
				if last = err; err != nil {
					if value != nil {
						t.Errorf("the value %v comes with an error", value)
					}
					continue // the error is the last element
				}
				values++
			}
			says(t, last, test.want)
			if values != test.values {
				t.Errorf("%d values, want %d", values, test.values)
			}
			if test.want == "" {
				return
			}
			if e := as[*client.Error](t, last); e.StatusCode != 200 || e.Code != test.code || string(e.Detail) != test.detail || e.RequestID != "r-1" || e.Retryable() {
				t.Errorf("%+v", e)
			}
		})
	}
}

// What an agent of this project fails with arrives as it was.
func TestErrorsOfRuntime(t *testing.T) {
	detail := map[string]any{"field": "name"}
	fails := func(context.Context, any) (any, error) {
		return nil, &runtime.StatusError{Status: 422, Detail: detail}
	}
	s := serve(t, runtime.NewServer(runtime.Handlers{Invoke: runtime.Unary("Fail", fails)}, quiet).ServeHTTP)
	_, err := client.Invoke[any, any](t.Context(), client.New(direct(t, s.url)), nil)
	if e := as[*client.Error](t, err); e.StatusCode != 422 || string(e.Detail) != `{"field":"name"}` {
		t.Errorf("%+v", e)
	}
	says(t, err, `invoke: {"field":"name"} (status 422)`)
}

func TestRetryable(t *testing.T) {
	for want, errs := range map[bool][]client.Error{
		true:  {{StatusCode: 429}, {StatusCode: 429, Code: "ThrottlingException"}, {StatusCode: 409, Code: "RetryableConflictException"}},
		false: {{}, {StatusCode: 200}, {StatusCode: 409}, {StatusCode: 409, Code: "ConflictException"}, {StatusCode: 500}, {StatusCode: 503}, {StatusCode: 401}, {StatusCode: 400, Code: "RetryableConflictException"}},
	} {
		for _, e := range errs {
			if e.Retryable() != want {
				t.Errorf("%+v: %t, want %t", e, !want, want)
			}
		}
	}
}

func TestNoConnection(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	refuse := errors.New("refused")
	own := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, refuse })}
	_, err := client.Invoke[any, any](t.Context(), client.New(direct(t, s.url, client.WithHTTPClient(own), client.WithMaxAttempts(1))), nil)
	says(t, err, fmt.Sprintf(`invoke: Post "%s/invocations": refused`, s.url))
	if _, ok := errors.AsType[*client.Error](err); ok || !errors.Is(err, refuse) {
		t.Errorf("%T", err)
	}
}
