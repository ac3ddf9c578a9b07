package load

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// patience bounds every wait for the agent: a benchmark must not hang.
const patience = 30 * time.Second

// A Client sends one prepared request again and again.
type Client struct {
	conn    *conn
	request []byte
	check   func(body []byte) error
	good    []byte // the last body that has passed the check
}

// Dial returns a client for the agent at addr, to send request and have check
// look at the body of each answer, unless it is the same as the one before.
func Dial(addr string, request []byte, check func(body []byte) error) (*Client, error) {
	conn, err := dial(addr)
	if err != nil {
		return nil, err
	}
	return &Client{conn: conn, request: request, check: check}, nil
}

// Close closes the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Do sends the request and reads and checks its answer.
func (c *Client) Do() error { return c.do(nil) }

func (c *Client) do(each func(part []byte)) error {
	if err := c.conn.extend(); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	status, body, err := c.conn.response(each)
	if err != nil {
		return err
	}
	if status != 200 {
		return fmt.Errorf("status %d: %.200s", status, body)
	}
	if c.good != nil && bytes.Equal(body, c.good) {
		return nil
	}
	if err := c.check(body); err != nil {
		return err
	}
	c.good = append(c.good[:0], body...)
	return nil
}

// Arrivals sends the request and returns when each event of its answer, a
// stream, had come in full, and when the first byte of the first one had,
// counted from just before the request was written.
func (c *Client) Arrivals() (first time.Duration, events []time.Duration, err error) {
	start := time.Now()
	err = c.do(func([]byte) {
		now := time.Since(start)
		if first == 0 && bytes.Contains(c.conn.body, []byte("data:")) {
			first = now
		}
		for range len(Events(c.conn.body)) - len(events) {
			events = append(events, now)
		}
	})
	return first, events, err
}

// Events returns the data of the complete events in a stream. Each has one line
// of data; everything else is passed over.
func Events(stream []byte) (data [][]byte) {
	for {
		event, rest, complete := bytes.Cut(stream, []byte("\n\n"))
		if !complete {
			return data
		}
		stream = rest
		for line := range bytes.Lines(event) {
			if value, ok := bytes.CutPrefix(line, []byte("data:")); ok {
				data = append(data, bytes.TrimSpace(value))
			}
		}
	}
}

// conn reads HTTP responses, and WebSocket frames, from a connection.
type conn struct {
	net.Conn
	buf      []byte // buf[r:w] is read and not consumed
	r, w     int
	body     []byte
	deadline time.Time
}

func dial(addr string) (*conn, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, buf: make([]byte, 4<<10)}, nil
}

// extend moves the deadline, if it has come nearer than half of the patience.
func (c *conn) extend() error {
	now := time.Now()
	if c.deadline.Sub(now) > patience/2 {
		return nil
	}
	c.deadline = now.Add(patience)
	return c.SetDeadline(c.deadline)
}

// fill reads more.
func (c *conn) fill() error {
	switch {
	case c.r == c.w:
		c.r, c.w = 0, 0
	case c.w == len(c.buf) && c.r > 0:
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	case c.w == len(c.buf):
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	n, err := c.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}

// line consumes a line and returns it without its end.
func (c *conn) line() ([]byte, error) {
	for seen := 0; ; {
		if i := bytes.IndexByte(c.buf[c.r+seen:c.w], '\n'); i >= 0 {
			line := c.buf[c.r : c.r+seen+i]
			c.r += seen + i + 1
			return bytes.TrimSuffix(line, []byte("\r")), nil
		}
		seen = c.w - c.r
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// head consumes the head of a response. Length is -1 when the body is chunked.
func (c *conn) head() (status, length int, err error) {
	line, err := c.line()
	if err != nil {
		return 0, 0, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, 0, fmt.Errorf("not a response: %.100q", line)
	}
	if status, err = number(line[9:12], 10); err != nil {
		return 0, 0, err
	}
	length = -2
	for {
		line, err := c.line()
		if err != nil {
			return 0, 0, err
		}
		if len(line) == 0 {
			break
		}
		if v, ok := value(line, "content-length"); ok {
			if length, err = number(v, 10); err != nil {
				return 0, 0, err
			}
		} else if v, ok := value(line, "transfer-encoding"); ok && bytes.EqualFold(v, []byte("chunked")) {
			length = -1
		}
	}
	if length == -2 && status >= 200 {
		return 0, 0, errors.New("a response with neither Content-Length nor chunks")
	}
	return status, length, nil
}

// value returns the value of a header line that has the name.
func value(line []byte, name string) ([]byte, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name)+1:]), true
}

func number(digits []byte, base int) (int, error) {
	n, err := strconv.ParseUint(string(digits), base, 31)
	return int(n), err
}

// response consumes a response. The body is valid until the next call. Each, if
// it is not nil, is called with every part of the body as it comes.
func (c *conn) response(each func(part []byte)) (status int, body []byte, err error) {
	status, length, err := c.head()
	if err != nil {
		return 0, nil, err
	}
	c.body = c.body[:0]
	if length >= 0 {
		err = c.take(length, each)
		return status, c.body, err
	}
	for {
		line, err := c.line()
		if err != nil {
			return 0, nil, err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := number(size, 16)
		if err != nil {
			return 0, nil, err
		}
		if err := c.take(n, each); err != nil {
			return 0, nil, err
		}
		if end, err := c.line(); err != nil || len(end) > 0 { // no agent sends trailers
			return 0, nil, errors.Join(err, fmt.Errorf("a chunk ends with %.20q", end))
		}
		if n == 0 {
			return status, c.body, nil
		}
	}
}

// take moves the next n bytes to the body.
func (c *conn) take(n int, each func([]byte)) error {
	for n > 0 {
		if c.r == c.w {
			if err := c.fill(); err != nil {
				return err
			}
		}
		part := c.buf[c.r:min(c.w, c.r+n)]
		c.body = append(c.body, part...)
		c.r += len(part)
		n -= len(part)
		if each != nil {
			each(part)
		}
	}
	return nil
}
