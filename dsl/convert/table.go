package convert

import (
	"regexp"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/option"
)

func (c *converter) table(t *dsl.Table) *option.Value {
	out := mapping()
	out.Put("kind", text(string(t.Kind)))
	out.Put("layer", text(t.Layer))
	out.Put("description", text(t.Description))
	out.Put("dialect", unless(dialectOf(t), c.dialect))
	out.Put("columns", columns(t.Columns))
	c.queries(t, out)
	var parts []string
	for _, x := range t.PartitionBy {
		parts = append(parts, partition(x))
	}
	if parts != nil {
		out.Put("partition_by", option.ListValue(parts...))
	}
	out.Put("expectations", c.expectations(t))
	if !t.DeadLetter && t.Kind != dsl.View {
		out.Put("dead_letter", option.BoolValue(false))
	}
	if t.NoReset {
		out.Put("reset", option.BoolValue(false))
	}
	if t.RefreshEvery > 0 {
		out.Put("refresh_every", text(option.ShortDuration(t.RefreshEvery)))
	}
	out.Put("refresh_policy", unless(t.Refresh, dsl.RefreshAuto))
	parquet := mapping()
	parquet.Put("compression", unless(t.Parquet.Compression, dsl.DefaultParquet.Compression))
	parquet.Put("row_group_size", number(t.Parquet.RowGroupSize, dsl.DefaultParquet.RowGroupSize))
	out.Put("parquet", filled(parquet))
	for _, x := range t.Ignored {
		c.lose(x.Range, "it has no effect in lakeflow, and needs no place in the file", "%s: %s is left out", t.Name,
			strings.TrimSpace(x.Name+" "+x.Value))
	}
	return out
}

// columns are those of which something is said; or all, where some have types.
func columns(list []dsl.Column) *option.Value {
	out := mapping()
	typed := slices.ContainsFunc(list, func(x dsl.Column) bool { return x.Type != "" })
	for _, x := range list {
		v := mapping()
		v.Put("type", text(x.Type))
		v.Put("description", text(x.Description))
		if typed || len(v.Entries) > 0 {
			out.Put(x.Name, v)
		}
	}
	return filled(out)
}

func (c *converter) expectations(t *dsl.Table) *option.Value {
	out := mapping()
	for _, e := range t.Expectations {
		condition := option.TextValue(strings.TrimSpace(e.Expect.Renamed()))
		if e.Violation != dsl.Warn {
			v := mapping()
			v.Put("expect", condition)
			v.Put("on_violation", text(string(e.Violation)))
			condition = v
		}
		out.Put(e.Name, condition)
	}
	return filled(out)
}

// queries puts the queries of a table where it has them: into sql, flows or auto_cdc.
func (c *converter) queries(t *dsl.Table, out *option.Value) {
	several := len(t.Flows) != 1 || t.Flows[0].Name != t.Name || t.Flows[0].Once
	if several {
		flows := mapping()
		for _, f := range t.Flows {
			v := mapping()
			c.query(f, t.AutoCDC != nil, v)
			if f.Once {
				v.Put("once", option.BoolValue(true))
			}
			flows.Put(f.Name, v)
		}
		out.Put("flows", flows)
	}
	if t.AutoCDC != nil {
		v := mapping()
		switch {
		case t.AutoCDC.Snapshot != nil:
			c.snapshots(t, v)
		case !several:
			c.query(t.Flows[0], true, v)
		}
		c.autoCDC(t.AutoCDC, v)
		out.Put("auto_cdc", v)
	} else if !several {
		c.query(t.Flows[0], false, out)
	}
}

var (
	fromStream = regexp.MustCompile(`(?i)^\s*SELECT\s+\*\s+FROM\s+(STREAM\s*(?:\(\s*)?[A-Za-z_][A-Za-z0-9_.]*(?:\s*\))?)\s*;?\s*$`)
	fromName   = regexp.MustCompile(`(?is)^\s*SELECT\s+\*\s+(?:(?:EXCLUDE|EXCEPT)\s*\(\s*_metadata\s*\)\s*,\s*_metadata\s+)?FROM\s+(.*?)\s*;?\s*$`)
)

