package gen

import (
	"cmp"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clientPlan is all that the emitter of a client sees.
type clientPlan struct {
	place clientPlace
	back  string // the directory of the agent, relative to that of the client
	// agent has the handlers that can be called, with the types that a client
	// calls them with.
	agent     *agent
	methods   map[*handler]string
	types     []*copied
	constants map[*copied][]copiedConstant
	imports   []imported
	refers    bool // to the agent's own package
	docs      *docIndex
	fields    map[*types.Var]doc
	params    map[*types.TypeParam]string

	receiver, transport, ctx, in, body, opts string // locals
}

// copiedConstant is one that the client has from the agent.
type copiedConstant struct {
	*types.Const
	name string
	of   *copied
}

// planClient decides what is in the client of an agent, and by which names. What
// a client cannot have is reported.
func planClient(pkg *loadedPackage, agent *agent, config Config, diagnostics *diagnostics) *clientPlan {
	place := placeOfClient(pkg, config)
	c := newCopier(pkg, place, config.Client, diagnostics)
	plan := &clientPlan{place: place, back: place.back(pkg.dir), agent: remote(agent)}
	for _, h := range plan.agent.handlers {
		in, out := "payload", "result"
		if h.kind == websocket {
			in, out = "message", "message"
		}
		c.find(h, &h.in, in, receives)
		c.find(h, &h.out, out, sends)
	}
	plan.types = c.copies
	p := &planner{taken: make(map[string]bool)}
	names := p.typeNames(pkg, c.copies)
	plan.docs = newDocIndex(pkg)
	plan.constants = p.constantNames(c.copies, names, plan.docs)
	c.declare(names)
	c.verify()
	plan.methods = methodNames(plan.agent, diagnostics)
	plan.fields = make(map[*types.Var]doc)
	for field, original := range c.originals {
		plan.fields[field] = plan.docs.field(original)
	}
	plan.planLocals(pkg, p)
	plan.checkBeside(pkg, diagnostics)
	return plan
}

// checkBeside reports what somebody else's files in the directory of the client
// declare by a name of the client's.
func (plan *clientPlan) checkBeside(pkg *loadedPackage, diagnostics *diagnostics) {
	taken := map[string]string{"Client": "the generated client", "New": "the constructor of the generated client"}
	for _, e := range plan.types {
		taken[e.named.Obj().Name()] = "a type that the generated client copies"
		for _, c := range plan.constants[e] {
			taken[c.name] = "a constant that the generated client copies"
		}
	}
	for file := range filesIn(pkg.fset, plan.place.dir, parser.SkipObjectResolution) {
		for name := range topLevelNames(file) {
			if what := taken[name.Name]; what != "" {
				diagnostics.add(codeNameTaken, name, "%s is the name of %s: rename this one, or generate with -client-dir and another directory", name.Name, what)
			}
		}
	}
}

// remote returns an agent as its callers see it. Of a session they see nothing
// but its id.
func remote(a *agent) *agent {
	copied := *a
	copied.handlers = nil
	for _, h := range a.handlers {
		if h.kind == entrypoint || h.kind == websocket || h.kind == ping {
			h := *h
			h.session = nil
			copied.handlers = append(copied.handlers, &h)
		}
	}
	return &copied
}

// typeNames chooses those of copies. A name that is exported already is kept if it
// can be, and so are those of the agent's own package: what another package calls
// so has that package's name in front.
func (p *planner) typeNames(pkg *loadedPackage, copies []*copied) map[*copied]string {
	p.take("Client")
	p.take("New")
	rank := func(e *copied) int {
		rank := 0
		if e.origin.Obj().Pkg() != pkg.types {
			rank = 2
		}
		if !e.origin.Obj().Exported() {
			rank++
		}
		return rank
	}
	names := make(map[*copied]string)
	for _, e := range slices.SortedFunc(slices.Values(copies), func(a, b *copied) int {
		x, y := a.origin.Obj(), b.origin.Obj()
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(x.Pkg().Path(), y.Pkg().Path()), cmp.Compare(x.Name(), y.Name()))
	}) {
		obj := e.origin.Obj()
		owner := obj.Pkg().Name()
		if owner == "main" {
			owner = cmp.Or(identifierOf(assumedName(obj.Pkg().Path())), "agent")
		}
		name := exportedName(obj.Name())
		// What is called so in the agent's package may be needed one day, and is
		// to have its name then.
		if other := obj.Pkg().Scope().Lookup(name); other != nil && other != obj && obj.Pkg() == pkg.types {
			e.beside[name] = true
		}
		names[e] = p.pickBut(e.beside, name, exportedName(owner)+name)
	}
	return names
}

