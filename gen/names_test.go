package gen

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"math/rand/v2"
	"testing"

	"golang.org/x/tools/go/packages"
)

// imports are packages by path.
type imports map[string]*types.Package

func (i imports) Import(path string) (*types.Package, error) {
	if pkg := i[path]; pkg != nil {
		return pkg, nil
	}
	return nil, fmt.Errorf("no package %s here", path)
}

// TestStableAliases removes handlers, one after another, from files that import
// packages of few names: what the others call their packages stays as it is.
func TestStableAliases(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		known := make(imports)
		var paths []string
		for _, dir := range []string{"a", "b", "x/a", "y/a", "v2", "2"} {
			for _, name := range []string{"model", "ctx", "runtime", "http", "string", "amodel"} {
				path := "example.com/" + dir + "/" + name
				pkg := types.NewPackage(path, name)
				obj := types.NewTypeName(token.NoPos, pkg, "T", nil)
				types.NewNamed(obj, types.Typ[types.String], nil)
				pkg.Scope().Insert(obj)
				pkg.MarkComplete()
				known[path] = pkg
				paths = append(paths, path)
			}
		}
		random.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
		fset := token.NewFileSet()
		var files []*ast.File
		said := make(map[string]map[string]bool) // paths, by the name in a file
		for i := range 2 + random.IntN(10) {
			name, alias := known[paths[i]].Name(), ""
			switch random.IntN(4) {
			case 0:
				alias = []string{"model", "m", "bmodel"}[random.IntN(3)]
				name = alias
			case 1:
				alias = "_"
			}
			if alias != "_" {
				if said[name] == nil {
					said[name] = make(map[string]bool)
				}
				said[name][paths[i]] = true
			}
			text := fmt.Sprintf("package agent\n\nimport %s %q\n", alias, paths[i])
			file, err := parser.ParseFile(fset, fmt.Sprintf("%d.go", i), text, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		info := &types.Info{Defs: make(map[*ast.Ident]types.Object), Implicits: make(map[ast.Node]types.Object)}
		checker := types.Config{Importer: known, Error: func(error) {}} // nothing is used
		checked, _ := checker.Check("example.com/agent", fset, files, info)
		pkg := &loadedPackage{fset: fset, files: files, types: checked, info: info, graph: new(packages.Package)}

		var handlers []*handler
		for _, path := range paths[:len(files)] {
			handlers = append(handlers, &handler{in: known[path].Scope().Lookup("T").Type()})
		}
		plan := func() map[string]string {
			aliases, taken := make(map[string]string), make(map[string]bool)
			for _, i := range (&planner{taken: make(map[string]bool)}).serverImports(pkg, &agent{pkg: checked, handlers: handlers}) {
				if taken[i.alias] {
					t.Errorf("seed %d: two packages are called %s", seed, i.alias)
				}
				aliases[i.path], taken[i.alias] = i.alias, true
			}
			return aliases
		}
		all := plan()
		for name, paths := range said {
			for path := range paths {
				if free := (&planner{}).free(name); len(paths) == 1 && free && name != "runtime" && name != "http" && all[path] != name {
					t.Errorf("seed %d: %s is %s, and all files call it %s", seed, path, all[path], name)
				}
			}
		}
		for len(handlers) > 0 {
			i := random.IntN(len(handlers))
			handlers = append(handlers[:i:i], handlers[i+1:]...)
			fewer := plan()
			if want := 4 + len(handlers); len(fewer) != want {
				t.Errorf("seed %d: %d packages are imported, want %d", seed, len(fewer), want)
			}
			for path, alias := range fewer {
				if alias != all[path] {
					t.Errorf("seed %d: without a handler, %s is called %s and not %s", seed, path, alias, all[path])
				}
			}
		}
	}
}

func TestPredeclaredIsNotFree(t *testing.T) {
	for _, name := range append(types.Universe.Names(), "_", "init", "func", "err") {
		if new(planner).free(name) {
			t.Errorf("%s is free", name)
		}
	}
}
