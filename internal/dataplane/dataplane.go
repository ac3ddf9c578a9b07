// Package dataplane is a stand-in for the data plane of AgentCore Runtime, which
// is what the callers of a deployed agent talk to. Tests put it in front of agents
// to see that a client signs, names and reads things as the service needs it.
//
// It is as strict as the service is known to be: signatures are computed again,
// and lengths and names are checked. Where it is not known what the service does,
// the comment of the field or the function says what this one does.
package dataplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/uuid"
)

// Config is what a [Front] is made with.
type Config struct {
	// Region is where the front is, us-west-2 by default.
	Region string
	// Credentials are those that are known: who signs with others is refused.
	Credentials []aws.Credentials
	// Now is the clock for signatures, [time.Now] by default.
	Now func() time.Time
	// Refuse, if there is one, is called with the name of the operation, as in
	// InvokeAgentRuntime, for each request that has proved who sends it. What it
	// returns is the answer, unless it is nil.
	Refuse func(operation string, r *http.Request) *Error
}

// Agent is what is deployed as a runtime.
type Agent struct {
	// Handler is the agent itself, or URL says where it listens, as in
	// http://127.0.0.1:8080.
	Handler http.Handler
	URL     string

	// Protocol is HTTP, MCP, A2A or AGUI, which decides the path of invocations. It
	// is HTTP by default.
	Protocol string
	// Endpoints are the names that a qualifier may have beside DEFAULT.
	Endpoints []string
	// AllowedHeaders are those that reach the agent, beside those that always do:
	// the allowlist in the configuration of a runtime.
	AllowedHeaders []string
	// WorkloadToken makes the workload access token for an invocation of a user,
	// whose id may be "". Without it there is none.
	WorkloadToken func(user string) string

	// BearerToken says what is wrong with a token. An agent with it takes bearer
	// tokens only, and one without it signatures only.
	BearerToken func(token string) error

	// Command runs the commands of callers; see [RunShell]. Without it they are
	// refused.
	Command func(ctx context.Context, command Command, stdout, stderr io.Writer) (exitCode int, err error)
	// Shell answers those who connect to a shell. The id of the session is in the
	// header of the request. Without it they are refused.
	Shell http.Handler
	// Stopped is called with the id of each session that a caller has stopped.
	Stopped func(session string)
}

// paths are those of invocations, by protocol.
var paths = map[string]string{"": "/invocations", "HTTP": "/invocations", "AGUI": "/invocations", "MCP": "/mcp", "A2A": "/"}

// Front is the data plane of one region. It is an [http.Handler], whose methods
// may all be called concurrently.
type Front struct {
	config   Config
	verifier *verifier

	mu       sync.Mutex
	runtimes map[string]*deployment // by ARN
}

// deployment is an agent that is deployed.
type deployment struct {
	Agent
	arn      string
	at       *reached
	sessions *sessions
}

// New returns a front without agents. Who calls it calls [Front.Close] as well.
func New(config Config) *Front {
	if config.Region == "" {
		config.Region = "us-west-2"
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Front{config: config, verifier: newVerifier(config), runtimes: make(map[string]*deployment)}
}

// Deploy puts an agent behind the ARN of a runtime, in place of the one that was
// there.
func (f *Front) Deploy(arn string, agent Agent) error {
	part := strings.Split(arn, ":")
	if len(part) != 6 || part[2] != signingName || part[3] != f.config.Region || !strings.HasPrefix(part[5], "runtime/") {
		return fmt.Errorf("deploy %s: write an ARN of the region, like arn:aws:bedrock-agentcore:%s:123456789012:runtime/ID", arn, f.config.Region)
	}
	if _, ok := paths[agent.Protocol]; !ok {
		return fmt.Errorf("deploy %s: there is no protocol %s", arn, agent.Protocol)
	}
	at, err := reach(agent)
	if err != nil {
		return fmt.Errorf("deploy %s: %w", arn, err)
	}
	f.replace(arn, &deployment{Agent: agent, arn: arn, at: at, sessions: newSessions()})
	return nil
}

// Remove takes a runtime away, and stops its sessions.
func (f *Front) Remove(arn string) { f.replace(arn, nil) }

func (f *Front) replace(arn string, next *deployment) {
	f.mu.Lock()
	before := f.runtimes[arn]
	delete(f.runtimes, arn)
	if next != nil {
		f.runtimes[arn] = next
	}
	f.mu.Unlock()
	if before != nil {
		before.sessions.close()
		before.at.close()
	}
}

// Close removes all runtimes.
func (f *Front) Close() {
	f.mu.Lock()
	all := f.runtimes
	f.runtimes = make(map[string]*deployment)
	f.mu.Unlock()
	for _, d := range all {
		d.sessions.close()
		d.at.close()
	}
}

// Sessions returns the ids of a runtime's sessions that have begun and were not
// stopped, sorted.
func (f *Front) Sessions(arn string) []string {
	f.mu.Lock()
	d := f.runtimes[arn]
	f.mu.Unlock()
	if d == nil {
		return nil
	}
	return d.sessions.ids()
}

// find returns the runtime that a request is for. A runtime's id is enough
// together with an account.
func (f *Front) find(runtime, account string) *deployment {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.runtimes[runtime]; d != nil {
		return d
	}
	for arn, d := range f.runtimes {
		part := strings.Split(arn, ":")
		if account != "" && part[4] == account && part[5] == "runtime/"+runtime {
			return d
		}
	}
	return nil
}

// operation is one of the service's.
type operation struct {
	name   string
	method string
	serve  func(*call)
	// session: it has to be said which.
	session bool
}

// operations are there by their path below that of the runtime.
var operations = map[string]operation{
	"/invocations": {"InvokeAgentRuntime", http.MethodPost, (*call).invoke, false},
	"/invocations/.well-known/agent-card.json": {"GetAgentCard", http.MethodGet, (*call).card, false},
	"/ws":                 {"InvokeAgentRuntimeWithWebSocketStream", http.MethodGet, (*call).connect, false},
	"/ws/shells":          {"InvokeAgentRuntimeCommandShell", http.MethodGet, (*call).shell, false},
	"/commands":           {"InvokeAgentRuntimeCommand", http.MethodPost, (*call).command, false},
	"/stopruntimesession": {"StopRuntimeSession", http.MethodPost, (*call).stop, true},
}

// call is a request on its way.
type call struct {
	w         http.ResponseWriter
	r         *http.Request
	requestID string
	query     url.Values
	body      []byte
	runtime   *deployment
	session   string
}

// ServeHTTP answers a request to the service.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r, requestID: uuid.NewString(), query: r.URL.Query()}
	w.Header().Set(headerAWSRequestID, c.requestID)
	if err := f.serve(c); err != nil {
		err.write(w)
	}
}

