package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/schemas/quote"
)

// What the views are over.
const (
	viewGroups = 50_000
	viewDays   = 30
	viewAdded  = 10_000 // rows of an update
	viewFile   = 5_000_000
)

// viewSizes are the rows of history. Inputs that change and joins have as many as the second.
var viewSizes = []int{1_000_000, 10_000_000, 50_000_000}

// What views may take.
const (
	viewGrowth  = 1.3 // at the largest history to the least
	viewLimit   = 100 * time.Millisecond
	viewFaster  = 50.0 // times than --full-refresh
	viewSlower  = 3.0  // of inputs that change, and of joins
	stateMemory = 1_000_000_000
)

// viewSQL are the two views over a relation.
const viewSQL = `
  by_customer:
    kind: materialized_view
    sql: 'SELECT customer, count(*) AS n, sum(amount) AS s, avg(amount) AS a FROM %[1]s GROUP BY customer'
  by_day:
    kind: materialized_view
    sql: 'SELECT customer, day, count(*) AS n, sum(amount) AS s, avg(amount) AS a FROM %[1]s GROUP BY customer, day'
`

// viewInput is a kind of input that views are over. The texts of SQL take the folder of the files, quoted.
type viewInput struct {
	what   string
	tables string // before the views
	over   string // relation of the views
	rows   string // the same from the files
	joined bool   // there is a second feed
	change int    // of so many new records, one updates and one deletes an older row; 0: none does
}

const eventsTable = `
  events: {kind: streaming_table, sql: 'SELECT id, customer, day, amount FROM STREAM feed'}`

var (
	appended = viewInput{what: "views", tables: eventsTable, over: "events",
		rows: "(FROM read_parquet(%[1]s || '/feed/*.parquet'))"}
	changing = viewInput{what: "views over rows that change", change: 200, over: "events", tables: `
  events:
    kind: streaming_table
    auto_cdc:
      from: STREAM feed
      keys: [id]
      sequence_by: seq
      apply_as_delete: op = 'D'
      columns: "* EXCEPT (op, seq)"`,
		rows: `(WITH f AS (FROM read_parquet(%[1]s || '/feed/*.parquet'))
  FROM f WHERE op = 'U' UNION ALL FROM f WHERE op = 'I' AND id NOT IN (SELECT id FROM f WHERE op <> 'I'))`}
	joined = viewInput{what: "views over a join", joined: true, over: "events JOIN details USING (id)",
		tables: eventsTable + `
  details: {kind: streaming_table, sql: 'SELECT id, weight FROM STREAM more'}`,
		rows: `(FROM read_parquet(%[1]s || '/feed/*.parquet') f
  JOIN read_parquet(%[1]s || '/more/*.parquet') m USING (id))`}
)

// viewed is a pipeline of views, and how far its input is.
type viewed struct {
	*space
	viewInput
	b         *bench
	size      int
	updates   int
	load      cost
	did, idle samples
}

// views measures what materialized views cost when few rows are added to many.
func views(ctx context.Context, b *bench) error {
	var all []*viewed
	for i, size := range append(slices.Clone(viewSizes), viewSizes[1], viewSizes[1]) {
		input := []viewInput{appended, appended, appended, changing, joined}[i]
		v, err := b.viewed(ctx, fmt.Sprint("views-", i), input, size/b.shrink)
		if err != nil {
			return err
		}
		all = append(all, v)
	}
	var jobs []job
	for _, v := range all {
		run := b.command("run", "--json", v.file)
		update := run
		update.prepare = func(ctx context.Context, _ *job) error { return v.add(ctx) }
		jobs = append(jobs, update, run)
	}
	jobs = append(jobs, b.command("run", "--json", "--full-refresh", "by_customer,by_day", all[2].file))
	got, err := inTurn(ctx, b.runs, jobs...)
	if err != nil {
		return err
	}
	for i, v := range all {
		v.did, v.idle = got[2*i], got[2*i+1]
		if err := v.check(ctx); err != nil {
			return fmt.Errorf("%s of %s rows: %w", v.what, thousands(v.size), err)
		}
	}
	if err := printViews(ctx, all, got[len(got)-1]); err != nil {
		return err
	}
	for _, v := range all {
		if err := v.remove(); err != nil {
			return err
		}
	}
	return nil
}

// viewed makes a pipeline and loads the history.
func (b *bench) viewed(ctx context.Context, name string, input viewInput, size int) (*viewed, error) {
	s, err := b.space(name, "")
	if err != nil {
		return nil, err
	}
	v := &viewed{space: s, viewInput: input, b: b, size: size}
	pipeline := "name: views\nsources:\n  feed: {files: {path: feed, format: parquet, max_files_per_batch: 1}}\n"
	if input.joined {
		pipeline += "  more: {files: {path: more, format: parquet, max_files_per_batch: 1}}\n"
	}
	pipeline += "tables:" + input.tables + fmt.Sprintf(viewSQL, input.over)
	if err := os.WriteFile(s.file, []byte(pipeline), 0o644); err != nil {
		return nil, err
	}
	for _, f := range v.feeds() {
		history, err := b.viewHistory(ctx, f, size)
		if err != nil {
			return nil, err
		}
		if err := linkAll(history, filepath.Join(s.dir, f.name)); err != nil {
			return nil, err
		}
	}
	v.load, err = b.command("run", "--json", s.file).run(ctx)
	return v, err
}

