// Package sinktest is the suite that every lake passes. Files are written by DuckDB and the tables are read back by
// DuckDB from the files that the lake names, so that the lake's word is never taken for its own contents. The test
// binary must import DuckDB's driver.
package sinktest

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// Lake is a lake whose tables can be read.
type Lake interface {
	lake.Lake
	lake.Reader
	lake.Maintainer
}

// Open opens the lake of pipeline "p" in a folder, with a retention of 100 snapshots; the suite closes it. Opening the
// same folder again, while the first is open, is a second process.
type Open func(t *testing.T, warehouse string) Lake

// Run runs the suite.
func Run(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(*Fixture)
	}{
		{"Empty", testEmpty},
		{"CreateAndAppend", testCreateAndAppend},
		{"Replace", testReplace},
		{"ReplacePartition", testReplacePartition},
		{"Evolve", testEvolve},
		{"Incompatible", testIncompatible},
		{"Recreate", testRecreate},
		{"AllOrNothing", testAllOrNothing},
		{"ConflictOnBase", testConflictOnBase},
		{"ConflictOnEpoch", testConflictOnEpoch},
		{"ConflictOnNumber", testConflictOnNumber},
		{"AlreadyCommitted", testAlreadyCommitted},
		{"NeedsCommitRecord", testNeedsCommitRecord},
		{"Positions", testPositions},
		{"Recorded", testRecorded},
		{"Properties", testProperties},
		{"TimeTravel", testTimeTravel},
		{"Appended", testAppended},
		{"AppendedAfterRewrite", testAppendedAfterRewrite},
		{"History", testHistory},
		{"Held", testHeld},
		{"EveryType", testEveryType},
		{"ManyCommits", testManyCommits},
		{"Expire", testExpire},
		{"ExpireBehindStreams", testExpireBehindStreams},
		{"Rewrite", testRewrite},
		{"RewriteCommitRecord", testRewriteCommitRecord},
		{"RewriteRefused", testRewriteRefused},
		{"RewriteLoses", testRewriteLoses},
		{"RewriteBesideCommits", testRewriteBesideCommits},
		{"RemoveRows", testRemoveRows},
		{"RemoveRowsOfPartitions", testRemoveRowsOfPartitions},
		{"RemoveRowsConflicts", testRemoveRowsConflicts},
		{"RewriteRemovedRows", testRewriteRemovedRows},
		{"Changes", testChanges},
		{"Orphans", testOrphans},
		{"OrphansGrace", testOrphansGrace},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(NewFixture(t, open)) })
		t.Run(test.name+"InAnotherNamespace", func(t *testing.T) {
			f := NewFixture(t, open)
			f.Table = "other.t"
			test.run(f)
		})
	}
}

// Fixture is a lake with this process as its writer, and a DuckDB to write and read files with.
type Fixture struct {
	T         *testing.T
	Lake      Lake
	Warehouse string
	Epoch     int64
	// Table is the one of most tests. It is in the pipeline's own namespace, or in another one.
	Table string

	open Open
	db   *sql.DB
}

// NewFixture opens a lake in a folder whose name has a space and a percent sign in it.
func NewFixture(t *testing.T, open Open) *Fixture {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // one session, so that settings stay
	t.Cleanup(func() { _ = db.Close() })
	f := &Fixture{T: t, open: open, db: db, Table: "t", Warehouse: filepath.Join(t.TempDir(), "ware house%20x")}
	f.Query("SET TimeZone = 'UTC'")
	f.Lake = f.Reopen()
	return f
}

// Reopen opens the warehouse once more.
func (f *Fixture) Reopen() Lake {
	f.T.Helper()
	opened := f.open(f.T, f.Warehouse)
	f.T.Cleanup(func() { _ = opened.Close() })
	return opened
}

// Acquire makes this process the writer.
func (f *Fixture) Acquire() {
	f.T.Helper()
	epoch, err := f.Lake.Acquire(context.Background(), lake.Holder{Update: "u1", PID: os.Getpid(), Host: "here"})
	if err != nil {
		f.T.Fatal(err)
	}
	f.Epoch = epoch
}

// State is the lake's state.
func (f *Fixture) State() *lake.State {
	f.T.Helper()
	s, err := f.Lake.State(context.Background())
	if err != nil {
		f.T.Fatal(err)
	}
	return s
}

// Schema reads "name TYPE" texts; columns that the table has keep their field ids, others get the next ones.
func (f *Fixture) Schema(table string, cols ...string) schemas.Table {
	f.T.Helper()
	var want schemas.Table
	for _, c := range cols {
		name, typ, _ := strings.Cut(c, " ")
		parsed, err := schemas.Parse(typ)
		if err != nil {
			f.T.Fatal(err)
		}
		want = append(want, schemas.Column{Name: name, Type: parsed})
	}
	state, last := f.State().Tables[table], 0
	if state.Schema != nil {
		last = state.LastID
		if merged, _, bad := schemas.Evolve(state.Schema, want); bad == nil {
			want = merged
		} else {
			want = schemas.Recreate(state.Schema, want)
		}
	}
	want, _ = schemas.AssignIDs(want, last)
	return want
}

