// Package incremental refreshes materialized views from the changes of what they read. It is SQL over a *sql.Conn and
// knows nothing of files, lakes and plans: it is given a query and relations, and tells which rows of the stored view
// go and which ones come.
//
// The part of a query that is linear, which is FROM with joins, WHERE, the select list and UNION ALL, has signed
// changes: rows with a sign that make its old rows the new ones. The changes of A JOIN B are those of A joined with B
// as it is now, and A as it was joined with the changes of B. Where the rows of one side have a partner or not (outer,
// semi and anti joins, EXISTS, IN) those that lose their last partner or get their first one are added. On top of that:
//
//   - APPEND_ONLY: the changes are the new rows. Where rows were removed it does as ROW_BASED does.
//   - ROW_BASED: the changes are summed up by row, and as many equal rows leave the view or are added to it.
//   - GROUP_AGGREGATE: a hidden state has a row of partial values for each group. Counts and exact sums follow by
//     arithmetic. Minimums, maximums and floating-point sums do so when rows are added; a group that lost some is
//     computed anew from the input.
//   - GENERIC_AGGREGATE, WINDOW_FUNCTION, PARTITION_OVERWRITE: the rows of the touched keys are computed anew.
//   - COMPLETE_RECOMPUTE: everything else.
//
// Subqueries in expressions are constants: when one of their tables changes, or where
// the changes would cost as much, Result.Recompute says that the view is to be computed in full.
//
// An operator with keys that is not on top, such as a view that joins an aggregate, has changes too: its rows of the
// touched keys as they were, and as they are. That needs values that are the same whenever they are computed, which
// sums of floating-point numbers are not.
package incremental

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/engine/syntax"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// Class says how the value of a function comes about.
type Class int

// The classes of functions.
const (
	Pure      Class = iota // from its arguments alone
	Aggregate              // from many rows
	Unstable               // another one in another query: now(), random()
)

// Query is a view's query with what it reads.
type Query struct {
	SQL       string              // one SELECT in DuckDB's dialect; relations are named without schema, or with main
	Columns   schemas.Table       // of the stored view, in order; what SQL gives is cast to these types
	Relations map[string]Relation // by name, as in SQL
	Functions func(string) Class  // class of a function, by name in lower case
	Taken     string              // Technique.Taken of an earlier Analyze: the same statements need not be tried again
}

// Relation is a table, or a temporary view. Only tables have Columns.
type Relation struct {
	Columns    schemas.Table
	RowsChange bool   // rows of the table may go or change; otherwise it only gains some
	View       string // the view's query, which is inlined
}

// The techniques.
const (
	AppendOnly         = "APPEND_ONLY"
	RowBased           = "ROW_BASED"
	GroupAggregate     = "GROUP_AGGREGATE"
	GenericAggregate   = "GENERIC_AGGREGATE"
	WindowFunction     = "WINDOW_FUNCTION"
	PartitionOverwrite = "PARTITION_OVERWRITE"
	CompleteRecompute  = "COMPLETE_RECOMPUTE"
)

// The codes of issues, which are Databricks'.
const (
	AggregateNotTop      = "AGGREGATE_NOT_TOP_NODE"
	NotDeterministic     = "EXPRESSION_NOT_DETERMINISTIC"
	NotSupported         = "OPERATOR_NOT_SUPPORTED"
	NotIncrementalizable = "OPERATOR_NOT_INCREMENTALIZABLE"
	SubqueryExpression   = "SUBQUERY_EXPRESSION_NOT_INCREMENTALIZABLE"
	WindowNoPartition    = "WINDOW_WITHOUT_PARTITION_BY"
	TooCostly            = "INCREMENTAL_PLAN_REJECTED_BY_COST_MODEL" // of Result
)

// Issue says why there is no cheaper technique.
type Issue struct {
	Code    string
	Message string // a sentence
	View    string // the temporary view whose query has the place; empty for SQL
	At      int    // offset in bytes, -1 when it is not known
}

