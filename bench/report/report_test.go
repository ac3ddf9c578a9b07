package report_test

import (
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/agentcore-go/agentcore/bench/report"
)

func example() *report.Report {
	return &report.Report{
		Date:    "2026-01-31",
		Machine: "Some <CPU>, 2 cores",
		Agents:  []report.Agent{{Name: "ours", Label: "ours"}, {Name: "plain", Label: "plain Go"}, {Name: "python", Label: "Python"}},
		Rows: []report.Row{
			{Name: "invocations", Samples: map[string][]float64{"ours": {1, 300, 100}, "plain": {50, 30, 40, 60}, "python": {3}},
				Busy: map[string][]float64{"ours": {0.7, 0.9, 1}, "plain": {0.1}}},
			{Name: "start", Cost: "time", Samples: map[string][]float64{"ours": {2}, "plain": {1}, "python": {400}}},
			{Name: "echo", Samples: map[string][]float64{"ours": {2}, "plain": {1, 1}}, Failures: map[string]string{"plain": "it hung up"}},
		},
	}
}

func TestMarkdown(t *testing.T) {
	const want = `| ours ÷ theirs | of | better | plain Go | Python |
|---|---|---|--:|--:|
| invocations | × rate | more | 2.22 | 33.3 |
| start | × time | less | 2.00 | 0.00500 |
| echo | × rate | more | failed | – |

Some <CPU>, 2 cores, 2026-01-31.

In 2 of 4 loads, a server had less than 80 % of its core.

Failed:

- echo, plain Go: it hung up
`
	if got := example().Markdown(); got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
}

func TestSVG(t *testing.T) {
	svg := example().SVG("Fast & good")
	var texts []string
	bars := 0
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		switch token := token.(type) {
		case xml.CharData:
			texts = append(texts, string(token))
		case xml.StartElement:
			if token.Name.Local == "rect" {
				bars++
			}
		}
	}
	// Costs are turned around: 200 times as fast, and half as fast.
	for _, want := range []string{"Fast & good", "Some <CPU>, 2 cores, 2026-01-31", "against plain Go", "invocations", "2.22×", "33.3×", "start", "200×", "0.500×"} {
		if !slices.Contains(texts, want) {
			t.Errorf("the chart does not say %q: %q", want, texts)
		}
	}
	if bars != 2+4 { // of the legend, and of the ratios there are
		t.Errorf("the chart has %d rectangles", bars)
	}
	if slices.Contains(texts, "echo") {
		t.Error("the chart shows a row that has nothing to compare")
	}
}

func TestCheck(t *testing.T) {
	kept, broken, open := example().Check([]report.Promise{
		{Row: "invocations", Against: "plain", Limit: 2},
		{Row: "invocations", Against: "python", Limit: 50},
		{Row: "start", Against: "python", Limit: 1.0 / 50},
		{Row: "start", Against: "plain", Limit: 1.15},
		{Row: "echo", Against: "plain", Limit: 1},
		{Row: "pings", Against: "plain", Limit: 1},
		{Row: "start", Against: "typescript", Limit: 1},
	})
	if kept != 2 {
		t.Errorf("%d promises are kept", kept)
	}
	if want := []string{
		"invocations against python: 33.3, promised is at least 50",
		"start against plain: 2.00, promised is at most 1.15",
		"echo against plain: the measurement failed",
	}; !slices.Equal(broken, want) {
		t.Errorf("broken are %q", broken)
	}
	if want := []string{"pings against plain", "start against typescript"}; !slices.Equal(open, want) {
		t.Errorf("not judged are %q", open)
	}
}
