package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// measureMemory waits for a command that has been started, and fills in how much
// memory it takes, by looking often at it and at the processes below it. The peak
// that the kernel reports in the end will not do: it is never less than what this
// process had when it forked the command.
func (u *usage) measureMemory(cmd *exec.Cmd) error {
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		largest, total := treeMemory(cmd.Process.Pid, nil)
		u.largest, u.total = max(u.largest, largest), max(u.total, total)
		select {
		case err := <-done:
			return err
		case <-ticker.C:
		}
	}
}

// treeMemory returns the resident memory of a process and of those that it has
// started: the highest peak among them, and what they all have now. What they
// share counts for each.
func treeMemory(pid int, parent []byte) (largest, total float64) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	command, _ := os.ReadFile(dir + "cmdline")
	if len(command) == 0 || bytes.Equal(command, parent) {
		return 0, 0 // it has ended, or is still a copy of its parent, with the memory of that
	}
	status, _ := os.ReadFile(dir + "status")
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		switch name {
		case "VmHWM":
			largest = kilobytes * 1024
		case "VmRSS":
			total = kilobytes * 1024
		}
	}
	children, _ := filepath.Glob(dir + "task/*/children") // a child belongs to a thread
	for _, path := range children {
		text, _ := os.ReadFile(path)
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				l, t := treeMemory(child, command)
				largest, total = max(largest, l), total+t
			}
		}
	}
	return largest, total
}
