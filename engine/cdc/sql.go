package cdc

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// batch is one call of Apply.
type batch struct {
	columns
	spec      Spec
	conn      *sql.Conn
	relations Relations
	prefix    string
	result    *Result
}

// The kinds of changes, in the order in which those of one sequence count.
const (
	truncateKind = "0"
	upsertKind   = "1"
	deleteKind   = "2"
)

// table names one of the batch's TEMP tables.
func (b *batch) table(name string) string { return "temp." + quote.Name(b.prefix+name) }

// create makes the table of that name. See fill for what stands for parts in query.
func (b *batch) create(ctx context.Context, name, query string, parts map[string]string) error {
	table := b.table(name)
	b.result.tables = append(b.result.tables, table)
	if _, err := b.conn.ExecContext(ctx, "CREATE TEMP TABLE "+quote.Name(b.prefix+name)+" AS "+b.fill(query, parts)); err != nil {
		return fmt.Errorf("apply changes (%s): %w", name, err)
	}
	return nil
}

// read scans the one row that a query gives.
func (b *batch) read(ctx context.Context, query string, parts map[string]string, into ...any) error {
	if err := b.conn.QueryRowContext(ctx, b.fill(query, parts)).Scan(into...); err != nil {
		return fmt.Errorf("apply changes: %w", err)
	}
	return nil
}

// fill puts parts into a query. ${temp.x} is the TEMP table x, and ${keys} the list of the keys.
func (b *batch) fill(query string, parts map[string]string) string {
	return os.Expand(query, func(name string) string {
		if table, found := strings.CutPrefix(name, "temp."); found {
			return b.table(table)
		}
		if name == "keys" {
			return list(b.keys, column(""))
		}
		return part(name, parts)
	})
}

// fill puts parts into a text.
func fill(text string, parts map[string]string) string {
	return os.Expand(text, func(name string) string { return part(name, parts) })
}

func part(name string, parts map[string]string) string {
	text, found := parts[name]
	if !found {
		panic("cdc: a query has ${" + name + "}, which nobody gives")
	}
	return text
}

// rankChanges copies the changes of the batch: of each key the last one first. __before is the sequence of the row
// before it, NULL for the first of a key; __again tells that the row is the same as the one before it.
func (b *batch) rankChanges(ctx context.Context) error {
	hash := ""
	if !b.spec.History && len(b.ignored) == 0 {
		hash = "(hash(" + list(b.all, hashed) + ") >> 1)::BIGINT AS __hash,"
	}
	err := b.create(ctx, "changes", `
SELECT *, ${hash} lag("__sequence") OVER __order AS __before, row_number() OVER __order > rank() OVER __order AS __again
FROM (
	SELECT ${columns}, "__sequence", CASE "__op" ${kinds} ELSE error('unknown __op: ' || coalesce("__op", 'NULL')) END AS __kind
	FROM ${changes} AS __c)
WINDOW __order AS (PARTITION BY ${key} ORDER BY "__sequence" DESC, __kind DESC, ${order})`,
		map[string]string{
			"changes": b.relations.Changes, "kinds": b.kinds(), "hash": hash,
			"columns": list(b.all, func(c schemas.Column) string {
				if b.keys.Column(c.Name) != nil {
					return quote.Name(c.Name)
				}
				return `CASE WHEN "__op" = 'upsert' THEN ` + quote.Name(c.Name) + " END AS " + quote.Name(c.Name)
			}),
			"key": b.partition(), "order": b.descending(),
		})
	if err != nil {
		return err
	}
	return b.read(ctx, "SELECT count(*), count(*) FILTER (__again) FROM ${temp.changes}", nil, &b.result.Changes, &b.result.Ignored)
}

// hashed returns what is hashed of a column. DuckDB's hash is the same for -0.0 and 0.0, for NULL and [], and for
// [[1], [2]] and [[1, 2]]; their texts differ.
func hashed(c schemas.Column) string {
	if c.Type.Kind >= schemas.Struct {
		return quote.Name(c.Name) + "::VARCHAR"
	}
	return strings.Join(exactly(quote.Name(c.Name), c.Type), ", ")
}

func (b *batch) kinds() string {
	kinds := "WHEN 'upsert' THEN " + upsertKind + " WHEN 'delete' THEN " + deleteKind
	if b.spec.Truncates {
		kinds += " WHEN 'truncate' THEN " + truncateKind
	}
	return kinds
}

// descending orders rows as rank does, the greatest first. Keys are there although they are equal: of rows that were
// ordered by a single struct, DuckDB gave 0.0 for -0.0 now and then.
func (b *batch) descending() string {
	return join(append(b.rest.Clone(), b.ignored...), ", ", func(c schemas.Column) string {
		if floats(c.Type) {
			return rank("", schemas.Table{c}) + " DESC"
		}
		return quote.Name(c.Name) + " DESC NULLS LAST"
	})
}

