package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/agentcore-go/agentcore/client"
)

func TestDirectURLs(t *testing.T) {
	s := serve(t, answerJSON(`{"status":"Healthy"}`))
	for _, test := range []struct{ base, invoke, ping string }{
		{"", "/invocations", "/ping"},
		{"/", "/invocations", "/ping"},
		{"/agents/one", "/agents/one/invocations", "/agents/one/ping"},
		{"/agents/one/", "/agents/one/invocations", "/agents/one/ping"},
		{"/a%2Fb/c%20d", "/a%2Fb/c%20d/invocations", "/a%2Fb/c%20d/ping"},
		{"/a/../b", "/b/invocations", "/b/ping"},
	} {
		c := client.New(direct(t, s.url+test.base))
		invoke(t, c)
		if got := s.last(t); got.method != "POST" || got.uri != test.invoke {
			t.Errorf("an invocation below %q is %s %s, want POST %s", test.base, got.method, got.uri, test.invoke)
		}
		if _, err := c.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.last(t); got.method != "GET" || got.uri != test.ping || got.body != "" {
			t.Errorf("a ping below %q is %s %s %q, want GET %s", test.base, got.method, got.uri, got.body, test.ping)
		}
	}
}

func TestDirectBadURL(t *testing.T) {
	for url, problem := range map[string]string{
		"":                         "write it with its scheme, as in http://localhost:8080",
		"localhost":                "write it with its scheme, as in http://localhost:8080",
		"localhost:8080":           "write it with its scheme, as in http://localhost:8080",
		"//localhost:8080":         "write it with its scheme, as in http://localhost:8080",
		"http:localhost":           "write it with its scheme, as in http://localhost:8080",
		"http://":                  "write it with its scheme, as in http://localhost:8080",
		"https:///path":            "write it with its scheme, as in http://localhost:8080",
		"ftp://localhost":          "write it with its scheme, as in http://localhost:8080",
		"127.0.0.1:8080":           "it is no URL: write one like http://localhost:8080",
		"http://localhost:port":    "it is no URL: write one like http://localhost:8080",
		"http://local host":        "it is no URL: write one like http://localhost:8080",
		"http://localhost/%zz":     "it is no URL: write one like http://localhost:8080",
		"http://localhost\n":       "it is no URL: write one like http://localhost:8080",
		"ws://localhost:8080":      "write it with http or https: WebSocket connections are made from there",
		"wss://localhost":          "write it with http or https: WebSocket connections are made from there",
		"http://localhost?a=b":     "leave out what follows the path",
		"http://localhost/?":       "leave out what follows the path",
		"http://localhost/#anchor": "leave out what follows the path",
		"http://localhost:65536":   "ports end with 65535",

		"http://localhost:99999999999999999999": "ports end with 65535",
		"http://localhost/invocations":          "leave out /invocations: it is added",
		"http://localhost/a/invocations/":       "leave out /invocations: it is added",
		"http://localhost:8080/ws":              "leave out /ws: it is added",
		"http://localhost:8080/ping":            "leave out /ping: it is added",
	} {
		transport, err := client.Direct(url)
		if transport != nil {
			t.Errorf("%q makes a transport", url)
		}
		if got, want := *as[*client.ParameterError](t, err), (client.ParameterError{Name: "base URL", Value: url, Problem: problem}); got != want {
			t.Errorf("%q: %+v, want %+v", url, got, want)
		}
		says(t, err, fmt.Sprintf("base URL %q: %s", url, problem))
	}
	_, err := client.Direct("http://me:secret@localhost?a=b")
	says(t, err, `base URL "http://me:xxxxx@localhost?a=b": leave out what follows the path`)
	_, err = client.Direct("http://me:secret@localhost/ping")
	says(t, err, `base URL "http://me:xxxxx@localhost/ping": leave out /ping: it is added`)
	direct(t, "http://localhost:65535/news")
	for _, test := range []struct {
		opt  client.TransportOption
		want string
	}{
		{client.WithQualifier("prod"), `qualifier "prod"`}, {client.WithRegion("us-west-2"), `region "us-west-2"`},
		{client.WithAccountID("111122223333"), `account id "111122223333"`}, {client.WithEndpoint("http://localhost"), `endpoint "http://localhost"`},
	} {
		_, err := client.Direct("http://localhost", test.opt)
		says(t, err, test.want+": an agent that is reached directly has none: its URL says all")
	}
}

