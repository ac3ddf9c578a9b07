package dataplane_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/internal/dataplane"
)

func TestHeadersForTheAgent(t *testing.T) {
	always := []string{
		"Content-Type", "application/json", "Accept", "text/event-stream", "Baggage", "a=1", "Traceparent", "00-1-2-03", "Tracestate", "a=b",
		"X-Amzn-Trace-Id", "Root=1", "Mcp-Session-Id", "m", "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Tenant", "acme", headerSession, session,
	}
	never := []string{
		"X-Api-Key", "key", "Cookie", "a=b", "User-Agent", "test", "X-Amz-Target", "x", "X-Amz-Bedrock-Agentcore-Identity-Wat", "forged", "Workloadaccesstoken", "forged",
		"X-Amzn-Bedrock-Agentcore-Runtime-User-Id", "ada", headerRequest, "forged", "X-Forwarded-For", "10.0.0.1",
	}
	reaches := func(pairs ...string) map[string]string {
		m := map[string]string{"Content-Length": "2"}
		for i := 0; i < len(pairs); i += 2 {
			m[http.CanonicalHeaderKey(pairs[i])] = pairs[i+1]
		}
		return m
	}
	tests := []struct {
		name  string
		agent dataplane.Agent
		want  map[string]string
	}{
		{"no configuration", dataplane.Agent{}, reaches(always...)},
		{"allowed", dataplane.Agent{AllowedHeaders: []string{"x-api-key", "Authorization", "X-Amz-Target"}}, reaches(append(always, "X-Api-Key", "key")...)},
		{"workload token", dataplane.Agent{WorkloadToken: func(user string) string { return "token of " + user }},
			reaches(append(always, "X-Amz-Bedrock-Agentcore-Identity-Wat", "token of ada", "Workloadaccesstoken", "token of ada")...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.agent.Handler = echo
			answer := send(t, newFront(t, tt.agent), "POST", below+"/invocations", "{}", append(slices.Clone(always), never...)...)
			got := seenIn(t, answer)
			if id := got.Header[headerRequest]; id == "" || id != answer.Header.Get("X-Amzn-Requestid") {
				t.Errorf("the agent's request id is %q, the caller's %q", id, answer.Header.Get("X-Amzn-Requestid"))
			}
			delete(got.Header, headerRequest)
			if !maps.Equal(got.Header, tt.want) {
				t.Errorf("the agent got  %q\nwant           %q", got.Header, tt.want)
			}
			if got.Method != "POST" || got.URI != "/invocations" || got.Body != "{}" {
				t.Errorf("the agent got %s %s %s", got.Method, got.URI, got.Body)
			}
		})
	}
}

func TestPathsOfTheAgent(t *testing.T) {
	tests := []struct{ protocol, method, target, want string }{
		{"", "POST", "/invocations", "/invocations"},
		{"HTTP", "POST", "/invocations?qualifier=DEFAULT", "/invocations"},
		{"AGUI", "POST", "/invocations", "/invocations"},
		{"MCP", "POST", "/invocations", "/mcp"},
		{"A2A", "POST", "/invocations", "/"},
		{"A2A", "GET", "/invocations/.well-known/agent-card.json", "/.well-known/agent-card.json"},
		{"", "GET", "/ws?qualifier=DEFAULT&room=1&X-Amzn-Bedrock-AgentCore-Runtime-Custom-A=b", "/ws?room=1"},
	}
	for _, tt := range tests {
		got := seenIn(t, send(t, newFront(t, dataplane.Agent{Handler: echo, Protocol: tt.protocol}), tt.method, below+tt.target, ""))
		if got.Method != tt.method || got.URI != tt.want {
			t.Errorf("%s: %s: the agent got %s %s, want %s", tt.protocol, tt.target, got.Method, got.URI, tt.want)
		}
		if custom := got.Header["X-Amzn-Bedrock-Agentcore-Runtime-Custom-A"]; strings.Contains(tt.target, "Custom") && custom != "b" {
			t.Errorf("%s: the custom header is %q", tt.target, custom)
		}
	}
}

