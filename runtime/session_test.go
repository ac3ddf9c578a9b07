package runtime_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/runtime"
)

// counter is the state of most sessions here.
type counter struct {
	N int `json:"n"`
}

// count is a turn that tells its number, and ends as it is told.
func count(ctx context.Context, end string, session *runtime.Session[counter]) (string, error) {
	said := strconv.Itoa(session.State.N + 1)
	if session.New() {
		said += " new"
	}
	session.State.N++
	switch end {
	case "error":
		return said, errors.New("no model")
	case "status":
		return said, runtime.Errorf(http.StatusConflict, "no model")
	case "panic":
		panic("no model")
	case "end":
		session.End()
	case "save and error":
		if err := session.Save(ctx); err != nil {
			return said, err
		}
		return said, errors.New("no model")
	case "save, change and error":
		if err := session.Save(ctx); err != nil {
			return said, err
		}
		session.State.N = 1000
		return said, errors.New("no model")
	case "end and error":
		session.End()
		return said, errors.New("no model")
	}
	return said, nil
}

var counting = runtime.UnaryWithSession("Count", count)

// sessionHandlers are the ways to a session, and how to take a turn in it: it
// returns what was said, "" if that is not told.
var sessionHandlers = []struct {
	name     string
	handlers runtime.Handlers
	turn     func(t *testing.T, a *agent, session, end string) string
}{
	{"unary", runtime.Handlers{Invoke: counting}, saidAnswer},
	{"stream", runtime.Handlers{
		Invoke: runtime.StreamWithSession("Count", func(ctx context.Context, end string, session *runtime.Session[counter]) values[string] {
			return func(yield func(string, error) bool) {
				said, err := count(ctx, end, session)
				if yield(said, nil) && err != nil {
					yield("", err)
				}
			}
		}),
	}, saidEvent},
	{"open stream", runtime.Handlers{
		Invoke: runtime.OpenStreamWithSession("Count", func(ctx context.Context, end string, session *runtime.Session[counter]) (values[string], error) {
			said, err := count(ctx, end, session)
			if err != nil {
				return nil, err
			}
			return func(yield func(string, error) bool) { yield(said, nil) }, nil
		}),
	}, saidEvent},
	{"nil sequence", runtime.Handlers{
		Invoke: runtime.OpenStreamWithSession("Count", func(ctx context.Context, end string, session *runtime.Session[counter]) (values[string], error) {
			_, err := count(ctx, end, session)
			return nil, err
		}),
	}, saidEvent},
	{"WebSocket", runtime.Handlers{
		WebSocket: runtime.WebSocketWithSession("Count", func(ctx context.Context, conn *textConn, session *runtime.Session[counter]) error {
			end, err := conn.Receive(ctx)
			if err != nil {
				return err
			}
			said, err := count(ctx, end, session)
			if err := conn.Send(ctx, said); err != nil {
				return err
			}
			return err
		}),
	}, func(t *testing.T, a *agent, session, end string) string {
		conn := a.connect(t, sessionHeader, session)
		sendText(t, conn, end)
		if end == "panic" {
			readClose(t, conn)
			return ""
		}
		said := readText(t, conn)
		readClose(t, conn)
		return said
	}},
	{"UseSession in a raw handler", runtime.Handlers{
		Invoke: runtime.Raw("Count", func(w http.ResponseWriter, r *http.Request) {
			var end, said string
			if err := json.NewDecoder(r.Body).Decode(&end); err != nil {
				runtime.WriteError(w, err)
				return
			}
			err := runtime.UseSession(r.Context(), func(session *runtime.Session[counter]) (err error) {
				said, err = count(r.Context(), end, session)
				return err
			})
			if err != nil {
				runtime.WriteError(w, err)
				return
			}
			fmt.Fprintf(w, "%q", said)
		}),
	}, saidAnswer},
	{"UseSession in a task", runtime.Handlers{
		Invoke: runtime.Unary("Start", func(ctx context.Context, end string) (string, error) {
			var said string
			task, err := runtime.StartTask(ctx, "Count", end, func(ctx context.Context, end string) error {
				return runtime.UseSession(ctx, func(session *runtime.Session[counter]) (err error) {
					said, err = count(ctx, end, session)
					return err
				})
			})
			if err != nil {
				return "", err
			}
			<-task.Done()
			return said, task.Err()
		}),
	}, saidAnswer},
}

func saidAnswer(t *testing.T, a *agent, session, end string) (said string) {
	t.Helper()
	got := a.invoke(t, strconv.Quote(end), sessionHeader, session)
	if got.status == http.StatusOK {
		if err := json.Unmarshal([]byte(got.body), &said); err != nil {
			t.Fatalf("answered %q: %v", got.body, err)
		}
	}
	return said
}

func saidEvent(t *testing.T, a *agent, session, end string) (said string) {
	t.Helper()
	got := a.invoke(t, strconv.Quote(end), sessionHeader, session)
	if got.status != http.StatusOK || !strings.HasPrefix(got.body, `data: "`) {
		return ""
	}
	events := parseEvents(t, strings.NewReader(got.body))
	if err := json.Unmarshal([]byte(events[0]), &said); err != nil {
		t.Fatalf("the first event is %s: %v", events[0], err)
	}
	return said
}

