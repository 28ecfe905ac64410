package project

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/engine/refresh"
)

const crashPipeline = `name: crash
parameters: {shift: 0, limit: 1000}
duckdb: {threads: 1}
sources:
  feed:
    files: {path: data, format: json, max_files_per_batch: 2}
    schema: {id: BIGINT, amount: BIGINT}
tables:
  raw.bronze: {kind: streaming_table, sql: SELECT * FROM STREAM feed}
  silver:
    kind: streaming_table
    sql: "SELECT id, amount + ${shift} AS amount FROM STREAM raw.bronze"
    expectations:
      even: {expect: amount % 2 = 0, on_violation: drop}
      known: {expect: "id < ${limit}", on_violation: fail}
  gold: {kind: materialized_view, sql: "SELECT count(*) AS n, sum(amount) AS amount FROM silver"}
  gold_copy: {kind: materialized_view, sql: SELECT * FROM gold}
`

// crashState is everything that must be right: rows and sums of the tables and dead letters, and the views.
const crashState = `SELECT * FROM (SELECT count(*), sum(id) FROM raw.bronze), (SELECT count(*), count(DISTINCT id), sum(amount) FROM silver),
	(SELECT count(*), sum(CAST(row->>'amount' AS BIGINT)) FROM dead_letter WHERE status = 'open'),
	(SELECT n, amount FROM gold UNION ALL SELECT NULL, NULL LIMIT 1), (SELECT amount FROM gold_copy UNION ALL SELECT NULL LIMIT 1)`

// state is what crashState gives after a run over files of ten records each, by group: bronze, silver with its dead
// letters, the views. Half of the rows are even. The shift, a thousand times k, is added to each amount.
func state(files, k int) [3]string {
	rows, half := 10*files, 5*files
	sum, even, shift := rows*(rows-1)/2, half*(half-1), half*k*1000
	return [3]string{fmt.Sprintf("%d,%d", rows, sum), fmt.Sprintf("%d,%d,%d,%d,%d", half, half, even+shift, half, sum-even+shift),
		fmt.Sprintf("%d,%d,%d", half, even+shift, even+shift)}
}

// crash is a pipeline that is killed again and again.
type crash struct {
	t    *testing.T
	file string
}

// newCrash writes the pipeline, and runs it over the first files, if any.
func newCrash(t *testing.T, files int) *crash {
	t.Helper()
	c := &crash{t, filepath.Join(t.TempDir(), "pipeline.yaml")}
	put(t, c.file, crashPipeline)
	c.grow(files)
	if files > 0 {
		c.run(engine.Options{})
	}
	return c
}

// grow adds files of ten records each until there are so many. Ids count from 0, amounts are ids.
func (c *crash) grow(files int) {
	c.t.Helper()
	dir := filepath.Join(filepath.Dir(c.file), "data")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		c.t.Fatal(err)
	}
	for f := range files {
		path := filepath.Join(dir, fmt.Sprintf("%02d.json", f))
		if _, err := os.Stat(path); err == nil {
			continue
		}
		var b strings.Builder
		for i := f * 10; i < f*10+10; i++ {
			fmt.Fprintf(&b, "{\"id\":%d,\"amount\":%d}\n", i, i)
		}
		put(c.t, path, b.String())
	}
}

// run does an update that must succeed.
func (c *crash) run(opts engine.Options, params ...Param) {
	c.t.Helper()
	mustRun(c.t, c.file, opts, params...)
}

// tryKill does an update that is killed at a pass of a failpoint, or must succeed when it does not get there.
func (c *crash) tryKill(name string, pass int, opts engine.Options, params ...Param) bool {
	c.t.Helper()
	killed, err := kill(c.t, name, pass, c.file, Options{Purpose: Write, Params: params}, func(ctx context.Context, p *Project) error {
		_, err := p.Run(ctx, opts)
		return err
	})
	if err != nil {
		c.t.Fatalf("%s#%d was not passed: %v", name, pass, err)
	}
	return killed
}

// kill does an update that must be killed at the failpoint.
func (c *crash) kill(name string, pass int, opts engine.Options, params ...Param) {
	c.t.Helper()
	if !c.tryKill(name, pass, opts, params...) {
		c.t.Fatalf("%s#%d was not passed", name, pass)
	}
}

// look returns the last row that a query gives.
func (c *crash) look(text string) string {
	c.t.Helper()
	p, err := Open(c.t.Context(), c.file, Options{})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	rows := read(c.t, p, text)
	return rows[len(rows)-1]
}

// fail gives the error of an update.
func (c *crash) fail(params ...Param) error {
	c.t.Helper()
	p, err := Open(c.t.Context(), c.file, Options{Purpose: Write, Params: params})
	if err != nil {
		c.t.Fatal(err)
	}
	_, err = p.Run(c.t.Context(), engine.Options{})
	return errors.Join(err, p.Close())
}

// expect compares everything with the state after so many files, with shift k.
func (c *crash) expect(files, k int) {
	c.t.Helper()
	want := state(files, k)
	if got := c.look(crashState); got != strings.Join(want[:], ",") {
		c.t.Fatalf("the tables hold %s, want %s", got, want)
	}
}

