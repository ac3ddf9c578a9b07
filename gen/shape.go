package gen

import (
	"fmt"
	"go/types"
	"slices"
)

// fit finds the shape of a handler's signature. It returns what is wrong with
// one that has none.
func (h *handler) fit(signature *types.Signature) (problem string) {
	params, results := variableTypes(signature.Params()), variableTypes(signature.Results())
	if signature.Variadic() && (h.kind == entrypoint || h.kind == task) {
		return "it must not be variadic; take a slice as a field of the payload"
	}
	params, problem = h.fitSession(params)
	if problem != "" {
		return problem
	}
	switch h.kind {
	case entrypoint:
		return h.fitEntrypoint(params, results)
	case websocket:
		return h.fitWebSocket(params, results)
	case ping:
		return h.fitPing(params, results)
	case task:
		return h.fitTask(params, results)
	default:
		return h.fitMiddleware(params, results)
	}
}

// Shapes that messages name.
const (
	rawEntrypoint = "func(w http.ResponseWriter, r *http.Request)"
	rawWebSocket  = "func(ctx context.Context, conn *websocket.Conn) error"
)

// want says what the kind of a handler accepts.
func (h *handler) want() string {
	session := ""
	if h.session != nil {
		session = fmt.Sprintf(", session *runtime.Session[%s]", h.text(h.session))
	}
	switch h.kind {
	case entrypoint:
		want := "write func(ctx context.Context, in In" + session + ") (Out, error), or iter.Seq2[Out, error] as the result for a stream"
		if session == "" {
			want += ", or func(http.ResponseWriter, *http.Request)"
		}
		return want
	case websocket:
		want := "write func(ctx context.Context, conn *runtime.Conn[In, Out]" + session + ") error"
		if session == "" {
			want += ", or *websocket.Conn for the raw connection"
		}
		return want
	case ping:
		return "write func(ctx context.Context) (runtime.PingStatus, error)"
	case task:
		return "write func(ctx context.Context, in In) error"
	default:
		return "write func(next http.Handler) http.Handler"
	}
}

// fitSession fits the session that an entrypoint or a websocket may take, and
// returns the other parameters.
func (h *handler) fitSession(params []types.Type) (rest []types.Type, problem string) {
	first := slices.IndexFunc(params, isSession)
	if first < 0 {
		return params, ""
	}
	var pointers int
	h.session, pointers = sessionState(params[first])
	session := "*runtime.Session[" + h.text(h.session) + "]"
	use := func(ctx string) string {
		return "and call runtime.UseSession(" + ctx + ", func(session " + session + ") error { … }) in it"
	}
	isRawConn := func(t types.Type) bool { return is(t, true, websocketPath, "Conn") }
	switch {
	case h.kind == task:
		return nil, "a task outlives the handler that holds the session; " + h.want() + ", " + use("ctx")
	case h.kind == ping:
		return nil, "a ping is about the server and not about a session; " + h.want()
	case h.kind == middleware:
		return nil, "middleware makes one handler for all sessions; take the session in the entrypoint or the websocket"
	case h.kind == entrypoint && mentionsHTTP(params):
		return nil, "a raw handler takes no session; write " + rawEntrypoint + ", " + use("r.Context()")
	case h.kind == websocket && slices.ContainsFunc(params, isRawConn):
		return nil, "a handler of the raw connection takes no session; write " + rawWebSocket + ", " + use("ctx")
	case slices.ContainsFunc(params[first+1:], isSession):
		return nil, "it takes more than one session; keep everything in the state of one"
	case pointers != 1:
		return nil, "the session is " + session + ", and not " + h.text(params[first]) + "; " + h.want()
	case first < len(params)-1:
		return nil, "the session comes last; " + h.want()
	}
	return params[:first], ""
}

func isSession(t types.Type) bool {
	state, _ := sessionState(t)
	return state != nil
}

// sessionState returns the type argument of a runtime.Session that is behind any
// number of pointers, or nil.
func sessionState(t types.Type) (state types.Type, pointers int) {
	for {
		if args, ok := isType(t, false, runtimePath, "Session"); ok {
			return args.At(0), pointers
		}
		p, ok := types.Unalias(t).(*types.Pointer)
		if !ok {
			return nil, 0
		}
		t = p.Elem()
		pointers++
	}
}