func TestAgentAtURL(t *testing.T) {
	server := httptest.NewServer(http.StripPrefix("/agent", echo))
	defer server.Close()
	got := seenIn(t, send(t, newFront(t, dataplane.Agent{URL: server.URL + "/agent"}), "POST", below+"/invocations", "1"))
	if got.URI != "/invocations" || got.Body != "1" {
		t.Errorf("the agent got %+v", got)
	}
}

func TestRefused(t *testing.T) {
	fails := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "the agent's own words", status) })
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	listener.Close()
	long := func(n int) string { return strings.Repeat("x", n) }
	runs := dataplane.Agent{Handler: echo, Command: dataplane.RunShell}
	invalid := func(message string) refusal { return refusal{400, "ValidationException", message} }
	tests := []struct {
		name                 string
		agent                dataplane.Agent
		method, target, body string
		header               []string
		want                 refusal
	}{
		{"other path", dataplane.Agent{}, "POST", "/ping", "", nil, refusal{404, "UnknownOperationException", "there is no such operation"}},
		{"other operation", dataplane.Agent{}, "POST", below + "/ping", "", nil, refusal{404, "UnknownOperationException", "there is no such operation"}},
		{"slash not encoded", dataplane.Agent{}, "POST", strings.ReplaceAll(below, "%2F", "/") + "/invocations", "", nil, refusal{404, "UnknownOperationException", "there is no such operation"}},
		{"other method", dataplane.Agent{}, "GET", below + "/invocations", "", nil, refusal{404, "UnknownOperationException", "there is no such operation"}},
		{"other runtime", dataplane.Agent{}, "POST", below + "0/invocations", "", nil, refusal{404, "ResourceNotFoundException", "No runtime found with ARN " + arn + "0"}},
		{"id without account", dataplane.Agent{}, "POST", "/runtimes/my_agent-abcde12345/invocations", "", nil, refusal{404, "ResourceNotFoundException", "No runtime found with ARN my_agent-abcde12345"}},
		{"id with other account", dataplane.Agent{}, "POST", "/runtimes/my_agent-abcde12345/invocations?accountId=210987654321", "", nil, refusal{404, "ResourceNotFoundException", "No runtime found with ARN my_agent-abcde12345"}},
		{"other endpoint", dataplane.Agent{Endpoints: []string{"prod"}}, "POST", below + "/invocations?qualifier=dev", "", nil,
			refusal{404, "ResourceNotFoundException", "No endpoint or agent found with qualifier 'dev' for agent '" + arn + "'"}},
		{"empty session", dataplane.Agent{}, "POST", below + "/invocations", "", []string{headerSession, ""}, invalid("runtimeSessionId: Member must have length greater than or equal to 33")},
		{"short session", dataplane.Agent{}, "POST", below + "/invocations", "", []string{headerSession, long(32)}, invalid("runtimeSessionId: Member must have length greater than or equal to 33")},
		{"long session", dataplane.Agent{}, "POST", below + "/invocations", "", []string{headerSession, long(257)}, invalid("runtimeSessionId: Member must have length less than or equal to 256")},
		{"short session in the query", dataplane.Agent{}, "GET", below + "/ws?x-amzn-bedrock-agentcore-runtime-session-id=short", "", nil, invalid("runtimeSessionId: Member must have length greater than or equal to 33")},
		{"long baggage", dataplane.Agent{}, "POST", below + "/invocations", "", []string{"Baggage", long(8193)}, invalid("Baggage: Member must have length less than or equal to 8192")},
		{"long accept", dataplane.Agent{}, "POST", below + "/invocations", "", []string{"Accept", long(257)}, invalid("Accept: Member must have length less than or equal to 256")},
		{"long trace", dataplane.Agent{}, "POST", below + "/invocations", "", []string{"Traceparent", long(129)}, invalid("Traceparent: Member must have length less than or equal to 128")},
		{"agent fails", dataplane.Agent{Handler: fails(500)}, "POST", below + "/invocations", "", nil, refusal{424, "RuntimeClientError", "Received error (500) from runtime. Please check your CloudWatch logs for more information."}},
		{"agent refuses", dataplane.Agent{Handler: fails(400)}, "POST", below + "/invocations", "", nil, refusal{424, "RuntimeClientError", "Received error (400) from runtime. Please check your CloudWatch logs for more information."}},
		{"no card", dataplane.Agent{Handler: fails(404)}, "GET", below + "/invocations/.well-known/agent-card.json", "", nil, refusal{424, "RuntimeClientError", "Received error (404) from runtime. Please check your CloudWatch logs for more information."}},
		{"no agent", dataplane.Agent{URL: "http://" + nobody}, "POST", below + "/invocations", "", nil, refusal{424, "RuntimeClientError", "The runtime could not be reached: dial tcp " + nobody + ": connect: connection refused"}},
		{"stop without session", dataplane.Agent{}, "POST", below + "/stopruntimesession", "{}", nil, invalid("runtimeSessionId: Member must not be null")},
		{"stop another session", dataplane.Agent{}, "POST", below + "/stopruntimesession", "{}", []string{headerSession, session}, refusal{404, "ResourceNotFoundException", "No active session found with id " + session}},
		{"no commands", dataplane.Agent{}, "POST", below + "/commands", `{"command":"ls"}`, nil, refusal{424, "RuntimeClientError", "the runtime runs no commands"}},
		{"command is no JSON", runs, "POST", below + "/commands", `ls`, nil, refusal{400, "SerializationException", "invalid character 'l' looking for beginning of value"}},
		{"without command", runs, "POST", below + "/commands", `{}`, nil, invalid("body.command: Member must not be null")},
		{"empty command", runs, "POST", below + "/commands", `{"command":""}`, nil, invalid("body.command: Member must have length between 1 and 65536")},
		{"long command", runs, "POST", below + "/commands", `{"command":"` + long(65537) + `"}`, nil, invalid("body.command: Member must have length between 1 and 65536")},
		{"no time", runs, "POST", below + "/commands", `{"command":"ls","timeout":0}`, nil, invalid("body.timeout: Member must be between 1 and 3600")},
		{"too much time", runs, "POST", below + "/commands", `{"command":"ls","timeout":3601}`, nil, invalid("body.timeout: Member must be between 1 and 3600")},
		{"no shells", dataplane.Agent{}, "GET", below + "/ws/shells", "", nil, refusal{424, "RuntimeClientError", "the runtime has no shells"}},
		{"signature for bearer tokens", dataplane.Agent{BearerToken: func(string) error { return nil }}, "POST", below + "/invocations", "", nil,
			refusal{403, "AccessDeniedException", "Authorization method mismatch. The agent is configured for a different authorization method than what was used in your request."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.agent.Handler == nil && tt.agent.URL == "" {
				tt.agent.Handler = echo
			}
			if got := refusalOf(t, send(t, newFront(t, tt.agent), tt.method, tt.target, tt.body, tt.header...)); got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestFieldsOfValidation(t *testing.T) {
	answer := send(t, newFront(t, dataplane.Agent{Handler: echo}), "POST", below+"/invocations", "", headerSession, "short")
	body, err := io.ReadAll(answer.Body)
	const message = "runtimeSessionId: Member must have length greater than or equal to 33"
	if want := `{"message":"` + message + `","reason":"FieldValidationFailed","fieldList":[{"name":"runtimeSessionId","message":"` + message + `"}]}`; string(body) != want || err != nil {
		t.Errorf("body = %s, %v\nwant   %s", body, err, want)
	}
}

func TestRefuse(t *testing.T) {
	var asked []string
	f := newFront(t, dataplane.Agent{Handler: echo}, func(c *dataplane.Config) {
		c.Refuse = func(operation string, _ *http.Request) *dataplane.Error {
			asked = append(asked, operation)
			return &dataplane.Error{Status: 429, Code: "ThrottlingException", Message: "Rate exceeded", RetryAfter: 2 * time.Second}
		}
	})
	answer := send(t, f, "POST", below+"/invocations", "")
	if got, want := refusalOf(t, answer), (refusal{429, "ThrottlingException", "Rate exceeded"}); got != want || answer.Header.Get("Retry-After") != "2" {
		t.Errorf("got %+v and Retry-After %s, want %+v", got, answer.Header.Get("Retry-After"), want)
	}
	serve(f, newRequest(t, "POST", below+"/invocations", "")) // nobody's
	if want := []string{"InvokeAgentRuntime"}; !slices.Equal(asked, want) {
		t.Errorf("asked about %q, want %q", asked, want)
	}
}

func TestRuntimeByID(t *testing.T) {
	f := newFront(t, dataplane.Agent{Handler: echo, Endpoints: []string{"prod"}})
	got := seenIn(t, send(t, f, "POST", "/runtimes/my_agent-abcde12345/invocations?accountId=123456789012&qualifier=prod", ""))
	if got.URI != "/invocations" {
		t.Errorf("the agent got %s", got.URI)
	}
}

func TestSessions(t *testing.T) {
	f := newFront(t, dataplane.Agent{Handler: echo})
	longest := strings.Repeat("x", 256)
	made := send(t, f, "POST", below+"/invocations", "")
	for _, id := range []string{session, longest, longest[:33]} {
		answer := send(t, f, "POST", below+"/invocations", "", headerSession, id)
		if got := seenIn(t, answer).Header[headerSession]; got != id || answer.Header.Get(headerSession) != id {
			t.Errorf("the agent's session is %q, the caller's %q, want %q", got, answer.Header.Get(headerSession), id)
		}
	}
	id := made.Header.Get(headerSession)
	if got := seenIn(t, made).Header[headerSession]; len(got) < 33 || got != id {
		t.Errorf("without a session, the agent's is %q, and the caller's %q", got, id)
	}
	want := []string{session, longest, longest[:33], id}
	slices.Sort(want)
	if got := f.Sessions(arn); !slices.Equal(got, want) {
		t.Errorf("Sessions() = %q, want %q", got, want)
	}
}

func TestBearer(t *testing.T) {
	agent := dataplane.Agent{Handler: echo, BearerToken: func(token string) error {
		if token != "good" {
			return errors.New("the token is bad")
		}
		return nil
	}}
	forwarding := agent
	forwarding.AllowedHeaders = []string{"authorization"}
	encoded := func(token string) string {
		return "chat, base64UrlBearerAuthorization." + base64.RawURLEncoding.EncodeToString([]byte(token)) + ", base64UrlBearerAuthorization"
	}
	bad := refusal{401, "UnauthorizedException", "the token is bad"}
	tests := []struct {
		name          string
		agent         dataplane.Agent
		header        []string
		want          refusal
		wantForwarded string
	}{
		{"header", agent, []string{"Authorization", "Bearer good"}, refusal{status: 200}, ""},
		{"forwarded", forwarding, []string{"Authorization", "bearer good"}, refusal{status: 200}, "bearer good"},
		{"subprotocol", forwarding, []string{"Sec-WebSocket-Protocol", encoded("good")}, refusal{status: 200}, ""},
		{"bad", agent, []string{"Authorization", "Bearer bad"}, bad, ""},
		{"bad subprotocol", agent, []string{"Sec-WebSocket-Protocol", encoded("bad")}, bad, ""},
		{"broken subprotocol", agent, []string{"Sec-WebSocket-Protocol", "base64UrlBearerAuthorization.!"}, bad, ""},
		{"long subprotocol", agent, []string{"Sec-WebSocket-Protocol", encoded(strings.Repeat("x", 4096))}, bad, ""},
		{"none", agent, nil, refusal{403, "MissingAuthenticationTokenException", "Missing Authentication Token"}, ""},
		{"for signatures", dataplane.Agent{Handler: echo}, []string{"Authorization", "Bearer good"},
			refusal{403, "AccessDeniedException", "Authorization method mismatch. The agent is configured for a different authorization method than what was used in your request."}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer := serve(newFront(t, tt.agent), newRequest(t, "GET", below+"/ws", "", tt.header...))
			if tt.want.status != 200 {
				if got := refusalOf(t, answer); got != tt.want {
					t.Errorf("got  %+v\nwant %+v", got, tt.want)
				}
				if got := answer.Header.Get("Www-Authenticate") == "Bearer"; got != (tt.want.status == 401) {
					t.Errorf("there is a challenge: %t", got)
				}
				return
			}
			got := seenIn(t, answer)
			if got.Header["Authorization"] != tt.wantForwarded {
				t.Errorf("the agent got Authorization %q, want %q", got.Header["Authorization"], tt.wantForwarded)
			}
			if offered := got.Header["Sec-Websocket-Protocol"]; tt.name == "subprotocol" && offered != "chat" {
				t.Errorf("the agent is offered %q", offered)
			}
		})
	}
}

// listen lets a front listen, with the clock of this machine.
func listen(t *testing.T, agent dataplane.Agent) (f *dataplane.Front, url string) {
	t.Helper()
	f = newFront(t, agent, func(c *dataplane.Config) { c.Now = time.Now })
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return f, server.URL
}

// signNow returns a signed request to a front that listens.
func signNow(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(headerSession, session)
	if err := v4.NewSigner().SignHTTP(t.Context(), keys, r, hashOf(body), "bedrock-agentcore", "us-west-2", time.Now()); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestStreamsAsItComes(t *testing.T) {
	arrived := make(chan struct{})
	_, url := listen(t, dataplane.Agent{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "one")
		_ = http.NewResponseController(w).Flush()
		<-arrived
		_, _ = io.WriteString(w, "two")
	})})
	answer, err := http.DefaultClient.Do(signNow(t, "POST", url+below+"/invocations", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	begin := make([]byte, 3)
	_, err = io.ReadFull(answer.Body, begin)
	close(arrived)
	rest, restErr := io.ReadAll(answer.Body)
	if got := string(begin) + string(rest); got != "onetwo" || err != nil || restErr != nil {
		t.Errorf("answer = %q, %v, %v", got, err, restErr)
	}
}

func TestCallerLeaves(t *testing.T) {
	ended := make(chan error, 1)
	_, url := listen(t, dataplane.Agent{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		ended <- r.Context().Err()
	})})
	answer, err := http.DefaultClient.Do(signNow(t, "POST", url+below+"/invocations", ""))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if err := <-ended; err != context.Canceled {
		t.Errorf("the agent's context ended with %v", err)
	}
}

