package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

// ownARN is that of the runtime that the tests are part of.
const ownARN = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/MyAgent-abc123"

func init() {
	if os.Getenv(childVariable) == "" {
		os.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=agent,cloud.resource_id="+ownARN+"/runtime-endpoint/DEFAULT")
	}
	children["runtime ARN"] = printRuntimeARN
}

// bundles is a source. By default a bundle holds its id and version.
type bundles struct {
	fetch func(context.Context, runtime.ConfigBundleRef) (map[string]json.RawMessage, error)

	mu      sync.Mutex
	fetched []string // "id version" of each call
}

func newBundles(fetch func(context.Context, runtime.ConfigBundleRef) (map[string]json.RawMessage, error)) *bundles {
	if fetch == nil {
		fetch = func(_ context.Context, ref runtime.ConfigBundleRef) (map[string]json.RawMessage, error) {
			return own(fmt.Sprintf(`{"text": "%s %s"}`, ref.ID(), ref.Version)), nil
		}
	}
	return &bundles{fetch: fetch}
}

func (b *bundles) ConfigBundle(ctx context.Context, ref runtime.ConfigBundleRef) (map[string]json.RawMessage, error) {
	b.mu.Lock()
	b.fetched = append(b.fetched, ref.ID()+" "+ref.Version)
	b.mu.Unlock()
	return b.fetch(ctx, ref)
}

// calls returns the calls since it was last called.
func (b *bundles) calls() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := b.fetched
	b.fetched = nil
	return calls
}

// own is a bundle for this agent.
func own(configuration string) map[string]json.RawMessage {
	return map[string]json.RawMessage{ownARN: json.RawMessage(configuration)}
}

type settings struct {
	Text string `json:"text"`
}

// configured is a handler that answers with its configuration.
var configured = runtime.Unary("Configured", func(ctx context.Context, _ any) (string, error) {
	got, err := runtime.Configuration[settings](ctx)
	return got.Text, err
})

// ask sends a request that names a bundle.
func ask(ctx context.Context, h http.Handler, id, version string) answer {
	request := httptest.NewRequestWithContext(ctx, "POST", "/invocations", strings.NewReader(`{}`))
	if id != "" {
		request.Header.Set("Baggage", bundleARNKey+"=arn:bundle/"+id+","+bundleVersionKey+"="+version)
	}
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	return answer{recorder.Code, recorder.Result().Header, recorder.Body.String()}
}

