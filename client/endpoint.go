package client

import (
	"context"
	"net/url"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// domains are those of the partitions of AWS, and of their dual-stack endpoints.
var domains = map[string]struct{ standard, dualStack string }{
	"aws":        {"amazonaws.com", "api.aws"},
	"aws-us-gov": {"amazonaws.com", "api.aws"},
	"aws-cn":     {"amazonaws.com.cn", "api.amazonwebservices.com.cn"},
	"aws-eusc":   {"amazonaws.eu", "api.amazonwebservices.eu"},
}

// regionalEndpoint returns the endpoint of a region.
func regionalEndpoint(partition, region string, cfg aws.Config) (*url.URL, error) {
	domain, known := domains[partition]
	if !known {
		return nil, &ParameterError{"partition", partition, "what its hosts are called is not known here: give the endpoint with WithEndpoint"}
	}
	host, suffix := "bedrock-agentcore", domain.standard
	fips, found := configured(cfg, func(s fipsSource) (aws.FIPSEndpointState, bool, error) {
		return s.GetUseFIPSEndpoint(context.Background())
	})
	if fips == aws.FIPSEndpointStateEnabled || !found && isTrue("AWS_USE_FIPS_ENDPOINT") {
		host += "-fips"
	}
	dualStack, found := configured(cfg, func(s dualStackSource) (aws.DualStackEndpointState, bool, error) {
		return s.GetUseDualStackEndpoint(context.Background())
	})
	if dualStack == aws.DualStackEndpointStateEnabled || !found && isTrue("AWS_USE_DUALSTACK_ENDPOINT") {
		suffix = domain.dualStack
	}
	return &url.URL{Scheme: "https", Host: host + "." + region + "." + suffix}, nil
}

// givenEndpoint returns the endpoint that somebody has chosen, of which the first
// counts, or nil.
func givenEndpoint(option string, cfg aws.Config) (*url.URL, error) {
	if option != "" {
		return parseBaseURL("endpoint", option)
	}
	const variable = "BEDROCK_AGENTCORE_DP_ENDPOINT" // the Python SDK's, which has this check
	if text := os.Getenv(variable); text != "" {
		u, err := parseBaseURL(variable, text)
		if err != nil {
			return nil, err
		}
		for _, domain := range []string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws"} {
			if u.Scheme == "https" && strings.HasSuffix(u.Hostname(), domain) {
				return u, nil
			}
		}
		return nil, &ParameterError{variable, text, "it is no https URL of AWS: for another host, use WithEndpoint"}
	}
	if text := configuredEndpoint(cfg); text != "" {
		return parseBaseURL("endpoint of the AWS configuration", text)
	}
	return nil, nil
}

// configuredEndpoint returns the endpoint that the configuration of AWS has for the
// service, or for all, "" for none.
func configuredEndpoint(cfg aws.Config) string {
	ignored, found := configured(cfg, func(s ignoringSource) (bool, bool, error) {
		return s.GetIgnoreConfiguredEndpoints(context.Background())
	})
	if !ignored && (found || !isTrue("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) {
		own, found := configured(cfg, func(s endpointSource) (string, bool, error) {
			return s.GetServiceBaseEndpoint(context.Background(), "Bedrock AgentCore")
		})
		if !found {
			own = os.Getenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE")
		}
		if own != "" {
			return own
		}
	}
	return aws.ToString(cfg.BaseEndpoint) // which is not there when it was to be ignored
}

// What the sources of a configuration that the AWS SDK has loaded can be asked, by
// its own clients as well. A configuration that code has made has no sources; then
// the environment is asked.
type (
	fipsSource interface {
		GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error)
	}
	dualStackSource interface {
		GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error)
	}
	ignoringSource interface {
		GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error)
	}
	endpointSource interface {
		GetServiceBaseEndpoint(ctx context.Context, sdkID string) (string, bool, error)
	}
)

// configured returns the answer of the first source that has one.
func configured[Source, Value any](cfg aws.Config, ask func(Source) (Value, bool, error)) (value Value, found bool) {
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(Source); ok {
			if value, found, err := ask(s); err == nil && found {
				return value, true
			}
		}
	}
	return value, false
}

func isTrue(variable string) bool { return strings.EqualFold(os.Getenv(variable), "true") }
