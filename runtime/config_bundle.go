package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// maxBundles is how many bundles a server keeps, as the Python SDK does.
	maxBundles = 30
	// bundleTimeout keeps a fetch that hangs from being shared for ever.
	bundleTimeout = 30 * time.Second
)

// A ConfigBundleSource fetches configuration bundles. Package configbundle makes
// one of the AWS SDK's client. It is safe for concurrent use.
type ConfigBundleSource interface {
	// ConfigBundle returns the configurations in a bundle, by the ARNs of the
	// components that they are for. Nobody changes the map afterwards. It returns
	// soon after ctx has ended.
	//
	// Requests for the same bundle share one call, and what it returns. Its
	// context has the values of the first one's, and does not end with it, but
	// when nobody waits any more, or after 30 seconds.
	ConfigBundle(ctx context.Context, ref ConfigBundleRef) (map[string]json.RawMessage, error)
}

// WithConfigBundles sets where [Configuration] fetches configuration bundles. Each
// server keeps the 30 that were used last. The default is nowhere.
func WithConfigBundles(source ConfigBundleSource) Option {
	return func(o *options) {
		o.configBundles = nil
		if source != nil {
			o.configBundles = &bundleCache{source: source, fetches: make(map[ConfigBundleRef]*bundleFetch)}
		}
	}
}

// Configuration returns this agent's configuration in the bundle that the request
// names, see [ConfigBundle]. It fetches the bundle, unless the server has it, and
// waits for that until ctx ends.
//
// It is the T of {} when the request names no bundle or the bundle has nothing for
// this agent, or when the process does not know the ARN of its runtime, which the
// platform gives it as cloud.resource_id in the environment variable
// OTEL_RESOURCE_ATTRIBUTES. Numbers in interfaces are of type [json.Number].
//
// It fails when the request names a bundle and the server has no
// [WithConfigBundles], when the bundle cannot be fetched, which the next call will
// try again, and when the configuration does not decode into a T.
func Configuration[T any](ctx context.Context) (T, error) {
	var value, none T
	text, err := configuration(ctx)
	if err != nil {
		return none, err
	}
	if text == nil {
		if json.Unmarshal([]byte(`{}`), &value) != nil {
			return none, nil
		}
		return value, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return none, fmt.Errorf("decode this agent's configuration: %w", err)
	}
	return value, nil
}

// configuration returns this agent's configuration, or nil if there is none.
func configuration(ctx context.Context) (json.RawMessage, error) {
	ref, ok := ConfigBundle(ctx)
	if !ok {
		return nil, nil
	}
	bundles := requestFrom(ctx).server.opts.configBundles
	if bundles == nil {
		return nil, errors.New("the request names a configuration bundle and the server cannot fetch it: " +
			"give NewServer the option WithConfigBundles, with what configbundle.New returns")
	}
	arn := runtimeARN()
	if arn == "" {
		return nil, nil
	}
	bundle, err := bundles.get(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("fetch version %q of the configuration bundle %q: %w", ref.Version, ref.ARN, err)
	}
	return bundle[arn], nil
}

// runtimeARN returns the ARN of the AgentCore Runtime that the process is part
// of, or "". The platform's attribute is that of an endpoint of the runtime. The
// format is that of the OpenTelemetry resource SDK, which percent-encodes values.
var runtimeARN = sync.OnceValue(func() string {
	for entry := range strings.SplitSeq(os.Getenv("OTEL_RESOURCE_ATTRIBUTES"), ",") {
		if key, value, _ := strings.Cut(entry, "="); strings.TrimSpace(key) == "cloud.resource_id" {
			value, _ = percentDecode(strings.TrimSpace(value))
			arn, _, _ := strings.Cut(value, "/runtime-endpoint/")
			return arn
		}
	}
	return ""
})

// bundleCache keeps the bundles that were used last.
type bundleCache struct {
	source ConfigBundleSource

	mu      sync.Mutex
	kept    []keptBundle // in the order of their last use
	fetches map[ConfigBundleRef]*bundleFetch
}

type keptBundle struct {
	ref    ConfigBundleRef
	bundle map[string]json.RawMessage
}

// bundleFetch is a call of the source that is under way.
type bundleFetch struct {
	waiting int // how many requests; guarded by the cache's mutex
	cancel  context.CancelFunc
	done    chan struct{} // closed when the rest is set
	bundle  map[string]json.RawMessage
	err     error
}

// get returns a bundle, fetching it if need be. It waits until ctx ends.
func (c *bundleCache) get(ctx context.Context, ref ConfigBundleRef) (map[string]json.RawMessage, error) {
	c.mu.Lock()
	if i := slices.IndexFunc(c.kept, func(k keptBundle) bool { return k.ref == ref }); i >= 0 {
		kept := c.kept[i]
		c.kept = append(slices.Delete(c.kept, i, i+1), kept)
		c.mu.Unlock()
		return kept.bundle, nil
	}
	fetch := c.fetches[ref]
	if fetch == nil {
		fetch = &bundleFetch{done: make(chan struct{}), err: errors.New("the source did not return")}
		c.fetches[ref] = fetch
		fetchCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bundleTimeout)
		fetch.cancel = cancel
		go c.fetch(fetchCtx, ref, fetch)
	}
	fetch.waiting++
	c.mu.Unlock()

	select {
	case <-fetch.done:
		return fetch.bundle, fetch.err
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if fetch.waiting--; fetch.waiting == 0 {
		c.forget(ref, fetch)
		fetch.cancel()
	}
	return nil, context.Cause(ctx)
}

// fetch calls the source, and keeps what it returns unless that is an error.
func (c *bundleCache) fetch(ctx context.Context, ref ConfigBundleRef, fetch *bundleFetch) {
	defer fetch.cancel()
	defer close(fetch.done)
	defer func() { // also when the source ends the goroutine
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.forget(ref, fetch) && fetch.err == nil {
			if len(c.kept) == maxBundles {
				c.kept = slices.Delete(c.kept, 0, 1)
			}
			c.kept = append(c.kept, keptBundle{ref, fetch.bundle})
		}
	}()
	fetch.err = safely(func() (err error) {
		fetch.bundle, err = c.source.ConfigBundle(ctx, ref)
		return err
	})
}

// forget makes the next request for the bundle begin another fetch, and reports
// whether it would have shared this one. The caller holds the mutex.
func (c *bundleCache) forget(ref ConfigBundleRef, fetch *bundleFetch) bool {
	current := c.fetches[ref] == fetch
	if current {
		delete(c.fetches, ref)
	}
	return current
}
