package yamlfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// With dialect: spark everything that is SQL is translated, in the table, its flows and auto_cdc, from files too; and
// parameters are literals of their type.
func TestSparkDialect(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pipeline.yaml")
	for name, content := range map[string]string{"pipeline.yaml": `name: demo
dialect: spark
parameters: {who: "it's \\ \"x\"", floor: -5, rate: 0.5, all: true, nothing: null}
tables:
  a:
    kind: materialized_view
    sql: SELECT nvl(` + "`a b`" + `, "x") AS x FROM t WHERE who = ${who} AND n>-${floor} AND r = ${rate} AND ${all} AND z <=> ${nothing}
    expectations:
      set: x <=> "y"
      large: {expect: 'nvl(x, "a") > ${who}', on_violation: drop}
  file: {kind: view, sql_file: q.sql}
  flows:
    kind: streaming_table
    flows:
      one: {sql: 'SELECT "one" AS x FROM STREAM s'}
      two: {sql_file: q2.sql}
  changes:
    kind: streaming_table
    auto_cdc:
      from: STREAM ` + "`change log`" + `
      keys: [id]
      sequence_by: nvl(at, "")
      apply_as_delete: op <=> "d"
      apply_as_truncate: op == "t"
  snapshots:
    kind: streaming_table
    auto_cdc:
      from_snapshot: STREAM s
      snapshot_version: nvl(_metadata.file_name, "")
      keys: [id]
  plain: {kind: view, dialect: duckdb, sql: 'SELECT "a b" FROM t'}
`, "q.sql": "SELECT \"text\" AS `a b` FROM t;\n", "q2.sql": "SELECT 'two' AS x FROM STREAM(s)"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, diags, err := Load(file, Options{Connectors: connectors})
	if err != nil || len(diags) > 0 {
		t.Fatal(err, diags)
	}
	got := map[string]string{}
	for _, table := range p.Tables {
		for _, f := range table.Flows {
			got[table.Name+"/"+f.Name] = f.SQL.Text
		}
		for _, e := range table.Expectations {
			got["expect "+e.Name] = e.Expect.Text
		}
		if c := table.AutoCDC; c != nil && c.Snapshot == nil {
			got["sequence"], got["delete"], got["truncate"] = c.SequenceBy[0].SQL.Text, c.ApplyAsDelete.SQL.Text, c.ApplyAsTruncate.SQL.Text
		} else if c != nil {
			got["version"] = c.Snapshot.Version.SQL.Text
		}
	}
	for what, want := range map[string][]string{
		"a/a":                 {`coalesce("a b", 'x')`, `'it''s \ "x"'`, "(n) > (- (-5))", "'5e-01' AS DOUBLE", "IS NOT DISTINCT FROM NULL"},
		"expect set":          {"x IS NOT DISTINCT FROM 'y'"},
		"expect large":        {`'it''s \ "x"'`, `coalesce(x, 'a')`},
		"file/file":           {`'text' AS "a b"`},
		"flows/one":           {`'one' AS x`, `"__stream".s`},
		"flows/two":           {`'two' AS x`, `"__stream".s`},
		"changes/changes":     {`"__stream"."change log"`},
		"sequence":            {`coalesce("at", '')`},
		"delete":              {"op IS NOT DISTINCT FROM 'd'"},
		"truncate":            {"op = 't'"},
		"snapshots/snapshots": {"EXCLUDE (_metadata), _metadata", `"__stream".s`},
		"version":             {"coalesce(_metadata.file_name, '')"},
		"plain/plain":         {`SELECT "a b" FROM t`},
	} {
		for _, part := range want {
			if !strings.Contains(got[what], part) {
				t.Errorf("%s has no %s: %s", what, part, got[what])
			}
		}
	}
	if u := p.Tables[4].Flows[0].SQL.UsesMetadata; !u {
		t.Error("the snapshots are read without _metadata")
	}
}
