package runtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/runtime"
)

type messageConn = runtime.Conn[runtime.Message, runtime.Message]

// echoMessages sends every message back until the client leaves.
func echoMessages(ctx context.Context, conn *messageConn) error {
	for message, err := range conn.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := conn.Send(ctx, message); err != nil {
			return err
		}
	}
	return nil
}

func TestMessage(t *testing.T) {
	wherever(t, func(t *testing.T, serve serveFunc) {
		conn := serve(t, runtime.Handlers{WebSocket: runtime.WebSocket("Echo", echoMessages)}).connect(t)
		for _, test := range []struct {
			kind int
			data string
		}{
			{websocket.TextMessage, ""},
			{websocket.BinaryMessage, ""},
			{websocket.TextMessage, "żółć"},
			{websocket.BinaryMessage, "żółć"},
			{websocket.BinaryMessage, "\xff\xfe\x00"},
			{websocket.TextMessage, `{"a":"<&>"}`},
			{websocket.TextMessage, "\ufeff{}"},
			{websocket.TextMessage, "{"},
			{websocket.BinaryMessage, strings.Repeat("\xff", 1<<20)},
			{websocket.TextMessage, strings.Repeat("ż", 1<<19)},
		} {
			if err := conn.WriteMessage(test.kind, []byte(test.data)); err != nil {
				t.Fatal(err)
			}
			kind, data, err := conn.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			if kind != test.kind || string(data) != test.data {
				t.Errorf("%.20q of type %d came back as %.20q of type %d", test.data, test.kind, data, kind)
			}
		}
	})
}

func TestMessageTextThatIsNotUTF8(t *testing.T) {
	t.Run("from the client", func(t *testing.T) {
		a := serve(t, runtime.Handlers{WebSocket: runtime.WebSocket("Echo", echoMessages)})
		conn := a.connect(t)
		for range 2 {
			if err := conn.WriteMessage(websocket.BinaryMessage, []byte("caf\xc3")); err != nil {
				t.Fatal(err)
			}
			if _, data, err := conn.ReadMessage(); string(data) != "caf\xc3" || err != nil {
				t.Errorf("binary data came back as %q (%v)", data, err)
			}
		}
		sendText(t, conn, "caf\xc3")
		if got := readClose(t, conn); got.Code != websocket.CloseInvalidFramePayloadData {
			t.Errorf("closed with %d, want 1007", got.Code)
		}
	})
	t.Run("from the handler", func(t *testing.T) {
		conn := serve(t, runtime.Handlers{WebSocket: runtime.WebSocket("Send", func(ctx context.Context, conn *messageConn) error {
			return errors.Join(
				conn.Send(ctx, runtime.TextMessage("caf\xc3")),
				conn.Send(ctx, runtime.BinaryMessage([]byte("caf\xc3"))),
			)
		})}).connect(t)
		if got := readText(t, conn); got != "caf\ufffd" {
			t.Errorf("received %q, want that it was mended", got)
		}
		if kind, data, err := conn.ReadMessage(); kind != websocket.BinaryMessage || string(data) != "caf\xc3" || err != nil {
			t.Errorf("received %q of type %d (%v), want the binary data as it is", data, kind, err)
		}
	})
}

// A message that was mended, or is sent twice, is still its sender's.
func TestMessageIsNotChanged(t *testing.T) {
	conn := serve(t, runtime.Handlers{WebSocket: runtime.WebSocket("Send", func(ctx context.Context, conn *messageConn) error {
		for _, message := range []runtime.Message{{Data: []byte("caf\xc3")}, {Data: []byte("text")}, {Binary: true, Data: []byte{1, 2}}} {
			before := bytes.Clone(message.Data)
			for range 2 {
				if err := conn.Send(ctx, message); err != nil {
					return err
				}
			}
			if !bytes.Equal(message.Data, before) {
				t.Errorf("%q was changed to %q", before, message.Data)
			}
		}
		return nil
	})}).connect(t)
	for _, want := range []string{"caf\ufffd", "text", "\x01\x02"} {
		for range 2 {
			if _, data, err := conn.ReadMessage(); string(data) != want || err != nil {
				t.Errorf("received %q (%v), want %q", data, err, want)
			}
		}
	}
}

