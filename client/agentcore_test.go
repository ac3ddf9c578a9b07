package client_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/google/uuid"

	"github.com/agentcore-go/agentcore/client"
)

// clearEnv makes the endpoint and the region those of the test.
func clearEnv(t *testing.T) {
	for _, name := range []string{
		"BEDROCK_AGENTCORE_DP_ENDPOINT", "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_PROFILE", "AWS_ENDPOINT_URL",
	} {
		t.Setenv(name, "")
	}
	none := filepath.Join(t.TempDir(), "none")
	t.Setenv("AWS_CONFIG_FILE", none)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
}

// awsConfig is an AWS configuration with credentials.
func awsConfig() aws.Config {
	return withCredentials(aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil)
}

func withCredentials(c aws.Credentials, err error) aws.Config {
	return aws.Config{Region: "eu-west-1", Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, err })}
}

// sending makes requests go nowhere, and returns the URL of the newest.
func sending() (client.TransportOption, *string) {
	url := new(string)
	return client.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		*url = r.URL.String()
		return &http.Response{StatusCode: 204, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	})}), url
}

func TestAgentCoreURLs(t *testing.T) {
	const id = "hello-a1b2c3d4e5"
	path := func(arn string) string {
		return "/runtimes/" + strings.NewReplacer(":", "%3A", "/", "%2F").Replace(arn) + "/invocations"
	}
	arn := func(partition, region string) string {
		return "arn:" + partition + ":bedrock-agentcore:" + region + ":111122223333:runtime/" + id
	}
	option := func(opts ...client.TransportOption) []client.TransportOption { return opts }
	account := client.WithAccountID("111122223333")
	for name, test := range map[string]struct {
		runtime string
		env     []string
		base    string // of the AWS configuration
		opts    []client.TransportOption
		want    string
		signed  string // where what only AgentCore, and not AgentCoreOAuth, looks at makes a difference
	}{
		"ARN":                   {runtime: testARN, want: "https://bedrock-agentcore.us-west-2.amazonaws.com" + path(testARN)},
		"ARN of GovCloud":       {runtime: arn("aws-us-gov", "us-gov-west-1"), want: "https://bedrock-agentcore.us-gov-west-1.amazonaws.com" + path(arn("aws-us-gov", "us-gov-west-1"))},
		"ARN of China":          {runtime: arn("aws-cn", "cn-north-1"), want: "https://bedrock-agentcore.cn-north-1.amazonaws.com.cn" + path(arn("aws-cn", "cn-north-1"))},
		"ARN of the EU":         {runtime: arn("aws-eusc", "eusc-de-east-1"), want: "https://bedrock-agentcore.eusc-de-east-1.amazonaws.eu" + path(arn("aws-eusc", "eusc-de-east-1"))},
		"ARN, what it says too": {runtime: testARN, opts: option(client.WithRegion("us-west-2"), account), want: "https://bedrock-agentcore.us-west-2.amazonaws.com" + path(testARN)},
		"qualifier":             {runtime: testARN, opts: option(client.WithQualifier("prod_1")), want: "https://bedrock-agentcore.us-west-2.amazonaws.com" + path(testARN) + "?qualifier=prod_1"},
		"id": {runtime: id, opts: option(account, client.WithRegion("us-east-1")),
			want: "https://bedrock-agentcore.us-east-1.amazonaws.com" + path(id) + "?accountId=111122223333"},
		"id, qualifier": {runtime: id, opts: option(account, client.WithRegion("us-east-1"), client.WithQualifier("DEFAULT")),
			want: "https://bedrock-agentcore.us-east-1.amazonaws.com" + path(id) + "?accountId=111122223333&qualifier=DEFAULT"},
		"id of China": {runtime: id, opts: option(account, client.WithRegion("cn-northwest-1")),
			want: "https://bedrock-agentcore.cn-northwest-1.amazonaws.com.cn" + path(id) + "?accountId=111122223333"},
		"id of the EU": {runtime: id, opts: option(account, client.WithRegion("eusc-de-east-1")),
			want: "https://bedrock-agentcore.eusc-de-east-1.amazonaws.eu" + path(id) + "?accountId=111122223333"},
		"id, region of the environment": {runtime: id, env: []string{"AWS_REGION=us-east-2", "AWS_DEFAULT_REGION=us-east-1"}, opts: option(account),
			want:   "https://bedrock-agentcore.us-east-2.amazonaws.com" + path(id) + "?accountId=111122223333",
			signed: "https://bedrock-agentcore.eu-west-1.amazonaws.com" + path(id) + "?accountId=111122223333"},
		"id, default region of the environment": {runtime: id, env: []string{"AWS_DEFAULT_REGION=us-east-1"}, opts: option(account),
			want:   "https://bedrock-agentcore.us-east-1.amazonaws.com" + path(id) + "?accountId=111122223333",
			signed: "https://bedrock-agentcore.eu-west-1.amazonaws.com" + path(id) + "?accountId=111122223333"},
		"endpoint":                    {runtime: testARN, opts: option(client.WithEndpoint("http://localhost:1234")), want: "http://localhost:1234" + path(testARN)},
		"endpoint, slash":             {runtime: testARN, opts: option(client.WithEndpoint("http://localhost:1234/")), want: "http://localhost:1234" + path(testARN)},
		"endpoint, path":              {runtime: testARN, opts: option(client.WithEndpoint("http://localhost/a%2Fb/c/")), want: "http://localhost/a%2Fb/c" + path(testARN)},
		"endpoint of the environment": {runtime: testARN, env: []string{"AWS_ENDPOINT_URL_BEDROCK_AGENTCORE=http://localhost:1/x"}, base: "http://localhost:2", want: "http://localhost:1/x" + path(testARN)},
		"endpoint of the configuration": {runtime: testARN, base: "http://localhost:2",
			want: "https://bedrock-agentcore.us-west-2.amazonaws.com" + path(testARN), signed: "http://localhost:2" + path(testARN)},
		"endpoints ignored": {runtime: testARN, env: []string{"AWS_ENDPOINT_URL_BEDROCK_AGENTCORE=http://localhost:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=True"},
			want: "https://bedrock-agentcore.us-west-2.amazonaws.com" + path(testARN)},
		"endpoint of a partition that is not known": {runtime: "arn:aws-iso:bedrock-agentcore:us-iso-east-1:111122223333:runtime/x", opts: option(client.WithEndpoint("https://localhost")),
			want: "https://localhost" + path("arn:aws-iso:bedrock-agentcore:us-iso-east-1:111122223333:runtime/x")},
		"endpoints not ignored": {runtime: testARN, env: []string{"AWS_ENDPOINT_URL_BEDROCK_AGENTCORE=http://localhost:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=false"},
			want: "http://localhost:1" + path(testARN)},
		"endpoint of the Python SDK": {runtime: testARN, env: []string{"BEDROCK_AGENTCORE_DP_ENDPOINT=https://vpce-1.bedrock-agentcore.us-west-2.vpce.amazonaws.com", "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE=http://localhost:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"},
			want: "https://vpce-1.bedrock-agentcore.us-west-2.vpce.amazonaws.com" + path(testARN)},
		"endpoint with two stacks": {runtime: testARN, env: []string{"BEDROCK_AGENTCORE_DP_ENDPOINT=https://bedrock-agentcore.us-west-2.api.aws"},
			want: "https://bedrock-agentcore.us-west-2.api.aws" + path(testARN)},
		"option before the environment": {runtime: testARN, env: []string{"BEDROCK_AGENTCORE_DP_ENDPOINT=https://evil.example"}, base: "http://localhost:2",
			opts: option(client.WithEndpoint("http://localhost:3")), want: "http://localhost:3" + path(testARN)},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnv(t)
			for _, env := range test.env {
				name, value, _ := strings.Cut(env, "=")
				t.Setenv(name, value)
			}
			send, url := sending()
			opts := append(test.opts, send)
			config := awsConfig()
			if test.base != "" {
				config.BaseEndpoint = aws.String(test.base)
			}
			invoke(t, client.New(made(t)(client.AgentCore(config, test.runtime, opts...))))
			want := test.want
			if test.signed != "" {
				want = test.signed
			}
			if *url != want {
				t.Errorf("with credentials of AWS\n\t%s\nwant\n\t%s", *url, want)
			}
			invoke(t, client.New(made(t)(client.AgentCoreOAuth(client.StaticToken("token"), test.runtime, opts...))))
			if *url != test.want {
				t.Errorf("with a token\n\t%s\nwant\n\t%s", *url, test.want)
			}
		})
	}
}

