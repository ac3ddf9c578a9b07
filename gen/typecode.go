package gen

import (
	"fmt"
	"go/types"
	"strconv"
	"strings"

	"github.com/dave/jennifer/jen"
)

// typeCode writes a type. Packages are called as the file imports them.
func (e *emitter) typeCode(t types.Type) *jen.Statement {
	switch t := t.(type) {
	case *types.Basic:
		if t.Kind() == types.UnsafePointer {
			return e.qual("unsafe", "Pointer")
		}
		return e.predeclared(t.Name())
	case *types.Alias:
		return e.objectCode(t.Obj(), t.TypeArgs())
	case *types.Named:
		return e.objectCode(t.Obj(), t.TypeArgs())
	case *types.Pointer:
		return jen.Op("*").Add(e.typeCode(t.Elem()))
	case *types.Slice:
		return jen.Index().Add(e.typeCode(t.Elem()))
	case *types.Array:
		return jen.Index(jen.Lit(int(t.Len()))).Add(e.typeCode(t.Elem()))
	case *types.Map:
		return jen.Map(e.typeCode(t.Key())).Add(e.typeCode(t.Elem()))
	case *types.Chan:
		switch t.Dir() {
		case types.SendOnly:
			return jen.Chan().Op("<-").Add(e.typeCode(t.Elem()))
		case types.RecvOnly:
			return jen.Op("<-").Chan().Add(e.typeCode(t.Elem()))
		}
		return jen.Chan().Parens(e.typeCode(t.Elem()))
	case *types.Struct:
		var fields []jen.Code
		for i := range t.NumFields() {
			fields = append(fields, e.fieldCode(t.Field(i), t.Tag(i))...)
		}
		return jen.Struct(fields...)
	case *types.Signature:
		return jen.Func().Add(e.signatureCode(t))
	case *types.Interface:
		return e.interfaceCode(t)
	case *types.TypeParam:
		return jen.Id(e.params[t])
	case *types.Union:
		return e.unionCode(t)
	}
	panic(fmt.Sprintf("gen: a handler has the type %s, which analyze must have refused", t))
}

// predeclared writes a predeclared type. Where the package has something else of
// that name, the type comes from a package that gives it another.
func (e *emitter) predeclared(name string) *jen.Statement {
	if e.shadowed[name] {
		return e.qual(predeclaredPath, strings.ToUpper(name[:1])+name[1:])
	}
	return jen.Id(name)
}

func (e *emitter) objectCode(obj *types.TypeName, args *types.TypeList) *jen.Statement {
	var code *jen.Statement
	if obj.Pkg() == nil {
		code = e.predeclared(obj.Name())
	} else {
		code = e.qual(obj.Pkg().Path(), obj.Name())
	}
	if args.Len() == 0 {
		return code
	}
	var list []jen.Code
	for arg := range args.Types() {
		list = append(list, e.typeCode(arg))
	}
	return code.Types(list...)
}

// fieldCode writes a field, below its doc comment.
func (e *emitter) fieldCode(field *types.Var, tag string) []jen.Code {
	code := e.typeCode(field.Type())
	if !field.Embedded() {
		code = jen.Id(field.Name()).Add(code)
	}
	if tag != "" {
		code = code.Op(quote(tag))
	}
	return e.docs[field].around(code)
}

// quote writes a struct tag as people do.
func quote(tag string) string {
	if strconv.CanBackquote(tag) {
		return "`" + tag + "`"
	}
	return strconv.Quote(tag)
}

func (e *emitter) signatureCode(t *types.Signature) *jen.Statement {
	list := func(tuple *types.Tuple, variadic bool) []jen.Code {
		var codes []jen.Code
		for i := range tuple.Len() {
			param := tuple.At(i).Type()
			if slice, ok := param.(*types.Slice); ok && variadic && i == tuple.Len()-1 {
				codes = append(codes, jen.Op("...").Add(e.typeCode(slice.Elem())))
				continue
			}
			codes = append(codes, e.typeCode(param))
		}
		return codes
	}
	return jen.Params(list(t.Params(), t.Variadic())...).Params(list(t.Results(), false)...)
}

func (e *emitter) interfaceCode(t *types.Interface) *jen.Statement {
	var members []jen.Code
	for method := range t.ExplicitMethods() {
		members = append(members, jen.Id(method.Name()).Add(e.signatureCode(method.Signature())))
	}
	for embedded := range t.EmbeddedTypes() {
		members = append(members, e.typeCode(embedded))
	}
	return jen.Interface(members...)
}

func (e *emitter) unionCode(t *types.Union) *jen.Statement {
	code := jen.Null()
	for i := range t.Len() {
		if i > 0 {
			code.Op("|")
		}
		if t.Term(i).Tilde() {
			code.Op("~")
		}
		code.Add(e.typeCode(t.Term(i).Type()))
	}
	return code
}

// parametersCode writes the type parameters of a declaration, if there are any.
func (e *emitter) parametersCode(params *types.TypeParamList) *jen.Statement {
	if params.Len() == 0 {
		return jen.Null()
	}
	var list []jen.Code
	for param := range params.TypeParams() {
		constraint := e.typeCode(param.Constraint())
		if i, ok := param.Constraint().(*types.Interface); ok && i.IsImplicit() {
			constraint = e.typeCode(i.EmbeddedType(0))
		}
		list = append(list, jen.Id(e.params[param]).Add(constraint))
	}
	return jen.Types(list...)
}