// Messages may be of one kind in one direction and of another in the other.
func TestMessageInOneDirection(t *testing.T) {
	t.Run("in", func(t *testing.T) {
		conn := serve(t, runtime.Handlers{WebSocket: runtime.WebSocket("Tell", func(ctx context.Context, conn *runtime.Conn[runtime.Message, string]) error {
			for message, err := range conn.Messages(ctx) {
				if err != nil {
					return err
				}
				if err := conn.Send(ctx, fmt.Sprintf("%v %q", message.Binary, message.Data)); err != nil {
					return err
				}
			}
			return nil
		})}).connect(t)
		for kind, want := range map[int]string{websocket.TextMessage: `false "x"`, websocket.BinaryMessage: `true "x"`} {
			if err := conn.WriteMessage(kind, []byte("x")); err != nil {
				t.Fatal(err)
			}
			if got := readText(t, conn); got != want {
				t.Errorf("the handler saw %s, want %s", got, want)
			}
		}
	})
	t.Run("out", func(t *testing.T) {
		conn := serve(t, runtime.Handlers{WebSocket: runtime.WebSocket("Tell", func(ctx context.Context, conn *runtime.Conn[say, runtime.Message]) error {
			in, err := conn.Receive(ctx)
			if err != nil {
				return err
			}
			out, err := runtime.JSONMessage(heard{Text: in.Text, Count: 1})
			if err != nil {
				return err
			}
			return errors.Join(conn.Send(ctx, out), conn.Send(ctx, runtime.BinaryMessage([]byte(in.Text))))
		})}).connect(t)
		sendText(t, conn, `{"Text":"x"}`)
		if got := readText(t, conn); got != `{"text":"x","count":1}` {
			t.Errorf("received %s", got)
		}
		if kind, data, err := conn.ReadMessage(); kind != websocket.BinaryMessage || string(data) != "x" || err != nil {
			t.Errorf("received %q of type %d (%v)", data, kind, err)
		}
	})
}

func TestTextAndBinaryMessage(t *testing.T) {
	if got := runtime.TextMessage("żółć"); got.Binary || string(got.Data) != "żółć" {
		t.Errorf("TextMessage made %+v", got)
	}
	data := []byte{0xff}
	if got := runtime.BinaryMessage(data); !got.Binary || &got.Data[0] != &data[0] {
		t.Errorf("BinaryMessage made %+v", got)
	}
}

func TestJSONMessage(t *testing.T) {
	for _, test := range []struct {
		value any
		want  string
	}{
		{nil, `null`},
		{"<żółć>\n", `"<żółć>\n"`},
		{heard{Text: "x", Count: 1 << 60}, `{"text":"x","count":1152921504606846976}`},
		{json.RawMessage(`{ "a" : 1 }`), `{"a":1}`},
		{runtime.None{}, `null`},
	} {
		got, err := runtime.JSONMessage(test.value)
		if err != nil || got.Binary || string(got.Data) != test.want {
			t.Errorf("the message of %v is %q, binary: %v (%v), want %q", test.value, got.Data, got.Binary, err, test.want)
		}
	}
	for name, value := range map[string]any{"channel": make(chan int), "failing": failingJSON{}, "broken": json.RawMessage(`{`)} {
		if got, err := runtime.JSONMessage(value); err == nil || len(got.Data) > 0 {
			t.Errorf("the message of a %s value is %q, and no error", name, got.Data)
		}
	}
}

// polite and stern are payloads with demands. One has the method on its pointer.
type polite struct{ Text string }

var errRude = errors.New("say please")

func (p *polite) Validate() error {
	if !strings.Contains(p.Text, "please") {
		return errRude
	}
	p.Text = strings.TrimSpace(p.Text)
	return nil
}

type stern int

func (s stern) Validate() error {
	if s < 0 {
		return runtime.Errorf(422, "%d is too little", int(s))
	}
	return nil
}

func TestDecodeMessage(t *testing.T) {
	t.Run("decodes text and binary data alike", func(t *testing.T) {
		for _, message := range []runtime.Message{runtime.TextMessage(` {"Text":"x"} `), runtime.BinaryMessage([]byte(`{"text":"x","more":1}`))} {
			if got, err := runtime.DecodeMessage[say](message); err != nil || got.Text != "x" {
				t.Errorf("decoded %+v (%v)", got, err)
			}
		}
	})
	t.Run("keeps large numbers", func(t *testing.T) {
		got, err := runtime.DecodeMessage[any](runtime.TextMessage(`9007199254740993`))
		if err != nil || got != json.Number("9007199254740993") {
			t.Errorf("decoded %v (%v)", got, err)
		}
	})
	t.Run("decodes strings from JSON", func(t *testing.T) {
		if got, err := runtime.DecodeMessage[string](runtime.TextMessage(`"x"`)); err != nil || got != "x" {
			t.Errorf("decoded %q (%v)", got, err)
		}
	})
	t.Run("validates", func(t *testing.T) {
		if got, err := runtime.DecodeMessage[polite](runtime.TextMessage(`{"Text":" please "}`)); err != nil || got.Text != "please" {
			t.Errorf("decoded %q (%v), want what Validate has made of it", got.Text, err)
		}
		if got, err := runtime.DecodeMessage[*polite](runtime.TextMessage(`null`)); err != nil || got != nil {
			t.Errorf("decoded %v (%v), want nil", got, err)
		}
	})

	for _, test := range []struct {
		name   string
		decode func(runtime.Message) (any, error)
		text   string
		want   string
	}{
		{"empty", decodeAs[say], ``, "Invalid JSON: it is empty"},
		{"not JSON", decodeAs[say], `{`, "Invalid JSON: "},
		{"two values", decodeAs[say], `{} {}`, "Invalid JSON: "},
		{"another type", decodeAs[say], `{"Text":1}`, "Invalid payload: Text: cannot use number as string"},
		{"refused", decodeAs[polite], `{"Text":"give"}`, "Invalid payload: "},
		{"refused by a pointer's type", decodeAs[*polite], `{"Text":"give"}`, "Invalid payload: "},
		{"refused with a status", decodeAs[stern], `-1`, "-1 is too little"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.decode(runtime.TextMessage(test.text))
			bad, ok := errors.AsType[*runtime.MessageError](err)
			if !ok || bad != err {
				t.Fatalf("the error is %v, want a MessageError", err)
			}
			if !strings.HasPrefix(bad.Error(), "unexpected message: "+test.want) {
				t.Errorf("the error is %q, want %q", bad, test.want)
			}
		})
	}
	t.Run("gives the cause", func(t *testing.T) {
		if _, err := runtime.DecodeMessage[polite](runtime.TextMessage(`{}`)); !errors.Is(err, errRude) {
			t.Errorf("the error %v does not lead to what Validate returned", err)
		}
		_, err := runtime.DecodeMessage[stern](runtime.TextMessage(`-1`))
		if chosen, ok := errors.AsType[*runtime.StatusError](err); !ok || chosen.Status != 422 {
			t.Errorf("the error %v does not lead to what Validate returned", err)
		}
	})
}