// numberOfTurns returns what is in a store, 0 for nothing.
func numberOfTurns(t *testing.T, store runtime.SessionStore, session string) int {
	t.Helper()
	data := get(t, store, session, 0)
	if data == "" {
		return 0
	}
	var saved struct {
		Version int
		Type    string
		State   counter
	}
	if err := json.Unmarshal([]byte(data), &saved); err != nil || saved.Version != 1 || saved.Type != "runtime_test.counter" {
		t.Errorf("the store holds %s (%v)", data, err)
	}
	return saved.State.N
}

func TestSession(t *testing.T) {
	for _, kind := range sessionHandlers {
		t.Run(kind.name, func(t *testing.T) {
			store := runtime.NewMemoryStore()
			a := serve(t, kind.handlers, runtime.WithSessionStore(store))
			for i, step := range []struct {
				session, end, said string
				turns              int // that are saved afterwards
			}{
				{"s", "error", "1 new", 0},
				{"s", "", "1 new", 1},
				{"s", "", "2", 2},
				{"other", "", "1 new", 1},
				{"s", "error", "3", 2},
				{"s", "status", "3", 2},
				{"s", "panic", "3", 2},
				{"s", "", "3", 3},
				{"s", "save and error", "4", 4},
				{"s", "save, change and error", "5", 5},
				{"s", "end and error", "6", 5},
				{"s", "end", "6", 0},
				{"s", "end", "1 new", 0},
				{"s", "", "1 new", 1},
				{"other", "", "2", 2},
			} {
				said := kind.turn(t, a, step.session, step.end)
				if said != step.said && said != "" {
					t.Errorf("turn %d said %q, want %q", i, said, step.said)
				}
				if got := numberOfTurns(t, store, step.session); got != step.turns {
					t.Errorf("after turn %d, which ends with %q, %d turns are saved, want %d", i, step.end, got, step.turns)
				}
			}
		})
	}
}

func TestSessionIDIsMade(t *testing.T) {
	a := serve(t, runtime.Handlers{Invoke: runtime.UnaryWithSession("Count", func(ctx context.Context, _ any, session *runtime.Session[counter]) (string, error) {
		session.State.N++
		return fmt.Sprintln(session.ID() == runtime.SessionID(ctx), session.State.N), nil
	})})
	first := a.invoke(t, `{}`)
	id := first.header.Get(sessionHeader)
	if id == "" || first.body != `"true 1\n"` {
		t.Fatalf("answered %s in the session %q", first.body, id)
	}
	if second := a.invoke(t, `{}`, sessionHeader, id); second.body != `"true 2\n"` {
		t.Errorf("back in the session, answered %s", second.body)
	}
	if other := a.invoke(t, `{}`); other.body != `"true 1\n"` {
		t.Errorf("in a session of its own, answered %s", other.body)
	}
}

// Everything that JSON can hold comes back, large numbers included.
func TestSessionStateComesBack(t *testing.T) {
	type state struct {
		Text    string
		Numbers []int64
		Any     any
		Maps    map[string]map[string]bool
		Pointer *state
	}
	var got []state
	a := serve(t, runtime.Handlers{Invoke: runtime.UnaryWithSession("Keep", func(_ context.Context, _ any, session *runtime.Session[state]) (any, error) {
		got = append(got, session.State)
		if session.New() {
			session.State = state{
				Text: "ż<&>\u2028", Numbers: []int64{math.MinInt64, math.MaxInt64},
				Any:     map[string]any{"n": json.Number("9007199254740993")},
				Maps:    map[string]map[string]bool{"a": {"b": true}},
				Pointer: &state{Text: "inner"},
			}
			got = append(got, session.State)
		}
		return nil, nil
	})})
	for range 3 {
		a.invoke(t, `{}`, sessionHeader, "s")
	}
	want := fmt.Sprintf("%+v", got[1])
	for i, state := range got[2:] {
		state.Pointer, got[1].Pointer = got[1].Pointer, nil
		if fmt.Sprintf("%+v", state) != want {
			t.Errorf("turn %d finds %+v, want %s", i+2, state, want)
		}
		got[1].Pointer = state.Pointer
	}
}

// hookedStore is a store whose operations may be preceded by something.
type hookedStore struct {
	runtime.SessionStore
	hold, load, save, remove func(context.Context) error
}

func (s *hookedStore) Hold(ctx context.Context, id string, idle time.Duration) (runtime.HeldSession, error) {
	if err := call(ctx, s.hold); err != nil {
		return nil, err
	}
	held, err := s.SessionStore.Hold(ctx, id, idle)
	if err != nil {
		return nil, err
	}
	return &hookedSession{held, s}, nil
}

type hookedSession struct {
	runtime.HeldSession
	store *hookedStore
}

func (s *hookedSession) Load(ctx context.Context) ([]byte, error) {
	if err := call(ctx, s.store.load); err != nil {
		return nil, err
	}
	return s.HeldSession.Load(ctx)
}

func (s *hookedSession) Save(ctx context.Context, data []byte) error {
	if err := call(ctx, s.store.save); err != nil {
		return err
	}
	return s.HeldSession.Save(ctx, data)
}

func (s *hookedSession) Delete(ctx context.Context) error {
	if err := call(ctx, s.store.remove); err != nil {
		return err
	}
	return s.HeldSession.Delete(ctx)
}

func call(ctx context.Context, hook func(context.Context) error) error {
	if hook == nil {
		return nil
	}
	return hook(ctx)
}

