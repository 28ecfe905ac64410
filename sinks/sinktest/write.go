package sinktest

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

func testEmpty(f *Fixture) {
	s := f.State()
	if s.Commit != 0 || len(s.Positions) != 0 || len(s.Tables) != 0 {
		f.T.Errorf("an empty lake has %+v", s)
	}
	if _, err := f.Lake.Files(context.Background(), f.Table, lake.Version{}); !errors.Is(err, lake.ErrNoTable) {
		f.T.Errorf("files of no table: %v", err)
	}
	if _, err := os.Stat(f.Warehouse); !errors.Is(err, os.ErrNotExist) {
		f.T.Errorf("reading an empty lake made something: %v", err)
	}
	f.Acquire()
	if s := f.State(); s.Commit != 0 || len(s.Tables) != 0 {
		f.T.Errorf("after Acquire the lake has %+v", s)
	}
}

func testCreateAndAppend(f *Fixture) {
	cols := []string{"a INTEGER", "b VARCHAR"}
	out := f.Append(f.Table, cols, "SELECT 1 a, 'x' b")
	first := f.State().Tables[f.Table]
	if first.Snapshot == 0 || first.Snapshot != out.Snapshots[f.Table] || first.Commit != 1 || first.Rows != 1 || first.Files != 1 || first.Bytes == 0 || first.LastID != 2 {
		f.T.Errorf("after the first commit: %+v, outcome %+v", first, out)
	}
	if ids := schemas.FieldIDsSQL(first.Schema); ids != `{"a": 1, "b": 2}` {
		f.T.Errorf("field ids %s", ids)
	}
	f.Append(f.Table, cols, "SELECT i a, 'y' b FROM range(2, 4) r(i)")
	f.Expect(f.Table, "1 x\n2 y\n3 y")
	f.Expect("event_log", "1\n2")
	second := f.State().Tables[f.Table]
	if second.Rows != 3 || second.Files != 2 || second.Bytes <= first.Bytes || second.Commit != 2 || second.Snapshot == first.Snapshot {
		f.T.Errorf("after the second commit: %+v", second)
	}
	other := f.Reopen()
	s, err := other.State(context.Background())
	if err != nil || s.Commit != 2 || s.Tables[f.Table].Snapshot != second.Snapshot {
		f.T.Errorf("another process sees %+v, %v", s, err)
	}
	// A table may be made without rows, and a change without rows changes nothing.
	f.Do(f.Commit(f.Change("empty", cols, "")), lake.Committed)
	if e, ok := f.State().Tables["empty"]; !ok || e.Snapshot != 0 || len(e.Schema) != 2 {
		f.T.Errorf("a table without rows: %+v", e)
	}
	f.Expect("empty", "")
	f.Do(f.Commit(f.Change(f.Table, cols, "")), lake.Committed)
	if again := f.State().Tables[f.Table]; again.Snapshot != second.Snapshot {
		f.T.Errorf("a change without rows made snapshot %d", again.Snapshot)
	}
}

func testReplace(f *Fixture) {
	cols := []string{"a INTEGER"}
	replace := func(query string) {
		f.T.Helper()
		c := f.Change(f.Table, cols, query)
		c.Mode = lake.Replace
		f.Do(f.Commit(c), lake.Committed)
	}
	replace("SELECT 1 a")
	f.Append(f.Table, cols, "SELECT 2 a")
	f.Expect(f.Table, "1\n2")
	replace("SELECT i a FROM range(5, 8) r(i)")
	f.Expect(f.Table, "5\n6\n7")
	if s := f.State().Tables[f.Table]; s.Rows != 3 || s.Files != 1 {
		f.T.Errorf("totals after a replacement: %+v", s)
	}
	replace("")
	f.Expect(f.Table, "")
	if s := f.State().Tables[f.Table]; s.Rows != 0 || s.Files != 0 || s.Bytes != 0 || s.Commit != 4 {
		f.T.Errorf("totals of an emptied table: %+v", s)
	}
	replace("SELECT 9 a")
	f.Expect(f.Table, "9")
	if got := f.Read(f.Table, lake.Version{Commit: 3}); got != "5\n6\n7" {
		f.T.Errorf("before it was emptied the table had %s", got)
	}
}

func text(s string) *string { return &s }

