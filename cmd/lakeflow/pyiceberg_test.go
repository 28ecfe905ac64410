package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/schemas"
)

// pyPipeline has columns of every type, a table that evolves, and tables that are partitioned by every transform of
// every type.
const pyPipeline = `name: py
sources:
  feed:
    files: {path: data, format: json, max_files_per_batch: 1}
    schema: {id: BIGINT, s: VARCHAR, ts: TIMESTAMP, de: "DECIMAL(18,4)", nested: "STRUCT(x INTEGER, tags VARCHAR[])"}
tables:
  bronze: {kind: streaming_table, sql: SELECT * FROM STREAM feed}
  typed:
    kind: streaming_table
    sql: |
      SELECT id, CAST(id AS INTEGER) AS i, s, ts, CAST(ts AS TIMESTAMP WITH TIME ZONE) AS tz, CAST(ts AS DATE) AS dt, CAST(ts AS TIME) AS tm, de,
        CAST(de AS DOUBLE) AS f, CAST(id AS FLOAT) / 4 AS r, CAST(id AS DOUBLE) / 8 AS g, id % 3 = 0 AS b, encode(s) AS bl, CAST(md5(s) AS UUID) AS u, nested,
        MAP {'k': id} AS m, [{'q': id, 'w': s}] AS l
      FROM STREAM bronze
    expectations:
      not_three: {expect: id % 10 <> 3, on_violation: drop}
      has_s: s IS NOT NULL
  times: {kind: streaming_table, sql: SELECT * FROM STREAM typed, partition_by: [year(ts), month(tz), day(dt)]}
  hours: {kind: streaming_table, sql: SELECT * FROM STREAM typed, partition_by: [hour(ts), day(tz), year(dt)]}
  months: {kind: streaming_table, sql: SELECT * FROM STREAM typed, partition_by: [month(ts), hour(tz), month(dt)]}
  buckets: {kind: streaming_table, sql: SELECT * FROM STREAM typed, partition_by: ["bucket(2, id)", "bucket(2, s)", "bucket(2, ts)", "bucket(2, de)", "bucket(2, u)", "bucket(2, bl)", "bucket(2, tm)"]}
  buckets2: {kind: streaming_table, sql: SELECT * FROM STREAM typed, partition_by: ["bucket(4, i)", "bucket(4, tz)", "bucket(4, dt)"]}
  cuts: {kind: streaming_table, sql: SELECT * FROM STREAM typed, partition_by: ["truncate(2, s)", "truncate(10, id)", "truncate(7, i)", "truncate(5000, de)"]}
  same: {kind: streaming_table, sql: SELECT * FROM STREAM typed, partition_by: [s, b, de, dt, ts]}
  same2: {kind: streaming_table, sql: SELECT * FROM STREAM typed, partition_by: [id, i, tz, tm, u, bl]}
  sizes: {kind: streaming_table, sql: SELECT * FROM STREAM typed, partition_by: [g, r]} # PyIceberg 0.12 reads a DOUBLE of a manifest as a FLOAT; these values fit
  gold: {kind: materialized_view, sql: "SELECT b, count(*) AS n, sum(de) AS de FROM typed GROUP BY b", partition_by: [b]}
`

// pyTable is what testdata/read_tables.py found in a table.
type pyTable struct {
	Rows    []any
	Total   int
	Totals  [][3]int // added, deleted and total rows of each snapshot
	Files   []string
	Spec    []string
	Schemas []map[string]int
	Pruned  map[string]int
	Wrong   []string
}

