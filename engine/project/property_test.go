package project

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/failpoint"
)

// propertyPipeline has what exactly once must hold for: a source with two readers, a table with two flows, columns that
// arrive later, a view over a stream, a stream-static join, discarded rows, partitions, and tables further downstream.
// %[1]s are limits of the batches.
const propertyPipeline = `name: property
sources:
  orders:
    files: {path: data/orders, format: json%[1]s}
    schema: {id: BIGINT, k: VARCHAR, amount: BIGINT}
  returns:
    files: {path: data/returns, format: csv%[1]s}
    schema: {id: BIGINT, k: VARCHAR, amount: BIGINT}
  customers:
    files: {path: data/customers.csv, format: csv}
tables:
  bronze_orders:
    kind: streaming_table
    sql: SELECT *, _metadata.file_name AS file FROM STREAM orders
  ids:
    kind: streaming_table
    sql: SELECT id, amount FROM STREAM orders
    expectations:
      not_seven: {expect: amount %% 7 <> 0, on_violation: drop}
    dead_letter: false
  bronze_returns:
    kind: streaming_table
    sql: SELECT * FROM STREAM returns
    partition_by: ["bucket(3, id)"]
  wide:
    kind: streaming_table
    sql: SELECT * FROM STREAM bronze_orders WHERE id IS NOT NULL
    partition_by: [k]
  silver:
    kind: streaming_table
    flows:
      ordered: {sql: "SELECT id, k, amount FROM STREAM bronze_orders"}
      returned: {sql: "SELECT id, k, -amount AS amount FROM STREAM bronze_returns"}
    expectations:
      known: {expect: id IS NOT NULL, on_violation: drop}
      small: {expect: abs(amount) < 90, on_violation: drop}
      even: amount %% 2 = 0
  lines: {kind: view, sql: "SELECT * FROM STREAM silver WHERE amount <> 13"}
  enriched:
    kind: streaming_table
    sql: SELECT s.id, s.amount, c.region FROM STREAM lines s LEFT JOIN customers c ON s.k = c.k
    expectations:
      has_region: {expect: region IS NOT NULL, on_violation: drop}
  deep:
    kind: streaming_table
    sql: SELECT region, id, amount FROM STREAM enriched
    partition_by: [region, "truncate(50, amount)"]
    expectations:
      not_tiny: {expect: abs(amount) > 3, on_violation: drop}
      odd: amount %% 2 = 1
  gold: {kind: materialized_view, sql: "SELECT region, count(*) AS n, sum(amount) AS amount FROM deep GROUP BY region"}
  gold_total: {kind: materialized_view, sql: "SELECT sum(n) AS n, (SELECT count(*) FROM silver) AS silver FROM gold"}
`

// propertyTables are compared row by row, dead_letter by what does not depend on the batches.
var propertyTables = []string{"bronze_orders", "ids", "bronze_returns", "wide", "silver", "enriched", "deep", "gold", "gold_total"}

const propertyCustomers = "k,region\na,north\nb,south\nc,north\nd,\"we/st %20 é\"\n"

// TestExactlyOnce makes random input, cuts it into files and batches, lets files arrive between and during the updates,
// and kills them at random failpoints until one completes. Tables, dead letters and figures must be those of one clean
// update over the same files. LAKEFLOW_CASES is the number of cases, LAKEFLOW_SEED repeats one.
func TestExactlyOnce(t *testing.T) {
	first, cases := uint64(time.Now().UnixNano()), 2
	if n, err := strconv.Atoi(os.Getenv("LAKEFLOW_CASES")); err == nil {
		cases = n
	}
	if s, err := strconv.ParseUint(os.Getenv("LAKEFLOW_SEED"), 10, 64); err == nil {
		first, cases = s, 1
	}
	kills, runs := 0, 0
	for i := range cases {
		seed := first + uint64(i)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			h := newHistory(t, seed)
			h.suffer()
			kills, runs = kills+h.kills, runs+h.runs
			h.compare()
			if t.Failed() {
				t.Logf("repeat it with LAKEFLOW_SEED=%d; what was done:\n%s", seed, strings.Join(h.log, "\n"))
			}
		})
	}
	t.Logf("%d cases: %d runs, %d of them killed", cases, runs, kills)
}

// history is one random life of a pipeline.
type history struct {
	t       *testing.T
	rng     *rand.Rand
	dir     string
	files   []inputFile
	waiting []inputFile // not yet arrived
	kills   int
	runs    int
	log     []string
}

func newHistory(t *testing.T, seed uint64) *history {
	rng := rand.New(rand.NewPCG(seed, 0))
	h := &history{t: t, rng: rng, dir: t.TempDir(), files: randomFiles(rng)}
	limits := ""
	if n := rng.IntN(6); n > 0 {
		limits += fmt.Sprintf(", max_files_per_batch: %d", n)
	}
	if rng.IntN(3) == 0 {
		limits += fmt.Sprintf(", max_bytes_per_batch: %d", 100+rng.IntN(4000))
	}
	h.setUp(h.dir, limits)
	h.log = append(h.log, "limits"+limits)
	h.waiting = append(h.waiting, h.files...)
	return h
}

