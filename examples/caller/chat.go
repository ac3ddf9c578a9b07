package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/examples/chat/chatclient"
)

// chat: a conversation, which ends when all is read and answered.
func chat(ctx context.Context, transport *client.Transport, opts []client.Option, _ []string, term terminal) error {
	agent := chatclient.New(transport, opts...)
	conn, err := agent.Talk(ctx)
	if err != nil {
		return err
	}
	term.tell(conn.SessionID())
	if err := converse(ctx, conn, term); err != nil {
		_ = conn.Close() // it matters less than what has failed before
		return err
	}
	return conn.Close()
}

// converse sends what is typed and shows what is heard. It does both at a time,
// because a message interrupts the answer to the one before.
func converse(ctx context.Context, conn *client.Conn[chatclient.Heard, chatclient.Say], term terminal) error {
	ctx, hangUp := context.WithCancel(ctx)
	defer hangUp() // ends the reading of both
	typed, heard := lines(ctx, term.in), listen(ctx, conn)
	said, answered, speaking := 0, 0, false
	defer func() {
		if speaking {
			_ = term.print("\n") // before an error
		}
	}()
	for typed != nil || answered < said {
		select {
		case line := <-typed:
			if line.err == io.EOF {
				typed = nil
				continue
			}
			if line.err != nil {
				return line.err
			}
			if err := conn.Send(ctx, chatclient.Say{Text: line.text}); err != nil {
				return err
			}
			said++
		case piece := <-heard:
			if piece.err != nil {
				return piece.err
			}
			if speaking = piece.End == ""; !speaking {
				answered = piece.Turn
			}
			if err := term.print(spoken(piece.Heard)); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// spoken is how a piece of an answer is shown.
func spoken(piece chatclient.Heard) string {
	switch piece.End {
	case "":
		return piece.Text
	case chatclient.Done:
		return "\n"
	}
	return "[" + string(piece.End) + "]\n"
}

// line is a line that was typed, or why there are no more of them.
type line struct {
	text string
	err  error
}

// lines reads lines that are not blank, until ctx ends or there are no more. A
// terminal cannot be kept from waiting for one, so that the goroutine may last as
// long as the program.
func lines(ctx context.Context, from io.Reader) <-chan line {
	to := make(chan line)
	go func() {
		r := bufio.NewReader(from)
		for {
			text, err := r.ReadString('\n')
			if text = strings.TrimSpace(text); text != "" && !offer(ctx, to, line{text: text}) {
				return
			}
			if err != nil {
				offer(ctx, to, line{err: err})
				return
			}
		}
	}()
	return to
}

// piece is one of the agent's messages, or why there are no more of them.
type piece struct {
	chatclient.Heard
	err error
}

// listen receives the agent's messages, until ctx ends or there are no more.
func listen(ctx context.Context, conn *client.Conn[chatclient.Heard, chatclient.Say]) <-chan piece {
	to := make(chan piece)
	go func() {
		for heard, err := range conn.Messages(ctx) {
			if !offer(ctx, to, piece{heard, err}) || err != nil {
				return
			}
		}
		offer(ctx, to, piece{err: errHungUp})
	}()
	return to
}

var errHungUp = errors.New("the agent has ended the conversation")

// offer sends a value, and reports false when ctx ended before.
func offer[T any](ctx context.Context, to chan<- T, value T) bool {
	select {
	case to <- value:
		return true
	case <-ctx.Done():
		return false
	}
}
