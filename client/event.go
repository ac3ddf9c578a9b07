package client

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"math"
	"strings"
)

// Event is one server-sent event.
type Event struct {
	// Name is the type of the event, "" if it has none.
	Name string
	// ID is the last event id, which stays until another event sets it.
	ID string
	// Data is the text of the event, its lines joined by \n. It is valid until the
	// next event is read.
	Data []byte
}

// ReadEvents reads server-sent events from the body of an answer, by the rules of
// the HTML standard: lines end with \n, \r\n or \r, comments and events without
// data are passed over, and an event that the end of the text interrupts is
// dropped. It holds one event at a time, and not more than 10 MiB of it; one that
// is larger, and a failure to read, end the sequence with an error. The caller
// closes r.
func ReadEvents(r io.Reader) iter.Seq2[Event, error] { return readEvents(r, defaultMaxEvent) }

func readEvents(r io.Reader, maxEvent int) iter.Seq2[Event, error] {
	if maxEvent <= 0 {
		maxEvent = math.MaxInt
	}
	return func(yield func(Event, error) bool) {
		e := &eventReader{lines: lines{r: r, max: maxEvent, first: true}}
		for {
			event, err := e.next()
			if err == io.EOF {
				return
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// eventReader puts events together from lines.
type eventReader struct {
	lines lines
	id    string
	data  []byte // of an event with several lines, or whose end is yet to come
}

// next returns the next event that has data.
func (e *eventReader) next() (Event, error) {
	event := Event{ID: e.id}
	e.data = e.data[:0]
	hasData := false
	for {
		line, err := e.lines.next()
		if err != nil {
			return Event{}, err
		}
		if len(line) == 0 {
			if hasData {
				event.ID = e.id
				event.Data = e.data
				return event, nil
			}
			event.Name = ""
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "data":
			if !hasData && len(value) <= e.lines.max && e.lines.blankFollows() {
				// All of it is at hand, where it stays until the next read.
				event.ID = e.id
				event.Data = value
				return event, nil
			}
			if hasData {
				e.data = append(e.data, '\n')
			}
			if len(value) > e.lines.max-len(e.data) {
				return Event{}, e.lines.tooLarge()
			}
			e.data = append(e.data, value...)
			hasData = true
		case "event":
			event.Name = string(value)
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				e.id = string(value)
			}
		}
	}
}

// lines reads lines, whichever way they end.
type lines struct {
	r     io.Reader
	max   int
	first bool // nothing was read yet
	err   error

	buf         []byte // what was read and not returned yet is buf[start:]
	start       int
	searched    int  // up to where buf[start:] has no line end
	newline     int  // up to where it has no \n
	afterReturn bool // the last line ended with \r, to which a \n would belong
}

// readSize is what the buffer has room for at least before each read.
const readSize = 16 << 10

// next returns the next line without its end. It is valid until the next call.
func (l *lines) next() ([]byte, error) {
	for {
		line, ok := l.take()
		if len(line)-len("data: ") > l.max {
			return nil, l.tooLarge()
		}
		if ok {
			return line, nil
		}
		if l.err != nil {
			return nil, l.err
		}
		l.fill()
	}
}

func (l *lines) tooLarge() error {
	return fmt.Errorf("an event is larger than %d bytes: raise the limit with WithMaxEvent", l.max)
}

// take returns a line and true, or the beginning of one of which the buffer has
// no more. It does not wait for what follows a \r, for that may be long in coming.
func (l *lines) take() ([]byte, bool) {
	if l.afterReturn && l.start < len(l.buf) {
		l.afterReturn = false
		if l.buf[l.start] == '\n' {
			l.start++
		}
	}
	end, ok := l.lineEnd()
	line := l.buf[l.start:end]
	if ok {
		l.afterReturn = l.buf[end] == '\r'
		l.start = end + 1
	}
	l.searched = max(end, l.start)
	return line, ok
}

// lineEnd returns where the next line ends, if it does. It looks at everything
// once for each of the two characters, even if the other one is not there.
func (l *lines) lineEnd() (end int, ok bool) {
	l.searched = max(l.searched, l.start)
	l.newline = max(l.newline, l.searched)
	if l.newline == len(l.buf) || l.buf[l.newline] != '\n' {
		if i := bytes.IndexByte(l.buf[l.newline:], '\n'); i >= 0 {
			l.newline += i
		} else {
			l.newline = len(l.buf)
		}
	}
	if i := bytes.IndexByte(l.buf[l.searched:l.newline], '\r'); i >= 0 {
		return l.searched + i, true
	}
	return l.newline, l.newline < len(l.buf)
}

// blankFollows reports whether the line after the last one is known to be empty,
// and takes it then.
func (l *lines) blankFollows() bool {
	at := l.start
	if l.afterReturn && at < len(l.buf) && l.buf[at] == '\n' {
		at++
	}
	if at >= len(l.buf) || l.buf[at] != '\n' && l.buf[at] != '\r' {
		return false
	}
	l.afterReturn = l.buf[at] == '\r'
	l.start = at + 1
	return true
}

// fill reads more, if there is.
func (l *lines) fill() {
	if l.start > 0 { // what is left is the beginning of a line, and mostly short
		n := copy(l.buf, l.buf[l.start:])
		l.buf = l.buf[:n]
		l.searched -= l.start
		l.newline -= l.start
		l.start = 0
	}
	if cap(l.buf)-len(l.buf) < readSize {
		grown := make([]byte, len(l.buf), 2*cap(l.buf)+2*readSize)
		copy(grown, l.buf)
		l.buf = grown
	}
	n := 0
	for tries := 0; n == 0 && l.err == nil; tries++ {
		if tries == maxEmptyReads {
			l.err = io.ErrNoProgress
			return
		}
		n, l.err = l.r.Read(l.buf[len(l.buf):cap(l.buf)])
	}
	l.buf = l.buf[:len(l.buf)+n]
	l.skipMark()
}

// maxEmptyReads is how often a reader may return nothing, as in package bufio.
const maxEmptyReads = 100

// skipMark takes a byte-order mark off the beginning of the text.
func (l *lines) skipMark() {
	const mark = "\ufeff"
	switch {
	case !l.first || len(l.buf) < len(mark) && l.err == nil && strings.HasPrefix(mark, string(l.buf)):
	case strings.HasPrefix(string(l.buf[:min(len(l.buf), len(mark))]), mark):
		l.start = len(mark)
		l.first = false
	default:
		l.first = false
	}
}
