package sqlfile

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/spark"
)

// createTable declares a table.
func (b *builder) createTable(s *scope, c *CreateTable) {
	kind := dsl.StreamingTable
	switch {
	case c.Kind == MaterializedView:
		kind = dsl.MaterializedView
	case c.Kind == PlainTable && c.Flow == nil && c.Query != nil:
		b.diags.Errorf("LF0522", c.Name.Range, "write CREATE MATERIALIZED VIEW, or CREATE STREAMING TABLE",
			"CREATE TABLE … AS makes a table once, which no pipeline does")
		kind = dsl.MaterializedView
	}
	t := b.dataset(s, kind, c.Head, &c.Dataset)
	if t == nil {
		return
	}
	t.ignore(c.Private, "PRIVATE", "")
	b.stored(t, c)
	if c.Flow != nil {
		b.flow(declaredFlow{s, Name{}, c.Name, *c.Flow, c.Head, nil})
	}
}

// createView declares a view. One whose rows are judged is stored as a table: a view has no place for rows that break a
// rule, and would count them again for each of its readers.
func (b *builder) createView(s *scope, c *CreateView) {
	t := b.dataset(s, dsl.View, c.Head, &c.Dataset)
	if t == nil {
		return
	}
	if !c.Live.IsZero() && len(t.Expectations) > 0 {
		t.Kind = dsl.MaterializedView
		if !c.Streaming.IsZero() || len(t.Flows) > 0 && len(t.Flows[0].SQL.Streams) > 0 {
			t.Kind = dsl.StreamingTable
		}
		t.ignore(c.Live, "LIVE VIEW", "stored as a table, because it has expectations")
		return
	}
	for _, e := range c.Expectations {
		b.diags.Errorf("LF0110", e.Range,
			"move it to a table that reads the view, or make "+t.Name+" a MATERIALIZED VIEW", "a view stores no rows: expectations have no effect on it")
	}
	t.Expectations = nil
	for _, clause := range []string{"PARTITIONED BY", "CLUSTER BY", "SCHEDULE", "LOCATION", "ROW FILTER",
		"REFRESH POLICY"} {
		if at := c.Clauses.At(clause); !at.IsZero() {
			b.diags.Errorf("LF0110", at, "remove it, or make "+t.Name+" a MATERIALIZED VIEW",
				"a view stores no rows: %s has no effect on it", clause)
		}
	}
}

// dataset declares what tables and views have in common. It is nil for one without a name that can be known.
func (b *builder) dataset(s *scope, kind dsl.Kind, head Head, d *Dataset) *table {
	name, ok := b.fullName(s, d.Name)
	if !ok { // which is reported, and so are mistakes in the rest
		b.expectations(s, &table{Table: &dsl.Table{}}, d.Expectations)
		if d.Query != nil {
			b.query(s, &dsl.Table{}, feed{}, *d.Query)
		}
		return nil
	}
	node := option.Node{Range: d.Name.Range, Fields: map[string]diag.Range{}, Flawed: head.Flawed}
	t := &table{name: name, columns: d.Columns, remember: dsl.DefaultTombstones, Table: &dsl.Table{Node: node, Name: name.inPipeline(),
		Kind: kind, DeadLetter: true, Refresh: dsl.RefreshAuto, Parquet: dsl.DefaultParquet}}
	if !b.declare(t) {
		return nil
	}
	if c := d.Clauses.Comment; c != nil {
		t.Description = c.Text
	}
	b.columns(s, t, d.Columns)
	b.expectations(s, t, d.Expectations)
	b.notNull(t, d.Columns)
	for _, p := range d.Clauses.Properties {
		b.property(t, p)
	}
	if d.Query != nil {
		t.Fields["sql"] = d.Query.Range
		whole := kind == dsl.MaterializedView && !d.Live.IsZero()
		b.addFlow(t, feed{name: t.Name, at: d.Name.Range, whole: whole, streaming: kind == dsl.StreamingTable}, s, *d.Query)
	}
	b.ignored(t, d)
	return t
}

// declare notes a table, and reports a name that is taken or none.
func (b *builder) declare(t *table) bool {
	key := t.name.key()
	other := b.byName[key]
	if other != nil && !sameCatalog(other.name.catalog, t.name.catalog) {
		b.diags.Errorf("LF0529", t.Range, "choose another name, or another schema",
			"%s is in the catalog %s here and in %s at %s: the tables of a pipeline are in one catalog, whose name is no part of theirs",
			t.Name, t.name.catalog, other.name.catalog, other.Range)
		return false
	}
	if other != nil {
		b.diags.Errorf("LF0107", t.Range,
			"choose another name; several queries for one table are CREATE FLOW … AS INSERT INTO "+t.Name,
			"the name %q already belongs to the table at %s", t.Name, other.Range)
		return false
	}
	b.byName[key] = t
	b.tables = append(b.tables, t)
	lower := strings.ToLower(t.name.name)
	own := t.name.schema == ""
	switch {
	case !goodName(t.name.name) || t.name.schema != "" && !goodName(t.name.schema):
		b.diags.Errorf("LF0106", t.Range, "use letters, digits, _ and -", "%q is not a good table name", t.Name)
	case own && (lower == "event_log" || lower == "stream" || lower == dsl.DefaultDeadLetter) || strings.HasPrefix(lower, "__"):
		b.diags.Errorf("LF0107", t.Range, "choose another name", "the name %q is kept for lakeflow's own use", t.Name)
	}
	return true
}

