// Package raw answers with the digest of whatever it is sent.
package raw

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
)

// Digest answers in plain text.
//
//agentcore:entrypoint
func Digest(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 {
		http.Error(w, "send something", http.StatusBadRequest)
		return
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, r.Body); err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "text/plain; charset=us-ascii")
	fmt.Fprintf(w, "%.6x\n", hash.Sum(nil))
}
