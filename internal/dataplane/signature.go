package dataplane

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	signingName = "bedrock-agentcore"
	algorithm   = "AWS4-HMAC-SHA256"
	timeFormat  = "20060102T150405Z"

	// maxSkew is how far the clock of a caller may be off.
	maxSkew = 5 * time.Minute
	// maxExpires is how long a presigned URL may be good.
	maxExpires = 300 * time.Second
)

// verifier checks signatures (SigV4): it signs what has come as the caller should
// have, and compares.
type verifier struct {
	region string
	known  map[string]aws.Credentials
	now    func() time.Time
	signer *v4.Signer
}

func newVerifier(config Config) *verifier {
	v := &verifier{region: config.Region, known: make(map[string]aws.Credentials), now: config.Now, signer: v4.NewSigner()}
	for _, credentials := range config.Credentials {
		v.known[credentials.AccessKeyID] = credentials
	}
	return v
}

// signature is what a request says of how it was signed.
type signature struct {
	algorithm string
	keyID     string
	scope     []string // date, region, service, aws4_request
	headers   []string // in lower case
	hex       string
	date      string
	token     string
	expires   string // of a presigned URL
	presigned bool
}

// verify says what is wrong with the signature of a request.
func (v *verifier) verify(r *http.Request, body []byte) *Error {
	s, ok := signatureOf(r)
	if !ok {
		return &Error{Status: http.StatusForbidden, Code: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"}
	}
	signedAt, err := v.checkScope(s)
	if err != nil {
		return err
	}
	credentials, known := v.known[s.keyID]
	if !known || s.token != credentials.SessionToken {
		return &Error{Status: http.StatusForbidden, Code: "UnrecognizedClientException", Message: "The security token included in the request is invalid."}
	}
	if err := v.checkTime(s, signedAt); err != nil {
		return err
	}
	if err := checkSigned(r, s.headers); err != nil {
		return err
	}
	if hash := r.Header.Get("X-Amz-Content-Sha256"); hash != "" && hash != hashOf(body) {
		return badSignature("The value of X-Amz-Content-Sha256 is not the hash of the body.")
	}
	expected, failure := v.sign(r, s, credentials, hashOf(body), signedAt)
	if failure != nil || !hmac.Equal([]byte(expected), []byte(s.hex)) {
		return badSignature("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return nil
}

func badSignature(message string) *Error {
	return &Error{Status: http.StatusForbidden, Code: "InvalidSignatureException", Message: message}
}

// signatureOf reads the signature of a request, from its header or its query.
func signatureOf(r *http.Request) (s signature, ok bool) {
	if header := r.Header.Get("Authorization"); header != "" {
		name, rest, _ := strings.Cut(header, " ")
		field := make(map[string]string)
		for part := range strings.SplitSeq(rest, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			field[name] = value
		}
		s = signature{algorithm: name, hex: field["Signature"], date: r.Header.Get("X-Amz-Date"), token: r.Header.Get("X-Amz-Security-Token")}
		s.setScope(field["Credential"])
		s.headers = strings.Split(field["SignedHeaders"], ";")
		return s, true
	}
	query := r.URL.Query()
	if !query.Has("X-Amz-Signature") {
		return s, false
	}
	s = signature{
		algorithm: query.Get("X-Amz-Algorithm"), hex: query.Get("X-Amz-Signature"), date: query.Get("X-Amz-Date"),
		token: query.Get("X-Amz-Security-Token"), expires: query.Get("X-Amz-Expires"), presigned: true,
	}
	s.setScope(query.Get("X-Amz-Credential"))
	s.headers = strings.Split(query.Get("X-Amz-SignedHeaders"), ";")
	return s, true
}

func (s *signature) setScope(credential string) {
	part := strings.Split(credential, "/")
	s.keyID, s.scope = part[0], part[1:]
}

// checkScope checks what the signature is for, and returns when it was made.
func (v *verifier) checkScope(s signature) (signedAt time.Time, refused *Error) {
	signedAt, err := time.Parse(timeFormat, s.date)
	switch {
	case s.algorithm != algorithm || len(s.scope) != 4 || s.scope[3] != "aws4_request" || s.hex == "":
		return signedAt, &Error{Status: http.StatusForbidden, Code: "IncompleteSignatureException",
			Message: "Authorization requires an algorithm AWS4-HMAC-SHA256, a Credential, SignedHeaders and a Signature."}
	case err != nil:
		return signedAt, &Error{Status: http.StatusForbidden, Code: "IncompleteSignatureException", Message: "X-Amz-Date must be in ISO-8601 'basic format'. Got '" + s.date + "'."}
	case s.scope[1] != v.region:
		return signedAt, badSignature("Credential should be scoped to a valid region, not '" + s.scope[1] + "'.")
	case s.scope[2] != signingName:
		return signedAt, badSignature("Credential should be scoped to correct service: '" + signingName + "'.")
	case s.scope[0] != s.date[:len("20060102")]:
		return signedAt, badSignature("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
	}
	return signedAt, nil
}

func (v *verifier) checkTime(s signature, signedAt time.Time) *Error {
	now := v.now()
	lasts := maxSkew
	if s.presigned {
		seconds, err := strconv.Atoi(s.expires)
		lasts = time.Duration(seconds) * time.Second
		if err != nil || seconds < 1 || lasts > maxExpires {
			return badSignature(fmt.Sprintf("X-Amz-Expires must be between 1 and %d seconds.", int(maxExpires/time.Second)))
		}
	}
	switch {
	case now.After(signedAt.Add(lasts)):
		return badSignature("Signature expired: " + s.date + " is now earlier than " + now.Add(-lasts).UTC().Format(timeFormat))
	case signedAt.After(now.Add(maxSkew)):
		return badSignature("Signature not yet current: " + s.date + " is still later than " + now.Add(maxSkew).UTC().Format(timeFormat))
	}
	return nil
}

// checkSigned checks that all is signed that has to be.
func checkSigned(r *http.Request, signed []string) *Error {
	if !slices.Contains(signed, "host") {
		return badSignature("'Host' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") && !slices.Contains(signed, name) {
			return badSignature("There were headers present in the request which were not signed: " + name)
		}
	}
	return nil
}

// sign signs a request as its caller should have, and returns the signature.
func (v *verifier) sign(r *http.Request, s signature, credentials aws.Credentials, hash string, at time.Time) (string, error) {
	u := *r.URL
	u.Scheme, u.Host = "http", r.Host
	if r.TLS != nil {
		u.Scheme = "https"
	}
	again := &http.Request{Method: r.Method, URL: &u, Host: r.Host, Header: make(http.Header)}
	for _, name := range s.headers {
		canonical := http.CanonicalHeaderKey(name)
		switch values := r.Header[canonical]; {
		case name == "content-length":
			again.ContentLength = r.ContentLength
		case name != "host":
			again.Header[canonical] = slices.Clone(values)
		}
	}
	if !s.presigned {
		if err := v.signer.SignHTTP(context.Background(), credentials, again, hash, signingName, v.region, at); err != nil {
			return "", err
		}
		made, _ := signatureOf(again)
		return made.hex, nil
	}
	query := u.Query()
	query.Del("X-Amz-Signature")
	u.RawQuery = query.Encode()
	signed, _, err := v.signer.PresignHTTP(context.Background(), credentials, again, hash, signingName, v.region, at)
	if err != nil {
		return "", err
	}
	made, err := url.Parse(signed)
	if err != nil {
		return "", err
	}
	return made.Query().Get("X-Amz-Signature"), nil
}

func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
