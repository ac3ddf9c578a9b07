//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"runtime"
	"time"
)

func pinSelf() (string, error) {
	return "processes cannot be pinned to cores here, so the load takes some of the servers' time", nil
}

func lock(context.Context, io.Writer) (unlock func(), err error) { return func() {}, nil }

func startPinned(cmd *exec.Cmd) error { return cmd.Start() }

func residentMemory(int) (float64, error) {
	return 0, errors.New("memory is measured on Linux only")
}

func processorTime(int) time.Duration { return 0 }

func processor(ctx context.Context) string {
	if model, err := output(ctx, "sysctl", "-n", "machdep.cpu.brand_string"); err == nil {
		return model
	}
	return runtime.GOARCH
}
