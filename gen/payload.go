package gen

import (
	"go/token"
	"go/types"
	"reflect"
	"slices"
	"strings"
)

// checkPayloads reports what encoding/json would drop from a payload, or refuse
// when a request arrives.
func checkPayloads(pkg *loadedPackage, agent *agent, diagnostics *diagnostics) {
	for _, h := range agent.handlers {
		if h.kind == task {
			continue // its payload never leaves the process
		}
		if h.in != nil && !plainMessage(h, h.in) {
			c := &payloadCheck{pkg: pkg, handler: h, diagnostics: diagnostics, decoding: true, seen: make(map[types.Type]bool)}
			c.visit(h.in, rootName(h.in), token.NoPos)
		}
		if h.out != nil && !plainMessage(h, h.out) {
			c := &payloadCheck{pkg: pkg, handler: h, diagnostics: diagnostics, seen: make(map[types.Type]bool)}
			c.visit(h.out, rootName(h.out), token.NoPos)
		}
	}
}

// plainMessage reports whether a WebSocket message travels without JSON.
func plainMessage(h *handler, t types.Type) bool {
	return h.kind == websocket &&
		(types.Identical(t, types.Typ[types.String]) || types.Identical(t, types.NewSlice(types.Typ[types.Byte])))
}

// rootName begins the path to a field.
func rootName(t types.Type) string {
	if named, ok := types.Unalias(t).(*types.Named); ok {
		return named.Obj().Name()
	}
	return "payload"
}

// payloadCheck walks one payload type, in one direction.
type payloadCheck struct {
	pkg         *loadedPackage
	handler     *handler
	diagnostics *diagnostics
	decoding    bool
	seen        map[types.Type]bool
}

// report reports the type at a path. The position is that of the field, if its
// source is at hand, and else that of the handler.
func (c *payloadCheck) report(field token.Pos, path, problem string) {
	verb := "sends"
	if c.decoding {
		verb = "receives"
	}
	if !field.IsValid() {
		c.diagnostics.add(c.handler.pos, "%s: %s", path, problem)
		return
	}
	c.diagnostics.add(c.pkg.position(field), "%s: %s", path, problem).
		relate(c.handler.pos, "the %s %s %s it", c.handler.kind, c.handler.title(), verb)
}

const (
	remedyField   = `change its type, or leave it out with the tag json:"-"`
	problemNoJSON = "JSON has no value for a "
)

// visit checks the type that stands at a path. The position is that of the
// innermost field in this package.
func (c *payloadCheck) visit(t types.Type, path string, field token.Pos) {
	if c.seen[t] || c.speaksForItself(t) {
		return
	}
	c.seen[t] = true
	switch u := t.Underlying().(type) {
	case *types.Basic:
		switch {
		case u.Info()&types.IsComplex != 0:
			c.report(field, path, problemNoJSON+"complex number: "+remedyField)
		case u.Kind() == types.UnsafePointer:
			c.report(field, path, problemNoJSON+"pointer as such: "+remedyField)
		}
	case *types.Chan:
		c.report(field, path, problemNoJSON+"channel: "+remedyField)
	case *types.Signature:
		c.report(field, path, problemNoJSON+"function: "+remedyField)
	case *types.Interface:
		c.visitInterface(t, u, path, field)
	case *types.Pointer:
		c.visit(u.Elem(), path, field)
	case *types.Slice:
		c.visit(u.Elem(), path+"[]", field)
	case *types.Array:
		c.visit(u.Elem(), path+"[]", field)
	case *types.Map:
		if !c.isKey(u.Key()) {
			c.report(field, path, "a key of a JSON object is text, and "+c.handler.text(u.Key())+" is none: use a string or an integer, or give the type the methods MarshalText and UnmarshalText")
		}
		c.visit(u.Elem(), path+"[]", field)
	case *types.Struct:
		c.visitStruct(t, u, path, field)
	}
}

func (c *payloadCheck) visitInterface(t types.Type, u *types.Interface, path string, field token.Pos) {
	switch {
	case isError(t):
		c.report(field, path, "an error turns into {} in JSON: use a string")
	case c.decoding && !u.Empty():
		c.report(field, path, "JSON does not say which type to decode into the interface "+c.handler.text(t)+": use a struct, or json.RawMessage and decode it later")
	}
}

