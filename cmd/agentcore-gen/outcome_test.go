package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/agentcore-go/agentcore/internal/testmodule"
)

// TestProtectedSource has a source that -fix may not correct: what is wrong with
// it is said all the same.
func TestProtectedSource(t *testing.T) {
	dir := t.TempDir()
	if err := testmodule.Write(dir, "example.com/agent"); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	source := "package agent\n\n//agentcore:entrypiont\nfunc Answer(in string) string { return in }\n"
	if err := os.WriteFile("agent.go", []byte(source), 0o444); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "stderr")
	stderr, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	status := run(t.Context(), []string{"-fix"}, stderr, stderr)
	said, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const want = "agent.go:3:1: unknown directive //agentcore:entrypiont: did you mean //agentcore:entrypoint?\n" +
		"agentcore-gen: write agent.go: the file is read-only, make it writable if it may be changed: permission denied\n"
	if status != 1 || string(said) != want {
		t.Errorf("exit status %d, and\n%s\nwant 1, and\n%s", status, said, want)
	}
	if now, err := os.ReadFile("agent.go"); err != nil || string(now) != source {
		t.Errorf("the source is now\n%s%v", now, err)
	}
}
