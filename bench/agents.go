package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/agentcore-go/agentcore/bench/load"
)

//go:embed agents/python agents/typescript
var sources embed.FS

// An agent is a program that can be served.
type agent struct {
	name    string
	label   string
	command []string
	env     []string
	version string // of its language
	binary  string // of a Go program
}

// prepare builds an agent in a directory of this run, or installs one in the
// cache.
func prepare(ctx context.Context, name, dir, cache string) (*agent, error) {
	switch name {
	case "ours":
		return build(ctx, name, "ours", dir)
	case "plain":
		return build(ctx, name, "hand-written Go", dir)
	case "python":
		return installPython(ctx, cache)
	case "typescript":
		return installTypeScript(ctx, cache)
	}
	return nil, fmt.Errorf("no such agent: %s", name)
}

func build(ctx context.Context, name, label, dir string) (*agent, error) {
	binary := filepath.Join(dir, name)
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "github.com/agentcore-go/agentcore/bench/agents/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	return &agent{
		name: name, label: label, command: []string{binary}, binary: binary,
		env: []string{"GOMAXPROCS=1"}, version: strings.Replace(runtime.Version(), "go", "Go ", 1),
	}, nil
}

func installPython(ctx context.Context, cache string) (*agent, error) {
	version, err := output(ctx, "python3", "--version")
	if err != nil {
		return nil, err
	}
	dir, err := install(cache, "python", version, func(dir string) error {
		if _, err := output(ctx, "python3", "-m", "venv", filepath.Join(dir, "venv")); err != nil {
			return err
		}
		_, err := output(ctx, venvPython(dir), "-m", "pip", "install", "-q", "-r", filepath.Join(dir, "requirements.txt"))
		return err
	})
	if err != nil {
		return nil, err
	}
	return &agent{
		name: "python", label: "Python SDK " + pinned("agents/python/requirements.txt"), version: version,
		command: []string{venvPython(dir), filepath.Join(dir, "agent.py")},
	}, nil
}

func venvPython(dir string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(dir, "venv", "Scripts", "python.exe")
	}
	return filepath.Join(dir, "venv", "bin", "python")
}

func installTypeScript(ctx context.Context, cache string) (*agent, error) {
	version, err := output(ctx, "node", "--version")
	if err != nil {
		return nil, err
	}
	dir, err := install(cache, "typescript", version, func(dir string) error {
		_, err := output(ctx, "npm", "install", "--prefix", dir, "--no-audit", "--no-fund", "--loglevel=error")
		return err
	})
	if err != nil {
		return nil, err
	}
	return &agent{
		name: "typescript", label: "TypeScript SDK " + pinned("agents/typescript/package.json"), version: "Node " + version,
		command: []string{"node", filepath.Join(dir, "agent.mjs")},
	}, nil
}

// pinned returns the version of the SDK that a file asks for.
func pinned(file string) string {
	text, err := sources.ReadFile(file)
	if err != nil {
		panic(err) // it is part of this program
	}
	_, rest, _ := strings.Cut(string(text), "bedrock-agentcore")
	return strings.Trim(strings.TrimSpace(rest), "=\": {}\n")
}

// install unpacks an agent's sources in the cache and has get fetch what they
// need, unless that was done before for the same sources and the same version of
// the language.
func install(cache, name, version string, get func(dir string) error) (string, error) {
	hash := sha256.New()
	fmt.Fprint(hash, version)
	files := make(map[string][]byte)
	err := fs.WalkDir(sources, "agents/"+name, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := sources.ReadFile(file)
		hash.Write(data)
		files[path.Base(file)] = data
		return err
	})
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, fmt.Sprintf("%s-%.4x", name, hash.Sum(nil)))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unfinished, err := os.MkdirTemp(cache, "unfinished-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(unfinished)
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(unfinished, name), data, 0o644); err != nil {
			return "", err
		}
	}
	if err := get(unfinished); err != nil {
		return "", err
	}
	return dir, os.Rename(unfinished, dir)
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil && text != "" {
		err = fmt.Errorf("%s: %w\n%s", name, err, text)
	}
	return text, err
}

// A server is a running agent.
type server struct {
	agent  *agent
	addr   string
	cmd    *exec.Cmd
	log    tail
	exited chan struct{}
	ready  time.Duration // from the start of the process to the first good ping
	used   time.Duration // the processor time that the last load took
	busy   float64       // the share of a core that this was, 0 if it says nothing
}

// start runs an agent until it answers a ping.
func (a *agent) start(ctx context.Context, mode string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	s := &server{agent: a, addr: addr, exited: make(chan struct{})}
	s.cmd = exec.CommandContext(ctx, a.command[0], a.command[1:]...)
	s.cmd.Env = append(os.Environ(), append(a.env, "PORT="+port, "BENCH_MODE="+mode)...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	begin := time.Now()
	if err := startPinned(s.cmd); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.exited)
		_ = s.cmd.Wait()
	}()
	for {
		err := s.ping()
		s.ready = time.Since(begin)
		if err == nil {
			return s, nil
		}
		select {
		case <-s.exited:
			return nil, fmt.Errorf("the agent ended: %s", s.log.String())
		default:
		}
		if s.ready > time.Minute {
			s.stop()
			return nil, fmt.Errorf("no good ping: %w", err)
		}
		// To sleep for as short as this takes a millisecond, which would show.
		for pause := time.Now(); time.Since(pause) < 200*time.Microsecond; {
			runtime.Gosched()
		}
	}
}

func (s *server) ping() error {
	client, err := load.Dial(s.addr, load.Ping(s.addr), checkPing)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Do()
}

// stop ends the server. What it does at a regular end is not measured.
func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// tail takes what a server logs, as the platform does, and keeps the end of it
// for a diagnosis.
type tail struct {
	mu   sync.Mutex
	last []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last[:0], p[max(0, len(p)-2000):]...)
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.last)
}
