package project

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/failpoint"
)

const mergePipeline = `name: merge
duckdb: {threads: 1}
retention: {snapshots: 30}
sources:
  feed:
    files: {path: data, format: json, max_files_per_batch: 2}
    schema: {id: BIGINT, town: VARCHAR, op: VARCHAR, ts: BIGINT}
tables:
  latest:
    kind: streaming_table
    auto_cdc: {from: STREAM feed, keys: [id], sequence_by: ts, apply_as_delete: op = 'D', columns: [id, town]}
    partition_by: [town]
  history:
    kind: streaming_table
    auto_cdc: {from: STREAM feed, keys: [id], sequence_by: ts, apply_as_delete: op = 'D', columns: [id, town], scd_type: 2}
  towns:
    kind: materialized_view
    sql: SELECT town, count(*) AS n FROM latest GROUP BY ALL
    expectations: {many: {expect: n > 7, on_violation: drop}}
`

// judged is true when towns has the large ones, and its dead letters are the others.
const judged = `SELECT (SELECT string_agg(concat_ws(':', town, n, n > 7), ' ' ORDER BY town) FROM (SELECT town, count(*) AS n FROM latest GROUP BY ALL)) IS NOT DISTINCT FROM
	(SELECT string_agg(concat_ws(':', town, n, stored), ' ' ORDER BY town) FROM (SELECT town, n, true AS stored FROM towns UNION ALL
	SELECT row->>'town', CAST(row->>'n' AS BIGINT), false FROM dead_letter WHERE "table" = 'towns' AND status = 'open'))`

// changing is a pipeline whose tables are changed by key, and is killed again and again.
type changing struct {
	*crash
	rng   *rand.Rand
	files int
	ts    int
}

func newChanging(t *testing.T, seed uint64) *changing {
	t.Helper()
	c := &changing{crash: &crash{t, filepath.Join(t.TempDir(), "pipeline.yaml")}, rng: rand.New(rand.NewPCG(seed, 0))}
	put(t, c.file, mergePipeline)
	return c
}

// grow adds a file of changes. Sequences are unique, and some of them older than those of earlier files.
func (c *changing) grow() {
	c.t.Helper()
	var b strings.Builder
	for range 20 + c.rng.IntN(20) {
		c.ts++
		ts := c.ts * 1000
		if c.rng.IntN(4) == 0 {
			ts -= 1000*c.rng.IntN(min(c.ts, 60)) + c.rng.IntN(999) // unique but for a small chance, which is a repetition of nobody
		}
		op := "U"
		if c.rng.IntN(5) == 0 {
			op = "D"
		}
		fmt.Fprintf(&b, "{\"id\":%d,\"town\":\"t%d\",\"op\":%q,\"ts\":%d}\n", c.rng.IntN(30), c.rng.IntN(4), op, ts)
	}
	put(c.t, filepath.Join(filepath.Dir(c.file), "data", fmt.Sprintf("%03d.json", c.files)), b.String())
	c.files++
}

// wanted is what SQL over all records gives. Of equal sequences a delete counts, else the greatest town.
const wanted = `WITH one AS (SELECT id, ts, bool_or(op = 'D') AS gone, max(town) FILTER (op <> 'D') AS town FROM read_json('%s/*.json', columns = {id: 'BIGINT', town: 'VARCHAR', op: 'VARCHAR', ts: 'BIGINT'}) GROUP BY ALL),
	versions AS (SELECT *, lag(gone, 1, true) OVER w OR lag(town) OVER w IS DISTINCT FROM town AS opens FROM one WINDOW w AS (PARTITION BY id ORDER BY ts)),
	bounds AS (SELECT *, lead(ts) OVER (PARTITION BY id ORDER BY ts) AS until FROM versions WHERE gone OR opens)
	SELECT (SELECT coalesce(string_agg(id || ':' || town, ' ' ORDER BY id), '') FROM bounds WHERE NOT gone AND until IS NULL),
	(SELECT coalesce(string_agg(concat_ws(':', id, town, ts, until), ' ' ORDER BY id, ts), '') FROM bounds WHERE NOT gone)`

const stored = `SELECT (SELECT coalesce(string_agg(id || ':' || town, ' ' ORDER BY id), '') FROM latest),
	(SELECT coalesce(string_agg(concat_ws(':', id, town, "__START_AT", "__END_AT"), ' ' ORDER BY id, "__START_AT"), '') FROM history)`

