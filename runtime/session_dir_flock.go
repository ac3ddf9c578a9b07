//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package runtime

import (
	"errors"
	"os"
	"syscall"
)

// tryLock locks a file until it is closed or the process ends, however that
// comes about. It returns nil where the file system has no locks.
func tryLock(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil {
		return file, nil
	}
	_ = file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errLocked
	}
	return nil, nil
}
