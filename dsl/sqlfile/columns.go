package sqlfile

import (
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// columns keeps what is said of columns, and has their names checked.
func (b *builder) columns(s *scope, t *table, columns []Column) {
	for i, c := range columns {
		same := func(o Column) bool { return strings.EqualFold(o.Name.Text, c.Name.Text) }
		if slices.ContainsFunc(columns[:i], same) {
			b.diags.Errorf("LF0162", c.Name.Range, "remove one of them", "the column %q is there twice", c.Name.Text)
			continue
		}
		about := dsl.Column{Node: option.Node{Range: c.Name.Range, Fields: map[string]diag.Range{}}, Name: c.Name.Text}
		if c.Comment != nil {
			about.Description = c.Comment.Text
		}
		if c.Type != nil {
			about.Fields["type"] = c.Type.Range
			raw, origin := b.compose(s, *c.Type)
			about.Type = spark.Type(raw, origin, b.diags)
		}
		t.Columns = append(t.Columns, about)
		switch {
		case c.Default != nil:
			b.refuse(c.Default.Range, "write the value in the query, as in COALESCE(x, value)",
				"this is a default value of a column")
		case c.Mask != nil:
			b.refuse(c.Mask.Range, "compute what may be seen in a view", "this is a mask of a column")
		}
		b.refuse(c.Identity, "number the rows in a view, or use a key of the source", "this is an identity column")
	}
}

// notNull makes rules of columns that must not be NULL.
func (b *builder) notNull(t *table, columns []Column) {
	for _, c := range columns {
		if c.NotNull.IsZero() || strings.HasPrefix(c.Name.Text, "__") { // AUTO CDC fills in those
			continue
		}
		name := c.Name.Text + " NOT NULL"
		if slices.ContainsFunc(t.Expectations, func(e dsl.Expectation) bool { return strings.EqualFold(e.Name, name) }) {
			continue
		}
		var text composed
		text.write(quoted(c.Name.Text)+" IS NOT NULL", c.NotNull.Start)
		q := spark.Expression(text.sql.String(), sqltext.Origin{File: c.NotNull.File, Marks: text.marks}, spark.Pipeline{}, b.diags)
		t.Expectations = append(t.Expectations, dsl.Expectation{Node: option.Node{Range: c.NotNull}, Name: name, Expect: q.Query, Violation: dsl.Fail})
	}
}

// around are the parts of a dataset's query: columns that are generated are computed around it, and the names of a view's
// columns are those of its list, by their order.
func (b *builder) around(s *scope, kind dsl.Kind, d *Dataset) []any {
	var names []string
	var generated []Column
	for _, c := range d.Columns {
		names = append(names, quoted(c.Name.Text))
		if c.Generated != nil {
			generated = append(generated, c)
		}
	}
	switch {
	case kind == dsl.View && len(names) > 0 && !s.duckdb:
		return []any{"SELECT * FROM (", *d.Query, "\n) AS __view(" + strings.Join(names, ", ") + ")"}
	case len(generated) == 0:
		return []any{*d.Query}
	}
	var parts []any
	before := "SELECT *, ("
	for _, c := range generated {
		parts = append(parts, before, *c.Generated)
		before = ") AS " + quoted(c.Name.Text) + ", ("
	}
	return append(parts, strings.TrimSuffix(before, ", (")+" FROM (", *d.Query, "\n)")
}

// quoted is a name in Spark's quotes.
func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
