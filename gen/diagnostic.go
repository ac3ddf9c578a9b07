package gen

import (
	"cmp"
	"fmt"
	"go/token"
	"slices"
	"strings"
)

// A Diagnostic is one thing that is wrong with the input. Its message is one
// sentence that says what to write instead.
type Diagnostic struct {
	// Pos has an absolute file name, or none when the message is about no
	// place in particular.
	Pos     token.Position
	Message string
	// Related are other places that matter.
	Related []Related
}

// Related is a place that a [Diagnostic] refers to.
type Related struct {
	Pos     token.Position
	Message string
}

// String returns the diagnostic as path:line:col: message, and each related
// place on an indented line of its own.
func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(placed(d.Pos, d.Message))
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

// diagnostics collects what is wrong.
type diagnostics struct {
	all []*Diagnostic
}

// add reports something. The caller may add related places to the result.
func (d *diagnostics) add(pos token.Position, format string, args ...any) *Diagnostic {
	diagnostic := &Diagnostic{Pos: pos, Message: fmt.Sprintf(format, args...)}
	d.all = append(d.all, diagnostic)
	return diagnostic
}

func (d *Diagnostic) relate(pos token.Position, format string, args ...any) {
	d.Related = append(d.Related, Related{Pos: pos, Message: fmt.Sprintf(format, args...)})
}

func (d *diagnostics) len() int { return len(d.all) }

// sorted returns everything in the order of positions, and nothing twice: two
// handlers may share one bad payload type.
func (d *diagnostics) sorted() []Diagnostic {
	slices.SortStableFunc(d.all, func(a, b *Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.Pos.Filename, b.Pos.Filename),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column),
			cmp.Compare(a.Message, b.Message),
		)
	})
	var sorted []Diagnostic
	for i, diagnostic := range d.all {
		if i > 0 && diagnostic.Pos == d.all[i-1].Pos && diagnostic.Message == d.all[i-1].Message {
			continue
		}
		sorted = append(sorted, *diagnostic)
	}
	return sorted
}
