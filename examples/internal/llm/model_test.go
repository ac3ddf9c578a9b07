package llm_test

import (
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/agentcore-go/agentcore/examples/internal/llm"
)

func TestFromEnv(t *testing.T) {
	tests := []struct {
		name             string
		base, key, model string
		want             llm.Model
		wantErr          string
	}{
		{
			name: "nothing set",
			want: &llm.Local{Delay: 30 * time.Millisecond},
		},
		{
			name:  "no base URL",
			key:   "secret",
			model: "small",
			want:  &llm.Local{Delay: 30 * time.Millisecond},
		},
		{
			name:  "endpoint with a key",
			base:  "https://api.example.com/v1",
			key:   "secret",
			model: "small",
			want:  &llm.OpenAI{BaseURL: "https://api.example.com/v1", APIKey: "secret", Name: "small"},
		},
		{
			name:  "endpoint without a key",
			base:  "http://localhost:11434/v1/",
			model: "small",
			want:  &llm.OpenAI{BaseURL: "http://localhost:11434/v1/", Name: "small"},
		},
		{
			name:    "no model",
			base:    "https://api.example.com/v1",
			wantErr: `llm: OPENAI_MODEL must name a model when OPENAI_BASE_URL is set`,
		},
		{
			name:    "no scheme",
			base:    "localhost:11434/v1",
			model:   "small",
			wantErr: `llm: OPENAI_BASE_URL must be an http or https URL such as https://api.openai.com/v1, not "localhost:11434/v1"`,
		},
		{
			name:    "other scheme",
			base:    "ftp://api.example.com",
			model:   "small",
			wantErr: `llm: OPENAI_BASE_URL must be an http or https URL such as https://api.openai.com/v1, not "ftp://api.example.com"`,
		},
		{
			name:    "no host",
			base:    "http://:8080/v1",
			model:   "small",
			wantErr: `llm: OPENAI_BASE_URL must be an http or https URL such as https://api.openai.com/v1, not "http://:8080/v1"`,
		},
		{
			name:    "no URL",
			base:    "127.0.0.1:8080",
			model:   "small",
			wantErr: `llm: OPENAI_BASE_URL must be an http or https URL such as https://api.openai.com/v1, not "127.0.0.1:8080"`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("OPENAI_BASE_URL", tt.base)
			t.Setenv("OPENAI_API_KEY", tt.key)
			t.Setenv("OPENAI_MODEL", tt.model)
			got, err := llm.FromEnv()
			if tt.wantErr != "" {
				if err == nil || err.Error() != tt.wantErr {
					t.Fatalf("FromEnv() error = %v, want %s", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !equal(got, tt.want) {
				t.Errorf("FromEnv() = %#v, want %#v", got, tt.want)
			}
		})
	}
}

// equal compares the models that got and want point to.
func equal(got, want llm.Model) bool {
	switch want := want.(type) {
	case *llm.Local:
		got, ok := got.(*llm.Local)
		return ok && *got == *want
	case *llm.OpenAI:
		got, ok := got.(*llm.OpenAI)
		return ok && *got == *want
	}
	return false
}

// user is a conversation of one message.
func user(content string) []llm.Message {
	return []llm.Message{{Role: llm.RoleUser, Content: content}}
}

// collect returns the pieces of a reply, separated by |, and the error that
// it ends with. The sequence must keep the rules of [llm.Model].
func collect(t *testing.T, reply iter.Seq2[string, error]) (string, error) {
	t.Helper()
	var pieces []string
	var end error
	for piece, err := range reply {
		if end != nil {
			t.Fatalf("the sequence went on after the error %v: %q, %v", end, piece, err)
		}
		if err != nil {
			if piece != "" {
				t.Errorf("the error %v comes with the piece %q", err, piece)
			}
			end = err
			continue
		}
		pieces = append(pieces, piece)
	}
	return strings.Join(pieces, "|"), end
}
