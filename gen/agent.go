package gen

import (
	"go/ast"
	"go/types"
	"iter"
	"slices"
)

// agent is the handlers of one package. It is all that the emitter sees.
type agent struct {
	pkg        *types.Package
	name       string // of the package, in its source
	constraint string // of the files that hold the handlers, "" for none
	handlers   []*handler
}

// handler is one annotated function.
type handler struct {
	kind  kind
	shape shape
	fn    *types.Func
	decl  *ast.FuncDecl
	file  *ast.File
	doc   string // without directives
	order int    // of middleware

	recv        *types.Named // nil for a function
	recvPointer bool

	takesContext bool
	in           types.Type // nil when it takes none
	out          types.Type // nil when it returns none; the element of a stream
	session      types.Type // the state of the session that it takes, nil for none
	returnsError bool       // beside, or before, anything else
}

// shape is how a handler is called.
type shape int

const (
	shapeUnary      shape = iota // func(ctx?, in?, session?) (Out?, error?)
	shapeStream                  // func(ctx?, in?, session?) iter.Seq2[Out, error]
	shapeOpenStream              // func(ctx?, in?, session?) (iter.Seq2[Out, error], error)
	shapeRaw                     // func(http.ResponseWriter, *http.Request)
	shapeConn                    // func(ctx, *runtime.Conn[In, Out], session?) error
	shapeRawConn                 // func(ctx, *websocket.Conn) error
	shapePing                    // func(ctx?) (runtime.PingStatus, error?)
	shapeTask                    // func(ctx, in?) error
	shapeMiddleware              // func(http.Handler) http.Handler
)

// title is the name of a handler in logs and docs: Answer, or Assistant.Answer.
func (h *handler) title() string {
	if h.recv != nil {
		return h.recv.Obj().Name() + "." + h.fn.Name()
	}
	return h.fn.Name()
}

// types returns the types that the output writes for a handler, those of its
// context and the like apart.
func (h *handler) types() []types.Type {
	return slices.DeleteFunc([]types.Type{h.in, h.out, h.session}, func(t types.Type) bool { return t == nil })
}

// of returns the handlers of a kind, in their order.
func (a *agent) of(k kind) []*handler {
	var found []*handler
	for _, h := range a.handlers {
		if h.kind == k {
			found = append(found, h)
		}
	}
	return found
}

// first returns the only handler of a kind, or nil.
func (a *agent) first(k kind) *handler {
	if found := a.of(k); len(found) > 0 {
		return found[0]
	}
	return nil
}

// serves reports whether there is anything to make a server of. A package may
// hold tasks alone.
func (a *agent) serves() bool {
	return a.first(entrypoint) != nil || a.first(websocket) != nil || a.first(ping) != nil
}

// receivers returns the receiver types of the handlers that a server is made
// of, in the order in which they come first.
func (a *agent) receivers() []receiver {
	var found []receiver
	for _, h := range a.handlers {
		if h.recv == nil || h.kind == task {
			continue
		}
		known := false
		for i := range found {
			if found[i].named == h.recv {
				found[i].pointer = found[i].pointer || h.recvPointer
				known = true
			}
		}
		if !known {
			found = append(found, receiver{h.recv, h.recvPointer})
		}
	}
	return found
}

// receiver is a parameter of the constructor.
type receiver struct {
	named   *types.Named
	pointer bool // some handler needs it
}

// Where the types live that give a handler its shape, and those that its callers
// meet instead.
const (
	runtimePath   = "github.com/agentcore-go/agentcore/runtime"
	clientPath    = "github.com/agentcore-go/agentcore/client"
	websocketPath = "github.com/gorilla/websocket"
)

// isType reports whether t is the named type path.name, as *path.name when
// pointer is set, and returns its type arguments.
func isType(t types.Type, pointer bool, path, name string) (args *types.TypeList, ok bool) {
	t = types.Unalias(t)
	if pointer {
		p, ok := t.(*types.Pointer)
		if !ok {
			return nil, false
		}
		t = types.Unalias(p.Elem())
	}
	named, ok := t.(*types.Named)
	if !ok || named.Obj().Name() != name || named.Obj().Pkg() == nil || named.Obj().Pkg().Path() != path {
		return nil, false
	}
	return named.TypeArgs(), true
}

// parts yields the types that are written in a type: elements, fields and the
// like, and the type arguments of one that has a name.
func parts(t types.Type) iter.Seq[types.Type] {
	return func(yield func(types.Type) bool) {
		each := func(list iter.Seq[types.Type]) bool {
			for t := range list {
				if !yield(t) {
					return false
				}
			}
			return true
		}
		switch t := t.(type) {
		case *types.Named:
			each(t.TypeArgs().Types())
		case *types.Alias:
			each(t.TypeArgs().Types())
		case *types.Map:
			_ = yield(t.Key()) && yield(t.Elem())
		case interface{ Elem() types.Type }: // pointers, slices, arrays and channels
			yield(t.Elem())
		case *types.Struct:
			each(typesOf(t.Fields()))
		case *types.Signature:
			_ = each(typesOf(t.Params().Variables())) && each(typesOf(t.Results().Variables()))
		case *types.Interface:
			_ = each(typesOf(t.ExplicitMethods())) && each(t.EmbeddedTypes())
		}
	}
}

func typesOf[T types.Object](objects iter.Seq[T]) iter.Seq[types.Type] {
	return func(yield func(types.Type) bool) {
		for obj := range objects {
			if !yield(obj.Type()) {
				return
			}
		}
	}
}

func is(t types.Type, pointer bool, path, name string) bool {
	_, ok := isType(t, pointer, path, name)
	return ok
}

func isError(t types.Type) bool {
	return types.Identical(t, types.Universe.Lookup("error").Type())
}

func isContext(t types.Type) bool { return is(t, false, "context", "Context") }
