package gen

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/tools/go/packages"
)

// loadedPackage is a package with its syntax and its types. Function bodies
// may be left out, but for their braces.
type loadedPackage struct {
	name    string
	dir     string
	fset    *token.FileSet
	files   []*ast.File // without tests and our output
	unbuilt []*ast.File // that mention a directive: tests, and what constraints exclude
	types   *types.Package
	info    *types.Info
	graph   *packages.Package   // with what it imports
	sources []*packages.Package // all of the run that have syntax
	output  output
	client  output // that of its client, once it is clear that it gets one
	// misplaced: why there can be no client in its place.
	misplaced error
	// unsettled: the output, or a file that mentions a directive, is not built
	// in this run, which cannot tell whether the output is still needed.
	unsettled bool
	// known is the graph by import path, once somebody has asked for it.
	known map[string]*packages.Package
}

// find returns the package with an import path if this one needs it, or nil.
func (p *loadedPackage) find(path string) *packages.Package {
	if p.known == nil {
		p.known = make(map[string]*packages.Package)
		packages.Visit([]*packages.Package{p.graph}, nil, func(pkg *packages.Package) { p.known[pkg.PkgPath] = pkg })
	}
	return p.known[path]
}

// isTest reports whether a file is one by its name on disk.
func isTest(fset *token.FileSet, file *ast.File) bool {
	return strings.HasSuffix(fset.PositionFor(file.Package, false).Filename, "_test.go")
}

// load type-checks the packages in directories from source and everything they
// import from export data. What does not type-check is not a problem here,
// unless a directive needs it: the code may well call what is yet to be
// generated. A package with a file that does not parse is reported and left out.
func load(ctx context.Context, config Config, dirs []*directory, diagnostics *diagnostics) (loaded []*loadedPackage, err error) {
	if len(dirs) == 0 {
		return nil, nil
	}
	overlay, err := newOverlay(dirs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, overlay.remove()) }()
	flags, err := overlay.flags()
	if err != nil {
		return nil, err
	}
	var patterns []string
	for _, dir := range dirs {
		patterns = append(patterns, dir.path)
	}
	sources := &sources{outputs: make(map[string]bool), errors: make(map[string]scanner.ErrorList)}
	for _, dir := range dirs {
		sources.outputs[dir.output.path] = true
	}
	packs, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
			packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedModule,
		Context:    ctx,
		Dir:        config.Dir,
		BuildFlags: append(flags, buildFlags(config)...),
		Fset:       diagnostics.fset,
		ParseFile:  sources.parse,
	}, patterns...)
	if err != nil {
		return nil, goCommandError(err)
	}
	if len(packs) == 0 {
		return nil, refusal(ctx, config, patterns)
	}
	var withSyntax []*packages.Package
	packages.Visit(packs, nil, func(pkg *packages.Package) {
		if len(pkg.Syntax) > 0 {
			withSyntax = append(withSyntax, pkg)
		}
	})
	for _, pkg := range packs {
		p, err := newPackage(config, directoryOf(pkg, dirs), pkg, sources, diagnostics)
		if err != nil {
			return nil, err
		}
		if p != nil {
			p.sources = withSyntax
			loaded = append(loaded, p)
		}
	}
	return loaded, nil
}

// directoryOf returns the directory that a package was found in, or nil.
func directoryOf(pkg *packages.Package, dirs []*directory) *directory {
	i := slices.IndexFunc(dirs, func(dir *directory) bool { return dir.path == pkg.Dir })
	if i < 0 && pkg.Dir != "" {
		i = slices.IndexFunc(dirs, func(dir *directory) bool { return resolved(dir.path) == resolved(pkg.Dir) })
	}
	if i < 0 {
		return nil
	}
	return dirs[i]
}

// newPackage makes a package of what was loaded. It returns nil for one that
// cannot go on to the next step.
func newPackage(config Config, dir *directory, pkg *packages.Package, sources *sources, diagnostics *diagnostics) (*loadedPackage, error) {
	if dir == nil || len(pkg.GoFiles) == 0 && len(pkg.IgnoredFiles) == 0 {
		reportErrors(config, pkg, diagnostics)
		return nil, nil
	}
	if foreign(pkg, diagnostics) {
		return nil, nil
	}
	p := &loadedPackage{
		name: pkg.Name, dir: pkg.Dir, fset: diagnostics.fset, output: dir.output,
		types: pkg.Types, info: pkg.TypesInfo, graph: pkg,
	}
	p.output.path = filepath.Join(pkg.Dir, OutputName)
	if dir.output.ours {
		p.unsettled = !slices.Contains(pkg.GoFiles, p.output.path)
		if dir.misleading {
			p.unsettled = !isBuilt(config, p.output.path)
		}
	}
	for _, path := range dir.mentioned {
		path = filepath.Join(pkg.Dir, filepath.Base(path))
		if slices.Contains(pkg.GoFiles, path) || path == p.output.path {
			continue
		}
		p.unsettled = p.unsettled || !strings.HasSuffix(path, "_test.go")
		if file, _ := parser.ParseFile(p.fset, path, nil, parser.ParseComments|parser.SkipObjectResolution); file != nil {
			if comment, err := badConstraint(file); err != nil {
				diagnostics.add(codeSyntax, comment, "%v in the build constraint: correct it, then generate again", err)
				return nil, nil
			}
			p.unbuilt = append(p.unbuilt, file)
		}
	}
	if len(pkg.GoFiles) == 0 {
		return p, nil
	}
	if pkg.Types == nil {
		return nil, fmt.Errorf("package %s could not be loaded: %v", pkg.PkgPath, pkg.Errors)
	}
	broken := false
	for _, file := range pkg.Syntax {
		path := p.fset.Position(file.FileStart).Filename
		if path == p.output.path && p.output.ours {
			continue
		}
		if errs := sources.errors[path]; len(errs) > 0 {
			broken = true
			if path == p.output.path {
				p.output.refuse(diagnostics)
			} else { // what follows the first is often its consequence
				place := at(p.fset.File(file.FileStart).Pos(errs[0].Pos.Offset))
				diagnostics.add(codeSyntax, place, "%s: correct the syntax, then generate again", errs[0].Msg)
			}
		}
		p.files = append(p.files, file)
	}
	if broken || !p.isOne(diagnostics) {
		return nil, nil
	}
	return p, nil
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
	outputs map[string]bool // the paths of all agents' outputs
	mu      sync.Mutex
	errors  map[string]scanner.ErrorList // by file
}

// isIgnored reports whether what a file declares does not matter: it is generated,
// and not the client of another agent, whose types are as good as any.
func (s *sources) isIgnored(path string, source []byte) bool {
	out := output{path: path, content: source, ours: isOutput(source)}
	return out.ours && (s.outputs[path] || !out.isClient())
}

func (s *sources) parse(fset *token.FileSet, path string, source []byte) (*ast.File, error) {
	if filepath.Base(path) == OutputName && s.isIgnored(path, source) {
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
