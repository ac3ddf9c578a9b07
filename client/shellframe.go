package client

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// channel is the first byte of a message of a shell's connection, and says what
// the others are. The channels are those of Kubernetes (v5.channel.k8s.io), as the
// Python SDK has them.
type channel byte

const (
	channelStdin     channel = 0x00
	channelStdout    channel = 0x01
	channelStderr    channel = 0x02
	channelStatus    channel = 0x03
	channelResize    channel = 0x04
	channelHeartbeat channel = 0x05
	channelClose     channel = 0xFF
)

// maxFrame is how long a message may be, with its channel.
const maxFrame = 64 << 10

// resizePayload is what follows the channel of a new size.
func resizePayload(width, height int) []byte {
	return fmt.Appendf(nil, `{"width":%d,"height":%d}`, width, height)
}

// ExitStatus says how a shell has exited.
type ExitStatus struct {
	// Code is the exit code. It is -1 when there is none.
	Code int
	// Signal is the signal that has killed the shell, as the service names it,
	// which may be by its number. It is "" when there was none.
	Signal string
}

// noExit is the status of a shell that has not exited, as far as one knows.
var noExit = ExitStatus{Code: -1}

// shellStatus is what the service says of a shell: that a connection to it is
// made, or else that it has ended.
type shellStatus struct {
	connected   bool
	shellID     string
	reconnected bool
	dropped     int64

	exit ExitStatus
	err  error // why there is no exit status
}

// statusBody is a Status of Kubernetes.
type statusBody struct {
	Metadata struct {
		ShellID      string `json:"shellId"`
		Reconnected  *bool  `json:"reconnected"`
		BytesDropped *int64 `json:"bytesDropped"`
	} `json:"metadata"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Code    int    `json:"code"`
	Details struct {
		Causes []statusCause `json:"causes"`
	} `json:"details"`
}

type statusCause struct {
	Reason  string          `json:"reason"`
	Message json.RawMessage `json:"message"`
}

// text returns the message without the quotes, which a number does not have.
func (c statusCause) text() string {
	if text, ok := textOf(c.Message); ok {
		return strings.TrimSpace(text)
	}
	return string(c.Message)
}

// parseShellStatus reads a message about the shell.
func parseShellStatus(payload []byte) (shellStatus, error) {
	var body statusBody
	if err := json.Unmarshal(payload, &body); err != nil {
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok { // the other members are there
			return shellStatus{}, err
		}
	}
	if m := body.Metadata; m.ShellID != "" || m.Reconnected != nil || m.BytesDropped != nil {
		s := shellStatus{connected: true, shellID: m.ShellID}
		if m.Reconnected != nil {
			s.reconnected = *m.Reconnected
		}
		if m.BytesDropped != nil {
			s.dropped = max(*m.BytesDropped, 0)
		}
		return s, nil
	}
	switch body.Status {
	case "Success":
		return shellStatus{}, nil
	case "Failure":
		exit, err := body.failure(payload)
		return shellStatus{exit: exit, err: err}, nil
	}
	return shellStatus{}, fmt.Errorf("there is no status %q", body.Status)
}

// failure returns the exit status of a shell that has failed, or an [*Error] if
// it was not the shell that has.
func (b *statusBody) failure(payload []byte) (ExitStatus, error) {
	exit := noExit
	for _, cause := range b.Details.Causes {
		switch cause.Reason {
		case "ExitCode":
			if code, err := strconv.Atoi(cause.text()); err == nil && exit.Code < 0 {
				exit.Code = code
			}
		case "Signal":
			exit.Signal = cmp.Or(exit.Signal, cause.text())
		}
	}
	if exit != noExit && b.Reason != "InternalError" {
		return exit, nil
	}
	return noExit, &Error{
		Operation:  string(opShell),
		StatusCode: cmp.Or(b.Code, 200),
		Code:       b.Reason,
		Message:    cmp.Or(b.Message, "the shell has failed"),
		Body:       bytes.Clone(payload),
	}
}
