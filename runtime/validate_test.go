package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/runtime"
)

// Payloads that validate themselves. What they do about it, they are told.
type (
	validValue   struct{ Do string }
	validPointer struct{ Do, Filled string }
	validText    string
	validMap     map[string]string
	validList    []string
	validOuter   struct {
		validValue
		Other int
	}
)

func (p validValue) Validate() error    { return checkPayload(p.Do) }
func (p *validPointer) Validate() error { p.Filled = "filled"; return checkPayload(p.Do) }
func (p validText) Validate() error     { return checkPayload(string(p)) }
func (p validMap) Validate() error      { return checkPayload(p["Do"]) }
func (p validList) Validate() error     { return checkPayload(strings.Join(p, "")) }

// quota is an error of a payload with a kind of its own.
type quota struct{ text string }

func (e quota) Error() string   { return e.text }
func (quota) ErrorType() string { return "QuotaExceeded" }

func checkPayload(do string) error {
	switch do {
	case "fail":
		return errors.New(`"secret" must not be <empty>`)
	case "fail without a text":
		return errors.New("")
	case "fail with a type":
		return fmt.Errorf("prompt: %w", quota{"secret is too long"})
	case "choose 422":
		return runtime.Errorf(422, "no such model: %s", "secret")
	case "choose 422, wrapped":
		return fmt.Errorf("model: %w", &runtime.StatusError{Status: 422, Detail: map[string]string{"field": "model"}})
	case "choose 503":
		return runtime.Errorf(503, "ask later")
	case "panic":
		panic("secret")
	case "nil in an interface":
		return (*nilError)(nil)
	}
	return nil
}

// A payload is sent to handlers of all kinds. The results of those that saw it
// are in seen.
func validating[T any](seen *[]any) []runtime.InvokeHandler {
	note := func(in T) { *seen = append(*seen, in) }
	return []runtime.InvokeHandler{
		runtime.Unary("Ask", func(_ context.Context, in T) (string, error) { note(in); return "answered", nil }),
		runtime.OpenStream("Ask", func(_ context.Context, in T) (values[string], error) { note(in); return nil, nil }),
		runtime.Stream("Ask", func(_ context.Context, in T) values[string] { note(in); return nil }),
	}
}

// kindOf makes a table of payload types.
func kindOf[T any](body func(do string) string) payloadKind {
	return payloadKind{
		name:     strings.ReplaceAll(reflect.TypeFor[T]().String(), "runtime_test.", ""),
		body:     body,
		handlers: validating[T],
	}
}

type payloadKind struct {
	name     string
	body     func(do string) string
	handlers func(seen *[]any) []runtime.InvokeHandler
}

func TestValidate(t *testing.T) {
	object := func(do string) string { return fmt.Sprintf(`{"Do":%q}`, do) }
	kinds := []payloadKind{
		kindOf[validValue](object), kindOf[*validValue](object),
		kindOf[validPointer](object), kindOf[*validPointer](object),
		kindOf[validOuter](object), kindOf[*validOuter](object),
		kindOf[validMap](object), kindOf[*validMap](object),
		kindOf[validText](func(do string) string { return fmt.Sprintf("%q", do) }),
		kindOf[validList](func(do string) string { return fmt.Sprintf("[%q]", do) }),
	}
	for _, kind := range kinds {
		for _, test := range []struct {
			do     string
			status int
			body   string // of the answer; "" for any
		}{
			{"nothing", 200, ""},
			{"fail", 400, `{"error":"Invalid payload","details":"\"secret\" must not be <empty>"}`},
			{"fail without a text", 400, `{"error":"Invalid payload"}`},
			{"fail with a type", 400, `{"error":"Invalid payload","details":"prompt: secret is too long"}`},
			{"choose 422", 422, `{"error":"no such model: secret"}`},
			{"choose 422, wrapped", 422, `{"error":{"field":"model"}}`},
			{"choose 503", 503, `{"error":"ask later"}`},
			{"panic", 500, `{"error":"internal error"}`},
			{"nil in an interface", 500, `{"error":"internal error"}`},
		} {
			t.Run(kind.name+", "+test.do, func(t *testing.T) {
				var seen []any
				for _, handler := range kind.handlers(&seen) {
					got := record(newServer(runtime.Handlers{Invoke: handler}), "POST", "/invocations", kind.body(test.do))
					if got.status != test.status || test.body != "" && got.body != test.body {
						t.Errorf("answered %d %s, want %d %s", got.status, got.body, test.status, test.body)
					}
					if contentType := got.header.Get("Content-Type"); test.status != 200 && contentType != "application/json" {
						t.Errorf("Content-Type is %q", contentType)
					}
				}
				if test.status == 200 && len(seen) != 3 || test.status != 200 && len(seen) > 0 {
					t.Errorf("the handlers saw %v", seen)
				}
			})
		}
	}
}