func testReplacePartition(f *Fixture) {
	cols := []string{"k VARCHAR", "n BIGINT", "d DECIMAL(9,2)", "v INTEGER"}
	spec := []schemas.PartitionField{{Column: "k", Transform: "identity", Name: "k"},
		{Column: "n", Transform: "bucket", Arg: 4, Name: "n_bucket"}, {Column: "d", Transform: "truncate", Arg: 100, Name: "d_trunc"}}
	file := func(schema schemas.Table, k *string, bucket, trunc, query string) lake.DataFile {
		file := f.Write(f.Table, schema, query)
		file.Partition = map[string]*string{"k": k, "n_bucket": &bucket, "d_trunc": &trunc}
		return file
	}
	c := f.Change(f.Table, cols, "")
	c.Partition = spec
	c.Add = []lake.DataFile{
		file(c.Schema, text("a b/%=é"), "0", "-1.00", "SELECT 'a b/%=é' k, 10 n, -0.50 d, 1 v"),
		file(c.Schema, text("b"), "1", "2.00", "SELECT 'b' k, 11 n, 2.25 d, 2 v"),
		file(c.Schema, text(""), "1", "2.00", "SELECT '' k, 11 n, 2.25 d, 3 v"),
		file(c.Schema, nil, "1", "2.00", "SELECT NULL k, 11 n, 2.25 d, 4 v"),
	}
	f.Do(f.Commit(c), lake.Committed)
	if got := f.State().Tables[f.Table].Partition; len(got) != 3 || got[0] != spec[0] || got[1] != spec[1] || got[2] != spec[2] {
		f.T.Errorf("partition spec %+v", got)
	}
	c = f.Change(f.Table, cols, "")
	c.Partition, c.Mode = spec, lake.ReplacePartition
	c.Where = []map[string]string{{"k": "a b/%=é", "n_bucket": "0", "d_trunc": "-1.00"}, {"k": ""}}
	c.Add = []lake.DataFile{file(c.Schema, text("c"), "3", "0.00", "SELECT 'c' k, 1 n, 0 d, 5 v")}
	f.Do(f.Commit(c), lake.Committed)
	const left = "b 11 2.25 2\nc 1 0.00 5\n<nil> 11 2.25 4"
	f.Expect(f.Table, left)
	for name, wrong := range map[string]func(*lake.TableChange){
		"a missing partition value": func(c *lake.TableChange) { delete(c.Add[0].Partition, "k") },
		"an unknown field":          func(c *lake.TableChange) { c.Where = []map[string]string{{"v": "1"}} },
		"another partition spec":    func(c *lake.TableChange) { c.Partition = spec[:2] },
	} {
		c := f.Change(f.Table, cols, "")
		c.Partition, c.Mode, c.Where = spec, lake.ReplacePartition, []map[string]string{{"k": "b"}}
		c.Add = []lake.DataFile{file(c.Schema, text("c"), "3", "0.00", "SELECT 'c' k, 1 n, 0 d, 5 v")}
		wrong(&c)
		if _, err := f.Lake.Commit(context.Background(), f.Commit(c)); err == nil {
			f.T.Errorf("%s was accepted", name)
		}
	}
	f.Expect(f.Table, left)
}

func testEvolve(f *Fixture) {
	f.Append(f.Table, []string{"a INTEGER", "s STRUCT(x INTEGER)", "l STRUCT(q FLOAT)[]"}, "SELECT 1 a, {'x': 1} s, [{'q': 1.5}] l")
	before := f.State().Tables[f.Table]
	cols := []string{"a BIGINT", "s STRUCT(x BIGINT, y VARCHAR)", "l STRUCT(q DOUBLE, r INTEGER)[]", "n DATE"}
	f.Append(f.Table, cols, "SELECT 5000000000 a, {'x': 5000000000, 'y': 'z'} s, [{'q': 2.5, 'r': 3}] l, DATE '2024-02-03' n")
	f.Expect(f.Table, "1 {'x': 1, 'y': NULL} [{'q': 1.5, 'r': NULL}] <nil>\n5000000000 {'x': 5000000000, 'y': z} [{'q': 2.5, 'r': 3}] 2024-02-03")
	after := f.State().Tables[f.Table]
	if after.LastID != before.LastID+3 || after.Schema[0].ID != before.Schema[0].ID || after.Schema.Column("n").ID <= before.LastID {
		f.T.Errorf("field ids went from %s to %s", schemas.FieldIDsSQL(before.Schema), schemas.FieldIDsSQL(after.Schema))
	}
	old, err := f.Lake.Files(context.Background(), f.Table, lake.Version{Commit: 1})
	if err != nil || !old.Schema.Equal(before.Schema) || f.Rows(old) != "1 {'x': 1} [{'q': 1.5}]" {
		f.T.Errorf("the first version is %+v, %v", old, err)
	}
	// A column may be added without rows.
	f.Do(f.Commit(f.Change(f.Table, append(cols, "m UUID"), "")), lake.Committed)
	if s := f.State().Tables[f.Table]; s.Schema.Column("m") == nil || s.Snapshot != after.Snapshot {
		f.T.Errorf("after adding a column alone: %+v", s)
	}
}

