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

const setCredentials = "set a profile or the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"

// retrieve returns the credentials to sign with.
func (s *sigV4) retrieve(ctx context.Context) (aws.Credentials, error) {
	credentials, err := s.credentials.Retrieve(ctx)
	switch {
	case err != nil:
		return aws.Credentials{}, fmt.Errorf("retrieve the AWS credentials: %w", err)
	case !credentials.HasKeys():
		return aws.Credentials{}, errors.New("the AWS credentials are empty: " + setCredentials)
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
// program, as in [Client.WebSocketHeaders]; one call at a time. The token is what
// follows "Bearer " in a header.
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
	token, err := b.source(ctx)
	if err != nil {
		return "", fmt.Errorf("fetch the bearer token: %w", err)
	}
	if err := checkToken(token); err != nil {
		return "", err
	}
	b.token = token
	return token, nil
}

// checkToken says what a service would not say of a token that it refuses.
func checkToken(token string) error {
	switch {
	case token == "":
		return errors.New("the bearer token is empty: give the one that the agent's identity provider has issued")
	case strings.TrimSpace(token) != token:
		return errors.New("the bearer token has white space around it: leave that out, as strings.TrimSpace does")
	case len(token) >= len(bearerPrefix) && strings.EqualFold(token[:len(bearerPrefix)], bearerPrefix):
		return errors.New(`the bearer token begins with "Bearer ": leave that out, it is added`)
	case !isHeaderValue(token):
		return errors.New("the bearer token has a control character in it, which no header can have")
	}
	return nil
}

func (b *bearer) renew(ctx context.Context, r *http.Request) (bool, error) {
	refused := strings.TrimPrefix(r.Header.Get("Authorization"), bearerPrefix)
	token, err := b.current(ctx, refused)
	return token != refused, err
}