// A pointer that is null has nothing to validate. A value that is null is empty.
func TestValidateNull(t *testing.T) {
	for _, test := range []struct {
		name     string
		handlers func(seen *[]any) []runtime.InvokeHandler
		want     any
	}{
		{"*validValue", validating[*validValue], (*validValue)(nil)},
		{"*validPointer", validating[*validPointer], (*validPointer)(nil)},
		{"*validMap", validating[*validMap], (*validMap)(nil)},
		{"validMap", validating[validMap], validMap(nil)},
		{"validValue", validating[validValue], validValue{}},
		{"validPointer", validating[validPointer], validPointer{Filled: "filled"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var seen []any
			for _, handler := range test.handlers(&seen) {
				if got := record(newServer(runtime.Handlers{Invoke: handler}), "POST", "/invocations", `null`); got.status != 200 {
					t.Errorf("answered %d %s", got.status, got.body)
				}
			}
			for _, got := range seen {
				if !reflect.DeepEqual(got, test.want) {
					t.Errorf("the handler saw %#v, want %#v", got, test.want)
				}
			}
			if len(seen) != 3 {
				t.Errorf("%d handlers of 3 were called", len(seen))
			}
		})
	}
	// An empty value may be refused like any other.
	server := newServer(runtime.Handlers{Invoke: runtime.Unary("Ask", func(_ context.Context, in demanding) (any, error) { return nil, nil })})
	for body, want := range map[string]int{`null`: 400, `{}`: 400, `{"Prompt":"hi"}`: 200} {
		if got := record(server, "POST", "/invocations", body); got.status != want {
			t.Errorf("%s was answered with %d %s, want %d", body, got.status, got.body, want)
		}
	}
}

type demanding struct{ Prompt string }

func (d demanding) Validate() error {
	if d.Prompt == "" {
		return errors.New("a prompt is needed")
	}
	return nil
}

// A Validate method with a pointer receiver may fill in what is missing.
func TestValidateCompletesThePayload(t *testing.T) {
	var values []validPointer
	for _, handler := range []runtime.InvokeHandler{
		runtime.Unary("Keep", func(_ context.Context, in validPointer) (any, error) { values = append(values, in); return nil, nil }),
		runtime.Unary("Keep", func(_ context.Context, in *validPointer) (any, error) { values = append(values, *in); return nil, nil }),
	} {
		record(newServer(runtime.Handlers{Invoke: handler}), "POST", "/invocations", `{"Do":"nothing"}`)
	}
	for _, got := range values {
		if got.Filled != "filled" {
			t.Errorf("the handler saw %+v, want what Validate has filled in", got)
		}
	}
	if len(values) != 2 {
		t.Errorf("%d handlers of 2 were called", len(values))
	}
}

// countingPayload counts how often it is validated.
type countingPayload struct{ N int }

var validations int

func (countingPayload) Validate() error { validations++; return nil }