func TestStopEndsWhatRuns(t *testing.T) {
	stopped := make(chan string, 1)
	begun := make(chan struct{})
	f, url := listen(t, dataplane.Agent{Stopped: func(id string) { stopped <- id }, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	})})
	answered := make(chan refusal, 1)
	request := signNow(t, "POST", url+below+"/invocations", "")
	go func() {
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			answered <- refusal{message: err.Error()}
			return
		}
		defer answer.Body.Close()
		answered <- refusalOf(t, answer)
	}()
	<-begun
	answer, err := http.DefaultClient.Do(signNow(t, "POST", url+below+"/stopruntimesession", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if answer.StatusCode != 200 || string(body) != "{}" || answer.Header.Get(headerSession) != session {
		t.Errorf("stop: %s %s %q", answer.Status, body, answer.Header)
	}
	if got := <-stopped; got != session {
		t.Errorf("stopped %s", got)
	}
	if got, want := <-answered, (refusal{424, "RuntimeClientError", "The runtime could not be reached: the session was stopped"}); got != want {
		t.Errorf("the invocation got %+v, want %+v", got, want)
	}
	if ids := f.Sessions(arn); len(ids) > 0 {
		t.Errorf("Sessions() = %q", ids)
	}
}

// talker is an agent that echoes WebSocket messages, after the headers of the
// handshake that the test is about.
var talker = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{Subprotocols: []string{"chat"}}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.WriteMessage(websocket.TextMessage, []byte(r.URL.RequestURI()+" "+r.Header.Get(headerSession)))
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, data) != nil {
			return
		}
	}
})

