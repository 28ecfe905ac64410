package plan

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
)

func inspector(t *testing.T) *sql.Conn {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = conn.Close(), db.Close() })
	return conn
}

// refused are the messages against a text, by its syntax or, where DuckDB tells none, by its words.
func refused(t *testing.T, conn *sql.Conn, text string) []string {
	t.Helper()
	in, err := Inspect(t.Context(), conn, text)
	if err != nil {
		t.Fatal(err)
	}
	found := in.Refused
	switch {
	case in.Failed != nil && !in.Failed.Syntax:
		return []string{"it has no tree"}
	case in.Failed != nil || in.Statements != 1:
		t.Fatalf("%s: %+v, %d statements", text, in.Failed, in.Statements)
	}
	var messages []string
	for _, r := range found {
		messages = append(messages, r.Message)
	}
	return messages
}

// Every function that DuckDB has behind FROM is refused unless it is listed, also one of a later DuckDB, in a query
// with a syntax tree and in one without.
func TestTableFunctionsAreRefused(t *testing.T) {
	conn := inspector(t)
	for _, name := range functionNames(t, "'table', 'table_macro'") {
		for _, text := range []string{"SELECT * FROM " + name + "(1)", "PIVOT (SELECT * FROM t, " + name + "(1)) ON v USING count(*)"} {
			if got := refused(t, conn, text); (got == nil) != listed(queryFunctions, name) {
				t.Errorf("%s: refused with %q", text, got)
			}
		}
	}
}

// A call is found wherever it stands and however it is written.
func TestCallsAreFound(t *testing.T) {
	conn := inspector(t)
	const bad = "enable_profiling(save_location='x')"
	for _, text := range []string{
		"SELECT * FROM t, " + bad,
		"FROM " + bad,
		"TABLE t UNION ALL FROM " + bad,
		"SELECT (SELECT count(*) FROM " + bad + ")",
		"SELECT * FROM t WHERE EXISTS (FROM " + bad + ")",
		"SELECT * FROM t WHERE id IN (FROM " + bad + ")",
		"SELECT * FROM t ORDER BY (SELECT 1 FROM " + bad + ")",
		"SELECT * FROM t LIMIT (SELECT 1 FROM " + bad + ")",
		"SELECT * FROM t OFFSET (SELECT 1 FROM " + bad + ")",
		"SELECT DISTINCT ON ((SELECT 1 FROM " + bad + ")) * FROM t",
		"SELECT id FROM t GROUP BY (SELECT 1 FROM " + bad + ")",
		"SELECT id FROM t GROUP BY id HAVING (SELECT true FROM " + bad + ")",
		"SELECT id FROM t QUALIFY (SELECT true FROM " + bad + ")",
		"SELECT sum(id ORDER BY (SELECT 1 FROM " + bad + ")) FROM t",
		"SELECT sum(id) FILTER ((SELECT true FROM " + bad + ")) FROM t",
		"SELECT sum(id) OVER (PARTITION BY (SELECT 1 FROM " + bad + ")) FROM t",
		"SELECT sum(id) OVER w FROM t WINDOW w AS (ORDER BY (SELECT 1 FROM " + bad + "))",
		"SELECT list_transform([1], lambda x: (SELECT x FROM " + bad + "))",
		"SELECT [x FOR x IN (SELECT [1] FROM " + bad + ")]",
		"SELECT CASE WHEN (SELECT true FROM " + bad + ") THEN 1 END",
		"SELECT * REPLACE ((SELECT 1 FROM " + bad + ") AS id) FROM t",
		"SELECT COLUMNS(c -> (SELECT true FROM " + bad + ")) FROM t",
		"SELECT {'a': (SELECT 1 FROM " + bad + ")}",
		"WITH x AS (FROM " + bad + ") SELECT 1",
		"WITH x AS MATERIALIZED (FROM " + bad + ") SELECT 1",
		"WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x, " + bad + ") FROM x",
		"SELECT * FROM t JOIN " + bad + " AS p ON true",
		"SELECT * FROM t ASOF JOIN (FROM " + bad + ") AS p ON t.id >= p.id",
		"SELECT * FROM t JOIN t AS u ON (SELECT true FROM " + bad + ")",
		"SELECT * FROM t, LATERAL (FROM " + bad + ")",
		"SELECT * FROM t POSITIONAL JOIN " + bad,
		"VALUES ((SELECT 1 FROM " + bad + "))",
		"SELECT * FROM (VALUES ((SELECT 1 FROM " + bad + ")))",
		"SELECT * FROM range((SELECT 1 FROM " + bad + "))",
		"DESCRIBE FROM " + bad,
		"SUMMARIZE FROM " + bad,
		"SUMMARIZE SELECT * FROM t, " + bad,
		"SHOW (FROM " + bad + ")",
		"SELECT * FROM (DESCRIBE FROM " + bad + ")",
		"SELECT * FROM " + bad + " TABLESAMPLE 10%",
		"SELECT * FROM " + bad + " WITH ORDINALITY",
		"SELECT * FROM t WHERE id > ALL (FROM " + bad + ")",
		"SELECT TRY((SELECT 1 FROM " + bad + "))",
		"UNPIVOT (FROM " + bad + ") ON COLUMNS(*)",
		"SELECT * FROM (FROM " + bad + ") UNPIVOT (n FOR c IN (a, b))",
		"PIVOT (FROM " + bad + ") ON v IN ('a') USING count(*)",
		"PIVOT t ON v IN ('a') USING max((SELECT 1 FROM " + bad + "))",
		"SELECT * FROM (FROM " + bad + ") PIVOT (count(*) FOR v IN ('a'))",
		"PIVOT (SELECT * FROM t, " + bad + ") ON v USING count(*)",
		"PIVOT t ON v IN (SELECT v FROM " + bad + ") USING count(*)",
		"WITH x AS (FROM " + bad + ") PIVOT x ON v USING count(*)",
		"FROM (PIVOT (FROM " + bad + ") ON v USING count(*))",
		// How it is spelled.
		"SELECT * FROM Enable_Profiling()",
		`SELECT * FROM "enable_profiling"()`,
		"SELECT * FROM system.main.enable_profiling()",
		`SELECT * FROM "system"."main"."ENABLE_profiling" ()`,
		"SELECT * FROM enable_profiling/* ( */()",
		"PIVOT (FROM ENABLE_profiling\n()) ON v USING count(*)",
		`PIVOT (FROM "enable_profiling" ()) ON v USING count(*)`,
		"PIVOT (FROM system.main.enable_profiling()) ON v USING count(*)",
		"PIVOT (FROM enable_profiling/* a /* b */ ) */ ()) ON v USING count(*)",
		"PIVOT (FROM enable_profiling -- )\n -- \r\n ()) ON v USING count(*)",
		"PIVOT (FROM\u00a0enable_profiling\u00a0()) ON v USING count(*)",
		"PIVOT (FROM\u2003enable_profiling\u3000\u2003()) ON v USING count(*)",
		// Functions of expressions.
		"SELECT current_setting('allowed_directories')",
		"SELECT ('temp_directory').current_setting()",
		"SELECT write_log('x')",
		"SELECT list_transform([1], lambda x: setseed(0.5))",
		"SELECT json_serialize_plan('FROM t')",
		"PIVOT (SELECT *, write_log('x') FROM t) ON v USING count(*)",
	} {
		if got := refused(t, conn, text); got == nil {
			t.Errorf("not refused: %s", text)
		}
	}
}

