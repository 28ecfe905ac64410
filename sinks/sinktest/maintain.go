package sinktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// Retention is how many snapshots the suite's lakes keep.
const Retention = 100

// grow makes n commits that add one made-up file to table t each, with the positions that at gives for the number of
// the commit.
func (f *Fixture) grow(n int, at func(number int64) position.Set) {
	f.T.Helper()
	if f.Epoch == 0 {
		f.Acquire()
	}
	s := f.State()
	schema := f.Schema(f.Table, "a INTEGER")
	log := f.Schema("event_log", "id BIGINT")
	base, logBase := s.Tables[f.Table].Snapshot, s.Tables["event_log"].Snapshot
	for number := s.Commit + 1; number <= s.Commit+int64(n); number++ {
		file := func(table string) []lake.DataFile {
			return []lake.DataFile{{Path: filepath.Join(f.Lake.DataDir(table), fmt.Sprint(number, ".parquet")), Rows: 1, Bytes: 10}}
		}
		out := f.Do(&lake.Commit{Number: number, Epoch: f.Epoch, Positions: at(number), Tables: []lake.TableChange{
			{Table: f.Table, Schema: schema, Base: base, Add: file(f.Table)}, {Table: "event_log", Schema: log, Base: logBase, Add: file("event_log")},
		}}, lake.Committed)
		base, logBase = out.Snapshots[f.Table], out.Snapshots["event_log"]
	}
}

func (f *Fixture) history(table string) []lake.Snapshot {
	f.T.Helper()
	h, err := f.Lake.History(context.Background(), table)
	if err != nil {
		f.T.Fatal(err)
	}
	return h
}

func nowhere(int64) position.Set { return nil }

// testExpire: the history stays bounded, and readers that have seen what is gone go on from there.
func testExpire(f *Fixture) {
	f.grow(Retention+20, nowhere)
	for _, table := range []string{f.Table, "event_log"} {
		h := f.history(table)
		if len(h) != Retention || h[0].Commit != 21 {
			f.T.Errorf("%s has %d snapshots, the oldest of commit %d", table, len(h), h[0].Commit)
		}
	}
	ctx := context.Background()
	for after, want := range map[int64]int{0: 120, 20: 100, 21: 99, 119: 1, 120: 0, 500: 0} {
		if got, err := f.Lake.Appended(ctx, f.Table, after, 0); err != nil || len(got.Files) != want {
			f.T.Errorf("after commit %d: %v, %v, want %d files", after, got, err, want)
		}
	}
	if first, err := f.Lake.Appended(ctx, f.Table, 0, 1); err != nil || len(first.Files) != 21 || first.Commit != 21 {
		f.T.Errorf("a stream that begins takes %v, %v", first, err)
	}
	for _, after := range []int64{1, 19} {
		if _, err := f.Lake.Appended(ctx, f.Table, after, 0); !errors.Is(err, lake.ErrExpired) || !strings.Contains(err.Error(), "--full-refresh") {
			f.T.Errorf("after commit %d: %v", after, err)
		}
	}
	if _, err := f.Lake.Files(ctx, f.Table, lake.Version{Commit: 20}); !errors.Is(err, lake.ErrNoTable) {
		f.T.Errorf("an expired version: %v", err)
	}
	if old, err := f.Lake.Files(ctx, f.Table, lake.Version{Commit: 21}); err != nil || len(old.Files) != 21 {
		f.T.Errorf("the oldest version has %v, %v", old, err)
	}
	if gone, err := f.Lake.Expire(ctx, f.Epoch); err != nil || len(gone) > 0 {
		f.T.Errorf("there is nothing left to expire, but %v went, %v", gone, err)
	}
}

// testExpireBehindStreams: what a stream has not read yet stays, up to a limit.
func testExpireBehindStreams(f *Fixture) {
	reader := func(flow string, kind position.Kind) position.Key {
		return position.Key{Kind: kind, Table: flow, Flow: flow, Input: f.Table}
	}
	stands := func(number, commit int64) position.Set {
		return position.Set{reader("fast", position.Upstream): position.AtCommit(number), reader("slow", position.Upstream): position.AtCommit(min(number, commit)),
			reader("view", position.Whole): position.AtCommit(3)}
	}
	f.grow(Retention+20, func(number int64) position.Set { return stands(number, 7) })
	if h := f.history(f.Table); len(h) != Retention+20-7 || h[0].Commit != 8 {
		f.T.Errorf("%d snapshots, the oldest of commit %d", len(h), h[0].Commit)
	}
	if h := f.history("event_log"); len(h) != Retention {
		f.T.Errorf("%d snapshots of the event log, which nobody streams from", len(h))
	}
	if got, err := f.Lake.Appended(context.Background(), f.Table, 7, 0); err != nil || len(got.Files) != Retention+20-7 {
		f.T.Errorf("the slow stream gets %v, %v", got, err)
	}
	f.grow(1, func(number int64) position.Set { return stands(number, 100) })
	if h := f.history(f.Table); len(h) != Retention {
		f.T.Errorf("%d snapshots after the stream went on", len(h))
	}
}

