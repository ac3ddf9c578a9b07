//go:build unix

// Package examples_test builds and runs the examples as their READMEs say.
package examples_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/examples/internal/process"
)

// agents are the examples that serve; caller calls them.
var agents = []string{"hello", "streaming", "chat", "assistant", "background", "gateway"}

func TestReadmes(t *testing.T) {
	bin := t.TempDir()
	if err := process.Build(bin); err != nil {
		t.Fatal(err)
	}
	for _, name := range agents {
		t.Run(name, func(t *testing.T) {
			text := read(t, name)
			if run := "```sh\ngo run ./examples/" + name + "\n```\n"; !strings.Contains(text, run) {
				t.Errorf("the README does not say\n%s", run)
			}
			host := process.Start(t, filepath.Join(bin, name))
			newReader(bin, map[string]string{name: host}).followAll(t, text)
		})
	}
	t.Run("caller", func(t *testing.T) {
		text := read(t, "caller")
		hosts := make(map[string]string)
		for _, name := range agents {
			if strings.Contains(text, "```sh\ngo run ./examples/"+name+"\n```\n") {
				hosts[name] = process.Start(t, filepath.Join(bin, name))
			}
		}
		newReader(bin, hosts).followAll(t, text)
	})
}

// The Go in the READMEs is that of caller.
func TestReadmeCode(t *testing.T) {
	var source strings.Builder
	files, err := filepath.Glob(filepath.Join("caller", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	blocks := 0
	for _, name := range append(agents, "caller") {
		for _, block := range strings.Split(read(t, name), "\n```go\n")[1:] {
			blocks++
			if block, _, _ = strings.Cut(block, "```"); !strings.Contains(source.String(), block) {
				t.Errorf("the README of %s shows what caller has not:\n%s", name, block)
			}
		}
	}
	if blocks == 0 {
		t.Error("no README shows Go")
	}
}

func read(t *testing.T, example string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(example, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// reader does what a README says.
type reader struct {
	bin   string            // where the examples are, built
	hosts map[string]string // of the agents that run, by name
	ids   map[string]string // the real ones, by those in the README
}

func newReader(bin string, hosts map[string]string) *reader {
	return &reader{bin: bin, hosts: hosts, ids: make(map[string]string)}
}

// followAll does all that a README shows on a console.
func (r *reader) followAll(t *testing.T, readme string) {
	t.Helper()
	blocks := strings.Split(readme, "\n```console\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("the README calls nothing")
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "\n```")
		for call := range strings.SplitSeq(strings.TrimPrefix(block, "$ "), "\n$ ") {
			command, want, _ := strings.Cut(call, "\n")
			r.follow(t, command, want)
		}
	}
}

// host returns where the agent listens that curl and websocat talk to: they do in
// the README of one.
func (r *reader) host(t *testing.T) string {
	t.Helper()
	if len(r.hosts) != 1 {
		t.Fatalf("%d agents are there", len(r.hosts))
	}
	for _, host := range r.hosts {
		return host
	}
	return ""
}

var (
	word  = regexp.MustCompile(`'[^']*'|[^ ]+`)
	typed = regexp.MustCompile(`^printf '([^']*)' \| `)
	id    = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	since = regexp.MustCompile(`"time_of_last_update":\d+`)
)

// follow calls the example with a command, again and again until the answer
// is as shown: what goes on in the background takes a moment.
func (r *reader) follow(t *testing.T, command, want string) {
	t.Helper()
	stdin := ""
	if input := typed.FindStringSubmatch(command); input != nil {
		stdin = strings.ReplaceAll(input[1], `\n`, "\n")
		command = strings.TrimPrefix(command, input[0])
	}
	var env, words []string
	for _, w := range word.FindAllString(command, -1) {
		if len(words) == 0 && strings.Contains(w, "=") {
			env = append(env, w)
			continue
		}
		words = append(words, strings.Trim(w, "'"))
	}
	ctx, cancel := context.WithTimeout(t.Context(), process.Patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		got := ""
		switch words[0] {
		case "curl":
			got = r.curl(t, ctx, words[1:])
		case "websocat":
			got = r.websocat(t, ctx, want)
		case "go":
			if len(words) < 3 || words[1] != "run" || words[2] != "./examples/caller" {
				t.Fatalf("%s: unknown", command)
			}
			got = r.caller(t, ctx, stdin, env, words[3:])
		default:
			t.Fatalf("%s: unknown", command)
		}
		if normal(got) == normal(want) {
			shown := id.FindAllString(want, -1)
			for i, real := range id.FindAllString(got, -1) {
				r.ids[shown[i]] = real
			}
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s\nanswers\n%s\nand the README shows\n%s", command, got, want)
		}
	}
}

// normal is a text without what differs from run to run.
func normal(text string) string {
	return strings.TrimSpace(since.ReplaceAllString(id.ReplaceAllString(text, "ID"), "SINCE"))
}

// curl understands the few arguments that the READMEs use.
func (r *reader) curl(t *testing.T, ctx context.Context, args []string) string {
	t.Helper()
	var url string
	method, body, header := http.MethodGet, "", make(http.Header)
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-N":
		case "-H":
			i++
			name, value, _ := strings.Cut(args[i], ": ")
			header.Set(name, value)
		case "-d":
			i++
			method, body = http.MethodPost, args[i]
			header.Set("Content-Type", "application/x-www-form-urlencoded")
		default:
			url = "http://" + strings.Replace(args[i], "localhost:8080", r.host(t), 1)
		}
	}
	for shown, real := range r.ids {
		body = strings.ReplaceAll(body, shown, real)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// caller runs the example of that name, and returns what a terminal shows. The
// agent that is called is where the test has started it.
func (r *reader) caller(t *testing.T, ctx context.Context, stdin string, env, args []string) string {
	t.Helper()
	for _, arg := range args {
		if host, ok := r.hosts[arg]; ok && !slices.Contains(args, "-url") {
			args = append([]string{"-url", "http://" + host}, args...)
			break
		}
	}
	for i, arg := range args {
		if real, ok := r.ids[arg]; ok {
			args[i] = real
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(r.bin, "caller"), args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = strings.NewReader(stdin)
	shown, err := cmd.CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); failed {
		return fmt.Sprintf("%sexit status %d\n", shown, cmd.ProcessState.ExitCode()) // which go run adds
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(shown)
}

// websocat sends the lines that were typed, and receives as many as were
// answered.
func (r *reader) websocat(t *testing.T, ctx context.Context, lines string) (got string) {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+r.host(t)+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, `{"turn"`) {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(line)); err != nil {
				t.Fatal(err)
			}
			got += line + "\n"
			continue
		}
		_, message, err := conn.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		got += string(message) + "\n"
	}
	return got
}
