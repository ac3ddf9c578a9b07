package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/client"
)

// redirecting sends everything of one server to another place.
func redirecting(status int, to string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(status)
	}
}

// replaceHere puts the URL of a server into a text.
func replaceHere(text, url string) string { return strings.ReplaceAll(text, "HERE", url) }

// What would arrive as a GET without its body is not sent.
func TestDirectRedirects(t *testing.T) {
	there := serve(t, answerJSON(`"yes"`))
	for _, test := range []struct {
		status   int
		to, want string
	}{
		{307, there.url + "/invocations", ""},
		{308, there.url + "/invocations", ""},
		{301, there.url + "/invocations", "invoke: it is elsewhere: use " + there.url + " as the base URL (status 301)"},
		{302, there.url + "/a/invocations/?x=1#y", "invoke: it is elsewhere: use " + there.url + "/a as the base URL (status 302)"},
		{303, "/b/invocations", "invoke: it is elsewhere: use HERE/b as the base URL (status 303)"},
		{302, "https://example.com/login?next=/", "invoke: it is elsewhere, at https://example.com/login?next=/: if the agent is there, use its base URL (status 302)"},
		{302, "http://me:secret@agent/invocations", "invoke: it is elsewhere: use http://me:xxxxx@agent as the base URL (status 302)"},
		{302, "", "invoke: Found (status 302)"},
	} {
		t.Run(fmt.Sprint(test.status, " ", test.to), func(t *testing.T) {
			s := serve(t, redirecting(test.status, test.to))
			before := len(there.all())
			c := client.New(direct(t, s.url))
			err := callInvoke(t.Context(), c)
			says(t, err, replaceHere(test.want, s.url))
			if test.want == "" {
				if r := there.last(t); r.method != "POST" || r.body != `"hello"` || r.header.Get(sessionHeader) != c.SessionID() {
					t.Errorf("redirected: %+v", r)
				}
				return
			}
			if as[*client.Error](t, err).StatusCode != test.status || len(there.all()) != before {
				t.Errorf("%v, and %d requests went there", err, len(there.all())-before)
			}
		})
	}
}

// What has no body is followed.
func TestDirectRedirectOfPing(t *testing.T) {
	there := serve(t, answerJSON(`{"status":"Healthy"}`))
	for _, status := range []int{301, 302, 303, 307, 308} {
		if got, err := client.New(direct(t, serve(t, redirecting(status, there.url+"/ping")).url)).Ping(t.Context()); err != nil || got.Status != client.Healthy {
			t.Errorf("%d: %+v, %v", status, got, err)
		}
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ping", http.StatusFound) })
	if _, err := client.New(direct(t, s.url, client.WithMaxAttempts(1))).Ping(t.Context()); err == nil || len(s.all()) != 10 {
		t.Errorf("%d requests in a circle, %v", len(s.all()), err)
	}
}

func TestConnectRedirects(t *testing.T) {
	for to, want := range map[string]string{
		"/a/ws":                "connect: it is elsewhere: use HERE/a as the base URL (status 307)",
		"wss://example.com/ws": "connect: it is elsewhere: use https://example.com as the base URL (status 307)",
		"https://example.com/": "connect: it is elsewhere, at https://example.com/: if the agent is there, use its base URL (status 307)",
	} {
		s := serve(t, redirecting(http.StatusTemporaryRedirect, to))
		_, err := client.Connect[string, string](t.Context(), client.New(direct(t, s.url)))
		says(t, as[*client.Error](t, err), replaceHere(want, s.url))
	}
	s := serve(t, redirecting(http.StatusFound, "https://example.com/ws"))
	c := oauth(t, s, client.StaticToken("token"))
	_, err := client.Connect[string, string](t.Context(), c)
	says(t, err, "connect: it is elsewhere, where requests with credentials do not follow: https://example.com/ws (status 302)")
}

// An HTTP client that follows less keeps its say.
func TestRedirectsOfOwnHTTPClient(t *testing.T) {
	there := serve(t, answerJSON(`"yes"`))
	s := serve(t, redirecting(http.StatusTemporaryRedirect, there.url+"/invocations"))
	refused := errors.New("not there")
	for name, test := range map[string]struct {
		says error
		want string
	}{
		"none":  {http.ErrUseLastResponse, "invoke: it is elsewhere: use " + there.url + " as the base URL (status 307)"},
		"error": {refused, `invoke: Post "` + there.url + `/invocations": not there`},
		"all":   {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			own := &http.Client{Transport: new(http.Transport), CheckRedirect: func(*http.Request, []*http.Request) error { return test.says }}
			says(t, callInvoke(t.Context(), client.New(direct(t, s.url, client.WithHTTPClient(own)))), test.want)
		})
	}
	own := &http.Client{Transport: new(http.Transport), CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
	s = serve(t, redirecting(http.StatusFound, there.url+"/invocations"))
	err := callInvoke(t.Context(), client.New(direct(t, s.url, client.WithHTTPClient(own))))
	says(t, err, "invoke: it is elsewhere: use "+there.url+" as the base URL (status 302)")
}

// An agent on the Python SDK refuses so when it has no handler.
func TestConnectWithoutHandler(t *testing.T) {
	for body, want := range map[string]string{
		"":                      "connect: Forbidden (status 403): has the agent a WebSocket handler?",
		`{"error":"not today"}`: "connect: not today (status 403)",
	} {
		c := client.New(direct(t, serve(t, answer(403, "", body)).url))
		_, err := client.Connect[string, string](t.Context(), c)
		says(t, as[*client.Error](t, err), want)
		if body == "" {
			_, err = client.Invoke[any, any](t.Context(), c, nil)
			says(t, err, "invoke: Forbidden (status 403)")
		}
	}
}