func TestAgentCoreParameters(t *testing.T) {
	const (
		form      = "write one like arn:aws:bedrock-agentcore:REGION:ACCOUNT:runtime/ID"
		empty     = "the region, the account and the id cannot be empty"
		noRegion  = "write one like us-west-2"
		noRuntime = "write its ARN, arn:aws:bedrock-agentcore:REGION:ACCOUNT:runtime/ID, or its id"
		noAccount = "with the id of a runtime, WithAccountID has to say the 12 digits of the account; an ARN has them in it"
		noName    = "it is the name of an endpoint: a letter, then up to 47 letters, digits and underscores"
		noAWS     = "it is no https URL of AWS: for another host, use WithEndpoint"
		dp        = "BEDROCK_AGENTCORE_DP_ENDPOINT"
	)
	account, region := client.WithAccountID("111122223333"), client.WithRegion
	type options = []client.TransportOption
	type test struct {
		runtime string
		opts    options
		env     string // of the variable for endpoints
		want    client.ParameterError
	}
	var tests []test
	for arn, problem := range map[string]string{
		"arn:aws:bedrock-agentcore:us-west-2:111122223333":           form,
		"arn:aws:bedrock-agentcore:us-west-2:111122223333:runtime:x": form,
		"arn:aws:bedrock:us-west-2:111122223333:runtime/x":           form,
		"urn:aws:bedrock-agentcore:us-west-2:111122223333:runtime/x": form,
		"arn:":             form,
		"http://localhost": form,
		"arn:aws:bedrock-agentcore:us-west-2:111122223333:memory/x":                           "it is not that of a runtime, which ends with runtime/ID",
		"arn:aws:bedrock-agentcore:us-west-2:111122223333:runtime":                            "it is not that of a runtime, which ends with runtime/ID",
		"arn:awsome:bedrock-agentcore:us-west-2:111122223333:runtime/x":                       "there is no partition awsome: it is aws, or begins so, as aws-us-gov does",
		"arn::bedrock-agentcore:us-west-2:111122223333:runtime/x":                             "there is no partition : it is aws, or begins so, as aws-us-gov does",
		"arn:aws:bedrock-agentcore::111122223333:runtime/x":                                   empty,
		"arn:aws:bedrock-agentcore:us-west-2::runtime/x":                                      empty,
		"arn:aws:bedrock-agentcore:us-west-2:111122223333:runtime/":                           empty,
		"arn:aws:bedrock-agentcore:us-west-2:111122223333:runtime/x/runtime-endpoint/DEFAULT": "it is that of an endpoint: leave out what follows the runtime's id, and name the endpoint with WithQualifier",
		"arn:aws:bedrock-agentcore:us-west-2:111122223333:runtime/x/y":                        "the id has letters, digits, underscores and dashes only",
		"arn:aws:bedrock-agentcore:us-west-2:111122223333:runtime/x\n":                        "the id has letters, digits, underscores and dashes only",
		"arn:aws:bedrock-agentcore:us-west-2:11112222333:runtime/x":                           "the account has 12 digits",
		"arn:aws:bedrock-agentcore:us-west-2:11112222333x:runtime/x":                          "the account has 12 digits",
		"arn:aws:bedrock-agentcore:US-EAST-1:111122223333:runtime/x":                          "there is no region US-EAST-1",
		"arn:aws:bedrock-agentcore:us-east-1\n:111122223333:runtime/x":                        "there is no region us-east-1\n",
		"arn:aws:bedrock-agentcore:x@evil.com/#:111122223333:runtime/x":                       "there is no region x@evil.com/#",
	} {
		tests = append(tests, test{runtime: arn, want: client.ParameterError{Name: "runtime ARN", Value: arn, Problem: problem}})
	}
	for _, id := range []string{"", "a/b", "a b", "../x", "a\n", "é"} {
		tests = append(tests, test{runtime: id, opts: options{account, region("us-west-2")}, want: client.ParameterError{Name: "runtime", Value: id, Problem: noRuntime}})
	}
	for _, id := range []string{"", "11112222333", "1111222233334", "11112222333a", "111122223333\n"} {
		tests = append(tests, test{runtime: "x", opts: options{client.WithAccountID(id), region("us-west-2")}, want: client.ParameterError{Name: "account id", Value: id, Problem: noAccount}})
	}
	for _, name := range []string{"US-EAST-1", "us-east-1\n", "x@evil.com:443/#", "us-east", "us", "world-east-1", "us-east-1.evil.com", "us_east_1"} {
		tests = append(tests, test{runtime: "x", opts: options{account, region(name)}, want: client.ParameterError{Name: "region", Value: name, Problem: noRegion}})
	}
	for _, name := range []string{"1", "a-b", "a b", "_a", "a&b", strings.Repeat("a", 49)} {
		tests = append(tests, test{runtime: testARN, opts: options{client.WithQualifier(name)}, want: client.ParameterError{Name: "qualifier", Value: name, Problem: noName}})
	}
	for _, endpoint := range []string{
		"http://bedrock-agentcore.us-west-2.amazonaws.com", "https://localhost:8080", "https://amazonaws.com", "https://evilamazonaws.com",
		"https://x.amazonaws.com.evil.com", "https://x.amazonaws.com@evil.com", "https://evil.com/.amazonaws.com", "https://x.api.aws.",
	} {
		tests = append(tests, test{runtime: testARN, env: endpoint, want: client.ParameterError{Name: dp, Value: endpoint, Problem: noAWS}})
	}
	tests = append(tests,
		test{runtime: testARN, env: "https://evil.com?.amazonaws.com", want: client.ParameterError{Name: dp, Value: "https://evil.com?.amazonaws.com", Problem: "leave out what follows the path"}},
		test{runtime: testARN, env: "https://evil.com#.amazonaws.com", want: client.ParameterError{Name: dp, Value: "https://evil.com#.amazonaws.com", Problem: "leave out what follows the path"}},
		test{runtime: testARN, opts: options{client.WithEndpoint("localhost:8080")}, want: client.ParameterError{Name: "endpoint", Value: "localhost:8080", Problem: "write it with its scheme, as in http://localhost:8080"}},
		test{runtime: testARN, opts: options{region("us-east-1")}, want: client.ParameterError{Name: "region", Value: "us-east-1", Problem: "the ARN of the runtime says us-west-2"}},
		test{runtime: testARN, opts: options{client.WithAccountID("444455556666")}, want: client.ParameterError{Name: "account id", Value: "444455556666", Problem: "the ARN of the runtime has another one"}},
	)
	for _, test := range tests {
		t.Run(test.want.Name+" "+test.want.Value, func(t *testing.T) {
			clearEnv(t)
			t.Setenv(dp, test.env)
			transport, err := client.AgentCore(awsConfig(), test.runtime, test.opts...)
			if got := *as[*client.ParameterError](t, err); transport != nil || got != test.want {
				t.Errorf("with credentials of AWS %+v, want %+v", got, test.want)
			}
			transport, err = client.AgentCoreOAuth(client.StaticToken("token"), test.runtime, test.opts...)
			if got := *as[*client.ParameterError](t, err); transport != nil || got != test.want {
				t.Errorf("with a token %+v, want %+v", got, test.want)
			}
		})
	}
	clearEnv(t)
	_, err := client.AgentCoreOAuth(client.StaticToken("token"), "x", account)
	says(t, err, `region "": there is none: give one like us-west-2 with WithRegion or AWS_REGION`)
	config := awsConfig()
	config.Region = ""
	_, err = client.AgentCore(config, "x", account)
	says(t, err, `region "": there is none: give one like us-west-2 with WithRegion or AWS_REGION`)
	t.Setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "localhost")
	_, err = client.AgentCore(awsConfig(), testARN)
	says(t, err, `endpoint of the AWS configuration "localhost": write it with its scheme, as in http://localhost:8080`)
	t.Setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "")
	config.BaseEndpoint = aws.String("ws://localhost")
	_, err = client.AgentCore(config, testARN)
	says(t, err, `endpoint of the AWS configuration "ws://localhost": write it with http or https: WebSocket connections are made from there`)
}

