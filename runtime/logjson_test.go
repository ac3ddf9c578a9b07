package runtime_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math"
	"net/http"
	"os"
	"regexp"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

// The server's own handler is not exported. It becomes the program's when a
// server runs, so these tests are about child processes.

// takeOver makes the logger of a server the default one, as in an agent, and
// returns the server.
func takeOver(handlers runtime.Handlers, opts ...runtime.Option) (*runtime.Server, error) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	server := runtime.NewServer(handlers, append(opts, runtime.WithAddr("127.0.0.1:0"))...)
	return server, server.Run(ended)
}

func init() {
	children["slogtest"] = func() error {
		file, err := os.CreateTemp("", "agentcore-log-*")
		if err != nil {
			return err
		}
		defer os.Remove(file.Name())
		defer file.Close()
		stderr := os.Stderr
		os.Stderr = file
		_, err = takeOver(runtime.Handlers{})
		os.Stderr = stderr
		if err != nil {
			return err
		}
		if _, err := file.Seek(0, io.SeekEnd); err != nil { // behind the server's own records
			return err
		}
		begin, _ := file.Seek(0, io.SeekCurrent)
		return slogtest.TestHandler(slog.Default().Handler(), func() (records []map[string]any) {
			if _, err := file.Seek(begin, io.SeekStart); err != nil {
				panic(err)
			}
			for lines := bufio.NewScanner(file); lines.Scan(); {
				var record map[string]any
				if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
					panic(fmt.Sprintf("%v: %s", err, lines.Text()))
				}
				for ours, theirs := range map[string]string{"timestamp": slog.TimeKey, "message": slog.MessageKey} {
					if value, ok := record[ours]; ok {
						record[theirs] = value
						delete(record, ours)
					}
				}
				records = append(records, record)
			}
			return records
		})
	}
	children["log lines"] = func() error {
		if _, err := takeOver(runtime.Handlers{}, runtime.WithDebug()); err != nil {
			return err
		}
		for _, line := range logLines() {
			line.log(slog.Default())
		}
		return nil
	}
	children["package log"] = func() error {
		log.SetFlags(log.Lmsgprefix)
		log.SetPrefix("mine: ")
		if _, err := takeOver(runtime.Handlers{}); err != nil {
			return err
		}
		log.Print("plain")
		return nil
	}
	children["many logs"] = func() error {
		return runtime.NewServer(runtime.Handlers{Invoke: runtime.Unary("Log", func(ctx context.Context, in string) (any, error) {
			slog.InfoContext(ctx, "from the handler", "in", in)
			return in, nil
		})}, runtime.WithAddr("127.0.0.1:0")).Run(context.Background())
	}
	children["long lines"] = func() error {
		server, err := takeOver(runtime.Handlers{Invoke: echo})
		if err != nil {
			return err
		}
		var writers sync.WaitGroup
		for i := range 8 {
			writers.Go(func() {
				for j := range 50 {
					if i%2 == 0 {
						record(server, "POST", "/invocations", `1`)
						continue
					}
					slog.Info("long", "text", strings.Repeat("ż", 1+(i*j*97)%20_000))
				}
			})
		}
		writers.Wait()
		return server.Shutdown(context.Background())
	}
}

// The handler keeps all the rules for handlers of log/slog.
func TestLogJSONConforms(t *testing.T) {
	child := startChild(t, "slogtest")
	child.wait(t, 0)
}

func TestLogHandlerConforms(t *testing.T) {
	var text bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		text.Reset()
		return runtime.LogHandler(slog.NewJSONHandler(&text, nil))
	}, func(t *testing.T) map[string]any { return parseLogs(t, text.String())[0] })
}

// What a value of a log record is made to say.
type (
	logResolved struct{ secret string }
	logGroup    struct{ Name string }
	logEndless  struct{}
	logPanics   struct{}
	logText     struct{ text string }
	logJSONErr  struct{}
)

