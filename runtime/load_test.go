package runtime_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/runtime"
)

// loadVariable is how many seconds the load lasts, 3 unless it is set.
const loadVariable = "LOAD_SECONDS"

const (
	// maxPing bounds the 99th percentile of the times of pings. On a machine that
	// has other work to do it is twice that of a server of net/http that does
	// nothing else and is pinged at the same times.
	maxPing = 50 * time.Millisecond
	// maxHeapGrowth is less than a leak of some 500 bytes for each act of a client
	// would make in 3 seconds.
	maxHeapGrowth = 1 << 20
)

// turn is what a client asks of the agent that holds sessions.
type turn struct {
	Do   string // echo, count, block or fail
	Text string
}

// TestLoad lets clients of all kinds, well-behaved and not, use two agents at once.
func TestLoad(t *testing.T) {
	duration := 3 * time.Second
	if text := os.Getenv(loadVariable); text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("%s: %v", loadVariable, err)
		}
		duration = time.Duration(seconds * float64(time.Second))
	}
	before := goruntime.NumGoroutine()
	l := &load{t: t, bare: httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))}
	defer l.bare.Close()
	log := runtime.WithLogger(slog.New(runtime.LogHandler(slog.NewJSONHandler(&l.logs, &slog.HandlerOptions{Level: slog.LevelWarn}))))
	l.turns = serve(t, runtime.Handlers{Invoke: runtime.UnaryWithSession("Turn", l.turn), WebSocket: talk(l.talk)}, log)
	l.streams = serve(t, runtime.Handlers{Invoke: runtime.Stream("Count", l.count), WebSocket: talk(l.talk)}, log,
		runtime.WithStreamKeepAlive(time.Second), runtime.WithPingInterval(2*time.Second))
	const serving = 8 // goroutines that three servers may have while nobody asks

	l.run(duration / 10) // what is there for good is there after that
	waitForGoroutines(t, before+serving)
	heap := heapInUse()
	pings, others := l.run(duration)
	if got, most := percentile(pings, 99), max(maxPing, 2*percentile(others, 99)); len(pings) == 0 || got > most {
		t.Errorf("99 %% of %d pings are answered within %v, want within %v", len(pings), got, most)
	}
	waitForGoroutines(t, before+serving)
	after := heapInUse()
	t.Logf("the heap was %d KiB and is %d KiB", heap>>10, after>>10)
	if after > heap+maxHeapGrowth {
		t.Errorf("the heap has grown from %d KiB to %d KiB", heap>>10, after>>10)
	}

	for i := range l.sessions {
		want := l.sessions[i].turns.Load() + 1
		if got, err := l.ask(&client{http: l.turns.client}, turn{Do: "count"}, sessionHeader, l.sessions[i].id(i)); err != nil || got != fmt.Sprint(want) {
			t.Errorf("session %d counts %s turns (%v), want %d", i, got, err, want)
		}
	}
	for _, a := range []*agent{l.turns, l.streams} {
		if got := a.pingStatus(t); got != runtime.Healthy {
			t.Errorf("at the end the agent is %s", got)
		}
		a.client.CloseIdleConnections()
		if err := a.stop(); err != nil {
			t.Error(err)
		}
	}
	l.bare.Close()
	waitForGoroutines(t, before)
}

