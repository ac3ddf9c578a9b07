package dataplane

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// Subprotocols with which a browser proves who it is, because it cannot set a
// header on a handshake. The first has the token behind it; the other one is
// selected.
const (
	subprotocol       = "base64UrlBearerAuthorization"
	tokenSubprotocol  = subprotocol + "."
	maxEncodedToken   = 4096
	headerSubprotocol = "Sec-Websocket-Protocol"
)

// bearerToken returns the token of a request, from its header or from the
// subprotocols of a handshake.
func bearerToken(r *http.Request) (token string, ok bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(token), true
	}
	for _, name := range subprotocolsOf(r.Header) {
		encoded, isToken := strings.CutPrefix(name, tokenSubprotocol)
		if !isToken {
			continue
		}
		decoded, err := base64.RawURLEncoding.DecodeString(encoded)
		if err != nil || len(encoded) > maxEncodedToken {
			return "", true
		}
		return string(decoded), true
	}
	return "", false
}

func subprotocolsOf(h http.Header) []string {
	var names []string
	for _, line := range h[headerSubprotocol] {
		for name := range strings.SplitSeq(line, ",") {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}
