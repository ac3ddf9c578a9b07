package gen_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/agentcore-go/agentcore/gen"
	"github.com/agentcore-go/agentcore/internal/testmodule"
)

var update = flag.Bool("update", false, "rewrite the expected diagnostics")

// module is the path of the module that a case believes itself to be. All cases
// are in one, each in a directory of its own, for one run of the generator and
// one of go vet.
const module = "example.com/agent"

// wrongCase is a case in testdata/diagnostics: files of one module and
//
//	want       the exact diagnostics
//	vet        what go vet says instead, when the go command does not let the
//	           analyzer see the package
//	fixed/...  files as go vet -fix leaves them
type wrongCase struct {
	name, path string
	archive    *txtar.Archive
}

func (c *wrongCase) file(name string) *txtar.File {
	i := slices.IndexFunc(c.archive.Files, func(f txtar.File) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &c.archive.Files[i]
}

// set changes an expected file, or adds it.
func (c *wrongCase) set(t *testing.T, name, text string) {
	t.Helper()
	if f := c.file(name); f != nil {
		f.Data = []byte(text)
	} else {
		c.archive.Files = append(c.archive.Files, txtar.File{Name: name, Data: []byte(text)})
	}
	if err := os.WriteFile(c.path, txtar.Format(c.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

func isSource(f txtar.File) bool {
	return f.Name != "want" && f.Name != "vet" && !strings.HasPrefix(f.Name, "fixed/")
}

func wrongCases(t *testing.T) []*wrongCase {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(testmodule.Root(), "testdata", "diagnostics", "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	var cases []*wrongCase
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, &wrongCase{strings.TrimSuffix(filepath.Base(path), ".txtar"), path, archive})
	}
	return cases
}

// extract writes cases into a new module.
func extract(t *testing.T, cases []*wrongCase) (dir string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := testmodule.Write(dir, module); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		for _, f := range c.archive.Files {
			if !isSource(f) {
				continue
			}
			path := filepath.Join(dir, c.name, filepath.FromSlash(f.Name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, bytes.ReplaceAll(f.Data, []byte(module), []byte(module+"/"+c.name)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// portion returns the lines of a text that are about a case, as if the case were
// alone.
func (c *wrongCase) portion(text string) string {
	var mine strings.Builder
	in := false
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "\t") { // a related place, which may be in a library
			in = strings.HasPrefix(line, c.name+"/") || strings.Contains(line, module+"/"+c.name+"/") || strings.Contains(line, module+"/"+c.name+":")
		}
		if in {
			mine.WriteString(line)
		}
	}
	return strings.NewReplacer(module+"/"+c.name, module, c.name+"/", "").Replace(mine.String())
}

// ofCases reports lines of a text that are about no case.
func ofCases(t *testing.T, cases []*wrongCase, text string) {
	t.Helper()
	lines := 0
	for _, c := range cases {
		lines += strings.Count(c.portion(text), "\n")
	}
	if want := strings.Count(text, "\n"); lines != want {
		t.Errorf("%d of these lines are about a case, want all %d:\n%s", lines, want, text)
	}
}

// generation is one run of the generator on all cases.
type generation struct {
	dir    string
	cases  []*wrongCase
	result *gen.Result
}

// caseOf returns the name of the case that a diagnostic is about.
func (g *generation) caseOf(d gen.Diagnostic) string {
	name, err := filepath.Rel(g.dir, d.Pos.Filename)
	if err != nil {
		return ""
	}
	name, _, _ = strings.Cut(filepath.ToSlash(name), "/")
	return name
}

var theGeneration *generation

// generated returns the generation, which tests share.
func generated(t *testing.T) *generation {
	t.Helper()
	if theGeneration == nil {
		g := &generation{cases: wrongCases(t)}
		g.dir = extract(t, g.cases)
		var err error
		if g.result, err = gen.Generate(context.Background(), gen.Config{Dir: g.dir, Patterns: []string{"./..."}}); err != nil {
			t.Fatal(err)
		}
		theGeneration = g
	}
	return theGeneration
}

// TestDiagnostics compares what the generator says of all cases with what it
// should say.
func TestDiagnostics(t *testing.T) {
	dir, cases, result := generated(t).dir, generated(t).cases, generated(t).result
	if len(result.Files) > 0 {
		t.Errorf("there are %d files beside errors", len(result.Files))
	}
	var all strings.Builder
	for _, d := range result.Diagnostics {
		all.WriteString(d.String() + "\n")
		if d.Code == "" || d.Pos.IsValid() && (d.End.Filename != d.Pos.Filename || d.End.Offset < d.Pos.Offset) {
			t.Errorf("code %q, end %s: %s", d.Code, d.End, d)
		}
	}
	text := strings.ReplaceAll(all.String(), dir+string(filepath.Separator), "")
	ofCases(t, cases, text)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := c.portion(text)
			if *update {
				c.set(t, "want", got)
			}
			if want := c.file("want"); want == nil {
				t.Error("the case has no file want")
			} else if got != string(want.Data) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want.Data)
			}
		})
	}
}

// TestVet runs go vet on all cases: it says what the generator does.
func TestVet(t *testing.T) {
	cases := wrongCases(t)
	dir := extract(t, cases)
	args := []string{"vet", "-vettool=" + command(t)}
	var hidden []*wrongCase
	for _, c := range cases {
		if c.file("vet") != nil {
			hidden = append(hidden, c)
			continue
		}
		args = append(args, "./"+c.name+"/...")
	}
	text := goVet(t, dir, args...)
	ofCases(t, cases, text)
	for _, c := range cases {
		if slices.Contains(hidden, c) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			want := vetText(string(c.file("want").Data))
			if got := sortedLines(c.portion(text)); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
	for _, c := range hidden {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := goVet(t, dir, "vet", "-vettool="+command(t), "./"+c.name+"/...")
			got = strings.NewReplacer(module+"/"+c.name, module, c.name+"/", "").Replace(got)
			if !strings.HasPrefix(got, "package ") { // the packages come in any order
				got = sortedLines(got)
			}
			if *update {
				c.set(t, "vet", got)
			}
			if want := string(c.file("vet").Data); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if got == string(c.file("want").Data) {
				t.Error("go vet says what the generator says: delete the file vet")
			}
		})
	}
}

