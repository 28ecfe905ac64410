package project

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/refresh"
)

// ruledViews are views of every technique, those that read others behind them, and conditions over their rows.
var ruledViews = []struct {
	name, sql  string
	conditions []string
}{
	{"plain", "SELECT id, town, n FROM events WHERE n > 5", []string{"n % 2 = 0", "town <> 't1'", "id + n > 20", "CAST(town AS BIGINT) > 0"}},
	{"behind", "SELECT id, n * 2 AS n FROM plain", []string{"n < 150", "id <> 3"}},
	{"rows", "SELECT id, town, n, {'a': n, 'b': [town, NULL]} AS s FROM latest", []string{"n > 20", "s.b[1] IN ('t0', 't1')", "10 // (n % 3) > 0"}},
	{"equal", "SELECT town, n > 40 AS large FROM latest", []string{"large", "town = 't2'"}},
	{"towns", "SELECT town, count(*) AS n, sum(n) AS s, min(n) AS least, max(n) AS most, avg(n) AS mean FROM latest GROUP BY town",
		[]string{"n > 4", "s % 2 = 0", "least < 10", "mean > 40.5"}},
	{"nameless", "SELECT count(*) AS n, max(n) AS most FROM latest GROUP BY town, n % 3", []string{"n > 1", "most > 50"}},
	{"total", "SELECT count(*) AS n, sum(n) AS s FROM latest", []string{"n % 2 = 0", "s > 100"}},
	{"kinds", "SELECT town, count(DISTINCT n % 7) AS kinds, list(id ORDER BY id) AS ids FROM latest GROUP BY town", []string{"kinds > 3", "len(ids) < 7"}},
	{"newest", "SELECT id, n, row_number() OVER (PARTITION BY id ORDER BY ts DESC) AS k FROM events", []string{"k = 1", "k < 3", "n > 10"}},
	{"named", "SELECT l.id, l.n, t.s FROM latest l LEFT JOIN towns t USING (town)", []string{"s IS NOT NULL", "n < 60", "id % 4 > 0"}},
	{"different", "SELECT DISTINCT town, n % 5 AS r FROM latest", []string{"r > 0", "town < 't3'"}},
	{"groups", "SELECT n, count(*) AS towns FROM towns GROUP BY n", []string{"towns = 1", "n > 3"}},
}

const ruledPipeline = `name: ruled
duckdb: {threads: 1}
sources:
  feed:
    files: {path: %s, format: json}
    schema: {id: BIGINT, town: VARCHAR, n: BIGINT, op: VARCHAR, ts: BIGINT}
tables:
  events: {kind: streaming_table, sql: "SELECT id, town, n, ts FROM STREAM feed WHERE op = 'U'"}
  latest:
    kind: streaming_table
    auto_cdc: {from: STREAM feed, keys: [id], sequence_by: ts, apply_as_delete: op = 'D', columns: [id, town, n]}
`

// ruled are two pipelines over the same files, which differ in that the views of the second are always computed in full.
type ruled struct {
	t               *testing.T
	rng             *rand.Rand
	data            string
	follows, always string // pipeline files
	files, ts       int
}

func newRuled(t *testing.T, seed uint64) *ruled {
	t.Helper()
	dir := t.TempDir()
	r := &ruled{t: t, rng: rand.New(rand.NewPCG(seed, 0)), data: filepath.Join(dir, "data"),
		follows: filepath.Join(dir, "follows", "pipeline.yaml"), always: filepath.Join(dir, "always", "pipeline.yaml")}
	r.define()
	return r
}

// define writes both files, with expectations by chance.
func (r *ruled) define() {
	r.t.Helper()
	for _, file := range []string{r.follows, r.always} {
		put(r.t, file, fmt.Sprintf(ruledPipeline, r.data))
	}
	for _, v := range ruledViews {
		text := ""
		for i, condition := range v.conditions {
			if action := []string{"warn", "drop", "drop", ""}[r.rng.IntN(4)]; action != "" {
				text += fmt.Sprintf("\n      r%d: {expect: %q, on_violation: %s}", i, condition, action)
			}
		}
		if v.name == "total" {
			text += "\n      bounded: {expect: n < 32, on_violation: fail}"
		}
		if text != "" {
			text = "\n    expectations:" + text
		}
		if r.rng.IntN(5) == 0 {
			text += "\n    dead_letter: false"
		}
		for _, file := range []string{r.follows, r.always} {
			policy := map[bool]string{true: "auto", false: "full"}[file == r.follows]
			r.add(file, fmt.Sprintf("  %s:\n    kind: materialized_view\n    refresh_policy: %s\n    sql: %q%s\n", v.name, policy, v.sql, text))
		}
	}
}

func (r *ruled) add(file, text string) {
	r.t.Helper()
	have, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	put(r.t, file, string(have)+text)
}

// grow adds a file of n changes.
func (r *ruled) grow(n int) {
	r.t.Helper()
	var b strings.Builder
	for range n {
		r.ts++
		op := []string{"U", "U", "U", "D"}[r.rng.IntN(4)]
		fmt.Fprintf(&b, "{\"id\":%d,\"town\":\"t%d\",\"n\":%d,\"op\":%q,\"ts\":%d}\n", r.rng.IntN(40), r.rng.IntN(4), r.rng.IntN(100), op, r.ts)
	}
	put(r.t, filepath.Join(r.data, fmt.Sprintf("%03d.json", r.files)), b.String())
	r.files++
}

