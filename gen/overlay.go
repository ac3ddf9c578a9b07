package gen

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// overlay is what the go command sees in the place of files on disk: "" for a
// file that it must not see.
//
// To give the export data of what an agent imports, the go command compiles the
// agent as well, which nobody needs: it is type-checked from source, and does
// often not compile. It is therefore shown as nothing but its imports, which do not
// change with every edit. Of several agents only programs are: a third package
// between two others may need the types of one.
type overlay struct {
	dir     string // of what write has written, "" until there is something
	replace map[string]string
}

// newOverlay makes the overlay for directories. The caller removes it.
func newOverlay(dirs []*directory) (*overlay, error) {
	o := &overlay{replace: make(map[string]string)}
	for _, dir := range dirs {
		if dir.misleading {
			o.replace[dir.output.path] = ""
		}
		if strings.Contains(os.Getenv("GOFLAGS"), "-overlay") {
			continue // there can be only one
		}
		if err := o.outline(dir, len(dirs) == 1); err != nil {
			return nil, errors.Join(err, o.remove())
		}
	}
	return o, nil
}

var mainFunction = regexp.MustCompile(`(?m)^func main\(\)`)

// outline shows an agent as its imports.
func (o *overlay) outline(dir *directory, alone bool) error {
	outlines := make(map[string][]byte)
	name, hasMain := "", false
	for path, source := range dir.sources {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, source, parser.ImportsOnly)
		if err != nil || name != "" && name != file.Name.Name {
			return nil
		}
		name = file.Name.Name
		var b bytes.Buffer
		b.Write(source[:fset.PositionFor(file.Name.End(), false).Offset]) // with constraints
		b.WriteString("\n")
		for _, spec := range file.Imports {
			if spec.Path.Value == `"C"` {
				return nil
			}
			fmt.Fprintf(&b, "import _ %s\n", spec.Path.Value)
		}
		if name == "main" && mainFunction.Match(source) {
			hasMain = true
			b.WriteString("func main() {}\n")
		}
		outlines[path] = b.Bytes()
	}
	if name == "main" && !hasMain || name != "main" && !alone {
		return nil
	}
	if dir.output.ours && !dir.misleading {
		clause, _, _ := bytes.Cut(dir.output.content, []byte("\nimport"))
		outlines[dir.output.path] = append(clause, '\n')
	}
	for path, text := range outlines {
		if err := o.show(path, text); err != nil {
			return err
		}
	}
	return nil
}

func (o *overlay) show(path string, text []byte) (err error) {
	o.replace[path], err = o.write(fmt.Sprintf("%d.go", len(o.replace)), text)
	return err
}

// write writes a file that lives as long as the overlay.
func (o *overlay) write(name string, text []byte) (path string, err error) {
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "agentcore-gen-"); err != nil {
			return "", err
		}
	}
	path = filepath.Join(o.dir, name)
	return path, os.WriteFile(path, text, 0o600)
}

// flags are those that make the go command look through the overlay.
func (o *overlay) flags() ([]string, error) {
	if len(o.replace) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(map[string]any{"Replace": o.replace})
	if err != nil {
		return nil, err
	}
	path, err := o.write("overlay.json", text)
	// Not packages.Config.Overlay, with which no export data is used.
	return []string{"-overlay=" + path}, err
}

func (o *overlay) remove() error {
	if o.dir == "" {
		return nil
	}
	return os.RemoveAll(o.dir)
}
