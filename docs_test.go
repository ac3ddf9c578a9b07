package agentcore_test

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/gen"
	"github.com/agentcore-go/agentcore/internal/testmodule"
)

// docsImports are the packages that declarations in the docs use, which unlike
// programs have no imports of their own.
var docsImports = map[string]string{
	"analysis":        "golang.org/x/tools/go/analysis",
	"aws":             "github.com/aws/aws-sdk-go-v2/aws",
	"bufio":           "bufio",
	"bytes":           "bytes",
	"chatclient":      "github.com/agentcore-go/agentcore/examples/chat/chatclient",
	"client":          "github.com/agentcore-go/agentcore/client",
	"config":          "github.com/aws/aws-sdk-go-v2/config",
	"configbundle":    "github.com/agentcore-go/agentcore/runtime/configbundle",
	"context":         "context",
	"control":         "github.com/aws/aws-sdk-go-v2/service/bedrockagentcorecontrol",
	"errors":          "errors",
	"fmt":             "fmt",
	"gen":             "github.com/agentcore-go/agentcore/gen",
	"helloclient":     "github.com/agentcore-go/agentcore/examples/hello/helloclient",
	"http":            "net/http",
	"io":              "io",
	"iter":            "iter",
	"json":            "encoding/json",
	"os":              "os",
	"redis":           "github.com/redis/go-redis/v9",
	"redisstore":      "github.com/agentcore-go/agentcore/runtime/redisstore",
	"runtime":         "github.com/agentcore-go/agentcore/runtime",
	"slog":            "log/slog",
	"sql":             "database/sql",
	"storetest":       "github.com/agentcore-go/agentcore/runtime/storetest",
	"streamingclient": "github.com/agentcore-go/agentcore/examples/streaming/streamingclient",
	"testing":         "testing",
	"time":            "time",
	"websocket":       "github.com/gorilla/websocket",
}

