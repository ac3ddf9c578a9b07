package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/agentcore-go/agentcore/gen"
)

// outcome is what a run has found and done. Its paths are relative to the
// current directory if they are below it.
type outcome struct {
	gen.Result
	Check bool       // nothing was written
	Fixed []gen.File // sources that -fix has changed
}

// stale reports whether -check has found something out of date.
func (o outcome) stale() bool {
	return o.Check && slices.ContainsFunc(o.Files, gen.File.Changed)
}

var errInterrupted = errors.New("interrupted")

// maxFixes is how often sources are corrected: what was misspelt may turn out to
// be misplaced as well.
const maxFixes = 5

// generate does all that a run does but for printing.
func generate(ctx context.Context, config gen.Config, check, fix bool) (outcome, error) {
	out := outcome{Check: check}
	err := out.generate(ctx, config)
	for range maxFixes {
		if err != nil || !fix {
			break
		}
		var again bool
		if again, err = out.fix(); err != nil || !again {
			break
		}
		err = out.generate(ctx, config)
	}
	if err == nil && !check {
		err = gen.Write(out.Files)
	}
	return out, err
}

func (o *outcome) generate(ctx context.Context, config gen.Config) error {
	o.Result = gen.Result{} // of sources that have changed
	result, err := gen.Generate(ctx, config)
	if ctx.Err() != nil {
		// A go command that was interrupted as well may have failed in any way.
		return errInterrupted
	}
	if err != nil {
		return err
	}
	o.Result = *result
	o.shorten()
	return nil
}

// fix corrects the sources, and reports whether anything has changed.
func (o *outcome) fix() (changed bool, err error) {
	files, err := gen.ApplyFixes(o.Diagnostics)
	if err != nil {
		return false, err
	}
	if err := gen.Write(files); err != nil {
		return false, err
	}
	for _, f := range files {
		if i := slices.IndexFunc(o.Fixed, func(other gen.File) bool { return other.Path == f.Path }); i >= 0 {
			o.Fixed[i].Content = f.Content
		} else {
			o.Fixed = append(o.Fixed, f)
		}
	}
	return len(files) > 0, nil
}

// shorten makes paths relative to the current directory.
func (o *outcome) shorten() {
	dir, err := os.Getwd()
	if err != nil {
		return
	}
	shorten := func(path *string) {
		if rel, err := filepath.Rel(dir, *path); err == nil && filepath.IsLocal(rel) {
			*path = rel
		}
	}
	for i := range o.Files {
		shorten(&o.Files[i].Path)
	}
	for i := range o.Diagnostics {
		d := &o.Diagnostics[i]
		shorten(&d.Pos.Filename)
		shorten(&d.End.Filename)
		for j := range d.Related {
			shorten(&d.Related[j].Pos.Filename)
		}
		for j := range d.Fixes {
			for k := range d.Fixes[j].Edits {
				shorten(&d.Fixes[j].Edits[k].Path)
			}
		}
	}
}
