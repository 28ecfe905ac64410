package plan

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/schemas"
)

// pass is one step of Compile. It adds to the compiler's diagnostics what is wrong with the pipeline; its error is a
// failure of the world.
type pass struct {
	name string
	run  func(*compiler, context.Context) error
}

// passes in their order. Each one works on what the earlier ones found sound, so that a mistake is reported once.
var passes = []pass{
	{"parse the queries", (*compiler).parse},
	{"resolve the names in them", (*compiler).resolve},
	{"check streams", (*compiler).checkStreams},
	{"order the datasets", (*compiler).order},
	{"tell of sources that were not reached", (*compiler).unreached},
	{"tell of sources that look where nothing is", (*compiler).nothingThere},
	{"bind the queries", (*compiler).bind},
	{"bind the expectations", (*compiler).bindRules},
	{"describe the columns", (*compiler).describeColumns},
	{"check the partition fields", (*compiler).checkPartitions},
	{"check the sinks", (*compiler).checkSinks},
	{"say where rows are from", (*compiler).trace},
	{"say how datasets are refreshed", (*compiler).finish},
	{"say how materialized views follow changes", (*compiler).follow},
	{"look for unused sources", (*compiler).unused},
}

// Compile checks the pipeline and makes its plan. Everything that is wrong is in the list, in the order of the file;
// the plan is nil when the list has errors, when the reader of the file left something out that it reported, or when a
// source whose columns are not declared was not reached. The error is for failures of the world: a broken connection, a
// cancelled context. What Compile creates on the connection is rolled back.
func Compile(ctx context.Context, in Input) (*Plan, diag.List, error) {
	tx, err := in.Conn.BeginTx(ctx, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("compile: %w", err)
	}
	c := newCompiler(in, tx)
	defer func() { _ = c.tx.Rollback() }() // there is nothing to keep, so nothing is lost when it fails
	for _, p := range passes {
		if err := p.run(c, ctx); err != nil {
			return nil, c.sortedDiags(), fmt.Errorf("compile: %s: %w", p.name, err)
		}
	}
	diags := c.sortedDiags()
	if diags.HasErrors() || slices.ContainsFunc(c.datasets, func(d *dataset) bool { return d.failed || d.doubtful }) {
		return nil, diags, nil
	}
	return c.plan(), diags, nil
}

// compiler is what the passes share.
type compiler struct {
	in       Input
	pipeline *dsl.Pipeline
	tx       *sql.Tx
	diags    diag.List
	entities map[string]*entity // by name in lower case
	sources  []*entity
	datasets []*dataset // in the order of the file
	// functions are the bodies of the pipeline's own: as an expectation does, each gives a value of one row.
	functions []*rowExpression
	sinks     []*Sink
	ordered   []*dataset // upstream first, without those on cycles or behind them
	secrets   *dsl.Secrets
}

// entity is what a query can read: a source or a dataset.
type entity struct {
	name    string
	source  *dsl.Source // nil for a dataset
	dataset *dataset    // nil for a source
	columns schemas.Table
	used    bool
	told    bool // that the source has no columns
	// doubtful is true when the names of the columns are known, but their types may be others: there are mistakes,
	// which are reported.
	doubtful bool
	// made says which relations exist now, by their schema, and whether they have _metadata.
	made map[string]relationShape
}

type relationShape int

const (
	notMade relationShape = iota
	bare
	withMetadata
)

// dataset is a declared table on its way through the passes.
type dataset struct {
	*entity
	decl   *dsl.Table
	flows  []*flow
	out    *Dataset
	failed bool // its columns cannot be known; the mistake was reported, here or upstream
	rules  []*rowExpression
	// changes is how the rows of the flows are applied; nil for a dataset whose columns they have.
	changes *changes
	rows    schemas.Table // that the flows give, which the rules see
	// doubtfulRows is true when the types of the rows may be others: there are mistakes in the queries.
	doubtfulRows bool
}

// flow is a declared flow on its way through the passes.
type flow struct {
	decl  *dsl.Flow
	query *sqltext.Query // of decl, until it has to be written again
	ds    *dataset
	facts *facts // nil when the query does not parse
	refs  []reference
	// failed is true when the query reads what is not there, or calls what it must not.
	failed bool
	// sql is the query's text with the pipeline's schema name blanked out; offsets are those of query.Text.
	sql     string
	columns []column // of the query as DuckDB describes it
	out     *Flow
}

// reference is a name in a query that was resolved.
type reference struct {
	*entity
	stream  bool
	changes bool // of STREAM CHANGES
	at      diag.Range
	// guessed is the name as it is written, where there is none like it and another one was meant as it seems: a
	// mistake that is reported.
	guessed string
}