func testIncompatible(f *Fixture) {
	f.Append(f.Table, []string{"a BIGINT", "b DATE"}, "SELECT 1 a, DATE '2024-01-01' b")
	before := f.State().Tables[f.Table]
	for want, cols := range map[string][]string{
		"column a: BIGINT cannot become VARCHAR":          {"a VARCHAR", "b DATE"},
		"column b is missing from the new definition":     {"a BIGINT"},
		"column b: DATE cannot become TIMESTAMP":          {"a BIGINT", "b TIMESTAMP"},
		"column a: BIGINT cannot become STRUCT(x BIGINT)": {"a STRUCT(x BIGINT)", "b DATE"},
	} {
		c := f.Commit(f.Change(f.Table, cols, ""))
		if _, err := f.Lake.Commit(context.Background(), c); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "full refresh") {
			f.T.Errorf("%v: error %v, want %q", cols, err, want)
		}
	}
	if s := f.State(); s.Commit != 1 || s.Tables[f.Table].Snapshot != before.Snapshot || !s.Tables[f.Table].Schema.Equal(before.Schema) {
		f.T.Errorf("refused changes left %+v", s)
	}
	c := f.Change(f.Table, []string{"a BIGINT", "b DATE"}, "SELECT 2 a, DATE '2024-01-01' b")
	c.Schema = c.Schema.Clone()
	c.Schema[0].ID = 9
	if _, err := f.Lake.Commit(context.Background(), f.Commit(c)); err == nil {
		f.T.Error("files with other field ids than the table's were accepted")
	}
}

func testRecreate(f *Fixture) {
	c := f.Change(f.Table, []string{"a INTEGER", "b VARCHAR", "s STRUCT(x INTEGER)"}, "SELECT 1 a, 'x' b, {'x': 1} s")
	c.Partition = []schemas.PartitionField{{Column: "b", Transform: "identity", Name: "b"}}
	c.Add[0].Partition = map[string]*string{"b": text("x")}
	f.Do(f.Commit(c), lake.Committed)
	recreate := func(spec []schemas.PartitionField, partition map[string]*string, cols []string, query string) {
		f.T.Helper()
		c := f.Change(f.Table, cols, query)
		c.Mode, c.Recreate, c.Partition = lake.Replace, true, spec
		c.Add[0].Partition = partition
		f.Do(f.Commit(c), lake.Committed)
	}
	// b changes its type, s goes and comes back: neither may have an id of before; a keeps its own.
	month := []schemas.PartitionField{{Column: "b", Transform: "month", Name: "b_month"}}
	recreate(month, map[string]*string{"b_month": text("648")}, []string{"b DATE", "a INTEGER"}, "SELECT DATE '2024-01-02' b, 2 a")
	f.Expect(f.Table, "2024-01-02 2")
	if s := f.State().Tables[f.Table]; s.Schema.Column("a").ID != 1 || s.Schema.Column("b").ID <= 4 || len(s.Partition) != 1 || s.Partition[0] != month[0] {
		f.T.Errorf("after the first refresh: %+v", s)
	}
	recreate(nil, nil, []string{"s STRUCT(x INTEGER)", "a INTEGER"}, "SELECT {'x': 7} s, 3 a")
	f.Expect(f.Table, "{'x': 7} 3")
	if s := f.State().Tables[f.Table]; s.Schema.Column("s").ID <= 5 || s.Schema.Column("s").Type.Fields[0].ID <= 5 || s.Schema.Column("a").ID != 1 || len(s.Partition) != 0 {
		f.T.Errorf("after the second refresh: %s, %+v", schemas.FieldIDsSQL(s.Schema), s)
	}
	f.Append(f.Table, []string{"s STRUCT(x INTEGER)", "a INTEGER"}, "SELECT {'x': 8} s, 4 a")
	f.Expect(f.Table, "{'x': 7} 3\n{'x': 8} 4")
	for commit, want := range map[int64]string{1: "1 x {'x': 1}", 2: "2024-01-02 2", 3: "{'x': 7} 3"} {
		if got := f.Read(f.Table, lake.Version{Commit: commit}); got != want {
			f.T.Errorf("commit %d has %s, want %s", commit, got, want)
		}
	}
}

