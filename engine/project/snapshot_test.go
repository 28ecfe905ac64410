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

	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/failpoint"
)

const snapshotPipeline = `name: snapshots
duckdb: {threads: 1}
retention: {snapshots: 30}
sources:
  exports:
    files: {path: data, format: json, max_files_per_batch: 3}
    schema: {v: BIGINT, id: BIGINT, town: VARCHAR}
  whole:
    files: {path: whole, format: json}
    schema: {v: BIGINT, id: BIGINT, town: VARCHAR}
tables:
  latest:
    kind: streaming_table
    auto_cdc: {from_snapshot: STREAM exports, snapshot_version: v, keys: [id], columns: [id, town]}
    partition_by: [town]
  history:
    kind: streaming_table
    auto_cdc: {from_snapshot: STREAM exports, snapshot_version: v, keys: [id], columns: [id, town], scd_type: 2}
  copied:
    kind: streaming_table
    auto_cdc: {from_snapshot: whole, keys: [id], columns: [id, town]}
  timed:
    kind: streaming_table
    auto_cdc: {from_snapshot: whole, keys: [id], columns: [id, town], scd_type: 2}
  towns: {kind: materialized_view, sql: "SELECT town, count(*) AS n FROM latest GROUP BY ALL"}
`

// following is a pipeline whose tables follow snapshots, and is killed again and again.
type following struct {
	*crash
	rng     *rand.Rand
	files   int
	version int
}

// export writes a snapshot in up to three files.
func (c *following) export() {
	c.t.Helper()
	c.version++
	dir := filepath.Dir(c.file)
	var all string
	for range 1 + c.rng.IntN(3) {
		var b strings.Builder
		for range 1 + c.rng.IntN(12) {
			fmt.Fprintf(&b, "{\"v\":%d,\"id\":%d,\"town\":\"t%d\"}\n", c.version, c.rng.IntN(20), c.rng.IntN(3))
		}
		all += b.String()
		put(c.t, filepath.Join(dir, "data", fmt.Sprintf("%04d.json", c.files)), b.String())
		c.files++
	}
	put(c.t, filepath.Join(dir, "whole", "export.json"), all)
}

// wantedOfSnapshots is what SQL over all records gives: rows that are the same in versions that follow each other are
// one.
const wantedOfSnapshots = `WITH one AS (SELECT v, id, max(town) AS town FROM read_json('%s/*.json', columns = {v: 'BIGINT', id: 'BIGINT', town: 'VARCHAR'}) GROUP BY ALL),
	versions AS (SELECT DISTINCT v, dense_rank() OVER (ORDER BY v) AS i FROM one),
	runs AS (SELECT *, i - row_number() OVER (PARTITION BY id, town ORDER BY i) AS run FROM one JOIN versions USING (v)),
	held AS (SELECT id, town, min(v) AS since, max(i) + 1 AS ends FROM runs GROUP BY id, town, run),
	rows AS (SELECT id, town, since, v AS until FROM held LEFT JOIN versions ON i = ends)
	SELECT (SELECT string_agg(id || ':' || town, ' ' ORDER BY id) FROM rows WHERE until IS NULL),
	(SELECT string_agg(concat_ws(':', id, town, since, until), ' ' ORDER BY id, since) FROM rows)`

const storedOfSnapshots = `SELECT (SELECT string_agg(id || ':' || town, ' ' ORDER BY id) FROM latest),
	(SELECT string_agg(concat_ws(':', id, town, "__START_AT", "__END_AT"), ' ' ORDER BY id, "__START_AT") FROM history),
	(SELECT string_agg(id || ':' || town, ' ' ORDER BY id) FROM copied),
	(SELECT string_agg(id || ':' || town, ' ' ORDER BY id) FROM timed WHERE "__END_AT" IS NULL),
	(SELECT count(*) FROM timed WHERE "__START_AT" >= "__END_AT"),
	(SELECT count(*) FROM (FROM timed SELECT "__END_AT" AS e, lead("__START_AT") OVER (PARTITION BY id ORDER BY "__START_AT") AS s) WHERE s < e)`

func (c *following) expect() {
	c.t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	var latest, history string
	if err := db.QueryRow(fmt.Sprintf(wantedOfSnapshots, filepath.Join(filepath.Dir(c.file), "data"))).Scan(&latest, &history); err != nil {
		c.t.Fatal(err)
	}
	want := strings.Join([]string{latest, history, latest, latest, "0", "0"}, ",")
	if got := c.look(storedOfSnapshots); got != want {
		c.t.Fatalf("the tables hold\n%s\nwant\n%s", got, want)
	}
}

// TestKilledInSnapshot kills updates of tables that follow snapshots, anywhere, updates again, and compares with what SQL
// makes of all records. Snapshots are in several batches, and batches have several snapshots.
func TestKilledInSnapshot(t *testing.T) {
	seed, rounds := uint64(1), 4
	if n, err := strconv.Atoi(os.Getenv("LAKEFLOW_CASES")); err == nil {
		rounds, seed = n, uint64(n)
	}
	c := &following{crash: &crash{t, filepath.Join(t.TempDir(), "pipeline.yaml")}, rng: rand.New(rand.NewPCG(seed, 0))}
	put(t, c.file, snapshotPipeline)
	c.export()
	c.run(engine.Options{})
	c.expect()
	killed := 0
	for range rounds {
		for range 1 + c.rng.IntN(4) {
			c.export()
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
	c.run(engine.Options{Selection: definitions.Selection{FullAll: true}})
	c.expect()
	c.audit()
}
