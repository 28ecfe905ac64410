package plan

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/cdc"
	"github.com/lakeflow/lakeflow/schemas"
)

// declaredType is the type that the file gives a column.
type declaredType struct {
	decl   dsl.Column
	stored schemas.Type
	// narrow is the type as it is written where it has fewer values than the stored one: SMALLINT, which tables store as
	// INTEGER.
	narrow string
	told   bool // that the values cannot be cast to it
}

// declareTypes reads the types that the file gives the columns of a dataset.
func (c *compiler) declareTypes(d *dataset) bool {
	ok := true
	for _, x := range d.decl.Columns {
		if x.Type == "" {
			continue
		}
		if d.decl.Kind == dsl.View {
			ok = false
			c.diags.Errorf(codeTypeInView, x.At("type"), "cast the column in the query, or declare a materialized_view",
				"the view %s stores no values: the type of %s has no effect", d.name, x.Name)
			continue
		}
		stored, err := schemas.Storable(x.Type)
		if err != nil {
			ok = false
			why := strings.TrimPrefix(err.Error(), "type "+x.Type+": ")
			why, help, _ := strings.Cut(why, "; ")
			if !x.Flawed { // else it is reported
				c.diags.Errorf(codeColumnType, x.At("type"), cmp.Or(strings.Replace(help, "cast it to", "declare", 1),
					"write a type of DuckDB, as in BIGINT, DECIMAL(12,2), STRUCT(a INTEGER, b VARCHAR) or INTEGER[]"),
					"column %s of %s cannot have the type %s: %s", x.Name, d.name, x.Type, why)
			}
			continue
		}
		declared := declaredType{decl: x, stored: stored}
		if _, err := schemas.Parse(x.Type); err != nil {
			declared.narrow = x.Type
		}
		d.types = append(d.types, declared)
	}
	for _, f := range d.flows {
		f.out.declared = d.types
	}
	return ok
}

// typeOf is the declared type of a column, nil where there is none.
func (d *dataset) typeOf(name string) *declaredType {
	i := slices.IndexFunc(d.types, func(t declaredType) bool { return strings.EqualFold(t.decl.Name, name) })
	if i < 0 {
		return nil
	}
	return &d.types[i]
}

// narrowed is the declared type of a column that has fewer values than the stored one, empty for others.
func (f *flow) narrowed(name string) string {
	if t := f.ds.typeOf(name); t != nil {
		return t.narrow
	}
	return ""
}

// givesInOrder reports whether the query gives just these columns in their order, and no cast but to their types is
// missing.
func (f *flow) givesInOrder(columns schemas.Table) bool {
	return slices.EqualFunc(f.columns, columns, func(have column, want schemas.Column) bool {
		return strings.EqualFold(have.name, want.Name) && f.narrowed(want.Name) == ""
	})
}

// writtenTypes are the declared types by name.
func (d *dataset) writtenTypes() map[string]string {
	if len(d.types) == 0 {
		return nil
	}
	types := map[string]string{}
	for _, t := range d.types {
		types[strings.ToLower(t.decl.Name)] = t.stored.String()
		if t.narrow != "" {
			types[strings.ToLower(t.decl.Name)] = strings.ToUpper(t.narrow)
		}
	}
	return types
}

// checkDeclared reports a type that no value of a query's column can be cast to.
func (c *compiler) checkDeclared(d *dataset, t *declaredType, col column) bool {
	from, err := schemas.Storable(col.duckType)
	why := ""
	switch {
	case err == nil:
		why = noCastOf(from, t.stored)
	case t.stored.Kind != schemas.Varchar:
		why = fmt.Sprintf("%s cannot be cast to %s", typeWithArticle(col.duckType), t.decl.Type)
	}
	if why == "" {
		return true
	}
	if !t.told {
		t.told = true
		c.diags.Errorf(codeColumnCast, t.decl.At("type"), "declare the type that the query gives, or take a value out of it in the query",
			"column %s of %s is %s in the query, and %s here: %s", t.decl.Name, d.name, col.duckType, t.decl.Type, why)
	}
	return false
}

// castable are groups of kinds whose values DuckDB casts to each other. VARCHAR and every other one are, too.
var castable = [][]schemas.Kind{
	{schemas.Boolean, schemas.Integer, schemas.BigInt, schemas.Float, schemas.Double, schemas.Decimal},
	{schemas.Date, schemas.Timestamp, schemas.TimestampTZ},
	{schemas.Blob, schemas.UUID},
}

// noCastOf says why no value of one type can be cast to another, and is empty where some can.
func noCastOf(from, to schemas.Type) string {
	if from.Kind == to.Kind {
		switch from.Kind {
		case schemas.Struct:
			return noFieldCast(from, to)
		case schemas.List:
			return noCastOf(*from.Elem, *to.Elem)
		case schemas.Map:
			return cmp.Or(noCastOf(*from.Key, *to.Key), noCastOf(*from.Elem, *to.Elem))
		}
		return ""
	}
	for _, group := range castable {
		if slices.Contains(group, from.Kind) && slices.Contains(group, to.Kind) {
			return ""
		}
	}
	switch {
	case from.Kind == schemas.Varchar || to.Kind == schemas.Varchar || from.Kind == schemas.Timestamp && to.Kind == schemas.Time:
		return ""
	case from.Kind == schemas.Struct && to.Kind == schemas.Map:
		for _, field := range from.Fields {
			if why := noCastOf(field.Type, *to.Elem); why != "" {
				return "field " + field.Name + ": " + why
			}
		}
		return ""
	}
	return fmt.Sprintf("%s cannot be cast to %s", typeWithArticle(from.String()), to)
}

