package gen

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// checkPayloads reports what encoding/json would drop from a payload, or refuse
// when a request arrives.
func checkPayloads(pkg *loadedPackage, agent *agent, diagnostics *diagnostics) {
	reported := make(map[fieldProblem]bool)
	tags := tagLiterals(pkg.files)
	for _, h := range agent.handlers {
		if h.kind == task {
			continue // its payload never leaves the process
		}
		check := func(t types.Type, unnamed, use string, decoding bool) {
			c := &payloadCheck{pkg: pkg, handler: h, diagnostics: diagnostics, reported: reported, tags: tags, use: use, decoding: decoding}
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
	tags        map[token.Pos]*ast.BasicLit // by the position of the field
	use         string
	decoding    bool
	problems    int // found, reported before or not
	seen        map[visited]bool
	trail       []visited        // what is in seen, in its order
	clean       map[visited]bool // at no field in particular: nothing is wrong there
}

// fieldProblem is a problem of a field, to which many paths may lead.
type fieldProblem struct {
	field   *types.Var
	problem string
}

// visited is a type at a place. All places of a struct of this package are the
// same, for its fields have places of their own.
type visited struct {
	t                   types.Type
	addressable, direct bool
	field               *types.Var
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
	c.seen, c.clean = make(map[visited]bool), make(map[visited]bool)
	inner := pointee(t)
	at := place{path: rootPath(t, unnamed), direct: true, addressable: c.decoding}
	if u, ok := inner.Underlying().(*types.Interface); ok && u.Empty() && c.use == keeps {
		c.report(codePayloadInterface, at, "JSON does not say which type was saved in the interface "+c.handler.text(inner)+": use a struct")
		return
	}
	c.visit(t, at)
}

// rootPath is what paths into a payload begin with: the name of its type, or the
// given one.
func rootPath(t types.Type, unnamed string) string {
	if named, ok := pointee(t).(*types.Named); ok && named.Obj().Pkg() != nil {
		return named.Obj().Name()
	}
	return unnamed
}

// pointee returns a type without the pointer to it, if it is one.
func pointee(t types.Type) types.Type {
	t = types.Unalias(t)
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	return t
}

// report reports the type at a place. The position is that of the field, if its
// source is at hand, and else that of the handler. It returns nil when that has
// been reported before.
func (c *payloadCheck) report(code code, at place, text string) *problem {
	var where analysis.Range = c.handler.decl.Name
	if at.field != nil {
		where = nameOf(at.field)
	}
	return c.reportAt(where, code, at, text)
}

// warn is report for what may be meant.
func (c *payloadCheck) warn(code code, at place, text string) {
	if p := c.report(code, at, text); p != nil {
		p.severity = SeverityWarning
	}
}

// reportAt reports something about a place at a position that suits it better.
func (c *payloadCheck) reportAt(where analysis.Range, code code, at place, text string) *problem {
	c.problems++
	if at.field == nil {
		return c.diagnostics.add(code, where, "%s: %s", at.path, text)
	}
	key := fieldProblem{at.field, text}
	if c.reported[key] {
		return nil
	}
	c.reported[key] = true
	p := c.diagnostics.add(code, where, "%s: %s", at.path, text)
	p.relate(c.handler.decl.Name, "the %s %s %s", c.handler.kind, c.handler.title(), c.use)
	return p
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
	t = types.Unalias(t)
	if problem := ofTheRuntime(t); problem != "" {
		c.report(codePayloadRuntimeType, at, problem)
		return
	}
	if c.use == keeps && !c.decoding {
		c.checkReadBack(t, at)
	}
	if c.speaksForItself(t, at) {
		return
	}
	key := visited{t, at.addressable, at.direct, at.field}
	if c.isOwnStruct(t) {
		key.field = nil
	}
	if c.seen[key] || c.clean[visited{t, at.addressable, at.direct, nil}] {
		return
	}
	c.seen[key] = true
	c.trail = append(c.trail, key)
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
		if c.use == keeps && !c.decoding {
			c.checkKeyReadBack(u.Key(), at)
		}
		c.visit(u.Elem(), at.element(c.decoding))
	case *types.Struct:
		c.visitStruct(t, u, at)
	}
}

// visitField checks the type of a field of this package's source. Types of other
// packages have no places of their own: to visit them anew for each field that
// leads there would take long, and is only worth it if something is wrong.
func (c *payloadCheck) visitField(t types.Type, at place) {
	problems, start := c.problems, len(c.trail)
	c.visit(t, at)
	if c.problems > problems {
		return
	}
	for _, v := range c.trail[start:] {
		if v.field == at.field {
			c.clean[visited{v.t, v.addressable, v.direct, nil}] = true
		}
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
	case method(t, false, "Error") != nil: // error, and what embeds it
		c.report(codePayloadError, at, "an error turns into {} in JSON: use a string")
	case c.decoding && !u.Empty():
		c.report(codePayloadInterface, at, "JSON does not say which type to decode into the interface "+c.handler.text(t)+": use a struct, or json.RawMessage and decode it later")
	}
}

// visitStruct checks the fields of a struct as encoding/json sees them: with
// the fields of embedded structs among them, and without those that clash.
func (c *payloadCheck) visitStruct(t types.Type, u *types.Struct, at place) {
	all := fieldsOf(t, u, c.pkg.types)
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
		once := fieldProblem{at.field, string(codePayloadUnexported)} // in one direction or both
		if c.problems++; !c.reported[once] {
			c.reported[once] = at.field != nil
			c.report(codePayloadUnexported, at, "no field of "+c.handler.text(t)+" is exported, so that "+consequence+": "+remedy)
		}
	}
	where := func(f jsonField) place {
		inner := place{at.path + "." + f.path, at.field, f.local == f.field, at.addressable || f.pointer}
		if f.local != nil {
			inner.field = f.local
		}
		return inner
	}
	for _, f := range all.own {
		c.checkTag(f, where(f))
	}
	for _, f := range all.tagged {
		c.report(codePayloadUnexported, where(f), "encoding/json drops a field that is not exported, whatever its tag: begin its name with a capital, or remove the tag")
	}
	for _, f := range all.dropped {
		c.checkDropped(f, where(f))
	}
	for _, f := range all.flattened {
		c.checkFlattened(f, where(f))
	}
	for _, f := range all.repeated {
		inner, s, _ := embeddedStruct(f.field)
		if len(fieldsOf(inner, s, c.pkg.types).fields) > 0 {
			c.report(codePayloadNames, where(f), "encoding/json drops the fields of this struct, for the one around it is embedded twice: give one of those a name with a json tag")
		}
	}
	for _, same := range all.byName() {
		winner, name := same.winner, same.winner.name
		if len(same.equal) > 0 {
			var others []string
			for _, f := range same.equal {
				others = append(others, at.path+"."+f.path)
			}
			all := "both"
			if len(others) > 1 {
				all = "all"
			}
			c.report(codePayloadNames, where(winner), "encoding/json drops this field and "+strings.Join(others, " and ")+", for "+all+" are called "+name+": give each a name of its own with a json tag")
			continue
		}
		for _, f := range same.beaten {
			switch {
			case f.depth == winner.depth:
				c.report(codePayloadNames, where(f), "encoding/json drops this field, for "+at.path+"."+winner.path+" is called "+name+" by its tag: give one of them another name with a json tag")
			case f.local == f.field && f.field.Name() != winner.field.Name():
				// Of one name in Go as well, the one that is less deep is meant to
				// hide the other. So is what hides a field of another package.
				c.report(codePayloadNames, where(f), "encoding/json drops this field, for "+at.path+"."+winner.path+" is called "+name+" as well and is less deep: give one of them another name with a json tag")
			}
		}
		if winner.unsettable != nil && c.decoding {
			c.report(codePayloadEmbeddedPointer, where(*winner.unsettable), "encoding/json cannot decode into an embedded pointer to an unexported struct: embed the struct itself")
		}
		if winner.local == winner.field {
			c.visitField(winner.field.Type(), where(winner))
		} else {
			c.visit(winner.field.Type(), where(winner))
		}
	}
}