func TestConfiguration(t *testing.T) {
	look := func(t *testing.T, got any, err error, want any) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("the configuration is %#v (%v), want %#v", got, err, want)
		}
	}
	for _, test := range []struct {
		name, id string
		bundle   map[string]json.RawMessage
		check    func(*testing.T, context.Context)
	}{
		{"a struct", "b", own(`{"text": "a", "more": 1}`), func(t *testing.T, ctx context.Context) {
			got, err := runtime.Configuration[settings](ctx)
			look(t, got, err, settings{Text: "a"})
		}},
		{"a pointer", "b", own(`{"text": "a"}`), func(t *testing.T, ctx context.Context) {
			got, err := runtime.Configuration[*settings](ctx)
			look(t, got, err, &settings{Text: "a"})
		}},
		{"a map", "b", own(`{"big": 12345678901234567890, "list": [0.1]}`), func(t *testing.T, ctx context.Context) {
			got, err := runtime.Configuration[map[string]any](ctx)
			look(t, got, err, map[string]any{"big": json.Number("12345678901234567890"), "list": []any{json.Number("0.1")}})
		}},
		{"its JSON", "b", own(`{"text": "a"}`), func(t *testing.T, ctx context.Context) {
			got, err := runtime.Configuration[json.RawMessage](ctx)
			look(t, got, err, json.RawMessage(`{"text": "a"}`))
			copy(got, "changed")
			got, err = runtime.Configuration[json.RawMessage](ctx)
			look(t, got, err, json.RawMessage(`{"text": "a"}`))
		}},
		{"null", "b", own(`null`), func(t *testing.T, ctx context.Context) {
			got, err := runtime.Configuration[settings](ctx)
			look(t, got, err, settings{})
		}},
		{"no reference", "", own(`{"text": "a"}`), isEmpty},
		{"no such component", "b", map[string]json.RawMessage{ownARN + "x": json.RawMessage(`{"text": "a"}`)}, isEmpty},
		{"no components", "b", nil, isEmpty},
		{"another type", "b", own(`{"text": "a", "limit": "1"}`), func(t *testing.T, ctx context.Context) {
			type limited struct {
				settings
				Limit int
			}
			got, err := runtime.Configuration[limited](ctx)
			if _, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok || got != (limited{}) {
				t.Errorf("the configuration is %v (%v), want the error of encoding/json", got, err)
			}
		}},
		{"no JSON", "b", own(`{"text": "a`), func(t *testing.T, ctx context.Context) {
			if got, err := runtime.Configuration[settings](ctx); err == nil {
				t.Errorf("the configuration is %v, want an error", got)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			source := newBundles(func(context.Context, runtime.ConfigBundleRef) (map[string]json.RawMessage, error) {
				return test.bundle, nil
			})
			server := newServer(runtime.Handlers{Invoke: runtime.Unary("Check", func(ctx context.Context, _ any) (any, error) {
				test.check(t, ctx)
				return nil, nil
			})}, runtime.WithConfigBundles(source))
			if got := ask(t.Context(), server, test.id, "1"); got.status != 200 {
				t.Errorf("answered %d %s", got.status, got.body)
			}
			if calls := source.calls(); test.id == "" && len(calls) > 0 {
				t.Errorf("fetched %q", calls)
			}
		})
	}
}

// isEmpty checks that the configuration is {}, in every type.
func isEmpty(t *testing.T, ctx context.Context) {
	if got, err := runtime.Configuration[settings](ctx); got != (settings{}) || err != nil {
		t.Errorf("the struct is %v (%v)", got, err)
	}
	if got, err := runtime.Configuration[map[string]any](ctx); got == nil || len(got) > 0 || err != nil {
		t.Errorf("the map is %#v (%v), want an empty one", got, err)
	}
	if got, err := runtime.Configuration[json.RawMessage](ctx); string(got) != "{}" || err != nil {
		t.Errorf("the JSON is %q (%v), want {}", got, err)
	}
	if got, err := runtime.Configuration[string](ctx); got != "" || err != nil {
		t.Errorf("the text is %q (%v)", got, err)
	}
}

func TestConfigurationIsFetchedLazily(t *testing.T) {
	source := newBundles(nil)
	server := newServer(runtime.Handlers{Invoke: runtime.Unary("Look", func(ctx context.Context, _ any) (any, error) {
		runtime.RequestBaggage(ctx)
		_, ok := runtime.ConfigBundle(ctx)
		return ok, nil
	})}, runtime.WithConfigBundles(source))
	if got := ask(t.Context(), server, "b", "1"); got.body != "true" || source.calls() != nil {
		t.Errorf("answered %s, and fetched the bundle", got.body)
	}
}

func TestConfigurationWithoutSource(t *testing.T) {
	for name, opts := range map[string][]runtime.Option{
		"no option":  nil,
		"a nil one":  {runtime.WithConfigBundles(nil)},
		"taken back": {runtime.WithConfigBundles(newBundles(nil)), runtime.WithConfigBundles(nil)},
	} {
		server := newServer(runtime.Handlers{Invoke: configured}, opts...)
		if got := ask(t.Context(), server, "b", "1"); got.status != 500 || !strings.Contains(got.body, "WithConfigBundles") {
			t.Errorf("%s: answered %d %s, want the remedy", name, got.status, got.body)
		}
		if got := ask(t.Context(), server, "", ""); got.status != 200 {
			t.Errorf("%s: without a reference, answered %d %s", name, got.status, got.body)
		}
	}
}

