package main

import (
	"strings"
	"testing"
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