func (h *handler) fitEntrypoint(params, results []types.Type) string {
	if mentionsHTTP(params) {
		if len(params) == 2 && len(results) == 0 &&
			is(params[0], false, "net/http", "ResponseWriter") && is(params[1], true, "net/http", "Request") {
			h.shape = shapeRaw
			return ""
		}
		return "a raw handler takes http.ResponseWriter and *http.Request, and returns nothing; write " + rawEntrypoint
	}
	if len(params) == 1 && is(params[0], false, "net/http", "Handler") {
		return fmt.Sprintf("an http.Handler is for middleware; write //%s%s instead, or another payload", directivePrefix, middleware)
	}
	for _, t := range params {
		for _, pointer := range []bool{true, false} {
			if is(t, pointer, runtimePath, "Conn") || is(t, pointer, websocketPath, "Conn") {
				return fmt.Sprintf("a WebSocket connection is for a websocket; write //%s%s instead, or another payload", directivePrefix, websocket)
			}
		}
	}
	if problem := h.fitInput(params); problem != "" {
		return problem + "; " + h.want()
	}
	return h.fitResults(results)
}

// fitInput fits (ctx?, in?).
func (h *handler) fitInput(params []types.Type) string {
	if len(params) > 0 && isContext(params[0]) {
		h.takesContext = true
		params = params[1:]
	}
	for _, t := range params {
		switch {
		case isContext(t) && h.takesContext:
			return "it takes more than one context"
		case isContext(t):
			return "the context comes first"
		case is(t, true, "context", "Context"):
			return "the context is a context.Context, and not a pointer to one"
		}
	}
	switch len(params) {
	case 0:
	case 1:
		h.in = params[0]
	default:
		for _, t := range params {
			switch u := t.Underlying().(type) {
			case *types.Chan:
				if h.kind == entrypoint {
					return fmt.Sprintf("a stream is an iter.Seq2[%s, error] as the result, and not a channel", h.text(u.Elem()))
				}
			case *types.Signature:
				if h.kind == entrypoint && u.Params().Len() > 0 {
					return fmt.Sprintf("a stream is an iter.Seq2[%s, error] as the result, and not a function that takes it", h.text(u.Params().At(0).Type()))
				}
			}
		}
		return "it takes more than one payload; take one struct with a field for each"
	}
	return ""
}

// fitResults fits (Out?, error?) and the streams.
func (h *handler) fitResults(results []types.Type) string {
	if len(results) == 2 && !isError(results[1]) {
		return fmt.Sprintf("its last result must be error and not %s; %s", h.text(results[1]), h.want())
	}
	if len(results) > 2 {
		return "it returns too much; " + h.want()
	}
	if n := len(results); n > 0 && isError(results[n-1]) {
		h.returnsError = true
		results = results[:n-1]
	}
	if len(results) == 0 {
		h.shape = shapeUnary
		return ""
	}
	out := results[0]
	args, isSeq2 := isType(out, false, "iter", "Seq2")
	switch {
	case isSeq2 && isError(args.At(1)):
		h.out = args.At(0)
		h.shape = shapeStream
		if h.returnsError {
			h.shape = shapeOpenStream
		}
		return ""
	case isSeq2 && isError(args.At(0)):
		return fmt.Sprintf("the value of a stream comes first, and its error second; write iter.Seq2[%s, error]", h.text(args.At(1)))
	case isSeq2:
		return fmt.Sprintf("a stream is an iter.Seq2[%s, error], and the second type here is %s", h.text(args.At(0)), h.text(args.At(1)))
	case is(out, false, "iter", "Seq"):
		args, _ := isType(out, false, "iter", "Seq")
		return fmt.Sprintf("a stream is an iter.Seq2[%s, error], so that it can fail, and not an iter.Seq", h.text(args.At(0)))
	}
	switch u := out.Underlying().(type) {
	case *types.Pointer:
		if args, ok := isType(out, true, "iter", "Seq2"); ok {
			return fmt.Sprintf("a stream is an iter.Seq2[%s, error], and not a pointer to one", h.text(args.At(0)))
		}
	case *types.Chan:
		return fmt.Sprintf("a stream is an iter.Seq2[%s, error], which needs no goroutine, and not a channel", h.text(u.Elem()))
	case *types.Signature:
		if yield, ok := yields(u); ok {
			return fmt.Sprintf("a stream is written iter.Seq2[%s, error]", h.text(yield))
		}
		return "a function is no JSON value; return what it returns, or iter.Seq2[Out, error] for a stream"
	}
	if !h.returnsError && types.Implements(out, types.Universe.Lookup("error").Type().Underlying().(*types.Interface)) {
		return fmt.Sprintf("its last result must be error and not %s; %s", h.text(out), h.want())
	}
	h.out = out
	h.shape = shapeUnary
	return ""
}

