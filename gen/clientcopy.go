package gen

import (
	"fmt"
	"go/types"
	"reflect"
	"slices"
	"strings"
)

// copier makes the types that a client calls an agent with. It refers to those
// that the client can import, and declares copies of the others, which have the
// same JSON: for every value, a copy encodes to what the original does, and
// decodes from it.
//
// It takes two walks over the same types: the first finds what has to be copied,
// so that the copies can have names, and the second makes them.
type copier struct {
	pkg         *loadedPackage
	mode        ClientMode
	place       clientPlace
	diagnostics *diagnostics

	copies   []*copied // in the order in which they are needed
	byOrigin map[*types.Named]*copied
	needs    map[types.Type]need // of structs and of instances of generic types
	imports  map[*types.Package]bool

	self       *types.Package // the client's
	mirrors    map[string]*types.Named
	params     map[*types.TypeParam]*types.TypeParam
	structs    []structPair
	instances  []instancePair
	payloads   []payload
	originals  map[*types.Var]*types.Var // of the fields of copies
	declaring  need                      // of the copy that is being declared
	reported   map[types.Object]bool
	incomplete bool // a struct has a field without a counterpart
}

// copied is a type that the client declares.
type copied struct {
	origin *types.Named
	remedy string // to refer to it instead
	need   need   // the first
	// beside are the names of other fields where it is embedded, so that it
	// cannot have one of them.
	beside map[string]bool
	named  *types.Named
}

// structPair is a struct and its copy.
type structPair struct {
	original, copy *types.Struct
	need           need
}

// instancePair is an instance of a generic type and its counterpart in the client.
type instancePair struct {
	original *types.Named
	origin   *types.Named // of the counterpart
	args     []types.Type
	need     need
}

// payload is that of a handler, whose type declare replaces.
type payload struct {
	of *types.Type
	typePair
}

// typePair is the type of a payload, or of a part of it, and what the client has
// for it.
type typePair struct {
	original, copy types.Type
	need           need
}

// need is what needs a type: a place in a payload.
type need struct {
	handler *handler
	use     string // as of payloadCheck
	place
}

func (n need) to(f *types.Var, local *types.Package) need {
	n.path += "." + f.Name()
	if f.Pkg() == local {
		n.field = f
	}
	return n
}

func (n need) element() need {
	n.place = n.place.element(false)
	return n
}

func newCopier(pkg *loadedPackage, place clientPlace, mode ClientMode, diagnostics *diagnostics) *copier {
	return &copier{
		pkg: pkg, mode: mode, place: place, diagnostics: diagnostics,
		byOrigin:  make(map[*types.Named]*copied),
		needs:     make(map[types.Type]need),
		imports:   make(map[*types.Package]bool),
		self:      types.NewPackage(place.path, place.name),
		mirrors:   make(map[string]*types.Named),
		params:    make(map[*types.TypeParam]*types.TypeParam),
		originals: make(map[*types.Var]*types.Var),
		reported:  make(map[types.Object]bool),
	}
}

// report reports what a client cannot have at a place.
func (c *copier) report(at need, format string, args ...any) {
	message := at.path + ": " + fmt.Sprintf(format, args...)
	if at.field == nil {
		c.diagnostics.add(codeClientType, at.handler.decl.Name, "%s", message)
		return
	}
	c.diagnostics.add(codeClientType, nameOf(at.field), "%s", message).
		relate(at.handler.decl.Name, "the %s %s %s", at.handler.kind, at.handler.title(), at.use)
}

const orOff = ", or generate with -client=off"

// keepsFrom says what would let the client refer to a type. It is "" when it can.
func (c *copier) keepsFrom(obj *types.TypeName) (remedy string) {
	path, name := obj.Pkg().Path(), obj.Name()
	switch {
	case ofRuntime(path):
		return "use another type than " + obj.Pkg().Name() + "." + name
	case obj.Pkg().Name() == "main":
		return "move " + name + " to a package that can be imported"
	case !obj.Exported():
		return "begin the name of " + name + " with a capital"
	case !canImport(c.place.path, path):
		return "move " + name + " to a package that is not internal elsewhere"
	case c.importsClient(obj.Pkg()):
		return "move " + name + " to a package that does not import the client"
	case c.mode == ClientCopy && c.ofModule(path):
		return "generate with -client=auto"
	}
	return ""
}

// ofRuntime reports whether a package is of the server's side, which a client
// has nothing of.
func ofRuntime(path string) bool {
	return path == runtimePath || strings.HasPrefix(path, runtimePath+"/")
}

