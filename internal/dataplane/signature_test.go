package dataplane_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/agentcore-go/agentcore/internal/dataplane"
)

const (
	credentialScope = "Credential=AKIDEXAMPLE/20260101/us-west-2/bedrock-agentcore/aws4_request"
	// knownSignature is by botocore, as is knownPresigned.
	knownSignature = "d3c40baf29d74978b74657f3da289396c3c991030e03267a87445392a8064de6"
	knownPresigned = "7b1895fbd8edf39127fd9fc6505d91972e420727e5a2f3b569f3745fb3751199"
)

func authorization(scope, headers, signature string) string {
	return "AWS4-HMAC-SHA256 " + scope + ", SignedHeaders=" + headers + ", Signature=" + signature
}

func mismatch() refusal {
	return refusal{403, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
}

func TestSignedHeaders(t *testing.T) {
	known := authorization(credentialScope, "host;x-amz-date", knownSignature)
	const target = below + "/ws?qualifier=DEFAULT"
	invalid := func(message string) refusal { return refusal{403, "InvalidSignatureException", message} }
	tests := []struct {
		name   string
		method string
		target string
		header []string
		now    time.Duration // after the request was signed
		want   refusal
	}{
		{"botocore's", "GET", target, []string{"Authorization", known}, 0, refusal{status: 200}},
		{"without spaces", "GET", target, []string{"Authorization", strings.ReplaceAll(known, ", ", ",")}, 0, refusal{status: 200}},
		{"other headers, not signed", "GET", target, []string{"Authorization", known, headerSession, session, "Accept", "*/*"}, 0, refusal{status: 200}},
		{"colons not encoded", "GET", strings.ReplaceAll(target, "%3A", ":"), []string{"Authorization", known}, 0, mismatch()},
		{"other query", "GET", below + "/ws", []string{"Authorization", known}, 0, mismatch()},
		{"other path", "GET", below + "/ws/shells?qualifier=DEFAULT", []string{"Authorization", known}, 0, mismatch()},
		{"other method", "POST", below + "/invocations?qualifier=DEFAULT", []string{"Authorization", known}, 0, mismatch()},
		{"other date", "GET", target, []string{"Authorization", known, "X-Amz-Date", "20260101T000001Z"}, 0, mismatch()},
		{"other signature", "GET", target, []string{"Authorization", strings.Replace(known, "d3c4", "d3c5", 1)}, 0, mismatch()},
		{"late", "GET", target, []string{"Authorization", known}, 5 * time.Minute, refusal{status: 200}},
		{"too late", "GET", target, []string{"Authorization", known}, 5*time.Minute + time.Second, invalid("Signature expired: 20260101T000000Z is now earlier than 20260101T000001Z")},
		{"early", "GET", target, []string{"Authorization", known}, -5 * time.Minute, refusal{status: 200}},
		{"too early", "GET", target, []string{"Authorization", known}, -5*time.Minute - time.Second, invalid("Signature not yet current: 20260101T000000Z is still later than 20251231T235959Z")},
		{"none", "GET", target, nil, 0, refusal{403, "MissingAuthenticationTokenException", "Missing Authentication Token"}},
		{"other scheme", "GET", target, []string{"Authorization", "Basic YTpi"}, 0, refusal{403, "IncompleteSignatureException", "Authorization requires an algorithm AWS4-HMAC-SHA256, a Credential, SignedHeaders and a Signature."}},
		{"no date", "GET", target, []string{"Authorization", known, "X-Amz-Date", ""}, 0, refusal{403, "IncompleteSignatureException", "X-Amz-Date must be in ISO-8601 'basic format'. Got ''."}},
		{"other region", "GET", target, []string{"Authorization", strings.Replace(known, "us-west-2", "us-east-1", 1)}, 0, invalid("Credential should be scoped to a valid region, not 'us-east-1'.")},
		{"other service", "GET", target, []string{"Authorization", strings.Replace(known, "/bedrock-agentcore/", "/bedrock/", 1)}, 0, invalid("Credential should be scoped to correct service: 'bedrock-agentcore'.")},
		{"other day", "GET", target, []string{"Authorization", strings.Replace(known, "20260101", "20260102", 1)}, 0, invalid("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")},
		{"other key", "GET", target, []string{"Authorization", strings.Replace(known, "AKIDEXAMPLE", "AKIDOTHER", 1)}, 0, refusal{403, "UnrecognizedClientException", "The security token included in the request is invalid."}},
		{"a session token that is not the key's", "GET", target, []string{"Authorization", known, "X-Amz-Security-Token", "token"}, 0, refusal{403, "UnrecognizedClientException", "The security token included in the request is invalid."}},
		{"host not signed", "GET", target, []string{"Authorization", authorization(credentialScope, "x-amz-date", knownSignature)}, 0, invalid("'Host' must be a 'SignedHeader' in the AWS Authorization.")},
		{"header of AWS not signed", "GET", target, []string{"Authorization", known, "X-Amz-Target", "x"}, 0, invalid("There were headers present in the request which were not signed: x-amz-target")},
		{"hash of another body", "GET", target, []string{"Authorization", authorization(credentialScope, "host;x-amz-content-sha256;x-amz-date", knownSignature), "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"}, 0,
			invalid("The value of X-Amz-Content-Sha256 is not the hash of the body.")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFront(t, dataplane.Agent{Handler: echo}, func(c *dataplane.Config) { c.Now = func() time.Time { return noon.Add(tt.now) } })
			r := newRequest(t, tt.method, tt.target, "", append([]string{"X-Amz-Date", "20260101T000000Z"}, tt.header...)...)
			if got := refusalOf(t, serve(f, r)); got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestPresigned(t *testing.T) {
	values := url.Values{
		"qualifier": {"DEFAULT"}, "abc": {"p q+r"}, "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id": {session},
		"X-Amz-Algorithm": {"AWS4-HMAC-SHA256"}, "X-Amz-Credential": {"AKIDEXAMPLE/20260101/us-west-2/bedrock-agentcore/aws4_request"},
		"X-Amz-Date": {"20260101T000000Z"}, "X-Amz-Expires": {"300"}, "X-Amz-SignedHeaders": {"host"}, "X-Amz-Signature": {knownPresigned},
	}
	invalid := func(message string) refusal { return refusal{403, "InvalidSignatureException", message} }
	const expires = "X-Amz-Expires must be between 1 and 300 seconds."
	tests := []struct {
		name        string
		parameter   string // "" for none
		value       string
		now         time.Duration
		want        refusal
		wantSession string
	}{
		{"botocore's", "", "", 0, refusal{status: 200}, session},
		{"to its last second", "", "", 300 * time.Second, refusal{status: 200}, session},
		{"expired", "", "", 301 * time.Second, invalid("Signature expired: 20260101T000000Z is now earlier than 20260101T000001Z"), ""},
		{"too early", "", "", -301 * time.Second, invalid("Signature not yet current: 20260101T000000Z is still later than 20251231T235959Z"), ""},
		{"changed parameter", "abc", "p q r", 0, mismatch(), ""},
		{"added parameter", "more", "1", 0, mismatch(), ""},
		{"other session", "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id", session + "0", 0, mismatch(), ""},
		{"shorter", "X-Amz-Expires", "299", 0, mismatch(), ""},
		{"longer than allowed", "X-Amz-Expires", "301", 0, invalid(expires), ""},
		{"no time at all", "X-Amz-Expires", "0", 0, invalid(expires), ""},
		{"no number", "X-Amz-Expires", "soon", 0, invalid(expires), ""},
		{"other algorithm", "X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256", 0, refusal{403, "IncompleteSignatureException", "Authorization requires an algorithm AWS4-HMAC-SHA256, a Credential, SignedHeaders and a Signature."}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFront(t, dataplane.Agent{Handler: echo}, func(c *dataplane.Config) { c.Now = func() time.Time { return noon.Add(tt.now) } })
			query, _ := url.ParseQuery(values.Encode())
			if tt.parameter != "" {
				query.Set(tt.parameter, tt.value)
			}
			answer := serve(f, newRequest(t, "GET", below+"/ws?"+strings.ReplaceAll(query.Encode(), "+", "%20"), ""))
			if got := answer.Header.Get(headerSession); got != tt.wantSession {
				t.Errorf("session = %q, want %q", got, tt.wantSession)
			}
			if got := refusalOf(t, answer); got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestBodyIsSigned(t *testing.T) {
	f := newFront(t, dataplane.Agent{Handler: echo})
	signedFor := func(body string) *http.Request {
		return sign(t, newRequest(t, "POST", below+"/invocations", "true"), body)
	}
	if got := seenIn(t, serve(f, signedFor("true"))); got.Body != "true" {
		t.Errorf("the agent got %q", got.Body)
	}
	if got := refusalOf(t, serve(f, signedFor("null"))); got != mismatch() {
		t.Errorf("with the signature of another body: %+v", got)
	}
}

func TestSessionTokenIsSigned(t *testing.T) {
	temporary := keys
	temporary.SessionToken = "session token/+="
	f := newFront(t, dataplane.Agent{Handler: echo}, func(c *dataplane.Config) { c.Credentials = []aws.Credentials{temporary} })
	// by keys alone, with the token added
	r := sign(t, newRequest(t, "POST", below+"/invocations", ""), "")
	r.Header.Set("X-Amz-Security-Token", temporary.SessionToken)
	want := refusal{403, "InvalidSignatureException", "There were headers present in the request which were not signed: x-amz-security-token"}
	if got := refusalOf(t, serve(f, r)); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
