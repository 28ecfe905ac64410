package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/load"
	"github.com/lakeflow/lakeflow/engine/project"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// What a project of 200 statements of SQL may take.
const (
	translateLimit   = 150 * time.Millisecond
	validateSQLLimit = 600 * time.Millisecond
)

// translateCommand makes this program a child that reads a project of SQL, without DuckDB.
const translateCommand = "translate"

// pipelineSQL measures the reading of a project of SQL, and the check of it.
func pipelineSQL(ctx context.Context, b *bench) error {
	s, err := b.sqlSpace()
	if err != nil {
		return err
	}
	p, err := loadProject(s.file)
	if err != nil {
		return err
	}
	if err := b.checkSQL(ctx, s, p); err != nil {
		return err
	}
	statements, tables := len(sqlDomains)*sqlStatements, len(sqlDomains)*sqlTables
	translated := job{program: b.self, args: []string{translateCommand, s.file}}
	parsed := job{program: b.self, args: []string{timedCommand}, stdin: "SELECT 1" + timedMark + parseSQL(p)}
	got, err := inTurn(ctx, b.shortRuns(), translated, parsed)
	if err != nil {
		return err
	}
	for i := range got {
		if got[i], err = timedOutput(got[i]); err != nil {
			return err
		}
	}
	printTimes(fmt.Sprintf("read and translate %d statements of SQL", statements), got[0], got[1], atMost(got[0].wall(), translateLimit),
		"DuckDB parsing what the queries are translated to; CPU is the whole child's")

	feed, err := b.tinyFeed("tiny", 1, 10)
	if err != nil {
		return err
	}
	many, _ := manyTables(feed, tables)
	duckdb, err := b.space("sql-duckdb", many)
	if err != nil {
		return err
	}
	got, err = inTurn(ctx, b.shortRuns(), b.command("validate", s.file), b.command("validate", duckdb.file))
	if err != nil {
		return err
	}
	printTimes(fmt.Sprintf("validate %d statements of SQL", statements), got[0], got[1], atMost(got[0].wall(), validateSQLLimit),
		fmt.Sprintf("lakeflow with %d simple tables in DuckDB's dialect", tables))
	if err := duckdb.remove(); err != nil {
		return err
	}
	return s.remove()
}

// sqlSpace is a folder with the project of SQL; its file is the folder of the project.
func (b *bench) sqlSpace() (*space, error) {
	s, err := b.space("sql", "")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(s.file); err != nil {
		return nil, err
	}
	s.file = filepath.Join(s.dir, "project")
	return s, writeSQLProject(s.file, filepath.Join(s.dir, "feeds"))
}

// checkSQL compares the project with what was written, and what an update makes of it with what was in its feeds.
func (b *bench) checkSQL(ctx context.Context, s *space, p *dsl.Pipeline) error {
	tables, flows := len(sqlDomains)*sqlTables, 0
	for _, t := range p.Tables {
		flows += len(t.Flows)
	}
	if want := tables + len(sqlDomains); len(p.Tables) != tables || flows != want { // one table of each domain has two flows
		return fmt.Errorf("the result is wrong: %d tables with %d flows, not %d with %d", len(p.Tables), flows, tables, want)
	}
	out, err := b.command("validate", s.file).output(ctx)
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("%d tables", tables); !strings.Contains(out, want) {
		return fmt.Errorf("the result is wrong: %q does not say %s", out, want)
	}
	if _, err := b.command("run", "--json", s.file).output(ctx); err != nil {
		return err
	}
	ours, floor := sqlSummary()
	return b.same(ctx, s, ours, floor)
}

// sqlSummary asks tables of every domain for what can be told from their feeds.
func sqlSummary() (ours, floor string) {
	var got, want []string
	for i, d := range sqlDomains {
		got = append(got, fmt.Sprintf(`SELECT '%[1]s' AS domain, (SELECT sum(events) FROM %[1]s_by_day) AS events, (SELECT CAST(sum(amount) AS DOUBLE) FROM %[1]s_by_day) AS amount,
  (SELECT string_agg(name || city, ',' ORDER BY customer_id) FROM %[1]s_customers) AS customers, (SELECT count(*) FROM %[1]s_activity) AS activity,
  (SELECT string_agg(place || name || trend, ',' ORDER BY place) FROM %[1]s_ranking) AS ranking`, d))
		want = append(want, fmt.Sprintf("SELECT '%s' AS domain, %d AS events, %d * (%d.5::DOUBLE) AS amount, 'Ada L.Paris,KurtBrno' AS customers, %d AS activity, '1Ada L.new,2Kurtnew' AS ranking",
			d, sqlRows, sqlRows, 50*(i+1), sqlRows+3))
	}
	return strings.Join(got, "\nUNION ALL\n") + "\nORDER BY domain", strings.Join(want, "\nUNION ALL\n") + "\nORDER BY domain"
}

// loadProject reads a project of SQL as lakeflow does, up to what it hands to the compiler.
func loadProject(dir string) (*dsl.Pipeline, error) {
	p, diags, err := load.Load(dir, load.Options{Connectors: project.Connectors()})
	switch {
	case err != nil:
		return nil, err
	case len(diags) > 0:
		return nil, diags
	}
	return p, nil
}

// runTranslate reads a project of SQL and writes how long that took.
func runTranslate(_ context.Context, args []string, _ io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("%s takes the folder of a project", translateCommand)
	}
	began := time.Now()
	if _, err := loadProject(args[0]); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, time.Since(began))
	return err
}

// parseSQL has DuckDB parse the queries of a project.
func parseSQL(p *dsl.Pipeline) string {
	var texts []string
	for _, t := range p.Tables {
		for _, f := range t.Flows {
			texts = append(texts, "json_serialize_sql("+quote.Text(f.SQL.Text)+")")
		}
	}
	return "SELECT " + strings.Join(texts, ", ")
}