// audit expects that all commits are accounted for. It takes as long as the history is.
func (c *crash) audit() {
	c.t.Helper()
	mustAudit(c.t, c.file)
}

// sample is a third of the places where a process can be killed, others each time; all of them with LAKEFLOW_KILLS=all.
func sample(places []string) []string {
	if os.Getenv("LAKEFLOW_KILLS") == "all" {
		return places
	}
	places = slices.Clone(places)
	for n := 2 * len(places) / 3; n > 0; n-- {
		i := rand.IntN(len(places))
		places = slices.Delete(places, i, i+1)
	}
	return places
}

// TestKilledAnywhere kills the first update and one that adds rows at failpoints, updates again, and expects
// exactly the rows, dead letters and views that one clean run gives. What a kill leaves of the views agrees.
func TestKilledAnywhere(t *testing.T) {
	for _, name := range sample(failpoint.Names) {
		t.Run(name, func(t *testing.T) {
			c := newCrash(t, 0)
			c.grow(3)
			c.kill(name, 1, engine.Options{})
			c.run(engine.Options{})
			c.expect(3, 0)
			c.grow(5)
			c.kill(name, 1, engine.Options{})
			before, after := state(3, 0), state(5, 0)
			views := c.look("SELECT gold.n, gold.amount, gold_copy.amount AS copy FROM gold, gold_copy")
			if views != before[2] && views != after[2] {
				t.Errorf("the views are %s, want %s or %s", views, before[2], after[2])
			}
			c.run(engine.Options{})
			c.expect(5, 0)
			c.audit()
		})
	}
}

// TestKilledInFullRefresh recomputes a table whose query has changed. A kill leaves the old rows with the old dead
// letters, or the new with the new.
func TestKilledInFullRefresh(t *testing.T) {
	c := newCrash(t, 2)
	places := slices.DeleteFunc(slices.Clone(failpoint.Names), func(name string) bool { return strings.HasPrefix(name, "ledger.") }) // the table reads no files
	for i, name := range sample(places) {
		opts, shift := engine.Options{Selection: definitions.Selection{FullRefresh: []string{"silver"}}}, Param{"shift", strconv.Itoa((i + 1) * 1000)}
		c.kill(name, 1, opts, shift)
		before, after := state(2, i), state(2, i+1)
		got := c.look(crashState)
		possible := []string{before[1] + "," + before[2], after[1] + "," + before[2], after[1] + "," + after[2]}
		if !slices.Contains(possible, strings.TrimPrefix(got, before[0]+",")) {
			t.Errorf("%s left %s, want one of %s,%q", name, got, before[0], possible)
		}
		c.run(opts, shift)
		c.expect(2, i+1)
	}
	c.audit()
}

// TestKilledInFullRefreshOfAll recomputes all tables in several batches. Old and new rows never meet in a table.
func TestKilledInFullRefreshOfAll(t *testing.T) {
	c := newCrash(t, 3)
	for i, name := range sample(failpoint.Names) {
		opts, shift := engine.Options{Selection: definitions.Selection{FullAll: true}}, Param{"shift", strconv.Itoa((i + 1) * 1000)}
		pass := 2 // of the second batch
		if place, _, _ := strings.Cut(name, "."); place == "owner" || place == "view" || place == "update" {
			pass = 1 // it is passed once
		}
		c.kill(name, pass, opts, shift)
		got := c.look(`SELECT count(DISTINCT amount // 1000) = 1 AND count(DISTINCT amount) = count(*) AND (SELECT count(DISTINCT id) = count(*) FROM raw.bronze)
			FROM (SELECT amount FROM silver UNION ALL SELECT CAST(row->>'amount' AS BIGINT) FROM dead_letter)`)
		if got != "true" {
			t.Errorf("%s left old and new rows in one table: %s", name, c.look(crashState))
		}
		c.run(opts, shift)
		c.expect(3, i+1)
	}
	c.audit()
}

// TestKilledWhileFailing kills updates that an expectation stops. Nothing of the refused batch is ever seen, and when
// the rule is satisfied the batch is read once.
func TestKilledWhileFailing(t *testing.T) {
	c := newCrash(t, 1)
	files := 1
	for _, name := range sample(failpoint.Names) {
		if name == "view.before-refresh" || name == "view.after-refresh" || name == "update.before-done" || strings.HasPrefix(name, "ledger.") {
			continue // a failing update does not get there
		}
		limit := Param{"limit", strconv.Itoa(10 * files)}
		c.grow(files + 1)
		c.kill(name, 1, engine.Options{}, limit)
		c.expect(files, 0)
		var violation *refresh.ViolationError
		if err := c.fail(limit); !errors.As(err, &violation) {
			t.Fatalf("the expectation does not stop the update: %v", err)
		}
		c.expect(files, 0)
		c.run(engine.Options{})
		files++
		c.expect(files, 0)
	}
	c.audit()
}
