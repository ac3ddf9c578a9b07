package client_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/client"
)

type forecast struct{ Text string }

// The text of the error shows what came, but not all of it.
func TestDecodeErrorShowsWhatCame(t *testing.T) {
	const noJSON = "invalid character '<' looking for beginning of value"
	for _, test := range []struct{ kind, body, want string }{
		{"text/html; charset=utf-8", "<html>hi</html>", `invoke: the answer "<html>hi</html>" (text/html) does not fit client_test.forecast: ` + noJSON},
		{"x/y", "<" + strings.Repeat("x", 59), `invoke: the answer "<` + strings.Repeat("x", 59) + `" (x/y) does not fit client_test.forecast: ` + noJSON},
		{"x/y", "<" + strings.Repeat("x", 60), `invoke: the answer "<` + strings.Repeat("x", 59) + `…" (x/y) does not fit client_test.forecast: ` + noJSON},
		{"x/y", "<" + strings.Repeat("é", 60), `invoke: the answer "<` + strings.Repeat("é", 29) + `…" (x/y) does not fit client_test.forecast: ` + noJSON},
	} {
		c := client.New(direct(t, serve(t, answer(200, test.kind, test.body)).url))
		_, err := client.Invoke[any, forecast](t.Context(), c, nil)
		says(t, err, test.want)
		if e := as[*client.DecodeError](t, err); string(e.Data) != test.body || errors.Unwrap(err) != e.Err {
			t.Errorf("%q, %v", e.Data, e.Err)
		}
	}
	_, err := client.DecodeMessage[forecast](client.TextMessage("<"))
	says(t, err, `the message "<" does not fit client_test.forecast: `+noJSON)
	says(t, &client.DecodeError{Data: []byte("<"), Err: errors.New("no")}, `the answer "<" does not fit what is expected: no`)
}
