package sinktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// ab is the schema of most tables here.
var ab = []string{"a INTEGER"}

func testAllOrNothing(f *Fixture) {
	f.Append("one", ab, "SELECT 1 a")
	before := f.State()
	// Three tables and marks; the last change does not fit, so none may be there.
	bad := f.Change("one", []string{"a VARCHAR"}, "SELECT 'x' a")
	c := f.Commit(f.Change("new", ab, "SELECT 2 a"), bad)
	c.Positions = position.Set{At("f"): json.RawMessage("1")}
	if _, err := f.Lake.Commit(context.Background(), c); err == nil {
		f.T.Fatal("a change that does not fit was accepted")
	}
	f.unchanged(before)
}

// unchanged checks that the lake is where it was.
func (f *Fixture) unchanged(before *lake.State) {
	f.T.Helper()
	for _, opened := range []Lake{f.Lake, f.Reopen()} {
		s, err := opened.State(context.Background())
		if err != nil {
			f.T.Fatal(err)
		}
		if s.Commit != before.Commit || len(s.Tables) != len(before.Tables) || len(s.Positions) != len(before.Positions) {
			f.T.Fatalf("the lake went from %+v to %+v", before, s)
		}
		for name, table := range before.Tables {
			if s.Tables[name].Snapshot != table.Snapshot {
				f.T.Fatalf("table %s moved", name)
			}
		}
	}
}

func testConflictOnBase(f *Fixture) {
	f.Append(f.Table, ab, "SELECT 1 a")
	stale := f.Commit(f.Change("other", ab, "SELECT 5 a"), f.Change(f.Table, ab, "SELECT 2 a"))
	f.Append(f.Table, ab, "SELECT 3 a")
	before := f.State()
	stale.Number = before.Commit + 1
	for i := range stale.Tables {
		if stale.Tables[i].Table == "event_log" {
			stale.Tables[i].Base = before.Tables["event_log"].Snapshot
		}
	}
	f.Do(stale, lake.Conflict)
	f.unchanged(before)
	stale = f.Commit(f.Change(f.Table, ab, "SELECT 2 a"))
	stale.Tables[0].Base = 0 // made for a table that did not exist
	f.Do(stale, lake.Conflict)
	f.unchanged(before)
	f.Expect(f.Table, "1\n3")
}

func testConflictOnEpoch(f *Fixture) {
	f.Append(f.Table, ab, "SELECT 1 a")
	lost := f.Commit(f.Change(f.Table, ab, "SELECT 2 a"))
	before := f.State()
	// The place goes to a second process, after the first gave up its lock.
	if err := f.Lake.Close(); err != nil {
		f.T.Fatal(err)
	}
	second := f.Reopen()
	epoch, err := second.Acquire(context.Background(), lake.Holder{Update: "u2"})
	if err != nil || epoch <= f.Epoch {
		f.T.Fatalf("epoch %d after %d, %v", epoch, f.Epoch, err)
	}
	f.Do(lost, lake.Conflict)
	f.unchanged(before)
	lost.Epoch = epoch
	f.Do(lost, lake.Committed)
}

func testConflictOnNumber(f *Fixture) {
	f.Append(f.Table, ab, "SELECT 1 a")
	f.Append(f.Table, ab, "SELECT 2 a")
	before := f.State()
	for _, number := range []int64{1, 4, 9} {
		c := f.Commit(f.Change(f.Table, ab, "SELECT 3 a"))
		c.Number = number
		f.Do(c, lake.Conflict)
	}
	f.unchanged(before)
}

func testAlreadyCommitted(f *Fixture) {
	c := f.Commit(f.Change(f.Table, ab, "SELECT 1 a"))
	first := f.Do(c, lake.Committed)
	again := f.Do(c, lake.AlreadyCommitted)
	if again.Snapshots[f.Table] != first.Snapshots[f.Table] {
		f.T.Errorf("snapshots %v, then %v", first.Snapshots, again.Snapshots)
	}
	c.Epoch++
	f.Do(c, lake.Conflict)
	f.Expect(f.Table, "1")
}

