package sqlfile

import (
	"maps"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/spark"
)

// declaredFlow is a flow and the table that it feeds.
type declaredFlow struct {
	scope  *scope
	name   Name // without parts: named like the table
	target Name
	flow   Flow
	head   Head
	about  *Word // COMMENT
}

// flow adds a flow to its table.
func (b *builder) flow(f declaredFlow) {
	target, ok := b.fullName(f.scope, f.target)
	if !ok {
		return
	}
	t := b.byName[target.key()]
	if t == nil {
		b.diags.Errorf("LF0524", f.target.Range, b.undeclared(target.name),
			"the flow feeds %s in %s, where the pipeline has no table of that name", target.name, target.place())
		return
	}
	if f.about != nil {
		t.ignore(f.about.Range, "COMMENT of a flow", f.about.Text)
	}
	before := len(*b.diags)
	defer func() { t.Flawed = t.Flawed || option.Flawed((*b.diags)[before:]) }()
	name, at := t.Name, f.head.Range
	if parts, ok := b.parts(f.scope, f.name); ok && len(parts) > 0 {
		name, at = parts[len(parts)-1], f.name.Range
		if !goodName(name) {
			b.diags.Errorf("LF0106", at, "use letters, digits, _ and -", "%q is not a good flow name", name)
		}
	} else if len(f.name.Parts) > 0 {
		return
	}
	t.Flawed = t.Flawed || f.head.Flawed
	if t.Kind == dsl.View {
		b.diags.Errorf("LF0524", f.target.Range, "write CREATE STREAMING TABLE "+t.Name,
			"%s is a view, and a flow feeds a streaming table", t.Name)
		return
	}
	b.notFlows(&f.flow)
	switch {
	case f.flow.Changes != nil:
		b.changes(t, name, at, f)
	case f.flow.Query != nil:
		b.insert(t, name, at, f)
	}
}

// notFlows reports what lakeflow does not have.
func (b *builder) notFlows(f *Flow) {
	if f.ReplaceWhere != nil {
		b.refuse(f.ReplaceWhere.Range, "write a MATERIALIZED VIEW, or AUTO CDC", "this flow replaces rows")
	}
	if f.ReplaceUsing != nil {
		b.refuse(f.ReplaceUsing.Range, "write AUTO CDC with the columns as KEYS", "this flow replaces rows")
	}
	if f.Checkpoint != nil {
		b.refuse(f.Checkpoint.Range, "remove it: the sources are read from their beginning",
			"this is the state of a stream of Spark")
	}
}

func (b *builder) tableNames() []string {
	var out []string
	for _, t := range b.tables {
		out = append(out, t.Name)
	}
	return out
}

// insert adds a flow whose rows are added.
func (b *builder) insert(t *table, name string, at diag.Range, f declaredFlow) {
	if t.AutoCDC != nil {
		b.mixed(t, at)
		return
	}
	b.addFlow(t, feed{name: name, at: at, once: f.flow.once(), streaming: t.Kind == dsl.StreamingTable && !f.flow.once()}, f.scope, *f.flow.Query)
}

// undeclared says how a flow gets the table that it feeds.
func (b *builder) undeclared(name string) string {
	help := "write CREATE STREAMING TABLE " + name + "; in one of the files"
	if near := diag.Suggest(name, b.tableNames()); near != "" {
		help = "did you mean " + near + "? Else " + help
	}
	return help
}

func (b *builder) mixed(t *table, at diag.Range) {
	b.diags.Errorf("LF0525", at, "declare a table for the rows that are added, and one for the changes",
		"%s has rows that are added, and changes that are applied by key", t.Name)
}

// feed is what is said of a flow beside its query.
type feed struct {
	name  string
	at    diag.Range
	once  bool
	whole bool // STREAM reads all rows, each time
	// streaming says that the query has to read a stream.
	streaming bool
}

func (f *Flow) once() bool { return !f.Once.IsZero() }

