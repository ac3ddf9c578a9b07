package gen

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"iter"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
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

	// shadowed are the predeclared identifiers that mean something else in the
	// package, and so in the types of its handlers.
	shadowed map[string]bool
	// ownError and ownNil: in some build of the package, error and nil do. They
	// are what the output writes of its own accord.
	ownError, ownNil bool

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
// jennifer would rename, all that is predeclared, and init, which no import can
// be called.
func (p *planner) free(name string) bool {
	return token.IsIdentifier(name) && name != "_" && name != "init" && !p.taken[name] && !jen.IsReservedWord(name) && types.Universe.Lookup(name) == nil
}

// planNames chooses the names. A generated function whose name is taken is
// reported: its name is part of the package's surface, and not ours to bend.
func planNames(pkg *loadedPackage, agent *agent, config Config, diagnostics *diagnostics) *names {
	p := &planner{taken: make(map[string]bool)}
	existing := surroundings(pkg, agent.constraint)
	for name := range existing.names {
		p.taken[name] = true
	}
	n := &names{launchers: make(map[*handler]launcher)}
	claim := func(name, what, remedy string) {
		p.taken[name] = true
		if d := existing.names[name]; d.beside {
			diagnostics.add(codeNameTaken, d.name, "%s is the name of %s: %s", name, what, remedy)
			return
		}
		var place analysis.Range
		if spec := importOf(pkg, name); spec != nil {
			place = spec
		} else if d := existing.imports[name]; d.beside {
			place = d.name
		} else {
			return
		}
		diagnostics.add(codeNameImported, place, "this import brings the name %s into the package, which is that of %s: import it under a name of its own", name, what)
	}
	if agent.serves() {
		n.server = config.Server
		claim(n.server, "the generated constructor", "rename this one, or generate with -server and another name")
	}
	type place struct {
		recv *types.Named
		name string
	}
	launched := make(map[place]*handler)
	for _, h := range agent.of(task) {
		name := launcherName(h.fn.Name())
		n.launchers[h] = launcher{name: name}
		what := "the generated launcher of task " + h.title()
		if first := launched[place{h.recv, name}]; first != nil {
			diagnostics.add(codeNameTaken, h.decl.Name, "%s is the name of the generated launchers of task %s and of task %s: rename one of the two", name, first.title(), h.title()).
				relate(first.decl.Name, "task %s is here", first.title())
			continue
		}
		launched[place{h.recv, name}] = h
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
		} else if d := existing.methods[h.recv.Obj().Name()+"."+name]; d.beside {
			diagnostics.add(codeNameTaken, d.name, "%s is the name of %s: rename one of the two", name, what)
		}
	}

	n.shadowed = make(map[string]bool)
	for _, name := range types.Universe.Names() {
		n.shadowed[name] = pkg.types.Scope().Lookup(name) != nil
	}
	_, n.ownError = existing.names["error"]
	_, n.ownNil = existing.names["nil"]

	n.imports = p.serverImports(pkg, agent)
	n.opts = p.pick("opts", "options")
	n.ctx = p.pick("ctx", "c")
	n.in = p.pick("in", "input")
	n.conn = p.pick("conn", "connection")
	n.writer = p.pick("w", "writer")
	n.request = p.pick("req", "request")
	for _, r := range agent.receivers() {
		name := lowerFirst(r.named.Obj().Name())
		_, size := utf8.DecodeRuneInString(name)
		n.receivers = append(n.receivers, p.pick(name, name[:size], strings.TrimLeft(name, "_")+"Handlers"))
	}
	fallback := p.pick("r", "receiver")
	for h, l := range n.launchers {
		if h.recv != nil {
			l.receiver = fallback
			if own := h.fn.Signature().Recv().Name(); p.free(own) {
				l.receiver = own
			}
			n.launchers[h] = l
		}
	}
	n.session = p.pick("session", "sess") // last, for a receiver may well be called Session
	return n
}

