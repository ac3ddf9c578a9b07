package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/analysis/unitchecker"
	"golang.org/x/tools/go/packages"

	"github.com/agentcore-go/agentcore/gen"
)

// As a -vettool, the command follows the protocol that package unitchecker
// describes. It does not use that package's Main, which gives up on a package
// that does not type-check: an agent whose server is not generated yet never
// does.

// isVet reports whether go vet runs the command: what it asks for comes first,
// or a configuration file last. A directory may be called x.cfg as well.
func isVet(args []string) bool {
	if len(args) == 0 {
		return false
	}
	if args[0] == "-V=full" || args[0] == "-flags" {
		return true
	}
	last := args[len(args)-1]
	info, err := os.Stat(last)
	return strings.HasSuffix(last, ".cfg") && err == nil && info.Mode().IsRegular()
}

// vet does what go vet asks for, and returns the exit status.
func vet(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("agentcore-gen", flag.ContinueOnError)
	flags.SetOutput(stderr)
	lines := flags.Int("c", -1, "display offending line with this many `lines` of context")
	asJSON := flags.Bool("json", false, "print diagnostics as JSON")
	fix := flags.Bool("fix", false, "apply the first fix of each diagnostic instead of printing it")
	diff := flags.Bool("diff", false, "with -fix, print what would change instead of changing it")
	gen.Analyzer.Flags.VisitAll(func(f *flag.Flag) { flags.Var(f.Value, f.Name, f.Usage) })
	var err error
	switch args[0] {
	case "-V=full":
		err = printIdentity(stdout)
	case "-flags":
		err = printFlags(stdout, flags)
	default:
		if flags.Parse(args) != nil {
			return 2
		}
		v := &vetting{lines: *lines, json: *asJSON, fix: *fix, diff: *diff, stdout: stdout, stderr: stderr}
		var found bool
		if found, err = v.run(flags.Arg(0)); found && err == nil {
			return 1
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "agentcore-gen: %v\n", err)
		return 1
	}
	return 0
}

// printIdentity prints what go vet keeps results by: another build of this
// command may find something else.
func printIdentity(w io.Writer) error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "agentcore-gen version devel buildID=%x\n", sha256.Sum256(content))
	return err
}

// printFlags describes the flags to the go command.
func printFlags(w io.Writer, flags *flag.FlagSet) error {
	type description struct {
		Name  string
		Bool  bool
		Usage string
	}
	var list []description
	flags.VisitAll(func(f *flag.Flag) {
		b, ok := f.Value.(interface{ IsBoolFlag() bool })
		list = append(list, description{f.Name, ok && b.IsBoolFlag(), f.Usage})
	})
	return json.NewEncoder(w).Encode(list)
}

// vetting is one package's turn.
type vetting struct {
	lines           int
	json, fix, diff bool
	stdout, stderr  io.Writer
}

