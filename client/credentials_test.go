package client_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/uuid"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/runtime"
)

// signature is one of testdata/signatures.json: what is to be signed, and how the
// signers of Python did it.
type signature struct {
	Name, Call          string
	Time                time.Time
	Key, Secret, Token  string
	Region, Runtime     string
	Account, Qualifier  string
	Session, User, Body string
	Shell               string
	Expires             time.Duration // in seconds
	Headers, Query      map[string]string

	URL, Authorization, Signature string
}

const (
	vectorARN     = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my_agent-abcde12345"
	vectorSession = "session-0123456789-0123456789-0123456789"
	vectorToken   = "IQoJb3JpZ2luX2VjEXAMPLE"
)

// keys are the credentials of the examples in AWS's documentation.
func keys(token string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", SessionToken: token}, nil
	})
}

func sleepUntil(t *testing.T, then time.Time) {
	t.Helper()
	time.Sleep(time.Until(then))
	if !time.Now().Equal(then) {
		t.Fatalf("it is %v and not %v", time.Now(), then)
	}
}

var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func transportThatSigns(t *testing.T, token string, opts ...client.TransportOption) *client.Transport {
	t.Helper()
	transport, err := client.AgentCore(aws.Config{Credentials: keys(token)}, vectorARN, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return transport
}

func bearing(t *testing.T, source client.TokenSource, opts ...client.TransportOption) *client.Transport {
	t.Helper()
	transport, err := client.AgentCoreOAuth(source, vectorARN, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return transport
}

// The two signatures that were computed apart from this project.
func TestPublishedSignatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, newYear)
		c := client.New(transportThatSigns(t, "", client.WithQualifier("DEFAULT")), client.WithSession(vectorSession))
		_, header, err := c.WebSocketHeaders(t.Context())
		want := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-west-2/bedrock-agentcore/aws4_request, SignedHeaders=host;x-amz-date, " +
			"Signature=d3c40baf29d74978b74657f3da289396c3c991030e03267a87445392a8064de6"
		if got := header.Get("Authorization"); err != nil || got != want {
			t.Errorf("the headers are signed with\n\t%s (%v), want\n\t%s", got, err, want)
		}
		signed, err := c.PresignWebSocket(t.Context(), client.PresignOptions{Query: url.Values{"abc": {"p q+r"}}})
		if err != nil || !strings.HasSuffix(signed, "&X-Amz-Signature=7b1895fbd8edf39127fd9fc6505d91972e420727e5a2f3b569f3745fb3751199") {
			t.Errorf("the URL is signed as in %s (%v)", signed, err)
		}
		if !strings.Contains(signed, "abc=p%20q%2Br&") {
			t.Errorf("the query is that of %s", signed)
		}
	})
}

// What testdata/signatures.py has made the Python SDK and botocore sign.
func TestSignatureVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []signature }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) < 10 {
		t.Fatalf("%d signatures were read", len(file.Vectors))
	}
	for _, want := range file.Vectors {
		t.Run(want.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sleepUntil(t, want.Time)
				want.verify(t)
			})
		})
	}
}

