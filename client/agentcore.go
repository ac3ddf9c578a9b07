package client

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/encoding/httpbinding"
)

// AgentCore returns a transport for an agent on AgentCore Runtime that is called
// with the credentials of AWS (SigV4), as cfg has them:
//
//	cfg, err := config.LoadDefaultConfig(ctx) // of aws-sdk-go-v2/config
//	…
//	transport, err := client.AgentCore(cfg, "arn:aws:bedrock-agentcore:us-west-2:111122223333:runtime/hello-a1b2c3d4e5")
//
// The agent is given by the ARN of its runtime, which also says the region,
// whatever that of cfg is; or by the runtime's id together with
// [WithAccountID], in the region of cfg. What does not fit is a
// [*ParameterError].
//
// The endpoint is that of the region, unless [WithEndpoint] gives one, or the
// environment does with BEDROCK_AGENTCORE_DP_ENDPOINT, which has to be a host of
// AWS, or the configuration of AWS does, be it in AWS_ENDPOINT_URL_BEDROCK_AGENTCORE,
// a profile or cfg.BaseEndpoint. What that says of FIPS and dual-stack endpoints
// counts, too.
func AgentCore(cfg aws.Config, runtime string, opts ...TransportOption) (*Transport, error) {
	o := newTransportOptions(opts)
	o.http = cmp.Or(o.http, httpClientOf(cfg.HTTPClient))
	at, err := newDeployed(runtime, cfg, o)
	if err != nil {
		return nil, err
	}
	if cfg.Credentials == nil {
		return nil, &ParameterError{"AWS credentials", "", "the configuration has none: load it with config.LoadDefaultConfig of the AWS SDK, and " + setCredentials}
	}
	return newTransport(at, newSigV4(cfg.Credentials, at.region), o), nil
}

// httpClientOf returns the HTTP client of an AWS configuration, or nil. Its time to
// read a response, which would end streams that are silent, is left out.
func httpClientOf(configured aws.HTTPClient) *http.Client {
	switch c := configured.(type) {
	case *http.Client:
		return c
	case interface { // of awshttp.BuildableClient
		GetTransport() *http.Transport
		GetTimeout() time.Duration
	}:
		return &http.Client{Transport: c.GetTransport(), Timeout: c.GetTimeout()}
	}
	return nil
}

// AgentCoreOAuth returns a transport for an agent on AgentCore Runtime whose
// callers have a bearer token of an identity provider. A runtime takes either
// these or the credentials of AWS, never both.
//
// A token that is refused with 401 is fetched again, once for each call. The rest
// is as in [AgentCore]; without an ARN, the region is that of [WithRegion], or of
// the variables AWS_REGION and AWS_DEFAULT_REGION.
func AgentCoreOAuth(token TokenSource, runtime string, opts ...TransportOption) (*Transport, error) {
	o := newTransportOptions(opts)
	at, err := newDeployed(runtime, aws.Config{}, o)
	if err != nil {
		return nil, err
	}
	if token == nil {
		return nil, &ParameterError{"token source", "", "it is nil: give a function that fetches a token, or StaticToken"}
	}
	return newTransport(at, newBearer(token), o), nil
}

// WithQualifier calls the endpoint of the runtime that has this name, instead of
// DEFAULT. It is for agents on AgentCore.
func WithQualifier(endpointName string) TransportOption {
	return func(o *transportOptions) { o.qualifier = endpointName }
}

// WithRegion says where an agent on AgentCore is. The region of an ARN has to be
// the same.
func WithRegion(region string) TransportOption {
	return func(o *transportOptions) { o.region = region }
}

// WithAccountID says whose agent it is when a runtime is given by its id instead
// of its ARN.
func WithAccountID(account string) TransportOption {
	return func(o *transportOptions) { o.account = account }
}

// WithEndpoint calls AgentCore at a URL, for tests and for private endpoints.
// Requests are signed for whoever is there.
func WithEndpoint(url string) TransportOption {
	return func(o *transportOptions) { o.endpoint = url }
}

// ParameterError is something that a transport cannot be made with, or a call
// not be made with.
type ParameterError struct {
	// Name says what it is, as in runtime ARN.
	Name string
	// Value is what was given, with no password that is part of a URL.
	Value string
	// Problem says what is wrong with it.
	Problem string
}

func (e *ParameterError) Error() string { return fmt.Sprintf("%s %q: %s", e.Name, e.Value, e.Problem) }

// deployed is an agent on AgentCore Runtime.
type deployed struct {
	endpoint *url.URL
	runtime  string // ARN or id
	region   string
	query    url.Values
}

var (
	// regionPattern is the Python SDK's, and has a place for eusc-de-east-1 as well.
	// A crafted region must not lead a signed request to another host.
	regionPattern    = regexp.MustCompile(`\A[a-z]{2,4}(-[a-z]+)+-[0-9]+\z`)
	partitionPattern = regexp.MustCompile(`\Aaws(-[a-z]+)*\z`)
	accountPattern   = regexp.MustCompile(`\A[0-9]{12}\z`)
	runtimePattern   = regexp.MustCompile(`\A[A-Za-z0-9_-]+\z`)
	qualifierPattern = regexp.MustCompile(`\A[A-Za-z][A-Za-z0-9_]{0,47}\z`)
)

