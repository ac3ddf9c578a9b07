// Package payload_foreign looks a page up, with types of other packages alone.
package payload_foreign

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/agentcore-go/agentcore/testdata/shapes/payload_generic"
)

// Request is what a browser would send.
type Request struct {
	URL     url.URL                           `json:"url"`
	Header  http.Header                       `json:"header"`
	Query   url.Values                        `json:"query"`
	Timeout time.Duration                     `json:"timeout"`
	Month   payload_generic.Range[time.Month] `json:"month"`
}

// Cookies returns a cookie for each value of the query.
//
//agentcore:entrypoint
func Cookies(_ context.Context, r Request) ([]http.Cookie, error) {
	var cookies []http.Cookie
	for _, value := range r.Query["name"] {
		cookies = append(cookies, http.Cookie{
			Name: value, Value: r.Header.Get("X-Value"), Path: r.URL.Path, MaxAge: int(r.Timeout / time.Second), Raw: r.Month.To.String(),
		})
	}
	return cookies, nil
}
