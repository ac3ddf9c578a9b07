package gen

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dave/jennifer/jen"
	"golang.org/x/tools/go/analysis"
)

// names are the names that the output declares and imports. All are chosen
// before anything is emitted, and none can clash with another one, nor with
// anything that the package declares.
type names struct {
	server    string
	imports   []imported
	receivers []string // parameters of the constructor, as agent.receivers
	launchers map[*handler]launcher

	opts, ctx, in, conn, writer, request, session string // locals
}

// launcher is the function that starts a task.
type launcher struct {
	name     string
	receiver string // "" for a function
}

// imported is a package that the output may refer to.
type imported struct {
	path, name string
	alias      string // what the output calls it
}

// planner hands out names.
type planner struct {
	taken map[string]bool
}

// pick returns the first candidate that is free, and takes it. When none is,
// it numbers the last.
func (p *planner) pick(candidates ...string) string {
	for _, name := range candidates {
		if p.take(name) {
			return name
		}
	}
	for i := 2; ; i++ {
		if name := candidates[len(candidates)-1] + strconv.Itoa(i); p.take(name) {
			return name
		}
	}
}

func (p *planner) take(name string) bool {
	if !p.free(name) {
		return false
	}
	p.taken[name] = true
	return true
}

// free reports whether a name can be used. What is reserved here includes what
// jennifer would rename.
func (p *planner) free(name string) bool {
	return token.IsIdentifier(name) && !p.taken[name] && !jen.IsReservedWord(name)
}

// planNames chooses the names. A generated function whose name is taken is
// reported: its name is part of the package's surface, and not ours to bend.
func planNames(pkg *loadedPackage, agent *agent, config Config, diagnostics *diagnostics) *names {
	p := &planner{taken: make(map[string]bool)}
	existing := declarations(pkg, config)
	for name := range existing {
		p.taken[name] = true
	}
	n := &names{launchers: make(map[*handler]launcher)}
	claim := func(name, what, remedy string) {
		if d := existing[name]; d.built {
			diagnostics.add(codeNameTaken, d.name, "%s is the name of %s: %s", name, what, remedy)
		} else if spec := importOf(pkg, name); spec != nil {
			diagnostics.add(codeNameImported, spec, "this import brings the name %s into the package, which is that of %s: import it under a name of its own", name, what)
		}
		p.taken[name] = true
	}
	if agent.serves() {
		n.server = config.Server
		claim(n.server, "the generated constructor", "rename this one, or generate with -server and another name")
	}
	for _, h := range agent.of(task) {
		name := launcherName(h.fn.Name())
		n.launchers[h] = launcher{name: name}
		what := "the generated launcher of task " + h.title()
		if h.recv == nil {
			claim(name, what, "rename one of the two")
			if name == n.server {
				diagnostics.add(codeNameTaken, h.decl.Name, "%s is the name of %s and of the generated constructor: rename the task, or generate with -server and another name", name, what)
			}
		} else if obj, _, _ := types.LookupFieldOrMethod(h.recv, true, pkg.types, name); obj != nil && !pkg.isGenerated(obj) {
			var place analysis.Range = h.decl.Name
			if obj.Pkg() == pkg.types {
				place = nameOf(obj)
			}
			diagnostics.add(codeNameTaken, place, "%s is the name of %s: rename one of the two", name, what)
		}
	}
	for _, name := range []string{"error", "nil"} {
		if d, ok := existing[name]; ok {
			diagnostics.add(codeNameTaken, d.name, "generated code needs the predeclared %s: rename this one", name)
		}
	}

	n.imports = planImports(pkg, agent, p)
	n.opts = p.pick("opts", "options")
	n.ctx = p.pick("ctx", "c")
	n.in = p.pick("in", "input")
	n.conn = p.pick("conn", "connection")
	n.writer = p.pick("w", "writer")
	n.request = p.pick("req", "request")
	for _, r := range agent.receivers() {
		name := lowerFirst(r.named.Obj().Name())
		_, size := utf8.DecodeRuneInString(name)
		n.receivers = append(n.receivers, p.pick(name, name[:size], name+"Handlers"))
	}
	fallback := p.pick("r", "receiver")
	for h, l := range n.launchers {
		if h.recv != nil {
			l.receiver = fallback
			if own := h.fn.Signature().Recv().Name(); p.free(own) && own != "_" {
				l.receiver = own
			}
			n.launchers[h] = l
		}
	}
	n.session = p.pick("session", "sess") // last, for a receiver may well be called Session
	return n
}

