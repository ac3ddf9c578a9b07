package runtime_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/agentcore-go/agentcore/runtime"
)

func TestBodyContentTypeIsIgnored(t *testing.T) {
	server := newServer(runtime.Handlers{Invoke: echo})
	for _, kind := range []string{
		"", "application/json", "application/json; charset=utf-8", "text/plain", "application/octet-stream",
		"application/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "not a type",
	} {
		t.Run(kind, func(t *testing.T) {
			var headers []string
			if kind != "" {
				headers = []string{"Content-Type", kind}
			}
			if got := record(server, "POST", "/invocations", `{"a":1}`, headers...); got.status != 200 || got.body != `{"a":1}` {
				t.Errorf("answered %d %s", got.status, got.body)
			}
		})
	}
}

func TestBodyIsAnyJSONValue(t *testing.T) {
	server := newServer(runtime.Handlers{Invoke: echo})
	digits := strings.Repeat("7", 5000)
	nested := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for _, test := range []struct{ name, body, want string }{
		{"object", `{"a":{"b":[1]}}`, `{"a":{"b":[1]}}`},
		{"array", `[1,"a",null]`, `[1,"a",null]`},
		{"string", `"hello"`, `"hello"`},
		{"empty string", `""`, `""`},
		{"number", `42`, `42`},
		{"fraction", `1.50`, `1.50`},
		{"beyond a float", `1e400`, `1e400`},
		{"2^53+1", `9007199254740993`, `9007199254740993`},
		{"2^53+1 inside", `{"n":[9007199254740993]}`, `{"n":[9007199254740993]}`},
		{"5000 digits", digits, digits},
		{"5000 nested arrays", nested, nested},
		{"true", `true`, `true`},
		{"null", `null`, `null`},
		{"white space", " \t\r\n{ \"a\" : 1 } \n", `{"a":1}`},
		{"byte order mark", "\ufeff{\"a\":1}", `{"a":1}`},
		{"duplicate keys", `{"a":1,"a":2}`, `{"a":2}`},
		{"key __proto__", `{"__proto__":1}`, `{"__proto__":1}`},
		{"debug action without debugging", `{"_agent_core_app_action":"ping_status"}`, `{"_agent_core_app_action":"ping_status"}`},
		{"escapes", `"\u017c\n\ud83d\ude00"`, `"ż\n😀"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := record(server, "POST", "/invocations", test.body); got.status != 200 || got.body != test.want {
				t.Errorf("answered %d %.100s, want %.100s", got.status, got.body, test.want)
			}
		})
	}
}

func TestBodyNumbersKeepTheirDigits(t *testing.T) {
	type holder struct {
		Any   any            `json:"any"`
		Map   map[string]any `json:"map"`
		Raw   json.RawMessage
		Child *holder `json:"child,omitempty"`
	}
	server := newServer(runtime.Handlers{Invoke: runtime.Unary("Echo", func(_ context.Context, in holder) (holder, error) {
		return in, nil
	})})
	const body = `{"any":9007199254740993,"map":{"n":9007199254740993},"Raw":9007199254740993,` +
		`"child":{"any":9007199254740993,"map":null,"Raw":null}}`
	if got := record(server, "POST", "/invocations", body); got.body != body {
		t.Errorf("answered %s, want %s", got.body, body)
	}
}

func TestBodyRefused(t *testing.T) {
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	fmt.Fprint(zip, `{"a":1}`)
	zip.Close()

	called := false
	handle := func(_ context.Context, in any) (any, error) {
		called = true
		return in, nil
	}
	server := newServer(runtime.Handlers{Invoke: runtime.Unary("Note", handle)})
	none := newServer(runtime.Handlers{})
	for _, test := range []struct{ name, body, problem string }{
		{"empty", "", "Invalid JSON"},
		{"white space", " \n", "Invalid JSON"},
		{"only a byte order mark", "\ufeff", "Invalid JSON"},
		{"truncated", `{"a":`, "Invalid JSON"},
		{"not JSON", `hello`, "Invalid JSON"},
		{"single quotes", `{'a':1}`, "Invalid JSON"},
		{"a second value", `{"a":1}{"a":2}`, "Invalid JSON"},
		{"trailing text", `{"a":1} x`, "Invalid JSON"},
		{"NaN", `NaN`, "Invalid JSON"},
		{"comment", `1 // one`, "Invalid JSON"},
		{"100000 nested arrays", strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), "Invalid JSON"},
		{"invalid UTF-8", "\"\xff\"", "Invalid encoding"},
		{"nothing but invalid UTF-8", "\xff\xfe", "Invalid encoding"},
		{"surrogate in UTF-8", "\"\xed\xa0\x80\"", "Invalid encoding"},
		{"gzip", zipped.String(), "Invalid encoding"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, server := range []*runtime.Server{server, none} {
				got := record(server, "POST", "/invocations", test.body)
				if got.status != http.StatusBadRequest {
					t.Fatalf("answered %d %s, want 400", got.status, got.body)
				}
				if kind := got.header.Get("Content-Type"); kind != "application/json" {
					t.Errorf("Content-Type is %q", kind)
				}
				var body map[string]string
				if err := json.Unmarshal([]byte(got.body), &body); err != nil {
					t.Fatal(err)
				}
				if body["error"] != test.problem || body["details"] == "" || len(body) != 2 {
					t.Errorf("answered %s, want the error %q and details", got.body, test.problem)
				}
			}
		})
	}
	if called {
		t.Error("the handler saw a refused body")
	}
}

