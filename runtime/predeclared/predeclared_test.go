package predeclared_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"
)

// TestAllTypes compares the package with the predeclared types that a value can
// have.
func TestAllTypes(t *testing.T) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "predeclared.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := new(types.Config).Check("predeclared", fset, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := 1 // NoError
	for _, name := range types.Universe.Names() {
		obj, ok := types.Universe.Lookup(name).(*types.TypeName)
		if !ok || name == "comparable" {
			continue
		}
		want++
		alias := strings.ToUpper(name[:1]) + name[1:]
		if got := pkg.Scope().Lookup(alias); got == nil || !types.Identical(got.Type(), obj.Type()) {
			t.Errorf("%s is %v, want an alias of %s", alias, got, name)
		}
	}
	if got := pkg.Scope().Len(); got != want {
		t.Errorf("the package declares %d names, want %d", got, want)
	}
}