// run checks the package of a configuration file, and reports whether there are
// diagnostics.
func (v *vetting) run(path string) (found bool, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	var config unitchecker.Config
	if err := json.Unmarshal(text, &config); err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	// There are no facts, but when there is a file for them the go command keeps
	// what the command prints, by the content of GoFiles. That of IgnoredFiles
	// may matter as well: then there must be none.
	if config.VetxOutput != "" && (config.VetxOnly || len(config.IgnoredFiles) == 0) {
		if err := os.WriteFile(config.VetxOutput, nil, 0o666); err != nil {
			return false, err
		}
	}
	if config.VetxOnly {
		return false, nil
	}
	pkg, err := load(config)
	if err != nil {
		// As go vet prints it.
		fmt.Fprintln(v.stderr, err)
		return true, nil
	}
	graph, err := checker.Analyze([]*analysis.Analyzer{gen.Analyzer}, []*packages.Package{pkg}, nil)
	if err != nil {
		return false, err
	}
	if config.Stdout != "" {
		file, err := os.Create(config.Stdout)
		if err != nil {
			return false, err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		v.stdout = file
	}
	action := graph.Roots[0]
	switch {
	case action.Err != nil:
		return false, action.Err
	case v.fix:
		return false, v.applyFixes(config, action)
	case v.json:
		return false, graph.PrintJSON(v.stdout)
	}
	return len(action.Diagnostics) > 0, graph.PrintText(v.stderr, v.lines)
}

// load type-checks a package, as far as that goes.
func load(config unitchecker.Config) (*packages.Package, error) {
	fset := token.NewFileSet()
	pkg := &packages.Package{
		ID: config.ID, PkgPath: config.ImportPath, Dir: config.Dir, Fset: fset,
		GoFiles: config.GoFiles, CompiledGoFiles: config.GoFiles, OtherFiles: config.NonGoFiles, IgnoredFiles: config.IgnoredFiles,
		TypesInfo: &types.Info{
			Types:      make(map[ast.Expr]types.TypeAndValue),
			Defs:       make(map[*ast.Ident]types.Object),
			Uses:       make(map[*ast.Ident]types.Object),
			Implicits:  make(map[ast.Node]types.Object),
			Instances:  make(map[*ast.Ident]types.Instance),
			Scopes:     make(map[ast.Node]*types.Scope),
			Selections: make(map[*ast.SelectorExpr]*types.Selection),
		},
		TypesSizes: types.SizesFor("gc", build.Default.GOARCH),
	}
	var sources []*ast.File
	for _, path := range config.GoFiles {
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		output := filepath.Base(path) == gen.OutputName && file != nil && ast.IsGenerated(file)
		if err != nil && !output {
			return nil, err
		}
		if pkg.Name == "" || !output {
			pkg.Name = file.Name.Name
		}
		pkg.Syntax = append(pkg.Syntax, file)
		// No agent is built from tests, and an earlier output does not matter.
		if !strings.HasSuffix(path, "_test.go") && !output {
			sources = append(sources, file)
		}
	}
	exports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		file := config.PackageFile[path]
		if file == "" {
			return nil, fmt.Errorf("the go command gives no export data of %s", path)
		}
		return os.Open(file)
	})
	check := types.Config{
		Importer: importerFunc(func(path string) (*types.Package, error) {
			if mapped := config.ImportMap[path]; mapped != "" {
				path = mapped
			}
			if path == "unsafe" {
				return types.Unsafe, nil
			}
			return exports.Import(path)
		}),
		GoVersion:        config.GoVersion,
		IgnoreFuncBodies: true,
		Sizes:            pkg.TypesSizes,
		Error: func(err error) {
			if err, ok := errors.AsType[types.Error](err); ok {
				pkg.TypeErrors = append(pkg.TypeErrors, err)
				pkg.IllTyped = true
			}
		},
	}
	pkg.Types, _ = check.Check(config.ImportPath, fset, sources, pkg.TypesInfo)
	return pkg, nil
}

type importerFunc func(path string) (*types.Package, error)

func (f importerFunc) Import(path string) (*types.Package, error) { return f(path) }

// applyFixes changes files, or leaves it to the go command when that has asked
// for an archive.
func (v *vetting) applyFixes(config unitchecker.Config, action *checker.Action) error {
	var diagnostics []gen.Diagnostic
	fset := action.Package.Fset
	for _, d := range action.Diagnostics {
		var fixes []gen.Fix
		for _, f := range d.SuggestedFixes {
			fix := gen.Fix{Message: f.Message}
			for _, e := range f.TextEdits {
				start, end := fset.PositionFor(e.Pos, false), fset.PositionFor(e.End, false)
				fix.Edits = append(fix.Edits, gen.Edit{Path: start.Filename, Start: start.Offset, End: end.Offset, New: string(e.NewText)})
			}
			fixes = append(fixes, fix)
		}
		diagnostics = append(diagnostics, gen.Diagnostic{Fixes: fixes})
	}
	files, err := gen.ApplyFixes(diagnostics)
	if err != nil {
		return err
	}
	switch {
	case v.diff:
		for _, f := range files {
			if _, err := v.stdout.Write(f.Diff()); err != nil {
				return err
			}
		}
		return nil
	case config.FixArchive != "":
		return writeArchive(config, files)
	}
	return gen.Write(files)
}

func writeArchive(config unitchecker.Config, files []gen.File) (err error) {
	file, err := os.Create(config.FixArchive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	archive := zip.NewWriter(file)
	if err := archive.SetComment(config.ID); err != nil {
		return err
	}
	for _, f := range files {
		w, err := archive.Create(f.Path)
		if err != nil {
			return err
		}
		if _, err := w.Write(f.Content); err != nil {
			return err
		}
	}
	return archive.Close()
}
