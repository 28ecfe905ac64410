package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/dsl/yamlfile"
	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/engine/project"
	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// tidy writes a second file of the pipeline that keeps two snapshots only.
func (c *crash) tidy() string {
	c.t.Helper()
	file := filepath.Join(filepath.Dir(c.file), "tidy.yaml")
	if err := os.WriteFile(file, []byte(crashPipeline+"retention: {snapshots: 2}\n"), 0o644); err != nil {
		c.t.Fatal(err)
	}
	return file
}

// do runs a command that must succeed, in this process.
func do(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(io.Discard)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out.String())
	}
	return out.String()
}

// TestKilledInMaintain kills lakeflow maintain at every place that it passes. The tables stay as they are and agree with the books, and the next one
// finishes the work.
func TestKilledInMaintain(t *testing.T) {
	t.Parallel()
	c := newCrash(t, 3)
	tidy := c.tidy()
	places := slices.Clone(failpoint.Maintenance)
	for _, name := range failpoint.Names {
		if place, _, _ := strings.Cut(name, "."); place == "owner" || place == "file" || place == "catalog" {
			places = append(places, name)
		}
	}
	for i, name := range places {
		files := 6 + 4*i
		c.grow(files - 2)
		c.run(0)
		c.grow(files)
		c.run(0)
		orphan := filepath.Join(filepath.Dir(c.file), "warehouse", "crash", "bronze", "data", "killed", "part.parquet")
		if err := errors.Join(os.MkdirAll(filepath.Dir(orphan), 0o755), os.WriteFile(orphan, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
		out, err := lakeflow("LAKEFLOW_FAILPOINT="+name, "maintain", tidy, "--older-than", "0s")
		if !killed(err) {
			t.Fatalf("%s was not passed: %v\n%s", name, err, out)
		}
		c.expect(files, 0)
		do(t, "audit", c.file)
		do(t, "maintain", tidy, "--older-than", "0s")
		c.expect(files, 0)
		do(t, "audit", c.file)
	}
	do(t, "maintain", tidy, "--older-than", "0s")
	checkNothingElse(t, tidy)
}

// checkNothingElse expects that the data files in the warehouse are those that some version of a table has.
func checkNothingElse(t *testing.T, file string) {
	t.Helper()
	p, _, err := yamlfile.Load(file, yamlfile.Options{Connectors: project.Connectors()})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := iceberg.Open(t.Context(), p.Target.Warehouse, p.Target.Schema, p.Name, iceberg.Retention{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	state, err := opened.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	needed := map[string]bool{}
	for name := range state.Tables {
		history, err := opened.History(t.Context(), name)
		if err != nil || len(history) > 2 {
			t.Fatalf("table %s has %d snapshots, %v", name, len(history), err)
		}
		for _, s := range history {
			contents, err := opened.Files(t.Context(), name, lake.Version{Snapshot: s.ID})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range contents.Files {
				needed[f.Path] = true
			}
		}
	}
	found := map[string]bool{}
	err = filepath.WalkDir(p.Target.Warehouse, func(path string, e fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".parquet") {
			found[path] = true
		}
		if strings.HasPrefix(e.Name(), ".tmp-") {
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

// TestReadersBesideMaintain queries in a loop while updates and maintenance take turns. Every query succeeds and sees one commit.
func TestReadersBesideMaintain(t *testing.T) {
	t.Parallel()
	c := newCrash(t, 3)
	tidy := c.tidy()
	stop, failed := make(chan struct{}), make(chan string, 1)
	var queries atomic.Int64
	go func() {
		defer close(failed)
		for {
			select {
			case <-stop:
				return
			default:
			}
			out, err := lakeflow("", "query", "--pipeline", c.file, "--format", "csv", "SELECT (SELECT count(*) FROM bronze) = (SELECT count(*) FROM silver) + (SELECT count(*) FROM dead_letter) AS agree")
			if err != nil || out != "agree\ntrue\n" {
				failed <- fmt.Sprintf("%v\n%s", err, out)
				return
			}
			queries.Add(1)
		}
	}()
	for began, files := time.Now(), 3; time.Since(began) < 8*time.Second || queries.Load() < 5 && len(failed) == 0; {
		files += 2
		c.grow(files)
		c.run(0)
		do(t, "maintain", tidy, "--older-than", "30s")
	}
	close(stop)
	if why, ok := <-failed; ok {
		t.Fatalf("a query failed: %s", why)
	}
}

// TestMaintainedReadByPyIceberg merges the files of tables with partitions of every kind, and reads all their versions with PyIceberg.
func TestMaintainedReadByPyIceberg(t *testing.T) {
	if out, err := exec.Command("python3", "-c", "import pyiceberg, pyarrow, sqlalchemy").CombinedOutput(); err != nil {
		t.Skipf(`PyIceberg is missing; to check the tables with it too, run: pip install "pyiceberg[sql-sqlite,pyarrow]" (%v %s)`, err, out)
	}
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "pipeline.yaml")
	pyInput(t, file)
	for i := range 6 { // the same records three times
		content, err := os.ReadFile(filepath.Join(dir, "data", fmt.Sprintf("%d.json", i%3)))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "data", fmt.Sprintf("%d.json", i+3)), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	do(t, "run", file)
	before := pyRead(t, filepath.Join(dir, "warehouse"), "py")
	do(t, "maintain", file, "--older-than", "0s")
	do(t, "audit", file)
	after := pyRead(t, filepath.Join(dir, "warehouse"), "py")
	checkVersions(t, filepath.Join(dir, "warehouse"), 8)
	short, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(short, "retention: {snapshots: 3}\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second one removes the files of what the first expired
		do(t, "maintain", file, "--older-than", "0s")
	}
	do(t, "audit", file)
	checkVersions(t, filepath.Join(dir, "warehouse"), 3)
	for name, table := range after {
		t.Run(name, func(t *testing.T) {
			rows := func(table pyTable) []string {
				var out []string
				for _, r := range table.Rows {
					out = append(out, encode(plain(r)))
				}
				slices.Sort(out)
				return out
			}
			if diff := cmp.Diff(rows(before[name]), rows(table)); diff != "" {
				t.Errorf("rows before and after:\n%s", diff)
			}
			checkPyTable(t, table, rows(table))
			if n := len(before[name].Files); n > 2 && len(table.Files) >= n {
				t.Errorf("%d files became %d", n, len(table.Files))
			}
		})
	}
}

// checkVersions reads every version of every table with PyIceberg, and expects the rows that its summary tells, and that bronze has so many versions.
func checkVersions(t *testing.T, warehouse string, bronze int) {
	t.Helper()
	const script = `
import sys, urllib.parse
from pyiceberg.catalog.sql import SqlCatalog
catalog = SqlCatalog("lakeflow", uri="sqlite:///" + urllib.parse.quote(sys.argv[1] + "/catalog.db"))
for name in catalog.list_tables("py"):
    table = catalog.load_table(name)
    snapshots = table.metadata.snapshots
    for s in snapshots:
        rows = sum(task.file.record_count for task in table.scan(snapshot_id=s.snapshot_id).plan_files())
        same = rows == int(s.summary["total-records"])
        if s in snapshots[:1] + snapshots[-2:]: # to read all takes minutes
            same = same and rows == table.scan(snapshot_id=s.snapshot_id, selected_fields=(table.schema().fields[0].name,)).to_arrow().num_rows
        print(name[1], s.snapshot_id, same)
`
	out, err := exec.Command("python3", "-c", script, warehouse).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if text := string(out); strings.Contains(text, "False") || strings.Count(text, "bronze ") < bronze || bronze < 8 && strings.Count(text, "bronze ") > bronze+1 {
		t.Errorf("versions, with at least %d of bronze:\n%s", bronze, text)
	}
}
