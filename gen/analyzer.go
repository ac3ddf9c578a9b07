package gen

import (
	"go/ast"
	"go/parser"
	"go/types"
	"path/filepath"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/packages"
)

// Analyzer reports what agentcore-gen would, while people type: the checks are
// the same, and so are the words and the positions. It takes packages with type
// errors, for code may call what is yet to be generated.
//
// Its flags -server, -client and -client-dir are what [Config] has as Server,
// Client and ClientDir. Warnings are not told from errors, for go/analysis has no word for it; the category of a diagnostic is its
// Code.
//
// A program for go vet -vettool need not be written: agentcore-gen is one.
var Analyzer = newAnalyzer()

func newAnalyzer() *analysis.Analyzer {
	config := &Config{Client: ClientAuto}
	a := &analysis.Analyzer{
		Name:             "agentcore",
		Doc:              "check functions with //agentcore: directives\n\nThe checks are those of agentcore-gen: directives, the shapes of handlers, and what encoding/json would drop from a payload or refuse.",
		URL:              "https://pkg.go.dev/" + runtimeModule + "/gen#Analyzer",
		RunDespiteErrors: true,
	}
	a.Flags.StringVar(&config.Server, "server", DefaultServer, "`name` of the generated constructor")
	a.Flags.StringVar((*string)(&config.Client), "client", string(ClientAuto), "what the client package has types from: auto, copy, or off for no client")
	a.Flags.StringVar(&config.ClientDir, "client-dir", "", "`directory` of the client package, relative to the agent's")
	a.Run = func(pass *analysis.Pass) (any, error) {
		if err := config.check(); err != nil {
			return nil, err
		}
		return nil, run(pass, *config)
	}
	return a
}

func run(pass *analysis.Pass, config Config) error {
	pkg, err := packageOfPass(pass)
	if err != nil || pkg == nil {
		return err
	}
	diagnostics := &diagnostics{fset: pass.Fset}
	check(pkg, config, diagnostics)
	for _, p := range diagnostics.sorted() {
		pass.Report(p.Diagnostic)
	}
	return nil
}

// packageOfPass makes a package of what a driver has loaded, or returns nil for
// one that mentions no directive.
func packageOfPass(pass *analysis.Pass) (*loadedPackage, error) {
	p := &loadedPackage{name: pass.Pkg.Name(), fset: pass.Fset, types: pass.Pkg, info: pass.TypesInfo}
	mentioned := false
	var sources []*ast.File
	for _, file := range pass.Files {
		path := pass.Fset.PositionFor(file.FileStart, false).Filename
		if isProcessed(path) { // it lies in the build cache
			path = pass.Fset.Position(file.Package).Filename
		}
		if p.dir == "" {
			p.dir = filepath.Dir(path)
			var err error
			if p.output, err = readOutput(p.dir); err != nil {
				return nil, err
			}
		}
		if path == p.output.path && p.output.ours {
			continue
		}
		sources = append(sources, file)
		mentioned = mentioned || mentionsIn(file)
		if isTest(pass.Fset, file) {
			p.unbuilt = append(p.unbuilt, file)
		} else {
			p.files = append(p.files, file)
		}
	}
	for _, path := range pass.IgnoredFiles {
		source, err := pass.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if filepath.Ext(path) != ".go" || path == p.output.path || !mentions(source) {
			continue
		}
		if file, _ := parser.ParseFile(p.fset, path, source, parser.ParseComments|parser.SkipObjectResolution); file != nil {
			p.unbuilt = append(p.unbuilt, file)
			mentioned = true
		}
	}
	if !mentioned {
		return nil, nil
	}
	var module *packages.Module
	if pass.Module != nil {
		module = &packages.Module{Path: pass.Module.Path}
	}
	p.graph = &packages.Package{
		PkgPath: pass.Pkg.Path(), Module: module, Syntax: sources, IgnoredFiles: pass.IgnoredFiles,
		Types: pass.Pkg, TypesInfo: pass.TypesInfo, TypeErrors: pass.TypeErrors,
	}
	p.sources = []*packages.Package{p.graph}
	return p, nil
}

func mentionsIn(file *ast.File) bool {
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if mentions([]byte(comment.Text)) {
				return true
			}
		}
	}
	return false
}

// isGenerated reports whether an object is declared in the output of an earlier
// run.
func (p *loadedPackage) isGenerated(obj types.Object) bool {
	return p.output.ours && obj.Pkg() == p.types && p.fset.PositionFor(obj.Pos(), false).Filename == p.output.path
}
