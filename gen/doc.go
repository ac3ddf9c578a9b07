package gen

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dave/jennifer/jen"
)

// doc is what the source says of a declaration or a field.
type doc struct {
	above  string // lines
	beside string // one line
}

// docOf returns the first comment above that there is, and the one beside.
func docOf(beside *ast.CommentGroup, above ...*ast.CommentGroup) doc {
	d := doc{beside: strings.Join(strings.Fields(beside.Text()), " ")}
	for _, group := range above {
		if d.above = group.Text(); d.above != "" {
			break
		}
	}
	return d
}

// around puts the comments around a line of code.
func (d doc) around(code *jen.Statement) []jen.Code {
	var lines []jen.Code
	for _, line := range commentLines(d.above) {
		lines = append(lines, jen.Comment(line))
	}
	for _, line := range commentLines(d.beside) {
		code = code.Comment(line)
	}
	return append(lines, code)
}

// docIndex finds the comments of what packages declare. It reads the source of a
// package when it is first asked about it, so that a run finds the same comments
// whichever other packages are part of it.
type docIndex struct {
	pkg    *loadedPackage
	read   map[*types.Package]bool
	fields map[spot]doc
	specs  map[spot]specification // of types and constants
}

// spot is where something is declared, as far as that is known of what comes from
// export data, which has no columns.
type spot struct {
	path string // of the package
	file string // without its directory
	line int
	name string
}

// specification is one line of a declaration.
type specification struct {
	doc
	group *ast.GenDecl
	order int // in the package, from 1
}

func newDocIndex(pkg *loadedPackage) *docIndex {
	return &docIndex{pkg, make(map[*types.Package]bool), make(map[spot]doc), make(map[spot]specification)}
}

func (index *docIndex) spot(path string, pos token.Pos, name string) spot {
	place := index.pkg.fset.Position(pos) // what cgo has made of a file says where it was
	return spot{path, filepath.Base(place.Filename), place.Line, name}
}

// field returns the comments of a field.
func (index *docIndex) field(f *types.Var) doc {
	index.readPackage(f.Pkg())
	return index.fields[index.spot(f.Pkg().Path(), f.Pos(), f.Name())]
}

// spec returns the line that declares a type or a constant. It is zero if its
// source is not at hand.
func (index *docIndex) spec(obj types.Object) specification {
	index.readPackage(obj.Pkg())
	return index.specs[index.spot(obj.Pkg().Path(), obj.Pos(), obj.Name())]
}

func (index *docIndex) readPackage(pkg *types.Package) {
	if index.read[pkg] {
		return
	}
	index.read[pkg] = true
	order := 0
	for _, file := range index.files(pkg.Path()) {
		for _, decl := range file.Decls {
			if group, ok := decl.(*ast.GenDecl); ok {
				index.addGroup(pkg.Path(), group, &order)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.StructType); ok {
				index.addFields(pkg.Path(), s)
			}
			return true
		})
	}
}

// files returns the source of a package, in the order of its files. What cgo has
// made of it has comments of cgo's, too.
func (index *docIndex) files(path string) []*ast.File {
	pkg := index.pkg.find(path)
	if pkg == nil {
		return nil
	}
	processed := func(file *ast.File) bool {
		return isProcessed(index.pkg.fset.PositionFor(file.Package, false).Filename)
	}
	if len(pkg.Syntax) > 0 && !slices.ContainsFunc(pkg.Syntax, processed) {
		return pkg.Syntax
	}
	var files []*ast.File
	for _, name := range pkg.GoFiles {
		// What cannot be read has no comments, which is all that it is read for.
		if file, _ := parser.ParseFile(index.pkg.fset, name, nil, parser.ParseComments|parser.SkipObjectResolution); file != nil {
			files = append(files, file)
		}
	}
	return files
}

func (index *docIndex) addGroup(path string, group *ast.GenDecl, order *int) {
	var whole *ast.CommentGroup
	if !group.Lparen.IsValid() {
		whole = group.Doc
	}
	for _, spec := range group.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			*order++
			index.specs[index.spot(path, s.Name.Pos(), s.Name.Name)] = specification{docOf(s.Comment, s.Doc, whole), group, *order}
		case *ast.ValueSpec:
			for i, name := range s.Names {
				d := docOf(s.Comment, s.Doc, whole)
				if i > 0 {
					d = doc{} // it is about all of them, and said once
				}
				*order++
				index.specs[index.spot(path, name.Pos(), name.Name)] = specification{d, group, *order}
			}
		}
	}
}

func (index *docIndex) addFields(path string, s *ast.StructType) {
	for _, field := range s.Fields.List {
		d := docOf(field.Comment, field.Doc)
		if name := embeddedName(field.Type); len(field.Names) == 0 && name != nil {
			index.fields[index.spot(path, name.Pos(), name.Name)] = d
		}
		for i, name := range field.Names {
			if i > 0 {
				d = doc{}
			}
			index.fields[index.spot(path, name.Pos(), name.Name)] = d
		}
	}
}

// renamed returns a doc comment of something that has another name now: most
// begin with the name.
func renamed(text, from, to string) string {
	if rest, ok := strings.CutPrefix(text, from); ok && (rest == "" || strings.ContainsAny(rest[:1], " \n\t,.:;'")) {
		return to + rest
	}
	return text
}
