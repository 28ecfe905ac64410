package project

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/failpoint"
)

// kill does some work on a project and kills it at a failpoint, as SIGKILL would: the warehouse is left as it was at that
// moment, at the same place, and nobody holds anything in it. Copied is the whole folder, the catalog with its journals
// and the times of all files too, while what is under way waits in failpoint.Hit; then the work is cancelled, and what it
// does until it has noticed is thrown away. It reports whether the place was passed. The error is that of work that
// ended by itself.
func kill(t *testing.T, name string, nth int, file string, opts Options, work func(context.Context, *Project) error) (bool, error) {
	t.Helper()
	warehouse := filepath.Join(filepath.Dir(file), "warehouse")
	left := filepath.Join(filepath.Dir(file), "killed")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var passed bool
	var failure error
	restore := failpoint.At(name, nth, func() {
		passed, failure = true, copyFolder(left, warehouse)
		cancel()
	})
	p, err := Open(ctx, file, opts)
	if err == nil {
		err = errors.Join(work(ctx, p), p.Close())
	}
	restore()
	if !passed {
		return false, err
	}
	if failure = errors.Join(failure, os.RemoveAll(warehouse), os.Rename(left, warehouse)); failure != nil {
		t.Fatal(failure)
	}
	return true, nil
}

// copyFolder copies a folder with the times of what is in it. One that is not there is empty.
func copyFolder(to, from string) error {
	folders := map[string]time.Time{} // they get their times when nothing is written into them any more
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		target := to + strings.TrimPrefix(path, from)
		if errors.Is(err, fs.ErrNotExist) && path == from {
			return os.MkdirAll(to, 0o755)
		}
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if e.IsDir() {
			folders[target] = info.ModTime()
			return os.MkdirAll(target, 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return errors.Join(os.WriteFile(target, content, info.Mode()), os.Chtimes(target, time.Time{}, info.ModTime()))
	})
	for path, at := range folders {
		err = errors.Join(err, os.Chtimes(path, time.Time{}, at))
	}
	return err
}

const crashPipeline = `name: crash
parameters: {shift: 0, limit: 1000}
sources:
  feed:
    files: {path: data, format: json, max_files_per_batch: 2}
    schema: {id: BIGINT, amount: BIGINT}
tables:
  bronze: {kind: streaming_table, sql: SELECT * FROM STREAM feed}
  silver:
    kind: streaming_table
    sql: "SELECT id, amount + ${shift} AS amount FROM STREAM bronze"
    expectations:
      even: {expect: amount % 2 = 0, on_violation: drop}
      known: {expect: "id < ${limit}", on_violation: fail}
  gold: {kind: materialized_view, sql: "SELECT count(*) AS n, sum(amount) AS amount FROM silver"}
  gold_copy: {kind: materialized_view, sql: SELECT * FROM gold}
`

// crashState is everything that must be right: rows and sums of the tables and dead letters, and the views.
const crashState = `SELECT (SELECT count(*) FROM bronze) AS a, (SELECT sum(id) FROM bronze) AS b,
	(SELECT count(*) FROM silver) AS c, (SELECT count(DISTINCT id) FROM silver) AS d, (SELECT sum(amount) FROM silver) AS e,
	(SELECT count(*) FROM dead_letter WHERE status = 'open') AS f, (SELECT sum(CAST(row->>'amount' AS BIGINT)) FROM dead_letter WHERE status = 'open') AS g,
	(SELECT n FROM gold) AS h, (SELECT amount FROM gold) AS i, (SELECT amount FROM gold_copy) AS j`

// state is what crashState gives after a run over files of ten records each, by group: bronze, silver with its dead letters, the views. Half of the
// rows are even. The shift, a thousand times k, is added to each amount.
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

// expect compares everything with the state after so many files, with shift k, and audits it.
func (c *crash) expect(files, k int) {
	c.t.Helper()
	p, err := Open(c.t.Context(), c.file, Options{})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	want := state(files, k)
	if got := read(c.t, p, crashState); got[0] != strings.Join(want[:], ",") {
		c.t.Fatalf("the tables hold %s, want %s", got[0], want)
	}
	if r, err := p.Audit(c.t.Context(), false); err != nil || !r.OK {
		c.t.Fatalf("audit: %v, %+v", err, r)
	}
}

// TestKilledAnywhere kills the first and a second update at every failpoint, updates again, and expects exactly the rows,
// dead letters and views that one clean run gives.
func TestKilledAnywhere(t *testing.T) {
	kills, began := 0, time.Now()
	for _, name := range failpoint.Names {
		t.Run(name, func(t *testing.T) {
			c := newCrash(t, 0)
			for files := 3; files <= 5; files += 2 {
				c.grow(files)
				c.kill(name, 1, engine.Options{})
				c.run(engine.Options{})
				c.expect(files, 0)
				kills++
			}
		})
	}
	t.Logf("%d kills, each with an update after it and an audit, took %s", kills, time.Since(began))
}
