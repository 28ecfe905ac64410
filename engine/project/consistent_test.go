package project

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/definitions"
)

// A query and an audit see the state of when they began, whatever an update publishes meanwhile.
func TestReadersSeeOneCommit(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pipeline.yaml")
	put(t, file, `
name: shop
sources:
  feed: {files: {path: data, format: json}}
tables:
  bronze: {kind: streaming_table, sql: SELECT id FROM STREAM feed}
  gold: {kind: materialized_view, sql: SELECT count(*) AS n FROM bronze}
`)
	put(t, filepath.Join(dir, "data", "a.json"), `{"id":1}`)
	mustRun(t, file, engine.Options{})
	p := mustOpen(t, file, Options{})

	put(t, filepath.Join(dir, "data", "b.json"), `{"id":2}`)
	mustRun(t, file, engine.Options{})
	mustRun(t, file, engine.Options{Selection: definitions.Selection{FullAll: true}})

	if got := read(t, p, "SELECT (SELECT count(*) FROM bronze) AS rows, (SELECT n FROM gold) AS n"); fmt.Sprint(got) != "[1,1]" {
		t.Errorf("a query that began at commit %d sees %q", p.place.state.Commit, got)
	}
	r, err := p.Audit(t.Context(), false)
	if err != nil || !r.OK || r.Commit != p.place.state.Commit || fmt.Sprint(r.Tables[0].Rows, r.Tables[1].Rows) != "1 1" {
		t.Errorf("an audit of commit %d: %+v, %v", p.place.state.Commit, r, err)
	}
}
