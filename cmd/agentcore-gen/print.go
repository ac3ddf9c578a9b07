package main

import (
	"fmt"
	"go/token"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
	"golang.org/x/text/width"

	"github.com/agentcore-go/agentcore/gen"
)

// printer prints for people, and for the programs that have always read what
// compilers print.
type printer struct {
	w        io.Writer
	terminal bool
	colours  bool
	columns  int // of the terminal
}

// newPrinter finds out what a file is. A terminal that calls itself dumb is
// treated as no terminal: Emacs runs compilers in one, and reads what they say.
func newPrinter(f *os.File) *printer {
	fd := int(f.Fd())
	p := &printer{w: f, columns: 80}
	p.terminal = term.IsTerminal(fd) && os.Getenv("TERM") != "dumb"
	// See no-color.org. A console of Windows sets no TERM, and may not know the
	// sequences.
	p.colours = p.terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != ""
	if columns, _, err := term.GetSize(fd); err == nil && columns > 0 {
		p.columns = columns
	}
	return p
}

// The sequences for colours and the like.
const (
	bold   = "1"
	red    = "1;31"
	yellow = "1;33"
	green  = "1;32"
)

func (p *printer) colour(sequence, text string) string {
	if !p.colours {
		return text
	}
	return "\x1b[" + sequence + "m" + text + "\x1b[0m"
}

// failed prints an error that is no diagnostic.
func (p *printer) failed(err error) {
	fmt.Fprintf(p.w, "agentcore-gen: %v\n", err)
}

// found prints what was changed in sources, and diagnostics.
func (p *printer) found(out outcome) {
	for _, f := range out.Fixed {
		fmt.Fprintf(p.w, "agentcore-gen: %s is corrected\n", f.Path)
	}
	for _, d := range out.Diagnostics {
		p.diagnostic(d)
	}
}

// outcome prints what was found, and all changes when they were only to be checked. A run that finds nothing to do says so: somebody
// may have expected otherwise.
func (p *printer) outcome(out outcome) {
	p.found(out)
	if !out.Failed() && len(out.Files) == 0 {
		fmt.Fprintln(p.w, "agentcore-gen: no file that is built here has an //agentcore: directive: there is nothing to generate")
	}
	for _, f := range out.Files {
		switch {
		case !f.Changed():
		case out.Check:
			fmt.Fprintf(p.w, "%s is not up to date with these flags: go generate\n%s", f.Path, f.Diff())
		case f.Content == nil && f.Client:
			fmt.Fprintf(p.w, "agentcore-gen: %s goes, for no agent has its client there any more\n", f.Path)
		case f.Content == nil:
			fmt.Fprintf(p.w, "agentcore-gen: %s goes, for there is no //agentcore: directive in its package any more\n", f.Path)
		}
	}
	if p.terminal {
		p.summary(out)
	}
}

// summary counts diagnostics, if there are any.
func (p *printer) summary(out outcome) {
	count := make(map[gen.Severity]int)
	fixable := 0
	for _, d := range out.Diagnostics {
		count[d.Severity]++
		if len(d.Fixes) > 0 {
			fixable++
		}
	}
	var counts []string
	for _, severity := range []gen.Severity{gen.SeverityError, gen.SeverityWarning} {
		switch n := count[severity]; {
		case n == 1:
			counts = append(counts, "1 "+severity.String())
		case n > 1:
			counts = append(counts, fmt.Sprintf("%d %ss", n, severity))
		}
	}
	if len(counts) == 0 {
		return
	}
	text := strings.Join(counts, ", ")
	if out.Failed() {
		text += "; nothing was generated"
	}
	if fixable > 0 && len(out.Fixed) == 0 {
		text += fmt.Sprintf("; -fix corrects %d", fixable)
	}
	fmt.Fprintf(p.w, "agentcore-gen: %s\n", text)
}

// diagnostic prints a diagnostic: as its String method has it, or for a terminal.
func (p *printer) diagnostic(d gen.Diagnostic) {
	if !p.terminal {
		fmt.Fprintln(p.w, d)
		return
	}
	if d.Pos.Filename != "" {
		fmt.Fprint(p.w, p.colour(bold, d.Pos.String()+":"), " ")
	}
	severity := red
	if d.Severity == gen.SeverityWarning {
		severity = yellow
	}
	fmt.Fprintln(p.w, p.colour(severity, d.Severity.String()+":"), d.Message)
	if line, ok := sourceLine(d.Pos); ok {
		start, end := d.Pos.Column-1, len(line)
		if d.End.Filename == d.Pos.Filename && d.End.Line == d.Pos.Line {
			end = d.End.Column - 1
		}
		source, marks := excerpt(line, start, end, p.columns)
		fmt.Fprintf(p.w, "%s\n%s\n", source, p.colourMarks(marks))
	}
	for _, r := range d.Related {
		fmt.Fprintf(p.w, "\t%s %s\n", p.colour(bold, r.Pos.String()+":"), r.Message)
	}
}

