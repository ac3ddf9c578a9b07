package runtime_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/agentcore-go/agentcore/runtime"
)

const (
	bundleARNKey         = "aws.agentcore.configbundle_arn"
	bundleVersionKey     = "aws.agentcore.configbundle_version"
	experimentARNKey     = "aws.agentcore.gateway.routing_experiment_arn"
	experimentVariantKey = "aws.agentcore.gateway.routing_experiment_variant_name"

	bundleARN = "arn:aws:bedrock-agentcore:us-west-2:123456789012:configuration-bundle/shop-a1b2c3d4e5"
)

// faultsOf returns the warnings that a use of the baggage logs.
func faultsOf(t *testing.T, h http.Header, use func(context.Context), middleware ...func(http.Handler) http.Handler) []string {
	t.Helper()
	logs := new(logs)
	server := runtime.NewServer(runtime.Handlers{
		Middleware: middleware,
		Invoke: runtime.Unary("Use", func(ctx context.Context, _ any) (any, error) {
			use(ctx)
			return nil, nil
		}),
	}, runtime.WithLogger(logs.logger()))
	request := httptest.NewRequest("POST", "/invocations", strings.NewReader(`{}`))
	request.Header = h
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, request)
	if recorder.Code != 200 {
		t.Fatalf("answered %d %s", recorder.Code, recorder.Body)
	}
	var faults []string
	for _, r := range logs.records(t) {
		if text, ok := r["faults"].(string); ok {
			if r["level"] != "WARN" || r["requestId"] == nil {
				t.Errorf("logged %v, want a warning of the request", r)
			}
			faults = append(faults, text)
		}
	}
	return faults
}

func TestRequestBaggage(t *testing.T) {
	const (
		skipped   = "skipped entries without a key or a value: "
		undecoded = "values with a wrong percent-encoding: "
	)
	for _, test := range []struct {
		name    string
		headers []string
		want    runtime.Baggage
		faults  string // "" for no warning
	}{
		{"no header", nil, nil, ""},
		{"an empty header", []string{""}, nil, ""},
		{"one entry", []string{"k=v"}, runtime.Baggage{"k": {"v"}}, ""},
		{"several entries", []string{"a=1,b=2"}, runtime.Baggage{"a": {"1"}, "b": {"2"}}, ""},
		{"several headers, in order", []string{"a=1,b=2", "c=3,a=4"}, runtime.Baggage{"a": {"1", "4"}, "b": {"2"}, "c": {"3"}}, ""},
		{"a key twice in a header", []string{"a=1,a=1,a=0"}, runtime.Baggage{"a": {"1", "1", "0"}}, ""},
		{"keys in another case", []string{"a=1,A=2"}, runtime.Baggage{"a": {"1"}, "A": {"2"}}, ""},
		{"white space", []string{" a = 1 ,\t b\t=\t2 3\t"}, runtime.Baggage{"a": {"1"}, "b": {"2 3"}}, ""},
		{"empty entries", []string{",a=1,, ,"}, runtime.Baggage{"a": {"1"}}, ""},
		{"no =", []string{"alone,a=1"}, runtime.Baggage{"a": {"1"}}, skipped + "1"},
		{"no key", []string{"=orphan,a=1, =x"}, runtime.Baggage{"a": {"1"}}, skipped + "2"},
		{"no value", []string{"b=,a=1,c= "}, runtime.Baggage{"a": {"1"}}, skipped + "2"},
		{"no value but properties", []string{"b=;p=1,a=1"}, runtime.Baggage{"a": {"1"}}, skipped + "1"},
		{"nothing of use", []string{"alone", "="}, nil, skipped + "2"},
		{"properties", []string{"a=1;p,b=2 ;p=q;r=s,c=;d=4"}, runtime.Baggage{"a": {"1"}, "b": {"2"}}, skipped + "1"},
		{"= in the value", []string{"a=b=c="}, runtime.Baggage{"a": {"b=c="}}, ""},
		{"; in the key", []string{"a;p=1"}, runtime.Baggage{"a;p": {"1"}}, ""},
		{"percent-encoding", []string{"a=1%2C2%3b%20%25,b=%C5%BC"}, runtime.Baggage{"a": {"1,2; %"}, "b": {"ż"}}, ""},
		{"decoded last", []string{"a=%20x%20,b=%3B;p"}, runtime.Baggage{"a": {" x "}, "b": {";"}}, ""},
		{"a plus is a plus", []string{"a=1+2"}, runtime.Baggage{"a": {"1+2"}}, ""},
		{"keys are not decoded", []string{"%61=1"}, runtime.Baggage{"%61": {"1"}}, ""},
		{"wrong percent-encoding", []string{"a=100%,b=%zz%41,c=%%41,d=%4,e=1"}, runtime.Baggage{"a": {"100%"}, "b": {"%zzA"}, "c": {"%A"}, "d": {"%4"}, "e": {"1"}}, undecoded + "4"},
		{"not UTF-8", []string{"a=x%ff,b=\xff"}, runtime.Baggage{"a": {"x\ufffd"}, "b": {"\ufffd"}}, undecoded + "2"},
		{"all at once", []string{"secret", "a=secret%", bundleARNKey + "=secret," + bundleVersionKey + "=secret"},
			runtime.Baggage{"a": {"secret%"}, bundleARNKey: {"secret"}, bundleVersionKey: {"secret"}},
			skipped + "1; " + undecoded + "1; the ARN of the configuration bundle has no id"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := http.Header{"Baggage": test.headers}
			faults := faultsOf(t, h, func(ctx context.Context) {
				got := runtime.RequestBaggage(ctx)
				if !reflect.DeepEqual(got, test.want) {
					t.Errorf("the baggage is %q, want %q", got, test.want)
				}
				for key, values := range test.want {
					if first := got.Get(key); first != values[0] {
						t.Errorf("Get(%q) is %q, want the first of %q", key, first, values)
					}
				}
				if unknown := got.Get("unknown"); unknown != "" {
					t.Errorf("Get of an unknown key is %q", unknown)
				}
			})
			var want []string
			if test.faults != "" {
				want = []string{test.faults}
			}
			if !slices.Equal(faults, want) {
				t.Errorf("logged %q, want %q", faults, want)
			}
		})
	}
}

