package runtime

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
)

// Baggage that the platform sets. The names are the Python SDK's.
const (
	baggageBundleARN         = "aws.agentcore.configbundle_arn"
	baggageBundleVersion     = "aws.agentcore.configbundle_version"
	baggageExperimentARN     = "aws.agentcore.gateway.routing_experiment_arn"
	baggageExperimentVariant = "aws.agentcore.gateway.routing_experiment_variant_name"
)

// Baggage is what came with a request in the W3C baggage headers. A key that was
// sent several times has several values, in the order in which they came. Keys
// are case-sensitive.
type Baggage map[string][]string

// Get returns the first value of a key, or "".
func (b Baggage) Get(key string) string {
	if values := b[key]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// RequestBaggage returns the baggage of the request, or nil when there is none.
// Values are percent-decoded, and come without their properties. Entries that
// lack a key or a value are skipped; what cannot be decoded stays as it is. Both
// are logged, in one record for each request and without the baggage itself.
//
// The headers are parsed anew by each call, which returns a map of its own. The
// format is https://www.w3.org/TR/baggage/.
func RequestBaggage(ctx context.Context) Baggage {
	baggage, _ := readBaggage(ctx)
	return baggage
}

// RoutingExperiment returns what the request's baggage says of the experiment of
// an AgentCore Gateway that the request is part of: its ARN, and the name of the
// variant that was chosen. Either is "" when it is not known.
func RoutingExperiment(ctx context.Context) (arn, variant string) {
	baggage, _ := readBaggage(ctx)
	return baggage.Get(baggageExperimentARN), baggage.Get(baggageExperimentVariant)
}

// ConfigBundleRef names a version of a configuration bundle. Versions do not
// change.
type ConfigBundleRef struct {
	ARN     string
	Version string
}

// ID returns the id of the bundle, which is the end of its ARN.
func (r ConfigBundleRef) ID() string { return r.ARN[strings.LastIndexByte(r.ARN, '/')+1:] }

// ConfigBundle returns the configuration bundle that the request's baggage names,
// if it names one. See [Configuration] for what is in it.
func ConfigBundle(ctx context.Context) (ConfigBundleRef, bool) {
	_, ref := readBaggage(ctx)
	return ref, ref != ConfigBundleRef{}
}

// readBaggage returns the baggage of the request that ctx belongs to and the
// bundle that it names, zero for none. It logs what is wrong with them.
func readBaggage(ctx context.Context) (Baggage, ConfigBundleRef) {
	req := requestFrom(ctx)
	if req == nil {
		return nil, ConfigBundleRef{}
	}
	baggage, faults := parseBaggage(req.http.Header["Baggage"])
	ref, more := bundleRef(baggage)
	if faults = append(faults, more...); len(faults) > 0 && firstComplaint(req) {
		req.server.log.WarnContext(ctx, "not all of the baggage can be used", "faults", strings.Join(faults, "; "))
	}
	return baggage, ref
}

// parseBaggage parses all baggage headers as the Python SDK does.
func parseBaggage(headers []string) (baggage Baggage, faults []string) {
	skipped, undecoded := 0, 0
	for _, header := range headers {
		for entry := range strings.SplitSeq(header, ",") {
			entry = strings.TrimSpace(entry)
			if entry == "" {
				continue // no entry by RFC 9110, section 5.6.1
			}
			key, value, _ := strings.Cut(entry, "=")
			key = strings.TrimSpace(key)
			value, _, _ = strings.Cut(value, ";")
			value = strings.TrimSpace(value)
			if key == "" || value == "" {
				skipped++
				continue
			}
			value, ok := percentDecode(value)
			if !ok {
				undecoded++
			}
			if baggage == nil {
				baggage = make(Baggage)
			}
			baggage[key] = append(baggage[key], value)
		}
	}
	if skipped > 0 {
		faults = append(faults, fmt.Sprintf("skipped entries without a key or a value: %d", skipped))
	}
	if undecoded > 0 {
		faults = append(faults, fmt.Sprintf("values with a wrong percent-encoding: %d", undecoded))
	}
	return baggage, faults
}

// percentDecode decodes a text and reports whether it could. A % that begins
// nothing stays, as with the Python SDK, and bytes that are not UTF-8 become
// U+FFFD, as https://www.w3.org/TR/baggage/#value has it.
func percentDecode(text string) (string, bool) {
	ok := true
	var decoded strings.Builder
	for {
		before, after, found := strings.Cut(text, "%")
		decoded.WriteString(before)
		if !found {
			break
		}
		char, err := hex.DecodeString(after[:min(2, len(after))])
		if err != nil || len(char) == 0 {
			ok = false
			decoded.WriteByte('%')
			text = after
			continue
		}
		decoded.Write(char)
		text = after[2:]
	}
	valid := strings.ToValidUTF8(decoded.String(), "\ufffd")
	return valid, ok && valid == decoded.String()
}

// bundleRef returns the bundle that the baggage names, zero for none.
func bundleRef(baggage Baggage) (ref ConfigBundleRef, faults []string) {
	arns, versions := baggage[baggageBundleARN], baggage[baggageBundleVersion]
	if len(arns) == 0 || len(versions) == 0 {
		return ConfigBundleRef{}, nil
	}
	if len(arns) > 1 || len(versions) > 1 {
		faults = append(faults, "several configuration bundles, of which the first is used")
	}
	ref = ConfigBundleRef{ARN: arns[0], Version: versions[0]}
	if !strings.Contains(ref.ARN, "/") || ref.ID() == "" {
		return ConfigBundleRef{}, append(faults, "the ARN of the configuration bundle has no id")
	}
	return ref, faults
}

// firstComplaint reports whether it is called for the first time for a request,
// in whatever shape middleware has given it.
func firstComplaint(req *request) bool {
	for outer := requestFrom(req.Context); outer != nil; outer = requestFrom(req.Context) {
		req = outer
	}
	return !req.baggageLogged.Swap(true)
}