func (logResolved) LogValue() slog.Value { return slog.StringValue("redacted") }
func (g logGroup) LogValue() slog.Value {
	return slog.GroupValue(slog.String("name", g.Name), slog.Group("none"))
}
func (e logEndless) LogValue() slog.Value      { return slog.AnyValue(e) }
func (logPanics) LogValue() slog.Value         { panic("no value") }
func (e logText) MarshalText() ([]byte, error) { return []byte(e.text), nil }
func (logJSONErr) Error() string               { return "its text" }
func (logJSONErr) MarshalJSON() ([]byte, error) {
	return []byte("{\"its\":\n\"JSON\"}"), nil
}

type logLine struct {
	name string
	log  func(*slog.Logger)
	want string // what is behind the timestamp; "…" for anything
}

// logLines is a table of one record each.
func logLines() []logLine {
	info := func(name, want string, args ...any) logLine {
		return logLine{name, func(l *slog.Logger) { l.Info("m", args...) }, `"level":"INFO","message":"m"` + want}
	}
	level := func(level slog.Level, want string) logLine {
		return logLine{want, func(l *slog.Logger) { l.Log(context.Background(), level, "m") }, fmt.Sprintf(`"level":%q,"message":"m"`, want)}
	}
	message := func(text, want string) logLine {
		return logLine{"the message " + want, func(l *slog.Logger) { l.Info(text) }, `"level":"INFO","message":` + want}
	}
	with := func(name, want string, log func(*slog.Logger)) logLine {
		return logLine{name, log, `"level":"INFO","message":"m"` + want}
	}
	cycle := map[string]any{}
	cycle["self"] = cycle
	noon := time.Date(2024, 2, 29, 12, 0, 0, 5, time.FixedZone("", 3600))
	lines := []logLine{
		level(slog.LevelDebug, "DEBUG"), level(slog.LevelInfo, "INFO"), level(slog.LevelWarn, "WARNING"), level(slog.LevelError, "ERROR"),
		level(slog.LevelInfo+1, "INFO+1"), level(slog.LevelWarn+2, "WARN+2"), level(slog.LevelError+4, "ERROR+4"), level(slog.LevelDebug+1, "DEBUG+1"),

		message("", `""`), message("żółć 😀", `"żółć 😀"`), message("a\xffb\xc5", `"a�b�"`), message("<a href='x'>&\u2028", "\"<a href='x'>&\u2028\""),
		message("\"\\/\b\f\n\r\t\x00\x1f\x7f", `"\"\\/\b\f\n\r\t\u0000\u001f`+"\x7f\""), message(`{"a":1}`, `"{\"a\":1}"`), message("{", `"{"`),

		info("no attributes", ``),
		info("strings", `,"a":"ż","b":"","c":"\"\n�"`, "a", "ż", "b", "", "c", "\"\n\xff"),
		info("keys", `,"ż":1,"a b\"\n":2,"�":3,"":4`, "ż", 1, "a b\"\n", 2, "\xff", 3, "", 4),
		info("repeated keys", `,"a":1,"a":2,"level":"mine"`, "a", 1, "a", 2, "level", "mine"),
		info("a value without a key", `,"!BADKEY":"alone"`, "alone"),
		info("an empty attribute", `,"a":1`, slog.Attr{}, slog.Int("a", 1), slog.Attr{}),
		info("integers", `,"a":-9223372036854775808,"b":18446744073709551615,"c":7`, "a", int64(math.MinInt64), "b", uint64(math.MaxUint64), "c", int8(7)),
		info("floats", `,"a":1.5,"b":1e+100,"c":0.5,"d":-0`, "a", 1.5, "b", 1e100, "c", float32(0.5), "d", math.Copysign(0, -1)),
		info("no numbers", `,"a":"!ERROR: json: unsupported value: NaN","b":"!ERROR: json: unsupported value: -Inf"`, "a", math.NaN(), "b", math.Inf(-1)),
		info("booleans", `,"a":true,"b":false`, "a", true, "b", false),
		info("nil", `,"a":null,"b":null,"c":null,"d":null`, "a", nil, "b", (*int)(nil), "c", error(nil), "d", []int(nil)),
		info("a duration in nanoseconds", `,"a":1500000000`, "a", 1500*time.Millisecond),
		info("a time", `,"a":"2024-02-29T12:00:00.000000005+01:00"`, "a", noon),
		info("bytes", `,"a":"/w=="`, "a", []byte{0xff}),
		info("a slice", `,"a":[1,"ż<&>",null]`, "a", []any{1, "ż<&>", nil}),
		info("a map", `,"a":{"1":"x","2":"y"}`, "a", map[int]string{2: "y", 1: "x"}),
		info("a struct", `,"a":{"Name":"n"}`, "a", struct{ Name, hidden string }{"n", "h"}),
		info("raw JSON of several lines", `,"a":{"b":[1,2]}`, "a", json.RawMessage("{\n \"b\": [1,\r\n2]}\n")),
		info("broken raw JSON", `,"a":"!ERROR: json: error calling MarshalJSON for type json.RawMessage: unexpected end of JSON input"`, "a", json.RawMessage(`{`)),
		info("a number of JSON", `,"a":1e400`, "a", json.Number("1e400")),
		info("text", `,"a":"x\ny"`, "a", logText{"x\ny"}),
		info("a channel", `,"a":"!ERROR: json: unsupported type: chan int"`, "a", make(chan int)),
		info("a function inside", `,"a":"!ERROR: json: unsupported type: func()"`, "a", map[string]any{"f": func() {}}),
		info("a cycle", `,"a":"!ERROR: …"`, "a", cycle),
		info("an error", `,"a":"no model","b":"ask: EOF"`, "a", errors.New("no model"), "b", fmt.Errorf("ask: %w", io.EOF)),
		info("an error with an odd text", `,"a":"\"�\n\""`, "a", errors.New("\"\xff\n\"")),
		info("an error with JSON", `,"a":{"its":"JSON"}`, "a", logJSONErr{}),
		info("an error whose text panics", `,"a":"!PANIC: runtime error: invalid memory address or nil pointer dereference"`, "a", (*nilError)(nil)),
		info("JSON that fails", `,"a":"!ERROR: json: error calling MarshalJSON for type runtime_test.failingJSON: no JSON today"`, "a", failingJSON{}),
		info("JSON that panics", `,"a":"!PANIC: no JSON ever","b":1`, "a", panickingJSON{}, "b", 1),
		info("a panic inside", `,"a":"!PANIC: no JSON ever"`, "a", []any{1, panickingJSON{}}),
		info("a place", `,"a":"a.go:main.f:7"`, "a", &slog.Source{Function: "main.f", File: "a.go", Line: 7}),

		info("a value that resolves itself", `,"a":"redacted"`, "a", logResolved{"secret"}),
		info("one that resolves to a group", `,"a":{"name":"n"}`, "a", logGroup{"n"}),
		info("one that resolves to a group, inline", `,"name":"n"`, "", logGroup{"n"}),
		info("one that never ends", `,"a":"LogValue called too many times on …"`, "a", logEndless{}),
		info("one that panics", `,"a":"LogValue panicked…"`, "a", logPanics{}),
		info("one in a group", `,"g":{"a":"redacted"}`, slog.Group("g", "a", logResolved{"secret"})),

		info("a group", `,"g":{"a":1,"b":"x"}`, slog.Group("g", "a", 1, "b", "x")),
		info("groups", `,"g":{"h":{"a":1},"b":2},"c":3`, slog.Group("g", slog.Group("h", "a", 1), "b", 2), "c", 3),
		info("an empty group", `,"c":3`, slog.Group("g"), "c", 3),
		info("groups with nothing inside", `,"c":3`, slog.Group("g", slog.Group("h"), slog.Group("", slog.Group("i")), slog.Attr{}), "c", 3),
		info("an empty group first", `,"g":{"a":1}`, slog.Group("g", slog.Group("h"), "a", 1)),
		info("an inline group", `,"a":1,"b":2`, slog.Group("", "a", 1), "b", 2),
		info("an inline group in a group", `,"g":{"a":1,"b":2}`, slog.Group("g", slog.Group("", "a", 1), "b", 2)),
		info("a group of values that end with a brace", `,"g":{"a":"{","b":1}`, slog.Group("g", "a", "{", "b", 1)),
		info("a group with an odd name", `,"g\"\n�":{"a":1}`, slog.Group("g\"\n\xff", "a", 1)),

		with("With", `,"a":1,"b":2`, func(l *slog.Logger) { l.With("a", 1).Info("m", "b", 2) }),
		with("With nothing", ``, func(l *slog.Logger) { l.With().Info("m") }),
		with("With an empty group", `,"b":2`, func(l *slog.Logger) { l.With(slog.Group("g")).Info("m", "b", 2) }),
		with("WithGroup", `,"g":{"b":2}`, func(l *slog.Logger) { l.WithGroup("g").Info("m", "b", 2) }),
		with("WithGroup without a name", `,"b":2`, func(l *slog.Logger) { l.WithGroup("").Info("m", "b", 2) }),
		with("WithGroup without attributes", ``, func(l *slog.Logger) { l.WithGroup("g").WithGroup("h").Info("m") }),
		with("WithGroup and an empty group", ``, func(l *slog.Logger) { l.WithGroup("g").Info("m", slog.Group("h")) }),
		with("WithGroup and With nothing", `,"g":{"b":2}`, func(l *slog.Logger) { l.WithGroup("g").With(slog.Group("h")).Info("m", "b", 2) }),
		with("WithGroup, With, and nothing more", `,"g":{"a":1}`, func(l *slog.Logger) { l.WithGroup("g").With("a", 1).WithGroup("h").Info("m") }),
		with("all of them", `,"a":1,"g":{"b":2,"h":{"i":{"c":3,"d":4}}}`, func(l *slog.Logger) {
			l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").WithGroup("i").With("c", 3).Info("m", "d", 4)
		}),
		{"a record without a time", func(l *slog.Logger) {
			_ = l.Handler().Handle(context.Background(), slog.NewRecord(time.Time{}, slog.LevelInfo, "m", 0))
		}, `{"level":"INFO","message":"m"}`},
		{"the time of a record", func(l *slog.Logger) {
			_ = l.Handler().Handle(context.Background(), slog.NewRecord(noon.Add(999*time.Microsecond), slog.LevelInfo, "m", 0))
		}, `{"timestamp":"2024-02-29T11:00:00.000Z","level":"INFO","message":"m"}`},
		{"the time of another", func(l *slog.Logger) {
			_ = l.Handler().Handle(context.Background(), slog.NewRecord(noon.Add(78*time.Millisecond), slog.LevelInfo, "m", 0))
		}, `{"timestamp":"2024-02-29T11:00:00.078Z","level":"INFO","message":"m"}`},
	}
	// Loggers that have a part in common do not share the memory behind it,
	// whatever its size.
	for n := range 20 {
		text := strings.Repeat("x", n)
		lines = append(lines, with(fmt.Sprint("With, twice, behind ", n, " letters"), fmt.Sprintf(`,"a":%q,"b":1`, text), func(l *slog.Logger) {
			common := l.With("a", text)
			first := common.With("b", 1)
			common.With("b", 2)
			first.Info("m")
		}))
		lines = append(lines, with(fmt.Sprint("WithGroup, twice, behind ", n, " others"), ","+strings.Repeat(`"g":{`, n)+`"h":{"a":1}`+strings.Repeat("}", n), func(l *slog.Logger) {
			common := l
			for range n {
				common = common.WithGroup("g")
			}
			first := common.WithGroup("h")
			common.WithGroup("i")
			first.Info("m", "a", 1)
		}))
	}
	return lines
}

