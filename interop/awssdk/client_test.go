package awssdk_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/internal/dataplane"
	"github.com/agentcore-go/agentcore/runtime"
)

// talking is an agent that answers each text with one in which the session is.
func talking() http.Handler {
	return runtime.NewServer(runtime.Handlers{
		WebSocket: runtime.WebSocket[string, string]("Talk", func(ctx context.Context, conn *runtime.Conn[string, string]) error {
			for text, err := range conn.Messages(ctx) {
				if err != nil {
					return err
				}
				if err := conn.Send(ctx, text+" in "+runtime.SessionID(ctx)); err != nil {
					return err
				}
			}
			return nil
		}),
	})
}

// tokens is an identity provider, whose newest token is the good one.
type tokens struct {
	mu     sync.Mutex
	issued int
}

// issue is a [client.TokenSource].
func (s *tokens) issue(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued++
	return fmt.Sprintf("token %d", s.issued), nil
}

func (s *tokens) check(token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token != fmt.Sprintf("token %d", s.issued) {
		return errors.New("the token has expired")
	}
	return nil
}

func (p *place) oursWithToken(t *testing.T, source client.TokenSource) *client.Client {
	t.Helper()
	transport, err := client.AgentCoreOAuth(source, arn, client.WithEndpoint(p.url), client.WithHTTPClient(p.http))
	if err != nil {
		t.Fatal(err)
	}
	return client.New(transport, client.WithSession(session))
}

func TestClientStreams(t *testing.T) {
	p := newPlace(t)
	arrived := make(chan struct{})
	p.deploy(t, arn, dataplane.Agent{Handler: streaming(arrived)})
	var got []string
	for value, err := range client.Stream[question, answer](t.Context(), p.ours(t, arn), question{"hi"}) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, value.Text); len(got) == 1 {
			close(arrived)
		}
	}
	if want := []string{"hi", "and on"}; !slices.Equal(got, want) {
		t.Errorf("values = %q, want %q", got, want)
	}
}

func TestClientLeavesStream(t *testing.T) {
	p := newPlace(t)
	ended := make(chan struct{})
	p.deploy(t, arn, dataplane.Agent{Handler: runtime.NewServer(runtime.Handlers{
		Invoke: runtime.Stream("Answer", func(ctx context.Context, _ question) iter.Seq2[answer, error] {
			return func(yield func(answer, error) bool) {
				defer close(ended)
				if yield(answer{Text: "one"}, nil) {
					<-ctx.Done()
				}
			}
		}),
	})})
	for _, err := range client.Stream[question, answer](t.Context(), p.ours(t, arn), question{}) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	<-ended
}

func TestClientStopsSession(t *testing.T) {
	p := newPlace(t)
	p.deploy(t, arn, dataplane.Agent{Handler: once()})
	c := p.ours(t, arn)
	if e, ok := errors.AsType[*client.Error](c.StopSession(t.Context())); !ok || e.StatusCode != 404 || e.Code != "ResourceNotFoundException" {
		t.Errorf("of a session that has not begun: %v", e)
	}
	if _, err := client.Invoke[question, answer](t.Context(), c, question{}); err != nil {
		t.Fatal(err)
	}
	if err := c.StopSession(t.Context()); err != nil {
		t.Error(err)
	}
	if ids := p.front.Sessions(arn); len(ids) > 0 {
		t.Errorf("there still are %q", ids)
	}
}

func TestClientConnects(t *testing.T) {
	issuer := new(tokens)
	tests := []struct {
		name   string
		agent  dataplane.Agent
		client func(*testing.T, *place) *client.Client
	}{
		{"signed", dataplane.Agent{}, func(t *testing.T, p *place) *client.Client { return p.ours(t, arn) }},
		{"bearer token", dataplane.Agent{BearerToken: issuer.check}, func(t *testing.T, p *place) *client.Client { return p.oursWithToken(t, issuer.issue) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t)
			tt.agent.Handler = talking()
			p.deploy(t, arn, tt.agent)
			conn, err := client.Connect[string, string](t.Context(), tt.client(t, p))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.Send(t.Context(), "hi"); err != nil {
				t.Fatal(err)
			}
			if got, err := conn.Receive(t.Context()); got != "hi in "+session || err != nil || conn.SessionID() != session {
				t.Errorf("received %q, %v, in session %s", got, err, conn.SessionID())
			}
		})
	}
}

