// Package shelltest is a service for shells as AgentCore has one, for tests. It
// behaves as the SDKs of Python and TypeScript expect of it.
package shelltest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
)

// Channels of messages.
const (
	Stdin     = 0x00
	Stdout    = 0x01
	Stderr    = 0x02
	Status    = 0x03
	Resize    = 0x04
	Heartbeat = 0x05
	Close     = 0xFF
)

const (
	// MaxFrame is how long a message may be, with its channel.
	MaxFrame = 64 << 10
	// MaxReplay is how much output is kept for a shell without a connection.
	MaxReplay = 256 << 10
	// MaxShells is how many shells there can be.
	MaxShells = 10
	// CloseTaken is the close code for a client whose shell another has taken.
	CloseTaken = 4000
)

const (
	sessionParameter = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
	shellHeader      = "X-Amzn-Bedrock-AgentCore-Shell-Id"
	writeTimeout     = 10 * time.Second
)

// Program is what runs in a shell. Read ends with an error when it has exited.
type Program interface {
	io.ReadWriter
	Resize(width, height int) error
	// Wait returns the exit code, and the number of the signal that has killed the
	// program, or 0. It is called after Read has ended.
	Wait() (code, signal int)
	// Kill makes the program exit.
	Kill()
}

// Server is the service, of one runtime. It serves every path that ends with
// /ws/shells. Close ends all shells.
type Server struct {
	// Start starts what a new shell runs. It must be set.
	Start func() (Program, error)

	mu      sync.Mutex
	shells  map[key]*shell
	serving sync.WaitGroup
}

// key says which shell it is: each session has its own.
type key struct{ session, id string }

// shell is a program, and the connection to it.
type shell struct {
	server  *Server
	key     key
	program Program

	mu      sync.Mutex
	conn    *websocket.Conn // nil while nobody is connected
	replay  []byte          // output for the next one
	dropped int
	exit    []byte // the status of a program that has exited
}

var upgrader = websocket.Upgrader{
	ReadBufferSize: MaxFrame, WriteBufferSize: MaxFrame,
	CheckOrigin:  func(*http.Request) bool { return true },
	Subprotocols: []string{"base64UrlBearerAuthorization"},
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/ws/shells") {
		Refuse(w, http.StatusNotFound, "ResourceNotFoundException", "there is nothing at "+r.URL.Path)
		return
	}
	query := r.URL.Query()
	k := key{cmp.Or(r.Header.Get(sessionParameter), query.Get(sessionParameter)), cmp.Or(query.Get("shellId"), uuid.NewString())}
	shell, reconnected, err := s.shell(k)
	switch {
	case err != nil:
		Refuse(w, http.StatusFailedDependency, "RuntimeClientError", err.Error())
		return
	case shell == nil:
		Refuse(w, http.StatusTooManyRequests, "ThrottlingException", "there are ten shells already")
		return
	}
	conn, err := upgrader.Upgrade(w, r, http.Header{shellHeader: {k.id}, sessionParameter: {k.session}})
	if err != nil {
		return // the upgrader has answered
	}
	defer conn.Close()
	conn.SetReadLimit(MaxFrame)
	shell.attach(conn, reconnected)
	shell.receive(conn)
	shell.detach(conn)
}

// Refuse answers as the service does.
func Refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

// shell returns a shell, and whether it was there before. It returns nil when
// there are too many.
func (s *Server) shell(k key) (*shell, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.shells[k]; known != nil {
		return known, true, nil
	}
	if len(s.shells) >= MaxShells {
		return nil, false, nil
	}
	program, err := s.Start()
	if err != nil {
		return nil, false, err
	}
	made := &shell{server: s, key: k, program: program}
	if s.shells == nil {
		s.shells = make(map[key]*shell)
	}
	s.shells[k] = made
	s.serving.Go(made.run)
	return made, false, nil
}

// remove forgets a shell that has exited.
func (s *Server) remove(k key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.shells, k)
}

// Shells returns how many shells there are.
func (s *Server) Shells() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.shells)
}

// Drop breaks the connections to the shells with an id.
func (s *Server) Drop(id string) {
	s.each(id, func(shell *shell) {
		if shell.conn != nil {
			_ = shell.conn.NetConn().Close()
			shell.conn = nil
		}
	})
}

// HangUp closes the connections to the shells with an id.
func (s *Server) HangUp(id string, code int) {
	s.each(id, func(shell *shell) {
		if shell.conn != nil {
			shell.goodbye(shell.conn, code)
			shell.conn = nil
		}
	})
}

func (s *Server) each(id string, do func(*shell)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, shell := range s.shells {
		if k.id == id {
			shell.mu.Lock()
			do(shell)
			shell.mu.Unlock()
		}
	}
}

