package cdc_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/engine/cdc"
	"github.com/lakeflow/lakeflow/schemas"
)

func integer(name string) schemas.Column {
	return schemas.Column{Name: name, Type: schemas.Type{Kind: schemas.Integer}}
}

// small is a table of a key and a value.
func small() cdc.Spec {
	return cdc.Spec{Keys: []string{"k"}, Columns: schemas.Table{integer("k"), integer("v")}, Sequence: integer("").Type, Tracked: []string{"v"}}
}

// feed applies changes, as SQL has them in VALUES, and says what the table holds afterwards.
func (h held) feed(t *testing.T, now time.Time, table, changes string) string {
	t.Helper()
	exec(t, h.conn, "DELETE FROM ch")
	if changes != "" {
		exec(t, h.conn, "INSERT INTO ch VALUES "+changes)
	}
	h.apply(t, now)
	var rows []string
	for _, row := range texts(t, h.conn, "SELECT * FROM "+table) {
		rows = append(rows, strings.Join(row, " "))
	}
	return strings.Join(rows, "; ")
}

func TestTombstones(t *testing.T) {
	truncated := small()
	truncated.Truncates = true
	h := hold(t, open(t), truncated)
	state := func(now time.Time, changes string) string {
		h.feed(t, now, "tgt", changes)
		var rows []string
		for _, row := range texts(t, h.conn, "SELECT k, __sequence, __deleted_at IS NOT NULL FROM st") {
			rows = append(rows, strings.Join(row, " "))
		}
		return strings.Join(rows, "; ")
	}
	for _, c := range []struct {
		what    string
		at      time.Duration
		changes string
		want    string
	}{
		{"two deletes, an upsert and a truncate", 0, "(1, NULL, 5, 'delete'), (2, NULL, 5, 'delete'), (3, 1, 5, 'upsert'), (NULL, NULL, 1, 'truncate')",
			"1 5 true; 2 5 true; 3 5 false; NULL 1 false"},
		{"a late upsert", keep - time.Microsecond, "(1, 1, 4, 'upsert')", "1 5 true; 2 5 true; 3 5 false; NULL 1 false"},
		{"a newer delete", keep - time.Microsecond, "(2, 1, 6, 'delete')", "1 5 true; 2 6 true; 3 5 false; NULL 1 false"},
		{"the batch after which one is forgotten still knows it", keep, "(1, 1, 4, 'upsert')", "2 6 true; 3 5 false; NULL 1 false"},
		{"a later upsert brings it back", keep, "(1, 1, 4, 'upsert')", "1 4 false; 2 6 true; 3 5 false; NULL 1 false"},
		{"the other one goes in a batch without changes", 2*keep - time.Microsecond, "", "1 4 false; 3 5 false; NULL 1 false"},
	} {
		if got := state(epoch.Add(c.at), c.changes); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

// TestExamples are those that the documentation of the package gives in words.
func TestExamples(t *testing.T) {
	history, ignoring, truncated := small(), small(), small()
	history.History, ignoring.Truncates, truncated.Truncates = true, true, true
	ignoring.Columns = append(ignoring.Columns, integer("w"))
	ignoring.IgnoreNulls = []string{"v", "w"}
	both, untracked, carrying := history, history, ignoring
	carrying.Truncates, carrying.History, carrying.IgnoreNulls, carrying.Tracked = false, true, []string{"v"}, []string{"w"}
	both.IgnoreNulls = []string{"v"}
	untracked.Tracked = nil
	for _, c := range []struct {
		what string
		spec cdc.Spec
		give []string
		want string
	}{
		{"the larger sequence wins", small(), []string{"(1, 1, 2, 'upsert')", "(1, 9, 1, 'upsert')"}, "1 1"},
		{"of equal sequences the greater row", small(), []string{"(1, 9, 1, 'upsert')", "(1, 1, 1, 'upsert'), (1, NULL, 1, 'upsert')"}, "1 9"},
		{"of equal sequences the delete", small(), []string{"(1, 9, 1, 'delete')", "(1, 1, 1, 'upsert')"}, ""},
		{"a truncate is strict", truncated, []string{"(1, 1, 1, 'upsert'), (2, 2, 2, 'upsert')", "(NULL, NULL, 2, 'truncate')", "(3, 3, 1, 'upsert')"}, "2 2"},
		{"values stay where a change has NULL", ignoring, []string{"(1, 1, NULL, 1, 'upsert')", "(1, NULL, 2, 2, 'upsert')"}, "1 1 2"},
		{"a late change gives what is missing", ignoring, []string{"(1, NULL, 2, 2, 'upsert')", "(1, 1, 1, 1, 'upsert')"}, "1 1 2"},
		{"of equal sequences each its greatest value", ignoring, []string{"(1, 1, 4, 1, 'upsert')", "(1, 2, 3, 1, 'upsert')"}, "1 2 4"},
		{"a late delete forgets values", ignoring, []string{"(1, 1, NULL, 1, 'upsert'), (1, NULL, 2, 3, 'upsert')", "(1, 0, 0, 2, 'delete')"}, "1 NULL 2"},
		{"a truncate forgets values", ignoring, []string{"(1, 1, NULL, 1, 'upsert'), (1, NULL, 2, 3, 'upsert')", "(NULL, NULL, NULL, 2, 'truncate')"}, "1 NULL 2"},
		{"versions", history, []string{"(1, 1, 1, 'upsert'), (1, 1, 2, 'upsert'), (1, 2, 3, 'upsert')"}, "1 1 1 3; 1 2 3 NULL"},
		{"a late version", history, []string{"(1, 1, 1, 'upsert'), (1, 1, 3, 'upsert')", "(1, 2, 2, 'upsert')"}, "1 1 1 2; 1 1 3 NULL; 1 2 2 3"},
		{"a delete ends a version", history, []string{"(1, 1, 1, 'upsert'), (1, 1, 3, 'upsert')", "(1, 7, 2, 'delete')"}, "1 1 1 2; 1 1 3 NULL"},
		{"what is not tracked is set in place", untracked, []string{"(1, 1, 1, 'upsert')", "(1, 2, 2, 'upsert')"}, "1 2 1 NULL"},
		{"values are carried, but not over a delete", both,
			[]string{"(1, 1, 1, 'upsert'), (1, NULL, 2, 'upsert'), (1, NULL, 4, 'upsert')", "(1, 7, 3, 'delete')"}, "1 1 1 3; 1 NULL 4 NULL"},
		{"a late change is carried into later versions", carrying,
			[]string{"(1, 1, 1, 1, 'upsert'), (1, NULL, 2, 5, 'upsert')", "(1, 7, 1, 3, 'upsert')"}, "1 7 1 1 5; 1 7 2 5 NULL"},
		{"a late delete is, too", carrying,
			[]string{"(1, 1, 1, 1, 'upsert'), (1, NULL, 2, 5, 'upsert')", "(1, 0, 0, 3, 'delete')"}, "1 1 1 1 3; 1 NULL 2 5 NULL"},
	} {
		h := hold(t, open(t), c.spec)
		var got string
		for i, changes := range c.give {
			got = h.feed(t, epoch.Add(time.Duration(i)*time.Second), "tgt", changes)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestWrong(t *testing.T) {
	conn := open(t)
	spec := small()
	h := hold(t, conn, spec)
	relations := cdc.Relations{Changes: "ch", Target: `(SELECT *, 7 AS "__file", rowid AS "__row" FROM tgt)`, State: `(SELECT *, 7 AS "__file", rowid AS "__row" FROM st)`}
	exec(t, conn, "INSERT INTO ch VALUES (1, 1, 1, 'update')")
	if _, err := h.spec.Apply(t.Context(), conn, relations, "__cdc_", epoch, keep); err == nil || !strings.Contains(err.Error(), "unknown __op: update") {
		t.Errorf("an unknown operation: %v", err)
	}
	if left := texts(t, conn, "SELECT table_name FROM duckdb_tables() WHERE temporary"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	spec.Keys, spec.IgnoreNulls = []string{"key"}, []string{"x"}
	if _, err := spec.Apply(t.Context(), conn, relations, "__cdc_", epoch, keep); err == nil ||
		!strings.Contains(err.Error(), "there is no column key") || !strings.Contains(err.Error(), "there is no column x") {
		t.Errorf("unknown columns: %v", err)
	}
	if _, err := spec.FromSnapshot("ch", "tgt"); err == nil {
		t.Error("a snapshot with unknown columns")
	}
}

// TestFromSnapshot makes random targets equal to random snapshots, in which keys are there twice and missing.
func TestFromSnapshot(t *testing.T) {
	conn := open(t)
	all, sequences := samples(), sequenceSamples()
	for _, s := range slices.Concat(all, sequences) {
		s.load(t, conn)
	}
	seed := number(t, "CDC_SEED", int(time.Now().UnixNano()))
	for i := range 60 {
		r := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
		w := newWorld(t, conn, r, all, sequences[:1])
		if slices.Contains(w.ignored, true) {
			continue
		}
		changes, _ := w.changes(r)
		for i := range changes {
			changes[i].seq = min(changes[i].seq, 2)
		}
		w.give(t, changes)
		w.apply(t, epoch)
		for version := range 2 {
			rows, _ := w.changes(r)
			// Some rows are as they are in the target.
			for _, v := range w.target(changes) {
				if v.end < 0 && r.IntN(2) == 0 {
					rows = append(rows, change{kind: upsert, key: w.key(v.row), row: v.row})
				}
			}
			changes = append(changes, w.snapshot(t, rows, 3+version)...)
			if t.Failed() {
				t.Fatalf("CDC_SEED=%d, spec %d: %+v", seed, i, w.spec)
			}
		}
	}
}

func (w *world) key(row []int) string {
	var key string
	for i, v := range row {
		if w.isKey(i) {
			key += fmt.Sprint(v) + " "
		}
	}
	return key
}

// snapshot makes the target equal to the upserts of rows, and returns the changes that this is for the model.
func (w *world) snapshot(t *testing.T, rows []change, version int) []change {
	rows = slices.DeleteFunc(rows, func(c change) bool { return c.kind != upsert })
	greatest := map[string][]int{}
	for _, c := range rows {
		if slices.Compare(c.row, greatest[c.key]) > 0 {
			greatest[c.key] = c.row
		}
	}
	exec(t, w.conn, "DELETE FROM ch")
	if len(rows) > 0 {
		w.give(t, rows)
	}
	exec(t, w.conn, "CREATE OR REPLACE TABLE snapshot AS SELECT * EXCLUDE (__sequence, __op) FROM ch")
	query, err := w.spec.FromSnapshot("snapshot", "tgt")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, w.conn, "DELETE FROM ch")
	exec(t, w.conn, "INSERT INTO ch BY NAME SELECT *, "+w.sequence.literal(version)+" AS __sequence FROM ("+query+")")
	if r := w.apply(t, epoch); r.Applied != r.Changes || r.Applied != r.Upserted+r.Deleted && !w.history {
		t.Errorf("changes that change nothing: %+v", r)
	}
	var want, got []string
	for _, row := range greatest {
		want = append(want, fmt.Sprint(row))
	}
	open := "tgt"
	if w.history {
		open = "(SELECT * FROM tgt WHERE __END_AT IS NULL)"
	}
	slices.Sort(want)
	if got = w.rows(t, open, w.columns); !slices.Equal(got, want) {
		t.Errorf("after a snapshot of %v\n%v, want\n%v", rows, got, want)
	}
	if left := texts(t, w.conn, "SELECT count(*) FROM ("+query+")")[0][0]; left != "0" {
		t.Errorf("the same snapshot again: %s changes", left)
	}
	var changes []change
	for key, row := range greatest {
		changes = append(changes, change{seq: version, kind: upsert, key: key, row: row})
	}
	return changes
}

// TestSnapshotRows has rows without a key, and columns of IgnoreNulls.
func TestSnapshotRows(t *testing.T) {
	spec := small()
	h := hold(t, open(t), spec)
	h.feed(t, epoch, "tgt", "(1, 1, 1, 'upsert'), (2, 2, 1, 'upsert'), (3, 3, 1, 'upsert'), (4, NULL, 1, 'upsert')")
	exec(t, h.conn, "CREATE TABLE snapshot AS FROM (VALUES (1, 1), (1, 0), (2, 3), (2, NULL), (NULL, 7), (NULL, 7), (4, NULL)) AS s(k, v)")
	for _, c := range []struct {
		ignored []string
		want    string
	}{
		{nil, "2 3 upsert; 3 NULL delete; NULL 7 upsert; NULL 7 upsert"},
		{[]string{"v"}, "2 3 upsert; 3 NULL delete; NULL 7 upsert; NULL 7 upsert"},
	} {
		spec.IgnoreNulls = c.ignored
		query, err := spec.FromSnapshot("snapshot", "tgt")
		if err != nil {
			t.Fatal(err)
		}
		var rows []string
		for _, row := range texts(t, h.conn, query) {
			rows = append(rows, strings.Join(row, " "))
		}
		if got := strings.Join(rows, "; "); got != c.want {
			t.Errorf("IgnoreNulls %v: %s, want %s", c.ignored, got, c.want)
		}
	}
	exec(t, h.conn, "CREATE OR REPLACE TABLE snapshot AS FROM (VALUES (1, NULL), (2, 2), (3, 3), (4, NULL)) AS s(k, v)")
	query, err := spec.FromSnapshot("snapshot", "tgt")
	if err != nil {
		t.Fatal(err)
	}
	if got := texts(t, h.conn, query); len(got) > 0 {
		t.Errorf("NULL of IgnoreNulls is a difference: %v", got)
	}
}
