package files

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/records"
	"github.com/lakeflow/lakeflow/sources/values"
)

// detection looks at so many records of a file, in at most so many bytes.
const (
	detectRecords = 200
	detectBytes   = 4 << 20
)

// detect finds out how the first file with something in it is written. What is declared is not detected.
func (c csvFormat) detect(w *work) *dialect {
	d := dialect{Header: true, Delimiter: ",", Quote: `"`, Escape: `"`}
	for _, f := range sample(w.files) {
		head, err := w.head(f)
		if err != nil || blank(bytes.TrimPrefix(head, bom)) {
			continue
		}
		d = w.src.cfg.CSV.detect(head)
		d.Skip = 0 // what stands above the header is looked for in every file
		return &d
	}
	return &d
}

// above finds out how many lines stand above the header of a file, or its first record: those that are declared, or
// Excel's sep=; and titles.
func (w *work) above(f *file) (lines int, err error) {
	d := *w.state.CSV
	if w.src.cfg.CSV.Skip != nil {
		return d.Skip, nil
	}
	t, err := w.openCSV(f)
	if err != nil {
		return 0, err
	}
	defer func() { err = t.finish(err) }()
	r := newCSVReader(t.Reader, d)
	var records []headRecord
	for len(records) < detectRecords {
		rec, err := r.next()
		if rec == nil || err != nil {
			break
		}
		if len(records) == 0 && separator(rec.raw) != "" {
			return int(rec.line), nil
		}
		if !d.Header && d.NullPadding { // a line of one field is a record
			return 0, nil
		}
		records = append(records, headRecord{int(rec.line), r.lenientFields(rec), rec.reason == ""})
		if first := records[0]; len(first.fields) > 1 || !first.good || w.state.Schema.Column(first.fields[0]) != nil {
			return 0, nil
		}
	}
	lines, _ = titles(records)
	if lines > 0 {
		f.title = records[0].fields[0]
	}
	return lines, nil
}

// separator is the delimiter that the first line names, as Excel reads it: sep=; or "sep=;".
func separator(line []byte) string {
	text := strings.ToLower(strings.Trim(strings.TrimRight(string(bytes.TrimPrefix(line, bom)), "\r"), `"`))
	if delim, ok := strings.CutPrefix(text, "sep="); ok && len(delim) == 1 {
		return delim
	}
	return ""
}

// reportTitles tells of the lines that are passed over.
func (w *work) reportTitles() {
	titled := slices.DeleteFunc(slices.Clone(w.files), func(f *file) bool { return f.title == "" })
	if len(titled) == 0 {
		return
	}
	f, others := titled[0], ""
	if n := len(titled) - 1; n > 0 {
		others = ", and likewise in " + counted(n, "other file")
	}
	w.notice("lines_skipped", f.rel, fmt.Sprintf("file %s: what stands before its header is passed over (%s, the first is %s)%s; declare csv: {skip: %d} to settle it for all files, or skip: 0 to read it",
		records.Shown(f.rel), counted(f.above, "line"), records.Shown(shortened(f.title)), others, f.above))
}

// head is the decoded beginning of a file.
func (w *work) head(f *file) ([]byte, error) {
	t, err := w.openCSV(f)
	if err != nil {
		return nil, err
	}
	head, err := io.ReadAll(io.LimitReader(t.Reader, detectBytes))
	return head, t.finish(err)
}

