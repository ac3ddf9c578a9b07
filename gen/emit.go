package gen

import (
	"bytes"
	"fmt"
	"go/build/constraint"
	"go/format"
	"go/types"
	"regexp"
	"slices"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/agentcore-go/agentcore/runtime"
)

// emit writes the server file of an agent.
func emit(agent *agent, names *names) ([]byte, error) {
	e := &emitter{agent: agent, names: names, file: jen.NewFilePathName(agent.pkg.Path(), agent.name)}
	for _, i := range names.imports {
		if i.alias == i.name && i.alias == assumedName(i.path) {
			e.file.ImportName(i.path, i.alias)
		} else {
			e.file.ImportAlias(i.path, i.alias)
		}
	}
	e.handshake()
	if agent.serves() {
		e.constructor()
	}
	for _, h := range agent.of(task) {
		e.launcher(h)
	}
	var body bytes.Buffer
	if err := e.file.Render(&body); err != nil {
		return nil, fmt.Errorf("package %s: the generated file is not valid Go, which is a fault of agentcore-gen: %w", agent.pkg.Path(), err)
	}
	top := header + "\n\n// If this file does not compile, it is out of date: go generate.\n\n"
	if agent.constraint != "" {
		top += "//go:build " + agent.constraint + "\n\n"
	}
	return settle(append([]byte(top), groupImports(body.Bytes())...))
}

// settle formats a file until formatting it again would change nothing. That of
// comments takes several turns, for a list may swallow what was moved below it.
func settle(source []byte) ([]byte, error) {
	for range 10 { // nobody promises that it comes to an end
		formatted, err := format.Source(source)
		if err != nil || bytes.Equal(formatted, source) {
			return formatted, err
		}
		source = formatted
	}
	return source, nil
}

// importBlock matches what stands directly below the package clause, and so
// nothing that somebody wrote.
var importBlock = regexp.MustCompile(`(?s)\Apackage [^\n]+\n\nimport \(\n(.*?)\n\)\n`)

// groupImports puts the standard library's packages first, which jennifer
// leaves among the others.
func groupImports(source []byte) []byte {
	block := importBlock.FindSubmatchIndex(source)
	if block == nil {
		return source
	}
	var std, other []string
	for line := range strings.Lines(string(source[block[2]:block[3]]) + "\n") {
		path := line[strings.Index(line, `"`)+1:]
		if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
			other = append(other, line)
		} else {
			std = append(std, line)
		}
	}
	if len(std) > 0 && len(other) > 0 {
		std = append(std, "\n")
	}
	grouped := strings.Join(append(std, other...), "")
	return slices.Concat(source[:block[2]], []byte(grouped), source[block[3]:])
}

type emitter struct {
	agent *agent
	names *names
	file  *jen.File
}

// qual refers to what another package has, or this one.
func (e *emitter) qual(path, name string) *jen.Statement {
	if path != e.agent.pkg.Path() && e.alias(path) == "" {
		panic(fmt.Sprintf("gen: no name is planned for package %s", path)) // jennifer would make one up
	}
	return jen.Qual(path, name)
}

func (e *emitter) runtime(name string) *jen.Statement { return e.qual(runtimePath, name) }

// predeclaredPath is the package of what generated code cannot write where a
// package has names of its own for it. A runtime that does not have it yet needs
// no version to say so: the go command names the package that is missing.
const predeclaredPath = runtimePath + "/predeclared"

func (e *emitter) error() *jen.Statement {
	if e.names.ownError {
		return e.qual(predeclaredPath, "Error")
	}
	return jen.Error()
}

func (e *emitter) nilError() *jen.Statement {
	if e.names.ownNil {
		return e.qual(predeclaredPath, "NoError").Call()
	}
	return jen.Nil()
}

// lines emits text as line comments. A block comment would end at the first
// */ in somebody's words. A line that would say something to the tools of Go, or
// look as if it should, gets its slashes twice: formatting makes a constraint of
// the file of // +build.
func (e *emitter) lines(text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if words := strings.TrimSpace(line); strings.HasPrefix(words, "go:") || constraint.IsPlusBuild("//"+words) {
			line = strings.Replace(line, words, "//"+words, 1)
		}
		e.file.Comment(strings.TrimRight("// "+line, " "))
	}
}

// handshake makes a file that does not fit the runtime fail to compile.
func (e *emitter) handshake() {
	const version = runtime.MaxGeneratedVersion
	e.file.Const().Defs(
		jen.Comment("// If this does not compile, this file is too old for the runtime: go generate."),
		jen.Id("_").Op("=").Add(e.runtime("GeneratedVersion")).Call(jen.Lit(version).Op("-").Add(e.runtime("MinGeneratedVersion"))),
		jen.Comment("// If this does not compile, the runtime is too old for this file: go get "+runtimeModule+"@latest."),
		jen.Id("_").Op("=").Add(e.runtime("GeneratedVersion")).Call(e.runtime("MaxGeneratedVersion").Op("-").Lit(version)),
	)
}

const runtimeModule = "github.com/agentcore-go/agentcore"

