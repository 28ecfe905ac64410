package maintain_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/maintain"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// writer is a pipeline in miniature: it commits batches to a table with partitions and to the event log.
type writer struct {
	t      *testing.T
	dir    string
	lake   *iceberg.Lake
	db     *duck.DB
	epoch  int64
	number int64
}

func openDuck(t *testing.T, dir, name string) *duck.DB {
	t.Helper()
	db, err := duck.Open(t.Context(), duck.Config{MemoryLimit: "256MB", TempDir: filepath.Join(dir, "."+name), Threads: 1, Folders: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func newWriter(t *testing.T, keep int) *writer {
	t.Helper()
	dir := t.TempDir()
	opened, err := iceberg.Open(t.Context(), dir, "main", "p", iceberg.Retention{Snapshots: keep})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	epoch, err := opened.Acquire(t.Context(), lake.Holder{})
	if err != nil {
		t.Fatal(err)
	}
	return &writer{t: t, dir: dir, lake: opened, db: openDuck(t, dir, "writer"), epoch: epoch}
}

var partition = []schemas.PartitionField{{Column: "k", Transform: "identity", Name: "k"}}

// change stages the rows of a query, made from the table's head.
func (w *writer) change(ctx context.Context, table, query string, columns schemas.Table, by []schemas.PartitionField) (lake.TableChange, error) {
	state, err := w.lake.State(ctx)
	if err != nil {
		return lake.TableChange{}, err
	}
	columns, _ = schemas.AssignIDs(columns, 0)
	files, _, err := w.db.WriteParquet(ctx, query, duck.Layout{Dir: w.lake.DataDir(table), Schema: columns, Partition: by})
	return lake.TableChange{Table: table, Schema: columns, Partition: by, Base: state.Tables[table].Snapshot, Add: files}, err
}

// batch commits ten rows of three partitions. The ids of all batches count up from 0.
func (w *writer) batch(ctx context.Context, replace bool) error {
	return w.batchWithout(ctx, replace, "false")
}

// batchWithout is a batch that also removes the rows of a condition.
func (w *writer) batchWithout(ctx context.Context, replace bool, gone string) error {
	big := schemas.Type{Kind: schemas.BigInt}
	t, err := w.change(ctx, "t", fmt.Sprintf("SELECT %d + i AS id, i %% 3 AS k FROM range(10) r(i)", w.number*10), schemas.Table{{Name: "id", Type: big}, {Name: "k", Type: big}}, partition)
	if err != nil {
		return err
	}
	if replace {
		t.Mode = lake.Replace
	}
	if t.Base != 0 && gone != "false" {
		c, err := w.lake.Files(ctx, "t", lake.Version{})
		if err != nil {
			return err
		}
		relation, files := duck.ReadPlaces(c.Schema, c.Files)
		if t.Remove, err = w.db.WriteDeletes(ctx, "SELECT __file, __row FROM "+relation+" WHERE "+gone, files, w.lake.DataDir("t")); err != nil {
			return err
		}
	}
	log, err := w.change(ctx, iceberg.EventLog, fmt.Sprintf("SELECT %d AS id", w.number), schemas.Table{{Name: "id", Type: big}}, nil)
	if err != nil {
		return err
	}
	w.number++
	out, err := w.lake.Commit(ctx, &lake.Commit{Number: w.number, Epoch: w.epoch, Tables: []lake.TableChange{t, log}})
	if err == nil && out.Status != lake.Committed {
		err = fmt.Errorf("commit %d: outcome %d", w.number, out.Status)
	}
	return err
}

// rows is what a query over a table gives.
func (w *writer) rows(db *duck.DB, table, query string) string {
	w.t.Helper()
	c, err := w.lake.Files(w.t.Context(), table, lake.Version{})
	if err != nil {
		w.t.Fatal(err)
	}
	var text string
	if err := db.Conn().QueryRowContext(w.t.Context(), fmt.Sprintf("SELECT CAST((%s) AS VARCHAR)", fmt.Sprintf(query, duck.ReadFiles(c.Schema, c.Files)))).Scan(&text); err != nil {
		w.t.Fatal(err)
	}
	return text
}

// TestCompactBesideBatches compacts in the background while batches are committed as fast as they can be. No batch is
// refused, no row is lost or doubled, a stream sees each row once, and the number of files stays within bounds.
func TestCompactBesideBatches(t *testing.T) {
	w := newWriter(t, 20)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var merged maintain.Compaction
	var failure error
	in := maintain.Input{Lake: w.lake, Epoch: w.epoch, DB: openDuck(t, w.dir, "merger")}
	wg.Go(func() {
		for ctx.Err() == nil {
			c, err := maintain.Compact(ctx, in)
			merged.Merged, merged.Made = merged.Merged+c.Merged, merged.Made+c.Made
			if err != nil && ctx.Err() == nil {
				failure = err
				return
			}
			if _, err := w.lake.RemoveOrphans(ctx, 0); err != nil && ctx.Err() == nil {
				failure = err
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	seen, last := 0, int64(0)
	most := int64(0)
	for i := range 150 {
		if err := w.batch(ctx, false); err != nil {
			t.Fatal(err)
		}
		if i%10 == 9 { // a stream that reads now and then
			c, err := w.lake.Appended(ctx, "t", last, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range c.Files {
				seen += int(f.Rows)
			}
			last = c.Commit
		}
		state, err := w.lake.State(ctx)
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, state.Tables["t"].Files)
	}
	cancel()
	wg.Wait()
	if failure != nil {
		t.Fatal(failure)
	}
	if merged.Merged == 0 || merged.Made >= merged.Merged {
		t.Errorf("compaction made %+v", merged)
	}
	t.Logf("%d files were merged into %d; at most %d files", merged.Merged, merged.Made, most)
	if most > 3*(2+16)+60 { // three partitions; and compaction may be late
		t.Errorf("there were up to %d files", most)
	}
	if seen != 1500 {
		t.Errorf("a stream saw %d rows", seen)
	}
	if got := w.rows(w.db, "t", "SELECT [count(*), count(DISTINCT id), sum(id), sum(k)] FROM %s"); got != "[1500, 1500, 1124250, 1350]" {
		t.Errorf("the table holds %s", got)
	}
	if _, err := maintain.Run(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if s, err := w.lake.State(t.Context()); err != nil || s.Tables["t"].Files > 6 || s.Tables["event_log"].Files > 2 || s.Commit != 150 || s.Tables["t"].Rows != 1500 {
		t.Errorf("after maintenance: %+v, %v", s, err)
	}
	if got := w.rows(w.db, "t", "SELECT [count(*), count(DISTINCT id), sum(id), sum(k)] FROM %s"); got != "[1500, 1500, 1124250, 1350]" {
		t.Errorf("after maintenance the table holds %s", got)
	}
}

// lakeWithDamage hands out one row more than a file has.
type lakeWithDamage struct{ maintain.Lake }

func (l lakeWithDamage) Stored(ctx context.Context, table string) (*lake.Stored, error) {
	s, err := l.Lake.Stored(ctx, table)
	if err == nil && table == "t" {
		s.Files[0].Rows++
	}
	return s, err
}

// Files whose rows are not those of the metadata are not merged: that would hide the damage.
func TestDamagedFilesStay(t *testing.T) {
	w := newWriter(t, 20)
	for range 4 {
		if err := w.batch(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	before, err := w.lake.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = maintain.Run(t.Context(), maintain.Input{Lake: lakeWithDamage{w.lake}, Epoch: w.epoch, DB: w.db})
	if err == nil || !strings.Contains(err.Error(), "lakeflow audit") {
		t.Errorf("damaged files were merged: %v", err)
	}
	after, err := w.lake.State(t.Context())
	if err != nil || after.Tables["t"].Snapshot != before.Tables["t"].Snapshot {
		t.Errorf("the table moved: %v, %v", after, err)
	}
}

// lakeThatLoses replaces the table's rows just before each rewrite.
type lakeThatLoses struct {
	maintain.Lake
	w *writer
}

func (l lakeThatLoses) Rewrite(ctx context.Context, r *lake.Rewrite) (lake.Status, error) {
	if r.Table == "t" {
		if err := l.w.batch(ctx, true); err != nil {
			return 0, err
		}
	}
	return l.Lake.Rewrite(ctx, r)
}

// A rewrite that loses against a commit leaves nothing behind.
func TestLosesAgainstCommits(t *testing.T) {
	w := newWriter(t, 20)
	for range 4 {
		if err := w.batch(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := maintain.Run(t.Context(), maintain.Input{Lake: lakeThatLoses{w.lake, w}, Epoch: w.epoch, DB: w.db}); err != nil {
		t.Fatal(err)
	}
	if got := w.rows(w.db, "t", "SELECT [count(*), sum(id)] FROM %s"); got != "[10, 445]" {
		t.Errorf("the table holds %s", got)
	}
	files, err := filepath.Glob(filepath.Join(w.lake.DataDir("t"), "*", "*", "*.parquet"))
	if err != nil || len(files) != 5*3 {
		t.Errorf("%d data files of five batches, %v", len(files), err)
	}
	if _, err := w.lake.Stored(t.Context(), "none"); !errors.Is(err, lake.ErrNoTable) {
		t.Error(err)
	}
}

// TestFold removes rows with every batch. What readers pay for it stays within bounds, and no row comes back.
func TestFold(t *testing.T) {
	w := newWriter(t, 20)
	in := maintain.Input{Lake: w.lake, Epoch: w.epoch, DB: w.db, Changing: map[string]bool{"t": true}}
	folds := 0
	for i := range int64(30) {
		gone := fmt.Sprintf("id %% 7 = 3 AND id < %d OR id = %d", i*10-30, i*5)
		if err := w.batchWithout(t.Context(), false, gone); err != nil {
			t.Fatal(err)
		}
		state, err := w.lake.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := maintain.Compact(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		did, err := maintain.Fold(t.Context(), in, state)
		if err != nil {
			t.Fatal(err)
		}
		if did {
			folds++
		}
		if state, err = w.lake.State(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := state.Tables["t"]; s.Deletes > 3*(1+16) || s.Files > 3*(2+16)+1 || s.Commit != i+1 {
			t.Fatalf("after %d batches: %+v", i+1, s)
		}
		want := fmt.Sprintf("SELECT [count(*), sum(id)] FROM range(%d) r(id) WHERE NOT (id %% 7 = 3 AND id < %d) AND NOT (id %% 5 = 0 AND id <= %d)", (i+1)*10, i*10-30, i*5)
		if i == 0 {
			want = "SELECT [count(*), sum(id)] FROM range(10) r(id)" // there was nothing to remove yet
		} else {
			want = strings.Replace(want, "id % 5 = 0", "id % 5 = 0 AND id > 0", 1)
		}
		var wanted string
		if err := w.db.Conn().QueryRowContext(t.Context(), "SELECT CAST(("+want+") AS VARCHAR)").Scan(&wanted); err != nil {
			t.Fatal(err)
		}
		if got := w.rows(w.db, "t", "SELECT [count(*), sum(id)] FROM %s"); got != wanted {
			t.Fatalf("after %d batches the table holds %s, want %s", i+1, got, wanted)
		}
	}
	if folds == 0 || folds > 15 {
		t.Errorf("%d folds of 30 batches", folds)
	}
	t.Logf("%d folds", folds)
	if _, err := maintain.Run(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if s, err := w.lake.State(t.Context()); err != nil || s.Tables["t"].Deletes > 3 || s.Tables["t"].Files > 6 {
		t.Errorf("after maintenance: %+v, %v", s.Tables["t"], err)
	}
}
