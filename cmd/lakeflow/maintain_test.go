package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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

// TestMaintainedReadByPyIceberg merges the files of tables with partitions of every kind, and reads all their versions
// with PyIceberg.
func TestMaintainedReadByPyIceberg(t *testing.T) {
	if out, err := exec.Command("python3", "-c", "import pyiceberg, pyarrow, sqlalchemy").CombinedOutput(); err != nil {
		t.Skipf(`PyIceberg is missing; to check the tables with it too, run: pip install "pyiceberg[sql-sqlite,pyarrow]" (%v %s)`, err, out)
	}
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "pipeline.yaml")
	pyInput(t, file)
	// The transforms of partitions are TestReadByPyIceberg's matter: here each costs dozens of files to be read again
	// and again.
	few := regexp.MustCompile(`(?m)^  (hours|months|buckets|buckets2|same|same2|sizes): .*\n`).ReplaceAllString(pyPipeline, "")
	if err := os.WriteFile(file, []byte(few), 0o644); err != nil {
		t.Fatal(err)
	}
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

// checkVersions reads the first and the last versions of every table with PyIceberg, and expects the rows that its
// summary tells, and that bronze has so many versions.
func checkVersions(t *testing.T, warehouse string, bronze int) {
	t.Helper()
	const script = `
import sys, urllib.parse
from pyiceberg.catalog.sql import SqlCatalog
catalog = SqlCatalog("lakeflow", uri="sqlite:///" + urllib.parse.quote(sys.argv[1] + "/catalog.db"))
for name in catalog.list_tables("py"):
    table = catalog.load_table(name)
    snapshots = table.metadata.snapshots
    read = True
    for s in snapshots[:1] + snapshots[-2:]: # to read all takes minutes
        scan = table.scan(snapshot_id=s.snapshot_id, selected_fields=(table.schema().fields[0].name,))
        rows = sum(task.file.record_count for task in scan.plan_files())
        read = read and rows == scan.to_arrow().num_rows == int(s.summary["total-records"])
    for s in snapshots:
        print(name[1], s.snapshot_id, read)
`
	out, err := exec.Command("python3", "-c", script, warehouse).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if text := string(out); strings.Contains(text, "False") || strings.Count(text, "bronze ") < bronze || bronze < 8 && strings.Count(text, "bronze ") > bronze+1 {
		t.Errorf("versions, with at least %d of bronze:\n%s", bronze, text)
	}
}
