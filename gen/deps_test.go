package gen_test

import (
	"os/exec"
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
