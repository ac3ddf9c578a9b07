package client

import (
	"strings"
	"unicode"
)

// check says what of the settings no header can have. Package net/http says so late
// and in other words, and the WebSocket dialer changes it instead.
func (s *settings) check() error {
	if strings.ContainsFunc(s.session, unicode.IsControl) {
		return &ParameterError{"session id", s.session, "it has a control character in it"}
	}
	if !isHeaderValue(s.userID) {
		return &ParameterError{"user id", s.userID, "it has a control character in it"}
	}
	for name, values := range s.header {
		if !isHeaderName(name) {
			return &ParameterError{"header", name, "a name has letters, digits and dashes"}
		}
		for _, value := range values { // which may be a secret
			if !isHeaderValue(value) {
				return &ParameterError{"header", name, "its value has a control character in it, a line break for one"}
			}
		}
	}
	return nil
}

// isHeaderName reports whether a text is a token of RFC 9110.
func isHeaderName(name string) bool {
	for i := range len(name) {
		c := name[i] | 0x20 // a small letter, if it is one
		if (c < 'a' || c > 'z') && (name[i] < '0' || name[i] > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", name[i]) < 0 {
			return false
		}
	}
	return name != ""
}

// isHeaderValue reports whether package net/http would send a text as a value.
func isHeaderValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
