package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tmaxmax/go-sse"

	"github.com/agentcore-go/agentcore/client"
)

// event is one that was read, whose data stays.
type event struct{ name, id, data string }

// readAll returns all events of a text, and the error that ends them.
func readAll(r io.Reader) (events []event, last error) {
	for e, err := range client.ReadEvents(r) {
		if err != nil {
			if e.Name != "" || e.ID != "" || e.Data != nil {
				return events, fmt.Errorf("an event comes with an error: %+v %w", e, err)
			}
			return events, err
		}
		events = append(events, event{e.Name, e.ID, string(e.Data)})
	}
	return events, nil
}

// data returns nameless events.
func data(texts ...string) (events []event) {
	for _, text := range texts {
		events = append(events, event{data: text})
	}
	return events
}

// TestReadEvents has the rules of https://html.spec.whatwg.org/multipage/server-sent-events.html,
// with its own examples first.
func TestReadEvents(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []event
	}{
		"three lines":               {"data: YHOO\ndata: +2\ndata: 10\n\n", data("YHOO\n+2\n10")},
		"ids":                       {": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n", []event{{"", "1", "first event"}, {"", "", "second event"}, {"", "", " third event"}}},
		"empty data":                {"data\n\ndata\ndata\n\ndata:\n", data("", "\n")},
		"with a space and without":  {"data:test\n\ndata: test\n\n", data("test", "test")},
		"nothing":                   {"", nil},
		"a mark alone":              {"\ufeff", nil},
		"part of a mark":            {"\xef\xbb", nil},
		"a mark":                    {"\ufeffdata: a\n\n", data("a")},
		"two marks":                 {"\ufeff\ufeffdata: a\n\ndata: b\n\n", data("b")},
		"a mark later":              {"data: a\n\n\ufeffdata: b\n\n", data("a")},
		"a mark before a blank":     {"\ufeff\ndata: a\n\n", data("a")},
		"returns":                   {"data: a\r\rdata: b\r\r", data("a", "b")},
		"returns and newlines":      {"data: a\r\n\r\ndata: b\r\n\r\n", data("a", "b")},
		"all mixed":                 {"data: a\r\n\ndata: b\n\r\ndata: c\r\r\ndata: d\n\rdata: e\r\n\rdata: f\n\n", data("a", "b", "c", "d", "e", "f")},
		"newline, return":           {"data: a\n\rdata: b\n\r", data("a", "b")},
		"one line end is no blank":  {"data: a\r\ndata: b\r\n\r\n", data("a\nb")},
		"many blanks":               {"\n\n\r\r\n\ndata: a\n\n\n\r\n\r\ndata: b\n\n\n", data("a", "b")},
		"comments":                  {":\n: a\ndata: b\n:data: c\n\n:\n\n", data("b")},
		"a comment within data":     {"data: a\n: x\ndata: b\n\n", data("a\nb")},
		"two spaces":                {"data:  a\n\n", data(" a")},
		"a tab":                     {"data:\ta\n\n", data("\ta")},
		"more colons":               {"data: a: b\n\ndata::\n\n", data("a: b", ":")},
		"a space before":            {" data: a\n\ndata : b\n\n", nil},
		"other case":                {"DATA: a\n\n", nil},
		"unknown fields":            {"retry: 10\nfoo: bar\ndata: a\nfoo\n\n", data("a")},
		"no blank at the end":       {"data: a\n\ndata: b\n", data("a")},
		"no line end at the end":    {"data: a\n\ndata: b", data("a")},
		"a blank that is no blank":  {"data: a\n \n\n", data("a")},
		"data of blanks":            {"data: \n\ndata:\n\n", data("", "")},
		"data of line ends":         {"data:\ndata:\ndata:\n\n", data("\n\n")},
		"a name":                    {"event: x\ndata: a\n\ndata: b\n\n", []event{{"x", "", "a"}, {"", "", "b"}}},
		"a name after the data":     {"data: a\nevent: x\n\n", []event{{"x", "", "a"}}},
		"the last name":             {"event: x\nevent: y\ndata: a\n\nevent: x\nevent\ndata: b\n\n", []event{{"y", "", "a"}, {"", "", "b"}}},
		"a name without data":       {"event: x\n\ndata: a\n\n", data("a")},
		"an id stays":               {"id: 1\ndata: a\n\ndata: b\n\n", []event{{"", "1", "a"}, {"", "1", "b"}}},
		"an id without data stays":  {"id: 1\n\ndata: a\n\n", []event{{"", "1", "a"}}},
		"an id after the data":      {"data: a\nid: 1\n\n", []event{{"", "1", "a"}}},
		"an empty id":               {"id: 1\ndata: a\n\nid:\ndata: b\n\n", []event{{"", "1", "a"}, {"", "", "b"}}},
		"an id with a NUL":          {"id: 1\ndata: a\n\nid: 2\x003\ndata: b\n\n", []event{{"", "1", "a"}, {"", "1", "b"}}},
		"data with a NUL":           {"data: a\x00b\n\n", data("a\x00b")},
		"data that is not UTF-8":    {"data: \xff\n\n", data("\xff")},
		"other line ends are none":  {"data: a\u2028b\v\f\u0085\n\n", data("a\u2028b\v\f\u0085")},
		"the last line is too long": {"data: a\n\n" + strings.Repeat("x", 100_000), data("a")},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readAll(strings.NewReader(test.text))
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("events %q, %v, want %q", got, err, test.want)
			}
			if got := naiveEvents(test.text); !slices.Equal(got, test.want) {
				t.Errorf("the reference has %q, want %q", got, test.want)
			}
		})
	}
}

