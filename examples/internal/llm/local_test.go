package llm_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentcore-go/agentcore/examples/internal/llm"
)

func TestLocal(t *testing.T) {
	var (
		system    = llm.Message{Role: llm.RoleSystem, Content: "Be brief."}
		hello     = llm.Message{Role: llm.RoleUser, Content: "hello there"}
		weather   = llm.Message{Role: llm.RoleUser, Content: "how is\n the  weather?"}
		assistant = llm.Message{Role: llm.RoleAssistant, Content: "Fine."}
		empty     = llm.Message{Role: llm.RoleUser, Content: " \n"}
		long      = llm.Message{Role: llm.RoleUser, Content: strings.Repeat("word ", 21)}
	)
	tests := []struct {
		name     string
		messages []llm.Message
		want     string
	}{
		{
			name: "no messages",
			want: "Hello! |What |would |you |like |to |talk |about?",
		},
		{
			name:     "only a system message",
			messages: []llm.Message{system},
			want:     "Hello! |What |would |you |like |to |talk |about?",
		},
		{
			name:     "nothing said",
			messages: []llm.Message{hello, assistant, empty},
			want:     "Hello! |What |would |you |like |to |talk |about?",
		},
		{
			name:     "first turn",
			messages: []llm.Message{system, hello},
			want:     `You |said: |"hello |there". |We |have |only |just |met.`,
		},
		{
			name:     "second turn",
			messages: []llm.Message{system, hello, assistant, weather},
			want:     `You |said: |"how |is |the |weather?". |I |remember |1 |earlier |turn.`,
		},
		{
			name:     "third turn",
			messages: []llm.Message{hello, assistant, weather, assistant, hello},
			want:     `You |said: |"hello |there". |I |remember |2 |earlier |turns.`,
		},
		{
			name:     "long message",
			messages: []llm.Message{long},
			want:     `You |said: |"` + strings.Repeat("word |", 20) + `...". |We |have |only |just |met.`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reply := new(llm.Local).Reply(t.Context(), tt.messages)
			for range 2 { // a sequence can be ranged over again
				got, err := collect(t, reply)
				if err != nil {
					t.Fatal(err)
				}
				if got != tt.want {
					t.Errorf("reply = %s\nwant    %s", got, tt.want)
				}
			}
		})
	}
}

func TestLocalEarlyStop(t *testing.T) {
	for piece, err := range new(llm.Local).Reply(t.Context(), user("hello")) {
		if piece != "You " || err != nil {
			t.Errorf("first piece = %q, %v", piece, err)
		}
		break
	}
}

func TestLocalDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := &llm.Local{Delay: time.Second}
		start := time.Now()
		words := 0
		for _, err := range model.Reply(t.Context(), user("hello")) {
			if err != nil {
				t.Fatal(err)
			}
			if got, want := time.Since(start), time.Duration(words)*time.Second; got != want {
				t.Errorf("word %d came after %v, want %v", words, got, want)
			}
			words++
		}
	})
}

func TestLocalCancel(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Hour} {
		t.Run(delay.String(), func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			model := &llm.Local{Delay: delay}
			var got []string
			for piece, err := range model.Reply(ctx, user("hello")) {
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Errorf("error = %v, want %v", err, context.Canceled)
					}
					break
				}
				got = append(got, piece)
				cancel()
			}
			if len(got) != 1 {
				t.Errorf("pieces = %q, want one", got)
			}
			if got, err := collect(t, model.Reply(ctx, user("hello"))); got != "" || !errors.Is(err, context.Canceled) {
				t.Errorf("with a canceled context: %q, %v", got, err)
			}
		})
	}
}

func TestLocalCancelWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		got, err := collect(t, (&llm.Local{Delay: time.Hour}).Reply(ctx, user("hello")))
		if got != "You " || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("reply = %q, %v", got, err)
		}
		if waited := time.Since(start); waited != time.Minute {
			t.Errorf("the reply ended after %v, want the minute of its context", waited)
		}
	})
}
