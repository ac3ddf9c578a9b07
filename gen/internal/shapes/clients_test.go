package shapes_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/gen"
	"github.com/agentcore-go/agentcore/internal/copytest"
	"github.com/agentcore-go/agentcore/internal/testmodule"
	"github.com/agentcore-go/agentcore/runtime"
	"github.com/agentcore-go/agentcore/testdata/copied"
	"github.com/agentcore-go/agentcore/testdata/copied/copiedclient"
	"github.com/agentcore-go/agentcore/testdata/copied/model"
	"github.com/agentcore-go/agentcore/testdata/shapes/client_imported"
	"github.com/agentcore-go/agentcore/testdata/shapes/client_imported/client_importedclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/full"
	"github.com/agentcore-go/agentcore/testdata/shapes/full/fullclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/hostile"
	"github.com/agentcore-go/agentcore/testdata/shapes/hostile/hostileclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/method_mixed/method_mixedclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/names/namesclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/dot"
	nethttp "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/http"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_predeclared/names_predeclaredclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/openstream/openstreamclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/openstream_ctx_in"
	"github.com/agentcore-go/agentcore/testdata/shapes/openstream_ctx_in/openstream_ctx_inclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_anonymous/payload_anonymousclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_embedded_pointer"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_embedded_pointer/payload_embedded_pointerclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_enum"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_enum/payload_enumclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_foreign"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_foreign/payload_foreignclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_generic"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_generic/payload_genericclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_interface/payload_interfaceclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_pointer"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_pointer/payload_pointerclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_struct"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_textkey"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_textkey/payload_textkeyclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_unexported_type/payload_unexported_typeclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/ping"
	"github.com/agentcore-go/agentcore/testdata/shapes/ping/pingclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/program/programclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/program_names/programnamesclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/program_types/programtypesclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/raw/rawclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_unary_in_out/session_unary_in_outclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_websocket"
	"github.com/agentcore-go/agentcore/testdata/shapes/session_websocket/session_websocketclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/stream/streamclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/stream_ctx_in"
	"github.com/agentcore-go/agentcore/testdata/shapes/stream_ctx_in/stream_ctx_inclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary/unaryclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_ctx_in_out"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_ctx_in_out/unary_ctx_in_outclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_ctx_out"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_ctx_out/unary_ctx_outclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_in"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_in/unary_inclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_in_err"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_in_err/unary_in_errclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_in_out_err"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_in_out_err/unary_in_out_errclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_out"
	"github.com/agentcore-go/agentcore/testdata/shapes/unary_out/unary_outclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/websocket_binary/websocket_binaryclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/websocket_json"
	"github.com/agentcore-go/agentcore/testdata/shapes/websocket_json/websocket_jsonclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/websocket_message/websocket_messageclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/websocket_mixed"
	"github.com/agentcore-go/agentcore/testdata/shapes/websocket_mixed/websocket_mixedclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/websocket_raw/websocket_rawclient"
	"github.com/agentcore-go/agentcore/testdata/shapes/websocket_text/websocket_textclient"
)

// A call uses the generated client of a shape.
type call func(ctx context.Context, t *testing.T, transport *client.Transport)