// What an invocation is, without options.
func TestInvokeRequest(t *testing.T) {
	s := serve(t, answerJSON(`"hello"`))
	c := client.New(direct(t, s.url))
	got, err := client.Invoke[map[string]any, string](t.Context(), c, map[string]any{"prompt": "<&> é"})
	if err != nil || got != "hello" {
		t.Fatalf("%q, %v", got, err)
	}
	r := s.last(t)
	if want := `{"prompt":"<&> é"}`; r.body != want {
		t.Errorf("body %s, want %s", r.body, want)
	}
	for name, want := range map[string]string{
		"Content-Type":   "application/json",
		"Content-Length": fmt.Sprint(len(r.body)),
		"Accept":         "application/json",
		"User-Agent":     "agentcore-go",
		sessionHeader:    c.SessionID(),
		"Authorization":  "",
	} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for range client.Stream[any, any](t.Context(), c, nil) {
	}
	if got, want := s.last(t).header.Get("Accept"), "text/event-stream, application/json"; got != want {
		t.Errorf("Accept of a stream: %q, want %q", got, want)
	}
}

func TestPayloads(t *testing.T) {
	s := serve(t, answerJSON(`null`))
	c := client.New(direct(t, s.url))
	for _, test := range []struct {
		want string
		call func() error
	}{
		{`{}`, func() error {
			_, err := client.Invoke[client.None, client.None](t.Context(), c, client.None{})
			return err
		}},
		{`null`, func() error { _, err := client.Invoke[any, any](t.Context(), c, nil); return err }},
		{`"text"`, func() error { _, err := client.Invoke[string, any](t.Context(), c, "text"); return err }},
		{`"/w=="`, func() error { _, err := client.Invoke[[]byte, any](t.Context(), c, []byte{0xff}); return err }},
		{`{"a":1.0}`, func() error { _, err := client.Invoke[rawJSON, any](t.Context(), c, rawJSON(`{"a":1.0}`)); return err }},
	} {
		if err := test.call(); err != nil {
			t.Fatal(err)
		}
		if got := s.last(t).body; got != test.want {
			t.Errorf("body %s, want %s", got, test.want)
		}
	}
	before := len(s.all())
	_, err := client.Invoke[func(), any](t.Context(), c, func() {})
	says(t, err, "invoke: encode the payload: json: unsupported type: func()")
	for _, err := range client.Stream[func(), any](t.Context(), c, func() {}) {
		says(t, err, "invoke: encode the payload: json: unsupported type: func()")
	}
	if len(s.all()) != before {
		t.Error("what cannot be encoded is sent")
	}
}

func TestSession(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	transport := direct(t, s.url)
	sent := func(c *client.Client, opts ...client.Option) string {
		invoke(t, c, opts...)
		return s.last(t).header.Get(sessionHeader)
	}
	one, two := client.New(transport), client.New(transport)
	if _, err := uuid.Parse(one.SessionID()); err != nil {
		t.Errorf("session id %q: %v", one.SessionID(), err)
	}
	if one.SessionID() == two.SessionID() {
		t.Error("two clients have one session")
	}
	for range 2 {
		if got := sent(one); got != one.SessionID() {
			t.Errorf("session %q, want %q", got, one.SessionID())
		}
	}
	if got := sent(one, client.WithSession("other")); got != "other" {
		t.Errorf("session %q, want other", got)
	}
	if got := sent(one); got != one.SessionID() {
		t.Errorf("after a call in another session, session %q, want %q", got, one.SessionID())
	}
	if got := sent(client.New(transport, client.WithSession("mine"))); got != "mine" {
		t.Errorf("session %q, want mine", got)
	}
	if got := sent(one, client.PassSession()); got != one.SessionID() {
		t.Errorf("without a handler's context, PassSession makes it %q, want %q", got, one.SessionID())
	}
	if one.Transport() != transport {
		t.Error("the client has another transport")
	}
}

