package definitions

import (
	"errors"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/state"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// changed is what is said of a table that was written with the parts of auto_cdc in old, and has those in now; with nil
// it has none.
func changed(t *testing.T, old, now map[string]string, accept ...string) string {
	t.Helper()
	made := func(parts map[string]string) *plan.Plan {
		columns := schemas.Table{{Name: "id", Type: schemas.Type{Kind: schemas.BigInt}}}
		d := &plan.Dataset{Name: "customers", Kind: plan.StreamingTable, Columns: columns, Refresh: plan.Append,
			Flows: []*plan.Flow{{Name: "customers", Fingerprint: "f"}}}
		if parts != nil {
			d.Refresh, d.Merge = plan.Merge, &plan.AutoCDC{Declared: parts}
		}
		return &plan.Plan{Datasets: []*plan.Dataset{d}}
	}
	was, p := made(old), made(now)
	stored := lake.TableState{Snapshot: 1, Commit: 1, Schema: was.Datasets[0].Columns}
	stored.Properties = Properties(was, was.Datasets[0], stored)
	choice, err := Selection{Again: "lakeflow run", Accept: accept}.Choose(p)
	if err != nil {
		t.Fatal(err)
	}
	if same := Equal(p, p.Datasets[0], stored); same != (changedMerge(p.Datasets[0], old) == "") {
		t.Errorf("equal: %v", same)
	}
	err = CheckChanged(p, state.New(&lake.State{Tables: map[string]lake.TableState{"customers": stored}}, nil), choice)
	var mistakes diag.List
	if err == nil {
		return ""
	} else if !errors.As(err, &mistakes) || len(mistakes) != 1 {
		t.Fatal(err)
	}
	help := mistakes[0].Help
	if !strings.Contains(help, "lakeflow run --full-refresh customers") || strings.Contains(help, "; or ") {
		t.Errorf("the remedy is %q", help)
	}
	return mistakes[0].Code + " " + mistakes[0].Message
}

// An edit of auto_cdc is only ever accepted by a full refresh.
func TestChangedAutoCDC(t *testing.T) {
	const edited = "auto_cdc of table customers changed since its rows were written: "
	base := map[string]string{"keys": `"id"`, "scd_type": "1", "sequence_by": "x"}
	for _, c := range []struct {
		name     string
		old, now map[string]string
		want     string
	}{
		{"the same", base, map[string]string{"keys": `"id"`, "scd_type": "1", "sequence_by": "x"}, ""},
		{"never there", nil, nil, ""},
		{"other parts", base, map[string]string{"keys": `"id", "region"`, "scd_type": "2", "sequence_by": "x"}, edited + "keys, scd_type"},
		{"a part more", base,
			map[string]string{"keys": `"id"`, "scd_type": "1", "sequence_by": "x", "apply_as_delete": "y"}, edited + "apply_as_delete"},
		{"a part less", base, map[string]string{"keys": `"id"`, "scd_type": "1"}, edited + "sequence_by"},
		{"new", nil, base, "table customers had no auto_cdc when its rows were written"},
		{"gone", base, nil, "table customers had auto_cdc when its rows were written, and has none now"},
	} {
		for _, accept := range [][]string{nil, {"customers"}} {
			got := changed(t, c.old, c.now, accept...)
			if c.want == "" && got != "" {
				t.Errorf("%s: %s", c.name, got)
			}
			if c.want != "" && !(strings.Contains(got, "LF0309") && strings.Contains(got, c.want)) {
				t.Errorf("%s: %q", c.name, got)
			}
		}
	}
}
