package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/internal/wire"
)

// cleanupTimeout is for handlers and tasks that were cancelled at the end of the
// grace period, and then for the hooks of the shutdown.
const cleanupTimeout = 2 * time.Second

// A Server serves one agent. It is an [http.Handler] that may be mounted
// anywhere; [Server.Run] is the whole of an agent's main function.
type Server struct {
	handlers    Handlers
	opts        options
	log         *slog.Logger
	ownLog      *ownLog      // what log is made of, nil if the program has brought it
	invocations *jsonHandler // of their records, nil if log is to have them
	root        http.Handler // the routes in their middleware, nil if there is none
	status      *status
	tasks       members[*Task]
	manual      manualTasks
	sockets     members[*socket]
	running     atomic.Int64 // invocations
}

// NewServer returns a server for the handlers. A server that is mounted
// elsewhere should be ended with [Server.Shutdown].
func NewServer(handlers Handlers, opts ...Option) *Server {
	s := &Server{handlers: handlers, opts: defaultOptions()}
	for _, opt := range opts {
		opt(&s.opts)
	}
	if s.opts.sessions == nil {
		s.opts.sessions = NewMemoryStore()
	}
	s.log = s.opts.log
	if s.log == nil {
		s.log, s.ownLog = defaultLogger(s.opts.debug)
	}
	if handlers.Invoke.serve == nil {
		s.handlers.Invoke = noEntrypoint()
	}
	if s.ownLog != nil && s.ownLog.json != nil {
		s.invocations = s.ownLog.json.with([]slog.Attr{slog.String("handler", s.handlers.Invoke.name)})
	}
	s.status = newStatus(handlers.Ping, func(ctx context.Context, problem error) {
		s.log.WarnContext(ctx, "the server chooses the status that /ping reports", errorAttrs(problem)...)
	})
	if len(handlers.Middleware) > 0 {
		s.root = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.route(renewRequest(s, w, r)) })
	}
	for i := len(handlers.Middleware) - 1; i >= 0; i-- {
		s.root = handlers.Middleware[i](s.root)
	}
	return s
}

// Context returns a context that belongs to this server and to no request: for
// [StartTask] outside of handlers.
func (s *Server) Context(parent context.Context) context.Context {
	return context.WithValue(parent, wire.InboundKey{}, &request{server: s})
}

// Run listens and serves until ctx ends or the process receives SIGINT or
// SIGTERM, and then shuts down: it stops accepting, waits for invocations,
// closes WebSockets with 1001, ends the contexts of tasks and waits for them.
// The grace period is for all of that; WebSockets and tasks are told by the
// middle of it at the latest. What has not ended by its end is cancelled and
// has two seconds to clean up. Then come the hooks of [WithShutdown].
//
// If the program has not set a default logger of log/slog, the server's becomes
// it, so that what handlers log with their context carries the request's ids.
//
// Run returns nil after a shutdown in which everything ended in time.
func (s *Server) Run(ctx context.Context) error {
	ctx, watching, stop := untilSignal(ctx)
	defer stop()
	if s.ownLog != nil {
		setDefaultLogger(s.ownLog.all)
	}
	listener, err := net.Listen("tcp", s.opts.addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: end the other program, or choose another port with WithAddr or the environment variable PORT", err)
	}
	if port := os.Getenv("PORT"); err != nil && port != "" && s.opts.addr == defaultAddr() {
		return fmt.Errorf("%w: the environment variable PORT is %q", err, port)
	}
	if err != nil {
		return err
	}
	return s.serve(ctx, listener, watching)
}

// untilSignal returns a context that ends with a signal to end the process, too,
// once watching is closed. Setting that up takes as long as to listen, so it is
// done in the background.
func untilSignal(parent context.Context) (ctx context.Context, watching <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	begun, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		signalled, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop() // a second signal ends the process at once
		close(begun)
		<-signalled.Done()
		cancel()
	}()
	return ctx, begun, func() {
		cancel()
		<-ended
	}
}

// Serve is [Server.Run] on a given listener and without regard to signals. It
// closes the listener. A server can serve once.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	ready := make(chan struct{})
	close(ready)
	return s.serve(ctx, listener, ready)
}