func TestLogJSONLines(t *testing.T) {
	child := startChild(t, "log lines")
	child.wait(t, 0)
	_, text, ok := strings.Cut(child.stderr.String(), "shutting down")
	if !ok {
		t.Fatalf("the server never ran:\n%s", &child.stderr)
	}
	_, text, _ = strings.Cut(text, "\n")
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	tests := logLines()
	if len(lines) != len(tests) {
		t.Fatalf("%d records have %d lines:\n%s", len(tests), len(lines), text)
	}
	timestamp := regexp.MustCompile(`^\{"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",`)
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := lines[i]
			if !json.Valid([]byte(got)) {
				t.Errorf("%s is not JSON", got)
			}
			if !strings.HasPrefix(test.want, "{") {
				prefix := timestamp.FindString(got)
				if prefix == "" {
					t.Errorf("%s does not begin with the time", got)
				}
				got = strings.TrimSuffix(got[len(prefix):], "}")
			}
			before, after, open := strings.Cut(test.want, "…")
			if !open && got != test.want || open && (!strings.HasPrefix(got, before) || !strings.HasSuffix(got, after)) {
				t.Errorf("logged\n%s, want\n%s", got, test.want)
			}
		})
	}
}

// Package log is left alone, for its lines have no level.
func TestLogOfPackageLog(t *testing.T) {
	child := startChild(t, "package log")
	child.wait(t, 0)
	if !strings.HasSuffix(child.stderr.String(), "\nmine: plain\n") {
		t.Errorf("package log has changed:\n%s", &child.stderr)
	}
}

