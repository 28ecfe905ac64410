package yamlfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

const snapshotsFile = `name: demo
sources:
  exports: {files: {path: "data/*.csv", format: csv}}
tables:
  of_files: {kind: streaming_table, auto_cdc: {from_snapshot: STREAM exports, snapshot_version: "_metadata.file_name", keys: [id]}}
  of_days: {kind: streaming_table, auto_cdc: {from_snapshot: STREAM(exports), snapshot_version: day, keys: [id], scd_type: 2}}
  without: {kind: streaming_table, auto_cdc: {from_snapshot: STREAM exports, snapshot_version: _METADATA.file_name, keys: [id], columns: "* EXCEPT (a)"}}
  named: {kind: streaming_table, auto_cdc: {from_snapshot: STREAM exports, snapshot_version: _metadata.file_name, keys: [id], columns: [id, _metadata]}}
  whole: {kind: streaming_table, auto_cdc: {from_snapshot: exports, keys: [id]}}
`

func TestSnapshots(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pipeline.yaml")
	if err := os.WriteFile(file, []byte(snapshotsFile), 0o644); err != nil {
		t.Fatal(err)
	}
	p, diags, err := Load(file, Options{Connectors: connectors})
	if err != nil || len(diags) > 0 {
		t.Fatal([]diag.Diagnostic(diags), err)
	}
	version := func(s string) *dsl.Snapshot {
		return &dsl.Snapshot{Version: &dsl.Expression{SQL: &sqltext.Query{Text: s, UsesMetadata: strings.Contains(s, "file")}}}
	}
	names := func(all ...string) (out []dsl.ColumnName) {
		for _, name := range all {
			out = append(out, dsl.ColumnName{Name: name})
		}
		return out
	}
	const withMetadata = `SELECT * EXCLUDE (_metadata), _metadata FROM "__stream".exports`
	for i, want := range []struct {
		query string
		cdc   dsl.AutoCDC
	}{
		{withMetadata, dsl.AutoCDC{Snapshot: version("_metadata.file_name"), SCDType: 1, Columns: &dsl.Columns{Names: names("_metadata"), Except: true}}},
		{`SELECT * FROM "__stream".exports`, dsl.AutoCDC{Snapshot: version("day"), SCDType: 2}},
		{withMetadata, dsl.AutoCDC{Snapshot: version("_METADATA.file_name"), SCDType: 1, Columns: &dsl.Columns{Names: names("a", "_metadata"), Except: true}}},
		{withMetadata, dsl.AutoCDC{Snapshot: version("_metadata.file_name"), SCDType: 1, Columns: &dsl.Columns{Names: names("id", "_metadata")}}},
		{"SELECT * FROM exports", dsl.AutoCDC{Snapshot: &dsl.Snapshot{}, SCDType: 1}},
	} {
		want.cdc.Keys, want.cdc.TombstoneRetention = names("id"), 48*time.Hour
		table := p.Tables[i]
		if got := table.Flows[0].SQL.Text; got != want.query {
			t.Errorf("%s: %s, want %s", table.Name, got, want.query)
		}
		if d := cmp.Diff(&want.cdc, table.AutoCDC, withoutPlaces); d != "" {
			t.Errorf("%s: %s", table.Name, d)
		}
	}
	line := strings.Split(snapshotsFile, "\n")[4]
	for want, at := range map[string]diag.Range{
		"STREAM exports": p.Tables[0].AutoCDC.Snapshot.Range, `"_metadata.file_name"`: p.Tables[0].AutoCDC.Snapshot.Version.Range,
		"exports": p.Tables[0].Flows[0].SQL.Streams[0].Range,
	} {
		if got := line[at.Start.Column-1 : at.End.Column-1]; at.Start.Line != 5 || got != want {
			t.Errorf("%q is said to be where %q is", want, got)
		}
	}
}
