package files

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// dialect is how CSV files are written. It is declared, or detected from the first file and remembered.
type dialect struct {
	Header    bool   `json:"header"`
	Delimiter string `json:"delimiter"`
	Quote     string `json:"quote"`
	Escape    string `json:"escape"`
	// Skip is how many lines stand before the header, blank ones aside, of all files when that is declared. It is not
	// remembered.
	Skip int `json:"-"`
	// The following are never detected.
	Comment     string `json:"-"`
	NullPadding bool   `json:"-"`
}

// Why a CSV record is no good, beside the reasons for JSON records.
const (
	openQuote  = "a quote is opened and not closed"
	behindText = "something stands between a closing quote and the next delimiter"
)

// windowStep is how much of a file is read at once, and tooWide the length from which a record is not left to DuckDB.
const (
	windowStep = 256 << 10
	tooWide    = 1 << 20
)

// csvRecord is one record. Its slices are good until the next one is read.
type csvRecord struct {
	line, offset int64 // the line it begins in, from 1; the byte it begins at
	lines        int   // of the file that it takes
	raw          []byte
	fields       [][]byte
	reason       string // why it is no good; it has no fields then
	// odd says that another reader may take the record for something else.
	odd bool
	// inner says that there is a quote inside of a field that does not begin with one.
	inner bool
}

// csvReader splits a CSV file into records by RFC 4180, in the file's dialect: a quote is one at the beginning of a
// field only, and what follows the closing one is a delimiter or the line's end. What breaks these rules costs one
// line: reading goes on with the next. Line ends are \n or \r\n; or \r, in files that begin with no other. It is used
// by one goroutine.
//
// A quote that was opened by mistake is told by the next one, which is that of a later field: text follows it. Only
// where the next one was closed by mistake too, or begins a field like ",", do the two look like a field of several
// lines. Where that makes a record of the right number of fields it is one, whatever its lines look like: so says RFC
// 4180, and a text may well hold the lines of a table. Where it does not, the lines are records when each of them has
// the right number of fields.
type csvReader struct {
	in            *bufio.Reader
	delim         []byte
	quote, escape byte // 0: none
	comment       byte
	eol           byte
	padding       bool
	// want is how many fields a record must have; 0 while that is not known.
	want int
	// decoded says that the file has another encoding: what is no UTF-8 could not be decoded.
	decoded bool

	// oddText says that what was passed over may be read otherwise: blank lines, and quotes before the header.
	oddText bool
	empty   int64 // bytes of empty lines
	ends    lineEnds
	// doubtful is the offset where a record ended that was cut after its first line: a quote inside of a field before
	// it may be that record's.
	doubtful int64

	window  []byte // what was read and not handed out yet begins at pos
	pos     int
	base    int64 // offset of window[0] in the text
	line    int64 // of the next record
	ended   error // io.EOF, or why reading has failed
	rec     csvRecord
	scratch []byte // fields without their escapes
}

// lineEnds are those that a text has.
type lineEnds byte

const (
	newline   lineEnds = 1 << iota // \n
	crlf                           // \r\n
	mixedEnds = newline | crlf
)

// newCSVReader begins at the beginning of the text, behind a byte order mark.
func newCSVReader(in *bufio.Reader, d dialect) *csvReader {
	r := &csvReader{in: in, delim: []byte(d.Delimiter), line: 1, eol: '\n', padding: d.NullPadding}
	first := func(s string) byte {
		if s == "" {
			return 0
		}
		return s[0]
	}
	r.quote, r.escape, r.comment = first(d.Quote), first(d.Escape), first(d.Comment)
	r.fill()
	if bytes.HasPrefix(r.window, bom) {
		r.pos = len(bom)
	}
	if head := r.window[r.pos:]; bytes.IndexByte(head, '\n') < 0 && bytes.IndexByte(head, '\r') >= 0 && len(head) > 0 {
		r.eol = '\r'
	}
	return r
}

// fill reads more, and says whether there was more.
func (r *csvReader) fill() bool {
	if r.ended != nil {
		return false
	}
	if r.pos > 0 && (r.pos > len(r.window)/2 || cap(r.window)-len(r.window) < windowStep) {
		r.base += int64(r.pos)
		r.window = r.window[:copy(r.window, r.window[r.pos:])]
		r.pos = 0
	}
	if need := len(r.window) + windowStep; cap(r.window) < need {
		grown := make([]byte, len(r.window), max(need, 2*cap(r.window)))
		copy(grown, r.window)
		r.window = grown
	}
	// Not by io.ReadFull: it has io.ErrUnexpectedEOF for the end of the text, which is what a decompressor says of one
	// that is cut off.
	before := len(r.window)
	for end := before + windowStep; r.ended == nil && len(r.window) < end; {
		n, err := r.in.Read(r.window[len(r.window):end])
		r.window, r.ended = r.window[:len(r.window)+n], err
	}
	return len(r.window) > before
}

