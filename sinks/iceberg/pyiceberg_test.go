package iceberg_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sinks/sinktest"
)

// pyTable is what testdata/read.py found in a table.
type pyTable struct {
	Rows       []map[string]any
	Spec       []string
	Partitions [][]any
	Snapshots  [][]string
	Filters    map[string]map[string]pyScan
}

type pyScan struct {
	Files []string
	IDs   any
}

func needPyIceberg(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("python3", "-c", "import pyiceberg, pyarrow, sqlalchemy").CombinedOutput(); err != nil {
		t.Skipf(`PyIceberg is missing; to check the tables with it too, run: pip install "pyiceberg[sql-sqlite,pyarrow]" (%v %s)`, err, out)
	}
}

// pyRead reads tables with PyIceberg.
func pyRead(t *testing.T, warehouse string, tables ...string) (names []string, read map[string]pyTable) {
	t.Helper()
	needPyIceberg(t)
	cmd := exec.Command("python3", append([]string{"testdata/read.py", warehouse, "main"}, tables...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("read.py: %v\n%s", err, stderr.String())
	}
	var found struct {
		Tables []string
		Read   map[string]pyTable
	}
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatalf("read.py: %v\n%s", err, out)
	}
	return found.Tables, found.Read
}

// pyValues has a low and a high value of every type that has bounds. Low and high are in files of their own, with NULL
// in a third.
var pyValues = []struct{ name, typ, low, high string }{
	{"bo", "BOOLEAN", "false", "true"},
	{"i", "INTEGER", "-2147483648", "2147483647"},
	{"l", "BIGINT", "-9223372036854775808", "9223372036854775807"},
	{"f", "FLOAT", "-1.5", "0.1"},
	{"d", "DOUBLE", "-0.0::DOUBLE", "1e308"},
	{"de", "DECIMAL(38,10)", "-9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999"},
	{"dec18", "DECIMAL(18,4)", "-0.0001", "128.0000"},
	{"dec9", "DECIMAL(9,2)", "-1.28", "1.28"},
	{"dt", "DATE", "'1969-12-31'", "'2024-02-29'"},
	{"tm", "TIME", "'00:00:00'", "'23:59:59.999999'"},
	{"ts", "TIMESTAMP", "'1960-01-01 00:00:00.5'", "'2024-01-02 03:04:05.678901'"},
	{"tz", "TIMESTAMP WITH TIME ZONE", "'1960-01-01 00:00:00.5+00'", "'2024-01-02 03:04:05.678901+02'"},
	{"s", "VARCHAR", "''", "'z é'"},
	{"long", "VARCHAR", "repeat('a', 300)", "repeat('é', 300)"},
	{"b", "BLOB", "'\\x00'", "'\\xFF\\xFF'"},
	{"longb", "BLOB", "repeat('\\x01', 300)", "repeat('\\xFF', 300)"},
	{"u", "UUID", "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"},
}

func TestPyIcebergPrunesByBounds(t *testing.T) {
	f := sinktest.NewFixture(t, open)
	cols := []string{"id INTEGER"}
	rows := []string{"SELECT 1 AS id", "SELECT 2 AS id", "SELECT 3 AS id"}
	for _, v := range pyValues {
		cols = append(cols, v.name+" "+v.typ)
		for i, value := range []string{v.low, v.high, "NULL"} {
			rows[i] += fmt.Sprintf(", CAST(%s AS %s) AS %s", value, v.typ, v.name)
		}
	}
	var files []string
	for _, row := range rows {
		c := f.Change("t", cols, row)
		files = append(files, filepath.Base(c.Add[0].Path))
		f.Do(f.Commit(c), lake.Committed)
	}
	names, read := pyRead(t, f.Warehouse, "t")
	if !slices.Equal(names, []string{"event_log", "t"}) {
		t.Errorf("PyIceberg lists %v", names)
	}
	if got := len(read["t"].Rows); got != 3 {
		t.Fatalf("PyIceberg reads %d rows", got)
	}
	for _, v := range pyValues {
		want := map[string][]int{"null": {3}, "not null": {1, 2}, "= 1": {1}, "= 2": {2}, "< 1": {}, "> 1": {2}, "< 2": {1}, "> 2": {}, ">= 1": {1, 2}, ">= 2": {2}}
		for label, got := range read["t"].Filters[v.name] {
			var ids []int
			for _, file := range got.Files {
				ids = append(ids, slices.Index(files, file)+1)
			}
			slices.Sort(ids)
			exact := !strings.HasPrefix(v.name, "long") // cut bounds may let a reader look in vain, never miss
			if exact && !slices.Equal(ids, want[label]) || !containsAll(ids, want[label]) {
				t.Errorf("%s %s: files %v are read, want %v", v.name, label, ids, want[label])
			}
			if text, failed := got.IDs.(string); failed {
				if v.name != "u" { // PyArrow does not compare UUIDs
					t.Errorf("%s %s: %s", v.name, label, text)
				}
			} else if fmt.Sprint(got.IDs) != fmt.Sprint(want[label]) {
				t.Errorf("%s %s: rows %v, want %v", v.name, label, got.IDs, want[label])
			}
		}
		if len(read["t"].Filters[v.name]) < 4 {
			t.Errorf("%s: filters %v", v.name, read["t"].Filters[v.name])
		}
	}
}

