// Package gen writes the server and the client of an agent from the annotated
// functions of a package. It is agentcore-gen as a library.
//
// Generation is a straight line, a file for each step:
//
//	list     patterns to directories, and which of them mention a directive
//	load     types, with dependencies from export data only; what the go command
//	         is shown of a program is in overlay.go
//	scan     comments to directives on functions: directive.go
//	analyze  directives to an agent: kinds, shapes, payload types
//	invalid  type errors that a signature cannot do without
//	payload  what encoding/json would drop or refuse
//	client   what callers have of it: clientcopy.go has the types that they cannot
//	         import, which clientverify.go compares with the originals
//	names    every name that the output declares or imports; of a client, that is
//	         clientplan.go
//	emit     the file of the server, and clientemit.go that of the client
//	place    where a client may go
//	orphan   clients that no agent has any more; marker.go tells whose one is
//	write    the disk
//
// Every step before the last only reads, but for temporary files that are gone at
// its end. [Generate] takes these steps and [Write] the last; between the two,
// [ApplyFixes] may correct the sources. [Analyzer] has the checks alone, for what
// is built on go/analysis.
package gen

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// OutputName is the name of the generated file in an agent's package, and of that
// in the package of its client.
const OutputName = "agentcore_gen.go"

// DefaultServer is the name of the generated constructor.
const DefaultServer = "NewServer"

// A Config says what to generate from. The zero value is the package in the
// current directory.
type Config struct {
	// Dir is where patterns are resolved. The default is the current directory.
	Dir string
	// Patterns are package patterns as for go build. The default is ".".
	Patterns []string
	// Tags are build tags, separated by commas, as for go build -tags.
	Tags string
	// Server is the name of the generated constructor. The default is
	// DefaultServer.
	Server string
	// Client says how clients are made. The default is ClientAuto.
	Client ClientMode
	// ClientDir is the directory of a client package, relative to that of its
	// agent. The default is the name of the agent, followed by client. It need
	// not exist, and has to belong to the agent's module.
	ClientDir string
}

// A Result is what one run has found.
type Result struct {
	// Files are the generated files, changed or not, in the order of their
	// paths: the server of each agent, its client, and those that have to go,
	// such as the clients of agents that are no more. There are none when a
	// diagnostic is an [SeverityError].
	Files []File
	// Diagnostics are everything that is wrong with the input, in the order
	// of their positions.
	Diagnostics []Diagnostic
}

// Failed reports whether a diagnostic is an [SeverityError], so that there are no files.
func (r *Result) Failed() bool {
	return slices.ContainsFunc(r.Diagnostics, func(d Diagnostic) bool { return d.Severity == SeverityError })
}

// A File is one generated file, or a source that [ApplyFixes] has corrected.
type File struct {
	// Path is absolute when it comes from Generate.
	Path string
	// Content is what the file should hold, nil when it has to go.
	Content []byte
	// Previous is what the file held when it was read, nil when there was none.
	Previous []byte
	// Client is set for the file of a client, which has a directory of its own:
	// Write makes it, and removes it when it is left empty.
	Client bool
}

// A UsageError is a [Config] that makes no sense.
type UsageError struct{ problem string }

func (e *UsageError) Error() string { return e.problem }

func (c Config) check() error {
	if !token.IsIdentifier(c.Server) || c.Server == "_" || c.Server == "init" || c.Server == "main" || types.Universe.Lookup(c.Server) != nil {
		return &UsageError{fmt.Sprintf("-server %s: the name of a Go function is wanted, as in -server NewAgent", c.Server)}
	}
	if info, err := os.Stat(cmp.Or(c.Dir, ".")); err != nil || !info.IsDir() {
		return &UsageError{fmt.Sprintf("there is no directory %s to generate in", c.Dir)}
	}
	if err := c.Client.check(); err != nil {
		return err
	}
	if err := checkClientDir(c.ClientDir); err != nil {
		return err
	}
	for _, pattern := range c.Patterns {
		if info, err := os.Stat(filepath.Join(c.Dir, pattern)); err == nil && info.IsDir() {
			continue // a directory may be called x.go
		}
		if strings.HasSuffix(pattern, ".go") {
			return &UsageError{fmt.Sprintf("%s is a file: name its package instead, as in %s", pattern, packageOf(pattern))}
		}
	}
	return nil
}

