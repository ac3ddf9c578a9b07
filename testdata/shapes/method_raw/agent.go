// Package method_raw keeps one document, for browsers and editors.
package method_raw

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/gorilla/websocket"

	"github.com/agentcore-go/agentcore/runtime"
)

// Document is a text that can be replaced.
type Document struct{ text atomic.Value }

// Replace replaces the document, and answers with what it was.
//
//agentcore:entrypoint
func (d *Document) Replace(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/markdown")
	if old := d.text.Swap(string(text)); old != nil {
		_, _ = io.WriteString(w, old.(string))
	}
}

// Follow sends the document whenever it is asked.
//
//agentcore:websocket
func (d *Document) Follow(_ context.Context, conn *websocket.Conn) error {
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			return err
		}
		text, _ := d.text.Load().(string)
		if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			return err
		}
	}
}

// Health is busy once there is a document.
//
//agentcore:ping
func (d *Document) Health() runtime.PingStatus {
	if d.text.Load() == nil {
		return runtime.Healthy
	}
	return runtime.HealthyBusy
}
