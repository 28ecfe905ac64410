package project

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/engine/query"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// tidy writes a second file of the pipeline that keeps two snapshots only.
func (c *crash) tidy() string {
	c.t.Helper()
	file := filepath.Join(filepath.Dir(c.file), "tidy.yaml")
	put(c.t, file, crashPipeline+"retention: {snapshots: 2}\n")
	return file
}

// mustMaintain tidies up what is older than the grace time.
func mustMaintain(t *testing.T, file string, grace time.Duration) {
	t.Helper()
	p, err := Open(t.Context(), file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	if _, err := p.Maintain(t.Context(), Maintenance{OlderThan: grace}); err != nil {
		t.Fatal(err)
	}
}

// TestKilledInMaintain kills maintenance at places that it passes. The tables stay as they are and agree with the
// accounting, and the next one finishes the work.
func TestKilledInMaintain(t *testing.T) {
	c := newCrash(t, 3)
	tidy := c.tidy()
	places := slices.Clone(failpoint.Maintenance)
	for _, name := range failpoint.Names {
		if place, _, _ := strings.Cut(name, "."); place == "owner" || place == "file" || place == "catalog" {
			places = append(places, name)
		}
	}
	for i, name := range sample(places) {
		files := 6 + 4*i
		c.grow(files - 2)
		c.run(engine.Options{})
		c.grow(files)
		c.run(engine.Options{})
		put(t, filepath.Join(filepath.Dir(c.file), "warehouse", "raw", "bronze", "data", "killed", "part.parquet"), "") // an orphan
		killed, err := kill(t, name, 1, tidy, Options{}, func(ctx context.Context, p *Project) error {
			_, err := p.Maintain(ctx, Maintenance{})
			return err
		})
		if err != nil || !killed {
			t.Fatalf("%s was not passed: %v", name, err)
		}
		c.expect(files, 0)
		c.audit()
		mustMaintain(t, tidy, 0)
		c.expect(files, 0)
		c.audit()
	}
	mustMaintain(t, tidy, 0)
	checkNothingElse(t, tidy)
}

// checkNothingElse expects that the data files in the warehouse are those that some version of a table has.
func checkNothingElse(t *testing.T, file string) {
	t.Helper()
	p := mustOpen(t, file, Options{})
	needed := map[string]bool{}
	for name := range p.place.state.Tables {
		history, err := p.place.lake.History(t.Context(), name)
		if err != nil || len(history) > 2 {
			t.Fatalf("table %s has %d snapshots, %v", name, len(history), err)
		}
		for _, s := range history {
			contents, err := p.place.lake.Files(t.Context(), name, lake.Version{Snapshot: s.ID})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range slices.Concat(contents.Files, contents.Deletes) {
				needed[f.Path] = true
			}
		}
	}
	found := map[string]bool{}
	err := filepath.WalkDir(p.Pipeline.Target.Warehouse, func(path string, e fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".parquet") {
			found[path] = true
		}
		if strings.HasPrefix(e.Name(), ".tmp-") && path != p.temp.path {
			t.Errorf("%s is still there", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(needed, found); diff != "" {
		t.Errorf("data files that are needed, and that are there (-needed +there):\n%s", diff)
	}
}

// TestReadersBesideMaintain queries in a loop while updates and maintenance take turns. Every query succeeds and sees
// one commit.
func TestReadersBesideMaintain(t *testing.T) {
	c := newCrash(t, 3)
	tidy := c.tidy()
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				if n == 0 {
					done <- fmt.Errorf("there was no time for a query")
				}
				close(done)
				return
			default:
			}
			if err := agrees(t.Context(), c.file); err != nil {
				done <- err
				return
			}
		}
	}()
	for files := 5; files <= 23; files += 2 {
		c.grow(files)
		c.run(engine.Options{})
		mustMaintain(t, tidy, 30*time.Second)
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// agrees queries whether tables agree with each other.
func agrees(ctx context.Context, file string) error {
	p, err := Open(ctx, file, Options{})
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	rows, err := p.Query(ctx, "SELECT (SELECT count(*) FROM raw.bronze) = (SELECT count(*) FROM silver) + (SELECT count(*) FROM dead_letter)", query.DuckDB, query.Texts)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	if rows.Next() && rows.Values()[0].String != "true" {
		return fmt.Errorf("a query does not see one commit")
	}
	return rows.Err()
}