func testNeedsCommitRecord(f *Fixture) {
	f.Append(f.Table, ab, "SELECT 1 a")
	before := f.State()
	c := f.Commit(f.Change(f.Table, ab, "SELECT 2 a"))
	c.Tables = c.Tables[:1]
	if _, err := f.Lake.Commit(context.Background(), c); err == nil || !strings.Contains(err.Error(), "event_log") {
		f.T.Errorf("a commit without events: %v", err)
	}
	f.unchanged(before)
}

// At is the key of a table's position in a source.
func At(table string) position.Key {
	return position.Key{Kind: position.Source, Table: table, Flow: table, Input: "s"}
}

func testPositions(f *Fixture) {
	set := func(positions position.Set, want map[string]string) {
		f.T.Helper()
		c := f.Commit()
		c.Positions = positions
		f.Do(c, lake.Committed)
		s, err := f.Reopen().State(context.Background())
		if err != nil {
			f.T.Fatal(err)
		}
		got := map[string]string{}
		for k, v := range s.Positions {
			got[k.Table] = string(v)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			f.T.Errorf("positions %v, want %v", got, want)
		}
	}
	odd := "c/é\"."
	set(position.Set{At("a"): json.RawMessage(`{"n":1}`), At("b"): json.RawMessage(`"x"`)}, map[string]string{"a": `{"n":1}`, "b": `"x"`})
	set(nil, map[string]string{"a": `{"n":1}`, "b": `"x"`})
	set(position.Set{At("a"): json.RawMessage(`{"n":2}`), At(odd): json.RawMessage(`[1,"é"]`)}, map[string]string{"a": `{"n":2}`, "b": `"x"`, odd: `[1,"é"]`})
	set(position.Set{At("a"): nil, At("none"): nil}, map[string]string{"b": `"x"`, odd: `[1,"é"]`})
	set(position.Set{At("b"): nil, At(odd): nil}, map[string]string{})
}

// testRecorded looks at what the last commit says of the tables.
func testRecorded(f *Fixture) {
	expect := func(want map[string]int64) {
		f.T.Helper()
		if got := f.State().Recorded; fmt.Sprint(got) != fmt.Sprint(want) {
			f.T.Errorf("recorded %v, want %v", got, want)
		}
	}
	f.Append(f.Table, ab, "SELECT 1 a")
	f.Append("u", ab, "SELECT 2 a")
	expect(map[string]int64{f.Table: 1, "u": 2})
	idle := f.Change(f.Table, ab, "SELECT 3 a")
	idle.Add = nil
	f.Do(f.Commit(idle), lake.Committed)
	expect(map[string]int64{f.Table: 1, "u": 2})
	c := f.Commit()
	c.Forget = []string{"u"}
	f.Do(c, lake.Committed)
	expect(map[string]int64{f.Table: 1})
	f.Append("u", ab, "SELECT 4 a")
	expect(map[string]int64{f.Table: 1, "u": 5})
}

func testTimeTravel(f *Fixture) {
	var snapshots []int64
	var times []time.Time
	f.Do(f.Commit(), lake.Committed)
	for i := range 3 {
		snapshots = append(snapshots, f.Append(f.Table, ab, fmt.Sprint("SELECT ", i, " a")).Snapshots[f.Table])
		times = append(times, time.Now())
		time.Sleep(5 * time.Millisecond) // snapshots are told apart by milliseconds
	}
	f.Do(f.Commit(), lake.Committed)
	for i, want := range []string{"0", "0\n1", "0\n1\n2"} {
		for _, at := range []lake.Version{{Snapshot: snapshots[i]}, {Commit: int64(i) + 2}, {AsOf: times[i]}} {
			if got := f.Read(f.Table, at); got != want {
				f.T.Errorf("at %+v the table has %q, want %q", at, got, want)
			}
		}
	}
	if got := f.Read(f.Table, lake.Version{Commit: 99}); got != "0\n1\n2" {
		f.T.Errorf("a commit to come: %q", got)
	}
	for _, at := range []lake.Version{{Commit: 1}, {AsOf: times[0].Add(-time.Hour)}} {
		if _, err := f.Lake.Files(context.Background(), f.Table, at); !errors.Is(err, lake.ErrNoTable) {
			f.T.Errorf("before the table was made, at %+v: %v", at, err)
		}
	}
	if _, err := f.Lake.Files(context.Background(), f.Table, lake.Version{Snapshot: 1}); err == nil {
		f.T.Error("an unknown snapshot was found")
	}
}

