package plan

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/syntax"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
)

// MetadataColumn is the column of every source's relations that says where a row comes from. A query has to name it: *
// does not give it.
const MetadataColumn = "_metadata"

// bind has DuckDB bind every query, upstream first, over empty relations with the columns found so far. A dataset whose
// columns cannot be known, and those that read it, are left out: their mistakes would only be echoes.
func (c *compiler) bind(ctx context.Context) error {
	if err := c.clear(ctx); err != nil {
		return err
	}
	for _, d := range c.ordered {
		d.failed = d.failed || d.decl.Flawed
		for _, f := range d.flows {
			if !c.ready(f) {
				d.failed = true
				continue
			}
			if err := c.bindFlow(ctx, f); err != nil {
				return err
			}
		}
		d.failed = d.failed || !c.uniteFlows(d)
		if d.changes != nil && !d.failed {
			if err := c.bindChanges(ctx, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// clear makes empty schemas for streams and changes, and takes the relations of an update that is under way out of the
// transaction's sight.
func (c *compiler) clear(ctx context.Context) error {
	stream, changes := ident(sqltext.StreamSchema), ident(sqltext.ChangesSchema)
	var there bool
	if err := c.tx.QueryRowContext(ctx, "SELECT count(*) > 0 FROM duckdb_schemas() WHERE schema_name = '"+sqltext.StreamSchema+"'").Scan(&there); err != nil {
		return err
	}
	var drops []string
	if there {
		rows, err := c.tx.QueryContext(ctx, `SELECT 'DROP VIEW main."' || replace(view_name, '"', '""') || '"' FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal AND NOT temporary`)
		if err != nil {
			return err
		}
		if drops, err = scanTexts(rows, []string{"DROP SCHEMA " + stream + " CASCADE", "DROP SCHEMA IF EXISTS " + changes + " CASCADE"}); err != nil {
			return err
		}
	}
	for _, statement := range append(drops, "CREATE SCHEMA "+stream, "CREATE SCHEMA "+changes) {
		if _, err := c.tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// ready reports whether the columns of everything that the flow reads are known.
func (c *compiler) ready(f *flow) bool {
	ready := f.facts != nil && !f.failed && !f.query.Broken
	for _, r := range f.refs {
		if r.dataset != nil {
			ready = ready && !r.dataset.failed && len(r.columns) > 0
			continue
		}
		if len(r.columns) > 0 {
			continue
		}
		ready = false
		if !r.told {
			r.told = true
			c.noColumns(r.source)
		}
	}
	return ready
}

// noColumns reports a source that has neither records nor a schema. One without a connector is none of it: enough is
// said.
func (c *compiler) noColumns(s *dsl.Source) {
	if s.Flawed || s.Options == nil || c.in.Unreached[s.Name] != "" {
		return
	}
	found := c.in.Found[s.Name]
	c.diags.Errorf(codeNoColumns, s.Range, found.Remedy+", or declare the columns: schema: {id: BIGINT, name: VARCHAR}",
		"the columns of source %s are not known: %s, and no schema is declared", s.Name, found.Lack)
}

// nothingThere warns of sources whose columns are known, and that look where nothing is.
func (c *compiler) nothingThere(context.Context) error {
	for _, e := range c.sources {
		if found := c.in.Found[e.name]; len(e.columns) > 0 && found.Lack != "" {
			c.diags.Warnf(codeNothingThere, e.source.Range, found.Remedy, "source %s: %s", e.name, found.Lack)
		}
	}
	return nil
}

// unreached warns of sources that could not be asked.
func (c *compiler) unreached(context.Context) error {
	for _, e := range c.sources {
		why := c.in.Unreached[e.name]
		switch {
		case why == "":
		case len(e.columns) > 0:
			c.diags.Warnf(codeUnreached, e.source.Range, "check again when it can be reached",
				"source %s cannot be reached, so that only its declared columns are known: %s", e.name, why)
		default:
			c.diags.Warnf(codeUnreached, e.source.Range, "check again when it can be reached, or declare the columns: schema: {id: BIGINT, name: VARCHAR}",
				"source %s cannot be reached; its columns will be inferred by the first run, and what reads it is not checked: %s", e.name, why)
		}
	}
	return nil
}

// bindFlow describes the flow's query and sets its SQL and columns.
func (c *compiler) bindFlow(ctx context.Context, f *flow) error {
	doubtful := f.decl.Flawed
	for _, r := range f.refs {
		if !c.checkFeed(r) {
			f.ds.failed = true
			return nil
		}
		if err := c.relation(ctx, r, f.out.UsesMetadata); err != nil {
			return err
		}
		doubtful = doubtful || r.doubtful || r.guessed != ""
	}
	known, err := c.bindText(ctx, f.binding(c, doubtful))
	if err != nil {
		return err
	}
	f.ds.failed, f.ds.doubtful = f.ds.failed || !known.ok, f.ds.doubtful || known.doubtful
	if !known.ok {
		return nil
	}
	if !known.doubtful {
		if err := c.checkCasts(ctx, f); err != nil {
			return err
		}
	}
	if at, found := f.rowid(); found {
		c.diags.Errorf(codeBind, token(f.query, at), "number rows yourself, as in row_number() OVER (ORDER BY …)", "%s: there is no column \"rowid\"", f.ds.name)
		f.ds.failed = true
		return nil
	}
	f.out.SQL, f.out.sql = f.sql, f.sql
	f.columns = known.columns
	if f.out.UsesMetadata {
		f.hideMetadata()
	}
	f.ds.failed = !c.checkColumns(f) || f.ds.failed
	return nil
}

// binding is the flow's query to be bound.
func (f *flow) binding(c *compiler, doubtful bool) binding {
	return binding{query: f.query, sql: f.sql, before: describePrefix, items: f.facts.items, code: codeBind, what: f.ds.name, doubtful: doubtful,
		again: func(ctx context.Context, q *sqltext.Query) (binding, error) {
			err := c.writtenAgain(ctx, f, q)
			return f.binding(c, doubtful), err
		}}
}

// writtenAgain puts another text in the place of a flow's query, which reads the same.
func (c *compiler) writtenAgain(ctx context.Context, f *flow, q *sqltext.Query) error {
	parsed, err := syntax.ParseAll(ctx, c.tx, []string{q.Text})
	if err != nil {
		return err
	}
	f.query, f.sql, f.out.query, f.out.casts = q, q.Text, q, map[int]bool{}
	if err := c.parsedFlow(ctx, f, q.Text, parsed[0]); err != nil {
		return err
	}
	if f.ds.failed {
		return fmt.Errorf("%s: DuckDB does not parse what its query was translated to: %s", f.ds.name, q.Text)
	}
	return nil
}

// rowid finds a rowid that is DuckDB's own: the relations that queries are bound to have it, those that they run on do
// not.
func (f *flow) rowid() (offset int, found bool) {
	for _, col := range f.facts.columns {
		if !strings.EqualFold(col.Name(), "rowid") {
			continue
		}
		for _, r := range f.refs {
			if r.columns.Column("rowid") != nil {
				return 0, false
			}
		}
		return col.At(), true
	}
	return 0, false
}

const describePrefix = "DESCRIBE "

// relation makes the empty relation behind a reference, unless it is there.
func (c *compiler) relation(ctx context.Context, r reference, metadata bool) error {
	want, columns, schema := bare, r.visible().SQLColumns(), r.schema()
	if r.source != nil && metadata {
		want, columns = withMetadata, columns+", "+MetadataColumn+" "+r.metadata()
	}
	name := cmp.Or(r.guessed, r.name)
	if r.made[schema] == want && r.guessed == "" {
		return nil
	}
	create := "CREATE TABLE "
	if r.made[schema] != notMade || r.guessed != "" {
		create = "CREATE OR REPLACE TABLE "
	}
	_, err := c.tx.ExecContext(ctx, create+ident(schema)+"."+ident(name)+"("+columns+")")
	if err != nil {
		return fmt.Errorf("make the relation of %s: %w", name, err)
	}
	if r.guessed == "" {
		r.made[schema] = want
	}
	return nil
}

// metadata is the type of a source's _metadata.
func (e *entity) metadata() string {
	if e.source.Options == nil { // which is reported
		return "STRUCT(unknown VARCHAR)"
	}
	return e.source.Options.Metadata()
}

// aborts reports whether an error ends the transaction: it came up while a function was bound, and not from DuckDB's
// parser or binder.
func (c *compiler) aborts(e *duckError) bool {
	switch e.Type {
	case "Binder", "Catalog", "Parser", "Syntax":
		return false
	}
	return true
}

// describe returns the output columns of a statement that begins with DESCRIBE. Where the transaction is lost with
// that, another one is begun: relations are made again as they are needed.
func (c *compiler) describe(ctx context.Context, statement string) ([]column, error) {
	columns, err := c.columnsOf(ctx, statement)
	if e := readDuckError(err); e == nil || !c.aborts(e) {
		return columns, err
	}
	_ = c.tx.Rollback() // it is aborted
	tx, failed := c.in.Conn.BeginTx(ctx, nil)
	if failed != nil {
		return nil, failed
	}
	c.tx = tx
	for _, e := range c.entities {
		clear(e.made)
	}
	if failed := c.clear(ctx); failed != nil {
		return nil, failed
	}
	return nil, err
}

func (c *compiler) columnsOf(ctx context.Context, statement string) ([]column, error) {
	rows, err := c.tx.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []column
	var rest [4]sql.RawBytes // null, key, default, extra
	for rows.Next() {
		var col column
		if err := rows.Scan(&col.name, &col.duckType, &rest[0], &rest[1], &rest[2], &rest[3]); err != nil {
			return nil, err
		}
		out = append(out, col)
	}
	return out, rows.Err()
}

// hideMetadata takes the _metadata that came in by * out of the output, and keeps the one that the query names.
func (f *flow) hideMetadata() {
	kept := 0
	for _, item := range f.facts.items {
		if namesMetadata(item) {
			kept = 1
		}
	}
	var columns []column
	var hidden []string
	seen := 0
	for _, col := range f.columns {
		if !strings.EqualFold(col.name, MetadataColumn) {
			columns = append(columns, col)
			continue
		}
		if seen < kept {
			columns = append(columns, col)
		} else if seen == 0 {
			hidden = append(hidden, ident(MetadataColumn))
		} else { // DuckDB numbers the second and later columns of a name when they pass through a subquery
			hidden = append(hidden, ident(fmt.Sprintf("%s_%d", MetadataColumn, seen)))
		}
		seen++
	}
	f.columns = columns
	if len(hidden) > 0 {
		f.out.SQL = "SELECT * EXCLUDE (" + strings.Join(hidden, ", ") + ") FROM (\n" + f.sql + "\n)"
	}
}

// namesMetadata reports whether a select item gives a column _metadata by naming it.
func namesMetadata(item syntax.Expression) bool {
	return strings.EqualFold(outputName(item), MetadataColumn)
}

// outputName is the name of the column that a select item gives, as far as it is told: the alias, or the name of a
// column.
func outputName(item syntax.Expression) string {
	if alias := item.Alias(); alias != "" {
		return alias
	}
	if column, ok := item.(syntax.ColumnRef); ok {
		return column.Name()
	}
	return ""
}

// checkColumns checks the names of a query's output.
func (c *compiler) checkColumns(f *flow) bool {
	ok := true
	seen := map[string]string{}
	var twice []string
	for _, col := range f.columns {
		first, there := seen[strings.ToLower(col.name)]
		switch {
		case there && first == col.name:
			twice = append(twice, col.name)
		case there:
			twice = append(twice, first+" and "+col.name)
		case reservedPrefix(col.name) != "":
			ok = false
			c.diags.Errorf(codeReservedName, f.columnPlace(col.name), "give it another name with AS",
				"column names that begin with %s are taken by lakeflow", reservedPrefix(col.name))
		}
		seen[strings.ToLower(col.name)] = col.name
	}
	if len(twice) == 0 {
		return ok
	}
	_, last, found := strings.Cut(twice[0], " and ")
	if !found {
		last = twice[0]
	}
	c.diags.Errorf(codeDuplicate, f.columnPlace(last), "name them with AS, or leave one out: * "+map[bool]string{true: "EXCEPT", false: "EXCLUDE"}[f.query.Spark]+" ("+last+")",
		"%s has two columns of one name, letter case aside: %s", f.ds.name, strings.Join(twice, ", "))
	return false
}

// reservedPrefix is the beginning of a name that only lakeflow's own columns have, or empty.
func reservedPrefix(name string) string {
	for _, prefix := range []string{expectations.MaskPrefix, schemas.OwnPrefix} {
		if strings.HasPrefix(strings.ToLower(name), prefix) {
			return prefix
		}
	}
	return ""
}

// columnOffset is the offset in the query where an output column comes from, as far as the select list shows.
func (f *flow) columnOffset(name string) int {
	found, star := -1, -1
	for _, item := range f.facts.items {
		if x, ok := item.(syntax.Star); ok {
			star = x.At()
		} else if strings.EqualFold(outputName(item), name) {
			found = item.First() // the last one: of two with one name, it is the one too many
		}
	}
	switch {
	case found >= 0:
		return found
	case star >= 0:
		return star
	}
	return findName(f.query.Text, name)
}

// uniteFlows unites the columns of a dataset's flows by name.
func (c *compiler) uniteFlows(d *dataset) bool {
	ok := c.declareTypes(d)
	var merged schemas.Table
	for _, f := range d.flows {
		for _, col := range f.columns {
			t, err := f.storable(col)
			if declared := d.typeOf(col.name); declared != nil {
				if !d.doubtful {
					ok = c.checkDeclared(d, declared, col) && ok
				}
				t, err = declared.stored, nil
			}
			if d.doubtful && (err != nil || merged.Column(col.name) != nil) {
				t, err = schemas.Type{Kind: schemas.Varchar}, nil
				if merged.Column(col.name) != nil {
					continue
				}
			}
			if err != nil {
				ok = false
				_, remedy, _ := strings.Cut(err.Error(), "; ")
				c.diags.Errorf(codeUnstorable, f.columnPlace(col.name), remedy, "column %s of %s has type %s, which tables cannot store", col.name, d.name, col.duckType)
				continue
			}
			have := merged.Column(col.name)
			if have == nil {
				merged = append(merged, schemas.Column{Name: col.name, Type: t})
				continue
			}
			wide, fits := widest(have.Type, t)
			if !fits {
				ok = false
				c.diags.Errorf(codeFlowsDiffer, f.columnPlace(col.name), "cast it to "+have.Type.String()+" here, or to one type in every flow",
					"column %s of %s is %s in an earlier flow and %s in flow %s", col.name, d.name, have.Type, t, f.decl.Name)
				continue
			}
			have.Type = wide
		}
	}
	if ok && len(merged) == 0 {
		c.diags.Errorf(codeNotSelect, at(d.flows[0].query, -1, 0), "select a column", "%s has no columns", d.name)
		return false
	}
	merged = d.inDeclaredOrder(merged)
	d.rows, d.columns, d.out.Columns = merged, merged, merged
	d.doubtfulRows = d.doubtful
	return ok
}

// storable is the type that a column of the flow is stored in.
func (f *flow) storable(col column) (schemas.Type, error) {
	if f.query.Spark && col.duckType == "HUGEINT" { // Spark's sums of whole numbers are BIGINT, and too large ones are errors
		return schemas.Type{Kind: schemas.BigInt}, nil
	}
	return schemas.Storable(col.duckType)
}

// widest returns the one of two types that the other one widens to.
func widest(a, b schemas.Type) (schemas.Type, bool) {
	const name = "c"
	for _, pair := range [][2]schemas.Type{{a, b}, {b, a}} {
		if m, _, bad := schemas.Evolve(schemas.Table{{Name: name, Type: pair[0]}}, schemas.Table{{Name: name, Type: pair[1]}}); len(bad) == 0 {
			return m[0].Type, true
		}
	}
	return schemas.Type{}, false
}

// columnPlace is where in the file an output column comes from.
func (f *flow) columnPlace(name string) diag.Range { return token(f.query, f.columnOffset(name)) }
