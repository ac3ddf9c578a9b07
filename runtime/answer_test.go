package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/runtime"
)

// color has a text that is not its JSON, and no JSON.
type color complex128

func (c color) String() string { return "red" }

type failingJSON struct{}

func (failingJSON) MarshalJSON() ([]byte, error) { return nil, errors.New("no JSON today") }

type panickingJSON struct{}

func (panickingJSON) MarshalJSON() ([]byte, error) { panic("no JSON ever") }

// results are values of handlers and the JSON that they become, both as an
// answer and as an event.
func results() []result {
	type point struct {
		X    int `json:"x"`
		Y    int `json:"y,omitempty"`
		Note any `json:"note"`
	}
	type list struct{ Next *list }
	circle := &list{}
	circle.Next = circle
	cyclicMap := map[string]any{}
	cyclicMap["self"] = cyclicMap
	cyclicSlice := make([]any, 1)
	cyclicSlice[0] = cyclicSlice

	return []result{
		{"string", "hello", `"hello"`},
		{"empty string", "", `""`},
		{"string of several lines", "a\nb\r\n\r\nc", `"a\nb\r\n\r\nc"`},
		{"string like an event", "data: 1\n\n", `"data: 1\n\n"`},
		{"string of JSON", `{"a":1}`, `"{\"a\":1}"`},
		{"nil", nil, `null`},
		{"nil pointer", (*point)(nil), `null`},
		{"none", runtime.None{}, `null`},
		{"not ASCII", "żółć 😀", `"żółć 😀"`},
		{"HTML", "<a href='x'>&</a>", `"<a href='x'>&</a>"`},
		{"not UTF-8", "a\xffb", `"a\ufffdb"`},
		{"number", 1.5, `1.5`},
		{"large number", uint64(math.MaxUint64), `18446744073709551615`},
		{"bool", true, `true`},
		{"struct", point{X: 1, Note: "<>"}, `{"x":1,"note":"<>"}`},
		{"map", map[string]int{"b": 2, "a": 1}, `{"a":1,"b":2}`},
		{"slice", []any{"body", 401}, `["body",401]`},
		{"nil slice", []int(nil), `null`},
		{"bytes", []byte{0xff}, `"/w=="`},
		{"raw JSON", json.RawMessage("{\n  \"a\": [1]\n}"), `{"a":[1]}`},

		{"NaN", math.NaN(), `"NaN"`},
		{"infinity", math.Inf(-1), `"-Inf"`},
		{"text but no JSON", color(1i), `"red"`},
		{"NaN inside", point{Note: math.NaN()}, unencodable("runtime_test.point")},
		{"channel", make(chan int), unencodable("chan int")},
		{"function inside", map[string]any{"f": func() {}}, unencodable("map[string]interface {}")},
		{"JSON that fails", failingJSON{}, unencodable("runtime_test.failingJSON")},
		{"broken raw JSON", json.RawMessage(`{`), unencodable("json.RawMessage")},
		{"cyclic pointer", circle, unencodable("*runtime_test.list")},
		{"cyclic map", cyclicMap, unencodable("map[string]interface {}")},
		{"cyclic slice", cyclicSlice, unencodable("[]interface {}")},
	}
}

type result struct {
	name  string
	value any
	want  string
}

func unencodable(typeName string) string {
	return `{"error":"Serialization failed","original_type":"` + typeName + `"}`
}

func TestAnswer(t *testing.T) {
	for _, test := range results() {
		t.Run(test.name, func(t *testing.T) {
			server := newServer(runtime.Handlers{Invoke: runtime.Unary("Give", func(context.Context, any) (any, error) {
				return test.value, nil
			})})
			got := record(server, "POST", "/invocations", `{}`)
			if got.status != 200 || got.body != test.want {
				t.Errorf("answered %d %s, want 200 %s", got.status, got.body, test.want)
			}
			if kind := got.header.Get("Content-Type"); kind != "application/json" {
				t.Errorf("Content-Type is %q", kind)
			}
		})
	}
}

func TestAnswerTyped(t *testing.T) {
	type question struct{ Prompt string }
	type reply struct {
		Text string `json:"text"`
	}
	server := newServer(runtime.Handlers{Invoke: runtime.Unary("Greet", func(_ context.Context, q question) (reply, error) {
		return reply{"hello " + q.Prompt}, nil
	})})
	got := record(server, "POST", "/invocations", `{"prompt":"you"}`)
	if want := `{"text":"hello you"}`; got.body != want {
		t.Errorf("answered %s, want %s", got.body, want)
	}
}

// Buffers are used again: a large answer must not shine through a small one.
func TestAnswersOfDifferentSizes(t *testing.T) {
	a := serve(t, runtime.Handlers{Invoke: echo})
	for _, size := range []int{1, 1 << 20, 10, 100_000, 0, 3000} {
		body := `"` + strings.Repeat("ż", size) + `"`
		if got := a.invoke(t, body); got.body != body {
			t.Errorf("the echo of %d letters has %d bytes, want %d", size, len(got.body), len(body))
		} else if length := got.header.Get("Content-Length"); length != strconv.Itoa(len(body)) {
			t.Errorf("the Content-Length of %d bytes is %q", len(body), length)
		}
	}
}

func TestAnswerThatPanicsWhileEncoding(t *testing.T) {
	server := newServer(runtime.Handlers{Invoke: runtime.Unary("Give", func(context.Context, any) (any, error) {
		return panickingJSON{}, nil
	})})
	got := record(server, "POST", "/invocations", `{}`)
	if want := `{"error":"internal error"}`; got.status != 500 || got.body != want {
		t.Errorf("answered %d %s, want 500 %s", got.status, got.body, want)
	}
}