// small is the change of a rewrite of all files of a table into one.
func (f *Fixture) rewriteAll(table string) *lake.Rewrite {
	f.T.Helper()
	stored, err := f.Lake.Stored(context.Background(), table)
	if err != nil {
		f.T.Fatal(err)
	}
	r := &lake.Rewrite{Table: table, Epoch: f.Epoch}
	files := make([]lake.DataFile, len(stored.Files))
	for i, file := range stored.Files {
		r.Remove = append(r.Remove, file.Path)
		files[i] = lake.DataFile{Path: file.Path, Deletes: file.Deletes}
	}
	for _, file := range stored.Deletes {
		r.Remove, r.Deletes = append(r.Remove, file.Path), append(r.Deletes, file.Path)
	}
	r.Add = []lake.DataFile{f.Write(table, stored.Schema, live(stored.Schema, files))}
	return r
}

func (f *Fixture) rewrite(r *lake.Rewrite, want lake.Status) {
	f.T.Helper()
	if got, err := f.Lake.Rewrite(context.Background(), r); err != nil || got != want {
		f.T.Fatalf("rewrite: %d, %v, want %d", got, err, want)
	}
}

// testRewrite: the same rows in other files; streams, versions and positions do not notice.
func testRewrite(f *Fixture) {
	for i := range 3 {
		f.Append(f.Table, ab, fmt.Sprint("SELECT ", i+1, " a"))
	}
	f.Append(f.Table, []string{"a BIGINT", "b DATE"}, "SELECT 4 a, DATE '2024-02-29' b")
	before := f.State()
	r := f.rewriteAll(f.Table)
	f.rewrite(r, lake.Committed)
	after := f.State()
	t, old := after.Tables[f.Table], before.Tables[f.Table]
	if after.Commit != before.Commit || t.Commit != old.Commit || t.Rows != 4 || t.Files != 1 || t.Snapshot == old.Snapshot {
		f.T.Errorf("the state went from %+v to %+v", old, t)
	}
	want := "1 <nil>\n2 <nil>\n3 <nil>\n4 2024-02-29"
	f.Expect(f.Table, want)
	h := f.history(f.Table)
	last := h[len(h)-1]
	if last.Operation != "replace" || last.Commit != 4 || last.AddedRows != 4 || last.TotalRows != 4 || !slices.Equal(last.Added, []string{r.Add[0].Path}) || len(h[0].Added) != 1 {
		f.T.Errorf("history %+v", h)
	}
	f.appended(f.Table, 0, 0, 4, want)
	f.appended(f.Table, 3, 0, 4, "4 2024-02-29")
	f.appended(f.Table, 4, 0, 4, "")
	if got := f.Read(f.Table, lake.Version{Commit: 2}); got != "1\n2" {
		f.T.Errorf("commit 2 has %q", got)
	}
	if got := f.Read(f.Table, lake.Version{Commit: 4}); got != want {
		f.T.Errorf("commit 4 has %q", got)
	}
	f.Append(f.Table, []string{"a BIGINT", "b DATE"}, "SELECT 5 a, NULL b")
	f.appended(f.Table, 3, 0, 5, "4 2024-02-29\n5 <nil>")
	f.appended(f.Table, 4, 0, 5, "5 <nil>")
	f.Expect(f.Table, want+"\n5 <nil>")
	// What is rewritten can be replaced.
	c := f.Change(f.Table, []string{"a BIGINT", "b DATE"}, "SELECT 9 a, NULL b")
	c.Mode = lake.Replace
	f.Do(f.Commit(c), lake.Committed)
	f.Expect(f.Table, "9 <nil>")
}