func (f *Fixture) appended(table string, after, maxBytes int64, wantCommit int64, want string) {
	f.T.Helper()
	c, err := f.Lake.Appended(context.Background(), table, after, maxBytes)
	if err != nil {
		f.T.Fatal(err)
	}
	if got := f.Rows(c); got != want || c.Commit != wantCommit {
		f.T.Errorf("appended after %d: %q up to commit %d, want %q up to commit %d", after, got, c.Commit, want, wantCommit)
	}
}

func testAppended(f *Fixture) {
	for i := range 3 {
		f.Append(f.Table, ab, fmt.Sprint("SELECT ", i+1, " a"))
	}
	f.Do(f.Commit(), lake.Committed) // commit 4 does not touch the table
	f.Append(f.Table, ab, "SELECT 5 a")
	f.appended(f.Table, 0, 0, 5, "1\n2\n3\n5")
	f.appended(f.Table, 1, 0, 5, "2\n3\n5")
	f.appended(f.Table, 3, 0, 5, "5")
	f.appended(f.Table, 4, 0, 5, "5")
	f.appended(f.Table, 5, 0, 5, "")
	f.appended(f.Table, 0, 1, 1, "1")
	f.appended(f.Table, 1, 1, 2, "2")
	one, err := f.Lake.Appended(context.Background(), f.Table, 0, 1)
	if err != nil {
		f.T.Fatal(err)
	}
	f.appended(f.Table, 0, one.Files[0].Bytes+1, 2, "1\n2")
	if _, err := f.Lake.Appended(context.Background(), "none", 0, 0); !errors.Is(err, lake.ErrNoTable) {
		f.T.Errorf("no table: %v", err)
	}
	f.Append(f.Table, []string{"a BIGINT", "b DATE"}, "SELECT 6 a, NULL b")
	f.appended(f.Table, 3, 0, 6, "5 <nil>\n6 <nil>")
}

func testAppendedAfterRewrite(f *Fixture) {
	replace := func(query string) {
		f.T.Helper()
		c := f.Change(f.Table, ab, query)
		c.Mode = lake.Replace
		f.Do(f.Commit(c), lake.Committed)
	}
	replace("SELECT 1 a") // its first write: nothing was replaced
	f.appended(f.Table, 0, 0, 1, "1")
	f.Append(f.Table, ab, "SELECT 2 a")
	f.appended(f.Table, 1, 0, 2, "2")
	replace("SELECT 3 a")
	f.Append(f.Table, ab, "SELECT 4 a")
	for _, after := range []int64{1, 2} {
		if _, err := f.Lake.Appended(context.Background(), f.Table, after, 0); !errors.Is(err, lake.ErrRewritten) {
			f.T.Errorf("after commit %d: %v", after, err)
		}
	}
	f.appended(f.Table, 3, 0, 4, "4")
	f.appended(f.Table, 0, 0, 4, "3\n4") // a stream that begins takes the table as it is
	f.appended(f.Table, 0, 1, 3, "3")
}

