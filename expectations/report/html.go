package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

//go:embed report.html.tmpl
var reportHTML string

// HTML writes the report as one page that needs nothing else: no scripts, no requests, light or dark as the reader's
// system says.
func (r *Report) HTML(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"comma":   humanize.Comma,
		"counted": counted,
		"bytes":   func(n int64) string { return humanize.IBytes(uint64(max(n, 0))) },
		"when":    func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") },
		"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"lower":   strings.ToLower,
		"passed":  func(x RuleResult) string { return passPercent(percent(x.Passed, x.Passed+x.Failed)) },
		"pass":    passPercent,
		"failed":  failedPercent,
		"spark":   newSpark,
	}).Parse(reportHTML)
	if err != nil {
		return fmt.Errorf("parse the report's template: %w", err)
	}
	if err := t.Execute(w, htmlView{Report: r}); err != nil {
		return fmt.Errorf("write the report as HTML: %w", err)
	}
	return nil
}

// htmlView is what the template sees beside the report's own fields.
type htmlView struct{ *Report }

func (v htmlView) Duration() string { return v.duration() }
func (v htmlView) Hint() string     { return v.hint() }

// Tone is the colour of the update's status.
func (v htmlView) Tone() string {
	switch v.Status {
	case "COMPLETED":
		return "good"
	case "FAILED", "INTERRUPTED", "CANCELED":
		return "bad"
	}
	return "calm"
}

// Written sums a table's flows.
func (t Table) Written() int64 { return t.sum().Written }

// NotWritten is how many rows and records of a table were not written.
func (t Table) NotWritten() int64 {
	f := t.sum()
	return f.SetAside() + f.Discarded
}

// SetAside is how many dead letters a flow has: rows and unreadable records.
func (f Flow) SetAside() int64 { return f.DeadLettered + f.Unreadable }

func (t Table) sum() Flow {
	var sum Flow
	for _, f := range t.Flows {
		sum = sum.plus(f)
	}
	return sum
}

// Title says what a group of dead letters has in common.
func (d DeadLetters) Title() string { return d.title() }

// Place is the file and line of a dead letter, where known.
func (e Example) Place() string { return e.place() }

// Text is the raw record, or a row that is no object.
func (e Example) Text() string {
	if e.hasRow() {
		return string(e.Row)
	}
	return strings.ToValidUTF8(e.Raw, "\ufffd")
}

// spark is a small line drawing of a trend.
type spark struct {
	Points       string // of the line; empty when there is no trend
	Area         string // the line closed along the bottom
	LastX, LastY string
	Label        string
}

const (
	sparkWidth, sparkHeight = 120.0, 28.0
	sparkMargin             = 3.0
)

// newSpark scales a trend to its worst update; a trend without failures lies on the bottom. One update is no trend.
func newSpark(trend []Point) spark {
	if len(trend) < 2 {
		return spark{}
	}
	worst := 0.0
	for _, p := range trend {
		worst = max(worst, p.FailedPercent)
	}
	var points []string
	var s spark
	for i, p := range trend {
		x := sparkMargin + float64(i)/float64(len(trend)-1)*(sparkWidth-2*sparkMargin)
		y := sparkHeight - sparkMargin
		if worst > 0 {
			y -= p.FailedPercent / worst * (sparkHeight - 2*sparkMargin)
		}
		s.LastX, s.LastY = fmt.Sprintf("%.1f", x), fmt.Sprintf("%.1f", y)
		points = append(points, s.LastX+","+s.LastY)
	}
	s.Points = strings.Join(points, " ")
	s.Area = fmt.Sprintf("%.1f,%.1f %s %s,%.1f", sparkMargin, sparkHeight-sparkMargin, s.Points, s.LastX, sparkHeight-sparkMargin)
	s.Label = fmt.Sprintf("%s %% failed in this update, at worst %s %% in the last %d", failedPercent(trend[len(trend)-1].FailedPercent), failedPercent(worst), len(trend))
	return s
}