// Write writes the rows of a query, whose columns are the schema's by name, to one file of a table.
func (f *Fixture) Write(table string, schema schemas.Table, query string) lake.DataFile {
	f.T.Helper()
	dir := f.Lake.DataDir(table)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		f.T.Fatal(err)
	}
	path := filepath.Join(dir, uuid.NewString()+".parquet")
	names := make([]string, len(schema))
	for i, c := range schema {
		names[i] = fmt.Sprintf(`CAST("%s" AS %s) AS "%[1]s"`, c.Name, c.Type)
	}
	rows, err := f.db.Query(fmt.Sprintf("COPY (SELECT %s FROM (%s)) TO '%s' (FORMAT parquet, RETURN_STATS, FIELD_IDS %s)",
		strings.Join(names, ", "), query, path, schemas.FieldIDsSQL(schema)))
	if err != nil {
		f.T.Fatal(err)
	}
	defer rows.Close()
	out := lake.DataFile{Path: path, Columns: map[string]lake.ColumnStats{}}
	var name, footer, stats, keys any
	if !rows.Next() {
		f.T.Fatal("COPY returned nothing")
	}
	if err := rows.Scan(&name, &out.Rows, &out.Bytes, &footer, &stats, &keys); err != nil {
		f.T.Fatal(err)
	}
	text, err := json.Marshal(stats)
	if err != nil {
		f.T.Fatal(err)
	}
	var columns map[string]map[string]string
	if err := json.Unmarshal(text, &columns); err != nil {
		f.T.Fatal(err)
	}
	for path, s := range columns {
		out.Columns[path] = columnStats(s)
	}
	return out
}

func columnStats(s map[string]string) lake.ColumnStats {
	var out lake.ColumnStats
	out.Min, out.HasMin = s["min"]
	out.Max, out.HasMax = s["max"]
	out.Nulls, _ = strconv.ParseInt(s["null_count"], 10, 64)
	out.Values, _ = strconv.ParseInt(s["num_values"], 10, 64)
	out.Bytes, _ = strconv.ParseInt(s["column_size_bytes"], 10, 64)
	out.HasNaN = s["has_nan"] == "true"
	return out
}

// Change is a change that appends the rows of a query to a table, made from its head.
func (f *Fixture) Change(table string, cols []string, query string) lake.TableChange {
	f.T.Helper()
	c := lake.TableChange{Table: table, Schema: f.Schema(table, cols...), Base: f.State().Tables[table].Snapshot}
	if query != "" {
		c.Add = []lake.DataFile{f.Write(table, c.Schema, query)}
	}
	return c
}

// Commit makes a commit of the changes and of one event.
func (f *Fixture) Commit(changes ...lake.TableChange) *lake.Commit {
	f.T.Helper()
	if f.Epoch == 0 {
		f.Acquire()
	}
	number := f.State().Commit + 1
	log := f.Change("event_log", []string{"id BIGINT"}, fmt.Sprint("SELECT ", number, " AS id"))
	return &lake.Commit{Number: number, Epoch: f.Epoch, Tables: append(changes, log)}
}

// Do commits, and expects an outcome.
func (f *Fixture) Do(c *lake.Commit, want lake.Status) lake.Outcome {
	f.T.Helper()
	out, err := f.Lake.Commit(context.Background(), c)
	if err != nil {
		f.T.Fatalf("commit %d: %v", c.Number, err)
	}
	if out.Status != want {
		f.T.Fatalf("commit %d: outcome %d, want %d", c.Number, out.Status, want)
	}
	return out
}

// Append commits the rows of a query to a table.
func (f *Fixture) Append(table string, cols []string, query string) lake.Outcome {
	f.T.Helper()
	return f.Do(f.Commit(f.Change(table, cols, query)), lake.Committed)
}

// Query returns the rows of a query as text, one line per row.
func (f *Fixture) Query(query string) string {
	f.T.Helper()
	rs, err := f.db.Query(query)
	if err != nil {
		f.T.Fatalf("%s: %v", query, err)
	}
	defer rs.Close()
	names, _ := rs.Columns()
	var lines []string
	for rs.Next() {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rs.Scan(into...); err != nil {
			f.T.Fatal(err)
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintln(values...)))
	}
	if err := rs.Err(); err != nil {
		f.T.Fatalf("%s: %v", query, err)
	}
	return strings.Join(lines, "\n")
}

// Read is what DuckDB finds in the files of a table's version.
func (f *Fixture) Read(table string, at lake.Version) string {
	f.T.Helper()
	c, err := f.Lake.Files(context.Background(), table, at)
	if err != nil {
		f.T.Fatal(err)
	}
	return f.Rows(c)
}

// Rows is what DuckDB finds in files, in order.
func (f *Fixture) Rows(c *lake.Contents) string {
	f.T.Helper()
	if len(c.Files) == 0 {
		return ""
	}
	return f.Query("SELECT COLUMNS(*)::VARCHAR FROM (" + live(c.Schema, c.Files) + " ORDER BY ALL)")
}

// live selects the rows of files that were not removed.
func live(schema schemas.Table, files []lake.DataFile) string {
	parts := make([]string, len(files))
	for i, file := range files {
		parts[i] = fmt.Sprintf("SELECT * FROM read_parquet('%s', hive_partitioning=false, schema=%s)", file.Path, schemas.ReadSchemaSQL(schema))
		if len(file.Deletes) > 0 {
			parts[i] += fmt.Sprintf(" WHERE file_row_number NOT IN (SELECT pos FROM read_parquet(['%s']) WHERE file_path = 'file://%s')", strings.Join(file.Deletes, "', '"), file.Path)
		}
	}
	return strings.Join(parts, " UNION ALL ")
}

// Expect compares the rows of a table's head.
func (f *Fixture) Expect(table, want string) {
	f.T.Helper()
	if got := f.Read(table, lake.Version{}); got != want {
		f.T.Fatalf("table %s has\n%s\nwant\n%s", table, got, want)
	}
}
