package gen

import (
	"go/types"
	"reflect"
	"slices"
	"strings"
)

// checkPayloads reports what encoding/json would drop from a payload, or refuse
// when a request arrives.
func checkPayloads(pkg *loadedPackage, agent *agent, diagnostics *diagnostics) {
	reported := make(map[fieldProblem]bool)
	for _, h := range agent.handlers {
		if h.kind == task {
			continue // its payload never leaves the process
		}
		check := func(t types.Type, unnamed, use string, decoding bool) {
			c := &payloadCheck{pkg: pkg, handler: h, diagnostics: diagnostics, reported: reported, use: use, decoding: decoding}
			c.root(t, unnamed)
		}
		in, out := "payload", "result"
		if h.kind == websocket {
			in, out = "message", "message"
		}
		if h.in != nil && !plainMessage(h, h.in) {
			check(h.in, in, receives, true)
			checkValidate(pkg, h, diagnostics)
		}
		if h.out != nil && !plainMessage(h, h.out) {
			check(h.out, out, sends, false)
		}
		if h.session != nil {
			check(h.session, "state", keeps, true)
			check(h.session, "state", keeps, false)
		}
	}
}

// What a handler does with a payload, a result and the state of a session.
const (
	receives = "receives it"
	sends    = "sends it"
	keeps    = "keeps it in its session"
)

// plainMessage reports whether a WebSocket message travels without JSON.
func plainMessage(h *handler, t types.Type) bool {
	return h.kind == websocket && (types.Identical(t, types.Typ[types.String]) ||
		types.Identical(t, types.NewSlice(types.Typ[types.Byte])) || is(t, false, runtimePath, "Message"))
}

// checkValidate reports a method that looks as if the runtime called it before
// the handler, and that it does not call: the payload would go unchecked.
func checkValidate(pkg *loadedPackage, h *handler, diagnostics *diagnostics) {
	t := types.Unalias(h.in)
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	named, ok := t.(*types.Named)
	if !ok || named.Obj().Pkg() != pkg.types {
		return
	}
	for method := range named.Methods() {
		params, results := method.Signature().Params(), method.Signature().Results()
		if method.Name() != "Validate" || params.Len() > 0 || results.Len() == 1 && isError(results.At(0).Type()) {
			continue
		}
		diagnostics.add(codeValidate, nameOf(method), "a payload is validated by its method Validate() error, which this is not: return an error and nothing else, or give the method another name").
			relate(h.decl.Name, "the %s %s receives the payload", h.kind, h.title())
	}
}

// payloadCheck walks one payload type, in one direction.
type payloadCheck struct {
	pkg         *loadedPackage
	handler     *handler
	diagnostics *diagnostics
	reported    map[fieldProblem]bool
	use         string
	decoding    bool
	seen        map[visited]bool
}

// fieldProblem is a problem of a field, to which many paths may lead.
type fieldProblem struct {
	field   *types.Var
	problem string
}

// visited is a type at a place. All places of a struct of this package are the
// same, for its fields have places of their own.
type visited struct {
	t           types.Type
	addressable bool
	field       *types.Var
}

// place is where a type stands in a payload.
type place struct {
	path string // in Go, from the payload on
	// field is the innermost field on the path whose source is at hand, nil for none.
	field *types.Var
	// direct: the last field on the path is that one, or there is none.
	direct bool
	// addressable: encoding/json calls a method of the pointer as well.
	addressable bool
}

func (p place) element(addressable bool) place {
	return place{p.path + "[]", p.field, p.direct, addressable}
}

// root checks a payload. A type that has no name goes by the given one.
func (c *payloadCheck) root(t types.Type, unnamed string) {
	c.seen = make(map[visited]bool)
	inner := types.Unalias(t)
	if p, ok := inner.(*types.Pointer); ok {
		inner = types.Unalias(p.Elem())
	}
	name := unnamed
	if named, ok := inner.(*types.Named); ok && named.Obj().Pkg() != nil {
		name = named.Obj().Name()
	}
	at := place{path: name, direct: true, addressable: c.decoding}
	if u, ok := inner.Underlying().(*types.Interface); ok && u.Empty() && c.use == keeps {
		c.report(codePayloadInterface, at, "JSON does not say which type was saved in the interface "+c.handler.text(inner)+": use a struct")
		return
	}
	c.visit(t, at)
}

