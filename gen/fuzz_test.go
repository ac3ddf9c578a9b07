package gen

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/go/packages"
	"golang.org/x/tools/txtar"

	"github.com/agentcore-go/agentcore/internal/testmodule"
)

// FuzzDirective puts any text above a function: a directive is never ignored.
func FuzzDirective(f *testing.F) {
	for _, text := range []string{
		"//agentcore:entrypoint", "// agentcore:ping", "//agentcore:middleware order=1", "//agentcore:middleware order=-x y",
		"//agentcore:\n//agentcore:task\n", "/* agentcore:task */", "/*\n\tagentcore: task\r\n */", "//agentcore:Ping // now",
		"//agentcore:ping\n\n//agentcore:\x00", "type T struct { //agentcore:task\n}", "//AGENTCORE :\u00e4\t=",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "a.go", "package a\n\n"+text+"\nfunc F() {}\n", parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return
		}
		written := 0
		for _, group := range file.Comments {
			for _, comment := range group.List {
				if strings.HasPrefix(comment.Text, "//agentcore:") && !strings.HasPrefix(comment.Text, "//agentcore: ") && !strings.HasPrefix(comment.Text, "//agentcore:\t") {
					written++
				}
			}
		}
		diagnostics := &diagnostics{fset: fset}
		found := scan(&loadedPackage{fset: fset, files: []*ast.File{file}}, diagnostics)
		if len(found)+len(diagnostics.all) < written {
			t.Errorf("%d directives are written, %d are found and %d things are reported", written, len(found), len(diagnostics.all))
		}
		for _, d := range diagnostics.public() {
			if strings.Contains(d.Message, "\n") || !d.Pos.IsValid() {
				t.Errorf("%s", d)
			}
		}
	})
}

// FuzzSource generates from any source. If it type-checks, it does with the
// output beside it as well, and so does the client.
func FuzzSource(f *testing.F) {
	archives, err := filepath.Glob(filepath.Join(testmodule.Root(), "testdata", "*", "*.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ".go") && mentions(file.Data) {
				f.Add(string(file.Data))
			}
		}
	}
	sources, err := filepath.Glob(filepath.Join(testmodule.Root(), "testdata", "shapes", "*", "*.go"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range sources {
		source, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if filepath.Base(path) != OutputName {
			f.Add(string(source))
		}
	}
	f.Fuzz(testSource)
}

// FuzzProgram generates from a source that is put together at random, and most
// often type-checks.
func FuzzProgram(f *testing.F) {
	for seed := range uint64(100) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		testSource(t, randomProgram(rand.New(rand.NewPCG(seed, 0))))
	})
}

func testSource(t *testing.T, source string) {
	for _, mode := range []ClientMode{ClientAuto, ClientCopy} {
		testGenerated(t, source, mode)
	}
}

func testGenerated(t *testing.T, source string, mode ClientMode) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "a.go", source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return
	}
	pkg := typeCheck(t, fset, file)
	diagnostics := &diagnostics{fset: fset}
	output, remote, err := generate(pkg, Config{Server: "NewServer", Client: mode}, diagnostics)
	if err != nil {
		t.Fatalf("%v\n%s", err, source)
	}
	if output == nil || len(pkg.graph.TypeErrors) > 0 {
		return
	}
	generated, err := parser.ParseFile(fset, OutputName, output, parser.SkipObjectResolution)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, source, output)
	}
	agent := typeCheck(t, fset, file, generated)
	if errs := agent.graph.TypeErrors; len(errs) > 0 {
		t.Fatalf("%v\n%s\n%s", errs, source, output)
	}
	if remote == nil {
		return
	}
	generated, err = parser.ParseFile(fset, "client.go", remote, parser.SkipObjectResolution)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, source, remote)
	}
	var errs []error
	imports := beside{agent.types, exported(t)}
	if mode == ClientCopy || pkg.name == "main" {
		imports.pkg = types.NewPackage("", "") // the client gets along without
	}
	config := types.Config{Importer: imports, Error: func(err error) { errs = append(errs, err) }}
	if _, _ = config.Check("example.com/agent/client", fset, []*ast.File{generated}, nil); len(errs) > 0 {
		t.Fatalf("%v\n%s\n%s", errs, source, remote)
	}
}

