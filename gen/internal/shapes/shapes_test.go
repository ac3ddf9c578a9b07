// Package shapes_test calls every package in testdata/shapes, as its callers
// would, and keeps their generated files up to date.
package shapes_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/agentcore-go/agentcore/gen"
	"github.com/agentcore-go/agentcore/internal/testmodule"
	"github.com/agentcore-go/agentcore/runtime"
	"github.com/agentcore-go/agentcore/testdata/shapes/client_imported"
	"github.com/agentcore-go/agentcore/testdata/shapes/constrained"
	"github.com/agentcore-go/agentcore/testdata/shapes/full"
	"github.com/agentcore-go/agentcore/testdata/shapes/hostile"
	"github.com/agentcore-go/agentcore/testdata/shapes/method_mixed"
	"github.com/agentcore-go/agentcore/testdata/shapes/method_pointer"
	"github.com/agentcore-go/agentcore/testdata/shapes/method_raw"
	"github.com/agentcore-go/agentcore/testdata/shapes/method_types"
	"github.com/agentcore-go/agentcore/testdata/shapes/method_value"
	"github.com/agentcore-go/agentcore/testdata/shapes/middleware"
	"github.com/agentcore-go/agentcore/testdata/shapes/middleware_order"
	"github.com/agentcore-go/agentcore/testdata/shapes/names"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages"
	bmodel "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/b/a/model"
	cmodel "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/c/a/model"
	modelv2 "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/go-model/v2"
	modelv3 "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/model.v3"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_predeclared"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_predeclared/words"
	"github.com/agentcore-go/agentcore/testdata/shapes/openstream"
	"github.com/agentcore-go/agentcore/testdata/shapes/openstream_ctx"
	"github.com/agentcore-go/agentcore/testdata/shapes/openstream_ctx_in"
	"github.com/agentcore-go/agentcore/testdata/shapes/openstream_in"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_alias"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_anonymous"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_any"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_embedded"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_embedded_pointer"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_enum"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_foreign"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_generic"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_imported"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_interface"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_map"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_marshaler"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_pointer"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_raw"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_recursive"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_scalar"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_slice"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_struct"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_tags"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_textkey"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_textmarshaler"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_time"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_unexported_type"
	"github.com/agentcore-go/agentcore/testdata/shapes/ping"
	"github.com/agentcore-go/agentcore/testdata/shapes/ping_ctx"
	"github.com/agentcore-go/agentcore/testdata/shapes/ping_ctx_err"
	"github.com/agentcore-go/agentcore/testdata/shapes/ping_err"
	"github.com/agentcore-go/agentcore/testdata/shapes/raw"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_generic"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_imported"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_method"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_names"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_openstream_ctx_in"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_openstream_in"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_pointer"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_stream"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_stream_ctx_in"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_unary"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_unary_ctx_err"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_unary_ctx_in_out_err"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_unary_in_out"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_use"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_websocket"
	"github.com/agentcore-go/agentcore/testdata/shapes/stream"
	"github.com/agentcore-go/agentcore/testdata/shapes/stream_ctx"
	"github.com/agentcore-go/agentcore/testdata/shapes/stream_ctx_in"
	"github.com/agentcore-go/agentcore/testdata/shapes/stream_in"
	"github.com/agentcore-go/agentcore/testdata/shapes/task_functions"
	"github.com/agentcore-go/agentcore/testdata/shapes/task_methods"
	"github.com/agentcore-go/agentcore/testdata/shapes/task_only"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_ctx"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_ctx_err"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_ctx_in"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_ctx_in_err"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_ctx_in_out"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_ctx_in_out_err"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_ctx_out"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_ctx_out_err"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_err"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_in"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_in_err"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_in_out"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_in_out_err"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_out"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_out_err"
	"github.com/agentcore-go/agentcore/testdata/shapes/websocket_binary"
	"github.com/agentcore-go/agentcore/testdata/shapes/websocket_json"
	"github.com/agentcore-go/agentcore/testdata/shapes/websocket_message"
	"github.com/agentcore-go/agentcore/testdata/shapes/websocket_mixed"
	"github.com/agentcore-go/agentcore/testdata/shapes/websocket_raw"
	"github.com/agentcore-go/agentcore/testdata/shapes/websocket_text"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shape is one package of testdata/shapes.
type shape struct {
	server func(...runtime.Option) *runtime.Server // nil for a package main
	steps  []step                                  // on one server, in turn
}

