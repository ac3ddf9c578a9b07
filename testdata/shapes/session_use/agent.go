// Package session_use has handlers that take no session, and use one.
package session_use

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/runtime"
)

// Counted tells what a task has counted.
var Counted = make(chan int, 1)

// Count answers with a number, one more than before, and has a task count too.
//
//agentcore:entrypoint
func Count(w http.ResponseWriter, r *http.Request) {
	err := runtime.UseSession(r.Context(), func(session *runtime.Session[int]) error {
		session.State++
		if _, err := StartCountOn(r.Context()); err != nil {
			return err
		}
		_, err := fmt.Fprintln(w, session.State)
		return err
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// CountOn counts one more, when the handler that has started it is done.
//
//agentcore:task
func CountOn(ctx context.Context) error {
	return runtime.UseSession(ctx, func(session *runtime.Session[int]) error {
		session.State++
		Counted <- session.State
		return nil
	})
}

// Talk says the number.
//
//agentcore:websocket
func Talk(ctx context.Context, conn *websocket.Conn) error {
	return runtime.UseSession(ctx, func(session *runtime.Session[int]) error {
		return conn.WriteJSON(session.State)
	})
}