// viewMacros are what the SQL below computes of a record's number.
const viewMacros = `CREATE MACRO customer_of(i) AS (hash(i) %% %[1]d)::INTEGER;
CREATE MACRO amount_of(i) AS ((hash(i + 1) %% 100000) / 100)::DECIMAL(12,2);
CREATE MACRO day_of(n) AS DATE '2026-01-01' + n::INTEGER;
CREATE MACRO first_to_last(i, size) AS day_of(i * %[2]d // size);
CREATE MACRO late_or_last(i) AS day_of(CASE WHEN i %% 20 = 0 THEN hash(i) %% %[2]d ELSE %[2]d - 1 END);
CREATE MACRO old_or_new(i, size) AS CASE WHEN i %% 10 = 0 THEN (hash(i) %% size)::BIGINT ELSE i END;
`

func (b *bench) viewMacros() string { return fmt.Sprintf(viewMacros, viewGroups/b.shrink, viewDays) }

// viewFeed is one folder of files. SQL takes the first and the last record, the rows of history, and added the number
// of the update too. The days of the history follow each other; of what is added, some records are late.
type viewFeed struct{ name, history, added string }

var (
	events = viewFeed{"feed", `SELECT i AS id, customer_of(i) AS customer, first_to_last(i, %[3]d) AS day,
  amount_of(i) AS amount, 'I' AS op, 0::BIGINT AS seq
FROM range(%[1]d, %[2]d) r(i)`, `SELECT i AS id, customer_of(i) AS customer, late_or_last(i) AS day,
  amount_of(i) AS amount, 'I' AS op, %[4]d::BIGINT AS seq
FROM range(%[1]d, %[2]d) r(i)`}
	details = viewFeed{"more", "SELECT i AS id, (1 + i %% 9)::INTEGER AS weight FROM range(%[1]d, %[2]d) r(i)",
		"SELECT old_or_new(i, %[3]d) AS id, (1 + i %% 9)::INTEGER AS weight FROM range(%[1]d, %[2]d) r(i)"}
)

// eventsChanged are updates and deletes of rows of the history, of each row one at most: a prime number goes from one
// to the next.
const eventsChanged = ` UNION ALL
SELECT (i * 7919) %% %[3]d AS id, customer_of(i) AS customer, late_or_last(i) AS day, amount_of(i) AS amount,
  CASE WHEN i %% 2 = 0 THEN 'U' ELSE 'D' END AS op, %[4]d::BIGINT AS seq
FROM range(%[1]d, %[2]d) r(i)`

func (v *viewed) feeds() []viewFeed {
	if v.joined {
		return []viewFeed{events, details}
	}
	return []viewFeed{events}
}

// viewHistory is the folder of a feed's history.
func (b *bench) viewHistory(ctx context.Context, f viewFeed, size int) (string, error) {
	return b.generated(fmt.Sprintf("views-%s-%d", f.name, size), func(dir string) error {
		var all strings.Builder
		all.WriteString(b.viewMacros())
		for i := 0; i*viewFile < size; i++ {
			rows := fmt.Sprintf(f.history, i*viewFile, min((i+1)*viewFile, size), size)
			all.WriteString(copySQL(filepath.Join(dir, fmt.Sprintf("%03d.parquet", i)), rows))
		}
		_, err := b.floor(all.String()).output(ctx)
		return err
	})
}