// ofModule reports whether a package belongs to the agent's module. Of one that is
// not at hand, as in an analyzer, its path has to tell.
func (c *copier) ofModule(path string) bool {
	module := c.pkg.graph.Module
	if module == nil {
		return path == c.pkg.types.Path()
	}
	if pkg := c.pkg.find(path); pkg != nil {
		return pkg.Module != nil && pkg.Module.Path == module.Path
	}
	return path == module.Path || strings.HasPrefix(path, module.Path+"/")
}

// importsClient reports whether a package imports the client, directly or not:
// the client cannot import it then.
func (c *copier) importsClient(pkg *types.Package) bool {
	if imports, known := c.imports[pkg]; known {
		return imports
	}
	c.imports[pkg] = false
	c.imports[pkg] = pkg.Path() == c.place.path || slices.ContainsFunc(pkg.Imports(), c.importsClient)
	return c.imports[pkg]
}

// mirrored are the types of package runtime that package client has as well.
var mirrored = []string{"Message", "None", "PingStatus"}

func isMirrored(obj *types.TypeName) bool {
	return obj.Pkg() != nil && obj.Pkg().Path() == runtimePath && slices.Contains(mirrored, obj.Name())
}

// find finds what has to be copied of a handler's payload, if there is one. One
// that has no name goes by the given one.
func (c *copier) find(h *handler, t *types.Type, unnamed, use string) {
	if *t == nil {
		return
	}
	at := need{h, use, place{path: rootPath(*t, unnamed)}}
	c.payloads = append(c.payloads, payload{t, typePair{original: *t, need: at}})
	c.visit(*t, at)
}

func (c *copier) visit(t types.Type, at need) {
	switch t := t.(type) {
	case *types.Alias:
		c.visit(types.Unalias(t), at)
	case *types.Named:
		c.visitNamed(t, at)
	case *types.Struct:
		c.visitStruct(t, at)
	case *types.Pointer:
		c.visit(t.Elem(), at)
	case *types.Interface: // its methods are left out
	default:
		for inner := range parts(t) {
			c.visit(inner, at.element())
		}
	}
}

func (c *copier) visitNamed(t *types.Named, at need) {
	if _, known := c.needs[t]; !known {
		c.needs[t] = at
	}
	for arg := range t.TypeArgs().Types() {
		c.visit(arg, at)
	}
	origin := t.Origin()
	if origin.Obj().Pkg() == nil || isMirrored(origin.Obj()) || c.byOrigin[origin] != nil {
		return
	}
	remedy := c.keepsFrom(origin.Obj())
	if remedy == "" {
		return
	}
	copied := &copied{origin: origin, remedy: remedy, need: at, beside: make(map[string]bool)}
	c.copies = append(c.copies, copied)
	c.byOrigin[origin] = copied
	c.visit(origin.Underlying(), at)
}

func (c *copier) visitStruct(t *types.Struct, at need) {
	if _, known := c.needs[t]; known {
		return
	}
	c.needs[t] = at
	var embedded []*copied
	var others []string
	for i := range t.NumFields() {
		f := t.Field(i)
		if !keepsField(f, t.Tag(i)) {
			continue
		}
		c.visit(f.Type(), at.to(f, c.pkg.types))
		if e := c.byOrigin[originOf(f.Type())]; e != nil && f.Embedded() && !ordinary(f, t.Tag(i)) {
			embedded = append(embedded, e)
		} else if named := originOf(f.Type()); named != nil && f.Embedded() && e == nil {
			others = append(others, named.Obj().Name(), f.Name())
		} else {
			others = append(others, f.Name())
		}
	}
	for _, e := range embedded {
		for _, name := range others {
			e.beside[name] = true
		}
	}
}

// originOf returns the type with a name that an embedded field has, without
// pointer and type arguments, or nil.
func originOf(t types.Type) *types.Named {
	if named, ok := pointee(t).(*types.Named); ok {
		return named.Origin()
	}
	return nil
}

// keepsField reports whether a field has a part in the JSON of its struct. An
// embedded one has if it has fields that have, or methods.
func keepsField(f *types.Var, tag string) bool {
	name, ignored := jsonName(tag)
	t, s, _ := embeddedStruct(f)
	switch {
	case ignored:
		return false
	case s == nil:
		return f.Exported()
	case name != "":
		return true
	}
	return len(fieldsOf(t, s, nil).fields) > 0 || slices.ContainsFunc(jsonMethods, func(name string) bool {
		return method(f.Type(), true, name) != nil
	})
}

// ordinary reports whether an embedded field is one like others in JSON, by its
// own name.
func ordinary(f *types.Var, tag string) bool {
	name, _ := jsonName(tag)
	_, s, _ := embeddedStruct(f)
	return s == nil && name == ""
}

