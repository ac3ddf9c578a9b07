// Background writes reports that take longer than a caller wants to wait: the
// caller gets an id at once, and asks for the report with it later.
package main

import (
	"context"
	"log"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/agentcore-go/agentcore/examples/internal/llm"
	"github.com/agentcore-go/agentcore/runtime"
)

//go:generate go run github.com/agentcore-go/agentcore/cmd/agentcore-gen

// Request is what a caller wants.
type Request struct {
	Action Action   `json:"action"`
	Topics []string `json:"topics,omitempty"` // to start with
	ID     string   `json:"id,omitempty"`     // of the report whose progress is asked for
}

// Action is a kind of request.
type Action string

const (
	Start    Action = "start"
	Progress Action = "progress"
)

// Report is a report as far as it is written.
type Report struct {
	ID       string    `json:"id"`
	State    State     `json:"state"`
	Topics   int       `json:"topics"`
	Sections []Section `json:"sections,omitempty"` // one for each topic when it is done
	Error    string    `json:"error,omitempty"`
}

// State is how far a report is.
type State string

const (
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
)

// Section is what a report says on a topic.
type Section struct {
	Topic string `json:"topic"`
	Text  string `json:"text"`
}

const (
	// maxReports bounds the reports in memory.
	maxReports = 100
	// keepFor is how long a report is kept once it has ended.
	keepFor = 10 * time.Minute
)

// Researcher is the agent.
type Researcher struct {
	model llm.Model

	mu      sync.Mutex
	reports map[string]*report
}

// report is a report in memory. Researcher.mu guards all but its topics.
type report struct {
	task      *runtime.Task
	topics    []string
	sections  []Section
	ended     time.Time // zero while it is written
	collected bool      // the caller has seen how it ended
}

// NewResearcher returns a researcher that asks a model.
func NewResearcher(model llm.Model) *Researcher {
	return &Researcher{model: model, reports: make(map[string]*report)}
}

// Handle starts a report, or tells how far one is.
//
//agentcore:entrypoint
func (r *Researcher) Handle(ctx context.Context, req Request) (Report, error) {
	switch req.Action {
	case Start:
		return r.start(ctx, req.Topics)
	case Progress:
		return r.progress(req.ID)
	default:
		return Report{}, runtime.Errorf(http.StatusUnprocessableEntity, "the action is %q, want %q or %q", req.Action, Start, Progress)
	}
}

func (r *Researcher) start(ctx context.Context, topics []string) (Report, error) {
	if len(topics) == 0 {
		return Report{}, runtime.Errorf(http.StatusUnprocessableEntity, "there are no topics")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
	if len(r.reports) == maxReports {
		return Report{}, runtime.Errorf(http.StatusTooManyRequests, "there are %d reports already", maxReports)
	}
	rep := &report{topics: topics}
	task, err := r.StartResearch(ctx, rep)
	if err != nil {
		return Report{}, err
	}
	rep.task = task
	r.reports[task.ID()] = rep
	return rep.show(), nil
}

func (r *Researcher) progress(id string) (Report, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
	rep, ok := r.reports[id]
	if !ok {
		return Report{}, runtime.Errorf(http.StatusNotFound, "there is no report %q", id)
	}
	shown := rep.show()
	rep.collected = shown.State != Running
	return shown, nil
}

// Research writes a report, one section after the other. It goes on when the
// request that started it is answered, and ends early when the server does.
//
//agentcore:task
func (r *Researcher) Research(ctx context.Context, rep *report) error {
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		rep.ended = time.Now()
	}()
	for _, topic := range rep.topics {
		text, err := r.write(ctx, topic)
		if err != nil {
			return err
		}
		r.mu.Lock()
		rep.sections = append(rep.sections, Section{Topic: topic, Text: text})
		r.mu.Unlock()
	}
	return nil
}

// write returns the text of a section.
func (r *Researcher) write(ctx context.Context, topic string) (string, error) {
	order := llm.Message{Role: llm.RoleUser, Content: "Write a paragraph about " + topic}
	var text strings.Builder
	for piece, err := range r.model.Reply(ctx, []llm.Message{order}) {
		if err != nil {
			return "", err
		}
		text.WriteString(piece)
	}
	return text.String(), nil
}

// Ping keeps the session while a report is there that its caller has not seen:
// it would be lost with the process. While a report is written the server is
// busy anyway.
//
//agentcore:ping
func (r *Researcher) Ping() runtime.PingStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
	for _, rep := range r.reports {
		if !rep.collected {
			return runtime.HealthyBusy
		}
	}
	return runtime.Automatic
}

// forget drops the reports that have been kept for long enough, and, to make
// room, those that were collected. The caller holds r.mu.
func (r *Researcher) forget() {
	full := len(r.reports) == maxReports
	for id, rep := range r.reports {
		if !rep.ended.IsZero() && time.Since(rep.ended) >= keepFor || full && rep.collected {
			delete(r.reports, id)
		}
	}
}

// show returns the report for its caller. The caller holds Researcher.mu.
func (rep *report) show() Report {
	shown := Report{ID: rep.task.ID(), State: Running, Topics: len(rep.topics), Sections: slices.Clone(rep.sections)}
	select {
	case <-rep.task.Done():
		shown.State = Done
		if err := rep.task.Err(); err != nil { // a panic, too
			shown.State, shown.Error = Failed, err.Error()
		}
	default:
	}
	return shown
}

func main() {
	model, err := llm.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	if err := NewServer(NewResearcher(model)).Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
