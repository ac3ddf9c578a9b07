package gen

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/types"
	"strconv"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/agentcore-go/agentcore/internal/wire"
)

// emitClient writes the client of an agent.
func emitClient(plan *clientPlan) ([]byte, error) {
	e := &clientEmitter{newEmitter(plan.place.path, plan.place.name, plan.imports), plan}
	e.docs, e.params = plan.fields, plan.params
	e.handshake(clientPath, wire.MaxClientVersion, "package client", "go generate "+plan.back)
	e.client()
	for _, h := range plan.agent.handlers {
		e.method(h)
	}
	for _, copied := range plan.types {
		e.declaration(copied)
		e.constants(plan.constants[copied])
	}
	constraint := ""
	if plan.refers {
		constraint = plan.agent.constraint
	}
	return e.render(" "+plan.back, constraint, e.packageDoc())
}

// clientEmitter writes the file of a client.
type clientEmitter struct {
	*emitter
	plan *clientPlan
}

func (e *clientEmitter) behind(name string) *jen.Statement { return e.qual(clientPath, name) }

// packageDoc says which agent the client is of, and what can be called.
func (e *clientEmitter) packageDoc() string {
	agent := e.plan.agent
	return fmt.Sprintf("Package %s calls the agent %s:\n\n", e.plan.place.name, agent.pkg.Path()) +
		e.table(agent, func(h *handler) string { return e.plan.methods[h] })
}

// client emits the type that has the methods, and its constructor.
func (e *clientEmitter) client() {
	e.file.Line()
	e.lines("Client calls the agent. It is one conversation: all calls belong to one session of\nthe agent. Beside its own methods it has those of the client in it, SessionID and\nPing among them. They may be called concurrently.")
	e.file.Type().Id("Client").Struct(jen.Op("*").Add(e.behind("Client")))
	e.file.Line()
	transport, opts := e.plan.transport, e.plan.opts
	e.lines(fmt.Sprintf("New returns a client that reaches the agent through %s. The options hold\nfor every call.", transport))
	e.file.Func().Id("New").Params(
		jen.Id(transport).Op("*").Add(e.behind("Transport")),
		e.options(),
	).Op("*").Id("Client").Block(
		jen.Return(jen.Op("&").Id("Client").Values(e.behind("New").Call(jen.Id(transport), jen.Id(opts).Op("...")))),
	)
}

func (e *clientEmitter) options() *jen.Statement {
	return jen.Id(e.plan.opts).Op("...").Add(e.behind("Option"))
}

// method emits the method that calls a handler.
func (e *clientEmitter) method(h *handler) {
	name := e.plan.methods[h]
	if h.kind == ping && name == "Ping" {
		return // package client has it
	}
	text := renamed(h.doc, h.fn.Name(), name)
	if text == "" {
		text = fmt.Sprintf("%s calls the %s %s.", name, h.kind, h.title())
	}
	if note := notes[h.shape]; note != "" {
		text = strings.TrimRight(text, "\n") + "\n\n" + note
	}
	e.file.Line()
	e.lines(text)
	call := e.call(h)
	params := append([]jen.Code{jen.Id(e.plan.ctx).Add(e.qual("context", "Context"))}, call.params...)
	e.file.Func().Params(jen.Id(e.plan.receiver).Op("*").Id("Client")).Id(name).
		Params(append(params, e.options())...).Add(call.results).Block(call.body...)
}

// notes are what the callers of a handler have to know, and its author had no
// reason to say.
var notes = map[shape]string{
	shapeRaw:        "The caller closes the body of the response.",
	shapeStream:     streamNote,
	shapeOpenStream: streamNote,
	shapeConn:       connNote,
	shapeRawConn:    connNote,
}

const (
	streamNote = "The agent is called when the sequence is ranged over. An error is its last element."
	connNote   = "The caller closes the connection."
)

// call is how a handler is called.
type call struct {
	params  []jen.Code // between the context and the options
	results jen.Code
	body    []jen.Code
}