// The baggage is parsed when somebody asks for it, and one record is enough.
func TestBaggageFaultsAreLoggedOnce(t *testing.T) {
	replace := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			runtime.RequestBaggage(r.Context())
			next.ServeHTTP(w, r.Clone(context.WithValue(r.Context(), contextKey{}, true)))
		})
	}
	wrong := header("Baggage", "alone, "+bundleARNKey+"=none,"+bundleVersionKey+"=1")
	use := func(ctx context.Context) {
		var calls sync.WaitGroup
		for range 10 {
			calls.Go(func() { runtime.RequestBaggage(ctx) })
			calls.Go(func() { runtime.RoutingExperiment(ctx) })
			calls.Go(func() { runtime.ConfigBundle(ctx) })
		}
		calls.Wait()
	}
	for _, test := range []struct {
		name       string
		use        func(context.Context)
		middleware []func(http.Handler) http.Handler
		want       int
	}{
		{"no use", func(context.Context) {}, nil, 0},
		{"many uses", use, nil, 1},
		{"also behind middleware", use, []func(http.Handler) http.Handler{replace, replace}, 1},
		{"a use behind middleware only", func(context.Context) {}, []func(http.Handler) http.Handler{replace}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			for range 3 { // each request has its own
				goruntime.GC()
				if faults := faultsOf(t, wrong, test.use, test.middleware...); len(faults) != test.want {
					t.Errorf("logged %q, want %d", faults, test.want)
				}
			}
		})
	}
}

// What a caller does to the map does not matter to others.
func TestRequestBaggageIsACopy(t *testing.T) {
	inspect(t, header("Baggage", "a=1"), func(ctx context.Context) {
		first := runtime.RequestBaggage(ctx)
		first["a"][0] = "changed"
		delete(first, "a")
		if got := runtime.RequestBaggage(ctx).Get("a"); got != "1" {
			t.Errorf("the next baggage has %q", got)
		}
	})
}

