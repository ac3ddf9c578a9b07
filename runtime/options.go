package runtime

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

// An Option changes a default of a [Server].
type Option func(*options)

type options struct {
	addr  string
	log   *slog.Logger
	debug bool

	grace    time.Duration
	startup  []func(context.Context) error
	shutdown []func(context.Context) error

	headerTimeout  time.Duration
	idleTimeout    time.Duration
	maxHeader      int
	maxBody        int64
	maxInvocations int
	origins        []string

	keepAlive time.Duration

	maxMessage   int64
	pingInterval time.Duration
	compression  bool

	sessions       SessionStore
	sessionTimeout time.Duration

	configBundles *bundleCache
}

func defaultOptions() options {
	return options{
		addr:           defaultAddr(),
		grace:          10 * time.Second,
		headerTimeout:  10 * time.Second,
		idleTimeout:    3 * time.Minute,
		maxHeader:      http.DefaultMaxHeaderBytes,
		maxBody:        100_000_000,
		maxMessage:     16 << 20,
		pingInterval:   20 * time.Second,
		sessionTimeout: 15 * time.Minute,
	}
}

// WithAddr sets the address that [Server.Run] listens on, as in [net.Listen].
// The default is port 8080, or that of the environment variable PORT, on all
// interfaces inside a container and on 127.0.0.1 elsewhere.
func WithAddr(addr string) Option { return func(o *options) { o.addr = addr } }

// WithLogger sets the logger. Its handler should be, or wrap, a [LogHandler]
// for records to carry the request's ids. The default is the program's own
// default logger if it called [slog.SetDefault] before [NewServer], and else a
// logger to standard error: text on a terminal, and JSON elsewhere and inside a
// container.
func WithLogger(log *slog.Logger) Option { return func(o *options) { o.log = log } }

// WithGracePeriod sets how long [Server.Run] waits at its end for what is under
// way, before it cancels that and waits for two seconds more. The default is 10
// seconds; the platform allows 15 from the signal to the end of the process.
func WithGracePeriod(d time.Duration) Option { return func(o *options) { o.grace = d } }

// WithStartup adds a function that [Server.Run] calls before it serves. Callers
// who connect in the meantime wait. Several are called in their order. When one
// fails, Run returns its error. The context is one of [Server.Context]; it ends
// with Run's.
func WithStartup(hook func(context.Context) error) Option {
	return func(o *options) { o.startup = append(o.startup, hook) }
}

// WithShutdown adds a function that [Server.Run] calls at its end, when nothing
// is under way any more or the time for that is over. The last one added is
// called first. All are called, also when startup has failed, and they share two
// seconds. Run returns their errors.
func WithShutdown(hook func(context.Context) error) Option {
	return func(o *options) { o.shutdown = append(o.shutdown, hook) }
}

// WithDebug makes the server log at [slog.LevelDebug], if the logger is its own,
// and obey the debug actions of the Python SDK: invocations with an object for a
// body whose key _agent_core_app_action is ping_status, job_status, force_healthy,
// force_busy or clear_forced_status. Such a server takes no other bodies than
// objects. It is not for production: every caller can force the status.
func WithDebug() Option { return func(o *options) { o.debug = true } }

// WithHeaderTimeout sets how long the headers of a request may take to come. The
// default is 10 seconds. Zero or less is no limit. Bodies and answers may take
// their time.
func WithHeaderTimeout(d time.Duration) Option { return func(o *options) { o.headerTimeout = d } }

// WithIdleTimeout sets how long a connection is kept open between requests. The
// default is 3 minutes. Zero or less is no limit.
func WithIdleTimeout(d time.Duration) Option { return func(o *options) { o.idleTimeout = d } }

// WithMaxHeaderBytes sets how large the headers of a request may be, the request
// line included. The default, also for zero or less, is [http.DefaultMaxHeaderBytes],
// 1 MiB. A request that is more than 4 KiB above it is answered with 431; what is
// between may pass.
func WithMaxHeaderBytes(n int) Option { return func(o *options) { o.maxHeader = n } }

// WithMaxInvocations sets how many invocations may be under way at once. One more
// is answered with 429 and a Retry-After header. WebSockets do not count. The
// default, and zero or less, is no limit.
func WithMaxInvocations(n int) Option { return func(o *options) { o.maxInvocations = n } }

// WithAllowedOrigins sets the origins whose pages may send invocations or open a
// WebSocket from a browser, such as https://example.com, without a path. Requests
// from other pages are refused with 403. It adds no CORS headers. Requests without an Origin header do not
// come from a browser's page and pass. By default nothing is refused: on the
// platform callers are authenticated before they come here.
func WithAllowedOrigins(origins ...string) Option {
	return func(o *options) { o.origins = append([]string{}, origins...) }
}

// WithStreamKeepAlive makes a stream send a comment when nothing else was sent
// for the time d, so that proxies do not take the connection for dead. Readers of
// server-sent events ignore comments. The default, and zero or less, is none:
// streams hold nothing but events then, as with the Python SDK.
func WithStreamKeepAlive(d time.Duration) Option { return func(o *options) { o.keepAlive = d } }

// WithMaxBodyBytes sets how large the body of an invocation may be. The default
// is 100 MB, the limit of the service. A larger one is answered with 413. Zero
// or less is no limit.
func WithMaxBodyBytes(n int64) Option { return func(o *options) { o.maxBody = n } }

// WithMaxMessageBytes sets how large a WebSocket message from the client may
// be. The default is 16 MiB. A larger one closes the connection with 1009. Zero
// or less is no limit.
func WithMaxMessageBytes(n int64) Option { return func(o *options) { o.maxMessage = n } }

// WithPingInterval sets how often a WebSocket client is asked for a sign of life.
// One that gives none until the next time is gone: the connection is closed. The
// default is 20 seconds. Zero or less asks never. It does not concern [RawWebSocket].
func WithPingInterval(d time.Duration) Option { return func(o *options) { o.pingInterval = d } }

// WithCompression lets WebSocket clients negotiate permessage-deflate, per
// message. It costs some time and memory for each message, and pays off with
// large texts over a slow network. It does not concern [RawWebSocket].
func WithCompression() Option { return func(o *options) { o.compression = true } }

// WithSessionStore sets where the state of sessions is kept. The default is the
// memory of the process.
func WithSessionStore(store SessionStore) Option { return func(o *options) { o.sessions = store } }

// WithSessionTimeout sets how long the state of a session is kept while nothing
// uses it. The default is 15 minutes, that of the platform. Zero or less keeps it
// for ever.
func WithSessionTimeout(d time.Duration) Option {
	return func(o *options) { o.sessionTimeout = d }
}

func defaultAddr() string {
	host, port := "127.0.0.1", "8080"
	if inContainer() {
		host = "" // all interfaces
	}
	if p := os.Getenv("PORT"); p != "" {
		port = p
	}
	return net.JoinHostPort(host, port)
}

// inContainer reports whether the process runs in a container, by the same two
// signs that the Python SDK looks for.
func inContainer() bool {
	if os.Getenv("DOCKER_CONTAINER") != "" {
		return true
	}
	_, err := os.Stat("/.dockerenv")
	return err == nil
}