func containsAll(have, want []int) bool {
	return !slices.ContainsFunc(want, func(w int) bool { return !slices.Contains(have, w) })
}

func TestPyIcebergReadsEvolvedAndReplacedTables(t *testing.T) {
	f := sinktest.NewFixture(t, open)
	nested := []string{"id INTEGER", "s STRUCT(x INTEGER)", "l STRUCT(q FLOAT)[]", "m MAP(VARCHAR, DATE)"}
	f.Append("nested", nested, "SELECT 1 id, {'x': 1} s, [{'q': 1.5}] l, MAP {'k': DATE '2024-01-01'} m")
	f.Append("nested", []string{"id BIGINT", "s STRUCT(x BIGINT, y VARCHAR)", "l STRUCT(q DOUBLE, r INTEGER)[]", "m MAP(VARCHAR, DATE)", "n BLOB"},
		"SELECT 5000000000 id, {'x': 2, 'y': 'b'} s, [{'q': 2.5, 'r': 3}] l, NULL m, '\\x01'::BLOB n")
	for _, query := range []string{"SELECT 1 id", "SELECT 2 id", "", "SELECT 4 id"} {
		c := f.Change("view", []string{"id INTEGER"}, query)
		c.Mode = lake.Replace
		f.Do(f.Commit(c), lake.Committed)
	}
	_, read := pyRead(t, f.Warehouse, "nested", "view")
	want := []map[string]any{
		{"id": 1.0, "s": map[string]any{"x": 1.0, "y": nil}, "l": []any{map[string]any{"q": 1.5, "r": nil}}, "m": []any{[]any{"k", "2024-01-01"}}, "n": nil},
		{"id": 5e9, "s": map[string]any{"x": 2.0, "y": "b"}, "l": []any{map[string]any{"q": 2.5, "r": 3.0}}, "m": nil, "n": "01"},
	}
	if diff := cmp.Diff(want, read["nested"].Rows); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]map[string]any{{"id": 4.0}}, read["view"].Rows); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]string{{"append", "1"}, {"overwrite", "1"}, {"overwrite", "0"}, {"append", "1"}}, read["view"].Snapshots); diff != "" {
		t.Error(diff)
	}
}

func TestPyIcebergReadsPartitions(t *testing.T) {
	f := sinktest.NewFixture(t, open)
	cols := []string{"id INTEGER", "k VARCHAR", "ts TIMESTAMP", "de DECIMAL(9,2)", "u UUID", "dt DATE", "b BLOB", "t2 TIMESTAMP WITH TIME ZONE"}
	c := f.Change("t", cols, "")
	c.Partition = []schemas.PartitionField{
		{Column: "k", Transform: "identity", Name: "k"}, {Column: "ts", Transform: "year", Name: "ts_year"}, {Column: "t2", Transform: "hour", Name: "ts_hour"},
		{Column: "dt", Transform: "day", Name: "dt_day"}, {Column: "de", Transform: "identity", Name: "de"}, {Column: "u", Transform: "identity", Name: "u"},
		{Column: "id", Transform: "bucket", Arg: 8, Name: "id_bucket"}, {Column: "k", Transform: "truncate", Arg: 1, Name: "k_trunc"}, {Column: "b", Transform: "identity", Name: "b"},
	}
	put := func(query string, values ...string) {
		file := f.Write("t", c.Schema, query)
		file.Partition = map[string]*string{}
		for i, p := range c.Partition {
			if values[i] != "NULL" {
				file.Partition[p.Name] = &values[i]
			}
			if values[i] == "NULL" {
				file.Partition[p.Name] = nil
			}
		}
		c.Add = append(c.Add, file)
	}
	put("SELECT 34 id, 'a/%20=é' k, TIMESTAMP '1969-12-31 23:30:00' ts, -1.50 de, '00000000-0000-0000-0000-00000000000a'::UUID u, DATE '1969-12-31' dt, '\\x01x\\x5C'::BLOB b, ts AS t2",
		"a/%20=é", "-1", "-1", "-1", "-1.50", "00000000-0000-0000-0000-00000000000a", "3", "a", "\\x01x\\x5C")
	put("SELECT NULL id, NULL k, NULL ts, NULL de, NULL u, NULL dt, NULL b, NULL t2", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL")
	f.Do(f.Commit(c), lake.Committed)
	c.Base, c.Add = f.State().Tables["t"].Snapshot, nil
	put("SELECT 7 id, '' k, TIMESTAMP '2024-01-02 03:04:05' ts, 7.25 de, 'ffffffff-0000-0000-0000-00000000000a'::UUID u, DATE '2024-01-02' dt, ''::BLOB b, ts AS t2",
		"", "54", "473355", "19724", "7.25", "ffffffff-0000-0000-0000-00000000000a", "5", "", "")
	c.Mode, c.Where = lake.ReplacePartition, []map[string]string{{"de": "-1.50", "u": "00000000-0000-0000-0000-00000000000a", "dt_day": "-1", "b": "\\x01x\\x5C", "ts_year": "-1"}}
	f.Do(f.Commit(c), lake.Committed)
	if got := f.Read("t", lake.Version{}); !strings.HasPrefix(got, "7  2024-01-02 03:04:05 7.25") || strings.Contains(got, "34") {
		t.Errorf("after the replacement: %s", got)
	}
	// PyIceberg sorts by id, so the row without one gets one.
	c.Base, c.Add, c.Where = f.State().Tables["t"].Snapshot, nil, nil
	c.Mode = lake.Replace
	put("SELECT 34 id, 'a/%20=é' k, TIMESTAMP '1969-12-31 23:30:00' ts, -1.50 de, '00000000-0000-0000-0000-00000000000a'::UUID u, DATE '1969-12-31' dt, '\\x01x\\x5C'::BLOB b, ts AS t2",
		"a/%20=é", "-1", "-1", "-1", "-1.50", "00000000-0000-0000-0000-00000000000a", "3", "a", "\\x01x\\x5C")
	f.Do(f.Commit(c), lake.Committed)
	_, read := pyRead(t, f.Warehouse, "t")
	got := read["t"]
	if diff := cmp.Diff([]string{"k=identity", "ts_year=year", "ts_hour=hour", "dt_day=day", "de=identity", "u=identity", "id_bucket=bucket[8]", "k_trunc=truncate[1]", "b=identity"}, got.Spec); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]any{{"a/%20=é", -1.0, -1.0, -1.0, "-1.50", "00000000-0000-0000-0000-00000000000a", 3.0, "a", "01785c"}}, got.Partitions); diff != "" {
		t.Error(diff)
	}
	for _, column := range []string{"k", "ts", "dt", "de", "id", "b"} {
		for label, n := range map[string]int{"= 34": 1, "< 34": 0, "null": 0} {
			if s := got.Filters[column][label]; len(s.Files) != n {
				t.Errorf("%s %s reads files %v, rows %v", column, label, s.Files, s.IDs)
			}
		}
	}
}