// planImports chooses the aliases. The name under which the package's own files
// import a payload's package comes first, so that an alias does not depend on
// which other packages the handlers need.
func planImports(pkg *loadedPackage, agent *agent, p *planner) []imported {
	list := []imported{
		{path: "context", name: "context"},
		{path: "iter", name: "iter"},
		{path: "net/http", name: "http"},
		{path: runtimePath, name: "runtime"},
	}
	fixed := len(list)
	seen := map[string]bool{agent.pkg.Path(): true}
	for _, i := range list {
		seen[i.path] = true
	}
	note := func(other *types.Package) {
		if other != nil && !seen[other.Path()] {
			seen[other.Path()] = true
			list = append(list, imported{path: other.Path(), name: other.Name()})
		}
	}
	for _, h := range agent.handlers {
		for _, t := range h.types() {
			types.TypeString(t, func(other *types.Package) string { note(other); return "" })
		}
	}
	slices.SortFunc(list[fixed:], func(a, b imported) int { return strings.Compare(a.path, b.path) })
	for i := range list {
		own := sourceAlias(pkg, list[i].path)
		candidates := []string{own, list[i].name} // "" is never free
		if i < fixed {
			candidates = []string{list[i].name, own}
		}
		list[i].alias = p.pick(append(candidates, parentElement(list[i].path)+list[i].name)...)
	}
	return list
}

// sourceAlias returns the name that a file of the package gives to an import.
func sourceAlias(pkg *loadedPackage, path string) string {
	for _, file := range pkg.files {
		for _, spec := range file.Imports {
			if p, _ := strconv.Unquote(spec.Path.Value); p == path && spec.Name != nil && spec.Name.Name != "_" && spec.Name.Name != "." {
				return spec.Name.Name
			}
		}
	}
	return ""
}

// parentElement returns the last but one element of an import path, as letters
// and digits, or std where there is none.
func parentElement(path string) string {
	elements := strings.Split(path, "/")
	if len(elements) < 2 {
		return "std"
	}
	letters := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, elements[len(elements)-2])
	return strings.TrimLeftFunc(letters, unicode.IsDigit) // a name cannot begin with one
}

// declared is where a name is declared.
type declared struct {
	name  analysis.Range
	built bool // along with the output
}

// declarations returns what the package declares at its top level, in test
// files and in files for other systems as well: an import of that name in the
// output would not compile beside them.
func declarations(pkg *loadedPackage, config Config) map[string]declared {
	found := make(map[string]declared)
	scope := pkg.types.Scope()
	for _, name := range scope.Names() {
		if obj := scope.Lookup(name); !pkg.isGenerated(obj) {
			found[name] = declared{nameOf(obj), true}
		}
	}
	entries, err := os.ReadDir(pkg.dir)
	if err != nil {
		return found // the package was read from there just now
	}
	known := make(map[string]bool)
	for _, file := range pkg.files {
		known[pkg.fset.PositionFor(file.Package, false).Filename] = true
	}
	for _, entry := range entries {
		path := filepath.Join(pkg.dir, entry.Name())
		if filepath.Ext(path) != ".go" || known[path] || path == pkg.output.path {
			continue
		}
		file, _ := parser.ParseFile(pkg.fset, path, nil, parser.SkipObjectResolution)
		if file == nil || file.Name.Name != pkg.name {
			continue
		}
		built := isBuilt(config, path) // a test file, for it is not known
		add := func(name *ast.Ident) {
			if _, ok := found[name.Name]; !ok {
				found[name.Name] = declared{name, built}
			}
		}
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					add(d.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						add(s.Name)
					case *ast.ValueSpec:
						for _, name := range s.Names {
							add(name)
						}
					}
				}
			}
		}
	}
	return found
}

// importOf returns the import through which a file of the package has a name
// that is not its own, or nil.
func importOf(pkg *loadedPackage, name string) *ast.ImportSpec {
	for _, file := range pkg.files {
		obj := pkg.info.Scopes[file].Lookup(name)
		if obj == nil {
			continue
		}
		for _, spec := range file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			switch imported, ok := obj.(*types.PkgName); {
			case ok && imported.Imported().Path() == path && (spec.Name == nil || spec.Name.Name == name):
				return spec
			case !ok && spec.Name != nil && spec.Name.Name == "." && obj.Pkg().Path() == path:
				return spec
			}
		}
	}
	return nil
}

// launcherName returns the name of a task's launcher, exported like the task.
func launcherName(task string) string {
	first, size := utf8.DecodeRuneInString(task)
	if unicode.IsUpper(first) {
		return "Start" + task
	}
	return "start" + string(unicode.ToUpper(first)) + task[size:]
}

// lowerFirst returns a type's name as that of a variable: assistant for
// Assistant, llm for LLM, and llmAgent for LLMAgent.
func lowerFirst(name string) string {
	runes := []rune(name)
	for i := range runes {
		if i > 0 && i+1 < len(runes) && unicode.IsLower(runes[i+1]) {
			break
		}
		if !unicode.IsUpper(runes[i]) {
			break
		}
		runes[i] = unicode.ToLower(runes[i])
	}
	return string(runes)
}
