package gen_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/internal/testmodule"
)

// TestAgentDependencies keeps an agent's binary small: what the generator is
// made of, and the AWS SDK, are not linked into it.
func TestAgentDependencies(t *testing.T) {
	unwanted(t, dependencies(t, "./runtime", "./examples/hello"),
		"go/types", "golang.org/x/tools/", "github.com/dave/jennifer/", "github.com/aws/",
		"github.com/agentcore-go/agentcore/gen", "testing")
}

// TestGeneratorDependencies keeps the generator quick to build: go run does that
// on every machine.
func TestGeneratorDependencies(t *testing.T) {
	unwanted(t, dependencies(t, "./cmd/agentcore-gen"), "github.com/aws/", "github.com/agentcore-go/agentcore/client")
}

// dependencies returns the paths of all that packages are linked with.
func dependencies(t *testing.T, patterns ...string) []string {
	t.Helper()
	list := exec.Command("go", append([]string{"list", "-deps"}, patterns...)...)
	list.Dir = testmodule.Root()
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 20 {
		t.Fatalf("go list -deps says only %q", deps)
	}
	return deps
}

// unwanted reports packages that are linked and should not be. What ends with a
// slash stands for all below it.
func unwanted(t *testing.T, deps []string, paths ...string) {
	t.Helper()
	for _, dep := range deps {
		for _, path := range paths {
			if dep == strings.TrimSuffix(path, "/") || strings.HasSuffix(path, "/") && strings.HasPrefix(dep, path) {
				t.Errorf("%s is linked", dep)
			}
		}
	}
}

// TestNoReflection keeps the generator to what types say: of package reflect it
// uses the reader of struct tags alone.
func TestNoReflection(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(testmodule.Root(), "gen", "*.go"))
	if err != nil || len(paths) < 10 {
		t.Fatalf("%q, %v", paths, err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			if spec.Path.Value == `"unsafe"` || spec.Path.Value == `"reflect"` && spec.Name != nil {
				t.Errorf("%s imports %s", filepath.Base(path), spec.Path.Value)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "reflect" && s.Sel.Name != "StructTag" {
					t.Errorf("%s uses reflect.%s", filepath.Base(path), s.Sel.Name)
				}
			}
			return true
		})
	}
}