func TestWebSocket(t *testing.T) {
	bearer := func(token string) error {
		if token != "good" {
			return errors.New("the token is bad")
		}
		return nil
	}
	signed := func(t *testing.T, url string) (string, http.Header) {
		r := signNow(t, "GET", url+below+"/ws?qualifier=DEFAULT&room=1", "")
		return r.URL.String(), r.Header
	}
	presigned := func(t *testing.T, url string) (string, http.Header) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", url+below+"/ws?room=1&X-Amz-Expires=300&X-Amzn-Bedrock-AgentCore-Runtime-Session-Id="+session, nil)
		if err != nil {
			t.Fatal(err)
		}
		uri, _, err := v4.NewSigner().PresignHTTP(t.Context(), keys, r, hashOf(""), "bedrock-agentcore", "us-west-2", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return uri, nil
	}
	subprotocol := func(more string) func(t *testing.T, url string) (string, http.Header) {
		return func(t *testing.T, url string) (string, http.Header) {
			return url + below + "/ws?room=1&X-Amzn-Bedrock-AgentCore-Runtime-Session-Id=" + session,
				http.Header{"Sec-Websocket-Protocol": {more + "base64UrlBearerAuthorization." + base64.RawURLEncoding.EncodeToString([]byte("good")) + ", base64UrlBearerAuthorization"}}
		}
	}
	tests := []struct {
		name         string
		request      func(t *testing.T, url string) (string, http.Header)
		bearer       func(string) error
		wantProtocol string
	}{
		{"signed", signed, nil, ""},
		{"presigned", presigned, nil, ""},
		{"subprotocol", subprotocol(""), bearer, "base64UrlBearerAuthorization"},
		{"subprotocol of the agent's, too", subprotocol("chat, "), bearer, "chat"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, url := listen(t, dataplane.Agent{Handler: talker, BearerToken: tt.bearer})
			to, header := tt.request(t, url)
			conn, answer, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(to, "http"), header)
			if err != nil {
				t.Fatalf("%v: %+v", err, refusalOf(t, answer))
			}
			defer conn.Close()
			if answer.Header.Get(headerSession) != session || answer.Header.Get("X-Amzn-Requestid") == "" || answer.Header.Get("Sec-Websocket-Protocol") != tt.wantProtocol {
				t.Errorf("headers of the handshake: %q", answer.Header)
			}
			if _, got, err := conn.ReadMessage(); string(got) != "/ws?room=1 "+session || err != nil {
				t.Errorf("the agent got %q, %v", got, err)
			}
			if err := conn.WriteMessage(websocket.BinaryMessage, []byte{1, 2}); err != nil {
				t.Fatal(err)
			}
			if kind, got, err := conn.ReadMessage(); kind != websocket.BinaryMessage || !reflect.DeepEqual(got, []byte{1, 2}) || err != nil {
				t.Errorf("message = %d %v, %v", kind, got, err)
			}
		})
	}
}

