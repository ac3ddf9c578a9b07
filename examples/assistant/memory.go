package main

import (
	"container/list"
	"slices"
	"sync"

	"github.com/agentcore-go/agentcore/examples/internal/llm"
)

const (
	maxSessions = 1000
	maxMessages = 20 // of each session; even, for they come in pairs
)

// Memory holds the latest messages of the sessions that were used last. It is
// safe for concurrent use; the zero value is empty.
type Memory struct {
	mu       sync.Mutex
	sessions map[string]*list.Element
	byUse    list.List // of *session, the one used last in front
}

type session struct {
	id       string
	messages []llm.Message
}

// Recall returns the messages of a session, oldest first.
func (m *Memory) Recall(id string) []llm.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	element, ok := m.sessions[id]
	if !ok {
		return nil
	}
	m.byUse.MoveToFront(element)
	return slices.Clone(element.Value.(*session).messages)
}

// Add remembers a question and its answer. They stay together, also when other
// questions of the session are answered at the same time.
func (m *Memory) Add(id string, question, answer llm.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	element, ok := m.sessions[id]
	if !ok {
		if m.sessions == nil {
			m.sessions = make(map[string]*list.Element)
		}
		element = m.byUse.PushFront(&session{id: id})
		m.sessions[id] = element
	}
	m.byUse.MoveToFront(element)
	s := element.Value.(*session)
	s.messages = append(s.messages, question, answer)
	s.messages = s.messages[max(0, len(s.messages)-maxMessages):]

	if len(m.sessions) > maxSessions {
		oldest := m.byUse.Remove(m.byUse.Back()).(*session)
		delete(m.sessions, oldest.id)
	}
}