// nasty has one of everything.
const nasty = "\ufeff:c\r\ndata: a\r\rid: 1\ndata:b\rdata\r\n\r\nevent: x\n\n\ndata:  d\n\revent:y\r\ndata: e\n\nid:\x00\rdata: \r\n\r\r\ndata: f"

func TestReadEventsInParts(t *testing.T) {
	want := naiveEvents(nasty)
	if len(want) != 5 {
		t.Fatalf("the reference has %q", want)
	}
	check := func(what string, r io.Reader) {
		t.Helper()
		if got, err := readAll(r); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%s: events %q, %v, want %q", what, got, err, want)
		}
	}
	for i := range len(nasty) + 1 {
		check(fmt.Sprint("split at ", i), parts(nasty[:i], nasty[i:]))
		for j := i; j <= len(nasty); j++ {
			check(fmt.Sprint("split at ", i, " and ", j), parts(nasty[:i], nasty[i:j], nasty[j:]))
		}
	}
	check("one byte at a time", iotest.OneByteReader(strings.NewReader(nasty)))
	check("half of what is asked for", iotest.HalfReader(strings.NewReader(nasty)))
	check("the end with the data", iotest.DataErrReader(strings.NewReader(nasty)))
	check("the end with each byte", iotest.DataErrReader(iotest.OneByteReader(strings.NewReader(nasty))))
}

// parts returns a reader that returns one part with each call, empty ones too.
func parts(texts ...string) io.Reader {
	p := partsReader(slices.Clone(texts))
	return &p
}

type partsReader []string

func (p *partsReader) Read(b []byte) (int, error) {
	if len(*p) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*p)[0])
	if (*p)[0] = (*p)[0][n:]; (*p)[0] == "" {
		*p = (*p)[1:]
	}
	return n, nil
}

func TestReadEventsFails(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		reader io.Reader
		want   error
		events []event
	}{
		"at once":            {iotest.ErrReader(broken), broken, nil},
		"after an event":     {io.MultiReader(strings.NewReader("data: a\n\ndata: b\n"), iotest.ErrReader(broken)), broken, data("a")},
		"with an event":      {&lastRead{text: "data: a\n\ndata: b\r\r", err: broken}, broken, data("a", "b")},
		"cut off":            {&lastRead{text: "data: a\n\ndata", err: io.ErrUnexpectedEOF}, io.ErrUnexpectedEOF, data("a")},
		"without progress":   {io.MultiReader(strings.NewReader("data: a\n\n"), noProgress{}), io.ErrNoProgress, data("a")},
		"with a second read": {iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("data: a\n\n"))), iotest.ErrTimeout, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readAll(test.reader)
			if !errors.Is(err, test.want) || !slices.Equal(got, test.events) {
				t.Errorf("events %q, %v, want %q, %v", got, err, test.events, test.want)
			}
		})
	}
}

// lastRead returns an error together with the text.
type lastRead struct {
	text string
	err  error
}

func (l *lastRead) Read(b []byte) (int, error) { return copy(b, l.text), l.err }

type noProgress struct{}

func (noProgress) Read([]byte) (int, error) { return 0, nil }

// An event can be used as soon as the blank line after it begins to end.
func TestReadEventsAtOnce(t *testing.T) {
	for _, end := range []string{"\n\n", "\r\r", "\r\n\r", "\r\n\r\n", "\n\r"} {
		r, w := io.Pipe()
		next := make(chan string)
		go func() {
			for i := range 3 {
				_, _ = io.WriteString(w, fmt.Sprint("data: ", i, end))
				<-next // nothing more comes until the event was used
			}
			w.Close()
		}()
		var got []string
		for event, err := range client.ReadEvents(r) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(event.Data))
			next <- ""
		}
		if want := []string{"0", "1", "2"}; !slices.Equal(got, want) {
			t.Errorf("with %q, the events are %q, want %q", end, got, want)
		}
	}
}

func TestReadEventsStops(t *testing.T) {
	for event, err := range client.ReadEvents(strings.NewReader("data: a\n\ndata: b\n\n")) {
		if err != nil || string(event.Data) != "a" {
			t.Errorf("event %q, %v", event.Data, err)
		}
		break // the iterator panics if it goes on
	}
}

