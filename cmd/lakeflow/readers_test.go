package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// changedPipeline has tables whose rows change, in partitions of every kind.
const changedPipeline = `name: changed
sources:
  feed:
    files: {path: data, format: json, max_files_per_batch: 1}
    schema: {op: VARCHAR, id: BIGINT, name: VARCHAR, region: VARCHAR, price: "DECIMAL(9,2)", open: BOOLEAN, n: BIGINT,
      seen: TIMESTAMP, zoned: TIMESTAMP WITH TIME ZONE, day: DATE}
tables:
  latest:
    kind: streaming_table
    auto_cdc: &latest {from: STREAM feed, keys: [id], sequence_by: n, apply_as_delete: op = 'D', columns: "* EXCEPT (op)"}
  by_region: {kind: streaming_table, auto_cdc: *latest, partition_by: [region]}
  by_price: {kind: streaming_table, auto_cdc: *latest, partition_by: [price, year(seen)]}
  by_bucket: {kind: streaming_table, auto_cdc: *latest, partition_by: ["bucket(2, id)", month(zoned)]}
  by_cut: {kind: streaming_table, auto_cdc: *latest, partition_by: ["truncate(1, name)"]}
  history:
    kind: streaming_table
    auto_cdc: &history {from: STREAM feed, keys: [id], sequence_by: [seen, n], apply_as_delete: op = 'D',
      columns: [id, name, region, price], scd_type: 2}
  history_by_region: {kind: streaming_table, auto_cdc: *history, partition_by: [region]}
`

var changedTables = []string{"latest", "by_region", "by_price", "by_bucket", "by_cut", "history", "history_by_region"}

// changedFilters are understood by lakeflow query, PyIceberg and Spark.
var changedFilters = []string{"id < 20", "region = 'eu'", "region IS NULL", "price = -1.50", "name >= 'ab'"}

// changedRead is what testdata/read_changed.py found in a table.
type changedRead struct {
	Rows     []any
	Versions [][2]any // a commit and its rows
	Filtered [][]any
	Named    [2]int64 // rows of the files that name removed rows, and how many of them differ
}

// TestOtherReaders changes rows of tables in many updates, merges their files and moves them in between, and reads
// versions from before and after with other programs, which must find the rows that lakeflow query finds.
func TestOtherReaders(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "here", "pipeline.yaml")
	put(t, file, changedPipeline)
	rng := rand.New(rand.NewPCG(1, 2))
	n := 0
	more := func(files int) {
		for range files {
			putChanges(t, rng, filepath.Dir(file), n)
			n++
		}
		do(t, "run", file)
	}
	more(4)
	shared := mostShared(t, filepath.Join(filepath.Dir(file), "warehouse"))
	for _, name := range changedTables {
		if shared[name] < 2 {
			t.Errorf("no file of %s names removed rows of two files: they name rows of %d", name, shared[name])
		}
	}
	do(t, "maintain", file, "--older-than", "0s")
	moved := filepath.Join(t.TempDir(), "else where")
	if err := os.Rename(filepath.Dir(file), moved); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(moved, "pipeline.yaml")
	do(t, "relocate", file)
	do(t, "audit", "--deep", file)
	more(2)
	do(t, "audit", "--deep", file)
	t.Run("PyIceberg", func(t *testing.T) {
		if out, err := exec.Command("python3", "-c", "import pyiceberg, pyarrow, sqlalchemy").CombinedOutput(); err != nil {
			t.Skipf("PyIceberg is missing; to check the tables with it too, run: "+
				`pip install "pyiceberg[sql-sqlite,pyarrow]" (%v %s)`, err, out)
		}
		checkChanged(t, file, "pyiceberg")
	})
	t.Run("Spark", func(t *testing.T) {
		if os.Getenv("LAKEFLOW_SPARK_JARS") == "" {
			t.Skip("Spark is missing; to check the tables with it too, run: " +
				"LAKEFLOW_SPARK_JARS=$(scripts/spark) go test ./cmd/lakeflow -run '^TestOtherReaders$'")
		}
		for name, table := range checkChanged(t, file, "spark") {
			if table.Named[0] != table.Named[1] {
				t.Errorf("%s: removed rows are named %d times, %d of them", name, table.Named[0], table.Named[1])
			}
		}
	})
}

