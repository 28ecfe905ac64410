package sqlfile

import (
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
)

// ignore notes something that is accepted and has no effect.
func (t *table) ignore(at diag.Range, name, value string) {
	if !at.IsZero() {
		t.Ignored = append(t.Ignored, dsl.Ignored{Node: option.Node{Range: at}, Name: name, Value: value})
	}
}

// ignored notes the clauses of a dataset that have no effect: how files are laid out, when a warehouse refreshes a table,
// what is told to other programs.
func (b *builder) ignored(t *table, d *Dataset) {
	c := &d.Clauses
	if x := c.ClusterBy; x != nil {
		t.ignore(x.Range, "CLUSTER BY", x.Auto.Text+joined(x.Columns))
	}
	for _, x := range []struct {
		name string
		*Word
	}{{"USING", c.Using}, {"LOCATION", c.Location}, {"DEFAULT COLLATION", c.Collation}} {
		if x.Word != nil {
			t.ignore(c.At(x.name), x.name, x.Text)
		}
	}
	for _, name := range []string{"SCHEDULE", "WITH SCHEMA"} {
		t.ignore(c.At(name), name, "")
	}
	for _, p := range c.Options {
		t.ignore(p.Key.Range, "OPTIONS "+p.Key.Text, p.Value.Text)
	}
	for _, k := range d.Constraints {
		t.ignore(k.Range, k.Kind.Text, joined(k.Columns))
	}
	for _, col := range d.Columns {
		if k := col.Constraint; k != nil {
			t.ignore(k.Range, k.Kind.Text, col.Name.Text)
		}
		if col.Collation != nil {
			t.ignore(col.Collation.Range, "COLLATE", col.Collation.Text)
		}
	}
}

func joined(words []Word) string {
	if len(words) == 0 {
		return ""
	}
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = w.Text
	}
	return "(" + strings.Join(names, ", ") + ")"
}