// packageOf returns the pattern of the package that a file is in.
func packageOf(file string) string {
	dir := filepath.ToSlash(filepath.Dir(file))
	if dir == "." || filepath.IsAbs(dir) || strings.HasPrefix(dir, "../") || dir == ".." {
		return dir
	}
	return "./" + dir
}

// Generate reads the packages and returns what should be written, for [Write].
// It changes nothing itself. What is wrong with the packages is in the Result. An
// error is a *[UsageError]; or wraps that of the context; or means that the go
// command could not be asked, or that a file could not be read.
//
// Several calls may run at once.
func Generate(ctx context.Context, config Config) (*Result, error) {
	if len(config.Patterns) == 0 {
		config.Patterns = []string{"."}
	}
	if config.Server == "" {
		config.Server = DefaultServer
	}
	config.Client = cmp.Or(config.Client, ClientAuto)
	if err := config.check(); err != nil {
		return nil, err
	}
	diagnostics := &diagnostics{fset: token.NewFileSet()}
	listing, err := list(ctx, config, diagnostics)
	var loaded []*loadedPackage
	if err == nil {
		loaded, err = load(ctx, config, listing.agents, diagnostics)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err() // whatever the go command says when it is stopped
	}
	if err != nil {
		return nil, err
	}
	for _, pkg := range loaded {
		server, client, err := generate(pkg, config, diagnostics)
		if err != nil {
			return nil, err
		}
		pkg.output.generated, pkg.client.generated = server, client
	}
	result := &Result{Diagnostics: diagnostics.public()}
	if diagnostics.errors() > 0 {
		return result, nil
	}
	files := &files{of: make(map[string]*loadedPackage)}
	for _, pkg := range loaded {
		if err := cmp.Or(files.add(pkg, &pkg.output), files.add(pkg, &pkg.client)); err != nil {
			return nil, err
		}
	}
	for _, pkg := range loaded {
		if pkg.output.generated == nil && !pkg.unsettled && !pkg.output.isClient() {
			files.remove(pkg.output)
		}
	}
	orphans, err := listing.orphans(ctx, config, loaded, files)
	if err != nil {
		return nil, err
	}
	for _, o := range orphans {
		files.remove(o)
	}
	result.Files = sortedFiles(files.all)
	return result, nil
}

// files are those of a run, each once, by whatever name its directory is called.
type files struct {
	all []File
	of  map[string]*loadedPackage // whose content it is, by resolved path; nil when it has to go
}

// add adds a file of a package, if it was generated. It fails when it is the file
// of another package as well.
func (f *files) add(pkg *loadedPackage, out *output) error {
	content := out.generated
	if content == nil {
		return nil
	}
	path := resolved(out.path)
	if other := f.of[path]; other != nil {
		return samePlace(filepath.Dir(out.path), other.dir, pkg.dir)
	}
	f.of[path] = pkg
	if bytes.Equal(content, bytes.ReplaceAll(out.content, []byte("\r\n"), []byte("\n"))) {
		content = out.content // git has ended the lines as Windows does
	}
	f.all = append(f.all, File{Path: out.path, Content: content, Previous: out.content, Client: out == &pkg.client})
	return nil
}

// remove adds a file that has to go, unless there is none, or it is not ours, or
// it is one that has just been made.
func (f *files) remove(out output) {
	path := resolved(out.path)
	if _, known := f.of[path]; known || !out.ours {
		return
	}
	f.of[path] = nil
	f.all = append(f.all, File{Path: out.path, Previous: out.content, Client: out.isClient()})
}

