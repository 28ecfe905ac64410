package spark_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// FuzzTranslate looks for panics, for mistakes without a place, and for places outside of the text.
func FuzzTranslate(f *testing.F) {
	for _, a := range seeds() {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		var diags diag.List
		q := spark.Translate(sql, sqltext.WholeFile("q.sql"), spark.Pipeline{Parameters: map[string]string{"p": "x", "e": ""}}, &diags)
		lines := strings.Count(sql, "\n") + 1
		for _, d := range diags {
			if d.Range.File != "q.sql" || d.Range.Start.Line < 1 || d.Range.End.Line > lines {
				t.Errorf("%v stands at %v", d, d.Range)
			}
		}
		for i := 0; i < len(q.Text); i += 7 {
			if r := q.At(i, 0); r.Start.Line < 1 || r.End.Line > lines {
				t.Errorf("offset %d of %q is at %v", i, q.Text, r)
			}
		}
		if len(q.Text) > 100*len(sql)+10000 {
			t.Errorf("%d bytes become %d", len(sql), len(q.Text))
		}
	})
}

// seeds are queries that hold much of the grammar.
func seeds() []string {
	return []string{"SELECT a:b.c, `x`, r'\\', 1.e3, ${p} -- c", "FROM t |> WHERE a > 1 |> AGGREGATE sum(x) GROUP BY y", "SELECT * EXCEPT (a) FROM STREAM(live.t) LATERAL VIEW explode(x) AS y",
		"SELECT CAST(x AS STRUCT<a: INT>), INTERVAL '1-2' YEAR TO MONTH, window(ts, '5 minutes') FROM json.`/a` GROUP BY window(ts, '1 hour')",
		"WITH a AS (VALUES (1)) SELECT transform(l, (x, i) -> x + i) OVER (ORDER BY ${e}) FROM a PIVOT (sum(x) FOR y IN ('a'))"}
}

// TestMacroAt finds the call in the user's text of a macro in which DuckDB finds a mistake.
func TestMacroAt(t *testing.T) {
	conn := open(t)
	var diags diag.List
	q := spark.Translate("SELECT 1,\n  size(year(d)) FROM (SELECT date'2024-01-01' AS d)", sqltext.WholeFile("q.sql"), spark.Pipeline{}, &diags)
	created := spark.Create(q.Macros)
	if _, err := conn.ExecContext(context.Background(), created); err != nil || len(diags) > 0 {
		t.Fatal(err, diags)
	}
	_, err := conn.QueryContext(context.Background(), q.Text)
	if err == nil {
		t.Fatal("the size of a number is no mistake")
	}
	name := spark.MacroAt(created, position(err))
	calls := q.Calls(name)
	if name != "size" || len(calls) != 1 || q.At(calls[0], 0).String() != "q.sql:2:3" {
		t.Errorf("%v is in %q, called at %v of %s", err, name, calls, q.Text)
	}
}

// TestExpression reads conditions, as expectations have them.
func TestExpression(t *testing.T) {
	for raw, want := range map[string]string{
		"a > 1 AND b RLIKE '^x'": "((spark.like_bigint(a) > 1) AND (regexp_matches(spark.as_string(b), '^x')))",
		"a IS NOT NULL":          "(a IS NOT NULL)",
		"a >":                    "NULL",
		"SELECT 1":               "NULL",
	} {
		var diags diag.List
		q := spark.Expression(raw, sqltext.WholeFile("q.sql"), spark.Pipeline{}, &diags)
		if q.Text != want || diags.HasErrors() != (want == "NULL") {
			t.Errorf("%s became %s, want %s, with %v", raw, q.Text, want, diags)
		}
	}
}
