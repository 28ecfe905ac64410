package yamlfile

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// autoCDC says how changes are applied to a table; it is nil when the file says nothing of it.
func (b *builder) autoCDC(t *dsl.Table, s *specTable) *dsl.AutoCDC {
	at, ok := s.Fields["auto_cdc"]
	if !ok {
		return nil
	}
	if s.Kind != string(dsl.StreamingTable) && s.Kind != "" {
		b.diags.Errorf("LF0160", at, "declare kind: streaming_table",
			"%s is a %s, and auto_cdc applies changes to a streaming table", t.Name, strings.ReplaceAll(s.Kind, "_", " "))
		t.Kind, t.Guessed = dsl.StreamingTable, true
	}
	x := s.AutoCDC
	if x == nil { // it is no mapping, which is reported
		return &dsl.AutoCDC{Node: option.Node{Range: at, Flawed: true}, SCDType: 1}
	}
	before := len(*b.diags)
	out := &dsl.AutoCDC{Node: x.Node, SCDType: b.scdType(x),
		TombstoneRetention: cmp.Or(time.Duration(x.TombstoneRetention), dsl.DefaultTombstones)}
	if x.Keys != nil && len(x.Keys) == 0 {
		b.diags.Errorf("LF0114", x.At("keys"), "write the columns that tell the rows apart: [id]",
			"auto_cdc of %s has no keys", t.Name)
	}
	out.Keys = b.columnNames(x.Keys)
	out.SequenceBy = b.expressions(x)
	out.ApplyAsDelete = b.expression(x.ApplyAsDelete, "apply_as_delete")
	out.ApplyAsTruncate = b.expression(x.ApplyAsTruncate, "apply_as_truncate")
	if x.IgnoreNullUpdates != nil && !x.IgnoreNullUpdates.none {
		out.IgnoreNullUpdates = b.someColumns(&x.IgnoreNullUpdates.specColumns, "ignore_null_updates")
	}
	out.Columns = b.someColumns(x.Columns, "columns")
	out.TrackHistoryOn = b.someColumns(x.TrackHistoryOn, "track_history_on")
	b.snapshot(x, out)
	if out.SCDType == 1 && x.Has("track_history_on") {
		b.diags.Errorf("LF0163", x.Fields["track_history_on"], "write scd_type: 2, or leave it out",
			"track_history_on is about versions of rows, and scd_type 1 keeps none")
	}
	if out.SCDType == 2 && x.Has("apply_as_truncate") && out.Snapshot == nil {
		b.diags.Errorf("LF0163", x.Fields["apply_as_truncate"], "leave it out, or write scd_type: 1",
			"apply_as_truncate deletes all rows, and scd_type 2 keeps their history")
	}
	if out.SCDType == 2 && x.Has("tombstone_retention") && out.Snapshot == nil {
		b.diags.Errorf("LF0163", x.Fields["tombstone_retention"], "leave it out, or write scd_type: 1",
			"tombstone_retention is about deletes that are forgotten, and scd_type 2 keeps their history")
	}
	out.Flawed = s.Flawed || option.Flawed((*b.diags)[before:])
	return out
}

func (b *builder) scdType(x *specAutoCDC) int {
	switch {
	case x.SCDType == nil:
		return 1
	case *x.SCDType != 1 && *x.SCDType != 2:
		b.diags.Errorf("LF0105", x.At("scd_type"), "write 1 to keep the rows as they are now, 2 to keep all their versions",
			"scd_type cannot be %d", *x.SCDType)
		return 1
	}
	return int(*x.SCDType)
}

