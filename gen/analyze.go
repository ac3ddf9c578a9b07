package gen

import (
	"cmp"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// analyze turns directives into an agent. What does not fit is reported; the
// agent is then incomplete.
func analyze(pkg *loadedPackage, directives []directive, diagnostics *diagnostics) *agent {
	a := &analyzer{pkg: pkg, diagnostics: diagnostics}
	agent := &agent{pkg: pkg.types, name: pkg.name}
	seen := make(map[*ast.FuncDecl]directive)
	for _, d := range directives {
		if first, twice := seen[d.fn]; twice {
			a.report(d.pos, "func %s has a directive already: delete one of the two", d.fn.Name.Name).
				relate(pkg.position(first.pos), "the first is //%s%s", directivePrefix, first.kind)
			continue
		}
		seen[d.fn] = d
		if h := a.handler(d); h != nil {
			agent.handlers = append(agent.handlers, h)
		}
	}
	for _, k := range []kind{entrypoint, websocket, ping} {
		a.onlyOne(agent.of(k))
	}
	a.orderMiddleware(agent)
	agent.constraint = a.constraint(agent)
	return agent
}

type analyzer struct {
	pkg         *loadedPackage
	diagnostics *diagnostics
}

func (a *analyzer) report(pos token.Pos, format string, args ...any) *Diagnostic {
	return a.diagnostics.add(a.pkg.position(pos), format, args...)
}

// onlyOne reports every handler of a kind after the first.
func (a *analyzer) onlyOne(handlers []*handler) {
	for i, h := range handlers {
		if i > 0 {
			a.report(h.decl.Name.Pos(), "a package has at most one %s: remove this directive, or move func %s to a package of its own", h.kind, h.fn.Name()).
				relate(handlers[0].pos, "the first is func %s", handlers[0].fn.Name())
		}
	}
}

// orderMiddleware sorts middleware by order=N, and within one file by position.
// Files have no order among each other that their author can see.
func (a *analyzer) orderMiddleware(agent *agent) {
	all := agent.of(middleware)
	if len(all) > 0 && !agent.serves() {
		a.report(all[0].decl.Name.Pos(), "middleware needs something to wrap: annotate an entrypoint, a websocket or a ping in this package, or remove the directive")
	}
	for i, h := range all {
		for _, other := range all[:i] {
			if other.order == h.order && other.file != h.file {
				a.report(h.decl.Name.Pos(), "nothing says which of two middlewares in different files comes first: add order=N to both directives, the outermost with the smallest N").
					relate(other.pos, "the other is func %s", other.fn.Name())
			}
		}
	}
	slices.SortStableFunc(agent.handlers, func(x, y *handler) int {
		if x.kind != middleware || y.kind != middleware {
			return cmp.Compare(slices.Index(kinds, x.kind), slices.Index(kinds, y.kind))
		}
		return cmp.Compare(x.order, y.order)
	})
}

// constraint returns the build constraint that all handlers share.
func (a *analyzer) constraint(agent *agent) string {
	if len(agent.handlers) == 0 {
		return ""
	}
	say := func(constraint string) string {
		if constraint == "" {
			return "no build constraint"
		}
		return "the build constraint " + constraint
	}
	first := agent.handlers[0]
	shared := buildConstraint(first.pos.Filename, first.file)
	for _, h := range agent.handlers[1:] {
		if own := buildConstraint(h.pos.Filename, h.file); own != shared {
			a.report(h.decl.Name.Pos(), "the handlers of a package are built together, and func %s is under %s: put all of them under the same one", h.fn.Name(), say(own)).
				relate(first.pos, "func %s is under %s", first.fn.Name(), say(shared))
		}
	}
	return shared
}

// handler makes a handler of a directive, or reports why it cannot be one.
func (a *analyzer) handler(d directive) *handler {
	fn, ok := a.pkg.info.Defs[d.fn.Name].(*types.Func)
	name := d.fn.Name.Name
	switch {
	case name == "_" || d.fn.Recv == nil && (name == "init" || name == "main" && a.pkg.name == "main"):
		a.report(d.fn.Name.Pos(), "func %s cannot be called by name: annotate a function that can", name)
		return nil
	case !ok:
		return nil // declared twice, which the compiler reports
	}
	h := &handler{
		kind: d.kind, fn: fn, decl: d.fn, file: d.file, order: d.order,
		pos: a.pkg.position(d.fn.Name.Pos()),
		doc: d.fn.Doc.Text(),
	}
	signature := fn.Signature()
	if signature.TypeParams().Len() > 0 {
		a.report(d.fn.Name.Pos(), "a handler cannot have type parameters, for nothing says what they stand for: annotate a function that calls %s with types", name)
		return nil
	}
	if recv := signature.Recv(); recv != nil && !a.receiver(h, recv.Type()) {
		return nil
	}
	if a.invalid(h) {
		return nil
	}
	if problem := h.fit(signature); problem != "" {
		a.report(d.fn.Name.Pos(), "func %s is no %s: %s", name, d.kind, problem)
		return nil
	}
	return h
}

// receiver notes the receiver of a method.
func (a *analyzer) receiver(h *handler, t types.Type) bool {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t, h.recvPointer = p.Elem(), true
	}
	named, ok := types.Unalias(t).(*types.Named)
	if !ok {
		return false // which the compiler reports
	}
	if named.TypeParams().Len() > 0 {
		a.report(h.decl.Name.Pos(), "a handler cannot be a method of a generic type, for nothing says what %s's type parameters stand for: annotate a method of a type that embeds an instance of it", named.Obj().Name())
		return false
	}
	h.recv = named
	return true
}

