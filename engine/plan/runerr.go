package plan

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/duckerr"
)

// QueryError says that DuckDB could not go on with a flow's query because of a value in the data: a cast that fails, a
// number that is too large. It is an error of the run, at a place in the user's file.
type QueryError struct {
	Message, Help string
	At            diag.Range
}

func (e *QueryError) Error() string { return e.Message + " (" + e.At.String() + ")" }

// Statement is the text that DuckDB parsed with a flow's query in it, in which it counts positions.
type Statement struct {
	Flow *Flow
	Text string
}

// noCast is a cast that DuckDB does not have.
var noCast = regexp.MustCompile(`^Unimplemented type for cast \((.+) -> (.+?)\)`)

// RunError makes an error of DuckDB that came up while the flow ran readable. The statements are those in which the
// error may have come up: the one that held the flow's own query, and those of the views that it reads.
func (f *Flow) RunError(table string, err error, statements ...Statement) error {
	where := "table " + table + ", flow " + f.Name + ": "
	before, e := duckerr.Read(err)
	switch {
	case e == nil:
		return fmt.Errorf("%s%w", where, err)
	case readDuckError(err) == nil, duckerr.World(err):
		return errors.New(where + before + f.secrets.Hide(e.Plain()))
	}
	if t := f.declaredAt(e, statements); t != nil {
		return &QueryError{"table " + table + ", flow " + f.Name + ", column " + t.decl.Name + ": " + before + f.secrets.Hide(lowerFirst(strings.TrimRight(e.Plain(), "!. "))),
			"declare a type that holds the value; or write TRY_CAST(" + shortName(t.decl.Name) + " AS " + t.decl.Type +
				") in the query, which gives NULL where the cast fails, and let an expectation decide about the row; nothing of this batch is published", t.decl.At("type")}
	}
	message, help := lowerFirst(strings.TrimRight(e.Plain(), "!. ")), "put it into TRY(…), which gives NULL where it fails"
	if e.Type == "Conversion" {
		help = "write TRY_CAST(… AS type), which gives NULL where the cast fails"
	}
	if m := noCast.FindStringSubmatch(e.Message); m != nil && castHelp(m[1], m[2], "…") != "" {
		return &QueryError{where + before + f.secrets.Hide(message), castHelp(m[1], m[2], "…") + "; nothing of this batch is published", f.place(e, statements)}
	}
	return &QueryError{where + before + f.secrets.Hide(message), help + ", and let an expectation decide about the row; nothing of this batch is published",
		f.place(e, statements)}
}

// place is where the cast that failed stands in the user's file, as far as DuckDB tells, and otherwise where the flow
// does.
func (f *Flow) place(e *duckerr.Error, statements []Statement) diag.Range {
	found, at := 0, f.At
	for _, s := range statements {
		start := strings.Index(s.Text, s.Flow.sql)
		offset := e.Offset() - start
		if start < 0 {
			start = strings.Index(s.Text, s.Flow.inserted.into(s.Flow.sql))
			offset = s.Flow.inserted.back(e.Offset() - start)
		}
		if start >= 0 && s.Flow.casts[offset] {
			found, at = found+1, s.Flow.query.At(offset, castLength(s.Flow.sql, offset))
		}
	}
	if found == 1 {
		return at
	}
	return f.At
}

// declaredAt is the declared type that the cast which failed is to, nil where it is another cast.
func (f *Flow) declaredAt(e *duckerr.Error, statements []Statement) *declaredType {
	var found *declaredType
	for _, s := range statements {
		start, offset := strings.Index(s.Text, f.sql), e.Offset()
		if start < 0 {
			start = strings.Index(s.Text, f.inserted.into(f.sql))
		}
		switch {
		case offset < 0 || offset >= len(s.Text):
			continue
		case s.Flow != f || offset >= start:
			if s.Flow.casts[offset-strings.Index(s.Text, s.Flow.sql)] { // it may as well be this one
				return nil
			}
			continue
		}
		rest := strings.TrimPrefix(strings.TrimPrefix(s.Text[offset:], "CAST("), "CAST(")
		for i, t := range f.declared {
			if rest != s.Text[offset:] && strings.HasPrefix(rest, ident(t.decl.Name)+" AS ") {
				found = &f.declared[i]
			}
		}
	}
	return found
}

// castLength is the length of what is shown of a cast: :: with the type behind it, or the word CAST.
func castLength(sql string, offset int) int {
	if !strings.HasPrefix(sql[offset:], "::") {
		return tokenLength(sql, offset)
	}
	from := offset + 2 + len(sql[offset+2:]) - len(strings.TrimLeft(sql[offset+2:], " "))
	return from - offset + tokenLength(sql, from)
}
