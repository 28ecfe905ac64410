package cdc_test

import (
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
	if _, err := spec.ApplySnapshots(t.Context(), conn, relations, "__cdc_", time.Time{}); err == nil {
		t.Error("a snapshot with unknown columns")
	}
}
