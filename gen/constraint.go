package gen

import (
	"go/ast"
	"go/build"
	"go/build/constraint"
	"go/token"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// buildConstraint returns the condition under which a file is built, as the
// expression of a //go:build line, or "": what its own line says, what its name
// stands for, and cgo if it imports C. The name is that on disk, whatever a //line comment says.
func buildConstraint(fset *token.FileSet, file *ast.File) string {
	var expr constraint.Expr
	for _, group := range file.Comments {
		if group.Pos() > file.Package {
			break
		}
		for _, comment := range group.List {
			if constraint.IsGoBuild(comment.Text) {
				expr, _ = constraint.Parse(comment.Text) // the go command has parsed it before us
			}
		}
	}
	path := fset.PositionFor(file.Package, false).Filename
	tags := fileTags(filepath.Base(path))
	if isProcessed(path) || slices.ContainsFunc(file.Imports, func(spec *ast.ImportSpec) bool { return spec.Path.Value == `"C"` }) {
		tags = append(tags, "cgo")
	}
	for _, tag := range tags {
		if expr != nil && expr.String() == tag {
			continue
		}
		var byName constraint.Expr = &constraint.TagExpr{Tag: tag}
		if expr != nil {
			byName = &constraint.AndExpr{X: expr, Y: byName}
		}
		expr = byName
	}
	if expr == nil {
		return ""
	}
	return expr.String()
}

// fileTags returns the tags that the name of a file stands for, as in
// agent_linux_arm64.go. The list of systems is known to go/build alone, so it
// is asked whether the file would be built. What follows the first dot does not
// count.
func fileTags(name string) []string {
	name, _, _ = strings.Cut(name, ".")
	matches := func(goos, goarch string) bool {
		c := build.Context{GOOS: goos, GOARCH: goarch, Compiler: build.Default.Compiler, OpenFile: emptySource}
		ok, err := c.MatchFile("", name+".go")
		return ok && err == nil
	}
	if matches("none", "none") {
		return nil
	}
	parts := strings.Split(name, "_")
	last := parts[len(parts)-1]
	if matches(last, "none") || matches("none", last) {
		return []string{last}
	}
	return []string{parts[len(parts)-2], last}
}

func emptySource(string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("package p\n")), nil
}

// isProcessed reports whether a file is what cgo has made of one. Its positions
// are those of the original.
func isProcessed(path string) bool { return strings.HasSuffix(path, ".cgo1.go") }
