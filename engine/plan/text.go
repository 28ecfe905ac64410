package plan

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
)

// textWidth is where lists are broken into lines.
const textWidth = 110

// Text writes the plan for people: the sources, then every dataset with what it reads, how it is refreshed, what is
// promised of it, its columns and its expectations, then the sinks.
func (p *Plan) Text(w io.Writer) error {
	t := &textWriter{Writer: bufio.NewWriter(w)}
	t.printf("Pipeline %s: %s, %s", p.Name, count(len(p.Sources), "source"), count(len(p.Datasets), "dataset"))
	if len(p.Sinks) > 0 {
		t.printf(", %s", count(len(p.Sinks), "sink"))
	}
	t.printf("\nTables are published in schema %s of %s; dead letters go to %s\n", p.Schema, p.Warehouse, p.DeadLetter)
	if p.Mode == dsl.Continuous {
		t.printf("Runs until it is stopped: a batch every %s, or as soon as %d rows or %s are waiting\n", short(p.Trigger.Interval), p.Trigger.MaxRows, humanize.IBytes(uint64(p.Trigger.MaxBytes)))
	}
	t.waves(p)
	for _, s := range p.Sources {
		t.printf("\n%s  (source, %s)\n", s.Name, s.Format)
		t.list("columns", columnTexts(s.Columns))
	}
	for _, d := range p.Datasets {
		t.dataset(d)
	}
	for _, s := range p.Sinks {
		t.printf("\n%s  (sink, %s)\n", s.Name, s.Format)
		if len(s.Key) == 0 {
			t.field("publishes", "new rows of "+s.From)
		} else {
			t.field("publishes", "changes of "+s.From)
			t.list("key", s.Key)
		}
		t.field("guarantee", s.Guarantee)
	}
	return t.Flush()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

type textWriter struct{ *bufio.Writer }

// printf writes to the buffer, which keeps the first error for Flush.
func (t *textWriter) printf(format string, args ...any) {
	_, _ = t.WriteString(diag.Visible(fmt.Sprintf(format, args...)))
}

// waves lists the parts of an update, when there are several.
func (t *textWriter) waves(p *Plan) {
	if p.Waves < 2 {
		return
	}
	t.printf("An update brings them up to date in %d waves, each complete before the next one reads it in full\n", p.Waves)
	for wave := range p.Waves {
		var names []string
		for _, d := range p.Datasets {
			if d.Wave == wave && d.Refresh.Stored() {
				names = append(names, d.Name)
			}
		}
		t.list(fmt.Sprintf("wave %d", wave+1), names)
	}
}

func (t *textWriter) dataset(d *Dataset) {
	t.printf("\n%s  (%s)\n", d.Name, strings.Join(d.labels(), ", "))
	if d.Description != "" {
		t.field("about", d.Description)
	}
	for _, f := range d.Flows {
		label := "reads"
		if len(d.Flows) > 1 {
			label = "flow " + f.Name
		}
		t.list(label, f.inputs())
	}
	t.field("refresh", d.refresh())
	t.field("guarantee", d.Guarantee)
	if d.Merge != nil {
		t.changes(d.Merge)
	}
	if d.Incremental != nil && d.Incremental.Technique != nil {
		t.field("technique", d.Incremental.Name)
		for _, issue := range d.Incremental.Issues {
			t.field("", fmt.Sprintf("%s: %s (%s)", issue.Code, strings.TrimSuffix(issue.Message, "."), d.Incremental.place(issue)))
		}
	}
	if len(d.Partition) > 0 {
		t.list("partition", partitionTexts(d.Partition))
	}
	t.list("columns", columnTexts(d.Columns))
	t.rules(d.Rules)
}

// changes says how the rows of the flows are applied.
func (t *textWriter) changes(m *AutoCDC) {
	t.list("keys", m.Spec.Keys)
	sequence := make([]string, len(m.SequenceBy))
	for i, text := range m.SequenceBy {
		sequence[i] = strings.Join(strings.Fields(text), " ")
	}
	if m.Spec.Snapshots {
		t.snapshots(m)
	} else {
		t.list("sequence", sequence)
	}
	for _, x := range []struct{ label, condition string }{{"deletes", m.DeleteWhen}, {"truncates", m.TruncateWhen}} {
		if x.condition != "" {
			t.field(x.label, "when "+strings.Join(strings.Fields(x.condition), " "))
		}
	}
	if len(m.Spec.IgnoreNulls) > 0 {
		t.list("NULL", append([]string{"changes nothing of " + m.Spec.IgnoreNulls[0]}, m.Spec.IgnoreNulls[1:]...))
	}
	if len(m.Filled) > 0 {
		t.list("filled in", append([]string{"by " + m.FilledBy + ": " + m.Filled[0]}, m.Filled[1:]...))
	}
	switch {
	case m.Spec.History:
	case m.Spec.Snapshots:
		return
	default:
		t.field("keeps", "deletes for "+short(m.Keep))
		return
	}
	tracked := m.Spec.Tracked
	if len(tracked) == 0 {
		t.field("versions", "none but the first")
		return
	}
	t.list("versions", append([]string{"by " + tracked[0]}, tracked[1:]...))
}

// snapshots says what is one snapshot.
func (t *textWriter) snapshots(m *AutoCDC) {
	if m.Whole {
		t.field("snapshot", "all that is read, when it has changed")
	} else {
		t.field("snapshot", "all rows of one version")
	}
	t.field("version", strings.Join(strings.Fields(m.versionText()), " "))
}

// refresh says how the dataset is kept up to date, and how often.
func (d *Dataset) refresh() string {
	text := d.Technique
	if d.RefreshEvery > 0 {
		text += ", at most every " + short(d.RefreshEvery) + " in continuous mode"
	}
	if d.NoReset {
		text += "; never from the beginning (reset: false)"
	}
	return text
}

// short writes a length of time without the units that are zero: 1h, not 1h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// labels say what kind of dataset it is.
func (d *Dataset) labels() []string {
	kind := strings.ReplaceAll(string(d.Kind), "_", " ")
	if d.Streaming && kind == "view" {
		kind = "streaming view"
	}
	if d.Layer == "" {
		return []string{kind}
	}
	return []string{kind, d.Layer}
}

// inputs are what the flow reads: streams first.
func (f *Flow) inputs() []string {
	var in []string
	for _, s := range f.Streams {
		in = append(in, "STREAM "+s)
	}
	for _, name := range f.Changes {
		in = append(in, "STREAM CHANGES("+name+")")
	}
	in = append(in, f.Reads...)
	if len(in) == 0 {
		in = []string{"nothing"}
	}
	if f.Once {
		in[0] = "once: " + in[0]
	}
	return in
}

func (t *textWriter) rules(rs expectations.RuleSet) {
	width := 0
	for _, r := range rs.Rules {
		width = max(width, utf8.RuneCountInString(r.Name))
	}
	for i, r := range rs.Rules {
		label := ""
		if i == 0 {
			label = "expects"
		}
		t.field(label, fmt.Sprintf("%-*s  %-4s  %s", width, r.Name, r.Action, strings.Join(strings.Fields(r.Expr), " ")))
	}
	if len(rs.Rules) > 0 && !rs.DeadLetter {
		t.field("", "dropped rows are discarded and counted")
	}
}

const labelWidth = 9

func (t *textWriter) field(label, value string) { t.printf("  %-*s  %s\n", labelWidth, label, value) }

// list writes a field whose items are broken into lines.
func (t *textWriter) list(label string, items []string) {
	line := ""
	for i, item := range items {
		if i < len(items)-1 {
			item += ","
		}
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(item) > textWidth-labelWidth-4 {
			t.field(label, line)
			label, line = "", ""
		}
		if line != "" {
			line += " "
		}
		line += item
	}
	if line != "" {
		t.field(label, line)
	}
}

func columnTexts(columns schemas.Table) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.Name + " " + c.Type.String()
	}
	return out
}

func partitionTexts(fields []schemas.PartitionField) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = partitionText(f)
	}
	return out
}

// partitionText is the field as a pipeline file has it.
func partitionText(f schemas.PartitionField) string {
	switch {
	case f.Transform == "identity":
		return f.Column
	case f.Arg > 0:
		return fmt.Sprintf("%s(%d, %s)", f.Transform, f.Arg, f.Column)
	}
	return f.Transform + "(" + f.Column + ")"
}
