package project

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// macros are the statements that make what the pipeline's queries call and DuckDB does not have: the pipeline's own
// functions, and those of Spark. They are empty where there are none. A query that is written again calls no others.
func macros(p *dsl.Pipeline) string {
	var called []string
	longest := 0
	add := func(q *sqltext.Query) {
		if q != nil {
			called = append(called, q.Macros...)
			longest = max(longest, len(q.Text))
		}
	}
	expression := func(all ...*dsl.Expression) {
		for _, x := range all {
			if x != nil {
				add(x.SQL)
			}
		}
	}
	for _, t := range p.Tables {
		for _, f := range t.Flows {
			add(f.SQL)
		}
		for _, e := range t.Expectations {
			add(e.Expect)
		}
		if cdc := t.AutoCDC; cdc != nil {
			expression(append(slices.Clone(cdc.SequenceBy), cdc.ApplyAsDelete, cdc.ApplyAsTruncate)...)
			if cdc.Snapshot != nil {
				expression(cdc.Snapshot.Version)
			}
		}
	}
	if len(called)+len(p.Functions) == 0 {
		return ""
	}
	slices.Sort(called)
	text := spark.Create(slices.Compact(called), longest)
	for _, f := range p.Functions {
		parameters := make([]string, len(f.Parameters))
		for i, name := range f.Parameters {
			parameters[i] = quote.Name(name)
		}
		text += fmt.Sprintf("CREATE OR REPLACE MACRO main.%s(%s) AS (\n%s\n);\n", quote.Name(f.Name), strings.Join(parameters, ", "), f.SQL.Text)
	}
	return text
}

// makeMacros makes them in a DuckDB.
func makeMacros(ctx context.Context, db *duck.DB, statements string) error {
	if statements == "" {
		return nil
	}
	if err := db.Exec(ctx, statements); err != nil {
		return fmt.Errorf("make the functions that queries call: %w", err)
	}
	return nil
}
