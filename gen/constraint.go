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
// stands for, and cgo if it imports C. The name is that on disk, whatever a //line
// comment says, unless cgo has written the file and the comment.
func buildConstraint(fset *token.FileSet, file *ast.File) string {
	var expr constraint.Expr
	if line := goBuildLine(file); line != nil {
		expr, _ = constraint.Parse(line.Text) // badConstraint, or the go command, has parsed it before us
	} else {
		expr = plusBuild(file)
	}
	path := fset.PositionFor(file.Package, false).Filename
	processed := isProcessed(path)
	if processed {
		path = fset.Position(file.Package).Filename
	}
	tags := fileTags(filepath.Base(path))
	if processed || slices.ContainsFunc(file.Imports, func(spec *ast.ImportSpec) bool { return spec.Path.Value == `"C"` }) {
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

// plusBuild returns what the +build lines of a file say, or nil. The go command
// obeys them where there is no //go:build line.
func plusBuild(file *ast.File) constraint.Expr {
	var expr constraint.Expr
	for _, group := range file.Comments {
		if group.Pos() > file.Package || group == file.Doc {
			break
		}
		for _, comment := range group.List {
			if !constraint.IsPlusBuild(comment.Text) {
				continue
			}
			line, err := constraint.Parse(comment.Text)
			switch {
			case err != nil: // the go command passes over it as well
			case expr == nil:
				expr = line
			default:
				expr = &constraint.AndExpr{X: expr, Y: line}
			}
		}
	}
	return expr
}

// badConstraint returns the //go:build line of a file if it cannot be parsed.
func badConstraint(file *ast.File) (*ast.Comment, error) {
	line := goBuildLine(file)
	if line == nil {
		return nil, nil
	}
	_, err := constraint.Parse(line.Text)
	return line, err
}

// goBuildLine returns the //go:build line of a file, or nil.
func goBuildLine(file *ast.File) *ast.Comment {
	for _, group := range file.Comments {
		if group.Pos() > file.Package {
			break
		}
		for _, comment := range group.List {
			if constraint.IsGoBuild(comment.Text) {
				return comment
			}
		}
	}
	return nil
}

// fileTags returns the tags that the name of a file stands for, as in
// agent_linux_arm64.go. The list of systems is known to go/build alone, so it
// is asked whether the file would be built. What follows the first dot does not
// count.
func fileTags(name string) []string {
	name, _, _ = strings.Cut(name, ".")
	if nameFits(name, "none", "none") {
		return nil
	}
	parts := strings.Split(name, "_")
	last := parts[len(parts)-1]
	if nameFits(name, last, "none") || nameFits(name, "none", last) {
		return []string{last}
	}
	return []string{parts[len(parts)-2], last}
}

// nameFits reports whether a file of a name is built for a system.
func nameFits(name, goos, goarch string) bool {
	c := build.Context{GOOS: goos, GOARCH: goarch, Compiler: build.Default.Compiler, OpenFile: emptySource}
	ok, err := c.MatchFile("", name+".go")
	return ok && err == nil
}

func emptySource(string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("package p\n")), nil
}

// excluded says why a file that is built under a constraint is not built now,
// and what to do about it.
func excluded(own string) (why, remedy string) {
	if own == "" {
		return "its file is not built", "move it to one that is"
	}
	return "its file is built under the constraint " + own + " only", settings(own)
}

// settings says what meets a constraint that asks for a few things at once.
func settings(own string) string {
	const any = "generate where it is met, as with -tags or GOOS"
	var tags, rest []string
	for _, tag := range strings.Split(own, " && ") {
		name := "x_" + tag
		switch {
		case tag == "ignore":
			return "move it to a file that is built"
		case strings.ContainsAny(tag, "!|(. ") || tag == "unix" || tag == "gc" || tag == "gccgo": // go1.30 is none to be set, either
			return any
		case tag == "cgo":
			rest = append(rest, "CGO_ENABLED=1 and a C compiler")
		case nameFits(name, "none", "none"):
			tags = append(tags, tag)
		case tag == build.Default.GOOS || tag == build.Default.GOARCH: // it is met
		case nameFits(name+"_amd64", "none", "amd64"): // only a system counts before an architecture
			rest = append(rest, "GOARCH="+tag)
		default:
			rest = append(rest, "GOOS="+tag)
		}
	}
	if len(tags) > 0 {
		rest = append(rest, "-tags "+strings.Join(tags, ","))
	}
	if len(rest) == 0 {
		return any
	}
	return "generate with " + strings.Join(rest, " and ")
}

// isProcessed reports whether a file is what cgo has made of one. Its positions
// are those of the original. In the go command's cache it has no extension.
func isProcessed(path string) bool {
	return strings.HasSuffix(path, ".cgo1.go") || filepath.Ext(path) == ""
}
