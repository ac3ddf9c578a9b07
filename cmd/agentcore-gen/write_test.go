package main

import (
	"runtime"

	"github.com/rogpeppe/go-internal/testscript"
)

// bound runs a command as a user whom permissions bind, even if that is root:
// bound command [args].
func bound(ts *testscript.TestScript, neg bool, args []string) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock it: what it has forgone is lost
		err := forgoOverride()
		if err == nil {
			err = ts.Exec(args[0], args[1:]...)
		}
		done <- err
	}()
	if err := <-done; (err != nil) != neg {
		ts.Fatalf("%v: %v", args, err)
	}
}