// pickBut is pick without some names that are free.
func (p *planner) pickBut(but map[string]bool, candidates ...string) string {
	within := &planner{taken: maps.Clone(p.taken)}
	maps.Copy(within.taken, but)
	name := within.pick(candidates...)
	p.taken[name] = true
	return name
}

// constantNames chooses those of the constants of copies.
func (p *planner) constantNames(copies []*copied, names map[*copied]string, docs *docIndex) map[*copied][]copiedConstant {
	constants := make(map[*copied][]copiedConstant)
	for _, e := range copies {
		for _, c := range docs.constantsOf(e.origin) {
			constants[e] = append(constants[e], copiedConstant{c, p.pick(c.Name(), names[e]+c.Name()), e})
		}
	}
	return constants
}

// constantsOf returns the exported constants of a type, in the order of the source.
func (index *docIndex) constantsOf(t *types.Named) []*types.Const {
	var found []*types.Const
	scope := t.Obj().Pkg().Scope()
	for _, name := range scope.Names() {
		if constant, ok := scope.Lookup(name).(*types.Const); ok && constant.Exported() && types.Identical(constant.Type(), t) {
			found = append(found, constant)
		}
	}
	slices.SortStableFunc(found, func(a, b *types.Const) int { return index.spec(a).order - index.spec(b).order })
	return found
}

// methodNames chooses those of the methods of the client. They are called as the
// handlers are, so that a name that is taken is reported.
func methodNames(agent *agent, diagnostics *diagnostics) map[*handler]string {
	names := make(map[*handler]string)
	owners := make(map[string]*handler)
	// Functions come first, for methods have another name to go by.
	isMethod := func(h *handler) bool { return h.recv != nil }
	functions := slices.DeleteFunc(slices.Clone(agent.handlers), isMethod)
	methods := slices.DeleteFunc(slices.Clone(agent.handlers), func(h *handler) bool { return !isMethod(h) })
	for _, h := range slices.Concat(functions, methods) {
		name := exportedName(h.fn.Name())
		if (owners[name] != nil || name == "Client") && h.recv != nil {
			name = exportedName(h.recv.Obj().Name()) + name
		}
		names[h] = name
		if first := owners[name]; first != nil {
			diagnostics.add(codeNameTaken, h.decl.Name, "%s is the name of the client's methods for the %s %s and for the %s %s: rename one of the two%s", name, first.kind, first.title(), h.kind, h.title(), orOff).
				relate(first.decl.Name, "the %s %s is here", first.kind, first.title())
			continue
		}
		owners[name] = h
		if name == "Client" {
			diagnostics.add(codeNameTaken, h.decl.Name, "Client is the name of what the generated client is made of, and the method for the %s %s cannot have it: rename the handler%s", h.kind, h.title(), orOff)
		}
	}
	return names
}

// planLocals chooses the names of imports, and those that mean something in a
// part of the file only.
func (plan *clientPlan) planLocals(pkg *loadedPackage, p *planner) {
	var used []*types.Package
	use := func(t types.Type) { used = append(used, packagesIn(t)...) }
	for _, h := range plan.agent.handlers {
		for _, t := range h.types() {
			use(t)
		}
	}
	for _, e := range plan.types {
		use(e.named.Underlying())
		for param := range e.named.TypeParams().TypeParams() {
			use(param.Constraint())
		}
	}
	plan.refers = slices.Contains(used, pkg.types)
	fixed := []imported{
		{path: "context", name: "context"},
		{path: "iter", name: "iter"},
		{path: "net/http", name: "http"},
		{path: clientPath, name: "client"},
	}
	if plan.refers {
		fixed = append(fixed, imported{path: pkg.types.Path(), name: pkg.types.Name()})
	}
	plan.imports = planImports(pkg, plan.place.path, fixed, used, p)
	plan.params = make(map[*types.TypeParam]string)
	for _, e := range plan.types {
		within := &planner{taken: maps.Clone(p.taken)}
		for param := range e.named.TypeParams().TypeParams() {
			plan.params[param] = within.pick(param.Obj().Name())
		}
	}
	plan.receiver = p.pick("c", "this")
	plan.transport = p.pick("transport")
	plan.ctx = p.pick("ctx")
	plan.in = p.pick("in", "input")
	plan.body = p.pick("body")
	plan.opts = p.pick("opts", "options")
}

// exportedName returns a name that begins with a capital: X goes before a letter
// that has none.
func exportedName(name string) string {
	name = strings.TrimLeft(name, "_")
	first, size := utf8.DecodeRuneInString(name)
	if upper := string(unicode.ToUpper(first)) + name[size:]; token.IsExported(upper) && token.IsIdentifier(upper) {
		return upper
	}
	return "X" + name
}
