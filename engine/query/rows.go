package query

import (
	"context"
	"database/sql"

	"github.com/lakeflow/lakeflow/engine/duck"
)

// Values says as what the values of rows are given. DuckDB writes them, nested ones too.
type Values int

const (
	// Texts are values as DuckDB shows them.
	Texts Values = iota
	// JSON are values as JSON texts.
	JSON
)

// wrapping turns the values of a query into texts. It names nothing, so that columns may have any name; of two with one
// name, DuckDB numbers the second. The line break ends a comment.
func (v Values) wrapping() (before, after string) {
	if v == JSON {
		return "SELECT CAST(to_json(COLUMNS(*)) AS VARCHAR) FROM (", "\n)"
	}
	return "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (", "\n)"
}

// Rows are the rows that a query gives, one after another, for one goroutine. They hold the session until they are
// closed.
type Rows struct {
	rows    *sql.Rows
	columns []string
	values  []sql.NullString
	targets []any
	explain func(error) error
	err     error
}

// Run runs a query that is known to only read. Its errors, and those of the rows, are what explain makes of DuckDB's.
func Run(ctx context.Context, db *duck.DB, text string, values Values, explain func(error) error) (*Rows, error) {
	before, after := values.wrapping()
	rows, err := db.Conn().QueryContext(ctx, before+text+after)
	if err != nil {
		return nil, explain(err)
	}
	columns, err := rows.Columns()
	if err != nil {
		_ = rows.Close() // what went wrong is known
		return nil, explain(err)
	}
	r := &Rows{rows: rows, columns: columns, values: make([]sql.NullString, len(columns)), targets: make([]any, len(columns)), explain: explain}
	for i := range r.values {
		r.targets[i] = &r.values[i]
	}
	return r, nil
}

// Columns are the names of the columns.
func (r *Rows) Columns() []string { return r.columns }

// Next goes on to the next row. It is false behind the last one, and when something goes wrong, which Err tells.
func (r *Rows) Next() bool {
	if r.err != nil || !r.rows.Next() {
		return false
	}
	r.err = r.rows.Scan(r.targets...)
	return r.err == nil
}

// Values are those of the row, until the next call of Next.
func (r *Rows) Values() []sql.NullString { return r.values }

// Err says what went wrong before the last row was reached.
func (r *Rows) Err() error {
	err := r.err
	if err == nil {
		err = r.rows.Err()
	}
	if err == nil {
		return nil
	}
	return r.explain(err)
}

// Wrap has Err give what wrap makes of its errors.
func (r *Rows) Wrap(wrap func(error) error) {
	explain := r.explain
	r.explain = func(err error) error { return wrap(explain(err)) }
}

// Close gives the session back.
func (r *Rows) Close() error { return r.rows.Close() }
