package gen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// directory is a directory that may hold an agent, before the go command has
// said what is built of it.
type directory struct {
	path      string
	mentioned []string          // files, tests included, whose text mentions a directive
	sources   map[string][]byte // of all files but tests and the output
	output    output            // of an agent, or of the client of another
	// misleading: the go command must not see the output, for its package
	// clause would make the package look like another.
	misleading bool
}

// listing is what the patterns match.
type listing struct {
	agents  []*directory // that mention a directive, or hold an output of an agent
	clients []output
	looked  []string // all directories whose files could be read
}

// list resolves the patterns to the directories that mention a directive, or
// hold an output. What the others cost is reading their files: that of a client
// is not even loaded.
//
// Patterns of directories are resolved here, by the rules of the go command: to
// ask it takes as long as all the rest does. What is out of the ordinary is left
// to it.
func list(ctx context.Context, config Config, diagnostics *diagnostics) (*listing, error) {
	l := &lister{config: config, seen: make(map[string]bool)}
	var everything, others []string
	for _, pattern := range config.Patterns {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if slices.Contains([]string{"...", "all", "cmd", "std", "tool", "work"}, pattern) {
			everything = append(everything, pattern)
		} else if found, err := l.local(ctx, pattern); err != nil {
			return nil, err
		} else if !found {
			others = append(others, pattern)
		}
	}
	if len(others) > 0 {
		if err := l.ask(ctx, others, false, diagnostics); err != nil {
			return nil, err
		}
	}
	if len(everything) > 0 {
		if err := l.ask(ctx, everything, true, diagnostics); err != nil {
			return nil, err
		}
	}
	l.agents = once(l.agents)
	return &l.listing, nil
}

// once leaves of a directory that has several names its own one, if it is among
// them, for the path of a package is made of it.
func once(dirs []*directory) []*directory {
	own := make(map[string]*directory)
	for _, dir := range dirs {
		path := resolved(dir.path)
		if own[path] == nil || dir.path == path {
			own[path] = dir
		}
	}
	return slices.DeleteFunc(dirs, func(dir *directory) bool { return own[resolved(dir.path)] != dir })
}

type lister struct {
	config Config
	seen   map[string]bool // directories
	listing
}

