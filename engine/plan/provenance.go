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
			if d.changes == nil && len(f.out.Provenance) > len(d.out.Provenance) { // rows that changes make are of several
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
	if r.changes {
		return nil // a row that is gone is from nowhere
	}
	stored, hidden := r.provenance(), schemas.Provenance(true)
	if len(stored) == 0 || len(schemas.WithProvenance(r.columns, hidden)) == len(r.columns) {
		return nil
	}
	named := insertion{-1, ""}
	if at := sqltext.SelectList(f.sql); at >= 0 {
		named = insertion{at, " " + columnNames(hidden) + ","}
	}
	switch stars, plain := f.facts.starItems(); {
	case stars == 0 && named.at >= 0:
		f.passOn(named, stored)
	case stars == 1 && plain: // * gives the columns
		f.passOn(insertion{}, stored)
	case stars > 0:
		return c.tryTraced(ctx, f, r, []insertion{{}, named}, stored, hidden)
	}
	return nil
}

// passOn sets the query that passes the columns on.
func (f *flow) passOn(with insertion, stored schemas.Table) {
	f.out.Traced, f.out.Provenance, f.out.inserted = f.traced(with), stored, with
}

// traced is the flow's query with the insertion: _metadata may be hidden around it.
func (f *flow) traced(with insertion) string {
	return strings.Replace(f.out.SQL, f.sql, with.into(f.sql), 1)
}

// tryTraced has DuckDB tell which of the insertions makes the query give the hidden columns once.
func (c *compiler) tryTraced(ctx context.Context, f *flow, r reference, tries []insertion, stored, hidden schemas.Table) error {
	for _, try := range tries {
		if try.at < 0 {
			continue
		}
		if err := c.tracedRelation(ctx, r, f.out.UsesMetadata, hidden); err != nil { // an error may have taken it away
			return err
		}
		columns, err := c.describe(ctx, describePrefix+f.traced(try))
		switch {
		case readDuckError(err) != nil:
		case err != nil:
			return err
		case passesOn(columns, f.columns, hidden):
			f.passOn(try, stored)
			return nil
		}
	}
	return nil
}

// starItems counts the items of the select list that are *, and tells whether all of them are nothing else, but for
// EXCLUDE.
func (f *facts) starItems() (n int, plain bool) {
	plain = true
	for _, item := range f.items {
		if star, ok := item.(syntax.Star); ok {
			_, only := star.Excluded()
			n, plain = n+1, plain && only
		}
	}
	return n, plain
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
	r.made[r.schema()] = notMade
	columns := r.columns.SQLColumns()
	if r.source != nil && metadata {
		columns += ", " + MetadataColumn + " " + r.metadata()
	}
	_, err := c.tx.ExecContext(ctx, fmt.Sprintf("CREATE OR REPLACE TABLE %s.%s(%s, %s)", ident(r.schema()), ident(cmp.Or(r.guessed, r.name)),
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
	stars, _ := f.starItems()
	from := f.tables[0]
	return stars == len(f.stars) && !from.Renames() && !slices.ContainsFunc(f.columns, func(col syntax.ColumnRef) bool {
		return strings.EqualFold(col.Name(), cmp.Or(from.Alias(), from.Name())) && columns.Column(col.Name()) == nil
	})
}

func columnNames(columns schemas.Table) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = ident(c.Name)
	}
	return strings.Join(names, ", ")
}
