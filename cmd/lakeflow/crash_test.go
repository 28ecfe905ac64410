package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/lakeflow/lakeflow/engine/failpoint"
)

const crashPipeline = `name: crash
parameters: {limit: 1000}
sources:
  feed:
    files: {path: data, format: json, max_files_per_batch: 2}
    schema: {id: BIGINT, amount: BIGINT}
tables:
  bronze: {kind: streaming_table, sql: SELECT * FROM STREAM feed}
  silver:
    kind: streaming_table
    sql: "SELECT id, amount FROM STREAM bronze"
    expectations:
      even: {expect: amount % 2 = 0, on_violation: drop}
      known: {expect: "id < ${limit}", on_violation: fail}
  gold: {kind: materialized_view, sql: "SELECT count(*) AS n, sum(amount) AS amount FROM silver"}
  copies.gold_copy: {kind: materialized_view, sql: SELECT * FROM gold}
`

// crashState is everything that must be right: rows and sums of the tables and dead letters, and the views.
const crashState = `SELECT (SELECT count(*) FROM bronze) AS a, (SELECT sum(id) FROM bronze) AS b,
	(SELECT count(*) FROM silver) AS c, (SELECT count(DISTINCT id) FROM silver) AS d, (SELECT sum(amount) FROM silver) AS e,
	(SELECT count(*) FROM dead_letter WHERE status = 'open') AS f, (SELECT sum(CAST(row->>'amount' AS BIGINT)) FROM dead_letter WHERE status = 'open') AS g,
	(SELECT n FROM gold) AS h, (SELECT amount FROM gold) AS i, (SELECT amount FROM copies.gold_copy) AS j`

// state is what crashState gives after a run over files of ten records each: bronze, silver with its dead letters, the
// views. Half of the rows are even.
func state(files int) string {
	rows, half := 10*files, 5*files
	sum, even := rows*(rows-1)/2, half*(half-1)
	return fmt.Sprintf("%d,%d,%d,%d,%d,%d,%d,%d,%d,%d", rows, sum, half, half, even, half, sum-even, half, even, even)
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
	if err := os.WriteFile(c.file, []byte(crashPipeline), 0o644); err != nil {
		t.Fatal(err)
	}
	c.grow(files)
	if files > 0 {
		c.run()
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
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			c.t.Fatal(err)
		}
	}
}

// run does an update that must succeed, in this process, which is faster.
func (c *crash) run() {
	c.t.Helper()
	do(c.t, "run", c.file)
}

// kill runs an update that must be killed at the failpoint.
func (c *crash) kill(name string) {
	c.t.Helper()
	out, err := lakeflow("LAKEFLOW_FAILPOINT="+name, "run", c.file)
	if !killed(err) {
		c.t.Fatalf("%s was not passed: %v\n%s", name, err, out)
	}
}

// look returns the last row that a query gives.
func (c *crash) look(query string) string {
	c.t.Helper()
	lines := strings.Split(strings.TrimSpace(queryTables(c.t, c.file, "csv", query)), "\n")
	return lines[len(lines)-1]
}

// expect compares everything with the state after so many files.
func (c *crash) expect(files int) {
	c.t.Helper()
	want := state(files)
	if got := c.look(crashState); got != want {
		c.t.Fatalf("the tables hold %s, want %s", got, want)
	}
}

// queryTables runs lakeflow query in this process, which is faster.
func queryTables(t *testing.T, file, format, query string) string {
	t.Helper()
	var out strings.Builder
	root := newRoot()
	root.SetArgs([]string{"query", "--pipeline", file, "--format", format, query})
	root.SetOut(&out)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("query: %v", err)
	}
	return out.String()
}

// TestKilled kills the process with SIGKILL at some failpoints (at all with LAKEFLOW_KILLS=all), the first time before there are tables, and expects
// after the next update exactly the rows, dead letters and views of a clean one. The tests of engine/project do so in
// more situations, with kills that they simulate; this one shows that these are like real ones.
func TestKilled(t *testing.T) {
	t.Parallel()
	c := newCrash(t, 0)
	places := slices.Clone(failpoint.Names)
	if os.Getenv("LAKEFLOW_KILLS") != "all" {
		rand.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
		places = places[:8]
	}
	for i, name := range places {
		c.grow(i + 1)
		c.kill(name)
		c.run()
		c.expect(i + 1)
	}
	do(t, "audit", c.file)
}

// lakeflow runs the program as a process of its own.
func lakeflow(env string, args ...string) (string, error) {
	cmd := exec.Command("lakeflow", args...)
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func killed(err error) bool {
	exit, ok := err.(*exec.ExitError)
	if !ok {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
