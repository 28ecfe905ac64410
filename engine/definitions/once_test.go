package definitions

import (
	"errors"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/engine/state"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// A table that has a flow which runs once is checked: whether it has run must be known, and its text may change.
func TestFlowsThatRunOnce(t *testing.T) {
	made := func(fingerprint string, once bool) *plan.Plan {
		columns := schemas.Table{{Name: "id", Type: schemas.Type{Kind: schemas.BigInt}}}
		return &plan.Plan{Datasets: []*plan.Dataset{{Name: "orders", Kind: plan.StreamingTable, Columns: columns, Refresh: plan.Append,
			Flows: []*plan.Flow{{Name: "old", Fingerprint: fingerprint, Shape: plan.Shape{Query: fingerprint}, Once: once}}}}}
	}
	was := made("a", true)
	key := plan.OnceKey(was.Datasets[0], was.Datasets[0].Flows[0])
	ran, waits := position.Set{key: position.AtCommit(1)}, position.Set{key: position.Unread}
	for _, c := range []struct {
		name string
		now  *plan.Plan
		at   position.Set
		want string
	}{
		{"has run", made("a", true), ran, ""},
		{"is yet to run", made("a", true), waits, ""},
		{"another text", made("b", true), ran, ""},
		{"it is lost whether it has run", made("a", true), nil, "LF0308"},
		{"another text, and no longer once", made("b", false), ran, "LF0304"},
	} {
		stored := lake.TableState{Snapshot: 1, Commit: 1, Schema: was.Datasets[0].Columns}
		stored.Properties = Properties(was, was.Datasets[0], stored)
		choice, err := Selection{Again: "lakeflow run"}.Choose(c.now)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Check(c.now, state.New(&lake.State{Tables: map[string]lake.TableState{"orders": stored}, Positions: c.at,
			Recorded: map[string]int64{"orders": 1}, Commit: 1}, nil), choice)
		var mistakes diag.List
		if err != nil && !errors.As(err, &mistakes) {
			t.Fatal(err)
		}
		if got := mistakes.Error(); (c.want == "") != (err == nil) || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
