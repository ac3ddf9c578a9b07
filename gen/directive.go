package gen

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// directivePrefix begins the text of a directive, after the slashes.
const directivePrefix = "agentcore:"

// kind is what a directive makes of a function.
type kind string

const (
	entrypoint kind = "entrypoint"
	websocket  kind = "websocket"
	ping       kind = "ping"
	task       kind = "task"
	middleware kind = "middleware"
)

var kinds = []kind{entrypoint, websocket, ping, task, middleware}

// directive is one directive on a function.
type directive struct {
	pos   token.Pos
	kind  kind
	order int // of middleware
	fn    *ast.FuncDecl
	file  *ast.File
}

// looseDirective matches what somebody who wrote a directive wrongly may have
// written: spaces where none belong, capitals, a block comment. Text that goes
// on as a sentence does is a sentence.
var looseDirective = regexp.MustCompile(`(?i)^(?://|/\*)?(\s*)agentcore\s*:(\s*)([\w-]*)((?:\s+\w+=\S*)*)\s*(?:\*/)?$`)

// scan finds the directives of a package, in the order of its files. What looks
// like a directive and is none is reported: it is never ignored.
func scan(pkg *loadedPackage, diagnostics *diagnostics) []directive {
	var found []directive
	for _, file := range pkg.files {
		s := &fileScan{pkg: pkg, file: file, diagnostics: diagnostics}
		for _, group := range file.Comments {
			for _, comment := range group.List {
				if d, ok := s.comment(group, comment); ok {
					found = append(found, d)
				}
			}
		}
	}
	return found
}

// fileScan scans one file.
type fileScan struct {
	pkg         *loadedPackage
	file        *ast.File
	diagnostics *diagnostics
}

func (s *fileScan) report(pos token.Pos, format string, args ...any) *Diagnostic {
	return s.diagnostics.add(s.pkg.position(pos), format, args...)
}

func (s *fileScan) comment(group *ast.CommentGroup, comment *ast.Comment) (directive, bool) {
	if text, ok := strings.CutPrefix(comment.Text, "//"+directivePrefix); ok {
		if text == "" || text[0] != ' ' && text[0] != '\t' {
			return s.directive(group, comment, text)
		}
	}
	lines := []string{comment.Text}
	if strings.HasPrefix(comment.Text, "/*") {
		lines = strings.Split(comment.Text, "\n")
	}
	offset := token.Pos(0)
	for _, line := range lines {
		s.nearMiss(group, comment.Pos()+offset, line)
		offset += token.Pos(len(line) + 1)
	}
	return directive{}, false
}

// nearMiss reports a line that was probably meant to be a directive.
func (s *fileScan) nearMiss(group *ast.CommentGroup, pos token.Pos, line string) {
	line = strings.TrimSuffix(line, "\r")
	m := looseDirective.FindStringSubmatch(line)
	if m == nil {
		return
	}
	space, afterColon, name, args := m[1], m[2], m[3], m[4]
	if strings.HasPrefix(line, "//") && strings.ContainsRune(space, '\t') && s.function(group) == nil {
		return // an example in a doc comment
	}
	if afterColon != "" && !isNear(name) {
		return // "agentcore: done" is a sentence
	}
	if name == "" && args == "" {
		return
	}
	right := name
	if near, ok := nearest(name); ok {
		right = near
	}
	s.report(pos, "this is a comment and not a directive: write //%s%s%s", directivePrefix, right, args)
}

// directive reads the directive whose text after the colon is text.
func (s *fileScan) directive(group *ast.CommentGroup, comment *ast.Comment, text string) (directive, bool) {
	name, rest, _ := strings.Cut(strings.TrimRight(text, " \t\r"), " ")
	d := directive{pos: comment.Pos(), kind: kind(name), file: s.file}
	spelled := "//" + directivePrefix + name
	if !slices.Contains(kinds, d.kind) {
		if near, ok := nearest(name); ok {
			s.report(d.pos, "unknown directive %s: did you mean //%s%s?", spelled, directivePrefix, near)
		} else {
			s.report(d.pos, "unknown directive %s: the kinds are %s", spelled, kindList())
		}
		return d, false
	}
	if d.fn = s.function(group); d.fn == nil {
		s.misplaced(group, comment, spelled)
		return d, false
	}
	for _, arg := range strings.Fields(rest) {
		key, value, _ := strings.Cut(arg, "=")
		order, err := strconv.Atoi(value)
		switch {
		case d.kind != middleware:
			s.report(d.pos, "%s takes no arguments: delete %q", spelled, strings.TrimSpace(rest))
			return d, false
		case key != "order" || err != nil:
			s.report(d.pos, "%s takes only order=N with a whole number N: correct %q", spelled, arg)
			return d, false
		}
		d.order = order
	}
	return d, true
}

// function returns the function whose doc comment the group is, or nil.
func (s *fileScan) function(group *ast.CommentGroup) *ast.FuncDecl {
	for _, decl := range s.file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Doc == group {
			return fn
		}
	}
	return nil
}

// misplaced reports a directive that is not in the doc comment of a function.
func (s *fileScan) misplaced(group *ast.CommentGroup, comment *ast.Comment, spelled string) {
	pos := comment.Pos()
	for _, decl := range s.file.Decls {
		if decl.Pos() <= pos && pos < decl.End() {
			s.report(pos, "%s belongs in the doc comment of a function, and not into %s", spelled, describe(decl))
			return
		}
		if d, ok := decl.(*ast.GenDecl); ok && d.Doc == group {
			s.report(pos, "%s belongs in the doc comment of a function, and this is the doc comment of %s", spelled, describe(decl))
			return
		}
	}
	if s.file.Doc == group {
		s.report(pos, "%s belongs in the doc comment of a function, and this is the doc comment of the package", spelled)
		return
	}
	if fn := s.functionBelow(group); fn != nil {
		s.report(pos, "a blank line separates %s from %s: delete it", spelled, describe(fn))
		return
	}
	s.report(pos, "%s belongs in the doc comment of a function: move it to the line above one", spelled)
}

// functionBelow returns the function that a comment group would belong to, were
// there no blank line between them, or nil.
func (s *fileScan) functionBelow(group *ast.CommentGroup) *ast.FuncDecl {
	for _, decl := range s.file.Decls {
		if decl.Pos() < group.End() {
			continue
		}
		fn, _ := decl.(*ast.FuncDecl)
		return fn
	}
	return nil
}

// describe names a declaration for a message.
func describe(decl ast.Decl) string {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		return "func " + d.Name.Name
	case *ast.GenDecl:
		if len(d.Specs) == 1 {
			switch spec := d.Specs[0].(type) {
			case *ast.TypeSpec:
				return "type " + spec.Name.Name
			case *ast.ValueSpec:
				return fmt.Sprintf("%s %s", d.Tok, spec.Names[0].Name)
			}
		}
		return fmt.Sprintf("a %s declaration", d.Tok)
	}
	return "a declaration"
}

func kindList() string {
	var names []string
	for _, k := range kinds {
		names = append(names, string(k))
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

func isNear(name string) bool { _, ok := nearest(name); return ok }

// nearest returns the kind that a misspelt name most likely stands for.
func nearest(name string) (string, bool) {
	name = strings.ToLower(name)
	best, bestDistance := "", 3
	for _, k := range kinds {
		if d := distance(name, string(k)); d < bestDistance && d < len(k)-1 {
			best, bestDistance = string(k), d
		}
	}
	return best, best != ""
}

// distance is the number of letters to insert, delete, replace or swap with
// their neighbour to turn a into b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
