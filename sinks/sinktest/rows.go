package sinktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// Remove is a change of a table that removes the rows of a condition, and adds those of a query where there is one.
func (f *Fixture) Remove(table, where, add string) lake.TableChange {
	f.T.Helper()
	contents, err := f.Lake.Files(context.Background(), table, lake.Version{})
	if err != nil {
		f.T.Fatal(err)
	}
	c := lake.TableChange{Table: table, Schema: contents.Schema, Base: contents.Snapshot, Partition: f.State().Tables[table].Partition}
	if add != "" {
		c.Add = []lake.DataFile{f.Write(table, c.Schema, add)}
	}
	groups := map[string][]lake.DataFile{}
	for _, file := range contents.Files {
		groups[file.Group] = append(groups[file.Group], file)
	}
	for _, files := range groups {
		var named []string
		var of []string
		for _, file := range files {
			rows := live(c.Schema, []lake.DataFile{file})
			rows = strings.Replace(rows, "SELECT *", "SELECT *, file_row_number AS n", 1)
			query := fmt.Sprintf("SELECT 'file://%s' AS file_path, n AS pos FROM (%s) WHERE %s", file.Path, rows, where)
			if f.Query("SELECT count(*) FROM ("+query+")") != "0" {
				named, of = append(named, query), append(of, file.Path)
			}
		}
		if len(named) > 0 {
			file := f.Write(table, lake.DeleteSchema(), strings.Join(named, " UNION ALL ")+" ORDER BY ALL")
			c.Remove = append(c.Remove, lake.DeleteFile{DataFile: file, Of: of})
		}
	}
	return c
}

// testRemoveRows: single rows go and others come in one commit; versions before have them.
func testRemoveRows(f *Fixture) {
	f.Append(f.Table, ab, "SELECT unnest([1, 2, 3]) a")
	f.Append(f.Table, ab, "SELECT unnest([4, 5, 6]) a")
	f.Do(f.Commit(f.Remove(f.Table, "a % 2 = 0", "SELECT 40 a")), lake.Committed)
	f.Expect(f.Table, "1\n3\n5\n40")
	f.Do(f.Commit(f.Remove(f.Table, "a IN (1, 40)", "")), lake.Committed)
	f.Expect(f.Table, "3\n5")
	for commit, want := range map[int64]string{1: "1\n2\n3", 2: "1\n2\n3\n4\n5\n6", 3: "1\n3\n5\n40"} {
		if got := f.Read(f.Table, lake.Version{Commit: commit}); got != want {
			f.T.Errorf("commit %d has %q, want %q", commit, got, want)
		}
	}
	if s := f.State().Tables[f.Table]; s.Rows != 2 || s.Files != 3 || s.Deletes != 2 {
		f.T.Errorf("state %+v", s)
	}
	h := f.history(f.Table)
	if h[2].Operation != "overwrite" || h[3].Operation != "delete" || h[2].TotalRows != 4 || h[3].TotalRows != 2 {
		f.T.Errorf("history %+v", h)
	}
	for after, want := range map[int64]error{1: lake.ErrRewritten, 3: lake.ErrRewritten, 4: nil} {
		if _, err := f.Lake.Appended(context.Background(), f.Table, after, 0); !errors.Is(err, want) {
			f.T.Errorf("a stream after %d: %v", after, err)
		}
	}
	f.appended(f.Table, 0, 0, 4, "3\n5")
	f.Append(f.Table, ab, "SELECT 7 a")
	f.appended(f.Table, 4, 0, 5, "7")
	f.appended(f.Table, 0, 0, 5, "3\n5\n7")
	// All at once.
	c := f.Change(f.Table, ab, "SELECT 9 a")
	c.Mode = lake.Replace
	f.Do(f.Commit(c), lake.Committed)
	f.Expect(f.Table, "9")
	if s := f.State().Tables[f.Table]; s.Rows != 1 || s.Files != 1 || s.Deletes != 0 {
		f.T.Errorf("state %+v", s)
	}
}