// update does an update, and reports whether a fail rule stopped it.
func (r *ruled) update(file string) (stopped bool) {
	r.t.Helper()
	p, err := Open(r.t.Context(), file, Options{Purpose: Write})
	if err != nil {
		r.t.Fatal(err)
	}
	_, err = p.Run(r.t.Context(), engine.Options{})
	var violation *refresh.ViolationError
	stopped = errors.As(err, &violation)
	if stopped {
		err = nil
	}
	if err := errors.Join(err, p.Close()); err != nil {
		r.t.Fatal(err)
	}
	return stopped
}

// state is everything that must be the same: rows, dead letters, and what the expectations said last.
func (r *ruled) state(file string) map[string][]string {
	r.t.Helper()
	p, err := Open(r.t.Context(), file, Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	var all []string
	for _, v := range ruledViews {
		all = append(all, fmt.Sprintf("SELECT '%s' AS what, CAST(to_json(t) AS VARCHAR) AS row FROM %[1]s AS t", v.name))
	}
	all = append(all, `SELECT 'letters', CAST(to_json(l) AS VARCHAR) FROM (SELECT "table", flow, row, source, parse_filename(file) AS file, violated, rule_set_hash
		FROM dead_letter WHERE status = 'open') AS l`, `SELECT 'samples', "table" || count(*) FROM dead_letter WHERE status = 'failed_update' GROUP BY "table"`)
	out := map[string][]string{}
	for _, row := range read(r.t, p, strings.Join(all, " UNION ALL ")+" ORDER BY ALL") {
		what, text, _ := strings.Cut(row, ",")
		out[what] = append(out[what], text)
	}
	out["figures"] = read(r.t, p, `SELECT dataset, max_by(said, place) FROM (SELECT origin.dataset_name AS dataset, (origin.batch_id, sequence.data_plane_id.seq_no) AS place,
		json_extract_string(details, '$.flow_progress.data_quality') AS said FROM event_log WHERE event_type = 'flow_progress')
		WHERE said IS NOT NULL GROUP BY ALL ORDER BY ALL`)
	return out
}

// compare expects both pipelines to be in the same state.
func (r *ruled) compare(when string) {
	r.t.Helper()
	got, want := r.state(r.follows), r.state(r.always)
	for what := range joined(got, want) {
		if !slices.Equal(got[what], want[what]) {
			r.t.Errorf("%s, %s:\n%s\nwant\n%s", when, what, strings.Join(got[what], "\n"), strings.Join(want[what], "\n"))
		}
	}
	if r.t.Failed() {
		text, _ := os.ReadFile(r.follows)
		r.t.Fatalf("%s", text)
	}
}

func joined(a, b map[string][]string) map[string][]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// techniques counts how views were refreshed.
func (r *ruled) techniques() map[string]int {
	r.t.Helper()
	p := mustOpen(r.t, r.follows, Options{})
	for _, message := range read(r.t, p, `SELECT message FROM event_log WHERE event_type = 'planning_information' AND contains(message, 'COMPLETE_RECOMPUTE:')
		AND NOT regexp_matches(message, 'for the first time|its expectations have changed')`) {
		r.t.Error(message)
	}
	counts := map[string]int{}
	for _, row := range read(r.t, p, `SELECT regexp_extract(message, 'executed as (\w+)', 1), count(*) FROM event_log WHERE event_type = 'planning_information' GROUP BY 1`) {
		name, n, _ := strings.Cut(row, ",")
		counts[name], _ = strconv.Atoi(n)
	}
	return counts
}

// TestRuledViews changes the inputs of views with expectations by chance, and after every update compares rows, dead
// letters and figures with those of views that are computed in full. LAKEFLOW_CASES says how many histories there are.
func TestRuledViews(t *testing.T) {
	cases := 1
	if n, err := strconv.Atoi(os.Getenv("LAKEFLOW_CASES")); err == nil {
		cases = n
	}
	first := uint64(0)
	if n, err := strconv.Atoi(os.Getenv("LAKEFLOW_SEED")); err == nil {
		first = uint64(n)
	}
	counts := map[string]int{}
	for seed := first; seed < first+uint64(cases); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := newRuled(t, seed)
			r.grow(40)
			for i := range 7 {
				stopped, same := r.update(r.follows), r.update(r.always)
				if stopped != same {
					t.Fatalf("update %d: stopped %v, want %v", i, stopped, same)
				}
				r.compare(fmt.Sprintf("update %d (stopped: %v)", i, stopped))
				r.grow(1 + r.rng.IntN(12))
				if i == 4 {
					r.define() // other expectations
				}
			}
			for _, file := range []string{r.follows, r.always} {
				report, err := mustOpen(t, file, Options{}).Audit(t.Context(), true)
				if err != nil || !report.OK {
					t.Fatalf("audit: %v, %+v", err, report)
				}
			}
			for name, n := range r.techniques() {
				counts[name] += n
			}
		})
	}
	t.Logf("techniques: %v", counts)
	for _, name := range []string{"APPEND_ONLY", "ROW_BASED", "GROUP_AGGREGATE", "GENERIC_AGGREGATE", "WINDOW_FUNCTION"} {
		if counts[name] < 2*cases {
			t.Errorf("only %d refreshes were %s", counts[name], name)
		}
	}
}
