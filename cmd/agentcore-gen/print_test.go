package main

import (
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/gen"
)

func TestExcerpt(t *testing.T) {
	const wide = "日本"
	tests := map[string]struct {
		line    string
		at      string // what is marked
		columns int
		want    string
	}{
		"a name":            {"func Answer() {}", "Answer", 80, "func Answer() {}\n     ^~~~~~"},
		"one letter":        {"func F() {}", "F", 80, "func F() {}\n     ^"},
		"nothing":           {"x := ", "", 80, "x := \n^"},
		"all":               {"abc", "abc", 80, "abc\n^~~"},
		"tabs before":       {"\ta\tb c", "b", 80, "\ta\tb c\n\t \t^"},
		"tabs within":       {"\ta\tb c", "a\tb", 80, "\ta\tb c\n\t^\t~"},
		"tabs behind":       {"a\t\t", "a", 80, "a\t\t\n^"},
		"wide before":       {wide + " b", "b", 80, wide + " b\n     ^"},
		"wide within":       {"a" + wide + "b", wide + "b", 80, "a" + wide + "b\n ^~~~~"},
		"bytes":             {"éé x", "x", 80, "éé x\n   ^"},
		"combining":         {"e\u0301e\u0301 x", "x", 80, "e\u0301e\u0301 x\n   ^"},
		"byte order mark":   {"\ufeffab c", "c", 80, "ab c\n   ^"},
		"other order":       {"a \u202e b c", "c", 80, "a  b c\n     ^"},
		"control":           {"a\x1b[2Jb c", "c", 80, "a\ufffd[2Jb c\n       ^"},
		"invalid":           {"a\xff\xfeb c", "c", 80, "a\ufffd\ufffdb c\n     ^"},
		"just fits":         {"0123456789", "9", 10, "0123456789\n         ^"},
		"cut behind":        {"0123456789a", "1", 10, "012345678…\n ^"},
		"cut before":        {"0123456789a", "a", 10, "…23456789a\n         ^"},
		"cut on both sides": {"0123456789abcdefghijklmnopq", "def", 10, "…cdefghij…\n  ^~~"},
		"cut range":         {"0123456789abcdefghijklmnopq", "56789abcdefghijklmno", 10, "…456789ab…\n  ^~~~~~~~"},
		"cut wide":          {strings.Repeat(wide, 10) + "x", "x", 10, "…日本日本x\n         ^"},
		"cut tabs":          {"\ta\tb" + strings.Repeat(" ", 20) + "c", "b", 20, " a b" + strings.Repeat(" ", 15) + "…\n   ^"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			start := strings.Index(test.line, test.at)
			source, marks := excerpt(test.line, start, start+len(test.at), test.columns)
			if got := source + "\n" + marks; got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
	t.Run("behind the end", func(t *testing.T) {
		if source, marks := excerpt("\tab", 3, 3, 80); source != "\tab" || marks != "\t  ^" {
			t.Errorf("%q, %q", source, marks)
		}
		source, marks := excerpt("0123456789a", 11, 11, 10)
		if source != "…3456789a" || marks != "         ^" {
			t.Errorf("%q, %q", source, marks)
		}
	})
}

// TestSpan prints what is about more than one line, or ends nowhere.
func TestSpan(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.go")
	if err := os.WriteFile(path, []byte("one two\r\nthree four\r\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	start := token.Position{Filename: path, Line: 1, Column: 5}
	tests := map[string]struct {
		start, end token.Position
		want       string
	}{
		"to the next line":    {start, token.Position{Filename: path, Line: 2, Column: 6}, "error: m\none two\n    ^~~\n"},
		"to another file":     {start, token.Position{Filename: "b.go", Line: 1, Column: 6}, "error: m\none two\n    ^~~\n"},
		"to nowhere":          {start, start, "error: m\none two\n    ^\n"},
		"to the end":          {start, token.Position{Filename: path, Line: 1, Column: 8}, "error: m\none two\n    ^~~\n"},
		"from the end":        {token.Position{Filename: path, Line: 1, Column: 8}, token.Position{}, "error: m\none two\n       ^\n"},
		"from behind the end": {token.Position{Filename: path, Line: 1, Column: 9}, token.Position{}, "error: m\n"},
		"from no line":        {token.Position{Filename: path, Line: 3, Column: 1}, token.Position{}, "error: m\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			d := gen.Diagnostic{Pos: test.start, End: test.end, Message: "m"}
			(&printer{w: &b, terminal: true, columns: 80}).diagnostic(d)
			if want := test.start.String() + ": " + test.want; b.String() != want {
				t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
			}
		})
	}
	elsewhere := diagnosticOf(gen.Diagnostic{Pos: start, End: token.Position{Filename: "b.go", Line: 9, Column: 9}})
	if elsewhere.EndLine != 1 || elsewhere.EndColumn != 5 {
		t.Errorf("the report has an end in another file: %+v", elsewhere)
	}
}

// FuzzExcerpt looks for lines that go beyond the screen, or have no caret.
func FuzzExcerpt(f *testing.F) {
	f.Add("\tfunc Answer() {}", 6, 12, 80)
	f.Add("日本 \ufeff\x1b\xff\te\u0301", 3, 4, 20)
	f.Fuzz(func(t *testing.T, line string, start, end, columns int) {
		if columns < 20 || columns > 200 || start < 0 || start > len(line) || end < start || end > len(line) || strings.ContainsAny(line, "\r\n") {
			return
		}
		source, marks := excerpt(line, start, end, columns)
		if strings.Count(marks, "^") != 1 || strings.ContainsAny(marks, "\x1b\r\n") {
			t.Fatalf("marks %q", marks)
		}
		for _, text := range []string{source, marks} {
			width := 0
			for _, c := range layout(text) {
				width += c.width
			}
			if width > columns {
				t.Fatalf("%d columns of %d: %q", width, columns, text)
			}
		}
	})
}
