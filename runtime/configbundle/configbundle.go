// Package configbundle fetches configuration bundles from the control plane of
// Amazon Bedrock AgentCore, for [runtime.Configuration]. It is a package of its
// own so that only agents with configuration bundles link the AWS SDK.
//
//	cfg, err := config.LoadDefaultConfig(ctx) // of aws-sdk-go-v2/config
//	…
//	client := bedrockagentcorecontrol.NewFromConfig(cfg)
//	server := NewServer(runtime.WithConfigBundles(configbundle.New(client)))
package configbundle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	control "github.com/aws/aws-sdk-go-v2/service/bedrockagentcorecontrol"

	"github.com/agentcore-go/agentcore/runtime"
)

// Client is what is needed of a bedrockagentcorecontrol.Client.
type Client interface {
	GetConfigurationBundleVersion(context.Context, *control.GetConfigurationBundleVersionInput, ...func(*control.Options)) (*control.GetConfigurationBundleVersionOutput, error)
}

// Source is a [runtime.ConfigBundleSource]. It is safe for concurrent use.
type Source struct{ client Client }

// New returns a source that asks the client's region and account, whatever those
// in a bundle's ARN are. Retries are the client's. The agent's execution role has
// to allow GetConfigurationBundleVersion.
func New(client Client) *Source { return &Source{client} }

// ConfigBundle implements [runtime.ConfigBundleSource]. Errors are those of the
// client, such as *types.ResourceNotFoundException.
func (s *Source) ConfigBundle(ctx context.Context, ref runtime.ConfigBundleRef) (map[string]json.RawMessage, error) {
	version, err := s.client.GetConfigurationBundleVersion(ctx, &control.GetConfigurationBundleVersionInput{
		BundleId:  aws.String(ref.ID()),
		VersionId: aws.String(ref.Version),
	})
	if err != nil {
		return nil, err
	}
	if version == nil {
		return nil, errors.New("the client returned nothing")
	}
	configurations := make(map[string]json.RawMessage, len(version.Components))
	for arn, component := range version.Components {
		if component.Configuration == nil {
			continue
		}
		text, err := component.Configuration.MarshalSmithyDocument()
		if err != nil {
			return nil, fmt.Errorf("the configuration of %s: %w", arn, err)
		}
		configurations[arn] = text
	}
	return configurations, nil
}