// The ARN is escaped wherever the request passes.
func TestAgentCoreOnTheWire(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	for _, base := range []string{"", "/", "/base", "/a%2Fb/"} {
		at := client.WithEndpoint(s.url + base)
		for _, transport := range []*client.Transport{
			made(t)(client.AgentCore(awsConfig(), testARN, at, client.WithQualifier("prod"))),
			made(t)(client.AgentCoreOAuth(client.StaticToken("token"), testARN, at, client.WithQualifier("prod"))),
		} {
			c := client.New(transport)
			invoke(t, c)
			prefix := strings.TrimSuffix(base, "/") + "/runtimes/" + escapedARN
			if got, want := s.last(t).uri, prefix+"/invocations?qualifier=prod"; got != want {
				t.Errorf("request for\n\t%s\nwant\n\t%s", got, want)
			}
			if err := c.StopSession(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, want := s.last(t).uri, prefix+"/stopruntimesession?qualifier=prod"; got != want {
				t.Errorf("request for\n\t%s\nwant\n\t%s", got, want)
			}
		}
	}
}

func TestAgentCoreSessions(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	c := client.New(made(t)(client.AgentCore(awsConfig(), testARN, client.WithEndpoint(s.url))))
	for length, ok := range map[int]bool{0: false, 1: false, 32: false, 33: true, 256: true, 257: false} {
		id := strings.Repeat("s", length)
		_, err := client.Invoke[any, any](t.Context(), c, nil, client.WithSession(id))
		if ok {
			if err != nil || s.last(t).header.Get(sessionHeader) != id {
				t.Errorf("%d characters: %v", length, err)
			}
			continue
		}
		says(t, as[*client.ParameterError](t, err), fmt.Sprintf("session id %q: AgentCore takes 33 to 256 characters, and this has %d: a UUID has 36", id, length))
	}
	if all := s.all(); len(all) != 2 {
		t.Errorf("%d requests were sent, want 2", len(all))
	}
}

func TestStopSession(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	c := client.New(made(t)(client.AgentCore(awsConfig(), testARN, client.WithEndpoint(s.url))), client.WithSession(testSession))
	var header http.Header
	if err := c.StopSession(t.Context(), client.WithHeader("X-Thing", "a"), client.WithAnswerHeader(&header)); err != nil {
		t.Fatal(err)
	}
	r := s.last(t)
	var body struct{ ClientToken string }
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		t.Fatal(err)
	}
	if _, err := uuid.Parse(body.ClientToken); err != nil {
		t.Errorf("body %s: %v", r.body, err)
	}
	if r.method != "POST" || r.header.Get(sessionHeader) != testSession || r.header.Get("Content-Type") != "application/json" || r.header.Get("X-Thing") != "a" || header == nil {
		t.Errorf("request %+v", r)
	}
	before := r.body
	if err := c.StopSession(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.last(t).body == before {
		t.Error("two calls have the same client token")
	}
	gone := serve(t, answer(404, "application/json", `{"message":"no session"}`, "X-Amzn-ErrorType", "ResourceNotFoundException", requestHeader, "r-1"))
	c = client.New(made(t)(client.AgentCore(awsConfig(), testARN, client.WithEndpoint(gone.url))))
	says(t, as[*client.Error](t, c.StopSession(t.Context())), "stop session: no session (ResourceNotFoundException, status 404, request r-1)")
}

func TestUnsupported(t *testing.T) {
	clearEnv(t)
	deployed := client.New(made(t)(client.AgentCore(awsConfig(), testARN)))
	_, err := deployed.Ping(t.Context())
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v is not errors.ErrUnsupported", err)
	}
	says(t, err, "ping: unsupported operation for an agent on AgentCore, which only the platform asks")
	err = client.New(direct(t, "http://localhost:8080")).StopSession(t.Context())
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v is not errors.ErrUnsupported", err)
	}
	says(t, err, "stop session: unsupported operation for an agent that is reached directly: AgentCore does it")
}

