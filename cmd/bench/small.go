package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/schemas/quote"
)

// What the short workloads may take.
const (
	noopLimit     = 60 * time.Millisecond
	noopManyLimit = 80 * time.Millisecond // of 20 tables
	validateLimit = 400 * time.Millisecond
	manyLimit     = 2 * time.Second // more than the same update of few files
)

// shortRuns is how many runs a workload does that takes well under a second.
func (b *bench) shortRuns() int { return 4 * b.runs }

// started is the floor of what a process can do: open DuckDB and ask it something.
func (b *bench) started() job { return b.floor("SELECT 1") }

// noop measures an update that finds nothing new.
func noop(ctx context.Context, b *bench) error {
	feed, err := b.tinyFeed("tiny", 1, 10)
	if err != nil {
		return err
	}
	s, err := b.space("noop", tinyPipeline(feed))
	if err != nil {
		return err
	}
	run := b.command("run", "--json", s.file)
	got, err := inTurn(ctx, b.shortRuns(), run, b.started())
	if err != nil {
		return err
	}
	if err := b.checkTiny(ctx, s, 10); err != nil {
		return err
	}
	printTimes("no-op update of 3 tables", got[0], got[1], atMost(got[0].wall(), noopLimit), "DuckDB started, SELECT 1")
	if err := s.remove(); err != nil {
		return err
	}
	return noopMany(ctx, b, feed)
}

// noopMany measures an update of 20 tables that finds nothing new. What it costs more is the compiling, and the
// positions in the commit record.
func noopMany(ctx context.Context, b *bench, feed string) error {
	pipeline, _ := manyTables(feed, 20)
	s, err := b.space("noop-many", pipeline)
	if err != nil {
		return err
	}
	got, err := inTurn(ctx, b.shortRuns(), b.command("run", "--json", s.file), b.started())
	if err != nil {
		return err
	}
	if err := b.same(ctx, s, "SELECT count(*) AS rows FROM bronze_0", "SELECT 10 AS rows"); err != nil {
		return err
	}
	printTimes("no-op update of 20 tables", got[0], got[1], atMost(got[0].wall(), noopManyLimit), "DuckDB started, SELECT 1")
	return s.remove()
}

// tinyPipeline is three tables over files of one row.
func tinyPipeline(feed string) string {
	return fmt.Sprintf(`name: tiny
sources:
  feed:
    files: {path: %s, format: json, max_files_per_batch: 100000}
tables:
  bronze: {kind: streaming_table, sql: 'SELECT * FROM STREAM feed'}
  silver: {kind: streaming_table, sql: 'SELECT id FROM STREAM bronze', expectations: {known: id IS NOT NULL}}
  gold: {kind: materialized_view, sql: 'SELECT id, count(*) AS n FROM silver GROUP BY id'}
`, quote.Text(feed))
}

