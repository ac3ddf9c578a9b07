package runtime

import (
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
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// headerTimeout and idleTimeout keep callers who send nothing from holding
	// connections. Bodies and answers may take their time.
	headerTimeout = 10 * time.Second
	idleTimeout   = 3 * time.Minute

	// cleanupTimeout is for handlers and tasks that were cancelled at the end
	// of the grace period.
	cleanupTimeout = 2 * time.Second
)

// A Server serves one agent. It is an [http.Handler] that may be mounted
// anywhere; [Server.Run] is the whole of an agent's main function.
type Server struct {
	handlers Handlers
	opts     options
	log      *slog.Logger
	ownLog   *slog.Logger // what log is made of, nil if the program has brought it
	root     http.Handler // the routes in their middleware
	status   *status
	tasks    members[*Task]
	sockets  members[*socket]
}

// NewServer returns a server for the handlers. A server that is mounted
// elsewhere should be ended with [Server.Shutdown].
func NewServer(handlers Handlers, opts ...Option) *Server {
	s := &Server{handlers: handlers, opts: defaultOptions()}
	for _, opt := range opts {
		opt(&s.opts)
	}
	s.log = s.opts.log
	if s.log == nil {
		s.log, s.ownLog = defaultLogger()
	}
	if handlers.Invoke.serve == nil {
		s.handlers.Invoke = noEntrypoint
	}
	s.status = newStatus(handlers.Ping, func(ctx context.Context, problem error) {
		s.log.WarnContext(ctx, "the server chooses the status that /ping reports", errorAttrs(problem)...)
	})
	s.root = http.HandlerFunc(s.route)
	for i := len(handlers.Middleware) - 1; i >= 0; i-- {
		s.root = handlers.Middleware[i](s.root)
	}
	return s
}

// Context returns a context that belongs to this server and to no request: for
// [StartTask] outside of handlers.
func (s *Server) Context(parent context.Context) context.Context {
	return context.WithValue(parent, requestKey{}, &request{server: s})
}

// Run listens and serves until ctx ends or the process receives SIGINT or
// SIGTERM, and then shuts down: it stops accepting, waits for invocations,
// closes WebSockets with 1001, ends the contexts of tasks and waits for them.
// The grace period is for all of that; WebSockets and tasks are told by the
// middle of it at the latest. What has not ended by its end is cancelled and
// has two seconds to clean up.
//
// If the program has not set a default logger of log/slog, the server's becomes
// it, so that what handlers log with their context carries the request's ids.
//
// Run returns nil after a shutdown in which everything ended in time.
func (s *Server) Run(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	if s.ownLog != nil {
		setDefaultLogger(s.ownLog)
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
	return s.Serve(ctx, listener)
}

// Serve is [Server.Run] on a given listener and without regard to signals. It
// closes the listener. A server can serve once.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	// Requests outlive ctx by the grace period.
	requests, cancelRequests := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancelRequests(nil)
	server := &http.Server{
		Handler:           s,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	s.log.Info("serving on " + baseURL(listener.Addr()))

	select {
	case err := <-failed:
		return errors.Join(err, s.shutdown(ctx, server, cancelRequests))
	case <-ctx.Done():
		return s.shutdown(ctx, server, cancelRequests)
	}
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
	s.sockets.close(func(socket *socket) { go socket.leave() })
	s.tasks.close(func(task *Task) { task.cancel(http.ErrServerClosed) })
	socketsLeft := s.sockets.wait(ctx)
	if tasksLeft := s.tasks.wait(ctx); tasksLeft+socketsLeft > 0 {
		return fmt.Errorf("%d WebSocket handlers and %d tasks have not returned: %w", socketsLeft, tasksLeft, context.Cause(ctx))
	}
	return nil
}

// ServeHTTP serves the agent's routes: POST /invocations, GET /ws and GET /ping.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	writer := &responseWriter{ResponseWriter: w}
	r = newRequest(s, r)
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		err := panicked(value)
		if err == http.ErrAbortHandler {
			panic(err)
		}
		s.log.ErrorContext(r.Context(), "middleware failed", errorAttrs(err)...)
		if writer.begun {
			panic(http.ErrAbortHandler)
		}
		fail(writer, err)
	}()
	s.root.ServeHTTP(writer, r)
}

func (s *Server) route(outer http.ResponseWriter, r *http.Request) {
	w, ok := outer.(*responseWriter)
	if !ok { // but a middleware's
		w = &responseWriter{ResponseWriter: outer}
	}
	r = renewRequest(s, r)
	if r.Method == http.MethodGet && websocket.IsWebSocketUpgrade(r) {
		if r.URL.Path == "/ws" && s.handlers.WebSocket.serve != nil {
			s.webSocket(w, r)
			return
		}
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusForbidden)
		return
	}
	switch r.URL.Path {
	case "/invocations":
		if allow(w, r, http.MethodPost) {
			s.invoke(w, r)
		}
	case "/ping":
		if allow(w, r, http.MethodGet, http.MethodHead) {
			s.ping(w, r)
		}
	case "/invocations/", "/ping/":
		// Relative, for a server that is mounted below a prefix.
		location := ".." + strings.TrimSuffix(r.URL.Path, "/")
		if r.URL.RawQuery != "" {
			location += "?" + r.URL.RawQuery
		}
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusTemporaryRedirect)
	default:
		plainError(w, http.StatusNotFound)
	}
}

// allow reports whether r has one of the methods, and else refuses it.
func allow(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	if slices.Contains(methods, r.Method) {
		return true
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	plainError(w, http.StatusMethodNotAllowed)
	return false
}

func plainError(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(http.StatusText(status)))
}

func (s *Server) invoke(w *responseWriter, r *http.Request) {
	s.status.begin()
	defer s.status.end()
	start := time.Now()
	w.Header().Set(headerSessionID, SessionID(r.Context()))
	out := s.handle(w, r)
	s.logInvocation(r.Context(), out, time.Since(start))
	if out.cut {
		panic(http.ErrAbortHandler)
	}
}

// handle answers an invocation, whatever its handler does.
func (s *Server) handle(w *responseWriter, r *http.Request) (out outcome) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		err := panicked(value)
		if w.begun || err == http.ErrAbortHandler {
			out = outcome{status: w.status, err: err, cut: true}
			return
		}
		out = fail(w, err)
	}()

	return s.handlers.Invoke.serve(s, w, r)
}