// detect chooses the dialect that makes most of the records have the same number of fields.
func (o CSV) detect(head []byte) dialect {
	d := dialect{Header: true, Quote: `"`, Comment: o.Comment}
	if o.Quote != nil {
		d.Quote = *o.Quote
	}
	d.Escape = d.Quote
	if o.Escape != nil {
		d.Escape = *o.Escape
	}
	if o.Skip != nil {
		d.Skip = *o.Skip
		head = head[skipLines(head, d.Skip):]
	} else if line := head[:skipLines(head, 1)]; separator(bytes.TrimRight(line, "\r\n")) != "" {
		d.Delimiter, head = separator(bytes.TrimRight(line, "\r\n")), head[len(line):]
	}
	if d.Delimiter == "" || o.Delimiter != "" {
		d.Delimiter = o.delimiter(head, d)
	}
	records := readHead(head, d)
	if o.Quote == nil && singleQuoted(records) {
		d.Quote, d.Escape = "'", "'"
		records = readHead(head, d)
	}
	if o.Escape == nil && bytes.Contains(head, []byte(`\`+d.Quote)) {
		other := d
		other.Escape = `\`
		if again := readHead(head, other); broken(again) < broken(records) {
			d, records = other, again
		}
	}
	if o.Skip == nil {
		d.Skip, records = titles(records)
	}
	if o.Header == nil {
		d.Header = hasHeader(records)
	}
	return d
}

// headRecord is a record of the head, with its fields as texts: lenient ones where it is no good.
type headRecord struct {
	line   int
	fields []string
	good   bool
}

// readHead reads the first records, without the last one where it may be cut off.
func readHead(head []byte, d dialect) []headRecord {
	r := newCSVReader(bufio.NewReader(bytes.NewReader(head)), d)
	var out []headRecord
	for len(out) < detectRecords {
		rec, err := r.next()
		if rec == nil || err != nil {
			break
		}
		out = append(out, headRecord{int(rec.line), r.lenientFields(rec), rec.reason == ""})
	}
	if len(head) == detectBytes && len(out) > 1 {
		out = out[:len(out)-1]
	}
	return out
}

func broken(records []headRecord) (n int) {
	for _, r := range records {
		if !r.good {
			n++
		}
	}
	return n
}

// singleQuoted says whether half of the records have a field in single quotes, and none has a double one.
func singleQuoted(records []headRecord) bool {
	enclosed := 0
	for _, r := range records {
		if slices.ContainsFunc(r.fields, func(f string) bool { return strings.Contains(f, `"`) }) {
			return false
		}
		if slices.ContainsFunc(r.fields, func(f string) bool { return len(f) > 1 && f[0] == '\'' && f[len(f)-1] == '\'' }) {
			enclosed++
		}
	}
	return enclosed > 0 && 2*enclosed >= len(records)
}

// titles finds lines of one field before records that have more, as reports have them: how many lines stand before the
// header, and the records from there on. One word is no title unless there are numbers or the like below the names: it
// may be the name of the only column.
func titles(records []headRecord) (lines int, rest []headRecord) {
	i := slices.IndexFunc(records, func(r headRecord) bool { return len(r.fields) > 1 || !r.good })
	if i <= 0 || 2*i > len(records) {
		return 0, records
	}
	rest = records[i:]
	split := 0
	for _, r := range rest {
		if len(r.fields) > 1 {
			split++
		}
	}
	if 2*split < len(rest) || i == 1 && oneWord(records[0].fields[0]) && !typedBelow(rest) {
		return 0, records
	}
	return rest[0].line - 1, rest
}

func oneWord(text string) bool { return !strings.ContainsAny(strings.TrimSpace(text), " \t:") }

// typedBelow says whether the first record holds names, with values below at least one of them that are no texts.
func typedBelow(records []headRecord) bool {
	for i := range records[0].fields {
		if name, below := columnOf(records, i); isText(name) && below.Seen() && !isText(below) {
			return true
		}
	}
	return false
}

// columnOf is what stands in a column: in its first record, and below it.
func columnOf(records []headRecord, i int) (first, below values.Guess) {
	first.Text([]byte(records[0].fields[i]))
	for _, r := range records[1:] {
		if i < len(r.fields) && r.fields[i] != "" {
			below.Text([]byte(r.fields[i]))
		}
	}
	return first, below
}

// hasHeader says whether the first record holds names. It does not when it has a number, date or the like, and no text
// stands above one.
func hasHeader(records []headRecord) bool {
	if len(records) == 0 {
		return true
	}
	if typedBelow(records) {
		return true
	}
	return !slices.ContainsFunc(records[0].fields, func(name string) bool {
		var g values.Guess
		g.Text([]byte(name))
		return !isText(g)
	})
}

// skipLines returns where the text begins behind so many lines.
func skipLines(head []byte, lines int) int {
	at := 0
	for range lines {
		i := bytes.IndexByte(head[at:], '\n')
		if i < 0 {
			return len(head)
		}
		at += i + 1
	}
	return at
}

// isText says whether a guess is that of a text.
func isText(g values.Guess) bool { return !g.Seen() || g.Type().Kind == schemas.Varchar }

// counted is a number with its noun.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// shortened cuts a text that is for a message.
func shortened(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
