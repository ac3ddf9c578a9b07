package client

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/internal/wire"
)

const (
	// shellPingInterval is how often the service is asked for a sign of life, and
	// shellPingTimeout how long it may owe one, as in the TypeScript SDK. Pings also
	// keep the connection from being idle, which the service ends after 15 minutes.
	shellPingInterval = 30 * time.Second
	shellPingTimeout  = 60 * time.Second
	// shellCloseTimeout bounds a goodbye.
	shellCloseTimeout = time.Second
	// maxShellMessage is longer than what the service sends: that is maxFrame, but
	// the SDKs do not insist on it.
	maxShellMessage = 1 << 20
)

// closeTaken is the close code for a connection whose shell another client has taken.
const closeTaken = 4000

// shellConn is one connection to a shell.
type shellConn struct {
	ws      *websocket.Conn
	writing chan struct{} // a lock; waiting for one must not hold up the clock of a test

	confirmed   chan struct{} // closed when the service has said that it is made
	reconnected bool          // before it is closed

	done chan struct{} // closed when reading has ended
	end  shellEnd      // before it is closed
}

// shellEnd is how a connection has ended.
type shellEnd struct {
	// lost: the shell may be reached with another connection.
	lost bool
	exit ExitStatus
	err  error // nil when the shell has exited
}

func newShellConn(ws *websocket.Conn) *shellConn {
	c := &shellConn{
		ws: ws, writing: make(chan struct{}, 1),
		confirmed: make(chan struct{}), done: make(chan struct{}),
	}
	ws.SetReadLimit(maxShellMessage)
	ws.SetPongHandler(func(string) error { c.extend(); return nil })
	c.extend()
	return c
}

// extend gives the service time until the next sign of life. Only the one who
// reads knows when that is right: what is not read may hold the sign.
func (c *shellConn) extend() { _ = c.ws.SetReadDeadline(time.Now().Add(shellPingTimeout)) }

// write sends a message.
func (c *shellConn) write(ch channel, payload func() []byte) error {
	c.writing <- struct{}{}
	defer func() { <-c.writing }()
	w, err := c.ws.NextWriter(websocket.BinaryMessage)
	if err != nil {
		return err
	}
	if _, err = w.Write([]byte{byte(ch)}); err == nil && payload != nil {
		_, err = w.Write(payload())
	}
	return errors.Join(err, w.Close())
}

// ping asks for signs of life until the connection has ended.
func (c *shellConn) ping() {
	ticker := time.NewTicker(shellPingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(shellPingInterval)) // reading fails too
		case <-c.done:
			return
		}
	}
}

// sayGoodbye sends a close frame.
func (c *shellConn) sayGoodbye(code int, reason string) {
	message := wire.CloseMessage(code, reason)
	_ = c.ws.WriteControl(websocket.CloseMessage, message, time.Now().Add(shellCloseTimeout)) // it is polite
}

// abort closes the connection as it is. Whoever reads or writes fails.
func (c *shellConn) abort() { _ = c.ws.NetConn().Close() }

// isConfirmed reports whether the service has said that the connection is made.
func (c *shellConn) isConfirmed() bool {
	select {
	case <-c.confirmed:
		return true
	default:
		return false
	}
}

// isDone reports whether reading has ended.
func (c *shellConn) isDone() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// isReconnected reports whether the service has said that the shell was there.
func (c *shellConn) isReconnected() bool { return c.isConfirmed() && c.reconnected }

// isEarly reports whether the end, before the service has said that the
// connection is made, is a failure to make it.
func (e *shellEnd) isEarly() bool {
	closed, ok := errors.AsType[*CloseError](e.err)
	return e.lost || ok && closed.Code == websocket.CloseNormalClosure
}

// receive takes what comes until the connection has ended.
func (s *Shell) receive(c *shellConn) {
	defer close(c.done)
	var buf bytes.Buffer
	for {
		kind, r, err := c.ws.NextReader()
		if err == nil {
			buf.Reset()
			_, err = buf.ReadFrom(r)
		}
		if err != nil {
			c.end = endOf(err)
			if c.end.lost {
				c.abort() // a write may wait for the other side
			}
			return
		}
		select {
		case <-s.ended: // for this client: what is left is the goodbye
			continue
		default:
		}
		if end := s.take(c, kind, buf.Bytes()); end != nil {
			c.end = *end
			return
		}
	}
}

