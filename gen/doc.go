package gen

import (
	"go/ast"
	"go/token"
	"strings"

	"github.com/dave/jennifer/jen"
	"golang.org/x/tools/go/packages"
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

// docIndex finds the comments of what packages declare.
type docIndex struct {
	fields map[token.Pos]doc
	specs  map[token.Pos]specification // of types and constants, by their names
}

// specification is one line of a declaration.
type specification struct {
	doc
	group *ast.GenDecl
}

func newDocIndex(sources []*packages.Package) *docIndex {
	index := &docIndex{make(map[token.Pos]doc), make(map[token.Pos]specification)}
	for _, pkg := range sources {
		for _, file := range pkg.Syntax {
			for _, decl := range file.Decls {
				if group, ok := decl.(*ast.GenDecl); ok {
					index.addGroup(group)
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := n.(*ast.StructType); ok {
					index.addFields(s)
				}
				return true
			})
		}
	}
	return index
}

func (index *docIndex) addGroup(group *ast.GenDecl) {
	var whole *ast.CommentGroup
	if !group.Lparen.IsValid() {
		whole = group.Doc
	}
	for _, spec := range group.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			index.specs[s.Name.Pos()] = specification{docOf(s.Comment, s.Doc, whole), group}
		case *ast.ValueSpec:
			for i, name := range s.Names {
				d := docOf(s.Comment, s.Doc, whole)
				if i > 0 {
					d = doc{} // it is about all of them, and said once
				}
				index.specs[name.Pos()] = specification{d, group}
			}
		}
	}
}

func (index *docIndex) addFields(s *ast.StructType) {
	for _, field := range s.Fields.List {
		d := docOf(field.Comment, field.Doc)
		if len(field.Names) == 0 {
			index.fields[embeddedName(field.Type)] = d
		}
		for i, name := range field.Names {
			if i > 0 {
				d = doc{}
			}
			index.fields[name.Pos()] = d
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
