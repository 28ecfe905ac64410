package iceberg_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sinks/sinktest"
	"github.com/lakeflow/lakeflow/sources"
)

// writer commits made-up files: the cost of the lake alone.
type writer struct {
	lake   *iceberg.Lake
	number int64
	epoch  int64
	bases  map[string]int64
}

func newWriter(b *testing.B, dir string) *writer {
	b.Helper()
	opened, err := iceberg.Open(context.Background(), dir, "main", "p", iceberg.Retention{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = opened.Close() })
	epoch, err := opened.Acquire(context.Background(), lake.Holder{})
	if err != nil {
		b.Fatal(err)
	}
	return &writer{lake: opened, epoch: epoch, bases: map[string]int64{}}
}

func (w *writer) commit(b *testing.B, tables int) {
	b.Helper()
	w.number++
	schema, _ := schemas.AssignIDs(schemas.EventLog(), 0)
	c := &lake.Commit{Number: w.number, Epoch: w.epoch, Positions: position.Set{sinktest.At("f"): sources.Position(fmt.Sprintf(`{"n":%d,"columns":[["a","BIGINT"],["b","VARCHAR"]]}`, w.number))}}
	for i := range tables {
		name := fmt.Sprint("table_", i)
		if i == 0 {
			name = iceberg.EventLog
		}
		c.Tables = append(c.Tables, lake.TableChange{Table: name, Schema: schema, Base: w.bases[name],
			Add: []lake.DataFile{{Path: filepath.Join(w.lake.DataDir(name), fmt.Sprint(w.number, ".parquet")), Rows: 1, Bytes: 100,
				Columns: map[string]lake.ColumnStats{`"id"`: {Min: "a", Max: "b", HasMin: true, HasMax: true, Values: 1, Bytes: 10}}}}})
	}
	out, err := w.lake.Commit(context.Background(), c)
	if err != nil || out.Status != lake.Committed {
		b.Fatal(out, err)
	}
	w.bases = out.Snapshots
}

// BenchmarkCommit is a commit of five small tables, syncs included, after so many commits.
func BenchmarkCommit(b *testing.B) {
	for _, before := range []int{10, 1000} {
		b.Run(fmt.Sprint("after ", before), func(b *testing.B) {
			w := newWriter(b, b.TempDir())
			for range before {
				w.commit(b, 5)
			}
			for b.Loop() {
				w.commit(b, 5)
			}
		})
	}
}

// BenchmarkLongHistory compares commits of five small tables, syncs included, from the 100th and from the 10,000th on,
// in turn: the ratio of their medians is to stay below 1.5.
func BenchmarkLongHistory(b *testing.B) {
	young, old := newWriter(b, b.TempDir()), newWriter(b, b.TempDir())
	for range 100 {
		young.commit(b, 5)
	}
	for range 10_000 {
		old.commit(b, 5)
	}
	var short, long []float64
	timed := func(w *writer) float64 {
		began := time.Now()
		w.commit(b, 5)
		return float64(time.Since(began).Microseconds()) / 1000
	}
	for b.Loop() {
		for range 200 {
			short, long = append(short, timed(young)), append(long, timed(old))
		}
	}
	slices.Sort(short)
	slices.Sort(long)
	at := func(part float64) (float64, float64) {
		i := int(part * float64(len(short)))
		return short[i], long[i]
	}
	s, l := at(0.5)
	b.ReportMetric(s, "ms/100th")
	b.ReportMetric(l, "ms/10000th")
	b.ReportMetric(l/s, "ratio")
	s, l = at(0.99)
	b.ReportMetric(l/s, "ratio-p99")
}

// BenchmarkOpen opens a warehouse and reads the state of three tables, as a run that finds nothing to do does.
func BenchmarkOpen(b *testing.B) {
	for _, before := range []int{10, 1000} {
		b.Run(fmt.Sprint("after ", before), func(b *testing.B) {
			dir := b.TempDir()
			w := newWriter(b, dir)
			for range before {
				w.commit(b, 3)
			}
			for b.Loop() {
				opened, err := iceberg.Open(context.Background(), dir, "main", "p", iceberg.Retention{})
				if err != nil {
					b.Fatal(err)
				}
				if s, err := opened.State(context.Background()); err != nil || len(s.Tables) != 3 {
					b.Fatal(s, err)
				}
				_ = opened.Close()
			}
		})
	}
}
