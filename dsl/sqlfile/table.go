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
	if !c.Private.IsZero() {
		b.without(c.Private, "PRIVATE", "the table is published like others",
			"write CREATE TEMPORARY VIEW for what need not be stored, or leave it out")
	}
	b.stored(t, c)
	if c.Flow != nil {
		b.flow(declaredFlow{s, Name{}, c.Name, *c.Flow, c.Head})
	}
}

// createView declares a view.
func (b *builder) createView(s *scope, c *CreateView) {
	t := b.dataset(s, dsl.View, c.Head, &c.Dataset)
	if t == nil {
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
			b.query(s, "", *d.Query)
		}
		return nil
	}
	node := option.Node{Range: d.Name.Range, Fields: map[string]diag.Range{}, Flawed: head.Flawed}
	t := &table{name: name, remember: dsl.DefaultTombstones, Table: &dsl.Table{Node: node, Name: name.inPipeline(),
		Kind: kind, DeadLetter: true, Refresh: dsl.RefreshAuto, Parquet: dsl.DefaultParquet}}
	if !b.declare(t) {
		return nil
	}
	if c := d.Clauses.Comment; c != nil {
		t.Description = c.Text
	}
	b.columns(t, d.Columns)
	b.expectations(s, t, d.Expectations)
	for _, p := range d.Clauses.Properties {
		b.property(t, p)
	}
	if d.Query != nil {
		t.Fields["sql"] = d.Query.Range
		b.addFlow(t, t.Name, d.Name.Range, s, *d.Query)
	}
	return t
}

// declare notes a table, and reports a name that is taken or none.
func (b *builder) declare(t *table) bool {
	key := t.name.key()
	other := b.byName[key]
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

// columns keeps what is said of columns, and has their names checked.
func (b *builder) columns(t *table, columns []Column) {
	typed := false
	for i, c := range columns {
		same := func(o Column) bool { return strings.EqualFold(o.Name.Text, c.Name.Text) }
		if slices.ContainsFunc(columns[:i], same) {
			b.diags.Errorf("LF0162", c.Name.Range, "remove one of them", "the column %q is there twice", c.Name.Text)
			continue
		}
		about := dsl.Column{Node: option.Node{Range: c.Name.Range}, Name: c.Name.Text}
		if c.Comment != nil {
			about.Description = c.Comment.Text
		}
		if c.Comment != nil || !strings.HasPrefix(c.Name.Text, "__") { // those that AUTO CDC adds are not the query's
			t.Columns = append(t.Columns, about)
		}
		switch {
		case c.Default != nil:
			b.refuse(c.Default.Range, "write the value in the query, as in COALESCE(x, value)",
				"this is a default value of a column")
		case c.Generated != nil:
			b.refuse(c.Generated.Range, "compute it in the query", "this is a generated column")
		case c.Mask != nil:
			b.refuse(c.Mask.Range, "compute what may be seen in a view", "this is a mask of a column")
		}
		b.refuse(c.Identity, "number the rows in a view, or use a key of the source", "this is an identity column")
		if !c.NotNull.IsZero() {
			b.without(c.NotNull, "NOT NULL", "it is not checked",
				"write CONSTRAINT "+c.Name.Text+"_is_set EXPECT ("+c.Name.Text+" IS NOT NULL) ON VIOLATION FAIL UPDATE")
		}
		if c.Type != nil && !typed {
			typed = true
			b.without(c.Type.Range, "the type of a column", "columns have the types that the query gives",
				"cast them in the query where those are others")
		}
	}
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
		action := map[string]dsl.Action{"DROP": dsl.Drop, "FAIL": dsl.Fail, "": dsl.Warn}[e.OnViolation.Text]
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
	case p.Key.Text == "pipelines.reset.allowed" && value == "false":
		b.without(p.Key.Range, p.Key.Text, "a full refresh of the table is not refused",
			"name the tables that are to be refreshed behind --full-refresh")
	case strings.EqualFold(p.Key.Text, "pipelines.cdc.tombstoneGCThresholdInSeconds"):
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil || n < 1 {
			b.diags.Errorf("LF0102", p.Value.Range, "write a number of seconds",
				"%s must be a number of seconds, not %q", p.Key.Text, p.Value.Text)
			return
		}
		t.remember = time.Duration(n) * time.Second
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
	if l := c.Clauses.Location; l != nil {
		b.without(c.Clauses.At("LOCATION"), "LOCATION", "tables are in the warehouse of the pipeline", "remove it")
	}
	if r := c.Clauses.RefreshPolicy; r != nil {
		word, _, _ := strings.Cut(strings.ToLower(r.Text), " ")
		t.Refresh, t.RefreshAt = dsl.RefreshPolicy(word), r.Range
		if t.Kind != dsl.MaterializedView {
			b.diags.Errorf("LF0151", r.Range, "remove it; a streaming table only reads what is new",
				"REFRESH POLICY has no effect on the streaming table %s", t.Name)
		}
	}
	for _, k := range c.Constraints {
		if k.Check != nil {
			b.without(k.Range, "CHECK", "it is not checked", "write CONSTRAINT … EXPECT (…) ON VIOLATION FAIL UPDATE")
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
