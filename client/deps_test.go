package client_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/internal/testmodule"
)

// A caller links nothing of servers, and an agent nothing of callers: what one of
// them needs does not make the other larger.
func TestDependencies(t *testing.T) {
	const module, aws = "github.com/agentcore-go/agentcore/", "github.com/aws/"
	for pattern, unwanted := range map[string][]string{
		"./client": {
			module + "runtime/", module + "gen/", "github.com/dave/jennifer/", "golang.org/x/tools/", "golang.org/x/mod/", "go/types/", "testing/",
			aws + "aws-sdk-go-v2/config/", aws + "aws-sdk-go-v2/service/",
		},
		"./examples/hello": {aws, module + "client/", module + "gen/"},
	} {
		for _, dep := range dependencies(t, pattern) {
			if slices.ContainsFunc(unwanted, func(prefix string) bool { return strings.HasPrefix(dep+"/", prefix) }) {
				t.Errorf("%s links %s", pattern, dep)
			}
		}
	}
	if deps := dependencies(t, "./client"); !slices.ContainsFunc(deps, func(dep string) bool { return strings.HasPrefix(dep, aws) }) {
		t.Errorf("the package links no AWS SDK, so that this test proves nothing: %q", deps)
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
