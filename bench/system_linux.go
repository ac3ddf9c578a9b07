package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// serverCPUs and loadCPUs are where servers and the load run, if they are pinned.
var serverCPUs, loadCPUs *unix.CPUSet

// pinSelf gives the first core to the servers and the others to this process,
// and says so.
func pinSelf() (string, error) {
	// Children inherit a limit that was set, and not one that Go has raised.
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		limit.Cur = limit.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	}

	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return "", err
	}
	if all.Count() < 2 {
		return "there is one core, which the servers share with the load: do not trust the figures", nil
	}
	servers, load := new(unix.CPUSet), all
	first := 0
	for !all.IsSet(first) {
		first++
	}
	servers.Set(first)
	load.Clear(first)
	serverCPUs, loadCPUs = servers, &load
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		return "", err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(filepath.Base(thread))
		if err != nil {
			return "", err
		}
		if err := unix.SchedSetaffinity(id, loadCPUs); err != nil && !errors.Is(err, unix.ESRCH) {
			return "", err
		}
	}
	runtime.GOMAXPROCS(load.Count())
	return fmt.Sprintf("the servers have core %d, the load has %d others", first, load.Count()), nil
}

// lock waits until no other run is under way on this machine: the two would
// measure each other.
func lock(ctx context.Context, progress io.Writer) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "agentcore-bench.lock"), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	for waited := false; ; waited = true {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(err, f.Close())
		}
		if !waited {
			fmt.Fprintln(progress, "waiting for another run of the benchmark")
		}
		if wait(ctx, 100*time.Millisecond); ctx.Err() != nil {
			return nil, errors.Join(ctx.Err(), f.Close())
		}
	}
}

// startPinned starts a server on its core: a process inherits the affinity of
// the thread that starts it.
func startPinned(cmd *exec.Cmd) error {
	if serverCPUs == nil {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.SchedSetaffinity(0, serverCPUs); err != nil {
		return err
	}
	err := cmd.Start()
	return errors.Join(err, unix.SchedSetaffinity(0, loadCPUs))
}

func residentMemory(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	kilobytes, err := strconv.Atoi(strings.TrimSuffix(field(string(text), "VmRSS"), " kB"))
	return float64(kilobytes) * 1024, err
}

// processorTime returns how long a process has run, to a hundredth of a second.
func processorTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may have spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / 100
}

func processor(context.Context) string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if model := field(string(text), "model name"); err == nil && model != "" {
		return model
	}
	return runtime.GOARCH
}

// field returns the value of the first line "name: value".
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