// testRemoveRowsOfPartitions: a file that names rows belongs to a partition, and goes with it.
func testRemoveRowsOfPartitions(f *Fixture) {
	cols := []string{"k VARCHAR", "d DECIMAL(9,2)", "v INTEGER"}
	spec := []schemas.PartitionField{{Column: "k", Transform: "identity", Name: "k"}, {Column: "d", Transform: "truncate", Arg: 100, Name: "d_trunc"}}
	c := f.Change(f.Table, cols, "")
	c.Partition = spec
	for _, k := range []*string{text("a"), text("b"), nil} {
		name := "NULL"
		if k != nil {
			name = "'" + *k + "'"
		}
		file := f.Write(f.Table, c.Schema, fmt.Sprintf("SELECT %s k, 2.25 d, unnest([1, 2, 3]) v", name))
		file.Partition = map[string]*string{"k": k, "d_trunc": text("2.00")}
		c.Add = append(c.Add, file)
	}
	f.Do(f.Commit(c), lake.Committed)
	remove := f.Remove(f.Table, "v = 2", "")
	if len(remove.Remove) != 3 {
		f.T.Fatalf("%d groups", len(remove.Remove))
	}
	mixed := remove
	mixed.Remove = slices.Clone(remove.Remove)
	mixed.Remove[0].Of = append(slices.Clone(mixed.Remove[0].Of), mixed.Remove[1].Of...)
	if _, err := f.Lake.Commit(context.Background(), f.Commit(mixed)); err == nil {
		f.T.Error("a file that names rows of two partitions was taken")
	}
	f.Do(f.Commit(remove), lake.Committed)
	f.Expect(f.Table, "a 2.25 1\na 2.25 3\nb 2.25 1\nb 2.25 3\n<nil> 2.25 1\n<nil> 2.25 3")
	contents, err := f.Lake.Files(context.Background(), f.Table, lake.Version{})
	if err != nil {
		f.T.Fatal(err)
	}
	for _, file := range contents.Files {
		if len(file.Deletes) != 1 {
			f.T.Errorf("%d files name rows of %s", len(file.Deletes), file.Path)
		}
	}
	c = f.Change(f.Table, cols, "")
	c.Partition, c.Mode, c.Where = spec, lake.ReplacePartition, []map[string]string{{"k": "b"}}
	f.Do(f.Commit(c), lake.Committed)
	f.Expect(f.Table, "a 2.25 1\na 2.25 3\n<nil> 2.25 1\n<nil> 2.25 3")
	if s := f.State().Tables[f.Table]; s.Rows != 4 || s.Deletes != 2 {
		f.T.Errorf("state %+v", s)
	}
}

// testRemoveRowsConflicts: whoever names rows of a file that is not there any more comes too late.
func testRemoveRowsConflicts(f *Fixture) {
	f.Append(f.Table, ab, "SELECT unnest([1, 2, 3]) a")
	f.Append(f.Table, ab, "SELECT 4 a")
	late := f.Commit(f.Remove(f.Table, "a = 2", ""))
	f.rewrite(f.rewriteAll(f.Table), lake.Committed)
	f.Do(late, lake.Conflict)
	f.Expect(f.Table, "1\n2\n3\n4")
	again := f.Remove(f.Table, "a = 2", "SELECT 6 a")
	f.Do(f.Commit(f.Remove(f.Table, "a = 2", "SELECT 5 a")), lake.Committed)
	f.Do(f.Commit(again), lake.Conflict)
	f.Expect(f.Table, "1\n3\n4\n5")
	c := f.Remove(f.Table, "a = 3", "")
	c.Remove[0].Of = nil
	if _, err := f.Lake.Commit(context.Background(), f.Commit(c)); err == nil {
		f.T.Error("rows of no file were removed")
	}
}

