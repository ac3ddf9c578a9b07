package redisstore_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/agentcore-go/agentcore/runtime"
	"github.com/agentcore-go/agentcore/runtime/redisstore"
)

const (
	// replicaVariable makes the test binary a replica of the agent, with its
	// Redis at the address in it.
	replicaVariable = "AGENTCORE_TEST_REDIS"
	// lease is short, and yet long enough for a machine that is busy.
	lease = 2 * time.Second
)

// turn is one of a conversation. One that hangs is never answered.
type turn struct {
	Say  string `json:"say"`
	Hang bool   `json:"hang"`
}

// conversation is the state, and the answer to each turn.
type conversation struct {
	Turns []string `json:"turns"`
}

func runReplica() error {
	client := redis.NewClient(&redis.Options{Addr: os.Getenv(replicaVariable)})
	defer client.Close()
	talk := runtime.UnaryWithSession("Talk", func(ctx context.Context, in turn, session *runtime.Session[conversation]) (conversation, error) {
		session.State.Turns = append(session.State.Turns, in.Say)
		if in.Hang {
			fmt.Fprintln(os.Stderr, "in the middle")
			<-ctx.Done()
			return conversation{}, ctx.Err()
		}
		return session.State, nil
	})
	server := runtime.NewServer(runtime.Handlers{Invoke: talk},
		runtime.WithAddr("127.0.0.1:0"),
		runtime.WithSessionStore(redisstore.New(client, redisstore.WithLease(lease))))
	return server.Run(context.Background())
}

// replica is a process that serves the agent.
type replica struct {
	url    string
	client *http.Client
	cmd    *exec.Cmd
	lines  chan string // of standard error, until the end of the process
}

// startReplica starts one that is killed with the test.
func startReplica(t *testing.T, redis *server) *replica {
	t.Helper()
	r := &replica{
		client: &http.Client{Transport: &http.Transport{}, Timeout: patience},
		cmd:    exec.Command(os.Args[0]),
		lines:  make(chan string, 100_000),
	}
	r.cmd.Env = append(os.Environ(), replicaVariable+"="+redis.addr, "PORT=", "DOCKER_CONTAINER=1")
	stderr, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.lines)
		for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
			r.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		r.kill()
		r.client.CloseIdleConnections()
		for range r.lines {
		}
		_ = r.cmd.Wait()
	})
	var record struct{ Message string }
	if err := json.Unmarshal([]byte(r.until(t, "serving on")), &record); err != nil {
		t.Fatal(err)
	}
	_, r.url, _ = strings.Cut(record.Message, "serving on ")
	return r
}

func (r *replica) until(t *testing.T, text string) string {
	t.Helper()
	var before []string
	for line := range r.lines {
		if strings.Contains(line, text) {
			return line
		}
		before = append(before, line)
	}
	t.Fatalf("the replica never said %q:\n%s", text, strings.Join(before, "\n"))
	return ""
}

func (r *replica) kill() { _ = r.cmd.Process.Kill() }

// talk returns the turns of the conversation that the answer confirms.
func (r *replica) talk(ctx context.Context, session string, in turn) ([]string, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/invocations", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id", session)
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %d %s", response.StatusCode, text)
	}
	var answer conversation
	return answer.Turns, json.Unmarshal(text, &answer)
}

func TestReplicas(t *testing.T) {
	redis := startRedis(t)
	first, second := startReplica(t, redis), startReplica(t, redis)
	var confirmed []string
	say := func(r *replica) {
		t.Helper()
		text := fmt.Sprint("turn ", len(confirmed)+1)
		turns, err := r.talk(t.Context(), "s", turn{Say: text})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if confirmed = append(confirmed, text); !slices.Equal(turns, confirmed) {
			t.Fatalf("%s: the turns are %q, want %q", text, turns, confirmed)
		}
	}
	for _, r := range []*replica{first, second, second, first, second, first} {
		say(r)
	}

	hung := make(chan error, 1)
	go func() {
		_, err := first.talk(t.Context(), "s", turn{Say: "never confirmed", Hang: true})
		hung <- err
	}()
	first.until(t, "in the middle")

	// The other replica waits for as long as the first holds the session.
	ctx, cancel := context.WithTimeout(t.Context(), 3*lease/2)
	if turns, err := second.talk(ctx, "s", turn{Say: "never said"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the other replica answered with %q (%v) in the middle of an invocation", turns, err)
	}
	cancel()

	first.kill()
	if err := <-hung; err == nil {
		t.Error("a killed replica has answered")
	}
	say(second)
	third := startReplica(t, redis)
	for _, r := range []*replica{second, third, third, second} {
		say(r)
	}
}

// Whenever a replica is killed, what it has confirmed is there, and at most the
// turn that it was about to confirm.
func TestReplicaKilledAtWork(t *testing.T) {
	const conversations = 8
	redis := startRedis(t)
	other := startReplica(t, redis)
	confirmed := make([][]string, conversations)
	for round := range 3 {
		working := startReplica(t, redis)
		kill := sync.OnceFunc(working.kill)
		var answers atomic.Int32
		var wg sync.WaitGroup
		for i := range conversations {
			wg.Go(func() {
				id := fmt.Sprint("conversation ", i)
				var unconfirmed string
				for {
					text := fmt.Sprint("turn ", len(confirmed[i])+1, " of round ", round)
					turns, err := working.talk(t.Context(), id, turn{Say: text})
					if err != nil {
						unconfirmed = text
						break
					}
					if confirmed[i] = append(confirmed[i], text); !slices.Equal(turns, confirmed[i]) {
						t.Errorf("%s: the turns are %q, want %q", id, turns, confirmed[i])
					}
					if answers.Add(1) == 100 {
						kill()
					}
				}
				turns, err := other.talk(t.Context(), id, turn{Say: "over"})
				if err != nil {
					t.Error(err)
				}
				with := slices.Concat(confirmed[i], []string{unconfirmed, "over"})
				without := slices.Concat(confirmed[i], []string{"over"})
				if !slices.Equal(turns, with) && !slices.Equal(turns, without) {
					t.Errorf("%s: the turns are %q, want %q, with %q before the last or without it", id, turns, without, unconfirmed)
				}
				confirmed[i] = turns
			})
		}
		wg.Wait()
	}
}
