package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// signingName is what the service is called in signatures.
const signingName = "bedrock-agentcore"

// sigV4 signs requests with the credentials of AWS.
type sigV4 struct {
	credentials aws.CredentialsProvider
	region      string
	signer      *v4.Signer
}

func newSigV4(credentials aws.CredentialsProvider, region string) *sigV4 {
	return &sigV4{credentials, region, v4.NewSigner()}
}

// unsignedHeaders are left out of the signature, which need not cover them, for
// an instrumented HTTP client replaces them on the way.
var unsignedHeaders = []string{"Traceparent", "Tracestate", "Baggage"}

func (s *sigV4) authorize(ctx context.Context, r *http.Request, body []byte) error {
	credentials, err := s.retrieve(ctx)
	if err != nil {
		return err
	}
	held := make(http.Header)
	for _, name := range unsignedHeaders {
		if values, ok := r.Header[name]; ok {
			held[name] = values
			delete(r.Header, name)
		}
	}
	err = s.signer.SignHTTP(ctx, credentials, r, hashOf(body), signingName, s.region, time.Now().UTC())
	for name, values := range held {
		r.Header[name] = values
	}
	return err
}

// retrieve returns the credentials to sign with.
func (s *sigV4) retrieve(ctx context.Context) (aws.Credentials, error) {
	if s.credentials == nil {
		return aws.Credentials{}, errors.New("no AWS credentials were found: load the configuration with config.LoadDefaultConfig of the AWS SDK")
	}
	const set = "no AWS credentials were found: set a profile or the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	credentials, err := s.credentials.Retrieve(ctx)
	switch {
	case err != nil:
		return aws.Credentials{}, contextError(ctx, fmt.Errorf(set+": %w", err))
	case !credentials.HasKeys():
		return aws.Credentials{}, errors.New(set)
	}
	return credentials, nil
}

// renew has nothing to renew: expired credentials are refused with 403, and the
// provider knows when they expire.
func (s *sigV4) renew(context.Context, *http.Request) (bool, error) { return false, nil }

func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// TokenSource returns a bearer token. A [Transport] calls it before its first
// request, again when a token was refused, and for the credentials of another
// program, as in [Client.WebSocketHeaders]; one call at a time.
type TokenSource func(ctx context.Context) (string, error)

// StaticToken returns a source of one token.
func StaticToken(token string) TokenSource {
	return func(context.Context) (string, error) { return token, nil }
}

// bearer authorizes requests with a token, which it keeps until it is refused.
type bearer struct {
	source TokenSource
	lock   chan struct{} // of token; a lock that can be waited for with a context
	token  string        // "" when the next one is to be fetched
}

func newBearer(source TokenSource) *bearer {
	return &bearer{source: source, lock: make(chan struct{}, 1)}
}

func (b *bearer) authorize(ctx context.Context, r *http.Request, _ []byte) error {
	token, err := b.current(ctx, "")
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", bearerPrefix+token)
	return nil
}

const bearerPrefix = "Bearer "

// current returns the token to use, which is not the refused one unless the
// source insists on it.
func (b *bearer) current(ctx context.Context, refused string) (string, error) {
	select {
	case b.lock <- struct{}{}:
		defer func() { <-b.lock }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if b.token != "" && b.token != refused {
		return b.token, nil
	}
	if b.source == nil {
		return "", errNoToken
	}
	token, err := b.source(ctx)
	switch {
	case err != nil:
		return "", contextError(ctx, fmt.Errorf("fetch the bearer token: %w", err))
	case token == "":
		return "", errNoToken
	}
	b.token = token
	return token, nil
}

var errNoToken = errors.New("the bearer token is empty: give the one that the agent's identity provider has issued")

func (b *bearer) renew(ctx context.Context, r *http.Request) (bool, error) {
	refused := strings.TrimPrefix(r.Header.Get("Authorization"), bearerPrefix)
	token, err := b.current(ctx, refused)
	return token != refused, err
}