func (h *handler) fitWebSocket(params, results []types.Type) string {
	if len(params) != 2 || !isContext(params[0]) || len(results) != 1 || !isError(results[0]) {
		return h.want()
	}
	h.takesContext, h.returnsError = true, true
	if args, ok := isType(params[1], true, runtimePath, "Conn"); ok {
		h.shape, h.in, h.out = shapeConn, args.At(0), args.At(1)
		return ""
	}
	if is(params[1], true, websocketPath, "Conn") {
		h.shape = shapeRawConn
		return ""
	}
	if is(params[1], false, runtimePath, "Conn") || is(params[1], false, websocketPath, "Conn") {
		return fmt.Sprintf("take *%s, a pointer", h.text(params[1]))
	}
	return h.want()
}

func (h *handler) fitPing(params, results []types.Type) string {
	h.shape = shapePing
	if len(params) == 1 && isContext(params[0]) {
		h.takesContext = true
		params = nil
	}
	if len(results) == 2 && isError(results[1]) {
		h.returnsError = true
		results = results[:1]
	}
	if len(params) != 0 || len(results) != 1 || !is(results[0], false, runtimePath, "PingStatus") {
		return h.want()
	}
	return ""
}

func (h *handler) fitTask(params, results []types.Type) string {
	h.shape = shapeTask
	if problem := h.fitInput(params); problem != "" {
		return problem + "; " + h.want()
	}
	if !h.takesContext || len(results) != 1 || !isError(results[0]) {
		return h.want()
	}
	h.returnsError = true
	return ""
}

func (h *handler) fitMiddleware(params, results []types.Type) string {
	h.shape = shapeMiddleware
	if len(params) != 1 || len(results) != 1 ||
		!is(params[0], false, "net/http", "Handler") || !is(results[0], false, "net/http", "Handler") {
		return h.want()
	}
	return ""
}

// yields returns the first type that a function of the form of an iter.Seq or an
// iter.Seq2 yields.
func yields(seq *types.Signature) (types.Type, bool) {
	if seq.Params().Len() != 1 || seq.Results().Len() != 0 {
		return nil, false
	}
	yield, ok := seq.Params().At(0).Type().Underlying().(*types.Signature)
	if !ok || yield.Params().Len() == 0 || yield.Params().Len() > 2 {
		return nil, false
	}
	return yield.Params().At(0).Type(), true
}

// namesakes says which types of a signature are called like one that gives a
// handler its shape, and are others: a message that names the right one would
// look as if nothing were wrong.
func (h *handler) namesakes(signature *types.Signature) string {
	right := map[string]string{
		"context.Context": "context", "http.ResponseWriter": "net/http", "http.Request": "net/http", "http.Handler": "net/http",
		"iter.Seq2": "iter", "runtime.PingStatus": runtimePath, "runtime.Conn": runtimePath, "runtime.Session": runtimePath,
		"websocket.Conn": websocketPath,
	}
	var note string
	for _, t := range slices.Concat(variableTypes(signature.Params()), variableTypes(signature.Results())) {
		if pointer, ok := types.Unalias(t).(*types.Pointer); ok {
			t = pointer.Elem()
		}
		named, ok := types.Unalias(t).(*types.Named)
		if !ok || named.Obj().Pkg() == nil {
			continue
		}
		pkg := named.Obj().Pkg()
		if named.Obj().Name() == "error" && pkg == h.fn.Pkg() {
			note += "; the error here is a type of this package, and has to be the predeclared one"
			continue
		}
		name := pkg.Name() + "." + named.Obj().Name()
		if path := right[name]; path != "" && path != pkg.Path() {
			note += fmt.Sprintf("; the %s here is of package %s, and has to be of %s", name, pkg.Path(), path)
		}
	}
	return note
}

func mentionsHTTP(params []types.Type) bool {
	for _, t := range params {
		for _, name := range []string{"ResponseWriter", "Request"} {
			if is(t, false, "net/http", name) || is(t, true, "net/http", name) {
				return true
			}
		}
	}
	return false
}

func variableTypes(tuple *types.Tuple) []types.Type {
	var list []types.Type
	for v := range tuple.Variables() {
		list = append(list, v.Type())
	}
	return list
}

// text writes a type as the handler's own file would.
func (h *handler) text(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string {
		if p == h.fn.Pkg() {
			return ""
		}
		return p.Name()
	})
}
