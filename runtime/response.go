package runtime

import (
	"bufio"
	"net"
	"net/http"
)

// responseWriter knows whether an answer has begun.
type responseWriter struct {
	http.ResponseWriter
	begun  bool // something was sent, or the connection was taken over
	status int
}

func (w *responseWriter) WriteHeader(status int) {
	if !w.begun && status >= 200 {
		w.begun, w.status = true, status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(b []byte) (int, error) {
	if !w.begun {
		w.begun, w.status = true, http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// FlushError is for [http.ResponseController], Flush for those who ask for an
// [http.Flusher].
func (w *responseWriter) FlushError() error {
	if !w.begun {
		w.begun, w.status = true, http.StatusOK
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *responseWriter) Flush() { _ = w.FlushError() }

func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.begun = true
	}
	return conn, rw, err
}
