package plan

import (
	"context"
	"reflect"
	"slices"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/syntax"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
)

// feed is what says by itself what its rows, which are changes, do to the rows of a table: a source, by its connector,
// or the change feed of a table.
type feed struct {
	name    string
	changes sources.Changes
	table   bool
}

// fillIn takes what auto_cdc leaves out from the connector of the source that the changes come from, and reports what
// is said by neither.
func (c *compiler) fillIn(ctx context.Context, d *dataset) error {
	m := d.changes
	decl := *m.decl
	m.decl = &decl
	var from *feed
	if decl.Snapshot == nil { // rows of snapshots are no changes
		from = c.feedOf(d)
	}
	if from != nil && from.table && !hasFeed(d.rows) { // its columns were left out
		from = nil
	}
	if from != nil {
		m.feed = from.table
		if from.table && slices.ContainsFunc(from.changes.Keys, func(k string) bool { return d.rows.Column(k) == nil }) {
			from.changes.Keys = nil
		}
		if err := c.fillFrom(ctx, d, from); err != nil {
			return err
		}
	}
	switch {
	case len(decl.Keys) > 0 || decl.Has("keys"):
	case from != nil && c.in.Unreached[from.name] != "": // which is told
		d.doubtful = true
	default:
		help := "write keys: [id], with the columns that tell the rows of the table apart"
		if from != nil && from.changes.KeysRemedy != "" {
			help += "; or " + from.changes.KeysRemedy
		}
		c.diags.Errorf(codeNoKeys, decl.Range, help, "auto_cdc of %s has no keys%s", d.name, from.silent())
	}
	if len(m.sequence) == 0 && !decl.Has("sequence_by") && decl.Snapshot == nil {
		c.diags.Errorf(codeNoSequence, decl.Range, "write sequence_by: with a column that grows with every change",
			"auto_cdc of %s does not say which of two changes is the later one", d.name)
	}
	return nil
}

// silent says of a source that it does not tell the keys.
func (f *feed) silent() string {
	if f == nil || f.table {
		return ""
	}
	return ", and those of source " + f.name + " are not known: no record tells them"
}

func (c *compiler) fillFrom(ctx context.Context, d *dataset, from *feed) error {
	m, said := d.changes, from.changes
	node := dsl.Node{Range: m.decl.Range}
	fill := func(key string) bool {
		if m.decl.Has(key) {
			return false
		}
		m.filled = append(m.filled, key)
		m.filledBy = from.name
		return true
	}
	if len(said.Keys) > 0 && fill("keys") {
		for _, name := range said.Keys {
			m.decl.Keys = append(m.decl.Keys, dsl.ColumnName{Node: node, Name: name})
		}
	}
	var parsing []*rowExpression
	expression := func(key, text string, value bool) *rowExpression {
		x := &rowExpression{query: standingAt(text, node.Range), title: key, value: value}
		parsing = append(parsing, x)
		return x
	}
	if fill("sequence_by") {
		m.sequence = []*rowExpression{expression("sequence_by", said.SequenceBy, true)}
	}
	if said.DeleteWhen != "" && fill("apply_as_delete") {
		m.remove = expression("apply_as_delete", said.DeleteWhen, false)
	}
	if said.TruncateWhen != "" && m.decl.SCDType == 1 && fill("apply_as_truncate") {
		m.truncate = expression("apply_as_truncate", said.TruncateWhen, false)
	}
	var without []dsl.ColumnName
	for _, col := range said.NoData {
		if d.rows.Column(col.Name) != nil {
			without = append(without, dsl.ColumnName{Node: node, Name: col.Name})
		}
	}
	if len(without) > 0 && fill("columns") {
		m.decl.Columns = &dsl.Columns{Node: node, Names: without, Except: true}
	}
	return c.parseExpressions(ctx, parsing)
}

func (c *compiler) parseExpressions(ctx context.Context, all []*rowExpression) error {
	texts := make([]string, len(all))
	for i, x := range all {
		texts[i] = expressionPrefix + x.query.Text
	}
	parsed, err := syntax.ParseAll(ctx, c.tx, texts)
	if err != nil {
		return err
	}
	for i, x := range all {
		c.parsedExpression(x, texts[i], parsed[i])
	}
	return nil
}

// standingAt is a text that the file does not have, all of which stands at a place in it.
func standingAt(text string, at diag.Range) *sqltext.Query {
	origin := sqltext.Origin{File: at.File}
	for i := range len(text) + 1 {
		origin.Marks = append(origin.Marks, sqltext.Mark{Offset: i, Pos: at.Start})
	}
	return sqltext.New(text, origin, nil, &diag.List{})
}

// feedOf is the source that all changes of a dataset come from, when there is one: read by its flows, or by the views
// and streaming tables that they read. It is nil where sources say different things.
func (c *compiler) feedOf(d *dataset) *feed {
	var found *feed
	for i, f := range d.flows {
		one := c.feedOfFlow(f)
		if one == nil || i > 0 && !reflect.DeepEqual(one.changes, found.changes) {
			return nil
		}
		if found == nil {
			found = one
		}
	}
	return found
}

func (c *compiler) feedOfFlow(f *flow) *feed {
	streams := slices.DeleteFunc(slices.Clone(f.refs), func(r reference) bool { return !c.streams(r) })
	if len(streams) != 1 {
		return nil
	}
	switch e := streams[0].entity; {
	case streams[0].changes && e.dataset != nil:
		return changeFeed(e.dataset)
	case e.dataset != nil && e.dataset.changes == nil:
		return c.feedOf(e.dataset)
	case e.source == nil || e.source.Options == nil:
		return nil
	default:
		said := e.source.Options.Traits().Changes
		if said == nil {
			return nil
		}
		out := &feed{name: e.name, changes: *said}
		if len(out.changes.Keys) == 0 {
			out.changes.Keys = c.in.Found[e.name].Keys
		}
		return out
	}
}

// changeFeed is what the change feed of a table says. The rows of a table with keys are told apart by these, but for
// versions, of which a key has several.
func changeFeed(d *dataset) *feed {
	said := sources.Changes{SequenceBy: "_commit_version", DeleteWhen: "_change_type = 'delete'", NoData: schemas.ChangeFeed()}
	if d.changes != nil && d.changes.decl.SCDType == 1 {
		for _, key := range d.changes.decl.Keys {
			said.Keys = append(said.Keys, key.Name)
		}
	}
	return &feed{name: d.name, changes: said, table: true}
}

// hasFeed reports whether rows have what tells one change of a table from another.
func hasFeed(rows schemas.Table) bool {
	feed := schemas.ChangeFeed()
	return rows.Column(feed[0].Name) != nil && rows.Column(feed[1].Name) != nil
}

// streams says whether a reference gives new rows: through STREAM, or as a view that does so.
func (c *compiler) streams(r reference) bool {
	return r.stream || r.dataset != nil && r.dataset.decl.Kind == dsl.View && r.dataset.streams()
}