// A failure is the handler's error, and is not kept.
func TestConfigurationFailure(t *testing.T) {
	refusal := &runtime.StatusError{Status: 503, Detail: "later"}
	fails := true
	source := newBundles(func(_ context.Context, ref runtime.ConfigBundleRef) (map[string]json.RawMessage, error) {
		if fails {
			return own(`{"text": "half"}`), refusal
		}
		return own(`{"text": "whole"}`), nil
	})
	server := newServer(runtime.Handlers{Invoke: configured}, runtime.WithConfigBundles(source))
	for range 2 {
		if got := ask(t.Context(), server, "b", "1"); got.status != 503 || got.body != `{"error":"later"}` {
			t.Errorf("answered %d %s, want the source's error", got.status, got.body)
		}
	}
	fails = false
	for range 2 {
		if got := ask(t.Context(), server, "b", "1"); got.body != `"whole"` {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	}
	if calls := source.calls(); len(calls) != 3 {
		t.Errorf("fetched %q, want two failures and one success", calls)
	}
}

func TestConfigurationErrorNamesTheBundle(t *testing.T) {
	cause := errors.New("the reason")
	source := newBundles(func(context.Context, runtime.ConfigBundleRef) (map[string]json.RawMessage, error) { return nil, cause })
	server := newServer(runtime.Handlers{Invoke: runtime.Unary("Fail", func(ctx context.Context, _ any) (any, error) {
		_, err := runtime.Configuration[settings](ctx)
		if !errors.Is(err, cause) {
			t.Errorf("the error is %v, want one that wraps the source's", err)
		}
		for _, part := range []string{"arn:bundle/b", `"7"`, "the reason"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("the error is %q, without %s", err, part)
			}
		}
		return nil, nil
	})}, runtime.WithConfigBundles(source))
	ask(t.Context(), server, "b", "7")
}

func TestConfigurationSourceMisbehaves(t *testing.T) {
	for name, fetch := range map[string]func(context.Context, runtime.ConfigBundleRef) (map[string]json.RawMessage, error){
		"panics": func(context.Context, runtime.ConfigBundleRef) (map[string]json.RawMessage, error) { panic("secret") },
		"ends its goroutine": func(context.Context, runtime.ConfigBundleRef) (map[string]json.RawMessage, error) {
			goruntime.Goexit()
			return nil, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			source := newBundles(fetch)
			logs := new(logs)
			server := runtime.NewServer(runtime.Handlers{Invoke: configured}, runtime.WithConfigBundles(source), runtime.WithLogger(logs.logger()))
			if got := ask(t.Context(), server, "b", "1"); got.status != 500 || strings.Contains(got.body, "secret") {
				t.Errorf("answered %d %s", got.status, got.body)
			}
			if name == "panics" {
				if r := logs.only(t); r["errorType"] != "panic" || r["errorMessage"] != "secret" || !strings.Contains(fmt.Sprint(r["stackTrace"]), "config_bundle_test.go") {
					t.Errorf("logged %v, want the panic", r)
				}
			}
			source.fetch = func(context.Context, runtime.ConfigBundleRef) (map[string]json.RawMessage, error) {
				return own(`{"text": "fine"}`), nil
			}
			if got := ask(t.Context(), server, "b", "1"); got.body != `"fine"` {
				t.Errorf("afterwards it answered %d %s", got.status, got.body)
			}
		})
	}
}

