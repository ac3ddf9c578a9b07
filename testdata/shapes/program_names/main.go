// Program_names is an agent whose names are in the way of those of its client.
//
//lint:file-ignore U1000 What is not used is in the way.
package main

import (
	stdtime "context"
	client "encoding/json"
	"flag"
	ctx "iter"
	"log"
	opts "net/url"

	in "github.com/agentcore-go/agentcore/runtime"
	"github.com/agentcore-go/agentcore/testdata/shapes/program_names/one"
	"github.com/agentcore-go/agentcore/testdata/shapes/program_names/two"
)

//go:generate go run github.com/agentcore-go/agentcore/cmd/agentcore-gen

type (
	// Client is called as the client is.
	Client struct {
		Transport string
		// client_ is embedded under the name of the struct that it is in.
		client_
		New
	}
	client_ struct{ Underscore_ int }
	// New is called as the constructor is, and embedded as what has no fields.
	New int
	// Option is called as those of the client are.
	Option[string any, time comparable, client interface{ ~int | ~uint8 }] struct {
		Option *Option[time, time, client]
		Text   string
		Time   map[client]time
		Word   words
	}
	words = string

	question struct {
		Text     string
		question string
	}
	// Question is the other one.
	Question struct {
		// Question has the name of its type.
		question
		Next *Question
	}
	answer struct {
		// Answer has the name that the embedded type would have.
		Answer string `json:"answer_of_the_answer"`
		*Inner
		*hidden
	}
	hidden  struct{ answer2 }
	answer2 struct{ X2 int }
	// Inner is called as something that is embedded beside it.
	Inner struct {
		inner `json:"inner"`
		Grade
		*Level
		Mode
	}
	inner struct{ Deep int }
	// Grade is another name for a type, and so a name in JSON.
	Grade = level
	level int
	// Level is a pointer when it is embedded.
	Level string
	mode  bool
	_x    struct{ X_ int }
	_1    struct{ X1 int }
	日本    struct{ X日本, Ελλάς string }
	all   struct {
		Client   Client
		Client2  client_
		Option   Option[bool, words, New]
		Question Question
		One      one.Item
		Two      []two.Item
		X        _x
		X1       _1
		Nihon    map[words]日本
		URL      *opts.URL
		Raw      client.RawMessage
		Answer2  answer2
		T        struct {
			level level
			Level level
		}
		inner
	}
)

// Mode is the name that mode would have.
type Mode mode

const (
	// CTX is a word in capitals.
	CTX, Ctx level = 1, 2
	// Answer is a constant.
	Answer Level = "Answer"
	On     Mode  = true
	X      mode  = false
)

// ping is no ping. It's the entrypoint.
//
//agentcore:entrypoint
func (client_) ping(c stdtime.Context, i *Client) ctx.Seq2[all, error] {
	return func(yield func(all, error) bool) { yield(all{Client: *i, Raw: client.RawMessage("[]")}, nil) }
}

// do is what the client does itself.
//
//agentcore:websocket
func do(c stdtime.Context, conn *in.Conn[in.Message, answer]) error {
	_, err := conn.Receive(c)
	if err != nil {
		return err
	}
	return conn.Send(c, answer{Answer: "no"})
}

//agentcore:ping
func (client_) Ping() in.PingStatus { return in.Healthy }

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "the `address` to listen on")
	flag.Parse()
	if err := NewServer(client_{}, in.WithAddr(*addr)).Run(stdtime.Background()); err != nil {
		log.Fatal(err)
	}
}