func testProperties(f *Fixture) {
	c := f.Change(f.Table, []string{"a INTEGER"}, "SELECT 1 a")
	c.Properties = map[string]string{"lakeflow.definition": `{"v":1}`, "x": "y"}
	f.Do(f.Commit(c), lake.Committed)
	c = f.Change(f.Table, []string{"a INTEGER"}, "")
	c.Properties = map[string]string{"lakeflow.definition": `{"v":2}`}
	f.Do(f.Commit(c), lake.Committed)
	if p := f.State().Tables[f.Table].Properties; p["lakeflow.definition"] != `{"v":2}` || p["x"] != "y" {
		f.T.Errorf("properties %v", p)
	}
}

// testEveryType writes every type with ordinary and extreme values, and NULL.
func testEveryType(f *Fixture) {
	cols := make([]string, len(types))
	values := make([][]string, 3)
	for i, typ := range types {
		cols[i] = typ.name + " " + typ.typ
		for j := range values {
			values[j] = append(values[j], "CAST("+typ.values[j]+" AS "+typ.typ+") AS "+typ.name)
		}
	}
	for _, row := range values {
		f.Append(f.Table, cols, "SELECT "+strings.Join(row, ", "))
	}
	var want []string
	for _, row := range values {
		want = append(want, f.Query("SELECT COLUMNS(*)::VARCHAR FROM (SELECT "+strings.Join(row, ", ")+")"))
	}
	f.Expect(f.Table, strings.Join(want, "\n"))
	got := f.State().Tables[f.Table].Schema
	for i, typ := range types {
		if got[i].Type.String() != typ.typ || got[i].ID == 0 {
			f.T.Errorf("column %s is kept as %s, id %d", typ.name, got[i].Type, got[i].ID)
		}
	}
}

// types has a low, a high and a third value of every type; the rows are in the order of i.
var types = []struct {
	name, typ string
	values    [3]string
}{
	{"i", "INTEGER", [3]string{"-2147483648", "2147483647", "NULL"}},
	{"bo", "BOOLEAN", [3]string{"false", "true", "NULL"}},
	{"l", "BIGINT", [3]string{"-9223372036854775808", "9223372036854775807", "NULL"}},
	{"f", "FLOAT", [3]string{"-1.5", "'inf'", "NULL"}},
	{"d", "DOUBLE", [3]string{"'nan'", "1e308", "NULL"}},
	{"dec", "DECIMAL(38,10)", [3]string{"-9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999", "NULL"}},
	{"dec4", "DECIMAL(4,1)", [3]string{"-0.5", "999.9", "NULL"}},
	{"dt", "DATE", [3]string{"'0044-03-15 (BC)'", "'5000-01-01'", "NULL"}},
	{"tm", "TIME", [3]string{"'00:00:00'", "'23:59:59.999999'", "NULL"}},
	{"ts", "TIMESTAMP", [3]string{"'1960-01-01 00:00:00.5'", "'2024-01-02 03:04:05.678901'", "NULL"}},
	{"tz", "TIMESTAMP WITH TIME ZONE", [3]string{"'1960-01-01 00:00:00.5+00'", "'2024-01-02 03:04:05.678901+02'", "NULL"}},
	{"s", "VARCHAR", [3]string{"''", "repeat('é', 300)", "NULL"}},
	{"b", "BLOB", [3]string{"''", "'\\xFF\\x00'", "NULL"}},
	{"u", "UUID", [3]string{"'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "NULL"}},
	{"st", "STRUCT(x INTEGER, \"y z\" STRUCT(w VARCHAR))", [3]string{"{'x': 1, 'y z': {'w': 'a'}}", "{'x': NULL, 'y z': {'w': NULL}}", "NULL"}},
	{"li", "STRUCT(a INTEGER[])[]", [3]string{"[]", "[{'a': [1, NULL]}, NULL]", "NULL"}},
	{"m", "MAP(VARCHAR, STRUCT(k DATE)[])", [3]string{"MAP {}", "MAP {'a': [{'k': DATE '2024-01-01'}]}", "NULL"}},
	{"ll", "INTEGER[][]", [3]string{"[[]]", "[[1], [2, 3]]", "NULL"}},
}
