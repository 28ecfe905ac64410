package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/schemas/quote"
)

// changedRows are the changes of an update: one in twenty deletes, one in ten comes late, one in twenty comes again.
const changedRows = 100_000

// changedKeys are the keys that are there.
var changedKeys = []int{1_000_000, 5_000_000}

// What changes may take.
const (
	mergeLimit   = 4.0 // to the MERGE alone
	keysLimit    = 2.0 // of five times the keys
	historyLimit = 1.5 // of type 2 to type 1
)

// changePipeline keeps a table of the rows as they are now (type 1) or of their versions (type 2). What stands in
// settings goes to the top.
func changePipeline(scdType int, settings, files string) string {
	return fmt.Sprintf(`name: changes
%s
sources:
  feed: {files: {path: feed, format: parquet%s}}
tables:
  t:
    kind: streaming_table
    auto_cdc:
      from: STREAM feed
      keys: [id]
      sequence_by: seq
      apply_as_delete: op = 'D'
      columns: "* EXCEPT (op, seq)"
      scd_type: %d
`, settings, files, scdType)
}

// Changes number j of a table of so many keys; one in a hundred is of a new key. Sequences never tie: late ones are
// odd. What is loaded at first is older than all of them. No two have the same name, so that each is a version.
const (
	changeColumns = `((hash(j + 1) %% 100000) / 100)::DECIMAL(12,2) AS amount,
  ['DE', 'FR', 'US', 'GB'][1 + j %% 4] AS country`
	loadSQL = `SELECT j AS id, 'I' AS op, (-1000000000)::BIGINT AS seq, 'first ' || j AS name, ` + changeColumns + `
FROM range(%[1]d, %[2]d) r(j)`
	changeSQL = `SELECT (hash(j) %% %[3]d)::BIGINT AS id, CASE WHEN j %% 20 = 3 THEN 'D' ELSE 'U' END AS op,
  CASE WHEN j %% 10 = 5 THEN 2 * (j - %[4]d) + 1 ELSE 2 * j END::BIGINT AS seq,
  'change ' || j AS name, ` + changeColumns + `
FROM (SELECT CASE WHEN i %% 20 = 7 THEN i - 1 ELSE i END AS j FROM range(%[1]d, %[2]d) r(i))`
)

// changed is a pipeline of changes, and how far its input is.
type changed struct {
	*space
	b       *bench
	keys    int
	scdType int
	updates int
	load    cost
}

// changedTable makes a pipeline and the file of its first rows.
func (b *bench) changedTable(ctx context.Context, name string, keys, scdType int, files string) (*changed, error) {
	s, err := b.space(name, changePipeline(scdType, "", files))
	if err != nil {
		return nil, err
	}
	first, err := b.generated(fmt.Sprintf("cdc-%d", keys), func(dir string) error {
		return b.copyParquet(ctx, filepath.Join(dir, "000.parquet"), fmt.Sprintf(loadSQL, 0, keys))
	})
	if err != nil {
		return nil, err
	}
	return &changed{space: s, b: b, keys: keys, scdType: scdType}, linkAll(first, s.feed(""))
}

// feed is a file of the input.
func (s *space) feed(name string) string { return filepath.Join(s.dir, "feed", name) }

// copyParquet has plain DuckDB write a file.
func (b *bench) copyParquet(ctx context.Context, to, sql string) error {
	_, err := b.floor(copySQL(to, sql)).output(ctx)
	return err
}

func copySQL(to, sql string) string {
	return fmt.Sprintf("COPY (%s) TO %s (FORMAT parquet);\n", sql, quote.Text(to))
}

// copyChanges is SQL that writes the next n changes to a file.
func (c *changed) copyChanges(n int) string {
	c.updates++
	return copySQL(c.file(c.updates), fmt.Sprintf(changeSQL, (c.updates-1)*n, c.updates*n, c.keys+c.keys/100, n/2))
}

