package spark_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// TestTypedCasts compares the casts that ask for the type of a column with those that take any value, for columns of
// every type; both are types and texts as DuckDB gives them.
func TestTypedCasts(t *testing.T) {
	conn := open(t)
	if _, err := conn.ExecContext(context.Background(), spark.Create([]string{"string_of", "date_of", "timestamp_of"}, 0)); err != nil {
		t.Fatal(err)
	}
	values := []string{"'2026-03-01 10:20:30'", "CAST(NULL AS VARCHAR)", "DATE '2026-03-01'", "TIMESTAMP '2026-03-01 10:20:30.5'", "TIMESTAMPTZ '2026-03-01 10:20:30+02'",
		"CAST('2026-03-01 10:20:30.123456789' AS TIMESTAMP_NS)", "CAST('2026-03-01 10:20:30' AS TIMESTAMP_S)", "CAST(1e20 AS DOUBLE)", "CAST(1.5 AS FLOAT)", "0.00001::DOUBLE",
		"1.50::DECIMAL(10, 2)", "7::TINYINT", "7::INTEGER", "7::BIGINT", "true", "CAST('a' AS BLOB)", "CAST('{\"a\": 1}' AS JSON)", "[1, 2]", "{'a': 1.5}", "MAP {'a': 1}", "INTERVAL 1 DAY", "TIME '10:00:00'",
		"CAST('2b3c9cb6-8a3f-4b51-9c5e-f0f2f2a0c9d1' AS UUID)", "CAST('x' AS ENUM ('x', 'y'))"}
	for typed, plain := range map[string]string{"string_of": "as_string", "date_of": "as_date", "timestamp_of": "as_timestamp"} {
		for _, v := range values {
			query := func(macro string) string {
				return "SELECT typeof(y) || coalesce(' ' || CAST(y AS VARCHAR), '') FROM (SELECT spark." + macro + "(x) AS y FROM (SELECT " + v + " AS x))"
			}
			got, want := value(conn, query(typed)), value(conn, query(plain))
			if got != want {
				t.Errorf("%s of %s is %s, and %s is %s", typed, v, got, plain, want)
			}
		}
	}
}

// TestUntypedCasts binds casts of what has no type while DuckDB looks for a macro.
func TestUntypedCasts(t *testing.T) {
	conn := open(t)
	if _, err := conn.ExecContext(context.Background(), "CREATE TABLE t AS SELECT 1.5::DOUBLE AS d, 'a' AS s, TIMESTAMP '2026-03-01 10:20:30' AS at, ['a', NULL, 'b'] AS texts, [1.5e10::DOUBLE, 2] AS numbers, [[1]] AS lists, CAST(NULL AS VARCHAR[]) AS none"); err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	for raw, want := range map[string]string{
		"SELECT d * 10000000 AS e, concat(e, '!') FROM t":                                                  "1.5E7!",
		"SELECT s AS e, at AS f, concat(upper(e), upper(f)) FROM t":                                        "A2026-03-01 10:20:30",
		"SELECT at AS e, CAST(e AS DATE) AS f, CAST(CAST(f AS DATE) AS STRING) FROM t":                     "2026-03-01",
		"SELECT 1, max(d) AS m, upper(CAST(m AS STRING)) FROM t":                                           "1.5",
		"SELECT array_join(texts, '+') FROM t":                                                             "a+b",
		"SELECT array_join(numbers, '+') FROM t":                                                           "1.5E10+2.0",
		"SELECT array_join(sort_array(numbers), '+') FROM t":                                               "2.0+1.5E10",
		"SELECT coalesce(array_join(none, '+'), 'none') FROM t":                                            "none",
		"SELECT numbers AS n, array_join(n, '+') FROM t":                                                   "1.5E10+2.0",
		"SELECT array_join(collect_list(d), '+') FROM t":                                                   "1.5",
		"SELECT 1, upper(max(d)) FROM t":                                                                   "1.5",
		"SELECT 1, (SELECT upper(t.d) FROM (SELECT 1 AS one) AS u) FROM t":                                 "1.5",
		"SELECT d AS e, " + strings.Repeat("concat(e, ", 12) + "'!'" + strings.Repeat(")", 12) + " FROM t": strings.Repeat("1.5", 12) + "!",
	} {
		if got, text := run(conn, raw, made); got.Error != "" || len(got.Rows) != 1 || got.Rows[0][len(got.Rows[0])-1] != want {
			t.Errorf("%s gives %v %s, want %s\n%s", raw, got.Rows, got.Error, want, text)
		}
	}
}

// TestManyUntypedCasts has no cast ask for a type when many could not.
func TestManyUntypedCasts(t *testing.T) {
	var diags diag.List
	translated := spark.Translate("SELECT "+strings.Repeat("upper(a), upper(b), upper(c), ", 10)+"1 FROM t", sqltext.WholeFile("q.sql"), spark.Pipeline{}, &diags)
	q := translated.Query
	if asked := strings.Count(q.Text, "spark.string_of("); asked != 30 || len(diags) > 0 {
		t.Fatalf("%d casts ask, %v: %s", asked, diags, q.Text)
	}
	for again := 1; strings.Contains(q.Text, "spark.string_of("); again++ {
		next, ok := q.Rewrite(strings.Index(q.Text, "spark.string_of("), "multiple overloads")
		if !ok || again > 4 {
			t.Fatalf("written %d times: %s", again, q.Text)
		}
		q = next
	}
	if casts := strings.Count(q.Text, "spark.as_string("); casts < 26 {
		t.Errorf("%d casts are left: %s", casts, q.Text)
	}
}

// value is the only value of a query, or the error.
func value(conn *sql.Conn, query string) string {
	var v string
	if err := conn.QueryRowContext(context.Background(), query).Scan(&v); err != nil {
		return "error: " + message(err)
	}
	return v
}
