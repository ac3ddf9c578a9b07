//go:build unix

package interop_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/agentcore-go/agentcore/client"
)

// connecting is what two SDKs make the same credentials of.
type connecting struct {
	ARN       string            `json:"arn"`
	Region    string            `json:"region"`
	Qualifier string            `json:"qualifier"`
	Session   string            `json:"session"`
	Key       string            `json:"key"`
	Secret    string            `json:"secret"`
	Token     string            `json:"token"`
	Bearer    string            `json:"bearer"`
	Shell     string            `json:"shell"`
	Query     map[string]string `json:"query"`
	Expires   int               `json:"expires"` // in seconds
}

// credentials are what another program can connect with.
type credentials struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
}

// clock is when the credentials are made: shortly before another day.
var clock = time.Date(2026, time.July, 31, 23, 59, 58, 0, time.UTC)

// TestPythonCredentials compares what AgentCoreRuntimeClient of the Python SDK and
// our client make for other programs, signatures included.
func TestPythonCredentials(t *testing.T) {
	for _, name := range []string{"BEDROCK_AGENTCORE_DP_ENDPOINT", "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "AWS_ENDPOINT_URL"} {
		t.Setenv(name, "")
	}
	const key, secret = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	tests := map[string]connecting{
		"plain": {
			ARN: "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my_agent-abcde12345", Region: "us-west-2",
			Session: session, Key: key, Secret: secret, Bearer: "abc.def.ghi", Shell: "s", Expires: 300,
		},
		"everything": {
			ARN: "arn:aws:bedrock-agentcore:eu-central-1:123456789012:runtime/my_agent-abcde12345", Region: "eu-central-1", Qualifier: "DEFAULT",
			Session: session, Key: key, Secret: secret, Token: "IQoJb3JpZ2luX2VjE+/Ab0==", Bearer: "abc.d-f_~+/=", Shell: "build-shell_1", Expires: 60,
			Query: map[string]string{"abc": "p q+r", "b/c": "ü&=~*'()!%25", "A": "1", "a": "2", "empty": ""},
		},
		"another partition": {
			ARN: "arn:aws-us-gov:bedrock-agentcore:us-gov-west-1:123456789012:runtime/a-abcde12345", Region: "us-gov-west-1", Qualifier: "prod_2",
			Session: strings.Repeat("x/ü", 30), Key: key, Secret: secret, Token: "token", Bearer: "t", Shell: "0", Expires: 1,
		},
	}
	names := slices.Sorted(maps.Keys(tests))
	var requests []connecting
	for _, name := range names {
		requests = append(requests, tests[name])
	}
	text, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	theirs := output[[]map[string]credentials](t, python(t, "credentials.py", clock.Format("2006-01-02T15:04:05-07:00"), string(text)))
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(clock))
				ours := tests[name].make(t)
				if got, want := slices.Sorted(maps.Keys(ours)), slices.Sorted(maps.Keys(theirs[i])); !slices.Equal(got, want) {
					t.Fatalf("there are %v, want %v", got, want)
				}
				for kind := range ours {
					if strings.HasPrefix(kind, "shell") {
						theirs[i][kind] = theirs[i][kind].forShell()
					}
					compare(t, kind, ours[kind], theirs[i][kind])
				}
			})
		})
	}
}

// make makes the credentials of each kind with our client.
func (c connecting) make(t *testing.T) map[string]credentials {
	t.Helper()
	config := aws.Config{Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: c.Key, SecretAccessKey: c.Secret, SessionToken: c.Token}, nil
	})}
	var options []client.TransportOption
	if c.Qualifier != "" {
		options = append(options, client.WithQualifier(c.Qualifier))
	}
	signed, err := client.AgentCore(config, c.ARN, options...)
	if err != nil {
		t.Fatal(err)
	}
	oauth, err := client.AgentCoreOAuth(client.StaticToken(c.Bearer), c.ARN, options...)
	if err != nil {
		t.Fatal(err)
	}
	made := make(map[string]credentials)
	add := func(kind, url string, header map[string]string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		made[kind] = credentials{url, header}
	}
	ctx := t.Context()
	withKey, withToken := client.New(signed, client.WithSession(c.Session)), client.New(oauth, client.WithSession(c.Session))

	at, header, err := withKey.WebSocketHeaders(ctx)
	add("headers", at, flat(header), err)
	at, header, err = withKey.WebSocketHeaders(ctx, client.ForShell(c.Shell))
	add("shell", at, flat(header), err)
	at, header, err = withToken.WebSocketHeaders(ctx)
	add("oauth", at, flat(header), err)

	presign := client.PresignOptions{Expires: time.Duration(c.Expires) * time.Second}
	at, err = withKey.PresignWebSocket(ctx, presign, client.ForShell(c.Shell))
	add("shell presigned", at, nil, err)
	presign.Query = make(url.Values)
	for name, value := range c.Query {
		presign.Query.Set(name, value)
	}
	at, err = withKey.PresignWebSocket(ctx, presign)
	add("presigned", at, nil, err)

	at, protocols, err := withToken.WebSocketSubprotocols(ctx, client.ForShell(c.Shell))
	add("shell oauth", at, map[string]string{"Sec-WebSocket-Protocol": strings.Join(protocols, ", ")}, err)
	return made
}

func flat(header http.Header) map[string]string {
	flat := make(map[string]string)
	for name := range header {
		flat[name] = header.Get(name)
	}
	return flat
}

// forShell returns credentials with what ours have besides: for shells, the Python
// SDK leaves the handshake to its own WebSocket library, whose name it sends, too.
func (c credentials) forShell() credentials {
	if _, signed := c.Headers["Authorization"]; !signed {
		return c
	}
	headers := maps.Clone(c.Headers)
	headers["Upgrade"] = "websocket"
	headers["Connection"] = "Upgrade"
	headers["Sec-WebSocket-Version"] = "13"
	headers["Sec-WebSocket-Key"] = base64.StdEncoding.EncodeToString(make([]byte, 16))
	headers["User-Agent"] = "AgentCoreRuntimeClient/1.0"
	return credentials{c.URL, headers}
}

// compare compares all but the order of things and the key of the handshake, which
// is random.
func compare(t *testing.T, kind string, ours, theirs credentials) {
	t.Helper()
	got, want := parse(t, ours.URL), parse(t, theirs.URL)
	if !maps.EqualFunc(got.Query(), want.Query(), slices.Equal) {
		t.Errorf("%s: the query is %v, want %v", kind, got.Query(), want.Query())
	}
	got.RawQuery, want.RawQuery = "", ""
	if got.String() != want.String() {
		t.Errorf("%s: the URL is %s, want %s", kind, got, want)
	}
	gotHeader, wantHeader := canonical(t, kind, ours.Headers), canonical(t, kind, theirs.Headers)
	if !maps.Equal(gotHeader, wantHeader) {
		t.Errorf("%s: the headers are\n%v, want\n%v", kind, gotHeader, wantHeader)
	}
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// canonical returns headers as net/http spells them, without the key, which it checks.
func canonical(t *testing.T, kind string, headers map[string]string) map[string]string {
	t.Helper()
	header := make(map[string]string)
	for name, value := range headers {
		header[http.CanonicalHeaderKey(name)] = value
	}
	if key, ok := header["Sec-Websocket-Key"]; ok {
		if random, err := base64.StdEncoding.DecodeString(key); err != nil || len(random) != 16 {
			t.Errorf("%s: the key of the handshake is %q", kind, key)
		}
		delete(header, "Sec-Websocket-Key")
	}
	return header
}
