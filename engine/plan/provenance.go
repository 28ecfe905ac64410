package plan

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/syntax"
	"github.com/lakeflow/lakeflow/schemas"
)

// trace finds, for every flow each of whose rows is one row of its only input, the query that passes on where that row
// is from: the columns of schemas.Provenance. Users do not see them: not by *, and not in what they bind.
func (c *compiler) trace(ctx context.Context) error {
	for _, d := range c.ordered {
		if d.failed || d.doubtful {
			continue
		}
		for _, f := range d.flows {
			if err := c.traceFlow(ctx, f); err != nil {
				return err
			}
			if len(f.out.Provenance) > len(d.out.Provenance) {
				d.out.Provenance = f.out.Provenance
			}
		}
	}
	return nil
}

// provenance are those columns of schemas.Provenance of the entity's relations that are not always NULL.
func (e *entity) provenance() schemas.Table {
	switch {
	case e.dataset != nil:
		return e.dataset.out.Provenance
	case e.source.Options != nil:
		return schemas.Provenance(e.source.Options.Traits().Positions)
	}
	return nil
}

func (c *compiler) traceFlow(ctx context.Context, f *flow) error {
	if f.facts == nil || !f.facts.plain || len(f.refs) != 1 || !f.facts.traceable(f.refs[0].columns) {
		return nil
	}
	r := f.refs[0]
	stored, hidden := r.provenance(), schemas.Provenance(true)
	if len(stored) == 0 || len(schemas.WithProvenance(r.columns, hidden)) == len(r.columns) {
		return nil
	}
	if err := c.tracedRelation(ctx, r, f.out.UsesMetadata, hidden); err != nil {
		return err
	}
	tries := []insertion{{}} // * gives the columns
	if at := sqltext.SelectList(f.sql); at >= 0 {
		tries = append(tries, insertion{at, " " + nameList(hidden) + ","})
	}
	for _, try := range tries {
		traced := strings.Replace(f.out.SQL, f.sql, try.into(f.sql), 1) // _metadata may be hidden around it
		columns, err := c.describe(ctx, describePrefix+traced)
		switch {
		case readDuckError(err) != nil:
			return c.tracedRelation(ctx, r, f.out.UsesMetadata, hidden) // which may be gone
		case err != nil:
			return err
		case passesOn(columns, f.columns, hidden):
			f.out.Traced, f.out.Provenance, f.out.inserted = traced, stored, try
			return nil
		}
	}
	return nil
}

// insertion is a text to put into another, at an offset.
type insertion struct {
	at   int
	text string
}

func (i insertion) into(sql string) string { return sql[:i.at] + i.text + sql[i.at:] }

// back is the offset in the text without the insertion.
func (i insertion) back(offset int) int {
	if offset >= i.at+len(i.text) {
		return offset - len(i.text)
	}
	return min(offset, i.at)
}

// tracedRelation makes the relation of a reference with the columns that say where its rows are from.
func (c *compiler) tracedRelation(ctx context.Context, r reference, metadata bool, hidden schemas.Table) error {
	r.made[r.stream] = notMade
	columns := r.columns.SQLColumns()
	if r.source != nil && metadata {
		columns += ", " + MetadataColumn + " " + r.metadata()
	}
	schema := "main"
	if r.stream {
		schema = sqltext.StreamSchema
	}
	_, err := c.tx.ExecContext(ctx, fmt.Sprintf("CREATE OR REPLACE TABLE %s.%s(%s, %s)", ident(schema), ident(cmp.Or(r.guessed, r.name)),
		columns, hidden.SQLColumns()))
	if err != nil {
		return fmt.Errorf("make the relation of %s: %w", r.name, err)
	}
	return nil
}

// passesOn reports whether columns are those of a query and beside them each of the hidden ones, once.
func passesOn(columns, own []column, hidden schemas.Table) bool {
	rest := slices.DeleteFunc(slices.Clone(columns), func(col column) bool { return hidden.Column(col.name) != nil })
	if !slices.Equal(rest, own) || len(columns) != len(own)+len(hidden) {
		return false
	}
	for _, h := range hidden {
		if !slices.ContainsFunc(columns, func(col column) bool { return col.name == h.Name }) {
			return false
		}
	}
	return true
}

// traceable reports whether a further column beside those of the relation that is read changes nothing else in what a
// plain query gives: it has no * inside of an expression, and does not name the relation itself, which stands for all of
// its columns.
func (f *facts) traceable(columns schemas.Table) bool {
	stars := 0
	for _, item := range f.items {
		if _, ok := item.(syntax.Star); ok {
			stars++
		}
	}
	from := f.tables[0]
	return stars == len(f.stars) && !from.Renames() && !slices.ContainsFunc(f.columns, func(col syntax.ColumnRef) bool {
		return strings.EqualFold(col.Name(), cmp.Or(from.Alias(), from.Name())) && columns.Column(col.Name()) == nil
	})
}

func nameList(columns schemas.Table) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = ident(c.Name)
	}
	return strings.Join(names, ", ")
}