// Every invocation has its records, in their order, when the process ends.
func TestLogJSONIsComplete(t *testing.T) {
	const one, all, workers = 20, 1000, 8 // the first ones come one by one
	child := startChild(t, "many logs")
	child.listening(t)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for range child.lines {
		}
	}()
	child.client.Transport.(*http.Transport).MaxIdleConnsPerHost = workers
	send := func(i int) {
		if got := child.invoke(t, `"ż"`, requestHeader, fmt.Sprint("r-", i), sessionHeader, "s-1"); got.status != 200 {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	}
	for i := range one {
		send(i)
	}
	var sending sync.WaitGroup
	for worker := range workers {
		sending.Go(func() {
			for i := one + worker; i < all; i += workers {
				send(i)
			}
		})
	}
	sending.Wait()
	child.client.CloseIdleConnections()
	child.signal(t, syscall.SIGTERM)
	<-drained
	child.wait(t, 0)

	messages := make(map[string][]string)
	var order []string
	for line := range strings.Lines(child.stderr.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if id, ok := record["requestId"].(string); ok {
			message, _, _ := strings.Cut(record["message"].(string), " (")
			messages[id] = append(messages[id], message)
			order = append(order, id)
		}
	}
	if len(messages) != all {
		t.Errorf("there are records of %d invocations, want of %d", len(messages), all)
	}
	for id, got := range messages {
		if want := []string{"from the handler", "the invocation completed"}; !slices.Equal(got, want) {
			t.Errorf("the records of %s are %q, want %q", id, got, want)
		}
	}
	for i := range one {
		id := fmt.Sprint("r-", i)
		if got := order[2*i : 2*i+2]; got[0] != id || got[1] != id {
			t.Errorf("records %d and %d are of %q, want of %s", 2*i, 2*i+1, got, id)
		}
	}
}

