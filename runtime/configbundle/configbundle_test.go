package configbundle_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	control "github.com/aws/aws-sdk-go-v2/service/bedrockagentcorecontrol"
	"github.com/aws/aws-sdk-go-v2/service/bedrockagentcorecontrol/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockagentcorecontrol/types"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/agentcore-go/agentcore/runtime"
	"github.com/agentcore-go/agentcore/runtime/configbundle"
)

const (
	runtimeARN = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/MyAgent-abc123"
	gatewayARN = "arn:aws:bedrock-agentcore:us-west-2:123456789012:gateway/shop-def456"
	bundleARN  = "arn:aws:bedrock-agentcore:us-west-2:123456789012:configuration-bundle/myAgentConfig-a1b2c3d4e5"
	version    = "12345678-1234-1234-1234-123456789012"
)

var ref = runtime.ConfigBundleRef{ARN: bundleARN, Version: version}

func TestMain(m *testing.M) {
	os.Setenv("OTEL_RESOURCE_ATTRIBUTES", "cloud.resource_id="+runtimeARN+"/runtime-endpoint/DEFAULT")
	goleak.VerifyTestMain(m)
}

// bundle is an answer of the service with these components.
func bundle(components string) string {
	return `{
		"bundleArn": "` + bundleARN + `",
		"bundleId": "myAgentConfig-a1b2c3d4e5",
		"bundleName": "myAgentConfig",
		"components": ` + components + `,
		"createdAt": 1.7953544975E9,
		"lineageMetadata": {"branchName": "mainline", "commitMessage": "first", "createdBy": {"name": "user"}, "parentVersionIds": []},
		"versionCreatedAt": 1.795354498E9,
		"versionId": "` + version + `"
	}`
}

// newClient returns the SDK's client of a control plane that answers with serve.
// A request is tried as often as there are attempts, without a pause.
func newClient(t *testing.T, attempts int, serve http.HandlerFunc) *control.Client {
	t.Helper()
	service := httptest.NewServer(serve)
	t.Cleanup(service.Close)
	return control.New(control.Options{
		Region:       "us-west-2",
		BaseEndpoint: aws.String(service.URL),
		HTTPClient:   service.Client(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "session"}, nil
		}),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = attempts
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
	})
}

func answer(status int, headers map[string]string, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestRequest(t *testing.T) {
	for _, test := range []struct {
		name string
		ref  runtime.ConfigBundleRef
		want string
	}{
		{"as documented", ref, "/configuration-bundles/myAgentConfig-a1b2c3d4e5/versions/" + version},
		{"the end of a longer ARN", runtime.ConfigBundleRef{ARN: "arn:a/b/c", Version: "2"}, "/configuration-bundles/c/versions/2"},
		{"other characters", runtime.ConfigBundleRef{ARN: "arn:a/b?c d", Version: "../2"}, "/configuration-bundles/b%3Fc%20d/versions/..%2F2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got *http.Request
			client := newClient(t, 1, func(w http.ResponseWriter, r *http.Request) {
				got = r
				answer(200, nil, bundle(`{}`))(w, r)
			})
			if _, err := configbundle.New(client).ConfigBundle(t.Context(), test.ref); err != nil {
				t.Fatal(err)
			}
			if got.Method != "GET" || got.RequestURI != test.want {
				t.Errorf("the request is %s %s, want GET %s", got.Method, got.RequestURI, test.want)
			}
			signature := got.Header.Get("Authorization")
			for _, part := range []string{"AWS4-HMAC-SHA256 ", "Credential=AKIDEXAMPLE/", "/us-west-2/bedrock-agentcore/aws4_request", "Signature="} {
				if !strings.Contains(signature, part) {
					t.Errorf("the request's Authorization is %q, without %q", signature, part)
				}
			}
		})
	}
}

func TestConfigurations(t *testing.T) {
	for _, test := range []struct {
		name, components string
		want             map[string]string
	}{
		{"none", `{}`, map[string]string{}},
		{
			"several",
			`{"` + runtimeARN + `": {"configuration": {"system_prompt": "You help."}}, "` + gatewayARN + `": {"configuration": {"tools": ["a", null, true]}}}`,
			map[string]string{runtimeARN: `{"system_prompt":"You help."}`, gatewayARN: `{"tools":["a",null,true]}`},
		},
		{
			"numbers keep their digits",
			`{"` + runtimeARN + `": {"configuration": {"big": 12345678901234567890123, "small": 0.1, "exponent": 1e-7}}}`,
			map[string]string{runtimeARN: `{"big":12345678901234567890123,"exponent":1e-7,"small":0.1}`},
		},
		{
			"other texts",
			`{"` + runtimeARN + `": {"configuration": {"<&>": "\u017c\n\"", "": {}}}}`,
			map[string]string{runtimeARN: `{"":{},"<&>":"ż\n\""}`},
		},
		{"a text alone", `{"` + runtimeARN + `": {"configuration": "text"}}`, map[string]string{runtimeARN: `"text"`}},
		{"null", `{"` + runtimeARN + `": {"configuration": null}}`, map[string]string{}},
		{"nothing", `{"` + runtimeARN + `": {}, "` + gatewayARN + `": null}`, map[string]string{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := newClient(t, 1, answer(200, nil, bundle(test.components)))
			got, err := configbundle.New(client).ConfigBundle(t.Context(), ref)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(test.want) {
				t.Errorf("got %d configurations, want %d: %s", len(got), len(test.want), got)
			}
			for arn, want := range test.want {
				if normal(t, got[arn]) != normal(t, []byte(want)) {
					t.Errorf("the configuration of %s is %s, want %s", arn, got[arn], want)
				}
			}
		})
	}
}