// endIn returns where the first line end of a text is, or -1. Where \r is one, \n is one too: the beginning of the file
// does not tell what is behind it.
func (r *csvReader) endIn(text []byte) int {
	i := bytes.IndexByte(text, r.eol)
	if r.eol == '\r' {
		if i >= 0 {
			text = text[:i]
		}
		if other := bytes.IndexByte(text, '\n'); other >= 0 {
			return other
		}
	}
	return i
}

// ending returns how long the line end at pos+at is, but for the \r before a \n.
func (r *csvReader) ending(at int) int {
	if r.window[r.pos+at] == '\r' && r.peek(at+1) == '\n' {
		return 2
	}
	return 1
}

// breaks counts the line ends of a text.
func (r *csvReader) breaks(text []byte) int {
	n := bytes.Count(text, []byte{r.eol})
	if r.eol == '\r' {
		n += bytes.Count(text, []byte("\n")) - bytes.Count(text, []byte("\r\n"))
	}
	return n
}

// lineEnd returns how long the line at pos+from is, with and without its end. Of lines longer than maxRecord not all is
// there.
func (r *csvReader) lineEnd(from int) (length, size int) {
	for looked := from; ; {
		if i := r.endIn(r.window[r.pos+looked:]); i >= 0 {
			i += looked
			size = i - from + r.ending(i)
			if r.eol == '\n' && i > from && r.window[r.pos+i-1] == '\r' {
				i--
			}
			return i - from, size
		}
		looked = len(r.window) - r.pos
		if looked-from > maxRecord || !r.fill() {
			n := len(r.window) - r.pos - from
			return n, n
		}
	}
}

// next reads a record, or returns nil at the end of the text and with an error. Blank lines and comments are passed
// over.
func (r *csvReader) next() (*csvRecord, error) {
	for {
		r.skipEmpty()
		length, size := r.lineEnd(0)
		if size == 0 {
			if errors.Is(r.ended, io.EOF) {
				return nil, nil
			}
			return nil, r.ended
		}
		line := r.window[r.pos : r.pos+length]
		if size > length {
			r.ends |= lineEnds(size - length)
		}
		switch {
		case length > maxRecord:
			return r.overlong(), nil
		case r.passedOver(line):
			r.step(size, 1)
			continue
		}
		r.rec = csvRecord{line: r.line, offset: r.base + int64(r.pos), raw: line, lines: 1, fields: r.rec.fields[:0],
			odd: length > tooWide || r.ends == mixedEnds || r.eol == '\r'}
		r.scratch = r.scratch[:0]
		if r.quote != 0 && bytes.IndexByte(line, r.quote) >= 0 {
			r.quoted(length, size)
		} else {
			r.plain(line, size)
		}
		r.judge()
		return &r.rec, nil
	}
}

// skipEmpty passes over the empty lines that are in the window, of which there may be very many. Those that it leaves
// are found by next.
func (r *csvReader) skipEmpty() {
	text := r.window[r.pos:]
	n, lines := 0, 0
	for ; n < len(text) && r.eol == '\n'; lines++ {
		if text[n] == '\n' {
			n++
			r.ends |= newline
		} else if text[n] == '\r' && n+1 < len(text) && text[n+1] == '\n' {
			n += 2
			r.ends |= crlf
		} else {
			break
		}
	}
	r.empty += int64(n)
	r.oddText = r.oddText || lines > 0 && r.want == 1 || r.empty > tooWide // DuckDB takes them for NULL, and stumbles over very many
	r.step(n, lines)
}

// passedOver says whether a line is no record: a blank one, or a comment.
func (r *csvReader) passedOver(line []byte) bool {
	switch {
	case len(line) == 0:
		r.oddText = r.oddText || r.want == 1 // DuckDB takes it for NULL
		return true
	case r.comment != 0 && line[0] == r.comment:
		return true
	case r.want == 1 || !blank(line) || bytes.Contains(line, r.delim):
		return false
	}
	r.oddText = true // DuckDB takes it for a record of one field
	return true
}