func (e *clientEmitter) call(h *handler) call {
	inner := jen.Id(e.plan.receiver).Dot("Client")
	ctx, opts := jen.Id(e.plan.ctx), jen.Id(e.plan.opts).Op("...")
	returns := func(what jen.Code) []jen.Code { return []jen.Code{jen.Return(what)} }
	both := func(result jen.Code) jen.Code { return jen.Params(result, jen.Error()) }
	switch h.shape {
	case shapeRaw:
		body := jen.Id(e.plan.body)
		return call{
			[]jen.Code{jen.Add(body).Index().Byte()}, both(jen.Op("*").Add(e.qual("net/http", "Response"))),
			returns(inner.Dot("Do").Call(ctx, body, opts)),
		}
	case shapePing:
		return call{nil, both(e.behind("PingResult")), returns(inner.Dot("Ping").Call(ctx, opts))}
	case shapeConn, shapeRawConn:
		message := e.behind("Message")
		args := []jen.Code{message, message}
		if h.shape == shapeConn { // what the agent sends is what the client receives
			args = []jen.Code{e.typeCode(h.out), e.typeCode(h.in)}
		}
		return call{
			nil, both(jen.Op("*").Add(e.behind("Conn")).Types(args...)),
			returns(e.behind("Connect").Types(args...).Call(ctx, inner, opts)),
		}
	}
	var params []jen.Code
	in := e.behind("None").Values()
	if h.in != nil {
		in = jen.Id(e.plan.in)
		params = []jen.Code{jen.Id(e.plan.in).Add(e.typeCode(h.in))}
	}
	args := []jen.Code{e.orNone(h.in), e.orNone(h.out)}
	if h.shape != shapeUnary {
		return call{
			params, e.qual("iter", "Seq2").Types(e.orNone(h.out), jen.Error()),
			returns(e.behind("Stream").Types(args...).Call(ctx, inner, in, opts)),
		}
	}
	invoke := e.behind("Invoke").Types(args...).Call(ctx, inner, in, opts)
	if h.out == nil {
		return call{params, jen.Error(), []jen.Code{
			jen.List(jen.Id("_"), jen.Err()).Op(":=").Add(invoke),
			jen.Return(jen.Err()),
		}}
	}
	return call{params, both(e.typeCode(h.out)), returns(invoke)}
}

func (e *clientEmitter) orNone(t types.Type) *jen.Statement {
	if t == nil {
		return e.behind("None")
	}
	return e.typeCode(t)
}

// declaration emits a copy of a type.
func (e *clientEmitter) declaration(copied *copied) {
	origin, name := copied.origin.Obj(), copied.named.Obj().Name()
	spec := e.plan.docs.spec(origin)
	above := spec.above
	if above == "" {
		above = spec.beside
	}
	e.file.Line()
	e.lines(renamed(above, origin.Name(), name))
	underlying := e.typeCode(copied.named.Underlying())
	if types.Identical(copied.named.Underlying(), anyType.Underlying()) {
		underlying = jen.Id("any")
	}
	e.file.Type().Id(name).Add(e.parametersCode(copied.named.TypeParams())).Add(underlying)
}

// constants emits those of a type, in the groups of the source.
func (e *clientEmitter) constants(all []copiedConstant) {
	for len(all) > 0 {
		group := e.plan.docs.spec(all[0]).group
		n := 1
		for n < len(all) && e.plan.docs.spec(all[n]).group == group {
			n++
		}
		e.constantGroup(group, all[:n])
		all = all[n:]
	}
}

func (e *clientEmitter) constantGroup(group *ast.GenDecl, all []copiedConstant) {
	grouped := group != nil && group.Lparen.IsValid()
	alone := group != nil && !grouped && len(all) == 1 // as it is in the source
	var specs []jen.Code
	for _, c := range all {
		spec := e.plan.docs.spec(c)
		spec.above = renamed(spec.above, c.Name(), c.name)
		code := jen.Id(c.name).Add(e.typeCode(c.of.named)).Op("=").Op(literal(c.Const))
		if alone {
			code = jen.Const().Add(code)
		}
		specs = append(specs, spec.around(code)...)
	}
	e.file.Line()
	if alone {
		for _, line := range specs {
			e.file.Add(line)
		}
		return
	}
	if grouped {
		e.lines(group.Doc.Text())
	}
	e.file.Const().Defs(specs...)
}

// literal writes the value of a constant.
func literal(c *types.Const) string {
	value := c.Val()
	switch basic := c.Type().Underlying().(*types.Basic); {
	case basic.Info()&types.IsString != 0:
		return strconv.Quote(constant.StringVal(value))
	case basic.Kind() == types.Float32:
		f, _ := constant.Float32Val(value)
		return strconv.FormatFloat(float64(f), 'g', -1, 32)
	case basic.Kind() == types.Float64:
		f, _ := constant.Float64Val(value)
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return value.ExactString()
}
