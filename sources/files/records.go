package files

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// Records longer than maxRecord are refused, as DuckDB does; of refused ones maxRaw bytes are kept.
const (
	maxRecord = 16 << 20
	maxRaw    = 1 << 20
)

// record is one JSON text as it stands in a file, in UTF-8. Raw is only good until the next one is read. Reason is set
// when it is known to be no good.
type record struct {
	line, offset int64 // the line, from 1, and the byte it starts at
	raw          []byte
	reason       string
}

const (
	tooLong    = "the record is longer than 16 MiB"
	tooDeep    = "the record nests more than 1000 levels deep"
	notDecoded = "the record has characters that are not valid in the file's encoding"
	unclosed   = "the file ends inside the array"
	afterward  = "something follows the end of the array"
	missing    = "an element of the array is missing"
)

// opens says whether the record begins as an object or array does.
func (r record) opens() bool {
	for _, c := range r.raw {
		if c > ' ' {
			return c == '{' || c == '['
		}
	}
	return false
}

// misplaced says whether the mistake is one of where records stand.
func (r record) misplaced() bool {
	return r.reason == unclosed || r.reason == afterward || r.reason == missing || r.reason == tooLong
}

// readRecords calls yield for every record of the file until it returns false. Records are split, not checked. An
// error means that the file can't be read.
func readRecords(path, encoding string, kind jsonKind, yield func(record) bool) (err error) {
	t, err := openEncoded(path, encoding)
	if err != nil {
		return err
	}
	defer func() { err = t.finish(err) }()
	start := int64(0)
	if t.skipBOM() {
		start = int64(len(bom))
	}
	checked := func(r record) bool {
		r.offset = t.origin(r.offset)
		if r.reason == "" && !utf8.Valid(r.raw) {
			if r.reason = notDecoded; decoders[encoding] == nil {
				r.reason = badUTF8(r.raw, r.offset, "json")
			}
		}
		if r.reason == "" && jsonrecords.NestsDeeper(r.raw, jsonrecords.MaxNested) {
			r.reason = tooDeep
		}
		return yield(r)
	}
	switch kind {
	case jsonLines:
		return readLines(t.Reader, start, checked)
	case jsonArray:
		return (&elements{in: t.Reader, offset: start, yield: checked}).read()
	}
	return (&splitter{in: t.Reader, offset: start, line: 1, yield: checked}).read()
}

// badUTF8 names the first byte that is no character, of a record that stands at the offset in a file of the format.
func badUTF8(raw []byte, offset int64, format string) string {
	at := 0
	for at < len(raw) {
		c, size := utf8.DecodeRune(raw[at:])
		if c == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return fmt.Sprintf("the record is not valid UTF-8: there is the byte 0x%02X at offset %d of the file; if the files are written so, declare %s: {encoding: latin-1}, or windows-1252",
		raw[at], offset+int64(at), format)
}

func readLines(in *bufio.Reader, offset int64, yield func(record) bool) error {
	var buf []byte
	for line := int64(1); ; line++ {
		text, size, err := readLine(in, &buf)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		r := record{line: line, offset: offset, raw: text}
		if size > maxRecord {
			r.reason = tooLong
		}
		if !blank(text) && !yield(r) {
			return nil
		}
		offset += size
		if err != nil {
			return nil
		}
	}
}

// readLine returns the next line without its end, cut at maxRecord, and its size in the file. buf is kept between
// calls.
func readLine(in *bufio.Reader, buf *[]byte) (line []byte, size int64, err error) {
	*buf = (*buf)[:0]
	for {
		part, err := in.ReadSlice('\n')
		size += int64(len(part))
		whole := err == nil || errors.Is(err, io.EOF)
		if whole && len(*buf) == 0 {
			return withoutEnd(part), size, err
		}
		if room := maxRecord - len(*buf); room > 0 {
			*buf = append(*buf, part[:min(room, len(part))]...)
		}
		if whole || !errors.Is(err, bufio.ErrBufferFull) {
			return withoutEnd(*buf), size, err
		}
	}
}

// withoutEnd cuts off line ends. It is called for every record, as is blank: both are ten times as fast as Trim of
// package bytes.
func withoutEnd(line []byte) []byte {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	return line
}

// blank says whether there is nothing but space in the line.
func blank(line []byte) bool {
	for _, c := range line {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

// elements splits a JSON array at the commas between its elements. It follows brackets and strings only, so that a
// malformed element does not hide the next ones.
type elements struct {
	in     *bufio.Reader
	offset int64
	number int64
	yield  func(record) bool

	buf      []byte
	started  int64 // offset of the element
	size     int64 // of the element, which may be longer than buf
	depth    int
	quoted   bool
	escaped  bool
	finished bool // the array was closed
}

func (e *elements) read() error {
	for {
		_, err := e.in.Peek(1)
		if errors.Is(err, io.EOF) {
			return e.end()
		}
		if err != nil {
			return err
		}
		part, _ := e.in.Peek(e.in.Buffered()) // what is there already
		if !e.take(part) {
			return nil
		}
		e.offset += int64(len(part))
		_, _ = e.in.Discard(len(part)) // it was peeked
	}
}

// take handles a part of the file and says whether to go on.
func (e *elements) take(part []byte) bool {
	from := 0 // where the part of the element begins
	for i, c := range part {
		switch {
		case e.quoted:
			switch {
			case e.escaped:
				e.escaped = false
			case c == '\\':
				e.escaped = true
			case c == '"':
				e.quoted = false
			}
		case e.finished:
		case c == '"':
			e.quoted = true
		case c == '[' || c == '{':
			if e.depth++; e.depth == 1 {
				from = i + 1 // the array itself
			}
		case c == ']' || c == '}':
			e.depth--
			e.finished = e.depth == 0
			fallthrough
		case c == ',':
			if e.depth == 0 || c == ',' && e.depth == 1 {
				e.add(part, from, i)
				if from = i + 1; !e.flush("", int64(i), e.finished && e.number == 0) {
					return false
				}
			}
		}
	}
	e.add(part, from, len(part))
	return true
}

// add takes part[from:to] into the element, without spaces before it.
func (e *elements) add(part []byte, from, to int) {
	if e.size == 0 {
		for from < to && part[from] <= ' ' {
			from++
		}
		e.started = e.offset + int64(from)
	}
	e.size += int64(to - from)
	if room := maxRecord - len(e.buf); room > 0 {
		e.buf = append(e.buf, part[from:min(to, from+room)]...)
	}
}

// flush ends an element; at is where in the part. Nothing at all between the brackets is an empty array; nothing
// between commas is a mistake.
func (e *elements) flush(reason string, at int64, mayBeEmpty bool) bool {
	if e.size == 0 && mayBeEmpty {
		return true
	}
	if e.size == 0 {
		e.started = e.offset + at
		reason = missing
	}
	if e.size > maxRecord {
		reason = tooLong
	}
	e.number++
	ok := e.yield(record{line: e.number, offset: e.started, raw: bytes.TrimRight(e.buf, " \t\r\n"), reason: reason})
	e.buf, e.size = e.buf[:0], 0
	return ok
}

// end is called at the end of the file.
func (e *elements) end() error {
	switch {
	case e.finished && e.size > 0:
		e.flush(afterward, 0, false)
	case !e.finished:
		e.number++
		if e.size == 0 {
			e.started = e.offset
		}
		e.yield(record{line: e.number, offset: e.started, raw: bytes.TrimRight(e.buf, " \t\r\n"), reason: unclosed})
	}
	return nil
}
