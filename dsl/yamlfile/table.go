package yamlfile

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/schemas"
)

func (b *builder) table(name string, s *specTable) *dsl.Table {
	t := &dsl.Table{Node: s.Node, Name: name, Kind: dsl.Kind(s.Kind), Layer: s.Layer, DeadLetter: s.DeadLetter == nil || *s.DeadLetter}
	t.Description = b.texts.Shown(s.Description, s.At("description"))
	t.Columns, t.NoReset = b.columns(s), s.Reset != nil && !*s.Reset
	t.Flows = b.flows(name, s)
	t.AutoCDC = b.autoCDC(t, s)
	t.Flawed = len(t.Flows) < max(len(s.Flows), 1)
	if t.Kind == "" { // a mistake that is reported; later passes still want to check the query
		t.Kind, t.Guessed = dsl.MaterializedView, true
		if t.AutoCDC != nil || slices.ContainsFunc(t.Flows, func(f *dsl.Flow) bool { return len(f.SQL.Streams) > 0 }) {
			t.Kind = dsl.StreamingTable
		}
	}
	t.PartitionBy = b.partitions(s)
	for _, rule := range inOrder(s.Expectations, func(x specExpectation) option.Node { return x.Node }) {
		x := s.Expectations[rule]
		b.ruleName(rule, x.Range)
		if q, flawed := b.condition(x.Expect, "expectation "+rule); q != nil {
			x.Flawed = flawed
			t.Expectations = append(t.Expectations, dsl.Expectation{Node: x.Node, Name: rule, Expect: q, Violation: dsl.Action(cmp.Or(x.Violation, string(dsl.Warn)))})
		}
	}
	t.Parquet = dsl.Parquet{Node: s.Parquet.Node, Compression: cmp.Or(s.Parquet.Compression, dsl.DefaultParquet.Compression),
		RowGroupSize: b.positive(s.Parquet.RowGroupSize, s.Parquet.At("row_group_size"), dsl.DefaultParquet.RowGroupSize)}
	t.RefreshEvery = time.Duration(s.RefreshEvery)
	t.Refresh, t.RefreshAt = dsl.RefreshPolicy(cmp.Or(s.RefreshPolicy, string(dsl.RefreshAuto))), s.Fields["refresh_policy"]
	for key, help := range map[string]string{"refresh_every": "remove it; trigger: {interval: …} says how often streaming tables get new rows",
		"refresh_policy": "remove it; a streaming table only reads what is new, and a view stores nothing"} {
		if at, ok := s.Fields[key]; ok && s.Kind != string(dsl.MaterializedView) && s.Kind != "" {
			b.diags.Errorf("LF0151", at, help, "%s has no effect on the %s %s", key, strings.ReplaceAll(s.Kind, "_", " "), name)
		}
	}
	if s.Kind == string(dsl.View) {
		b.notOnView(name, s)
	}
	return t
}

// columns are what the file says of them.
func (b *builder) columns(s *specTable) (columns []dsl.Column) {
	typed := false
	for _, x := range s.Columns {
		typed = typed || x.Type != nil
	}
	for _, name := range inOrder(s.Columns, func(x specDescribed) option.Node { return x.Node }) {
		x := s.Columns[name]
		col := dsl.Column{Node: x.Node, Name: name}
		if x.Description != nil {
			col.Description = b.texts.Shown(*x.Description, x.At("description"))
		}
		if x.Type != nil {
			col.Type, col.Flawed = *x.Type, !b.columnType(name, *x.Type, x.At("type"))
		}
		same := func(o dsl.Column) bool { return strings.EqualFold(o.Name, name) }
		switch {
		case slices.ContainsFunc(columns, same):
			b.diags.Errorf("LF0107", x.Range, "remove one of them",
				"the column %q is there twice: SQL does not tell letter case", name)
		case x.Fields != nil && len(x.Fields) == 0 && !typed: // else it is one of all columns
			b.diags.Errorf("LF0114", x.Range, "write {type: BIGINT}, or {description: …}", "nothing is said of column %q", name)
		default:
			columns = append(columns, col)
		}
	}
	return columns
}

