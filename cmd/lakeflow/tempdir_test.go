package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/engine/project"
	"github.com/lakeflow/lakeflow/engine/query"
)

// What killed processes leave in a temp_directory is removed, with what is in it; folders of processes that live and of
// the user stay.
func TestTempDirectoryOfKilledProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, spill := filepath.Join(dir, "pipeline.yaml"), filepath.Join(dir, "spill")
	put(t, file, "name: p\nduckdb: {temp_directory: spill}\ntables: {t: {kind: materialized_view, sql: SELECT now() AS n}}\n")
	do(t, "run", file)
	if left := names(t, spill); len(left) > 0 {
		t.Fatalf("a process that ended left %q", left)
	}
	if out, err := lakeflow("LAKEFLOW_FAILPOINT=view.after-refresh", "run", file); !killed(err) {
		t.Fatalf("not killed: %v\n%s", err, out)
	}
	dead := names(t, spill)
	if len(dead) != 1 || !strings.HasPrefix(dead[0], "lakeflow-") {
		t.Fatalf("a process that was killed left %q", dead)
	}
	put(t, filepath.Join(spill, dead[0], "spill", "block"), "x")
	const id = "01234567-89ab-cdef-0123-456789abcdef"
	users := []string{"mine/x", ".tmp-mine/x", "lakeflow-notes/x", id + "/x", "lakeflow-" + id + "-copy/x", "lakeflow-" + strings.ToUpper(id) + "/x"}
	for _, name := range users {
		put(t, filepath.Join(spill, name), "kept")
	}
	put(t, filepath.Join(spill, "lakeflow-"+id), "a file")
	if err := os.Symlink("mine", filepath.Join(spill, "lakeflow-00000000"+id[8:])); err != nil {
		t.Fatal(err)
	}
	before := names(t, spill)

	living, err := project.Open(t.Context(), file, project.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = living.Close() }()
	kept := names(t, spill)
	if len(kept) != len(before)+1 {
		t.Fatalf("the process that lives has no folder in %q", kept)
	}
	do(t, "maintain", file) // it is too young
	do(t, "maintain", file, "--older-than", "0s", "--dry-run")
	if left := names(t, spill); strings.Join(left, " ") != strings.Join(kept, " ") {
		t.Fatalf("left are %q, want %q", left, kept)
	}
	if out, err := lakeflow("", "maintain", file, "--older-than", "0s"); err != nil || !strings.Contains(out, "1 temp folder of killed processes") {
		t.Errorf("maintain: %v\n%s", err, out)
	}
	left := names(t, spill)
	if want := strings.Join(kept, " "); strings.Join(left, " ") != strings.Replace(want, dead[0]+" ", "", 1) {
		t.Errorf("left are %q of %q", left, kept)
	}
	for _, name := range users {
		if _, err := os.Stat(filepath.Join(spill, name)); err != nil {
			t.Error(err)
		}
	}
	rows, err := living.Query(t.Context(), "SELECT count(*) FROM t", query.DuckDB, query.Texts)
	if err != nil {
		t.Fatal(err)
	}
	_ = rows.Close()
}

// names are those of what is in a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