// shapes are all packages of testdata/shapes, by directory.
var shapes = map[string]shape{
	"unary": {unary.NewServer, []step{
		sets(&unary.Rung, 0),
		answers(`{}`, `null`),
		answers(`"any JSON will do"`, `null`),
		fails(`{`, 400, `{"error":"Invalid JSON","details":"unexpected end of JSON input (byte 1)"}`),
		holds(&unary.Rung, 2),
	}},
	"unary_err": {unary_err.NewServer, []step{
		sets(&unary_err.Paper, 1),
		answers(`{}`, `null`),
		fails(`{}`, 500, `{"error":"out of paper"}`),
	}},
	"unary_out": {unary_out.NewServer, []step{
		answers(`{}`, `{"name":"<concierge>","version":"1.4.0"}`),
	}},
	"unary_out_err": {unary_out_err.NewServer, []step{
		sets(&unary_out_err.Roll, 2),
		answers(`{}`, `{"number":3}`),
		fails(`{}`, 503, `{"error":"no ticket is left"}`),
	}},
	"unary_in": {unary_in.NewServer, []step{
		answers(`{"celsius": 36.6}`, `null`),
		func(t *testing.T, _ *agent) {
			if got := unary_in.Latest.Load().Celsius; got != 36.6 {
				t.Errorf("the latest reading is %v", got)
			}
		},
		fails(`{"celsius": "hot"}`, 400, `{"error":"Invalid payload","details":"celsius: cannot use string as number"}`),
	}},
	"unary_in_err": {unary_in_err.NewServer, []step{
		answers(`{"item":"cup","quantity":2}`, `null`),
		fails(`{"item":"cup"}`, 422, `{"error":"order at least one cup"}`),
	}},
	"unary_in_out": {unary_in_out.NewServer, []step{
		answers(`{"body":"to be or not"}`, `{"words":4}`),
		fails(`["to be"]`, 400, `{"error":"Invalid payload","details":"the payload: cannot use array as object"}`),
	}},
	"unary_in_out_err": {unary_in_out_err.NewServer, []step{
		answers(`{"dividend":17,"divisor":5}`, `{"quotient":3,"remainder":2}`),
		fails(`{"dividend":17}`, 500, `{"error":"division by zero"}`),
	}},
	"unary_ctx": {unary_ctx.NewServer, []step{
		answers(`{}`, `null`),
		func(t *testing.T, _ *agent) {
			if got := unary_ctx.Last.Load(); got != session {
				t.Errorf("the last session was %v", got)
			}
		},
	}},
	"unary_ctx_err": {unary_ctx_err.NewServer, []step{
		with("Authorization: Bearer sesame", answers(`{}`, `null`)),
		fails(`{}`, 401, `{"error":"say the word"}`),
	}},
	"unary_ctx_out": {unary_ctx_out.NewServer, []step{
		answers(`{}`, `{"session":"`+session+`"}`),
	}},
	"unary_ctx_out_err": {unary_ctx_out_err.NewServer, []step{
		with("X-User: ada", answers(`{}`, `{"owner":"Ada","cents":1200}`)),
		with("X-User: bob", fails(`{}`, 500, `{"error":"no account for \"bob\""}`)),
	}},
	"unary_ctx_in": {unary_ctx_in.NewServer, []step{
		answers(`{"text":"milk"}`, `null`),
		func(t *testing.T, _ *agent) {
			if got, _ := unary_ctx_in.Notes.Load(session); got != (unary_ctx_in.Note{Text: "milk"}) {
				t.Errorf("the note is %v", got)
			}
		},
		fails(``, 400, `{"error":"Invalid JSON","details":"it is empty"}`),
	}},
	"unary_ctx_in_err": {unary_ctx_in_err.NewServer, []step{
		answers(`{"to":"ada@example.com"}`, `null`),
		fails(`{"to":"ada"}`, 500, `{"error":"ada is no address"}`),
	}},
	"unary_ctx_in_out": {unary_ctx_in_out.NewServer, []step{
		answers(`{"name":"Ada"}`, `{"text":"Hello, Ada"}`),
		with("Accept-Language: fr", answers(`{"name":"Ada"}`, `{"text":"Bonjour, Ada"}`)),
	}},
	"unary_ctx_in_out_err": {unary_ctx_in_out_err.NewServer, []step{
		answers(`{"prompt":"Six by nine?"}`, `{"text":"42"}`),
		fails(`{"prompt":"Six."}`, 500, `{"error":"\"Six.\" is no question"}`),
		fails(`{}`, 400, `{"error":"ask something"}`),
	}},

	"stream": {stream.NewServer, []step{
		streams(`{}`, `3`, `2`, `1`),
		func(*testing.T, *agent) { stream.Hold.Store(true) },
		streams(`{}`, `3`, `2`, broken("hold", "error")),
		func(*testing.T, *agent) { stream.Hold.Store(false) },
	}},
	"stream_ctx": {stream_ctx.NewServer, []step{
		with("X-Roles: reader,writer", streams(`{}`, `{"role":"reader","may":"read"}`, `{"role":"writer","may":"write"}`)),
		with("X-Roles: reader,king", streams(`{}`, `{"role":"reader","may":"read"}`, broken("no role is called king", "error"))),
	}},
	"stream_in": {stream_in.NewServer, []step{
		streams(`{"body":"to be"}`, `{"text":"to","length":2}`, `{"text":"be","length":2}`),
		streams(`{"body":""}`),
		streams(`{"body":"a hippopotamus"}`, `{"text":"a","length":1}`, broken("a word of 12 letters", "stream_in.LongWord")),
		fails(`{"body":1}`, 400, `{"error":"Invalid payload","details":"body: cannot use number as string"}`),
	}},
	"stream_ctx_in": {stream_ctx_in.NewServer, []step{
		streams(`{"prompt":"not <b> I"}`, `{"text":"not"}`, `{"text":"<b>"}`, `{"text":"I"}`),
		streams(`{"prompt":"do not stop now"}`, `{"text":"do"}`, `{"text":"not"}`, broken("stopped as asked", "runtime.StatusError")),
		streams(`{"prompt":"do panic"}`, `{"text":"do"}`, broken("internal error", "panic")),
	}},
	"openstream": {openstream.NewServer, []step{
		func(*testing.T, *agent) { openstream.Record.Store(nil) },
		fails(`{}`, 409, `{"error":"no record is on"}`),
		func(*testing.T, *agent) { openstream.Record.Store(&[]string{"la", "li", ""}) },
		streams(`{}`, `"la"`, `"li"`, broken("the needle jumped", "error")),
	}},
	"openstream_ctx": {openstream_ctx.NewServer, []step{
		with("Last-Event-Id: 3", streams(`{}`, `{"id":4}`, `{"id":5}`)),
		with("Last-Event-Id: 9", streams(`{}`, broken("that is yet to come", "error"))),
		fails(`{}`, 400, `{"error":{"header":"Last-Event-Id"}}`),
	}},
	"openstream_in": {openstream_in.NewServer, []step{
		streams(`{"number":8,"by":2}`, `8`, `4`, `2`, `1`),
		streams(`{"number":12,"by":2}`, `12`, `6`, broken("it does not divide", "error")),
		fails(`{"number":8}`, 500, `{"error":"division by zero"}`),
	}},
	"openstream_ctx_in": {openstream_ctx_in.NewServer, []step{
		streams(`{"document":"poem"}`, `{"number":1,"text":"Roses are red,"}`, `{"number":2,"text":"violets are blue."}`),
		streams(`{"document":"blank"}`),
		streams(`{"document":"torn"}`, `{"number":1,"text":"Dear Sir,"}`,
			broken("line 2 is torn off: context deadline exceeded", "context.deadlineExceededError")),
		fails(`{"document":"deed"}`, 404, `{"error":"there is no deed"}`),
	}},
	"raw": {raw.NewServer, []step{
		exchange("POST", "/invocations", "not JSON", 200, "text/plain; charset=us-ascii", "62b8125a6f6d\n"),
		exchange("POST", "/invocations", "", 400, "text/plain; charset=utf-8", "send something\n"),
	}},

	"session_unary": {session_unary.NewServer, []step{
		answers(`{}`, `null`),
		answers(`{}`, `null`),
		fails(`{}`, 500, `{"error":"internal error"}`),
		elsewhere(answers(`{}`, `null`)),
	}},
	"session_unary_ctx_err": {session_unary_ctx_err.NewServer, []step{
		with("X-Locked: yes", fails(`{}`, 423, `{"error":"open: false, new: true"}`)),
		answers(`{}`, `null`),
		with("X-Locked: yes", fails(`{}`, 423, `{"error":"open: true, new: false"}`)),
		with("X-Locked: yes", fails(`{}`, 423, `{"error":"open: true, new: false"}`)),
		elsewhere(with("X-Locked: yes", fails(`{}`, 423, `{"error":"open: false, new: true"}`))),
		answers(`{}`, `null`),
		with("X-Locked: yes", fails(`{}`, 423, `{"error":"open: false, new: true"}`)),
	}},
	"session_unary_in_out": {session_unary_in_out.NewServer, []step{
		answers(`2.5`, `2.5`),
		answers(`2`, `4.5`),
		elsewhere(answers(`7`, `7`)),
		answers(`-4.5`, `0`),
		fails(`"1"`, 400, `{"error":"Invalid payload","details":"the payload: cannot use string as number"}`),
	}},
	"session_unary_ctx_in_out_err": {session_unary_ctx_in_out_err.NewServer, []step{
		answers(`{"prompt":"one"}`, `{"session":"`+session+`","new":true,"before":null}`),
		fails(`{}`, 500, `{"error":"ask something"}`),
		answers(`{"prompt":"two"}`, `{"session":"`+session+`","new":false,"before":["one"]}`),
		elsewhere(answers(`{"prompt":"three"}`, `{"session":"`+otherSession+`","new":true,"before":null}`)),
		answers(`{"prompt":"four"}`, `{"session":"`+session+`","new":false,"before":["one","two"]}`),
	}},
	"session_stream": {session_stream.NewServer, []step{
		streams(`{}`, `1`, `2`),
		elsewhere(streams(`{}`, `1`, `2`)),
		streams(`{}`, `3`, `4`),
	}},
	"session_stream_ctx_in": {session_stream_ctx_in.NewServer, []step{
		streams(`"hey"`, `{"text":"hey"}`),
		streams(`""`, `{"text":"hey"}`, `{"text":""}`, broken("silence is not remembered", "error")),
		elsewhere(streams(`"ho"`, `{"text":"ho"}`)),
		streams(`"you"`, `{"text":"hey"}`, `{"text":"you"}`),
	}},
	"session_openstream_in": {session_openstream_in.NewServer, []step{
		streams(`"poem"`, `"Roses are red,"`),
		fails(`"deed"`, 404, `{"error":"there is no deed"}`),
		elsewhere(streams(`"poem"`, `"Roses are red,"`)),
		streams(`"poem"`, `"violets are blue."`),
		fails(`"poem"`, 410, `{"error":"you have read the poem"}`),
	}},
	"session_openstream_ctx_in": {session_openstream_ctx_in.NewServer, []step{
		streams(`{"count":2}`, `{"number":1}`, `{"number":2}`),
		fails(`{"count":2}`, 409, `{"error":"2 tickets are sold"}`),
		elsewhere(streams(`{"count":1}`, `{"number":1}`)),
		streams(`{"count":1}`, `{"number":3}`),
	}},
	"session_websocket": {session_websocket.NewServer, []step{
		talk{turns: []turn{
			{`{"text":"hey"}`, `{"messages":1,"last":"hey"}`},
			{`{"text":"you"}`, `{"messages":2,"last":"you"}`},
		}, leave: true, code: 1000}.step,
		talk{turns: []turn{{`{"text":"ho"}`, `{"messages":3,"last":"ho"}`}, {`{}`, ``}}, code: 1011}.step,
		elsewhere(talk{turns: []turn{{`{"text":"hey"}`, `{"messages":1,"last":"hey"}`}}, leave: true, code: 1000}.step),
		talk{turns: []turn{{`{"text":"ha"}`, `{"messages":3,"last":"ha"}`}}, leave: true, code: 1000}.step,
		answers(`{}`, `{"messages":3,"last":"ha"}`),
		elsewhere(answers(`{}`, `{"messages":1,"last":"hey"}`)),
	}},
	"session_method": {
		func(opts ...runtime.Option) *runtime.Server {
			desk := &session_method.Desk{Clerk: "Ann"}
			server := session_method.NewServer(desk, opts...)
			desk.Clerk = "Zoe" // as in method_mixed
			return server
		},
		[]step{
			answers(`"Bob"`, `["Zoe","Bob"]`),
			talk{turns: []turn{{"Rob", `["Zoe","Bob","Rob"]`}, {"Bert", `["Zoe","Bob","Rob","Bert"]`}}, leave: true, code: 1000}.step,
			elsewhere(answers(`"Eve"`, `["Zoe","Eve"]`)),
			answers(`"Bo"`, `["Zoe","Bob","Rob","Bert","Bo"]`),
			pings(runtime.HealthyBusy),
		},
	},
	"session_generic": {session_generic.NewServer, []step{
		answers(`"2024-02-28T00:00:00Z"`, `{"items":["2024-02-28T00:00:00Z"],"seen":1}`),
		answers(`"2024-02-29T00:00:00Z"`, `{"items":["2024-02-28T00:00:00Z","2024-02-29T00:00:00Z"],"seen":2}`),
		elsewhere(answers(`"2024-12-31T00:00:00Z"`, `{"items":["2024-12-31T00:00:00Z"],"seen":1}`)),
		answers(`"2024-03-01T00:00:00Z"`, `{"items":["2024-02-29T00:00:00Z","2024-03-01T00:00:00Z"],"seen":3}`),
	}},
	"session_imported": {session_imported.NewServer, []step{
		streams(`"winter"`, `"winter"`),
		elsewhere(streams(`"summer"`, `"summer"`)),
		streams(`"summer"`, `"summer"`, `"winter"`),
	}},
	"session_pointer": {session_pointer.NewServer, []step{
		answers(`"pear"`, `["pear"]`),
		answers(`"fig"`, `["fig","pear"]`),
		elsewhere(answers(`"plum"`, `["plum"]`)),
	}},
	"session_names": {
		func(opts ...runtime.Option) *runtime.Server {
			return session_names.NewServer(&session_names.Session{Step: 5}, opts...)
		},
		[]step{answers(`{}`, `5`), elsewhere(answers(`{}`, `5`)), answers(`{}`, `10`)},
	},
	"session_use": {session_use.NewServer, []step{
		exchange("POST", "/invocations", "", 200, "text/plain; charset=utf-8", "1\n"),
		hears(session_use.Counted, 2),
		exchange("POST", "/invocations", "", 200, "text/plain; charset=utf-8", "3\n"),
		hears(session_use.Counted, 4),
		talk{turns: []turn{{"?", "4\n"}}, code: 1000}.step,
		elsewhere(talk{turns: []turn{{"?", "0\n"}}, code: 1000}.step),
	}},

	"websocket_json": {websocket_json.NewServer, []step{
		talk{turns: []turn{
			{`{"player":"ann"}`, `{"player":"ann","points":1}`},
			{`{"player":"bob"}`, `{"player":"bob","points":1}`},
			{`{"player":"ann"}`, `{"player":"ann","points":2}`},
			{`{"player":"ann"}`, ``},
		}, code: 4000, reason: "ann wins"}.step,
		talk{turns: []turn{{`{"player":"ann"}`, `{"player":"ann","points":1}`}}, leave: true, code: 1000}.step,
		talk{turns: []turn{{`{}`, ``}}, code: 1011}.step,
		talk{
			turns: []turn{{`ann`, ``}}, code: 1011,
			reason: "unexpected message: Invalid JSON: invalid character 'a' looking for beginning of value (byte 1)",
		}.step,
		with("X-Role: spectator", refuses(409, "application/json", `{"error":"the game is not public"}`)),
		exchange("GET", "/ws", "", 404, "text/plain; charset=utf-8", "Not Found"),
		fails(`{}`, 500, `{"error":"No entrypoint defined"}`),
	}},
	"websocket_text": {websocket_text.NewServer, []step{
		talk{turns: []turn{{"hey", "HEY"}, {`{"a":1}`, `{"A":1}`}}, leave: true, code: 1000}.step,
		talk{turns: []turn{{"hey", "HEY"}, {"hush", ""}}, code: 1011}.step,
	}},
	"websocket_binary": {websocket_binary.NewServer, []step{
		talk{kind: websocket.BinaryMessage, turns: []turn{{"\x00\x01\xfe", "\xff\xfe\x01"}}, leave: true, code: 1000}.step,
		talk{kind: websocket.BinaryMessage, turns: []turn{{"\xff", "\x00"}, {"", ""}}, code: 1011}.step,
	}},
	"websocket_message": {websocket_message.NewServer, []step{
		talk{hears: websocket.BinaryMessage, turns: []turn{{"00ff", "\x00\xff"}, {"2a", "*"}}, leave: true, code: 1000}.step,
		talk{kind: websocket.BinaryMessage, hears: websocket.TextMessage, turns: []turn{{"\xfe", "fe"}}, leave: true, code: 1000}.step,
		talk{turns: []turn{{"f", ""}}, code: 1011}.step,
	}},
	"websocket_mixed": {websocket_mixed.NewServer, []step{
		talk{turns: []turn{
			{"one", `{"messages":1,"bytes":3}`},
			{"two", `{"messages":2,"bytes":6}`},
			{"three", `{"messages":3,"bytes":11}`},
		}, code: 1000}.step,
		talk{turns: []turn{{"one", `{"messages":1,"bytes":3}`}}, leave: true, code: 1000}.step,
	}},
	"websocket_raw": {websocket_raw.NewServer, []step{
		talk{turns: []turn{{"hello", "hello"}}, leave: true, code: 1000}.step,
		talk{kind: websocket.BinaryMessage, turns: []turn{{"\x00\xff", "\x00\xff"}, {"", ""}}, code: 1011}.step,
	}},

	"ping": {ping.NewServer, []step{
		sets(&ping.Queued, 0),
		pings(runtime.Healthy),
		sets(&ping.Queued, 1),
		pings(runtime.HealthyBusy),
		fails(`{}`, 500, `{"error":"No entrypoint defined"}`),
		refuses(403, "", ""),
	}},
	"ping_ctx": {ping_ctx.NewServer, []step{
		pings(runtime.Healthy),
		with("X-Probe: drain", pings(runtime.HealthyBusy)),
	}},
	"ping_err": {ping_err.NewServer, []step{
		sets(&ping_err.Gauge, 10),
		pings(runtime.Healthy),
		sets(&ping_err.Gauge, 90),
		pings(runtime.HealthyBusy),
		sets(&ping_err.Gauge, -1),
		pings(runtime.Healthy),
	}},
	"ping_ctx_err": {ping_ctx_err.NewServer, []step{
		pings(runtime.Healthy),
		func(t *testing.T, a *agent) {
			backend := func(ctx context.Context) (bool, error) {
				_, hasDeadline := ctx.Deadline()
				return hasDeadline, nil
			}
			ping_ctx_err.Backend.Store(&backend)
			defer ping_ctx_err.Backend.Store(nil)
			pings(runtime.HealthyBusy)(t, a)
		},
	}},

	"task_functions": {task_functions.NewServer, []step{
		sets(&task_functions.Sweeps, 0),
		answers(`{"item":"lamp","to":"Lisbon"}`, `null`),
		holds(&task_functions.Sweeps, 1),
		pings(runtime.HealthyBusy),
		hears(task_functions.Arrivals, "lamp in Lisbon"),
		runs("a parcel without an address", func(ctx context.Context) (*runtime.Task, error) {
			arrived := make(chan string, 1)
			return task_functions.StartShip(ctx, task_functions.Parcel{Arrived: arrived})
		}),
		shutsDown,
		pings(runtime.Healthy),
		fails(`{"item":"lamp","to":"Lisbon"}`, 503, `{"error":"the server is shutting down"}`),
	}},
	"task_methods": {
		func(opts ...runtime.Option) *runtime.Server { return task_methods.NewServer(garden, opts...) },
		[]step{
			answers(`{"plant":"bean"}`, `null`),
			pings(runtime.HealthyBusy),
			hears(garden.Harvest, "bean"),
			answers(`{"plant":"weed"}`, `null`),
			runs("", func(ctx context.Context) (*runtime.Task, error) { return task_methods.Shed{}.StartTidy(ctx) }),
			runs("the shed is locked", func(ctx context.Context) (*runtime.Task, error) {
				return task_methods.Shed{Locked: true}.StartTidy(ctx)
			}),
			runs("they are busy", func(ctx context.Context) (*runtime.Task, error) {
				return task_methods.Shed{}.StartTidyFor(ctx, runtime.HealthyBusy)
			}),
			shutsDown, // and nobody harvests the weed
			pings(runtime.Healthy),
		},
	},
	"task_only": {
		func(opts ...runtime.Option) *runtime.Server { return runtime.NewServer(runtime.Handlers{}, opts...) },
		[]step{
			runs("page 2 is empty", func(ctx context.Context) (*runtime.Task, error) {
				return task_only.StartIndex(ctx, task_only.Batch{Pages: []string{"one", ""}, Indexed: make(chan string, 1)})
			}),
			func(t *testing.T, a *agent) {
				indexed := make(chan string)
				task, err := task_only.StartIndex(a.server.Context(t.Context()), task_only.Batch{Pages: []string{"one", "two"}, Indexed: indexed})
				if err != nil {
					t.Fatal(err)
				}
				hears(indexed, "one")(t, a)
				pings(runtime.HealthyBusy)(t, a)
				hears(indexed, "two")(t, a)
				await(t, task.Done())
				if task.Err() != nil {
					t.Error(task.Err())
				}
				pings(runtime.Healthy)(t, a)
			},
			func(t *testing.T, _ *agent) {
				if _, err := task_only.StartIndex(t.Context(), task_only.Batch{}); !errors.Is(err, runtime.ErrNoServer) {
					t.Errorf("without a server the error is %v", err)
				}
			},
		},
	},

	"middleware": {middleware.NewServer, []step{
		exchange("POST", "/invocations", `{}`, 401, "text/plain; charset=utf-8", "who are you?\n"),
		with("X-User: ada", answers(`{}`, `"Hello, ada"`)),
		with("X-User: ada", exchange("GET", "/ping", ``, 429, "text/plain; charset=utf-8", "not again\n")),
	}},
	"middleware_order": {
		func(opts ...runtime.Option) *runtime.Server {
			return middleware_order.NewServer(middleware_order.Porter{Name: "yard"}, opts...)
		},
		[]step{answers(`{}`, `["gate","yard","path","lawn","door"]`)},
	},

	"method_pointer": {
		func(opts ...runtime.Option) *runtime.Server {
			return method_pointer.NewServer(new(method_pointer.Counter), opts...)
		},
		[]step{answers(`{}`, `1`), answers(`{}`, `2`)},
	},
	"method_value": {
		func(opts ...runtime.Option) *runtime.Server { return method_value.NewServer(1.25, opts...) },
		[]step{answers(`8`, `10`)},
	},
	"method_mixed": {
		func(opts ...runtime.Option) *runtime.Server {
			desk := &method_mixed.Desk{Clerk: "Ann"}
			server := method_mixed.NewServer(desk, opts...)
			desk.Clerk = "Zoe" // handlers with a value receiver see the desk as it is when they are called
			return server
		},
		[]step{
			answers(`"Bob"`, `"Zoe serves Bob"`),
			talk{turns: []turn{{"Bob", "1"}, {"Eve", "2"}}, leave: true, code: 1000}.step,
			talk{turns: []turn{{"Bob", "3"}}, leave: true, code: 1000}.step,
		},
	},
	"method_raw": {
		func(opts ...runtime.Option) *runtime.Server {
			return method_raw.NewServer(new(method_raw.Document), opts...)
		},
		[]step{
			pings(runtime.Healthy),
			exchange("POST", "/invocations", "# Title", 200, "text/markdown", ""),
			exchange("POST", "/invocations", "# Caption", 200, "text/markdown", "# Title"),
			pings(runtime.HealthyBusy),
			talk{turns: []turn{{"?", "# Caption"}}, leave: true, code: 1000}.step,
		},
	},
	"method_types": {
		func(opts ...runtime.Option) *runtime.Server {
			return method_types.NewServer(&method_types.LLM{Name: "parrot"}, method_types.Gate("sesame"), opts...)
		},
		[]step{
			with("X-Key: sesame", streams(`"hello"`, `"parrot"`, `"hello"`)),
			with("X-Key: sesame", pings(runtime.HealthyBusy)),
			exchange("POST", "/invocations", `"hello"`, 403, "text/plain; charset=utf-8", "the key is missing\n"),
		},
	},

	"full": {full.NewServer, []step{
		sets(&full.Answered, 0),
		pings(runtime.HealthyBusy),
		streams(`{"prompt":"hi"}`, `{"text":"hi"}`),
		pings(runtime.Healthy),
		talk{turns: []turn{{`{"prompt":"hi"}`, `{"text":"hi"}`}}, leave: true, code: 1000}.step,
		exchange("POST", "/invocations?x=1", `{"prompt":"hi"}`, 400, "text/plain; charset=utf-8", "no query, please\n"),
		shutsDown,
		fails(`{"prompt":"hi"}`, 503, `{"error":"the server is shutting down"}`),
	}},

	"payload_scalar": {payload_scalar.NewServer, []step{
		answers(`2.25`, `1.5`),
		answers(`0`, `"+Inf"`), // the text of what JSON cannot hold
		fails(`-1`, 500, `{"error":"no root"}`),
		fails(`"2"`, 400, `{"error":"Invalid payload","details":"the payload: cannot use string as number"}`),
	}},
	"payload_slice": {payload_slice.NewServer, []step{
		answers(`["three","one","two"]`, `[[3,"one"],[3,"two"],[5,"three"]]`),
		answers(`[]`, `null`),
	}},
	"payload_map": {payload_map.NewServer, []step{
		answers(`{"zebra":12,"ant":3}`, `{"12":["zebra"],"3":["ant"]}`),
		fails(`{"ant":"three"}`, 400, `{"error":"Invalid payload","details":"the payload: cannot use string as int"}`),
	}},
	"payload_pointer": {payload_pointer.NewServer, []step{
		answers(`{"value":1,"next":{"value":2}}`, `{"value":2,"next":{"value":1}}`),
		answers(`null`, `null`),
	}},
	"payload_alias": {payload_alias.NewServer, []step{
		streams(`["ann","bob"]`, `0`, `1000`),
		talk{turns: []turn{{"ann", "0"}, {"bob", "1000"}}, leave: true, code: 1000}.step,
	}},
	"payload_generic": {payload_generic.NewServer, []step{
		answers(`{"filter":{"from":"2024-04-01T00:00:00Z","to":"2024-06-01T00:00:00Z"}}`, `{"items":{"lisbon":{"name":"Lisbon"}},"more":false}`),
		fails(`{"filter":{"from":"April"}}`, 400, `{"error":"Invalid payload","details":"parsing time \"April\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"April\" as \"2006\""}`),
	}},
	"payload_struct": {payload_struct.NewServer, []step{
		answers(`{"stops":[{"name":"Oslo","lat":59.9}],"Seats":"2","Loop":true,"by_name":{}}`,
			`{"stops":[{"name":"Oslo","lat":59.9},{"name":"Oslo","lat":59.9}],"Seats":"2","Loop":true}`),
		fails(`{"stops":[{"name":1}]}`, 400, `{"error":"Invalid payload","details":"stops.name: cannot use number as string"}`),
	}},
	"payload_imported": {payload_imported.NewServer, []step{
		streams(`{"name":"Oslo"}`, `{"name":"Oslo","season":"summer"}`, `{"name":"Oslo","season":"winter"}`),
		runs("", func(ctx context.Context) (*runtime.Task, error) {
			return payload_imported.StartSeasons(ctx, map[payload_enum.Season]payload_struct.Place{payload_enum.Winter: {Name: "Oslo"}})
		}),
	}},
	"payload_enum": {payload_enum.NewServer, []step{
		answers(`"winter"`, `2`),
		fails(`"lent"`, 422, `{"error":"no season is called \"lent\""}`),
	}},
	"payload_anonymous": {payload_anonymous.NewServer, []step{
		answers(`{"from":{"lat":40},"to":{"name":"Oslo","lat":59.5},"unit":"km"}`, `{"distance":19.5,"legs":[{"name":"Oslo","lat":59.5}]}`),
	}},
	"payload_raw": {payload_raw.NewServer, []step{
		answers(`{"b":9007199254740993,"a":"<"}`, `{"value":{"b":9007199254740993,"a":"<"}}`),
		answers(`null`, `{"value":null}`),
		fails(`{} {}`, 400, `{"error":"Invalid JSON","details":"invalid character '{' after top-level value (byte 4)"}`),
	}},
	"payload_interface": {payload_interface.NewServer, []step{
		streams(`null`, `{"side":1}`, `{"radius":2}`),
	}},
	"payload_any": {payload_any.NewServer, []step{
		answers(`9007199254740993`, `{"type":"json.Number","value":9007199254740993}`),
		answers(`[1e3,null]`, `{"type":"[]interface {}","value":[1e3,null]}`),
		answers(`null`, `{"type":"<nil>","value":null}`),
	}},
	"payload_time": {payload_time.NewServer, []step{
		answers(`"2024-02-29T23:30:00.5+02:00"`, `"2024-03-01T23:30:00.5+02:00"`),
		fails(`17`, 400, `{"error":"Invalid payload","details":"Time.UnmarshalJSON: input is not a JSON string"}`),
	}},
	"payload_embedded": {payload_embedded.NewServer, []step{
		answers(`{"id":1,"text":"Dear","from":{"name":"Ada"},"cents":40,"Lines":["a","b"]}`,
			`{"id":2,"from":{"name":"Ada"},"cents":80,"Lines":["a","b"],"text":"Dear"}`),
		fails(`{"from":"Ada"}`, 400, `{"error":"Invalid payload","details":"from: cannot use string as object"}`),
	}},
	"payload_embedded_pointer": {payload_embedded_pointer.NewServer, []step{
		answers(`{"title":"Go"}`, `{"draft":{"title":"Go"}}`),
		answers(`{"title":"Go","on":3}`, `{"published":{"title":"Go"}}`),
	}},
	"payload_recursive": {payload_recursive.NewServer, []step{
		answers(`{"name":"oak","branches":[{"name":"1"},{"name":"2","branches":[{"name":"3"},{"name":"4"}]}],"grafted":{"s":{"name":"elm"}},"note":{"next":{"about":{"name":"ash"}}}}`,
			`{"name":"oak","branches":[{"name":"2","branches":[{"name":"4"},{"name":"3"}]},{"name":"1"}],"grafted":{"s":{"name":"elm"}},"note":{"next":{"about":{"name":"ash"}}}}`),
	}},
	"payload_marshaler": {payload_marshaler.NewServer, []step{
		answers(`{"from":[1,2],"by":[10,20],"named":{"a":[0,-20]}}`, `[[11,22],[10,0]]`),
		fails(`{"from":{"x":1}}`, 400, `{"error":"Invalid payload","details":"from: cannot use object as array"}`),
	}},
	"payload_textmarshaler": {payload_textmarshaler.NewServer, []step{
		answers(`[{"from":"::1","level":"INFO","bytes":2},{"from":"10.0.0.1","level":"WARN+1","bytes":18446744073709551616},{"from":"::1","level":"ERROR","bytes":3}]`,
			`{"10.0.0.1":{"from":"10.0.0.1","level":"WARN+1","bytes":18446744073709551616},"::1":{"from":"::1","level":"ERROR","bytes":3}}`),
		fails(`[{"from":"here"}]`, 400, `{"error":"Invalid payload","details":"ParseAddr(\"here\"): unable to parse IP"}`),
	}},
	"payload_tags": {payload_tags.NewServer, []step{
		answers(`{}`, `{"Plain":"","named":"","the name":"","größe":"","$ref/@id":"","number":"0","others":""}`),
		answers(`{"Plain":"a","named":"b","the name":"c","größe":"d","$ref/@id":"e","empty":["f"],"zero":"2024-05-01T00:00:00Z","both":{"g":1},"Option":true,"number":"2","pointer":"0.5","others":"h"}`,
			`{"Plain":"a","named":"b","the name":"c","größe":"d","$ref/@id":"e","empty":["f"],"zero":"2024-05-01T00:00:00Z","both":{"g":1},"Option":true,"number":"2","pointer":"0.5","others":"h"}`),
		fails(`{"number":2}`, 400, `{"error":"Invalid payload","details":"json: invalid use of ,string struct tag, trying to unmarshal unquoted value into int64"}`),
	}},
	"payload_foreign": {payload_foreign.NewServer, []step{
		answers(`{"url":{"Path":"/a"},"header":{"X-Value":["v"]},"query":{"name":["n"]},"timeout":3000000000,"month":{"to":5}}`,
			`[{"Name":"n","Value":"v","Quoted":false,"Path":"/a","Domain":"","Expires":"0001-01-01T00:00:00Z","RawExpires":"","MaxAge":3,"Secure":false,"HttpOnly":false,"SameSite":0,"Partitioned":false,"Raw":"May","Unparsed":null}]`),
	}},
	"payload_unexported_type": {payload_unexported_type.NewServer, []step{
		streams(`{"prompt":"hi","options":{"upto":2}}`, `{"level":0,"text":"hi"}`, `{"level":1,"text":"hi"}`),
	}},
	"payload_textkey": {payload_textkey.NewServer, []step{
		answers(`{"b3":"knight","a1":"rook"}`, `{"a8":"rook","b6":"knight"}`),
		fails(`{"k9":"dog"}`, 400, `{"error":"Invalid payload","details":"\"k9\" is no square"}`),
	}},

	"names": {
		func(opts ...runtime.Option) *runtime.Server {
			server, health := names.New()
			return names.NewServer(server, health, opts...)
		},
		[]step{
			streams(`"2024-12-31T23:59:59Z"`, `"2025-01-01T00:00:00Z"`),
			pings(runtime.HealthyBusy),
		},
	},
	"names_packages": {names_packages.NewServer, []step{
		streams(`{"B":"b","P":"p"}`, `"b"`, `"p"`),
		talk{turns: []turn{{`"hi"`, `["hi"]`}}, code: 1000}.step,
		pings(runtime.Healthy),
		runs("", func(ctx context.Context) (*runtime.Task, error) {
			return names_packages.StartIndex(ctx, struct {
				A modelv2.T
				B bmodel.T
			}{"a", "b"})
		}),
		hears(names_packages.Started, "ab"),
		runs("", func(ctx context.Context) (*runtime.Task, error) {
			return names_packages.StartReindex(ctx, map[modelv3.T]cmodel.T{"a": "c"})
		}),
		hears(names_packages.Started, "ac"),
	}},
	"names_predeclared": {
		func(opts ...runtime.Option) *runtime.Server {
			return names_predeclared.NewServer(names_predeclared.New(), opts...)
		},
		[]step{
			streams(`{"word":"no"}`, `"n"`, `"o"`, `"1"`),
			talk{turns: []turn{{"hi", `{"heard":"hi"}`}}, code: 1000}.step,
			pings(runtime.Healthy),
			runs("", names_predeclared.Recover),
			runs("no job is left", func(ctx context.Context) (*runtime.Task, error) {
				return names_predeclared.Print(ctx, words.Jobs{
					Names: []string{"one", "two"},
					Done: func(name string, left *int, _ ...byte) (bool, error) {
						if name != "two" || *left != 1 {
							return false, fmt.Errorf("%s, and %d are left", name, *left)
						}
						return true, errors.New("no job is left")
					},
				})
			}),
		},
	},
	"hostile": {
		func(opts ...runtime.Option) *runtime.Server {
			f, t, r, m, n := hostile.NewAgent()
			return hostile.NewServer(f, t, r, m, n, opts...)
		},
		[]step{
			sets(&hostile.Passed, 0),
			streams(`{"http":"a","dot":"b"}`, `"a"`, `"b"`, `"1"`),
			streams(`{"runtime":"r"}`, `"r"`, `"2"`),
			talk{turns: []turn{{"hi", `{"heard":"hi"}`}}, code: 1000}.step,
			pings(runtime.HealthyBusy),
			holds(&hostile.Passed, 4*4),
			startsHostile("Index", "Index Index"),
			startsHostile("Map.Index", "Map.Index abc"),
			startsHostile("Go.ſtop", "Go.ſtop"),
			startsHostile("Select.日本", "Select.日本"),
			startsHostile("nil2", "nil2"),
		},
	},
	"constrained": {constrained.NewServer, []step{
		answers(`"Oslo"`, `"rain in Oslo"`),
		builds("constrained", "-tags=offline"),
	}},
	"program_types": {nil, []step{
		streams(`{"tone":"rude"}`, `{"from":"0001-01-01T00:00:00Z","items":{"first":{"id":"rude","Level":0,"on":false,"meta":{"color":""},"bytes":null,"at":null,"spot":{"X":0,"Y":0}}},"more":"false"}`),
	}},
	"client_imported": {client_imported.NewServer, []step{
		answers(`{"steps":0,"season":"summer"}`, `[{"steps":0,"season":"summer"}]`),
	}},
	"program_names": {nil, []step{
		streams(`{"Transport":"t","Underscore_":1,"New":2}`, `{"Client":{"Transport":"t","Underscore_":1,"New":2},"Client2":{"Underscore_":0},"Option":{"Option":null,"Text":false,"Time":null,"Word":""},"Question":{"Text":"","Next":null},"One":{"Name":"","Kind":""},"Two":null,"X":{"X_":0},"X1":{"X1":0},"Nihon":null,"URL":null,"Raw":[],"Answer2":{"X2":0},"T":{"Level":0},"Deep":0}`),
	}},
	"program": {nil, []step{
		answers(`{"prompt":"hi"}`, `{"text":"hi"}`),
		fails(`{"prompt":1}`, 400, `{"error":"Invalid payload","details":"prompt: cannot use number as string"}`),
		pings(runtime.HealthyBusy),
	}},
}