// A record may wait for others, and does not wait for ever.
func TestLogJSONComesWithoutOthers(t *testing.T) {
	child := startChild(t, "many logs")
	child.listening(t)
	child.invoke(t, `"ż"`)
	child.until(t, "the invocation completed")
	child.signal(t, syscall.SIGTERM)
	child.wait(t, 0)
}

// However many write at once, and however much, each line is whole.
func TestLogJSONLinesAreWhole(t *testing.T) {
	child := startChild(t, "long lines")
	child.wait(t, 0)
	count := make(map[string]int)
	for line := range strings.Lines(child.stderr.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%v: %.200s", err, line)
		}
		message, _, _ := strings.Cut(record["message"].(string), " (")
		count[message]++
	}
	if count["long"] != 200 || count["the invocation completed"] != 200 {
		t.Errorf("logged %v, want 200 of each", count)
	}
}

// here returns the place so many lines below its call, as a log has it.
func here(below int) string {
	pc, file, line, _ := goruntime.Caller(1)
	return fmt.Sprintf("%s:%s:%d", file, goruntime.FuncForPC(pc).Name(), line+below)
}

type panicky struct{ list []int }

func (p *panicky) method(place *string) int {
	*place = here(1)
	return p.list[7]
}

func panicBelow(depth int, place *string) {
	if depth > 0 {
		panicBelow(depth-1, place)
		return
	}
	*place = here(1)
	panic("boom")
}