// notOnView reports keys that say something about stored rows.
func (b *builder) notOnView(name string, s *specTable) {
	for _, key := range []string{"expectations", "partition_by", "parquet", "dead_letter", "reset"} {
		if at, ok := s.Fields[key]; ok {
			b.diags.Errorf("LF0110", at, "move it to a table that reads the view, or make "+name+" a materialized_view",
				"a view stores no rows: %s has no effect on it", key)
		}
	}
}

// writtenQuery is where a query is written: in one of three keys.
type writtenQuery struct {
	node      option.Node
	from, sql *specSQL
	file      *string
}

// flows gives the queries of a table: the one of sql, sql_file or auto_cdc, or those of flows.
func (b *builder) flows(table string, s *specTable) []*dsl.Flow {
	changes := s.AutoCDC
	if s.Has("auto_cdc") {
		b.besides(table, "auto_cdc", "write it as the sql of auto_cdc", s.Node, "sql", "sql_file")
	}
	at, several := s.Fields["flows"]
	switch {
	case !several && changes != nil && changes.Has("from_snapshot"):
		return b.snapshotFlow(table, changes)
	case !several && changes != nil:
		return b.flow(table, writtenQuery{node: changes.Node, from: changes.From, sql: changes.SQL}, true)
	case !several && s.Has("auto_cdc"): // it is no mapping, which is reported
		return nil
	case !several:
		return b.flow(table, writtenQuery{node: s.Node, sql: s.SQL, file: s.SQLFile}, false)
	}
	b.besides(table, "flows", "make it one of the flows", s.Node, "sql", "sql_file")
	if changes != nil {
		b.besides(table, "flows", "make it one of the flows", changes.Node, "from", "sql")
		b.besides(table, "flows", "unite the queries in a view, and take the snapshots from it", changes.Node, "from_snapshot")
	}
	if s.Kind != string(dsl.StreamingTable) && s.Kind != "" {
		b.diags.Errorf("LF0111", at, "write one query in sql, with UNION ALL for several inputs", "a %s has one query; flows append to a streaming_table", s.Kind)
	}
	if len(s.Flows) == 0 && s.Flows != nil {
		b.diags.Errorf("LF0114", at, "write name: {sql: SELECT …} below it", "table %q has no flows", table)
	}
	var out []*dsl.Flow
	for _, name := range inOrder(s.Flows, func(x specFlow) option.Node { return x.Node }) {
		f := s.Flows[name]
		b.tableName("flow", name, f.Range)
		if f.Once && f.From != nil {
			b.diags.Errorf("LF0164", f.From.at, "write sql: SELECT * FROM name, which reads all that is there",
				"from stands for a stream, and the flow %s runs once", name)
			continue
		}
		for _, flow := range b.flow(name, writtenQuery{f.Node, f.From, f.SQL, f.SQLFile}, changes != nil) {
			flow.Once = f.Once
			out = append(out, flow)
		}
	}
	return out
}

// besides reports keys that say what another key says.
func (b *builder) besides(table, key, help string, n option.Node, others ...string) {
	for _, other := range n.Written(others...) {
		b.diags.Errorf("LF0108", n.Fields[other], help, "table %q has both %s and %s", table, other, key)
	}
}