// startsHostile starts a task of the package hostile, and hears from it.
func startsHostile(name, want string) step {
	return func(t *testing.T, a *agent) {
		t.Helper()
		runs("", func(ctx context.Context) (*runtime.Task, error) { return hostile.Start(ctx, name) })(t, a)
		hears(hostile.Done, want)(t, a)
	}
}

var garden = &task_methods.Garden{Harvest: make(chan string)}

func TestShapes(t *testing.T) {
	for name, s := range shapes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if len(s.steps) == 0 {
				t.Fatal("nothing is called")
			}
			a := start(t, name, s)
			for _, step := range s.steps {
				step(t, a)
			}
		})
	}
}

// TestGoldens generates all packages again.
func TestGoldens(t *testing.T) {
	root := testmodule.Root()
	result, err := gen.Generate(t.Context(), gen.Config{Dir: root, Patterns: []string{"./testdata/shapes/..."}})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range result.Diagnostics {
		t.Error(d)
	}
	var generated []string
	clients := make(map[string]bool)
	for _, f := range result.Files {
		name := directory(t, root, filepath.Dir(f.Path))
		if f.Client {
			agent, _, _ := strings.Cut(name, "/")
			clients[agent] = true
		} else {
			generated = append(generated, name)
		}
		if f.Changed() {
			t.Errorf("not up to date: go run ./cmd/agentcore-gen ./testdata/shapes/...\n%s", f.Diff())
		}
	}
	if want := slices.Sorted(maps.Keys(shapes)); !slices.Equal(generated, want) {
		t.Errorf("files are generated for\n%q,\nwant\n%q", generated, want)
	}
	for _, name := range generated {
		if serves := name != "task_only"; clients[name] != serves {
			t.Errorf("%s has a client: %t", name, clients[name])
		}
	}
}