func (r *csvReader) step(size, lines int) {
	r.pos += size
	r.line += int64(lines)
}

// judge checks what holds for all records.
func (r *csvReader) judge() {
	rec := &r.rec
	switch {
	case rec.reason != "":
	case !utf8.Valid(rec.raw) && r.decoded:
		rec.reason = notDecoded
	case !utf8.Valid(rec.raw):
		rec.reason = badUTF8(rec.raw, rec.offset, "csv")
	case bytes.IndexByte(rec.raw, 0) >= 0:
		rec.odd = true
	}
	if rec.reason != "" {
		rec.fields = rec.fields[:0]
	}
}

// overlong hands out the beginning of a line that is longer than maxRecord.
func (r *csvReader) overlong() *csvRecord {
	r.rec = csvRecord{line: r.line, offset: r.base + int64(r.pos), lines: 1, fields: r.rec.fields[:0], reason: tooLong, odd: true,
		raw: bytes.Clone(r.window[r.pos : r.pos+maxRaw])}
	for {
		if i := r.endIn(r.window[r.pos:]); i >= 0 {
			r.step(i+r.ending(i), 1)
			return &r.rec
		}
		r.pos = len(r.window)
		if !r.fill() {
			r.line++
			return &r.rec
		}
	}
}

// plain reads a line without quotes.
func (r *csvReader) plain(line []byte, size int) {
	rec := &r.rec
	rec.fields = r.split(line, rec.fields)
	i := bytes.IndexByte(line, '\r')
	if i >= 0 && r.eol == '\n' {
		rec.odd = true
		if r.reasonOf(len(rec.fields)) != "" { // it may be a line end
			if head := r.split(line[:i], rec.fields[:0]); r.reasonOf(len(head)) == "" && !blank(line[:i]) {
				rec.raw, rec.fields = line[:i], head
				r.step(i+1, 0)
				return
			} else {
				rec.fields = r.split(line, rec.fields[:0])
			}
		}
	}
	rec.reason = r.reasonOf(len(rec.fields))
	r.step(size, 1)
}

// reasonOf is why a record of so many fields is no good.
func (r *csvReader) reasonOf(fields int) string {
	if r.want == 0 || fields == r.want || r.padding && fields < r.want {
		return ""
	}
	return "the record has " + strconv.Itoa(fields) + " fields where there are " + strconv.Itoa(r.want) + " columns"
}

// split cuts a line at its delimiters, whatever quotes are in it.
func (r *csvReader) split(line []byte, into [][]byte) [][]byte {
	for {
		var i int
		if len(r.delim) == 1 {
			i = bytes.IndexByte(line, r.delim[0])
		} else {
			i = bytes.Index(line, r.delim)
		}
		if i < 0 {
			return append(into, line)
		}
		into = append(into, line[:i])
		line = line[i+len(r.delim):]
	}
}

// quoted reads a record whose first line has quotes. When it breaks the rules it ends with that line, and also when it
// is no good and longer than what is kept of those.
func (r *csvReader) quoted(length, size int) {
	rec := &r.rec
	end, lines, reason := r.parse()
	closed := reason == ""
	all := bytes.TrimRight(r.window[r.pos:r.pos+end], "\r\n")
	if closed {
		reason = r.reasonOf(len(rec.fields))
	}
	switch {
	case reason != "" && lines > 1 && closed:
		closed = len(all) <= maxRaw && !r.areRecords(bytes.Split(all, []byte{r.eol}))
	case reason == "" && rec.inner && rec.offset < r.doubtful:
		reason = openQuote
	}
	if rec.reason = reason; closed {
		rec.raw, rec.lines = all, lines
		rec.odd = rec.odd || end > tooWide
		r.step(end, lines)
		return
	}
	rec.raw = r.window[r.pos : r.pos+length]
	r.doubtful = max(r.doubtful, r.base+int64(r.pos+end))
	r.step(size, 1)
}

// areRecords says whether each of the lines may be a record by its number of fields, whatever quotes are in it, and one
// behind the first has none.
func (r *csvReader) areRecords(lines [][]byte) bool {
	plain := false
	for i, line := range lines {
		if r.reasonOf(bytes.Count(line, r.delim)+1) != "" {
			return false
		}
		plain = plain || i > 0 && bytes.IndexByte(line, r.quote) < 0
	}
	return plain
}

// span is where a field is, from pos on; escaped fields are in scratch.
type span struct {
	from, to int
	scratch  bool
}