func TestRoutingExperiment(t *testing.T) {
	for _, test := range []struct {
		name, baggage, arn, variant string
	}{
		{"none", "a=1", "", ""},
		{"both", experimentVariantKey + "=treatment%201," + experimentARNKey + "=arn:x/e-1", "arn:x/e-1", "treatment 1"},
		{"only the experiment", experimentARNKey + "=arn:x/e-1", "arn:x/e-1", ""},
		{"only the variant", experimentVariantKey + "=control", "", "control"},
		{"several", experimentARNKey + "=e-1," + experimentVariantKey + "=v-1," + experimentVariantKey + "=v-2," + experimentARNKey + "=e-2", "e-1", "v-1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			faults := faultsOf(t, header("Baggage", test.baggage), func(ctx context.Context) {
				if arn, variant := runtime.RoutingExperiment(ctx); arn != test.arn || variant != test.variant {
					t.Errorf("the experiment is %q and %q, want %q and %q", arn, variant, test.arn, test.variant)
				}
			})
			if len(faults) > 0 {
				t.Errorf("logged %q", faults)
			}
		})
	}
}

func TestConfigBundle(t *testing.T) {
	const (
		several = "several configuration bundles, of which the first is used"
		noID    = "the ARN of the configuration bundle has no id"
	)
	named := func(arn, version string) string {
		return bundleARNKey + "=" + arn + "," + bundleVersionKey + "=" + version
	}
	for _, test := range []struct {
		name, baggage string
		want          runtime.ConfigBundleRef // zero for none
		id            string
		faults        string
	}{
		{"none", "a=1", runtime.ConfigBundleRef{}, "", ""},
		{"both keys", named(bundleARN, "2"), runtime.ConfigBundleRef{ARN: bundleARN, Version: "2"}, "shop-a1b2c3d4e5", ""},
		{"only the ARN", bundleARNKey + "=" + bundleARN, runtime.ConfigBundleRef{}, "", ""},
		{"only the version", bundleVersionKey + "=2", runtime.ConfigBundleRef{}, "", ""},
		{"an empty version", named(bundleARN, ""), runtime.ConfigBundleRef{}, "", "skipped entries without a key or a value: 1"},
		{"several segments", named("arn:a/b/c", "2"), runtime.ConfigBundleRef{ARN: "arn:a/b/c", Version: "2"}, "c", ""},
		{"encoded", named("arn:a%2Fb", "%32"), runtime.ConfigBundleRef{ARN: "arn:a/b", Version: "2"}, "b", ""},
		{"no last segment", named("arn:a/b/", "2"), runtime.ConfigBundleRef{}, "", noID},
		{"no segments", named("arn:a", "2"), runtime.ConfigBundleRef{}, "", noID},
		{"several bundles", named("arn:a/b", "2") + "," + named("arn:c/d", "5"), runtime.ConfigBundleRef{ARN: "arn:a/b", Version: "2"}, "b", several},
		{"several ARNs", named("arn:a/b", "2") + "," + bundleARNKey + "=arn:c/d", runtime.ConfigBundleRef{ARN: "arn:a/b", Version: "2"}, "b", several},
		{"several versions", named("arn:a/b", "2") + "," + bundleVersionKey + "=5", runtime.ConfigBundleRef{ARN: "arn:a/b", Version: "2"}, "b", several},
		{"the first of several is wrong", named("arn:a", "2") + "," + named("arn:c/d", "5"), runtime.ConfigBundleRef{}, "", several + "; " + noID},
		{"several ARNs and no version", bundleARNKey + "=arn:a," + bundleARNKey + "=arn:c/d", runtime.ConfigBundleRef{}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			faults := faultsOf(t, header("Baggage", test.baggage), func(ctx context.Context) {
				got, ok := runtime.ConfigBundle(ctx)
				if got != test.want || ok != (test.want != runtime.ConfigBundleRef{}) {
					t.Errorf("the bundle is %+v (%v), want %+v", got, ok, test.want)
				}
				if got.ID() != test.id {
					t.Errorf("the id is %q, want %q", got.ID(), test.id)
				}
			})
			if got := strings.Join(faults, "\n"); got != test.faults {
				t.Errorf("logged %q, want %q", got, test.faults)
			}
		})
	}
}

