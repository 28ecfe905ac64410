package journal

import (
	"encoding/json"
	"testing"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/engine/incremental"
	"github.com/lakeflow/lakeflow/engine/plan"
)

// TestPlanned compares planning information with what dashboards over Databricks' read.
func TestPlanned(t *testing.T) {
	for _, tt := range []struct {
		whys []Why
		want string
	}{
		{nil, `[{"maintenance_type":"MAINTENANCE_TYPE_X","is_chosen":true,"is_applicable":true}]`},
		{[]Why{{incremental.NotDeterministic, "a"}, {incremental.WindowNoPartition, "b"}},
			`[{"maintenance_type":"MAINTENANCE_TYPE_X","is_chosen":true,"is_applicable":true,"incrementalization_issues":[` +
				`{"issue_type":"PLAN_NOT_DETERMINISTIC","prevent_incrementalization":true,"plan_not_deterministic_sub_type":"EXPRESSION_NOT_DETERMINISTIC","issue_message":"a"},` +
				`{"issue_type":"PLAN_NOT_INCREMENTALIZABLE","prevent_incrementalization":true,"plan_not_incrementalizable_sub_type":"WINDOW_WITHOUT_PARTITION_BY","issue_message":"b"}]}]`},
		{[]Why{{incremental.TooCostly, "c"}}, `[{"maintenance_type":"MAINTENANCE_TYPE_X","is_chosen":true,"is_applicable":true,"incrementalization_issues":[` +
			`{"issue_type":"INCREMENTAL_PLAN_REJECTED_BY_COST_MODEL","prevent_incrementalization":true,"issue_message":"c"}]}]`},
		{[]Why{{"", "d"}}, `[{"maintenance_type":"MAINTENANCE_TYPE_X","is_chosen":true,"is_applicable":true,"incrementalization_issues":[` +
			`{"prevent_incrementalization":true,"issue_message":"d"}]}]`},
	} {
		j := New(&plan.Plan{Name: "p", Schema: "s", Secrets: new(dsl.Secrets)}, "u", 0)
		j.Planned("t", "X", tt.whys...)
		var details struct {
			Planning struct {
				Techniques json.RawMessage `json:"technique_information"`
			} `json:"planning_information"`
		}
		if err := json.Unmarshal([]byte(j.Waiting()[0].Details), &details); err != nil {
			t.Fatal(err)
		}
		if got := string(details.Planning.Techniques); got != tt.want {
			t.Errorf("%v\n got %s\nwant %s", tt.whys, got, tt.want)
		}
	}
}

// TestIDs makes ids that are the same in every update, and others for other names.
func TestIDs(t *testing.T) {
	flow := func(schema, pipeline, dataset, name string) [2]string {
		j := New(&plan.Plan{Name: pipeline, Schema: schema, Secrets: new(dsl.Secrets)}, "u", 0)
		j.Ended(dataset, name, "COMPLETED")
		from := j.Waiting()[0].Origin
		return [2]string{from.PipelineID, from.FlowID}
	}
	a := flow("s", "p", "t", "f")
	if a != flow("s", "p", "t", "f") || a[0] != PipelineID("s", "p") || a[0] == a[1] {
		t.Error(a)
	}
	if b := flow("s", "p", "t", "g"); b[0] != a[0] || b[1] == a[1] {
		t.Error(b)
	}
	if b := flow("r", "p", "t", "f"); b[0] == a[0] || b[1] == a[1] {
		t.Error(b)
	}
}
