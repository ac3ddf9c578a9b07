//lint:file-ignore U1000 What is not used is in the way.

package hostile

import "github.com/agentcore-go/agentcore/testdata/shapes/names_predeclared/words"

// Types of receivers whose names are keywords in small letters, and others.
type (
	Func   struct{}
	Type   struct{ r }
	_Range struct{}
	Map    map[words.Text]Map
	m      struct{}
	Go     struct{}
	Select struct{}
)

// What a generated file would like to call things, and what it would fall back on.
var (
	runtime, http, context, iter, websocket, unsafe      int
	ctx, in, conn, w, req, opts, session                 int
	c, input, connection, writer, request, options, sess int
	agent, err, f, t, receiver, typeHandlers, server     int
	stdcontext, stditer, nethttp2, agentcoreruntime2     int
)

// What Go would like to call things.
type (
	error  struct{}
	int    interface{ error() error }
	any    []any
	nil    struct{ any }
	uint8  func(nil) nil
	append map[words.Text]append
)

const (
	true = iota
	false
	len
	predeclared
)

// NewAgent returns what NewServer wants.
func NewAgent() (*Func, *Type, _Range, Map, m) { return &Func{}, &Type{}, _Range{}, Map{}, m{} }

type r struct{}

// StartAnswer and StartIndex belong to others.
func (r) StartAnswer() {}

// StartIndex is of another type.
func (*Func) StartIndex() {}
