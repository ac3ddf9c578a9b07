package gen

import (
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// listedPackage is a package before its types are known.
type listedPackage struct {
	path      string
	dir       string
	annotated bool     // one of its files, or of its tests, mentions a directive
	unbuilt   []string // files that do, and that are not built now
	output    output
	// outputBreaksList: the go command must not see the output, for its
	// package clause would make the package look like another.
	outputBreaksList bool
	// outputExcluded: the output, or a file that mentions a directive, is not
	// built in this run, which cannot tell whether the output is still needed.
	outputExcluded bool
}

// list resolves the patterns. Packages that mention no directive cost no more
// than reading their files.
func list(ctx context.Context, config Config, diagnostics *diagnostics) ([]*listedPackage, error) {
	packs, err := packages.Load(&packages.Config{
		Mode:       packages.NeedName | packages.NeedFiles | packages.NeedModule,
		Context:    ctx,
		Dir:        config.Dir,
		BuildFlags: buildFlags(config),
	}, config.Patterns...)
	if err != nil {
		return nil, goCommandError(err)
	}
	if len(packs) == 0 {
		return nil, fmt.Errorf("no package matches %s", strings.Join(config.Patterns, " "))
	}
	var listed []*listedPackage
	for _, pkg := range packs {
		if pkg.Dir == "" || len(pkg.GoFiles) == 0 {
			for _, err := range pkg.Errors {
				diagnostics.add(codeGoList, nil, "%s: %s", pkg.PkgPath, strings.TrimSpace(err.Msg))
			}
			continue
		}
		l, err := inspect(pkg)
		if err != nil {
			return nil, err
		}
		if (l.annotated || l.output.ours) && pkg.Module != nil && !pkg.Module.Main {
			diagnostics.add(codeOtherModule, nil, "package %s belongs to module %s, which is not the main module here: run agentcore-gen in that module", pkg.PkgPath, pkg.Module.Path)
			continue
		}
		listed = append(listed, l)
	}
	return listed, nil
}

// inspect reads the files of a package as text.
func inspect(pkg *packages.Package) (*listedPackage, error) {
	l := &listedPackage{path: pkg.PkgPath, dir: pkg.Dir}
	var err error
	if l.output, err = readOutput(pkg.Dir); err != nil {
		return nil, err
	}
	names := make(map[string]bool) // of the package, by its other files
	for _, file := range pkg.GoFiles {
		if file == l.output.path && l.output.ours {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		l.annotated = l.annotated || mention.Match(source)
		names[packageClause(source)] = true
	}
	for _, file := range unbuiltFiles(pkg) {
		source, err := os.ReadFile(file)
		if err == nil && file != l.output.path && mention.Match(source) {
			l.unbuilt = append(l.unbuilt, file)
			test := strings.HasSuffix(file, "_test.go")
			l.annotated = l.annotated || test
			l.outputExcluded = l.outputExcluded || !test
		}
	}
	if l.output.ours {
		l.outputExcluded = l.outputExcluded || !slices.Contains(pkg.GoFiles, l.output.path)
		l.outputBreaksList = !names[packageClause(l.output.content)]
	}
	return l, nil
}

// unbuiltFiles returns the tests of a package, and the files that the present
// constraints exclude.
func unbuiltFiles(pkg *packages.Package) []string {
	var files []string
	entries, _ := os.ReadDir(pkg.Dir) // without one there are no tests
	for _, entry := range entries {
		if name := entry.Name(); strings.HasSuffix(name, "_test.go") && name[0] != '.' && name[0] != '_' {
			files = append(files, filepath.Join(pkg.Dir, name))
		}
	}
	for _, file := range pkg.IgnoredFiles {
		if filepath.Ext(file) == ".go" && !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	return files
}

// packageClause returns the package name that a source declares, or "".
func packageClause(source []byte) string {
	file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.PackageClauseOnly)
	if err != nil {
		return ""
	}
	return file.Name.Name
}

// goCommandError leaves what the go command says of a failure.
func goCommandError(err error) error {
	if _, says, ok := strings.Cut(err.Error(), "stderr: "); ok {
		return errors.New(strings.TrimSpace(says))
	}
	return err
}

func buildFlags(config Config) []string {
	if config.Tags == "" {
		return nil
	}
	return []string{"-tags=" + config.Tags}
}