// calls are by the directory of the shape.
var calls = map[string]call{
	"unary": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		succeeds(t, unaryclient.New(transport).Ring(ctx))
	},
	"unary_out": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		returns(t, unary_out.Release{Name: "<concierge>", Version: "1.4.0"})(unaryoutclient.New(transport).Describe(ctx))
	},
	"unary_in": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		succeeds(t, unaryinclient.New(transport).Record(ctx, unary_in.Reading{Celsius: -3.5}))
		if got := unary_in.Latest.Load().Celsius; got != -3.5 {
			t.Errorf("the latest reading is %v", got)
		}
	},
	"unary_in_err": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		agent := unaryinerrclient.New(transport)
		succeeds(t, agent.Check(ctx, unary_in_err.Order{Item: "cup", Quantity: 2}))
		refused(t, agent.Check(ctx, unary_in_err.Order{Item: "cup"}), 422, "order at least one cup")
	},
	"unary_in_out_err": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		agent := unaryinouterrclient.New(transport)
		returns(t, unary_in_out_err.Result{Quotient: 3, Remainder: 2})(agent.Divide(ctx, unary_in_out_err.Division{Dividend: 17, Divisor: 5}))
		_, err := agent.Divide(ctx, unary_in_out_err.Division{})
		refused(t, err, 500, "division by zero")
	},
	"unary_ctx_out": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		agent := unaryctxoutclient.New(transport, client.WithSession(session))
		returns(t, unary_ctx_out.Caller{Session: session})(agent.WhoAmI(ctx))
		returns(t, unary_ctx_out.Caller{Session: otherSession})(agent.WhoAmI(ctx, client.WithSession(otherSession)))
	},
	"unary_ctx_in_out": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		agent := unaryctxinoutclient.New(transport)
		ada := unary_ctx_in_out.Person{Name: "Ada"}
		returns(t, unary_ctx_in_out.Greeting{Text: "Hello, Ada"})(agent.Greet(ctx, ada))
		returns(t, unary_ctx_in_out.Greeting{Text: "Bonjour, Ada"})(agent.Greet(ctx, ada, client.WithHeader("Accept-Language", "fr")))
	},
	"session_unary_in_out": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		one, other := sessionunaryinoutclient.New(transport), sessionunaryinoutclient.New(transport)
		returns(t, 2.5)(one.Add(ctx, 2.5))
		returns(t, 7.0)(other.Add(ctx, 7))
		returns(t, 4.5)(one.Add(ctx, 2))
	},

	"stream": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		yields(t, streamclient.New(transport).Countdown(ctx), 3, 2, 1)
	},
	"stream_ctx_in": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		agent := streamctxinclient.New(transport)
		yields(t, agent.Answer(ctx, stream_ctx_in.Question{Prompt: "not <b>"}), stream_ctx_in.Token{Text: "not"}, stream_ctx_in.Token{Text: "<b>"})
		tokens, err := collect(agent.Answer(ctx, stream_ctx_in.Question{Prompt: "do stop"}))
		returns(t, []stream_ctx_in.Token{{Text: "do"}})(tokens, nil)
		refused(t, err, 200, "stopped as asked")
	},
	"openstream": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		_, err := collect(openstreamclient.New(transport).Play(ctx))
		var refusal *client.Error
		if !errors.As(err, &refusal) {
			t.Errorf("got %v", err)
		}
	},
	"openstream_ctx_in": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		agent := openstreamctxinclient.New(transport)
		yields(t, agent.Read(ctx, openstream_ctx_in.Request{Document: "blank"}))
		_, err := collect(agent.Read(ctx, openstream_ctx_in.Request{Document: "deed"}))
		refused(t, err, 404, "there is no deed")
	},
	"raw": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		answer, err := rawclient.New(transport).Digest(ctx, []byte("not JSON"))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		returns(t, "62b8125a6f6d\n")(string(text), err)
	},
	"ping": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		agent := pingclient.New(transport)
		ping.Queued.Store(1)
		status, err := agent.Health(ctx)
		returns(t, client.HealthyBusy)(status.Status, err)
	},
	"full": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		agent := fullclient.New(transport)
		yields(t, agent.Answer(ctx, full.Question{Prompt: "hi"}), full.Token{Text: "hi"})
		talks(ctx, t, agent.Talk, exchanged[full.Question, full.Token]{full.Question{Prompt: "ho"}, full.Token{Text: "ho"}})
		status, err := agent.Health(ctx)
		returns(t, client.Healthy)(status.Status, err)
	},

	"websocket_json": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		agent := websocketjsonclient.New(transport)
		talks(ctx, t, agent.Play,
			exchanged[websocket_json.Point, websocket_json.Score]{websocket_json.Point{Player: "ann"}, websocket_json.Score{Player: "ann", Points: 1}},
			exchanged[websocket_json.Point, websocket_json.Score]{websocket_json.Point{Player: "bob"}, websocket_json.Score{Player: "bob", Points: 1}})
		_, err := agent.Play(ctx, client.WithHeader("X-Role", "spectator"))
		refused(t, err, 409, "the game is not public")
	},
	"websocket_text": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		talks(ctx, t, websockettextclient.New(transport).Shout, exchanged[string, string]{"hey", "HEY"}, exchanged[string, string]{`{"a":1}`, `{"A":1}`})
	},
	"websocket_binary": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		talks(ctx, t, websocketbinaryclient.New(transport).Invert, exchanged[[]byte, []byte]{[]byte("\x00\x01\xfe"), []byte("\xff\xfe\x01")})
	},
	"websocket_message": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		talks(ctx, t, websocketmessageclient.New(transport).Dump,
			exchanged[client.Message, client.Message]{client.TextMessage("00ff"), client.BinaryMessage([]byte("\x00\xff"))},
			exchanged[client.Message, client.Message]{client.BinaryMessage([]byte("\xfe")), client.TextMessage("fe")})
	},
	"websocket_mixed": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		talks(ctx, t, websocketmixedclient.New(transport).Listen, exchanged[string, *websocket_mixed.Heard]{"one", &websocket_mixed.Heard{Messages: 1, Bytes: 3}})
	},
	"websocket_raw": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		talks(ctx, t, websocketrawclient.New(transport).Echo, exchanged[client.Message, client.Message]{client.TextMessage("hello"), client.TextMessage("hello")})
	},
	"session_websocket": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		agent := sessionwebsocketclient.New(transport)
		talks(ctx, t, agent.Talk, exchanged[session_websocket.Say, session_websocket.Heard]{session_websocket.Say{Text: "hey"}, session_websocket.Heard{Messages: 1, Last: "hey"}})
		returns(t, session_websocket.Heard{Messages: 1, Last: "hey"})(agent.Recall(ctx))
	},
	"method_mixed": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		talks(ctx, t, methodmixedclient.New(transport).Queue, exchanged[string, int]{"Ann", 1}, exchanged[string, int]{"Bob", 2})
	},

	"payload_anonymous": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		var in struct {
			From, To payload_struct.Place
			Unit     string `json:"unit" doc:"km or \"mi\""`
		}
		in.To.Name, in.To.Latitude = "Lisbon", 38
		out, err := payloadanonymousclient.New(transport).Distance(ctx, in)
		returns(t, 38.0)(out.Distance, err)
		returns(t, "Lisbon")(out.Legs[0].Name, err)
	},
	"payload_embedded_pointer": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		page := payload_embedded_pointer.Page{Published: &payload_embedded_pointer.Published{By: "Ann"}, Title: "News"}
		returns(t, map[payloadembeddedpointerclient.State]*payload_embedded_pointer.Page{"published": {Title: "News"}})(
			payloadembeddedpointerclient.New(transport).Edit(ctx, page))
	},
	"payload_enum": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		returns(t, payload_enum.Coat)(payloadenumclient.New(transport).Dress(ctx, payload_enum.Winter))
	},
	"payload_foreign": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		returns(t, []http.Cookie{{Name: "a", Value: "b", Path: "/c", MaxAge: 90, Raw: "May"}})(payloadforeignclient.New(transport).Cookies(ctx, payload_foreign.Request{
			URL: url.URL{Path: "/c"}, Header: http.Header{"X-Value": {"b"}}, Query: url.Values{"name": {"a"}}, Timeout: 90 * time.Second,
			Month: payload_generic.Range[time.Month]{To: time.May},
		}))
	},
	"payload_generic": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		may := payload_generic.Range[time.Time]{
			From: time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC),
		}
		returns(t, &payload_generic.Page[string, payload_struct.Place]{Items: map[string]payload_struct.Place{"lisbon": {Name: "Lisbon"}}})(
			payloadgenericclient.New(transport).Find(ctx, payload_generic.Query[payload_generic.Range[time.Time]]{Filter: may}))
	},
	"payload_interface": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		yields(t, payloadinterfaceclient.New(transport).Draw(ctx),
			any(map[string]any{"side": json.Number("1")}), any(map[string]any{"radius": json.Number("2")}))
	},
	"payload_pointer": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		agent := payloadpointerclient.New(transport)
		returns(t, &payload_pointer.Node{Value: 2, Next: &payload_pointer.Node{Value: 1}})(agent.Reverse(ctx, &payload_pointer.Node{Value: 1, Next: &payload_pointer.Node{Value: 2}}))
		returns[*payload_pointer.Node](t, nil)(agent.Reverse(ctx, nil))
	},
	"payload_textkey": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		returns(t, map[payload_textkey.Square]string{{Column: 1, Row: 7}: "rook"})(
			payloadtextkeyclient.New(transport).Mirror(ctx, map[payload_textkey.Square]string{{Column: 1}: "rook"}))
	},
	"payload_unexported_type": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		yields(t, payloadunexportedtypeclient.New(transport).Count(ctx, payloadunexportedtypeclient.Question{
			Prompt: "up", Options: payloadunexportedtypeclient.Options{Upto: 2},
		}), &payloadunexportedtypeclient.Answer{Meta: &payloadunexportedtypeclient.Meta{Level: 0}, Text: "up"},
			&payloadunexportedtypeclient.Answer{Meta: &payloadunexportedtypeclient.Meta{Level: 1}, Text: "up"})
	},

	"names": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		agent := namesclient.New(transport)
		yields(t, agent.Time(ctx, time.Unix(1, 0).UTC()), time.Unix(2, 0).UTC())
		status, err := agent.Health(ctx)
		returns(t, client.HealthyBusy)(status.Status, err)
	},
	"names_predeclared": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		agent := namespredeclaredclient.New(transport)
		yields(t, agent.Spell(ctx, namespredeclaredclient.String{Word: "no"}), "n", "o", "1")
		talks(ctx, t, agent.Talk, exchanged[string, map[string]any]{"hi", map[string]any{"heard": "hi"}})
	},
	"hostile": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		yields(t, hostileclient.New(transport).Answer(ctx, hostile.Question[nethttp.T, dot.T]{HTTP: "a", Dot: "b"}), "a", "b", "1")
	},
	"program": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		returns(t, programclient.Answer{Text: "hi"})(programclient.New(transport).Reply(ctx, programclient.Question{Prompt: "hi"}))
	},
	"client_imported": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		client_imported.Transport = transport
		winter := func(steps int) clientimportedclient.Countdown {
			return clientimportedclient.Countdown{Steps: steps, Season: payload_enum.Winter}
		}
		returns(t, []clientimportedclient.Countdown{winter(2), winter(1), winter(0)})(clientimportedclient.New(transport).Count(ctx, winter(2)))
	},
	"program_names": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		agent := programnamesclient.New(transport)
		in := programnamesclient.ProgramnamesClient{Transport: "t", New: 1}
		yields(t, agent.Ping(ctx, &in), programnamesclient.All{Client: in, Raw: json.RawMessage("[]")})
		talks(ctx, t, agent.Do, exchanged[client.Message, programnamesclient.ProgramnamesAnswer]{client.TextMessage("?"), programnamesclient.ProgramnamesAnswer{Answer: "no"}})
		status, err := agent.Client_Ping(ctx)
		returns(t, client.Healthy)(status.Status, err)
	},
	"program_types": func(ctx context.Context, t *testing.T, transport *client.Transport) {
		agent := programtypesclient.New(transport)
		since := time.Unix(1e9, 0).UTC()
		//lint:ignore SA1019 The handler is deprecated, so that its method is.
		yields(t, agent.Search(ctx, &programtypesclient.Query[programtypesclient.Filter[programtypesclient.Level], time.Time]{
			Since: since, Tone: programtypesclient.Polite, Note: "please",
		}), programtypesclient.Page[string, *programtypesclient.Item]{
			Window: programtypesclient.Window[time.Time]{From: since},
			Items: map[string]*programtypesclient.Item{
				"first": {Base: programtypesclient.Base{ID: "polite"}, Note: "please"},
			},
		})
		event := programtypesclient.Event{Kind: programtypesclient.Kind{KindName: programtypesclient.KindName{Name: "any"}}}
		talks(ctx, t, agent.Talk, exchanged[programtypesclient.Event, programtypesclient.All]{event, programtypesclient.All{Event: event}})
	},
}