// What a store says of its failure is for the log, and not for the caller.
func TestSessionStoreFails(t *testing.T) {
	const (
		detail = "the state of the session is not available"
		answer = `{"error":"` + detail + `"}`
		event  = `data: {"error":"` + detail + `","error_type":"runtime.StatusError","message":"An error occurred during streaming"}` + "\n\n"
	)
	fails := func(context.Context) error { return errors.New("connection refused to 10.0.0.1") }
	lost := func(context.Context) error { return fmt.Errorf("save: %w", runtime.ErrSessionLost) }
	for _, test := range []struct {
		name  string
		store hookedStore
		end   string
		cause string
		begun bool // when it fails
	}{
		{"hold", hookedStore{hold: fails}, "", "connection refused to 10.0.0.1", false},
		{"load", hookedStore{load: fails}, "", "connection refused to 10.0.0.1", false},
		{"save", hookedStore{save: fails}, "", "connection refused to 10.0.0.1", true},
		{"save after a loss", hookedStore{save: lost}, "", "save: " + runtime.ErrSessionLost.Error(), true},
		{"save in the middle", hookedStore{save: fails}, "save and error", "connection refused to 10.0.0.1", true},
		{"delete", hookedStore{remove: fails}, "end", "connection refused to 10.0.0.1", true},
	} {
		for _, kind := range sessionHandlers {
			t.Run(test.name+", "+kind.name, func(t *testing.T) {
				memory := runtime.NewMemoryStore()
				store := test.store
				store.SessionStore = memory
				served := make(chan struct{}, 1)
				handlers := kind.handlers
				handlers.Middleware = announce(served)
				a := serve(t, handlers, runtime.WithSessionStore(&store))
				switch kind.name {
				case "WebSocket":
					if !test.begun {
						if got := a.upgrade(t, "/ws", sessionHeader, "s"); got.status != 503 || got.body != answer {
							t.Errorf("answered %d %s, want 503 %s", got.status, got.body, answer)
						}
						break
					}
					conn := a.connect(t, sessionHeader, "s")
					sendText(t, conn, test.end)
					if got := readClose(t, conn); got.Code != websocket.CloseInternalServerErr || got.Text != "" {
						t.Errorf("closed with %d %q, want 1011", got.Code, got.Text)
					}
				default:
					got := a.invoke(t, strconv.Quote(test.end), sessionHeader, "s")
					want, status := answer, 503
					if strings.HasPrefix(got.body, "data:") || got.header.Get("Content-Type") == "text/event-stream; charset=utf-8" {
						want, status = event, 200
						if !test.begun {
							t.Error("a stream has begun")
						}
						if strings.HasPrefix(got.body, `data: "1 new"`+"\n\n") {
							want = `data: "1 new"` + "\n\n" + event
						}
					}
					if got.status != status || got.body != want {
						t.Errorf("answered %d %s, want %d %s", got.status, got.body, status, want)
					}
				}
				await(t, "the end of the request", served)
				if text := a.logs.String(); !strings.Contains(text, test.cause) {
					t.Errorf("the log does not say %q:\n%s", test.cause, text)
				}
				if got := numberOfTurns(t, memory, "s"); got != 0 { // and nobody holds it
					t.Errorf("%d turns are saved", got)
				}
			})
		}
	}
}

func TestSessionStateWithoutJSON(t *testing.T) {
	store := runtime.NewMemoryStore()
	a := serve(t, runtime.Handlers{Invoke: runtime.UnaryWithSession("Keep", func(_ context.Context, in float64, session *runtime.Session[float64]) (float64, error) {
		session.State = in
		if in < 0 {
			session.State = math.NaN()
		}
		return in, nil
	})}, runtime.WithSessionStore(store))
	a.invoke(t, `1.5`, sessionHeader, "s")
	const want = `{"error":"encode the state of the session: json: unsupported value: NaN"}`
	if got := a.invoke(t, `-1`, sessionHeader, "s"); got.status != 500 || got.body != want {
		t.Errorf("answered %d %s, want 500 %s", got.status, got.body, want)
	}
	if got, want := get(t, store, "s", 0), `{"version":1,"type":"float64","state":1.5}`; got != want {
		t.Errorf("the store holds %s, want %s", got, want)
	}
}

func TestSessionIsSavedBeforeTheAnswer(t *testing.T) {
	for _, kind := range sessionHandlers[:4] { // the invocations
		t.Run(kind.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				proceed := make(chan struct{})
				store := &hookedStore{SessionStore: runtime.NewMemoryStore(), save: func(context.Context) error {
					<-proceed
					return nil
				}}
				a := serveInMemory(t, kind.handlers, runtime.WithSessionStore(store))
				answered := make(chan answer)
				go func() { answered <- a.invoke(t, `""`) }()
				synctest.Wait()
				select {
				case got := <-answered:
					t.Fatalf("answered %d %s before the state was saved", got.status, got.body)
				default:
				}
				close(proceed)
				if got := <-answered; got.status != http.StatusOK {
					t.Errorf("answered %d %s", got.status, got.body)
				}
			})
		})
	}
}

// A store that does not answer is given up, for the shutdown not to wait for it.
func TestSessionStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &hookedStore{SessionStore: runtime.NewMemoryStore(), save: func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}}
		a := serveInMemory(t, runtime.Handlers{Invoke: counting}, runtime.WithSessionStore(store))
		if got := a.invoke(t, `""`); got.status != http.StatusServiceUnavailable {
			t.Errorf("answered %d %s, want 503", got.status, got.body)
		}
		if text := a.logs.String(); !strings.Contains(text, "the session store has not answered within 5s") {
			t.Errorf("logged\n%s", text)
		}
	})
}