// What only looks like a call is allowed.
func TestQueriesAreAllowed(t *testing.T) {
	conn := inspector(t)
	for _, text := range []string{
		"SELECT 'enable_profiling()' AS enable_profiling, \"query\" FROM t AS query_table -- glob()",
		"SELECT max(range), unnest([1]), histogram(id) FROM range(3), json_each('{}'), histogram(t, id)",
		"PIVOT (SELECT v AS query, query.id FROM t AS query) ON query IN ('a') USING sum(id)",
		"PIVOT (SELECT v AS query, query.id FROM t AS query, generate_series(3)) ON query USING sum(id), histogram(id)",
		"PIVOT (SELECT *, my_setseed AS v FROM t) ON v USING sum(id)",
	} {
		if got := refused(t, conn, text); got != nil {
			t.Errorf("%s: refused with %s", text, strings.Join(got, ", "))
		}
	}
}

// Relations are found in a PIVOT that finds its columns out for itself, at their places.
func TestPivotRelations(t *testing.T) {
	conn := inspector(t)
	for text, want := range map[string]string{
		"PIVOT t ON v":                                                                         "t@6",
		"PIVOT t ON v, id % 2 USING sum(id)":                                                   "t@6",
		"PIVOT sqlite_master ON type":                                                          "sqlite_master@6",
		"PIVOT 'a.csv' ON v":                                                                   "a.csv@6",
		"WITH a AS (PIVOT t ON v) FROM pg_catalog.pg_settings":                                 "t@17 pg_settings@30",
		"WITH a AS (PIVOT t ON v, v IN ('a', 'b') GROUP BY id) FROM a, u":                      "t@17 u@62",
		"FROM (PIVOT (FROM t JOIN u ON t.id = u.id) ON t.v), (PIVOT w ON [v, 'x'][1])":         "t@18 u@25 w@59",
		"PIVOT t JOIN u ON t.id = u.id ON t.v, u.v USING max(t.id) ORDER BY (SELECT 1 FROM w)": "t@6 u@13 w@82",
		"PIVOT t ON v IN (SELECT v FROM u)":                                                    "no tree",
		"PIVOT t ON v; COPY t TO 'x'":                                                          "no tree",
		"PIVOT t ON v/**/":                                                                     "no tree",
		"DESCRIBE PIVOT t ON v":                                                                "t@15",
		"PIVOT t ON v UNION ALL PIVOT u ON v":                                                  "t@6 u@29",
		"SUMMARIZE PIVOT t ON v":                                                               "t@16",
	} {
		in, err := Inspect(t.Context(), conn, text)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, r := range in.Relations {
			found = append(found, fmt.Sprintf("%s@%d", r.Name, r.At))
		}
		if in.Failed != nil {
			found = []string{"no tree"}
		}
		if got := strings.Join(found, " "); got != want {
			t.Errorf("%s: %s; want %s", text, got, want)
		}
	}
}