// linkAll makes a folder with the files of another.
func linkAll(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Link(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// add writes the records of the next update.
func (v *viewed) add(ctx context.Context) error {
	n, changes := viewAdded/v.b.shrink, 0
	if v.change > 0 {
		changes = 2 * max(n/v.change, 1)
	}
	first := v.size + v.updates*n
	v.updates++
	var all strings.Builder
	all.WriteString(v.b.viewMacros())
	for _, f := range v.feeds() {
		rows := fmt.Sprintf(f.added, first, first+n-changes, v.size, v.updates)
		if changes > 0 {
			rows += fmt.Sprintf(eventsChanged, (v.updates-1)*changes, v.updates*changes, v.size, v.updates)
		}
		all.WriteString(copySQL(filepath.Join(v.dir, f.name, fmt.Sprintf("added-%03d.parquet", v.updates)), rows))
	}
	_, err := v.b.floor(all.String()).output(ctx)
	return err
}

// check compares every group with what plain DuckDB computes of the files. An average may differ in its last digits.
func (v *viewed) check(ctx context.Context) error {
	const summary = `SELECT count(*)::VARCHAR AS groups, sum(n)::VARCHAR AS rows, sum(s)::VARCHAR AS amount,
  bit_xor(hash(concat_ws('|', %[1]s, n, s)))::VARCHAR AS hash, count_if(abs(a - s / n) < 1e-6)::VARCHAR AS averages
FROM %[2]s`
	rows := fmt.Sprintf(v.rows, quote.Text(v.dir))
	group := "(SELECT %[1]s, count(*) AS n, sum(amount) AS s, avg(amount) AS a FROM " + rows + " GROUP BY %[1]s)"
	for view, columns := range map[string]string{"by_customer": "customer", "by_day": "customer, day"} {
		want := fmt.Sprintf(summary, columns, fmt.Sprintf(group, columns))
		if err := v.b.same(ctx, v.space, fmt.Sprintf(summary, columns, view), want); err != nil {
			return fmt.Errorf("%s: %w", view, err)
		}
	}
	return nil
}

// update is what an update took beyond one that finds nothing new.
func (v *viewed) update() samples { return v.did.less(v.idle.least()) }

// own is the time that updates spent on the tables and views themselves, as they say; the median.
func own(s samples, tables ...string) (time.Duration, error) {
	var said samples
	for _, c := range s {
		var result struct {
			Tables []struct {
				Table   string
				Seconds float64
			}
		}
		if err := json.Unmarshal([]byte(c.output), &result); err != nil {
			return 0, fmt.Errorf("read the result of an update: %w", err)
		}
		var sum float64
		for _, t := range result.Tables {
			if slices.Contains(tables, t.Table) {
				sum += t.Seconds
			}
		}
		said = append(said, cost{wall: time.Duration(sum * float64(time.Second))})
	}
	return said.wall(), nil
}

// said tells of the times behind an update's, and how often each technique refreshed a view, the first loads included.
func (v *viewed) said(ctx context.Context) (string, error) {
	views, err := own(v.did, "by_customer", "by_day")
	if err != nil {
		return "", err
	}
	const count = `SELECT string_agg(n || ' ' || technique, ' and ') AS t FROM (
  SELECT regexp_extract(message, 'executed as (\w+)', 1) AS technique, count(*) AS n FROM event_log
  WHERE event_type = 'planning_information' GROUP BY ALL ORDER BY 1)`
	techniques, err := v.b.command("query", "-f", v.file, "--format", "csv", count).output(ctx)
	return fmt.Sprintf("whole process %s, no-op update %s, the views' own time %s, %s", short(v.did.wall()),
		v.idle, short(views), strings.TrimSpace(strings.TrimPrefix(techniques, "t\n"))), err
}

func printViews(ctx context.Context, all []*viewed, full samples) error {
	var said []string
	for _, v := range all {
		text, err := v.said(ctx)
		if err != nil {
			return err
		}
		said = append(said, text)
		fmt.Printf(rowFormat, v.what+", "+thousands(v.size)+" rows loaded", short(v.load.wall), "", "", "", "",
			fmt.Sprintf("one run; CPU %s, peak %s", short(v.load.cpu), megabytes(v.load.memory)))
	}
	least, middle, most := all[0], all[1], all[2]
	added := fmt.Sprintf(", %s added to ", thousands(viewAdded/most.b.shrink))
	name := "views" + added + thousands(most.size)
	compared := fmt.Sprintf("added to %s; whole process with its commits, less the least no-op one: %s; at %s %s; at %s %s",
		thousands(least.size), said[2], thousands(least.size), said[0], thousands(middle.size), said[1])
	g := ratioAtMost(most.update(), least.update(), viewGrowth)
	printTimes(name, most.update(), least.update(), g, compared)
	g = atMost(most.update().wall(), viewLimit)
	fmt.Printf(rowFormat, name, most.update(), "", "", g.text, g.result(), "the same, by itself")
	recomputed := full.less(most.idle.least())
	faster := ratio(recomputed, most.update())
	g = goal{fmt.Sprintf(">= %.0fx", viewFaster), faster >= viewFaster}
	fmt.Printf(rowFormat, name+", speed", most.update(), recomputed, fmt.Sprintf("%.1fx", faster), g.text, g.result(),
		fmt.Sprintf("--full-refresh of both views, less the least no-op update; its peak %s", megabytes(full.memory())))
	did, idle := slices.Concat(least.did, middle.did, most.did), slices.Concat(least.idle, middle.idle, most.idle)
	for i, v := range all[3:] {
		g := ratioAtMost(v.update(), middle.update(), viewSlower)
		printTimes(v.what+added+thousands(v.size), v.update(), middle.update(), g, "rows appended to as many; "+said[3+i])
		did, idle = append(did, v.did...), append(idle, v.idle...)
	}
	printMemory("views, peak memory of all updates", did, idle, stateMemory, "updates that find nothing new")
	return nil
}
