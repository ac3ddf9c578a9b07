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
)

// emitter writes one generated file, whatever is in it.
type emitter struct {
	path     string // of the file's package
	imports  []imported
	shadowed map[string]bool             // as of names
	docs     map[*types.Var]doc          // of fields, nil for none
	params   map[*types.TypeParam]string // what the file calls type parameters
	file     *jen.File
}

func newEmitter(path, name string, imports []imported) *emitter {
	e := &emitter{path: path, imports: imports, file: jen.NewFilePathName(path, name)}
	for _, i := range imports {
		if i.alias == i.name && i.alias == assumedName(i.path) {
			e.file.ImportName(i.path, i.alias)
		} else {
			e.file.ImportAlias(i.path, i.alias)
		}
	}
	return e
}

// render returns the text of the file, with what comes behind outOfDate. The
// constraint is that of the file, and the doc comment that of its package, "" for
// none.
func (e *emitter) render(behind, constraint, doc string) ([]byte, error) {
	var body bytes.Buffer
	if err := e.file.Render(&body); err != nil {
		return nil, fmt.Errorf("package %s: the generated file is not valid Go, which is a fault of agentcore-gen: %w", e.path, err)
	}
	top := header + "\n\n" + outOfDate + behind + "\n\n"
	if constraint != "" {
		top += "//go:build " + constraint + "\n\n"
	}
	for _, line := range commentLines(doc) {
		top += line + "\n"
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

// qual refers to what another package has, or this one.
func (e *emitter) qual(path, name string) *jen.Statement {
	if path != e.path && e.alias(path) == "" {
		panic(fmt.Sprintf("gen: no name is planned for package %s", path)) // jennifer would make one up
	}
	return jen.Qual(path, name)
}

// alias is what the file calls a package, "" for its own.
func (e *emitter) alias(path string) string {
	for _, i := range e.imports {
		if i.path == path {
			return i.alias
		}
	}
	return ""
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

// lines emits text as line comments.
func (e *emitter) lines(text string) {
	for _, line := range commentLines(text) {
		e.file.Comment(line)
	}
}

// commentLines turns text into line comments. A block comment would end at the
// first */ in somebody's words. A line that would say something to the tools of
// Go, or look as if it should, gets its slashes twice: formatting makes a
// constraint of the file of // +build.
func commentLines(text string) []string {
	var comments []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if words := strings.TrimSpace(line); strings.HasPrefix(words, "go:") || constraint.IsPlusBuild("//"+words) {
			line = strings.Replace(line, words, "//"+words, 1)
		}
		comments = append(comments, strings.TrimRight("// "+line, " "))
	}
	return comments
}

// handshake makes a file that does not fit the package behind it fail to compile.
// The remedy is for a file that is too old.
func (e *emitter) handshake(path string, version int, what, remedy string) {
	behind := func(name string) *jen.Statement { return e.qual(path, name) }
	e.file.Const().Defs(
		jen.Comment("// If this does not compile, this file is too old for "+what+": "+remedy),
		jen.Id("_").Op("=").Add(behind("GeneratedVersion")).Call(jen.Lit(version).Op("-").Add(behind("MinGeneratedVersion"))),
		jen.Comment("// If this does not compile, "+what+" is too old for this file: go get "+runtimeModule+"@latest."),
		jen.Id("_").Op("=").Add(behind("GeneratedVersion")).Call(behind("MaxGeneratedVersion").Op("-").Lit(version)),
	)
}

const runtimeModule = "github.com/agentcore-go/agentcore"

// table is a piece of a doc comment with a line for each route of an agent.
// Handlers have the given titles.
func (e *emitter) table(agent *agent, title func(*handler) string) string {
	type row struct{ route, handler, payload string }
	var rows []row
	inSession := func(h *handler) string {
		if h.session == nil {
			return ""
		}
		return ", in a session of " + e.payload(h.session, "")
	}
	get := "GET "
	if h := agent.first(entrypoint); h != nil {
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
		rows = append(rows, row{"POST /invocations", title(h), payload + inSession(h)})
	}
	if h := agent.first(websocket); h != nil {
		payload := "raw"
		if h.shape == shapeConn {
			payload = e.payload(h.in, "") + " <-> " + e.payload(h.out, "")
		}
		rows = append(rows, row{get + "/ws", title(h), payload + inSession(h)})
	}
	if h := agent.first(ping); h != nil {
		rows = append(rows, row{get + "/ping", title(h), ""})
	}
	var routeWidth, handlerWidth int
	for _, r := range rows {
		routeWidth, handlerWidth = max(routeWidth, len(r.route)), max(handlerWidth, len(r.handler))
	}
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(strings.TrimRight(fmt.Sprintf("\t%-*s  %-*s  %s", routeWidth, r.route, handlerWidth, r.handler, r.payload), " ") + "\n")
	}
	return b.String()
}
