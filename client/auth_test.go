package client_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/agentcore-go/agentcore/client"
)

const exampleSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

// verify checks the signature of a request as it came, by the description of
// Signature Version 4, and returns the names of the signed headers.
func verify(r request, secret, region string) (signed []string, err error) {
	fields, ok := strings.CutPrefix(r.header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return nil, fmt.Errorf("the authorization is %q", r.header.Get("Authorization"))
	}
	field := make(map[string]string)
	for part := range strings.SplitSeq(fields, ", ") {
		name, value, _ := strings.Cut(part, "=")
		field[name] = value
	}
	date := r.header.Get("X-Amz-Date")
	scope := date[:8] + "/" + region + "/bedrock-agentcore/aws4_request"
	if want := "AKIDEXAMPLE/" + scope; field["Credential"] != want {
		return nil, fmt.Errorf("the credential is %q, want %q", field["Credential"], want)
	}
	signed = strings.Split(field["SignedHeaders"], ";")
	path, query, _ := strings.Cut(r.uri, "?")
	var headers strings.Builder
	for _, name := range signed {
		values := r.header.Values(name)
		if name == "host" {
			values = []string{r.host}
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.Join(strings.Fields(strings.Join(values, ",")), " "))
	}
	canonical := strings.Join([]string{
		r.method, escapeAgain(path), canonicalQuery(query), headers.String(), field["SignedHeaders"], sha256Hex(r.body),
	}, "\n")
	key := "AWS4" + secret
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	want := hex.EncodeToString([]byte(mac(key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+sha256Hex(canonical))))
	if field["Signature"] != want {
		return nil, fmt.Errorf("the signature is %s, want %s of\n%s", field["Signature"], want, canonical)
	}
	return signed, nil
}

func mac(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(text))
	return string(h.Sum(nil))
}

func sha256Hex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// escapeAgain escapes a path that is escaped already, as all services but S3 want it.
func escapeAgain(path string) string {
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = strings.ReplaceAll(url.QueryEscape(parts[i]), "+", "%20")
	}
	return strings.Join(parts, "/")
}

func canonicalQuery(query string) string {
	if query == "" {
		return ""
	}
	parts := strings.Split(query, "&")
	slices.Sort(parts)
	return strings.Join(parts, "&")
}

func TestRequestSignatures(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	for name, test := range map[string]struct {
		token string
		base  string
		opts  []client.TransportOption
		call  []client.Option
	}{
		"plain":           {},
		"a session token": {token: "AQoDYXdzEPT//////////wEXAMPLE="},
		"a qualifier":     {opts: []client.TransportOption{client.WithQualifier("prod")}},
		"a base path":     {base: "/a%2Fb/c"},
		"headers": {call: []client.Option{
			client.WithHeader("X-Amzn-Bedrock-AgentCore-Runtime-Custom-Thing", "  two   words "), client.WithHeader("X-Empty", ""),
			client.WithHeader("Accept", "text/plain"), client.WithHeader("User-Agent", "mine"), client.WithUserID("ada"),
			client.WithHeader("Host", "private.example"), client.WithHeader("Authorization", "Bearer mine"), client.WithHeader("X-Amz-Date", "today"),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			config := withCredentials(aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: exampleSecret, SessionToken: test.token}, nil)
			transport := made(t)(client.AgentCore(config, testARN, append(test.opts, client.WithEndpoint(s.url+test.base))...))
			c := client.New(transport)
			check := func(err error, more ...string) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				signed, err := verify(s.last(t), exampleSecret, "us-west-2")
				if err != nil {
					t.Error(err)
				}
				for _, name := range append(more, "host", "x-amz-date", strings.ToLower(sessionHeader), "content-type", "content-length") {
					if !slices.Contains(signed, name) {
						t.Errorf("%s is not signed: %q", name, signed)
					}
				}
				if got := s.last(t).header.Get("X-Amz-Security-Token"); got != test.token {
					t.Errorf("session token %q, want %q", got, test.token)
				}
			}
			_, err := client.Invoke[any, any](t.Context(), c, map[string]string{"prompt": "<é>"}, test.call...)
			check(err, "accept")
			for _, err := range client.Stream[any, any](t.Context(), c, nil, test.call...) {
				check(err, "accept")
			}
			check(c.StopSession(t.Context(), test.call...))
			answer, err := c.Do(t.Context(), nil, append(test.call, client.WithHeader("Content-Length", "0"))...)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if _, err := verify(s.last(t), exampleSecret, "us-west-2"); err != nil {
				t.Error(err)
			}
		})
	}
}

