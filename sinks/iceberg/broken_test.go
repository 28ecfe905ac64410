package iceberg_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sinks/sinktest"
)

// written is a lake with a commit of a table and marks, closed.
func written(t *testing.T) *sinktest.Fixture {
	t.Helper()
	f := sinktest.NewFixture(t, open)
	c := f.Commit(f.Change("t", []string{"id INTEGER"}, "SELECT 1 id"))
	c.Positions = position.Set{sinktest.At("f"): json.RawMessage("1")}
	f.Do(c, lake.Committed)
	if err := f.Lake.Close(); err != nil {
		t.Fatal(err)
	}
	return f
}

func catalogExec(t *testing.T, f *sinktest.Fixture, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.ReplaceAll(filepath.Join(f.Warehouse, "catalog.db"), "%", "%25"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}

// refused expects that neither reading nor becoming the writer and committing gets past a broken warehouse.
func refused(t *testing.T, broken sinktest.Lake, words ...string) {
	t.Helper()
	_, err := broken.State(context.Background())
	if err == nil {
		t.Fatal("a broken warehouse was read")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	epoch, err := broken.Acquire(context.Background(), lake.Holder{})
	if err != nil {
		return
	}
	out, err := broken.Commit(context.Background(), &lake.Commit{Number: 1, Epoch: epoch, Tables: []lake.TableChange{
		{Table: iceberg.EventLog, Add: []lake.DataFile{{Path: "/x.parquet", Rows: 1}}}}})
	if err == nil {
		t.Errorf("a commit to a broken warehouse gave %v", out)
	}
}

func TestWrongStateStops(t *testing.T) {
	t.Run("event log dropped", func(t *testing.T) {
		f := written(t)
		catalogExec(t, f, "DELETE FROM iceberg_tables WHERE table_name = 'event_log'")
		refused(t, f.Reopen(), "event_log", "table t has commit 1", "restore")
	})
	t.Run("all tables dropped", func(t *testing.T) {
		f := written(t)
		catalogExec(t, f, "DELETE FROM iceberg_tables")
		refused(t, f.Reopen(), "event_log", "the catalog remembers tables", "restore")
	})
	t.Run("catalog deleted", func(t *testing.T) {
		f := written(t)
		if err := os.Remove(filepath.Join(f.Warehouse, "catalog.db")); err != nil {
			t.Fatal(err)
		}
		refused(t, f.Reopen(), "catalog.db", "deleted or replaced", "restore")
	})
	t.Run("catalog emptied", func(t *testing.T) {
		f := written(t)
		catalogExec(t, f, "DELETE FROM iceberg_tables; DELETE FROM lakeflow_heads; DELETE FROM lakeflow_owner")
		refused(t, f.Reopen(), "deleted or replaced")
	})
	t.Run("catalog is no database", func(t *testing.T) {
		f := written(t)
		if err := os.WriteFile(filepath.Join(f.Warehouse, "catalog.db"), []byte(strings.Repeat("garbage ", 1000)), 0o644); err != nil {
			t.Fatal(err)
		}
		refused(t, f.Reopen(), "catalog.db")
	})
	for name, stored := range map[string]bool{"metadata missing": true, "metadata missing, head not stored": false} {
		t.Run(name, func(t *testing.T) {
			f := written(t)
			if !stored {
				catalogExec(t, f, "DELETE FROM lakeflow_heads")
			}
			for _, file := range glob(t, filepath.Join(f.Warehouse, "main", "t", "metadata"), ".metadata.json") {
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
			}
			refused(t, f.Reopen(), "table t", "missing", "restore")
		})
	}
	t.Run("metadata torn", func(t *testing.T) {
		f := written(t)
		catalogExec(t, f, "DELETE FROM lakeflow_heads")
		for _, file := range glob(t, filepath.Join(f.Warehouse, "main", "t", "metadata"), ".metadata.json") {
			if err := os.Truncate(file, 100); err != nil {
				t.Fatal(err)
			}
		}
		refused(t, f.Reopen(), "table t", "restore")
	})
	t.Run("another pipeline's schema", func(t *testing.T) {
		f := written(t)
		other, err := iceberg.Open(context.Background(), f.Warehouse, "main", "other", iceberg.Retention{})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		refused(t, other, "belongs to pipeline p", "target schema")
	})
	t.Run("table ahead of the event log", func(t *testing.T) {
		f := written(t)
		catalogExec(t, f, "CREATE TABLE saved AS SELECT * FROM iceberg_tables")
		f.Lake = f.Reopen()
		f.Epoch = 0
		f.Append("t", []string{"id INTEGER"}, "SELECT 2 id")
		catalogExec(t, f, "UPDATE iceberg_tables SET metadata_location = (SELECT metadata_location FROM saved WHERE table_name = 'event_log') WHERE table_name = 'event_log'")
		opened := f.Reopen()
		if _, err := opened.State(context.Background()); err == nil || !strings.Contains(err.Error(), "table t is at commit 2, but event_log at commit 1") {
			t.Errorf("error %v", err)
		}
	})
}

func glob(t *testing.T, dir, suffix string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, suffix) {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestHeadsAreOnlyKept(t *testing.T) {
	f := written(t)
	with, err := f.Reopen().State(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, spoil := range []string{"DELETE FROM lakeflow_heads", "INSERT INTO lakeflow_heads SELECT metadata_location, '{}' FROM iceberg_tables"} {
		catalogExec(t, f, spoil)
		without, err := f.Reopen().State(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if damaged := strings.HasPrefix(spoil, "INSERT"); damaged != (len(without.Repaired) > 0) {
			t.Errorf("%s: repaired %q", spoil, without.Repaired)
		}
		without.Repaired = nil
		if diff := cmp.Diff(with, without); diff != "" {
			t.Errorf("%s: the state became another one (-with +without):\n%s", spoil, diff)
		}
	}
}

func TestCanceledCommitLeavesNothing(t *testing.T) {
	f := sinktest.NewFixture(t, open)
	f.Append("t", []string{"id INTEGER"}, "SELECT 1 id")
	c := f.Commit(f.Change("t", []string{"id INTEGER"}, "SELECT 2 id"))
	metadata := func() int {
		return len(glob(t, filepath.Join(f.Warehouse, "main", "t", "metadata"), ""))
	}
	before := metadata()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.Lake.Commit(ctx, c); err == nil {
		t.Fatal("a canceled commit succeeded")
	}
	f.Expect("t", "1")
	if after := metadata(); after != before {
		t.Errorf("the metadata folder had %d files, now %d", before, after)
	}
	f.Do(c, lake.Committed)
	f.Expect("t", "1\n2")
}

func TestOldMetadataIsRemoved(t *testing.T) {
	f := sinktest.NewFixture(t, open)
	for range 30 {
		f.Append("t", []string{"id INTEGER"}, "SELECT 1 id")
	}
	if n := len(glob(t, filepath.Join(f.Warehouse, "main", "t", "metadata"), ".metadata.json")); n != 21 {
		t.Errorf("%d metadata files are kept", n)
	}
}

func TestNames(t *testing.T) {
	for _, namespace := range []string{"", ".", "..", "a/b", ".hidden"} {
		if _, err := iceberg.Open(context.Background(), t.TempDir(), namespace, "p", iceberg.Retention{}); err == nil {
			t.Errorf("schema %q was accepted", namespace)
		}
	}
	f := sinktest.NewFixture(t, open)
	f.Acquire()
	for _, table := range []string{"", "..", "a/b"} {
		c := f.Commit()
		c.Tables = append(c.Tables, lake.TableChange{Table: table})
		if _, err := f.Lake.Commit(context.Background(), c); err == nil {
			t.Errorf("table %q was accepted", table)
		}
	}
}
