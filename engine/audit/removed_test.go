package audit_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// take gives orders a third commit, which removes rows of its first file by their positions, and accounts for two.
func (l *fakeLake) take(positions ...int) {
	l.t.Helper()
	t := l.tables["orders"]
	var list []string
	for _, n := range positions {
		list = append(list, fmt.Sprintf("SELECT '%s' AS file_path, %d::BIGINT AS pos", lake.URI(t.history[0].Added[0]), n))
	}
	layout := duck.Layout{Dir: filepath.Join(l.dir, "orders", "data"), Schema: lake.DeleteSchema()}
	files, n, err := l.db.WriteParquet(l.t.Context(), strings.Join(list, " UNION ALL "), layout)
	if err != nil {
		l.t.Fatal(err)
	}
	t.deletes = files
	t.live["3"] = t.live["2"]
	t.history = append(t.history, lake.Snapshot{ID: 3, Commit: 3, Operation: "delete", RemovedRows: n, TotalRows: 5 - n})
	l.state.Tables["orders"] = lake.TableState{Name: "orders", Commit: 3, Snapshot: 3}
	l.account("orders", schemas.Accounting{Commit: 3, Mode: "merge", QueryRows: 2, Changes: &schemas.ChangeCounts{Applied: 2, Removed: 2}})
	l.log(1)
	l.log(2)
	l.log(3)
	l.state.Commit = 3
}

// Rows that were removed one by one are counted in the files that name them.
func TestRemovedRows(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(*fakeLake)
		want   string
	}{
		{"right", func(l *fakeLake) { l.take(0, 2) }, ""},
		{"fewer than accounted", func(l *fakeLake) { l.take(1) }, "orders 3 rows 2 1"},
		{"more than accounted", func(l *fakeLake) { l.take(0, 1, 2) }, "orders 3 rows 2 3"},
		{"a row twice", func(l *fakeLake) { l.take(1, 1) }, "orders 0 iceberg 3 4,orders 0 total 3 4"},
		{"a row that is not there", func(l *fakeLake) { l.take(0, 3) }, "orders 0 iceberg 3 4,orders 0 total 3 4"},
		{"a lost file", func(l *fakeLake) { l.take(0, 2); duck.Remove(l.tables["orders"].deletes) }, "orders 0 file 2 0"},
		{"a lost entry", func(l *fakeLake) { l.take(0, 2); l.tables["orders"].deletes = nil }, "orders 0 iceberg 3 5,orders 0 total 3 5"},
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