// TestVetFix lets go vet -fix repair the cases that it can.
func TestVetFix(t *testing.T) {
	cases := wrongCases(t)
	args := []string{"vet", "-fix", "-vettool=" + command(t)}
	var fixable []*wrongCase
	for _, c := range cases {
		if c.file("vet") == nil {
			fixable = append(fixable, c)
			args = append(args, "./"+c.name+"/...")
		}
	}
	dir := extract(t, fixable)
	if text := goVet(t, dir, args...); text != "" {
		t.Errorf("go vet -fix says:\n%s", text)
	}
	for _, c := range fixable {
		t.Run(c.name, func(t *testing.T) {
			for _, f := range slices.Clone(c.archive.Files) {
				if !isSource(f) {
					continue
				}
				content, err := os.ReadFile(filepath.Join(dir, c.name, filepath.FromSlash(f.Name)))
				if err != nil {
					t.Fatal(err)
				}
				got := strings.ReplaceAll(string(content), module+"/"+c.name, module)
				want := c.file("fixed/" + f.Name)
				switch {
				case *update && got != string(f.Data):
					c.set(t, "fixed/"+f.Name, got)
				case want == nil && got != string(f.Data):
					t.Errorf("%s is now:\n%s", f.Name, got)
				case want != nil && got != string(want.Data):
					t.Errorf("%s is now:\n%s\nwant:\n%s", f.Name, got, want.Data)
				}
			}
		})
	}
}

// command builds agentcore-gen.
func command(t *testing.T) string {
	t.Helper()
	path, err := buildCommand()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var buildCommand = sync.OnceValues(func() (string, error) {
	if err := testmodule.DependOnSources(); err != nil {
		return "", err
	}
	path := filepath.Join(commandDir, "agentcore-gen.exe")
	build := exec.Command("go", "build", "-o", path, "./cmd/agentcore-gen")
	build.Dir, build.Stderr = testmodule.Root(), os.Stderr
	return path, build.Run()
})

var commandDir string

func TestMain(m *testing.M) {
	var err error
	if commandDir, err = os.MkdirTemp("", "agentcore-gen"); err != nil {
		panic(err)
	}
	status := m.Run()
	os.RemoveAll(commandDir)
	os.Exit(status)
}

// goVet returns what the go command says, with paths relative to dir.
func goVet(t *testing.T, dir string, args ...string) string {
	t.Helper()
	vet := exec.Command("go", args...)
	vet.Dir = dir
	vet.Env = append(os.Environ(), "PWD="+dir)
	var text bytes.Buffer
	vet.Stdout, vet.Stderr = &text, &text
	if err := vet.Run(); err != nil && text.Len() == 0 {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^(# .*\n|(\./|vet: |vet: \./))`).ReplaceAllString(strings.ReplaceAll(text.String(), dir+string(filepath.Separator), ""), "")
}

// vetText turns diagnostics into what go vet prints of them, with sorted lines.
func vetText(want string) string {
	want = regexp.MustCompile(`(?m)^([^\s:]+:\d+:\d+: )warning: `).ReplaceAllString(want, "$1")
	return sortedLines(regexp.MustCompile(`(?m)^\t([^\s:]+:\d+:\d+: )`).ReplaceAllString(want, "$1\t"))
}

func sortedLines(text string) string {
	return strings.Join(slices.Sorted(strings.Lines(text)), "")
}
