package client_test

import (
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/client"
)

// What no header can be is refused in the same way wherever it would be sent.
func TestBadHeaders(t *testing.T) {
	const control = "it has a control character in it"
	s := serve(t, answerJSON(`{}`))
	deployed := client.New(made(t)(client.AgentCore(awsConfig(), testARN, client.WithEndpoint(s.url))))
	local := client.New(direct(t, s.url))
	long := strings.Repeat("s", 40)
	for name, test := range map[string]struct {
		opt  client.Option
		want string
	}{
		"empty name":         {client.WithHeader("", "x"), `header "": a name has letters, digits and dashes`},
		"space in a name":    {client.WithHeader("X Thing", "x"), `header "X Thing": a name has letters, digits and dashes`},
		"colon in a name":    {client.WithHeader("X:", "x"), `header "X:": a name has letters, digits and dashes`},
		"no ASCII":           {client.WithHeader("Ä", "x"), `header "Ä": a name has letters, digits and dashes`},
		"line break":         {client.WithHeader("x-key", "secret\r\nX-More: y"), `header "X-Key": its value has a control character in it, a line break for one`},
		"nothing":            {client.WithHeader("X-Key", "\x00"), `header "X-Key": its value has a control character in it, a line break for one`},
		"user":               {client.WithUserID("ada\n"), `user id "ada\n": ` + control},
		"session":            {client.WithSession(long + "\n"), `session id "` + long + `\n": ` + control},
		"session with a tab": {client.WithSession("\t" + long), `session id "\t` + long + `": ` + control},
		"session, beyond":    {client.WithSession(long + "\u0085"), `session id "` + long + `\u0085": ` + control},
	} {
		t.Run(name, func(t *testing.T) {
			for what, call := range map[string]func() error{
				"invoke":           func() error { return callInvokeWith(t, local, test.opt) },
				"invoke, deployed": func() error { return callInvokeWith(t, deployed, test.opt) },
				"ping":             func() error { _, err := local.Ping(t.Context(), test.opt); return err },
				"connect": func() error {
					_, err := client.Connect[string, string](t.Context(), local, test.opt)
					return err
				},
				"command": func() error {
					_, err := deployed.RunCommand(t.Context(), client.Command{Line: "ls"}, nil, nil, test.opt)
					return err
				},
				"shell":       func() error { _, err := deployed.Shell(t.Context(), client.ShellOptions{}, test.opt); return err },
				"stop":        func() error { return deployed.StopSession(t.Context(), test.opt) },
				"headers":     func() error { _, _, err := deployed.WebSocketHeaders(t.Context(), test.opt); return err },
				"of a client": func() error { return callInvokeWith(t, client.New(local.Transport(), test.opt)) },
			} {
				err := call()
				if as[*client.ParameterError](t, err); err.Error() != test.want {
					t.Errorf("%s: %v, want %s", what, err, test.want)
				}
			}
		})
	}
	if n := len(s.all()); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func callInvokeWith(t *testing.T, c *client.Client, opts ...client.Option) error {
	_, err := client.Invoke[any, any](t.Context(), c, nil, opts...)
	return err
}

// Every character that a header can have arrives.
func TestGoodHeaders(t *testing.T) {
	s := serve(t, answerJSON(`{}`))
	const name, value = "X-Az09!#$%&'*+-.^_`|~", "a\tb Käse \x80\xff"
	invoke(t, client.New(direct(t, s.url)), client.WithHeader(name, value))
	if got := s.last(t).header.Get(name); got != value {
		t.Errorf("%q arrives as %q", value, got)
	}
}
