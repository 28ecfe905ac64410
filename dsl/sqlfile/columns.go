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
			about.Flawed = about.Type == ""
		}
		t.Columns = append(t.Columns, about)
		switch {
		case c.Default != nil:
			b.refuse(c.Default.Range, "write the value in the query, as in COALESCE(x, value)",
				"this is a default value of a column")
		case c.Mask != nil:
			b.refuse(c.Mask.Range, "compute what may be seen in a view", "this is a mask of a column")
		}
		if c.Identity != nil && t.Kind != dsl.MaterializedView {
			b.refuse(c.Identity.Range, "number the rows in a materialized view, or use a key of the source, a hash or uuid()", "this is an identity column of a streaming table")
		}
	}
}

// numbers is the expression of an identity column: rows are numbered each time that the view is computed.
func (i *Identity) numbers() Text {
	return Text{SQL: "(CAST(row_number() OVER () AS BIGINT) - 1) * " + i.Step + " + " + i.Start, Range: i.Range}
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
		text.write(inBackticks(c.Name.Text)+" IS NOT NULL", c.NotNull.Start)
		q := spark.Expression(text.sql.String(), sqltext.Origin{File: c.NotNull.File, Marks: text.marks}, spark.Pipeline{}, b.diags)
		t.Expectations = append(t.Expectations, dsl.Expectation{Node: option.Node{Range: c.NotNull}, Name: name, Expect: q.Query, Violation: dsl.Fail})
	}
}

// around are the parts of a query that feeds a table: columns that are generated are computed around it, and the names of a
// view's columns are those of its list, by their order.
func (t *table) around(s *scope, parts []any) []any {
	var names []string
	var out []any
	before := "SELECT *, ("
	for _, c := range t.columns {
		names = append(names, inBackticks(c.Name.Text))
		generated := c.Generated
		if c.Identity != nil && t.Kind == dsl.MaterializedView {
			numbers := c.Identity.numbers()
			generated = &numbers
		}
		if generated != nil {
			out = append(out, before, *generated)
			before = ") AS " + inBackticks(c.Name.Text) + ", ("
		}
	}
	behind := "\n)"
	switch {
	case t.Kind == dsl.View && len(names) > 0 && !s.duckdb:
		before, behind = "SELECT * FROM (", "\n) AS __view("+strings.Join(names, ", ")+")"
	case len(out) == 0:
		return parts
	default:
		before = strings.TrimSuffix(before, ", (") + " FROM ("
	}
	if words, ok := parts[0].(string); ok {
		before, parts = before+words, parts[1:]
	}
	return append(append(append(out, before), parts...), behind)
}

// inBackticks is a name in Spark's quotes.
func inBackticks(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