// waiting returns a handler that says "in" when it has its session, and waits.
func waiting(inside chan<- string, proceed <-chan struct{}) runtime.InvokeHandler {
	return runtime.UnaryWithSession("Wait", func(ctx context.Context, _ any, session *runtime.Session[counter]) (int, error) {
		inside <- session.ID()
		<-proceed
		session.State.N++
		return session.State.N, nil
	})
}

func TestSessionIsHeldByOneInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inside, proceed := make(chan string, 10), make(chan struct{})
		a := serveInMemory(t, runtime.Handlers{Invoke: waiting(inside, proceed)})
		answers := make(chan string, 4)
		for _, session := range []string{"a", "a", "b", "a"} {
			go func() { answers <- session + a.invoke(t, `{}`, sessionHeader, session).body }()
		}
		synctest.Wait()
		if len(inside) != 2 {
			t.Fatalf("%d invocations run, want one of each session", len(inside))
		}
		if first, second := <-inside, <-inside; first == second {
			t.Fatalf("session %q is held twice", first)
		}
		proceed <- struct{}{}
		proceed <- struct{}{}
		for range 2 { // of session a
			synctest.Wait()
			if len(inside) != 1 {
				t.Fatalf("%d more invocations run, want 1", len(inside))
			}
			<-inside
			proceed <- struct{}{}
		}
		got := make(map[string]bool)
		for range 4 {
			got[<-answers] = true
		}
		for _, want := range []string{"a1", "a2", "a3", "b1"} {
			if !got[want] {
				t.Errorf("answered %v, which lacks %s", got, want)
			}
		}
	})
}

func TestSessionWaiterLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inside, proceed := make(chan string, 10), make(chan struct{})
		a := serveInMemory(t, runtime.Handlers{Invoke: waiting(inside, proceed)})
		first := make(chan answer)
		go func() { first <- a.invoke(t, `{}`, sessionHeader, "s") }()
		synctest.Wait()

		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			request, err := http.NewRequestWithContext(ctx, "POST", a.url+"/invocations", strings.NewReader(`{}`))
			if err == nil {
				request.Header = header(sessionHeader, "s", requestHeader, "impatient")
				_, err = a.client.Do(request)
			}
			left <- err
		}()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("left with %v", err)
		}
		synctest.Wait()
		if record := a.logs.only(t); record["requestId"] != "impatient" || record["level"] != "INFO" ||
			!strings.HasPrefix(record["msg"].(string), "the caller left the invocation") {
			t.Errorf("logged %v", record)
		}

		proceed <- struct{}{}
		if got := <-first; got.body != "1" {
			t.Errorf("the holder was answered %d %s", got.status, got.body)
		}
		go func() { first <- a.invoke(t, `{}`, sessionHeader, "s") }()
		proceed <- struct{}{}
		if got := <-first; got.body != "2" {
			t.Errorf("the next was answered %d %s", got.status, got.body)
		}
		if len(inside) != 2 {
			t.Errorf("the handler was called for one who had left")
		}
	})
}

// deadline returns middleware that gives every request a second.
func deadline() []func(http.Handler) http.Handler {
	return []func(http.Handler) http.Handler{func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), time.Second)
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}}
}

func TestSessionWaitEndsWithADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := runtime.NewMemoryStore()
		a := serveInMemory(t, runtime.Handlers{Invoke: counting, Middleware: deadline()}, runtime.WithSessionStore(store))
		held, err := store.Hold(t.Context(), "s", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		const want = `{"error":"waiting for the session: context deadline exceeded"}`
		if got := a.invoke(t, `""`, sessionHeader, "s"); got.status != 503 || got.body != want {
			t.Errorf("answered %d %s, want 503 %s", got.status, got.body, want)
		}
		held.Release()
		if got := a.invoke(t, `""`, sessionHeader, "s"); got.body != `"1 new"` {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	})
}

// What a sequence has left of the state when its context ends is not saved,
// however the sequence ends.
func TestSessionOfAStreamThatIsCutShort(t *testing.T) {
	for name, end := range map[string]func(ctx context.Context, yield func(int, error) bool){
		"returns": func(context.Context, func(int, error) bool) {},
		"fails":   func(ctx context.Context, yield func(int, error) bool) { yield(0, ctx.Err()) },
		"goes on": func(_ context.Context, yield func(int, error) bool) {
			for yield(0, nil) {
			}
		},
		"panics": func(context.Context, func(int, error) bool) { panic("no model") },
	} {
		handler := runtime.StreamWithSession("Count", func(ctx context.Context, _ any, session *runtime.Session[counter]) values[int] {
			return func(yield func(int, error) bool) {
				session.State.N++
				if yield(session.State.N, nil) {
					<-ctx.Done()
					end(ctx, yield)
				}
			}
		})
		t.Run("the caller leaves and the sequence "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := runtime.NewMemoryStore()
				a := serveInMemory(t, runtime.Handlers{Invoke: handler}, runtime.WithSessionStore(store))
				for range 2 {
					ctx, leave := context.WithCancel(t.Context())
					response := a.open(t, ctx, "POST", "/invocations", strings.NewReader(`{}`), sessionHeader, "s")
					if line, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil || line != "data: 1\n" {
						t.Fatalf("read %q (%v)", line, err)
					}
					leave()
					synctest.Wait()
					if got := get(t, store, "s", 0); got != "" {
						t.Errorf("the store holds %s", got)
					}
				}
			})
		})
		if name == "goes on" {
			continue // which a deadline does not keep it from
		}
		t.Run("a deadline passes and the sequence "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := runtime.NewMemoryStore()
				a := serveInMemory(t, runtime.Handlers{Invoke: handler, Middleware: deadline()}, runtime.WithSessionStore(store))
				got := a.invoke(t, `{}`, sessionHeader, "s")
				if events := parseEvents(t, strings.NewReader(got.body)); len(events) != 2 || !strings.HasPrefix(events[1], `{"error":`) {
					t.Errorf("answered %q, want an error event at the end", events)
				}
				if got := get(t, store, "s", 0); got != "" {
					t.Errorf("the store holds %s", got)
				}
			})
		})
	}
}

