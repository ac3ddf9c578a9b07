package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/agentcore-go/agentcore/client"
)

// A program types on a shell, and reads what it writes.
func ExampleClient_Shell() {
	run := func(ctx context.Context, agent *client.Client) error {
		shell, err := agent.Shell(ctx, client.ShellOptions{})
		if err != nil {
			return err
		}
		defer shell.Close()
		if _, err := io.WriteString(shell, "df -h /; exit\r"); err != nil {
			return err
		}
		if _, err := io.Copy(os.Stdout, shell); err != nil {
			return err
		}
		exit, err := shell.Wait()
		if err != nil {
			return err
		}
		fmt.Println("exit code", exit.Code)
		return nil
	}
	_ = run // with a client of an agent on AgentCore
}

// A command line gives its own terminal to a shell. Ctrl+] leaves the shell running.
func ExampleShell_Attach() {
	attach := func(ctx context.Context, agent *client.Client) (exitCode int) {
		shell, err := agent.Shell(ctx, client.ShellOptions{ID: "debug", Stderr: os.Stderr})
		if err != nil {
			log.Print(err)
			return 1
		}
		exit, err := shell.Attach(ctx, client.Terminal{Stdin: os.Stdin, Stdout: os.Stdout, DetachKey: 0x1d})
		if err == nil {
			return exit.Code
		}
		if errors.Is(err, client.ErrDetachKey) {
			log.Printf("The shell %s of session %s runs on.", shell.ID(), shell.SessionID())
			_ = shell.Detach()
			return 0
		}
		log.Print(err)
		_ = shell.Close()
		return 1
	}
	_ = attach // with a client of an agent on AgentCore
}
