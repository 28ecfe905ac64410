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

// castLength is the length of what is shown of a cast: :: with the type behind it, or the word CAST.
func castLength(sql string, offset int) int {
	if !strings.HasPrefix(sql[offset:], "::") {
		return tokenLength(sql, offset)
	}
	from := offset + 2 + len(sql[offset+2:]) - len(strings.TrimLeft(sql[offset+2:], " "))
	return from - offset + tokenLength(sql, from)
}
