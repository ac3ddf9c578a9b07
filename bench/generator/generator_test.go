package main

import (
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/agentcore-go/agentcore/gen"
	"github.com/agentcore-go/agentcore/internal/testmodule"
)

// TestModules tests that the generator finds every agent in the modules that it
// is measured with, and that these build together with what it writes.
func TestModules(t *testing.T) {
	if err := testmodule.DependOnSources(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOWORK", "off")
	t.Setenv("GOFLAGS", "-trimpath") // or else a new directory has nothing in the build cache
	for name, test := range map[string]struct {
		write    func(dir string) (*module, error)
		packages int
		agents   int
	}{
		"one":  {writeOne, 1, 1},
		"many": {writeMany, 200, 20},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			m, err := test.write(dir)
			if err != nil {
				t.Fatal(err)
			}
			files := 0
			if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
				if filepath.Ext(path) == ".go" {
					files++
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if files != test.packages || len(m.agents) != test.agents {
				t.Errorf("the module has %d packages, and says that it has %d agents", files, len(m.agents))
			}
			result, err := gen.Generate(t.Context(), gen.Config{Dir: dir, Patterns: []string{"./..."}})
			if err != nil {
				t.Fatal(err)
			}
			var servers, clients []string
			for _, file := range result.Files {
				if file.Client {
					clients = append(clients, filepath.Dir(filepath.Dir(file.Path)))
				} else {
					servers = append(servers, filepath.Dir(file.Path))
				}
			}
			if len(result.Diagnostics) > 0 || len(servers) != test.agents || len(clients) != test.agents {
				t.Fatalf("the generator makes %d servers and %d clients, and says %v", len(servers), len(clients), result.Diagnostics)
			}
			for i, agent := range m.agents {
				if want := filepath.Dir(agent); servers[i] != want || clients[i] != want {
					t.Errorf("output %d is in %s and client %d below %s, want %s", i, servers[i], i, clients[i], want)
				}
			}
			if err := gen.Write(result.Files); err != nil {
				t.Fatal(err)
			}
			for i, path := range m.agents {
				if err := edit(path, i+1); err != nil {
					t.Fatal(err)
				}
			}
			// This compiles like go build, and does not link.
			if _, err := run(t.Context(), dir, nil, []string{"go", "list", "-export", "./..."}, false); err != nil {
				t.Error(err)
			}
		})
	}
}
