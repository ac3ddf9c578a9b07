package dataplane_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"go.uber.org/goleak"

	"github.com/agentcore-go/agentcore/internal/dataplane"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	host    = "bedrock-agentcore.us-west-2.amazonaws.com"
	arn     = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my_agent-abcde12345"
	below   = "/runtimes/arn%3Aaws%3Abedrock-agentcore%3Aus-west-2%3A123456789012%3Aruntime%2Fmy_agent-abcde12345"
	session = "session-0123456789-0123456789-0123456789"

	headerSession = "X-Amzn-Bedrock-Agentcore-Runtime-Session-Id"
	headerRequest = "X-Amzn-Bedrock-Agentcore-Runtime-Request-Id"
)

// The keys, and the time, of the known signatures.
var (
	keys = aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	noon = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// newFront returns a front with an agent behind the ARN.
func newFront(t *testing.T, agent dataplane.Agent, change ...func(*dataplane.Config)) *dataplane.Front {
	t.Helper()
	config := dataplane.Config{Credentials: []aws.Credentials{keys}, Now: func() time.Time { return noon }}
	for _, c := range change {
		c(&config)
	}
	f := dataplane.New(config)
	t.Cleanup(f.Close)
	if err := f.Deploy(arn, agent); err != nil {
		t.Fatal(err)
	}
	return f
}

// newRequest returns a request to the service that is not signed yet.
func newRequest(t *testing.T, method, target, body string, header ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "https://"+host+target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// sign signs a request at noon.
func sign(t *testing.T, r *http.Request, body string) *http.Request {
	t.Helper()
	if err := v4.NewSigner().SignHTTP(context.Background(), keys, r, hashOf(body), "bedrock-agentcore", "us-west-2", noon); err != nil {
		t.Fatal(err)
	}
	return r
}

func hashOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// send sends a signed request to a front.
func send(t *testing.T, f *dataplane.Front, method, target, body string, header ...string) *http.Response {
	t.Helper()
	return serve(f, sign(t, newRequest(t, method, target, body, header...), body))
}

func serve(f *dataplane.Front, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w.Result()
}

// refusal is what a front says.
type refusal struct {
	status        int
	code, message string
}

func refusalOf(t *testing.T, answer *http.Response) refusal {
	t.Helper()
	if answer.Header.Get("X-Amzn-Requestid") == "" {
		t.Error("the answer has no request id")
	}
	var body struct{ Message string }
	if answer.StatusCode != http.StatusOK {
		if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
			t.Error(err)
		}
	}
	return refusal{answer.StatusCode, answer.Header.Get("X-Amzn-Errortype"), body.Message}
}

// echo is an agent that answers with the request as it got it.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	_, _ = b.ReadFrom(r.Body)
	header := make(map[string]string)
	for name := range r.Header {
		header[name] = strings.Join(r.Header[name], "|")
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(seen{r.Method, r.URL.RequestURI(), header, b.String()})
})

type seen struct {
	Method, URI string
	Header      map[string]string
	Body        string
}

func seenIn(t *testing.T, answer *http.Response) (got seen) {
	t.Helper()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the answer is %+v", refusalOf(t, answer))
	}
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	return got
}
