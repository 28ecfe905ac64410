package plan_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/files"
)

// BenchmarkCompile compiles 200 tables in chains of bronze, silver and gold with three expectations each.
func BenchmarkCompile(b *testing.B) {
	const tables = 200
	p := &dsl.Pipeline{Name: "bench", Target: dsl.Target{Schema: "bench"}, DeadLetter: dsl.DeadLetter{Table: "dead_letter"}}
	in := plan.Input{Pipeline: p, Conn: connect(b), SourceColumns: map[string]schemas.Table{}}
	for i := 0; len(p.Tables) < tables; i++ {
		src := fmt.Sprintf("src_%d", i)
		p.Sources = append(p.Sources, &dsl.Source{Name: src, Connector: "files", Options: &files.Options{Format: "json"}})
		in.SourceColumns[src] = columns(b, "id BIGINT", "name VARCHAR", "amount DOUBLE", "ts TIMESTAMP", "country VARCHAR")
		p.Tables = append(p.Tables,
			table(fmt.Sprintf("bronze_%d", i), dsl.StreamingTable, "SELECT *, _metadata.file_path AS source_file FROM STREAM "+src),
			table(fmt.Sprintf("silver_%d", i), dsl.StreamingTable,
				fmt.Sprintf("SELECT id, upper(name) AS name, amount * 1.2 AS amount, CAST(ts AS DATE) AS day, country FROM STREAM bronze_%d WHERE id IS NOT NULL", i)),
			table(fmt.Sprintf("gold_%d", i), dsl.MaterializedView,
				fmt.Sprintf("SELECT country, day, count(*) AS orders, sum(amount) AS amount FROM silver_%d GROUP BY ALL", i)))
	}
	for _, t := range p.Tables {
		rules := []string{"country IS NOT NULL", "amount BETWEEN 0 AND 1000000", "length(country) = 2"}
		for i, r := range rules {
			expect(t, fmt.Sprintf("rule_%d", i), r, dsl.Drop)
		}
	}
	for b.Loop() {
		_, diags, err := plan.Compile(context.Background(), in)
		if err != nil || diags.HasErrors() {
			b.Fatal(err, diags)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(len(p.Tables)), "µs/table")
}
