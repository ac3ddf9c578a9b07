//go:build unix

// Package examples_test builds and runs the examples as their READMEs say.
package examples_test

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
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/internal/testmodule"
)

// patience bounds waits that a working example ends at once.
const patience = 30 * time.Second

func TestReadmes(t *testing.T) {
	if err := testmodule.DependOnSources(); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./...").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, name := range []string{"hello", "streaming", "chat", "assistant", "background", "gateway"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(name, "README.md"))
			if err != nil {
				t.Fatal(err)
			}
			if run := "```sh\ngo run ./examples/" + name + "\n```\n"; !strings.Contains(string(text), run) {
				t.Errorf("the README does not say\n%s", run)
			}
			blocks := strings.Split(string(text), "\n```console\n")[1:]
			if len(blocks) == 0 {
				t.Fatal("the README calls nothing")
			}
			r := &reader{host: start(t, filepath.Join(bin, name)), ids: make(map[string]string)}
			for _, block := range blocks {
				block, _, _ = strings.Cut(block, "\n```")
				for call := range strings.SplitSeq(strings.TrimPrefix(block, "$ "), "\n$ ") {
					command, want, _ := strings.Cut(call, "\n")
					r.follow(t, command, want)
				}
			}
		})
	}
}

// start starts a program and returns its address when it answers. When the test
// ends, it must end well on SIGTERM.
func start(t *testing.T, program string) (host string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()

	var logged bytes.Buffer
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), fmt.Sprint("PORT=", port), "OPENAI_BASE_URL=", "AGENT_TOKEN=")
	cmd.Stdout, cmd.Stderr = &logged, &logged
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v:\n%s", err, logged.String())
		}
	})

	host = fmt.Sprint("127.0.0.1:", port)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		ping, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/ping", nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := http.DefaultClient.Do(ping); err == nil {
			answer.Body.Close()
			return host
		}
		select {
		case <-tick.C:
		case err := <-ended:
			ended <- err
			t.Fatalf("it ended with %v:\n%s", err, logged.String())
		case <-ctx.Done():
			t.Fatal("it does not answer")
		}
	}
}

// reader does what a README says.
type reader struct {
	host string
	ids  map[string]string // the real ones, by those in the README
}

var (
	word  = regexp.MustCompile(`'[^']*'|[^ ]+`)
	id    = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	since = regexp.MustCompile(`"time_of_last_update":\d+`)
)

// follow calls the example with a command, again and again until the answer
// is as shown: what goes on in the background takes a moment.
func (r *reader) follow(t *testing.T, command, want string) {
	t.Helper()
	var words []string
	for _, w := range word.FindAllString(command, -1) {
		words = append(words, strings.Trim(w, "'"))
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
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
			url = "http://" + strings.Replace(args[i], "localhost:8080", r.host, 1)
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

// websocat sends the lines that were typed, and receives as many as were
// answered.
func (r *reader) websocat(t *testing.T, ctx context.Context, lines string) (got string) {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+r.host+"/ws", nil)
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
