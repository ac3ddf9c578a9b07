// Package testmodule makes modules for tests that depend on this checkout of
// the repository, and on nothing that it does not depend on itself.
package testmodule

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/mod/modfile"
)

const path = "github.com/agentcore-go/agentcore"

// Root returns the root directory of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// DependOnSources makes the result of the present test depend on all Go files of
// the repository. Go test repeats a cached result unless something has changed
// that the test itself has looked at; it does not see what go build does for it.
func DependOnSources() error {
	return filepath.WalkDir(Root(), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" {
			_, err = os.Stat(path)
		}
		return err
	})
}

// Write writes go.mod and go.sum of a module with the given path into dir.
func Write(dir, module string) error {
	text, err := os.ReadFile(filepath.Join(Root(), "go.mod"))
	if err != nil {
		return err
	}
	file, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		return err
	}
	for _, tool := range file.Tool {
		file.DropTool(tool.Path)
	}
	file.AddModuleStmt(module)
	file.AddRequire(path, "v0.0.0")
	file.AddReplace(path, "", Root(), "")
	if text, err = file.Format(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), text, 0o644); err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(Root(), "go.sum"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644)
}
