//go:build !linux

package main

import "os/exec"

// measureMemory waits for a command. How much memory a command takes together with
// those that it starts is known on Linux only.
func (*usage) measureMemory(cmd *exec.Cmd) error { return cmd.Wait() }
