package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/examples/chat/chatclient"
	"github.com/agentcore-go/agentcore/examples/internal/llm"
)

// newClient serves the agent with a model, and returns a client of it.
func newClient(t *testing.T, model llm.Model) *chatclient.Client {
	t.Helper()
	_, url := serve(t, model)
	transport, err := client.Direct("http" + strings.TrimSuffix(strings.TrimPrefix(url, "ws"), "/ws"))
	if err != nil {
		t.Fatal(err)
	}
	return chatclient.New(transport)
}

// conversation is a connection of a client's.
type conversation struct {
	*client.Conn[chatclient.Heard, chatclient.Say]
	t *testing.T
}

// talk opens a conversation, whose end the test sees to.
func talk(t *testing.T, agent *chatclient.Client) conversation {
	t.Helper()
	conn, err := agent.Talk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // once more, unless the test has failed
	return conversation{conn, t}
}

func (c conversation) say(text string) {
	c.t.Helper()
	if err := c.Send(c.t.Context(), chatclient.Say{Text: text}); err != nil {
		c.t.Fatal(err)
	}
}

// hear expects the next pieces.
func (c conversation) hear(pieces ...chatclient.Heard) {
	c.t.Helper()
	for _, want := range pieces {
		got, err := c.Receive(c.t.Context())
		if got != want || err != nil {
			c.t.Fatalf("heard %+v, %v; want %+v", got, err, want)
		}
	}
}

// bye ends the conversation, and expects the agent to say goodbye too.
func (c conversation) bye() {
	c.t.Helper()
	if err := c.Close(); err != nil {
		c.t.Error(err)
	}
}

func TestInterrupt(t *testing.T) {
	model := make(puppet)
	conn := talk(t, newClient(t, model))

	conn.say("tell me everything")
	first := <-model
	first.says("Well, ")
	conn.hear(chatclient.Heard{Turn: 1, Text: "Well, "})

	conn.say("stop")
	<-first.ctx.Done()
	first.ends(first.ctx.Err())
	conn.hear(chatclient.Heard{Turn: 1, End: chatclient.Interrupted})

	second := <-model
	second.says("Yes?")
	second.ends(nil)
	conn.hear(chatclient.Heard{Turn: 2, Text: "Yes?"}, chatclient.Heard{Turn: 2, End: chatclient.Done})
	if got, want := second.asked, []llm.Message{
		{Role: llm.RoleUser, Content: "tell me everything"},
		{Role: llm.RoleAssistant, Content: "Well, "},
		{Role: llm.RoleUser, Content: "stop"},
	}; !slices.Equal(got, want) {
		t.Errorf("the model was asked %q\nwant %q", got, want)
	}
	conn.bye()
}

// Connections have histories of their own, also those of one client.
func TestConnections(t *testing.T) {
	model := make(puppet)
	agent := newClient(t, model)
	first, second := talk(t, agent), talk(t, agent)
	for _, conn := range []conversation{first, second} {
		if got := conn.SessionID(); got != agent.SessionID() {
			t.Errorf("the session is %s, want the client's: %s", got, agent.SessionID())
		}
		conn.say("hello")
		reply := <-model
		if got := len(reply.asked); got != 1 {
			t.Errorf("the model was asked %d messages, want 1", got)
		}
		reply.ends(nil)
		conn.hear(chatclient.Heard{Turn: 1, End: chatclient.Done})
	}
	first.bye()
	second.bye()
}

// The messages end with the agent, regularly.
func TestClientHearsShutdown(t *testing.T) {
	agent, url := serve(t, new(llm.Local))
	transport, err := client.Direct("http" + strings.TrimSuffix(strings.TrimPrefix(url, "ws"), "/ws"))
	if err != nil {
		t.Fatal(err)
	}
	conn := talk(t, chatclient.New(transport))
	if err := agent.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for heard, err := range conn.Messages(t.Context()) {
		t.Errorf("heard %+v, %v", heard, err)
	}
	if _, err := conn.Receive(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("the conversation ended with %v", err)
	}
}
