package main

import (
	"os/exec"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// alone leaves nothing on PATH but the command of this package.
func alone(ts *testscript.TestScript, neg bool, args []string) {
	path, err := exec.LookPath("agentcore-gen")
	ts.Check(err)
	ts.Setenv("PATH", filepath.Dir(path))
}