// TestAllShapesAreCalled compares the table with the directories that hold
// source. What is below one of them belongs to it.
func TestAllShapesAreCalled(t *testing.T) {
	root := testmodule.Root()
	found := make(map[string]bool)
	err := filepath.WalkDir(filepath.Join(root, "testdata", "shapes"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" {
			name, _, _ := strings.Cut(directory(t, root, filepath.Dir(path)), "/")
			found[name] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range found {
		if _, ok := shapes[name]; !ok {
			t.Errorf("testdata/shapes/%s is not called: add it to the table", name)
		}
	}
	for name := range shapes {
		if !found[name] {
			t.Errorf("there is no testdata/shapes/%s", name)
		}
	}
}

// directory returns the path of a shape below testdata/shapes.
func directory(t *testing.T, root, dir string) string {
	t.Helper()
	name, err := filepath.Rel(filepath.Join(root, "testdata", "shapes"), dir)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.ToSlash(name)
}

// session is the id of the session that every request belongs to.
const session = "a-session-id-of-at-least-33-characters"

// otherSession is the id of another.
const otherSession = "another-session-id-of-more-than-33-characters"

// patience bounds waits that a working agent ends at once.
const patience = 30 * time.Second

// agent is a shape that is being served.
type agent struct {
	url    string
	server *runtime.Server // nil for a process
	client *http.Client
	header http.Header // of requests
}

// start serves a shape until the test ends.
func start(t *testing.T, name string, s shape) *agent {
	t.Helper()
	a := &agent{
		client: &http.Client{Transport: new(http.Transport), Timeout: patience},
		header: http.Header{"X-Amzn-Bedrock-Agentcore-Runtime-Session-Id": {session}},
	}
	if s.server == nil {
		a.url = startProgram(t, name)
	} else {
		a.server = s.server(runtime.WithLogger(slog.New(slog.DiscardHandler)))
		listening := httptest.NewServer(a.server)
		a.url = listening.URL
		t.Cleanup(func() {
			listening.Close()
			shutsDown(t, a)
		})
	}
	t.Cleanup(a.client.CloseIdleConnections)
	return a
}

var servingOn = regexp.MustCompile(`serving on (http://[0-9.:]+)`)

// startProgram builds a shape and runs it until the test ends. It must then
// end well.
func startProgram(t *testing.T, name string) (url string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name+".exe")
	goCommand(t, "build", "-o", binary, "./testdata/shapes/"+name)

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, binary, "-addr=127.0.0.1:0")
	stderr, err := command.StderrPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		rest, _ := io.ReadAll(stderr)
		if err := command.Wait(); err != nil {
			t.Errorf("after SIGTERM: %v\n%s", err, rest)
		}
	})
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if match := servingOn.FindStringSubmatch(lines.Text()); match != nil {
			return match[1]
		}
	}
	t.Fatal("the program does not serve")
	return ""
}

