package gen

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"iter"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/module"
)

// checkClientDir refuses what can be the directory of no package, wherever the
// agent is.
func checkClientDir(dir string) error {
	if dir == "" {
		return nil
	}
	wrong := func(format string, args ...any) error {
		return &UsageError{fmt.Sprintf("-client-dir %s: ", dir) + fmt.Sprintf(format, args...)}
	}
	slashed := filepath.ToSlash(dir)
	clean := path.Clean(slashed)
	if filepath.IsAbs(dir) || path.IsAbs(slashed) {
		return wrong("write it relative to the directory of the agent, as in -client-dir ../clients/hello")
	}
	if slices.Contains(strings.Split(slashed, "/"), "") {
		return wrong("an element of the path is empty: write %s", clean)
	}
	if clean == "." {
		return wrong("this is the agent's own directory, and a client is a package of its own: write the name of a directory, as in -client-dir client")
	}
	below := clean
	for strings.HasPrefix(below+"/", "../") {
		below = strings.TrimPrefix(below[len(".."):], "/")
	}
	if below == "" {
		return nil
	}
	if err := module.CheckImportPath("m/" + below); err != nil || slices.Contains(strings.Split(below, "/"), "vendor") {
		return wrong("no package can be imported from there: write a path of letters, digits, hyphens and the like, as in -client-dir ../clients/hello")
	}
	return nil
}

// placeClient reports whether there can be a client where the configuration wants
// it. A foreign file is reported, and anything else is pkg.misplaced.
func (p *loadedPackage) placeClient(config Config, diagnostics *diagnostics) bool {
	place := placeOfClient(p, config)
	var err error
	if p.client, err = readOutput(place.dir); err != nil {
		p.client.content, p.client.unreadable = []byte{}, true
	}
	if p.misplaced = place.check(p); p.misplaced != nil {
		return false
	}
	if p.client.content != nil && !p.client.ours {
		p.client.refuse(diagnostics)
		return false
	}
	return true
}

// check refuses a place that the agent's module does not reach, and one that is
// taken.
func (p clientPlace) check(agent *loadedPackage) error {
	root := moduleRoot(agent.dir)
	if other := moduleRoot(p.dir); other != root {
		return &UsageError{fmt.Sprintf("the client of the agent in %s belongs into its module, which is that in %s, and %s is not of it: write another directory, as in -client-dir %s",
			agent.dir, root, p.dir, p.name)}
	}
	other, _ := agent.client.agentOf()
	switch {
	case other == "" && handles(p.dir):
		return samePlace(p.dir, p.dir, agent.dir)
	case other != "" && resolved(other) != resolved(agent.dir) && handles(other):
		return &UsageError{fmt.Sprintf("the client of the agent in %s would be written to %s, where that of the agent in %s is: write another directory, or delete the one there if that agent has its client elsewhere by now",
			agent.dir, p.dir, other)}
	case p.name == "main":
		return &UsageError{fmt.Sprintf("the client of the agent in %s would be written to %s, where a program is, which nobody can import: write another directory, as in -client-dir client", agent.dir, p.dir)}
	}
	return nil
}

// packageIn returns the name of the package that the files of somebody else in a
// directory are of, or "" if there are none: that of a client is the same.
func packageIn(dir string) string {
	for file := range filesIn(token.NewFileSet(), dir, parser.PackageClauseOnly) {
		return file.Name.Name
	}
	return ""
}

// filesIn yields the files of somebody else that are built with a client in a
// directory.
func filesIn(fset *token.FileSet, dir string, mode parser.Mode) iter.Seq[*ast.File] {
	return func(yield func(*ast.File) bool) {
		entries, _ := os.ReadDir(dir)
		for _, entry := range entries {
			name := entry.Name()
			if filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == OutputName {
				continue
			}
			file, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, mode|parser.ParseComments)
			if err == nil && file.Name.Name != "documentation" && buildConstraint(fset, file) != "ignore" && !yield(file) {
				return
			}
		}
	}
}

// handles reports whether a package looks like an agent.
func handles(dir string) bool {
	entries, _ := os.ReadDir(dir)
	return slices.ContainsFunc(entries, func(entry os.DirEntry) bool {
		name := entry.Name()
		if filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || name == OutputName {
			return false
		}
		source, err := os.ReadFile(filepath.Join(dir, name))
		return err == nil && directiveLine.Match(source)
	})
}

var directiveLine = regexp.MustCompile(`(?m)^//agentcore:`)

// samePlace is the error about a directory that the outputs of two agents would
// be written to.
func samePlace(dir, one, other string) error {
	if dir == one || dir == other {
		agent := one
		if dir == one {
			agent = other
		}
		return &UsageError{fmt.Sprintf("the client of the agent in %s would be written to %s, which has an agent itself: write another directory, as in -client-dir client", agent, dir)}
	}
	return &UsageError{fmt.Sprintf("the clients of the agents in %s and in %s would both be written to %s: generate each in a run of its own, with a -client-dir of its own", one, other, dir)}
}

// moduleRoot returns the directory of the module that a directory belongs to, or
// "" if it belongs to none. It need not exist.
func moduleRoot(dir string) string {
	for {
		if isFile(filepath.Join(dir, "go.mod")) {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// resolved follows the symbolic links of a path, of which the end need not exist.
func resolved(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	dir := filepath.Dir(path)
	if dir == path {
		return path
	}
	return filepath.Join(resolved(dir), filepath.Base(path))
}
