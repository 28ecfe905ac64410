package plan_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
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

func flightsPipeline() *dsl.Pipeline {
	return &dsl.Pipeline{
		Name: "flights", Target: dsl.Target{Schema: "flights"}, DeadLetter: dsl.DeadLetter{Table: "dead_letter"},
		Sources: []*dsl.Source{{Name: "feed", Files: &dsl.Files{Format: "json", Path: "/data/*.json"}}, {Name: "airports", Files: &dsl.Files{Format: "csv"}}},
		Tables: []*dsl.Table{
			table("gold", dsl.MaterializedView, "SELECT origin, count(*) AS flights, avg(delay) AS mean_delay, sum(delay) AS total FROM flights.silver GROUP BY ALL"),
			expect(table("silver", dsl.StreamingTable, "SELECT f.*, a.city FROM STREAM bronze f LEFT JOIN airports a ON a.iata = f.origin -- join"), "known", "delay > 0 -- x", dsl.Drop),
			table("bronze", dsl.StreamingTable, "SELECT *, _metadata.file_path AS source_file FROM STREAM feed"),
		},
	}
}

func TestCompile(t *testing.T) {
	conn := connect(t)
	p, diags, err := plan.Compile(context.Background(), plan.Input{Pipeline: flightsPipeline(), Conn: conn, SourceColumns: map[string]schemas.Table{
		"feed":     columns(t, "date TIMESTAMP", "delay INTEGER", "origin VARCHAR"),
		"airports": columns(t, "iata VARCHAR", "city VARCHAR"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range diags {
		t.Log(d)
	}
	b, _ := json.MarshalIndent(p, "", " ")
	t.Logf("%s", b)
}