// goCommand runs the go command in the root of the repository.
func goCommand(t *testing.T, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", args...)
	command.Dir = testmodule.Root()
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, output)
	}
}

// A step does something to an agent and checks what comes of it.
type step func(*testing.T, *agent)

// with gives the requests of a step one more header.
func with(header string, s step) step {
	return func(t *testing.T, a *agent) {
		t.Helper()
		name, value, _ := strings.Cut(header, ": ")
		own := *a
		own.header = a.header.Clone()
		own.header.Set(name, value)
		s(t, &own)
	}
}

// elsewhere takes a step in another session.
func elsewhere(s step) step {
	return with("X-Amzn-Bedrock-Agentcore-Runtime-Session-Id: "+otherSession, s)
}

// exchange sends a request and compares the whole answer.
func exchange(method, path, body string, status int, contentType, want string) step {
	return func(t *testing.T, a *agent) {
		t.Helper()
		gotStatus, gotType, got := a.do(t, method, path, body)
		if gotStatus != status || gotType != contentType || got != want {
			t.Errorf("%s %s %s:\ngot  %d %s\n%s\nwant %d %s\n%s", method, path, body, gotStatus, gotType, got, status, contentType, want)
		}
	}
}

// answers is an invocation that is answered with JSON.
func answers(body, want string) step {
	return exchange(http.MethodPost, "/invocations", body, http.StatusOK, "application/json", want)
}