// addFlow adds a query to a table.
func (b *builder) addFlow(t *table, f feed, s *scope, parts ...any) {
	name, at := f.name, f.at
	key := strings.ToLower(name)
	own := key == strings.ToLower(t.Name) // as of a table of that name in another schema
	if other := b.names[key]; other != nil && (other == t || !own || key != strings.ToLower(other.Name)) {
		b.diags.Errorf("LF0107", at, "name it by CREATE FLOW name",
			"the name %q already belongs to a flow of table %q", name, other.Name)
		return
	}
	b.names[key] = t
	before, whole := len(b.sources), t.around(s, parts)
	q, flawed := b.query(s, t.Table, f, whole...)
	text := slices.IndexFunc(parts, func(p any) bool { _, ok := p.(Text); return ok })
	node := option.Node{Range: at, Fields: map[string]diag.Range{"sql": parts[text].(Text).Range}, Flawed: flawed}
	if f.once {
		node.Fields["once"] = at
	}
	flow := &dsl.Flow{Node: node, Name: name, SQL: q, Once: f.once}
	t.Flows = append(t.Flows, flow)
	if len(b.sources) > before {
		b.readings = append(b.readings, func() { flow.SQL, _ = b.query(s, t.Table, f, whole...) })
	}
}

// changes adds a flow whose rows are changes, and says of the table how they are applied.
func (b *builder) changes(t *table, name string, at diag.Range, f declaredFlow) {
	c := f.flow.Changes
	if t.Kind != dsl.StreamingTable {
		b.diags.Errorf("LF0160", at, "write CREATE STREAMING TABLE "+t.Name,
			"%s is a %s, and changes are applied to a streaming table", t.Name, strings.ReplaceAll(string(t.Kind),
				"_", " "))
		if len(t.Flows) > 0 {
			return
		}
		t.Kind, t.Guessed = dsl.StreamingTable, true
	}
	if len(t.Flows) > 0 && t.AutoCDC == nil {
		b.mixed(t, at)
		return
	}
	b.notChanges(c)
	same := signature(c)
	switch {
	case t.AutoCDC == nil:
		t.AutoCDC, t.changes, t.changesAt = b.autoCDC(f.scope, c, f.head), same, at
		t.AutoCDC.TombstoneRetention = t.remember
	case same != t.changes:
		b.diags.Errorf("LF0525", at, "write the same KEYS, SEQUENCE BY, COLUMNS, … in both",
			"the flows of %s apply their changes otherwise than that at %s", t.Name, t.changesAt)
	}
	if c.Snapshot != nil {
		b.addFlow(t, feed{name: name, at: at, once: f.flow.once()}, f.scope, c.Snapshot.Query)
		return
	}
	if c.From == nil {
		return
	}
	parts := []any{"SELECT * FROM ", *c.From}
	if c.Where != nil {
		parts = append(parts, " WHERE ", *c.Where)
	}
	b.addFlow(t, feed{name: name, at: at, once: f.flow.once(), streaming: !f.flow.once()}, f.scope, parts...)
}

// notChanges reports what lakeflow does not have.
func (b *builder) notChanges(c *Changes) {
	if c.Snapshot != nil && c.Snapshot.Version != nil {
		b.refuse(c.Snapshot.Version.Range, "leave it out: the query is read anew when what it reads has changed, and the time of the update is the version",
			"this is a version of the snapshot that a query tells")
	}
	if c.StoredAs != nil && c.StoredAs.Text == "BITEMPORAL" {
		b.refuse(c.StoredAs.Range, "write SCD TYPE 2", "this is BITEMPORAL history")
	}
	if c.SystemSequenceBy != nil {
		b.refuse(c.SystemSequenceBy.Range, "remove it", "this is SYSTEM SEQUENCE BY")
	}
	if c.ColumnsToUpdate != nil {
		b.refuse(c.ColumnsToUpdate.Range, "use IGNORE NULL UPDATES", "this is COLUMNS TO UPDATE")
	}
}

// signature is what must be the same of two flows of changes into one table.
func signature(c *Changes) string {
	var out strings.Builder
	text := func(t *Text) {
		if t != nil {
			out.WriteString(strings.ToLower(strings.Join(strings.Fields(t.SQL), " ")))
		}
		out.WriteByte(0)
	}
	words := func(words []Word) {
		var names []string
		for _, w := range words {
			names = append(names, strings.ToLower(w.Text))
		}
		slices.Sort(names)
		out.WriteString(strings.Join(names, ",") + "\x00")
	}
	columns := func(c *Columns) {
		if c != nil {
			words(c.Names)
			if c.Except {
				out.WriteByte('*')
			}
		}
		out.WriteByte(0)
	}
	words(c.Keys)
	for _, t := range []*Text{c.ApplyAsDelete, c.ApplyAsTruncate, c.SequenceBy} {
		text(t)
	}
	for _, x := range []*Columns{c.IgnoreNullUpdates, c.Columns, c.TrackHistoryOn} {
		columns(x)
	}
	if c.StoredAs != nil && c.StoredAs.Text != "1" {
		out.WriteString(c.StoredAs.Text)
	}
	return out.String()
}