// A handler that returns no error has succeeded, even if its caller did not wait.
func TestSessionOfAHandlerWhoseCallerHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := runtime.NewMemoryStore()
		a := serveInMemory(t, runtime.Handlers{
			Invoke: runtime.UnaryWithSession("Count", func(ctx context.Context, _ any, session *runtime.Session[counter]) (any, error) {
				<-ctx.Done()
				return count(ctx, "", session)
			}),
		}, runtime.WithSessionStore(store))
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		request, err := http.NewRequestWithContext(ctx, "POST", a.url+"/invocations", strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = header(sessionHeader, "s")
		if _, err := a.client.Do(request); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller got %v", err)
		}
		synctest.Wait()
		if got := numberOfTurns(t, store, "s"); got != 1 {
			t.Errorf("%d turns are saved, want 1", got)
		}
	})
}

// A caller who does not read the end of an answer holds nobody up.
func TestSessionIsReleasedBeforeTheAnswerIsRead(t *testing.T) {
	for _, kind := range sessionHandlers {
		if kind.name != "unary" && kind.name != "nil sequence" {
			continue
		}
		t.Run(kind.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := runtime.NewMemoryStore()
				a := serveInMemory(t, kind.handlers, runtime.WithSessionStore(store))
				conn, err := a.dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprintf(conn, "POST /invocations HTTP/1.1\r\nHost: agent\r\n%s: s\r\nContent-Length: 2\r\n\r\n\"\"", sessionHeader)
				synctest.Wait()
				if got := numberOfTurns(t, store, "s"); got != 1 {
					t.Errorf("%d turns are saved, want 1", got)
				}
			})
		})
	}
}

// However a handler ends, the session is free for the next.
func TestSessionOfAHandlerThatEndsItsGoroutine(t *testing.T) {
	exit := func(in string) {
		if in == "exit" {
			goruntime.Goexit()
		}
	}
	for name, handler := range map[string]runtime.InvokeHandler{
		"unary": runtime.UnaryWithSession("Exit", func(ctx context.Context, in string, session *runtime.Session[counter]) (string, error) {
			exit(in)
			return count(ctx, in, session)
		}),
		"stream": runtime.StreamWithSession("Exit", func(ctx context.Context, in string, session *runtime.Session[counter]) values[string] {
			return func(yield func(string, error) bool) {
				exit(in)
				yield(count(ctx, in, session))
			}
		}),
		"open stream": runtime.OpenStreamWithSession("Exit", func(ctx context.Context, in string, session *runtime.Session[counter]) (values[string], error) {
			exit(in)
			return func(yield func(string, error) bool) { yield(count(ctx, in, session)) }, nil
		}),
	} {
		t.Run(name, func(t *testing.T) {
			store := runtime.NewMemoryStore()
			a := serve(t, runtime.Handlers{Invoke: handler}, runtime.WithSessionStore(store))
			request, err := http.NewRequestWithContext(t.Context(), "POST", a.url+"/invocations", strings.NewReader(`"exit"`))
			if err != nil {
				t.Fatal(err)
			}
			request.Header = header(sessionHeader, "s")
			response, err := a.client.Do(request)
			if err == nil {
				_, err = io.ReadAll(response.Body)
				response.Body.Close()
			}
			if err == nil {
				t.Error("the answer looks complete")
			}
			a.invoke(t, `""`, sessionHeader, "s")
			if got := numberOfTurns(t, store, "s"); got != 1 {
				t.Errorf("%d turns are saved, want 1", got)
			}
		})
	}
}

// brokenWriter is a middleware's that fails before a stream can begin.
type brokenWriter struct{ unwrappingWriter }

func (brokenWriter) WriteHeader(int) { panic("broken") }

func TestSessionOfASequenceThatIsNeverCalled(t *testing.T) {
	store := runtime.NewMemoryStore()
	handle := func(_ context.Context, _ any, session *runtime.Session[counter]) values[int] {
		session.State.N++
		return func(func(int, error) bool) { t.Error("the sequence was called") }
	}
	server := newServer(runtime.Handlers{
		Invoke: runtime.StreamWithSession("Count", handle),
		Middleware: wrapping(func(w plainWriter) http.ResponseWriter {
			return brokenWriter{unwrappingWriter{w}}
		}),
	}, runtime.WithSessionStore(store))
	func() {
		defer func() { _ = recover() }()
		record(server, "POST", "/invocations", `{}`, sessionHeader, "s")
	}()
	if got := get(t, store, "s", 0); got != "" { // and nobody holds it
		t.Errorf("the store holds %s", got)
	}
}

// saved is what a store holds for a state.
func saved(version int, typeName, state string) string {
	return fmt.Sprintf(`{"version":%d,"type":%q,"state":%s}`, version, typeName, state)
}