// fails is an invocation that is answered with an error.
func fails(body string, status int, want string) step {
	return exchange(http.MethodPost, "/invocations", body, status, "application/json", want)
}

// streams is an invocation that is answered with events.
func streams(body string, events ...string) step {
	var want strings.Builder
	for _, event := range events {
		want.WriteString("data: " + event + "\n\n")
	}
	return exchange(http.MethodPost, "/invocations", body, http.StatusOK, "text/event-stream; charset=utf-8", want.String())
}

// broken is the last event of a stream that failed.
func broken(text, kind string) string {
	return `{"error":"` + text + `","error_type":"` + kind + `","message":"An error occurred during streaming"}`
}

var pingBody = regexp.MustCompile(`^\{"status":"(\w+)","time_of_last_update":\d{10}\}$`)

// pings is a ping that is answered with a status.
func pings(want runtime.PingStatus) step {
	return func(t *testing.T, a *agent) {
		t.Helper()
		status, contentType, body := a.do(t, http.MethodGet, "/ping", "")
		match := pingBody.FindStringSubmatch(body)
		if status != http.StatusOK || contentType != "application/json" || match == nil || match[1] != string(want) {
			t.Errorf("ping: got %d %s\n%s\nwant %s", status, contentType, body, want)
		}
	}
}