func TestBodyIsCheckedBeforeTheEntrypoint(t *testing.T) {
	server := newServer(runtime.Handlers{})
	if got := record(server, "POST", "/invocations", `{`); got.status != http.StatusBadRequest {
		t.Errorf("a broken body was answered with %d %s", got.status, got.body)
	}
	got := record(server, "POST", "/invocations", `{}`)
	if want := `{"error":"No entrypoint defined"}`; got.status != 500 || got.body != want {
		t.Errorf("a good body was answered with %d %s, want 500 %s", got.status, got.body, want)
	}
}

func TestBodyOfAnotherShape(t *testing.T) {
	type question struct {
		Prompt  string `json:"prompt"`
		Options struct {
			Limit int `json:"limit"`
		} `json:"options"`
	}
	server := newServer(runtime.Handlers{Invoke: runtime.Unary("Ask", func(_ context.Context, in question) (question, error) {
		return in, nil
	})})
	for _, test := range []struct {
		body   string
		status int
		want   string
	}{
		{`null`, 200, `{"prompt":"","options":{"limit":0}}`},
		{`{}`, 200, `{"prompt":"","options":{"limit":0}}`},
		{`{"prompt":"hi","unknown":1}`, 200, `{"prompt":"hi","options":{"limit":0}}`},
		{`[]`, 400, `{"error":"Invalid payload","details":"the payload: cannot use array as object"}`},
		{`{"prompt":1}`, 400, `{"error":"Invalid payload","details":"prompt: cannot use number as string"}`},
		{`{"options":{"limit":"x"}}`, 400, `{"error":"Invalid payload","details":"options.limit: cannot use string as int"}`},
	} {
		t.Run(test.body, func(t *testing.T) {
			if got := record(server, "POST", "/invocations", test.body); got.status != test.status || got.body != test.want {
				t.Errorf("answered %d %s, want %d %s", got.status, got.body, test.status, test.want)
			}
		})
	}
}

func TestBodyOfNone(t *testing.T) {
	server := newServer(runtime.Handlers{Invoke: runtime.Unary("Tick", func(context.Context, runtime.None) (runtime.None, error) {
		return runtime.None{}, nil
	})})
	for _, body := range []string{`null`, `{}`, `{"a":1}`, `"text"`, `[1]`, `0`} {
		if got := record(server, "POST", "/invocations", body); got.status != 200 || got.body != `null` {
			t.Errorf("%s was answered with %d %s, want 200 null", body, got.status, got.body)
		}
	}
	if got := record(server, "POST", "/invocations", ""); got.status != 400 {
		t.Errorf("an empty body was answered with %d %s, want 400", got.status, got.body)
	}
}