// What other programs are given opens a connection, too.
func TestCredentialsForOthers(t *testing.T) {
	issuer := new(tokens)
	headers := func(ctx context.Context, c *client.Client) (string, http.Header, []string, error) {
		url, header, err := c.WebSocketHeaders(ctx)
		for _, name := range []string{"Upgrade", "Connection", "Sec-Websocket-Version", "Sec-Websocket-Key"} { // which the dialer sets itself
			header.Del(name)
		}
		return url, header, nil, err
	}
	presigned := func(ctx context.Context, c *client.Client) (string, http.Header, []string, error) {
		url, err := c.PresignWebSocket(ctx, client.PresignOptions{Query: map[string][]string{"room": {"a b"}}})
		return url, nil, nil, err
	}
	subprotocols := func(ctx context.Context, c *client.Client) (string, http.Header, []string, error) {
		url, protocols, err := c.WebSocketSubprotocols(ctx)
		return url, nil, protocols, err
	}
	tests := []struct {
		name         string
		bearer       bool
		credentials  func(context.Context, *client.Client) (url string, header http.Header, protocols []string, err error)
		wantProtocol string
	}{
		{"signed headers", false, headers, ""},
		{"presigned URL", false, presigned, ""},
		{"bearer token", true, headers, ""},
		{"subprotocols", true, subprotocols, "base64UrlBearerAuthorization"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t)
			agent, c := dataplane.Agent{Handler: talking()}, p.ours(t, arn)
			if tt.bearer {
				agent.BearerToken = issuer.check
				c = p.oursWithToken(t, issuer.issue)
			}
			p.deploy(t, arn, agent)
			url, header, protocols, err := tt.credentials(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			dialer := websocket.Dialer{Subprotocols: protocols}
			conn, answer, err := dialer.DialContext(t.Context(), url, header)
			if err != nil {
				t.Fatalf("%v: %+v", err, answer)
			}
			defer conn.Close()
			if got := conn.Subprotocol(); got != tt.wantProtocol {
				t.Errorf("subprotocol = %q, want %q", got, tt.wantProtocol)
			}
			if err := conn.WriteMessage(websocket.TextMessage, []byte("hi")); err != nil {
				t.Fatal(err)
			}
			if _, got, err := conn.ReadMessage(); string(got) != "hi in "+session || err != nil {
				t.Errorf("received %q, %v", got, err)
			}
		})
	}
}

func TestClientRenewsToken(t *testing.T) {
	p := newPlace(t)
	issuer := new(tokens)
	p.deploy(t, arn, dataplane.Agent{Handler: once(), BearerToken: issuer.check})
	c := p.oursWithToken(t, issuer.issue)
	for range 2 {
		if _, err := client.Invoke[question, answer](t.Context(), c, question{}); err != nil {
			t.Fatal(err)
		}
		_, _ = issuer.issue(t.Context()) // to somebody else, which ends the client's
	}
	if issuer.issued != 4 {
		t.Errorf("%d tokens were issued, want 4", issuer.issued)
	}
	stale := p.oursWithToken(t, client.StaticToken("token 1"))
	_, err := client.Invoke[question, answer](t.Context(), stale, question{})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.StatusCode != 401 || e.Code != "UnauthorizedException" || e.Message != "the token has expired" {
		t.Errorf("with an old token: %v", err)
	}
}

// An agent that calls another passes on what belongs to the request, and signs for
// itself.
func TestAgentCallsAgent(t *testing.T) {
	const other = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/other-abcde12345"
	type said struct{ Session, Token, Trace, Baggage string }
	p := newPlace(t)
	p.deploy(t, other, dataplane.Agent{
		WorkloadToken: func(user string) string { return "of " + user },
		Handler: runtime.NewServer(runtime.Handlers{
			Invoke: runtime.Unary("Answer", func(ctx context.Context, _ any) (said, error) {
				header := runtime.HTTPRequest(ctx).Header
				return said{runtime.SessionID(ctx), runtime.WorkloadAccessToken(ctx), header.Get("Traceparent"), header.Get("Baggage")}, nil
			}),
		}),
	})
	between := p.ours(t, other)
	p.deploy(t, arn, dataplane.Agent{
		WorkloadToken: func(user string) string { return "of " + user },
		Handler: runtime.NewServer(runtime.Handlers{
			Invoke: runtime.Unary("Pass", func(ctx context.Context, _ any) (said, error) {
				return client.Invoke[any, said](ctx, between, nil, client.PassSession(), client.WithUserID("bob"))
			}),
		}),
	})
	const own = "another-0123456789-0123456789-0123456789"
	got, err := client.Invoke[any, said](t.Context(), p.ours(t, arn), nil, client.WithSession(own), client.WithUserID("ada"),
		client.WithHeader("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), client.WithHeader("Baggage", "a=1"))
	want := said{Session: own, Token: "of bob", Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Baggage: "a=1"}
	if !reflect.DeepEqual(got, want) || err != nil {
		t.Errorf("the other agent got %+v, %v\nwant                %+v", got, err, want)
	}
}

func TestClientByID(t *testing.T) {
	p := newPlace(t)
	p.deploy(t, arn, dataplane.Agent{Handler: once(), Endpoints: []string{"prod"}})
	transport, err := client.AgentCore(aws.Config{Region: region, Credentials: provider(credentials)}, "my_agent-abcde12345",
		client.WithAccountID("123456789012"), client.WithQualifier("prod"), client.WithEndpoint(p.url), client.WithHTTPClient(p.http))
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.Invoke[question, answer](t.Context(), client.New(transport), question{"hi"})
	if got.Text != "You said: hi" || err != nil {
		t.Errorf("Invoke() = %+v, %v", got, err)
	}
}