// query puts the query of a flow into a mapping: as from, sql, or sql_file. In auto_cdc there is no sql_file.
func (c *converter) query(f *dsl.Flow, changes bool, out *option.Value) {
	sql := strings.TrimSpace(f.SQL.Renamed())
	if m := fromStream.FindStringSubmatch(sql); m != nil && changes && !f.Once {
		out.Put("from", text(m[1]))
		return
	}
	if strings.Count(sql, "\n") >= longQuery && !changes && !c.inline {
		name := "sql/" + strings.ReplaceAll(f.Name, "/", "_") + ".sql"
		for n := range c.files {
			if strings.EqualFold(n, name) {
				name = strings.TrimSuffix(name, ".sql") + "_.sql"
			}
		}
		c.files[name] = sql + "\n"
		out.Put("sql_file", text(name))
		return
	}
	out.Put("sql", text(block(sql)))
}

// block ends a query of several lines as a literal block does.
func block(sql string) string {
	if strings.Contains(sql, "\n") {
		return sql + "\n"
	}
	return sql
}

// snapshots puts what gives the snapshots of a table into auto_cdc.
func (c *converter) snapshots(t *dsl.Table, out *option.Value) {
	m := fromName.FindStringSubmatch(t.Flows[0].SQL.Renamed())
	if m == nil {
		c.lose(t.Flows[0].Range, "declare a view with the query, and name it in from_snapshot",
			"%s: its snapshots are a query, and from_snapshot is one source, table or view", t.Name)
		return
	}
	out.Put("from_snapshot", text(m[1]))
	if v := t.AutoCDC.Snapshot.Version; v != nil {
		out.Put("snapshot_version", expression(v))
	}
}

func expression(x *dsl.Expression) *option.Value { return text(strings.TrimSpace(x.SQL.Renamed())) }

// autoCDC puts how changes are applied into a mapping.
func (c *converter) autoCDC(x *dsl.AutoCDC, out *option.Value) {
	var names []string
	for _, k := range x.Keys {
		names = append(names, k.Name)
	}
	if names != nil {
		out.Put("keys", option.ListValue(names...))
	}
	switch len(x.SequenceBy) {
	case 0:
	case 1:
		out.Put("sequence_by", expression(x.SequenceBy[0]))
	default:
		list := &option.Value{Kind: option.KindList}
		for _, e := range x.SequenceBy {
			list.Items = append(list.Items, expression(e))
		}
		out.Put("sequence_by", list)
	}
	for _, e := range []struct {
		key string
		x   *dsl.Expression
	}{{"apply_as_delete", x.ApplyAsDelete}, {"apply_as_truncate", x.ApplyAsTruncate}} {
		if e.x != nil {
			out.Put(e.key, expression(e.x))
		}
	}
	if n := x.IgnoreNullUpdates; n != nil && n.Except && len(n.Names) == 0 {
		out.Put("ignore_null_updates", option.BoolValue(true))
	} else {
		out.Put("ignore_null_updates", someColumns(n))
	}
	out.Put("columns", someColumns(x.Columns))
	out.Put("scd_type", number(x.SCDType, 1))
	out.Put("track_history_on", someColumns(x.TrackHistoryOn))
	if x.TombstoneRetention != dsl.DefaultTombstones {
		out.Put("tombstone_retention", text(option.ShortDuration(x.TombstoneRetention)))
	}
}

// someColumns are a list, or a text for all but those of a list.
func someColumns(x *dsl.Columns) *option.Value {
	if x == nil {
		return nil
	}
	var names []string
	for _, n := range x.Names {
		name := n.Name
		if x.Except && !plainColumn(name) {
			name = `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		}
		names = append(names, name)
	}
	switch {
	case !x.Except:
		return option.ListValue(names...)
	case names == nil:
		return text("*")
	}
	return text("* EXCEPT (" + strings.Join(names, ", ") + ")")
}
