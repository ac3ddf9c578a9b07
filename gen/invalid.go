package gen

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/packages"
)

// invalid reports the type errors that keep the signature of a handler from
// having types, if there are any.
func (a *analyzer) invalid(h *handler) bool {
	search := &invalidSearch{sources: a.pkg.sources, seen: make(map[types.Type]bool)}
	signature := h.fn.Signature()
	for _, tuple := range []*types.Tuple{signature.Params(), signature.Results()} {
		for v := range tuple.Variables() {
			search.visit(v.Type(), written{a.pkg.graph, h.decl.Type})
			if t := endless(v.Type(), make(map[types.Type]bool)); t != nil {
				a.add(codeEndlessType, h.decl.Name, "func %s needs types without end, for every instance of %s needs another: give its type arguments an end", h.fn.Name(), t.Obj().Name())
				return true
			}
		}
	}
	var errs []types.Error
	for _, place := range search.found {
		errs = append(errs, errorsBehind(place, make(map[ast.Node]bool))...)
	}
	if len(search.found) > 0 {
		a.needs(h, errs)
	}
	return len(search.found) > 0
}

// needs reports type errors that a handler cannot do without. There may be none
// that could be found.
func (a *analyzer) needs(h *handler, errs []types.Error) {
	if len(errs) == 0 {
		a.add(codeInvalidType, h.decl.Name, "the signature of func %s has a type that is invalid: correct what go build reports, then generate again", h.fn.Name())
	}
	var problem *problem
	for _, err := range errs {
		if continued(err) {
			problem.relate(at(err.Pos), "%s", strings.TrimSpace(short(err.Msg)))
			continue
		}
		first, _, _ := strings.Cut(short(err.Msg), "\n")
		remedy := ": correct it"
		if strings.Contains(first, ": go ") {
			remedy = ""
		}
		problem = a.add(codeInvalidType, at(err.Pos), "%s%s, then generate again", strings.TrimSuffix(first, ":"), remedy)
		problem.relate(h.decl.Name, "it is needed by the %s %s", h.kind, h.title())
	}
}

// short leaves only names of packages where the type checker writes paths: it
// does when it has come across two of one name, related or not.
func short(message string) string { return quotedPath.ReplaceAllString(message, "$1.") }

var quotedPath = regexp.MustCompile(`"(?:[^"]*/)?([^"/]+)"\.`)

// continued reports whether an error goes on from the one before it.
func continued(err types.Error) bool { return strings.HasPrefix(err.Msg, "\t") }

// written is a piece of a package's syntax.
type written struct {
	pkg  *packages.Package
	node ast.Node
}

// errorsInside returns the type errors at places in a node.
func errorsInside(pkg *packages.Package, node ast.Node) []types.Error {
	var found []types.Error
	inside := false
	for _, err := range pkg.TypeErrors {
		if !continued(err) {
			inside = node.Pos() <= err.Pos && err.Pos < node.End()
		}
		if inside {
			found = append(found, err)
		}
	}
	return found
}

// errorsBehind returns the type errors that make a type in a node invalid: those
// inside it, or else those in what it refers to.
func errorsBehind(w written, seen map[ast.Node]bool) []types.Error {
	if seen[w.node] {
		return nil
	}
	seen[w.node] = true
	found := errorsInside(w.pkg, w.node)
	if len(found) > 0 {
		return found
	}
	ast.Inspect(w.node, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		obj := w.pkg.TypesInfo.Uses[id]
		if imported, ok := obj.(*types.PkgName); ok {
			found = append(found, importErrors(w.pkg, imported)...)
		} else if obj != nil && obj.Pkg() == w.pkg.Types && obj.Parent() == obj.Pkg().Scope() {
			if spec := declaration(w.pkg, obj.Pos()); spec != nil {
				found = append(found, errorsBehind(written{w.pkg, spec}, seen)...)
			}
		}
		return true
	})
	return found
}

// importErrors returns what the go command says of an import that failed.
func importErrors(pkg *packages.Package, name *types.PkgName) []types.Error {
	for _, file := range pkg.Syntax {
		for _, spec := range file.Imports {
			if pkg.TypesInfo.Implicits[spec] != name && (spec.Name == nil || pkg.TypesInfo.Defs[spec.Name] != name) {
				continue
			}
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return nil
			}
			failed := errorsInside(pkg, spec)
			for i := range failed {
				failed[i].Msg = importError(pkg, path)
			}
			return failed
		}
	}
	return nil
}

