package gen

import (
	"fmt"
	"go/types"
	"slices"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/agentcore-go/agentcore/runtime"
)

// emit writes the server file of an agent.
func emit(agent *agent, names *names) ([]byte, error) {
	e := &serverEmitter{newEmitter(agent.pkg.Path(), agent.name, names.imports), agent, names}
	e.shadowed = names.shadowed
	e.handshake(runtimePath, runtime.MaxGeneratedVersion, "the runtime", "go generate.")
	if agent.serves() {
		e.constructor()
	}
	for _, h := range agent.of(task) {
		e.launcher(h)
	}
	return e.render(".", agent.constraint, "")
}

// serverEmitter writes the server file.
type serverEmitter struct {
	*emitter
	agent *agent
	names *names
}

func (e *serverEmitter) runtime(name string) *jen.Statement { return e.qual(runtimePath, name) }

// predeclaredPath is the package of what generated code cannot write where a
// package has names of its own for it. A runtime that does not have it yet needs
// no version to say so: the go command names the package that is missing.
const predeclaredPath = runtimePath + "/predeclared"

func (e *serverEmitter) error() *jen.Statement {
	if e.names.ownError {
		return e.qual(predeclaredPath, "Error")
	}
	return jen.Error()
}

func (e *serverEmitter) nilError() *jen.Statement {
	if e.names.ownNil {
		return e.qual(predeclaredPath, "NoError").Call()
	}
	return jen.Nil()
}

// constructor emits the function that makes the server.
func (e *serverEmitter) constructor() {
	e.file.Line()
	e.lines(e.routes())
	var params []jen.Code
	for i, r := range e.agent.receivers() {
		param := jen.Id(e.names.receivers[i])
		if r.pointer {
			param.Op("*")
		}
		params = append(params, param.Id(r.named.Obj().Name()))
	}
	params = append(params, jen.Id(e.names.opts).Op("...").Add(e.runtime("Option")))

	var fields []jen.Code
	field := func(name string, value jen.Code) {
		fields = append(fields, jen.Line().Id(name).Op(":").Add(value))
	}
	if h := e.agent.first(entrypoint); h != nil {
		field("Invoke", e.invoke(h))
	}
	if h := e.agent.first(websocket); h != nil {
		field("WebSocket", e.webSocket(h))
	}
	if h := e.agent.first(ping); h != nil {
		field("Ping", e.ping(h))
	}
	if all := e.agent.of(middleware); len(all) > 0 {
		var list []jen.Code
		for _, h := range all {
			list = append(list, e.reference(h))
		}
		handler := e.qual("net/http", "Handler")
		field("Middleware", jen.Index().Func().Params(handler).Add(handler).Values(list...))
	}
	fields = append(fields, jen.Line())
	e.file.Func().Id(e.names.server).Params(params...).Op("*").Add(e.runtime("Server")).Block(
		jen.Return(e.runtime("NewServer").Call(
			e.runtime("Handlers").Values(fields...),
			jen.Id(e.names.opts).Op("..."),
		)),
	)
}

// reference refers to a handler: a function, or a method of a parameter.
func (e *serverEmitter) reference(h *handler) *jen.Statement {
	for i, r := range e.agent.receivers() {
		if r.named == h.recv {
			return jen.Id(e.names.receivers[i]).Dot(h.fn.Name())
		}
	}
	return jen.Id(h.fn.Name())
}

// frozen reports whether a reference to a handler would copy the value that its
// receiver has when the server is made: a method with a value receiver, of a
// parameter that is a pointer. Such a method is called from a function.
func (e *serverEmitter) frozen(h *handler) bool {
	for _, r := range e.agent.receivers() {
		if r.named == h.recv {
			return r.pointer && !h.recvPointer
		}
	}
	return false
}