// setUp writes the pipeline and the input that does not change.
func (h *history) setUp(dir, limits string) {
	h.t.Helper()
	h.write(filepath.Join(dir, "data", "customers.csv"), []byte(propertyCustomers))
	h.write(filepath.Join(dir, "pipeline.yaml"), fmt.Appendf(nil, propertyPipeline, limits))
}

// write puts a file there as a whole: another name first, which sources ignore.
func (h *history) write(path string, content []byte) {
	h.t.Helper()
	early := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(early, content, 0o644); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(early, path); err != nil {
		h.t.Fatal(err)
	}
}

// arrive lets up to n of the waiting files appear.
func (h *history) arrive(n int) {
	n = min(n, len(h.waiting))
	for _, f := range h.waiting[:n] {
		h.write(filepath.Join(h.dir, "data", f.name), f.content)
	}
	h.waiting = h.waiting[n:]
}

// suffer updates the pipeline with kills until all files have arrived, and then until an update completes.
func (h *history) suffer() {
	for budget := 2 + h.rng.IntN(6); budget > 0; budget-- {
		h.arrive(h.rng.IntN(len(h.files)/2 + 1))
		h.update(h.dir, h.place(), 1+h.rng.IntN(1+h.rng.IntN(8)), h.selection())
	}
	h.arrive(len(h.waiting))
	h.finish(h.dir)
	if h.rng.IntN(3) == 0 {
		h.finish(h.dir)
	}
}

// place is where to kill: often at the next places, whatever they are.
func (h *history) place() string {
	if h.rng.IntN(3) == 0 {
		return ""
	}
	return failpoint.Names[h.rng.IntN(len(failpoint.Names))]
}

// selection is mostly that of a plain update, sometimes of one that leaves tables behind or recomputes some.
func (h *history) selection() definitions.Selection {
	pick := func(names ...string) []string { return strings.Split(names[h.rng.IntN(len(names))], ",") }
	switch h.rng.IntN(7) {
	case 0:
		return definitions.Selection{Refresh: pick("bronze_orders", "ids", "bronze_returns,silver", "gold")}
	case 1, 2:
		return definitions.Selection{FullRefresh: pick("ids", "deep", "enriched,deep", "silver,enriched,deep", "wide", "gold")}
	case 3:
		return definitions.Selection{FullAll: true}
	}
	return definitions.Selection{}
}

// update does an update that is killed at a pass of a failpoint, if it gets there. One that does not must succeed. Now
// and then more files arrive while it is under way.
func (h *history) update(dir, place string, nth int, selected definitions.Selection) {
	if place == "" {
		nth *= 1 + h.rng.IntN(40)
	}
	arriving := make(chan struct{})
	wait, files := time.Duration(h.rng.IntN(100))*time.Millisecond, 2*h.rng.IntN(2)
	go func() {
		defer close(arriving)
		time.Sleep(wait)
		h.arrive(files)
	}()
	killed, err := kill(h.t, place, nth, filepath.Join(dir, "pipeline.yaml"), Options{Purpose: Write}, func(ctx context.Context, p *Project) error {
		_, err := p.Run(ctx, engine.Options{Selection: selected})
		return err
	})
	<-arriving
	h.runs++
	result := "completed"
	if killed {
		h.kills++
		result = "killed"
	} else if err != nil {
		h.t.Errorf("%+v: %v", selected, err)
	}
	h.log = append(h.log, fmt.Sprintf("%+v: %s at %s#%d, %d files waiting", selected, result, place, nth, len(h.waiting)))
}

// finish does an update that is not killed.
func (h *history) finish(dir string) {
	mustRun(h.t, filepath.Join(dir, "pipeline.yaml"), engine.Options{})
	h.runs++
	h.log = append(h.log, "completed")
}

// compare runs the pipeline once over the same files, with other batches, and compares everything.
func (h *history) compare() {
	if h.t.Failed() {
		return
	}
	clean := h.t.TempDir()
	h.setUp(clean, []string{"", ", max_files_per_batch: 1", ", max_files_per_batch: 7"}[h.rng.IntN(3)])
	for _, f := range h.files {
		h.write(filepath.Join(clean, "data", f.name), f.content)
	}
	h.finish(clean)
	want, got := h.read(clean), h.read(h.dir)
	for _, table := range append(propertyTables, "dead_letter", "accounting") {
		if diff := cmp.Diff(want[table], got[table]); diff != "" {
			h.t.Errorf("%s differs from a clean run's (-clean +killed):\n%s", table, diff)
		}
	}
	if len(want["silver"]) == 0 || len(want["dead_letter"]) == 0 || len(want["accounting"]) == 0 {
		h.t.Error("the clean run gave nothing to compare")
	}
	mustAudit(h.t, filepath.Join(h.dir, "pipeline.yaml"))
}
