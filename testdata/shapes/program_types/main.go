// Program is an agent whose payloads have types of every sort. None of them can
// be imported, so that its client has a copy of each.
//
//lint:file-ignore U1000 What JSON does not see is in the way.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"iter"
	"log"
	"sync"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
	"github.com/agentcore-go/agentcore/testdata/shapes/program_types/travel"
)

//go:generate go run github.com/agentcore-go/agentcore/cmd/agentcore-gen

// search finds pages. */
//
// Deprecated: look for yourself.
//
//agentcore:entrypoint
func (desk) search(_ context.Context, q *Query[filter[Level], time.Time]) iter.Seq2[page[string, *Item], error] {
	return func(yield func(page[string, *Item], error) bool) {
		item := &Item{Base: Base{ID: string(q.Tone)}, Note: q.Note}
		yield(page[string, *Item]{Items: map[string]*Item{"first": item}, window: window[time.Time]{From: q.Since}}, nil)
	}
}

// Talk answers events with what there is to know.
//
//agentcore:websocket
func Talk(ctx context.Context, conn *runtime.Conn[event, All]) error {
	for {
		event, err := conn.Receive(ctx)
		if err != nil {
			return err
		}
		if err := conn.Send(ctx, All{Event: event}); err != nil {
			return err
		}
	}
}

//agentcore:ping
func health() runtime.PingStatus { return runtime.Healthy }

// desk has a handler.
type desk struct{}

// Level says how much is wanted. It goes on
//   - for a few
//   - lines.
type Level int

// The levels there are.
const (
	// Low is the least.
	Low Level = iota + 1
	// High comes after Medium.
	Medium
	High       // not too much
	none Level = 0
	// Lowest is what a level is at first.
	Lowest = none - 1<<40
)

// Extreme is beyond all levels.
const Extreme Level = 1 << 62

type tone string

const (
	Polite, Rude tone = "polite", "ru\"de\n`\x00\xff" // what it sounds like
)

const Client tone = "client" // called like the client

type (
	// Weight is in kilograms.
	Weight float32
	ratio  float64
	// On is true or false.
	On    bool
	grade rune
)

const (
	Light Weight = 0.1
	Half  ratio  = 1.0 / 2
	Third ratio  = 1.0 / 3
	Huge  ratio  = 1e300
	Yes   On     = true
	No           = !Yes
	A     grade  = 'A'
	Minus Weight = -2
)

// Query has type parameters. One of them is called like a package, and the other
// like a type.
type Query[time any, Item comparable] struct {
	// Filter is one of
	// several lines.
	Filter time               `json:"filter"`
	Since  Item               `json:"since,omitzero"` // beside it
	Tone   tone               `json:"tone,omitempty" validate:"oneof=polite rude"`
	Seen   map[Item]bool      `json:"-"`
	Within *Query[Item, Item] `json:"within,omitempty"`
	Note   string
	secret chan string
	Hidden sync.Mutex `json:"-"`
}

// Validate has a place on the server only.
func (q *Query[T, I]) Validate() error { return nil }

type filter[L ~int] struct {
	Levels []L          `json:"levels"`
	Limits [2]*L        `json:"limits"`
	Near   travel.Place `json:"near"`
	And    []filter[L]  `json:"and,omitempty"`
	Or     *filter[L]   `json:"or"`
}

// named is satisfied by types with a method, and copies have none.
type named interface {
	comparable
	Name() string
}

// Name is that of the tone.
func (t tone) Name() string { return string(t) }

// ordered is like one of package cmp.
type ordered interface {
	~int | ~int64 | ~float64 |
		~string
}