// context is a parameter of an adapting function, and the argument that it
// passes on. Both are left out of a call that takes none.
func (e *serverEmitter) context(h *handler) (param jen.Code, args []jen.Code) {
	if !h.takesContext {
		return jen.Id("_").Add(e.qual("context", "Context")), nil
	}
	return jen.Id(e.names.ctx).Add(e.qual("context", "Context")), []jen.Code{jen.Id(e.names.ctx)}
}

// input is the same for a handler's payload.
func (e *serverEmitter) input(h *handler) (param jen.Code, args []jen.Code) {
	if h.in == nil {
		return jen.Id("_").Add(e.runtime("None")), nil
	}
	return jen.Id(e.names.in).Add(e.typeCode(h.in)), []jen.Code{jen.Id(e.names.in)}
}

// session is the same for the session, which is the last parameter, if at all.
func (e *serverEmitter) session(h *handler) (params, args []jen.Code) {
	if h.session == nil {
		return nil, nil
	}
	param := jen.Id(e.names.session).Op("*").Add(e.runtime("Session")).Types(e.typeCode(h.session))
	return []jen.Code{param}, []jen.Code{jen.Id(e.names.session)}
}

// constructorOf is the function of package runtime that makes a handler.
func (e *serverEmitter) constructorOf(h *handler, name string) *jen.Statement {
	if h.session != nil {
		name += "WithSession"
	}
	return e.runtime(name)
}

// typeArguments are those of that function.
func (e *serverEmitter) typeArguments(h *handler) []jen.Code {
	var list []jen.Code
	for _, t := range h.types() {
		list = append(list, e.typeCode(t))
	}
	return list
}

// invoke makes the entrypoint's handler. Where a function adapts one of the
// short forms, the type arguments are those of that function.
func (e *serverEmitter) invoke(h *handler) jen.Code {
	name := jen.Lit(h.title())
	if h.shape == shapeRaw {
		return e.runtime("Raw").Call(name, e.raw(h))
	}
	constructor := e.constructorOf(h, map[shape]string{shapeUnary: "Unary", shapeStream: "Stream", shapeOpenStream: "OpenStream"}[h.shape])
	full := h.takesContext && h.in != nil && (h.shape != shapeUnary || h.out != nil && h.returnsError)
	if full && !e.frozen(h) {
		return constructor.Types(e.typeArguments(h)...).Call(name, e.reference(h))
	}
	return constructor.Call(name, e.adapt(h))
}

// adapt wraps a handler into the full form.
func (e *serverEmitter) adapt(h *handler) jen.Code {
	ctx, ctxArgs := e.context(h)
	in, inArgs := e.input(h)
	session, sessionArgs := e.session(h)
	call := e.reference(h).Call(slices.Concat(ctxArgs, inArgs, sessionArgs)...)
	none := e.runtime("None").Values()
	stream := e.qual("iter", "Seq2").Types(e.orNone(h.out), e.error())

	results := jen.Params(e.orNone(h.out), e.error())
	body := []jen.Code{jen.Return(call)}
	switch {
	case h.shape == shapeStream:
		results = stream
	case h.shape == shapeOpenStream:
		results = jen.Params(stream, e.error())
	case h.out != nil && !h.returnsError:
		body = []jen.Code{jen.Return(call, e.nilError())}
	case h.out == nil && h.returnsError:
		body = []jen.Code{jen.Return(none, call)}
	case h.out == nil:
		body = []jen.Code{call, jen.Return(none, e.nilError())}
	}
	return jen.Func().Params(append([]jen.Code{ctx, in}, session...)...).Add(results).Block(body...)
}

func (e *serverEmitter) raw(h *handler) jen.Code {
	if !e.frozen(h) {
		return e.reference(h)
	}
	w, r := e.names.writer, e.names.request
	return jen.Func().Params(
		jen.Id(w).Add(e.qual("net/http", "ResponseWriter")),
		jen.Id(r).Op("*").Add(e.qual("net/http", "Request")),
	).Block(e.reference(h).Call(jen.Id(w), jen.Id(r)))
}