func (s signature) verify(t *testing.T) {
	var sent *http.Request
	var body []byte
	capture := roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = r
		body, _ = io.ReadAll(r.Body)
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
	})
	opts := []client.TransportOption{client.WithHTTPClient(&http.Client{Transport: capture}), client.WithQualifier(s.Qualifier)}
	if s.Account != "" {
		opts = append(opts, client.WithAccountID(s.Account))
	}
	transport, err := client.AgentCore(aws.Config{Region: s.Region, Credentials: keys(s.Token)}, s.Runtime, opts...)
	if err != nil {
		t.Fatal(err)
	}
	calls := []client.Option{client.WithSession(s.Session), client.WithUserID(s.User)}
	for name, value := range s.Headers {
		calls = append(calls, client.WithHeader(name, value))
	}
	if s.Shell != "" {
		calls = append(calls, client.ForShell(s.Shell))
	}
	c := client.New(transport, calls...)
	var address string
	var header http.Header
	switch s.Call {
	case "headers":
		address, header, err = c.WebSocketHeaders(t.Context())
	case "presign":
		query := make(url.Values)
		for name, value := range s.Query {
			query.Set(name, value)
		}
		address, err = c.PresignWebSocket(t.Context(), client.PresignOptions{Expires: s.Expires * time.Second, Query: query})
	case "invoke":
		_, err = client.Invoke[json.RawMessage, any](t.Context(), c, json.RawMessage(s.Body))
	case "command":
		var command struct {
			Command string
			Timeout time.Duration
		}
		if err := json.Unmarshal([]byte(s.Body), &command); err != nil {
			t.Fatal(err)
		}
		for range c.StreamCommand(t.Context(), client.Command{Line: command.Command, Timeout: command.Timeout * time.Second}) {
			break // the answer is none
		}
	case "stop":
		uuid.SetRand(bytes.NewReader(make([]byte, 16)))
		defer uuid.SetRand(nil)
		err = c.StopSession(t.Context())
	default:
		t.Fatalf("there is no call %q", s.Call)
	}
	if err != nil {
		t.Fatal(err)
	}
	if sent != nil {
		address, header = sent.URL.String(), sent.Header
		if string(body) != s.Body {
			t.Errorf("body %q, want %q", body, s.Body)
		}
	}
	if got := header.Get("Authorization"); got != s.Authorization {
		t.Errorf("Authorization\n\t%s\nwant\n\t%s", got, s.Authorization)
	}
	got, gotQuery := splitURL(t, address)
	want, wantQuery := splitURL(t, s.URL)
	if got != want || !reflect.DeepEqual(gotQuery, wantQuery) {
		t.Errorf("URL\n\t%s\nwant\n\t%s", address, s.URL)
	}
	if s.Authorization == "" && gotQuery.Get("X-Amz-Signature") != s.Signature {
		t.Errorf("signature %s, want %s", gotQuery.Get("X-Amz-Signature"), s.Signature)
	}
}

// splitURL returns a URL without its query, and that.
func splitURL(t *testing.T, text string) (string, url.Values) {
	t.Helper()
	before, query, _ := strings.Cut(text, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return before, values
}

const vectorURL = "wss://bedrock-agentcore.us-west-2.amazonaws.com/runtimes/arn%3Aaws%3Abedrock-agentcore%3Aus-west-2%3A123456789012%3Aruntime%2Fmy_agent-abcde12345/ws"

func TestWebSocketHeaders(t *testing.T) {
	common := map[string]string{
		"Host":                  "bedrock-agentcore.us-west-2.amazonaws.com",
		"Upgrade":               "websocket",
		"Connection":            "Upgrade",
		"Sec-Websocket-Version": "13",
		"X-Amzn-Bedrock-Agentcore-Runtime-Session-Id": vectorSession,
	}
	cases := []struct {
		name      string
		transport *client.Transport
		opts      []client.Option
		more      map[string]string
		signed    string
	}{
		{"signed", transportThatSigns(t, ""), nil, map[string]string{"User-Agent": "AgentCoreRuntimeClient/1.0"}, "host;x-amz-date"},
		{"signed with temporary credentials", transportThatSigns(t, vectorToken), nil,
			map[string]string{"User-Agent": "AgentCoreRuntimeClient/1.0", "X-Amz-Security-Token": vectorToken}, "host;x-amz-date;x-amz-security-token"},
		{"signed with more", transportThatSigns(t, ""),
			[]client.Option{client.WithUserID("ada"), client.WithHeader("User-Agent", "mine"), client.WithHeader("X-Amzn-Bedrock-AgentCore-Runtime-Custom-Plan", "gold")},
			map[string]string{"User-Agent": "mine", "X-Amzn-Bedrock-Agentcore-Runtime-User-Id": "ada", "X-Amzn-Bedrock-Agentcore-Runtime-Custom-Plan": "gold"},
			"host;x-amz-date;x-amzn-bedrock-agentcore-runtime-custom-plan;x-amzn-bedrock-agentcore-runtime-user-id"},
		{"token", bearing(t, client.StaticToken("t.o.k")), nil,
			map[string]string{"User-Agent": "OAuth-WebSocket-Client/1.0", "Authorization": "Bearer t.o.k"}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			agent := client.New(c.transport, client.WithSession(vectorSession))
			address, header, err := agent.WebSocketHeaders(t.Context(), c.opts...)
			if err != nil || address != vectorURL {
				t.Fatalf("URL %s (%v)", address, err)
			}
			want := maps.Clone(common)
			maps.Copy(want, c.more)
			key, err := base64.StdEncoding.DecodeString(header.Get("Sec-Websocket-Key"))
			if err != nil || len(key) != 16 {
				t.Errorf("key %q", header.Get("Sec-Websocket-Key"))
			}
			want["Sec-Websocket-Key"] = header.Get("Sec-Websocket-Key")
			if c.signed != "" {
				authorization := header.Get("Authorization")
				if !strings.Contains(authorization, "SignedHeaders="+c.signed+",") {
					t.Errorf("Authorization %s, which does not sign %s", authorization, c.signed)
				}
				want["Authorization"] = authorization
				want["X-Amz-Date"] = header.Get("X-Amz-Date")
			}
			got := make(map[string]string)
			for name := range header {
				got[name] = strings.Join(header[name], "|")
			}
			if !maps.Equal(got, want) {
				t.Errorf("headers %v, want %v", got, want)
			}
			_, again, err := agent.WebSocketHeaders(t.Context(), c.opts...)
			if err != nil || again.Get("Sec-Websocket-Key") == want["Sec-Websocket-Key"] {
				t.Errorf("the same key again (%v)", err)
			}
		})
	}
}

