package files

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// splitter finds the records of a file however they stand in it: on lines, over several lines, one behind the other, in arrays. A record that is
// broken ends where the next one seems to begin: at a line that is not indented more than its own and begins with a bracket, or, on its own line, at the next
// brace.
type splitter struct {
	in     *bufio.Reader
	offset int64 // of buf[0] in the file
	line   int64 // that buf[0] is on, from 1
	yield  func(record) bool

	buf     []byte // what was read and not yet handed out
	err     error  // of the reader; io.EOF at the end
	indent  int    // of the line that buf[0] is on
	fresh   bool   // nothing but space was on that line so far
	array   bool   // inside an array of records
	wants   bool   // an element must follow, as a comma was there
	stopped bool   // yield returned false
}

const (
	endsInside = "the file ends inside the record"
	notClosed  = "the record is not closed"
	noRecord   = "the record is not valid JSON"
	fillBytes  = 64 << 10
)

// has says whether there is a byte at buf[i], and reads on if need be.
func (s *splitter) has(i int) bool {
	for i >= len(s.buf) {
		if s.err != nil {
			return false
		}
		at := len(s.buf)
		s.buf = slices.Grow(s.buf, fillBytes)
		var n int
		n, s.err = s.in.Read(s.buf[at:cap(s.buf)])
		s.buf = s.buf[:at+n]
	}
	return true
}

// drop forgets buf[:n].
func (s *splitter) drop(n int) {
	for _, c := range s.buf[:n] {
		switch {
		case c == '\n':
			s.line++
			s.indent, s.fresh = 0, true
		case s.fresh && (c == ' ' || c == '\t'):
			s.indent++
		default:
			s.fresh = false
		}
	}
	s.offset += int64(n)
	s.buf = s.buf[n:]
}

func (s *splitter) read() error {
	s.fresh = true
	for !s.stopped {
		n := 0
		for s.has(n) && (s.buf[n] == ' ' || s.buf[n] == '\t' || s.buf[n] == '\r' || s.buf[n] == '\n') {
			if n++; n > fillBytes {
				s.drop(n)
				n = 0
			}
		}
		s.drop(n)
		if !s.has(0) {
			break
		}
		s.next(s.buf[0])
	}
	if !errors.Is(s.err, io.EOF) && s.err != nil {
		return s.err
	}
	if s.array && !s.stopped {
		s.hand(0, unclosed)
	}
	return nil
}

// next takes what begins with c.
func (s *splitter) next(c byte) {
	switch {
	case s.array && (c == ',' || c == ']'):
		if s.wants {
			s.hand(0, missing)
		}
		s.array, s.wants = c == ',', c == ','
		s.drop(1)
	case c == '[' && !s.array:
		s.array, s.wants = true, false
		if s.drop(1); s.nothingElse() {
			return
		}
	case c == '{' || c == '[':
		s.wants = false
		s.value()
	default:
		s.wants = false
		s.scalar(c)
	}
}

// nothingElse steps over a comma right behind the opening bracket of an array.
func (s *splitter) nothingElse() bool {
	n := 0
	for s.has(n) && s.buf[n] <= ' ' && n < fillBytes {
		n++
	}
	if s.has(n) && s.buf[n] == ',' {
		s.drop(n)
		s.wants = true
		return true
	}
	return false
}

// hand gives out buf[:n] as a record.
func (s *splitter) hand(n int, reason string) {
	raw := bytes.TrimRight(s.buf[:n], " \t\r\n")
	if reason == "" && len(raw) > maxRecord {
		reason = tooLong
	}
	if !s.yield(record{line: s.line, offset: s.offset, raw: raw, reason: reason}) {
		s.stopped = true
	}
	s.drop(n)
}

// scalar hands out what is neither object nor array: in an array an element, elsewhere the line, or stray brackets.
func (s *splitter) scalar(c byte) {
	n := 0
	if bytes.IndexByte([]byte("}],:"), c) >= 0 {
		for s.has(n) && bytes.IndexByte([]byte("}],: \t"), s.buf[n]) >= 0 && n < maxRecord && (!s.array || n == 0 || s.buf[n] != ']' && s.buf[n] != ',') {
			n++
		}
		s.hand(n, noRecord)
		return
	}
	quoted := false
	for ; s.has(n) && s.buf[n] != '\n' && n <= maxRecord; n++ {
		switch c := s.buf[n]; {
		case c == '\\' && quoted && s.has(n+1) && s.buf[n+1] != '\n':
			n++
		case c == '"':
			quoted = !quoted
		case s.array && !quoted && (c == ',' || c == ']'):
			s.hand(n, "")
			return
		}
	}
	s.hand(n, "")
}

// value hands out the object or array at buf[0].
func (s *splitter) value() {
	w := walk{}
	n := 0
	for ; s.has(n); n++ {
		if n > maxRecord {
			s.long(&w, n)
			return
		}
		switch w.step(s.buf[n]) {
		case ends:
			s.complete(n + 1)
			return
		case breaks:
			s.broken(n)
			return
		case nests:
			s.pass(n, tooDeep)
			return
		}
	}
	s.resume(n, endsInside)
}

