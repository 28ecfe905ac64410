package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
)

// event adds an event to those that the next commit writes. details becomes the value of the key eventType.
func (u *update) event(eventType, dataset, flow, level, message string, details any) {
	u.events = append(u.events, u.newEvent(eventType, dataset, flow, level, message, details))
}

func (u *update) newEvent(eventType, dataset, flow, level, message string, details any) schemas.Event {
	text, err := json.Marshal(map[string]any{eventType: details})
	if err != nil {
		panic(err) // details are plain structs and maps of the engine's own
	}
	host, _ := os.Hostname()
	u.seq++
	return schemas.Event{ID: uuid.NewString(), Sequence: schemas.Sequence{DataPlane: schemas.DataPlaneID{Instance: u.Update, SeqNo: u.seq}},
		Origin:    schemas.Origin{PipelineName: u.Plan.Name, UpdateID: u.Update, DatasetName: dataset, FlowName: flow, BatchID: u.commit + 1, Host: host},
		Timestamp: time.Now().UTC(), Message: u.Plan.Secrets.Hide(message), Level: level, Maturity: "STABLE", Details: string(text), EventType: eventType}
}

// flowEvent notes what the batch did. It is written with the batch, or never.
func (b *batch) flowEvent(d *plan.Dataset, f *plan.Flow, a schemas.Accounting, v expectations.Verdict, bytes int64, took time.Duration) {
	b.events = append(b.events, b.u.newEvent("flow_progress", d.Name, f.Name, "METRICS", d.Name+" wrote "+countRows(a.Written), schemas.FlowProgress{
		Status:      "RUNNING",
		Metrics:     &schemas.FlowMetrics{OutputRows: a.Written, OutputBytes: bytes, ExecutorMS: took.Milliseconds()},
		DataQuality: &schemas.DataQuality{DroppedRecords: v.Dropped, Expectations: v.Results},
		Lakeflow:    &a,
	}))
}

// define notes what the plan holds, once for each plan of the update.
func (u *update) define() {
	if u.defined == u.Plan {
		return
	}
	u.defined = u.Plan
	for _, d := range u.Plan.Datasets {
		def := schemas.DatasetDefinition{Type: strings.ToUpper(string(d.Kind)), Flows: len(d.Flows), Expectations: []schemas.ExpectationDefinition{}}
		for _, r := range d.Rules.Rules {
			def.Expectations = append(def.Expectations, schemas.ExpectationDefinition{Name: r.Name, Expression: r.Expr, Action: string(r.Action)})
		}
		u.event("dataset_definition", d.Name, "", "INFO", "Dataset "+d.Name+" is defined", def)
		for _, f := range d.Flows {
			u.event("flow_definition", d.Name, f.Name, "INFO", "Flow "+f.Name+" is defined", schemas.FlowDefinition{
				Inputs: append(slices.Clone(f.Streams), f.Reads...), Output: d.Name, Type: flowType(d), Language: "SQL", Comment: d.Description})
		}
	}
}

func flowType(d *plan.Dataset) string {
	if d.Kind == plan.StreamingTable {
		return "APPEND"
	}
	return strings.ToUpper(string(d.Kind))
}

// ended notes how the flows of an update that came to its end stand.
func (u *update) ended() {
	for _, d := range u.Plan.Datasets {
		if d.Kind == plan.View || u.skipped[d.Name] {
			continue
		}
		status := "COMPLETED"
		if !u.selected[d.Name] {
			status = "EXCLUDED"
		}
		for _, f := range d.Flows {
			u.event("flow_progress", d.Name, f.Name, "INFO", "Flow "+f.Name+" is "+status, schemas.FlowProgress{Status: status})
		}
	}
	u.progress("COMPLETED")
}

// progress notes a state of the update.
func (u *update) progress(state string) {
	u.event("update_progress", "", "", "INFO", "Update "+u.Update+" is "+state, map[string]any{"state": state})
}

// planned notes how a materialized view is kept up to date in this update, in Databricks' words.
func (u *update) planned(d *plan.Dataset, technique string) {
	u.event("planning_information", d.Name, d.Name, "INFO", d.Name+" has been planned to be executed as "+technique, map[string]any{
		"technique_information": []map[string]any{{"maintenance_type": "MAINTENANCE_TYPE_" + technique, "is_chosen": true, "is_applicable": true}}})
}

func (u *update) fatal(err error) *schemas.EventError {
	return &schemas.EventError{Fatal: true, Exceptions: []schemas.Exception{{ClassName: fmt.Sprintf("%T", err), Message: u.Plan.Secrets.Hide(duckerr.Text(err))}}}
}

// eventsSQL is a query that gives the events as rows of the event log.
func eventsSQL(events []schemas.Event) string {
	text, err := json.Marshal(events)
	if err != nil {
		panic(err) // events hold nothing that JSON cannot
	}
	shape, err := json.Marshal([]any{shapeOf(schemas.Type{Kind: schemas.Struct, Fields: schemas.EventLog()})})
	if err != nil {
		panic(err) // made of strings
	}
	return "SELECT unnest(from_json('" + strings.ReplaceAll(string(text), "'", "''") + "', '" + string(shape) + "'), max_depth := 2)"
}

// shapeOf is a type as DuckDB's from_json wants it: objects and arrays with type names in them.
func shapeOf(t schemas.Type) any {
	switch t.Kind {
	case schemas.Struct:
		fields := map[string]any{}
		for _, f := range t.Fields {
			fields[f.Name] = shapeOf(f.Type)
		}
		return fields
	case schemas.List:
		return []any{shapeOf(*t.Elem)}
	}
	return t.String()
}