func TestPresignLeavesMapsAlone(t *testing.T) {
	query := url.Values{"a": {"1", "2"}}
	c := client.New(transportThatSigns(t, vectorToken), client.WithSession(vectorSession), client.WithUserID("ada"))
	signed, err := c.PresignWebSocket(t.Context(), client.PresignOptions{Query: query, Expires: 7 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if want := (url.Values{"a": {"1", "2"}}); !reflect.DeepEqual(query, want) {
		t.Errorf("the caller's query is %v now", query)
	}
	_, got := splitURL(t, signed)
	names := slices.Sorted(maps.Keys(got))
	want := []string{
		"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Security-Token", "X-Amz-Signature", "X-Amz-SignedHeaders",
		"X-Amzn-Bedrock-AgentCore-Runtime-Session-Id", "X-Amzn-Bedrock-AgentCore-Runtime-User-Id", "a",
	}
	if !slices.Equal(names, want) || !slices.Equal(got["a"], query["a"]) || got.Get("X-Amz-Expires") != "7" || got.Get("X-Amz-SignedHeaders") != "host" {
		t.Errorf("query %v", got)
	}
}

func TestWebSocketSubprotocols(t *testing.T) {
	longest := strings.Repeat("x", 3072)
	cases := []struct {
		name, token string
		opts        []client.Option
		url         string
	}{
		{"agent", "a?b>c~", nil, vectorURL + "?X-Amzn-Bedrock-AgentCore-Runtime-Session-Id=" + vectorSession + "&qualifier=prod"},
		{"shell", longest, []client.Option{client.ForShell("s_1")}, vectorURL + "/shells?X-Amzn-Bedrock-AgentCore-Runtime-Session-Id=" + vectorSession + "&qualifier=prod&shellId=s_1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			agent := client.New(bearing(t, client.StaticToken(c.token), client.WithQualifier("prod")), client.WithSession(vectorSession))
			address, protocols, err := agent.WebSocketSubprotocols(t.Context(), c.opts...)
			if err != nil || address != c.url {
				t.Errorf("URL %s (%v), want %s", address, err, c.url)
			}
			want := []string{"base64UrlBearerAuthorization." + base64.RawURLEncoding.EncodeToString([]byte(c.token)), "base64UrlBearerAuthorization"}
			if !slices.Equal(protocols, want) {
				t.Errorf("subprotocols %q, want %q", protocols, want)
			}
		})
	}
}

// Nobody could tell the source that a token was refused elsewhere.
func TestCredentialsHaveFreshTokens(t *testing.T) {
	tokens := []string{"one", "two", "three"}
	next := func(context.Context) (string, error) {
		token := tokens[0]
		tokens = tokens[1:]
		return token, nil
	}
	c := client.New(bearing(t, next))
	for _, want := range []string{"one", "two"} {
		_, header, err := c.WebSocketHeaders(t.Context())
		if got := header.Get("Authorization"); err != nil || got != "Bearer "+want {
			t.Errorf("Authorization %q (%v), want %s", got, err, want)
		}
	}
	_, protocols, err := c.WebSocketSubprotocols(t.Context())
	if err != nil || protocols[0] != "base64UrlBearerAuthorization."+base64.RawURLEncoding.EncodeToString([]byte("three")) {
		t.Errorf("subprotocols %q (%v)", protocols, err)
	}
}

// What a handler's request says is not for the program that gets the credentials.
func TestCredentialsTellNothingOfARequest(t *testing.T) {
	var header http.Header
	var presigned string
	agent := client.New(transportThatSigns(t, ""))
	server := httptest.NewServer(runtime.NewServer(runtime.Handlers{Invoke: runtime.Unary("x", func(ctx context.Context, _ runtime.None) (string, error) {
		var err, err2 error
		_, header, err = agent.WebSocketHeaders(ctx, client.PassSession())
		presigned, err2 = agent.PresignWebSocket(ctx, client.PresignOptions{}, client.PassSession())
		return "", errors.Join(err, err2)
	})}))
	defer server.Close()
	direct, err := client.Direct(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.CloseIdleConnections()
	_, err = client.Invoke[any, string](t.Context(), client.New(direct, client.WithSession(vectorSession)), nil,
		client.WithHeader("WorkloadAccessToken", "secret"), client.WithHeader("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
	if err != nil {
		t.Fatal(err)
	}
	if got := header.Get("X-Amzn-Bedrock-Agentcore-Runtime-Session-Id"); got != vectorSession || !strings.Contains(presigned, vectorSession) {
		t.Errorf("the session is %s, and that of %s", got, presigned)
	}
	for name := range header {
		if strings.Contains(name, "Wat") || strings.Contains(name, "Trace") || strings.Contains(name, "Workload") {
			t.Errorf("header %s: %s", name, header.Get(name))
		}
	}
}

func TestNoCredentials(t *testing.T) {
	direct, err := client.Direct("http://localhost:8080")
	if err != nil {
		t.Fatal(err)
	}
	headers := func(t *testing.T, c *client.Client, opts ...client.Option) error {
		_, _, err := c.WebSocketHeaders(t.Context(), opts...)
		return err
	}
	protocols := func(t *testing.T, c *client.Client, opts ...client.Option) error {
		_, _, err := c.WebSocketSubprotocols(t.Context(), opts...)
		return err
	}
	presign := func(o client.PresignOptions) func(t *testing.T, c *client.Client, opts ...client.Option) error {
		return func(t *testing.T, c *client.Client, opts ...client.Option) error {
			_, err := c.PresignWebSocket(t.Context(), o, opts...)
			return err
		}
	}
	expiry := func(d time.Duration) func(t *testing.T, c *client.Client, opts ...client.Option) error {
		return presign(client.PresignOptions{Expires: d})
	}
	parameter := func(name string) func(t *testing.T, c *client.Client, opts ...client.Option) error {
		return presign(client.PresignOptions{Query: url.Values{name: {"x"}}})
	}
	failing := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, io.ErrNoProgress })
	noKeys, err := client.AgentCore(aws.Config{Credentials: failing}, vectorARN)
	if err != nil {
		t.Fatal(err)
	}
	signed := transportThatSigns(t, "")
	token := bearing(t, client.StaticToken("t"))
	empty := bearing(t, client.StaticToken(""))
	shell := func(id string) client.Option { return client.ForShell(id) }
	const unsupported = "unsupported operation"
	cases := []struct {
		name      string
		transport *client.Transport
		do        func(*testing.T, *client.Client, ...client.Option) error
		opts      []client.Option
		is        error // nil for a *ParameterError, unless text says what it is
		text      string
	}{
		{"headers, direct", direct, headers, nil, errors.ErrUnsupported, "make WebSocket headers: " + unsupported + " for an agent that is reached directly, which asks for no credentials of AgentCore's: make the transport with AgentCore or AgentCoreOAuth"},
		{"presign, direct", direct, expiry(0), nil, errors.ErrUnsupported, "only a transport of AgentCore has credentials to sign with"},
		{"presign, token", token, expiry(0), nil, errors.ErrUnsupported, "are made with WebSocketSubprotocols"},
		{"subprotocols, direct", direct, protocols, nil, errors.ErrUnsupported, "only a transport of AgentCoreOAuth has a bearer token"},
		{"subprotocols, signed", signed, protocols, nil, errors.ErrUnsupported, "a browser takes a URL of PresignWebSocket"},
		{"headers, empty token", empty, headers, nil, nil, "connect: the bearer token is empty"},
		{"subprotocols, empty token", empty, protocols, nil, nil, "connect: the bearer token is empty"},
		{"subprotocols, token with a line end", bearing(t, client.StaticToken("t\n")), protocols, nil, nil, "connect: the bearer token has white space around it"},
		{"subprotocols, long token", bearing(t, client.StaticToken(strings.Repeat("secret", 513))), protocols, nil, nil,
			`bearer token "…": it is too long for a subprotocol, which has room for 4096 characters once it is encoded, and this has 4104`},
		{"headers, no keys", noKeys, headers, nil, io.ErrNoProgress, "connect: retrieve the AWS credentials: "},
		{"presign, no keys", noKeys, expiry(0), nil, io.ErrNoProgress, "connect: retrieve the AWS credentials: "},
		{"expiry too long", signed, expiry(301 * time.Second), nil, nil, `expiry "5m1s": a presigned URL is valid for whole seconds, from 1 to 300`},
		{"expiry too short", signed, expiry(999 * time.Millisecond), nil, nil, `expiry "999ms"`},
		{"expiry with a fraction", signed, expiry(1500 * time.Millisecond), nil, nil, `expiry "1.5s"`},
		{"expiry below zero", signed, expiry(-time.Second), nil, nil, `expiry "-1s"`},
		{"signature's parameter", signed, parameter("x-amz-expires"), nil, nil, `query parameter "x-amz-expires": it is not for the agent`},
		{"qualifier as a parameter", signed, parameter("Qualifier"), nil, nil, `query parameter "Qualifier"`},
		{"session as a parameter", signed, parameter("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"), nil, nil, `query parameter "X-Amzn-`},
		{"session with a line end", signed, expiry(0), []client.Option{client.WithSession(strings.Repeat("s", 40) + "\n")}, nil, `ssss\n": it has a control character in it`},
		{"short session", signed, expiry(0), []client.Option{client.WithSession("short")}, nil, `session id "short"`},
		{"empty shell id", signed, headers, []client.Option{shell("")}, nil, `shell id "": it has up to 128 letters`},
		{"shell id with a line end", signed, expiry(0), []client.Option{shell("a\n")}, nil, `shell id "a\n"`},
		{"shell id with a dash first", token, protocols, []client.Option{shell("-a")}, nil, `shell id "-a"`},
		{"long shell id", token, headers, []client.Option{shell(strings.Repeat("a", 129))}, nil, `shell id "aaa`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := c.do(t, client.New(c.transport), c.opts...)
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("error %v, want %s", err, c.text)
			}
			_, parameter := errors.AsType[*client.ParameterError](err)
			if wanted := strings.Contains(c.text, `"`); parameter != wanted {
				t.Errorf("it is a %T", err)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
			if strings.Contains(err.Error(), "secretsecret") {
				t.Errorf("the error has the token in it: %v", err)
			}
		})
	}
}