// testRewriteCommitRecord: the event log carries the commit record, which must outlive a rewrite of it.
func testRewriteCommitRecord(f *Fixture) {
	c := f.Commit(f.Change(f.Table, ab, "SELECT 1 a"))
	c.Positions = position.Set{At("f"): json.RawMessage(`{"n":1}`)}
	f.Do(c, lake.Committed)
	again := f.Commit(f.Change(f.Table, ab, "SELECT 2 a"))
	f.Do(again, lake.Committed)
	f.rewrite(f.rewriteAll("event_log"), lake.Committed)
	s, err := f.Reopen().State(context.Background())
	if err != nil || s.Commit != 2 || string(s.Positions[At("f")]) != `{"n":1}` || s.Tables["event_log"].Commit != 2 {
		f.T.Fatalf("state %+v, %v", s, err)
	}
	f.Do(again, lake.AlreadyCommitted)
	f.Append(f.Table, ab, "SELECT 3 a")
	f.Expect("event_log", "1\n2\n3")
}

// testRewriteRefused: what would lose or move rows is an error, and leaves everything as it was.
func testRewriteRefused(f *Fixture) {
	f.Append(f.Table, ab, "SELECT 1 a")
	f.Append(f.Table, ab, "SELECT 2 a")
	before := f.State()
	schema := before.Tables[f.Table].Schema
	for name, damage := range map[string]func(*lake.Rewrite){
		"fewer rows":    func(r *lake.Rewrite) { r.Add = []lake.DataFile{f.Write(f.Table, schema, "SELECT 1 a")} },
		"more rows":     func(r *lake.Rewrite) { r.Add = append(r.Add, f.Write(f.Table, schema, "SELECT 1 a")) },
		"a missing one": func(r *lake.Rewrite) { r.Add[0].Path += ".x" },
		"a cut one":     func(r *lake.Rewrite) { r.Add[0].Bytes++ },
		"no new files":  func(r *lake.Rewrite) { r.Add = nil },
		"no old files":  func(r *lake.Rewrite) { r.Remove = nil },
		"partition values": func(r *lake.Rewrite) {
			x := "1"
			r.Add[0].Partition = map[string]*string{"p": &x}
		},
	} {
		r := f.rewriteAll(f.Table)
		damage(r)
		if status, err := f.Lake.Rewrite(context.Background(), r); err == nil {
			f.T.Errorf("%s: %d", name, status)
		}
	}
	f.unchanged(before)
	f.Expect(f.Table, "1\n2")
}

// testRewriteLoses: against a commit that removes a file, and against another writer.
func testRewriteLoses(f *Fixture) {
	f.Append(f.Table, ab, "SELECT 1 a")
	f.Append(f.Table, ab, "SELECT 2 a")
	stale := f.rewriteAll(f.Table)
	c := f.Change(f.Table, ab, "SELECT 3 a")
	c.Mode = lake.Replace
	f.Do(f.Commit(c), lake.Committed)
	before := f.State()
	f.rewrite(stale, lake.Conflict)
	f.rewrite(&lake.Rewrite{Table: "none", Epoch: f.Epoch, Remove: []string{"/x"}, Add: stale.Add}, lake.Conflict)
	f.unchanged(before)
	lost := f.rewriteAll(f.Table)
	lost.Epoch++
	f.rewrite(lost, lake.Conflict)
	f.unchanged(before)
	f.Expect(f.Table, "3")
}

// testRewriteBesideCommits: a batch that was begun before a rewrite is committed after it.
func testRewriteBesideCommits(f *Fixture) {
	f.Append(f.Table, ab, "SELECT 1 a")
	f.Append(f.Table, ab, "SELECT 2 a")
	prepared := f.Commit(f.Change(f.Table, ab, "SELECT 3 a"))
	early := f.rewriteAll(f.Table)
	f.rewrite(f.rewriteAll(f.Table), lake.Committed)
	f.rewrite(f.rewriteAll("event_log"), lake.Committed)
	f.rewrite(early, lake.Conflict)
	f.Do(prepared, lake.Committed)
	f.Expect(f.Table, "1\n2\n3")
	f.appended(f.Table, 1, 0, 3, "2\n3")
	// And a rewrite that was begun before a batch after it.
	r := f.rewriteAll(f.Table)
	f.Append(f.Table, ab, "SELECT 4 a")
	f.rewrite(r, lake.Committed)
	f.Expect(f.Table, "1\n2\n3\n4")
	f.appended(f.Table, 2, 0, 4, "3\n4")
}

// age makes everything in the warehouse old, but what is below a folder.
func (f *Fixture) age(but string) {
	f.T.Helper()
	old := time.Now().Add(-48 * time.Hour)
	err := filepath.WalkDir(f.Warehouse, func(path string, _ os.DirEntry, err error) error {
		if err == nil && (but == "" || !strings.HasPrefix(path, but)) {
			err = os.Chtimes(path, old, old)
		}
		return err
	})
	if err != nil {
		f.T.Fatal(err)
	}
}

