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

// one names a kind with its article.
func (k kind) one() string {
	switch k {
	case entrypoint:
		return "an " + string(k)
	case middleware:
		return string(k)
	}
	return "a " + string(k)
}

// directive is one directive on a function.
type directive struct {
	pos   token.Pos
	kind  kind
	order int // of middleware
	fn    *ast.FuncDecl
	file  *ast.File
}

// mention matches the text of a file that may have a directive, or something
// that was meant to be one.
var mention = regexp.MustCompile(`(?i)agentcore\s*:`)

// looseDirective matches what somebody who wrote a directive wrongly may have
// written: spaces where none belong, capitals, a block comment, the marks of
// other tools. Text that goes on as a sentence does is a sentence.
var looseDirective = regexp.MustCompile(`(?i)^(?://+|/\*+|\s*\*)?(\s*)[+@]?agentcore\s*:(\s*)([\w-]*)((?:\s+\w+\s*=\s*\S*|\s+order\s+-?\d+)*)\s*(?://.*)?(?:\*/)?$`)

// scan finds the directives of a package, in the order of its files. What looks
// like a directive and is none is reported: it is never ignored.
func scan(pkg *loadedPackage, diagnostics *diagnostics) []directive {
	var found []directive
	for _, file := range pkg.files {
		found = append(found, scanFile(pkg, file, diagnostics)...)
	}
	for _, d := range unbuiltDirectives(pkg) {
		if pos := pkg.position(d.pos); strings.HasSuffix(pos.Filename, "_test.go") {
			diagnostics.add(pos, "no agent is built from a test file: move func %s to another file", d.fn.Name.Name)
		}
	}
	return found
}

// unbuiltDirectives finds the directives in test files and in those that are
// not built under the present constraints.
func unbuiltDirectives(pkg *loadedPackage) []directive {
	var found []directive
	for _, file := range pkg.unbuilt {
		found = append(found, scanFile(pkg, file, new(diagnostics))...)
	}
	return found
}

func scanFile(pkg *loadedPackage, file *ast.File, diagnostics *diagnostics) []directive {
	var found []directive
	s := &fileScan{pkg: pkg, file: file, diagnostics: diagnostics}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if d, ok := s.comment(group, comment); ok {
				found = append(found, d)
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
	right, ok := nearest(name)
	if !ok {
		s.report(pos, "this is a comment and not a directive, and %q is no kind: write //%s and one of %s", name, directivePrefix, kindList())
		return
	}
	s.report(pos, "this is a comment and not a directive: write //%s%s%s", directivePrefix, right, args)
}

// directive reads the directive whose text after the colon is text.
func (s *fileScan) directive(group *ast.CommentGroup, comment *ast.Comment, text string) (directive, bool) {
	text = strings.TrimRight(text, " \t\r")
	name := text
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		name = text[:i]
	}
	args := strings.TrimSpace(text[len(name):])
	d := directive{pos: comment.Pos(), kind: kind(name), file: s.file}
	spelled := "//" + directivePrefix + name
	if !slices.Contains(kinds, d.kind) {
		if near, ok := nearest(name); ok {
			s.report(d.pos, "unknown directive %s: did you mean //%s%s?", spelled, directivePrefix, near)
		} else if name == "" {
			s.report(d.pos, "%s names no kind: add one of %s", spelled, kindList())
		} else {
			s.report(d.pos, "unknown directive %s: the kinds are %s", spelled, kindList())
		}
		return d, false
	}
	if d.fn = s.function(group); d.fn == nil {
		s.misplaced(group, comment, spelled)
		return d, false
	}
	var problem string
	if d.order, problem = arguments(d.kind, args); problem != "" {
		s.report(d.pos, "%s %s", spelled, problem)
		return d, false
	}
	return d, true
}

// arguments reads what follows a kind, or says what is wrong with it.
func arguments(k kind, args string) (order int, problem string) {
	if comment := strings.Index(args, "//"); comment >= 0 {
		return 0, fmt.Sprintf("has its line to itself: delete %q", args[comment:])
	}
	if args != "" && k != middleware {
		return 0, fmt.Sprintf("takes no arguments: delete %q", args)
	}
	for i, arg := range strings.Fields(args) {
		key, value, _ := strings.Cut(arg, "=")
		if key != "order" {
			return 0, fmt.Sprintf("takes no argument but order=N: delete %q", arg)
		}
		if i > 0 {
			return 0, fmt.Sprintf("takes one order: delete %q", arg)
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			return 0, fmt.Sprintf("wants a whole number, as in order=1, and not %q", arg)
		}
		order = n
	}
	return order, ""
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
	report := func(format string, args ...any) { s.report(comment.Pos(), format, args...) }
	belongs := spelled + " belongs in the doc comment of a function"
	lineOf := func(pos token.Pos) int { return s.pkg.fset.Position(pos).Line }
	line := lineOf(comment.Pos())
	for _, decl := range s.file.Decls {
		fn, isFunc := decl.(*ast.FuncDecl)
		gen, isGen := decl.(*ast.GenDecl)
		beside := line == lineOf(decl.Pos()) || line == lineOf(decl.End())
		switch {
		case isFunc && beside:
			report("%s belongs on a line of its own above func %s", spelled, fn.Name.Name)
			return
		case decl.Pos() <= comment.Pos() && comment.Pos() < decl.End():
			report("%s, and not into %s", belongs, describe(decl))
			return
		case beside:
			report("%s, and not behind %s", belongs, describe(decl))
			return
		case isGen && gen.Doc == group:
			report("%s, and this is the doc comment of %s", belongs, describe(decl))
			return
		}
	}
	switch clause := lineOf(s.file.Package); {
	case line < clause:
		report("%s, and this is above the package clause", belongs)
		return
	case line == clause:
		report("%s, and not behind the package clause", belongs)
		return
	}
	if fn := s.functionBelow(group); fn != nil {
		report("a blank line separates %s from %s: delete it", spelled, describe(fn))
		return
	}
	report("%s: move it to the line above one", belongs)
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
		if d.Tok == token.IMPORT {
			return "an import declaration"
		}
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
