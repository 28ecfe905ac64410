package plan

import (
	"context"
	"database/sql"

	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/syntax"
)

// Inspection is what a text of SQL would do, found before DuckDB binds it: some functions do their work while they are
// bound.
type Inspection struct {
	Statements int             // how many it has; the rest is there for one that only reads
	Relations  []Named         // that it reads, without those that it makes itself
	Refused    []Refusal       // functions that it must not call
	Failed     *syntax.Refusal // DuckDB does not parse it, or not as a query
}

// Named is a relation in a query.
type Named struct {
	Catalog, Schema, Name string // as written; empty where not
	At                    int    // offset in bytes, -1 when it is not known
}

// Refusal is a function that a query must not call.
type Refusal struct {
	Message, Help string
	At            int // offset in bytes, -1 when it is not known
}

// Inspect has DuckDB parse a text. Of a PIVOT that finds its columns out for itself, which becomes several statements,
// DuckDB gives no syntax tree: it is looked at with some values for them. What has no tree even so has Failed. The
// error is a failure of the world.
func Inspect(ctx context.Context, conn *sql.Conn, text string) (*Inspection, error) {
	in, err := inspect(ctx, conn, text)
	if err != nil || in.Failed == nil || in.Failed.Syntax {
		return in, err
	}
	given, back, ok := sqltext.PivotColumns(text)
	if !ok {
		return in, nil
	}
	pivot, err := inspect(ctx, conn, given)
	if err != nil || pivot.Failed != nil || pivot.Statements != 1 {
		return in, err
	}
	for i := range pivot.Relations {
		pivot.Relations[i].At = back(pivot.Relations[i].At)
	}
	for i := range pivot.Refused {
		pivot.Refused[i].At = back(pivot.Refused[i].At)
	}
	return pivot, nil
}

func inspect(ctx context.Context, conn *sql.Conn, text string) (*Inspection, error) {
	parsed, err := syntax.Parse(ctx, conn, text)
	if err != nil {
		return nil, err
	}
	in := &Inspection{Statements: len(parsed.Statements), Failed: parsed.Refused}
	statement, ok := parsed.Only()
	if !ok {
		return in, nil
	}
	found := factsOf(text, statement)
	for _, t := range found.tables {
		in.Relations = append(in.Relations, Named{t.Catalog(), t.Schema(), t.Name(), t.At()})
	}
	reads, calls := found.barred(queryFunctions)
	for _, c := range append(reads, calls...) {
		in.Refused = append(in.Refused, refusal(c))
	}
	return in, nil
}

func refusal(c call) Refusal {
	if listed(barredFunctions, c.name) {
		return Refusal{"a query cannot call " + c.name + "()", callHelp(c.name), c.at}
	}
	return Refusal{"a query cannot read " + c.name + "()", "it reads the published tables and the pipeline's views; SHOW TABLES lists them", c.at}
}