func TestBaggageOfNoRequest(t *testing.T) {
	for name, ctx := range map[string]context.Context{
		"of nobody":   context.Background(),
		"of a server": newServer(runtime.Handlers{}).Context(context.Background()),
	} {
		arn, variant := runtime.RoutingExperiment(ctx)
		ref, ok := runtime.ConfigBundle(ctx)
		config, err := runtime.Configuration[map[string]any](ctx)
		if runtime.RequestBaggage(ctx) != nil || arn != "" || variant != "" || ref.ID() != "" || ok || len(config) != 0 || err != nil {
			t.Errorf("a context %s knows of baggage", name)
		}
	}
}

// Middleware may set the baggage.
func TestBaggageFromMiddleware(t *testing.T) {
	inspect(t, header("Baggage", "a=1"), func(ctx context.Context) {
		if got := runtime.RequestBaggage(ctx).Get("a"); got != "2" {
			t.Errorf("the handler sees %q", got)
		}
	}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.Clone(r.Context())
			r.Header.Set("baggage", "a=2")
			next.ServeHTTP(w, r)
		})
	})
}

// Requests at the same time see their own baggage and nobody else's, and so do
// the goroutines and tasks that outlive them. Every other one has none.
func TestBaggageIsolation(t *testing.T) {
	const n = 50
	source := newBundles(nil)
	check := func(ctx context.Context, i int) error {
		key, arn, ref, config := "", "", runtime.ConfigBundleRef{}, ""
		if i%2 == 0 {
			key, arn = fmt.Sprint("value-", i), fmt.Sprint("experiment-", i)
			ref = runtime.ConfigBundleRef{ARN: fmt.Sprint("arn:bundle/", i), Version: fmt.Sprint(i)}
			config = fmt.Sprint(i, " ", i)
		}
		if got := runtime.RequestBaggage(ctx).Get("key"); got != key {
			return fmt.Errorf("request %d has the value %q", i, got)
		}
		if got, variant := runtime.RoutingExperiment(ctx); got != arn || variant != "" {
			return fmt.Errorf("request %d is part of the experiment %q %q", i, got, variant)
		}
		if got, _ := runtime.ConfigBundle(ctx); got != ref {
			return fmt.Errorf("request %d has the bundle %+v", i, got)
		}
		got, err := runtime.Configuration[settings](ctx)
		if got.Text != config || err != nil {
			return fmt.Errorf("request %d has the configuration %q and the error %v", i, got.Text, err)
		}
		return nil
	}
	var all, answered, background sync.WaitGroup
	all.Add(n)
	answered.Add(n)
	a := serve(t, runtime.Handlers{Invoke: runtime.Unary("Check", func(ctx context.Context, i int) (any, error) {
		all.Done()
		all.Wait()
		background.Go(func() {
			answered.Wait()
			// Of the handler's context only the values outlive it.
			if err := check(context.WithoutCancel(ctx), i); err != nil {
				t.Errorf("in a goroutine after the answer: %v", err)
			}
		})
		_, err := runtime.StartTask(ctx, "Check", i, func(ctx context.Context, i int) error {
			answered.Wait()
			err := check(ctx, i)
			if err != nil {
				t.Errorf("in a task after the answer: %v", err)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		return nil, check(ctx, i)
	})}, runtime.WithConfigBundles(source))
	for i := range n {
		go func() {
			defer answered.Done()
			var headers []string
			if i%2 == 0 {
				headers = []string{"baggage", fmt.Sprintf("key=value-%d,%s=experiment-%d", i, experimentARNKey, i),
					"baggage", fmt.Sprintf("%s=arn:bundle/%d,%s=%d", bundleARNKey, i, bundleVersionKey, i)}
			}
			if got := a.invoke(t, fmt.Sprint(i), headers...); got.status != 200 {
				t.Errorf("request %d was answered with %d %s", i, got.status, got.body)
			}
		}()
	}
	answered.Wait()
	background.Wait()
}

func FuzzBaggage(f *testing.F) {
	for _, seed := range []string{
		"", "a=1", "a=1,b=2\na=3", " a = 1 ; p = q , b=%20", "alone,=x,y=,;=;,=", "a=%zz%41%", "a=\xff%ff", "a=b=c;d,e;f=g",
		bundleARNKey + "=arn:a/b," + bundleVersionKey + "=1\n" + bundleARNKey + "=arn",
		experimentARNKey + "=e;p," + experimentVariantKey + "=%C5%BC\u0085",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		headers := strings.Split(text, "\n")
		want, faulty := slowBaggage(headers)
		faults := faultsOf(t, http.Header{"Baggage": headers}, func(ctx context.Context) {
			for range 2 {
				if got := runtime.RequestBaggage(ctx); !maps.EqualFunc(got, want, slices.Equal) {
					t.Errorf("the baggage of %q is %q, want %q", headers, got, want)
				}
			}
			arn, variant := runtime.RoutingExperiment(ctx)
			if first := slices.Concat(want[experimentARNKey], []string{""})[0]; arn != first {
				t.Errorf("the experiment of %q is %q, want %q", headers, arn, first)
			}
			if first := slices.Concat(want[experimentVariantKey], []string{""})[0]; variant != first {
				t.Errorf("the variant of %q is %q, want %q", headers, variant, first)
			}
			arns, versions := want[bundleARNKey], want[bundleVersionKey]
			ref, ok := runtime.ConfigBundle(ctx)
			named := len(arns) > 0 && len(versions) > 0
			if named && (len(arns) > 1 || len(versions) > 1 || !ok) {
				faulty = true
			}
			if ok && !named || named && ok != idPattern.MatchString(arns[0]) {
				t.Errorf("a bundle of %q: %v", headers, ok)
			}
			if ok && (ref.ARN != arns[0] || ref.Version != versions[0] || ref.ID() == "" || !strings.HasSuffix(ref.ARN, "/"+ref.ID())) {
				t.Errorf("the bundle of %q is %+v", headers, ref)
			}
		})
		if len(faults) > 1 || len(faults) == 1 != faulty {
			t.Errorf("%q was complained about with %q; it is faulty: %v", headers, faults, faulty)
		}
	})
}

const spacePattern = `[\s\v\x{85}\p{Z}]*`

var (
	entryPattern  = regexp.MustCompile(`(?s)^` + spacePattern + `(.*?)` + spacePattern + `=` + spacePattern + `(.*?)` + spacePattern + `(?:;.*)?$`)
	escapePattern = regexp.MustCompile(`%[0-9a-fA-F]{2}`)
	idPattern     = regexp.MustCompile(`(?s)/[^/]+$`)
)

// slowBaggage is the contract's parser once more, as regular expressions.
func slowBaggage(headers []string) (baggage map[string][]string, faulty bool) {
	baggage = make(map[string][]string)
	for _, text := range strings.FieldsFunc(strings.Join(headers, ","), func(r rune) bool { return r == ',' }) {
		if strings.TrimFunc(text, unicode.IsSpace) == "" {
			continue
		}
		found := entryPattern.FindStringSubmatch(text)
		if found == nil || found[1] == "" || found[2] == "" {
			faulty = true
			continue
		}
		value := escapePattern.ReplaceAllStringFunc(found[2], func(e string) string {
			var char byte
			fmt.Sscanf(e, "%%%x", &char)
			return string([]byte{char})
		})
		if strings.Contains(escapePattern.ReplaceAllString(found[2], ""), "%") || !utf8.ValidString(value) {
			faulty = true
		}
		baggage[found[1]] = append(baggage[found[1]], strings.ToValidUTF8(value, "\ufffd"))
	}
	return baggage, faulty
}