// flow makes a flow; it is left out when the query is missing. Only what gives changes has from.
func (b *builder) flow(name string, w writtenQuery, changes bool) []*dsl.Flow {
	n := w.node
	keys := n.Written("from", "sql", "sql_file")
	switch {
	case len(keys) > 1:
		last := keys[len(keys)-1]
		b.diags.Errorf("LF0108", n.Fields[last], "keep one of them", "%q has both %s and %s", name, keys[0], last)
	case len(keys) == 0:
		help := "add sql: with a query, or sql_file: with the path of a file that holds it"
		if changes {
			help = "add from: STREAM name, or sql: with a query over streams"
		}
		if n.Fields != nil { // else it is not a mapping, which is reported
			b.diags.Errorf("LF0108", n.Range, help, "%q has no query", name)
		}
		return nil
	}
	sql := w.sql
	switch {
	case w.file != nil && len(keys) == 1:
		sql = b.sqlFile(*w.file, n.Fields["sql_file"])
	case n.Has("from") && !n.Has("sql"):
		sql = b.from(w.from, changes)
	}
	q, flawed := b.query(sql, name)
	if q == nil {
		return nil
	}
	n.Flawed = flawed
	return []*dsl.Flow{{Node: n, Name: name, SQL: q}}
}

// sqlFile reads the file of a query.
func (b *builder) sqlFile(written string, at diag.Range) *specSQL {
	path := b.texts.Resolving().Path(written, at)
	if path == "" {
		return nil
	}
	content, err := b.texts.ReadFile(path)
	if err != nil {
		b.diags.Errorf("LF0109", at, "write a path that exists, relative to the pipeline file", "the file %q cannot be read: %v", written, err)
		return nil
	}
	shown := path
	if rel, err := filepath.Rel(b.texts.Dir, path); err == nil {
		shown = filepath.Join(filepath.Dir(b.file), rel)
	}
	if option.RefersOutside(written) {
		shown = written
	}
	content, ok := checkText(shown, content, b.diags)
	if !ok {
		return nil
	}
	origin := sqltext.WholeFile(shown)
	return &specSQL{content, origin, diag.Range{File: shown, Start: origin.Marks[0].Pos, End: origin.Marks[0].Pos}}
}

// query reads SQL, and says whether it has mistakes.
func (b *builder) query(s *specSQL, what string) (q *sqltext.Query, flawed bool) {
	if s == nil {
		return nil, true
	}
	if strings.TrimSpace(s.raw) == "" {
		b.diags.Errorf("LF0114", s.at, "write SQL here", "the SQL of %q is empty", what)
		return nil, true
	}
	before := len(*b.diags)
	if b.spark {
		q = b.sparkText(s, spark.Translate)
	} else {
		q = sqltext.New(s.raw, s.origin, b.texts.Params, b.diags)
	}
	return q, option.Flawed((*b.diags)[before:])
}

// condition reads an expression over a row, and says whether it has mistakes.
func (b *builder) condition(s *specSQL, what string) (q *sqltext.Query, flawed bool) {
	if s == nil || !b.spark || strings.TrimSpace(s.raw) == "" {
		return b.query(s, what)
	}
	before := len(*b.diags)
	q = b.sparkText(s, spark.Expression)
	return q, option.Flawed((*b.diags)[before:])
}

var transform = regexp.MustCompile(`^\s*([A-Za-z]+)\s*\((?:\s*([0-9]+)\s*,)?\s*("(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_]*)\s*\)\s*$`)
var plainColumn = regexp.MustCompile(`^\s*("(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_]*)\s*$`)

func (b *builder) partitions(s *specTable) []dsl.PartitionBy {
	var out []dsl.PartitionBy
	split := false // by the comma of bucket(16, id): the first half is reported
	for _, x := range s.PartitionBy {
		if split && strings.HasSuffix(x.text, ")") && !strings.Contains(x.text, "(") {
			split = false
			continue
		}
		p, ok := b.partition(x)
		split = strings.Count(x.text, "(") > strings.Count(x.text, ")")
		if !ok {
			continue
		}
		same := func(o dsl.PartitionBy) bool {
			return strings.EqualFold(o.Column, p.Column) && o.Transform == p.Transform && o.Arg == p.Arg
		}
		if slices.ContainsFunc(out, same) {
			b.diags.Errorf("LF0117", x.at, "remove one of them", "the table is partitioned by %s twice", x.text)
			continue
		}
		out = append(out, p)
	}
	return out
}