// expect compares the tables with what SQL makes of all records at once.
func (c *changing) expect() {
	c.t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	var latest, history string
	if err := db.QueryRow(fmt.Sprintf(wanted, filepath.Join(filepath.Dir(c.file), "data"))).Scan(&latest, &history); err != nil {
		c.t.Fatal(err)
	}
	if got := c.look(stored); got != latest+","+history {
		c.t.Fatalf("the tables hold\n%s\nwant\n%s,%s", got, latest, history)
	}
	if c.look(judged) != "true" {
		c.t.Fatalf("towns or its dead letters are not those of %s", latest)
	}
}

// TestMergedInParts applies batches that are too large to be applied at once, and compares with SQL over all records.
func TestMergedInParts(t *testing.T) {
	if testing.Short() {
		t.Skip("millions of changes")
	}
	c := newChanging(t, 1)
	put(t, c.file, strings.NewReplacer("format: json, max_files_per_batch: 2", "format: parquet, max_files_per_batch: 1",
		"    partition_by: [town]\n", "").Replace(mergePipeline))
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	data := filepath.Join(filepath.Dir(c.file), "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, rows := range []int{50_000, 1_000_001} { // the second one changes what the first one has
		query := fmt.Sprintf(`COPY (SELECT (hash(i, %[1]d) %% 200000)::BIGINT AS id, 't' || i %% 4 AS town,
			CASE WHEN i %% 20 = 3 THEN 'D' ELSE 'U' END AS op, (hash(i, 7) %% 1000000000)::BIGINT AS ts FROM range(%[2]d) r(i))
			TO '%[3]s/%[1]d.parquet' (FORMAT parquet)`, i, rows, data)
		if _, err := db.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	c.run(engine.Options{})
	records := strings.NewReplacer("read_json", "read_parquet", "/*.json", "/*.parquet",
		", columns = {id: 'BIGINT', town: 'VARCHAR', op: 'VARCHAR', ts: 'BIGINT'}", "").Replace(wanted)
	sum := func(query string) string { // in the place of a text of all rows
		return strings.NewReplacer("coalesce(string_agg(", "concat_ws(' ', count(*), bit_xor(hash(", ", ' ' ORDER BY id)", "))",
			`, ' ' ORDER BY id, "__START_AT")`, "))", ", ' ' ORDER BY id, ts)", "))", ", '')", ")").Replace(query)
	}
	var latest, history string
	if err := db.QueryRow(sum(fmt.Sprintf(records, data))).Scan(&latest, &history); err != nil {
		t.Fatal(err)
	}
	if got := c.look(sum(stored)); got != latest+","+history {
		t.Fatalf("the tables hold %s, want %s,%s", got, latest, history)
	}
	c.audit()
}

// TestKilledInMerge kills updates that change rows, anywhere and at any file that they write, updates again, and
// compares with what SQL makes of all records. Files are folded on the way.
func TestKilledInMerge(t *testing.T) {
	c := newChanging(t, 1)
	c.grow()
	c.run(engine.Options{})
	c.expect()
	killed, rounds := 0, 5
	if n, err := strconv.Atoi(os.Getenv("LAKEFLOW_CASES")); err == nil {
		rounds = n
	}
	for range rounds {
		for range 1 + c.rng.IntN(8) {
			c.grow()
		}
		name := failpoint.Names[c.rng.IntN(len(failpoint.Names))]
		if c.tryKill(name, 1+c.rng.IntN(6), engine.Options{}) {
			killed++
			c.run(engine.Options{})
		}
		c.expect()
	}
	if killed < rounds/2 {
		t.Errorf("only %d of %d updates were killed", killed, rounds)
	}
	c.audit()
	p := mustOpen(t, c.file, Options{})
	s := p.place.state
	t.Logf("latest: %+v, history: %+v", s.Tables["latest"].Files, s.Tables["history"].Deletes)
	for _, name := range []string{"latest", "history", "__cdc_latest", "__cdc_history", "towns", "__state_towns"} {
		if table := s.Tables[name]; table.Files > 4*20 || table.Deletes > 4*18 {
			t.Errorf("%s has %d files and %d that name removed rows", name, table.Files, table.Deletes)
		}
	}
	c.run(engine.Options{Selection: definitions.Selection{FullAll: true}})
	c.expect()
	c.audit()
}