// serve answers a request, or says why it is refused.
func (f *Front) serve(c *call) *Error {
	runtime, op, ok := route(c.r)
	if !ok {
		return &Error{Status: http.StatusNotFound, Code: "UnknownOperationException", Message: "there is no such operation"}
	}
	var err *Error
	if c.body, err = readBody(c.r); err != nil {
		return err
	}
	token, isBearer := bearerToken(c.r)
	if !isBearer {
		if err := f.verifier.verify(c.r, c.body); err != nil {
			return err
		}
	}
	if c.runtime = f.find(runtime, c.query.Get("accountId")); c.runtime == nil {
		return notFound("No runtime found with ARN " + runtime)
	}
	if err := c.runtime.authorize(token, isBearer); err != nil {
		return err
	}
	if f.config.Refuse != nil {
		if err := f.config.Refuse(op.name, c.r); err != nil {
			return err
		}
	}
	if name := c.query.Get("qualifier"); name != "" && name != "DEFAULT" && !slices.Contains(c.runtime.Endpoints, name) {
		return notFound("No endpoint or agent found with qualifier '" + name + "' for agent '" + c.runtime.arn + "'")
	}
	if err := c.checkLengths(); err != nil {
		return err
	}
	if err := c.setSession(op.session); err != nil {
		return err
	}
	op.serve(c)
	return nil
}

// route takes the path of a request apart. The ARN is one segment of it, with its
// slash encoded.
func route(r *http.Request) (runtime string, op operation, ok bool) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/runtimes/")
	if !ok {
		return "", op, false
	}
	encoded, below, _ := strings.Cut(path, "/")
	runtime, err := url.PathUnescape(encoded)
	op, ok = operations["/"+below]
	return runtime, op, ok && err == nil && op.method == r.Method
}

// maxBody is what the service takes, in bytes.
const maxBody = 100_000_000

func readBody(r *http.Request) ([]byte, *Error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, &Error{Status: http.StatusBadRequest, Code: "ValidationException", Message: "the body was cut off: " + err.Error()}
	case len(body) > maxBody:
		return nil, invalid("payload", fmt.Sprintf("Member must have length less than or equal to %d", maxBody))
	}
	return body, nil
}

// authorize lets a caller pass whose kind of proof is that of the runtime.
func (d *deployment) authorize(token string, isBearer bool) *Error {
	if isBearer != (d.BearerToken != nil) {
		return &Error{Status: http.StatusForbidden, Code: "AccessDeniedException",
			Message: "Authorization method mismatch. The agent is configured for a different authorization method than what was used in your request."}
	}
	if !isBearer {
		return nil
	}
	if err := d.BearerToken(token); err != nil {
		return &Error{Status: http.StatusUnauthorized, Code: "UnauthorizedException", Message: err.Error()}
	}
	return nil
}

// stop ends a session.
func (c *call) stop() {
	if !c.runtime.sessions.stop(c.session) {
		notFound("No active session found with id " + c.session).write(c.w)
		return
	}
	if c.runtime.Stopped != nil {
		c.runtime.Stopped(c.session)
	}
	c.w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(c.w, "{}")
}

// shell leaves the rest to the runtime's own handler.
func (c *call) shell() {
	if c.runtime.Shell == nil {
		agentFailed("the runtime has no shells").write(c.w)
		return
	}
	ctx, done, err := c.begin()
	if err != nil {
		err.write(c.w)
		return
	}
	defer done()
	r := c.r.Clone(ctx)
	r.Header.Set(headerSessionID, c.session)
	c.runtime.Shell.ServeHTTP(c.w, r)
}

// begin begins something in the session. done has to be called at its end; ctx
// ends when the session is stopped.
func (c *call) begin() (ctx context.Context, done func(), refused *Error) {
	of, err := c.runtime.sessions.begin(c.session)
	if err != nil {
		return nil, nil, notFound("the runtime " + c.runtime.arn + " is gone")
	}
	ctx, cancel := context.WithCancelCause(c.r.Context())
	stop := context.AfterFunc(of, func() { cancel(errSessionStopped) })
	return ctx, func() { stop(); cancel(nil) }, nil
}

var errSessionStopped = errors.New("the session was stopped")
