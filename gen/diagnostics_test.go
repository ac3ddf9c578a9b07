package gen_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/agentcore-go/agentcore/gen"
	"github.com/agentcore-go/agentcore/internal/testmodule"
)

var update = flag.Bool("update", false, "rewrite the expected diagnostics")

// TestDiagnostics runs the cases in testdata/diagnostics: files of one module
// and, in the file "want", the exact diagnostics.
func TestDiagnostics(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join(testmodule.Root(), "testdata", "diagnostics", "*.txtar"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir := extract(t, archive)
			result, err := gen.Generate(context.Background(), gen.Config{Dir: dir, Patterns: []string{"./..."}})
			if err != nil {
				t.Fatal(err)
			}
			got := text(result.Diagnostics, dir)
			want := archiveFile(archive, "want")
			if want == nil {
				t.Fatal("the case has no file want")
			}
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want.Data) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want.Data)
			}
			if result.Failed() && len(result.Files) > 0 {
				t.Errorf("there are %d files beside errors", len(result.Files))
			}
		})
	}
}

// extract writes the files of an archive into a new module.
func extract(t *testing.T, archive *txtar.Archive) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := testmodule.Write(dir, "example.com/agent"); err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// text writes diagnostics with paths relative to dir.
func text(diagnostics []gen.Diagnostic, dir string) string {
	var b bytes.Buffer
	for _, d := range diagnostics {
		b.WriteString(d.String() + "\n")
	}
	return strings.ReplaceAll(b.String(), dir+string(filepath.Separator), "")
}

func archiveFile(archive *txtar.Archive, name string) *txtar.File {
	for i := range archive.Files {
		if archive.Files[i].Name == name {
			return &archive.Files[i]
		}
	}
	return nil
}