// generate makes the outputs of one package. There are none when its text only
// looked as if it had a directive, and none when there are errors, in this
// package or in another: then nothing is written, but the diagnostics of all
// packages are wanted. There is no client of what does not serve.
func generate(pkg *loadedPackage, config Config, diagnostics *diagnostics) (server, client []byte, err error) {
	agent, names, plan := check(pkg, config, diagnostics)
	if pkg.misplaced != nil {
		return nil, nil, pkg.misplaced
	}
	if len(agent.handlers) == 0 || diagnostics.errors() > 0 {
		return nil, nil, nil
	}
	if server, err = emit(agent, names); err != nil || plan == nil {
		return server, nil, err
	}
	client, err = emitClient(plan)
	return server, client, err
}

// hasClient reports whether an agent gets a client.
func hasClient(agent *agent, config Config) bool { return agent.serves() && config.Client != ClientOff }

// check does all steps that find mistakes. What it returns is whole when it has
// found none. There is no plan of a client where there is nothing to call.
func check(pkg *loadedPackage, config Config, diagnostics *diagnostics) (*agent, *names, *clientPlan) {
	before := diagnostics.errors()
	directives := scan(pkg, diagnostics)
	agent := analyze(pkg, directives, diagnostics.errors() > before, diagnostics)
	if len(directives) == 0 {
		return agent, nil, nil
	}
	checkPayloads(pkg, agent, diagnostics)
	var plan *clientPlan
	free := true
	if hasClient(agent, config) {
		if free = pkg.placeClient(config, diagnostics); free {
			plan = planClient(pkg, agent, config, diagnostics)
		}
	}
	if pkg.output.content != nil && !pkg.output.ours {
		pkg.output.refuse(diagnostics)
		free = false
	}
	if !free {
		return agent, nil, nil
	}
	return agent, planNames(pkg, agent, config, diagnostics), plan
}

// output is the generated file of an earlier run, or what lies in its place.
type output struct {
	path    string
	content []byte // nil when there is no file
	ours    bool   // it may be overwritten or removed
	// unreadable: it is no file, but a directory or something stranger.
	unreadable bool
	generated  []byte // the content of this run, nil when there is none
}

// refuse reports a file that is not ours.
func (o output) refuse(diagnostics *diagnostics) {
	problem := "agentcore-gen did not write this file and will not overwrite it"
	if o.unreadable {
		problem = "the generated file belongs here, and what lies in its place is no file"
	}
	file := diagnostics.fset.AddFile(o.path, -1, len(o.content))
	diagnostics.add(codeForeignFile, at(file.Pos(0)), "%s: rename or delete it", problem)
}

func readOutput(dir string) (output, error) {
	out := output{path: filepath.Join(dir, OutputName)}
	info, err := os.Stat(out.path)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil // or it is a link to nothing, which Write replaces
	}
	if err != nil || !info.Mode().IsRegular() {
		out.content, out.unreadable = []byte{}, true
		return out, nil
	}
	content, err := os.ReadFile(out.path)
	if err != nil {
		return out, err
	}
	if content == nil {
		content = []byte{}
	}
	out.content, out.ours = content, isOutput(content)
	return out, nil
}

// isConflict reports whether a file begins with a merge conflict whose sides
// are all ours. Mostly the header is what they have in common, but it is not
// when they end their lines in different ways.
func isConflict(content []byte) bool {
	rest, found := strings.CutPrefix(string(content), "<<<<<<< ")
	sides, _, closed := strings.Cut(rest, "\n>>>>>>> ")
	_, sides, _ = strings.Cut(sides, "\n") // behind the label
	return found && closed && !slices.ContainsFunc(sideMarker.Split(sides, -1), func(side string) bool { return !isOurs([]byte(side)) })
}

var sideMarker = regexp.MustCompile(`(?m)^(\|{7}.*|={7}\r?)\n`)