func TestSessionThatCannotBeUsed(t *testing.T) {
	const answer = `{"error":"the saved state of the session cannot be used"}`
	for _, test := range []struct {
		name, data, reason string
	}{
		{"garbage", "\x00\xff", "what the store holds is not a saved session: "},
		{"empty", "", "what the store holds is not a saved session: unexpected end of JSON input"},
		{"cut off", `{"version":1,"ty`, "what the store holds is not a saved session: unexpected end of JSON input"},
		{"two values", saved(1, "runtime_test.counter", `{"n":1}`) + "{}", "what the store holds is not a saved session: "},
		{"JSON of another kind", `[1]`, "what the store holds is not a saved session: "},
		{"null", `null`, "it was saved in version 0 of the format, and this program knows version 1"},
		{"no version", `{"n":1}`, "it was saved in version 0 of the format, and this program knows version 1"},
		{"newer version", saved(2, "runtime_test.counter", `{"n":1}`), "it was saved in version 2 of the format, and this program knows version 1"},
		{"no state", `{"version":1,"type":"runtime_test.counter"}`, "it was saved as a runtime_test.counter and does not decode into a runtime_test.counter: EOF"},
		{"changed field", saved(1, "runtime_test.counter", `{"n":"one"}`), "it was saved as a runtime_test.counter and does not decode into a runtime_test.counter: json: "},
		{"changed kind", saved(1, "[]string", `["one"]`), "it was saved as a []string and does not decode into a runtime_test.counter: json: "},
		{"other type", saved(1, "main.Memory", `{"turns":["one"]}`), `it was saved as a main.Memory and does not decode into a runtime_test.counter: json: unknown field "turns"`},
	} {
		for _, kind := range sessionHandlers {
			t.Run(test.name+", "+kind.name, func(t *testing.T) {
				store := runtime.NewMemoryStore()
				put(t, store, "s", test.data, 0)
				served := make(chan struct{}, 1)
				handlers := kind.handlers
				handlers.Middleware = announce(served)
				a := serve(t, handlers, runtime.WithSessionStore(store))
				for range 2 {
					got := a.send(t, kind.name, "s")
					if got.status != 500 || got.body != answer {
						t.Errorf("answered %d %s, want 500 %s", got.status, got.body, answer)
					}
					await(t, "the end of the request", served)
				}
				if text := a.logs.String(); !strings.Contains(text, strings.Trim(strconv.Quote(test.reason), `"`)) {
					t.Errorf("the log does not say %q:\n%s", test.reason, text)
				}
				if got := get(t, store, "s", 0); got != test.data {
					t.Errorf("the store holds %q, want %q as before", got, test.data)
				}
			})
		}
	}
}

// send takes a turn that is refused.
func (a *agent) send(t *testing.T, kind, session string) answer {
	t.Helper()
	if kind == "WebSocket" {
		return a.upgrade(t, "/ws", sessionHeader, session)
	}
	return a.invoke(t, `""`, sessionHeader, session)
}

// A type may gain and lose fields from one release to the next, and change its
// name.
func TestSessionOfAnOlderRelease(t *testing.T) {
	for name, data := range map[string]string{
		"renamed":        saved(1, "main.tally", `{"n":1}`),
		"lost a field":   saved(1, "runtime_test.counter", `{"n":1,"since":"1999"}`),
		"gained a field": saved(1, "runtime_test.counter", `{}`),
		"unknown format": `{"version":1,"type":"runtime_test.counter","state":{"n":1},"more":true}`,
	} {
		store := runtime.NewMemoryStore()
		put(t, store, "s", data, 0)
		a := serve(t, runtime.Handlers{Invoke: counting}, runtime.WithSessionStore(store))
		want := `"2"`
		if name == "gained a field" {
			want = `"1"`
		}
		if got := a.invoke(t, `""`, sessionHeader, "s"); got.status != 200 || got.body != want {
			t.Errorf("%s: answered %d %s, want %s", name, got.status, got.body, want)
		}
	}
}

func TestSessionIDTooLong(t *testing.T) {
	for _, kind := range sessionHandlers {
		if kind.name == "UseSession in a task" {
			continue // whose error is the same, and answered by the handler that waits for it
		}
		a := serve(t, kind.handlers)
		const want = `{"error":"the session id is 257 bytes long, and at most 256 are allowed"}`
		if got := a.send(t, kind.name, strings.Repeat("x", 257)); got.status != 400 || got.body != want {
			t.Errorf("%s: answered %d %s, want 400 %s", kind.name, got.status, got.body, want)
		}
		if kind.turn(t, a, strings.Repeat("x", 256), ""); kind.turn(t, a, strings.Repeat("x", 256), "") == "1 new" {
			t.Errorf("%s: the longest id is not kept", kind.name)
		}
	}
}

func TestSessionIsNotHeldTwice(t *testing.T) {
	use := func(ctx context.Context) error {
		return runtime.UseSession(ctx, func(*runtime.Session[counter]) error { return nil })
	}
	const want = "this handler holds its session already: use the *runtime.Session that it was given"
	for name, handlers := range map[string]runtime.Handlers{
		"unary": {Invoke: runtime.UnaryWithSession("Nest", func(ctx context.Context, _ any, _ *runtime.Session[counter]) (any, error) {
			return nil, use(ctx)
		})},
		"open stream": {Invoke: runtime.OpenStreamWithSession("Nest", func(ctx context.Context, _ any, _ *runtime.Session[counter]) (values[any], error) {
			return nil, use(ctx)
		})},
		"stream": {Invoke: runtime.StreamWithSession("Nest", func(ctx context.Context, _ any, _ *runtime.Session[counter]) values[any] {
			return func(yield func(any, error) bool) { yield(nil, use(ctx)) }
		})},
		"WebSocket": {WebSocket: runtime.WebSocketWithSession("Nest", func(ctx context.Context, conn *textConn, _ *runtime.Session[counter]) error {
			return use(ctx)
		})},
	} {
		a := serve(t, handlers)
		got := a.send(t, name, "s")
		if !strings.Contains(got.body, `"`+want+`"`) {
			t.Errorf("%s: answered %d %s, want %s", name, got.status, got.body, want)
		}
	}
}