// checkDropped reports an embedded field that encoding/json does not see, unless
// it had no JSON anyway.
func (c *payloadCheck) checkDropped(f jsonField, at place) {
	if f.local != f.field {
		return
	}
	t := f.field.Type()
	if isError(t) {
		c.report(codePayloadError, at, "encoding/json drops an embedded error: use a field of type string that has a name")
		return
	}
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	switch t.Underlying().(type) {
	case *types.Interface, *types.Signature, *types.Chan:
	default:
		c.report(codePayloadUnexported, at, "encoding/json drops an embedded field whose type is not exported and no struct: give the field a name that begins with a capital, or leave it out with the tag json:\"-\"")
	}
}

// checkFlattened reports an embedded struct with methods for its JSON that are
// not promoted, because others are in their way.
func (c *payloadCheck) checkFlattened(f jsonField, at place) {
	for _, name := range c.methodNames() {
		if index := method(f.field.Type(), true, name); len(index) == 1 {
			c.report(codePayloadPromoted, at, "encoding/json does not call "+name+" of the embedded "+c.handler.text(f.field.Type())+", which is not the only one here: give the field a name with a json tag")
			return
		}
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

// isKey reports whether encoding/json takes a type for the key of a map.
func (c *payloadCheck) isKey(t types.Type) bool {
	if basic, ok := t.Underlying().(*types.Basic); ok && basic.Info()&(types.IsString|types.IsInteger) != 0 {
		return true
	}
	if !c.decoding {
		return method(t, false, "MarshalText") != nil
	}
	switch t.Underlying().(type) {
	case *types.Pointer, *types.Interface:
		return false // encoding/json looks for the method of a pointer to it
	}
	return method(t, true, "UnmarshalText") != nil
}

// methodNames are those of the methods that make or read JSON, the more
// important one first.
func (c *payloadCheck) methodNames() []string {
	if c.decoding {
		return []string{"UnmarshalJSON", "UnmarshalText"}
	}
	return []string{"MarshalJSON", "MarshalText"}
}

// speaksForItself reports whether a type has methods that make its JSON. Those
// that are out of encoding/json's reach, or that make more than is theirs, are
// reported.
func (c *payloadCheck) speaksForItself(t types.Type, at place) bool {
	names := c.methodNames()
	if c.decoding && types.IsInterface(t) {
		return false
	}
	for _, name := range names {
		c.checkMethod(t, name)
	}
	for _, name := range names {
		if index := method(t, at.addressable, name); index != nil {
			c.visitPromoted(t, index, name, at)
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
// embedded field, if that loses other fields, or if the field is nil when the
// method is called. The index is that of the method.
func (c *payloadCheck) visitPromoted(t types.Type, index []int, name string, at place) {
	for ; len(index) > 1; index = index[1:] {
		if p, ok := t.Underlying().(*types.Pointer); ok {
			t = p.Elem()
		}
		u, ok := t.Underlying().(*types.Struct)
		if !ok {
			return // an interface
		}
		embedded := u.Field(index[0])
		if embedded.Pkg() == c.pkg.types {
			at.field = embedded
		}
		at.path += "." + embedded.Name()
		for _, f := range fieldsOf(t, u, c.pkg.types).fields {
			if first, _, _ := strings.Cut(f.path, "."); first != embedded.Name() {
				c.report(codePayloadPromoted, at, "the embedded "+c.handler.text(embedded.Type())+" makes the JSON of the whole struct, without "+f.path+": give the field a name, not only a tag")
				return
			}
		}
		t = embedded.Type()
		switch t.Underlying().(type) {
		case *types.Pointer, *types.Interface:
			if c.decoding {
				c.report(codePayloadEmbeddedPointer, at, "encoding/json calls "+name+" of the embedded "+c.handler.text(t)+" while that is nil: give the field a name, not only a tag")
				return
			}
		}
	}
}

// method returns the index of a type's method that makes or reads JSON, or of
// another that it is named after, as of [types.LookupFieldOrMethod]. It is nil
// when there is none, or one of another signature.
func method(t types.Type, addressable bool, name string) []int {
	obj, index, _ := types.LookupFieldOrMethod(t, addressable, nil, name)
	fn, ok := obj.(*types.Func)
	if !ok || !hasSignature(fn) {
		return nil
	}
	return index
}

// signatures are those that the methods have to have.
var signatures = func() map[string]*types.Signature {
	text, failed := types.NewSlice(types.Universe.Lookup("byte").Type()), types.Universe.Lookup("error").Type()
	signature := func(params *types.Tuple, results ...types.Type) *types.Signature {
		var list []*types.Var
		for _, t := range results {
			list = append(list, types.NewParam(token.NoPos, nil, "", t))
		}
		return types.NewSignatureType(nil, nil, nil, params, types.NewTuple(list...), false)
	}
	marshal := signature(nil, text, failed)
	unmarshal := signature(types.NewTuple(types.NewParam(token.NoPos, nil, "", text)), failed)
	return map[string]*types.Signature{
		"MarshalJSON": marshal, "UnmarshalJSON": unmarshal,
		"MarshalText": marshal, "UnmarshalText": unmarshal,
		"Error": signature(nil, types.Typ[types.String]), "IsZero": signature(nil, types.Typ[types.Bool]),
	}
}()

func hasSignature(fn *types.Func) bool {
	return types.Identical(fn.Signature(), signatures[fn.Name()])
}

// checkMethod reports a method of this package that encoding/json does not call,
// or that it calls in vain.
func (c *payloadCheck) checkMethod(t types.Type, name string) {
	obj, _, _ := types.LookupFieldOrMethod(t, true, nil, name)
	fn, ok := obj.(*types.Func)
	if !ok || fn.Pkg() != c.pkg.types {
		return
	}
	recv := fn.Signature().Recv().Type()
	if p, ok := types.Unalias(recv).(*types.Pointer); ok {
		recv = p.Elem()
	} else if s, ok := recv.Underlying().(*types.Struct); c.decoding && !types.IsInterface(recv) && !(ok && s.NumFields() == 0) && hasSignature(fn) {
		c.reportMethod(fn, "%s of %s decodes into a copy, which is lost: give it a pointer as its receiver, *%[2]s", name, c.handler.text(recv))
	}
	if !hasSignature(fn) {
		c.reportMethod(fn, "encoding/json does not call %s of %s, for it is no %s: change its signature, or its name", name, c.handler.text(recv), c.handler.text(signatures[name]))
	}
}

func (c *payloadCheck) reportMethod(fn *types.Func, format string, args ...any) {
	c.problems++
	c.diagnostics.add(codePayloadMethod, nameOf(fn), format, args...).
		relate(c.handler.decl.Name, "the %s %s %s", c.handler.kind, c.handler.title(), c.use)
}

// checkReadBack reports a type in the state of a session that makes JSON which
// the same type does not read.
func (c *payloadCheck) checkReadBack(t types.Type, at place) {
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	if types.IsInterface(t) {
		return
	}
	has := func(name string) bool { return method(t, true, name) != nil }
	reads := has("UnmarshalJSON") || has("UnmarshalText")
	switch writes := has("MarshalJSON") || has("MarshalText"); {
	case writes && !reads:
		basic, _ := t.Underlying().(*types.Basic)
		if text := !has("MarshalJSON"); text && (basic == nil || basic.Info()&types.IsString == 0) {
			c.report(codePayloadReadBack, at, "MarshalText of "+c.handler.text(t)+" saves a text that encoding/json cannot read back: give the type the method UnmarshalText")
			return
		}
		// The method may well only add to what is read, so this is a warning.
		name := "MarshalText"
		if has("MarshalJSON") {
			name = "MarshalJSON"
		}
		c.warn(codePayloadReadBack, at, "what "+name+" of "+c.handler.text(t)+" saves is read as if it had no such method: give the type the method Un"+strings.ToLower(name[:1])+name[1:])
	case reads && !writes && !has("UnmarshalJSON"):
		// One that only reads JSON tends to do so to accept more of it.
		if basic, ok := t.Underlying().(*types.Basic); !ok || basic.Info()&types.IsString == 0 {
			c.report(codePayloadReadBack, at, "UnmarshalText of "+c.handler.text(t)+" reads text, and what is saved is none: give the type the method MarshalText")
		}
	}
}

// checkKeyReadBack reports a type of keys that are saved in one way and read in
// another. A string is saved as it is, whatever its methods.
func (c *payloadCheck) checkKeyReadBack(t types.Type, at place) {
	basic, ok := t.Underlying().(*types.Basic)
	if !ok || basic.Info()&(types.IsInteger|types.IsString) == 0 {
		return // others need both methods
	}
	if basic.Info()&types.IsString != 0 {
		if method(t, true, "UnmarshalText") != nil {
			c.report(codePayloadReadBack, at, "keys of type "+c.handler.text(t)+" are saved as they are, for they are strings, and read with UnmarshalText: use string for the keys")
		}
		return
	}
	if writes, reads := method(t, false, "MarshalText") != nil, method(t, true, "UnmarshalText") != nil; writes != reads {
		c.report(codePayloadReadBack, at, "keys of type "+c.handler.text(t)+" are saved with a method and read without, or the reverse: give the type both MarshalText and UnmarshalText")
	}
}