func TestWithHeader(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	c := client.New(direct(t, s.url), client.WithHeader("X-Api-Key", "one"), client.WithHeader("x-api-key", "two"), client.WithUserID("ada"))
	invoke(t, c, client.WithHeader("Authorization", "Basic abc"), client.WithHeader("accept", "x/y"),
		client.WithHeader("Content-Type", "text/plain"), client.WithHeader(sessionHeader, "s"), client.WithHeader("Host", "agent.example"),
		client.WithHeader("User-Agent", "mine"))
	r := s.last(t)
	for name, want := range map[string]string{
		"X-Api-Key": "two", "Authorization": "Basic abc", "Accept": "x/y", "Content-Type": "text/plain", sessionHeader: "s", "User-Agent": "mine",
		"X-Amzn-Bedrock-Agentcore-Runtime-User-Id": "ada",
	} {
		if got := r.header[name]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if r.host != "agent.example" {
		t.Errorf("host %q", r.host)
	}
	invoke(t, c)
	if r = s.last(t); r.header.Get("X-Api-Key") != "two" || r.header.Get("Authorization") != "" {
		t.Errorf("the headers of one call stay with the client: %v", r.header)
	}
	invoke(t, c, client.WithUserID("eve"), client.WithHeader("X-Api-Key", ""))
	if r = s.last(t); r.header.Get("X-Amzn-Bedrock-Agentcore-Runtime-User-Id") != "eve" || !slices.Equal(r.header["X-Api-Key"], []string{""}) {
		t.Errorf("headers %v", r.header)
	}
}

func TestWithHTTPClient(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	used := 0
	own := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		used++
		return http.DefaultTransport.RoundTrip(r)
	})}
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	invoke(t, client.New(direct(t, s.url, client.WithHTTPClient(own))))
	if used != 1 || own.CheckRedirect != nil {
		t.Errorf("the client was used %d times", used)
	}
}

func TestWithAnswerHeader(t *testing.T) {
	s := serve(t, answer(200, "application/json", `{"status":"Healthy"}`, "X-Thing", "here"))
	var header http.Header
	c := client.New(direct(t, s.url))
	for name, call := range map[string]func(client.Option) error{
		"Invoke": func(o client.Option) error { _, err := client.Invoke[any, any](t.Context(), c, nil, o); return err },
		"Ping":   func(o client.Option) error { _, err := c.Ping(t.Context(), o); return err },
		"Do": func(o client.Option) error {
			answer, err := c.Do(t.Context(), nil, o)
			if err == nil {
				answer.Body.Close()
			}
			return err
		},
		"Stream": func(o client.Option) (last error) {
			for _, last = range client.Stream[any, any](t.Context(), c, nil, o) {
				if header.Get("X-Thing") != "here" {
					t.Error("the headers are not there with the first value")
				}
			}
			return last
		},
	} {
		header = nil
		if err := call(client.WithAnswerHeader(&header)); err != nil {
			t.Fatal(err)
		}
		if got := header.Get("X-Thing"); got != "here" {
			t.Errorf("%s: header %q", name, got)
		}
	}
}

// A redirection is followed, with the body: so the Python SDK's server answers to
// a path with a slash too many.
func TestDirectRedirect(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/there" {
			http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(w, r.Body)
	})
	got, err := client.Invoke[string, string](t.Context(), client.New(direct(t, s.url)), "hello")
	if err != nil || got != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	if r := s.last(t); r.method != "POST" || r.header.Get(sessionHeader) == "" {
		t.Errorf("redirected: %+v", r)
	}
}

func TestDo(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.Copy(w, r.Body)
	})
	c := client.New(direct(t, s.url))
	for _, test := range []struct {
		body string
		opts []client.Option
		want string
	}{
		{`{"a":1}`, nil, "application/json"},
		{"a,b\n", []client.Option{client.WithHeader("Content-Type", "text/csv")}, "text/csv"},
		{"", nil, "application/json"},
	} {
		answer, err := c.Do(t.Context(), []byte(test.body), test.opts...)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || string(body) != test.body || answer.StatusCode != 202 || answer.Header.Get("Content-Type") != test.want {
			t.Errorf("%d %q (%s), %v", answer.StatusCode, body, answer.Header.Get("Content-Type"), err)
		}
		if got, want := s.last(t).header.Get("Accept"), "application/json, text/event-stream, */*"; got != want {
			t.Errorf("Accept %q, want %q", got, want)
		}
	}
}