// report reports the type at a place. The position is that of the field, if its
// source is at hand, and else that of the handler.
func (c *payloadCheck) report(code code, at place, problem string) {
	if at.field == nil {
		c.diagnostics.add(code, c.handler.decl.Name, "%s: %s", at.path, problem)
		return
	}
	if key := (fieldProblem{at.field, problem}); c.reported[key] {
		return
	} else {
		c.reported[key] = true
	}
	c.diagnostics.add(code, nameOf(at.field), "%s: %s", at.path, problem).
		relate(c.handler.decl.Name, "the %s %s %s", c.handler.kind, c.handler.title(), c.use)
}

// reportNoJSON reports a type that JSON has no value for.
func (c *payloadCheck) reportNoJSON(at place, what string) {
	remedy := `change its type, or leave it out with the tag json:"-"`
	if at.field == nil {
		remedy = "use another type"
	}
	c.report(codePayloadNoJSON, at, "JSON has no value for "+what+": "+remedy)
}

// visit checks the type at a place.
func (c *payloadCheck) visit(t types.Type, at place) {
	if problem := ofTheRuntime(t); problem != "" {
		c.report(codePayloadRuntimeType, at, problem)
		return
	}
	if c.speaksForItself(t, at) {
		return
	}
	key := visited{t, at.addressable, at.field}
	if c.isOwnStruct(t) {
		key.field = nil
	}
	if c.seen[key] {
		return
	}
	c.seen[key] = true
	switch u := t.Underlying().(type) {
	case *types.Basic:
		switch {
		case u.Info()&types.IsComplex != 0:
			c.reportNoJSON(at, "a complex number")
		case u.Kind() == types.UnsafePointer:
			c.reportNoJSON(at, "an unsafe.Pointer")
		}
	case *types.Chan:
		c.reportNoJSON(at, "a channel")
	case *types.Signature:
		c.reportNoJSON(at, "a function")
	case *types.Interface:
		c.visitInterface(t, u, at)
	case *types.Pointer:
		at.addressable = true
		c.visit(u.Elem(), at)
	case *types.Slice:
		c.visit(u.Elem(), at.element(true))
	case *types.Array:
		c.visit(u.Elem(), at.element(at.addressable))
	case *types.Map:
		if !c.isKey(u.Key()) {
			c.report(codePayloadMapKey, at, "a key of a JSON object is text, and "+c.handler.text(u.Key())+" is none: use a string or an integer, or give the type the methods MarshalText and UnmarshalText")
		}
		c.visit(u.Elem(), at.element(c.decoding))
	case *types.Struct:
		c.visitStruct(t, u, at)
	}
}

// ofTheRuntime says what is wrong with a type of package runtime that would make
// JSON and is not meant to.
func ofTheRuntime(t types.Type) string {
	switch {
	case is(t, false, runtimePath, "Message"):
		return "a runtime.Message is a whole WebSocket message and no JSON: use it as the In or Out of a *runtime.Conn, without a pointer, or use another type here"
	case is(t, false, runtimePath, "Session"):
		return "a runtime.Session is no JSON: take a *runtime.Session as the last parameter, or use the type of its State"
	}
	return ""
}

func (c *payloadCheck) visitInterface(t types.Type, u *types.Interface, at place) {
	switch {
	case isError(t):
		c.report(codePayloadError, at, "an error turns into {} in JSON: use a string")
	case c.decoding && !u.Empty():
		c.report(codePayloadInterface, at, "JSON does not say which type to decode into the interface "+c.handler.text(t)+": use a struct, or json.RawMessage and decode it later")
	}
}

