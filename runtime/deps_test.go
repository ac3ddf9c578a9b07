package runtime_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/internal/testmodule"
)

// A program that imports only this package links none of what other packages of
// the module are for.
func TestDependencies(t *testing.T) {
	unwanted := []string{
		"github.com/aws/", "golang.org/x/tools/", "golang.org/x/mod/", "github.com/dave/jennifer/", "go/types/", "testing/",
		"github.com/agentcore-go/agentcore/gen/",
	}
	for _, dep := range dependencies(t, "./runtime") {
		for _, prefix := range unwanted {
			if strings.HasPrefix(dep+"/", prefix) || strings.Contains(dep, "redis") {
				t.Errorf("the package links %s", dep)
				break
			}
		}
	}
	links := func(dep string) bool { return strings.HasPrefix(dep, "github.com/aws/") }
	if deps := dependencies(t, "./runtime/configbundle"); !slices.ContainsFunc(deps, links) {
		t.Errorf("the package configbundle links no AWS SDK, so that this test proves nothing: %q", deps)
	}
}

// dependencies returns the paths of all packages that a package is linked with.
func dependencies(t *testing.T, pattern string) []string {
	t.Helper()
	list := exec.Command("go", "list", "-deps", pattern)
	list.Dir = testmodule.Root()
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 20 {
		t.Fatalf("go list -deps %s says only %q", pattern, deps)
	}
	return deps
}