// One client may be used by many.
func TestConcurrentCalls(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(r.Header.Get("Accept"), "event-stream") {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprintf(w, "data: %s\n\ndata: %s\n\n", body, body)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
	c := client.New(direct(t, s.url), client.WithHeader("X-Of", "client"))
	var wg sync.WaitGroup
	for i := range 40 {
		want := fmt.Sprint(i, strings.Repeat("x", i*100))
		wg.Go(func() {
			var header http.Header
			got, err := client.Invoke[string, string](t.Context(), c, want, client.WithHeader("X-Of", want[:1]), client.WithAnswerHeader(&header))
			if err != nil || got != want || header == nil {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
		})
		wg.Go(func() {
			n := 0
			for got, err := range client.Stream[string, string](t.Context(), c, want) {
				if err != nil || got != want {
					t.Errorf("%q, %v, want %q", got, err, want)
				}
				n++
			}
			if n != 2 {
				t.Errorf("%d values", n)
			}
		})
	}
	wg.Wait()
}

func TestMaxAnswer(t *testing.T) {
	const limit = 1000
	text := `"` + strings.Repeat("x", limit-2) + `"`
	for _, flush := range []bool{false, true} {
		body := text
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if flush {
				w.(http.Flusher).Flush() // so that there is no Content-Length
			}
			_, _ = io.WriteString(w, body)
		})
		c := client.New(direct(t, s.url, client.WithMaxAnswer(limit)))
		got, err := client.Invoke[any, string](t.Context(), c, nil)
		if err != nil || len(got) != limit-2 {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		const want = "invoke: the answer is longer than 1000 bytes: raise the limit with WithMaxAnswer, or let the agent stream"
		body += " "
		_, err = client.Invoke[any, string](t.Context(), c, nil)
		says(t, err, want)
		for _, err := range client.Stream[any, string](t.Context(), c, nil) {
			says(t, err, want)
		}
		for _, none := range []int64{0, -1, 1<<63 - 1} {
			c := client.New(direct(t, s.url, client.WithMaxAnswer(none)))
			if got, err := client.Invoke[any, string](t.Context(), c, nil); err != nil || len(got) != limit-2 {
				t.Errorf("with the limit %d: %d bytes, %v", none, len(got), err)
			}
		}
	}
}

func TestAnswers(t *testing.T) {
	type thing struct {
		Name  string
		Count int
	}
	for name, test := range map[string]struct {
		content, body string
		want          any
	}{
		"struct":                      {"application/json", `{"name":"a","count":2}`, thing{"a", 2}},
		"with a charset":              {"Application/JSON ; charset=utf-8", ` {"name":"a"} `, thing{"a", 0}},
		"text that is JSON":           {"text/plain", `{"name":"a"}`, thing{"a", 0}},
		"no content type":             {"", `{"name":"a"}`, thing{"a", 0}},
		"nothing":                     {"", ``, thing{}},
		"null":                        {"application/json", `null`, thing{}},
		"a string":                    {"application/json", ` "a\n" `, "a\n"},
		"a string of null":            {"application/json", `null`, ""},
		"plain text":                  {"text/plain; charset=utf-8", `"a"`, `"a"`},
		"text without a type":         {"", `a "b"`, `a "b"`},
		"no string":                   {"", "", ""},
		"plain text as anything":      {"text/plain", `hello`, anything{"hello"}},
		"a number as anything":        {"application/json", `12345678901234567890.5`, anything{json.Number("12345678901234567890.5")}},
		"plain text as raw JSON":      {"text/plain", `hello "you"`, rawJSON(`"hello \"you\""`)},
		"bytes":                       {"application/json", `"/w=="`, []byte{0xff}},
		"bytes as they are":           {"application/octet-stream", "\xff", []byte{0xff}},
		"nothing where nothing is":    {"application/json", `{"a":1}`, client.None{}},
		"what is no JSON, as nothing": {"text/html", `<p>`, client.None{}},
	} {
		t.Run(name, func(t *testing.T) {
			c := client.New(direct(t, serve(t, answer(200, test.content, test.body)).url))
			switch want := test.want.(type) {
			case thing:
				answers(t, c, want)
			case string:
				answers(t, c, want)
			case rawJSON:
				answers(t, c, want)
			case []byte:
				answers(t, c, want)
			case client.None:
				answers(t, c, want)
			case anything:
				answers(t, c, want.value)
			}
		})
	}
}

// anything is what is read without a type of its own.
type anything struct{ value any }

// answers tests what both ways to call an agent that answers once return.
func answers[Out any](t *testing.T, c *client.Client, want Out) {
	t.Helper()
	got, err := client.Invoke[any, Out](t.Context(), c, nil)
	if err != nil || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
		t.Errorf("Invoke: %#v, %v, want %#v", got, err, want)
	}
	n := 0
	for got, err := range client.Stream[any, Out](t.Context(), c, nil) {
		n++
		if err != nil || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
			t.Errorf("Stream: %#v, %v, want %#v", got, err, want)
		}
	}
	if n != 1 {
		t.Errorf("Stream: %d values, want 1", n)
	}
}