// beside is an importer that has one package more.
type beside struct {
	pkg *types.Package
	types.Importer
}

func (b beside) Import(path string) (*types.Package, error) {
	if path == b.pkg.Path() {
		return b.pkg, nil
	}
	return b.Importer.Import(path)
}

// typeCheck makes a package of files.
func typeCheck(t *testing.T, fset *token.FileSet, files ...*ast.File) *loadedPackage {
	const path = "example.com/agent"
	pkg := &loadedPackage{
		name:  files[0].Name.Name,
		fset:  fset,
		files: files,
		info: &types.Info{
			Defs:      make(map[*ast.Ident]types.Object),
			Uses:      make(map[*ast.Ident]types.Object),
			Implicits: make(map[ast.Node]types.Object),
			Scopes:    make(map[ast.Node]*types.Scope),
		},
		graph: &packages.Package{PkgPath: path, Syntax: files},
	}
	config := types.Config{
		Importer: exported(t),
		Error:    func(err error) { pkg.graph.TypeErrors = append(pkg.graph.TypeErrors, err.(types.Error)) },
	}
	pkg.types, _ = config.Check(path, fset, files, pkg.info)
	pkg.graph.Types, pkg.graph.TypesInfo = pkg.types, pkg.info
	pkg.sources = []*packages.Package{pkg.graph}
	return pkg
}

// exported returns an importer of the packages that sources are likely to use.
func exported(t *testing.T) types.Importer {
	imports, err := exportedOnce()
	if err != nil {
		t.Fatal(err)
	}
	return imports
}

var exportedOnce = sync.OnceValues(func() (types.Importer, error) {
	list, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedExportFile | packages.NeedImports | packages.NeedDeps,
		Dir:  testmodule.Root(),
	}, "context", "encoding/json", "iter", "math/big", "net/http", "time", runtimePath, clientPath, predeclaredPath, websocketPath)
	if err != nil {
		return nil, err
	}
	files := make(map[string]string)
	packages.Visit(list, nil, func(pkg *packages.Package) { files[pkg.PkgPath] = pkg.ExportFile })
	return importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		if files[path] == "" {
			return nil, fmt.Errorf("no package %s here", path)
		}
		return os.Open(files[path])
	}), nil
})

// program is a source in the making.
type program struct {
	*rand.Rand
	types []string // that are declared
	text  strings.Builder
}

