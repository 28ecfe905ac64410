package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/engine/audit"
	"github.com/lakeflow/lakeflow/sources/files"
)

// A query and an audit see the state of when they began, whatever an update publishes meanwhile.
func TestReadersSeeOneCommit(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pipeline.yaml")
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) {
		t.Helper()
		root := newRoot()
		root.SetArgs(append([]string{"run", file}, args...))
		root.SetOut(new(bytes.Buffer))
		root.SetErr(new(bytes.Buffer))
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	write("pipeline.yaml", `
name: shop
sources:
  feed: {files: {path: data, format: json}}
tables:
  bronze: {kind: streaming_table, sql: SELECT id FROM STREAM feed}
  gold: {kind: materialized_view, sql: SELECT count(*) AS n FROM bronze}
`)
	write("data/a.json", `{"id":1}`)
	run()
	p, err := openProject(t.Context(), file, &globalFlags{}, lakeOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()

	write("data/b.json", `{"id":2}`)
	run()
	run("--full-refresh-all")

	q := &queryNames{project: p, missing: map[string]string{}}
	if err := q.make(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	cmd.SetOut(&out)
	if err := p.show(cmd, "SELECT (SELECT count(*) FROM bronze) AS rows, (SELECT n FROM gold) AS n", "csv"); err != nil {
		t.Fatal(err)
	}
	if out.String() != "rows,n\n1,1\n" {
		t.Errorf("a query that began at commit %d sees %q", p.State.Commit, out.String())
	}
	r, err := audit.Run(t.Context(), audit.Input{Pipeline: "shop", State: p.State, Lake: p.Lake, DB: p.DB, DeadLetter: "dead_letter", Tables: []string{"bronze", "gold"}, Verify: files.Verify})
	if err != nil || !r.OK || r.Commit != p.State.Commit || fmt.Sprint(r.Tables[0].Rows, r.Tables[1].Rows) != "1 1" {
		t.Errorf("an audit of commit %d: %+v, %v", p.State.Commit, r, err)
	}
}
