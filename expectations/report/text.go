package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/expectations"
)

// Text writes the report for a terminal or a log, without colours.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: update %s %s, started %s, %s\n", r.Pipeline, r.UpdateID, r.Status, r.Started.UTC().Format(time.DateTime+" UTC"), r.duration())
	if r.Error != "" {
		fmt.Fprintf(&b, "error: %s\n", r.Error)
	}
	if hint := r.hint(); hint != "" {
		fmt.Fprintf(&b, "%s\n", hint)
	}
	r.writeRules(&b)
	r.writeAccounting(&b)
	r.writeDeadLetters(&b)
	if _, err := io.WriteString(w, diag.Visible(b.String())); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func (r *Report) writeRules(b *strings.Builder) {
	t := newTable("Expectations", 4, 5, 6)
	t.AppendHeader(table.Row{"table", "expectation", "action", "passed", "failed", "failed %", "trend", "expression"})
	for _, tab := range r.Tables {
		for _, x := range tab.Rules {
			t.AppendRow(table.Row{tab.Name, diag.Visible(x.Name), x.Action, humanize.Comma(x.Passed), humanize.Comma(x.Failed),
				failedPercent(x.FailedPercent), blocks(x.Trend), oneLine(x.Expression)})
		}
	}
	render(b, t)
}

func (r *Report) writeAccounting(b *strings.Builder) {
	kept, numbers := table.Row{"written"}, []int{3, 4, 5, 6, 7, 8}
	if r.Changing() {
		kept, numbers = table.Row{"written or applied", "superseded"}, append(numbers, 9)
	}
	t := newTable("Rows", numbers...)
	t.AppendHeader(slices.Concat(table.Row{"table", "flow", "batches", "query rows"}, kept, table.Row{"dead letters", "discarded", "unreadable", "balances"}))
	for _, tab := range r.Tables {
		for _, f := range tab.Flows {
			balances := "yes"
			if !f.Balances {
				balances = "NO"
			}
			kept := table.Row{humanize.Comma(f.Kept())}
			if r.Changing() {
				kept = append(kept, humanize.Comma(f.Superseded()))
			}
			t.AppendRow(slices.Concat(table.Row{tab.Name, f.Name, f.Batches, humanize.Comma(f.QueryRows)}, kept,
				table.Row{humanize.Comma(f.DeadLettered), humanize.Comma(f.Discarded), humanize.Comma(f.Unreadable), balances}))
		}
	}
	render(b, t)
}

func (r *Report) writeDeadLetters(b *strings.Builder) {
	if len(r.DeadLetters) == 0 {
		return
	}
	b.WriteString("\nDead letters\n")
	for _, d := range r.DeadLetters {
		fmt.Fprintf(b, "%s, %s: %s\n", d.Table, d.title(), counted(d.Rows, "row"))
		for _, e := range d.Examples {
			fmt.Fprintf(b, "  %s\n", e.line())
		}
	}
}

func newTable(title string, rightAligned ...int) table.Writer {
	t := table.NewWriter()
	t.SetTitle(title)
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Format.Header = text.FormatDefault
	t.Style().Box.PaddingLeft, t.Style().Box.PaddingRight = "", "  "
	t.SuppressTrailingSpaces()
	var columns []table.ColumnConfig
	for _, n := range rightAligned {
		columns = append(columns, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	return t
}

func render(b *strings.Builder, t table.Writer) {
	if t.Length() > 0 {
		b.WriteString("\n" + t.Render() + "\n")
	}
}

// hint is what to say about a report without figures, or one that is not of the latest update.
func (r *Report) hint() string {
	switch {
	case r.Idle == 1:
		return "One later update found nothing new."
	case r.Idle > 1:
		return humanize.Comma(int64(r.Idle)) + " later updates found nothing new."
	case r.Totals.QueryRows+r.Totals.Unreadable+r.Totals.Checks > 0:
		return ""
	case r.LastWithRows != "":
		return "This update moved no rows. The last one that did is " + r.LastWithRows + ": choose it with --update."
	default:
		return "This update moved no rows."
	}
}

func (r *Report) duration() string {
	d := time.Duration(r.DurationMS) * time.Millisecond
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func (d DeadLetters) title() string {
	switch {
	case d.Rule == "" && d.Status == expectations.StatusFailedUpdate:
		return "unreadable records that stopped the update"
	case d.Rule == "":
		return "unreadable records"
	case d.Status == expectations.StatusFailedUpdate:
		return d.Rule + " (" + d.Action + ", sample of the rows that stopped the update)"
	}
	return d.Rule + " (" + d.Action + ")"
}

// line shows an example in one line: where it is from, what was wrong, and the row or record.
func (e Example) line() string {
	var parts []string
	if place := e.place(); place != "" {
		parts = append(parts, place)
	}
	if e.Error != "" {
		parts = append(parts, e.Error)
	}
	if bad := e.bad(); bad != "" {
		parts = append(parts, bad)
	}
	if e.hasRow() {
		var row bytes.Buffer
		if json.Compact(&row, e.Row) != nil {
			row.Write(e.Row)
		}
		parts = append(parts, row.String())
	} else if e.Raw != "" {
		parts = append(parts, e.Raw)
	}
	return text.Snip(oneLine(strings.Join(parts, ": ")), 240, "…")
}

func (e Example) hasRow() bool { return len(e.Row) > 0 && string(e.Row) != "null" }

func (e Example) place() string {
	if e.File != "" && e.Line > 0 {
		return fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	return e.File
}

// oneLine replaces white space, and shows control characters, which could move a terminal's cursor.
func oneLine(s string) string { return diag.Visible(strings.Join(strings.Fields(s), " ")) }

func counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return humanize.Comma(n) + " " + noun + "s"
}

// failedPercent never rounds a failure away.
func failedPercent(p float64) string {
	switch {
	case p == 0:
		return "0"
	case p < 0.01:
		return "<0.01"
	case p < 100 && p > 99.99:
		return "99.99"
	}
	return fmt.Sprintf("%.2f", p)
}

// passPercent never rounds a failure away.
func passPercent(p float64) string {
	if p == 100 {
		return "100"
	}
	return fmt.Sprintf("%.2f", math.Floor(p*100)/100)
}

// blocks draws a trend with one character per update; the highest block is the trend's worst.
func blocks(trend []Point) string {
	const steps = "▁▂▃▄▅▆▇█"
	levels := []rune(steps)
	worst := 0.0
	for _, p := range trend {
		worst = max(worst, p.FailedPercent)
	}
	var b strings.Builder
	for _, p := range trend {
		i := 0
		if p.FailedPercent > 0 {
			i = max(1, int(math.Round(p.FailedPercent/worst*float64(len(levels)-1))))
		}
		b.WriteRune(levels[i])
	}
	return b.String()
}
