package client

import (
	"bytes"
	"context"
	"sync"
)

// maxShellOutput is how much output waits for the one who reads, before the
// connection is not read any more. It is what the service holds itself, and sends
// in one go after a connection is made again.
const maxShellOutput = 256 << 10

// shellOutput holds what a shell has written, and nobody has read yet.
type shellOutput struct {
	mu      sync.Mutex
	changed *sync.Cond
	buf     bytes.Buffer
	err     error // what follows buf, nil while more may come
}

func newShellOutput() *shellOutput {
	o := new(shellOutput)
	o.changed = sync.NewCond(&o.mu)
	return o
}

// write appends output, when there is room. It reports whether it had to wait.
// After the end, output is dropped.
func (o *shellOutput) write(p []byte) (waited bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.err == nil && o.buf.Len() >= maxShellOutput {
		waited = true
		o.changed.Wait()
	}
	if o.err == nil {
		o.buf.Write(p)
		o.changed.Broadcast()
	}
	return waited
}

// read reads what there is, and waits if there is nothing.
func (o *shellOutput) read(ctx context.Context, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.changed.Broadcast()
		})()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.buf.Len() == 0 {
		switch {
		case o.err != nil:
			return 0, o.err
		case ctx.Err() != nil:
			return 0, context.Cause(ctx)
		}
		o.changed.Wait()
	}
	n, err := o.buf.Read(p)
	o.changed.Broadcast()
	return n, err
}

// end says what follows the output. What was not read yet can be read before,
// unless it is to be dropped.
func (o *shellOutput) end(err error, drop bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if drop {
		o.buf = bytes.Buffer{}
	}
	o.err = err
	o.changed.Broadcast()
}

// ended reports whether nothing more comes.
func (o *shellOutput) ended() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err != nil && o.buf.Len() == 0
}