// What proves who calls goes to the endpoint and nowhere else.
func TestAgentCoreRedirect(t *testing.T) {
	elsewhere := serve(t, answerJSON(`{}`))
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.url+"/there", http.StatusTemporaryRedirect)
	})
	own := &http.Client{Transport: new(http.Transport)}
	for _, transport := range []*client.Transport{
		made(t)(client.AgentCore(awsConfig(), testARN, client.WithEndpoint(s.url), client.WithHTTPClient(own))),
		made(t)(client.AgentCoreOAuth(client.StaticToken("token"), testARN, client.WithEndpoint(s.url))),
	} {
		_, err := client.Invoke[any, any](context.Background(), client.New(transport), nil)
		says(t, as[*client.Error](t, err), "invoke: it is elsewhere, where requests with credentials do not follow: "+elsewhere.url+"/there (status 307)")
	}
	if len(elsewhere.all()) > 0 {
		t.Error("a redirection was followed")
	}
	if own.CheckRedirect != nil {
		t.Error("the caller's HTTP client was changed")
	}
}

// The HTTP client of an AWS configuration trusts those that its owner does.
func TestAgentCoreHTTPClient(t *testing.T) {
	clearEnv(t)
	var asked atomic.Int32
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if strings.HasSuffix(r.URL.Path, "/ws") {
			r.URL.Path = "/ws"
			agentHandler(echo).ServeHTTP(w, r)
			return
		}
		http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	buildable := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.TLSClientConfig.RootCAs = roots })
	for name, test := range map[string]struct {
		configured aws.HTTPClient
		opts       []client.TransportOption
		trusts     bool
	}{
		"none":            {nil, nil, false},
		"of net/http":     {server.Client(), nil, true},
		"of the AWS SDK":  {buildable, nil, true},
		"of another kind": {struct{ aws.HTTPClient }{buildable}, nil, false},
		"with an option":  {buildable, []client.TransportOption{client.WithHTTPClient(new(http.Client))}, false},
	} {
		t.Run(name, func(t *testing.T) {
			asked.Store(0)
			cfg := awsConfig()
			cfg.HTTPClient = test.configured
			opts := append(test.opts, client.WithEndpoint(server.URL), client.WithMaxAttempts(1))
			c := client.New(made(t)(client.AgentCore(cfg, testARN, opts...)))
			_, err := client.Invoke[any, any](t.Context(), c, nil)
			if !test.trusts {
				as[*tls.CertificateVerificationError](t, err)
				return
			}
			as[*client.Error](t, err)
			if n := asked.Load(); n != 1 {
				t.Errorf("a redirection was followed: %d requests came", n)
			}
			conn := connect[string, string](t, c)
			send(t, conn, "x")
			receives(t, conn, "x")
		})
	}
}
