package gen

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// orphans returns the clients that belong to no agent any more, of those that the
// patterns match or that lie below their agents: where a client was before its
// package or the configuration changed, nobody knows. A client whose agent is not
// part of the run is none, unless there is no such package.
func (l *listing) orphans(ctx context.Context, config Config, loaded []*loadedPackage, files *files) ([]output, error) {
	run := &ownership{loaded: make(map[string]*loadedPackage), looked: make(map[string]bool)}
	var found, matched []output
	for _, client := range l.clients {
		if files.of[resolved(client.path)] == nil {
			matched = append(matched, client)
		}
	}
	if len(matched) > 0 {
		for _, pkg := range loaded {
			run.loaded[resolved(pkg.dir)] = pkg
		}
		for _, dir := range l.looked {
			run.looked[resolved(dir)] = true
		}
		for _, agent := range l.agents {
			delete(run.looked, resolved(agent.path)) // loading it says more
		}
		matched = slices.DeleteFunc(matched, run.needs)
	}
	for _, pkg := range loaded {
		for _, client := range formerClients(pkg, config) {
			agent, _ := client.agentOf()
			if files.of[resolved(client.path)] == nil && pkg.settled() && resolved(agent) == resolved(pkg.dir) && moduleRoot(client.dir()) == moduleRoot(pkg.dir) {
				found = append(found, client)
			}
		}
	}
	matched, err := own(ctx, config, matched)
	return append(found, matched...), err
}

// settled reports whether this run can tell what outputs a package has.
func (p *loadedPackage) settled() bool { return p.output.generated != nil || !p.unsettled }

// ownership is what a run knows about directories, by their resolved paths.
type ownership struct {
	loaded map[string]*loadedPackage
	looked map[string]bool // there is no agent
}

// needs reports whether a client may still be needed, although the run has not
// made it.
func (o *ownership) needs(client output) bool {
	client.path = filepath.Join(resolved(client.dir()), OutputName)
	dir, _ := client.agentOf()
	dir = resolved(dir)
	if agent := o.loaded[dir]; agent != nil {
		return !agent.settled()
	}
	return !o.looked[dir] && hasSources(dir)
}

// hasSources reports whether a directory holds a package, as far as that can be
// said.
func hasSources(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return slices.ContainsFunc(entries, func(entry os.DirEntry) bool { return filepath.Ext(entry.Name()) == ".go" && !entry.IsDir() })
}

// formerClients returns the clients in the directories below a package, and where
// the configuration would have one.
func formerClients(pkg *loadedPackage, config Config) []output {
	dirs := []string{placeOfClient(pkg, config).dir}
	entries, _ := os.ReadDir(pkg.dir)
	for _, entry := range entries {
		if entry.IsDir() {
			dirs = append(dirs, filepath.Join(pkg.dir, entry.Name()))
		}
	}
	var clients []output
	for _, dir := range dirs {
		if out, err := readOutput(dir); err == nil && out.isClient() {
			clients = append(clients, out)
		}
	}
	return clients
}

// own leaves the outputs that lie in a module which is ours to write into.
func own(ctx context.Context, config Config, outputs []output) ([]output, error) {
	if len(outputs) == 0 {
		return nil, nil
	}
	var dirs []string
	for _, out := range outputs {
		dirs = append(dirs, out.dir())
	}
	packs, err := query(ctx, config, dirs)
	if err != nil {
		return nil, err
	}
	ours := make(map[string]bool)
	for _, pkg := range packs {
		if pkg.Dir != "" && pkg.Module != nil && pkg.Module.Main {
			ours[resolved(pkg.Dir)] = true
		}
	}
	return slices.DeleteFunc(outputs, func(out output) bool { return !ours[resolved(out.dir())] }), nil
}

func (o output) dir() string { return filepath.Dir(o.path) }
