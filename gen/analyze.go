package gen

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/types"
	"slices"
	"strings"
)

// analyze turns directives into an agent. What does not fit is reported; the
// agent is then incomplete. A package is misread when some of its directives
// are not among these.
func analyze(pkg *loadedPackage, directives []directive, misread bool, diagnostics *diagnostics) *agent {
	a := &analyzer{diagnostics, pkg}
	agent := &agent{pkg: pkg.types, name: pkg.name}
	directives = slices.DeleteFunc(directives, a.twice())
	for _, d := range directives {
		if h := a.handler(d); h != nil {
			agent.handlers = append(agent.handlers, h)
		}
	}
	// Of what is missing or too much, directives tell more than handlers, which
	// are only those that fit.
	for _, k := range []kind{entrypoint, websocket, ping} {
		a.onlyOne(k, directives)
	}
	if !misread {
		a.nothingToWrap(directives)
	}
	a.orderMiddleware(agent)
	a.oneState(agent)
	agent.constraint = a.constraint(agent)
	return agent
}

type analyzer struct {
	*diagnostics
	pkg *loadedPackage
}

// twice returns a predicate for directives on a function that has one already,
// and on a function whose name another has already. It reports them.
func (a *analyzer) twice() func(directive) bool {
	seen := make(map[*ast.FuncDecl]directive)
	return func(d directive) bool {
		if first, again := seen[d.fn]; again {
			a.add(codeDirectiveTwice, d.comment, "func %s has a directive already: delete one of the two", d.fn.Name.Name).
				relate(first.comment, "the first is //%s%s", directivePrefix, first.kind)
			return true
		}
		seen[d.fn] = d
		name := d.fn.Name.Name
		if d.fn.Recv != nil || name == "init" || name == "_" || a.pkg.info.Defs[d.fn.Name] != nil {
			return false
		}
		a.redeclared(d.fn, a.pkg.types.Scope().Lookup(name))
		return true
	}
}

func (a *analyzer) redeclared(fn *ast.FuncDecl, other types.Object) {
	problem := a.add(codeRedeclared, fn.Name, "%s is declared twice: rename one of the two", fn.Name.Name)
	if other != nil {
		problem.relate(nameOf(other), "the other one is here")
	}
}

// onlyOne reports every function with a directive of a kind after the first.
func (a *analyzer) onlyOne(k kind, directives []directive) {
	var first *ast.FuncDecl
	for _, d := range directives {
		switch {
		case d.kind != k:
		case first == nil:
			first = d.fn
		default:
			a.add(codeOnePerPackage, d.fn.Name, "a package has at most one %s: remove this directive, or move func %s to a package of its own", k, d.fn.Name.Name).
				relate(first.Name, "the first is func %s", first.Name.Name)
		}
	}
}

// nothingToWrap reports middleware in a package that serves nothing.
func (a *analyzer) nothingToWrap(directives []directive) {
	first := -1
	for i, d := range directives {
		switch d.kind {
		case entrypoint, websocket, ping:
			return
		case middleware:
			if first < 0 {
				first = i
			}
		}
	}
	if first >= 0 {
		a.add(codeMiddlewareAlone, directives[first].fn.Name, "middleware needs something to wrap: annotate an entrypoint, a websocket or a ping in this package, or remove the directive")
	}
}

// orderMiddleware sorts middleware by order=N, and within one file by position.
// Files have no order among each other that their author can see.
func (a *analyzer) orderMiddleware(agent *agent) {
	all := agent.of(middleware)
	for i, h := range all {
		j := slices.IndexFunc(all[:i], func(other *handler) bool { return other.order == h.order && other.file != h.file })
		if j < 0 {
			continue
		}
		remedy := "add order=N to both directives, the outermost with the smallest N"
		if h.order != 0 {
			remedy = fmt.Sprintf("both have order=%d, so give one another number, the outermost the smallest", h.order)
		}
		a.add(codeMiddlewareOrder, h.decl.Name, "nothing says which of two middlewares in different files comes first: %s", remedy).
			relate(all[j].decl.Name, "the other is func %s", all[j].fn.Name())
	}
	slices.SortStableFunc(agent.handlers, func(x, y *handler) int {
		if x.kind != middleware || y.kind != middleware {
			return cmp.Compare(slices.Index(kinds, x.kind), slices.Index(kinds, y.kind))
		}
		return cmp.Compare(x.order, y.order)
	})
}

// oneState reports handlers that keep different types in the same session.
func (a *analyzer) oneState(agent *agent) {
	var first *handler
	for _, h := range agent.handlers {
		switch {
		case h.session == nil:
		case first == nil:
			first = h
		case !types.Identical(h.session, first.session):
			a.add(codeSessionState, h.decl.Name, "a session has one state for all handlers, and the %s %s has it as %s: take a *runtime.Session of the same type in both", h.kind, h.title(), h.text(h.session)).
				relate(first.decl.Name, "the %s %s has it as %s", first.kind, first.title(), first.text(first.session))
		}
	}
}