// file is that of an update; 0 is the first load.
func (c *changed) file(update int) string {
	if update == 0 {
		return c.feed("000.parquet")
	}
	return c.feed(fmt.Sprintf("changes-%04d.parquet", update))
}

// Plain DuckDB remembers deletes as rows of its table, as it must when changes come late.
var (
	mergeInto = map[int]string{
		1: `MERGE INTO t USING (FROM %s QUALIFY row_number() OVER (PARTITION BY id ORDER BY seq DESC) = 1) s ON t.id = s.id
WHEN MATCHED AND s.seq > t.seq
  THEN UPDATE SET seq = s.seq, gone = s.op = 'D', name = s.name, amount = s.amount, country = s.country
WHEN NOT MATCHED
  THEN INSERT (id, seq, gone, name, amount, country) VALUES (s.id, s.seq, s.op = 'D', s.name, s.amount, s.country);
`,
		2: `MERGE INTO t USING (
  SELECT *, lead(seq) OVER (PARTITION BY id ORDER BY seq) AS ends FROM (
    SELECT id, seq, gone, name, amount, country FROM t WHERE id IN (SELECT id FROM %[1]s)
    UNION SELECT id, seq, op = 'D', name, amount, country FROM %[1]s)) s ON t.id = s.id AND t.seq = s.seq
WHEN MATCHED AND t.ends IS DISTINCT FROM s.ends THEN UPDATE SET ends = s.ends
WHEN NOT MATCHED THEN INSERT (id, seq, ends, gone, name, amount, country)
  VALUES (s.id, s.seq, s.ends, s.gone, s.name, s.amount, s.country);
`}
	rowsOf = map[int]string{
		1: "SELECT id, name, amount, country, NULL AS starts, NULL AS ends FROM t WHERE NOT gone",
		2: "SELECT id, name, amount, country, seq AS starts, ends FROM t WHERE NOT gone",
	}
	storedOf = map[int]string{
		1: "SELECT id, name, amount, country, NULL AS starts, NULL AS ends FROM t",
		2: "SELECT id, name, amount, country, __START_AT AS starts, __END_AT AS ends FROM t",
	}
)

// merged is SQL that makes a table of the first load and the changes of some updates.
func (c *changed) merged(updates int) string {
	sql := "CREATE TABLE t AS SELECT id, seq, NULL::BIGINT AS ends, false AS gone, name, amount, country FROM " +
		quote.Text(c.file(0)) + ";\n"
	if updates == 0 {
		return sql
	}
	var files []string
	for i := range updates {
		files = append(files, quote.Text(c.file(i+1)))
	}
	return sql + fmt.Sprintf(mergeInto[c.scdType], "read_parquet(["+strings.Join(files, ", ")+"])")
}

// check compares all rows with those of plain DuckDB's table.
func (c *changed) check(ctx context.Context) error {
	now := c.floor("now.parquet")
	if _, err := c.b.floor(c.merged(c.updates) + copySQL(now, rowsOf[c.scdType])).output(ctx); err != nil {
		return err
	}
	const summary = `SELECT count(*)::VARCHAR AS rows, count(DISTINCT id)::VARCHAR AS keys, sum(id)::VARCHAR AS ids,
  sum(amount)::VARCHAR AS amount, count(starts)::VARCHAR AS started, count(ends)::VARCHAR AS ended,
  bit_xor(hash(concat_ws('|', id, name, amount, country, coalesce(starts, 0), ends)))::VARCHAR AS hash FROM (%s)`
	return c.b.same(ctx, c.space, fmt.Sprintf(summary, storedOf[c.scdType]), fmt.Sprintf(summary, "FROM "+quote.Text(now)))
}

// jobs are an update of new changes, one that finds nothing new, and plain DuckDB merging the same changes.
func (c *changed) jobs(n int) []job {
	run := c.b.command("run", "--json", c.space.file)
	update := run
	update.prepare = func(ctx context.Context, _ *job) error {
		_, err := c.b.floor(c.copyChanges(n)).output(ctx)
		return err
	}
	floor := job{program: c.b.self, args: []string{timedCommand}, prepare: func(_ context.Context, j *job) error {
		j.stdin = c.merged(c.updates-1) + timedMark +
			fmt.Sprintf(mergeInto[c.scdType], "read_parquet("+quote.Text(c.file(c.updates))+")")
		return nil
	}}
	return []job{update, run, floor}
}