func decodeAs[T any](m runtime.Message) (any, error) { return runtime.DecodeMessage[T](m) }

// What a typed Conn does not take is what DecodeMessage does not take.
func TestWebSocketValidates(t *testing.T) {
	for _, test := range []struct {
		name         string
		strict, soft runtime.WebSocketHandler
		bad, good    string
		reason       string
	}{
		{"pointer method", judge[polite](), tolerant[polite](), `{"Text":"give"}`, `{"Text":"please"}`, "unexpected message: Invalid payload: "},
		{"pointer type", judge[*polite](), tolerant[*polite](), `{"Text":"give"}`, `{"Text":"please"}`, "unexpected message: Invalid payload: "},
		{"value method", judge[stern](), tolerant[stern](), `-1`, `1`, "unexpected message: -1 is too little"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := serve(t, runtime.Handlers{WebSocket: test.strict})
			conn := a.connect(t)
			for _, text := range []string{test.good, test.good} {
				sendText(t, conn, text)
				if got := readText(t, conn); got != "good" {
					t.Errorf("%s is %s", text, got)
				}
			}
			sendText(t, conn, test.bad)
			got := readClose(t, conn)
			if got.Code != websocket.CloseInternalServerErr || !strings.HasPrefix(got.Text, test.reason) {
				t.Errorf("closed with %d %q, want 1011 and the reason", got.Code, got.Text)
			}
			if err := a.stop(); err != nil {
				t.Error(err)
			}
			if record := a.logs.only(t); record["level"] != "WARN" {
				t.Errorf("logged %v, want a warning", record)
			}
		})
		t.Run(test.name+", and the handler goes on", func(t *testing.T) {
			conn := serve(t, runtime.Handlers{WebSocket: test.soft}).connect(t)
			for _, step := range []struct{ send, want string }{{test.bad, "bad"}, {test.good, "good"}, {test.bad, "bad"}, {test.good, "good"}} {
				sendText(t, conn, step.send)
				if got := readText(t, conn); got != step.want {
					t.Errorf("%s is %s, want %s", step.send, got, step.want)
				}
			}
		})
	}
}

// judge calls messages good until one does not decode.
func judge[In any]() runtime.WebSocketHandler {
	return runtime.WebSocket("Judge", func(ctx context.Context, conn *runtime.Conn[In, string]) error {
		for _, err := range conn.Messages(ctx) {
			if err != nil {
				return err
			}
			if err := conn.Send(ctx, "good"); err != nil {
				return err
			}
		}
		return nil
	})
}

// A Validate that panics is the handler's panic.
func TestWebSocketValidatePanics(t *testing.T) {
	a := serve(t, runtime.Handlers{WebSocket: judge[explosive]()})
	conn := a.connect(t)
	sendText(t, conn, `{}`)
	if got := readClose(t, conn); got.Code != websocket.CloseInternalServerErr || got.Text != "" {
		t.Errorf("closed with %d %q, want 1011 alone", got.Code, got.Text)
	}
	if err := a.stop(); err != nil {
		t.Error(err)
	}
	if record := a.logs.only(t); record["level"] != "ERROR" || record["errorMessage"] != "secret" {
		t.Errorf("logged %v, want the panic", record)
	}
}

type explosive struct{}

func (explosive) Validate() error { panic("secret") }
