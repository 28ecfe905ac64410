package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/event"
)

// summary is what is said of an update at its end.
type summary struct {
	*engine.Result
	pipeline string // the file and the parameters, as they are given on a command line
	letters  bool   // there are dead letters to look at
	color    bool
}

func summarize(out io.Writer, s summary) error {
	var b strings.Builder
	width := 0
	if f := terminal(out); f != nil {
		width, _, _ = term.GetSize(int(f.Fd()))
	}
	b.WriteString(s.tables(width))
	s.brokenRules(&b)
	for _, r := range s.Sinks {
		fmt.Fprintf(&b, "sink %s: %s of %s published\n", r.Sink, countRows(r.Rows), r.Table)
	}
	if len(s.Kept) > 0 {
		fmt.Fprintf(&b, "not recomputed, for they have reset: false: %s\n", strings.Join(s.Kept, ", "))
	}
	state := s.paint(text.FgGreen, s.Status)
	if s.Status != "completed" {
		state = s.paint(text.FgRed, s.Status)
	}
	fmt.Fprintf(&b, "update %s %s: %s in %.1f s\n", s.Update, state, count(s.Commits, "commit"), s.Seconds)
	s.next(&b)
	if _, err := io.WriteString(out, b.String()); err != nil && !unread(err) {
		return fmt.Errorf("write the summary: %w", err)
	}
	return nil
}

// tables draws the table in the widest form that fits; width 0 means any.
func (s summary) tables(width int) string {
	for _, narrow := range []bool{false, true} {
		drawn := s.table(narrow)
		first, _, _ := strings.Cut(drawn, "\n")
		if width == 0 || text.StringWidthWithoutEscSequences(first) <= width {
			return drawn + "\n"
		}
	}
	var b strings.Builder
	for _, t := range s.Tables {
		fmt.Fprintf(&b, "%s: %s, %s written, %s dropped\n", t.Table, t.Status, humanize.Comma(t.Written), humanize.Comma(dropped(t)))
	}
	return b.String()
}

// dropped are the rows and records that did not get into the table.
func dropped(t event.Table) int64 { return t.DeadLettered + t.Discarded + t.Unreadable }

// table draws the table, without removed rows where there are none. The narrow one leaves out labels, and counts that are zero everywhere.
func (s summary) table(narrow bool) string {
	sum := total(s.Tables)
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.Style().Format.Footer = text.FormatDefault
	t.AppendHeader(table.Row{"table", "kind", "layer", "status", "written", "removed", "dead letters", "discarded", "unreadable", "seconds"})
	for _, x := range s.Tables {
		t.AppendRow(append(table.Row{x.Table, x.Kind, x.Layer, x.Status}, s.numbers(x)...))
	}
	t.AppendFooter(append(table.Row{"total", "", "", ""}, s.numbers(sum)...))
	right := table.ColumnConfig{Align: text.AlignRight, AlignHeader: text.AlignRight, AlignFooter: text.AlignRight}
	removed := right
	removed.Name, removed.Hidden = "removed", sum.Removed == 0
	columns := []table.ColumnConfig{removed, {Name: "kind", Hidden: narrow}, {Name: "layer", Hidden: narrow}}
	for name, n := range map[string]int64{"written": 1, "dead letters": sum.DeadLettered, "discarded": sum.Discarded, "unreadable": sum.Unreadable, "seconds": 1} {
		right.Name, right.Hidden = name, narrow && n == 0
		columns = append(columns, right)
	}
	t.SetColumnConfigs(columns)
	return t.Render()
}

func (s summary) numbers(t event.Table) table.Row {
	lost := func(n int64) string {
		if n == 0 {
			return "0"
		}
		return s.paint(text.FgYellow, humanize.Comma(n))
	}
	return table.Row{humanize.Comma(t.Written), humanize.Comma(t.Removed), lost(t.DeadLettered), lost(t.Discarded), lost(t.Unreadable), fmt.Sprintf("%.2f", t.Seconds)}
}

func (s summary) brokenRules(b *strings.Builder) {
	head := "broken rules:\n"
	for _, t := range s.Tables {
		for _, r := range t.Rules {
			if r.Failed == 0 {
				continue
			}
			fmt.Fprintf(b, "%s  %s.%s (%s): %s of %s\n", head, t.Table, diag.Visible(r.Name), r.Action,
				s.paint(text.FgYellow, humanize.Comma(r.Failed)), countRows(r.Passed+r.Failed))
			head = ""
		}
	}
}

func countRows(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return humanize.Comma(n) + " rows"
}

// next says where to look.
func (s summary) next(b *strings.Builder) {
	if s.Commits == 0 {
		return
	}
	fmt.Fprintf(b, "data quality: lakeflow report %s\n", diag.Visible(s.pipeline))
	if s.letters {
		fmt.Fprintf(b, "rows that were not written: lakeflow dead-letters list -f %s\n", diag.Visible(s.pipeline))
	}
}

func (s summary) paint(c text.Color, t string) string {
	if !s.color {
		return t
	}
	return c.Sprint(t)
}
