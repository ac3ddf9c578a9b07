package gen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/tools/go/packages"
)

// loadedPackage is a package with its syntax and its types. Function bodies
// are left out, but for their braces.
type loadedPackage struct {
	*listedPackage
	name    string
	fset    *token.FileSet
	files   []*ast.File // without our output
	unbuilt []*ast.File // see listedPackage
	types   *types.Package
	info    *types.Info
	graph   *packages.Package // with what it imports
}

// isTest reports whether a file is one by its name on disk.
func isTest(fset *token.FileSet, file *ast.File) bool {
	return strings.HasSuffix(fset.PositionFor(file.Package, false).Filename, "_test.go")
}

// load type-checks packages from source and everything they import from export
// data. What does not type-check is not a problem here, unless a directive
// needs it: the code may well call what is yet to be generated. A package with
// a file that does not parse is reported and left out.
func load(ctx context.Context, config Config, listed []*listedPackage, diagnostics *diagnostics) ([]*loadedPackage, error) {
	if len(listed) == 0 {
		return nil, nil
	}
	flags := buildFlags(config)
	overlay, remove, err := overlayWithout(listed)
	if err != nil {
		return nil, err
	}
	defer remove()
	if overlay != "" {
		// Not packages.Config.Overlay, with which no export data is used.
		flags = append(flags, "-overlay="+overlay)
	}
	var patterns []string
	byPath := make(map[string]*listedPackage)
	for _, l := range listed {
		patterns = append(patterns, l.path)
		byPath[l.path] = l
	}
	fset := diagnostics.fset
	sources := &sources{errors: make(map[string]scanner.ErrorList)}
	packs, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
			packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedModule,
		Context:    ctx,
		Dir:        config.Dir,
		BuildFlags: flags,
		Fset:       fset,
		ParseFile:  sources.parse,
	}, patterns...)
	if err != nil {
		return nil, goCommandError(err)
	}
	var loaded []*loadedPackage
	for _, pkg := range packs {
		l := byPath[pkg.PkgPath]
		if l == nil || pkg.Types == nil {
			return nil, fmt.Errorf("package %s could not be loaded: %v", pkg.PkgPath, pkg.Errors)
		}
		p := &loadedPackage{listedPackage: l, name: pkg.Name, fset: fset, types: pkg.Types, info: pkg.TypesInfo, graph: pkg}
		broken := false
		for _, file := range pkg.Syntax {
			path := fset.Position(file.FileStart).Filename
			if path == l.output.path && l.output.ours {
				continue
			}
			if errs := sources.errors[path]; len(errs) > 0 {
				broken = true
				if path == l.output.path {
					l.output.refuse(diagnostics)
				} else { // what follows the first is often its consequence
					place := at(fset.File(file.FileStart).Pos(errs[0].Pos.Offset))
					diagnostics.add(codeSyntax, place, "%s: correct the syntax, then generate again", errs[0].Msg)
				}
			}
			p.files = append(p.files, file)
		}
		if !broken && p.isOne(diagnostics) {
			for _, path := range l.unbuilt {
				if file, _ := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution); file != nil {
					p.unbuilt = append(p.unbuilt, file)
				}
			}
			loaded = append(loaded, p)
		}
	}
	return loaded, nil
}

// isOne reports files that are not of one package.
func (p *loadedPackage) isOne(diagnostics *diagnostics) bool {
	for _, file := range p.files {
		if first := p.files[0]; file.Name.Name != first.Name.Name {
			diagnostics.add(codeTwoPackages, file.Name, "a directory holds one package, and this is package %s: move the file, or correct the name", file.Name.Name).
				relate(first.Name, "this is package %s", first.Name.Name)
			return false
		}
	}
	return true
}

// sources parses files for packages.Load, which does so concurrently.
type sources struct {
	mu     sync.Mutex
	errors map[string]scanner.ErrorList // by file
}

func (s *sources) parse(fset *token.FileSet, path string, source []byte) (*ast.File, error) {
	if filepath.Base(path) == OutputName && isOurs(source) {
		return parser.ParseFile(fset, path, source, parser.PackageClauseOnly)
	}
	file, err := parser.ParseFile(fset, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if list, ok := errors.AsType[scanner.ErrorList](err); ok {
		s.mu.Lock()
		s.errors[path] = list
		s.mu.Unlock()
	}
	if file != nil {
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil {
				f.Body.List = nil // signatures are enough, and quicker
			}
		}
	}
	return file, err
}

// overlayWithout writes an overlay file for the go command in which the outputs
// that would mislead it are gone. The path is "" when there are none.
func overlayWithout(listed []*listedPackage) (path string, remove func(), err error) {
	var overlay struct{ Replace map[string]string }
	overlay.Replace = make(map[string]string)
	for _, l := range listed {
		if l.outputBreaksList {
			overlay.Replace[l.output.path] = "" // as if deleted
		}
	}
	if len(overlay.Replace) == 0 {
		return "", func() {}, nil
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return "", nil, err
	}
	file, err := os.CreateTemp("", "agentcore-gen-*.json")
	if err != nil {
		return "", nil, err
	}
	remove = func() { os.Remove(file.Name()) }
	if _, err = file.Write(text); err == nil {
		err = file.Close()
	}
	if err != nil {
		remove()
		return "", nil, err
	}
	return file.Name(), remove, nil
}
