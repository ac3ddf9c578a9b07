package gen

import (
	"cmp"
	"go/types"
	"reflect"
	"slices"
	"strings"
)

// verify reports what keeps a copy from having the JSON of its original.
func (c *copier) verify() {
	for _, e := range c.copies {
		if !types.IsInterface(e.origin) {
			c.verifyMethods(e.origin, e.named, e)
		}
	}
	for _, pair := range c.structs {
		if !c.incomplete { // that is reason enough for others, and has been reported
			c.verifyFields(pair)
		}
	}
	for _, pair := range c.instances {
		c.verifyInstance(pair)
	}
	seen := make(map[types.Type]bool)
	for _, p := range c.payloads {
		c.verifyOmitZero(p.typePair, seen)
	}
}

// jsonMethods are those that encoding/json calls.
var jsonMethods = []string{"MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText"}

// verifyMethods reports a method for the JSON of a type that its copy has not, or
// the reverse. One is enough: they come together.
func (c *copier) verifyMethods(original, copied types.Type, e *copied) {
	for _, name := range jsonMethods {
		for _, addressable := range []bool{true, false} {
			had, has := method(original, addressable, name) != nil, method(copied, addressable, name) != nil
			if had == has {
				continue
			}
			if has {
				c.report(e.need, "a copy of %s for the client would have its JSON from %s of what it embeds: give the embedded field a name%s", e.origin.Obj().Name(), name, orOff)
				return
			}
			what := "makes its JSON"
			if strings.HasPrefix(name, "Un") {
				what = "reads its JSON"
			}
			c.reportMethod(original, name, what, e.need, e.remedy)
			return
		}
	}
}

// reportMethod reports a method that a copy would need, where it is declared if
// its source is at hand.
func (c *copier) reportMethod(t types.Type, name, what string, at need, remedy string) {
	obj, _, _ := types.LookupFieldOrMethod(t, true, nil, name)
	fn := obj.(*types.Func)
	owner := ""
	if named := originOf(fn.Signature().Recv().Type()); named != nil {
		owner = named.Obj().Name()
		if e := c.byOrigin[named]; e != nil {
			remedy = e.remedy
		} else if own := c.keepsFrom(named.Obj()); own != "" {
			remedy = own
		}
	}
	if c.reported[fn] {
		return
	}
	c.reported[fn] = true
	const format = "%s of %s %s, and the client's copy of the type has no methods: %s%s"
	if fn.Pkg() != c.pkg.types {
		c.report(at, format, name, owner, what, remedy, orOff)
		return
	}
	c.diagnostics.add(codeClientType, nameOf(fn), format, name, owner, what, remedy, orOff).
		relate(at.handler.decl.Name, "the %s %s %s", at.handler.kind, at.handler.title(), at.use)
}

// verifyFields reports a struct whose copy has other fields in JSON. It can come
// to that where fields clash.
func (c *copier) verifyFields(pair structPair) {
	visible := func(s *types.Struct) (list []string) {
		for _, same := range fieldsOf(s, s, nil).byName() {
			if f := same.winner; len(same.equal) == 0 {
				_, options, _ := strings.Cut(reflect.StructTag(f.tag).Get("json"), ",")
				list = append(list, f.name+","+options)
			}
		}
		return list
	}
	if !slices.Equal(visible(pair.original), visible(pair.copy)) {
		c.report(pair.need, "a copy of this struct for the client would have other fields in JSON: give those that clash names with a json tag%s", orOff)
	}
}

// verifyOmitZero reports fields that are left out where a method says so, which
// the type of the copy has not. It goes from the payloads inwards, for only they
// tell what a type parameter stands for.
func (c *copier) verifyOmitZero(pair typePair, seen map[types.Type]bool) {
	original, copied := types.Unalias(pair.original), types.Unalias(pair.copy)
	if seen[original] {
		return
	}
	seen[original] = true
	inner := func(original, copied types.Type, at need) { c.verifyOmitZero(typePair{original, copied, at}, seen) }
	switch original := original.(type) {
	case *types.Named:
		inner(original.Underlying(), copied.Underlying(), pair.need)
	case *types.Pointer:
		inner(original.Elem(), copied.(*types.Pointer).Elem(), pair.need)
	case *types.Map:
		at := pair.need.element()
		inner(original.Key(), copied.(*types.Map).Key(), at)
		inner(original.Elem(), copied.(*types.Map).Elem(), at)
	case interface{ Elem() types.Type }: // slices and arrays
		inner(original.Elem(), copied.(interface{ Elem() types.Type }).Elem(), pair.need.element())
	case *types.Struct:
		counterparts := make(map[*types.Var]types.Type)
		for f := range copied.(*types.Struct).Fields() {
			counterparts[cmp.Or(c.originals[f.Origin()], f.Origin())] = f.Type()
		}
		for i := range original.NumFields() {
			f := original.Field(i)
			if counterpart := counterparts[f.Origin()]; counterpart != nil {
				at := pair.need.to(f, c.pkg.types)
				c.verifyZero(f, original.Tag(i), counterpart, at)
				inner(f.Type(), counterpart, at)
			}
		}
	}
}

func (c *copier) verifyZero(f *types.Var, tag string, counterpart types.Type, at need) {
	_, options, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
	if !slices.Contains(strings.Split(options, ","), "omitzero") ||
		method(f.Type(), true, "IsZero") == nil || method(counterpart, true, "IsZero") != nil {
		return
	}
	remedy := "use a type without that method"
	if e := c.byOrigin[originOf(f.Type())]; e != nil {
		remedy = e.remedy
	}
	if types.IsInterface(f.Type()) {
		c.report(at, "what has the method IsZero says whether omitzero leaves it out, and in the client it is any: %s%s", remedy, orOff)
		return
	}
	c.reportMethod(f.Type(), "IsZero", "says when omitzero leaves it out", at, remedy)
}

// verifyInstance reports type arguments that do not fit in the client.
func (c *copier) verifyInstance(pair instancePair) {
	if _, err := types.Instantiate(nil, pair.origin, pair.args, true); err == nil {
		return
	}
	remedy := "move what is copied to a package that can be imported"
	for arg := range pair.original.TypeArgs().Types() {
		if e := c.byOrigin[originOf(arg)]; e != nil {
			remedy = e.remedy
			break
		}
	}
	c.report(pair.need, "the client cannot have %s, for its copies of types have no methods: %s%s", pair.need.handler.text(pair.original), remedy, orOff)
}