// A task outlives the handler that holds the session, and waits for its turn.
func TestSessionOfATaskOfAHolder(t *testing.T) {
	store := runtime.NewMemoryStore()
	tasks := make(chan *runtime.Task, 1)
	a := serve(t, runtime.Handlers{
		Invoke: runtime.UnaryWithSession("Start", func(ctx context.Context, _ any, session *runtime.Session[counter]) (any, error) {
			session.State.N++
			task, err := runtime.StartTask(ctx, "Work", runtime.None{}, func(ctx context.Context, _ runtime.None) error {
				return runtime.UseSession(ctx, func(session *runtime.Session[counter]) error {
					session.State.N *= 10
					return nil
				})
			})
			tasks <- task
			return nil, err
		}),
	}, runtime.WithSessionStore(store))
	a.invoke(t, `{}`, sessionHeader, "s")
	task := <-tasks
	await(t, "the end of the task", task.Done())
	if err := task.Err(); err != nil {
		t.Error(err)
	}
	if got := numberOfTurns(t, store, "s"); got != 10 {
		t.Errorf("the state is %d, want 10", got)
	}
}

// An agent may call another in its own process, with the context of its handler.
func TestSessionOfAnotherServer(t *testing.T) {
	inner := newServer(runtime.Handlers{Invoke: counting})
	outer := newServer(runtime.Handlers{
		Invoke: runtime.UnaryWithSession("Call", func(ctx context.Context, _ any, session *runtime.Session[counter]) (json.RawMessage, error) {
			request := httptest.NewRequestWithContext(ctx, "POST", "/invocations", strings.NewReader(`""`))
			request.Header.Set(sessionHeader, session.ID())
			recorder := httptest.NewRecorder()
			inner.ServeHTTP(recorder, request)
			return recorder.Body.Bytes(), nil
		}),
	})
	for _, want := range []string{`"1 new"`, `"2"`} {
		if got := record(outer, "POST", "/invocations", `{}`, sessionHeader, "s"); got.body != want {
			t.Errorf("answered %s, want %s", got.body, want)
		}
	}
}

func TestUseSessionOutsideOfARequest(t *testing.T) {
	server := newServer(runtime.Handlers{})
	for name, ctx := range map[string]context.Context{
		"no server":  t.Context(),
		"no request": server.Context(t.Context()),
	} {
		err := runtime.UseSession(ctx, func(*runtime.Session[counter]) error {
			t.Errorf("%s: there is a session", name)
			return nil
		})
		if want := "the context belongs to no request, and so to no session: pass the context of a handler"; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// What a handler leaves behind cannot change the session of the next.
func TestSessionEndsWithItsHandler(t *testing.T) {
	store := runtime.NewMemoryStore()
	var left *runtime.Session[counter]
	a := serve(t, runtime.Handlers{
		Invoke: runtime.UnaryWithSession("Count", func(ctx context.Context, _ any, session *runtime.Session[counter]) (any, error) {
			left = session
			return count(ctx, "", session)
		}),
	}, runtime.WithSessionStore(store))
	a.invoke(t, `{}`, sessionHeader, "s")
	left.State.N = 1000
	if err := left.Save(t.Context()); err == nil || err.Error() != "the session has ended with its handler" {
		t.Errorf("saved with %v", err)
	}
	if got := numberOfTurns(t, store, "s"); got != 1 {
		t.Errorf("%d turns are saved, want 1", got)
	}
}

// A save that its own context ends is no failure of the store.
func TestSessionSaveWithAnEndedContext(t *testing.T) {
	store := &hookedStore{SessionStore: runtime.NewMemoryStore(), save: context.Context.Err}
	a := serve(t, runtime.Handlers{
		Invoke: runtime.UnaryWithSession("Save", func(ctx context.Context, _ any, session *runtime.Session[counter]) (string, error) {
			session.State.N = 7
			ended, end := context.WithCancel(ctx)
			end()
			err := session.Save(ended)
			if !errors.Is(err, context.Canceled) {
				return "", err
			}
			return err.Error(), nil
		}),
	}, runtime.WithSessionStore(store))
	if got, want := a.invoke(t, `{}`).body, `"waiting for the session: context canceled"`; got != want {
		t.Errorf("answered %s, want %s", got, want)
	}
	if text := a.logs.String(); strings.Contains(text, "ERROR") {
		t.Errorf("logged\n%s", text)
	}
}

// A session that was made by hand serves the test of a handler.
func TestSessionMadeByHand(t *testing.T) {
	session := &runtime.Session[counter]{State: counter{N: 2}}
	for i, end := range []string{"", "end", "save and error"} {
		if said, _ := count(t.Context(), end, session); said != fmt.Sprint(3+i, " new") {
			t.Errorf("said %q", said)
		}
	}
	if err := session.Save(t.Context()); err != nil || session.ID() != "" || session.State.N != 5 {
		t.Errorf("saved with %v, session %q, %d turns", err, session.ID(), session.State.N)
	}
}

func TestSessionIdleTime(t *testing.T) {
	for _, test := range []struct {
		name string
		opts []runtime.Option
		idle time.Duration // 0 for no end
	}{
		{"default", nil, 15 * time.Minute},
		{"chosen", []runtime.Option{runtime.WithSessionTimeout(time.Hour)}, time.Hour},
		{"none", []runtime.Option{runtime.WithSessionTimeout(0)}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				proceed := make(chan struct{})
				a := serveInMemory(t, runtime.Handlers{
					Invoke: runtime.UnaryWithSession("Count", func(ctx context.Context, in string, session *runtime.Session[counter]) (string, error) {
						if in == "wait" {
							<-proceed
						}
						return count(ctx, in, session)
					}),
				}, test.opts...)
				turn := func(in, want string) {
					t.Helper()
					if got := saidAnswer(t, a, "s", in); got != want {
						t.Errorf("said %q, want %q", got, want)
					}
				}
				turn("", "1 new")
				if test.idle == 0 {
					time.Sleep(1000 * time.Hour)
					turn("", "2")
					return
				}
				for i := range 3 { // each turn begins the time anew
					time.Sleep(test.idle - time.Second)
					turn("", fmt.Sprint(2+i))
				}
				time.Sleep(test.idle - time.Second)
				turn("error", "") // as does one that fails
				time.Sleep(test.idle - time.Second)
				turned := make(chan struct{})
				go func() {
					defer close(turned)
					turn("wait", "5")
				}()
				time.Sleep(3 * test.idle) // at work is not idle
				close(proceed)
				<-turned
				time.Sleep(test.idle - time.Second)
				turn("", "6")
				time.Sleep(test.idle + time.Second)
				turn("", "1 new")
			})
		})
	}
}