// Technique is how a view is refreshed. It is immutable, and may be used by several connections.
type Technique struct {
	Name   string
	Issues []Issue
	// State are the columns of the hidden state table beside the view, nil where none is needed.
	State schemas.Table
	// Taken is a hash of the technique's statements, and of DuckDB's version, which has taken them.
	Taken string

	query     Query
	full      string // SQL, with names in place of tables
	body      body
	constants map[string]Issue // of tables that must not change
	way       way
}

// way is what a technique does with the changes.
type way interface {
	apply(ctx context.Context, b *batch) error
}

// Inputs are table expressions by the name of a relation, of tables only. Added and Removed are what has changed since
// the view was last refreshed, as multisets: an update is a removed and an added row. A table that is missing there,
// or empty text, has no such changes. New tells of the table now, Old as it was; they are asked only for what is read,
// and their error is that of Apply.
type Inputs struct {
	New, Old       func(relation string) (string, error)
	Added, Removed map[string]string
	View, State    Stored
}

// Stored is a table as it is stored: rows with the columns of the view or the state, and with __file BIGINT and __row
// BIGINT, where a row is stored. Those that were removed are among them, and their places are in Removed; it is empty
// where there are none. Count is how many rows there are without these, 0 where that is not known.
type Stored struct {
	Rows, Removed string
	Count         int64
}

// matching joins the rows, called __v, with a relation, called __t, by JOIN or SEMI JOIN. Few are to be expected: they are
// found by what on compares alone, and the removed ones are taken out of them.
func (s Stored) matching(join, partner, on string) string {
	found := "SELECT * FROM " + s.Rows + " AS __v " + join + " " + partner + " AS __t ON (" + on + ")"
	if s.Removed != "" {
		found = "SELECT * FROM (" + found + ") ANTI JOIN " + s.Removed + ` AS __r USING ("__file", "__row")`
	}
	return "(" + found + ")"
}

// Result is what a batch of changes does. Its SELECTs read TEMP tables of the connection, until Drop, and inputs.
type Result struct {
	Technique               string // as Technique.Name, or cheaper or dearer for these changes
	RemoveView, RemoveState string // SELECTs of __file and __row, without repetitions; empty where nothing is removed
	AddView, AddState       string // SELECTs of the view's and the state's columns; empty where nothing is added
	// Recompute says why the view must be computed in full after all; empty otherwise.
	Recompute string
	Code      string // of the reason, where it has one

	tables []string
}

// Drop drops the TEMP tables of the result.
func (r *Result) Drop(ctx context.Context, conn *sql.Conn) error {
	var err error
	for _, t := range r.tables {
		if _, e := conn.ExecContext(ctx, "DROP TABLE IF EXISTS temp."+quote.Name(t)); e != nil {
			err = errors.Join(err, fmt.Errorf("drop the temporary tables of the refresh: %w", e))
		}
	}
	r.tables = nil
	return err
}

// Full returns the SELECTs of the view's rows and of the state's rows, all of them, from New alone. state is empty
// where there is none.
func (t *Technique) Full(in Inputs) (view, state string, err error) {
	c := &composer{in: in}
	view = t.query.stored(c.inputs(t.query, t.full))
	if g, ok := t.way.(*groups); ok {
		state = c.inputs(t.query, g.partials(c, now))
	}
	return view, state, c.err
}

// inputs puts the tables in the place of the names that stand for them.
func (c *composer) inputs(q Query, text string) string {
	for name, r := range q.Relations {
		if in := inputName(name); r.View == "" && strings.Contains(text, in) {
			table := c.read(c.in.New, name, now)
			text = strings.NewReplacer(quote.Name(in), table, in, table).Replace(text)
		}
	}
	return text
}

// stored casts the rows of a query to the view's columns.
func (q Query) stored(query string) string {
	return "SELECT " + list(q.Columns, func(i int, c schemas.Column) string {
		return fmt.Sprintf("CAST(__c%d AS %s) AS %s", i, c.Type, quote.Name(c.Name))
	}) + " FROM (" + query + ") AS __v(" + list(q.Columns, func(i int, _ schemas.Column) string {
		return fmt.Sprintf("__c%d", i)
	}) + ")"
}

