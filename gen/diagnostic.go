package gen

import (
	"cmp"
	"fmt"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// A Diagnostic is one thing that is wrong with the input. Its message is one
// sentence that says what to write instead.
type Diagnostic struct {
	// Pos has an absolute file name, or none when the message is about no
	// place in particular. A //line comment decides what file and line it is.
	Pos token.Position
	// End is behind the last byte of what the message is about. It is like Pos
	// when that is not known.
	End      token.Position
	Severity Severity
	// Code is the name of the check, as in payload-map-key. It does not change
	// when the words of the message do. docs/generator.md explains each.
	Code    string
	Message string
	// Related are other places that matter.
	Related []Related
	// Fixes are alternatives: each carries out what the message says. Most
	// diagnostics have none, because the choice is the author's.
	Fixes []Fix
}

// Related is a place that a [Diagnostic] refers to.
type Related struct {
	Pos     token.Position
	Message string
}

// A Fix is a change of the input that makes a [Diagnostic] go away.
type Fix struct {
	// Message says what the fix does, in a few words.
	Message string
	// Edits do not overlap.
	Edits []Edit
}

// An Edit replaces a piece of a file.
type Edit struct {
	// Path is absolute when it comes from Generate. It is the file on disk,
	// whatever a //line comment says.
	Path string
	// Start and End are offsets in the file, in bytes. The byte at End stays.
	Start, End int
	// New is what comes in the place of these bytes. Its lines end with \n,
	// whatever those of the file end with.
	New string
}

// Severity says what a [Diagnostic] means for the output.
type Severity int

const (
	// SeverityError: nothing is generated before the input has changed.
	SeverityError Severity = iota
	// SeverityWarning: something that deserves a look, and is no obstacle.
	SeverityWarning
)

func (s Severity) String() string {
	if s == SeverityWarning {
		return "warning"
	}
	return "error"
}

// String returns the diagnostic as path:line:col: message, and each related
// place on an indented line of its own. The message of a warning begins with
// the word.
func (d Diagnostic) String() string {
	message := d.Message
	if d.Severity == SeverityWarning {
		message = "warning: " + message
	}
	var b strings.Builder
	b.WriteString(placed(d.Pos, message))
	for _, r := range d.Related {
		b.WriteString("\n\t" + placed(r.Pos, r.Message))
	}
	return b.String()
}

func placed(pos token.Position, message string) string {
	if pos.Filename == "" {
		return message
	}
	return pos.String() + ": " + message
}

// code names a check. There is one for each kind of mistake that a reader would
// look up, whatever the words that it is reported in.
type code string

// The checks, in the order of the steps.
const (
	codeGoList      code = "go-list"      // the go command cannot tell what the package is
	codeOtherModule code = "other-module" // a package that this module does not own
	codeSyntax      code = "syntax"
	codeTwoPackages code = "two-packages" // in one directory

	codeDirectiveSpelling  code = "directive-spelling" // a comment that was meant to be one
	codeDirectiveUnknown   code = "directive-unknown"
	codeDirectiveArguments code = "directive-arguments"
	codeDirectivePlace     code = "directive-place"
	codeDirectiveTwice     code = "directive-twice" // on one function
	codeTestFile           code = "test-file"
	codeExcludedFile       code = "excluded-file"

	codeRedeclared      code = "redeclared"
	codeOnePerPackage   code = "one-per-package"
	codeMiddlewareAlone code = "middleware-alone"
	codeMiddlewareOrder code = "middleware-order"
	codeConstraint      code = "constraint"
	codeHandlerName     code = "handler-name"
	codeHandlerGeneric  code = "handler-generic"
	codeHandlerShape    code = "handler-shape"
	codeHandlerType     code = "handler-type" // that the output cannot write
	codeSessionState    code = "session-state"
	codeInvalidType     code = "invalid-type"
	codeEndlessType     code = "endless-type"

	codeValidate               code = "validate-signature"
	codePayloadNoJSON          code = "payload-no-json"
	codePayloadMapKey          code = "payload-map-key"
	codePayloadError           code = "payload-error"
	codePayloadInterface       code = "payload-interface"
	codePayloadUnexported      code = "payload-unexported"
	codePayloadEmbeddedPointer code = "payload-embedded-pointer"
	codePayloadNames           code = "payload-names" // that clash
	codePayloadPointerMethod   code = "payload-pointer-method"
	codePayloadPromoted        code = "payload-promoted-method"
	codePayloadRuntimeType     code = "payload-runtime-type"
	codePayloadMethod          code = "payload-method"    // of the wrong signature or receiver
	codePayloadReadBack        code = "payload-read-back" // state that is saved and cannot be read
	codePayloadTag             code = "payload-tag"       // that does not say what was meant
	codePayloadTagOption       code = "payload-tag-option"
	codePayloadOmitEmpty       code = "payload-omitempty" // where nothing is ever empty

	codeClientType code = "client-type" // that a client cannot have

	codeForeignFile  code = "foreign-file"
	codeNameTaken    code = "name-taken"
	codeNameImported code = "name-imported"
)

// problem is a diagnostic in the making.
type problem struct {
	analysis.Diagnostic
	severity Severity
}

// diagnostics collects what is wrong.
type diagnostics struct {
	fset *token.FileSet
	all  []*problem
}

// add reports something at a place, or at none when it is nil. The caller may
// add related places and fixes to the result.
func (d *diagnostics) add(code code, at analysis.Range, format string, args ...any) *problem {
	p := &problem{Diagnostic: analysis.Diagnostic{Category: string(code), Message: fmt.Sprintf(format, args...)}}
	if at != nil {
		p.Pos, p.End = at.Pos(), at.End()
	}
	d.all = append(d.all, p)
	return p
}

// warn reports something that does not keep the output from being right.
func (d *diagnostics) warn(code code, at analysis.Range, format string, args ...any) *problem {
	p := d.add(code, at, format, args...)
	p.severity = SeverityWarning
	return p
}

func (p *problem) relate(at analysis.Range, format string, args ...any) {
	p.Related = append(p.Related, analysis.RelatedInformation{Pos: at.Pos(), End: at.End(), Message: fmt.Sprintf(format, args...)})
}

// fix offers to replace what is at a place.
func (p *problem) fix(at analysis.Range, with, message string) {
	p.SuggestedFixes = append(p.SuggestedFixes, analysis.SuggestedFix{
		Message:   message,
		TextEdits: []analysis.TextEdit{{Pos: at.Pos(), End: at.End(), NewText: []byte(with)}},
	})
}

// errors returns how many of the diagnostics are no warnings.
func (d *diagnostics) errors() int {
	n := 0
	for _, p := range d.all {
		if p.severity == SeverityError {
			n++
		}
	}
	return n
}

// sorted returns everything in the order of positions, and nothing twice: two
// handlers may share one bad payload type.
func (d *diagnostics) sorted() []*problem {
	byPosition := func(a, b *problem) int {
		x, y := d.fset.Position(a.Pos), d.fset.Position(b.Pos)
		return cmp.Or(
			cmp.Compare(x.Filename, y.Filename),
			cmp.Compare(x.Line, y.Line),
			cmp.Compare(x.Column, y.Column),
			cmp.Compare(a.Message, b.Message),
		)
	}
	for _, p := range d.all {
		if p.Pos.IsValid() && isProcessed(d.fset.PositionFor(p.Pos, false).Filename) {
			p.SuggestedFixes = nil // the original has other offsets
		}
	}
	slices.SortStableFunc(d.all, byPosition)
	return slices.CompactFunc(slices.Clone(d.all), func(a, b *problem) bool { return byPosition(a, b) == 0 })
}

// public returns the diagnostics for those who have no file set.
func (d *diagnostics) public() []Diagnostic {
	var list []Diagnostic
	for _, p := range d.sorted() {
		public := Diagnostic{
			Pos: d.fset.Position(p.Pos), End: d.fset.Position(p.Pos),
			Severity: p.severity, Code: p.Category, Message: p.Message,
		}
		if p.End.IsValid() {
			public.End = d.fset.Position(p.End)
		}
		for _, r := range p.Related {
			public.Related = append(public.Related, Related{Pos: d.fset.Position(r.Pos), Message: r.Message})
		}
		for _, f := range p.SuggestedFixes {
			fix := Fix{Message: f.Message}
			for _, e := range f.TextEdits {
				// Of the file on disk, whatever a //line comment says.
				start, end := d.fset.PositionFor(e.Pos, false), d.fset.PositionFor(e.End, false)
				fix.Edits = append(fix.Edits, Edit{Path: start.Filename, Start: start.Offset, End: end.Offset, New: string(e.NewText)})
			}
			public.Fixes = append(public.Fixes, fix)
		}
		list = append(list, public)
	}
	return list
}

// span is a piece of a file.
type span struct{ pos, end token.Pos }

func (s span) Pos() token.Pos { return s.pos }
func (s span) End() token.Pos { return s.end }

// at is a place of which only the beginning is known.
func at(pos token.Pos) span { return span{pos, pos} }

// nameOf is where an object has its name.
func nameOf(obj types.Object) span {
	return span{obj.Pos(), obj.Pos() + token.Pos(len(obj.Name()))}
}