func TestStopEndsConnections(t *testing.T) {
	_, url := listen(t, dataplane.Agent{Handler: talker})
	r := signNow(t, "GET", url+below+"/ws", "")
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(r.URL.String(), "http"), r.Header)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, _, err := conn.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(signNow(t, "POST", url+below+"/stopruntimesession", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseAbnormalClosure) {
		t.Errorf("the connection ended with %v", err)
	}
}

func TestShell(t *testing.T) {
	f := newFront(t, dataplane.Agent{Handler: http.NotFoundHandler(), Shell: echo})
	got := seenIn(t, send(t, f, "GET", below+"/ws/shells?shellId=a", ""))
	if len(got.Header[headerSession]) < 33 || !strings.HasSuffix(got.URI, "/ws/shells?shellId=a") {
		t.Errorf("the shell got %+v", got)
	}
}

func TestRunShell(t *testing.T) {
	var stdout, stderr strings.Builder
	code, err := dataplane.RunShell(t.Context(), dataplane.Command{Line: "printf out; printf err >&2; exit 3"}, &stdout, &stderr)
	if code != 3 || err != nil || stdout.String() != "out" || stderr.String() != "err" {
		t.Errorf("RunShell() = %d, %v, with %q and %q", code, err, &stdout, &stderr)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if code, err := dataplane.RunShell(ended, dataplane.Command{Line: "exit 3"}, nil, nil); code != -1 || !errors.Is(err, context.Canceled) {
		t.Errorf("when nobody waits: RunShell() = %d, %v", code, err)
	}
}

func TestDeploy(t *testing.T) {
	tests := []struct {
		name  string
		arn   string
		agent dataplane.Agent
		want  string // "" for no error
	}{
		{"another runtime", arn + "0", dataplane.Agent{Handler: echo}, ""},
		{"other region", strings.Replace(arn, "us-west-2", "us-east-1", 1), dataplane.Agent{Handler: echo},
			"deploy arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/my_agent-abcde12345: write an ARN of the region, like arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/ID"},
		{"no ARN", "agent", dataplane.Agent{Handler: echo}, "deploy agent: write an ARN of the region, like arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/ID"},
		{"other protocol", arn, dataplane.Agent{Handler: echo, Protocol: "SMTP"}, "deploy " + arn + ": there is no protocol SMTP"},
		{"no agent", arn, dataplane.Agent{}, "deploy " + arn + ": give the agent as either a Handler or a URL"},
		{"two agents", arn, dataplane.Agent{Handler: echo, URL: "http://127.0.0.1"}, "deploy " + arn + ": give the agent as either a Handler or a URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := newFront(t, dataplane.Agent{Handler: echo}).Deploy(tt.arn, tt.agent)
			if got := errorText(err); got != tt.want {
				t.Errorf("Deploy() = %q, want %q", got, tt.want)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestRedeploy(t *testing.T) {
	f := newFront(t, dataplane.Agent{Handler: http.NotFoundHandler()})
	send(t, f, "POST", below+"/invocations", "", headerSession, session)
	if err := f.Deploy(arn, dataplane.Agent{Handler: echo}); err != nil {
		t.Fatal(err)
	}
	if ids := f.Sessions(arn); len(ids) > 0 {
		t.Errorf("the new one has the sessions %q", ids)
	}
	seenIn(t, send(t, f, "POST", below+"/invocations", ""))
	f.Remove(arn)
	if got := refusalOf(t, send(t, f, "POST", below+"/invocations", "")); got.status != 404 {
		t.Errorf("removed: %+v", got)
	}
	if ids := f.Sessions(arn); ids != nil {
		t.Errorf("Sessions() = %q", ids)
	}
}

func TestDefaults(t *testing.T) {
	f := dataplane.New(dataplane.Config{Credentials: []aws.Credentials{keys}})
	defer f.Close()
	if err := f.Deploy(arn, dataplane.Agent{Handler: echo}); err != nil {
		t.Fatal(err)
	}
	r := newRequest(t, "POST", below+"/invocations", "")
	if err := v4.NewSigner().SignHTTP(t.Context(), keys, r, hashOf(""), "bedrock-agentcore", "us-west-2", time.Now()); err != nil {
		t.Fatal(err)
	}
	seenIn(t, serve(f, r))
}