// columnNames are the columns of a list, each once.
func (b *builder) columnNames(names []specColumnName) []dsl.ColumnName {
	var out []dsl.ColumnName
	for _, x := range names {
		switch {
		case strings.TrimSpace(x.name) == "":
			b.diags.Errorf("LF0114", x.at, "write the name of a column", "the name of a column is empty")
		case slices.ContainsFunc(out, func(o dsl.ColumnName) bool { return strings.EqualFold(o.Name, x.name) }):
			b.diags.Errorf("LF0162", x.at, "remove one of them", "the column %q is there twice", x.name)
		default:
			out = append(out, dsl.ColumnName{Node: option.Node{Range: x.at}, Name: x.name})
		}
	}
	return out
}

func (b *builder) someColumns(s *specColumns, key string) *dsl.Columns {
	if s == nil {
		return nil
	}
	if len(s.names) == 0 && !s.except {
		b.diags.Errorf("LF0114", s.at, "name a column, or remove the key for the default", "%s names no columns", key)
	}
	return &dsl.Columns{Node: option.Node{Range: s.at}, Names: b.columnNames(s.names), Except: s.except}
}

func (b *builder) expressions(x *specAutoCDC) []*dsl.Expression {
	if x.SequenceBy != nil && len(x.SequenceBy) == 0 {
		b.diags.Errorf("LF0114", x.At("sequence_by"), "write a column that grows with every change",
			"sequence_by names no columns")
	}
	var out []*dsl.Expression
	for _, s := range x.SequenceBy {
		e := b.expression(&s, "sequence_by")
		same := func(o *dsl.Expression) bool {
			return strings.EqualFold(strings.TrimSpace(o.SQL.Text), strings.TrimSpace(e.SQL.Text))
		}
		switch {
		case e == nil:
		case slices.ContainsFunc(out, same):
			b.diags.Errorf("LF0162", e.Range, "remove one of them", "%q is there twice", strings.TrimSpace(e.SQL.Raw))
		default:
			out = append(out, e)
		}
	}
	return out
}

func (b *builder) expression(s *specSQL, key string) *dsl.Expression {
	if s == nil {
		return nil
	}
	q, flawed := b.condition(s, key)
	if q == nil {
		return nil
	}
	return &dsl.Expression{Node: option.Node{Range: s.at, Flawed: flawed}, SQL: q}
}

const fromPrefix = "SELECT * FROM "

const dottedName = `\s*` + columnName + `(?:\s*\.\s*` + columnName + `)*\s*`

const feedOf = `CHANGES\s*\(` + dottedName + `\)`

var oneStream = regexp.MustCompile(`(?i)^\s*(?:STREAM\s*\((?:\s*` + feedOf + `\s*|` + dottedName + `)\)|STREAM\s+` + feedOf +
	`|(?:STREAM\s)?` + dottedName + `)\s*$`)

// from makes the query of a flow that takes the rows of one stream as they are.
func (b *builder) from(s *specSQL, changes bool) *specSQL {
	if s == nil {
		return nil
	}
	text := strings.TrimSpace(s.raw)
	switch {
	case !changes:
		b.diags.Errorf("LF0164", s.at, "write sql: "+fromPrefix+text,
			"from stands for changes, and the table has no auto_cdc")
	case text != "" && !b.isStream(s.raw):
		b.diags.Errorf("LF0164", s.at, "write a query as sql: SELECT … FROM STREAM …",
			"from is one stream, as in STREAM customers_changes or STREAM CHANGES(customers)")
	case text != "":
		return &specSQL{fromPrefix + s.raw, behind(len(fromPrefix), s.origin), s.at}
	default:
		return s
	}
	return nil
}

// behind is the origin of a text that something was put in front of, all of which stands where the text begins.
func behind(prefix int, o sqltext.Origin) sqltext.Origin {
	out := sqltext.Origin{File: o.File}
	for i := range prefix {
		out.Marks = append(out.Marks, sqltext.Mark{Offset: i, Pos: o.Marks[0].Pos})
	}
	for _, m := range o.Marks {
		out.Marks = append(out.Marks, sqltext.Mark{Offset: m.Offset + prefix, Pos: m.Pos})
	}
	return out
}
