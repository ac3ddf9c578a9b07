// Package gen writes the server of an agent from the annotated functions of a
// package. It is agentcore-gen as a library.
//
// Generation is a straight line, a file for each step:
//
//	list     patterns to packages, and which of them mention a directive
//	load     types, with dependencies from export data only
//	scan     comments to directives on functions
//	analyze  directives to an agent: kinds, shapes, payload types
//	payload  what encoding/json would drop or refuse
//	names    every name that the output declares or imports
//	emit     the file
//	write    the disk
//
// Every step before the last only reads.
package gen

import (
	"context"
	"fmt"
	"go/token"
	"os"
	"path/filepath"
)

// OutputName is the name of the generated file in an agent's package.
const OutputName = "agentcore_gen.go"

// A Config says what to generate from. The zero value is the package in the
// current directory.
type Config struct {
	// Dir is where patterns are resolved. The default is the current directory.
	Dir string
	// Patterns are package patterns as for go build. The default is ".".
	Patterns []string
	// Tags are build tags, separated by commas.
	Tags string
	// Server is the name of the generated constructor. The default is NewServer.
	Server string
}

// A Result is what one run has found.
type Result struct {
	// Files are the generated files, changed or not, in the order of their
	// paths. There are none when there are Diagnostics.
	Files []File
	// Diagnostics are everything that is wrong with the input, in the order
	// of their positions.
	Diagnostics []Diagnostic
}

// A File is one generated file.
type File struct {
	// Path is absolute when it comes from Generate.
	Path string
	// Content is nil for a file that has to go.
	Content []byte
	// Previous is what the file holds now, nil when there is none.
	Previous []byte
}

// Generate reads the packages and returns what should be written, for [Write].
// It writes nothing itself. An error means that the go command could not be
// asked; what is wrong with the packages is in the Result.
func Generate(ctx context.Context, config Config) (*Result, error) {
	if len(config.Patterns) == 0 {
		config.Patterns = []string{"."}
	}
	if config.Server == "" {
		config.Server = "NewServer"
	}
	if !token.IsIdentifier(config.Server) || config.Server == "_" {
		return nil, fmt.Errorf("-server %s: a Go identifier is wanted, as in -server NewAgent", config.Server)
	}
	diagnostics := new(diagnostics)
	listed, err := list(ctx, config, diagnostics)
	if err != nil {
		return nil, err
	}
	var files []File
	var annotated []*listedPackage
	for _, pkg := range listed {
		switch {
		case pkg.annotated:
			annotated = append(annotated, pkg)
		case pkg.output.ours && !pkg.outputExcluded:
			files = append(files, File{Path: pkg.output.path, Previous: pkg.output.content})
		}
	}
	loaded, err := load(ctx, config, annotated, diagnostics)
	if err != nil {
		return nil, err
	}
	for _, pkg := range loaded {
		file := File{Path: pkg.output.path, Previous: pkg.output.content}
		directives := scan(pkg, diagnostics)
		if len(directives) == 0 { // the text only looked like one
			if pkg.output.ours {
				files = append(files, file)
			}
			continue
		}
		agent := analyze(pkg, directives, diagnostics)
		checkPayloads(pkg, agent, diagnostics)
		names := planNames(pkg, agent, config.Server, diagnostics)
		if !diagnostics.empty() {
			continue // the other packages' diagnostics are wanted as well
		}
		if file.Content, err = emit(agent, names); err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	result := &Result{Diagnostics: diagnostics.sorted()}
	if len(result.Diagnostics) == 0 {
		result.Files = sortedFiles(files)
	}
	return result, nil
}

// output is the generated file of an earlier run, or what lies in its place.
type output struct {
	path    string
	content []byte // nil when there is no file
	ours    bool   // it may be overwritten or removed
}

func readOutput(dir string) (output, error) {
	out := output{path: filepath.Join(dir, OutputName)}
	content, err := os.ReadFile(out.path)
	if os.IsNotExist(err) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	if content == nil {
		content = []byte{}
	}
	out.content, out.ours = content, isOurs(content)
	return out, nil
}