// refuses is a handshake that is refused.
func refuses(status int, contentType, want string) step {
	return func(t *testing.T, a *agent) {
		t.Helper()
		conn, response, err := a.dial()
		if err == nil {
			conn.Close()
		}
		if response == nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		if gotType := response.Header.Get("Content-Type"); response.StatusCode != status || gotType != contentType || string(body) != want {
			t.Errorf("handshake:\ngot  %d %s\n%s\nwant %d %s\n%s", response.StatusCode, gotType, body, status, contentType, want)
		}
	}
}

// talk is a conversation over a WebSocket.
type talk struct {
	kind   int // of all messages, text if 0
	hears  int // that of the agent's, if it is another
	turns  []turn
	leave  bool // the client says goodbye after the last turn
	code   int  // that the agent closes with
	reason string
}

// turn is a message to the agent and the one that it answers with, if any.
type turn struct{ say, hear string }

func (c talk) step(t *testing.T, a *agent) {
	t.Helper()
	conn, _, err := a.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	kind := cmp.Or(c.kind, websocket.TextMessage)
	hears := cmp.Or(c.hears, kind)
	for _, turn := range c.turns {
		if err := conn.WriteMessage(kind, []byte(turn.say)); err != nil {
			t.Fatalf("say %q: %v", turn.say, err)
		}
		if turn.hear == "" {
			continue
		}
		gotKind, got, err := conn.ReadMessage()
		if err != nil || gotKind != hears || string(got) != turn.hear {
			t.Fatalf("say %q:\ngot  %q of kind %d, %v\nwant %q of kind %d", turn.say, got, gotKind, err, turn.hear, hears)
		}
	}
	if c.leave {
		goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
		if err := conn.WriteMessage(websocket.CloseMessage, goodbye); err != nil {
			t.Fatal(err)
		}
	}
	_, got, err := conn.ReadMessage()
	closed, ok := errors.AsType[*websocket.CloseError](err)
	if !ok || closed.Code != c.code || closed.Text != c.reason {
		t.Errorf("at the end: got %q, %v\nwant close %d %s", got, err, c.code, c.reason)
	}
}

