package gen

import (
	"bytes"
	"fmt"
	"go/types"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/agentcore-go/agentcore/runtime"
)

// emit writes the server file of an agent.
func emit(agent *agent, names *names) ([]byte, error) {
	e := &emitter{agent: agent, names: names, file: jen.NewFilePathName(agent.pkg.Path(), agent.name)}
	e.file.HeaderComment(header)
	if agent.constraint != "" {
		e.file.HeaderComment("//go:build " + agent.constraint)
	}
	for _, i := range names.imports {
		if i.alias == i.name {
			e.file.ImportName(i.path, i.name)
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
	var buf bytes.Buffer
	if err := e.file.Render(&buf); err != nil {
		return nil, fmt.Errorf("package %s: the generated file is not valid Go, which is a fault of agentcore-gen: %w", agent.pkg.Path(), err)
	}
	return buf.Bytes(), nil
}

type emitter struct {
	agent *agent
	names *names
	file  *jen.File
}

func (e *emitter) runtime(name string) *jen.Statement { return jen.Qual(runtimePath, name) }

// lines emits text as line comments. A block comment would end at the first
// */ in somebody's words.
func (e *emitter) lines(text string) {
	for line := range strings.Lines(text) {
		e.file.Comment(strings.TrimRight("// "+strings.TrimRight(line, "\r\n"), " "))
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
	receivers := make(map[*types.Named]string)
	for i, r := range e.agent.receivers() {
		name := e.names.receivers[i]
		receivers[r.named] = name
		param := jen.Id(name)
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
	call := func(h *handler) *jen.Statement { return e.reference(h, receivers[h.recv]) }
	if h := e.agent.first(entrypoint); h != nil {
		field("Invoke", e.invoke(h, call(h)))
	}
	if h := e.agent.first(websocket); h != nil {
		field("WebSocket", e.webSocket(h, call(h)))
	}
	if h := e.agent.first(ping); h != nil {
		field("Ping", e.ping(h, call(h)))
	}
	if all := e.agent.of(middleware); len(all) > 0 {
		var list []jen.Code
		for _, h := range all {
			list = append(list, call(h))
		}
		handler := jen.Qual("net/http", "Handler")
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
func (e *emitter) reference(h *handler, receiver string) *jen.Statement {
	if h.recv != nil {
		return jen.Id(receiver).Dot(h.fn.Name())
	}
	return jen.Id(h.fn.Name())
}

// invoke makes the entrypoint's handler.
func (e *emitter) invoke(h *handler, fn *jen.Statement) jen.Code {
	name := jen.Lit(h.title())
	if h.shape == shapeRaw {
		return e.runtime("Raw").Call(name, fn)
	}
	in, out := e.orNone(h.in), e.orNone(h.out)
	constructor := map[shape]string{shapeUnary: "Unary", shapeStream: "Stream", shapeOpenStream: "OpenStream"}[h.shape]
	return e.runtime(constructor).Types(in, out).Call(name, e.adapt(h, fn))
}

// adapt wraps a handler in one of the short forms into the full form.
func (e *emitter) adapt(h *handler, fn *jen.Statement) jen.Code {
	full := h.takesContext && h.in != nil && (h.shape != shapeUnary || h.out != nil && h.returnsError)
	if full {
		return fn
	}
	ctx, in := "_", "_"
	var args []jen.Code
	if h.takesContext {
		ctx = e.names.ctx
		args = append(args, jen.Id(ctx))
	}
	if h.in != nil {
		in = e.names.in
		args = append(args, jen.Id(in))
	}
	call := fn.Call(args...)
	none := e.runtime("None").Values()
	var results jen.Code
	var body []jen.Code
	stream := jen.Qual("iter", "Seq2").Types(e.orNone(h.out), jen.Error())
	switch {
	case h.shape == shapeStream:
		results = stream
		body = []jen.Code{jen.Return(call)}
	case h.shape == shapeOpenStream:
		results = jen.Params(stream, jen.Error())
		body = []jen.Code{jen.Return(call)}
	default:
		results = jen.Params(e.orNone(h.out), jen.Error())
		switch {
		case h.out != nil && h.returnsError:
			body = []jen.Code{jen.Return(call)}
		case h.out != nil:
			body = []jen.Code{jen.Return(call, jen.Nil())}
		case h.returnsError:
			body = []jen.Code{jen.Return(none, call)}
		default:
			body = []jen.Code{call, jen.Return(none, jen.Nil())}
		}
	}
	return jen.Func().Params(
		jen.Id(ctx).Qual("context", "Context"),
		jen.Id(in).Add(e.orNone(h.in)),
	).Add(results).Block(body...)
}

func (e *emitter) webSocket(h *handler, fn *jen.Statement) jen.Code {
	name := jen.Lit(h.title())
	if h.shape == shapeRawConn {
		return e.runtime("RawWebSocket").Call(name, fn)
	}
	return e.runtime("WebSocket").Types(typeCode(h.in), typeCode(h.out)).Call(name, fn)
}

func (e *emitter) ping(h *handler, fn *jen.Statement) jen.Code {
	if h.takesContext && h.returnsError {
		return fn
	}
	ctx := "_"
	var args []jen.Code
	if h.takesContext {
		ctx = e.names.ctx
		args = append(args, jen.Id(ctx))
	}
	results := []jen.Code{fn.Call(args...)}
	if !h.returnsError {
		results = append(results, jen.Nil())
	}
	return jen.Func().Params(jen.Id(ctx).Qual("context", "Context")).
		Params(e.runtime("PingStatus"), jen.Error()).
		Block(jen.Return(results...))
}

// launcher emits the function that starts a task.
func (e *emitter) launcher(h *handler) {
	e.file.Line()
	name := e.names.launchers[h]
	e.lines(fmt.Sprintf("%s starts %s in the background, for the server that %s comes from:\nsee [%s.StartTask].",
		name, h.title(), e.names.ctx, e.alias(runtimePath)))
	if h.doc != "" {
		e.lines("\n" + h.doc)
	}
	ctx := e.names.ctx
	params := []jen.Code{jen.Id(ctx).Qual("context", "Context")}
	fn := e.reference(h, e.names.receiver)
	var in jen.Code
	var run jen.Code = fn
	if h.in != nil {
		params = append(params, jen.Id(e.names.in).Add(typeCode(h.in)))
		in = jen.Id(e.names.in)
	} else {
		in = e.runtime("None").Values()
		run = jen.Func().Params(jen.Id(ctx).Qual("context", "Context"), jen.Id("_").Add(e.runtime("None"))).
			Error().Block(jen.Return(fn.Call(jen.Id(ctx))))
	}
	decl := e.file.Func()
	if h.recv != nil {
		receiver := jen.Id(e.names.receiver)
		if h.recvPointer {
			receiver.Op("*")
		}
		decl.Params(receiver.Id(h.recv.Obj().Name()))
	}
	decl.Id(name).Params(params...).Params(jen.Op("*").Add(e.runtime("Task")), jen.Error()).Block(
		jen.Return(e.runtime("StartTask").Types(e.orNone(h.in)).Call(jen.Id(ctx), jen.Lit(h.title()), in, run)),
	)
}

// routes is the constructor's doc comment: the agent in one glance.
func (e *emitter) routes() string {
	type row struct{ route, handler, payload string }
	var rows []row
	if h := e.agent.first(entrypoint); h != nil {
		payload := payloadText(h, h.in, "nothing") + " -> "
		switch h.shape {
		case shapeRaw:
			payload = "raw"
		case shapeUnary:
			payload += payloadText(h, h.out, "nothing")
		default:
			payload += "stream of " + payloadText(h, h.out, "nothing")
		}
		rows = append(rows, row{"POST /invocations", h.title(), payload})
	}
	if h := e.agent.first(websocket); h != nil {
		payload := "raw"
		if h.shape == shapeConn {
			payload = payloadText(h, h.in, "") + " <-> " + payloadText(h, h.out, "")
		}
		rows = append(rows, row{"GET  /ws", h.title(), payload})
	}
	if h := e.agent.first(ping); h != nil {
		rows = append(rows, row{"GET  /ping", h.title(), ""})
	}
	widest := 0
	for _, r := range rows {
		widest = max(widest, len(r.handler))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s returns a server for this agent:\n\n", e.names.server)
	for _, r := range rows {
		b.WriteString(strings.TrimRight(fmt.Sprintf("\t%-17s  %-*s  %s", r.route, widest, r.handler, r.payload), " ") + "\n")
	}
	if all := e.agent.of(middleware); len(all) > 0 {
		var titles []string
		for _, h := range all {
			titles = append(titles, h.title())
		}
		fmt.Fprintf(&b, "\nEvery request passes through %s.\n", strings.Join(titles, ", then "))
	}
	return b.String()
}

// payloadText names a payload type for a reader, on one line.
func payloadText(h *handler, t types.Type, none string) string {
	if t == nil {
		return none
	}
	text := h.text(t)
	if strings.Contains(text, "{") && text != "struct{}" && text != "interface{}" {
		return "an unnamed type"
	}
	return text
}

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
	return typeCode(t)
}