func newDeployed(runtime string, cfg aws.Config, o transportOptions) (*deployed, error) {
	d := &deployed{runtime: runtime, query: make(url.Values)}
	partition := "aws"
	var err error
	if strings.Contains(runtime, ":") {
		if partition, d.region, err = parseARN(runtime); err != nil {
			return nil, err
		}
		if o.region != "" && o.region != d.region {
			return nil, &ParameterError{"region", o.region, "the ARN of the runtime says " + d.region}
		}
		if o.account != "" && o.account != strings.Split(runtime, ":")[4] {
			return nil, &ParameterError{"account id", o.account, "the ARN of the runtime has another one"}
		}
	} else {
		if !runtimePattern.MatchString(runtime) {
			return nil, &ParameterError{"runtime", runtime, "write its ARN, arn:aws:bedrock-agentcore:REGION:ACCOUNT:runtime/ID, or its id"}
		}
		if !accountPattern.MatchString(o.account) {
			return nil, &ParameterError{"account id", o.account, "with the id of a runtime, WithAccountID has to say the 12 digits of the account; an ARN has them in it"}
		}
		d.query.Set("accountId", o.account)
		d.region = cmp.Or(o.region, cfg.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
		for name, known := range map[string]string{"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"} {
			if strings.HasPrefix(d.region, name) {
				partition = known
			}
		}
	}
	if d.region == "" {
		return nil, &ParameterError{"region", "", "there is none: give one like us-west-2 with WithRegion or AWS_REGION"}
	}
	if !regionPattern.MatchString(d.region) {
		return nil, &ParameterError{"region", d.region, "write one like us-west-2"}
	}
	if o.qualifier != "" {
		if !qualifierPattern.MatchString(o.qualifier) {
			return nil, &ParameterError{"qualifier", o.qualifier, "it is the name of an endpoint: a letter, then up to 47 letters, digits and underscores"}
		}
		d.query.Set("qualifier", o.qualifier)
	}
	if d.endpoint, err = givenEndpoint(o.endpoint, cfg); d.endpoint == nil && err == nil {
		d.endpoint, err = regionalEndpoint(partition, d.region, cfg)
	}
	return d, err
}

// parseARN returns the partition and the region of a runtime's ARN.
func parseARN(arn string) (partition, region string, err error) {
	bad := func(problem string) (string, string, error) {
		return "", "", &ParameterError{"runtime ARN", arn, problem}
	}
	part := strings.Split(arn, ":")
	if len(part) != 6 || part[0] != "arn" || part[2] != "bedrock-agentcore" {
		return bad("write one like arn:aws:bedrock-agentcore:REGION:ACCOUNT:runtime/ID")
	}
	id, isRuntime := strings.CutPrefix(part[5], "runtime/")
	switch {
	case !partitionPattern.MatchString(part[1]):
		return bad("there is no partition " + part[1] + ": it is aws, or begins so, as aws-us-gov does")
	case !isRuntime:
		return bad("it is not that of a runtime, which ends with runtime/ID")
	case part[3] == "" || part[4] == "" || id == "":
		return bad("the region, the account and the id cannot be empty")
	case strings.Contains(id, "/runtime-endpoint/"):
		return bad("it is that of an endpoint: leave out what follows the runtime's id, and name the endpoint with WithQualifier")
	case !runtimePattern.MatchString(id):
		return bad("the id has letters, digits, underscores and dashes only")
	case !accountPattern.MatchString(part[4]):
		return bad("the account has 12 digits")
	case !regionPattern.MatchString(part[3]):
		return bad("there is no region " + part[3])
	}
	return part[1], part[3], nil
}

// routes are the paths of the operations, below that of the runtime.
var routes = map[operation]string{
	opInvoke:    "/invocations",
	opConnect:   "/ws",
	opStop:      "/stopruntimesession",
	opCommand:   "/commands",
	opAgentCard: "/invocations/.well-known/agent-card.json",
	opShell:     "/ws/shells",
}

func (d *deployed) url(op operation) (*url.URL, error) {
	route, ok := routes[op]
	if !ok {
		return nil, fmt.Errorf("%s: %w for an agent on AgentCore, which only the platform asks", op, errors.ErrUnsupported)
	}
	u := *d.endpoint
	below := strings.TrimSuffix(u.EscapedPath(), "/") + "/runtimes/"
	u.RawPath = below + httpbinding.EscapePath(d.runtime, true) + route // with colons escaped, which package url leaves alone
	u.Path, _ = url.PathUnescape(u.RawPath)
	addQuery(&u, d.query)
	return &u, nil
}

// checkSession keeps the rule of the service, whose own message comes late.
func (d *deployed) checkSession(id string) error {
	if n := len(id); n < 33 || n > 256 {
		return &ParameterError{"session id", id, fmt.Sprintf("AgentCore takes 33 to 256 characters, and this has %d: a UUID has 36", n)}
	}
	return nil
}

func (*deployed) trusted() bool { return true }