// Apply computes what the changes do to the view. Its TEMP tables begin with prefix; the caller drops them with
// Result.Drop, Apply itself does so only when it fails.
func (t *Technique) Apply(ctx context.Context, conn *sql.Conn, in Inputs, prefix string) (*Result, error) {
	b := &batch{technique: t, conn: conn, prefix: prefix, c: &composer{in: in}, result: &Result{Technique: t.Name}}
	if t.way == nil {
		b.result.Recompute = "its technique is " + CompleteRecompute
		return b.result, nil
	}
	if b.result.Recompute = t.constantsChanged(b.c); b.result.Recompute != "" {
		b.result.Code = SubqueryExpression
		return b.result, nil
	}
	err := t.way.apply(ctx, b)
	r := b.result
	for _, query := range []*string{&r.RemoveView, &r.RemoveState, &r.AddView, &r.AddState} {
		*query = b.c.inputs(t.query, *query)
	}
	if b.c.err != nil {
		err = b.c.err
	}
	if err != nil {
		err = fmt.Errorf("refresh a view (%s): %w", t.Name, err)
		return nil, errors.Join(err, b.result.Drop(context.WithoutCancel(ctx), conn))
	}
	return b.result, nil
}

// batch is one call of Apply.
type batch struct {
	technique *Technique
	conn      *sql.Conn
	prefix    string
	c         *composer
	result    *Result
	binding   bool // nothing is changed, but all statements are to run
	composing bool // no statement is to run, but all are to be written into statements
	// statements are those that were composed, when binding.
	statements []string
}

// table names a TEMP table of the batch.
func (b *batch) table(name string) string { return "temp." + quote.Name(b.prefix+name) }

// longest is how many bytes a statement may have. A query within a query is written several times.
const longest = 1 << 20

// create makes a TEMP table of a query.
func (b *batch) create(ctx context.Context, name, query string) error {
	query = b.c.inputs(b.technique.query, query)
	switch {
	case b.c.err != nil:
		return b.c.err
	case b.composing:
		b.statements = append(b.statements, name, query)
		return nil
	case b.binding && len(query) > longest:
		return fmt.Errorf("the changes would be computed by %d KB of SQL", len(query)>>10)
	}
	b.result.tables = append(b.result.tables, b.prefix+name)
	_, err := b.conn.ExecContext(ctx, "CREATE OR REPLACE TEMP TABLE "+quote.Name(b.prefix+name)+" AS "+query)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// read reads the only row of a query over TEMP tables of the batch.
func (b *batch) read(ctx context.Context, query string, into ...any) error {
	if b.composing {
		b.statements = append(b.statements, query)
		return nil
	}
	return b.conn.QueryRowContext(ctx, query).Scan(into...)
}

// list joins what of says about each element.
func list[T any](all []T, of func(int, T) string) string { return joined(all, ", ", of) }

func joined[T any](all []T, with string, of func(int, T) string) string {
	texts := make([]string, len(all))
	for i, e := range all {
		texts[i] = of(i, e)
	}
	return strings.Join(texts, with)
}

// conjunction is true where all conditions are.
func conjunction(all []string) string {
	if len(all) == 0 {
		return "true"
	}
	return joined(all, " AND ", func(_ int, s string) string { return "(" + s + ")" })
}

// inputName stands for a table in SQL that is written once.
func inputName(relation string) string {
	return fmt.Sprintf("%s%x__", inputPrefix, strings.ToLower(relation))
}

const inputPrefix = "__input_"

// describe returns the names and types of a query's columns.
func describe(ctx context.Context, conn *sql.Conn, query string) (names, types []string, err error) {
	rows, err := conn.QueryContext(ctx, "SELECT column_name, column_type FROM (DESCRIBE "+query+")")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name, typ string
		if err := rows.Scan(&name, &typ); err != nil {
			return nil, nil, err
		}
		names, types = append(names, name), append(types, typ)
	}
	return names, types, rows.Err()
}

var _ syntax.Session = (*sql.Conn)(nil)