func (e *serverEmitter) webSocket(h *handler) jen.Code {
	name := jen.Lit(h.title())
	conn := jen.Op("*")
	var constructor *jen.Statement
	if h.shape == shapeConn {
		conn.Add(e.runtime("Conn")).Types(e.typeCode(h.in), e.typeCode(h.out))
		constructor = e.constructorOf(h, "WebSocket").Types(e.typeArguments(h)...)
	} else {
		conn.Add(e.qual(websocketPath, "Conn"))
		constructor = e.runtime("RawWebSocket")
	}
	if !e.frozen(h) {
		return constructor.Call(name, e.reference(h))
	}
	ctx, args := e.context(h)
	session, sessionArgs := e.session(h)
	params := append([]jen.Code{ctx, jen.Id(e.names.conn).Add(conn)}, session...)
	args = slices.Concat(args, []jen.Code{jen.Id(e.names.conn)}, sessionArgs)
	return constructor.Call(name, jen.Func().Params(params...).Add(e.error()).Block(jen.Return(e.reference(h).Call(args...))))
}

func (e *serverEmitter) ping(h *handler) jen.Code {
	if h.takesContext && h.returnsError && !e.frozen(h) {
		return e.reference(h)
	}
	ctx, args := e.context(h)
	results := []jen.Code{e.reference(h).Call(args...)}
	if !h.returnsError {
		results = append(results, e.nilError())
	}
	return jen.Func().Params(ctx).Params(e.runtime("PingStatus"), e.error()).Block(jen.Return(results...))
}

// launcher emits the function that starts a task.
func (e *serverEmitter) launcher(h *handler) {
	e.file.Line()
	launcher := e.names.launchers[h]
	e.lines(fmt.Sprintf("%s runs [%s] in the background, as [%s.StartTask] does.", launcher.name, h.title(), e.alias(runtimePath)))
	if h.doc != "" {
		e.lines("\n" + h.doc)
	}
	fn := jen.Id(h.fn.Name())
	decl := e.file.Func()
	if h.recv != nil {
		fn = jen.Id(launcher.receiver).Dot(h.fn.Name())
		receiver := jen.Id(launcher.receiver)
		if h.recvPointer {
			receiver.Op("*")
		}
		decl.Params(receiver.Id(h.recv.Obj().Name()))
	}
	ctx, args := e.context(h)
	in, inArgs := e.input(h)
	params := []jen.Code{ctx}
	if h.in != nil {
		params = append(params, in)
		args = append(args, jen.Lit(h.title()), inArgs[0], fn)
	} else {
		run := jen.Func().Params(ctx, in).Add(e.error()).Block(jen.Return(fn.Call(args...)))
		args = append(args, jen.Lit(h.title()), e.runtime("None").Values(), run)
	}
	decl.Id(launcher.name).Params(params...).Params(jen.Op("*").Add(e.runtime("Task")), e.error()).Block(
		jen.Return(e.runtime("StartTask").Call(args...)),
	)
}

// routes is the constructor's doc comment: the agent in one glance.
func (e *serverEmitter) routes() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s returns a server for this agent:\n\n", e.names.server)
	b.WriteString(e.table(e.agent, (*handler).title))
	var wrappers, launchers []string
	for _, h := range e.agent.of(middleware) {
		wrappers = append(wrappers, h.title())
	}
	for _, h := range e.agent.of(task) {
		launchers = append(launchers, strings.TrimSuffix(h.title(), h.fn.Name())+e.names.launchers[h].name)
	}
	if len(wrappers) > 0 {
		fmt.Fprintf(&b, "\nEvery request passes through %s.\n", strings.Join(wrappers, ", then "))
	}
	if len(launchers) > 0 {
		fmt.Fprintf(&b, "\nTasks are started with %s.\n", strings.Join(launchers, ", "))
	}
	return b.String()
}

// orNone is the type, or runtime.None where a handler has none.
func (e *serverEmitter) orNone(t types.Type) *jen.Statement {
	if t == nil {
		return e.runtime("None")
	}
	return e.typeCode(t)
}