// An instrumented HTTP client adds its own span to each request.
func TestTraceHeadersAreUnsigned(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	own := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		for _, name := range []string{"Traceparent", "Tracestate", "Baggage", "X-Amzn-Trace-Id"} {
			if r.Header.Get(name) != "of the caller" {
				t.Errorf("%s: %q", name, r.Header[name])
			}
			r.Header.Set(name, "of the HTTP client")
		}
		return http.DefaultTransport.RoundTrip(r)
	})}
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	config := withCredentials(aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: exampleSecret}, nil)
	c := client.New(made(t)(client.AgentCore(config, testARN, client.WithEndpoint(s.url), client.WithHTTPClient(own))))
	invoke(t, c, client.WithHeader("Traceparent", "of the caller"), client.WithHeader("Tracestate", "of the caller"),
		client.WithHeader("Baggage", "of the caller"), client.WithHeader("X-Amzn-Trace-Id", "of the caller"))
	if _, err := verify(s.last(t), exampleSecret, "us-west-2"); err != nil {
		t.Error(err)
	}
	if got := s.last(t).header.Get("Traceparent"); got != "of the HTTP client" {
		t.Errorf("Traceparent: %q", got)
	}
}

func TestMissingCredentials(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	const empty = "invoke: the AWS credentials are empty: set a profile or the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	failed := errors.New("no EC2 IMDS role found")
	for name, test := range map[string]struct {
		config aws.Config
		want   string
	}{
		"a failure":         {withCredentials(aws.Credentials{}, failed), "invoke: retrieve the AWS credentials: no EC2 IMDS role found"},
		"empty credentials": {withCredentials(aws.Credentials{}, nil), empty},
		"half of them":      {withCredentials(aws.Credentials{AccessKeyID: "AKIDEXAMPLE"}, nil), empty},
		"anonymous":         {aws.Config{Credentials: aws.AnonymousCredentials{}}, "invoke: retrieve the AWS credentials: the AnonymousCredentials is not a valid credential provider, and cannot be used to sign AWS requests with"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.Invoke[any, any](t.Context(), client.New(made(t)(client.AgentCore(test.config, testARN, client.WithEndpoint(s.url)))), nil)
			says(t, err, test.want)
		})
	}
	_, err := client.Invoke[any, any](t.Context(), client.New(made(t)(client.AgentCore(withCredentials(aws.Credentials{}, failed), testARN))), nil)
	if !errors.Is(err, failed) {
		t.Errorf("%v is not what the provider has said", err)
	}
	if len(s.all()) > 0 {
		t.Error("a request was sent")
	}
}

// What could never prove anything is not kept for the first call.
func TestNoSourceOfCredentials(t *testing.T) {
	_, err := client.AgentCore(aws.Config{}, testARN)
	says(t, as[*client.ParameterError](t, err), `AWS credentials "": the configuration has none: load it with config.LoadDefaultConfig of the AWS SDK, and set a profile or the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`)
	_, err = client.AgentCoreOAuth(nil, testARN)
	says(t, as[*client.ParameterError](t, err), `token source "": it is nil: give a function that fetches a token, or StaticToken`)
}