// endOf tells what a failure to read says of the shell.
func endOf(err error) shellEnd {
	end := shellEnd{exit: noExit}
	closed := readError(err)
	broken, ok := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		end.err = fmt.Errorf("shell: the service has sent a message of more than %d bytes", maxShellMessage)
	case ok && broken.Timeout():
		end.lost = true
		end.err = &CloseError{Code: websocket.CloseAbnormalClosure, Reason: "the service gives no sign of life"}
	case closed.Code == websocket.CloseNormalClosure:
		end.err = &shellError{ErrShellEnded, closed}
	case closed.Code == closeTaken:
		end.err = &shellError{ErrShellTaken, closed}
	case closed.Code == websocket.CloseUnsupportedData:
		end.err = fmt.Errorf("shell: the service has not understood this client: %w", closed)
	default:
		end.lost, end.err = true, closed
	}
	return end
}

// take handles a message. It returns how the connection has ended if it has.
func (s *Shell) take(c *shellConn, kind int, message []byte) *shellEnd {
	if kind != websocket.BinaryMessage {
		c.sayGoodbye(websocket.CloseUnsupportedData, "binary messages only")
		return &shellEnd{exit: noExit, err: errors.New("shell: the service has sent text, where only binary messages belong")}
	}
	if len(message) == 0 {
		c.sayGoodbye(websocket.CloseProtocolError, "a message without a channel")
		return &shellEnd{exit: noExit, err: errors.New("shell: the service has sent a message without a channel")}
	}
	payload := message[1:]
	switch ch := channel(message[0]); ch {
	case channelStdout:
		s.deliver(c, payload)
	case channelStderr:
		if s.options.Stderr == nil {
			s.deliver(c, payload)
		} else {
			_, _ = s.options.Stderr.Write(payload) // who writes there knows
			c.extend()
		}
	case channelStatus:
		return s.takeStatus(c, payload)
	case channelClose:
		return &shellEnd{exit: noExit, err: ErrShellEnded}
	case channelHeartbeat:
		// An echo. It must not be answered: one of the two has to end.
	default:
		if s.options.OnUnknown != nil {
			s.options.OnUnknown(byte(ch), payload)
			c.extend()
		}
	}
	return nil
}

func (s *Shell) deliver(c *shellConn, output []byte) {
	if s.output.write(output) {
		c.extend()
	}
}

func (s *Shell) takeStatus(c *shellConn, payload []byte) *shellEnd {
	status, err := parseShellStatus(payload)
	switch {
	case err != nil:
		s.log.Warn("shell: a status was not understood", "status", string(payload), "error", err)
		return nil
	case !status.connected:
		return &shellEnd{exit: status.exit, err: status.err}
	}
	s.noteDropped(status.dropped)
	if !c.isConfirmed() {
		s.adoptStatus(status)
		c.reconnected = status.reconnected
		close(c.confirmed)
	}
	return nil
}

// shellBuffers holds the buffers for messages, which most connections need seldom.
var shellBuffers sync.Pool

// forShells returns a transport that sends each message in one frame, as the SDKs
// do: the limit of the service is called one of frames. It tries once if that is
// asked, for a shell has its own way of trying again.
func (t *Transport) forShells(once bool) *Transport {
	own, dialer := *t, *t.dialer
	dialer.WriteBufferSize, dialer.WriteBufferPool = maxFrame, &shellBuffers
	dialer.HandshakeTimeout = cmp.Or(dialer.HandshakeTimeout, handshakeTimeout)
	own.dialer = &dialer
	if once {
		own.retry.maxAttempts = 1
	}
	return &own
}

const (
	tokenSubprotocol = "base64UrlBearerAuthorization"
	maxEncodedToken  = 4096 // the SDKs'
)

// tokenSubprotocols takes a bearer token out of the header of a handshake, and
// returns it as the subprotocols that shells want it in. It is made for browsers,
// which have no other way, but the SDKs and the CLI know none, either.
func tokenSubprotocols(header http.Header) ([]string, error) {
	token, ok := strings.CutPrefix(header.Get("Authorization"), bearerPrefix)
	if !ok {
		return nil, nil
	}
	encoded := base64.RawURLEncoding.EncodeToString([]byte(token))
	if len(encoded) > maxEncodedToken {
		return nil, &ParameterError{"bearer token", "…", fmt.Sprintf("it is too long for a subprotocol, which has room for %d characters once it is encoded, and this has %d", maxEncodedToken, len(encoded))}
	}
	header.Del("Authorization")
	return []string{tokenSubprotocol + "." + encoded, tokenSubprotocol}, nil
}