// tinyFeed is a tree of folders of files that hold one row each. The files are links to few: a file system takes a
// limited number of names for one.
func (b *bench) tinyFeed(name string, folders, files int) (string, error) {
	return b.generated(name, func(dir string) error {
		for i := range folders {
			folder := filepath.Join(dir, fmt.Sprintf("%04d", i))
			if err := os.Mkdir(folder, 0o755); err != nil {
				return err
			}
			first := filepath.Join(folder, "0000.json")
			if err := os.WriteFile(first, fmt.Appendf(nil, "{\"id\": %d}\n", i), 0o644); err != nil {
				return err
			}
			for j := 1; j < files; j++ {
				if err := os.Link(first, filepath.Join(folder, fmt.Sprintf("%04d.json", j))); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (b *bench) checkTiny(ctx context.Context, s *space, rows int) error {
	return b.same(ctx, s, "SELECT (SELECT count(*) FROM bronze) AS bronze, (SELECT count(*) FROM silver) AS silver, (SELECT sum(n) FROM gold) AS gold",
		fmt.Sprintf("SELECT %[1]d AS bronze, %[1]d AS silver, %[1]d AS gold", rows))
}

// validate measures the check of 200 tables.
func validate(ctx context.Context, b *bench) error {
	const tables = 200
	feed, err := b.tinyFeed("tiny", 1, 10)
	if err != nil {
		return err
	}
	pipeline, floor := manyTables(feed, tables)
	s, err := b.space("validate", pipeline)
	if err != nil {
		return err
	}
	out, err := b.command("validate", s.file).output(ctx)
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("%d tables", tables); !strings.Contains(out, want) {
		return fmt.Errorf("the result is wrong: %q does not say %s", out, want)
	}
	got, err := inTurn(ctx, b.shortRuns(), b.command("validate", s.file), b.floor(floor))
	if err != nil {
		return err
	}
	printTimes("validate 200 tables", got[0], got[1], atMost(got[0].wall(), validateLimit), "CREATE VIEW of the same queries")
	return s.remove()
}

// manyTables is a pipeline of chains of bronze, silver and gold, and SQL that makes views of the same queries.
func manyTables(feed string, tables int) (pipeline, floor string) {
	var p, f strings.Builder
	fmt.Fprintf(&p, "name: many\nsources:\n  feed:\n    files: {path: %s, format: json}\n"+
		"    schema: {id: BIGINT, name: VARCHAR, amount: DOUBLE, ordered: TIMESTAMP, country: VARCHAR}\ntables:\n", quote.Text(feed))
	f.WriteString("CREATE TABLE feed (id BIGINT, name VARCHAR, amount DOUBLE, ordered TIMESTAMP, country VARCHAR);\n")
	add := func(name, kind, sql, rules string) {
		fmt.Fprintf(&p, "  %s: {kind: %s, sql: %s, expectations: {%s}}\n", name, kind, quote.Text(sql), rules)
		fmt.Fprintf(&f, "CREATE VIEW %s AS %s;\n", name, strings.ReplaceAll(sql, "STREAM ", ""))
	}
	for i := 0; i < tables; i++ {
		chain := i / 3
		switch i % 3 {
		case 0:
			add(fmt.Sprintf("bronze_%d", chain), "streaming_table", "SELECT * FROM STREAM feed", "known: id IS NOT NULL")
		case 1:
			add(fmt.Sprintf("silver_%d", chain), "streaming_table",
				fmt.Sprintf("SELECT id, upper(name) AS name, amount * 1.2 AS amount, CAST(ordered AS DATE) AS day, country FROM STREAM bronze_%d WHERE id > 0", chain),
				"low: amount < 1000000, place: length(country) = 2, named: name IS NOT NULL")
		case 2:
			add(fmt.Sprintf("gold_%d", chain), "materialized_view",
				fmt.Sprintf("SELECT country, day, count(*) AS orders, sum(amount) AS amount FROM silver_%d GROUP BY ALL", chain), "some: orders > 0")
		}
	}
	return p.String(), f.String()
}

// manyFiles measures what a million files that were read before cost an update that finds nothing new.
func manyFiles(ctx context.Context, b *bench) error {
	const folders, files = 1000, 1000
	many, err := b.tinyFeed("million", folders, files)
	if err != nil {
		return err
	}
	few, err := b.tinyFeed("tiny", 1, 10)
	if err != nil {
		return err
	}
	var jobs []job
	var spaces []*space
	for i, feed := range []string{many, few} {
		s, err := b.space(fmt.Sprintf("many-files-%d", i), tinyPipeline(feed))
		if err != nil {
			return err
		}
		jobs, spaces = append(jobs, b.command("run", "--json", s.file)), append(spaces, s)
	}
	first, err := jobs[0].run(ctx)
	if err != nil {
		return err
	}
	fmt.Printf(rowFormat, "first update of 1,000,000 files", short(first.wall), "", "", "", "", fmt.Sprintf("CPU %s, peak %s", short(first.cpu), megabytes(first.memory)))
	got, err := inTurn(ctx, b.runs, jobs...)
	if err != nil {
		return err
	}
	if err := b.checkTiny(ctx, spaces[0], folders*files); err != nil {
		return err
	}
	g := atMost(got[0].wall()-got[1].wall(), manyLimit)
	g.text = "<= +" + manyLimit.String()
	printTimes("no-op update of 1,000,000 known files", got[0], got[1], g, "lakeflow with 10 files")
	for _, s := range spaces {
		if err := s.remove(); err != nil {
			return err
		}
	}
	return nil
}
