package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"testing"
)

const (
	childVariable = "AGENTCORE_BENCH_CHILD" // makes TestMemory the child of itself
	childMemory   = 100 << 20
)

// fill returns memory that is resident.
func fill(size int) []byte {
	memory := make([]byte, size)
	for i := range memory {
		memory[i] = 1
	}
	return memory
}

func TestMemory(t *testing.T) {
	if os.Getenv(childVariable) != "" {
		memory := fill(childMemory)
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
		runtime.KeepAlive(memory)
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemory$")
	child.Env = append(os.Environ(), childVariable+"=1")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	// The race detector makes it several times as large.
	alone, _ := treeMemory(child.Process.Pid, nil)
	largest, total := treeMemory(os.Getpid(), nil)
	if alone < childMemory || alone > 10*childMemory || largest < alone || total <= alone {
		t.Errorf("the child has %.0f bytes, the largest process %.0f, both of them %.0f", alone, largest, total)
	}
	stdin.Close()
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
}

// TestMemoryOfCommand tests that the memory of this process is not taken for that
// of a command, which begins as a copy of it.
func TestMemoryOfCommand(t *testing.T) {
	memory := fill(childMemory)
	u, err := run(t.Context(), t.TempDir(), nil, []string{"go", "version"}, true)
	runtime.KeepAlive(memory)
	if err != nil || u.largest == 0 || u.total == 0 || u.largest > childMemory || u.total > childMemory {
		t.Errorf("go version takes %+v: %v", u, err)
	}
}