// Credentials are asked for with the context of the call, and each time anew, so
// that they may change.
func TestCredentialsPerCall(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	n := 0
	ctx, cancel := context.WithCancelCause(t.Context())
	config := aws.Config{Credentials: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		if n++; n == 3 {
			cancel(errHurry)
			return aws.Credentials{}, ctx.Err()
		}
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: exampleSecret, SessionToken: fmt.Sprint("token ", n)}, nil
	})}
	c := client.New(made(t)(client.AgentCore(config, testARN, client.WithEndpoint(s.url))))
	for i := range 2 {
		invoke(t, c)
		if _, err := verify(s.last(t), exampleSecret, "us-west-2"); err != nil {
			t.Error(err)
		}
		if got, want := s.last(t).header.Get("X-Amz-Security-Token"), fmt.Sprint("token ", i+1); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if _, err := client.Invoke[any, any](ctx, c, nil); err != errHurry {
		t.Errorf("%v, want the cause", err)
	}
}

var errHurry = errors.New("hurry")

// refusingTokens refuses requests whose token is not good.
func refusingTokens(good func(token string) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); !good(token) {
			answer(401, "application/json", `{"message":"Token has expired"}`, "X-Amzn-ErrorType", "UnauthorizedException")(w, r)
			return
		}
		answerJSON(`{}`)(w, r)
	}
}

// tokens returns a source of token 1, token 2 and so on.
func tokens() (client.TokenSource, *atomic.Int32) {
	n := new(atomic.Int32)
	return func(context.Context) (string, error) { return fmt.Sprint("token ", n.Add(1)), nil }, n
}

func oauth(t *testing.T, s *server, source client.TokenSource, opts ...client.TransportOption) *client.Client {
	return client.New(made(t)(client.AgentCoreOAuth(source, testARN, append(opts, client.WithEndpoint(s.url))...)))
}

const refusal = "invoke: Token has expired (UnauthorizedException, status 401)"

func TestTokens(t *testing.T) {
	for name, test := range map[string]struct {
		source           func() (client.TokenSource, *atomic.Int32)
		good             func(token string) bool
		want             string // the error of the first call
		requests, tokens int    // after the first call
		later            int    // requests of the second call
	}{
		"good":                     {tokens, func(string) bool { return true }, "", 1, 1, 1},
		"the first one is refused": {tokens, func(token string) bool { return token != "token 1" }, "", 2, 2, 1},
		"all are refused":          {tokens, func(string) bool { return false }, refusal, 2, 2, 2},
		"a static one is refused": {func() (client.TokenSource, *atomic.Int32) {
			n := new(atomic.Int32)
			return func(ctx context.Context) (string, error) { n.Add(1); return client.StaticToken("token")(ctx) }, n
		}, func(string) bool { return false }, refusal, 1, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, refusingTokens(test.good))
			source, fetched := test.source()
			c := oauth(t, s, source)
			_, err := client.Invoke[any, any](t.Context(), c, nil)
			says(t, err, test.want)
			if test.want != "" && as[*client.Error](t, err).StatusCode != 401 {
				t.Errorf("%+v", err)
			}
			if got := len(s.all()); got != test.requests || int(fetched.Load()) != test.tokens {
				t.Errorf("%d requests and %d tokens, want %d and %d", got, fetched.Load(), test.requests, test.tokens)
			}
			_, err = client.Invoke[any, any](t.Context(), c, nil)
			says(t, err, test.want)
			if got := len(s.all()) - test.requests; got != test.later {
				t.Errorf("%d requests of the second call, want %d", got, test.later)
			}
		})
	}
}

