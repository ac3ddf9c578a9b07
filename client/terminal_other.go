//go:build !unix

package client

import (
	"io"
	"os"
)

// sizeChanges returns a channel that gets nothing: there is no signal for it.
func sizeChanges() (changed <-chan os.Signal, stop func()) { return nil, func() {} }

// newInput returns the reader itself, of which a read cannot be called off.
func newInput(stdin io.Reader) (input io.Reader, release func()) { return stdin, func() {} }