// jsonName returns the name that a tag gives a field in JSON, "" for none, and
// whether it leaves it out.
func jsonName(tag string) (name string, ignored bool) {
	value := reflect.StructTag(tag).Get("json")
	if value == "-" {
		return "", true
	}
	if name, _, _ = strings.Cut(value, ","); !isJSONName(name) {
		name = ""
	}
	return name, false
}

// declare makes the copies, by the names that were chosen for them, and gives the
// handlers the types that a client calls them with.
func (c *copier) declare(names map[*copied]string) {
	for _, e := range c.copies {
		e.named = types.NewNamed(types.NewTypeName(e.origin.Obj().Pos(), c.self, names[e], nil), nil, nil)
	}
	for _, e := range c.copies {
		var params []*types.TypeParam
		for param := range e.origin.TypeParams().TypeParams() {
			copied := types.NewTypeParam(types.NewTypeName(param.Obj().Pos(), c.self, param.Obj().Name(), nil), anyType)
			c.params[param] = copied
			params = append(params, copied)
		}
		e.named.SetTypeParams(params)
	}
	for _, e := range c.copies {
		c.declaring = e.need
		for param := range e.origin.TypeParams().TypeParams() {
			c.params[param].SetConstraint(c.constraint(param.Constraint()))
		}
		e.named.SetUnderlying(c.typ(e.origin.Underlying()).Underlying())
	}
	for i := range c.payloads {
		p := &c.payloads[i]
		p.copy = c.typ(p.original)
		*p.of = p.copy
	}
}

// needOf returns what needs a struct, or an instance of a generic type. Of those in
// constraints, that is what needs the type with the parameter.
func (c *copier) needOf(t types.Type) need {
	if at, known := c.needs[t]; known {
		return at
	}
	return c.declaring
}

var anyType = types.Universe.Lookup("any").Type()

// typ returns what a type is in the client.
func (c *copier) typ(t types.Type) types.Type {
	switch t := t.(type) {
	case *types.Alias:
		if t.Obj().Pkg() == nil {
			return t // any
		}
		return c.typ(types.Unalias(t))
	case *types.Named:
		return c.namedType(t)
	case *types.TypeParam:
		return c.params[t]
	case *types.Pointer:
		return types.NewPointer(c.typ(t.Elem()))
	case *types.Slice:
		return types.NewSlice(c.typ(t.Elem()))
	case *types.Array:
		return types.NewArray(c.typ(t.Elem()), t.Len())
	case *types.Map:
		return types.NewMap(c.typ(t.Key()), c.typ(t.Elem()))
	case *types.Chan:
		return types.NewChan(t.Dir(), c.typ(t.Elem()))
	case *types.Struct:
		return c.structType(t)
	case *types.Signature:
		return types.NewSignatureType(nil, nil, nil, c.tuple(t.Params()), c.tuple(t.Results()), t.Variadic())
	case *types.Interface:
		// What is in it need not have the methods in the client, where nothing
		// could be decoded into it if it had to.
		return anyType
	}
	return t
}

func (c *copier) tuple(t *types.Tuple) *types.Tuple {
	var list []*types.Var
	for v := range t.Variables() {
		list = append(list, types.NewParam(v.Pos(), c.self, "", c.typ(v.Type())))
	}
	return types.NewTuple(list...)
}

func (c *copier) namedType(t *types.Named) types.Type {
	if i, ok := t.Underlying().(*types.Interface); ok && i.NumMethods() > 0 && c.byOrigin[t.Origin()] == nil {
		return c.typ(i) // what the client could refer to, but decode nothing into
	}
	origin := c.counterpart(t.Origin())
	if t.TypeArgs().Len() == 0 {
		return origin
	}
	var args []types.Type
	for arg := range t.TypeArgs().Types() {
		args = append(args, c.typ(arg))
	}
	c.instances = append(c.instances, instancePair{t, origin, args, c.needOf(t)})
	instance, _ := types.Instantiate(nil, origin, args, false) // verifyInstance says what is wrong, for it has a place
	return instance
}

// counterpart returns what a type is in the client, before it has type arguments.
func (c *copier) counterpart(origin *types.Named) *types.Named {
	obj := origin.Obj()
	if e := c.byOrigin[origin]; e != nil {
		return e.named
	}
	if !isMirrored(obj) {
		return origin
	}
	mirror := c.mirrors[obj.Name()]
	if mirror == nil {
		name := types.NewTypeName(obj.Pos(), types.NewPackage(clientPath, "client"), obj.Name(), nil)
		mirror = types.NewNamed(name, origin.Underlying(), slices.Collect(origin.Methods()))
		c.mirrors[obj.Name()] = mirror
	}
	return mirror
}

