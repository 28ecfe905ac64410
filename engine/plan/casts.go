package plan

import (
	"context"
	"strings"

	"github.com/lakeflow/lakeflow/engine/syntax"
)

// DuckDB binds a cast from a number to a time, or back, although it has none: it fails on the first row, and TRY_CAST
// gives NULL for all. Spark has such casts.

const (
	numberTypes = " TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT FLOAT DOUBLE DECIMAL "
	timeTypes   = " DATE TIME TIMESTAMP TIMESTAMP WITH TIME ZONE TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS "
)

// checkCasts reports such casts of columns and of what is computed between brackets. The type of what is cast is what
// DuckDB says that a function, which takes no such type, was called with.
func (c *compiler) checkCasts(ctx context.Context, f *flow) error {
	if f.query.Spark { // its casts are written with macros, or where the type is known
		return nil
	}
	for _, x := range f.facts.casts {
		to := x.To()
		probe, wrong := "monthname", numberTypes
		switch {
		case listed(numberTypes, to):
			probe, wrong = "sin", timeTypes
		case !listed(timeTypes, to):
			continue
		}
		start, end, ok := f.operand(x)
		if !ok {
			continue
		}
		_, err := c.describe(ctx, describePrefix+f.sql[:start]+probe+"("+f.sql[start:end]+")"+f.sql[end:])
		e := readDuckError(err)
		if err != nil && e == nil {
			return err
		}
		if e == nil || e.Subtype != "NO_MATCHING_FUNCTION" || !strings.HasPrefix(e.Call, probe+"(") {
			continue
		}
		from := strings.TrimSuffix(strings.TrimPrefix(e.Call, probe+"("), ")")
		name, _, _ := strings.Cut(from, "(")
		if listed(wrong, strings.TrimSuffix(name, "_LITERAL")) {
			c.diags.Errorf(codeBind, f.query.At(x.At(), castLength(f.sql, x.At())), castHelp(from, to, f.sql[start:end]), "%s: %s cannot be cast to %s",
				f.ds.name, typeWithArticle(strings.TrimSuffix(from, "_LITERAL")), to)
		}
	}
	return nil
}

// operand is where what is cast stands in the query.
func (f *flow) operand(x syntax.Cast) (start, end int, ok bool) {
	at := x.At()
	if at < 0 || at >= len(f.sql) {
		return 0, 0, false
	}
	switch from := x.From().(type) {
	case syntax.ColumnRef:
		if start = from.At(); start < 0 {
			return 0, 0, false
		}
		return start, start + tokenLength(f.sql, start), f.mayBe(from.Name(), x.To())
	case syntax.Function:
		if !strings.ContainsAny(from.Name(), "+-*/%") {
			return 0, 0, false
		}
	default:
		return 0, 0, false
	}
	open := strings.IndexByte(f.sql[at:], '(') + at
	if open < at || f.sql[at] == ':' {
		return 0, 0, false
	}
	shut := closing(f.sql, open)
	if shut < 0 {
		return 0, 0, false
	}
	as := strings.LastIndex(asciiLower(f.sql[open:shut]), " as ")
	return open + 1, open + max(as, 1), as > 0
}

// mayBe reports whether a column may be one whose type has no cast to another: most are texts, which need no look.
func (f *flow) mayBe(name, to string) bool {
	known := false
	for _, r := range f.refs {
		if col := r.visible().Column(name); col != nil {
			known = true
			from, _, _ := strings.Cut(col.Type.String(), "(")
			if listed(numberTypes, from) != listed(numberTypes, to) && (listed(numberTypes, from) || listed(timeTypes, from)) {
				return true
			}
		}
	}
	return !known
}

// castHelp says how to write a cast that DuckDB does not have.
func castHelp(from, to, what string) string {
	what = strings.TrimSpace(what)
	number := listed(numberTypes, strings.ToUpper(strings.SplitN(from, "(", 2)[0])) || strings.HasSuffix(from, "_LITERAL")
	number = number && listed(timeTypes, to)
	switch {
	case !number && !(listed(timeTypes, from) && listed(numberTypes, strings.SplitN(to, "(", 2)[0])):
		return ""
	case number && to == "DATE":
		return "write DATE '1970-01-01' + " + what + " where it counts days, CAST(to_timestamp(" + what + ") AS DATE) where it counts seconds"
	case number && to == "TIME":
		return "write CAST(to_timestamp(" + what + ") AS TIME) where it counts seconds since midnight"
	case number:
		return "write to_timestamp(" + what + ") where it counts seconds since 1970, epoch_ms(" + what + ") where milliseconds, make_timestamp(" + what + ") where microseconds"
	case from == "DATE":
		return "write date_diff('day', DATE '1970-01-01', " + what + ") for days, epoch(" + what + ") for seconds since 1970"
	}
	return "write epoch(" + what + ") for seconds, epoch_ms(" + what + ") for milliseconds, epoch_us(" + what + ") for microseconds"
}