func testHistory(f *Fixture) {
	f.Append(f.Table, ab, "SELECT 1 a")
	f.Append(f.Table, ab, "SELECT i a FROM range(3) r(i)")
	c := f.Change(f.Table, ab, "SELECT 9 a")
	c.Mode = lake.Replace
	added := c.Add[0].Path
	f.Do(f.Commit(c), lake.Committed)
	h, err := f.Lake.History(context.Background(), f.Table)
	if err != nil || len(h) != 3 {
		f.T.Fatalf("history %+v, %v", h, err)
	}
	for i, want := range []lake.Snapshot{{Commit: 1, Operation: "append", AddedRows: 1, TotalRows: 1},
		{Commit: 2, Operation: "append", AddedRows: 3, TotalRows: 4}, {Commit: 3, Operation: "overwrite", AddedRows: 1, TotalRows: 1}} {
		got := h[i]
		if got.Commit != want.Commit || got.Operation != want.Operation || got.AddedRows != want.AddedRows || got.TotalRows != want.TotalRows || len(got.Added) != 1 || got.ID == 0 {
			f.T.Errorf("snapshot %d is %+v", i, got)
		}
		if i > 0 && got.Time.Before(h[i-1].Time) || time.Since(got.Time) > time.Minute {
			f.T.Errorf("snapshot %d is of %v", i, got.Time)
		}
	}
	if !slices.Equal(h[2].Added, []string{added}) {
		f.T.Errorf("the last snapshot added %v", h[2].Added)
	}
}

func testHeld(f *Fixture) {
	f.Acquire()
	second := f.Reopen()
	_, err := second.Acquire(context.Background(), lake.Holder{Update: "u2"})
	var held *lake.HeldError
	if !errors.As(err, &held) || held.Holder.Update != "u1" || held.Holder.Host != "here" {
		f.T.Fatalf("a second writer got %v", err)
	}
	if _, err := second.State(context.Background()); err != nil {
		f.T.Errorf("a reader beside the writer: %v", err)
	}
	f.Append(f.Table, ab, "SELECT 1 a") // the writer is not disturbed
	first := f.Epoch
	if err := f.Lake.Close(); err != nil {
		f.T.Fatal(err)
	}
	epoch, err := second.Acquire(context.Background(), lake.Holder{Update: "u2"})
	if err != nil || epoch != first+1 {
		f.T.Errorf("after the writer left: epoch %d, %v", epoch, err)
	}
}

// testManyCommits goes past the point where lakes tidy up their metadata.
func testManyCommits(f *Fixture) {
	schema := f.Schema(f.Table, "a INTEGER")
	const n = 130
	file := f.Write(f.Table, schema, "SELECT 1 a")
	f.Acquire()
	var base, log int64
	logFile := f.Write("event_log", schema, "SELECT 1 a")
	for i := int64(1); i <= n; i++ {
		file, logFile := file, logFile
		file.Path += fmt.Sprint(".", i) // the metadata alone is looked at
		logFile.Path += fmt.Sprint(".", i)
		out := f.Do(&lake.Commit{Number: i, Epoch: f.Epoch, Tables: []lake.TableChange{
			{Table: f.Table, Schema: schema, Base: base, Add: []lake.DataFile{file}},
			{Table: "event_log", Schema: schema, Base: log, Add: []lake.DataFile{logFile}},
		}}, lake.Committed)
		base, log = out.Snapshots[f.Table], out.Snapshots["event_log"]
	}
	again := f.Reopen()
	all, err := again.Files(context.Background(), f.Table, lake.Version{})
	if err != nil || len(all.Files) != n {
		f.T.Fatalf("%d files, %v", len(all.Files), err)
	}
	if s, err := again.State(context.Background()); err != nil || s.Tables[f.Table].Rows != n || s.Tables[f.Table].Files != n {
		f.T.Errorf("state %+v, %v", s, err)
	}
	for _, after := range []int64{0, 50, n - 1} {
		some, err := again.Appended(context.Background(), f.Table, after, 0)
		if err != nil || int64(len(some.Files)) != n-after || after > 0 && some.Files[0].Path != fmt.Sprint(file.Path, ".", after+1) {
			f.T.Errorf("after %d: %d files, %v", after, len(some.Files), err)
		}
	}
	old, err := again.Files(context.Background(), f.Table, lake.Version{Commit: 60})
	if err != nil || len(old.Files) != 60 {
		f.T.Errorf("commit 60 has %d files, %v", len(old.Files), err)
	}
}
