package incremental_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/engine/incremental"
	"github.com/lakeflow/lakeflow/schemas"
)

// TestAnalyze says of each query which technique it has, and the code and place of each issue.
func TestAnalyze(t *testing.T) {
	const (
		appendOnly, rowBased, group, generic = incremental.AppendOnly, incremental.RowBased, incremental.GroupAggregate, incremental.GenericAggregate
		window, overwrite, complete          = incremental.WindowFunction, incremental.PartitionOverwrite, incremental.CompleteRecompute
	)
	const constant = "SUBQUERY_EXPRESSION_NOT_INCREMENTALIZABLE "
	conn := open(t)
	w := newWorld(t, conn, rand.New(rand.NewPCG(1, 1)))
	w.relations["vw"] = incremental.Relation{View: "SELECT k, row_number() OVER (ORDER BY x) AS n FROM a"}
	exec(t, conn, "CREATE TEMP VIEW vw AS "+w.relations["vw"].View)
	w.relations["changing"] = incremental.Relation{RowsChange: true, Columns: schemas.Table{
		{Name: "k", Type: schemas.Type{Kind: schemas.Integer}}, {Name: "n", Type: schemas.Type{Kind: schemas.BigInt}}}}
	exec(t, conn, "CREATE TABLE changing (k INTEGER, n BIGINT)")
	classes := functions(t, conn)
	for _, c := range []struct {
		technique, sql string
		issues         []string // code, a space, and what is written at the place
	}{
		{appendOnly, "SELECT k, x + 1 AS y FROM a WHERE b", nil},
		{appendOnly, "SELECT * FROM a", nil},
		{appendOnly, "SELECT k FROM a UNION ALL SELECT k FROM e", nil},
		{appendOnly, "SELECT a.k, e.y FROM a JOIN e ON a.k = e.k", nil},
		{appendOnly, "SELECT a.k, e.y FROM a, e WHERE a.k = e.k ORDER BY 1", nil},
		{appendOnly, "SELECT id, v FROM a, unnest(l) AS u(v)", nil},
		{appendOnly, "WITH f AS (SELECT k FROM va) SELECT k FROM f", nil},
		{appendOnly, "SELECT x FROM a WHERE x IN (1, 2)", nil},
		{rowBased, "SELECT a.k, e.y FROM a LEFT JOIN e ON a.k = e.k", nil},
		{rowBased, "SELECT a.k, e.y FROM a FULL JOIN e USING (k)", nil},
		{rowBased, "SELECT k FROM a WHERE EXISTS (SELECT 1 FROM e WHERE e.k = a.k)", nil},
		{rowBased, "SELECT k FROM a WHERE k IN (SELECT k FROM e)", nil},
		{rowBased, "SELECT a.k FROM a ANTI JOIN e ON a.k = e.k", nil},
		{rowBased, "SELECT a.x, s.n FROM a JOIN (SELECT k, count(*) AS n FROM e GROUP BY k) s ON a.k = s.k", nil},
		{rowBased, "SELECT a.x, vg.s FROM a JOIN vg ON a.k = vg.k", nil},
		{rowBased, "SELECT median(x) FROM a GROUP BY k", []string{"OPERATOR_NOT_INCREMENTALIZABLE median(x)"}},
		{group, "SELECT k, count(*), sum(x) FROM a GROUP BY k", nil},
		{group, "SELECT count(*), min(d), avg(d) FROM a", nil},
		{group, "SELECT sum(m) / count(*) FROM a GROUP BY k, g HAVING max(x) > 2", nil},
		{group, "SELECT k % 2 AS odd, bool_or(b), avg(m) FILTER (x > 1) FROM a GROUP BY ALL", nil},
		{group, "SELECT DISTINCT k, g FROM a", nil},
		{group, "SELECT k FROM a UNION SELECT k FROM e", nil},
		{group, "WITH s AS (SELECT k, count(*) AS n FROM a GROUP BY k) SELECT * FROM s WHERE n > 1", nil},
		{group, "SELECT n, count(*) FROM (SELECT k, count(*) AS n FROM a GROUP BY k) GROUP BY n", nil},
		{group, "SELECT a.k, count(e.y) FROM a LEFT JOIN e ON a.k = e.k GROUP BY a.k", nil},
		{generic, "SELECT k, median(x), count(*) FROM a GROUP BY k", []string{"OPERATOR_NOT_INCREMENTALIZABLE median(x)"}},
		{generic, "SELECT k, count(DISTINCT x) FROM a GROUP BY k", []string{"OPERATOR_NOT_INCREMENTALIZABLE count(DISTINCT x)"}},
		{generic, "SELECT k, stddev(x) FROM a GROUP BY 1", []string{"OPERATOR_NOT_INCREMENTALIZABLE stddev(x)"}},
		{window, "SELECT k, x, row_number() OVER (PARTITION BY k ORDER BY x) FROM a", nil},
		{window, "SELECT *, sum(x) OVER (PARTITION BY k, g) FROM a", nil},
		{window, "SELECT k, x FROM a QUALIFY row_number() OVER (PARTITION BY k ORDER BY x) <= 3", nil},
		{window, "SELECT k, x FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY x) AS n FROM a) WHERE n = 1", nil},
		{overwrite, "SELECT DISTINCT ON (k) k, x FROM a ORDER BY k, x", nil},
		{complete, "SELECT x, row_number() OVER (PARTITION BY k ORDER BY x) FROM a", []string{"OPERATOR_NOT_INCREMENTALIZABLE row_number()"}},
		{complete, "SELECT k, row_number() OVER (ORDER BY x) FROM a", []string{"WINDOW_WITHOUT_PARTITION_BY row_number()"}},
		{complete, "SELECT k, sum(x) OVER (PARTITION BY k), max(x) OVER (PARTITION BY g) FROM a", []string{"WINDOW_WITHOUT_PARTITION_BY sum(x)"}},
		{complete, "SELECT k FROM vw", []string{"WINDOW_WITHOUT_PARTITION_BY vw: row_number()"}},
		{complete, "SELECT k, x FROM a ORDER BY x LIMIT 3", []string{"OPERATOR_NOT_SUPPORTED k, x"}},
		{complete, "SELECT k FROM a EXCEPT SELECT k FROM e", []string{"OPERATOR_NOT_SUPPORTED k FROM"}},
		{complete, "SELECT k, now() FROM a", []string{"EXPRESSION_NOT_DETERMINISTIC now()"}},
		{complete, "SELECT k FROM a WHERE t < current_date", []string{"EXPRESSION_NOT_DETERMINISTIC current_date"}},
		{appendOnly, "SELECT k FROM a WHERE x > (SELECT avg(y) FROM e)", []string{constant + "(SELECT avg"}},
		{appendOnly, "SELECT k FROM a WHERE k NOT IN (SELECT k FROM e)", []string{constant + "NOT IN"}},
		{appendOnly, "SELECT k, (SELECT max(y) FROM e WHERE e.k = a.k) AS y FROM a", []string{constant + "(SELECT max"}},
		{appendOnly, "SELECT k FROM a WHERE b OR k IN (SELECT k FROM vc)", []string{constant + "IN"}},
		{group, "SELECT k, count(*), (SELECT min(y) FROM e WHERE k > 2) AS m FROM a GROUP BY k", []string{constant + "(SELECT min"}},
		{complete, "SELECT k FROM a WHERE x > (SELECT avg(x) FROM a)", []string{constant + "(SELECT avg"}},
		{complete, "SELECT k FROM e WHERE y > (SELECT sum(d) FROM a)", []string{constant + "(SELECT sum"}},
		{complete, "SELECT k FROM a WHERE x > (SELECT y FROM e LIMIT 1)", []string{constant + "(SELECT y"}},
		{complete, "WITH f AS (SELECT y FROM e) SELECT k FROM a WHERE x NOT IN (FROM f)", []string{constant + "NOT IN"}},
		{generic, "SELECT s.k, s.v FROM e JOIN (SELECT k, sum(d) AS v FROM a GROUP BY k) s ON e.k = s.k", nil},
		{window, "WITH top AS (SELECT * FROM a QUALIFY row_number() OVER (PARTITION BY k ORDER BY id) = 1) SELECT top.k, e.y FROM top LEFT JOIN e USING (k)", nil},
		{complete, "SELECT s.v FROM e JOIN (SELECT k, sum(d) AS v FROM a GROUP BY k) s ON e.k = s.k", []string{"AGGREGATE_NOT_TOP_NODE sum(d)"}},
		{complete, "SELECT s.k, s.v FROM e LEFT JOIN (SELECT k, sum(d) AS v FROM a GROUP BY k) s ON e.k = s.k", []string{"AGGREGATE_NOT_TOP_NODE sum(d)"}},
		{complete, "SELECT sum(d) FROM a GROUP BY k", []string{"AGGREGATE_NOT_TOP_NODE sum(d)"}},
		{complete, "SELECT k, sum(x) FROM a GROUP BY ROLLUP (k)", []string{"OPERATOR_NOT_SUPPORTED k, sum"}},
		{complete, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n", []string{"OPERATOR_NOT_SUPPORTED 1 UNION"}},
		{complete, "PIVOT (SELECT k, b, x FROM a) ON b IN (true, false) USING sum(x) GROUP BY k", []string{"OPERATOR_NOT_SUPPORTED "}},
		{complete, "SELECT k FROM a USING SAMPLE 2", []string{"OPERATOR_NOT_SUPPORTED k FROM"}},
		{complete, "SELECT a.k FROM a ASOF JOIN e ON a.k = e.k AND a.x >= e.y", []string{"OPERATOR_NOT_SUPPORTED ASOF"}},
		{complete, "SELECT k FROM a POSITIONAL JOIN (SELECT y FROM e)", []string{"OPERATOR_NOT_SUPPORTED POSITIONAL"}},
		{generic, "SELECT k, list(x ORDER BY x) FROM a GROUP BY k", []string{"OPERATOR_NOT_INCREMENTALIZABLE x ORDER"}},
		{rowBased, "SELECT k, n FROM changing", nil},
		{rowBased, "SELECT a.x, n FROM a JOIN changing USING (k)", nil},
		{group, "SELECT k, sum(n) FROM changing GROUP BY k", nil},
	} {
		columns, err := columnsOf(t, conn, c.sql)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		got, err := incremental.Analyze(t.Context(), conn, incremental.Query{SQL: c.sql, Columns: columns, Relations: w.relations, Functions: classes})
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		if got.Name != c.technique {
			t.Errorf("%s: %s", c.sql, got.Name)
		}
		fits := slices.EqualFunc(got.Issues, c.issues, func(i incremental.Issue, want string) bool {
			code, place, _ := strings.Cut(want, " ")
			text := c.sql
			if i.View != "" {
				_, place, _ = strings.Cut(place, i.View+": ")
				text = w.relations[i.View].View
			}
			return i.Code == code && i.Message != "" && (place == "" || i.At >= 0 && strings.HasPrefix(text[i.At:], place))
		})
		if !fits {
			t.Errorf("%s: %s", c.sql, got.Name)
			for _, i := range got.Issues {
				at := ""
				if i.View == "" && i.At >= 0 {
					at = c.sql[i.At:]
				}
				t.Errorf("\t%s, view %q at %d %.20q: %s", i.Code, i.View, i.At, at, i.Message)
			}
		}
	}
}

// TestTaken tells that statements which DuckDB has taken are not tried again, and that others are.
func TestTaken(t *testing.T) {
	conn := open(t)
	w := newWorld(t, conn, rand.New(rand.NewPCG(1, 1)))
	q := incremental.Query{SQL: "SELECT k, count(*) AS n FROM a GROUP BY k", Relations: w.relations, Functions: functions(t, conn), Columns: schemas.Table{
		{Name: "k", Type: schemas.Type{Kind: schemas.Integer}}, {Name: "n", Type: schemas.Type{Kind: schemas.BigInt}}}}
	technique := func(q incremental.Query, name string) string {
		t.Helper()
		got, err := incremental.Analyze(t.Context(), conn, q)
		if err != nil || got.Name != name {
			t.Fatal(err, got)
		}
		return got.Taken
	}
	q.Taken = technique(q, incremental.GroupAggregate)
	exec(t, conn, "CREATE TEMP VIEW __incremental_outcome AS SELECT 1") // no table can have this name now
	if technique(q, incremental.GroupAggregate) != q.Taken {
		t.Error("the same statements have another hash")
	}
	other := q
	other.SQL = "SELECT k, count(x) AS n FROM a GROUP BY k"
	if technique(other, incremental.GenericAggregate) == q.Taken {
		t.Error("other statements have the same hash")
	}
}