// visitStruct checks the fields of a struct as encoding/json sees them: with
// the fields of embedded structs among them, and without those that clash.
func (c *payloadCheck) visitStruct(t types.Type, u *types.Struct, path string, field token.Pos) {
	var all []jsonField
	c.collect(u, nil, 0, make(map[types.Type]bool), &all)
	byName := make(map[string][]jsonField)
	var order []string
	for _, f := range all {
		if byName[f.name] == nil {
			order = append(order, f.name)
		}
		byName[f.name] = append(byName[f.name], f)
	}
	for _, name := range order {
		group := byName[name]
		slices.SortStableFunc(group, func(a, b jsonField) int { return a.rank() - b.rank() })
		winner := group[0]
		at := field
		if winner.local != nil {
			at = winner.local.Pos()
		}
		if len(group) > 1 && group[1].rank() == winner.rank() {
			c.report(at, path+"."+winner.path, "encoding/json drops both this field and "+path+"."+group[1].path+", for both are called "+name+": give one of them another name with a json tag")
			continue
		}
		if winner.unsettable && c.decoding {
			c.report(at, path+"."+winner.path, "encoding/json cannot decode into an embedded pointer to an unexported struct: embed the struct itself")
			continue
		}
		c.visit(winner.field.Type(), path+"."+winner.path, at)
	}
}

// jsonField is a field of a struct or of one that is embedded in it.
type jsonField struct {
	name       string // in JSON
	tagged     bool
	depth      int
	path       string     // in Go, without the struct's own name
	field      *types.Var // what is encoded
	local      *types.Var // the outermost field in this package's source, nil for none
	unsettable bool
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

// collect appends the fields of a struct. The outer field is the embedded one
// through which the struct was reached.
func (c *payloadCheck) collect(u *types.Struct, outer *jsonField, depth int, embedding map[types.Type]bool, all *[]jsonField) {
	for i := range u.NumFields() {
		v := u.Field(i)
		tag := reflect.StructTag(u.Tag(i)).Get("json")
		name, _, _ := strings.Cut(tag, ",")
		if tag == "-" {
			continue
		}
		f := jsonField{name: name, tagged: name != "", depth: depth, path: v.Name(), field: v}
		if v.Pkg() == c.pkg.types {
			f.local = v
		}
		if outer != nil {
			f.path = outer.path + "." + f.path
			f.unsettable = outer.unsettable
			if f.local == nil {
				f.local = outer.local
			}
		}
		if v.Embedded() {
			inner := v.Type()
			pointer, isPointer := inner.Underlying().(*types.Pointer)
			if isPointer {
				inner = pointer.Elem()
			}
			s, isStruct := inner.Underlying().(*types.Struct)
			if !v.Exported() && !isStruct {
				continue
			}
			if isStruct && name == "" && !c.speaksForItself(v.Type()) {
				f.unsettable = f.unsettable || isPointer && !v.Exported()
				if !embedding[inner] {
					embedding[inner] = true
					c.collect(s, &f, depth+1, embedding, all)
					delete(embedding, inner)
				}
				continue
			}
		} else if !v.Exported() {
			continue
		}
		if f.name == "" {
			f.name = v.Name()
		}
		*all = append(*all, f)
	}
}

// isKey reports whether encoding/json takes a type for the key of a map.
func (c *payloadCheck) isKey(t types.Type) bool {
	if basic, ok := t.Underlying().(*types.Basic); ok && basic.Info()&(types.IsString|types.IsInteger) != 0 {
		return true
	}
	if c.decoding {
		return hasMethod(t, "UnmarshalText")
	}
	return hasMethod(t, "MarshalText")
}

// speaksForItself reports whether a type has methods that make its JSON.
func (c *payloadCheck) speaksForItself(t types.Type) bool {
	if c.decoding {
		return hasMethod(t, "UnmarshalJSON") || hasMethod(t, "UnmarshalText")
	}
	return hasMethod(t, "MarshalJSON") || hasMethod(t, "MarshalText")
}

func hasMethod(t types.Type, name string) bool {
	obj, _, _ := types.LookupFieldOrMethod(t, true, nil, name)
	_, ok := obj.(*types.Func)
	return ok
}
