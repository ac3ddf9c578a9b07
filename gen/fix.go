package gen

import (
	"bytes"
	"cmp"
	"fmt"
	"go/format"
	"os"
	"slices"
	"strings"
)

// ApplyFixes returns the files that change when the first fix of each diagnostic
// is carried out, for [Write], in the order of their paths. It reads them, and
// they must be as they were when the diagnostics were made. A fix whose edits
// overlap those of an earlier one is left out: it is offered again when the others
// are done. New lines end as those of the file do, and a file that was formatted
// stays so.
func ApplyFixes(diagnostics []Diagnostic) ([]File, error) {
	edits := make(map[string][]Edit)
	for _, d := range diagnostics {
		if len(d.Fixes) == 0 {
			continue
		}
		fix := d.Fixes[0]
		overlaps := func(e Edit) bool {
			return slices.ContainsFunc(edits[e.Path], func(other Edit) bool { return e.Start < other.End && other.Start < e.End || e == other })
		}
		if slices.ContainsFunc(fix.Edits, overlaps) {
			continue
		}
		for _, e := range fix.Edits {
			edits[e.Path] = append(edits[e.Path], e)
		}
	}
	var files []File
	for path, list := range edits {
		before, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		slices.SortStableFunc(list, func(a, b Edit) int { // an insertion comes before what it does not overlap
			return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End))
		})
		if last := list[len(list)-1]; last.End > len(before) {
			return nil, fmt.Errorf("%s has changed since it was read: generate again", path)
		}
		newline := "\n"
		if bytes.Contains(before, []byte("\r\n")) {
			newline = "\r\n"
		}
		after := []byte{} // nil would remove the file
		done := 0
		for _, e := range list {
			after = append(append(after, before[done:e.Start]...), strings.ReplaceAll(e.New, "\n", newline)...)
			done = e.End
		}
		after = append(after, before[done:]...)
		// What was not formatted before is the author's choice.
		if formatted, err := format.Source(before); err == nil && string(formatted) == string(before) {
			if formatted, err := format.Source(after); err == nil {
				after = formatted
			}
		}
		if f := (File{Path: path, Content: after, Previous: before}); f.Changed() {
			files = append(files, f)
		}
	}
	return sortedFiles(files), nil
}