// TestDocsCode compiles the Go in docs: each block that begins with the clause of
// a program as one of its own, those that begin with another package's clause as
// that package and its tests, and the other blocks of a page, which are
// declarations, as one package. Directives are generated from.
func TestDocsCode(t *testing.T) {
	if err := testmodule.DependOnSources(); err != nil {
		t.Fatal(err)
	}
	module := t.TempDir()
	if err := testmodule.Write(module, "example.com/docs"); err != nil {
		t.Fatal(err)
	}
	blocks := 0
	for _, page := range docsPages(t, "docs") {
		for _, block := range goBlocks(readFile(t, page)) {
			blocks++
			if pretty, err := format.Source([]byte(block.text)); err != nil {
				t.Errorf("%s:%d: %v", page, block.line, err)
				continue
			} else if string(pretty) != block.text {
				t.Errorf("%s:%d: gofmt would write\n%s", page, block.line, pretty)
			}
			name := strings.TrimSuffix(filepath.Base(page), ".md")
			dir, file, head := name, fmt.Sprintf("block%d.go", block.line), "" // a file has its own head
			clause, _, _ := strings.Cut(block.text, "\n")
			switch own, ok := strings.CutPrefix(clause, "package "); {
			case !ok:
				head = "package " + name + importsOf(t, block.text)
			case own == "main":
				dir = fmt.Sprint(name, block.line)
			case strings.HasSuffix(own, "_test"):
				dir, file = strings.TrimSuffix(own, "_test"), fmt.Sprintf("block%d_test.go", block.line)
			default:
				dir = own
			}
			// The lines are those of the page.
			source := strings.Repeat("\n", block.line-2) + head + "\n" + block.text
			if err := os.MkdirAll(filepath.Join(module, dir), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(module, dir, file), []byte(source), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if blocks < 10 {
		t.Fatalf("the docs have only %d blocks of Go", blocks)
	}

	result, err := gen.Generate(t.Context(), gen.Config{Dir: module, Patterns: []string{"./..."}})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range result.Diagnostics {
		t.Error(d)
	}
	if len(result.Diagnostics) > 0 {
		return
	}
	if err := gen.Write(result.Files); err != nil {
		t.Fatal(err)
	}
	vet := exec.CommandContext(t.Context(), "go", "vet", "./...")
	vet.Dir = module
	if out, err := vet.CombinedOutput(); err != nil {
		t.Errorf("go vet of the Go in docs, whose lines are those of the pages: %v\n%s", err, out)
	}
}

// TestDocsOptions checks that the table of options has all of them.
func TestDocsOptions(t *testing.T) {
	_, table, _ := strings.Cut(readFile(t, "docs/runtime.md"), "\n## Options\n")
	var rows []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(With\\w+)\\(").FindAllStringSubmatch(table, -1) {
		rows = append(rows, row[1])
	}
	var options []string
	for name := range exported(t, "runtime") {
		if strings.HasPrefix(name, "With") {
			options = append(options, name)
		}
	}
	slices.Sort(options)
	if len(options) < 10 || !slices.Equal(rows, options) {
		t.Errorf("the options in docs/runtime.md are\n%q\nand those of the package, in the order of their names, are\n%q", rows, options)
	}
}

// TestDocsNames checks that what the docs call by the name of a package, or of a
// type of the package runtime, is there.
func TestDocsNames(t *testing.T) {
	packages := map[string]map[string]bool{"runtime": exported(t, "runtime"), "client": exported(t, "client")}
	for _, name := range []string{"redisstore", "configbundle", "storetest"} {
		packages[name] = exported(t, filepath.Join("runtime", name))
	}
	types := make(map[string]map[string]bool)
	for name := range packages["runtime"] {
		if of, member, ok := strings.Cut(name, "."); ok {
			if types[of] == nil {
				types[of] = make(map[string]bool)
			}
			types[of][member] = true
		}
	}
	name := regexp.MustCompile(`\b(\w+)\.([A-Z]\w*)`)
	for _, page := range append(docsPages(t, "docs"), "README.md", "CHANGELOG.md") {
		for _, text := range codeSpan.FindAllString(proseOf(readFile(t, page)), -1) {
			for _, m := range name.FindAllStringSubmatch(text, -1) {
				for _, members := range []map[string]bool{packages[m[1]], types[m[1]]} {
					if members != nil && !members[m[2]] {
						t.Errorf("%s: there is no %s", page, m[0])
					}
				}
			}
		}
	}
}

// TestDocsLinks checks that relative links lead somewhere.
func TestDocsLinks(t *testing.T) {
	pages := append(docsPages(t, "docs"), docsPages(t, "examples")...)
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range append(pages, "README.md", "CONTRIBUTING.md", "CHANGELOG.md") {
		for _, m := range link.FindAllStringSubmatch(codeSpan.ReplaceAllString(proseOf(readFile(t, page)), ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target, heading, _ := strings.Cut(m[1], "#")
			file := page
			if target != "" {
				file = path.Join(path.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: the link %s leads nowhere: %v", page, m[1], err)
			} else if heading != "" && !slices.Contains(anchors(readFile(t, file)), heading) {
				t.Errorf("%s: the link %s: %s has no such heading", page, m[1], file)
			}
		}
	}
}

// codeSpan is code within a line.
var codeSpan = regexp.MustCompile("`[^`\n]+`")

// docsPages returns the Markdown files below a directory.
func docsPages(t *testing.T, dir string) (pages []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if filepath.Ext(name) == ".md" {
			pages = append(pages, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil || len(pages) == 0 {
		t.Fatalf("the pages in %s: %v", dir, err)
	}
	return pages
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// goBlock is a block of Go in a page.
type goBlock struct {
	line int // of its beginning, the first is 1
	text string
}

func goBlocks(page string) (blocks []goBlock) {
	line := 0
	var block *goBlock
	for text := range strings.Lines(page) {
		line++
		switch {
		case block != nil && text == "```\n":
			blocks = append(blocks, *block)
			block = nil
		case block != nil:
			block.text += text
		case text == "```go\n":
			block = &goBlock{line: line + 1}
		}
	}
	return blocks
}

// proseOf returns a page without its code blocks.
func proseOf(page string) string {
	var prose strings.Builder
	for i, part := range strings.Split("\n"+page, "\n```") {
		if i%2 == 0 {
			prose.WriteString(part)
		}
	}
	return prose.String()
}

// anchors returns what links call the headings of a page.
func anchors(page string) (names []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(proseOf(page), -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// importsOf returns import declarations for what declarations use, on one line.
func importsOf(t *testing.T, declarations string) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+declarations, parser.SkipObjectResolution)
	if err != nil {
		t.Fatalf("declarations are wanted, or a program with a package clause: %v\n%s", err, declarations)
	}
	used := make(map[string]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if base, ok := selector.X.(*ast.Ident); ok && docsImports[base.Name] != "" {
				used[base.Name] = true
			}
		}
		return true
	})
	imports := ""
	for _, name := range slices.Sorted(maps.Keys(used)) {
		imports += fmt.Sprintf("; import %s %q", name, docsImports[name])
	}
	return imports
}

// exported returns the names that a package exports, and the methods and fields
// of its types as Type.Member.
func exported(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					names[d.Name.Name] = true
				} else {
					names[typeName(d.Recv.List[0].Type)+"."+d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.ValueSpec:
						for _, id := range s.Names {
							names[id.Name] = true
						}
					case *ast.TypeSpec:
						names[s.Name.Name] = true
						for _, member := range membersOf(s.Type) {
							names[s.Name.Name+"."+member] = true
						}
					}
				}
			}
		}
	}
	maps.DeleteFunc(names, func(name string, _ bool) bool { return !ast.IsExported(name) })
	if len(names) == 0 {
		t.Fatalf("%s exports nothing", dir)
	}
	return names
}

// membersOf returns the fields of a struct and the methods of an interface.
func membersOf(t ast.Expr) (names []string) {
	var fields *ast.FieldList
	switch t := t.(type) {
	case *ast.StructType:
		fields = t.Fields
	case *ast.InterfaceType:
		fields = t.Methods
	default:
		return nil
	}
	for _, field := range fields.List {
		for _, id := range field.Names {
			names = append(names, id.Name)
		}
	}
	return names
}

// typeName returns the name of a receiver's type.
func typeName(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return typeName(t.X)
	case *ast.IndexExpr:
		return typeName(t.X)
	case *ast.IndexListExpr:
		return typeName(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}
