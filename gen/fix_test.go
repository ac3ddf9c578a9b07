package gen_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/gen"
)

func TestApplyFixes(t *testing.T) {
	// fix replaces the first occurrence of a text.
	type fix [2]string
	tests := map[string]struct {
		before string
		fixes  [][]fix // the edits of one diagnostic's fix
		want   string
	}{
		"one":               {"package a // one\n", [][]fix{{{"one", "two"}}}, "package a // two\n"},
		"edits in order":    {"package a // 1 2 3\n", [][]fix{{{"3", "three"}}, {{"2", "two"}, {"1", "one"}}}, "package a // one two three\n"},
		"the same twice":    {"package a // one\n", [][]fix{{{"one", "two"}}, {{"one", "two"}}}, "package a // two\n"},
		"overlapping":       {"package a // one two\n", [][]fix{{{"one", "1"}}, {{"one two", "3"}}}, "package a // 1 two\n"},
		"overlapping part":  {"package a // one two\n", [][]fix{{{"one", "1"}}, {{"two", "2"}, {"one", "3"}}}, "package a // 1 two\n"},
		"beside another":    {"package a // one two\n", [][]fix{{{"two", "2"}}, {{"package", "package"}}, {{"", "// x\n"}}}, "// x\npackage a // one 2\n"},
		"stays formatted":   {"package a\n\n// A.\n// go:x\nfunc A() {}\n", [][]fix{{{"// go:x", "//go:x"}}}, "package a\n\n// A.\n//\n//go:x\nfunc A() {}\n"},
		"was not formatted": {"package  a\n\n// A.\n// go:x\nfunc A() {}\n", [][]fix{{{"// go:x", "//go:x"}}}, "package  a\n\n// A.\n//go:x\nfunc A() {}\n"},
		"lines of Windows":  {"package a\r\n// A.\r\n\r\nfunc A() {}\r\n", [][]fix{{{"\r\n\r\n", "\n"}}}, "package a\r\n// A.\r\nfunc A() {}\r\n"},
		"byte order mark":   {"\ufeffpackage a // one\n", [][]fix{{{"one", "two"}}}, "\ufeffpackage a // two\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.go")
			if err := os.WriteFile(path, []byte(test.before), 0o644); err != nil {
				t.Fatal(err)
			}
			var diagnostics []gen.Diagnostic
			for _, fixes := range test.fixes {
				var edits []gen.Edit
				for _, f := range fixes {
					start := strings.Index(test.before, f[0])
					edits = append(edits, gen.Edit{Path: path, Start: start, End: start + len(f[0]), New: f[1]})
				}
				diagnostics = append(diagnostics, gen.Diagnostic{Fixes: []gen.Fix{{Edits: edits}, {Message: "not the first"}}})
			}
			files, err := gen.ApplyFixes(append(diagnostics, gen.Diagnostic{Message: "without a fix"}))
			if err != nil || len(files) != 1 {
				t.Fatalf("%d files, %v", len(files), err)
			}
			if f := files[0]; string(f.Content) != test.want || string(f.Previous) != test.before || f.Path != path {
				t.Errorf("%s is now:\n%q\nwant:\n%q", f.Path, f.Content, test.want)
			}
		})
	}
}

func TestApplyFixesToChangedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.go")
	if err := os.WriteFile(path, []byte("package a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	beyond := gen.Diagnostic{Fixes: []gen.Fix{{Edits: []gen.Edit{{Path: path, Start: 5, End: 50}}}}}
	if files, err := gen.ApplyFixes([]gen.Diagnostic{beyond}); err == nil || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("%v, %v", files, err)
	}
	nothing := gen.Diagnostic{Fixes: []gen.Fix{{Edits: []gen.Edit{{Path: path, Start: 0, End: 7, New: "package"}}}}}
	if files, err := gen.ApplyFixes([]gen.Diagnostic{nothing}); err != nil || len(files) != 0 {
		t.Errorf("nothing changes: %v, %v", files, err)
	}
	everything := gen.Diagnostic{Fixes: []gen.Fix{{Edits: []gen.Edit{{Path: path, Start: 0, End: 10}}}}}
	if files, err := gen.ApplyFixes([]gen.Diagnostic{everything}); err != nil || len(files) != 1 || files[0].Content == nil {
		t.Errorf("an empty file would be removed: %v, %v", files, err)
	}
	if files, err := gen.ApplyFixes(nil); err != nil || len(files) != 0 {
		t.Errorf("nothing to fix: %v, %v", files, err)
	}
}
