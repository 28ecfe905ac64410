package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/engine/failpoint"
)

// propertyPipeline has what exactly once must hold for: a source with two readers, a table with two flows, columns that arrive later, a
// view over a stream, a stream-static join, discarded rows, partitions, and tables further downstream. %[1]s are limits of the batches.
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

// TestExactlyOnce makes random input, cuts it into files and batches, lets files arrive between and during the runs, and kills the
// process at random failpoints and at random times until a run completes. Tables, dead letters and figures must be those of one clean run over the
// same files. LAKEFLOW_CASES is the number of cases, LAKEFLOW_SEED repeats one.
func TestExactlyOnce(t *testing.T) {
	first, cases := uint64(time.Now().UnixNano()), 12
	if n, err := strconv.Atoi(os.Getenv("LAKEFLOW_CASES")); err == nil {
		cases = n
	}
	if s, err := strconv.ParseUint(os.Getenv("LAKEFLOW_SEED"), 10, 64); err == nil {
		first, cases = s, 1
	}
	var kills, runs atomic.Int64
	t.Cleanup(func() { t.Logf("%d cases: %d runs, %d of them killed", cases, runs.Load(), kills.Load()) })
	for i := range cases {
		seed := first + uint64(i)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			h := newHistory(t, seed)
			h.suffer()
			kills.Add(int64(h.kills))
			runs.Add(int64(h.runs))
			h.compare()
			if t.Failed() {
				t.Logf("repeat it with LAKEFLOW_SEED=%d; what was done:\n%s", seed, strings.Join(h.log, "\n"))
			}
		})
	}
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

// suffer runs the pipeline with kills until all files have arrived, and then until a run completes.
func (h *history) suffer() {
	for budget := 2 + h.rng.IntN(6); budget > 0; budget-- {
		h.arrive(h.rng.IntN(len(h.files)/2 + 1))
		args := h.arguments()
		if h.rng.IntN(3) == 0 {
			h.killAtTime(args)
		} else {
			h.killAtPoint(args)
		}
	}
	h.arrive(len(h.waiting))
	h.finish("run", filepath.Join(h.dir, "pipeline.yaml"))
	if h.rng.IntN(3) == 0 {
		h.finish("run", filepath.Join(h.dir, "pipeline.yaml"))
	}
}

// arguments are mostly those of a plain update, sometimes of one that leaves tables behind or recomputes some.
func (h *history) arguments() []string {
	args := []string{"run", filepath.Join(h.dir, "pipeline.yaml")}
	switch h.rng.IntN(7) {
	case 0:
		args = append(args, "--refresh", []string{"bronze_orders", "ids", "bronze_returns,silver", "gold"}[h.rng.IntN(4)])
	case 1, 2:
		args = append(args, "--full-refresh", []string{"ids", "deep", "enriched,deep", "silver,enriched,deep", "wide", "gold"}[h.rng.IntN(6)])
	case 3:
		args = append(args, "--full-refresh-all")
	}
	return args
}

func (h *history) killAtPoint(args []string) {
	name := failpoint.Names[h.rng.IntN(len(failpoint.Names))]
	point := fmt.Sprintf("LAKEFLOW_FAILPOINT=%s#%d", name, 1+h.rng.IntN(1+h.rng.IntN(8)))
	out, err := lakeflow(point, args...)
	h.note(append([]string{point}, args...), out, err)
}

// killAtTime kills the process after a random time, in which more files may arrive.
func (h *history) killAtTime(args []string) {
	cmd := exec.Command("lakeflow", args...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	wait := time.Duration(h.rng.IntN(250)) * time.Millisecond
	time.Sleep(wait / 2)
	if h.rng.IntN(2) == 0 {
		h.arrive(2)
	}
	time.Sleep(wait / 2)
	_ = cmd.Process.Kill() // it may have ended
	h.note(append([]string{wait.String()}, args...), "", cmd.Wait())
	if h.t.Failed() {
		h.t.Log(out.String())
	}
}

// note counts a run. A run that was not killed must succeed.
func (h *history) note(what []string, out string, err error) {
	h.runs++
	result := "completed"
	if killed(err) {
		h.kills++
		result = "killed"
	} else if err != nil {
		h.t.Errorf("%v: %v\n%s", what, err, out)
	}
	h.log = append(h.log, fmt.Sprintf("%v: %s, %d files waiting", what, result, len(h.waiting)))
}

func (h *history) finish(args ...string) {
	out, err := lakeflow("", args...)
	h.note(args, out, err)
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
	h.finish("run", filepath.Join(clean, "pipeline.yaml"))
	want, got := h.read(clean), h.read(h.dir)
	for _, table := range append(propertyTables, "dead_letter", "accounting") {
		if diff := cmp.Diff(want[table], got[table]); diff != "" {
			h.t.Errorf("%s differs from a clean run's (-clean +killed):\n%s", table, diff)
		}
	}
	if len(want["silver"]) == 0 || len(want["dead_letter"]) == 0 || len(want["accounting"]) == 0 {
		h.t.Error("the clean run gave nothing to compare")
	}
	if out, err := lakeflow("", "audit", filepath.Join(h.dir, "pipeline.yaml")); err != nil {
		h.t.Errorf("audit: %v\n%s", err, out)
	}
}