func TestConfigBundlesAreKept(t *testing.T) {
	source := newBundles(nil)
	option := runtime.WithConfigBundles(source)
	server := newServer(runtime.Handlers{Invoke: configured}, option)
	use := func(h http.Handler, id, version string) {
		t.Helper()
		if got := ask(t.Context(), h, id, version); got.body != fmt.Sprintf("%q", id+" "+version) {
			t.Errorf("version %s of %s is %d %s", version, id, got.status, got.body)
		}
	}
	fetched := func(what string, want ...string) {
		t.Helper()
		if calls := source.calls(); !slices.Equal(calls, want) {
			t.Errorf("%s: fetched %q, want %q", what, calls, want)
		}
	}

	use(server, "b", "0")
	fetched("the first time", "b 0")
	use(server, "b", "0")
	fetched("again")
	use(server, "c", "0")
	fetched("another bundle", "c 0")
	use(server, "b", "1")
	fetched("another version", "b 1")
	use(newServer(runtime.Handlers{Invoke: configured}, option), "b", "0")
	fetched("another server", "b 0")

	for i := 2; i < 29; i++ {
		use(server, "b", fmt.Sprint(i))
	}
	source.calls()
	use(server, "b", "0")
	use(server, "c", "0")
	fetched("30 bundles")
	use(server, "b", "29")
	fetched("the 31st", "b 29")
	use(server, "b", "0")
	use(server, "c", "0")
	fetched("those used last")
	use(server, "b", "1")
	fetched("the one not used for longest", "b 1")
	use(server, "b", "3")
	fetched("one that was used since")
	use(server, "b", "2")
	fetched("the next one", "b 2")
}

func TestConfigurationFetchIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proceed := make(chan struct{})
		source := newBundles(func(ctx context.Context, ref runtime.ConfigBundleRef) (map[string]json.RawMessage, error) {
			if ref.ID() == "other" {
				return own(`{"text": "other"}`), nil
			}
			<-proceed
			return own(`{"text": "shared"}`), ctx.Err()
		})
		server := newServer(runtime.Handlers{Invoke: configured}, runtime.WithConfigBundles(source))
		var requests sync.WaitGroup
		first, cancel := context.WithCancelCause(t.Context())
		left := errors.New("the first one left")
		requests.Go(func() {
			if got := ask(first, server, "b", "1"); !strings.Contains(got.body, left.Error()) {
				t.Errorf("the first one was answered with %d %s", got.status, got.body)
			}
		})
		synctest.Wait()
		for range 10 {
			requests.Go(func() {
				if got := ask(t.Context(), server, "b", "1"); got.body != `"shared"` {
					t.Errorf("answered %d %s", got.status, got.body)
				}
			})
		}
		synctest.Wait()
		if got := ask(t.Context(), server, "other", "1"); got.body != `"other"` {
			t.Errorf("another bundle meanwhile: %d %s", got.status, got.body)
		}
		cancel(left)
		synctest.Wait()
		close(proceed)
		requests.Wait()
		if calls := source.calls(); !slices.Equal(calls, []string{"b 1", "other 1"}) {
			t.Errorf("fetched %q, want each once", calls)
		}
	})
}

// Concurrent requests share a failure as well; later ones do not.
func TestConfigurationFailureIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newBundles(func(context.Context, runtime.ConfigBundleRef) (map[string]json.RawMessage, error) {
			time.Sleep(time.Second)
			return nil, errors.New("no")
		})
		server := newServer(runtime.Handlers{Invoke: configured}, runtime.WithConfigBundles(source))
		for n := 1; n <= 2; n++ {
			var requests sync.WaitGroup
			for range 10 {
				requests.Go(func() {
					if got := ask(t.Context(), server, "b", "1"); got.status != 500 {
						t.Errorf("answered %d %s", got.status, got.body)
					}
				})
			}
			requests.Wait()
			if calls := source.calls(); len(calls) != 1 {
				t.Errorf("round %d fetched %q, want once", n, calls)
			}
		}
	})
}

