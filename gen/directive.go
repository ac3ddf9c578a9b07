package gen

import (
	"bytes"
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
	comment *ast.Comment
	kind    kind
	order   int // of middleware
	fn      *ast.FuncDecl
	file    *ast.File
}

// mentions reports whether the text of a file may have a directive, or something
// that was meant to be one.
func mentions(source []byte) bool {
	const name = "agentcore"
	for rest := bytes.ToLower(source); ; {
		i := bytes.Index(rest, []byte(name))
		if i < 0 {
			return false
		}
		rest = rest[i+len(name):]
		if bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n\f"), []byte(":")) {
			return true
		}
	}
}

// looseDirective matches what somebody who wrote a directive wrongly may have
// written: spaces where none belong, capitals, a block comment, the marks of
// other tools. Text that goes on as a sentence does is a sentence, and four
// slashes are a directive that somebody has commented out.
var looseDirective = regexp.MustCompile(`(?i)^(?:///?|/\*+|\s*\*)?(\s*)[+@]?agentcore\s*:(\s*)([\w-]*)((?:\s+\w+\s*=\s*\S*|\s+order\s+-?\d+)*)\s*(?://.*)?(?:\*/)?$`)

// spacedOrder matches an argument of middleware, with or without what is wrong
// with it.
var spacedOrder = regexp.MustCompile(`order\s*=?\s*(-?\d+)`)

// scan finds the directives of a package, in the order of its files. What looks
// like a directive and is none is reported: it is never ignored.
func scan(pkg *loadedPackage, diagnostics *diagnostics) []directive {
	var found []directive
	for _, file := range pkg.files {
		found = append(found, scanFile(pkg, file, diagnostics)...)
	}
	return found
}

// scanUnbuilt finds the directives in test files and in those that are not
// built under the present constraints.
func scanUnbuilt(pkg *loadedPackage) []directive {
	var found []directive
	for _, file := range pkg.unbuilt {
		found = append(found, scanFile(pkg, file, &diagnostics{fset: pkg.fset})...)
	}
	return found
}

func scanFile(pkg *loadedPackage, file *ast.File, diagnostics *diagnostics) []directive {
	var found []directive
	s := &fileScan{diagnostics, pkg, file}
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
	*diagnostics
	pkg  *loadedPackage
	file *ast.File
}

func (s *fileScan) comment(group *ast.CommentGroup, comment *ast.Comment) (directive, bool) {
	if text, ok := strings.CutPrefix(comment.Text, "//"+directivePrefix); ok {
		if text == "" || text[0] != ' ' && text[0] != '\t' {
			return s.directive(group, comment, text)
		}
	}
	lines := strings.Split(comment.Text, "\n") // one, unless it is a block
	if slices.ContainsFunc(lines[1:], func(line string) bool { return strings.HasPrefix(line, "func ") }) {
		return directive{}, false // a handler is commented out
	}
	file := s.pkg.fset.File(comment.Pos())
	first := file.PositionFor(comment.Pos(), false).Line
	for i, line := range lines {
		pos := comment.Pos()
		if i > 0 {
			pos = file.LineStart(first + i) // a block's text lacks what Windows ends its lines with
		}
		s.nearMiss(group, span{pos, pos + token.Pos(len(line))}, line, len(lines) == 1)
	}
	return directive{}, false
}

// nearMiss reports a line of a comment, or a whole one, that was probably meant
// to be a directive.
func (s *fileScan) nearMiss(group *ast.CommentGroup, at span, line string, whole bool) {
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
		s.add(codeDirectiveSpelling, at, "this is a comment and not a directive, and %q is no kind: write //%s and one of %s", name, directivePrefix, kindList())
		return
	}
	wanted := "//" + directivePrefix + right + spacedOrder.ReplaceAllString(args, "order=$1")
	p := s.add(codeDirectiveSpelling, at, "this is a comment and not a directive: write %s", wanted)
	if whole {
		p.fix(at, wanted, "Write "+wanted)
	}
}

