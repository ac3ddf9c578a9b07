// Package plain is the benchmark's agent as one writes it by hand, on net/http,
// encoding/json and gorilla/websocket.
package plain

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

type question struct {
	Prompt string `json:"prompt"`
}

type answer struct {
	Result string `json:"result"`
}

type order struct {
	Events  int    `json:"events"`
	EveryMS int    `json:"every_ms"`
	Flush   string `json:"flush"`
}

type status struct {
	Status           string `json:"status"`
	TimeOfLastUpdate int64  `json:"time_of_last_update"`
}

type event struct {
	Index int    `json:"index"`
	Text  string `json:"text"`
}

// Handler returns the agent: mode is "invoke" or "stream", for an agent has one
// entrypoint.
func Handler(mode string) http.Handler {
	mux := http.NewServeMux()
	if mode == "stream" {
		mux.HandleFunc("POST /invocations", stream)
	} else {
		mux.HandleFunc("POST /invocations", invoke)
	}
	started := time.Now().Unix()
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(status{Status: "Healthy", TimeOfLastUpdate: started})
	})
	mux.HandleFunc("GET /ws", echo)
	return mux
}

func invoke(w http.ResponseWriter, r *http.Request) {
	var q question
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer{Result: "You said: " + q.Prompt})
}

func stream(w http.ResponseWriter, r *http.Request) {
	var o order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	flusher, ok := w.(http.Flusher)
	if !ok {
		http.Error(w, "streaming is not supported", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	start := time.Now()
	for i := range o.Events {
		if o.EveryMS > 0 && i > 0 {
			next := start.Add(time.Duration(i*o.EveryMS) * time.Millisecond)
			select {
			case <-r.Context().Done():
				return
			case <-time.After(time.Until(next)):
			}
		}
		data, err := json.Marshal(event{Index: i, Text: "token"})
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", data); err != nil {
			return
		}
		if o.Flush != "end" {
			flusher.Flush()
		}
	}
}

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if err := conn.WriteMessage(kind, message); err != nil {
			return
		}
	}
}
