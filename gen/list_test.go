package gen

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestLocal resolves patterns from elsewhere: an absolute one is that, whatever
// the directory.
func TestLocal(t *testing.T) {
	dir := t.TempDir()
	agent := filepath.Join(dir, "a", "agent")
	if err := os.MkdirAll(agent, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		filepath.Join(dir, "go.mod"):     "module example.com/agent\n",
		filepath.Join(agent, "agent.go"): "package agent\n\n//agentcore:entrypoint\nfunc Answer() {}\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a := filepath.Join(dir, "a")
	for _, test := range []struct {
		dir, pattern string
		found        []string
	}{
		{a, "./agent", []string{agent}},
		{a, "./agent/", []string{agent}},
		{a, "./...", []string{agent}},
		{a, "..", nil},
		{a, "../...", []string{agent}},
		{agent, ".", []string{agent}},
		{agent, agent, []string{agent}},
		{agent, dir + "/...", []string{agent}},
		{agent, "/...", nil},
		{agent, "./.../agent", nil},
		{agent, "./nowhere/...", nil},
		{agent, "agent", nil},
		{agent, "example.com/agent/...", nil},
	} {
		l := &lister{config: Config{Dir: test.dir}, seen: make(map[string]bool)}
		any, err := l.local(t.Context(), test.pattern)
		var found []string
		for _, d := range l.agents {
			found = append(found, d.path)
		}
		if err != nil || !slices.Equal(found, test.found) || any != (len(found) > 0) {
			t.Errorf("%s in %s: found %v, %v, %v", test.pattern, test.dir, found, any, err)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := &lister{config: Config{Dir: a}, seen: make(map[string]bool)}
	if _, err := l.local(ctx, "./..."); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled, it has found %v, %v", l.agents, err)
	}
}
