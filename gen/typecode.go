package gen

import (
	"fmt"
	"go/types"
	"strconv"

	"github.com/dave/jennifer/jen"
)

// typeCode writes a type. Packages are called as the emitter's file imports
// them.
func typeCode(t types.Type) *jen.Statement {
	switch t := t.(type) {
	case *types.Basic:
		if t.Kind() == types.UnsafePointer {
			return jen.Qual("unsafe", "Pointer")
		}
		return jen.Id(t.Name())
	case *types.Alias:
		return objectCode(t.Obj(), t.TypeArgs())
	case *types.Named:
		return objectCode(t.Obj(), t.TypeArgs())
	case *types.Pointer:
		return jen.Op("*").Add(typeCode(t.Elem()))
	case *types.Slice:
		return jen.Index().Add(typeCode(t.Elem()))
	case *types.Array:
		return jen.Index(jen.Lit(int(t.Len()))).Add(typeCode(t.Elem()))
	case *types.Map:
		return jen.Map(typeCode(t.Key())).Add(typeCode(t.Elem()))
	case *types.Chan:
		switch t.Dir() {
		case types.SendOnly:
			return jen.Chan().Op("<-").Add(typeCode(t.Elem()))
		case types.RecvOnly:
			return jen.Op("<-").Chan().Add(typeCode(t.Elem()))
		}
		return jen.Chan().Parens(typeCode(t.Elem()))
	case *types.Struct:
		var fields []jen.Code
		for i := range t.NumFields() {
			fields = append(fields, fieldCode(t.Field(i), t.Tag(i)))
		}
		return jen.Struct(fields...)
	case *types.Signature:
		return jen.Func().Add(signatureCode(t))
	case *types.Interface:
		return interfaceCode(t)
	}
	panic(fmt.Sprintf("gen: a handler has the type %s, which analyze must have refused", t))
}

func objectCode(obj *types.TypeName, args *types.TypeList) *jen.Statement {
	code := jen.Id(obj.Name())
	if obj.Pkg() != nil {
		code = jen.Qual(obj.Pkg().Path(), obj.Name())
	}
	if args.Len() == 0 {
		return code
	}
	var list []jen.Code
	for arg := range args.Types() {
		list = append(list, typeCode(arg))
	}
	return code.Types(list...)
}

func fieldCode(field *types.Var, tag string) jen.Code {
	code := typeCode(field.Type())
	if !field.Embedded() {
		code = jen.Id(field.Name()).Add(code)
	}
	if tag != "" {
		code = code.Op(quote(tag))
	}
	return code
}

// quote writes a struct tag as people do.
func quote(tag string) string {
	if strconv.CanBackquote(tag) {
		return "`" + tag + "`"
	}
	return strconv.Quote(tag)
}

func signatureCode(t *types.Signature) *jen.Statement {
	list := func(tuple *types.Tuple, variadic bool) []jen.Code {
		var codes []jen.Code
		for i := range tuple.Len() {
			param := tuple.At(i).Type()
			if slice, ok := param.(*types.Slice); ok && variadic && i == tuple.Len()-1 {
				codes = append(codes, jen.Op("...").Add(typeCode(slice.Elem())))
				continue
			}
			codes = append(codes, typeCode(param))
		}
		return codes
	}
	return jen.Params(list(t.Params(), t.Variadic())...).Params(list(t.Results(), false)...)
}

func interfaceCode(t *types.Interface) *jen.Statement {
	var members []jen.Code
	for method := range t.ExplicitMethods() {
		members = append(members, jen.Id(method.Name()).Add(signatureCode(method.Signature())))
	}
	for embedded := range t.EmbeddedTypes() {
		members = append(members, typeCode(embedded))
	}
	return jen.Interface(members...)
}
