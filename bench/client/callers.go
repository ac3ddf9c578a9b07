package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/agentcore-go/agentcore/client"
)

// The callers check what they get, since a wrong answer is no answer.

func (a *agent) invokeOurs() (func(context.Context) error, error) {
	c, err := a.newOurs("/echo")
	return func(ctx context.Context) error {
		got, err := client.Invoke[Prompt, Prompt](ctx, c, prompt)
		return check(got, prompt, err)
	}, err
}

func (a *agent) streamOurs() (func(context.Context) error, error) {
	c, err := a.newOurs("/stream")
	return func(ctx context.Context) error {
		n := 0
		for got, err := range client.Stream[Prompt, Token](ctx, c, prompt) {
			if err != nil || got.Index != n {
				return check(got, tokenAt(n), err)
			}
			n++
		}
		return check(n, streamTokens, nil)
	}, err
}

func (a *agent) newOurs(path string) (*client.Client, error) {
	transport, err := client.Direct(a.url+path, client.WithHTTPClient(a.byHand))
	if err != nil {
		return nil, err
	}
	return client.New(transport, client.WithSession(session)), nil
}

const session = "5b0bb9a4-58b1-4c1f-9c2b-6f3a1d1f7e10"

func (a *agent) invokeByHand() (func(context.Context) error, error) {
	return func(ctx context.Context) error {
		answer, err := a.post(ctx, "/echo/invocations", "application/json")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			return err
		}
		var got Prompt
		err = json.Unmarshal(text, &got)
		return check(got, prompt, err)
	}, nil
}

func (a *agent) streamByHand() (func(context.Context) error, error) {
	return func(ctx context.Context) error {
		answer, err := a.post(ctx, "/stream/invocations", "text/event-stream")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		n := 0
		lines := bufio.NewScanner(answer.Body)
		lines.Buffer(nil, 10<<20)
		for lines.Scan() {
			data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
			if !ok {
				continue
			}
			var got Token
			if err := json.Unmarshal(data, &got); err != nil || got.Index != n {
				return check(got, tokenAt(n), err)
			}
			n++
		}
		return check(n, streamTokens, lines.Err())
	}, nil
}

// post sends the prompt, as anybody would.
func (a *agent) post(ctx context.Context, path, accept string) (*http.Response, error) {
	body, err := json.Marshal(prompt)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", accept)
	r.Header.Set("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id", session)
	answer, err := a.byHand.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("status %d", answer.StatusCode)
	}
	return answer, nil
}

func check[T comparable](got, want T, err error) error {
	if err == nil && got != want {
		err = fmt.Errorf("the answer is %v, want %v", got, want)
	}
	return err
}
