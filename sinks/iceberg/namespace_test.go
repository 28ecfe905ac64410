package iceberg_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sinks/sinktest"
)

var idColumn = []string{"id INTEGER"}

// pipelineIn opens the lake of a pipeline with a schema of its own in the warehouse of another one.
func pipelineIn(t *testing.T, f *sinktest.Fixture, schema, name string) *sinktest.Fixture {
	t.Helper()
	next := sinktest.NewFixture(t, func(t *testing.T, _ string) sinktest.Lake {
		opened, err := iceberg.Open(t.Context(), f.Warehouse, schema, name, iceberg.Retention{})
		if err != nil {
			t.Fatal(err)
		}
		return opened
	})
	next.Warehouse = f.Warehouse
	return next
}

// refusedCommit expects that a commit is refused, and leaves nothing.
func refusedCommit(t *testing.T, f *sinktest.Fixture, table, want string) {
	t.Helper()
	c := f.Commit(f.Change(table, idColumn, "SELECT 9 id"))
	if _, err := f.Lake.Commit(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a commit to %s: %v, want %q", table, err, want)
	}
	claim := f.Lake.(*iceberg.Lake).Claim(t.Context(), []string{"free", table, "main.free"})
	if claim == nil || !strings.Contains(claim.Error(), want) || strings.Contains(claim.Error(), "free") {
		t.Errorf("the claim of %s: %v, want %q", table, claim, want)
	}
}

// TestNamespaceOfSeveralPipelines has two pipelines write to the namespace bronze, which a third one has for its own.
func TestNamespaceOfSeveralPipelines(t *testing.T) {
	f := sinktest.NewFixture(t, open) // pipeline p, schema main
	f.Append("bronze.orders", idColumn, "SELECT 1 id")
	gold, bronze := pipelineIn(t, f, "gold", "g"), pipelineIn(t, f, "bronze", "b")
	gold.Append("bronze.items", idColumn, "SELECT 2 id")
	bronze.Append("own", idColumn, "SELECT 3 id")
	for range 2 {
		f.Append("bronze.orders", idColumn, "SELECT 1 id")
		bronze.Append("own", idColumn, "SELECT 3 id")
	}
	refusedCommit(t, gold, "bronze.orders", "table bronze.orders belongs to the pipeline p, whose schema is main")
	refusedCommit(t, bronze, "orders", "table bronze.orders belongs to the pipeline p, whose schema is main")
	refusedCommit(t, f, "bronze.own", "table bronze.own belongs to the pipeline b, whose schema is bronze")
	refusedCommit(t, f, "gold.event_log", "table gold.event_log belongs to the pipeline g, whose schema is gold")
	catalogExec(t, f, "INSERT INTO iceberg_tables VALUES ('lakeflow', 'silver', 'theirs', 'file:///nowhere/1.metadata.json', NULL, 'TABLE')")
	refusedCommit(t, f, "silver.theirs", "table silver.theirs is there already, and no pipeline of lakeflow wrote it")
	for fixture, want := range map[*sinktest.Fixture][]string{f: {"bronze.orders", "event_log"}, gold: {"bronze.items", "event_log"}, bronze: {"event_log", "own"}} {
		var names []string
		for name := range fixture.State().Tables {
			names = append(names, name)
		}
		if d := cmp.Diff(want, slices.Sorted(slices.Values(names))); d != "" {
			t.Errorf("the tables: %s", d)
		}
	}
	f.Expect("bronze.orders", "1\n1\n1")
	gold.Expect("bronze.items", "2")
	bronze.Expect("own", "3\n3\n3")
	if _, err := os.Stat(filepath.Join(f.Warehouse, "bronze", "orders", "metadata")); err != nil {
		t.Error(err)
	}
	if orphans, err := bronze.Lake.Orphans(t.Context(), 0); err != nil || len(orphans) > 0 {
		t.Errorf("files of others are orphans: %v %v", orphans, err)
	}
}

// TestNamespaceIsBornAroundOthersTables begins a pipeline in a schema that has tables of others, or had some.
func TestNamespaceIsBornAroundOthersTables(t *testing.T) {
	f := sinktest.NewFixture(t, open)
	f.Append("bronze.orders", idColumn, "SELECT 1 id")
	f.Append("bronze.gone", idColumn, "SELECT 1 id")
	catalogExec(t, f, "DELETE FROM iceberg_tables WHERE table_name = 'gone'")
	bronze := pipelineIn(t, f, "bronze", "b")
	if s := bronze.State(); s.Commit != 0 || len(s.Tables) != 0 {
		t.Errorf("it begins with %+v", s)
	}
	bronze.Append("gone", idColumn, "SELECT 5 id") // the other one's claim went with its table
	bronze.Expect("gone", "5")
	if _, there := f.State().Tables["bronze.gone"]; there {
		t.Error("a table belongs to two pipelines")
	}
	refusedCommit(t, f, "bronze.gone", "belongs to the pipeline b, whose schema is bronze")
	f.Append("bronze.orders", idColumn, "SELECT 2 id")
	f.Expect("bronze.orders", "1\n2")
	bronze.Append("gone", idColumn, "SELECT 6 id")
}

// TestNamespacesAreOneCommit loses the catalog's pointer of event_log, and the catalog, of a pipeline with tables in two
// namespaces.
func TestNamespacesAreOneCommit(t *testing.T) {
	f := sinktest.NewFixture(t, open)
	f.Append("bronze.orders", idColumn, "SELECT 1 id")
	bad := f.Change("bronze.orders", []string{"id VARCHAR"}, "SELECT 'x' id")
	if _, err := f.Lake.Commit(t.Context(), f.Commit(f.Change("silver.new", idColumn, "SELECT 1 id"), bad)); err == nil {
		t.Error("a change that does not fit was committed")
	}
	if _, there := f.State().Tables["silver.new"]; there {
		t.Error("half of a commit is visible")
	}
	f.Do(f.Commit(f.Change("silver.new", idColumn, "SELECT 1 id"), f.Change("bronze.orders", idColumn, "SELECT 2 id")), lake.Committed)
	if at := f.State().Recorded; at["silver.new"] != 2 || at["bronze.orders"] != 2 {
		t.Errorf("recorded are %v", at)
	}
	catalogExec(t, f, "DELETE FROM iceberg_tables WHERE table_name = 'event_log'")
	if _, err := f.Reopen().State(t.Context()); err == nil || !strings.Contains(err.Error(), "bronze.orders has commit 2") {
		t.Errorf("without an event log: %v", err)
	}
}

func TestPyIcebergReadsNamespaces(t *testing.T) {
	f := sinktest.NewFixture(t, open)
	f.Append("bronze.orders", idColumn, "SELECT 7 id")
	names, read := pyRead(t, f.Warehouse, "bronze.orders")
	if d := cmp.Diff([]string{"event_log"}, names); d != "" {
		t.Error(d)
	}
	if rows := read["bronze.orders"].Rows; len(rows) != 1 || rows[0]["id"] != float64(7) {
		t.Errorf("PyIceberg reads %v", rows)
	}
}
