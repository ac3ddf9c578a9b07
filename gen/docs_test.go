package gen_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/internal/testmodule"
)

// TestDocumentation compares docs/generator.md with what the generator says: it
// has a section for each code, with messages that some case provokes.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(testmodule.Root(), "docs", "generator.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(page), "\n## Diagnostics\n")
	said := make(map[string][]string) // by code
	for _, d := range generated(t).result.Diagnostics {
		_, message, _ := strings.Cut(d.String(), ": ")
		first, _, _ := strings.Cut(message, "\n")
		said[d.Code] = append(said[d.Code], strings.ReplaceAll(first, module+"/"+generated(t).caseOf(d), module))
	}
	var documented []string
	for _, section := range regexp.MustCompile(`(?m)^### `).Split(list, -1)[1:] {
		code, text, _ := strings.Cut(section, "\n")
		documented = append(documented, code)
		examples := regexp.MustCompile("(?s)```text\n(.*?)```").FindAllStringSubmatch(text, -1)
		if len(examples) == 0 {
			t.Errorf("%s: there is no message", code)
		}
		for _, example := range examples {
			for line := range strings.Lines(example[1]) {
				line = strings.TrimSpace(line)
				// What depends on the surroundings of the module is in a story, as
				// a regular expression.
				told := len(said[code]) == 0 && strings.Contains(stories(t), strings.NewReplacer("(", `\(`, ")", `\)`).Replace(line))
				if !told && !slices.Contains(said[code], line) {
					t.Errorf("%s: nothing provokes the message\n%s", code, line)
				}
			}
		}
	}
	if codes := codes(t); !slices.Equal(documented, codes) {
		t.Errorf("there are sections for\n%s,\nand these are the codes:\n%s", strings.Join(documented, "\n"), strings.Join(codes, "\n"))
	}
}

// codes returns the constants of type code, in the order of the source.
func codes(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(testmodule.Root(), "gen", "diagnostic.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "code" {
				text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, text)
			}
		}
		return true
	})
	return list
}

// stories returns the text of all of them.
func stories(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(testmodule.Root(), "testdata", "stories", "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	var all strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