// randomProgram writes handlers of all kinds and shapes, with payloads of all
// sorts, among names that generated code would like to use itself.
func randomProgram(random *rand.Rand) string {
	p := &program{Rand: random}
	fmt.Fprintf(&p.text, "package %s\n\nimport (\n\t", p.oneOf("agent", "main"))
	aliases := make(map[string]string)
	for _, path := range []string{"context", "iter", "net/http", runtimePath, predeclaredPath, websocketPath, "time", "encoding/json"} {
		name := path[strings.LastIndex(path, "/")+1:]
		alias := p.oneOf(name, "std"+name)
		aliases[name] = alias
		fmt.Fprintf(&p.text, "%s %q\n\t", alias, path)
	}
	goRuntime := p.oneOf("runtime", "ctx", "opts", "in", "session", "predeclared", "aruntime") // the other package of the name
	for goRuntime == aliases["runtime"] || goRuntime == aliases["predeclared"] {
		goRuntime += "2"
	}
	aliases["go runtime"] = goRuntime
	fmt.Fprintf(&p.text, "%s \"runtime\"\n)\n\n", goRuntime)
	declared := make(map[string]bool)
	for _, name := range aliases {
		declared[name] = true
	}
	if p.IntN(4) == 0 { // words that are predeclared elsewhere
		for range 1 + p.IntN(4) {
			name := p.oneOf("error", "nil", "int", "string", "bool", "byte", "any", "len", "true", "make", "uint8")
			if !declared[name] {
				declared[name] = true
				fmt.Fprintf(&p.text, "type %s struct{ Own «time».Time }\n\n", name)
			}
		}
	}
	names := func() string { // one that is free
		for {
			name := p.oneOf("runtime", "http", "context", "iter", "ctx", "c", "opts", "in", "conn", "w", "req", "r", "options", "session", "Session",
				"Answer", "answer", "Index", "StartIndex", "assistant", "Assistant", "Func", "Type", "A", "B", "T1", "T2", "T3", "T4", "T5")
			if p.IntN(100) == 0 {
				name = p.oneOf("NewServer", "len", "string", "int", "error", "nil", "any")
			}
			if !declared[name] {
				declared[name] = true
				return name
			}
		}
	}
	for range p.IntN(4) {
		fmt.Fprintf(&p.text, "var %s int\n\n", names())
	}
	p.types = append(p.types, "«go runtime».MemStats", "«predeclared».String", "«predeclared».Int", "[]«predeclared».Byte")
	for range 1 + p.IntN(4) {
		name := names()
		fmt.Fprintf(&p.text, "type %s %s%s\n\n", name, p.oneOf("", "", "= "), p.payload(2, true))
		p.types = append(p.types, name)
	}
	p.structs(names)
	receivers := []string{"", "", ""}
	for range p.IntN(3) {
		name := names()
		fmt.Fprintf(&p.text, "type %s struct{ x int }\n\n", name)
		receivers = append(receivers, "("+name+") ", "(this *"+name+") ", "(_ "+name+") ", "(ctx *"+name+") ")
	}
	for _, k := range p.Perm(len(kinds)) {
		count := 1
		if kinds[k] == task || kinds[k] == middleware {
			count = p.IntN(4)
		}
		for range count {
			recv, signature := p.oneOf(receivers...), p.signature(kinds[k])
			if declared["error"] {
				signature = strings.ReplaceAll(signature, "error", "«predeclared».Error")
			}
			fmt.Fprintf(&p.text, "// Doc of a handler. */ `\n//\n//agentcore:%s\nfunc %s%s%s\n\n", kinds[k], recv, names(), signature)
		}
	}
	text := p.text.String()
	for name, alias := range aliases {
		text = strings.ReplaceAll(text, "«"+name+"»", alias)
	}
	// What is imported is used.
	return text + fmt.Sprintf("var (\n\t_ %s.Int\n\t_ %s.MemStats\n\t_ %s.Context\n\t_ %s.Seq[int]\n\t_ %s.Handler\n\t_ %s.None\n\t_ %s.Conn\n\t_ %s.Time\n\t_ %s.Number\n)\n",
		aliases["predeclared"], goRuntime, aliases["context"], aliases["iter"], aliases["http"], aliases["runtime"], aliases["websocket"], aliases["time"], aliases["json"])
}

// structs declares generic types, types with constants, and structs that embed
// each other, by names that it is given.
func (p *program) structs(names func() string) {
	for range p.IntN(3) {
		name, level, inner := names(), names(), names()
		param, key := p.oneOf("T", "time", "string", "A", "C"), p.oneOf("K", "any", "B", "_")
		fmt.Fprintf(&p.text, "type %s «predeclared».Int\n\n// About %[1]s. */\nconst (\n\t%[2]s %[1]s = 1 << iota // beside */\n\t%[3]s\n)\n\n", level, names(), names())
		fmt.Fprintf(&p.text, "type %s struct {\n\t// Of a field. */\n\tX%[1]s %s\n\t%s\n\thidden chan %[2]s\n}\n\n", inner, level, p.oneOf("", level+" `json:\"-\"`"))
		constraint := p.oneOf("~"+"«predeclared».String", "interface{ ~«predeclared».String | ~«predeclared».Int }")
		fmt.Fprintf(&p.text, "type %s[%s %s, %s %s] struct {\n\t%s\n\tV %[2]s `json:\"v,omitzero\"`\n\tNext []%[7]s\n}\n\n", name, param, "interface{}", key, constraint,
			p.oneOf(inner, "*"+inner, inner+" `json:\"inner\"`", ""), p.oneOf(level, inner, "*"+inner, "map[«predeclared».String]"+inner))
		p.types = append(p.types, level, "*"+inner)
		for range 2 {
			p.types = append(p.types, name+"["+p.payload(1, true)+", «predeclared».String]")
		}
	}
}