type (
	byName[K named, V any] struct {
		Values map[K]V `json:"values"`
	}
	sorted[T ordered]                  []T
	pointing[T any, P interface{ *T }] struct{ To P }
	local[T interface{ Level | int }]  struct{ Value T }
	pair[A, B any]                     struct {
		First  A
		Second B
	}
	list[T any] struct {
		Value T        `json:"value"`
		Next  *list[T] `json:"next,omitempty"`
	}
	// twisted swaps its arguments as it goes on.
	twisted[A, B any] struct {
		A    A
		Next *twisted[B, A] `json:",omitempty"`
	}
)

// page is embedded and embeds.
type page[K ~string, V any] struct {
	window[time.Time]
	*Meta
	Items map[K]V `json:"items"`
	More  bool    `json:"more,string"`
}

type window[T any] struct {
	From T  `json:"from"`
	To   *T `json:"to,omitempty"`
}

// Meta is embedded as a pointer.
type Meta struct {
	Count uint8 `json:"count,string,omitempty"`
	inner
	sync.Mutex
}

type inner struct {
	Depth int64 `json:"depth"`
	depth int
}

// Base is embedded.
type Base struct {
	ID string `json:"id"`
	// Level has the name of its type.
	Level
	On `json:"on"`
}

// Item is what is found.
type Item struct {
	Base
	meta `json:"meta"`
	Meta *Meta `json:"Meta,omitempty"`
	tone `json:"-"`
	*extra
	Note  string  `json:"note,omitempty"`
	Parts []*Item `json:"parts,omitempty"`
	// Any is what it is.
	Any   any             `json:"any,omitempty"`
	Raw   json.RawMessage `json:"raw,omitempty"`
	Bytes []byte          `json:"bytes"`
	At    *time.Time      `json:"at"`
	Took  time.Duration   `json:"took,omitzero"`
	Spot  struct {
		// X is across.
		X, Y float64
		// Inner is nested.
		Inner *struct {
			Z Weight `json:"z"` // up
		} `json:"inner,omitempty"`
		hidden int
	} `json:"spot"`
	Shape shape `json:"shape,omitempty"`
}

// extra is embedded as a pointer, into which nothing can be decoded here.
type extra struct{ Extra string }

// meta is not Meta.
type meta struct {
	Color string `json:"color"`
}

// shape is anything with a name.
type shape interface{ Name() string }

// event goes both ways.
type event struct {
	Kind  kind              `json:"kind"`
	Left  *node             `json:"left,omitempty"`
	Bytes map[Level][]grade `json:"bytes"`
	Tree  tree              `json:"tree"`
	Names map[tone]forest   `json:"names"`
}

type kind struct{ kindName }

type kindName struct{ Name string }

// node and branch need each other.
type node struct {
	Branches []branch `json:"branches"`
	Text     text     `json:"text"`
}

type branch struct {
	leaf
	Length ratio `json:"length"`
	Node   *node
}

type leaf struct{ Green On }

type text = struct {
	// Words are the text.
	Words []word `json:"words"`
}

type word string

// tree has itself in it.
type tree map[string]tree

type forest []tree

// All has one of each.
type All struct {
	Event    event                            `json:"event"`
	ByTone   byName[tone, sorted[int]]        `json:"by_tone"`
	Sorted   sorted[word]                     `json:"sorted"`
	Pointing pointing[node, *node]            `json:"pointing"`
	Local    local[Level]                     `json:"local"`
	Pair     pair[list[Item], *pair[New, _t]] `json:"pair"`
	Twisted  twisted[Level, word]             `json:"twisted"`
	Twins    map[string]pair[pair[tone, tone], []list[list[On]]]
	Visits   travel.Journey[*node] `json:"visits"`
	Status   runtime.PingStatus
	None     runtime.None
	New      New
	Ünder    ünder
	Weights  [3]Weight
}

// New is called like the constructor.
type New struct{ Client Client2 }

// Client2 is a number, which is called as what Client could be.
type Client2 int

type _t struct{ T int }

type ünder struct{ 日本, Ä string }

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "the `address` to listen on")
	flag.Parse()
	if err := NewServer(desk{}, runtime.WithAddr(*addr)).Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
