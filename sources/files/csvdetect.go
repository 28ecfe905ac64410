package files

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/values"
)

// detection looks at so many records of a file, in at most so many bytes.
const (
	detectRecords = 200
	detectBytes   = 4 << 20
)

// delimiters are those that are detected; of equal ones the first is taken.
var delimiters = []string{",", "\t", ";", "|"}

// detect finds out how the first file with something in it is written. What is declared is not detected.
func (c csvFormat) detect(w *work) *dialect {
	d := dialect{Header: true, Delimiter: ",", Quote: `"`, Escape: `"`}
	for _, f := range sample(w.files) {
		head, err := w.head(f)
		if err != nil || blank(bytes.TrimPrefix(head, bom)) {
			continue
		}
		d = w.src.cfg.CSV.detect(head)
		if d.Skip > 0 {
			w.notice("lines_skipped", f.rel, fmt.Sprintf("file %s: what stands before its header is passed over (%s); declare csv: {skip: %d} to settle it for all files, or skip: 0 to read it",
				shown(f.rel), counted(d.Skip, "line"), d.Skip))
		}
		return &d
	}
	return &d
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
	d := dialect{Header: true, Delimiter: ",", Quote: `"`, Comment: o.Comment}
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
	}
	d.Delimiter = o.delimiter(head, d)
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

// delimiter is the one that divides most of the records into the same number of fields, and of equal ones that which makes more of them.
func (o CSV) delimiter(head []byte, d dialect) string {
	if o.Delimiter != "" {
		return o.Delimiter
	}
	best, bestShare, bestFields := delimiters[0], 0, 1
	for _, delim := range delimiters {
		d.Delimiter = delim
		share, fields := usual(readHead(head, d))
		if fields > 1 && (share > bestShare || share == bestShare && fields > bestFields) {
			best, bestShare, bestFields = delim, share, fields
		}
	}
	return best
}

// usual is the number of fields that most of the records have, and how many percent have it.
func usual(records []headRecord) (share, fields int) {
	counts := map[int]int{}
	for _, r := range records {
		counts[len(r.fields)]++
	}
	for n, c := range counts {
		if c > counts[fields] || c == counts[fields] && n > fields {
			fields = n
		}
	}
	return 100 * counts[fields] / max(len(records), 1), fields
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

// titles finds lines of one field before records that have more, as reports have them: how many lines stand before the header, and the records from
// there on.
func titles(records []headRecord) (lines int, rest []headRecord) {
	_, fields := usual(records)
	if fields < 2 {
		return 0, records
	}
	for i, r := range records {
		if len(r.fields) > 1 || !r.good {
			if i == 0 {
				return 0, records
			}
			return r.line - 1, records[i:]
		}
	}
	return 0, records
}

// hasHeader says whether the first record holds names. It does not when it has a number, date or the like, and no text stands above one.
func hasHeader(records []headRecord) bool {
	if len(records) == 0 {
		return true
	}
	typed := false
	for i, name := range records[0].fields {
		var first, below values.Guess
		first.Text([]byte(name))
		for _, r := range records[1:] {
			if i < len(r.fields) && r.fields[i] != "" {
				below.Text([]byte(r.fields[i]))
			}
		}
		switch {
		case !isText(first):
			typed = true
		case below.Seen() && !isText(below):
			return true
		}
	}
	return !typed
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
