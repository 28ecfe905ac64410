package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/engine/audit"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// fakeLake is a stored state that a test can damage: the tables orders (two commits of 3 and 2 rows, one dead letter in
// each), totals (replaced by the second commit), dead_letter and event_log.
type fakeLake struct {
	lake.Reader // not used
	t           *testing.T
	db          *duck.DB
	dir         string
	state       lake.State
	tables      map[string]*table
	accounting  []progress
}

type table struct {
	history []lake.Snapshot
	live    map[string][]lake.DataFile // by snapshot id
	deletes []lake.DataFile            // of the last snapshot
	schema  schemas.Table
}

type progress struct {
	table string
	schemas.FlowProgress
}

func (l *fakeLake) History(_ context.Context, name string) ([]lake.Snapshot, error) {
	return l.tables[name].history, nil
}

func (l *fakeLake) Files(_ context.Context, name string, at lake.Version) (*lake.Contents, error) {
	t := l.tables[name]
	return &lake.Contents{Schema: t.schema, Snapshot: at.Snapshot, Files: t.live[fmt.Sprint(at.Snapshot)], Deletes: t.deletes}, nil
}

func (l *fakeLake) Check(context.Context, string) error { return nil }

// write gives a table one more snapshot, with a file made of a query.
func (l *fakeLake) write(name string, commit int64, replace bool, query string) {
	l.t.Helper()
	t := l.tables[name]
	if t == nil {
		t = &table{live: map[string][]lake.DataFile{}, schema: schemas.Table{{Name: "id", ID: 1, Type: schemas.Type{Kind: schemas.Integer}}}}
		switch name {
		case "dead_letter":
			t.schema, _ = schemas.AssignIDs(schemas.DeadLetter(), 0)
		case "event_log":
			t.schema, _ = schemas.AssignIDs(schemas.EventLog(), 0)
		}
		l.tables[name] = t
	}
	files, n, err := l.db.WriteParquet(l.t.Context(), query, duck.Layout{Dir: filepath.Join(l.dir, name, "data"), Schema: t.schema})
	if err != nil {
		l.t.Fatal(err)
	}
	s := lake.Snapshot{ID: int64(len(t.history) + 1), Commit: commit, Time: time.Unix(commit, 0).UTC(), Operation: "append", AddedRows: n, TotalRows: n}
	live := files
	if len(t.history) > 0 && !replace {
		last := t.history[len(t.history)-1]
		live = append(live, t.live[fmt.Sprint(last.ID)]...)
		s.TotalRows += last.TotalRows
	}
	if replace {
		s.Operation = "overwrite"
	}
	for _, f := range files {
		s.Added = append(s.Added, f.Path)
	}
	t.live[fmt.Sprint(s.ID)] = live
	t.history = append(t.history, s)
	l.state.Tables[name] = lake.TableState{Name: name, Commit: commit, Snapshot: s.ID}
}

func (l *fakeLake) account(name string, a schemas.Accounting, rules ...schemas.ExpectationResult) {
	a.Table = "dead_letter"
	l.accounting = append(l.accounting, progress{name, schemas.FlowProgress{Status: "RUNNING", Lakeflow: &a, DataQuality: &schemas.DataQuality{Expectations: rules}}})
}

// log writes the accounting of a commit.
func (l *fakeLake) log(commit int64) {
	var rows []string
	for _, p := range l.accounting {
		if p.Lakeflow.Commit != commit {
			continue
		}
		details, err := json.Marshal(map[string]any{"flow_progress": p.FlowProgress})
		if err != nil {
			l.t.Fatal(err)
		}
		rows = append(rows, l.row(schemas.EventLog(), map[string]string{"event_type": "'flow_progress'", "details": "'" + string(details) + "'",
			"origin": fmt.Sprintf("{'dataset_name': '%s', 'flow_name': '%[1]s', 'update_id': 'u', 'batch_id': %d}", p.table, commit)}))
	}
	l.write("event_log", commit, false, strings.Join(rows, " UNION ALL BY NAME "))
}

