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

const changesFile = `name: demo
parameters: {deleted: D}
sources:
  feed: {files: {path: "data/*.json", format: json}}
tables:
  customers:
    kind: streaming_table
    auto_cdc:
      from: STREAM(feed)
      keys: [customer_id]
      sequence_by: changed_at
      apply_as_delete: op = ${deleted}
      apply_as_truncate: op = 'T'
      ignore_null_updates: true
      columns: "* EXCEPT (op, \"a, \"\"b\"\"\")"
      tombstone_retention: 72h
  versions:
    kind: streaming_table
    auto_cdc:
      keys: [customer id, region]
      sequence_by: [changed_at, "lsn + 1"]
      ignore_null_updates: [tier]
      columns: [customer id, region, tier]
      scd_type: 2
      track_history_on: "*"
    flows:
      a: {from: STREAM feed}
      b: {sql: SELECT * FROM STREAM feed WHERE id > 0}
`

func loadChanges(t *testing.T) *dsl.Pipeline {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pipeline.yaml")
	if err := os.WriteFile(file, []byte(changesFile), 0o644); err != nil {
		t.Fatal(err)
	}
	p, diags, err := Load(file, Options{Connectors: connectors})
	if err != nil || len(diags) > 0 {
		t.Fatal([]diag.Diagnostic(diags), err)
	}
	return p
}

func TestAutoCDC(t *testing.T) {
	p := loadChanges(t)
	query := func(s string) *sqltext.Query { return &sqltext.Query{Text: s} }
	expression := func(s string) *dsl.Expression { return &dsl.Expression{SQL: query(s)} }
	names := func(all ...string) (out []dsl.ColumnName) {
		for _, name := range all {
			out = append(out, dsl.ColumnName{Name: name})
		}
		return out
	}
	want := []*dsl.AutoCDC{{
		Keys: names("customer_id"), SequenceBy: []*dsl.Expression{expression("changed_at")},
		ApplyAsDelete: expression("op = 'D'"), ApplyAsTruncate: expression("op = 'T'"),
		IgnoreNullUpdates: &dsl.Columns{Except: true},
		Columns:           &dsl.Columns{Names: names("op", `a, "b"`), Except: true}, SCDType: 1, TombstoneRetention: 72 * time.Hour,
	}, {
		Keys: names("customer id", "region"), SequenceBy: []*dsl.Expression{expression("changed_at"), expression("lsn + 1")},
		IgnoreNullUpdates: &dsl.Columns{Names: names("tier")},
		Columns:           &dsl.Columns{Names: names("customer id", "region", "tier")}, SCDType: 2,
		TrackHistoryOn: &dsl.Columns{Except: true}, TombstoneRetention: 48 * time.Hour,
	}}
	flows := [][]string{{`customers: SELECT * FROM "__stream".feed`},
		{`a: SELECT * FROM "__stream".feed`, `b: SELECT * FROM "__stream".feed WHERE id > 0`}}
	for i, table := range p.Tables {
		if d := cmp.Diff(want[i], table.AutoCDC, withoutPlaces); d != "" {
			t.Error(d)
		}
		var got []string
		for _, f := range table.Flows {
			got = append(got, f.Name+": "+f.SQL.Text)
		}
		if d := cmp.Diff(flows[i], got); d != "" {
			t.Error(d)
		}
	}
}

// Every part knows where it was written.
func TestAutoCDCPlaces(t *testing.T) {
	p := loadChanges(t)
	lines := strings.Split(changesFile, "\n")
	at := func(r diag.Range) string { return lines[r.Start.Line-1][r.Start.Column-1 : r.End.Column-1] }
	one, two := p.Tables[0].AutoCDC, p.Tables[1].AutoCDC
	from := p.Tables[0].Flows[0].SQL
	for want, got := range map[string]diag.Range{
		"customer_id": one.Keys[0].Range, "changed_at": one.SequenceBy[0].Range,
		"op": one.Columns.Names[0].Range, `\"a, \"\"b\"\"\"`: one.Columns.Names[1].Range,
		"op = 'T'":   one.ApplyAsTruncate.Range,
		"${deleted}": one.ApplyAsDelete.SQL.Params[0].Range, "auto_cdc": one.Range, "72h": one.At("tombstone_retention"),
		"customer id": two.Keys[0].Range, `"lsn + 1"`: two.SequenceBy[1].Range,
		"tier": two.IgnoreNullUpdates.Names[0].Range, `"*"`: two.TrackHistoryOn.Range,
		"feed": from.Streams[0].Range, "": from.At(strings.Index(from.Text, "*"), 1),
	} {
		if text := at(got); text != want {
			t.Errorf("%q is said to be where %q is", want, text)
		}
	}
	if got := from.At(strings.Index(from.Text, "*"), 1); got.Start != one.Fields["from"].Start {
		t.Errorf("what is put in front of from is at %v", got)
	}
}