// partition reads country, month(departed_at), bucket(16, id) or truncate(4, name).
func (b *builder) partition(s specPartition) (dsl.PartitionBy, bool) {
	p := dsl.PartitionBy{Node: option.Node{Range: s.at}, Transform: "identity"}
	if m := plainColumn.FindStringSubmatch(s.text); m != nil {
		p.Column = unquote(m[1])
		return p, true
	}
	help := "write a column, or year, month, day or hour(column), bucket(16, column), truncate(4, column)"
	m := transform.FindStringSubmatch(s.text)
	if m == nil {
		if strings.Count(s.text, "(") != strings.Count(s.text, ")") {
			help = `inside [ ], quote a transform that holds a comma: ["bucket(16, id)"]`
		}
		b.diags.Errorf("LF0117", s.at, help, "%q is not a partition", s.text)
		return p, false
	}
	p.Transform, p.Column = strings.ToLower(m[1]), unquote(m[3])
	withArg := p.Transform == "bucket" || p.Transform == "truncate"
	names := []string{"identity", "year", "month", "day", "hour", "bucket", "truncate"}
	arg, err := strconv.ParseInt(cmp.Or(m[2], "0"), 10, 32)
	switch {
	case !slices.Contains(names, p.Transform):
		b.diags.Errorf("LF0117", s.at, diag.DidYouMean(p.Transform, names, help), "there is no partition transform %q", m[1])
	case withArg && (err != nil || arg < 1):
		b.diags.Errorf("LF0117", s.at, "write "+p.Transform+"(16, "+m[3]+")", "%s needs a number from 1 to 2147483647 before the column", p.Transform)
	case !withArg && m[2] != "":
		b.diags.Errorf("LF0117", s.at, "write "+p.Transform+"("+m[3]+")", "%s takes a column and no number", p.Transform)
	default:
		p.Arg = int(arg)
		return p, true
	}
	return p, false
}

func unquote(column string) string {
	if strings.HasPrefix(column, `"`) {
		return strings.ReplaceAll(column[1:len(column)-1], `""`, `"`)
	}
	return column
}

// uniqueNames reports names that two things have. SQL does not tell Orders from orders.
func (b *builder) uniqueNames(p *dsl.Pipeline) {
	owners := map[string]string{"event_log": "the pipeline's event log", "stream": "the keyword STREAM"}
	claim := func(name, what string, at diag.Range) {
		key := strings.ToLower(name)
		schema, bare := schemas.SplitName(key)
		owner, taken := owners[key]
		if schema != "" && bare == "event_log" { // the pipeline whose own schema it is has one
			owner, taken = owners[bare], true
		}
		if taken {
			b.diags.Errorf("LF0107", at, "choose another name", "the name %q already belongs to %s", name, owner)
			return
		}
		if strings.HasPrefix(bare, "__") {
			b.diags.Errorf("LF0107", at, "choose a name that does not begin with __", "the name %q is kept for lakeflow's own use", name)
		}
		owners[key] = what
		if at.Start.Line > 0 {
			owners[key] = fmt.Sprintf("%s on line %d", what, at.Start.Line)
		}
	}
	claim(p.DeadLetter.Table, "the dead-letter table", p.DeadLetter.At("table"))
	for _, s := range p.Sources {
		claim(s.Name, "a source", s.Range)
	}
	for _, t := range p.Tables {
		claim(t.Name, "a table", t.Range)
	}
	for _, s := range p.Sinks {
		claim(s.Name, "a sink", s.Range)
	}
	flows := map[string]string{}
	for _, t := range p.Tables {
		for _, f := range t.Flows {
			if other, taken := flows[strings.ToLower(f.Name)]; taken {
				b.diags.Errorf("LF0107", f.Range, "choose another name", "the name %q already belongs to a flow of table %q", f.Name, other)
			}
			flows[strings.ToLower(f.Name)] = t.Name
		}
	}
}
