package plan_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/files"
)

// connect opens a DuckDB of its own for the test.
func connect(t testing.TB) *sql.Conn {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); db.Close() })
	if _, err := conn.ExecContext(context.Background(), "SET errors_as_json = true"); err != nil {
		t.Fatal(err)
	}
	return conn
}

// columns makes a schema from "name TYPE" texts.
func columns(t testing.TB, specs ...string) schemas.Table {
	t.Helper()
	var out schemas.Table
	for _, s := range specs {
		name, typ, _ := strings.Cut(s, " ")
		parsed, err := schemas.Parse(typ)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, schemas.Column{Name: name, Type: parsed})
	}
	return out
}

// table makes a declared table with one flow. Its places are lines of a file named after it.
func table(name string, kind dsl.Kind, query string) *dsl.Table {
	var l diag.List
	q := sqltext.New(query, sqltext.WholeFile(name+".sql"), nil, &l)
	if l.HasErrors() {
		panic(l.Error())
	}
	return &dsl.Table{Name: name, Kind: kind, DeadLetter: true, Flows: []*dsl.Flow{{Name: name, SQL: q}}}
}

func expect(t *dsl.Table, name, rule string, action dsl.Action) *dsl.Table {
	var l diag.List
	q := sqltext.New(rule, sqltext.WholeFile(t.Name+"."+name), nil, &l)
	t.Expectations = append(t.Expectations, dsl.Expectation{Name: name, Expect: q, Violation: action})
	return t
}

func pipeline(sources []string, tables ...*dsl.Table) *dsl.Pipeline {
	p := &dsl.Pipeline{Name: "p", Target: dsl.Target{Schema: "p"}, DeadLetter: dsl.DeadLetter{Table: "dead_letter"}, Tables: tables}
	for _, s := range sources {
		p.Sources = append(p.Sources, &dsl.Source{Name: s, Connector: "files", Options: &files.Options{Format: "json"}})
	}
	return p
}

// compile expects no mistakes.
func compile(t *testing.T, conn *sql.Conn, p *dsl.Pipeline, sources map[string]schemas.Table) *plan.Plan {
	t.Helper()
	out, diags, err := plan.Compile(context.Background(), plan.Input{Pipeline: p, Conn: conn, SourceColumns: sources})
	if err != nil || diags.HasErrors() {
		t.Fatal([]diag.Diagnostic(diags), err)
	}
	return out
}

