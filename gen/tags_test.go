package gen_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/agentcore-go/agentcore/gen"
	"github.com/agentcore-go/agentcore/internal/testmodule"
)

// TestTags has an agent behind the tag cloud, which comes from the configuration
// or from the environment. A name that only such a build has is taken, and the
// output goes with the last directive where it is built: also when the go command
// does not see it, because a program to be run alone lies beside it.
func TestTags(t *testing.T) {
	const (
		constraint = "//go:build cloud\n\n"
		handler    = constraint + "package agent\n\n//agentcore:entrypoint\nfunc Answer(in string) string { return in }\n"
		output     = header + "\n" + constraint + "package agent\n"
	)
	agent := map[string]string{"agent.go": handler, "agent_test.go": constraint + "package agent\n\nfunc NewServer() {}\n"}
	left := map[string]string{
		"agent.go": constraint + "package agent\n", gen.OutputName: output,
		"alone.go": "//go:build ignore\n\npackage main\n\nfunc main() {}\n",
	}
	for name, test := range map[string]struct {
		tags, flags string
		built       bool
	}{
		"one":             {tags: "cloud", built: true},
		"commas":          {tags: "prod,cloud", built: true},
		"spaces":          {tags: "prod cloud", built: true},
		"environment":     {flags: "-tags=cloud", built: true},
		"both":            {flags: "-tags=cloud", tags: "prod"},
		"none":            {},
		"another":         {tags: "clouds"},
		"two hyphens":     {flags: "--tags=prod,cloud", built: true},
		"the last counts": {flags: "-tags=cloud -tags=prod"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOFLAGS", os.Getenv("GOFLAGS")+" "+test.flags)
			generate := func(files map[string]string) *gen.Result {
				dir := t.TempDir()
				check(t, testmodule.Write(dir, module))
				for path, text := range files {
					put(t, filepath.Join(dir, path), text)
				}
				result, err := gen.Generate(t.Context(), gen.Config{Dir: dir, Tags: test.tags})
				check(t, err)
				return result
			}
			taken := false
			for _, d := range generate(agent).Diagnostics {
				taken = taken || d.Code == "name-taken"
			}
			if taken != test.built {
				t.Errorf("NewServer is taken: %v, want %v", taken, test.built)
			}
			files := generate(left).Files
			if removed := len(files) == 1 && files[0].Content == nil; removed != test.built {
				t.Errorf("the output is removed: %v, want %v", removed, test.built)
			}
		})
	}
}
