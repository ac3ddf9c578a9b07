package main

import (
	"fmt"
	"sync"
	"testing"

	"github.com/agentcore-go/agentcore/examples/internal/llm"
)

func TestMemoryKeepsTheLatestMessages(t *testing.T) {
	var memory Memory
	const turns = maxMessages/2 + 3
	for i := range turns {
		add(&memory, "one", i)
	}
	messages := memory.Recall("one")
	if got := len(messages); got != maxMessages {
		t.Fatalf("recalled %d messages, want %d", got, maxMessages)
	}
	if got, want := messages[0].Content, "question 3"; got != want {
		t.Errorf("the first message is %q, want %q", got, want)
	}
	if got, want := messages[maxMessages-1].Content, fmt.Sprint("answer ", turns-1); got != want {
		t.Errorf("the last message is %q, want %q", got, want)
	}
}

func TestMemoryKeepsTheSessionsUsedLast(t *testing.T) {
	var memory Memory
	for i := range maxSessions {
		add(&memory, fmt.Sprint(i), i)
	}
	memory.Recall("0")
	add(&memory, "new", 0)
	for id, want := range map[string]int{"0": 2, "1": 0, "2": 2, "new": 2} {
		if got := len(memory.Recall(id)); got != want {
			t.Errorf("recalled %d messages of session %s, want %d", got, id, want)
		}
	}
}

// Questions of one session may be answered at the same time.
func TestMemoryConcurrently(t *testing.T) {
	var memory Memory
	var wg sync.WaitGroup
	for i := range 2 * maxMessages {
		wg.Go(func() {
			memory.Recall("one")
			add(&memory, "one", i)
		})
	}
	wg.Wait()
	messages := memory.Recall("one")
	if got := len(messages); got != maxMessages {
		t.Fatalf("recalled %d messages, want %d", got, maxMessages)
	}
	for i := 0; i < len(messages); i += 2 {
		var n int
		if _, err := fmt.Sscanf(messages[i].Content, "question %d", &n); err != nil {
			t.Errorf("message %d is %q", i, messages[i].Content)
		}
		if got, want := messages[i+1].Content, fmt.Sprint("answer ", n); got != want {
			t.Errorf("%q is followed by %q, want %q", messages[i].Content, got, want)
		}
	}
}

// add adds a numbered question and its answer.
func add(memory *Memory, id string, i int) {
	memory.Add(id,
		llm.Message{Role: llm.RoleUser, Content: fmt.Sprint("question ", i)},
		llm.Message{Role: llm.RoleAssistant, Content: fmt.Sprint("answer ", i)})
}
