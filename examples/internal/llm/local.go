package llm

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Local is a model without a language model: it repeats the last user message
// and counts the turns before it, word by word. Equal conversations get equal
// replies. The zero value is ready to use; its fields must not change while
// replies are streamed.
type Local struct {
	// Delay is the time from one word to the next. By default there is none.
	Delay time.Duration
}

// Reply implements [Model]. Its only errors are ctx's.
func (l *Local) Reply(ctx context.Context, messages []Message) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var delay time.Duration // none before the first word
		for word := range strings.SplitAfterSeq(localReply(messages), " ") {
			if err := wait(ctx, delay); err != nil {
				yield("", err)
				return
			}
			if !yield(word, nil) {
				return
			}
			delay = l.Delay
		}
	}
}

// maxQuotedWords keeps the reply to a long message short.
const maxQuotedWords = 20

func localReply(messages []Message) string {
	turns := 0
	var last string
	for _, m := range messages {
		if m.Role == RoleUser {
			turns++
			last = m.Content
		}
	}
	words := strings.Fields(last)
	if len(words) == 0 {
		return "Hello! What would you like to talk about?"
	}
	if len(words) > maxQuotedWords {
		words = append(words[:maxQuotedWords], "...")
	}
	said := strings.Join(words, " ")

	switch earlier := turns - 1; earlier {
	case 0:
		return fmt.Sprintf(`You said: "%s". We have only just met.`, said)
	case 1:
		return fmt.Sprintf(`You said: "%s". I remember 1 earlier turn.`, said)
	default:
		return fmt.Sprintf(`You said: "%s". I remember %d earlier turns.`, said, earlier)
	}
}

// wait returns ctx's error as soon as ctx is done, or nil after d.
func wait(ctx context.Context, d time.Duration) error {
	// Select picks at random when both are ready, and no word may follow a
	// cancellation.
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
