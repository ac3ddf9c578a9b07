package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// An Echo is a WebSocket connection to an agent that sends back what it gets.
type Echo struct {
	conn      *conn
	out, want []byte // frames
}

// DialEcho opens a connection for a text message.
func DialEcho(addr, message string) (*Echo, error) {
	c, err := dial(addr)
	if err != nil {
		return nil, err
	}
	e := &Echo{conn: c, out: frame(message, [4]byte{0x37, 0xfa, 0x21, 0x3d}), want: frame(message, [4]byte{})}
	if err := e.open(addr); err != nil {
		_ = c.Close()
		return nil, err
	}
	return e, nil
}

func (e *Echo) open(addr string) error {
	if err := e.conn.extend(); err != nil {
		return err
	}
	if _, err := e.conn.Write(handshake(addr)); err != nil {
		return err
	}
	status, _, err := e.conn.head()
	if err == nil && status != 101 {
		err = fmt.Errorf("the WebSocket handshake is answered with %d", status)
	}
	return err
}

// Close drops the connection.
func (e *Echo) Close() error { return e.conn.Close() }

// Do sends the message and waits for its echo.
func (e *Echo) Do() error {
	if err := e.conn.extend(); err != nil {
		return err
	}
	if _, err := e.conn.Write(e.out); err != nil {
		return err
	}
	for e.conn.w-e.conn.r < len(e.want) {
		if err := e.conn.fill(); err != nil {
			return err
		}
	}
	got := e.conn.buf[e.conn.r : e.conn.r+len(e.want)]
	if !bytes.Equal(got, e.want) {
		return fmt.Errorf("the echo is the frame %.200q", got)
	}
	e.conn.r += len(e.want)
	return nil
}

// frame returns a text message of less than 64 KB in one frame. A client's is
// masked, and a server's, whose mask is zero, is not.
func frame(message string, mask [4]byte) []byte {
	f := []byte{0x81, 126} // final text, 16 bits of length
	if n := len(message); n < 126 {
		f[1] = byte(n)
	} else {
		f = binary.BigEndian.AppendUint16(f, uint16(n))
	}
	if mask != [4]byte{} {
		f[1] |= 0x80
		f = append(f, mask[:]...)
	}
	for i := range len(message) {
		f = append(f, message[i]^mask[i%4])
	}
	return f
}
