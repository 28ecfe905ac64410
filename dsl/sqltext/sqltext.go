// Package sqltext turns a query as the user wrote it into text for DuckDB: STREAM names become
// relations of the schema "__stream", STREAM CHANGES(names) of "__changes", ${parameters} become literals. It keeps the
// way back, so that an error at an offset of DuckDB's text is shown at the line and column of the user's file. It has a
// lexer, not a parser: DuckDB parses.
package sqltext

import (
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

// The DuckDB schemas whose relations are the new rows of a dataset, and the changes of a table.
const (
	StreamSchema  = "__stream"
	ChangesSchema = "__changes"
)

// Query is a query or expression in both spellings. Make one with New.
type Query struct {
	Raw  string // as written, after YAML
	Text string // for DuckDB
	// Streams are the names read through STREAM, in order, with where they stand; those of STREAM CHANGES too.
	Streams []Ref
	// Broken says that the query could not be read, which is reported: Text stands for it.
	Broken bool
	// Params are the parameters that were bound.
	Params []Ref
	// UsesMetadata is true when an identifier _metadata occurs.
	UsesMetadata bool
	// Spark is true of a query that was written in Spark's dialect. Text then calls Macros, of the schema spark.
	Spark  bool
	Macros []string
	// Rewrite gives the query as it has to be where DuckDB cannot bind it as it is: in a text that was translated, some
	// words depend on types. It is told what DuckDB says and of which offset of Text (-1: of none), and is false when
	// nothing can be done about it. It is nil for a text that was not translated.
	Rewrite func(offset int, message string) (*Query, bool)

	// Renames say which stretches of Raw name a relation by something else than its name in the pipeline.
	Renames []Rename

	pieces []piece // of Text, in order, without gaps
	origin Origin
}

// Rename is a stretch of a query's Raw, in bytes, and what to write in its place in the same dialect: the name that the
// relation has in the pipeline.
type Rename struct {
	Start, End int
	Text       string
}

// Renamed is the query as it is written in a file that has the names of the pipeline only.
func (q *Query) Renamed() string {
	renames := slices.Clone(q.Renames)
	slices.SortFunc(renames, func(a, b Rename) int { return a.Start - b.Start })
	var out strings.Builder
	at := 0
	for _, r := range slices.Compact(renames) { // what is written twice is named twice
		out.WriteString(q.Raw[at:r.Start])
		out.WriteString(r.Text)
		at = r.End
	}
	return out.String() + q.Raw[at:]
}

// Ref is a name in a query and where it stands.
type Ref struct {
	Name  string
	Range diag.Range
}

// Origin says where a text stands in a file. From each Mark the text runs on as in the file, one column per
// character, and a line break leads to column 1 of the next line; where that is not so, there is another Mark.
type Origin struct {
	File  string
	Marks []Mark // by Offset, the first at 0
}

// Mark ties a byte offset of a text to a place in its file.
type Mark struct {
	Offset int
	Pos    diag.Pos
}

// WholeFile is the Origin of a text that is all of a file.
func WholeFile(name string) Origin {
	return Origin{File: name, Marks: []Mark{{Pos: diag.Pos{Line: 1, Column: 1}}}}
}

// piece is a stretch of Text and the stretch of Raw that it stands for. A verbatim piece is the same bytes in both.
type piece struct {
	out, outLen int
	raw, rawLen int
	verbatim    bool
}

// At maps a stretch of Text, in bytes, to the user's file. With length 0 it is the token at the
// offset. A place inside a bound parameter or a rewritten STREAM maps to the whole of what the user wrote there.
func (q *Query) At(offset, length int) diag.Range {
	offset = min(max(offset, 0), len(q.Text))
	if length <= 0 {
		length = tokenLength(q.Text, offset)
	}
	length = min(length, len(q.Text)-offset)
	start, _ := q.rawAt(offset)
	_, end := q.rawAt(offset + max(length-1, 0))
	if length == 0 {
		end = start
	}
	return q.rawRange(start, max(end, start))
}

// Written is what the token at an offset of Text stands for in Raw.
func (q *Query) Written(offset int) string {
	if offset < 0 || offset >= len(q.Text) {
		return ""
	}
	start, _ := q.rawAt(offset)
	_, end := q.rawAt(offset + max(tokenLength(q.Text, offset), 1) - 1)
	return q.Raw[start:max(start, end)]
}

// rawAt gives the stretch of Raw that the byte at offset of Text comes from.
func (q *Query) rawAt(offset int) (start, end int) {
	i := sort.Search(len(q.pieces), func(i int) bool { return q.pieces[i].out+q.pieces[i].outLen > offset })
	if i == len(q.pieces) {
		return len(q.Raw), len(q.Raw)
	}
	p := q.pieces[i]
	if p.verbatim {
		at := p.raw + offset - p.out
		return at, at + 1
	}
	return p.raw, p.raw + p.rawLen
}

// rawRange is the place of Raw[start:end], widened to whole characters.
func (q *Query) rawRange(start, end int) diag.Range {
	for start > 0 && start < len(q.Raw) && !utf8.RuneStart(q.Raw[start]) {
		start--
	}
	for end < len(q.Raw) && !utf8.RuneStart(q.Raw[end]) {
		end++
	}
	return diag.Range{File: q.origin.File, Start: q.origin.pos(q.Raw, start), End: q.origin.pos(q.Raw, end)}
}

// dense adds marks, so that finding a place takes as long in a large text as in a small one.
func (o Origin) dense(text string) Origin {
	const stride = 512
	if len(text) <= stride || len(o.Marks) == 0 {
		return o
	}
	marks := make([]Mark, 0, len(o.Marks)+len(text)/stride)
	dense := Origin{File: o.File}
	for i, m := range o.Marks {
		end := len(text)
		if i+1 < len(o.Marks) {
			end = min(o.Marks[i+1].Offset, end)
		}
		marks = append(marks, m)
		for at := m.Offset + stride; at < end; at += stride {
			for at < end && !utf8.RuneStart(text[at]) {
				at++
			}
			dense.Marks = marks
			marks = append(marks, Mark{at, dense.pos(text, at)})
		}
	}
	dense.Marks = marks
	return dense
}

// pos is the place of a byte offset of the text that has this origin.
func (o Origin) pos(text string, offset int) diag.Pos {
	i := sort.Search(len(o.Marks), func(i int) bool { return o.Marks[i].Offset > offset }) - 1
	if i < 0 {
		return diag.Pos{}
	}
	m := o.Marks[i]
	between := text[min(m.Offset, len(text)):min(offset, len(text))]
	if n := strings.Count(between, "\n"); n > 0 {
		last := between[strings.LastIndexByte(between, '\n')+1:]
		return diag.Pos{Line: m.Pos.Line + n, Column: 1 + utf8.RuneCountInString(last)}
	}
	return diag.Pos{Line: m.Pos.Line, Column: m.Pos.Column + utf8.RuneCountInString(between)}
}