// putChanges writes a file of changes: of new keys and of those of earlier files, some of them late.
func putChanges(t *testing.T, rng *rand.Rand, dir string, file int) {
	t.Helper()
	pick := func(values ...any) any { return values[rng.IntN(len(values))] }
	var b strings.Builder
	for i := range 40 {
		n := 1000*file + i
		if rng.IntN(5) == 0 {
			n = max(0, n-rng.IntN(1500))
		}
		fmt.Fprintln(&b, encode(map[string]any{
			"op": pick("U", "U", "U", "U", "D"), "id": rng.IntN(20 + 10*file), "n": n,
			"name": pick("a", "ab", nil, "é%/="), "region": pick("eu", "us", "a b/c%=", nil),
			"price": pick(json.Number("-1.50"), nil), "open": pick(true, false, nil),
			"seen":  fmt.Sprintf("%d-01-01 00:00:%02d.5", 1969+n%2, n%60),
			"zoned": fmt.Sprintf("2024-%02d-01 01:00:00+02", 1+rng.IntN(2)), "day": pick("1970-01-01", "1969-12-31", nil),
		}))
	}
	put(t, filepath.Join(dir, "data", fmt.Sprintf("%02d.json", file)), b.String())
}

// mostShared gives, by table, of how many files a file that names removed rows names some.
func mostShared(t *testing.T, warehouse string) map[string]int {
	t.Helper()
	db, err := duck.Open(t.Context(), duck.Config{Folders: []string{warehouse}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	stored, err := iceberg.Open(t.Context(), warehouse, "changed", "changed", iceberg.Retention{})
	if err != nil {
		t.Fatal(err)
	}
	defer stored.Close()
	state, err := stored.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for name := range state.Tables {
		contents, err := stored.Files(t.Context(), name, lake.Version{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range contents.Deletes {
			var files int
			query := fmt.Sprintf("SELECT count(DISTINCT file_path) FROM read_parquet('%s')", f.Path)
			if err := db.Conn().QueryRowContext(t.Context(), query).Scan(&files); err != nil {
				t.Fatal(err)
			}
			out[name] = max(out[name], files)
		}
	}
	return out
}

// checkChanged reads all tables with another program and compares them with what lakeflow query gives.
func checkChanged(t *testing.T, file, reader string) map[string]changedRead {
	t.Helper()
	args := []string{"testdata/read_changed.py", reader, filepath.Join(filepath.Dir(file), "warehouse"), "changed",
		strings.Join(changedTables, ",")}
	cmd := exec.Command("python3", append(args, changedFilters...)...)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("read_changed.py: %v\n%s", err, stderr.String())
	}
	var found struct {
		Version string
		Tables  map[string]changedRead
	}
	d := json.NewDecoder(strings.NewReader(string(out)))
	d.UseNumber()
	if err := d.Decode(&found); err != nil {
		t.Fatalf("read_changed.py: %v\n%s", err, out)
	}
	t.Logf("read with %s %s", reader, found.Version)
	for _, name := range changedTables {
		read := found.Tables[name]
		same := func(what, query string, rows []any) {
			var got []string
			for _, r := range rows {
				got = append(got, encode(plain(r)))
			}
			slices.Sort(got)
			want := canonicalRows(t, strings.Split(strings.TrimSpace(queryTables(t, file, "json", query)), "\n"))
			if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
				t.Errorf("%s, %s: lakeflow query and %s differ (-lakeflow +%[3]s), of %d rows:\n%s",
					name, what, reader, len(want), diff)
			}
		}
		same("now", "SELECT * FROM "+name, read.Rows)
		for i, f := range changedFilters {
			same(f, "SELECT * FROM "+name+" WHERE "+f, read.Filtered[i])
		}
		if len(read.Versions) < 5 {
			t.Errorf("%s: %d versions", name, len(read.Versions))
		}
		for _, v := range read.Versions {
			same(fmt.Sprintf("commit %v", v[0]), fmt.Sprintf("SELECT * FROM %s FOR VERSION AS OF %v", name, v[0]), v[1].([]any))
		}
	}
	return found.Tables
}