// constraint returns the build constraint that all handlers share. Those in
// files that are not built now must share it as well.
func (a *analyzer) constraint(agent *agent) string {
	say := func(constraint string) string {
		if constraint == "" {
			return "no build constraint"
		}
		return "the build constraint " + constraint
	}
	var shared string
	compare := func(fn *ast.FuncDecl, own string) {
		if own != shared {
			first := agent.handlers[0]
			a.add(codeConstraint, fn.Name, "the handlers of a package are built together, and func %s is under %s: put all of them under the same one", fn.Name.Name, say(own)).
				relate(first.decl.Name, "func %s is under %s", first.fn.Name(), say(shared))
		}
	}
	for i, h := range agent.handlers {
		own := buildConstraint(a.pkg.fset, h.file)
		if i == 0 {
			shared = own
		}
		compare(h.decl, own)
	}
	for _, d := range scanUnbuilt(a.pkg) {
		own := buildConstraint(a.pkg.fset, d.file)
		switch {
		case isTest(a.pkg.fset, d.file):
			a.warn(codeTestFile, d.comment, "no agent is built from a test file: move func %s to another file, or delete the directive", d.fn.Name.Name)
		case len(agent.handlers) > 0 && d.file.Name.Name == a.pkg.name && own != "ignore":
			compare(d.fn, own)
		default:
			why, remedy := excluded(own)
			a.warn(codeExcludedFile, d.comment, "func %s is no handler here, for %s: %s, or delete the directive", d.fn.Name.Name, why, remedy)
		}
	}
	return shared
}

// handler makes a handler of a directive, or reports why it cannot be one.
func (a *analyzer) handler(d directive) *handler {
	name := d.fn.Name.Name
	if name == "_" || d.fn.Recv == nil && (name == "init" || name == "main" && a.pkg.name == "main") {
		a.add(codeHandlerName, d.fn.Name, "func %s cannot be a handler, for generated code cannot call it: annotate a function of another name", name)
		return nil
	}
	fn, ok := a.pkg.info.Defs[d.fn.Name].(*types.Func)
	if !ok {
		a.redeclared(d.fn, nil)
		return nil
	}
	h := &handler{
		kind: d.kind, fn: fn, decl: d.fn, file: d.file, order: d.order,
		doc: d.fn.Doc.Text(),
	}
	signature := fn.Signature()
	if signature.TypeParams().Len() > 0 {
		a.add(codeHandlerGeneric, d.fn.Name, "a handler cannot have type parameters, for nothing says what they stand for: annotate a function that calls %s with types", name)
		return nil
	}
	if d.fn.Recv != nil && !a.receiver(h, signature.Recv()) {
		return nil
	}
	if a.invalid(h) {
		return nil
	}
	if problem := h.fit(signature); problem != "" {
		a.add(codeHandlerShape, d.fn.Name, "func %s cannot be %s: %s%s", name, d.kind.one(), problem, h.namesakes(signature))
		return nil
	}
	for _, t := range h.types() {
		if problem := a.unwritable(t); problem != "" {
			a.add(codeHandlerType, d.fn.Name, "the generated file cannot write the type %s: %s", h.text(t), problem)
			return nil
		}
	}
	return h
}

// receiver notes the receiver of a method.
func (a *analyzer) receiver(h *handler, recv *types.Var) bool {
	if errs := errorsInside(a.pkg.graph, h.decl.Recv); len(errs) > 0 || recv == nil {
		a.needs(h, errs)
		return false
	}
	t := recv.Type()
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t, h.recvPointer = p.Elem(), true
	}
	named, ok := types.Unalias(t).(*types.Named)
	if !ok {
		a.needs(h, nil)
		return false
	}
	if named.TypeParams().Len() > 0 {
		a.add(codeHandlerGeneric, h.decl.Name, "a handler cannot be a method of a generic type, for nothing says what %s's type parameters stand for: annotate a method of a type that embeds an instance of it", named.Obj().Name())
		return false
	}
	if own, _, _ := types.LookupFieldOrMethod(named, true, a.pkg.types, h.fn.Name()); own != h.fn {
		a.redeclared(h.decl, own)
		return false
	}
	h.recv = named
	return true
}

// unwritable says what keeps a type from being written in the package, if
// anything does. An alias elsewhere may stand for what only its own package can
// name.
func (a *analyzer) unwritable(t types.Type) (problem string) {
	foreign := func(p *types.Package) bool { return p != nil && p != a.pkg.types }
	walkWritten(t, func(t types.Type) {
		if u, ok := t.Underlying().(*types.Interface); ok && !u.IsMethodSet() {
			problem = "an interface of types is a constraint and no type of a value, so use another"
		}
		switch t := t.(type) {
		case interface{ Obj() *types.TypeName }: // an alias or a named type
			if obj := t.Obj(); foreign(obj.Pkg()) && !obj.Exported() {
				problem = fmt.Sprintf("package %s does not export %s, so export it or use another", obj.Pkg().Path(), obj.Name())
			} else if foreign(obj.Pkg()) && !canImport(a.pkg.types.Path(), obj.Pkg().Path()) {
				problem = fmt.Sprintf("package %s is internal elsewhere, so use another", obj.Pkg().Path())
			}
		case *types.Struct:
			for field := range t.Fields() {
				if foreign(field.Pkg()) && !field.Exported() {
					problem = fmt.Sprintf("its field %s belongs to package %s, so use a type with a name", field.Name(), field.Pkg().Path())
				}
			}
		case *types.Interface:
			for method := range t.ExplicitMethods() {
				if foreign(method.Pkg()) && !method.Exported() {
					problem = fmt.Sprintf("its method %s belongs to package %s, so use a type with a name", method.Name(), method.Pkg().Path())
				}
			}
		}
	})
	return problem
}

// canImport reports whether the rule about internal directories lets one
// package import another.
func canImport(from, path string) bool {
	i := strings.LastIndex("/"+path+"/", "/internal/")
	if i < 0 {
		return true
	}
	root := path[:max(i-1, 0)]
	return from == root || strings.HasPrefix(from, root+"/")
}

// walkWritten visits a type and those that are written in it.
func walkWritten(t types.Type, visit func(types.Type)) {
	visit(t)
	for inner := range parts(t) {
		walkWritten(inner, visit)
	}
}
