package sqlfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/spark"
)

const pageIntro = `# Pipeline SQL: every clause, and what it does

This page is generated: ` + "`go test ./dsl/sqlfile -update`" + ` reads each example as a file of a pipeline, beside the tables that it names, and writes down what came of it.

- **accepted**: read without a remark.
- **no effect**: read, and listed among what the table's file says and lakeflow does not do.
- **warning**, **note**: runs, and lakeflow says what it does not do.
- **refused**: an error, with what to write instead.

Only the reading is shown here. Types, and which tables may be streams, are checked when the pipeline is compiled, by ` + "`lakeflow validate`" + `.
Coming from Databricks: [from-databricks.md](from-databricks.md). Every message: [diagnostics.md](diagnostics.md).
`

// TestPage writes docs/pipeline-sql.md of what becomes of the examples.
func TestPage(t *testing.T) {
	var page strings.Builder
	page.WriteString(pageIntro)
	for _, s := range pageSections {
		fmt.Fprintf(&page, "\n## %s\n\n| clause | example | here |\n|---|---|---|\n", s.title)
		for _, e := range s.examples {
			fmt.Fprintf(&page, "| %s | %s | %s |\n", codeInCell(e.clause), codeInCell(e.sql), inCell(outcome(t, e.sql)))
		}
	}
	page.WriteString(pageFunctions())
	const file = "../../docs/pipeline-sql.md"
	if *update {
		if err := os.WriteFile(file, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), page.String()); d != "" {
		t.Errorf("%s differs; run go test ./dsl/sqlfile -update and look at the change\n%s", file, d)
	}
}

// outcome loads an example, and says what became of it: what is in its own file alone.
func outcome(t *testing.T, sql string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "demo")
	beside, file := filepath.Join(dir, "beside.sql"), filepath.Join(dir, "example.sql")
	tables := pageBeside
	if strings.Contains(sql, "target") {
		tables += "CREATE STREAMING TABLE target;\n"
	}
	write(t, beside, tables)
	write(t, file, sql+";\n")
	write(t, filepath.Join(dir, "landing", "a.json"), `{"id": 1}`)
	p, diags, err := Load([]string{beside, file}, Project{"demo", dir, dir}, Options{Connectors: connectors,
		Configuration: map[string]string{"day": "2026-01-01"}})
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, d := range diags {
		if d.Range.File == beside && d.Code == "LF0108" {
			continue // the flow of the example was refused
		}
		if d.Range.File == beside {
			t.Fatalf("%s: %s in the tables beside it", d.Code, d.Message)
		}
		what := map[diag.Severity]string{diag.Error: "**refused**", diag.Warning: "**warning**", diag.Note: "**note**"}[d.Severity]
		text := fmt.Sprintf("%s %s: %s; %s", what, d.Code, d.Message, d.Help)
		said = append(said, strings.ReplaceAll(text, dir+string(filepath.Separator), ""))
	}
	for _, table := range p.Tables {
		for _, x := range table.Ignored {
			if x.Range.File == file {
				said = append(said, "**no effect**: "+strings.TrimSpace(x.Name+" "+x.Value))
			}
		}
	}
	if len(said) == 0 {
		return "accepted"
	}
	return strings.Join(said, "<br>")
}

// codeInCell is a code span in a cell of a table. What has backticks itself is between double ones, and spaces, which
// Markdown takes away, part them from those at an end.
func codeInCell(s string) string {
	if strings.Contains(s, "`") {
		return "`` " + inCell(s) + " ``"
	}
	return "`" + inCell(s) + "`"
}

// inCell is a text in a cell of a table.
func inCell(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "|", `\|`), "\n", " ")
}

func pageFunctions() string {
	counts, total := map[spark.How]int{}, 0
	for _, f := range spark.Functions() {
		counts[f.How]++
		total++
	}
	return fmt.Sprintf(`
## Functions

Queries are in Spark's SQL. Of its functions %d are known, and %d of them are refused with the reason.
[Each of them, compared with Spark](spark-compat.md).

| how | functions |
|---|---:|
| DuckDB's function of that name | %d |
| a function of DuckDB with another name | %d |
| an expression | %d |
| a macro | %d |
| depends on the arguments | %d |
| refused | %d |
`, total, counts[spark.Refused], counts[spark.Same], counts[spark.Renamed], counts[spark.Written], counts[spark.Macro],
		counts[spark.Special], counts[spark.Refused])
}
