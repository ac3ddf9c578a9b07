package gen

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
)

// TestTagFixes carries out what is offered for a tag.
func TestTagFixes(t *testing.T) {
	for _, test := range []struct{ typ, tag, want string }{
		{"string", "`json: \"x\"`", "`json:\"x\"`"},
		{"string", "`json:x,omitempty`", "`json:\"x,omitempty\"`"},
		{"string", "\"json:'x'\"", "`json:\"x\"`"},
		{"string", "`JSON:\"x\" xml:\"y\"`", "`json:\"x\" xml:\"y\"`"},
		{"string", "`xml:\"y\",json:\"x\"`", "`xml:\"y\" json:\"x\"`"},
		{"string", "\"doc:\\\"a`b\\\" Json:\\\"x\\\"\"", "\"doc:\\\"a`b\\\" json:\\\"x\\\"\""},
		{"string", "`json:\" x ,omitempty\"`", "`json:\"x,omitempty\"`"},
		{"string", "`json:\" \"`", "`json:\"F\"`"},
		{"string", "`json:\"omitempty\"`", "`json:\",omitempty\"`"},
		{"string", "`json:\"x;omitempty\"`", "`json:\"x,omitempty\"`"},
		{"string", "`a:\"b\" json:\"x, omitempty,string\" c:\"d\"`", "`a:\"b\" json:\"x,omitempty,string\" c:\"d\"`"},
		{"string", "`json:\"x,omitempty,omitemtpy\"`", "`json:\"x,omitempty\"`"},
		{"struct{}", "`json:\"x,omitempty\"`", "`json:\"x,omitzero\"`"},
		{"[2]int", "`json:\",omitempty\"`", "`json:\",omitzero\"`"},
		{"[]int", "`json:\"x,string,omitempty\"`", "`json:\"x,omitempty\"`"},
		{"[]int", "`json:\",string\"`", "`json:\"\"`"},
		// The choice is the author's.
		{"string", "`json:\"-,omitempty\"`", ""},
		{"string", "`json:\"x\" json:\"y\"`", ""},
		{"string", "`db:y json: \"x\"`", ""},
		{"string", "`json:\"x,inline\"`", ""},
		{"string", "`json:\"it's\"`", ""},
	} {
		source := "package a\n\ntype T0 struct{ F " + test.typ + " " + test.tag + " }\n"
		_, reported := typeCheckPayloads(t, source, 1)
		if len(reported["T0"]) != 1 {
			t.Errorf("%s %s: reported are %v", test.typ, test.tag, reported["T0"])
			continue
		}
		d := reported["T0"][0]
		var got string
		for _, fix := range d.Fixes {
			edit := fix.Edits[0]
			got += edit.New
			if old := source[edit.Start:edit.End]; old != test.tag || edit.Start != d.Pos.Offset || edit.End != d.End.Offset {
				t.Errorf("%s: the fix replaces %s", test.tag, old)
			}
		}
		if got != test.want {
			t.Errorf("%s %s: the fix is %s, want %s", test.typ, test.tag, got, test.want)
		}
		if test.want == "" {
			continue
		}
		fixed := "package a\n\ntype T0 struct{ F " + test.typ + " " + got + " }\n"
		if _, reported := typeCheckPayloads(t, fixed, 1); len(reported["T0"]) > 0 {
			t.Errorf("after the fix of %s: %v", test.tag, reported["T0"])
		}
	}
}

// TestTagLiterals finds the tag of every field of every form.
func TestTagLiterals(t *testing.T) {
	const source = `package a

type T struct {
	A, B int "1"
	C        "2"
	*D       "3"
	G[int]   "4"
	*H[int, int] "5"
	E struct { F int "6" } "7"
	p.I      "8"
	*p.J[int] "9"
}
`
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "a.go", source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"A": "1", "B": "1", "C": "2", "D": "3", "G": "4", "H": "5", "F": "6", "E": "7", "I": "8", "J": "9"}
	got := tagLiterals([]*ast.File{file})
	for pos, literal := range got {
		name := source[fset.Position(pos).Offset:][:1]
		if literal.Value != strconv.Quote(want[name]) {
			t.Errorf("the tag of %s is %s", name, literal.Value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d tags, want %d", len(got), len(want))
	}
}
