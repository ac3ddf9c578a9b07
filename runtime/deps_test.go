package runtime_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/internal/testmodule"
)

// A program that imports only this package links none of what other packages of
// the module are for, and an agent imports only this package.
func TestDependencies(t *testing.T) {
	unwanted := []string{
		"github.com/aws/", "golang.org/x/tools/", "golang.org/x/mod/", "github.com/dave/jennifer/", "go/types/", "testing/",
		"github.com/agentcore-go/agentcore/gen/",
	}
	for _, dep := range dependencies(t, append(exampleAgents(t), "./runtime")...) {
		for _, prefix := range unwanted {
			if strings.HasPrefix(dep+"/", prefix) || strings.Contains(dep, "redis") {
				t.Errorf("the package links %s", dep)
				break
			}
		}
	}
	links := func(dep string) bool { return strings.HasPrefix(dep, "github.com/aws/") }
	for _, pattern := range []string{"./runtime/configbundle", "./examples/caller"} {
		if deps := dependencies(t, pattern); !slices.ContainsFunc(deps, links) {
			t.Errorf("%s links no AWS SDK, so that this test proves nothing: %q", pattern, deps)
		}
	}
}

// exampleAgents returns the examples that are agents: those with a client.
func exampleAgents(t *testing.T) (patterns []string) {
	t.Helper()
	clients, err := filepath.Glob(filepath.Join(testmodule.Root(), "examples", "*", "*client"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range clients {
		patterns = append(patterns, "./examples/"+filepath.Base(filepath.Dir(dir)))
	}
	if len(patterns) < 6 {
		t.Fatalf("the examples with clients are %q", patterns)
	}
	return patterns
}

// dependencies returns the paths of all packages that packages are linked with.
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
		t.Fatalf("go list -deps %s says only %q", patterns, deps)
	}
	return deps
}
