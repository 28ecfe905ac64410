package sqltext_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

func open(t *testing.T) *sql.Conn {
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
	return conn
}

func value(t *testing.T, conn *sql.Conn, query string) string {
	t.Helper()
	var v any
	if err := conn.QueryRowContext(context.Background(), query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return fmt.Sprint(v)
}

// TestKeywords asks DuckDB which words cannot name a relation. STREAM before such a word is a relation called stream.
func TestKeywords(t *testing.T) {
	conn := open(t)
	rows, err := conn.QueryContext(context.Background(), "SELECT keyword_name, keyword_category IN ('reserved', 'type_function') FROM duckdb_keywords()")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var word string
		var forbidden bool
		if err := rows.Scan(&word, &forbidden); err != nil {
			t.Fatal(err)
		}
		q := sqltext.New("FROM STREAM "+word, sqltext.WholeFile("q.sql"), nil, new(diag.List))
		if got := len(q.Streams) == 0; got != forbidden {
			t.Errorf("%s: taken for a keyword %v, DuckDB says %v", word, got, forbidden)
		}
		n++
	}
	if err := rows.Err(); err != nil || n < 400 {
		t.Fatalf("%d keywords, %v", n, err)
	}
}

// TestLiterals binds parameters and lets DuckDB say what arrived.
func TestLiterals(t *testing.T) {
	conn := open(t)
	params := map[string]any{"null": nil, "yes": true, "n": int64(1440), "neg": int64(-5), "f": 1.5, "small": 1e-9, "s": `it's "x" \ $$ -- /* ; ${n}`}
	for name, want := range map[string]string{
		"null": "\"NULL\" <nil>", "yes": "BOOLEAN true", "n": "INTEGER 1440", "neg": "INTEGER -5", "f": "DOUBLE 1.5", "small": "DOUBLE 1e-09",
		"s": "VARCHAR " + params["s"].(string),
	} {
		var diags diag.List
		q := sqltext.New("SELECT ${"+name+"}", sqltext.WholeFile("q.sql"), params, &diags)
		kind := sqltext.New("SELECT typeof(${"+name+"})", sqltext.WholeFile("q.sql"), params, &diags)
		got := value(t, conn, kind.Text) + " " + value(t, conn, q.Text)
		if d := cmp.Diff(want, got); d != "" || len(diags) > 0 {
			t.Errorf("%s: %s %v", name, d, diags)
		}
	}
}

// TestRewritten runs what New and TimeTravel make of queries.
func TestRewritten(t *testing.T) {
	conn := open(t)
	for _, ddl := range []string{
		`CREATE SCHEMA "__stream"`, `CREATE TABLE "__stream".orders AS SELECT 1 AS id, 'new' AS s`, `CREATE TABLE orders AS SELECT 1 AS id, 'all' AS s`,
		`CREATE TABLE "__stream"."a b" AS SELECT 1 AS id`, `CREATE TABLE stream AS SELECT 7 AS id`, `CREATE VIEW "orders@version=3" AS SELECT 3 AS id`,
	} {
		if _, err := conn.ExecContext(context.Background(), ddl); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]string{
		"SELECT orders.s FROM STREAM orders;":                                                         "new",
		"SELECT o.s || orders.s FROM STREAM(LIVE.orders) o, orders -- both":                           "newall",
		"SELECT x.id FROM (STREAM orders JOIN STREAM \"a b\" AS x USING (id)) -- }":                   "1",
		"SELECT stream.id FROM stream":                                                                "7",
		"WITH s AS (FROM STREAM orders SELECT id) SELECT extract(year FROM DATE '2024-01-01') FROM s": "2024",
	} {
		q := sqltext.New(query, sqltext.WholeFile("q.sql"), nil, new(diag.List))
		if got := value(t, conn, "SELECT * FROM ("+q.Text+")"); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	text, _, _, err := sqltext.TimeTravel("SELECT orders.id FROM orders VERSION AS OF 3 WHERE orders.id > 0")
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, conn, text); got != "3" {
		t.Errorf("%s gave %s", text, got)
	}
	if got := value(t, conn, "SET memory_limit = '600000001B'; SELECT current_setting('memory_limit')"); got != "572.2 MiB" {
		t.Errorf("memory_limit in bytes became %s", got)
	}
}