// visitStruct checks the fields of a struct as encoding/json sees them: with
// the fields of embedded structs among them, and without those that clash.
func (c *payloadCheck) visitStruct(t types.Type, u *types.Struct, at place) {
	all := &jsonFields{check: c, embedding: make(map[types.Type]bool)}
	all.collect(u, nil)
	if len(all.fields) == 0 && all.hidden && at.direct {
		consequence, remedy := "its JSON is always {}", "use another type"
		switch {
		case c.use == keeps:
			consequence = "nothing of it is kept"
		case c.decoding:
			consequence = "its JSON is ignored"
		}
		if c.isOwnStruct(t) {
			remedy = "begin the names of its fields with a capital"
		}
		c.report(codePayloadUnexported, at, "no field of "+c.handler.text(t)+" is exported, so that "+consequence+": "+remedy)
	}
	where := func(f jsonField) place {
		inner := place{at.path + "." + f.path, at.field, f.local == f.field, at.addressable || f.pointer}
		if f.local != nil {
			inner.field = f.local
		}
		return inner
	}
	for _, f := range all.tagged {
		c.report(codePayloadUnexported, where(f), "encoding/json drops a field that is not exported, whatever its tag: begin its name with a capital, or remove the tag")
	}
	for _, f := range all.unsettable {
		if c.decoding {
			c.report(codePayloadEmbeddedPointer, where(f), "encoding/json cannot decode into an embedded pointer to an unexported struct: embed the struct itself")
		}
	}
	byName := make(map[string][]jsonField)
	var order []string
	for _, f := range all.fields {
		if byName[f.name] == nil {
			order = append(order, f.name)
		}
		byName[f.name] = append(byName[f.name], f)
	}
	for _, name := range order {
		group := byName[name]
		slices.SortStableFunc(group, func(a, b jsonField) int { return a.rank() - b.rank() })
		winner := group[0]
		var equal, beaten []jsonField
		for _, f := range group[1:] {
			if f.rank() == winner.rank() {
				equal = append(equal, f)
			} else if f.depth == winner.depth {
				beaten = append(beaten, f)
			}
		}
		if len(equal) > 0 {
			var others []string
			for _, f := range equal {
				others = append(others, at.path+"."+f.path)
			}
			all := "both"
			if len(others) > 1 {
				all = "all"
			}
			c.report(codePayloadNames, where(winner), "encoding/json drops this field and "+strings.Join(others, " and ")+", for "+all+" are called "+name+": give each a name of its own with a json tag")
			continue
		}
		for _, f := range beaten {
			c.report(codePayloadNames, where(f), "encoding/json drops this field, for "+at.path+"."+winner.path+" is called "+name+" by its tag: give one of them another name with a json tag")
		}
		c.visit(winner.field.Type(), where(winner))
	}
}

// isOwnStruct reports whether a type is a struct that this package declares.
func (c *payloadCheck) isOwnStruct(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.Obj().Pkg() != c.pkg.types {
		return false
	}
	_, ok = named.Underlying().(*types.Struct)
	return ok
}

// jsonField is a field of a struct or of one that is embedded in it.
type jsonField struct {
	name    string // in JSON
	tagged  bool
	depth   int
	path    string     // in Go, without the struct's own name
	field   *types.Var // what is encoded
	local   *types.Var // the innermost field of the path in this package's source, nil for none
	pointer bool       // there is one on the path
}

// rank orders the fields of one name: the least deep wins, and among those one
// with a tag.
func (f jsonField) rank() int {
	rank := 2 * f.depth
	if !f.tagged {
		rank++
	}
	return rank
}

// jsonFields are the fields of one struct.
type jsonFields struct {
	check     *payloadCheck
	embedding map[types.Type]bool // on the way to the present struct

	fields     []jsonField
	unsettable []jsonField // embedded pointers to unexported structs
	tagged     []jsonField // unexported and with a tag
	hidden     bool        // there are unexported fields
}

// collect notes the fields of a struct. The outer field is the embedded one
// through which the struct was reached, nil for none.
func (all *jsonFields) collect(u *types.Struct, outer *jsonField) {
	for i := range u.NumFields() {
		v := u.Field(i)
		tag, hasTag := reflect.StructTag(u.Tag(i)).Lookup("json")
		name, _, _ := strings.Cut(tag, ",")
		if tag == "-" {
			continue
		}
		f := jsonField{name: name, tagged: name != "", path: v.Name(), field: v}
		if v.Pkg() == all.check.pkg.types {
			f.local = v
		}
		if outer != nil {
			f.depth = outer.depth + 1
			f.path = outer.path + "." + f.path
			f.pointer = outer.pointer
			if f.local == nil {
				f.local = outer.local
			}
		}
		if v.Embedded() && all.embed(f) {
			continue
		}
		if !v.Exported() {
			if v.Name() != "_" {
				all.hidden = true
				if hasTag && f.local == v {
					all.tagged = append(all.tagged, f)
				}
			}
			continue
		}
		if f.name == "" {
			f.name = v.Name()
		}
		all.fields = append(all.fields, f)
	}
}

