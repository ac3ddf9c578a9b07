package main

import (
	"bytes"
	"embed"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"text/template"

	"github.com/agentcore-go/agentcore/internal/testmodule"
)

// A module is what the generator is measured with.
type module struct {
	name     string
	dir      string
	patterns string   // of all its packages
	agents   []string // the files with the annotations, one in each annotated package
}

var (
	//go:embed templates
	templateFiles embed.FS
	templates     = template.Must(template.ParseFS(templateFiles, "templates/*"))
)

// writeOne makes a module of one package, an agent that uses the AWS SDK.
func writeOne(dir string) (*module, error) {
	m := &module{name: "one package", dir: dir, patterns: ".", agents: []string{filepath.Join(dir, "main.go")}}
	if err := testmodule.Write(dir, "example.com/inventory"); err != nil {
		return nil, err
	}
	return m, writeTemplate(m.agents[0], "inventory.go.tmpl", nil)
}

const (
	manyPackages = 200
	manyAgents   = 20
)

// generatedPackage is what the templates library and agent are filled with.
type generatedPackage struct {
	Name    string
	Imports []string // names of libraries
	Types   []string // of a library
}

// writeMany makes a module of many packages. Each but the first ones imports two
// to four of those before it, near ones and far ones; the last ones are agents.
func writeMany(dir string) (*module, error) {
	m := &module{name: fmt.Sprintf("%d packages", manyPackages), dir: dir, patterns: "./..."}
	if err := testmodule.Write(dir, "example.com/shop"); err != nil {
		return nil, err
	}
	name := func(i int) string { return fmt.Sprintf("stock%03d", i) }
	for i := range manyPackages {
		library := min(i, manyPackages-manyAgents) // the next, for an agent
		p := generatedPackage{Name: name(i), Types: []string{"Item", "Order"}}
		for _, distance := range []int{1 + i%5, 8 + i%7, 21 + i%11, 55 + i%13}[:2+i%3] {
			if distance <= library {
				p.Imports = append(p.Imports, name(library-distance))
			}
		}
		path, text := filepath.Join(dir, "internal", p.Name, "stock.go"), "library.go.tmpl"
		if agent := i - (manyPackages - manyAgents); agent >= 0 {
			p.Name = fmt.Sprintf("agent%02d", agent)
			path, text = filepath.Join(dir, "agents", p.Name, "main.go"), "agent.go.tmpl"
			m.agents = append(m.agents, path)
		}
		if err := writeTemplate(path, text, p); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func writeTemplate(path, name string, data any) error {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		return err
	}
	source, err := format.Source(b.Bytes())
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, source, 0o644)
}

const editMark = "// Edit "

// edit replaces the last edit of a file, if there is one, by another or by none.
func edit(path string, n int) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, _, _ = bytes.Cut(text, []byte(editMark))
	if n > 0 {
		text = fmt.Appendf(text, "%s%d.\n", editMark, n)
	}
	return os.WriteFile(path, text, 0o644)
}
