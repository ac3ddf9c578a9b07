package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/tmaxmax/go-sse"
)

// OpenAI is a model behind an OpenAI-compatible chat completions endpoint. Its
// fields must not change while replies are streamed.
type OpenAI struct {
	// BaseURL is what /chat/completions is appended to, such as
	// https://api.openai.com/v1. A slash at its end makes no difference.
	BaseURL string

	// APIKey is sent as a bearer token. When empty, no Authorization is sent.
	APIKey string

	// Name is the name of the model, as the endpoint knows it.
	Name string

	// Client sends the requests. By default it is [http.DefaultClient]. Its
	// Timeout, if any, must leave time for a whole reply.
	Client *http.Client
}

const (
	// maxEvent is the size in bytes above which an event of the stream is an
	// error. Pieces are a few words; the rest is room for what endpoints add.
	maxEvent = 1 << 20

	// maxErrorBody is how many bytes of a failed request's answer are read.
	maxErrorBody = 4 << 10
)

// Reply implements [Model]. A reply that the endpoint ends at its own limit
// (finish_reason "length", for one) ends without an error; one that ends
// without a reason fails with [io.ErrUnexpectedEOF].
func (o *OpenAI) Reply(ctx context.Context, messages []Message) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		err := o.stream(ctx, messages, func(piece string) bool { return yield(piece, nil) })
		if err == nil {
			return
		}
		// What net/http makes of a cancellation depends on when it came.
		if ctxErr := ctx.Err(); ctxErr != nil {
			err = ctxErr
		}
		yield("", err)
	}
}

// stream passes the pieces of the reply to yield. It returns nil at the end of
// the reply and when yield returns false.
func (o *OpenAI) stream(ctx context.Context, messages []Message, yield func(string) bool) error {
	body, err := o.post(ctx, messages)
	if err != nil {
		return err
	}
	defer body.Close() // ends the request if the reply was not read to its end

	finished := false
	for event, err := range sse.Read(body, &sse.ReadConfig{MaxEventSize: maxEvent}) {
		// Events that are already here must not outlive ctx.
		if err := ctx.Err(); err != nil {
			return err
		}
		if err != nil {
			if finished {
				return nil // the reply is whole, however the connection ended
			}
			return fmt.Errorf("llm: reading the reply: %w", err)
		}
		if event.Data == "" {
			continue
		}
		if event.Data == "[DONE]" {
			return nil
		}
		var c chunk
		if err := json.Unmarshal([]byte(event.Data), &c); err != nil {
			return fmt.Errorf("llm: decoding the reply: %w", err)
		}
		if c.Error != nil {
			return fmt.Errorf("llm: the endpoint failed in mid-reply: %s", c.Error.Message)
		}
		for _, choice := range c.Choices {
			if content := choice.Delta.Content; content != "" && !yield(content) {
				return nil
			}
			// Usage may follow: hanging up here would look like a lost client.
			if choice.FinishReason != "" {
				finished = true
			}
		}
	}
	if !finished {
		return fmt.Errorf("llm: the reply was cut off: %w", io.ErrUnexpectedEOF)
	}
	return nil
}

// post asks for a reply and returns the event stream, which the caller closes.
func (o *OpenAI) post(ctx context.Context, messages []Message) (io.ReadCloser, error) {
	endpoint, err := url.JoinPath(o.BaseURL, "chat/completions")
	if err != nil {
		return nil, fmt.Errorf("llm: %w", err)
	}
	body, err := json.Marshal(completion{Model: o.Name, Messages: messages, Stream: true})
	if err != nil {
		return nil, fmt.Errorf("llm: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("llm: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	if o.APIKey != "" {
		req.Header.Set("Authorization", "Bearer "+o.APIKey)
	}

	client := o.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("llm: %w", err)
	}
	if err := checkResponse(resp); err != nil {
		resp.Body.Close()
		return nil, fmt.Errorf("llm: POST %s: %w", req.URL.Redacted(), err)
	}
	return resp.Body, nil
}

// checkResponse returns an error that says what came instead of a stream.
func checkResponse(resp *http.Response) error {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	ok := resp.StatusCode >= 200 && resp.StatusCode <= 299
	if ok && mediaType == "text/event-stream" {
		return nil
	}
	what := resp.Status
	if ok {
		what = fmt.Sprintf("%s with Content-Type %q instead of text/event-stream", resp.Status, mediaType)
	}

	// The status is known already: half a body is better than a second error.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	var answer struct {
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(body, &answer); err == nil && answer.Error != nil {
		return fmt.Errorf("%s: %s", what, answer.Error.Message)
	}
	if text := strings.TrimSpace(string(body)); text != "" {
		return fmt.Errorf("%s: %q", what, text)
	}
	return errors.New(what)
}

// completion is the body of a request.
type completion struct {
	Model    string    `json:"model"`
	Messages []Message `json:"messages"`
	Stream   bool      `json:"stream"`
}

// chunk is one event of the answer. Chunks with only a role or only the usage
// have no content, and null stands for nothing throughout.
type chunk struct {
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Error *apiError `json:"error"`
}

// apiError is the error object of the API, in an answer or in mid-stream.
type apiError struct {
	Message string
}

// UnmarshalJSON also accepts what is not an object with a message, as some
// endpoints send plain strings: any text is better than a decoding error.
func (e *apiError) UnmarshalJSON(data []byte) error {
	var object struct {
		Message string `json:"message"`
	}
	if err := json.Unmarshal(data, &object); err == nil && object.Message != "" {
		e.Message = object.Message
		return nil
	}
	e.Message = string(data)
	return nil
}
