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

// splitter finds the records of a file however they stand in it: on lines, over several lines, one behind the other, in
// arrays. A record that is broken ends where the next one seems to begin: at a line that is not indented more than its
// own and begins with a bracket, or, on its own line, at the next brace.
type splitter struct {
	in     *bufio.Reader
	offset int64 // of buf[0] in the file
	line   int64 // that buf[0] is on, from 1
	yield  func(record) bool

	buf     []byte // what was read and not yet handed out
	err     error  // of the reader; io.EOF at the end
	indent  int    // of the line that buf[0] is on
	fresh   bool   // nothing but space was on that line so far
	ahead   *track // the one that was followed farthest, of what is broken
	spare   *track // to be used again
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
			s.passCommas()
			c = s.buf[0]
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

// passCommas steps over the commas at buf[0] but for the last one: a run of them is one mistake.
func (s *splitter) passCommas() {
	for n := 1; s.has(n) && n < fillBytes; n++ {
		switch c := s.buf[n]; {
		case c == ',':
			s.drop(n)
			n = 0
		case c > ' ':
			return
		}
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
	t, n, closed := s.follow()
	if closed {
		s.complete(t, n)
		return
	}
	e := goesOn
	for n <= maxRecord && s.has(n) {
		if e = t.step(s, n); e != goesOn {
			break
		}
		n++
	}
	s.leave(t, n, e == ends && len(t.lines) == 0)
	switch {
	case e == ends:
		s.complete(t, n+1)
	case e == breaks:
		s.broken(t, n)
	case e == nests:
		s.deep(t, n)
	case n > maxRecord:
		s.long(t, n)
	default:
		s.resume(t, n, endsInside)
	}
}

// complete hands out a value whose brackets fit. One over several lines that makes no sense may be several broken ones.
func (s *splitter) complete(t *track, n int) {
	if bytes.IndexByte(s.buf[:n], '\n') >= 0 && utf8.Valid(s.buf[:n]) && jsonrecords.Valid(s.buf[:n]) != nil {
		if at := t.nextLine(s, n); at >= 0 {
			s.hand(at, notClosed)
			return
		}
	}
	s.hand(n, "")
}

// broken hands out a value whose brackets do not fit at buf[n].
func (s *splitter) broken(t *track, n int) {
	if at := bytes.IndexByte(s.buf[:n], '\n'); at < 0 && s.buf[n] != '\n' {
		if i := s.nextBrace(max(n, 1)); i >= 0 {
			s.hand(i, notClosed)
			return
		}
	}
	s.resume(t, n, notClosed)
}

// nextBrace is where, from buf[n] to the end of the line, an object begins that ends on the line, or has members there;
// -1 when there is none.
func (s *splitter) nextBrace(n int) int {
	for ; s.has(n) && s.buf[n] != '\n' && n <= maxRecord; n++ {
		if s.buf[n] != '{' {
			continue
		}
		w, i, e := walk{}, n, goesOn
		for ; e == goesOn && s.has(i) && (s.buf[i] != '\n' || w.quoted) && i <= maxRecord; i++ {
			e = w.step(s.buf[i])
		}
		switch {
		case e == ends || e == goesOn && w.last != '{':
			return n
		case e == goesOn:
			return -1
		}
		n = max(n, i-2) // what breaks it may be the next one
	}
	return -1
}

// resume hands out what is broken up to the line where the next record may begin. buf[:n] was looked at.
func (s *splitter) resume(t *track, n int, reason string) {
	if at := t.nextLine(s, n+1); at >= 0 {
		s.hand(at, notClosed)
		return
	}
	s.pass(n, reason)
}

// deep hands out a value that opens too many levels at buf[n]. In an array they may be those of elements that are not
// closed.
func (s *splitter) deep(t *track, n int) {
	if s.array {
		s.resume(t, n, tooDeep)
		return
	}
	s.pass(n, tooDeep)
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

// begins says whether the line at buf[at] may begin a record, or end the array.
func (s *splitter) begins(at int) bool {
	_, ok := s.headAt(at)
	return ok
}

// headAt is how far the line at buf[at] is indented, which may begin a record or end the array.
func (s *splitter) headAt(at int) (indent int, ok bool) {
	for ; indent <= s.indent && s.has(at+indent); indent++ {
		switch c := s.buf[at+indent]; c {
		case ' ', '\t':
		case '{', '[':
			return indent, true
		default:
			return indent, c == ']' && s.array
		}
	}
	return indent, false
}

// long hands out the beginning of a value that is too long, and passes over the rest of it. In an array it may be an
// element that is not closed.
func (s *splitter) long(t *track, n int) {
	if at := t.nextLine(s, n); s.array && at >= 0 {
		s.hand(at, notClosed)
		return
	}
	w := &t.walk
	s.ahead = nil
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
