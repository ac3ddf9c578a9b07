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
	list := exec.Command("go", "list", "-deps", "./runtime", "./examples/hello")
	list.Dir = testmodule.Root()
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 20 {
		t.Fatalf("go list -deps says only %q", deps)
	}
	for _, dep := range deps {
		for _, unwanted := range []string{
			"go/types", "golang.org/x/tools/", "github.com/dave/jennifer/", "github.com/aws/",
			"github.com/agentcore-go/agentcore/gen", "testing",
		} {
			if dep == strings.TrimSuffix(unwanted, "/") || strings.HasPrefix(dep, unwanted) && strings.HasSuffix(unwanted, "/") {
				t.Errorf("an agent links %s", dep)
			}
		}
	}
}

// TestGeneratorDependencies keeps the generator quick to compile: it knows of the
// package client, and does not link it.
func TestGeneratorDependencies(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "./cmd/agentcore-gen")
	list.Dir = testmodule.Root()
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	if text := string(out); strings.Contains(text, "github.com/aws/") || !strings.Contains(text, "github.com/agentcore-go/agentcore/gen\n") {
		t.Errorf("the generator links\n%s", text)
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