func exec(t *testing.T, conn *sql.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.ExecContext(context.Background(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// query returns the rows as DuckDB prints them.
func query(t *testing.T, conn *sql.Conn, q string) []string {
	t.Helper()
	rows, err := conn.QueryContext(context.Background(), "SELECT CAST(r AS VARCHAR) FROM ("+q+") AS r")
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// TestProjectGivesTheStoredColumns evaluates what the engine will evaluate over real rows, and has DuckDB describe it.
func TestProjectGivesTheStoredColumns(t *testing.T) {
	conn := connect(t)
	two := table("both", dsl.StreamingTable, "SELECT id, 'a;b' AS name FROM STREAM(feed) ; -- the end; really")
	two.Flows = append(two.Flows, table("second", dsl.StreamingTable, "SELECT name AS \"Name\", 7::TINYINT AS small, id FROM STREAM p.stars").Flows...)
	p := compile(t, conn, pipeline([]string{"feed"},
		two,
		table("stars", dsl.StreamingTable, "SELECT *, _metadata.file_name AS file FROM STREAM feed -- all"),
		table("kept", dsl.StreamingTable, "SELECT *, f._metadata FROM STREAM feed AS f"),
		table("totals", dsl.MaterializedView, "SELECT p.stars.name, sum(id) AS total FROM p . stars GROUP BY ALL"),
	), map[string]schemas.Table{"feed": columns(t, "id BIGINT", "name VARCHAR")})

	exec(t, conn, "CREATE SCHEMA __stream",
		"CREATE TABLE __stream.feed AS SELECT 1::BIGINT AS id, 'x' AS name, CAST({'file_path': '/d/f', 'file_name': 'f', 'file_size': 3, 'file_modification_time': NULL} AS "+files.MetadataStruct+") AS _metadata",
		"CREATE TABLE stars AS SELECT 1::BIGINT AS id, 'x' AS name, 'f' AS file",
		"CREATE TABLE __stream.stars AS FROM stars")
	for _, tc := range []struct {
		dataset string
		flow    int
		want    string
	}{
		{"both", 0, "{'id': 1, 'name': a;b, 'small': NULL}"},
		{"both", 1, "{'id': 1, 'name': x, 'small': 7}"},
		{"stars", 0, "{'id': 1, 'name': x, 'file': f}"},
		{"kept", 0, "{'id': 1, 'name': x, '_metadata': {'file_path': /d/f, 'file_name': f, 'file_size': 3, 'file_modification_time': NULL, 'file_block_start': NULL, 'file_block_length': NULL}}"},
		{"totals", 0, "{'name': x, 'total': 1}"},
	} {
		d := p.Dataset(tc.dataset)
		if diff := cmp.Diff([]string{tc.want}, query(t, conn, d.Flows[tc.flow].Project)); diff != "" {
			t.Errorf("%s, flow %d:\n%s", tc.dataset, tc.flow, diff)
		}
		var want []string
		for _, c := range d.Columns {
			want = append(want, "{'column_name': "+c.Name+", 'column_type': '"+c.Type.String()+"'}")
		}
		got := query(t, conn, "SELECT column_name, column_type FROM (DESCRIBE "+d.Flows[tc.flow].Project+")")
		for i := range got {
			got[i] = strings.ReplaceAll(got[i], "'"+d.Columns[i].Type.String()+"'", d.Columns[i].Type.String())
			want[i] = strings.ReplaceAll(want[i], "'"+d.Columns[i].Type.String()+"'", d.Columns[i].Type.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, flow %d, types:\n%s", tc.dataset, tc.flow, diff)
		}
	}
}

func TestCompileLeavesNothingBehind(t *testing.T) {
	conn := connect(t)
	good := pipeline([]string{"feed"}, table("a", dsl.StreamingTable, "SELECT * FROM STREAM feed"), table("b", dsl.MaterializedView, "SELECT * FROM a"))
	bad := pipeline([]string{"feed"}, table("a", dsl.StreamingTable, "SELECT wrong FROM STREAM feed"))
	sources := map[string]schemas.Table{"feed": columns(t, "id BIGINT")}
	compile(t, conn, good, sources)
	if p, diags, err := plan.Compile(context.Background(), plan.Input{Pipeline: bad, Conn: conn, SourceColumns: sources}); p != nil || !diags.HasErrors() || err != nil {
		t.Fatal(p, diags, err)
	}
	compile(t, conn, good, sources)
	if got := query(t, conn, "SELECT table_name FROM duckdb_tables() UNION ALL SELECT schema_name FROM duckdb_schemas() WHERE schema_name = '__stream'"); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestWorldFailureIsAnError(t *testing.T) {
	conn := connect(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	in := plan.Input{Pipeline: pipeline(nil, table("a", dsl.MaterializedView, "SELECT 1 AS one")), Conn: conn}
	if _, _, err := plan.Compile(ctx, in); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

// TestUnfinishedPipeline compiles what is read of a file with mistakes: it adds none, finds the others, and makes no
// plan.
func TestUnfinishedPipeline(t *testing.T) {
	conn := connect(t)
	p := pipeline(nil, &dsl.Table{Name: "no_flows", Kind: dsl.StreamingTable},
		&dsl.Table{Name: "no_sql", Kind: dsl.MaterializedView, Flows: []*dsl.Flow{{Name: "no_sql"}}, Expectations: []dsl.Expectation{{Name: "empty"}}},
		table("reader", dsl.MaterializedView, "SELECT x FROM no_flows, unfinished"))
	p.Sources = []*dsl.Source{{Name: "unfinished"}}
	out, diags, err := plan.Compile(context.Background(), plan.Input{Pipeline: p, Conn: conn})
	if out != nil || len(diags) > 0 || err != nil {
		t.Errorf("plan %v, %v, %v", out, []diag.Diagnostic(diags), err)
	}
}

func TestRescanDeterministicAndFingerprint(t *testing.T) {
	conn := connect(t)
	sources := map[string]schemas.Table{"feed": columns(t, "id BIGINT", "name VARCHAR", "l BIGINT[]")}
	one := func(query, rule string) *plan.Dataset {
		d := table("d", dsl.StreamingTable, query)
		if rule != "" {
			expect(d, "rule", rule, dsl.Drop)
		}
		p := pipeline([]string{"feed"}, table("stored", dsl.StreamingTable, "SELECT * FROM STREAM feed"),
			table("v", dsl.View, "SELECT *, random() AS r FROM STREAM stored"), d)
		return compile(t, conn, p, sources).Dataset("d")
	}
	for _, tc := range []struct {
		query, rule           string
		rescan, deterministic bool
	}{
		{"SELECT id, upper(name) AS name FROM STREAM stored WHERE id > 3 OR name LIKE 'x%'", "id > 0", true, true},
		{"SELECT id FROM STREAM stored", "id > epoch(now())", false, true},
		{"SELECT id FROM STREAM feed", "", false, true},
		{"SELECT id, r FROM STREAM v", "", false, false},
		{"SELECT id, current_date AS d FROM STREAM stored", "", false, false},
		{"SELECT id, list_transform(l, lambda x: x + random()) AS d FROM STREAM stored", "", false, false},
		{"SELECT id FROM STREAM stored TABLESAMPLE 10%", "", false, false},
		{"SELECT id, unnest(l) AS x FROM STREAM stored", "", false, true},
		{"SELECT count(*) AS n FROM STREAM stored", "", false, true},
		{"SELECT row_number() OVER (ORDER BY id) AS n FROM STREAM stored", "", false, true},
		{"SELECT DISTINCT id FROM STREAM stored", "", false, true},
		{"SELECT id FROM STREAM stored LIMIT 3", "", false, true},
		{"SELECT id FROM STREAM stored WHERE id IN (SELECT id FROM feed)", "", false, true},
		{"SELECT s.id FROM STREAM stored AS s JOIN feed USING (id)", "", false, true},
		{"SELECT id FROM STREAM stored UNION ALL SELECT id FROM STREAM stored", "", false, true},
		{"WITH s AS (SELECT id FROM STREAM stored) SELECT id FROM s", "", false, true},
	} {
		d := one(tc.query, tc.rule)
		if d.Flows[0].Rescan != tc.rescan || d.Deterministic != tc.deterministic {
			t.Errorf("%s, rule %q: rescan %v, deterministic %v; want %v, %v", tc.query, tc.rule, d.Flows[0].Rescan, d.Deterministic, tc.rescan, tc.deterministic)
		}
	}
	base := one("SELECT id FROM STREAM stored WHERE id > 3", "").Flows[0].Fingerprint
	if got := one("select id -- the id\n  from stream(stored)\nwhere id>3", "").Flows[0].Fingerprint; got != base {
		t.Error("white space, comments and letter case of keywords change the fingerprint")
	}
	for _, q := range []string{"SELECT id FROM STREAM stored WHERE id > 4", "SELECT id FROM STREAM stored WHERE id >= 3", "SELECT id, name FROM STREAM stored WHERE id > 3"} {
		if one(q, "").Flows[0].Fingerprint == base {
			t.Errorf("%s has the fingerprint of another query", q)
		}
	}
}

// TestRulesSeeTheirOwnTableOnly guards the binding of several tables' rules in one statement: DuckDB joins laterally
// unasked.
func TestRulesSeeTheirOwnTableOnly(t *testing.T) {
	p := pipeline([]string{"feed"},
		expect(table("flagged", dsl.StreamingTable, "SELECT id, id > 0 AS late FROM STREAM feed"), "late", "late", dsl.Warn),
		expect(table("other", dsl.StreamingTable, "SELECT id FROM STREAM feed"), "late", "late", dsl.Warn))
	in := plan.Input{Pipeline: p, Conn: connect(t), SourceColumns: map[string]schemas.Table{"feed": columns(t, "id BIGINT")}}
	_, diags, err := plan.Compile(context.Background(), in)
	if err != nil || len(diags) != 1 || diags[0].Code != "LF0222" || diags[0].Range.File != "other.late" {
		t.Error([]diag.Diagnostic(diags), err)
	}
}

// TestRulesBindAsTheyRun wraps a query in rules that compile, as an update does: none of them may be refused then.
func TestRulesBindAsTheyRun(t *testing.T) {
	d := table("d", dsl.StreamingTable, "SELECT * FROM STREAM feed")
	for i, rule := range []string{
		"id > epoch(now()) AND current_date > DATE '2020-01-01'", "l[1] IN (1, 2) OR id IN l", "len([x for x in l if x > 1]) > 0",
		"list_bool_and(list_transform(l, lambda x: x > id))", "TRY(1 / id) > 0 -- it may be 0", "name COLLATE NOCASE = 'x'", "NULL = TRUE",
		"st.x > 0 AND \"odd \"\"name\" IS NULL", "CASE WHEN id > 0 THEN name LIKE 'a%' ELSE TRUE END", "CAST(name AS INTEGER) > 3 /* ; */",
		"(SELECT_1 > 0)", "name SIMILAR TO '[a-z]+' AND name BETWEEN 'a' AND 'b'", "nullif(name, '') IS NULL",
	} {
		expect(d, fmt.Sprintf("r%d", i), rule, dsl.Drop)
	}
	conn := connect(t)
	src := append(columns(t, "id BIGINT", "name VARCHAR", "l BIGINT[]", "st STRUCT(x INTEGER)", "SELECT_1 INTEGER"),
		schemas.Column{Name: `odd "name`, Type: schemas.Type{Kind: schemas.Integer}})
	p := compile(t, conn, pipeline([]string{"feed"}, d), map[string]schemas.Table{"feed": src})
	exec(t, conn, "CREATE TEMP TABLE feed ("+src.SQLColumns()+")", "CREATE TEMP TABLE broken AS "+p.Dataset("d").Rules.BrokenSQL("feed"),
		"CREATE TEMP TABLE kept AS "+p.Dataset("d").Rules.KeptSQL("feed"))
}

// TestCompileDuringAnUpdate compiles on a connection that has the relations of an update, which must stay as they are.
func TestCompileDuringAnUpdate(t *testing.T) {
	conn := connect(t)
	exec(t, conn, "CREATE SCHEMA __stream", "CREATE VIEW __stream.feed AS SELECT 1 AS old", "CREATE VIEW main.feed AS SELECT 2 AS old",
		"CREATE VIEW main.s AS SELECT 3 AS old", "CREATE TEMP VIEW kept AS SELECT 4 AS old")
	p := pipeline([]string{"feed"}, table("s", dsl.StreamingTable, "SELECT id, (SELECT count(*) FROM feed) AS n FROM STREAM feed"),
		table("m", dsl.MaterializedView, "SELECT count(*) AS n FROM s"))
	compile(t, conn, p, map[string]schemas.Table{"feed": columns(t, "id BIGINT")})
	for relation, want := range map[string]string{"__stream.feed": "1", "main.feed": "2", "main.s": "3", "kept": "4"} {
		if got := query(t, conn, "SELECT old FROM "+relation); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s has %v, want %s", relation, got, want)
		}
	}
}