func heapInUse() uint64 {
	var stats goruntime.MemStats
	for range 3 { // pools are emptied by the second
		goruntime.GC()
	}
	goruntime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// waitFor waits for what is about to happen.
func waitFor(t *testing.T, happened func() bool, describe func() string) {
	t.Helper()
	often := time.NewTicker(10 * time.Millisecond)
	defer often.Stop()
	for deadline := time.After(patience); !happened(); {
		select {
		case <-often.C:
		case <-deadline:
			t.Fatal(describe())
		}
	}
}

func waitForGoroutines(t *testing.T, most int) {
	t.Helper()
	waitFor(t, func() bool { return goruntime.NumGoroutine() <= most }, func() string {
		stacks := make([]byte, 1<<20)
		return fmt.Sprintf("%d goroutines are left, want %d:\n%s", goruntime.NumGoroutine(), most, stacks[:goruntime.Stack(stacks, true)])
	})
}

// load is two agents and their clients. The clients keep to a pace: if they asked
// as fast as they can, pings would show how the machine shares itself out.
type load struct {
	t        *testing.T
	turns    *agent
	streams  *agent
	bare     *httptest.Server
	logs     logs // warnings and errors
	sessions [4]counted

	// Of one run:
	until   context.Context // its end
	release chan struct{}   // lets handlers that block return
	clients sync.WaitGroup
	blocked atomic.Int64 // handlers that block
	done    atomic.Int64 // acts of clients
	faults  atomic.Int64
}

// run lets 64 clients act, each on a connection of its own. It returns the times of
// pings, and those of a server that does nothing, in order.
func (l *load) run(duration time.Duration) (pings, others []time.Duration) {
	t := l.t
	l.release = make(chan struct{})
	l.blocked.Store(0)
	l.done.Store(0)
	var blocking sync.WaitGroup
	const blockers = 8
	for i := range blockers {
		blocking.Go(func() { l.check(l.block(i)) })
	}
	waitFor(t, func() bool { return l.blocked.Load() == blockers || l.faults.Load() > 0 }, func() string { return "the handlers do not block" })
	until, cancel := context.WithTimeout(t.Context(), duration)
	defer cancel()
	l.until = until
	var times [4][]time.Duration
	for i, url := range []string{l.turns.url + "/ping", l.streams.url + "/ping", l.bare.URL, l.bare.URL} {
		l.clients.Go(func() { times[i] = l.ping(url) })
	}
	l.start(8, 50*time.Millisecond, l.echo)
	l.start(8, 50*time.Millisecond, l.countTurn)
	l.start(8, 100*time.Millisecond, l.readStream)
	l.start(8, 100*time.Millisecond, l.cutStream)
	l.start(8, 100*time.Millisecond, l.talkAndClose)
	l.start(6, 100*time.Millisecond, l.talkAndDrop)
	l.start(4, 50*time.Millisecond, l.talkOn)
	l.start(4, 100*time.Millisecond, l.sendNonsense)
	l.clients.Wait()
	if left := l.blocked.Load(); left != blockers {
		t.Errorf("%d handlers block to the end, want %d", left, blockers)
	}
	close(l.release)
	blocking.Wait()

	for _, record := range parseLogs(t, l.logs.String()) {
		if !strings.HasPrefix(fmt.Sprint(record["msg"]), "the invocation was refused") {
			t.Errorf("logged %v", record)
		}
	}
	l.logs.mu.Lock()
	l.logs.text = bytes.Buffer{} // which is not the agents' memory
	l.logs.mu.Unlock()
	pings, others = slices.Concat(times[:2]...), slices.Concat(times[2:]...)
	slices.Sort(pings)
	slices.Sort(others)
	t.Logf("%d acts of clients in %v, %d pings: half within %v, 99 %% within %v, all within %v; those of a server that does nothing within %v, %v, %v",
		l.done.Load(), duration, len(pings), percentile(pings, 50), percentile(pings, 99), percentile(pings, 100),
		percentile(others, 50), percentile(others, 99), percentile(others, 100))
	return pings, others
}

// percentile returns one of sorted times.
func percentile(times []time.Duration, percent int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	return times[(len(times)-1)*percent/100]
}

// check reports an error of a client, unless there were many already.
func (l *load) check(err error) {
	l.done.Add(1)
	if err != nil && l.faults.Add(1) <= 10 {
		l.t.Error(err)
	}
}

// The handlers.

type tally struct{ Turns int64 }

func (l *load) turn(ctx context.Context, in turn, session *runtime.Session[tally]) (any, error) {
	switch in.Do {
	case "echo":
		return in.Text, nil
	case "count":
		session.State.Turns++
		return session.State.Turns, nil
	case "block":
		return "released", l.wait(ctx)
	}
	return nil, runtime.Errorf(http.StatusTeapot, "no such turn")
}

// wait blocks as a slow model would.
func (l *load) wait(ctx context.Context) error {
	l.blocked.Add(1)
	select {
	case <-l.release:
		return nil
	case <-ctx.Done():
		l.blocked.Add(-1)
		return ctx.Err()
	}
}

// count streams so many numbers, and for ever if there are none. It blocks first if
// they are less.
func (l *load) count(ctx context.Context, n int) values[string] {
	return func(yield func(string, error) bool) {
		if n < 0 {
			if err := l.wait(ctx); err != nil {
				return
			}
			n = -n
		}
		for i := 0; n == 0 || i < n; i++ {
			if !yield(fmt.Sprintf("%0100d", i), nil) {
				return
			}
			if n == 0 && i%8 == 7 { // endless ones have a pace, too
				select {
				case <-time.After(5 * time.Millisecond):
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

func (l *load) talk(ctx context.Context, conn *textConn) error {
	for message, err := range conn.Messages(ctx) {
		if err != nil {
			return err
		}
		if message == "block" {
			if err := l.wait(ctx); err != nil {
				return err
			}
			return conn.Send(ctx, "released")
		}
		if err := conn.Send(ctx, message); err != nil {
			return err
		}
	}
	return nil
}

// The clients.

// client is one of those of a kind, with a connection of its own.
type client struct {
	number int
	acts   int
	http   *http.Client
	socket *websocket.Conn // of one that talks on
}

// start starts clients that act at a pace.
func (l *load) start(n int, pace time.Duration, act func(*client) error) {
	for i := range n {
		l.clients.Go(func() {
			c := &client{number: i, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}}
			defer c.http.CloseIdleConnections()
			defer func() {
				if c.socket != nil {
					c.socket.Close()
				}
			}()
			select { // not all at once
			case <-time.After(pace * time.Duration(i) / time.Duration(n)):
			case <-l.until.Done():
			}
			for range l.ticks(pace) {
				l.check(act(c))
				c.acts++
			}
		})
	}
}

// ticks yields the times of a ticker until the end of the load.
func (l *load) ticks(pace time.Duration) func(func(time.Time) bool) {
	return func(yield func(time.Time) bool) {
		ticker := time.NewTicker(pace)
		defer ticker.Stop()
		for {
			select {
			case now := <-ticker.C:
				if l.until.Err() != nil || !yield(now) {
					return
				}
			case <-l.until.Done():
				return
			}
		}
	}
}

// ping returns how long each ping took from when it was due.
func (l *load) ping(url string) (times []time.Duration) {
	c := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	defer c.CloseIdleConnections()
	for due := range l.ticks(10 * time.Millisecond) {
		response, err := c.Get(url)
		if err != nil {
			l.check(fmt.Errorf("a ping: %w", err))
			continue
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		times = append(times, time.Since(due))
		if err != nil || response.StatusCode != http.StatusOK {
			err = fmt.Errorf("a ping was answered with %d (%v)", response.StatusCode, err)
		}
		l.check(err)
	}
	return times
}

// post sends an invocation and returns the status and the body.
func post(ctx context.Context, c *http.Client, a *agent, body string, headers ...string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+"/invocations", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header = header(headers...)
	response, err := c.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// ask takes a turn.
func (l *load) ask(c *client, in turn, headers ...string) (string, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return "", err
	}
	status, text, err := post(context.Background(), c.http, l.turns, string(body), headers...)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the turn %q was answered with %d %s", in.Do, status, text)
	}
	return text, err
}

func (l *load) dial(a *agent) (*websocket.Conn, error) {
	conn, _, err := a.dialer.Dial("ws"+strings.TrimPrefix(a.url, "http")+"/ws", nil)
	return conn, err
}

func (l *load) either(c *client) *agent {
	return []*agent{l.turns, l.streams}[(c.number+c.acts)%2]
}

// block keeps a handler busy until the end.
func (l *load) block(i int) error {
	switch i % 4 {
	case 0, 1:
		c := &client{http: &http.Client{Transport: &http.Transport{}}}
		defer c.http.CloseIdleConnections()
		got, err := l.ask(c, turn{Do: "block"}, sessionHeader, fmt.Sprint("blocked-", i))
		if err == nil && got != `"released"` {
			err = fmt.Errorf("a turn that blocked was answered with %s", got)
		}
		return err
	case 2:
		c := &http.Client{Transport: &http.Transport{}}
		defer c.CloseIdleConnections()
		status, text, err := post(context.Background(), c, l.streams, `-1`)
		if err == nil && (status != http.StatusOK || strings.Count(text, "data: ") != 1) {
			err = fmt.Errorf("a stream that blocked was answered with %d %s", status, text)
		}
		return err
	default:
		conn, err := l.dial([]*agent{l.turns, l.streams}[i/4%2])
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := conn.WriteMessage(websocket.TextMessage, []byte("block")); err != nil {
			return err
		}
		if _, data, err := conn.ReadMessage(); err != nil || string(data) != "released" {
			return fmt.Errorf("a WebSocket that blocked sent %q (%w)", data, err)
		}
		return closed(conn, websocket.CloseNormalClosure)
	}
}

// closed reads the close frame that must come next.
func closed(conn *websocket.Conn, code int) error {
	if _, data, err := conn.ReadMessage(); !websocket.IsCloseError(err, code) {
		return fmt.Errorf("read %q (%v), want the close code %d", data, err, code)
	}
	return nil
}

func (l *load) echo(c *client) error {
	text := strings.Repeat(fmt.Sprint(c.number, " ", c.acts, " "), c.acts%50*20)
	got, err := l.ask(c, turn{"echo", text}, sessionHeader, fmt.Sprint("echo-", c.number))
	if want := strconv.Quote(text); err == nil && got != want {
		err = fmt.Errorf("the echo of %d bytes has %d", len(want), len(got))
	}
	return err
}

// counted is how many turns were taken in a session.
type counted struct{ turns atomic.Int64 }

func (*counted) id(i int) string { return fmt.Sprint("counted-", i) }

func (l *load) countTurn(c *client) error {
	i := c.number % len(l.sessions)
	s := &l.sessions[i]
	_, err := l.ask(c, turn{Do: "count"}, sessionHeader, s.id(i))
	if err == nil {
		s.turns.Add(1)
	}
	return err
}

func (l *load) readStream(c *client) error {
	n := 1 + c.acts%60
	status, text, err := post(context.Background(), c.http, l.streams, strconv.Itoa(n))
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("a stream was answered with %d (%w)", status, err)
	}
	events := readEvents(text)
	if len(events) != n {
		return fmt.Errorf("%d events arrived, want %d", len(events), n)
	}
	for i, event := range events {
		if event != fmt.Sprintf("\"%0100d\"", i) {
			return fmt.Errorf("event %d is %s", i, event)
		}
	}
	return nil
}

// cutStream leaves amid a stream that has no end.
func (l *load) cutStream(c *client) error {
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.streams.url+"/invocations", strings.NewReader(`0`))
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body := bufio.NewReader(response.Body)
	for range c.acts % 30 {
		if _, err := body.ReadString('\n'); err != nil {
			return err
		}
	}
	return nil
}

// talkAndClose says goodbye, in half of the cases before it has got all answers.
func (l *load) talkAndClose(c *client) error {
	conn, err := l.dial(l.either(c))
	if err != nil {
		return err
	}
	defer conn.Close()
	for i := range 3 {
		if err := echoed(conn, fmt.Sprint(c.number, c.acts, i)); err != nil {
			return err
		}
	}
	if c.acts%2 == 0 {
		if err := conn.WriteMessage(websocket.TextMessage, []byte("last")); err != nil {
			return err
		}
	}
	if err := closeWith(websocket.CloseNormalClosure, "bye")(conn); err != nil {
		return err
	}
	for {
		if _, data, err := conn.ReadMessage(); websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			return nil
		} else if err != nil || string(data) != "last" {
			return fmt.Errorf("read %q (%w), want the end", data, err)
		}
	}
}

func echoed(conn *websocket.Conn, text string) error {
	if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		return err
	}
	if _, data, err := conn.ReadMessage(); err != nil || string(data) != text {
		return fmt.Errorf("%q came back as %q (%w)", text, data, err)
	}
	return nil
}

// talkAndDrop leaves without a word, in several ways.
func (l *load) talkAndDrop(c *client) error {
	conn, err := l.dial(l.either(c))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := echoed(conn, "hello"); err != nil {
		return err
	}
	switch c.acts % 4 {
	case 0: // as it is
	case 1:
		return conn.NetConn().(*net.TCPConn).SetLinger(0)
	case 2:
		return write(conn, []byte{0x81, 0x85, 0, 0, 0, 0, 'a'})
	case 3:
		return conn.WriteMessage(websocket.TextMessage, make([]byte, 10_000)) // and does not read the echo
	}
	return nil
}

// talkOn keeps its connection.
func (l *load) talkOn(c *client) (err error) {
	if c.socket == nil {
		if c.socket, err = l.dial(l.either(c)); err != nil {
			return err
		}
	}
	return echoed(c.socket, strings.Repeat("x", c.acts%100*10))
}

// sendNonsense sends what is refused, and checks that it is.
func (l *load) sendNonsense(c *client) error {
	for _, bad := range []struct {
		body   string
		status int
	}{{`{`, 400}, {``, 400}, {`"` + "\xff" + `"`, 400}, {`{"Do":1}`, 400}, {`{"Do":"nothing"}`, http.StatusTeapot}} {
		status, text, err := post(context.Background(), c.http, l.turns, bad.body)
		if err != nil || status != bad.status {
			return fmt.Errorf("%q was answered with %d %s (%w)", bad.body, status, text, err)
		}
	}
	a := l.either(c)
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		return err
	}
	_, err = io.WriteString(conn, "POST /invocations HTTP/1.1\r\nHost: agent\r\nContent-Length: 100\r\n\r\n{\"half")
	return errors.Join(err, conn.Close())
}
