package gen

import (
	"go/types"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// jsonField is a field of a struct or of one that is embedded in it.
type jsonField struct {
	name    string // in JSON
	tagged  bool   // the name is from its tag
	tag     string // the whole of it
	depth   int
	path    string     // in Go, without the struct's own name
	field   *types.Var // what is encoded
	local   *types.Var // the innermost field of the path in this package's source, nil for none
	pointer bool       // there is one on the path
	// unsettable is the embedded pointer on the path that encoding/json cannot
	// set, nil for none.
	unsettable *jsonField
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

// jsonFields are the fields of one struct as encoding/json finds them, which
// follows the same rules in both directions.
type jsonFields struct {
	fields []jsonField // those that clash among them
	hidden bool        // there are unexported fields

	// Fields that deserve a look. Those of a struct that is embedded twice are
	// there twice.
	own       []jsonField // with a place in this package, and visible but for the rest
	tagged    []jsonField // unexported and with a tag
	dropped   []jsonField // embedded, unexported and no struct
	repeated  []jsonField // embedded structs that are passed over, because what they are in is embedded twice
	flattened []jsonField // embedded structs whose fields take their place
}

// fieldsOf finds the fields of a struct, breadth first, as encoding/json does.
// It looks into each embedded type once, so that types that embed each other
// often are no burden.
func fieldsOf(t types.Type, u *types.Struct, local *types.Package) *jsonFields {
	type embedded struct {
		t     types.Type
		u     *types.Struct
		field *jsonField // nil for the struct itself
		again bool       // it is embedded a second time at the same depth
	}
	all := new(jsonFields)
	seen := make(map[types.Type]int) // the least depth of each type
	level := []embedded{{t: types.Unalias(t), u: u}}
	for depth := 0; len(level) > 0; depth++ {
		var next []embedded
		count := make(map[types.Type]int)
		for _, outer := range level {
			if least, ok := seen[outer.t]; ok && least < depth {
				continue
			}
			seen[outer.t] = depth
			for i := range outer.u.NumFields() {
				f := jsonField{field: outer.u.Field(i), tag: outer.u.Tag(i), depth: depth}
				value, hasTag := reflect.StructTag(f.tag).Lookup("json")
				if value == "-" {
					continue
				}
				if f.name, _, _ = strings.Cut(value, ","); !isJSONName(f.name) {
					f.name = ""
				}
				f.tagged = f.name != ""
				f.path = f.field.Name()
				if f.field.Pkg() == local {
					f.local = f.field
				}
				if outer.field != nil {
					f.path = outer.field.path + "." + f.path
					f.pointer = outer.field.pointer
					f.unsettable = outer.field.unsettable
					if f.local == nil {
						f.local = outer.field.local
					}
				}
				inner, s, isPointer := embeddedStruct(f.field)
				if s == nil && !f.field.Exported() {
					switch {
					case f.field.Name() == "_":
						continue
					case f.field.Embedded():
						all.dropped = append(all.dropped, f)
					case hasTag && f.local == f.field:
						all.tagged = append(all.tagged, f)
					}
					all.hidden = true
					continue
				}
				if f.local == f.field {
					all.own = append(all.own, f)
				}
				if s == nil || f.tagged {
					if f.name == "" {
						f.name = f.field.Name()
					}
					if s != nil && isPointer && !f.field.Exported() {
						f.unsettable = &f
					}
					all.fields = append(all.fields, f)
					continue
				}
				all.flattened = append(all.flattened, f)
				f.pointer = f.pointer || isPointer
				if isPointer && !f.field.Exported() {
					f.unsettable = &f
				}
				if outer.again {
					all.repeated = append(all.repeated, f)
					continue
				}
				// More than two make no difference.
				if count[inner]++; count[inner] <= 2 {
					next = append(next, embedded{inner, s, &f, count[inner] == 2})
				}
			}
		}
		level = next
	}
	return all
}

// embeddedStruct returns the struct that a field embeds, directly or as a
// pointer, or nil.
func embeddedStruct(v *types.Var) (t types.Type, u *types.Struct, isPointer bool) {
	if !v.Embedded() {
		return nil, nil, false
	}
	t = types.Unalias(v.Type())
	if p, ok := t.(*types.Pointer); ok {
		t, isPointer = types.Unalias(p.Elem()), true
	}
	u, _ = t.Underlying().(*types.Struct)
	return t, u, isPointer
}

// isJSONName reports whether encoding/json takes a name from a tag.
func isJSONName(name string) bool {
	for _, r := range name {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return false
		}
	}
	return name != ""
}

// namesakes are the fields of one name.
type namesakes struct {
	winner jsonField
	equal  []jsonField // those that no rule puts behind it, so that all are dropped
	beaten []jsonField
}

// byName groups the fields, in the order of their first.
func (all *jsonFields) byName() []namesakes {
	groups := make(map[string][]jsonField)
	var order []string
	for _, f := range all.fields {
		if groups[f.name] == nil {
			order = append(order, f.name)
		}
		groups[f.name] = append(groups[f.name], f)
	}
	var list []namesakes
	for _, name := range order {
		group := groups[name]
		slices.SortStableFunc(group, func(a, b jsonField) int { return a.rank() - b.rank() })
		n := namesakes{winner: group[0]}
		for _, f := range group[1:] {
			if f.rank() == n.winner.rank() {
				n.equal = append(n.equal, f)
			} else {
				n.beaten = append(n.beaten, f)
			}
		}
		list = append(list, n)
	}
	return list
}