// parse reads one record at pos into rec.fields, over as many lines as its quoted fields have. end is behind the
// record's line end.
func (r *csvReader) parse() (end, lines int, reason string) {
	var spans []span
	at := 0
	for {
		var s span
		if r.peek(at) == int(r.quote) {
			s, at, reason = r.quotedField(at)
		} else {
			s, at = r.bareField(at)
		}
		if reason != "" {
			return at, 1, reason
		}
		spans = append(spans, s)
		if r.follows(at, r.delim) {
			at += len(r.delim)
			continue
		}
		break
	}
	for _, s := range spans {
		if s.scratch {
			r.rec.fields = append(r.rec.fields, r.scratch[s.from:s.to])
		} else {
			r.rec.fields = append(r.rec.fields, r.window[r.pos+s.from:r.pos+s.to])
		}
	}
	lines = 1 + r.breaks(r.window[r.pos:r.pos+at])
	_, size := r.lineEnd(at)
	return at + size, lines, ""
}

// peek returns the byte at pos+at, or -1 at the end.
func (r *csvReader) peek(at int) int {
	for r.pos+at >= len(r.window) {
		if !r.fill() {
			return -1
		}
	}
	return int(r.window[r.pos+at])
}

// follows says whether the text stands at pos+at.
func (r *csvReader) follows(at int, text []byte) bool {
	return r.peek(at+len(text)-1) >= 0 && string(r.window[r.pos+at:r.pos+at+len(text)]) == string(text)
}

// bareField reads up to the delimiter or line end. A quote in it is a character, and so is \r.
func (r *csvReader) bareField(at int) (span, int) {
	length, _ := r.lineEnd(at)
	field := r.window[r.pos+at : r.pos+at+length]
	if i := bytes.Index(field, r.delim); i >= 0 {
		field = field[:i]
	}
	r.rec.inner = r.rec.inner || bytes.IndexByte(field, r.quote) >= 0
	r.rec.odd = r.rec.odd || r.rec.inner || bytes.IndexByte(field, '\r') >= 0
	return span{from: at, to: at + len(field)}, at + len(field)
}

// quotedField reads the field that begins with the quote at at, and returns where what follows it is.
func (r *csvReader) quotedField(at int) (span, int, string) {
	start := at + 1
	s := span{from: start}
	from := start // what is not in scratch yet
	for i := start; ; i++ {
		rest := r.window[r.pos+i:]
		n := r.special(rest)
		if i += n; n == len(rest) {
			if i > maxRecord || !r.fill() {
				return s, i, openQuote
			}
			i--
			continue
		}
		if r.escape != 0 && r.window[r.pos+i] == r.escape && r.escapes(i) {
			if !s.scratch {
				s = span{from: len(r.scratch), scratch: true}
			}
			r.scratch = append(r.scratch, r.window[r.pos+from:r.pos+i]...)
			i++
			from = i
		} else if r.window[r.pos+i] == r.quote {
			s.to = i
			if s.scratch {
				r.scratch = append(r.scratch, r.window[r.pos+from:r.pos+i]...)
				s.to = len(r.scratch)
			}
			if length, _ := r.lineEnd(i + 1); length == 0 || r.follows(i+1, r.delim) {
				return s, i + 1, ""
			}
			return s, i + 1, behindText
		}
	}
}

// special returns where the next quote or escape is, or the length of the text.
func (r *csvReader) special(text []byte) int {
	n := len(text)
	if i := bytes.IndexByte(text, r.quote); i >= 0 {
		n = i
	}
	if r.escape != 0 && r.escape != r.quote {
		if i := bytes.IndexByte(text[:n], r.escape); i >= 0 {
			n = i
		}
	}
	return n
}

// escapes says whether the escape at i stands before a quote, or before itself.
func (r *csvReader) escapes(i int) bool {
	next := r.peek(i + 1)
	return next == int(r.quote) || r.escape != r.quote && next == int(r.escape)
}

// lenientFields are the fields of a record that is no good: split at the delimiters, without quotes. Headers are read
// so.
func (r *csvReader) lenientFields(rec *csvRecord) []string {
	var out []string
	if rec.reason == "" {
		for _, f := range rec.fields {
			out = append(out, string(f))
		}
		return out
	}
	for _, f := range r.split(rec.raw, nil) {
		out = append(out, strings.ReplaceAll(string(f), string(rune(r.quote)), ""))
	}
	return out
}
