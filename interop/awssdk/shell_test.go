//go:build unix

package awssdk_test

import (
	"errors"
	"io"
	"testing"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/internal/dataplane"
	"github.com/agentcore-go/agentcore/internal/shelltest"
)

func TestShell(t *testing.T) {
	issuer := new(tokens)
	tests := []struct {
		name   string
		bearer func(string) error
		client func(*testing.T, *place) *client.Client
	}{
		{"signed", nil, func(t *testing.T, p *place) *client.Client { return p.ours(t, arn) }},
		{"bearer token", issuer.check, func(t *testing.T, p *place) *client.Client { return p.oursWithToken(t, issuer.issue) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			shells := &shelltest.Server{Start: shelltest.Run("sh", "-c", "read name; echo hi $name; exit 3")}
			defer shells.Close()
			p := newPlace(t)
			p.deploy(t, arn, dataplane.Agent{Handler: once(), Shell: shells, BearerToken: tt.bearer})
			shell, err := tt.client(t, p).Shell(t.Context(), client.ShellOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer shell.Close()
			if _, err := io.WriteString(shell, "ada\r"); err != nil {
				t.Fatal(err)
			}
			if out, err := io.ReadAll(shell); string(out) != "ada\r\nhi ada\r\n" || err != nil || shell.SessionID() != session {
				t.Errorf("output = %q, %v, in session %s", out, err, shell.SessionID())
			}
			if exit, err := shell.Wait(); exit.Code != 3 || err != nil {
				t.Errorf("Wait() = %+v, %v", exit, err)
			}
		})
	}
}

func TestNoShell(t *testing.T) {
	p := newPlace(t)
	p.deploy(t, arn, dataplane.Agent{Handler: once()})
	_, err := p.ours(t, arn).Shell(t.Context(), client.ShellOptions{})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.StatusCode != 424 || e.Code != "RuntimeClientError" {
		t.Errorf("error = %v", err)
	}
}