// Close ends all shells, and waits until they have.
func (s *Server) Close() {
	s.mu.Lock()
	for _, shell := range s.shells {
		shell.program.Kill()
	}
	s.mu.Unlock()
	s.serving.Wait()
}

// run passes on the output until the program exits.
func (s *shell) run() {
	buf := make([]byte, MaxFrame-1)
	for {
		n, err := s.program.Read(buf)
		s.output(buf[:n])
		if err != nil {
			break
		}
	}
	code, signal := s.program.Wait()
	s.server.remove(s.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exit = Exit(code, signal)
	s.tellExit()
}

// tellExit says that the program has exited, if somebody is connected.
func (s *shell) tellExit() {
	if s.conn != nil && s.exit != nil {
		s.write(s.conn, Status, s.exit)
		s.goodbye(s.conn, websocket.CloseNormalClosure)
		s.conn = nil
	}
}

// output sends output, or keeps the last of it.
func (s *shell) output(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(p) == 0 || s.conn != nil && s.write(s.conn, Stdout, p) {
		return
	}
	s.replay = append(s.replay, p...)
	if over := len(s.replay) - MaxReplay; over > 0 {
		s.replay = s.replay[over:]
		s.dropped += over
	}
}

// attach gives a shell to a connection, and takes it from another.
func (s *shell) attach(conn *websocket.Conn, reconnected bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.goodbye(s.conn, CloseTaken)
	}
	s.conn = conn
	s.write(conn, Status, Confirmation(s.key.id, reconnected, 0))
	for replay := s.replay; len(replay) > 0; {
		n := min(len(replay), MaxFrame-1)
		s.write(conn, Stdout, replay[:n])
		replay = replay[n:]
	}
	if s.dropped > 0 {
		s.write(conn, Status, Confirmation(s.key.id, reconnected, s.dropped))
	}
	s.replay, s.dropped = nil, 0
	s.tellExit() // of one that was quicker than the connection
}

// detach leaves a shell without a connection.
func (s *shell) detach(conn *websocket.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == conn {
		s.conn = nil
	}
}

// write sends a message. It reports whether that went well.
func (s *shell) write(conn *websocket.Conn, channel byte, payload []byte) bool {
	_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	return conn.WriteMessage(websocket.BinaryMessage, append([]byte{channel}, payload...)) == nil
}

func (s *shell) goodbye(conn *websocket.Conn, code int) {
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(writeTimeout))
}

// receive does what a client asks for until its connection ends.
func (s *shell) receive(conn *websocket.Conn) {
	for {
		kind, message, err := conn.ReadMessage()
		switch {
		case err != nil:
			return
		case kind != websocket.BinaryMessage:
			s.goodbye(conn, websocket.CloseUnsupportedData)
			return
		case len(message) == 0:
			s.goodbye(conn, websocket.CloseProtocolError)
			return
		}
		switch message[0] {
		case Stdin:
			_, _ = s.program.Write(message[1:]) // to one that has exited it fails
		case Resize:
			var size struct{ Width, Height int }
			if json.Unmarshal(message[1:], &size) == nil {
				_ = s.program.Resize(size.Width, size.Height)
			}
		case Heartbeat:
			s.echo(conn, Heartbeat)
		case Close:
			s.echo(conn, Close)
			s.program.Kill()
		}
	}
}

func (s *shell) echo(conn *websocket.Conn, channel byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(conn, channel, nil)
}

// Confirmation returns the status that says that a connection is made.
func Confirmation(id string, reconnected bool, dropped int) []byte {
	metadata := map[string]any{"shellId": id, "reconnected": reconnected}
	if dropped > 0 {
		metadata["bytesDropped"] = dropped
	}
	return status(map[string]any{"metadata": metadata, "status": "Success"})
}

// Exit returns the status of a program that has exited.
func Exit(code, signal int) []byte {
	if code == 0 && signal == 0 {
		return status(map[string]any{"metadata": map[string]any{}, "status": "Success"})
	}
	causes := []any{map[string]any{"reason": "ExitCode", "message": fmt.Sprint(code)}}
	if signal != 0 {
		causes = append(causes, map[string]any{"reason": "Signal", "message": fmt.Sprint(signal)})
	}
	return status(map[string]any{
		"metadata": map[string]any{}, "status": "Failure", "reason": "NonZeroExitCode",
		"message": fmt.Sprintf("command terminated with exit code %d", code),
		"details": map[string]any{"causes": causes},
	})
}

func status(members map[string]any) []byte {
	members["kind"], members["apiVersion"] = "Status", "v1"
	text, _ := json.Marshal(members) // of texts and numbers
	return text
}