// applied are the figures of a table of changes.
type applied struct {
	*changed
	did, idle, merge samples
}

// update is what an update took beyond one that finds nothing new.
func (a applied) update() samples { return a.did.less(a.idle.least()) }

func (a applied) String() string {
	return fmt.Sprintf("%s keys, type %d", thousands(a.keys), a.scdType)
}

// changes measures what changes cost a table with many keys.
func changes(ctx context.Context, b *bench) error {
	var all []applied
	var jobs []job
	n := changedRows / b.shrink
	for _, keys := range changedKeys {
		for _, scdType := range []int{1, 2} {
			c, err := b.changedTable(ctx, fmt.Sprintf("cdc-%d-%d", keys, scdType), keys/b.shrink, scdType, "")
			if err != nil {
				return err
			}
			if c.load, err = b.command("run", "--json", c.space.file).run(ctx); err != nil {
				return err
			}
			jobs = append(jobs, c.jobs(n)...)
			all = append(all, applied{changed: c})
		}
	}
	got, err := inTurn(ctx, b.runs, jobs...)
	if err != nil {
		return err
	}
	for i := range all {
		a := &all[i]
		a.did, a.idle = got[3*i], got[3*i+1]
		if a.merge, err = timedOutput(got[3*i+2]); err != nil {
			return err
		}
		if err := a.check(ctx); err != nil {
			return fmt.Errorf("%v: %w", a, err)
		}
	}
	printChanges(n, all)
	for _, a := range all {
		if err := a.remove(); err != nil {
			return err
		}
	}
	return nil
}

// timedOutput are samples whose wall times are those that a timed child tells.
func timedOutput(s samples) (samples, error) {
	told := slices.Clone(s)
	for i := range told {
		d, err := time.ParseDuration(strings.TrimSpace(told[i].output))
		if err != nil {
			return nil, fmt.Errorf("read the time that SQL took: %w", err)
		}
		told[i].wall = d
	}
	return told, nil
}

// printChanges prints the figures of few keys with type 1 and 2, and of many with both.
func printChanges(n int, all []applied) {
	for _, a := range all {
		fmt.Printf(rowFormat, fmt.Sprintf("AUTO CDC, %v loaded", a), short(a.load.wall), "", "", "", "",
			fmt.Sprintf("one run; CPU %s, peak %s", short(a.load.cpu), megabytes(a.load.memory)))
	}
	name := fmt.Sprintf("AUTO CDC, %s changes into ", thousands(n))
	for _, a := range all {
		compared := fmt.Sprintf("the MERGE alone, of the file into a table in memory (CPU and peak: and what makes it); "+
			"lakeflow's whole process (%s) less the least no-op update (%s)", short(a.did.wall()), short(a.idle.least()))
		printTimes(fmt.Sprint(name, a), a.update(), a.merge, ratioAtMost(a.update(), a.merge, mergeLimit), compared)
	}
	versus := func(a, than applied, limit float64) {
		g := ratioAtMost(a.update(), than.update(), limit)
		printTimes(fmt.Sprint(name, a), a.update(), than.update(), g, fmt.Sprint("lakeflow with ", than))
	}
	versus(all[2], all[0], keysLimit)
	versus(all[3], all[1], keysLimit)
	versus(all[1], all[0], historyLimit)
	versus(all[3], all[2], historyLimit)
	did, merge := slices.Concat(all[2].did, all[3].did), slices.Concat(all[2].merge, all[3].merge)
	printMemory(fmt.Sprintf("AUTO CDC, %s keys, peak memory", thousands(all[2].keys)), did, merge, stateMemory,
		"of all updates; DuckDB with the table in memory")
}
