package main

import (
	"encoding/json"
	"go/token"
	"io"

	"github.com/agentcore-go/agentcore/gen"
)

// report is the outcome of a run for tools, as -json prints it. A reader should
// pass over fields that it does not know, for fields are added to it; Version
// rises when one changes its meaning or goes.
//
// All paths are relative to the current directory if they are below it, and
// absolute otherwise. Lines and columns count from 1, columns and offsets in
// bytes.
type report struct {
	// Version is 1.
	Version int `json:"version"`
	// Diagnostics are in the order of their positions.
	Diagnostics []diagnostic `json:"diagnostics"`
	// Changes are the generated files that are not as they should be. They have
	// been written, or with -check have not. There are none when a diagnostic is
	// an error.
	Changes []change `json:"changes"`
	// Fixed are the sources that -fix has changed. The diagnostics are those
	// after it.
	Fixed []change `json:"fixed,omitempty"`
}

// diagnostic is one thing that is wrong with the input.
type diagnostic struct {
	// A diagnostic about no place in particular has neither a path nor lines
	// and columns.
	Path   string `json:"path,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// The end is behind the last byte of what the message is about, and equal
	// to the beginning when that is not known.
	EndLine   int `json:"endLine,omitempty"`
	EndColumn int `json:"endColumn,omitempty"`
	// Severity is "error" or "warning".
	Severity string `json:"severity"`
	// Code is the name of the check, which stays when the message changes.
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Related []place `json:"related,omitempty"`
	// Each of the fixes makes the diagnostic go away.
	Fixes []fix `json:"fixes,omitempty"`
}

// place is another place that matters.
type place struct {
	Path    string `json:"path,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
}

// fix is a change of the sources. Its edits do not overlap.
type fix struct {
	Message string        `json:"message"`
	Edits   []replacement `json:"edits"`
}

// replacement replaces the bytes of a file from Start up to End, which is not one of
// them.
type replacement struct {
	Path  string `json:"path"`
	Start int    `json:"start"`
	End   int    `json:"end"`
	New   string `json:"new"`
}

// change is the difference to what a file held before, as a unified diff. A file
// that is new, or goes, differs from the null device.
type change struct {
	Path string `json:"path"`
	Diff string `json:"diff"`
}

func printJSON(w io.Writer, out outcome) error {
	r := report{Version: 1, Diagnostics: []diagnostic{}, Changes: changes(out.Files), Fixed: changes(out.Fixed)}
	for _, d := range out.Diagnostics {
		r.Diagnostics = append(r.Diagnostics, diagnosticOf(d))
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "\t")
	return encoder.Encode(r)
}

func diagnosticOf(d gen.Diagnostic) diagnostic {
	end := endOf(d)
	out := diagnostic{
		Path: d.Pos.Filename, Line: d.Pos.Line, Column: d.Pos.Column,
		EndLine: end.Line, EndColumn: end.Column,
		Severity: d.Severity.String(), Code: d.Code, Message: d.Message,
	}
	for _, r := range d.Related {
		out.Related = append(out.Related, place{r.Pos.Filename, r.Pos.Line, r.Pos.Column, r.Message})
	}
	for _, f := range d.Fixes {
		edits := []replacement{}
		for _, e := range f.Edits {
			edits = append(edits, replacement(e))
		}
		out.Fixes = append(out.Fixes, fix{f.Message, edits})
	}
	return out
}

// endOf returns the end of a diagnostic, or its beginning if a //line comment
// has put them into different files.
func endOf(d gen.Diagnostic) token.Position {
	if d.End.Filename != d.Pos.Filename {
		return d.Pos
	}
	return d.End
}

func changes(files []gen.File) []change {
	list := []change{}
	for _, f := range files {
		if f.Changed() {
			list = append(list, change{f.Path, string(f.Diff())})
		}
	}
	return list
}
