package project

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/failpoint"
)

const oncePipeline = `name: once
duckdb: {threads: 1}
sources:
  feed: {files: {path: data, format: json, max_files_per_batch: 2}, schema: {id: BIGINT, amount: BIGINT}}
  archive: {files: {path: archive, format: json}, schema: {id: BIGINT, amount: BIGINT}}
tables:
  orders:
    kind: streaming_table
    flows:
      new: {sql: SELECT * FROM STREAM feed}
      old: {once: true, sql: SELECT * FROM archive}
    expectations:
      even: {expect: amount % 2 = 0, on_violation: drop}
  alone:
    kind: streaming_table
    flows: {all: {once: true, sql: SELECT id FROM archive}}
  current:
    kind: streaming_table
    flows:
      changes: {sql: SELECT * FROM STREAM orders}
      loaded: {once: true, sql: "SELECT id, -1 AS amount FROM archive"}
    auto_cdc: {keys: [id], sequence_by: amount, scd_type: 2}
`

// onceState is all rows of the tables, and the dead letters.
const onceState = `SELECT (SELECT concat_ws(' ', count(*), count(DISTINCT id), sum(id)) FROM orders), (SELECT concat_ws(' ', count(*), sum(id)) FROM alone),
	(SELECT concat_ws(' ', count(*), sum(id), count("__END_AT")) FROM current),
	(SELECT concat_ws(' ', count(*), sum(CAST(row->>'id' AS BIGINT))) FROM dead_letter)`

// onceWanted is what clean updates leave: of files with ten records each, whose ids count from 0, and of ten archived ones, whose ids count
// from 1000. Half of all are dropped for their amounts. Of each archived record current has two versions, where its amount is even.
func onceWanted(files int) string {
	n, half := 10*files, 5*files
	even := half * (half - 1)
	archived, archivedEven := 10*1000+45, 5*1000+20
	return fmt.Sprintf("%d %d %d,%d %d,%d %d %d,%d %d", half+5, half+5, even+archivedEven, 10, archived, half+15, even+archivedEven+archived, 5,
		half+5, n*(n-1)/2-even+archived-archivedEven)
}

// TestKilledOnce kills updates in which flows run once at failpoints: the first one, and a full refresh. Their rows
// come once, with those of the flows that go on.
func TestKilledOnce(t *testing.T) {
	for i, name := range sample(failpoint.Names) {
		t.Run(name, func(t *testing.T) {
			c := &crash{t, filepath.Join(t.TempDir(), "pipeline.yaml")}
			put(t, c.file, oncePipeline)
			if err := os.MkdirAll(filepath.Join(filepath.Dir(c.file), "archive"), 0o755); err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for id := 1000; id < 1010; id++ {
				fmt.Fprintf(&b, "{\"id\":%d,\"amount\":%d}\n", id, id)
			}
			put(t, filepath.Join(filepath.Dir(c.file), "archive", "a.json"), b.String())
			c.grow(3)
			c.tryKill(name, 1, engine.Options{})
			c.run(engine.Options{})
			onceExpect(c, 3)
			if i%4 > 0 {
				return // the rest takes long, and TestKilledInFullRefresh does so too
			}
			put(t, filepath.Join(filepath.Dir(c.file), "archive", "a.json"), b.String()+"\n") // not read again
			c.grow(5)
			c.tryKill(name, 1, engine.Options{Selection: definitions.Selection{FullAll: true}})
			c.run(engine.Options{})
			if got := c.look("SELECT count(DISTINCT id) = count(*) FROM orders"); got != "true" {
				t.Errorf("orders has a row twice: %s", c.look(onceState))
			}
			c.run(engine.Options{Selection: definitions.Selection{FullAll: true}})
			onceExpect(c, 5)
			c.audit()
		})
	}
}

func onceExpect(c *crash, files int) {
	c.t.Helper()
	if got := c.look(onceState); got != onceWanted(files) {
		c.t.Errorf("the tables hold %s, want %s", got, onceWanted(files))
	}
}