// partition is what windows are made of. A column that DuckDB sorts by has 0.0 for -0.0 afterwards; one that is part of
// what it sorts by stays as it is.
func (b *batch) partition() string {
	return list(b.keys, func(c schemas.Column) string {
		if floats(c.Type) {
			return "{'key': " + quote.Name(c.Name) + "}"
		}
		return quote.Name(c.Name)
	})
}

// exactly returns the expressions by which values are told apart and ordered. DuckDB holds -0.0 and 0.0 for
// equal, and -NaN and NaN, so that of floating-point numbers the text counts, too.
func exactly(value string, t schemas.Type) []string {
	switch {
	case t.Kind == schemas.Float || t.Kind == schemas.Double:
		return []string{value, "CASE WHEN " + value + " = 0 OR isnan(" + value + ") THEN " + value + "::VARCHAR END"}
	case floats(t):
		return []string{value, value + "::VARCHAR"}
	}
	return []string{value}
}

// floats reports whether there are floating-point numbers in values of a type.
func floats(t schemas.Type) bool {
	switch t.Kind {
	case schemas.Float, schemas.Double:
		return true
	case schemas.Struct:
		for _, f := range t.Fields {
			if floats(f.Type) {
				return true
			}
		}
	case schemas.List:
		return floats(*t.Elem)
	case schemas.Map:
		return floats(*t.Elem) || floats(*t.Key)
	}
	return false
}

// rank returns a struct of columns of relation from that compares as rows do: NULL is below every value.
func rank(from string, t schemas.Table) string {
	var fields []string
	for i, c := range t {
		value := from + quote.Name(c.Name)
		fields = append(fields, fmt.Sprintf("'n%d': %s IS NOT NULL", i, value))
		for j, e := range exactly(value, c.Type) {
			fields = append(fields, fmt.Sprintf("'v%d_%d': %s", i, j, e))
		}
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// givenValue returns a struct that compares as the values of a column of IgnoreNulls do: by sequence, then by value. It is
// NULL where the value is.
func givenValue(sequence, value string, t schemas.Type) string {
	fields := []string{"'sequence': " + sequence}
	for i, e := range exactly(value, t) {
		fields = append(fields, "'v"+strconv.Itoa(i)+"': "+e)
	}
	return "CASE WHEN " + value + " IS NOT NULL AND " + sequence + " IS NOT NULL THEN {" + strings.Join(fields, ", ") + "} END"
}

// givenBack returns the value that givenValue made a struct of. DuckDB's max gives 0.0 for -0.0; where these are
// not inside of another value, the text tells.
func givenBack(given string, t schemas.Type) string {
	if t.Kind == schemas.Float || t.Kind == schemas.Double {
		return "coalesce(struct_extract(" + given + ", 'v1')::" + t.String() + ", struct_extract(" + given + ", 'v0'))"
	}
	return "struct_extract(" + given + ", 'v0')"
}

// list writes columns as a list.
func list(t schemas.Table, write func(schemas.Column) string) string { return join(t, ", ", write) }

// join writes columns with something between them.
func join(t schemas.Table, between string, write func(schemas.Column) string) string {
	parts := make([]string, len(t))
	for i, c := range t {
		parts[i] = write(c)
	}
	return strings.Join(parts, between)
}

// column writes a column of the relation from, whose name ends in a dot.
func column(from string) func(schemas.Column) string {
	return func(c schemas.Column) string { return from + quote.Name(c.Name) }
}

// givenByBatch is what the batch gives to a column of IgnoreNulls, for each.
const givenByBatch = ", max(${given}) FILTER (__kind = 1) AS __given_${i}"

// each writes something for every column of IgnoreNulls: ${name} is the column and ${sequence_of} its sequence in the
// state, and ${value} the value of __value_${i}. Columns of TEMP tables have names with ${i}. What gives a value (see givenValue) is ${given} for a row of changes,
// ${change} for one of __c, ${stored} for one of __s, and ${stored_s} for the value of __r with the state of __s.
func (b *batch) each(format string) string {
	var out strings.Builder
	for i, c := range b.ignored {
		name, sequenceOf := quote.Name(c.Name), quote.Name(sequenceOf(c.Name))
		out.WriteString(fill(format, map[string]string{
			"i": strconv.Itoa(i), "name": name, "sequence_of": sequenceOf,
			"given":    givenValue(`"__sequence"`, name, c.Type),
			"change":   givenValue(`__c."__sequence"`, "__c."+name, c.Type),
			"stored":   givenValue(`__s."__sequence"`, "__s."+name, c.Type),
			"value":    givenBack("__value_"+strconv.Itoa(i), c.Type),
			"stored_s": givenValue("__s."+sequenceOf, "__r."+name, c.Type),
		}))
	}
	return out.String()
}
