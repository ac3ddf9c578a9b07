//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package client_test

import "golang.org/x/sys/unix"

const termiosRequest = unix.TIOCGETA
