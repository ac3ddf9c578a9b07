package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/bedrockagentcore"

	"github.com/agentcore-go/agentcore/client"
)

// The endpoints of regions are those of the AWS SDK.
func TestRegionalEndpoints(t *testing.T) {
	resolver := bedrockagentcore.NewDefaultEndpointResolverV2()
	for _, place := range []struct{ partition, region string }{
		{"aws", "us-west-2"}, {"aws-us-gov", "us-gov-west-1"}, {"aws-cn", "cn-north-1"}, {"aws-eusc", "eusc-de-east-1"},
	} {
		for _, fips := range []bool{false, true} {
			for _, dualStack := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, FIPS %t, dual stack %t", place.region, fips, dualStack), func(t *testing.T) {
					want, err := resolver.ResolveEndpoint(t.Context(), bedrockagentcore.EndpointParameters{
						Region: aws.String(place.region), UseFIPS: aws.Bool(fips), UseDualStack: aws.Bool(dualStack),
					})
					if err != nil {
						t.Fatal(err)
					}
					clearEnv(t)
					t.Setenv("AWS_USE_FIPS_ENDPOINT", fmt.Sprint(fips))
					t.Setenv("AWS_USE_DUALSTACK_ENDPOINT", fmt.Sprint(dualStack))
					loaded, err := config.LoadDefaultConfig(t.Context(), config.WithCredentialsProvider(ownKeys))
					if err != nil {
						t.Fatal(err)
					}
					arn := "arn:" + place.partition + ":bedrock-agentcore:" + place.region + ":111122223333:runtime/x"
					for what, cfg := range map[string]aws.Config{"loaded": loaded, "made in code": awsConfig()} {
						if got := hostOf(t, cfg, arn); got != want.URI.Host {
							t.Errorf("with a configuration that was %s, the host is %s, want %s", what, got, want.URI.Host)
						}
					}
				})
			}
		}
	}
}

var ownKeys = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
})

// hostOf returns the host that an agent is called at.
func hostOf(t *testing.T, cfg aws.Config, arn string, opts ...client.TransportOption) string {
	t.Helper()
	send, sent := sending()
	invoke(t, client.New(made(t)(client.AgentCore(cfg, arn, append(opts, send)...))))
	u, err := url.Parse(*sent)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// A profile says where the service is, as it does for the clients of the AWS SDK.
func TestEndpointOfProfile(t *testing.T) {
	profile := `[default]
services = here
use_fips_endpoint = true

[services here]
bedrock_agentcore =
  endpoint_url = http://localhost:1
`
	for name, test := range map[string]struct {
		env  []string
		want string
	}{
		"service":         {want: "localhost:1"},
		"variable before": {env: []string{"AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "http://localhost:2"}, want: "localhost:2"},
		"ignored":         {env: []string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"}, want: "bedrock-agentcore-fips.us-west-2.amazonaws.com"},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnv(t)
			path := filepath.Join(t.TempDir(), "config")
			if err := os.WriteFile(path, []byte(profile), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_CONFIG_FILE", path)
			if len(test.env) > 0 {
				t.Setenv(test.env[0], test.env[1])
			}
			cfg, err := config.LoadDefaultConfig(t.Context(), config.WithCredentialsProvider(ownKeys))
			if err != nil {
				t.Fatal(err)
			}
			if got := hostOf(t, cfg, testARN); got != test.want {
				t.Errorf("the host is %s, want %s", got, test.want)
			}
		})
	}
}

func TestUnknownPartition(t *testing.T) {
	clearEnv(t)
	const arn = "arn:aws-iso:bedrock-agentcore:us-iso-east-1:111122223333:runtime/x"
	_, err := client.AgentCore(awsConfig(), arn)
	says(t, err, `partition "aws-iso": what its hosts are called is not known here: give the endpoint with WithEndpoint`)
	if _, ok := errors.AsType[*client.ParameterError](err); !ok {
		t.Errorf("the error is a %T", err)
	}
	if got := hostOf(t, awsConfig(), arn, client.WithEndpoint("http://localhost:3")); got != "localhost:3" {
		t.Errorf("the host is %s", got)
	}
}