// sets gives a variable of a shape a value.
func sets(variable *atomic.Int64, value int64) step {
	return func(*testing.T, *agent) { variable.Store(value) }
}

// holds compares a variable of a shape.
func holds(variable *atomic.Int64, want int64) step {
	return func(t *testing.T, _ *agent) {
		t.Helper()
		if got := variable.Load(); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
}

// hears receives from a channel of a shape.
func hears[T comparable](c <-chan T, want T) step {
	return func(t *testing.T, _ *agent) {
		t.Helper()
		if got := await(t, c); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// runs starts a task, waits for it, and compares its error, "" for none.
func runs(want string, start func(context.Context) (*runtime.Task, error)) step {
	return func(t *testing.T, a *agent) {
		t.Helper()
		task, err := start(a.server.Context(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		await(t, task.Done())
		got := ""
		if task.Err() != nil {
			got = task.Err().Error()
		}
		if got != want {
			t.Errorf("the task's error is %q, want %q", got, want)
		}
	}
}

// shutsDown ends all tasks.
func shutsDown(t *testing.T, a *agent) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := a.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// builds builds a shape with a flag.
func builds(name, flag string) step {
	return func(t *testing.T, _ *agent) {
		t.Helper()
		goCommand(t, "build", flag, "./testdata/shapes/"+name)
	}
}

func (a *agent) do(t *testing.T, method, path, body string) (status int, contentType, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = a.header
	response, err := a.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s %s: the answer was cut: %v", method, path, body, err)
	}
	return response.StatusCode, response.Header.Get("Content-Type"), string(text)
}

func (a *agent) dial() (*websocket.Conn, *http.Response, error) {
	dialer := websocket.Dialer{HandshakeTimeout: patience}
	return dialer.Dial("ws"+strings.TrimPrefix(a.url, "http")+"/ws", a.header)
}

// await receives from c. A closed channel will do.
func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case value := <-c:
		return value
	case <-time.After(patience):
		t.Fatal("waited in vain")
		panic("unreachable")
	}
}