// expectations declares rules.
func (b *builder) expectations(s *scope, t *table, rules []Expectation) {
	for _, e := range rules {
		if e.Condition.SQL == "" || e.Name.Text == "" { // which is reported
			continue
		}
		if slices.ContainsFunc(t.Expectations, func(o dsl.Expectation) bool {
			return strings.EqualFold(o.Name,
				e.Name.Text)
		}) {
			b.diags.Errorf("LF0107", e.Name.Range, "choose another name", "%s has two expectations %q", t.Name,
				e.Name.Text)
			continue
		}
		q, flawed := b.condition(s, e.Condition)
		action := map[string]dsl.Action{"DROP": dsl.Drop, "FAIL": dsl.Fail, "QUARANTINE": dsl.Drop, "WARN": dsl.Warn, "": dsl.Warn}[e.OnViolation.Text]
		node := option.Node{Range: e.Name.Range, Fields: map[string]diag.Range{"expect": e.Condition.Range},
			Flawed: flawed}
		t.Expectations = append(t.Expectations, dsl.Expectation{Node: node, Name: e.Name.Text, Expect: q,
			Violation: action})
	}
}

// property takes what lakeflow knows of a table's properties. Others are labels for other programs.
func (b *builder) property(t *table, p Property) {
	value := strings.ToLower(p.Value.Text)
	switch {
	case p.Key.Text == "quality" && slices.Contains([]string{"bronze", "silver", "gold"}, value):
		t.Layer = value
	case p.Key.Text == "pipelines.reset.allowed":
		t.NoReset = value == "false"
	case strings.EqualFold(p.Key.Text, "pipelines.cdc.tombstoneGCThresholdInSeconds"):
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil || n < 1 {
			b.diags.Errorf("LF0102", p.Value.Range, "write a number of seconds",
				"%s must be a number of seconds, not %q", p.Key.Text, p.Value.Text)
			return
		}
		t.remember = time.Duration(n) * time.Second
	default:
		t.ignore(p.Key.Range, p.Key.Text, p.Value.Text)
	}
}

// stored takes the clauses that are about stored rows.
func (b *builder) stored(t *table, c *CreateTable) {
	for _, x := range c.Clauses.PartitionedBy {
		if p, ok := b.partition(x); ok {
			t.PartitionBy = append(t.PartitionBy, p)
		}
	}
	if f := c.Clauses.RowFilter; f != nil {
		b.refuse(f.Range, "filter the rows in a view", "this is a row filter")
	}
	if r := c.Clauses.RefreshPolicy; r != nil {
		// INCREMENTAL falls back to computing all rows, which only STRICT forbids.
		t.RefreshAt = r.Range
		t.Refresh = map[string]dsl.RefreshPolicy{"FULL": dsl.RefreshFull, "INCREMENTAL STRICT": dsl.RefreshIncremental}[strings.ToUpper(r.Text)]
		if t.Refresh == "" {
			t.Refresh = dsl.RefreshAuto
		}
		if t.Kind != dsl.MaterializedView {
			b.diags.Errorf("LF0151", r.Range, "remove it; a streaming table only reads what is new",
				"REFRESH POLICY has no effect on the streaming table %s", t.Name)
		}
	}
}

// partition reads a column, or a transform of one as Spark and Iceberg spell it: days(ts), bucket(16, id).
func (b *builder) partition(x Text) (dsl.PartitionBy, bool) {
	p := dsl.PartitionBy{Node: option.Node{Range: x.Range}, Transform: "identity"}
	tokens := spark.Significant(spark.Lex(x.SQL))
	isName := func(i int) bool { return tokens[i].Kind == spark.Word || tokens[i].Kind == spark.Name }
	name := func(i int) string { return unquoteName(tokens[i].Text(x.SQL)) }
	if len(tokens) > 0 && isName(0) && (len(tokens) == 1 || isName(1) || tokens[1].Text(x.SQL) == ":") {
		p.Column = name(0)
		return p, true
	}
	if len(tokens) > 3 && tokens[1].Text(x.SQL) == "(" && tokens[len(tokens)-1].Text(x.SQL) == ")" {
		transform := strings.ToLower(tokens[0].Text(x.SQL))
		if slices.Contains([]string{"years", "months", "days", "hours"}, transform) {
			transform = strings.TrimSuffix(transform, "s")
		}
		args := tokens[2 : len(tokens)-1]
		withNumber := transform == "bucket" || transform == "truncate"
		p.Transform = transform
		for i, a := range args {
			switch {
			case isName(2 + i):
				p.Column = name(2 + i)
			case a.Kind == spark.Number:
				p.Arg, _ = strconv.Atoi(a.Text(x.SQL))
			}
		}
		known := withNumber && len(args) == 3 && p.Arg > 0 || len(args) == 1 && slices.Contains([]string{"year",
			"month", "day", "hour"}, transform)
		if known && p.Column != "" {
			return p, true
		}
	}
	b.diags.Errorf("LF0117", x.Range,
		"write a column, or years, months, days or hours(column), bucket(16, column), truncate(4, column)", "%q is not a partition", x.SQL)
	return p, false
}