func (l *fakeLake) letter(table string, commit int64, status string) string {
	return l.row(schemas.DeadLetter(), map[string]string{"table": "'" + table + "'", "commit": fmt.Sprint(commit), "status": "'" + status + "'"})
}

// row selects one row with some values of a table.
func (l *fakeLake) row(t schemas.Table, values map[string]string) string {
	var list []string
	for _, c := range t {
		value := values[c.Name]
		switch {
		case c.Name == "origin" && value != "":
			value = fmt.Sprintf("struct_pack(pipeline_name := 'p', update_id := 'u', dataset_name := (%[1]s).dataset_name, flow_name := (%[1]s).flow_name, batch_id := (%[1]s).batch_id, host := '')", value)
		case value == "":
			value = "NULL"
		}
		list = append(list, fmt.Sprintf("CAST(%s AS %s) AS %s", value, c.Type, quote.Name(c.Name)))
	}
	return "SELECT " + strings.Join(list, ", ")
}

func newLake(t *testing.T) *fakeLake {
	t.Helper()
	dir := t.TempDir()
	db, err := duck.Open(t.Context(), duck.Config{MemoryLimit: "256MB", TempDir: filepath.Join(dir, ".tmp"), Folders: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	l := &fakeLake{t: t, db: db, dir: dir, tables: map[string]*table{}, state: lake.State{Commit: 2, Tables: map[string]lake.TableState{}}}
	rule := func(passed int64) schemas.ExpectationResult {
		return schemas.ExpectationResult{Name: "positive", Passed: passed, Failed: 1}
	}
	l.account("orders", schemas.Accounting{Commit: 1, Mode: "append", QueryRows: 4, Written: 3, DeadLettered: 1}, rule(3))
	l.account("orders", schemas.Accounting{Commit: 2, Mode: "append", QueryRows: 3, Written: 2, Discarded: 1, Unreadable: 1}, rule(2))
	l.account("totals", schemas.Accounting{Commit: 1, Mode: "replace", QueryRows: 2, Written: 1, DeadLettered: 1})
	l.account("totals", schemas.Accounting{Commit: 2, Mode: "replace", QueryRows: 4, Written: 4})
	l.write("orders", 1, false, "SELECT 1::INTEGER AS id FROM range(3)")
	l.write("orders", 2, false, "SELECT 1::INTEGER AS id FROM range(2)")
	l.write("totals", 1, false, "SELECT 1::INTEGER AS id FROM range(1)")
	l.write("totals", 2, true, "SELECT 1::INTEGER AS id FROM range(4)")
	l.write("dead_letter", 1, false, l.letter("orders", 1, "open"))
	l.write("dead_letter", 2, false, l.letter("orders", 2, "open")+" UNION ALL "+l.letter("orders", 2, "failed_update"))
	return l
}

func (l *fakeLake) audit() *audit.Report {
	l.t.Helper()
	if l.tables["event_log"] == nil {
		l.log(1)
		l.log(2)
	}
	r, err := audit.Run(l.t.Context(), audit.Input{Pipeline: "shop", State: &l.state, Lake: l, DB: l.db, DeadLetter: "dead_letter", Tables: []string{"totals", "orders", "a_view"}})
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

func TestAgrees(t *testing.T) {
	r := newLake(t).audit()
	var got []string
	for _, x := range r.Tables {
		got = append(got, fmt.Sprintf("%s %d commits %d rows %d letters %d files %v", x.Name, x.Commits, x.Rows, x.DeadLetters, x.Files, x.Findings))
	}
	want := []string{"totals 2 commits 4 rows 0 letters 1 files []", "orders 2 commits 5 rows 2 letters 2 files []",
		"dead_letter 2 commits 3 rows 0 letters 2 files []", "event_log 2 commits 4 rows 0 letters 2 files []"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || !r.OK || r.Commit != 2 {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestNothingStored(t *testing.T) {
	r, err := audit.Run(t.Context(), audit.Input{State: &lake.State{}})
	if err != nil || !r.OK || len(r.Tables) > 0 {
		t.Error(r, err)
	}
}

// Commits that an update publishes while the audit reads are not part of it.
func TestLaterCommits(t *testing.T) {
	l := newLake(t)
	l.log(1)
	l.log(2)
	l.write("orders", 3, false, "SELECT 1::INTEGER AS id FROM range(9)")
	l.write("dead_letter", 3, false, l.letter("orders", 3, "open"))
	if r := l.audit(); !r.OK || r.Tables[1].Rows != 5 {
		t.Error(r)
	}
}

// Every way in which the state can be wrong is found, once, at its place.
func TestFindings(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(*fakeLake)
		want   string // table, commit, check, expected, found; several separated by commas
	}{
		{"fewer rows than accounted", func(l *fakeLake) { l.accounting[3].Lakeflow.Written, l.accounting[3].Lakeflow.QueryRows = 9, 9 }, "totals 2 rows 9 4"},
		{"does not balance", func(l *fakeLake) { l.accounting[3].Lakeflow.QueryRows = 5 }, "totals 2 balance 5 4"},
		{"rule on other rows", func(l *fakeLake) { l.accounting[1].DataQuality.Expectations[0].Passed = 7 }, "orders 2 rule 3 8"},
		{"no accounting", func(l *fakeLake) { l.accounting = append(l.accounting[:1], l.accounting[2:]...) }, "orders 2 accounting 0 2,orders 2 dead_letters 0 1"},
		{"accounting twice", func(l *fakeLake) { l.account("totals", *l.accounting[3].Lakeflow) }, "totals 2 rows 8 4"},
		{"accounting without a snapshot", func(l *fakeLake) {
			l.account("gold", schemas.Accounting{Commit: 2, Mode: "replace", QueryRows: 1, Written: 1})
		}, "gold 0 table 0 0"},
		{"a commit without a snapshot", func(l *fakeLake) {
			l.tables["orders"].history = l.tables["orders"].history[:1]
		}, "orders 2 rows 2 0"},
		{"a lost file entry", func(l *fakeLake) { l.tables["orders"].live["2"] = l.tables["orders"].live["2"][:1] }, "orders 0 iceberg 5 2,orders 0 total 5 2"},
		{"added-records", func(l *fakeLake) { l.tables["orders"].history[0].AddedRows = 4 }, "orders 1 iceberg 4 3"},
		{"total-records", func(l *fakeLake) { l.tables["orders"].history[0].TotalRows = 4 }, "orders 1 iceberg 3 4"},
		{"expired snapshots", func(l *fakeLake) { l.tables["orders"].history = l.tables["orders"].history[1:] }, ""},
		{"a dead letter too many", func(l *fakeLake) { l.write("dead_letter", 2, false, l.letter("orders", 2, "open")) }, "orders 2 dead_letters 1 2"},
		{"dead letters lost", func(l *fakeLake) { l.write("dead_letter", 2, true, l.letter("orders", 1, "open")) }, "orders 2 dead_letters 1 0"},
		{"dead letters of replaced rows", func(l *fakeLake) { l.write("dead_letter", 2, false, l.letter("totals", 1, "open")) }, "totals 1 dead_letters 0 1"},
		{"dead letters of nobody's commit", func(l *fakeLake) { l.write("dead_letter", 2, false, l.letter("orders", 7, "open")) }, "orders 7 dead_letters 0 1"},
		{"another program's rows", func(l *fakeLake) { l.write("orders", 0, false, "SELECT 1::INTEGER AS id FROM range(6)") }, "orders 0 foreign 5 11"},
		{"another program compacts", func(l *fakeLake) {
			l.write("orders", 0, true, "SELECT 1::INTEGER AS id FROM range(5)")
			l.tables["orders"].history[2].Operation = "replace"
		}, ""},
		{"a gap in the log", func(l *fakeLake) { l.log(1); l.log(2); l.tables["event_log"].history[1].Commit, l.state.Commit = 3, 3 }, "event_log 2 accounting 1 0"},
		{"the log ends too early", func(l *fakeLake) { l.state.Commit = 3 }, "event_log 3 accounting 1 0"},
		{"a dropped table", func(l *fakeLake) { delete(l.state.Tables, "orders") }, "orders 0 table 0 0"},
		{"a file with other rows", func(l *fakeLake) { l.swap("orders", 0, 1) }, "orders 1 file 3 2"},
		{"a lost file", func(l *fakeLake) { l.remove("orders", 0) }, "orders 1 file 3 0"},
		{"a lost old file", func(l *fakeLake) { l.remove("totals", 0) }, "totals 1 file 0 0"},
		{"a lost log", func(l *fakeLake) { l.log(1); l.log(2); l.remove("event_log", 1) }, "event_log 0 accounting 0 0,event_log 2 file 2 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLake(t)
			c.damage(l)
			var got []string
			for _, x := range l.audit().Tables {
				for _, f := range x.Findings {
					got = append(got, fmt.Sprintf("%s %d %s %d %d", f.Table, f.Commit, f.Check, f.Expected, f.Found))
					if f.Message == "" || f.Remedy == "" {
						t.Errorf("%+v says too little", f)
					}
				}
			}
			if s := strings.Join(got, ","); s != c.want {
				t.Errorf("got %s, want %s", s, c.want)
			}
		})
	}
}

// swap puts the file of one snapshot in the place of another's.
func (l *fakeLake) swap(name string, to, from int) {
	h := l.tables[name].history
	content, err := os.ReadFile(h[from].Added[0])
	if err == nil {
		err = os.WriteFile(h[to].Added[0], content, 0o644)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *fakeLake) remove(name string, snapshot int) {
	if err := os.Remove(l.tables[name].history[snapshot].Added[0]); err != nil {
		l.t.Fatal(err)
	}
}

// merge rewrites a table's rows into one file, as compaction does: a snapshot of its own that carries the last commit's
// number.
func (l *fakeLake) merge(name, query string) {
	l.t.Helper()
	t := l.tables[name]
	last := t.history[len(t.history)-1]
	l.write(name, last.Commit, true, query)
	t.history[len(t.history)-1].Operation = "replace"
}

// expire drops all snapshots but the last few.
func (l *fakeLake) expire(name string, keep int) {
	t := l.tables[name]
	t.history = t.history[len(t.history)-keep:]
}

// Merged files and expired snapshots are no findings, but lost rows are.
func TestMergedAndExpired(t *testing.T) {
	const five = "SELECT 1::INTEGER AS id FROM range(5)"
	for name, change := range map[string]func(*fakeLake){
		"merged": func(l *fakeLake) { l.merge("orders", five) },
		"merged, the rest expired": func(l *fakeLake) {
			l.merge("orders", five)
			l.expire("orders", 1)
			l.expire("totals", 1)
			l.expire("dead_letter", 1)
		},
		"merged, then written": func(l *fakeLake) {
			l.merge("orders", five)
			l.expire("orders", 1)
			l.state.Commit = 3
			l.account("orders", schemas.Accounting{Commit: 3, Mode: "append", QueryRows: 2, Written: 2})
			l.write("orders", 3, false, "SELECT 1::INTEGER AS id FROM range(2)")
			l.log(1)
			l.log(2)
			l.log(3)
		},
		"event log merged": func(l *fakeLake) {
			l.log(1)
			l.log(2)
			l.merge("event_log", "SELECT * FROM "+duck.ReadFiles(l.tables["event_log"].schema, l.tables["event_log"].live["2"]))
			l.expire("event_log", 1)
		},
	} {
		l := newLake(t)
		change(l)
		if r := l.audit(); !r.OK {
			t.Errorf("%s: %+v", name, r)
		}
	}
	l := newLake(t)
	l.merge("orders", "SELECT 1::INTEGER AS id FROM range(4)")
	r := l.audit()
	if r.OK || !strings.Contains(fmt.Sprint(r), "merging files changed the number of rows from 5 to 4") {
		t.Errorf("a merge that lost a row: %+v", r)
	}
}