func TestDecodeError(t *testing.T) {
	for name, test := range map[string]struct{ body, want string }{
		"another type": {`{"Count":"x"}`, `invoke: the answer "{\"Count\":\"x\"}" (application/json) does not fit struct { Count int }: json: cannot unmarshal string into Go struct field `},
		"no JSON":      {`hello`, `invoke: the answer "hello" (application/json) does not fit struct { Count int }: invalid character 'h' looking for beginning of value`},
		"two values":   {`{} {}`, `invoke: the answer "{} {}" (application/json) does not fit struct { Count int }: invalid character '{' after top-level value`},
		"cut off":      {`{"Count":`, `invoke: the answer "{\"Count\":" (application/json) does not fit struct { Count int }: unexpected end of JSON input`},
	} {
		t.Run(name, func(t *testing.T) {
			c := client.New(direct(t, serve(t, answerJSON(test.body)).url))
			got, err := client.Invoke[any, struct{ Count int }](t.Context(), c, nil)
			e := as[*client.DecodeError](t, err)
			if string(e.Data) != test.body || e.Unwrap() != e.Err || !strings.HasPrefix(err.Error(), test.want) || got.Count != 0 {
				t.Errorf("%+v, %v (%q), want %s", got, err, e.Data, test.want)
			}
		})
	}
	// An agent that says JSON and sends an object has not sent a string.
	c := client.New(direct(t, serve(t, answerJSON(`{"a":1}`)).url))
	_, err := client.Invoke[any, string](t.Context(), c, nil)
	says(t, as[*client.DecodeError](t, err), `invoke: the answer "{\"a\":1}" (application/json) does not fit string: json: cannot unmarshal object into Go value of type string`)
}

// The end of a context, with its cause, ends a call that gets no answer, and one
// that has got a part of it.
func TestContextEnds(t *testing.T) {
	hurry := errors.New("hurry")
	for _, begun := range []bool{false, true} {
		arrived := make(chan struct{}, 1)
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if begun {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"a":`)
				w.(http.Flusher).Flush()
			}
			arrived <- struct{}{}
			<-r.Context().Done()
		})
		c := client.New(direct(t, s.url))
		for name, call := range map[string]func(context.Context) error{
			"Invoke": func(ctx context.Context) error { _, err := client.Invoke[any, any](ctx, c, nil); return err },
			"Stream": func(ctx context.Context) (last error) {
				for _, last = range client.Stream[any, any](ctx, c, nil) {
				}
				return last
			},
			"Ping": func(ctx context.Context) error { _, err := c.Ping(ctx); return err },
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				<-arrived
				cancel(hurry)
			}()
			if err := call(ctx); err != hurry {
				t.Errorf("%s, with an answer that has begun: %t: %v", name, begun, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client.Invoke[any, any](ctx, client.New(direct(t, "http://127.0.0.1:1")), nil)
	if err != context.Canceled {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// An answer that ends too early is no answer.
func TestAnswerCutOff(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(bytes.Repeat([]byte(" "), 100))
		_, _ = io.WriteString(w, `{}`) // all of it, as far as JSON is concerned
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	c := client.New(direct(t, s.url))
	_, err := client.Invoke[any, any](t.Context(), c, nil)
	says(t, err, "invoke: the answer was cut off: unexpected EOF")
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v is not io.ErrUnexpectedEOF", err)
	}
	for _, err := range client.Stream[any, any](t.Context(), c, nil) {
		says(t, err, "invoke: the answer was cut off: unexpected EOF")
	}
	_, err = c.Ping(t.Context())
	says(t, err, "ping: the answer was cut off: unexpected EOF")
}