// normal returns a JSON text with its keys in order and its numbers as they were.
func normal(t *testing.T, text []byte) string {
	t.Helper()
	var value any
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%q is not JSON: %v", text, err)
	}
	normal, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(normal)
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		name, kind string
		status     int
		is         func(error) bool
	}{
		{"not found", "ResourceNotFoundException", 404, isA[*types.ResourceNotFoundException]},
		{"access denied", "AccessDeniedException", 403, isA[*types.AccessDeniedException]},
		{"throttled", "ThrottlingException", 429, isA[*types.ThrottlingException]},
		{"invalid", "ValidationException", 400, isA[*types.ValidationException]},
		{"the service's own", "InternalServerException", 500, isA[*types.InternalServerException]},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := newClient(t, 1, answer(test.status, map[string]string{"X-Amzn-ErrorType": test.kind + ":http://internal.amazon.com/"}, `{"message":"the reason"}`))
			_, err := configbundle.New(client).ConfigBundle(t.Context(), ref)
			if !test.is(err) {
				t.Errorf("the error is %v, want a %s", err, test.kind)
			}
			if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != test.kind || api.ErrorMessage() != "the reason" {
				t.Errorf("the error is %v, want %s: the reason", err, test.kind)
			}
		})
	}
	t.Run("not the service", func(t *testing.T) {
		client := newClient(t, 1, answer(200, nil, `<html>`))
		if got, err := configbundle.New(client).ConfigBundle(t.Context(), ref); err == nil {
			t.Errorf("got %s, want an error", got)
		}
	})
	t.Run("a context that has ended", func(t *testing.T) {
		client := newClient(t, 1, answer(200, nil, bundle(`{}`)))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := configbundle.New(client).ConfigBundle(ctx, ref); !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v, want that of the context", err)
		}
	})
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func TestThrottledAndRetried(t *testing.T) {
	attempts := 0
	client := newClient(t, 3, func(w http.ResponseWriter, r *http.Request) {
		if attempts++; attempts < 3 {
			answer(429, map[string]string{"X-Amzn-ErrorType": "ThrottlingException"}, `{"message":"slowly"}`)(w, r)
			return
		}
		answer(200, nil, bundle(`{}`))(w, r)
	})
	if _, err := configbundle.New(client).ConfigBundle(t.Context(), ref); err != nil || attempts != 3 {
		t.Errorf("after %d attempts the error is %v, want none after 3", attempts, err)
	}
}

// fake is a client that is not the SDK's.
type fake struct {
	version *control.GetConfigurationBundleVersionOutput
}

func (f fake) GetConfigurationBundleVersion(context.Context, *control.GetConfigurationBundleVersionInput, ...func(*control.Options)) (*control.GetConfigurationBundleVersionOutput, error) {
	return f.version, nil
}

func TestOtherClient(t *testing.T) {
	component := func(value any) fake {
		return fake{&control.GetConfigurationBundleVersionOutput{
			Components: map[string]types.ComponentConfiguration{runtimeARN: {Configuration: document.NewLazyDocument(value)}},
		}}
	}
	got, err := configbundle.New(component(map[string]any{"a": 1})).ConfigBundle(t.Context(), ref)
	if err != nil || string(got[runtimeARN]) != `{"a":1}` {
		t.Errorf("got %s and %v", got, err)
	}
	if _, err := configbundle.New(component(time.Now())).ConfigBundle(t.Context(), ref); err == nil || !strings.Contains(err.Error(), runtimeARN) {
		t.Errorf("the error of what is no document is %v, want one with the component", err)
	}
	if _, err := configbundle.New(fake{}).ConfigBundle(t.Context(), ref); err == nil {
		t.Error("there is no error when the client returns nothing")
	}
}

// An agent reads its own configuration from the service, once.
func TestAgent(t *testing.T) {
	requests := 0
	client := newClient(t, 1, func(w http.ResponseWriter, r *http.Request) {
		requests++
		answer(200, nil, bundle(`{"`+runtimeARN+`": {"configuration": {"system_prompt": "You help."}}}`))(w, r)
	})
	type settings struct {
		SystemPrompt string `json:"system_prompt"`
	}
	server := runtime.NewServer(runtime.Handlers{
		Invoke: runtime.Unary("Prompt", func(ctx context.Context, _ any) (string, error) {
			config, err := runtime.Configuration[settings](ctx)
			return config.SystemPrompt, err
		}),
	}, runtime.WithLogger(slog.New(slog.DiscardHandler)), runtime.WithConfigBundles(configbundle.New(client)))
	for range 2 {
		request := httptest.NewRequest("POST", "/invocations", strings.NewReader(`{}`))
		request.Header.Set("baggage", "aws.agentcore.configbundle_arn="+bundleARN+",aws.agentcore.configbundle_version="+version)
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, request)
		if got := recorder.Body.String(); recorder.Code != 200 || got != `"You help."` {
			t.Errorf("answered %d %s", recorder.Code, got)
		}
	}
	if requests != 1 {
		t.Errorf("the service was asked %d times, want once", requests)
	}
}