// TestReadByPyIceberg runs a pipeline and reads every table with PyIceberg, and with plain DuckDB over the files that
// the metadata names.
func TestReadByPyIceberg(t *testing.T) {
	if out, err := exec.Command("python3", "-c", "import pyiceberg, pyarrow, sqlalchemy").CombinedOutput(); err != nil {
		t.Skipf(`PyIceberg is missing; to check the tables with it too, run: pip install "pyiceberg[sql-sqlite,pyarrow]" (%v %s)`, err, out)
	}
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "pipeline.yaml")
	pyInput(t, file)
	if out, err := lakeflow("", "run", file); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	read := pyRead(t, filepath.Join(dir, "warehouse"), "py")
	if len(read) != 16 {
		t.Errorf("PyIceberg sees %d tables", len(read))
	}
	for name := range read {
		if !schemas.Hidden(name) {
			continue
		}
		if len(read[name].Rows) == 0 {
			t.Errorf("PyIceberg reads nothing in %s", name)
		}
		delete(read, name) // lakeflow query hides it
	}
	db, err := duck.Open(t.Context(), duck.Config{Folders: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, table := range read {
		t.Run(name, func(t *testing.T) {
			want := canonicalRows(t, strings.Split(strings.TrimSpace(queryTables(t, file, "json", "SELECT * FROM "+name)), "\n"))
			checkPyTable(t, table, want)
			if got := plainRows(t, db, table.Files); !slices.Equal(got, want) {
				t.Errorf("plain DuckDB over the files: %s", cmp.Diff(want, got))
			}
		})
	}
	checkPySchemas(t, read)
}

func checkPyTable(t *testing.T, table pyTable, want []string) {
	t.Helper()
	var got []string
	for _, r := range table.Rows {
		got = append(got, encode(plain(r)))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lakeflow query and PyIceberg differ (-lakeflow +PyIceberg):\n%s", diff)
	}
	if len(want) == 0 || table.Total != len(want) {
		t.Errorf("%d rows, the summary says %d", len(want), table.Total)
	}
	rows := 0
	for _, s := range table.Totals {
		if rows += s[0] - s[1]; rows != s[2] {
			t.Errorf("the summaries do not add up: %v", table.Totals)
		}
	}
	for _, wrong := range table.Wrong {
		t.Error(wrong)
	}
	for _, field := range table.Spec { // most filters on a partitioned column leave files out
		column, transform, _ := strings.Cut(field, " ")
		least := 4
		if column == "b" || column == "u" { // these have fewer filters
			least = 1
		}
		if table.Pruned[column] < least {
			t.Errorf("filters on %s, partitioned by %s, left files out %d times", column, transform, table.Pruned[column])
		}
	}
}

// checkPySchemas expects that a field keeps its id.
func checkPySchemas(t *testing.T, read map[string]pyTable) {
	t.Helper()
	for name, table := range read {
		first := map[string]int{}
		owner := map[int]string{}
		for _, schema := range table.Schemas {
			for field, id := range schema {
				if was, ok := first[field]; ok && was != id || owner[id] != "" && owner[id] != field {
					t.Errorf("%s: field %s has the ids %d and %d, id %d is of %s", name, field, was, id, id, owner[id])
				}
				first[field], owner[id] = id, field
			}
		}
	}
	bronze := read["bronze"].Schemas
	if last := bronze[len(bronze)-1]; len(bronze) < 3 || last["later"] == 0 || last["nested.y"] == 0 || bronze[0]["later"] != 0 {
		t.Errorf("the schemas of bronze: %v", bronze)
	}
}

// pyInput writes the pipeline and three files of records: NULLs, times before 1970, negative and large numbers, odd
// texts. The later ones bring columns, and fields of a column.
func pyInput(t *testing.T, pipeline string) {
	t.Helper()
	texts := []string{"", "a/b", "100% é", "日本語 text that is longer than sixteen characters", "x=y", "😀", "'quoted'", strings.Repeat("long ", 100), "NULL", "null", "0", "A", "a"}
	times := []string{"1969-12-31T23:59:59.999999", "1970-01-01T00:00:00", "2024-02-29T12:30:00.5", "1901-07-04T05:06:07", "2024-03-01T00:00:00", "9998-12-31T23:59:59.999999", "0002-01-01T00:00:00"}
	decimals := []string{"-0.0001", "0", "12345678901234.5678", "-12345678901234.5678", "1.5", "-499.9999", "500"}
	files := make([]strings.Builder, 3)
	for i := range 36 {
		record := map[string]any{"id": i - 20, "s": texts[i%len(texts)], "ts": times[i%len(times)], "de": json.Number(decimals[i%5+i%3]), "nested": map[string]any{"x": i, "tags": []string{"t", texts[i%3]}}}
		if i%11 == 4 {
			record = map[string]any{"id": i - 20, "nested": nil}
		}
		if i >= 12 {
			record["later"] = i % 2
		}
		if i >= 24 && record["nested"] != nil {
			record["nested"] = map[string]any{"x": i, "tags": nil, "y": "new"}
		}
		fmt.Fprintln(&files[i/12], encode(record))
	}
	files[1].WriteString("{broken\n")
	if err := os.MkdirAll(filepath.Join(filepath.Dir(pipeline), "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range files {
		if err := os.WriteFile(filepath.Join(filepath.Dir(pipeline), "data", fmt.Sprintf("%d.json", i)), []byte(files[i].String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(pipeline, []byte(pyPipeline), 0o644); err != nil {
		t.Fatal(err)
	}
}

func pyRead(t *testing.T, warehouse, namespace string) map[string]pyTable {
	t.Helper()
	cmd := exec.Command("python3", "testdata/read_tables.py", warehouse, namespace)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("read_tables.py: %v\n%s", err, stderr.String())
	}
	var found map[string]pyTable
	d := json.NewDecoder(strings.NewReader(string(out)))
	d.UseNumber()
	if err := d.Decode(&found); err != nil {
		t.Fatalf("read_tables.py: %v\n%s", err, out)
	}
	return found
}

// plainRows reads files with DuckDB and nothing else, by the names of the columns, without those that say where rows
// are from.
func plainRows(t *testing.T, db *duck.DB, files []string) []string {
	t.Helper()
	rows, err := db.Conn().QueryContext(t.Context(), fmt.Sprintf("SELECT CAST(to_json(__row) AS VARCHAR) "+
		"FROM (SELECT COLUMNS(c -> NOT starts_with(c, '__lakeflow_')) FROM read_parquet(['%s'], hive_partitioning = false, union_by_name = true)) __row",
		strings.Join(files, "', '")))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var texts []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return canonicalRows(t, texts)
}

func canonicalRows(t *testing.T, texts []string) []string {
	t.Helper()
	var rows []string
	for _, text := range texts {
		var row any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&row); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		rows = append(rows, encode(plain(row)))
	}
	slices.Sort(rows)
	return rows
}

// plain is a value without what depends on who wrote it: how numbers are spelled, and whether they are texts.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		return plain(v.String())
	case string:
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			return strconv.FormatFloat(f, 'g', 15, 64)
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it came from JSON
	}
	return string(text)
}