func (p *program) oneOf(choices ...string) string { return choices[p.IntN(len(choices))] }

// signature writes one that mostly fits a kind, and an empty body.
func (p *program) signature(k kind) string {
	ctx := "c «context».Context"
	in := "in " + p.payload(2, k != task)
	body := " { panic(0) }"
	switch k {
	case entrypoint:
		out := p.payload(2, true)
		params := p.oneOf("", ctx, in, ctx+", "+in, "_ «context».Context, _ "+p.payload(1, true), "w «http».ResponseWriter, r *«http».Request")
		stream := "«iter».Seq2[" + out + ", error]"
		results := p.oneOf("", " error", " "+out, " ("+out+", error)", " "+stream, " ("+stream+", error)", " (out "+out+", err error)")
		if strings.HasPrefix(params, "w ") {
			return "(" + params + ")" + body
		}
		return "(" + strings.TrimPrefix(params+p.session(), ", ") + ")" + results + body
	case websocket:
		message := func() string { return p.oneOf("«runtime».Message", p.payload(1, true), p.payload(2, true)) }
		typed := "*«runtime».Conn[" + message() + ", " + message() + "]" + p.session()
		return "(" + ctx + ", conn " + p.oneOf("*«websocket».Conn", typed, typed) + ") error" + body
	case ping:
		return "(" + p.oneOf("", ctx) + ") " + p.oneOf("«runtime».PingStatus", "(«runtime».PingStatus, error)") + body
	case task:
		return "(" + p.oneOf(ctx, ctx+", "+in) + ") error" + body
	default:
		return "(next «http».Handler) «http».Handler" + body
	}
}

// session writes a parameter, or none. Two handlers seldom agree on its type by
// chance.
func (p *program) session() string {
	return p.oneOf("", "", ", session *«runtime».Session[int]", ", _ *«runtime».Session["+p.payload(2, true)+"]")
}

// payload writes a type, with or without JSON.
func (p *program) payload(depth int, hasJSON bool) string {
	if len(p.types) > 0 && p.IntN(3) == 0 {
		return p.oneOf(p.types...)
	}
	if depth == 0 || p.IntN(3) == 0 {
		return p.oneOf("string", "int", "bool", "[]byte", "any", "«time».Time", "«json».RawMessage", "struct{}", "*«time».Duration", "«runtime».None")
	}
	inner := func() string { return p.payload(depth-1, hasJSON) }
	cases := 8
	if hasJSON {
		cases = 5
	}
	switch p.IntN(cases) {
	case 0:
		return "[]" + inner()
	case 1:
		return "[3]" + inner()
	case 2:
		return "*" + inner()
	case 3:
		return "map[" + p.oneOf("string", "int64") + "]" + inner()
	case 4:
		return "struct{ X, Y " + inner() + "; Z " + inner() + " `json:\"z,omitempty\"` }"
	case 5:
		return p.oneOf("chan ", "<-chan ", "chan<- ") + "(" + inner() + ")"
	case 6:
		return "interface{ M(x " + inner() + ", y ..." + inner() + ") (" + inner() + ", error) }"
	default:
		return "func(" + inner() + ", ..." + inner() + ") (x " + inner() + ")"
	}
}
