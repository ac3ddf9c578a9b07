//go:build unix

package main

import (
	"errors"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/agentcore-go/agentcore/internal/dataplane"
)

const (
	account = "123456789012"
	id      = "my_agent-abcde12345"
	arn     = "arn:aws:bedrock-agentcore:us-west-2:" + account + ":runtime/" + id
	long    = "session-0123456789-0123456789-0123456789"
)

var keys = aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "session token"}

// deploy puts an agent behind a stand-in for AgentCore, which the environment
// then says to call, with the right credentials.
func deploy(t *testing.T, agent dataplane.Agent, change ...func(*dataplane.Config)) *dataplane.Front {
	t.Helper()
	config := dataplane.Config{Credentials: []aws.Credentials{keys}}
	for _, c := range change {
		c(&config)
	}
	front := dataplane.New(config)
	t.Cleanup(front.Close)
	if err := front.Deploy(arn, agent); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)

	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_BEDROCK_AGENTCORE": server.URL,
		"AWS_ACCESS_KEY_ID":                  keys.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":              keys.SecretAccessKey,
		"AWS_SESSION_TOKEN":                  keys.SessionToken,
		// Nothing of this machine's counts.
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "BEDROCK_AGENTCORE_DP_ENDPOINT": "",
	} {
		t.Setenv(name, value)
	}
	return front
}

func TestSigned(t *testing.T) {
	front := deploy(t, dataplane.Agent{URL: start(t, "assistant"), Endpoints: []string{"beta"}})
	const first, second = "You said: \"how?\". We have only just met.\n", "You said: \"how?\". I remember 1 earlier turn.\n"
	got := invoke(t, "", "-runtime", arn, "assistant", "returns", "how?")
	got.expect(t, 0, first, "")
	invoke(t, "", "-runtime", arn, "-session", got.session(t), "assistant", "returns", "how?").expect(t, 0, second, "")
	invoke(t, "", "-runtime", id, "-account", account, "-region", "us-west-2", "-qualifier", "beta", "-session", long, "assistant", "returns", "how?").
		expect(t, 0, first, "")
	t.Setenv("AWS_REGION", "us-west-2")
	invoke(t, "", "-runtime", id, "-account", account, "-session", long, "assistant", "returns", "how?").expect(t, 0, second, "")
	if sessions, want := front.Sessions(arn), []string{got.session(t), long}; !slices.Equal(sessions, slices.Sorted(slices.Values(want))) {
		t.Errorf("the sessions are %q, want %q", sessions, want)
	}
}

func TestSignedChat(t *testing.T) {
	deploy(t, dataplane.Agent{URL: start(t, "chat")})
	got := invoke(t, "hi\n", "-runtime", arn, "-session", long, "chat")
	got.expect(t, 0, "You said: \"hi\". We have only just met.\n", "")
	if got.session(t) != long {
		t.Errorf("the session is %s, want %s", got.session(t), long)
	}
}

// The gateway asks for the token that AgentCore has let pass.
func TestBearer(t *testing.T) {
	deploy(t, dataplane.Agent{
		URL: start(t, "gateway"), AllowedHeaders: []string{"Authorization"},
		BearerToken: func(token string) error {
			if token != "dev-token" {
				return errors.New("the token is not ours")
			}
			return nil
		},
	})
	t.Setenv("AWS_ACCESS_KEY_ID", "") // nobody asks for them
	t.Setenv("TOKEN", "dev-token")
	invoke(t, "", "-runtime", arn, "-token-env", "TOKEN", "gateway", "hi").
		expect(t, 0, "You said: \"hi\". We have only just met.\n", "")
	t.Setenv("TOKEN", "mine")
	invoke(t, "", "-runtime", arn, "-token-env", "TOKEN", "gateway", "hi").
		expectRefused(t, "401: the token is not ours", "UnauthorizedException")
}

var requestLine = regexp.MustCompile(`\n\trequest [0-9a-f-]{36}\n$`)

// expectRefused checks that AgentCore has refused.
func (r result) expectRefused(t *testing.T, message, code string) {
	t.Helper()
	if !requestLine.MatchString(r.err) {
		t.Errorf("it does not tell the id of the request: %q", r.err)
	}
	r.err = requestLine.ReplaceAllString(r.err, "\n")
	r.expect(t, 1, "", "caller: refused with status "+message+"\n\tcode "+code+"\n")
}

func TestRefused(t *testing.T) {
	deploy(t, dataplane.Agent{URL: start(t, "assistant")})
	invoke(t, "", "-runtime", arn, "assistant", "love", "how?").
		expectRefused(t, "424: Received error (404) from runtime. Please check your CloudWatch logs for more information.", "RuntimeClientError")
	invoke(t, "", "-runtime", arn, "-qualifier", "beta", "assistant", "returns", "how?").
		expectRefused(t, "404: No endpoint or agent found with qualifier 'beta' for agent '"+arn+"'", "ResourceNotFoundException")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "another")
	got := invoke(t, "", "-runtime", arn, "assistant", "returns", "how?")
	if got.status != 1 || !strings.Contains(got.err, "caller: refused with status 403: ") {
		t.Errorf("with another key, status %d and %s", got.status, got.err)
	}
}

func TestWrongParameters(t *testing.T) {
	deploy(t, dataplane.Agent{URL: start(t, "hello")})
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-runtime", arn, "-session", "short"}, `session id "short": AgentCore takes 33 to 256 characters, and this has 5: a UUID has 36`},
		{[]string{"-runtime", arn, "-region", "us-east-1"}, `region "us-east-1": the ARN of the runtime says us-west-2`},
		{[]string{"-runtime", id}, `account id "": with the id of a runtime, WithAccountID has to say the 12 digits of the account; an ARN has them in it`},
	} {
		invoke(t, "", append(tt.args, "hello", "hi")...).expect(t, 2, "", "caller: "+tt.want+"\n")
	}
}

func TestNoCredentials(t *testing.T) {
	deploy(t, dataplane.Agent{URL: start(t, "hello")})
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	got := invoke(t, "", "-runtime", arn, "hello", "hi")
	if want := "caller: invoke: retrieve the AWS credentials: "; got.status != 1 || !strings.Contains(got.err, want) {
		t.Errorf("status %d: %s\nwant status 1: %s", got.status, got.err, want)
	}
}
