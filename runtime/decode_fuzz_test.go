package runtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/agentcore-go/agentcore/runtime"
)

// Payloads of every kind that encoding/json tells apart.
type (
	fuzzedEmbedded struct {
		Shared int
		Left   string `json:"left"`
	}
	FuzzedPointer struct {
		Shared int
		Right  *string `json:"right"`
	}
	fuzzedStruct struct {
		fuzzedEmbedded
		*FuzzedPointer

		Name   string `json:"name"`
		NAME   int    // differs from the other in case alone
		Count  int8   `json:"count,omitempty"`
		Size   uint   `json:"size"`
		Ratio  float32
		On     bool              `json:"on"`
		Quoted int               `json:"quoted,string"`
		Lines  *string           `json:"lines,string"`
		Tags   []string          `json:"tags"`
		Meta   map[string]string `json:"meta"`
		ByID   map[int][]bool    `json:"byID"`
		Pair   [2]int            `json:"pair"`
		Bytes  []byte            `json:"bytes"`
		Raw    json.RawMessage   `json:"raw"`
		When   *time.Time        `json:"when"`
		Wait   time.Duration     `json:"wait"`
		Addr   netip.Addr        `json:"addr"`
		Child  *fuzzedStruct     `json:"child"`
		Deep   struct {
			Children []fuzzedStruct `json:"children"`
		} `json:"deep"`
		Inlined struct{ X int } `json:",inline"`
		Unknown map[string]int  `json:",unknown"`
		Ignored string          `json:"-"`
	}
	fuzzedText   struct{ text string }
	fuzzedJSON   struct{ texts []string }
	fuzzedQuoted struct {
		Int   int     `json:"i,string"`
		Ptr   *uint8  `json:"p,string"`
		Float float64 `json:"f,string"`
		Bool  *bool   `json:"b,string"`
		Text  string  `json:"t,string"`
	}
	fuzzedOwn struct {
		time.Time
		Text fuzzedText
		JSON *fuzzedJSON
		Keys map[fuzzedText]fuzzedJSON
	}
	fuzzedNames struct {
		A int `json:"k"`
		B int `json:"K"`
		C int `json:"a b"`
		D int `json:"ż"`
		E int `json:"snake_case"`
		F int `json:"snakeCase"`
		G int `json:",omitzero"`
		H int `json:"'quoted'"`
	}
	fuzzedLoose struct {
		fuzzedStruct
		Any    any             `json:"any"`
		Map    map[string]any  `json:"map"`
		Number json.Number     `json:"number"`
		List   []any           `json:"list"`
		Named  map[string]*any `json:"named"`
	}
)

func (v *fuzzedText) UnmarshalText(text []byte) error {
	if len(text) > 10 {
		return errors.New("too long")
	}
	v.text = string(text)
	return nil
}

func (v *fuzzedJSON) UnmarshalJSON(text []byte) error {
	if string(text) == "false" {
		return errors.New("false")
	}
	v.texts = append(v.texts, string(text))
	return nil
}

// fuzzedTypes decode a body into their type, through a server and with
// encoding/json.
var fuzzedTypes = []func(*testing.T, []byte){
	decodesAs[fuzzedStruct](), decodesAs[*fuzzedStruct](), decodesAs[[]fuzzedStruct](), decodesAs[map[string]fuzzedEmbedded](),
	decodesAs[map[string]string](), decodesAs[map[int64]*int](), decodesAs[map[netip.Addr]bool](),
	decodesAs[[]int](), decodesAs[[2]string](), decodesAs[[]byte](), decodesAs[[3]byte](),
	decodesAs[string](), decodesAs[*string](), decodesAs[**string](), decodesAs[bool](),
	decodesAs[int](), decodesAs[int8](), decodesAs[uint64](), decodesAs[float32](), decodesAs[float64](),
	decodesAs[json.RawMessage](), decodesAs[*json.RawMessage](), decodesAs[time.Time](), decodesAs[time.Duration](), decodesAs[netip.Addr](),
	decodesAs[fuzzedText](), decodesAs[*fuzzedText](), decodesAs[[]fuzzedText](), decodesAs[map[fuzzedText]*fuzzedText](),
	decodesAs[fuzzedJSON](), decodesAs[*fuzzedJSON](), decodesAs[map[string]fuzzedJSON](), decodesAs[[]*fuzzedJSON](),
	decodesAs[fuzzedQuoted](), decodesAs[fuzzedNames](), decodesAs[struct{ Own fuzzedOwn }](), decodesAs[map[string]map[string][]int](),
	// These hold numbers as they were sent.
	decodesAs[any](), decodesAs[*any](), decodesAs[[]any](), decodesAs[map[string]any](), decodesAs[json.Number](),
	decodesAs[[]json.Number](), decodesAs[fuzzedLoose](), decodesAs[map[json.Number]any](),
}