// embed collects the fields of an embedded struct, unless the embedded field
// counts as one itself.
func (all *jsonFields) embed(f jsonField) bool {
	inner := f.field.Type()
	pointer, isPointer := inner.Underlying().(*types.Pointer)
	if isPointer {
		inner = pointer.Elem()
	}
	s, isStruct := inner.Underlying().(*types.Struct)
	if !isStruct {
		return false
	}
	if isPointer && !f.field.Exported() {
		all.unsettable = append(all.unsettable, f)
		if all.check.decoding {
			return true
		}
	}
	if f.tagged { // one that is not exported as well
		all.fields = append(all.fields, f)
		return true
	}
	f.pointer = f.pointer || isPointer
	if !all.embedding[inner] {
		all.embedding[inner] = true
		all.collect(s, &f)
		delete(all.embedding, inner)
	}
	return true
}

// isKey reports whether encoding/json takes a type for the key of a map.
func (c *payloadCheck) isKey(t types.Type) bool {
	if basic, ok := t.Underlying().(*types.Basic); ok && basic.Info()&(types.IsString|types.IsInteger) != 0 {
		return true
	}
	if c.decoding {
		return method(t, true, "UnmarshalText") != nil
	}
	return method(t, false, "MarshalText") != nil
}

// speaksForItself reports whether a type has methods that make its JSON. Those
// that are out of encoding/json's reach, or that make more than is theirs, are
// reported.
func (c *payloadCheck) speaksForItself(t types.Type, at place) bool {
	names := []string{"MarshalJSON", "MarshalText"}
	if c.decoding {
		if types.IsInterface(t) {
			return false
		}
		names = []string{"UnmarshalJSON", "UnmarshalText"}
	}
	for _, name := range names {
		if index := method(t, at.addressable, name); index != nil {
			c.visitPromoted(t, index, at)
			return true
		}
	}
	for _, name := range names {
		if method(t, true, name) != nil {
			own := ""
			if obj, _, _ := types.LookupFieldOrMethod(t, true, nil, name); obj.Pkg() == c.pkg.types {
				own = ", or give the method a value receiver"
			}
			c.report(codePayloadPointerMethod, at, "encoding/json does not call "+name+" of *"+c.handler.text(t)+" for a value that is not behind a pointer: use *"+c.handler.text(t)+own)
			return true
		}
	}
	return false
}

// visitPromoted reports a struct that has the methods for its JSON from an
// embedded field, if that loses other fields. The index is that of a method.
func (c *payloadCheck) visitPromoted(t types.Type, index []int, at place) {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	u, ok := t.Underlying().(*types.Struct)
	if !ok || len(index) < 2 {
		return
	}
	embedded := u.Field(index[0])
	all := &jsonFields{check: c, embedding: make(map[types.Type]bool)}
	all.collect(u, nil)
	for _, f := range all.fields {
		if first, _, _ := strings.Cut(f.path, "."); first == embedded.Name() {
			continue
		}
		if embedded.Pkg() == c.pkg.types {
			at.field = embedded
		}
		c.report(codePayloadPromoted, place{path: at.path + "." + embedded.Name(), field: at.field},
			"the embedded "+c.handler.text(embedded.Type())+" makes the JSON of the whole struct, without "+f.path+": give the field a name, not only a tag")
		return
	}
}

// method returns the index of a type's method, as of
// [types.LookupFieldOrMethod], or nil.
func method(t types.Type, addressable bool, name string) []int {
	obj, index, _ := types.LookupFieldOrMethod(t, addressable, nil, name)
	if _, ok := obj.(*types.Func); !ok {
		return nil
	}
	return index
}