// A token that expires between calls is fetched again, with the body of the call
// sent again.
func TestTokenExpires(t *testing.T) {
	var expired atomic.Bool
	s := serve(t, refusingTokens(func(token string) bool { return (token == "token 1") != expired.Load() }))
	source, fetched := tokens()
	c := oauth(t, s, source)
	invoke(t, c)
	expired.Store(true)
	if _, err := client.Invoke[string, any](t.Context(), c, "hello"); err != nil {
		t.Fatal(err)
	}
	if r := s.last(t); r.body != `"hello"` || r.header.Get("Authorization") != "Bearer token 2" || fetched.Load() != 2 {
		t.Errorf("%+v, %d tokens", r, fetched.Load())
	}
	if err := c.StopSession(t.Context(), client.WithHeader("Authorization", "Basic mine")); err != nil {
		t.Fatal(err)
	}
	if got := s.last(t).header["Authorization"]; !slices.Equal(got, []string{"Bearer token 2"}) {
		t.Errorf("authorization %q", got)
	}
}

func TestTokenFails(t *testing.T) {
	s := serve(t, refusingTokens(func(string) bool { return false }))
	failed := errors.New("the identity provider is away")
	const (
		bearer = `invoke: the bearer token begins with "Bearer ": leave that out, it is added`
		space  = "invoke: the bearer token has white space around it: leave that out, as strings.TrimSpace does"
		empty  = "invoke: the bearer token is empty: give the one that the agent's identity provider has issued"
	)
	n := 0
	for name, test := range map[string]struct {
		source client.TokenSource
		want   string
	}{
		"empty":      {client.StaticToken(""), empty},
		"prefix":     {client.StaticToken("Bearer x"), bearer},
		"small":      {func(context.Context) (string, error) { return "bearer x", nil }, bearer},
		"line end":   {client.StaticToken("x\n"), space},
		"space":      {client.StaticToken(" Bearer x"), space},
		"control":    {client.StaticToken("x\ny"), "invoke: the bearer token has a control character in it, which no header can have"},
		"failed":     {func(context.Context) (string, error) { return "", failed }, "invoke: fetch the bearer token: the identity provider is away"},
		"then empty": {func(context.Context) (string, error) { n++; return strings.Repeat("x", 2-n), nil }, empty},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.Invoke[any, any](t.Context(), oauth(t, s, test.source), nil)
			says(t, err, test.want)
		})
	}
	if got := len(s.all()); got != 1 {
		t.Errorf("%d requests, want that of the token before the empty one", got)
	}
}

// Calls that need a token at the same time wait for one fetch of it, which the end
// of another call's context does not spoil.
func TestConcurrentTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, own := serveInMemory(t, refusingTokens(func(token string) bool { return token == "token 2" }))
		fetching, proceed := make(chan int, 10), make(chan struct{})
		n := 0 // of which there is one at a time
		c := oauth(t, s, func(context.Context) (string, error) {
			n++
			fetching <- n
			<-proceed
			return fmt.Sprint("token ", n), nil
		}, client.WithHTTPClient(own))
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { invoke(t, c) })
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		<-fetching
		hurried := make(chan error)
		go func() {
			_, err := client.Invoke[any, any](ctx, c, nil)
			hurried <- err
		}()
		synctest.Wait()
		cancel(errHurry)
		if err := <-hurried; err != errHurry {
			t.Errorf("a call whose context ended while another one fetched: %v", err)
		}
		proceed <- struct{}{}
		<-fetching // for the first token was refused
		close(proceed)
		wg.Wait()
		if n != 2 {
			t.Errorf("the token was fetched %d times, want 2", n)
		}
	})
}

func TestTokenContextEnds(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	ctx, cancel := context.WithCancelCause(t.Context())
	c := oauth(t, s, func(ctx context.Context) (string, error) {
		cancel(errHurry)
		<-ctx.Done()
		return "", ctx.Err()
	})
	if _, err := client.Invoke[any, any](ctx, c, nil); err != errHurry {
		t.Errorf("%v, want the cause", err)
	}
	// A body that is not read to its end does not keep the next call from working.
	answer, err := oauth(t, s, client.StaticToken("token")).Do(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Error(err)
	}
	answer.Body.Close()
}