// testRewriteRemovedRows: rewriting leaves removed rows out, streams do not notice, and it loses against a commit that
// removes more.
func testRewriteRemovedRows(f *Fixture) {
	f.Append(f.Table, ab, "SELECT unnest([1, 2, 3]) a")
	f.Append(f.Table, ab, "SELECT unnest([4, 5]) a")
	f.Do(f.Commit(f.Remove(f.Table, "a IN (2, 4)", "SELECT 6 a")), lake.Committed)
	late := f.rewriteAll(f.Table)
	f.Do(f.Commit(f.Remove(f.Table, "a = 3", "")), lake.Committed)
	f.rewrite(late, lake.Conflict)
	f.Expect(f.Table, "1\n5\n6")
	lost := f.rewriteAll(f.Table)
	lost.Add = []lake.DataFile{f.Write(f.Table, f.State().Tables[f.Table].Schema, "SELECT unnest([1, 5]) a")}
	if _, err := f.Lake.Rewrite(context.Background(), lost); err == nil {
		f.T.Error("a rewrite lost a row")
	}
	f.rewrite(f.rewriteAll(f.Table), lake.Committed)
	f.Expect(f.Table, "1\n5\n6")
	if s := f.State().Tables[f.Table]; s.Rows != 3 || s.Files != 1 || s.Deletes != 0 || s.Commit != 4 {
		f.T.Errorf("state %+v", s)
	}
	if got := f.Read(f.Table, lake.Version{Commit: 3}); got != "1\n3\n5\n6" {
		f.T.Errorf("commit 3 has %q", got)
	}
	// One file is rewritten, and what is named of the other is named by a new file.
	f.Append(f.Table, ab, "SELECT unnest([7, 8, 9]) a")
	f.Do(f.Commit(f.Remove(f.Table, "a IN (5, 8)", "")), lake.Committed)
	stored, err := f.Lake.Stored(context.Background(), f.Table)
	if err != nil {
		f.T.Fatal(err)
	}
	r := &lake.Rewrite{Table: f.Table, Epoch: f.Epoch, Deletes: []string{stored.Deletes[0].Path}, Remove: []string{stored.Deletes[0].Path}}
	for _, file := range stored.Files {
		if f.Query("SELECT max(a) FROM read_parquet('"+file.Path+"')") == "9" {
			r.Remove = append(r.Remove, file.Path)
			r.Add = []lake.DataFile{f.Write(f.Table, stored.Schema, live(stored.Schema, []lake.DataFile{{Path: file.Path, Deletes: file.Deletes}}))}
			continue
		}
		named := f.Write(f.Table, lake.DeleteSchema(), fmt.Sprintf("SELECT * FROM read_parquet('%s') WHERE file_path = 'file://%s'", stored.Deletes[0].Path, file.Path))
		r.AddDeletes = []lake.DeleteFile{{DataFile: named, Of: []string{file.Path}}}
	}
	f.rewrite(r, lake.Committed)
	f.Expect(f.Table, "1\n6\n7\n9")
	f.appended(f.Table, 6, 0, 6, "")
}

// testChanges: what commits did to the rows of a table, one by one.
func testChanges(f *Fixture) {
	f.Append(f.Table, ab, "SELECT unnest([1, 2, 3]) a")
	f.Append(f.Table, ab, "SELECT 4 a")
	f.Do(f.Commit(f.Remove(f.Table, "a IN (1, 4)", "SELECT 5 a")), lake.Committed)
	f.rewrite(f.rewriteAll(f.Table), lake.Committed)
	f.Do(f.Commit(f.Remove(f.Table, "a = 2", "")), lake.Committed)
	f.Append("other", ab, "SELECT 1 a")
	c := f.Change(f.Table, ab, "SELECT unnest([8, 9]) a")
	c.Mode = lake.Replace
	f.Do(f.Commit(c), lake.Committed)
	want := map[int64]string{1: "+1 +2 +3", 2: "+4", 3: "-1 -4 +5", 4: "-2", 6: "-3 -5 +8 +9"}
	for after, until := range map[int64]int64{0: 0, 1: 4, 2: 3, 4: 0, 5: 6, 6: 0} {
		changes, err := f.Lake.Changes(context.Background(), f.Table, after, until, 0)
		if err != nil {
			f.T.Fatal(err)
		}
		got := map[int64]string{}
		for _, c := range changes.Commits {
			got[c.Commit] = f.changed(changes, c)
		}
		for commit, w := range want {
			in := commit > after && (until == 0 || commit <= until)
			if g, there := got[commit]; there != in || in && g != w {
				f.T.Errorf("after %d until %d: commit %d did %q, want %q", after, until, commit, g, w)
			}
		}
	}
	if one, err := f.Lake.Changes(context.Background(), f.Table, 0, 0, 1); err != nil || len(one.Commits) != 1 {
		f.T.Errorf("a bounded step: %+v, %v", one, err)
	}
}

// changed is what a commit did: "-1 +2".
func (f *Fixture) changed(all *lake.Changes, c lake.CommitChanges) string {
	f.T.Helper()
	var out []string
	for _, r := range c.Removed {
		for _, file := range r.Files {
			rows := live(all.Schema, []lake.DataFile{file})
			if r.By != nil {
				rows = strings.Replace(rows, "SELECT *", "SELECT *, file_row_number AS n", 1)
				rows = fmt.Sprintf("SELECT * FROM (%s) WHERE n IN (SELECT pos FROM read_parquet(['%s']) WHERE file_path = 'file://%s')", rows, strings.Join(r.By, "', '"), file.Path)
			}
			out = append(out, strings.Fields(f.Query("SELECT '-' || a FROM ("+rows+") ORDER BY a"))...)
		}
	}
	slices.Sort(out)
	for _, file := range c.Added {
		out = append(out, strings.Fields(f.Query("SELECT '+' || a FROM ("+live(all.Schema, []lake.DataFile{file})+") ORDER BY a"))...)
	}
	return strings.Join(out, " ")
}