// local resolves a pattern of directories. It has found nothing when the
// pattern is another one, or there is no Go file.
func (l *lister) local(ctx context.Context, pattern string) (found bool, err error) {
	if !build.IsLocalImport(pattern) && !filepath.IsAbs(pattern) {
		return false, nil
	}
	root, below := strings.CutSuffix(filepath.ToSlash(pattern), "/...")
	if root == "" || strings.Contains(root, "...") || strings.Contains(root, "@") {
		return false, nil
	}
	if !filepath.IsAbs(pattern) {
		root = filepath.Join(l.config.Dir, root)
	}
	if root, err = filepath.Abs(filepath.FromSlash(root)); err != nil {
		return false, err
	}
	if !below {
		return l.inspect(root)
	}
	if ignores(root) {
		return false, nil
	}
	any := false
	err = filepath.WalkDir(root+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		path = filepath.Clean(path)
		if err != nil && path != root {
			return nil // it has gone, or is nobody's to read: there is no agent in it
		}
		if err != nil || !entry.IsDir() {
			return err
		}
		if path != root {
			name := entry.Name()
			if name[0] == '.' || name[0] == '_' || name == "testdata" || name == "vendor" || isFile(filepath.Join(path, "go.mod")) {
				return fs.SkipDir
			}
		}
		found, err := l.inspect(path)
		any = any || found
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return any, err
}

// ignores reports whether the go.mod of a directory's module makes the go
// command ignore directories, or may do so.
func ignores(dir string) bool {
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil {
			return bytes.Contains(text, []byte("ignore"))
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true // it belongs to no module, which the go command is to explain
		}
		dir = parent
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// ask lets the go command resolve patterns. Those that stand for everything, such
// as all, match packages of other modules that nobody thinks of.
func (l *lister) ask(ctx context.Context, patterns []string, everything bool, diagnostics *diagnostics) error {
	packs, err := query(ctx, l.config, patterns)
	if err != nil {
		return err
	}
	if len(packs) == 0 {
		return fmt.Errorf("no package matches %s", strings.Join(patterns, " "))
	}
	for _, pkg := range packs {
		if everything && (pkg.Module == nil || !pkg.Module.Main) {
			continue
		}
		if pkg.Dir == "" || len(pkg.GoFiles) == 0 && len(pkg.IgnoredFiles) == 0 {
			reportErrors(l.config, pkg, diagnostics)
			continue
		}
		before := l.listing
		if _, err := l.inspect(pkg.Dir); err != nil {
			return err
		}
		if len(l.agents) > len(before.agents) && foreign(pkg, diagnostics) {
			l.listing = before
		}
	}
	return nil
}

// query asks the go command what packages there are.
func query(ctx context.Context, config Config, patterns []string) ([]*packages.Package, error) {
	packs, err := packages.Load(&packages.Config{
		Mode:       packages.NeedName | packages.NeedFiles | packages.NeedModule,
		Context:    ctx,
		Dir:        config.Dir,
		BuildFlags: buildFlags(config),
	}, patterns...)
	if err != nil {
		return nil, goCommandError(err)
	}
	return packs, nil
}

// reportErrors reports what the go command says of a package that it cannot
// make out.
func reportErrors(config Config, pkg *packages.Package, diagnostics *diagnostics) {
	for _, err := range pkg.Errors {
		message := pkg.PkgPath + ": " + strings.TrimSpace(err.Msg)
		for _, r := range remedies {
			if strings.Contains(message, r.says) {
				message += ": " + r.remedy
				break
			}
		}
		if info, err := os.Stat(filepath.Join(config.Dir, pkg.PkgPath)); err == nil && info.IsDir() && !build.IsLocalImport(pkg.PkgPath) && !filepath.IsAbs(pkg.PkgPath) {
			message, _, _ = strings.Cut(message, "; to add it:")
			message += ": for the directory, write ./" + pkg.PkgPath
		}
		diagnostics.add(codeGoList, nil, "%s", message)
	}
}

// remedies are for what the go command says without saying what to do.
var remedies = []struct{ says, remedy string }{
	{"cannot import absolute path", "agentcore-gen needs modules, so unset GO111MODULE"},
	{"does not contain modules listed in go.work", "name the directory of one, as in ./agent/..., or write work for all of them"},
	{"does not contain main module", "run agentcore-gen in a module, or make one with go mod init"},
	{"does not contain package", "run agentcore-gen in the module that the directory belongs to"},
	{"outside main module", "run agentcore-gen in the module that the directory belongs to"},
	{".: no Go files in", "name the directory of an agent, or write ./... for all below this one"},
}

// foreign reports a package that belongs to a module which is not ours to write
// into.
func foreign(pkg *packages.Package, diagnostics *diagnostics) bool {
	if pkg.Module == nil || pkg.Module.Main {
		return false
	}
	diagnostics.add(codeOtherModule, nil, "package %s belongs to module %s, which is not the main module here: run agentcore-gen in that module", pkg.PkgPath, pkg.Module.Path)
	return true
}

// inspect reads the files of a directory as text, and notes it if there is
// anything to do. It reports whether there are Go files.
func (l *lister) inspect(path string) (found bool, err error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return false, nil // the go command says it better
	}
	dir := &directory{path: path, sources: make(map[string][]byte)}
	if dir.output, err = readOutput(path); err != nil {
		return false, err
	}
	var unreadable error
	clause := ""
	if dir.output.ours {
		clause = packageClause(dir.output.content)
	}
	for _, entry := range entries {
		name := entry.Name()
		if filepath.Ext(name) != ".go" || entry.IsDir() {
			continue
		}
		found = true
		file := filepath.Join(path, name)
		if file == dir.output.path && dir.output.ours || name[0] == '.' || name[0] == '_' {
			continue
		}
		source, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || err != nil && file == dir.output.path {
			continue // a link that leads nowhere, or another run has removed it; or readOutput knows
		}
		if err != nil {
			unreadable = errors.Join(unreadable, err)
			continue
		}
		if mentions(source) {
			dir.mentioned = append(dir.mentioned, file)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		dir.sources[file] = source
		if dir.output.ours && packageClause(source) != clause {
			dir.misleading = true
		}
	}
	isAgent := len(dir.mentioned) > 0 || dir.output.ours && !dir.output.isClient()
	if unreadable != nil {
		if isAgent && !l.seen[path] {
			return found, unreadable // there may be a handler in it
		}
		return found, nil
	}
	if !l.seen[path] {
		l.seen[path] = true
		l.looked = append(l.looked, path)
		if isAgent {
			l.agents = append(l.agents, dir)
		}
		if dir.output.isClient() {
			l.clients = append(l.clients, dir.output)
		}
	}
	return found, nil
}

// packageClause returns the package name that a source declares, or "".
func packageClause(source []byte) string {
	file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.PackageClauseOnly)
	if err != nil {
		return ""
	}
	return file.Name.Name
}

// refusal returns why the go command does not load packages. When it needs
// export data as well, package packages takes all failures for those of a
// build, and does not tell.
func refusal(ctx context.Context, config Config, patterns []string) error {
	if _, err := query(ctx, config, patterns); err != nil {
		return err
	}
	return errors.New("the go command loads no package, and does not say why: go build does")
}

// goCommandError leaves what the go command says of a failure.
func goCommandError(err error) error {
	if _, missing := exec.LookPath("go"); missing != nil {
		return fmt.Errorf("%w: install Go, or add the directory of its go command to PATH", missing)
	}
	if _, says, ok := strings.Cut(err.Error(), "stderr: "); ok {
		return errors.New(strings.TrimSpace(says))
	}
	return err
}

func buildFlags(config Config) []string {
	if config.Tags == "" {
		return nil
	}
	return []string{"-tags=" + config.Tags}
}

// isBuilt reports whether a file is built under the present constraints, as far
// as that can be said without the go command.
func isBuilt(config Config, path string) bool {
	matcher := build.Default
	matcher.BuildTags = buildTags(config)
	built, err := matcher.MatchFile(filepath.Dir(path), filepath.Base(path))
	return built && err == nil
}

// buildTags returns the tags that the go command is run with. It takes spaces
// for commas, and its flags from the environment as well.
func buildTags(config Config) []string {
	tags := config.Tags
	if tags == "" {
		for _, flag := range strings.Fields(os.Getenv("GOFLAGS")) {
			if value, ok := strings.CutPrefix(strings.TrimLeft(flag, "-"), "tags="); ok {
				tags = value
			}
		}
	}
	return strings.FieldsFunc(tags, func(r rune) bool { return r == ',' || r == ' ' })
}