// serverImports plans the imports of the server file.
func (p *planner) serverImports(pkg *loadedPackage, agent *agent) []imported {
	fixed := []imported{
		{path: "context", name: "context"},
		{path: "iter", name: "iter"},
		{path: "net/http", name: "http"},
		{path: runtimePath, name: "runtime"},
	}
	if slices.ContainsFunc(types.Universe.Names(), func(name string) bool { return p.taken[name] }) {
		fixed = append(fixed, imported{path: predeclaredPath, name: "predeclared"})
	}
	var used []*types.Package
	for _, h := range agent.handlers {
		if h.shape == shapeRawConn {
			used = append(used, types.NewPackage(websocketPath, "websocket"))
		}
		for _, t := range h.types() {
			used = append(used, packagesIn(t)...)
		}
	}
	return planImports(pkg, agent.pkg.Path(), fixed, used, p)
}

// packagesIn returns the packages of what is written in a type.
func packagesIn(t types.Type) []*types.Package {
	var found []*types.Package
	types.TypeString(t, func(other *types.Package) string {
		found = append(found, other)
		return ""
	})
	return found
}

// planImports chooses the aliases: for a package of the runtime's or the
// standard library's that the output itself needs, its own name; for one that
// brings a payload, what the package's files call it. The former are fixed, and
// the output is a file of the package self.
//
// All packages that the files import get one, needed or not, so that no alias
// depends on which handlers there are. It is the name that the files use,
// unless they do not agree what that name stands for, or it is taken: then the
// order of import paths decides. Packages that no file has a name for come after
// them, and those that no file imports come last. So an alias changes only with
// what the files call a package of that name, or, where no file imports any of
// them, with which packages of one name are needed.
func planImports(pkg *loadedPackage, self string, list []imported, used []*types.Package, outer *planner) []imported {
	p := &planner{taken: maps.Clone(outer.taken)} // aliases that are not needed do not count for others
	fixed := len(list)
	needed := make(map[string]bool)
	for _, i := range list {
		needed[i.path] = true
	}
	seen := maps.Clone(needed)
	seen[self] = true
	note := func(other *types.Package) {
		if !seen[other.Path()] {
			seen[other.Path()] = true
			list = append(list, imported{path: other.Path(), name: other.Name()})
		}
	}
	for _, other := range pkg.types.Imports() {
		if token.IsIdentifier(other.Name()) { // one that could not be imported is called as its path
			note(other)
		}
	}
	for _, other := range used {
		needed[other.Path()] = true
		note(other)
	}
	own := sourceNames(pkg)
	rank := func(i imported) int {
		switch {
		case len(own[i.path]) > 0:
			return 0
		case slices.ContainsFunc(pkg.types.Imports(), func(other *types.Package) bool { return other.Path() == i.path }):
			return 1
		}
		return 2
	}
	slices.SortFunc(list[fixed:], func(a, b imported) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.path, b.path))
	})
	for i := range list { // before any makes do with a name that another file uses
		candidates := own[list[i].path]
		if i < fixed {
			candidates = append([]string{list[i].name}, candidates...)
		}
		if j := slices.IndexFunc(candidates, p.take); j >= 0 {
			list[i].alias = candidates[j]
		}
	}
	for i := range list {
		if name := list[i].name; list[i].alias == "" {
			list[i].alias = p.pick(name, parentElement(list[i].path)+name)
		}
	}
	list = slices.DeleteFunc(list, func(i imported) bool { return !needed[i.path] })
	for _, i := range list {
		outer.taken[i.alias] = true
	}
	return list
}

// sourceNames returns the names that the package's files give to imports, by
// path and in the order of files.
func sourceNames(pkg *loadedPackage) map[string][]string {
	found := make(map[string][]string)
	for _, file := range pkg.files {
		for _, spec := range file.Imports {
			obj := pkg.info.Implicits[spec]
			if spec.Name != nil {
				obj = pkg.info.Defs[spec.Name]
			}
			if name, ok := obj.(*types.PkgName); ok && name.Name() != "_" && name.Name() != "." {
				path := name.Imported().Path()
				found[path] = append(found[path], name.Name())
			}
		}
	}
	return found
}