func TestReadEventsLimit(t *testing.T) {
	const limit = 10 << 20
	const tooLarge = "an event is larger than 10485760 bytes: raise the limit with WithMaxEvent"
	full := strings.Repeat("x", limit)
	for name, test := range map[string]struct {
		text, want string
		events     int
	}{
		"all":                        {"data: " + full + "\n\ndata: " + full + "\r\n\r\n", "", 2},
		"all, no space":              {"data:" + full + "\n\n", "", 1},
		"one more":                   {"data: a\n\ndata: " + full + "x\n\n", tooLarge, 1},
		"one more, no space":         {"data:" + full + "x\n\n", tooLarge, 0},
		"one more, and no end":       {"data: " + full + "x", tooLarge, 0},
		"half and half":              {"data: " + full[:limit/2] + "\ndata: " + full[limit/2+1:] + "\n\n", "", 1},
		"half and half and one more": {"data: " + full[:limit/2] + "\ndata: " + full[limit/2:] + "\n\n", tooLarge, 0},
		"line ends count":            {"data: " + full[:limit-2] + "\ndata\ndata\n\n", "", 1},
		"too many line ends":         {"data: " + full[:limit-2] + "\ndata\ndata\ndata\n\n", tooLarge, 0},
		"a comment":                  {":" + full + "12345\n\ndata: a\n\n", "", 1},
		"a comment that is too long": {":" + full + "123456\n\ndata: a\n\n", tooLarge, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(test.text), parts(test.text[:7], test.text[7:])} {
				events := 0
				var last error
				for _, err := range client.ReadEvents(r) {
					if last = err; err == nil {
						events++
					}
				}
				says(t, last, test.want)
				if events != test.events {
					t.Errorf("%d events, want %d", events, test.events)
				}
			}
		})
	}
}

// TestReadEventsReturns reads many lines that end with \r out of one large buffer.
// That takes next to no time, and minutes if each line looks for a \n.
func TestReadEventsReturns(t *testing.T) {
	const lines = 1 << 20
	large := "data: " + strings.Repeat("x", 9<<20) + "\r\r" // which makes the buffer large
	text := large + strings.Repeat("id\r", lines) + "data: a\r\r"
	got := 0
	for _, err := range client.ReadEvents(strings.NewReader(text)) {
		if err != nil {
			t.Fatal(err)
		}
		got++
	}
	if got != 2 {
		t.Errorf("%d events, want 2", got)
	}
}

// naiveEvents is the standard word by word, for a text that is all there.
func naiveEvents(text string) (events []event) {
	text = strings.TrimPrefix(text, "\ufeff")
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	buffer, name, id := "", "", ""
	for _, line := range lines[:len(lines)-1] { // what follows the last line end is no line
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && buffer != "":
			events = append(events, event{name, id, strings.TrimSuffix(buffer, "\n")})
			buffer, name = "", ""
		case line == "":
			name = ""
		case field == "data":
			buffer += value + "\n"
		case field == "event":
			name = value
		case field == "id" && !strings.Contains(value, "\x00"):
			id = value
		}
	}
	return events
}

// FuzzReadEvents compares with the standard, under any splits of the text, and
// with another implementation.
func FuzzReadEvents(f *testing.F) {
	f.Add(nasty, uint64(1))
	f.Add("data: a\n\ndata: b\r\n\r\n", uint64(2))
	f.Add("id: 1\r\rdata\rdata:\r\revent: x\ndata: y\n\n", uint64(3))
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		want := naiveEvents(text)
		random := rand.New(rand.NewPCG(seed, 0))
		var texts []string
		for rest := text; rest != ""; {
			n := min(random.IntN(8), len(rest))
			texts, rest = append(texts, rest[:n]), rest[n:]
		}
		for _, r := range []io.Reader{strings.NewReader(text), parts(texts...), iotest.DataErrReader(parts(texts...))} {
			if got, err := readAll(r); err != nil || !slices.Equal(got, want) {
				t.Fatalf("events %q, %v, want %q", got, err, want)
			}
		}
		compareWithGoSSE(t, want)
	})
}

// compareWithGoSSE writes events as anybody would, and has two libraries read them.
func compareWithGoSSE(t *testing.T, events []event) {
	t.Helper()
	var text bytes.Buffer
	for i := range events {
		e := &events[i]
		e.name, e.id = strings.ToValidUTF8(e.name, ""), strings.ReplaceAll(e.id, " ", "")
		if e.name != "" {
			fmt.Fprintf(&text, "event: %s\n", e.name)
		}
		fmt.Fprintf(&text, "id: %s\n", e.id)
		for line := range strings.SplitSeq(e.data, "\n") {
			fmt.Fprintf(&text, "data: %s\n", line)
		}
		text.WriteString("\n")
	}
	ours, err := readAll(bytes.NewReader(text.Bytes()))
	if err != nil || !slices.Equal(ours, events) {
		t.Fatalf("events %q, %v, want %q", ours, err, events)
	}
	i := 0
	for theirs, err := range sse.Read(&text, &sse.ReadConfig{MaxEventSize: 1 << 20}) {
		if err != nil {
			t.Fatal(err)
		}
		if got := (event{theirs.Type, theirs.LastEventID, theirs.Data}); i >= len(events) || got != events[i] {
			t.Fatalf("event %d is %q for go-sse, of %q", i, got, events)
		}
		i++
	}
	if i != len(events) {
		t.Fatalf("%d events for go-sse, want %d", i, len(events))
	}
}