func (f *Fixture) put(path string) string {
	f.T.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.T.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("some bytes"), 0o644); err != nil {
		f.T.Fatal(err)
	}
	return path
}

// testOrphans: exactly what is old, lakeflow's and needed by nothing goes.
func testOrphans(f *Fixture) {
	f.Append(f.Table, ab, "SELECT 1 a")
	f.Append(f.Table, ab, "SELECT 2 a")
	f.rewrite(f.rewriteAll(f.Table), lake.Committed)
	data, root := f.Lake.DataDir(f.Table), f.Lake.DataDir(f.Table)
	for filepath.Dir(root) != f.Warehouse {
		root = filepath.Dir(root)
	}
	gone := []string{f.put(filepath.Join(data, "dead", "p=1", "a.parquet")), f.put(filepath.Join(data, "b.parquet"))}
	kept := []string{f.put(filepath.Join(data, "notes.txt")), f.put(filepath.Join(root, "foreign", "data", "x.parquet")), f.put(filepath.Join(f.Warehouse, "other", "data", "x.parquet"))}
	young := f.put(filepath.Join(data, "young", "c.parquet"))
	f.age(filepath.Dir(young))
	// In this process a batch might be under way that began before the last two commits ended.
	if found, err := f.Lake.Orphans(context.Background(), -time.Hour); err != nil || len(found) != len(gone) {
		f.T.Errorf("orphans %v, %v", found, err)
	}
	for _, remove := range []bool{false, true} {
		look := f.Lake.Orphans
		if remove {
			look = f.Lake.RemoveOrphans
		}
		found, err := look(context.Background(), time.Hour)
		if err != nil {
			f.T.Fatal(err)
		}
		var paths []string
		for _, o := range found {
			paths = append(paths, o.Path)
			if o.Table != f.Table || o.Bytes != 10 {
				f.T.Errorf("orphan %+v", o)
			}
		}
		slices.Sort(paths)
		slices.Sort(gone)
		if !slices.Equal(paths, gone) {
			f.T.Errorf("found %v, want %v", paths, gone)
		}
	}
	for _, path := range append(kept, young) {
		if _, err := os.Stat(path); err != nil {
			f.T.Error(err)
		}
	}
	for _, path := range append(gone, filepath.Join(data, "dead")) {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			f.T.Errorf("%s is there: %v", path, err)
		}
	}
	// Every version still has all it needs.
	f.Expect(f.Table, "1\n2")
	if got := f.Read(f.Table, lake.Version{Commit: 1}); got != "1" {
		f.T.Errorf("commit 1 has %q", got)
	}
	if _, err := f.Reopen().RemoveOrphans(context.Background(), time.Hour); err == nil {
		f.T.Error("a reader may remove files")
	}
}

// testOrphansGrace: the time of a file counts from when a snapshot last needed it, because somebody may be reading it.
func testOrphansGrace(f *Fixture) {
	f.Append(f.Table, ab, "SELECT 1 a")
	f.Append(f.Table, ab, "SELECT 2 a")
	small, err := f.Lake.Files(context.Background(), f.Table, lake.Version{})
	if err != nil {
		f.T.Fatal(err)
	}
	f.rewrite(f.rewriteAll(f.Table), lake.Committed)
	f.age("")
	f.grow(Retention+10, nowhere) // expires the snapshots that have the small files
	data := func(orphans []lake.Orphan) (paths []string) {
		for _, o := range orphans {
			if strings.HasSuffix(o.Path, ".parquet") {
				paths = append(paths, o.Path)
			}
		}
		slices.Sort(paths)
		return paths
	}
	found, err := f.Lake.Orphans(context.Background(), time.Hour)
	if err != nil || len(data(found)) > 0 {
		f.T.Errorf("what was needed a moment ago: %v, %v", found, err)
	}
	f.age("")
	found, err = f.Lake.RemoveOrphans(context.Background(), time.Hour)
	want := []string{small.Files[0].Path, small.Files[1].Path}
	slices.Sort(want)
	if err != nil || !slices.Equal(data(found), want) {
		f.T.Errorf("found %v, %v, want %v", data(found), err, want)
	}
	if len(found) < 2+13+12 { // at least a list of manifests for each expired snapshot of both tables
		f.T.Errorf("only %d files were removed, the metadata of expired snapshots stays", len(found))
	}
	for commit := int64(20); commit < 20+Retention/2; commit += 10 {
		if _, err := f.Lake.Files(context.Background(), f.Table, lake.Version{Commit: commit}); err != nil {
			f.T.Errorf("commit %d: %v", commit, err)
		}
	}
}