// complete hands out a value whose brackets fit. One over several lines that makes no sense may be several broken ones.
func (s *splitter) complete(n int) {
	if bytes.IndexByte(s.buf[:n], '\n') >= 0 && utf8.Valid(s.buf[:n]) && jsonrecords.Valid(s.buf[:n]) != nil {
		if at := s.nextLine(n); at >= 0 {
			s.hand(at, notClosed)
			return
		}
	}
	s.hand(n, "")
}

// broken hands out a value whose brackets do not fit at buf[n].
func (s *splitter) broken(n int) {
	if at := bytes.IndexByte(s.buf[:n], '\n'); at < 0 && s.buf[n] != '\n' {
		for i := max(n, 1); s.has(i) && s.buf[i] != '\n' && i <= maxRecord; i++ {
			if s.buf[i] == '{' {
				s.hand(i, notClosed)
				return
			}
		}
	}
	s.resume(n, notClosed)
}

// resume hands out what is broken up to the line where the next record may begin. buf[:n] was looked at.
func (s *splitter) resume(n int, reason string) {
	if at := s.nextLine(n + 1); at >= 0 {
		s.hand(at, notClosed)
		return
	}
	s.pass(n, reason)
}

// pass hands out what is broken up to the next line behind buf[n] that may begin a record.
func (s *splitter) pass(n int, reason string) {
	for s.has(n) && n <= maxRecord { // on to the end of the line, line by line
		for s.has(n) && s.buf[n] != '\n' && n <= maxRecord {
			n++
		}
		if !s.has(n) || n > maxRecord {
			break
		}
		if s.begins(n + 1) {
			s.hand(n+1, reason)
			return
		}
		n++
	}
	if s.array && reason == endsInside && !s.has(n) {
		s.array, reason = false, unclosed
	}
	s.hand(min(n, len(s.buf)), reason)
}

// nextLine is where, before buf[n], a line begins that may begin a record; -1 when there is none.
func (s *splitter) nextLine(n int) int {
	for at := 0; ; {
		i := bytes.IndexByte(s.buf[at:min(n, len(s.buf))], '\n')
		if i < 0 {
			return -1
		}
		if at += i + 1; s.begins(at) {
			return at
		}
	}
}

// begins says whether the line at buf[at] may begin a record, or end the array.
func (s *splitter) begins(at int) bool {
	for i := at; i-at <= s.indent && s.has(i); i++ {
		switch c := s.buf[i]; c {
		case ' ', '\t':
		case '{', '[':
			return true
		default:
			return c == ']' && s.array
		}
	}
	return false
}

// long hands out the beginning of a value that is too long, and passes over the rest of it.
func (s *splitter) long(w *walk, n int) {
	r := record{line: s.line, offset: s.offset, raw: bytes.Clone(s.buf[:maxRaw]), reason: tooLong}
	for at := n; s.has(at); at++ {
		if at > fillBytes {
			s.drop(at)
			at = 0
		}
		switch w.step(s.buf[at]) {
		case ends:
			s.drop(at + 1)
			s.stopped = !s.yield(r)
			return
		case breaks, nests:
			s.drop(at)
			s.stopped = !s.yield(r)
			s.passLines()
			return
		}
	}
	s.drop(len(s.buf))
	s.stopped = !s.yield(r)
}

// passLines steps to the next line that may begin a record.
func (s *splitter) passLines() {
	for s.has(0) {
		n := 0
		for s.has(n) && s.buf[n] != '\n' && n < fillBytes {
			n++
		}
		s.drop(min(n+1, len(s.buf)))
		if s.fresh && s.begins(0) {
			return
		}
	}
}

// effect is what a byte means for a value.
type effect int

const (
	goesOn effect = iota
	ends          // it is the last one
	breaks        // it can't be there
	nests         // it opens too many levels
)

// walk follows the brackets and strings of one value. It knows of the grammar just what tells soon that a bracket is missing: texts end on
// their line, brackets are closed by their like, and values are opened where one can stand.
type walk struct {
	open    []byte // brackets
	quoted  bool
	escaped bool
	last    byte // the last one that is no space, outside of strings
}

func (w *walk) step(c byte) effect {
	if w.quoted {
		switch {
		case c == '\n':
			return breaks
		case w.escaped:
			w.escaped = false
		case c == '\\':
			w.escaped = true
		case c == '"':
			w.quoted = false
		}
		return goesOn
	}
	switch c {
	case ' ', '\t', '\r', '\n':
		return goesOn
	case '"':
		w.quoted = true
	case '{', '[':
		if !w.mayOpen() {
			return breaks
		}
		if len(w.open) == jsonrecords.MaxNested {
			return nests
		}
		w.open = append(w.open, c)
	case '}', ']':
		if w.open[len(w.open)-1] != c-2 {
			return breaks
		}
		if w.open = w.open[:len(w.open)-1]; len(w.open) == 0 {
			return ends
		}
	}
	w.last = c
	return goesOn
}

// mayOpen says whether a value can begin here.
func (w *walk) mayOpen() bool {
	if len(w.open) == 0 {
		return true
	}
	return w.last == ':' || w.open[len(w.open)-1] == '[' && (w.last == '[' || w.last == ',')
}
