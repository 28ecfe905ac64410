package yamlfile

import (
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// source is a file's text with its lines, for going between byte offsets and lines and columns. It does so
// in about the same time however long the lines are.
type source struct {
	text  string
	lines []int // offset of each line
	chars []int // characters before each multiple of stride
}

const stride = 64

func newSource(text string) source {
	s := source{text: text, lines: []int{0}}
	chars := 0
	for i := range len(text) {
		if i%stride == 0 {
			s.chars = append(s.chars, chars)
		}
		if utf8.RuneStart(text[i]) {
			chars++
		}
		if text[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	s.chars = append(s.chars, chars)
	return s
}

// count is the number of characters before offset.
func (s source) count(offset int) int {
	block := offset / stride
	n := s.chars[block]
	for i := block * stride; i < offset; i++ {
		if utf8.RuneStart(s.text[i]) {
			n++
		}
	}
	return n
}

// line is a line, counted from 0, without its line break.
func (s source) line(i int) string { return s.text[s.lines[i]:s.lineEnd(s.lines[i])] }

// lineEnd is the offset of the end of the line that offset is on.
func (s source) lineEnd(offset int) int {
	if next := sort.SearchInts(s.lines, offset+1); next < len(s.lines) {
		return s.lines[next] - 1
	}
	return len(s.text)
}

// offset is the byte offset of a line and column, both counted from 1, and within the text.
func (s source) offset(line, column int) int {
	line = min(max(line, 1), len(s.lines))
	at := s.lines[line-1]
	end := s.lineEnd(at)
	want := s.count(at) + column - 1
	if block := sort.SearchInts(s.chars, want+1) - 1; block*stride > at {
		at = block * stride
	}
	for n := s.count(at); at < end && (n < want || !utf8.RuneStart(s.text[at])); at++ {
		if utf8.RuneStart(s.text[at]) {
			n++
		}
	}
	return min(at, end)
}

func (s source) pos(offset int) diag.Pos {
	i := sort.SearchInts(s.lines, offset+1) - 1
	return diag.Pos{Line: i + 1, Column: 1 + s.count(offset) - s.count(s.lines[i])}
}

func (s source) span(file string, start, end int) diag.Range {
	return diag.Range{File: file, Start: s.pos(start), End: s.pos(end)}
}

type style int

const (
	plain  style = iota
	single       // 'quoted'
	double       // "quoted"
	block        // | and >
)

// align finds where each part of a scalar's value stands in the file. start is where the scalar begins: its first
// character, its quote or its | or >. It also returns the offset where the scalar ends.
//
// YAML changes line breaks, indentation, quotes and escapes only. So both texts are walked side by side; a run of white
// space in one answers to a run of white space in the other, however long.
func (s source) align(file string, start int, st style, value string) (sqltext.Origin, int) {
	a := aligner{src: s, at: start, style: st, value: value, origin: sqltext.Origin{File: file}}
	switch st {
	case single, double:
		a.at = min(start+1, len(s.text))
	case block:
		a.at = min(s.lineEnd(start)+1, len(s.text))
	}
	a.walk()
	if st == single || st == double {
		a.at = min(a.at+1, len(s.text))
	}
	return a.origin, a.at
}

type aligner struct {
	src    source
	at     int // offset in the file
	style  style
	value  string
	v      int // offset in the value
	origin sqltext.Origin
	jumped bool // the file and the value do not run on together from the last mark
}

func (a *aligner) walk() {
	if a.style == block { // its indentation is not part of the value
		a.blanks()
	}
	a.jumped = true
	for a.v < len(a.value) && a.at < len(a.src.text) {
		c, n := utf8.DecodeRuneInString(a.value[a.v:])
		width := a.escape()
		switch {
		case c == ' ' || c == '\n' || c == '\t':
			a.mark()
			a.blanks()
		case width > 0:
			a.mark()
			a.v, a.at, a.jumped = a.v+n, a.at+width, true
		case strings.HasPrefix(a.src.text[a.at:], a.value[a.v:a.v+n]):
			a.mark()
			a.v, a.at = a.v+n, a.at+n
		case a.lineContinues():
		default: // not what YAML should have made of it: the rest maps to here
			a.jumped = true
			a.mark()
			return
		}
	}
	if len(a.origin.Marks) == 0 {
		a.mark()
	}
}

// mark notes the place where a new stretch begins.
func (a *aligner) mark() {
	if a.jumped {
		a.origin.Marks = append(a.origin.Marks, sqltext.Mark{Offset: a.v, Pos: a.src.pos(a.at)})
		a.jumped = false
	}
}

// blanks passes a run of white space in both texts.
func (a *aligner) blanks() {
	v, at := a.v, a.at
	for a.v < len(a.value) && strings.IndexByte(" \t\n\r", a.value[a.v]) >= 0 {
		a.v++
	}
	for a.at < len(a.src.text) {
		if strings.IndexByte(" \t\n", a.src.text[a.at]) >= 0 {
			a.at++
		} else if a.style != double || !a.blankEscape() {
			break
		}
	}
	if a.value[v:a.v] != a.src.text[at:a.at] || strings.Contains(a.value[v:a.v], "\n") {
		a.jumped = true
	}
	if a.v == len(a.value) && a.style == plain { // what follows a plain scalar is not part of it
		a.at = at
	}
}

// blankEscape passes \n, \t and the like, and a backslash at the end of a line.
func (a *aligner) blankEscape() bool {
	rest := a.src.text[a.at:]
	if len(rest) < 2 || rest[0] != '\\' || strings.IndexByte("nrt \t\n", rest[1]) < 0 {
		return false
	}
	a.at += 2
	return true
}

// lineContinues passes a backslash at the end of a line of a double-quoted text.
func (a *aligner) lineContinues() bool {
	if a.style != double || !strings.HasPrefix(a.src.text[a.at:], "\\\n") {
		return false
	}
	a.at += 2
	for a.at < len(a.src.text) && strings.IndexByte(" \t\n", a.src.text[a.at]) >= 0 {
		a.at++
	}
	a.jumped = true
	return true
}

// escape is the length of the escape sequence in the file here, 0 where there is none.
func (a *aligner) escape() int {
	rest := a.src.text[a.at:]
	switch {
	case a.style == single && strings.HasPrefix(rest, "''"):
		return 2
	case a.style != double || len(rest) < 2 || rest[0] != '\\' || rest[1] == '\n':
		return 0
	}
	length := map[byte]int{'x': 4, 'u': 6, 'U': 10}[rest[1]]
	return min(max(length, 2), len(rest))
}