// Only a body that decodes is validated, once, and only as a whole.
func TestValidateIsCalledOnce(t *testing.T) {
	whole := runtime.Unary("Ask", func(context.Context, countingPayload) (any, error) { return nil, nil })
	inside := runtime.Unary("Ask", func(context.Context, struct{ List []countingPayload }) (any, error) { return nil, nil })
	for _, test := range []struct {
		name    string
		handler runtime.InvokeHandler
		body    string
		status  int
		want    int
	}{
		{"good", whole, `{"N":1}`, 200, 1},
		{"empty", whole, ``, 400, 0},
		{"truncated", whole, `{"N":1`, 400, 0},
		{"data behind it", whole, `{"N":1} {}`, 400, 0},
		{"not UTF-8", whole, "{\"N\":1,\"a\":\"\xff\"}", 400, 0},
		{"too large", whole, `{"N":1,"a":"` + strings.Repeat("x", 1000) + `"}`, 413, 0},
		{"of another type", whole, `{"N":"1"}`, 400, 0},
		{"inside of the payload", inside, `{"List":[{"N":1}]}`, 200, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			validations = 0
			server := newServer(runtime.Handlers{Invoke: test.handler}, runtime.WithMaxBodyBytes(1000))
			if got := record(server, "POST", "/invocations", test.body); got.status != test.status {
				t.Errorf("answered %d %s, want %d", got.status, got.body, test.status)
			}
			if validations != test.want {
				t.Errorf("Validate was called %d times, want %d", validations, test.want)
			}
		})
	}
}

// What Validate says is for the caller: it may quote the payload, so the log has
// only its kind.
func TestValidateIsLogged(t *testing.T) {
	for _, test := range []struct {
		do     string
		level  string
		status float64
		reason any
	}{
		{"fail", "WARN", 400, "Invalid payload: refused with error"},
		{"fail with a type", "WARN", 400, "Invalid payload: refused with QuotaExceeded"},
		{"choose 422", "WARN", 422, nil},
		{"choose 503", "ERROR", 503, nil},
	} {
		t.Run(test.do, func(t *testing.T) {
			var logs logs
			handler := runtime.Unary("Ask", func(context.Context, validValue) (any, error) { return nil, nil })
			server := runtime.NewServer(runtime.Handlers{Invoke: handler}, runtime.WithLogger(logs.logger()))
			record(server, "POST", "/invocations", fmt.Sprintf(`{"Do":%q}`, test.do))
			got := logs.only(t)
			if got["level"] != test.level || got["status"] != test.status || got["reason"] != test.reason {
				t.Errorf("logged %v, want the level %s, the status %v and the reason %v", got, test.level, test.status, test.reason)
			}
			if strings.Contains(logs.String(), "secret") {
				t.Errorf("logged the text of the error: %s", &logs)
			}
		})
	}
	t.Run("panic", func(t *testing.T) {
		var logs logs
		handler := runtime.Unary("Ask", func(context.Context, validValue) (any, error) { return nil, nil })
		record(runtime.NewServer(runtime.Handlers{Invoke: handler}, runtime.WithLogger(logs.logger())), "POST", "/invocations", `{"Do":"panic"}`)
		if got := logs.only(t); got["level"] != "ERROR" || got["errorType"] != "panic" || !strings.Contains(fmt.Sprint(got["location"]), "checkPayload") {
			t.Errorf("logged %v, want the panic and where it was", got)
		}
	})
}

// A type's own decoder comes before its Validate.
type validDecoder struct{ order []string }

func (p *validDecoder) UnmarshalJSON(text []byte) error {
	p.order = append(p.order, "decoded "+string(text))
	return nil
}

func (p *validDecoder) Validate() error {
	p.order = append(p.order, "validated")
	return nil
}

func TestValidateAfterDecoding(t *testing.T) {
	var got []string
	handler := runtime.Unary("Keep", func(_ context.Context, in validDecoder) (json.RawMessage, error) { got = in.order; return nil, nil })
	record(newServer(runtime.Handlers{Invoke: handler}), "POST", "/invocations", `[1]`)
	if want := []string{"decoded [1]", "validated"}; !reflect.DeepEqual(got, want) {
		t.Errorf("what happened is %q, want %q", got, want)
	}
}