// constructor emits the function that makes the server.
func (e *emitter) constructor() {
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
func (e *emitter) reference(h *handler) *jen.Statement {
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
func (e *emitter) frozen(h *handler) bool {
	for _, r := range e.agent.receivers() {
		if r.named == h.recv {
			return r.pointer && !h.recvPointer
		}
	}
	return false
}

// context is a parameter of an adapting function, and the argument that it
// passes on. Both are left out of a call that takes none.
func (e *emitter) context(h *handler) (param jen.Code, args []jen.Code) {
	if !h.takesContext {
		return jen.Id("_").Add(e.qual("context", "Context")), nil
	}
	return jen.Id(e.names.ctx).Add(e.qual("context", "Context")), []jen.Code{jen.Id(e.names.ctx)}
}

// input is the same for a handler's payload.
func (e *emitter) input(h *handler) (param jen.Code, args []jen.Code) {
	if h.in == nil {
		return jen.Id("_").Add(e.runtime("None")), nil
	}
	return jen.Id(e.names.in).Add(e.typeCode(h.in)), []jen.Code{jen.Id(e.names.in)}
}

// session is the same for the session, which is the last parameter, if at all.
func (e *emitter) session(h *handler) (params, args []jen.Code) {
	if h.session == nil {
		return nil, nil
	}
	param := jen.Id(e.names.session).Op("*").Add(e.runtime("Session")).Types(e.typeCode(h.session))
	return []jen.Code{param}, []jen.Code{jen.Id(e.names.session)}
}

// constructorOf is the function of package runtime that makes a handler.
func (e *emitter) constructorOf(h *handler, name string) *jen.Statement {
	if h.session != nil {
		name += "WithSession"
	}
	return e.runtime(name)
}

// typeArguments are those of that function.
func (e *emitter) typeArguments(h *handler) []jen.Code {
	var list []jen.Code
	for _, t := range h.types() {
		list = append(list, e.typeCode(t))
	}
	return list
}

// invoke makes the entrypoint's handler. Where a function adapts one of the
// short forms, the type arguments are those of that function.
func (e *emitter) invoke(h *handler) jen.Code {
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
func (e *emitter) adapt(h *handler) jen.Code {
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

func (e *emitter) raw(h *handler) jen.Code {
	if !e.frozen(h) {
		return e.reference(h)
	}
	w, r := e.names.writer, e.names.request
	return jen.Func().Params(
		jen.Id(w).Add(e.qual("net/http", "ResponseWriter")),
		jen.Id(r).Op("*").Add(e.qual("net/http", "Request")),
	).Block(e.reference(h).Call(jen.Id(w), jen.Id(r)))
}

func (e *emitter) webSocket(h *handler) jen.Code {
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

func (e *emitter) ping(h *handler) jen.Code {
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
func (e *emitter) launcher(h *handler) {
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
func (e *emitter) routes() string {
	type row struct{ route, handler, payload string }
	var rows []row
	inSession := func(h *handler) string {
		if h.session == nil {
			return ""
		}
		return ", in a session of " + e.payload(h.session, "")
	}
	get := "GET "
	if h := e.agent.first(entrypoint); h != nil {
		get = "GET  " // below POST
		payload := e.payload(h.in, "nothing") + " -> "
		switch h.shape {
		case shapeRaw:
			payload = "raw"
		case shapeUnary:
			payload += e.payload(h.out, "nothing")
		default:
			payload += "stream of " + e.payload(h.out, "nothing")
		}
		rows = append(rows, row{"POST /invocations", h.title(), payload + inSession(h)})
	}
	if h := e.agent.first(websocket); h != nil {
		payload := "raw"
		if h.shape == shapeConn {
			payload = e.payload(h.in, "") + " <-> " + e.payload(h.out, "")
		}
		rows = append(rows, row{get + "/ws", h.title(), payload + inSession(h)})
	}
	if h := e.agent.first(ping); h != nil {
		rows = append(rows, row{get + "/ping", h.title(), ""})
	}
	var routeWidth, handlerWidth int
	for _, r := range rows {
		routeWidth, handlerWidth = max(routeWidth, len(r.route)), max(handlerWidth, len(r.handler))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s returns a server for this agent:\n\n", e.names.server)
	for _, r := range rows {
		b.WriteString(strings.TrimRight(fmt.Sprintf("\t%-*s  %-*s  %s", routeWidth, r.route, handlerWidth, r.handler, r.payload), " ") + "\n")
	}
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

// payload names a payload type for a reader, on one line.
func (e *emitter) payload(t types.Type, none string) string {
	if t == nil {
		return none
	}
	text := types.TypeString(t, func(p *types.Package) string { return e.alias(p.Path()) })
	if strings.Contains(text, "{") && text != "struct{}" && text != "interface{}" {
		return "an unnamed type"
	}
	return text
}

// alias is what the file calls a package, "" for its own.
func (e *emitter) alias(path string) string {
	for _, i := range e.names.imports {
		if i.path == path {
			return i.alias
		}
	}
	return ""
}

// orNone is the type, or runtime.None where a handler has none.
func (e *emitter) orNone(t types.Type) *jen.Statement {
	if t == nil {
		return e.runtime("None")
	}
	return e.typeCode(t)
}