func importError(pkg *packages.Package, path string) string {
	imported := pkg.Imports[path]
	switch {
	case path == "C":
		return "C could not be imported, which takes a C compiler, C code that compiles, and imported packages that do"
	case imported == nil || len(imported.Errors) == 0:
		return "could not import " + path
	case pkg.Module != nil && strings.HasPrefix(path, pkg.Module.Path+"/") && strings.HasPrefix(imported.Errors[0].Msg, "no required module"):
		return fmt.Sprintf("neither this module nor one that it requires has package %s", path)
	}
	return goRemedy.ReplaceAllString(strings.Replace(imported.Errors[0].Msg, "import lookup disabled by -mod=vendor", "go mod vendor", 1), ": ")
}

// goRemedy comes before a command that is the go command's remedy.
var goRemedy = regexp.MustCompile(`; to \w+(?: it)?:\n\t`)

// invalidSearch looks for invalid types in what a signature reaches, and finds
// where they are written.
type invalidSearch struct {
	sources []*packages.Package
	seen    map[types.Type]bool
	found   []written
}

// visit looks into a type that is written in the node.
func (s *invalidSearch) visit(t types.Type, in written) {
	for inner := range parts(t) {
		s.visit(inner, in)
	}
	switch t := t.(type) {
	case *types.Basic:
		if t.Kind() == types.Invalid && !slices.Contains(s.found, in) {
			s.found = append(s.found, in)
		}
	case *types.Alias:
		if !s.seen[t] {
			s.seen[t] = true
			s.visit(t.Rhs(), s.declaration(t.Obj(), in))
		}
	case *types.Named:
		if n := t.TypeArgs().Len(); n > 0 && n != t.TypeParams().Len() {
			s.visit(types.Typ[types.Invalid], in)
		}
		t = t.Origin() // of which a type may reach ever new instances
		if !s.seen[t] {
			s.seen[t] = true
			s.visit(t.Underlying(), s.declaration(t.Obj(), in))
		}
	}
}

// declaration returns where a type is declared, or where it is mentioned when
// its package was not loaded from source: such a package has no errors.
func (s *invalidSearch) declaration(obj *types.TypeName, mention written) written {
	for _, pkg := range s.sources {
		if pkg.Types == obj.Pkg() {
			if spec := declaration(pkg, obj.Pos()); spec != nil {
				return written{pkg, spec}
			}
		}
	}
	return mention
}

// declaration returns the specification that declares a name, at a package's top
// level, or nil.
func declaration(pkg *packages.Package, name token.Pos) ast.Spec {
	for _, file := range pkg.Syntax {
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || name < gen.Pos() || name >= gen.End() {
				continue
			}
			for _, spec := range gen.Specs {
				if spec.Pos() <= name && name < spec.End() {
					return spec
				}
			}
		}
	}
	return nil
}

// endless returns a generic type that reaches ever new instances of itself from
// a type, or nil. The compiler refuses it, but our type checker, which sees no
// function bodies and has errors for that reason alone, does not come to that.
func endless(t types.Type, seen map[types.Type]bool) *types.Named {
	if t == nil || seen[t] {
		return nil
	}
	seen[t] = true
	size := maxTypeSize
	if named, ok := t.(*types.Named); ok && nesting(named, &size) > maxNesting {
		return named
	}
	for inner := range parts(t.Underlying()) {
		if found := endless(inner, seen); found != nil {
			return found
		}
	}
	return nil
}

// Nobody nests type arguments deeper, or writes more of them. A type that needs
// eight of itself grows too fast for a limit on the depth alone.
const (
	maxNesting  = 20
	maxTypeSize = 10_000
)

// nesting returns how deep type arguments are nested in each other. What exceeds
// the size is as deep as can be.
func nesting(t types.Type, size *int) int {
	if *size--; *size < 0 {
		return maxNesting + 1
	}
	deepest := 0
	for inner := range parts(t) {
		deepest = max(deepest, nesting(inner, size))
	}
	return deepest + 1
}
