package query

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// Dialect is the SQL that a query is written in.
type Dialect string

// The dialects: DuckDB's, and that of Spark and Databricks.
const (
	DuckDB Dialect = "duckdb"
	Spark  Dialect = "spark"
)

// describes finds statements that are the same in both dialects.
var describes = regexp.MustCompile(`^(?i)\s*(SHOW|DESCRIBE|DESC|SUMMARIZE)\b`)

// readSpark reads a query in Spark's dialect: it is translated first, and AS OF is read in DuckDB's text.
func readSpark(t *Tables, query string) (*Statement, error) {
	in := spark.Pipeline{Published: true, Parameters: map[string]string{}, Functions: map[string]bool{}}
	for _, v := range t.Pipeline.Parameters {
		in.Parameters[v.Name] = fmt.Sprint(v.Value)
	}
	for _, f := range t.Pipeline.Functions {
		in.Functions[strings.ToLower(f.Name)] = true
	}
	var diags diag.List
	q := spark.Translate(query, sqltext.WholeFile("query"), in, &diags)
	s := &Statement{Query: q.Query, names: &names{Tables: t, missing: map[string]string{}}}
	for _, named := range q.Tables {
		if len(named.Path) > 1 {
			s.tables = append(s.tables, named.Path)
		}
	}
	for _, d := range diags {
		if d.Severity == diag.Error {
			return nil, usagef("query: %s; %s%s", d.Message, d.Help, s.caret(d.Range.Start))
		}
	}
	if len(q.Relations) > 0 {
		return nil, fmt.Errorf("query: a query reads the pipeline's tables, and no other files%s", s.caret(q.Relations[0].Range.Start))
	}
	return s, s.travel(q.Query)
}

// travel makes a translated query the statement's, with relations in the place of AS OF, event_log(…) and
// table_changes(…).
func (s *Statement) travel(q *sqltext.Query) error {
	text, travels, back, err := sqltext.TimeTravel(q.Text)
	if err != nil {
		return &UsageError{err}
	}
	written := *q
	written.Text = text
	s.Query, s.travels, s.back = &written, travels, back
	return nil
}

// bind writes a translated query again until DuckDB binds it: some words depend on the types of what is read. A mistake
// of the query is found when it is run.
func (s *Statement) bind(ctx context.Context, db *duck.DB) error {
	if !s.Spark {
		return nil
	}
	if len(s.Macros) > 0 {
		if err := db.Exec(ctx, spark.Create(s.Macros, len(s.Text))); err != nil {
			return fmt.Errorf("make the functions that the query calls: %w", err)
		}
	}
	const before = "PREPARE __query AS "
	for {
		err := db.Exec(ctx, before+s.Text)
		next, ok := again(s.Query, err, func(offset int) int { return s.back(offset - len(before)) })
		if !ok {
			return ctx.Err()
		}
		if err := s.travel(next); err != nil {
			return err
		}
	}
}

// again is a translated query as it is to be written after an error of DuckDB, where that helps. at turns the offset in
// the statement into one of the query's text.
func again(q *sqltext.Query, err error, at func(int) int) (*sqltext.Query, bool) {
	_, e := duckerr.Read(err)
	if e == nil || q.Rewrite == nil {
		return nil, false
	}
	offset := e.Offset()
	if offset >= 0 {
		offset = at(offset)
	}
	return q.Rewrite(offset, e.Message)
}

// withSchemas makes the relations of tables that are named with a schema, or with a schema and a catalog: Spark's names
// are translated as one.
func (q *names) withSchemas(ctx context.Context, paths [][]string) error {
	for _, path := range paths {
		full := strings.Join(path, ".")
		name := q.published(full)
		if strings.EqualFold(name, full) || !fold(q.known, name) {
			continue // it is known by this name, or by none
		}
		if err := q.DB.Exec(ctx, fmt.Sprintf("CREATE OR REPLACE VIEW main.%s AS SELECT * FROM main.%s", quote.Name(full), quote.Name(name))); err != nil {
			return err
		}
		q.known = append(q.known, full)
	}
	return nil
}

// published is the name of a table of the pipeline that is named with its schema, or with a schema and a catalog; any
// other name stays as it is.
func (q *names) published(name string) string {
	parts := strings.Split(name, ".")
	for i := range parts {
		rest := strings.Join(parts[i:], ".")
		if fold(q.known, rest) && (i == 0 || i < len(parts)-1 || strings.EqualFold(parts[i-1], q.Pipeline.Target.Schema)) {
			return rest
		}
	}
	return name
}