// The partition value ” is a bound like any other: without one, readers take a field that has NULLs too for one that
// has nothing else.
func TestPyIcebergFindsEmptyPartitions(t *testing.T) {
	f := sinktest.NewFixture(t, open)
	c := f.Change("t", []string{"id INTEGER", "k VARCHAR"}, "")
	c.Partition = []schemas.PartitionField{{Column: "k", Transform: "identity", Name: "k"}}
	for i, k := range []string{"''", "'abc'", "NULL"} {
		file := f.Write("t", c.Schema, fmt.Sprintf("SELECT %d AS id, CAST(%s AS VARCHAR) AS k", i+1, k))
		value := strings.Trim(k, "'")
		file.Partition = map[string]*string{"k": &value}
		if k == "NULL" {
			file.Partition["k"] = nil
		}
		c.Add = append(c.Add, file)
	}
	f.Do(f.Commit(c), lake.Committed)
	_, read := pyRead(t, f.Warehouse, "t")
	for label, want := range map[string]int{"null": 1, "not null": 2, "= 1": 1, "= 2": 1} {
		if got := read["t"].Filters["k"][label]; len(got.Files) != want {
			t.Errorf("k %s reads %d files, want %d", label, len(got.Files), want)
		}
	}
}

func TestPyIcebergWritesToo(t *testing.T) {
	needPyIceberg(t)
	f := sinktest.NewFixture(t, open)
	cols := []string{"id INTEGER"}
	write := func(table, id string) {
		t.Helper()
		if out, err := exec.Command("python3", "testdata/append.py", f.Warehouse, "main", table, id).CombinedOutput(); err != nil {
			t.Fatalf("append.py: %v\n%s", err, out)
		}
	}
	f.Append("t", cols, "SELECT 1 id")
	stale := f.Commit(f.Change("t", cols, "SELECT 9 id"))
	write("t", "2")
	f.Expect("t", "1\n2")
	if s := f.State().Tables["t"]; s.Rows != 2 || s.Commit != 0 {
		t.Errorf("after another program's append: %+v", s)
	}
	f.Do(stale, lake.Conflict)
	// A stream sees the other program's rows with lakeflow's next commit, once.
	appended := func(after, commit int64, want string) {
		t.Helper()
		c, err := f.Lake.Appended(t.Context(), "t", after, 0)
		if err != nil || c.Commit != commit || f.Rows(c) != want {
			t.Errorf("appended after %d: %+v, %v", after, c, err)
		}
	}
	appended(0, 1, "1")
	f.Append("t", cols, "SELECT 3 id")
	appended(0, 2, "1\n2\n3")
	appended(1, 2, "2\n3")
	appended(2, 2, "")
	write("event_log", "7")
	if _, err := f.Lake.State(t.Context()); err == nil || !strings.Contains(err.Error(), "another program has written to it") {
		t.Errorf("with a foreign snapshot in event_log: %v", err)
	}
}