// constraint returns that of a type parameter of a copy: without methods, which
// copies do not have, and without types that would have to be copied.
func (c *copier) constraint(t types.Type) types.Type {
	i := t.Underlying().(*types.Interface)
	var parts []types.Type
	complete := c.typeSet(t, &parts)
	if !complete && i.IsComparable() {
		parts = append(parts, types.Universe.Lookup("comparable").Type())
	}
	switch {
	case len(parts) == 0:
		return anyType
	case len(parts) == 1:
		if _, ok := parts[0].(*types.Named); ok {
			return parts[0]
		}
	}
	copied := types.NewInterfaceType(nil, parts)
	if len(parts) == 1 && implicit(parts[0]) {
		copied.MarkImplicit()
	}
	return copied.Complete()
}

// implicit reports whether a constraint is easy to read without a word around it.
func implicit(t types.Type) bool {
	union, ok := t.(*types.Union)
	if !ok {
		return false
	}
	_, ok = union.Term(0).Type().(*types.Basic)
	return ok
}

// typeSet appends what a constraint embeds. It reports whether nothing but methods
// had to be left out.
func (c *copier) typeSet(t types.Type, parts *[]types.Type) (complete bool) {
	if named, ok := types.Unalias(t).(*types.Named); ok {
		i := named.Underlying().(*types.Interface)
		if obj := named.Obj(); i.NumMethods() == 0 && (obj.Pkg() == nil || c.isWritable(named)) {
			*parts = append(*parts, c.typ(named))
			return true
		}
	}
	complete = true
	for inner := range t.Underlying().(*types.Interface).EmbeddedTypes() {
		if types.IsInterface(inner) && !isParameter(inner) {
			complete = c.typeSet(inner, parts) && complete
			continue
		}
		if !c.isWritable(inner) {
			complete = false
			continue
		}
		union, ok := inner.(*types.Union)
		if !ok {
			union = types.NewUnion([]*types.Term{types.NewTerm(false, inner)})
		}
		var terms []*types.Term
		for term := range union.Terms() {
			terms = append(terms, types.NewTerm(term.Tilde(), c.typ(term.Type())))
		}
		*parts = append(*parts, types.NewUnion(terms))
	}
	return complete
}

func isParameter(t types.Type) bool {
	_, ok := t.(*types.TypeParam)
	return ok
}

// isWritable reports whether a type is the same in the client.
func (c *copier) isWritable(t types.Type) bool {
	same := true
	walkWritten(t, func(t types.Type) {
		switch t := types.Unalias(t).(type) {
		case *types.Named:
			obj := t.Obj()
			same = same && (obj.Pkg() == nil || !isMirrored(obj) && c.keepsFrom(obj) == "")
		case *types.Union:
			for term := range t.Terms() {
				same = same && c.isWritable(term.Type())
			}
		}
	})
	return same
}

// structType copies the fields that JSON sees.
func (c *copier) structType(t *types.Struct) *types.Struct {
	at := c.needOf(t)
	var fields []*types.Var
	var tags []string
	taken := make(map[string]bool)
	for i := range t.NumFields() {
		f, tag := t.Field(i), t.Tag(i)
		if !keepsField(f, tag) {
			continue
		}
		inner := c.typ(f.Type())
		name, embedded := f.Name(), false
		if f.Embedded() {
			name, embedded = c.embeddedName(f, tag, inner)
		}
		if taken[name] || name == "" {
			c.incomplete = true
			c.report(at.to(f, c.pkg.types), "the client's copy of the struct around this embedded field has no name for it: embed a type that is declared, by its own name%s", orOff)
			continue
		}
		taken[name] = true
		field := types.NewField(f.Pos(), c.self, name, inner, embedded)
		c.originals[field] = f.Origin()
		fields, tags = append(fields, field), append(tags, tag)
	}
	copied := types.NewStruct(fields, tags)
	c.structs = append(c.structs, structPair{t, copied, at})
	return copied
}

// embeddedName returns what an embedded field is called in a copy, and whether it
// is embedded there. It is not if it would have another name in JSON: a type that
// is no struct has no fields to promote. The name is "" if there is none.
func (c *copier) embeddedName(f *types.Var, tag string, t types.Type) (name string, embedded bool) {
	if named, ok := pointee(t).(*types.Named); ok {
		name = named.Obj().Name()
	}
	if ordinary(f, tag) && name != f.Name() {
		return f.Name(), false
	}
	if tagged, _ := jsonName(tag); tagged != "" && name == "" {
		return exportedName(f.Name()), false
	}
	return name, true
}