// autoCDC says how changes are applied.
func (b *builder) autoCDC(s *scope, c *Changes, head Head) *dsl.AutoCDC {
	before := len(*b.diags)
	fields := map[string]diag.Range{"keys": c.KeysAt}
	for key, t := range map[string]*Text{"from": c.From, "sequence_by": c.SequenceBy,
		"apply_as_delete": c.ApplyAsDelete, "apply_as_truncate": c.ApplyAsTruncate} {
		if t != nil {
			fields[key] = t.Range
		}
	}
	for key, x := range map[string]*Columns{"columns": c.Columns, "ignore_null_updates": c.IgnoreNullUpdates,
		"track_history_on": c.TrackHistoryOn} {
		if x != nil {
			fields[key] = x.Range
		}
	}
	maps.DeleteFunc(fields, func(_ string, at diag.Range) bool { return at.IsZero() })
	out := &dsl.AutoCDC{Node: option.Node{Range: head.Range, Fields: fields}, SCDType: 1,
		Keys: b.columnNames(c.Keys), Columns: b.someColumns(c.Columns), TrackHistoryOn: b.someColumns(c.TrackHistoryOn),
		ApplyAsDelete: b.expression(s, c.ApplyAsDelete), ApplyAsTruncate: b.expression(s, c.ApplyAsTruncate)}
	if c.StoredAs != nil && c.StoredAs.Text != "1" {
		out.SCDType = 2
	}
	if x := c.IgnoreNullUpdates; x != nil {
		out.IgnoreNullUpdates = b.someColumns(x)
		if len(x.Names) == 0 {
			out.IgnoreNullUpdates.Except = true // of all
		}
	}
	if c.Snapshot != nil {
		out.Snapshot = &dsl.Snapshot{Node: option.Node{Range: c.Snapshot.Range}}
	}
	for _, t := range sequence(c.SequenceBy) {
		out.SequenceBy = append(out.SequenceBy, b.expression(s, &t))
	}
	if out.SCDType == 1 && c.TrackHistoryOn != nil {
		b.without(c.TrackHistoryOn.Range, "TRACK HISTORY", "SCD TYPE 1 keeps no versions of rows",
			"write STORED AS SCD TYPE 2, or leave it out")
		out.TrackHistoryOn = nil
	}
	if out.SCDType == 2 && c.ApplyAsTruncate != nil {
		b.diags.Errorf("LF0163", c.ApplyAsTruncate.Range, "leave it out, or write SCD TYPE 1",
			"APPLY AS TRUNCATE deletes all rows, and SCD TYPE 2 keeps their history")
	}
	out.Flawed = head.Flawed || option.Flawed((*b.diags)[before:])
	return out
}

// columnNames are the columns of a list, each once.
func (b *builder) columnNames(words []Word) []dsl.ColumnName {
	var out []dsl.ColumnName
	for _, w := range words {
		if slices.ContainsFunc(out, func(o dsl.ColumnName) bool { return strings.EqualFold(o.Name, w.Text) }) {
			b.diags.Errorf("LF0162", w.Range, "remove one of them", "the column %q is there twice", w.Text)
			continue
		}
		out = append(out, dsl.ColumnName{Node: option.Node{Range: w.Range}, Name: w.Text})
	}
	return out
}

func (b *builder) someColumns(c *Columns) *dsl.Columns {
	if c == nil {
		return nil
	}
	return &dsl.Columns{Node: option.Node{Range: c.Range}, Names: b.columnNames(c.Names), Except: c.Except}
}

// sequence are the expressions of SEQUENCE BY: one, or those of a STRUCT.
func sequence(t *Text) []Text {
	if t == nil {
		return nil
	}
	tokens := spark.Significant(spark.Lex(t.SQL))
	last := len(tokens) - 1
	if last < 3 || !tokens[0].Is(t.SQL, "STRUCT") || !tokens[1].Is(t.SQL, "(") || !tokens[last].Is(t.SQL, ")") {
		return []Text{*t}
	}
	var out []Text
	depth, start := 0, 2
	for i := 2; i <= last; i++ {
		switch {
		case i == last || depth == 0 && tokens[i].Is(t.SQL, ","):
			if i > start {
				out = append(out, t.part(tokens[start].Start, tokens[i-1].End))
			}
			start = i + 1
		case tokens[i].Is(t.SQL, "("):
			depth++
		case tokens[i].Is(t.SQL, ")"):
			depth--
		}
	}
	return out
}