// TestClients calls agents with their generated clients.
func TestClients(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t, name, shapes[name])
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			call(ctx, t, transportTo(t, a))
		})
	}
}

// TestCopies compares types that can be imported with their copies.
func TestCopies(t *testing.T) {
	copytest.Same[copied.Visit, copiedclient.Visit](t)
	copytest.Same[model.Page[copied.Visit], copiedclient.Page[copiedclient.Visit]](t)
}

// TestPrograms runs the tests of programs, which nobody can import.
func TestPrograms(t *testing.T) {
	goCommand(t, "test", "./testdata/shapes/program_names", "./testdata/shapes/program_types")
}

// TestCopied is for the client that imports nothing of its agent's module.
func TestCopied(t *testing.T) {
	result, err := gen.Generate(t.Context(), gen.Config{Dir: testmodule.Root(), Patterns: []string{"./testdata/copied/..."}, Client: gen.ClientCopy})
	if err != nil || len(result.Files) != 2 || result.Failed() {
		t.Fatalf("%v, %d files\n%v", err, len(result.Files), result.Diagnostics)
	}
	for _, f := range result.Files {
		if f.Changed() {
			t.Errorf("not up to date: go run ./cmd/agentcore-gen -client=copy ./testdata/copied/...\n%s", f.Diff())
		}
		if f.Client && strings.Contains(string(f.Content), `testdata/copied`+`"`) {
			t.Errorf("the client imports the agent:\n%s", f.Content)
		}
	}
	a := start(t, "copied", shape{server: func(opts ...runtime.Option) *runtime.Server {
		return copied.NewServer(append(opts, runtime.WithLogger(slog.New(slog.DiscardHandler)))...)
	}})
	visit := copiedclient.Visit{
		ModelPlace: copiedclient.ModelPlace{Name: "Lisbon"}, Season: copiedclient.Winter,
		Link: &url.URL{Scheme: "https", Host: "example.com"}, Place2: copiedclient.Place{Model: "Porto"},
	}
	returns(t, copiedclient.Page[copiedclient.Visit]{Items: []copiedclient.Visit{visit}})(copiedclient.New(transportTo(t, a)).Plan(t.Context(), visit))
}