// The location of a panic is the function that has panicked, whatever lies
// between it and the server.
func TestLogPanicLocation(t *testing.T) {
	zero := 0
	var none *panicky
	var nothing any
	for _, test := range []struct {
		name string
		run  func(place *string)
	}{
		{"panic", func(place *string) {
			*place = here(1)
			panic("boom")
		}},
		{"panic with an error", func(place *string) {
			*place = here(1)
			panic(io.EOF)
		}},
		{"panic with nil", func(place *string) {
			*place = here(1)
			panic(nil)
		}},
		{"in a method", func(place *string) { new(panicky).method(place) }},
		{"in a function far below", func(place *string) { panicBelow(200, place) }},
		{"nil pointer", func(place *string) {
			*place = here(1)
			none.list = nil
		}},
		{"nil map", func(place *string) {
			*place = here(1)
			noTexts["a"] = 1
		}},
		{"nil map of structs", func(place *string) {
			*place = here(1)
			noKeys[panicKey{}] = 1
		}},
		{"key that cannot be compared", func(place *string) {
			m := map[any]int{1: 1}
			*place = here(1)
			m[[]int{}] = 1
		}},
		{"lookup of a key that cannot be compared", func(place *string) {
			m := map[any]int{1: 1}
			*place = here(1)
			zero += m[[]int{}]
		}},
		{"values that cannot be compared", func(place *string) {
			a, b := any([]int{}), any([]int{})
			*place = here(1)
			if a == b {
				zero++
			}
		}},
		{"division by zero", func(place *string) {
			*place = here(1)
			zero = 1 / zero
		}},
		{"type assertion", func(place *string) {
			*place = here(1)
			_ = nothing.(string)
		}},
		{"slice bounds", func(place *string) {
			*place = here(1)
			_ = []int{}[zero+1:]
		}},
		{"closed channel", func(place *string) {
			c := make(chan int)
			close(c)
			*place = here(1)
			close(c)
		}},
		{"in a deferred call", func(place *string) {
			defer func() {
				*place = here(1)
				panic("boom")
			}()
		}},
		{"again in a deferred call", func(place *string) {
			defer func() {
				value := recover()
				*place = here(1)
				panic(value)
			}()
			panic("first")
		}},
		{"called back by the standard library", func(place *string) {
			slices.SortFunc([]int{1, 2}, func(int, int) int {
				*place = here(1)
				panic("boom")
			})
		}},
		{"in the body of a range over a function", func(place *string) {
			for range slices.Values([]int{1}) {
				*place = here(1)
				panic("boom")
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var place string
			for kind, handlers := range map[string]runtime.Handlers{
				"unary": {Invoke: runtime.Unary("Panic", func(context.Context, any) (any, error) { test.run(&place); return nil, nil })},
				"raw":   {Invoke: runtime.Raw("Panic", func(http.ResponseWriter, *http.Request) { test.run(&place) })},
				"stream": {Invoke: stream(func(_ context.Context, yield func(int, error) bool) {
					if yield(1, nil) {
						test.run(&place)
					}
				})},
				"middleware": {Middleware: []func(http.Handler) http.Handler{func(http.Handler) http.Handler {
					return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { test.run(&place) })
				}}},
				"task": {Invoke: runtime.Unary("Start", func(ctx context.Context, _ any) (any, error) {
					task, err := runtime.Go(ctx, "Panic", func(context.Context) error { test.run(&place); return nil })
					if err == nil {
						<-task.Done()
					}
					return nil, err
				})},
			} {
				var logs logs
				record(runtime.NewServer(handlers, runtime.WithLogger(logs.logger())), "POST", "/invocations", `{}`)
				got := logs.records(t)[0]
				if got["errorType"] != "panic" || got["location"] != place {
					t.Errorf("%s: the location is %v, want %s", kind, got["location"], place)
				}
				if stack, _ := got["stackTrace"].([]any); len(stack) == 0 {
					t.Errorf("%s: there is no stack trace", kind)
				}
			}
		})
	}
}

type panicKey struct{ A, B, C string }

// Maps that cannot be written.
var (
	noTexts map[string]int
	noKeys  map[panicKey]int
)

// Only a panic has a location: an error says nothing of where it was made.
func TestLogErrorHasNoLocation(t *testing.T) {
	var logs logs
	handler := runtime.Unary("Fail", func(context.Context, any) (any, error) { return nil, io.EOF })
	record(runtime.NewServer(runtime.Handlers{Invoke: handler}, runtime.WithLogger(logs.logger())), "POST", "/invocations", `{}`)
	if got := logs.only(t); got["errorType"] == nil || got["location"] != nil || got["stackTrace"] != nil {
		t.Errorf("logged %v", got)
	}
}
