package client

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// maxRedirects is how many redirections package net/http follows by default.
const maxRedirects = 10

// redirects returns which redirections a transport follows: none with credentials,
// which a redirection could carry elsewhere, and else those that leave the request
// as it is. The caller's own function may allow less.
func redirects(own func(*http.Request, []*http.Request) error, auth authorizer) func(*http.Request, []*http.Request) error {
	return func(next *http.Request, via []*http.Request) error {
		if auth != nil {
			return http.ErrUseLastResponse
		}
		if own != nil {
			if err := own(next, via); err != nil {
				return err
			}
		} else if len(via) >= maxRedirects {
			return errors.New("stopped after 10 redirects")
		}
		if next.Method != via[0].Method { // it would be a GET without the body
			return http.ErrUseLastResponse
		}
		return nil
	}
}

// elsewhere says what to do about a redirection that was not followed.
func elsewhere(op operation, to *url.URL, auth authorizer) string {
	if auth != nil {
		return "it is elsewhere, where requests with credentials do not follow: " + to.Redacted()
	}
	base := *to
	if scheme, ok := strings.CutPrefix(to.Scheme, "ws"); ok {
		base.Scheme = "http" + scheme
	}
	path, ok := strings.CutSuffix(strings.TrimSuffix(to.Path, "/"), directRoutes[op])
	if !ok {
		return "it is elsewhere, at " + to.Redacted() + ": if the agent is there, use its base URL"
	}
	base.Path, base.RawPath, base.RawQuery, base.Fragment = path, "", "", ""
	return "it is elsewhere: use " + base.Redacted() + " as the base URL"
}
