package plan_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
)

// inSpark makes a declared table with one flow in Spark's dialect.
func inSpark(t *testing.T, name string, kind dsl.Kind, query string) *dsl.Table {
	t.Helper()
	var l diag.List
	q := spark.Translate(query, sqltext.WholeFile(name+".sql"), spark.Pipeline{}, &l)
	if l.HasErrors() {
		t.Fatal(l)
	}
	return &dsl.Table{Name: name, Kind: kind, DeadLetter: true, Flows: []*dsl.Flow{{Name: name, SQL: q.Query}}}
}

func compileSpark(t *testing.T, p *dsl.Pipeline) (*plan.Plan, diag.List) {
	t.Helper()
	var called []string
	for _, d := range p.Tables {
		called = append(called, d.Flows[0].SQL.Macros...)
		for _, e := range d.Expectations {
			called = append(called, e.Expect.Macros...)
		}
	}
	conn := connect(t)
	made := spark.Create(called, 1000)
	if _, err := conn.ExecContext(context.Background(), made); err != nil {
		t.Fatal(err)
	}
	compiled, diags, err := plan.Compile(context.Background(), plan.Input{Pipeline: p, Conn: conn, Macros: made,
		SourceColumns: map[string]schemas.Table{"orders": columns(t, "id BIGINT", "amount VARCHAR", "at TIMESTAMP",
			"items STRUCT(sku VARCHAR, n INTEGER)[]")}})
	if err != nil {
		t.Fatal(err)
	}
	return compiled, diags
}

// Types that DuckDB cannot tell while it binds, fields of lists, and sums are as in Spark; the second table knows them
// from the first.
func TestSparkTypes(t *testing.T) {
	silver := inSpark(t, "silver", dsl.StreamingTable, "SELECT id, amount + 1 AS more, items.sku AS skus, id / 2 AS half FROM STREAM(orders)")
	gold := inSpark(t, "gold", dsl.MaterializedView,
		"SELECT max(id) > 5 AS big, sum(id) AS ids, count(*) FROM orders GROUP BY id")
	var l diag.List
	q := spark.Expression("half >= '1' AND size(skus) > 0", sqltext.WholeFile("rule"), spark.Pipeline{}, &l)
	silver.Expectations = []dsl.Expectation{{Name: "r", Expect: q.Query, Violation: dsl.Drop}}
	p, diags := compileSpark(t, pipeline([]string{"orders"}, silver, gold))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	for name, want := range map[string]string{
		"silver": "id BIGINT, more BIGINT, skus VARCHAR[], half DOUBLE",
		"gold":   "big BOOLEAN, ids BIGINT, count(1) BIGINT",
	} {
		var got []string
		for _, c := range p.Dataset(name).Columns {
			got = append(got, c.Name+" "+c.Type.String())
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %s, want %s", name, strings.Join(got, ", "), want)
		}
	}
}

// What DuckDB finds in the text of a macro is the fault of its call.
func TestMistakeInMacro(t *testing.T) {
	_, diags := compileSpark(t, pipeline([]string{"orders"}, inSpark(t, "silver", dsl.StreamingTable,
		"SELECT id,\n  size(id) AS d\nFROM STREAM orders")))
	if !diags.HasErrors() || diags[0].Range.Start.Line != 2 || diags[0].Range.File != "silver.sql" {
		t.Errorf("%v", diags)
	}
}

// A function of the pipeline's own gives a value of its arguments.
func TestOwnFunction(t *testing.T) {
	for body, want := range map[string]string{"x + 1": "", "x + random()": "random()", "sum(x)": "sum()", "x +": "ends too early"} {
		var l diag.List
		p := pipeline([]string{"orders"}, table("silver", dsl.StreamingTable, "SELECT id FROM STREAM orders"))
		p.Functions = []*dsl.Function{{Name: "f", Parameters: []string{"x"}, SQL: sqltext.New(body, sqltext.WholeFile("f"), nil, &l)}}
		_, diags := compileSpark(t, p)
		if want == "" && len(diags) > 0 || want != "" && !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %v", body, diags)
		}
	}
}

// What is compared with an aggregate, a window function or a subquery of texts is cast as in Spark. A mistake elsewhere in
// such a query is still told at its place.
func TestSparkAggregateTypes(t *testing.T) {
	_, diags := compileSpark(t, pipeline([]string{"orders"}, inSpark(t, "gold", dsl.MaterializedView,
		"SELECT id, coalesce(max(amount), 0) AS m, max(amount) > 5 AS big FROM orders GROUP BY id HAVING sum(amount) > 10 AND max(amount) = 1"),
		inSpark(t, "ranks", dsl.MaterializedView,
			"SELECT id, lag(amount) OVER (ORDER BY id) > 5 AS more FROM orders WHERE id > (SELECT min(amount) FROM orders)")))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	_, diags = compileSpark(t, pipeline([]string{"orders"}, inSpark(t, "gold", dsl.MaterializedView,
		"SELECT max(amount) > 5 AS big, nothing FROM orders")))
	if len(diags) != 1 || !strings.Contains(diags[0].Message, `there is no column "nothing"`) || diags[0].Range.Start.Column != 32 {
		t.Errorf("%v", diags)
	}
}