// A fetch ends when nobody waits for it any more, and the next request begins
// another one, whatever becomes of the first.
func TestConfigurationFetchIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type kept struct{}
		results := []string{`{"text": "given up"}`, `{"text": "new"}`}
		proceed := make(chan struct{})
		var ended error
		source := newBundles(func(ctx context.Context, _ runtime.ConfigBundleRef) (map[string]json.RawMessage, error) {
			result := results[0]
			results = results[1:]
			if len(results) == 1 {
				if ctx.Value(kept{}) != "value" {
					t.Error("the fetch does not have the values of the request")
				}
				<-ctx.Done()
				ended = ctx.Err()
				<-proceed // it succeeds all the same
			}
			return own(result), nil
		})
		server := newServer(runtime.Handlers{Invoke: configured}, runtime.WithConfigBundles(source))
		var requests sync.WaitGroup
		leave := make([]context.CancelFunc, 2)
		for i := range leave {
			ctx, cancel := context.WithCancel(context.WithValue(t.Context(), kept{}, "value"))
			leave[i] = cancel
			requests.Go(func() { ask(ctx, server, "b", "1") })
		}
		synctest.Wait()
		leave[0]()
		synctest.Wait()
		if ended != nil {
			t.Error("the fetch has ended while somebody waits")
		}
		leave[1]()
		requests.Wait()
		synctest.Wait()
		if !errors.Is(ended, context.Canceled) {
			t.Errorf("the fetch ended with %v", ended)
		}
		if got := ask(t.Context(), server, "b", "1"); got.body != `"new"` {
			t.Errorf("the next request was answered with %d %s", got.status, got.body)
		}
		close(proceed)
		synctest.Wait()
		if got := ask(t.Context(), server, "b", "1"); got.body != `"new"` || len(results) != 0 {
			t.Errorf("the last request was answered with %d %s", got.status, got.body)
		}
	})
}

func TestConfigurationFetchHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newBundles(func(ctx context.Context, _ runtime.ConfigBundleRef) (map[string]json.RawMessage, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		server := newServer(runtime.Handlers{Invoke: configured}, runtime.WithConfigBundles(source))
		start := time.Now()
		if got := ask(t.Context(), server, "b", "1"); got.status != 500 || time.Since(start) != 30*time.Second {
			t.Errorf("answered %d %s after %v", got.status, got.body, time.Since(start))
		}
	})
}

// printRuntimeARN is a child that prints the ARN that it looks for in bundles, or
// none.
func printRuntimeARN() error {
	var asked []string
	source := newBundles(func(context.Context, runtime.ConfigBundleRef) (map[string]json.RawMessage, error) {
		components := make(map[string]json.RawMessage)
		for _, arn := range []string{ownARN, "", "other", "a,b"} {
			components[arn] = json.RawMessage(fmt.Sprintf(`{"text": %q}`, arn))
		}
		return components, nil
	})
	server := runtime.NewServer(runtime.Handlers{Invoke: configured}, runtime.WithConfigBundles(source), runtime.WithLogger(slog.New(slog.DiscardHandler)))
	for range 2 {
		asked = append(asked, ask(context.Background(), server, "b", "1").body)
		os.Setenv("OTEL_RESOURCE_ATTRIBUTES", "cloud.resource_id=other") // it is read once
	}
	fmt.Print(strings.Join(asked, " "), " ", len(source.calls()))
	return nil
}

func TestRuntimeARN(t *testing.T) {
	const found, none = `"` + ownARN + `" "` + ownARN + `" 1`, `"" "" 0`
	for _, test := range []struct{ name, attributes, want string }{
		{"of an endpoint", "cloud.resource_id=" + ownARN + "/runtime-endpoint/DEFAULT", found},
		{"of the runtime", "cloud.resource_id=" + ownARN, found},
		{"of a version of an endpoint", "cloud.resource_id=" + ownARN + "/runtime-endpoint/a:1/b", found},
		{"among others", "service.name=a/runtime-endpoint/b, cloud.resource_id = " + ownARN + " ,cloud.resource_idx=other", found},
		{"encoded", "cloud.resource_id=" + strings.NewReplacer(":", "%3A", "/", "%2f").Replace(ownARN+"/runtime-endpoint/DEFAULT"), found},
		{"with a comma", "cloud.resource_id=a%2Cb", `"a,b" "a,b" 1`},
		{"absent", "service.name=a", none},
		{"empty", "cloud.resource_id=", none},
		{"no attributes", "", none},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := startChild(t, "runtime ARN", "OTEL_RESOURCE_ATTRIBUTES="+test.attributes)
			c.wait(t, 0)
			if got := c.stdout.String(); got != test.want {
				t.Errorf("found %s, want %s", got, test.want)
			}
		})
	}
}
