package main

import (
	"context"
	"errors"
	"iter"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/agentcore-go/agentcore/examples/internal/llm"
	"github.com/agentcore-go/agentcore/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnswer(t *testing.T) {
	client := connect(t, new(llm.Local))
	client.say("hello")
	client.hear(
		Heard{Turn: 1, Text: "You "},
		Heard{Turn: 1, Text: "said: "},
		Heard{Turn: 1, Text: `"hello". `},
		Heard{Turn: 1, Text: "We "},
		Heard{Turn: 1, Text: "have "},
		Heard{Turn: 1, Text: "only "},
		Heard{Turn: 1, Text: "just "},
		Heard{Turn: 1, Text: "met."},
		Heard{Turn: 1, End: Done},
	)
	client.bye()
}

func TestHistory(t *testing.T) {
	model := make(puppet)
	client := connect(t, model)

	client.say("one")
	first := <-model
	first.says("Hello, ")
	first.says("you.")
	first.ends(nil)
	client.hear(Heard{Turn: 1, Text: "Hello, "}, Heard{Turn: 1, Text: "you."}, Heard{Turn: 1, End: Done})

	client.say("two")
	second := <-model
	second.ends(nil)
	client.hear(Heard{Turn: 2, End: Done})
	if got, want := second.asked, []llm.Message{
		{Role: llm.RoleUser, Content: "one"},
		{Role: llm.RoleAssistant, Content: "Hello, you."},
		{Role: llm.RoleUser, Content: "two"},
	}; !slices.Equal(got, want) {
		t.Errorf("the model was asked %q\nwant %q", got, want)
	}
	client.bye()
}

func TestHistoryIsBounded(t *testing.T) {
	model := make(puppet)
	client := connect(t, model)
	for turn := range maxHistory {
		client.say("more")
		reply := <-model
		if got, want := len(reply.asked), min(2*turn+1, maxHistory-1); got != want {
			t.Errorf("in turn %d the model was asked %d messages, want %d", turn+1, got, want)
		}
		if got := reply.asked[0].Role; got != llm.RoleUser {
			t.Errorf("in turn %d the first message is the %s's", turn+1, got)
		}
		reply.says("less")
		reply.ends(nil)
		client.hear(Heard{Turn: turn + 1, Text: "less"}, Heard{Turn: turn + 1, End: Done})
	}
	client.bye()
}

func TestModelFails(t *testing.T) {
	model := make(puppet)
	client := connect(t, model)
	client.say("hello")
	(<-model).ends(errors.New("the model is on strike"))
	client.hear(Heard{Turn: 1, End: Failed})

	client.say("and now?")
	(<-model).ends(nil)
	client.hear(Heard{Turn: 2, End: Done})
	client.bye()
}

func TestClientLeaves(t *testing.T) {
	model := make(puppet)
	client := connect(t, model)
	client.say("hello")
	reply := <-model
	client.Close()
	<-reply.ctx.Done()
	reply.ends(reply.ctx.Err())
}

func TestShutdown(t *testing.T) {
	model := make(puppet)
	agent, url := serve(t, model)
	client := dial(t, url)
	client.say("hello")
	reply := <-model
	shutdown := make(chan error, 1)
	go func() { shutdown <- agent.Shutdown(t.Context()) }()
	<-reply.ctx.Done()
	reply.ends(reply.ctx.Err())
	if _, _, err := client.NextReader(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("the connection ended with %v, want code %d", err, websocket.CloseGoingAway)
	}
	if err := <-shutdown; err != nil {
		t.Error(err)
	}
}

func TestModelPanics(t *testing.T) {
	client := connect(t, llm.Func(func(context.Context, []llm.Message) iter.Seq2[string, error] {
		panic("no model")
	}))
	client.say("hello")
	if _, _, err := client.NextReader(); !websocket.IsCloseError(err, websocket.CloseInternalServerErr) {
		t.Errorf("the connection ended with %v, want code %d", err, websocket.CloseInternalServerErr)
	}
}

// peer is the other end of a conversation, without a client.
type peer struct {
	*websocket.Conn
	t *testing.T
}

// connect serves an agent with a model, and dials it.
func connect(t *testing.T, model llm.Model) peer {
	t.Helper()
	_, url := serve(t, model)
	return dial(t, url)
}

// serve starts an agent and returns it with its WebSocket's address. When the
// test ends, the agent must too, with nothing left behind.
func serve(t *testing.T, model llm.Model) (agent *runtime.Server, url string) {
	agent = NewServer(&Chat{Model: model})
	server := httptest.NewServer(agent)
	t.Cleanup(func() {
		if err := agent.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return agent, "ws" + strings.TrimPrefix(server.URL, "http") + "/ws"
}

func dial(t *testing.T, url string) peer {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return peer{conn, t}
}

func (c peer) say(text string) {
	c.t.Helper()
	if err := c.WriteJSON(Say{Text: text}); err != nil {
		c.t.Fatal(err)
	}
}

// hear expects the next pieces.
func (c peer) hear(pieces ...Heard) {
	c.t.Helper()
	for _, want := range pieces {
		var got Heard
		if err := c.ReadJSON(&got); err != nil {
			c.t.Fatalf("instead of %+v came the error: %v", want, err)
		}
		if got != want {
			c.t.Fatalf("heard %+v, want %+v", got, want)
		}
	}
}

// bye ends the conversation, and expects the agent to say goodbye too.
func (c peer) bye() {
	c.t.Helper()
	goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := c.WriteMessage(websocket.CloseMessage, goodbye); err != nil {
		c.t.Fatal(err)
	}
	if _, _, err := c.NextReader(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		c.t.Errorf("the conversation ended with %v", err)
	}
}

// puppet is a model that says what the test wants. It hands a reply to the test
// for each time that it is asked.
type puppet chan *reply

type reply struct {
	ctx    context.Context
	asked  []llm.Message
	pieces chan string
	end    error
}

func (p puppet) Reply(ctx context.Context, messages []llm.Message) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		r := &reply{ctx: ctx, asked: slices.Clone(messages), pieces: make(chan string)}
		p <- r
		for piece := range r.pieces {
			if !yield(piece, nil) {
				return
			}
		}
		if r.end != nil {
			yield("", r.end)
		}
	}
}

// says makes the reply go on with a piece.
func (r *reply) says(piece string) { r.pieces <- piece }

// ends makes the reply end, with an error unless that is nil.
func (r *reply) ends(err error) {
	r.end = err
	close(r.pieces)
}
