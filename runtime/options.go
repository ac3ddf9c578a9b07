package runtime

import (
	"log/slog"
	"net"
	"os"
	"time"
)

// An Option changes a default of a [Server].
type Option func(*options)

type options struct {
	addr       string
	log        *slog.Logger
	grace      time.Duration
	maxBody    int64
	maxMessage int64

	sessions       SessionStore
	sessionTimeout time.Duration
}

func defaultOptions() options {
	return options{
		addr:       defaultAddr(),
		grace:      10 * time.Second,
		maxBody:    100_000_000,
		maxMessage: 16 << 20,

		sessions:       NewMemoryStore(),
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

// WithMaxBodyBytes sets how large the body of an invocation may be. The default
// is 100 MB, the limit of the service. A larger one is answered with 413. Zero
// or less is no limit.
func WithMaxBodyBytes(n int64) Option { return func(o *options) { o.maxBody = n } }

// WithMaxMessageBytes sets how large a WebSocket message from the client may
// be. The default is 16 MiB. A larger one closes the connection with 1009. Zero
// or less is no limit.
func WithMaxMessageBytes(n int64) Option { return func(o *options) { o.maxMessage = n } }

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
