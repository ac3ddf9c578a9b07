//go:build unix

package agentcore_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agentcore-go/agentcore/internal/testmodule"
)

// TestReadmeTryIt runs what the README tells a stranger to run first.
func TestReadmeTryIt(t *testing.T) {
	if err := testmodule.DependOnSources(); err != nil {
		t.Fatal(err)
	}
	section := readmeSection(t, "Try it")
	base := serve(t, testmodule.Root(), code(t, section, "sh", 0))

	console := code(t, section, "console", 0)
	got := post(t, base+"/invocations", `{"prompt":"hi"}`)
	if !strings.Contains(console, got) {
		t.Errorf("the answer is %s, and the README shows\n%s", got, console)
	}
	status := get(t, base+"/ping")
	if !strings.HasPrefix(status, `{"status":"Healthy","time_of_last_update":`) {
		t.Errorf("/ping answers %s", status)
	}
	if test := code(t, section, "sh", 1); strings.TrimSpace(test) != "go test ./..." {
		t.Errorf("the README's test command is %q", test)
	}
}

// TestReadmeOwnModule follows the README in an empty directory beside a checkout.
func TestReadmeOwnModule(t *testing.T) {
	section := readmeSection(t, "In your own module")
	work := t.TempDir()
	if err := os.Symlink(testmodule.Root(), filepath.Join(work, "agentcore")); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(work, "myagent")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(code(t, section, "go", 0)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := shell(t, dir, code(t, section, "sh", 0)); err != nil {
		t.Fatalf("making the module: %v\n%s", err, out)
	}
	if out, err := shell(t, dir, "go vet ./..."); err == nil || !strings.Contains(out, "NewServer") {
		t.Fatalf("before generation, go vet should miss NewServer: %v\n%s", err, out)
	}
	commands, run, ok := strings.Cut(strings.TrimSpace(code(t, section, "sh", 1)), "\ngo run")
	if !ok {
		t.Fatal("the README does not end with go run")
	}
	if out, err := shell(t, dir, commands); err != nil || out != "" {
		t.Fatalf("generation: %v\n%s", err, out)
	}
	base := serve(t, dir, "go run"+run)
	got := post(t, base+"/invocations", `{"prompt":"hi there"}`)
	if console := code(t, section, "console", 0); !strings.Contains(console, strings.TrimSpace(got)) {
		t.Errorf("the stream is\n%s\nand the README shows\n%s", got, console)
	}
	t.Run("client", func(t *testing.T) { askOwnAgent(t, dir, base) })
}

// askOwnAgent calls the agent with the program that the README shows.
func askOwnAgent(t *testing.T, dir, base string) {
	const here = "http://localhost:8080"
	program := code(t, readmeSection(t, "Clients"), "go", 0)
	if !strings.Contains(program, here) {
		t.Fatalf("the program does not call %s", here)
	}
	if err := os.Mkdir(filepath.Join(dir, "ask"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ask", "main.go"), []byte(strings.ReplaceAll(program, here, base)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := shell(t, dir, "go vet ./ask && go run ./ask"); err != nil || out != "You\nsaid:\nhi\nthere\n" {
		t.Errorf("asking the agent: %v\n%s", err, out)
	}
}

// TestReadmeDirectives checks that the README shows real diagnostics: they are
// those of a case in testdata.
func TestReadmeDirectives(t *testing.T) {
	shown := code(t, readmeSection(t, "Directives"), "console", 0)
	_, shown, _ = strings.Cut(shown, "\n") // the command
	real, err := os.ReadFile(filepath.Join("testdata", "diagnostics", "readme.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(real, []byte("-- want --\n"+shown+"--")) {
		t.Errorf("the README shows\n%s\nand the case has\n%s", shown, real[bytes.Index(real, []byte("-- want --")):])
	}
}

// readmeSection returns the text below a heading of the README.
func readmeSection(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("the README has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// code returns the nth code block of a language.
func code(t *testing.T, section, language string, n int) string {
	t.Helper()
	parts := strings.Split(section, "\n```"+language+"\n")
	if n+1 >= len(parts) {
		t.Fatalf("the section has no block %d of %s", n, language)
	}
	block, _, _ := strings.Cut(parts[n+1], "```")
	return block
}

// shell runs commands as a reader of the README would.
func shell(t *testing.T, dir, commands string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", commands)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// serve runs commands that serve an agent, and returns its base URL when it
// answers.
func serve(t *testing.T, dir, commands string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()

	var output bytes.Buffer
	cmd := exec.Command("sh", "-ec", commands)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), fmt.Sprint("PORT=", port))
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		<-ended
	})

	base := fmt.Sprint("http://127.0.0.1:", port)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // to compile
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if answer, err := http.Get(base + "/ping"); err == nil {
			answer.Body.Close()
			return base
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatalf("it ended:\n%s", output.String())
		case <-ctx.Done():
			t.Fatal("it does not answer")
		}
	}
}

func post(t *testing.T, url, body string) string {
	t.Helper()
	answer, err := http.Post(url, "application/x-www-form-urlencoded", strings.NewReader(body)) // as curl -d sends it
	return read(t, answer, err)
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	return read(t, answer, err)
}

func read(t *testing.T, answer *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