// serve is Serve, and does not say that it serves before ready is closed.
func (s *Server) serve(ctx context.Context, listener net.Listener, ready <-chan struct{}) error {
	defer s.ownLog.flush()
	err := s.start(ctx)
	if err == nil {
		err = s.serveHTTP(ctx, listener, ready)
	} else {
		_ = listener.Close()
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		err = errors.Join(err, s.Shutdown(cleanup)) // for what the hooks have started
	}
	return errors.Join(err, s.runShutdownHooks(ctx))
}

// start calls the hooks of [WithStartup].
func (s *Server) start(ctx context.Context) error {
	for _, hook := range s.opts.startup {
		if err := hook(s.Context(ctx)); err != nil {
			return fmt.Errorf("startup: %w", err)
		}
	}
	return nil
}

// runShutdownHooks calls the hooks of [WithShutdown].
func (s *Server) runShutdownHooks(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(s.Context(context.WithoutCancel(ctx)), cleanupTimeout)
	defer cancel()
	var errs []error
	for _, hook := range slices.Backward(s.opts.shutdown) {
		if err := hook(ctx); err != nil {
			errs = append(errs, fmt.Errorf("shutdown: %w", err))
		}
	}
	return errors.Join(errs...)
}

func (s *Server) serveHTTP(ctx context.Context, listener net.Listener, ready <-chan struct{}) error {
	defer listener.Close() // an early end may find it not taken over yet
	// Requests outlive ctx by the grace period.
	requests, cancelRequests := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancelRequests(nil)
	server := &http.Server{
		Handler:           s,
		BaseContext:       func(net.Listener) context.Context { return context.WithValue(requests, requestsKey{s}, requests) },
		ReadHeaderTimeout: max(s.opts.headerTimeout, 0),
		IdleTimeout:       cmp.Or(s.opts.idleTimeout, -1), // 0 would stand for another default
		MaxHeaderBytes:    s.opts.maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	logged := make(chan struct{})
	go func() { // lest it keep the first request waiting
		defer close(logged)
		<-ready
		s.log.Info("serving on " + baseURL(listener.Addr()))
	}()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()

	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	<-logged
	return errors.Join(err, s.shutdown(ctx, server, cancelRequests))
}

// baseURL returns a URL that reaches a listener from this machine.
func baseURL(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d (all interfaces)", tcp.Port)
	}
	return "http://" + addr.String()
}

// shutdown ends the server in order, first by waiting, then by force.
func (s *Server) shutdown(ctx context.Context, server *http.Server, cancelRequests context.CancelCauseFunc) error {
	s.log.Info("shutting down")
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.grace)
	defer cancel()
	var httpErr error
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		httpErr = server.Shutdown(grace)
	}()
	// WebSockets and tasks come after the invocations, but they need time, too.
	half := time.NewTimer(s.opts.grace / 2)
	defer half.Stop()
	select {
	case <-drained:
	case <-half.C:
	}
	restErr := s.Shutdown(grace)
	<-drained
	if httpErr == nil && restErr == nil {
		return nil
	}

	cancelRequests(http.ErrServerClosed)
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	err := errors.Join(server.Shutdown(cleanup), s.Shutdown(cleanup))
	_ = server.Close()
	if err == nil && httpErr == nil {
		return nil
	}
	return fmt.Errorf("not everything ended within the grace period of %v", s.opts.grace)
}

// Shutdown refuses new WebSockets and tasks, closes the WebSockets there are
// with 1001, ends the contexts of their handlers and of the tasks, and waits
// for them. It returns an error if ctx ends first; it may then be called again.
// It does not stop invocations: that is for the http.Server to do, and
// [Server.Run] does it.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.ownLog.flush()
	s.sockets.close(func(socket *socket) { go socket.shutDown() })
	s.tasks.close(func(task *Task) { task.cancel(http.ErrServerClosed) })
	socketsLeft := s.sockets.wait(ctx)
	if tasksLeft := s.tasks.wait(ctx); tasksLeft+socketsLeft > 0 {
		return fmt.Errorf("%d WebSocket handlers and %d tasks have not returned: %w", socketsLeft, tasksLeft, context.Cause(ctx))
	}
	return nil
}