// A WebSocket holds its session to its end, and so does every other handler
// wait for that.
func TestSessionOfAWebSocket(t *testing.T) {
	notTheEnd := fmt.Errorf("the model: %w", io.EOF)
	for _, test := range []struct {
		name  string
		end   func(t *testing.T, a *agent, conn *websocket.Conn)
		fail  error
		turns int
	}{
		{"the client closes", func(t *testing.T, _ *agent, conn *websocket.Conn) { closeSocket(t, conn, 1000) }, nil, 2},
		{"the client goes away", func(t *testing.T, _ *agent, conn *websocket.Conn) { closeSocket(t, conn, 1001) }, nil, 2},
		{"the client fails", func(t *testing.T, _ *agent, conn *websocket.Conn) { closeSocket(t, conn, 1011) }, nil, 1},
		{"the client vanishes", func(t *testing.T, _ *agent, conn *websocket.Conn) { conn.NetConn().Close() }, nil, 1},
		{"the server stops", func(t *testing.T, a *agent, conn *websocket.Conn) {
			stopped := make(chan error)
			go func() { stopped <- a.stop() }()
			readClose(t, conn)
			<-stopped
		}, nil, 2},
		{"the handler returns", func(t *testing.T, _ *agent, conn *websocket.Conn) {
			sendText(t, conn, "bye")
			readClose(t, conn)
		}, nil, 2},
		{"the handler fails", func(t *testing.T, _ *agent, conn *websocket.Conn) {
			sendText(t, conn, "bye")
			readClose(t, conn)
		}, errors.New("no model"), 1},
		{"the handler fails with an end that is another's", func(t *testing.T, _ *agent, conn *websocket.Conn) {
			sendText(t, conn, "bye")
			readClose(t, conn)
		}, notTheEnd, 1},
		{"the handler closes", func(t *testing.T, _ *agent, conn *websocket.Conn) {
			sendText(t, conn, "bye")
			readClose(t, conn)
		}, &runtime.CloseError{Code: 1000, Reason: "bye"}, 2},
		{"the handler refuses", func(t *testing.T, _ *agent, conn *websocket.Conn) {
			sendText(t, conn, "bye")
			readClose(t, conn)
		}, &runtime.CloseError{Code: 4001, Reason: "rude"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := runtime.NewMemoryStore()
			a := serve(t, runtime.Handlers{
				WebSocket: runtime.WebSocketWithSession("Talk", func(ctx context.Context, conn *textConn, session *runtime.Session[counter]) error {
					for {
						message, err := conn.Receive(ctx)
						if err != nil {
							return err
						}
						switch message {
						case "bye":
							return test.fail
						case "save":
							if err := session.Save(ctx); err != nil {
								return err
							}
						default:
							session.State.N++
						}
						if err := conn.Send(ctx, strconv.Itoa(session.State.N)); err != nil {
							return err
						}
					}
				}),
			}, runtime.WithSessionStore(store))
			conn := a.connect(t, sessionHeader, "s")
			for _, text := range []string{"hello", "save", "hello"} {
				sendText(t, conn, text)
				readText(t, conn)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if _, err := store.Hold(ctx, "s", 0); err == nil {
				t.Fatal("nobody holds the session of an open connection")
			}
			test.end(t, a, conn)
			if got := numberOfTurns(t, store, "s"); got != test.turns {
				t.Errorf("%d turns are saved, want %d", got, test.turns)
			}
		})
	}
}

func closeSocket(t *testing.T, conn *websocket.Conn, code int) {
	t.Helper()
	if err := closeWith(code, "bye")(conn); err != nil {
		t.Fatal(err)
	}
	readClose(t, conn)
}
