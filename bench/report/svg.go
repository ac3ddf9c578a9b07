package report

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// The chart has no background, and its colours are readable on white as on black.
const (
	textColour = "#7a828e"
	gridColour = "#7a828e55"
)

var barColours = []string{"#3b82f6", "#d97706", "#16a34a", "#c026d3"}

const (
	chartWidth = 860
	plotLeft   = 270
	plotRight  = chartWidth - 70 // room for the last figure
	plotTop    = 78
	barHeight  = 10
	rowGap     = 9
)

// SVG returns a chart of the ratios on a logarithmic scale, turned so that a bar
// to the right is always better for ours.
func (r *Report) SVG(title string) string {
	others := r.others()
	low, high := 0.5, 2.0
	for _, row := range r.Rows {
		for _, a := range others {
			if gain, ok := row.gain(a.Name); ok {
				low, high = min(low, gain), max(high, gain)
			}
		}
	}
	x := func(gain float64) float64 {
		return plotLeft + (plotRight-plotLeft)*math.Log(gain/low)/math.Log(high/low)
	}

	var plot strings.Builder
	y := float64(plotTop)
	for _, row := range r.Rows {
		top := y
		for i, a := range others {
			gain, ok := row.gain(a.Name)
			if !ok {
				continue
			}
			from, to := min(x(1), x(gain)), max(x(1), x(gain))
			fmt.Fprintf(&plot, `<rect x="%.1f" y="%.1f" width="%.1f" height="%d" rx="1.5" fill="%s"/>`+"\n",
				from, y, max(to-from, 1), barHeight-1, barColours[i%len(barColours)])
			text(&plot, to+5, y+barHeight-2, 9.5, "start", format(gain)+"×")
			y += barHeight
		}
		if y == top {
			continue // nothing to compare
		}
		text(&plot, plotLeft-8, (top+y)/2+3, 11.5, "end", row.Name)
		y += rowGap
	}

	var b strings.Builder
	height := y + 34
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" width="%d" height="%.0f" role="img" font-family="system-ui, sans-serif" fill="%s">`+"\n",
		chartWidth, height, chartWidth, height, textColour)
	fmt.Fprintf(&b, "<title>%s</title>\n", escape(title))
	text(&b, 12, 24, 16, "start", title)
	left := 12.0
	for i, a := range others {
		fmt.Fprintf(&b, `<rect x="%.1f" y="38" width="10" height="10" rx="2" fill="%s"/>`+"\n", left, barColours[i%len(barColours)])
		text(&b, left+15, 47, 11.5, "start", "against "+a.Label)
		left += 90 + 6.2*float64(len(a.Label))
	}
	for tick := math.Pow(10, math.Ceil(math.Log10(low))); tick <= high; tick *= 10 {
		fmt.Fprintf(&b, `<path d="M%.1f %d V%.1f" stroke="%s"/>`+"\n", x(tick), plotTop-6, y-rowGap+4, gridColour)
		text(&b, x(tick), plotTop-10, 10, "middle", fmt.Sprintf("%v×", tick))
	}
	b.WriteString(plot.String())
	text(&b, 12, y+8, 10, "start", "Times better than theirs, on a logarithmic scale: rates ours ÷ theirs, costs (time, memory, size) theirs ÷ ours.")
	text(&b, 12, y+23, 10, "start", r.Machine+", "+r.Date)
	b.WriteString("</svg>\n")
	return b.String()
}

func text(b *strings.Builder, x, y, size float64, anchor, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" font-size="%v" text-anchor="%s">%s</text>`+"\n", x, y, size, anchor, escape(s))
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