// colourMarks leaves what comes before the marks as it is.
func (p *printer) colourMarks(marks string) string {
	i := strings.IndexByte(marks, '^')
	return marks[:i] + p.colour(green, marks[i:])
}

// sourceLine returns the line of a position, without its end.
func sourceLine(pos token.Position) (string, bool) {
	if pos.Column < 1 { // a //line comment has left it out
		return "", false
	}
	source, err := os.ReadFile(pos.Filename)
	if err != nil {
		return "", false
	}
	n := 0
	for line := range strings.Lines(string(source)) {
		if n++; n == pos.Line {
			line = strings.TrimRight(line, "\r\n")
			return line, pos.Column <= len(line)+1
		}
	}
	return "", false
}

// cell is what a character of the source is on the screen.
type cell struct {
	text   string
	width  int
	offset int // in the line
}

const tabWidth = 8

// layout turns a line into cells. Characters that would act on the terminal, or
// show the line in another order than it is in, are replaced or left out.
func layout(line string) []cell {
	var cells []cell
	column := 0
	for offset, r := range line {
		c := cell{string(r), 1, offset}
		switch kind := width.LookupRune(r).Kind(); {
		case r == '\t':
			c.width = tabWidth - column%tabWidth
		case unicode.IsControl(r):
			c.text = string(unicode.ReplacementChar)
		case unicode.Is(unicode.Cf, r):
			c.text, c.width = "", 0
		case unicode.In(r, unicode.Mn, unicode.Me):
			c.width = 0
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			c.width = 2
		}
		column += c.width
		cells = append(cells, c)
	}
	return cells
}

// excerpt returns a line for the screen, and one to go below it with a caret at
// an offset and a line from there to another. A line that is too long for the
// screen is cut on both sides of the caret.
func excerpt(line string, start, end, columns int) (source, marks string) {
	cells := layout(line)
	caret, total := len(cells), 0
	for i, c := range cells {
		total += c.width
		if c.offset >= start {
			caret = min(caret, i)
		}
	}
	for caret > 0 && caret < len(cells) && cells[caret].width == 0 {
		caret-- // what takes no room belongs to what is before it
	}
	for caret < len(cells) && cells[caret].width == 0 {
		caret++
	}
	if caret == len(cells) {
		total++
	}
	if total > columns {
		cells, caret = crop(cells, caret, columns)
	}
	for i, c := range cells {
		source += c.text
		switch {
		case c.text == "\t" && i != caret:
			marks += "\t"
		case i < caret:
			marks += strings.Repeat(" ", c.width)
		case i == caret:
			marks += "^"
			if c.width > 1 && c.text != "\t" {
				marks += "~"
			}
		case c.offset < end:
			marks += strings.Repeat("~", c.width)
		}
	}
	if caret == len(cells) {
		marks += "^"
	}
	return source, strings.TrimRight(marks, "\t")
}

// crop leaves the cells around the caret that the columns have room for, and
// returns where the caret is among them. Without its beginning, a line has its
// tabs elsewhere: each becomes a space.
func crop(cells []cell, caret, columns int) ([]cell, int) {
	for i := range cells {
		if cells[i].text == "\t" {
			cells[i].text, cells[i].width = " ", 1
		}
	}
	used := 2 // by ellipses
	if caret == len(cells) {
		used++
	}
	first, last := caret, caret
	left := func(room int) {
		for first > 0 && used+cells[first-1].width <= room {
			first--
			used += cells[first].width
		}
	}
	left(columns / 3)
	if first == 0 {
		used--
	}
	for last < len(cells) && used+cells[last].width <= columns {
		used += cells[last].width
		last++
	}
	if last == len(cells) {
		used--
		left(columns)
	}
	ellipsis := cell{text: "…", width: 1}
	var part []cell
	if first > 0 {
		part = append(part, ellipsis)
	}
	caret += len(part) - first
	part = append(part, cells[first:last]...)
	if last < len(cells) {
		ellipsis.offset = cells[last].offset
		part = append(part, ellipsis)
	}
	return part, caret
}