// ServeHTTP serves the agent's routes: POST /invocations, GET /ws and GET /ping.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := newRequest(s, w, r)
	if s.root == nil {
		s.route(req)
		return
	}
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		err := panicked(value)
		if err == http.ErrAbortHandler {
			panic(err)
		}
		s.log.ErrorContext(req, "middleware failed", errorAttrs(err)...)
		if req.w.begun {
			panic(http.ErrAbortHandler)
		}
		fail(req.w, err)
	}()
	req.http = req.httpRequest()
	s.root.ServeHTTP(req.w, req.http)
}

func (s *Server) route(r *request) {
	path := r.http.URL.Path
	if path != "/ping" && !s.allowsOrigin(r.http) {
		s.log.WarnContext(r, "a page of another origin was refused", "origin", r.http.Header.Get("Origin"))
		fail(r.w, Errorf(http.StatusForbidden, "the origin is not allowed"))
		return
	}
	if r.http.Method == http.MethodGet && websocket.IsWebSocketUpgrade(r.http) {
		if path == "/ws" && s.handlers.WebSocket.serve != nil {
			s.webSocket(r)
			return
		}
		r.w.Header().Set("Connection", "close")
		r.w.WriteHeader(http.StatusForbidden)
		return
	}
	switch path {
	case "/invocations":
		if allow(r, http.MethodPost) {
			s.invoke(r)
		}
	case "/ping":
		if allow(r, http.MethodGet, http.MethodHead) {
			s.ping(r)
		}
	case "/invocations/", "/ping/":
		// Relative, for a server that is mounted below a prefix.
		location := ".." + strings.TrimSuffix(path, "/")
		if query := r.http.URL.RawQuery; query != "" {
			location += "?" + query
		}
		r.w.Header().Set("Location", location)
		r.w.WriteHeader(http.StatusTemporaryRedirect)
	default:
		plainError(r.w, http.StatusNotFound)
	}
}

// allow reports whether r has one of the methods, and else refuses it.
func allow(r *request, methods ...string) bool {
	if slices.Contains(methods, r.http.Method) {
		return true
	}
	r.w.Header().Set("Allow", strings.Join(methods, ", "))
	plainError(r.w, http.StatusMethodNotAllowed)
	return false
}

// allowsOrigin reports whether the page that has sent a request may do so.
func (s *Server) allowsOrigin(r *http.Request) bool {
	origin := r.Header["Origin"]
	return s.opts.origins == nil || len(origin) == 0 ||
		slices.ContainsFunc(s.opts.origins, func(allowed string) bool { return strings.EqualFold(allowed, origin[0]) })
}

func plainError(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(http.StatusText(status)))
}

func (s *Server) invoke(r *request) {
	r.w.Header()[wire.HeaderSessionID] = r.sessionHeader()
	start := time.Now()
	if s.opts.debug && s.debugAction(r, start) {
		return
	}
	if running := s.running.Add(1); s.opts.maxInvocations > 0 && running > int64(s.opts.maxInvocations) {
		s.running.Add(-1) // at once, for the answer may take its time
		r.w.Header().Set("Retry-After", "1")
		s.logInvocation(r, fail(r.w, Errorf(http.StatusTooManyRequests, "too many invocations are under way")), start, time.Now())
		return
	}
	defer s.running.Add(-1)
	s.status.begin(start)
	var end time.Time
	defer func() {
		if end.IsZero() { // the handler ended its goroutine
			end = time.Now()
		}
		s.status.end(end)
	}()
	out := s.handle(r)
	end = time.Now()
	s.logInvocation(r, out, start, end)
	if out.cut {
		panic(http.ErrAbortHandler)
	}
}

// handle answers an invocation, whatever its handler does.
func (s *Server) handle(r *request) (out outcome) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		err := panicked(value)
		if r.w.begun || err == http.ErrAbortHandler {
			out = outcome{status: r.w.status, err: err, cut: true}
			return
		}
		out = fail(r.w, err)
	}()

	return s.handlers.Invoke.serve(r)
}