// schema is the schema of DuckDB that has the relation.
func (r reference) schema() string {
	switch {
	case r.changes:
		return sqltext.ChangesSchema
	case r.stream:
		return sqltext.StreamSchema
	}
	return "main"
}

// visible are the columns that the query sees, without _metadata.
func (r reference) visible() schemas.Table {
	if r.changes {
		return slices.Concat(r.columns, schemas.ChangeFeed())
	}
	return r.columns
}

// column is an output column in DuckDB's types.
type column struct{ name, duckType string }

func newCompiler(in Input, tx *sql.Tx) *compiler {
	c := &compiler{in: in, pipeline: in.Pipeline, tx: tx, entities: map[string]*entity{}, secrets: in.Pipeline.Secrets}
	for _, f := range in.Pipeline.Functions {
		c.functions = append(c.functions, &rowExpression{query: f.SQL, title: "function " + f.Name, value: true, flawed: f.Flawed})
	}
	for _, s := range in.Pipeline.Sources {
		e := &entity{name: s.Name, source: s, columns: in.SourceColumns[s.Name], made: map[string]relationShape{}}
		c.sources = append(c.sources, e)
		c.name(e)
	}
	for _, t := range in.Pipeline.Tables {
		d := &dataset{decl: t, entity: &entity{name: t.Name, made: map[string]relationShape{}}}
		d.dataset = d
		d.out = &Dataset{Name: t.Name, Kind: t.Kind, Layer: t.Layer, Description: c.secrets.Hide(t.Description), Parquet: t.Parquet, RefreshEvery: t.RefreshEvery, At: t.Range}
		for _, e := range t.Expectations {
			d.rules = append(d.rules, &rowExpression{query: e.Expect, title: ruleTitle(e.Name), flawed: e.Flawed})
		}
		d.changes = newChanges(t.AutoCDC)
		d.failed = len(t.Flows) == 0
		for _, f := range t.Flows {
			if f.SQL == nil {
				d.failed = true
				continue
			}
			d.flows = append(d.flows, &flow{decl: f, query: f.SQL, ds: d, sql: f.SQL.Text, out: &Flow{
				Name: f.Name, UsesMetadata: f.SQL.UsesMetadata, At: f.Range, query: f.SQL, casts: map[int]bool{}, secrets: c.secrets}})
		}
		c.datasets = append(c.datasets, d)
		c.name(d.entity)
	}
	return c
}

// name makes an entity known by its name. Of two with one name, which is reported, nothing is known.
func (c *compiler) name(e *entity) {
	key := strings.ToLower(e.name)
	if other := c.entities[key]; other != nil {
		for _, e := range []*entity{e, other} {
			e.columns, e.told = nil, true
			if e.dataset != nil {
				e.dataset.failed = true
			}
		}
	}
	c.entities[key] = e
}

// sortedDiags returns the diagnostics in the order of the files and lines, without secrets.
func (c *compiler) sortedDiags() diag.List {
	l := c.secrets.HideAll(c.diags)
	l.Sort()
	return l
}

// plan puts the result together.
func (c *compiler) plan() *Plan {
	p := &Plan{Name: c.pipeline.Name, Schema: c.pipeline.Target.Schema, Warehouse: c.secrets.Hide(c.pipeline.Target.Warehouse),
		DeadLetter: c.pipeline.DeadLetter.Table, Mode: c.pipeline.Mode, Trigger: c.pipeline.Trigger, Sinks: c.sinks, Diagnostics: c.sortedDiags(), Secrets: c.secrets}
	for _, e := range c.sources {
		p.Sources = append(p.Sources, c.planned(e))
	}
	for _, d := range c.ordered {
		p.Datasets = append(p.Datasets, d.out)
	}
	p.schedule()
	return p
}

// planned is a source as the plan has it.
func (c *compiler) planned(e *entity) *Source {
	s := &Source{Name: e.name, Kind: e.source.Connector, Columns: e.columns, Metadata: e.metadata(), At: e.source.Range}
	if o := e.source.Options; o != nil {
		s.Format, s.Ledger = c.secrets.Hide(o.Describe()), o.Traits().Ledger
	}
	return s
}

// at is the place in the user's file of length bytes at an offset of a query's DuckDB text; the whole query when
// the offset is not known.
func at(q *sqltext.Query, offset, length int) diag.Range {
	if offset < 0 || offset > len(q.Text) {
		start := len(q.Text) - len(strings.TrimLeft(q.Text, " \t\r\n"))
		return q.At(start, tokenLength(q.Text, start))
	}
	return q.At(offset, length)
}

// token is the place of the word, operator or dotted name at an offset.
func token(q *sqltext.Query, offset int) diag.Range {
	if offset < 0 || offset > len(q.Text) {
		return at(q, -1, 0)
	}
	return q.At(offset, tokenLength(q.Text, offset))
}