// invalid reports the type errors that keep the signature of a handler from
// having types, if there are any.
func (a *analyzer) invalid(h *handler) bool {
	search := &invalidSearch{pkg: a.pkg, seen: make(map[types.Type]bool)}
	signature := h.fn.Signature()
	found := false
	for _, tuple := range []*types.Tuple{signature.Params(), signature.Results()} {
		for v := range tuple.Variables() {
			search.visit(v.Type(), h.decl.Type)
		}
	}
	for _, node := range search.found {
		found = true
		for _, err := range a.errorsIn(node) {
			a.report(err.Pos, "%s: correct it, then generate again", strings.ReplaceAll(err.Msg, "\n\t", " ")).
				relate(h.pos, "it is needed by the %s %s", h.kind, h.title())
		}
	}
	return found
}

// errorsIn returns the type errors that make a type in a node invalid.
func (a *analyzer) errorsIn(node ast.Node) []types.Error {
	var found []types.Error
	inside := func(outer ast.Node) {
		for _, err := range a.pkg.typeErrors {
			if outer.Pos() <= err.Pos && err.Pos < outer.End() {
				found = append(found, err)
			}
		}
	}
	inside(node)
	if len(found) > 0 {
		return found
	}
	// A package that cannot be imported is reported at its import.
	ast.Inspect(node, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		if imported, ok := a.pkg.info.Uses[id].(*types.PkgName); ok {
			if spec := a.importSpec(imported); spec != nil {
				inside(spec)
			}
		}
		return true
	})
	found = slices.DeleteFunc(found, func(err types.Error) bool {
		return !strings.HasPrefix(err.Msg, "could not import")
	})
	if len(found) == 0 {
		return []types.Error{{Fset: a.pkg.fset, Pos: node.Pos(), Msg: "a type here is invalid, as go build will tell"}}
	}
	return found
}

// importSpec returns the import that declares a package name.
func (a *analyzer) importSpec(name *types.PkgName) *ast.ImportSpec {
	for _, file := range a.pkg.files {
		for _, spec := range file.Imports {
			if a.pkg.info.Implicits[spec] == name || spec.Name != nil && a.pkg.info.Defs[spec.Name] == name {
				return spec
			}
		}
	}
	return nil
}

// invalidSearch looks for invalid types in what a signature reaches, and finds
// the declarations that hold them.
type invalidSearch struct {
	pkg   *loadedPackage
	seen  map[types.Type]bool
	found []ast.Node
}

// visit looks into a type that is written in the node.
func (s *invalidSearch) visit(t types.Type, in ast.Node) {
	switch t := t.(type) {
	case *types.Basic:
		if t.Kind() == types.Invalid && !slices.Contains(s.found, in) {
			s.found = append(s.found, in)
		}
	case *types.Alias:
		if !s.seen[t] {
			s.seen[t] = true
			s.arguments(t.TypeArgs(), in)
			s.visit(t.Rhs(), s.declaration(t.Obj(), in))
		}
	case *types.Named:
		if !s.seen[t] {
			s.seen[t] = true
			s.arguments(t.TypeArgs(), in)
			s.visit(t.Underlying(), s.declaration(t.Obj(), in))
		}
	case *types.Pointer:
		s.visit(t.Elem(), in)
	case *types.Slice:
		s.visit(t.Elem(), in)
	case *types.Array:
		s.visit(t.Elem(), in)
	case *types.Chan:
		s.visit(t.Elem(), in)
	case *types.Map:
		s.visit(t.Key(), in)
		s.visit(t.Elem(), in)
	case *types.Struct:
		for field := range t.Fields() {
			s.visit(field.Type(), in)
		}
	case *types.Signature:
		for _, tuple := range []*types.Tuple{t.Params(), t.Results()} {
			for v := range tuple.Variables() {
				s.visit(v.Type(), in)
			}
		}
	}
}

func (s *invalidSearch) arguments(list *types.TypeList, in ast.Node) {
	for t := range list.Types() {
		s.visit(t, in)
	}
}

// declaration returns the syntax of a type's declaration, or the node that
// mentions the type when it is declared in another package.
func (s *invalidSearch) declaration(obj *types.TypeName, mention ast.Node) ast.Node {
	if obj.Pkg() != s.pkg.types {
		return mention
	}
	for _, file := range s.pkg.files {
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				if spec, ok := spec.(*ast.TypeSpec); ok && spec.Name.Pos() == obj.Pos() {
					return spec
				}
			}
		}
	}
	return mention
}