// directive reads the directive whose text after the colon is text.
func (s *fileScan) directive(group *ast.CommentGroup, comment *ast.Comment, text string) (directive, bool) {
	text = strings.TrimRight(text, " \t\r")
	name := text
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		name = text[:i]
	}
	args := strings.TrimSpace(text[len(name):])
	d := directive{comment: comment, kind: kind(name), file: s.file}
	spelled := "//" + directivePrefix + name
	if !slices.Contains(kinds, d.kind) {
		if near, ok := nearest(name); ok {
			wanted := "//" + directivePrefix + near
			s.add(codeDirectiveUnknown, comment, "unknown directive %s: did you mean %s?", spelled, wanted).
				fix(comment, wanted+text[len(name):], "Write "+wanted)
		} else if name == "" {
			s.add(codeDirectiveUnknown, comment, "%s names no kind: add one of %s", spelled, kindList())
		} else {
			s.add(codeDirectiveUnknown, comment, "unknown directive %s: the kinds are %s", spelled, kindList())
		}
		return d, false
	}
	if d.fn = s.function(group); d.fn == nil {
		s.misplaced(group, comment, spelled)
		return d, false
	}
	order, wrong := arguments(d.kind, args)
	if wrong == nil {
		d.order = order
		return d, true
	}
	p := s.add(codeDirectiveArguments, comment, "%s %s", spelled, wrong.problem)
	if wrong.fix != "" {
		right := strings.TrimSpace(strings.Replace(args, wrong.part, wrong.with, 1))
		p.fix(comment, strings.TrimSpace(spelled+" "+right), wrong.fix)
	}
	return d, false
}

// wrongArguments says what is wrong with the arguments of a directive, and what
// to put in the place of a part of them.
type wrongArguments struct{ problem, part, with, fix string }

// arguments reads what follows a kind. Nothing that has a number in it is
// deleted by a fix: somebody meant an order.
func arguments(k kind, args string) (order int, wrong *wrongArguments) {
	surplus := func(problem, part string) (int, *wrongArguments) {
		return 0, &wrongArguments{fmt.Sprintf("%s: delete %q", problem, part), part, "", "Delete " + part}
	}
	if comment := strings.Index(args, "//"); comment >= 0 {
		return surplus("has its line to itself", args[comment:])
	}
	if args != "" && k != middleware {
		return surplus("takes no arguments", args)
	}
	if m := looseOrder.FindStringSubmatch(args); m != nil && "order="+m[2] != args {
		right := "order=" + m[2]
		wrong := &wrongArguments{problem: fmt.Sprintf("takes no argument but order=N: did you mean %s?", right), part: args, with: right}
		if distance(strings.ToLower(m[1]), "order") <= 2 {
			wrong.fix = "Write " + right
		}
		return 0, wrong
	}
	for i, arg := range strings.Fields(args) {
		key, value, _ := strings.Cut(arg, "=")
		n, err := strconv.Atoi(value)
		switch {
		case key != "order":
			return surplus("takes no argument but order=N", arg)
		case i > 0:
			return surplus("takes one order", arg)
		case err != nil:
			return 0, &wrongArguments{problem: fmt.Sprintf("wants a whole number, as in order=1, and not %q", arg)}
		}
		order = n
	}
	return order, nil
}

// looseOrder matches one number, whatever it is said to be.
var looseOrder = regexp.MustCompile(`^\(?(\w*?)\s*[=:(]?\s*(-?\d{1,9})\)?$`)

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
	report := func(format string, args ...any) *problem {
		return s.add(codeDirectivePlace, comment, format, args...)
	}
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
		if old := commentedOut(group, comment); old != "" {
			report("%s belongs in the doc comment of a function, and func %s is commented out: delete the directive, or put // before it", spelled, old)
			return
		}
		p := report("a blank line separates %s from %s: delete it", spelled, describe(fn))
		if gap, ok := s.below(group, fn); ok {
			p.fix(gap, "", "Delete the blank line")
		}
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

// commentedOut returns the name of the function that a comment group comments
// out below a directive, or "".
func commentedOut(group *ast.CommentGroup, directive *ast.Comment) string {
	for _, comment := range group.List {
		if m := funcInComment.FindStringSubmatch(comment.Text); m != nil && comment.Pos() > directive.Pos() {
			return m[1]
		}
	}
	return ""
}

var funcInComment = regexp.MustCompile(`^//\s*func (?:\([^)]*\) )?(\w+)\(`)

// below returns the blank lines between a comment group and the function after
// it, unless there is another comment in between.
func (s *fileScan) below(group *ast.CommentGroup, fn *ast.FuncDecl) (gap span, ok bool) {
	next := fn.Pos()
	if fn.Doc != nil {
		next = fn.Doc.Pos()
	}
	for _, other := range s.file.Comments {
		if group.Pos() < other.Pos() && other.Pos() < next {
			return span{}, false
		}
	}
	file := s.pkg.fset.File(group.Pos())
	last := group.List[len(group.List)-1]
	end := file.PositionFor(last.Pos(), false).Line + strings.Count(last.Text, "\n") // of which the text may lack bytes
	return span{file.LineStart(end + 1), file.LineStart(file.PositionFor(next, false).Line)}, true
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