func decodesAs[T any]() func(*testing.T, []byte) {
	var got T
	server := newServer(runtime.Handlers{Invoke: runtime.Unary("Keep", func(_ context.Context, in T) (runtime.None, error) {
		got = in
		return runtime.None{}, nil
	})})
	return func(t *testing.T, body []byte) {
		var none, want T
		got = none
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, httptest.NewRequest("POST", "/invocations", bytes.NewReader(body)))

		text := bytes.TrimPrefix(body, []byte("\ufeff"))
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		accepted := utf8.Valid(text) && json.Valid(text) && decoder.Decode(&want) == nil
		switch {
		case accepted && recorder.Code != 200:
			t.Errorf("%T: %q was answered with %d %s, but encoding/json takes it", got, body, recorder.Code, recorder.Body)
		case accepted && !reflect.DeepEqual(got, want):
			t.Errorf("%T: %q is %#v, and %#v with encoding/json", got, body, got, want)
		case !accepted && recorder.Code != 400:
			t.Errorf("%T: %q was answered with %d %s, but encoding/json refuses it", got, body, recorder.Code, recorder.Body)
		case !accepted && !reflect.DeepEqual(got, none):
			t.Errorf("%T: the handler saw %#v of %q, which was refused", got, got, body)
		}
	}
}

// FuzzDecode compares what a handler gets with what encoding/json makes of the
// body, for many types of payload: the decoder is another one, for speed.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		``, ` `, `null`, `true`, `0`, `-0`, `1e2`, `1e400`, `-1`, `256`, `9007199254740993`, `18446744073709551616`, `1.5`, `01`, `NaN`,
		`""`, `"text"`, `"\ud800"`, `"\ud83d\ude00\u0000"`, "\"\u2028<>&\"", `"1"`, `"2024-02-29T12:00:00Z"`, `"2024-02-30T12:00:00Z"`,
		`"2024-02-29T12:00:00,5+24:00"`, `"aGVsbG8="`, `"aGVs\nbG8"`, `"::1"`, `"null"`,
		`[]`, `[1,2,3]`, `[1.0]`, `["a","b","c"]`, `[null]`, `[[[[`, `[1,]`, `[1] 2`, "[1]\x00", `[{},{"name":"a"}]`,
		`{}`, `{"a":"b"}`, `{"a":null}`, `{"1":2,"01":3,"x":4}`, `{"::1":true}`, `{"a":1,"a":2}`, `{"a":1,}`, `{"a" 1}`,
		`{"name":"a","NAME":1,"Name":"b","nAmE":2}`, `{"count":128}`, `{"size":-1}`, `{"Ratio":1e39}`, `{"on":"true"}`,
		`{"quoted":"12","lines":"\"x\""}`, `{"quoted":12}`, `{"quoted":"null","lines":null}`, `{"quoted":" 1"}`, `{"lines":"x"}`,
		`{"tags":["a",null],"tags":["b"]}`, `{"tags":null,"meta":{"a":"b"},"meta":{"c":"d"}}`, `{"byID":{"-1":[true],"x":[]}}`,
		`{"pair":[1]}`, `{"pair":[1,2,3]}`, `{"bytes":"AA==","raw": {"a" : 1} }`, `{"bytes":[1,2]}`, `{"raw":null}`, `{"raw":`,
		`{"when":"2024-02-29T12:00:00.1+01:00","wait":1500000000}`, `{"when":""}`, `{"wait":"1s"}`, `{"addr":"10.0.0.1"}`, `{"addr":""}`,
		`{"child":{"child":{"name":"c"},"child":{"on":true}}}`, `{"deep":{"children":[{"left":"x"},{"right":"y"}]},"deep":{}}`,
		`{"left":"l","right":"r","Shared":1}`, `{"Inlined":{"X":1},"X":2,"Unknown":{"a":1},"b":2}`, `{"-":"a","Ignored":"b"}`,
		`{"any":1e400,"map":{"n":9007199254740993},"number":-0.0,"list":[1,{"a":2}],"named":{"x":null}}`, `{"number":"12"}`, `{"number":""}`,
		`{"number":"x"}`, `{"any":{},"any":[1],"map":{"a":1},"map":{"b":2}}`, `{"name":1} x`, `{"name":"a"}{"name":"b"}`,
		`{"i":"1","p":"255","f":"1e3","b":"true","t":"\"x\"","l":[1],"d":"\"y\""}`, `{"p":"256"}`, `{"b":"null","t":null,"d":"null"}`,
		`{"k":1,"K":2,"a b":3,"ż":4,"Ż":5,"snake_case":6,"snakecase":7,"snakeCase":8,"G":9,"'quoted'":10,"quoted":11}`,
		`{"Own":"2024-02-29T12:00:00Z"}`, `{"Text":"a","JSON":[1, 2],"Keys":{"a":{},"a":1}}`, `{"a":{"b":[1]},"a":{"c":[2]}}`, `"longer than ten"`,
		"\ufeff{\"name\":\"a\"}", "\ufeff\ufeff1", "{\"name\":\"\xff\"}", `{"\u006eame":"escaped","na\u006De":"x"}`, "{\"\u017fize\":3,\"\u212aount\":1}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, check := range fuzzedTypes {
			check(t, body)
		}
	})
}