func TestBodyErrorInsideTheHandler(t *testing.T) {
	server := newServer(runtime.Handlers{Invoke: runtime.Unary("Parse", func(context.Context, any) (any, error) {
		var number int
		return nil, json.Unmarshal([]byte(`{`), &number)
	})})
	if got := record(server, "POST", "/invocations", `{}`); got.status != 500 {
		t.Errorf("a JSON error of the handler was answered with %d %s, want 500", got.status, got.body)
	}
}

func TestBodyLimit(t *testing.T) {
	const limit = 1000
	a := serve(t, runtime.Handlers{Invoke: echo}, runtime.WithMaxBodyBytes(limit))
	text := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	for _, test := range []struct {
		name    string
		size    int
		chunked bool
		status  int
	}{
		{"at the limit", limit, false, 200},
		{"at the limit, chunked", limit, true, 200},
		{"above", limit + 1, false, 413},
		{"above, chunked", limit + 1, true, 413},
		{"far above", 1 << 20, false, 413},
		{"far above, chunked", 1 << 20, true, 413},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := io.Reader(strings.NewReader(text(test.size)))
			if test.chunked {
				body = io.MultiReader(body) // of a length that net/http cannot tell
			}
			response := a.open(t, t.Context(), "POST", "/invocations", body)
			got, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != test.status {
				t.Errorf("answered %d %.80s, want %d", response.StatusCode, got, test.status)
			}
			if want := `{"error":"Payload too large","details":"the limit is 1000 bytes"}`; test.status == 413 && string(got) != want {
				t.Errorf("answered %s, want %s", got, want)
			}
		})
	}
}

func TestBodyIncomplete(t *testing.T) {
	a := serve(t, runtime.Handlers{Invoke: runtime.Unary("Never", func(context.Context, any) (any, error) {
		t.Error("the handler saw half a body")
		return nil, nil
	})})
	conn, err := a.dial(t.Context(), "tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /invocations HTTP/1.1\r\nHost: agent\r\nContent-Length: 100\r\n\r\n{\"a\":1}")
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(conn); !bytes.HasPrefix(got, []byte("HTTP/1.1 400 ")) {
		t.Errorf("answered %q, want 400", got)
	}
}

func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{"a":[1,2.5e3,"x",true,{}]}`, "\ufeff1", `{"a":1,"a":2}`, `1 2`, "\xff", `"\ud800"`, `[[[[`, `NaN`, `-0`, "\"\u2028<>&\"",
	} {
		f.Add([]byte(seed))
	}
	server := newServer(runtime.Handlers{Invoke: echo})
	f.Fuzz(func(t *testing.T, body []byte) {
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, httptest.NewRequest("POST", "/invocations", bytes.NewReader(body)))
		text := bytes.TrimPrefix(body, []byte("\ufeff"))
		want := http.StatusBadRequest
		if utf8.Valid(text) && json.Valid(text) {
			want = http.StatusOK
		}
		if recorder.Code != want {
			t.Errorf("%q was answered with %d %s, want %d", body, recorder.Code, recorder.Body, want)
		}
		if !json.Valid(recorder.Body.Bytes()) {
			t.Errorf("%q was answered with %q, which is not JSON", body, recorder.Body)
		}
	})
}

// A body that is declared too large is refused without being read.
func TestBodyDeclaredTooLarge(t *testing.T) {
	server := newServer(runtime.Handlers{}, runtime.WithMaxBodyBytes(10))
	body := &countingReader{}
	request := httptest.NewRequest("POST", "/invocations", body)
	request.ContentLength = 11
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, request)
	if recorder.Code != 413 || body.reads != 0 {
		t.Errorf("answered %d after %d reads, want 413 and none", recorder.Code, body.reads)
	}
}

type countingReader struct{ reads int }

func (r *countingReader) Read([]byte) (int, error) {
	r.reads++
	return 0, io.EOF
}

// Zero is no limit.
func TestBodyWithoutLimit(t *testing.T) {
	if got := record(newServer(runtime.Handlers{}, runtime.WithMaxBodyBytes(0)), "POST", "/invocations", `{}`); got.status != 500 {
		t.Errorf("answered %d %s, want that there is no entrypoint", got.status, got.body)
	}
}
