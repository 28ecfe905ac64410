package sqlfile

import (
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

// source is the text of a file and the places in it.
type source struct {
	file, text string
	lines      []int // where each begins
	broken     []int // where texts, names and comments begin that have no end
	diags      *diag.List
	last       struct{ line, offset, column int } // the place that was asked for last, from which the next one is near
}

func newSource(file, text string, diags *diag.List) *source {
	s := &source{file: file, text: text, lines: []int{0}, diags: diags}
	for i := 0; i < len(text); i++ {
		if text[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	s.last.column = 1
	return s
}

// pos is the place of a byte of the text. In a file of one long line it is found from the one before.
func (s *source) pos(offset int) diag.Pos {
	line := sort.Search(len(s.lines), func(i int) bool { return s.lines[i] > offset }) - 1
	last := &s.last
	if last.line != line {
		last.line, last.offset, last.column = line, s.lines[line], 1
	}
	if offset >= last.offset {
		last.column += utf8.RuneCountInString(s.text[last.offset:offset])
	} else {
		last.column -= utf8.RuneCountInString(s.text[offset:last.offset])
	}
	last.offset = offset
	return diag.Pos{Line: line + 1, Column: last.column}
}

func (s *source) span(start, end int) diag.Range {
	return diag.Range{File: s.file, Start: s.pos(start), End: s.pos(max(start, end))}
}

// cell is a stretch of a file that a statement does not reach beyond: a cell of a notebook, or all of a file.
type cell struct{ start, end int }

const (
	cellMark  = "-- COMMAND ----------"
	magicMark = "-- MAGIC"
)

// cells cuts the file at the marks between the cells of a notebook.
func (s *source) cells() []cell {
	var cells []cell
	start := 0
	for i, begin := range s.lines {
		end := len(s.text)
		if i+1 < len(s.lines) {
			end = s.lines[i+1]
		}
		if strings.TrimSpace(s.text[begin:end]) == cellMark {
			cells = append(cells, cell{start, begin})
			start = end
		}
	}
	return append(cells, cell{start, len(s.text)})
}

// languages are what cells of other languages begin with, as a message calls them.
var languages = map[string]string{"%python": "a cell in Python", "%scala": "a cell in Scala", "%r": "a cell in R",
	"%sh":  "a cell of shell commands",
	"%run": "the notebook that %run names", "%pip": "pip", "%fs": "a cell of %fs"}

// uncover puts spaces in the place of -- MAGIC and %sql in cells in SQL, so that they are read like others and all of
// it stays in its place. So it does with all of the cells of other languages, which are no part of the pipeline.
func (s *source) uncover(cells []cell) {
	if !strings.Contains(s.text, "%") {
		return
	}
	text := []byte(s.text)
	for _, c := range cells {
		s.magic(c, text)
	}
	s.text = string(text)
}

// magic does so in one cell, if it begins with a % command, behind -- MAGIC or bare.
func (s *source) magic(c cell, text []byte) {
	blank := func(start, end int) {
		for i := start; i < end; i++ {
			if text[i] != '\n' {
				text[i] = ' '
			}
		}
	}
	first, sql := true, false
	for at := c.start; at < c.end; {
		line, _, _ := strings.Cut(s.text[at:c.end], "\n")
		rest, behind := strings.CutPrefix(line, magicMark)
		rest = strings.TrimSpace(rest)
		switch {
		case rest == "" || !behind && strings.HasPrefix(line, "--"):
		case first && !strings.HasPrefix(rest, "%"):
			return
		case first:
			command, _, _ := strings.Cut(rest, " ")
			first, sql = false, command == "%sql"
			if !sql {
				s.otherLanguage(command, at, at+len(line))
				blank(c.start, c.end)
				return
			}
			blank(at, at+strings.Index(line, command)+len(command))
		case behind:
			blank(at, at+len(magicMark))
		}
		at += len(line) + 1
	}
}

func (s *source) otherLanguage(command string, at, end int) {
	if name, found := languages[command]; found {
		s.diags.Warnf("LF0507", s.span(at, end), "declare in SQL what the pipeline needs of it, or remove the cell",
			"%s is not run: the pipeline is made of the SQL", name)
	}
}