// noFieldCast is noCastOf for structs, whose fields go by name.
func noFieldCast(from, to schemas.Type) string {
	for _, field := range from.Fields {
		have := schemas.Table(to.Fields).Column(field.Name)
		if have == nil {
			return "the type lacks the field " + field.Name
		}
		if why := noCastOf(field.Type, have.Type); why != "" {
			return "field " + field.Name + ": " + why
		}
	}
	for _, field := range to.Fields {
		if schemas.Table(from.Fields).Column(field.Name) == nil {
			return "the query gives no field " + field.Name
		}
	}
	return ""
}

// inDeclaredOrder puts columns into the order of the file, with the names as it has them. Those that it does not list
// come last.
func (d *dataset) inDeclaredOrder(columns schemas.Table) schemas.Table {
	if len(d.types) == 0 {
		return columns
	}
	var ordered schemas.Table
	for _, x := range d.decl.Columns {
		if col := columns.Column(x.Name); col != nil && ordered.Column(x.Name) == nil {
			ordered = append(ordered, schemas.Column{Name: x.Name, Type: col.Type})
		}
	}
	for _, col := range columns {
		if ordered.Column(col.Name) == nil {
			ordered = append(ordered, col)
		}
	}
	return ordered
}

// checkList compares the column list of a dataset, where it has types, with the columns that there are.
func (c *compiler) checkList(d *dataset) {
	if len(d.types) == 0 {
		return
	}
	var listed, free []string
	for _, x := range d.decl.Columns {
		listed = append(listed, x.Name)
	}
	for _, col := range d.columns {
		if !slices.ContainsFunc(listed, func(name string) bool { return strings.EqualFold(name, col.Name) }) {
			free = append(free, col.Name)
		}
	}
	for _, x := range d.decl.Columns {
		col, t := d.columns.Column(x.Name), d.typeOf(x.Name)
		switch {
		case col == nil:
			c.diags.Errorf(codeColumnList, x.Range, diag.DidYouMean(x.Name, free, "select it in the query, or remove it here"),
				"the columns of %s have %q, which the query does not give", d.name, x.Name)
		case t != nil && d.changes != nil && d.rows.Column(x.Name) == nil && !t.stored.Equal(col.Type) && !d.doubtful:
			c.diags.Errorf(codeColumnType, x.At("type"), "write "+col.Type.String(),
				"%s of %s has the type of its sequence, %s", x.Name, d.name, col.Type)
		}
	}
	for _, name := range free {
		if d.changes != nil && (name == cdc.StartAt || name == cdc.EndAt) {
			continue
		}
		c.diags.Errorf(codeColumnList, d.placeIn(name), listHelp(name, listed),
			"the query of %s gives the column %q, which its columns do not list", d.name, name)
	}
}

func listHelp(name string, listed []string) string {
	help := "add it to the columns with its type, or leave it out of the query"
	if s := diag.Suggest(name, listed); s != "" {
		help += "; did you mean " + fmt.Sprintf("%q", s) + "?"
	}
	return help
}

// placeIn is where a query gives a column.
func (d *dataset) placeIn(name string) diag.Range {
	if d.changes != nil {
		return d.placeOf(name)
	}
	for _, f := range d.flows {
		if slices.ContainsFunc(f.columns, func(col column) bool { return strings.EqualFold(col.name, name) }) {
			return f.columnPlace(name)
		}
	}
	return d.decl.Range
}

// noEffect tells once of all clauses and properties that are accepted and do nothing.
func (c *compiler) noEffect(context.Context) error {
	var first dsl.Ignored
	var names []string
	tables, by := 0, map[string][]string{}
	for _, d := range c.datasets {
		if len(d.out.Ignored) > 0 {
			tables++
		}
		for _, x := range d.out.Ignored {
			if first.Range.IsZero() {
				first = x
			}
			if by[x.Name] == nil {
				names = append(names, x.Name)
			}
			if !slices.Contains(by[x.Name], d.name) {
				by[x.Name] = append(by[x.Name], d.name)
			}
		}
	}
	for i, name := range names {
		in := by[name]
		if len(in) > maxNamed {
			in = append(slices.Clone(in[:maxNamed]), fmt.Sprintf("%d more", len(in)-maxNamed))
		}
		names[i] = name + " (" + strings.Join(in, ", ") + ")"
	}
	if len(names) > 0 {
		c.diags.Notef(codeNoEffect, first.Range, "lakeflow plan --format json has all of them with their values, as ignored",
			"accepted, without effect here: %s; %s", strings.Join(names, ", "), count(tables, "table"))
	}
	return nil
}

// maxNamed is how many tables are named for one clause.
const maxNamed = 3