// parentElement returns the element of an import path before the one that most
// likely names the package, as letters and digits, or std where there is none.
func parentElement(path string) string {
	elements := strings.Split(majorVersion.ReplaceAllString(path, ""), "/")
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

// assumedName returns the package name that a reader expects behind a path. An
// import of another name shows it.
func assumedName(importPath string) string {
	return path.Base(majorVersion.ReplaceAllString(importPath, ""))
}

// majorVersion matches what follows the name in a path like x/model/v2, or like
// gopkg.in/model.v3.
var majorVersion = regexp.MustCompile(`[/.]v[0-9]+$`)

// declared is where a name is declared.
type declared struct {
	name   analysis.Range
	beside bool // there is a build that has it along with the output
}

// declarations are the names that a package has outside of its functions.
type declarations struct {
	names   map[string]declared
	methods map[string]declared // as Type.Method, of the files that are not built now
	imports map[string]declared // that files give to imports, of those files
}

func addNew(to map[string]declared, name string, d declared) {
	if old, ok := to[name]; !ok || d.beside && !old.beside {
		to[name] = d
	}
}

// surroundings returns what the package declares at its top level, in test
// files and in files for other systems as well: an import of that name in the
// output would not compile beside them. Nothing is known of what those files
// import with a dot.
func surroundings(pkg *loadedPackage, constraint string) declarations {
	found := declarations{make(map[string]declared), make(map[string]declared), make(map[string]declared)}
	scope := pkg.types.Scope()
	for _, name := range scope.Names() {
		if obj := scope.Lookup(name); !pkg.isGenerated(obj) {
			found.names[name] = declared{nameOf(obj), true}
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
	unbuilt := make(map[string]bool) // the go command says so, which knows all tags
	for _, file := range pkg.graph.IgnoredFiles {
		unbuilt[filepath.Base(file)] = true
	}
	for _, entry := range entries {
		path := filepath.Join(pkg.dir, entry.Name())
		if filepath.Ext(path) != ".go" || strings.HasPrefix(entry.Name(), ".") || strings.HasPrefix(entry.Name(), "_") ||
			known[path] || path == pkg.output.path {
			continue
		}
		file, _ := parser.ParseFile(pkg.fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if file == nil || file.Name.Name != pkg.name {
			continue
		}
		// A test file is built, and not known. One that is not built now is in
		// another build, in which the output is as well if it has no constraint.
		// Files that are never built with others say ignore.
		beside := !unbuilt[entry.Name()] || constraint == "" && buildConstraint(pkg.fset, file) != "ignore"
		for _, spec := range file.Imports {
			if spec.Name != nil {
				addNew(found.imports, spec.Name.Name, declared{spec, beside})
			}
		}
		for name := range topLevelNames(file) {
			addNew(found.names, name.Name, declared{name, beside})
		}
		for _, decl := range file.Decls {
			if d, ok := decl.(*ast.FuncDecl); ok && d.Recv != nil && len(d.Recv.List) > 0 {
				addNew(found.methods, receiverName(d.Recv.List[0].Type)+"."+d.Name.Name, declared{d.Name, beside})
			}
		}
	}
	return found
}

// topLevelNames yields the names that a file declares outside of its functions, but
// for those of methods.
func topLevelNames(file *ast.File) iter.Seq[*ast.Ident] {
	return func(yield func(*ast.Ident) bool) {
		for _, decl := range file.Decls {
			var names []*ast.Ident
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					names = append(names, d.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						names = append(names, s.Name)
					case *ast.ValueSpec:
						names = append(names, s.Names...)
					}
				}
			}
			for _, name := range names {
				if !yield(name) {
					return
				}
			}
		}
	}
}

// receiverName returns the name of the type of a receiver that has no type
// parameters, or "".
func receiverName(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.ParenExpr:
		return receiverName(e.X)
	case *ast.StarExpr:
		return receiverName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
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