func transportTo(t *testing.T, a *agent) *client.Transport {
	t.Helper()
	connections := &http.Client{Transport: new(http.Transport)}
	t.Cleanup(connections.CloseIdleConnections)
	transport, err := client.Direct(a.url, client.WithHTTPClient(connections))
	if err != nil {
		t.Fatal(err)
	}
	return transport
}

func succeeds(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// returns compares what a call returns.
func returns[T any](t *testing.T, want T) func(T, error) {
	return func(got T, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	}
}

// yields compares what a stream yields.
func yields[T any](t *testing.T, stream iter.Seq2[T, error], want ...T) {
	t.Helper()
	got, err := collect(stream)
	returns(t, want)(got, err)
}

func collect[T any](stream iter.Seq2[T, error]) (all []T, err error) {
	for value, err := range stream {
		if err != nil {
			return all, err
		}
		all = append(all, value)
	}
	return all, nil
}

// refused compares an error that comes from the agent.
func refused(t *testing.T, err error, status int, message string) {
	t.Helper()
	refusal, ok := errors.AsType[*client.Error](err)
	if !ok || refusal.StatusCode != status || refusal.Message != message {
		t.Errorf("got %v\nwant %d %s", err, status, message)
	}
}

// exchanged is a message to the agent, and the one that it answers with.
type exchanged[Out, In any] struct {
	say  Out
	hear In
}

// talks talks with an agent.
func talks[In, Out any](ctx context.Context, t *testing.T, connect func(context.Context, ...client.Option) (*client.Conn[In, Out], error), turns ...exchanged[Out, In]) {
	t.Helper()
	conn, err := connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { succeeds(t, conn.Close()) }()
	for _, turn := range turns {
		if err := conn.Send(ctx, turn.say); err != nil {
			t.Fatal(err)
		}
		returns(t, turn.hear)(conn.Receive(ctx))
	}
}
