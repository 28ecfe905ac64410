package spark_test

import (
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// FuzzTranslate looks for panics, for mistakes without a place, and for places outside of the text.
func FuzzTranslate(f *testing.F) {
	for _, a := range seeds(f) {
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
		spark.Create(q.Macros)
	})
}

func seeds(f *testing.F) []string {
	return []string{"SELECT a:b.c, `x`, r'\\', 1.e3, ${p} -- c", "FROM t |> WHERE a > 1 |> AGGREGATE sum(x) GROUP BY y", "SELECT * EXCEPT (a) FROM STREAM(live.t) LATERAL VIEW explode(x) AS y",
		"SELECT CAST(x AS STRUCT<a: INT>), INTERVAL '1-2' YEAR TO MONTH, window(ts, '5 minutes') FROM json.`/a` GROUP BY window(ts, '1 hour')",
		"WITH a AS (VALUES (1)) SELECT transform(l, (x, i) -> x + i) OVER (ORDER BY ${e}) FROM a PIVOT (sum(x) FOR y IN ('a'))"}
}
