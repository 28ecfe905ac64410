package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
)

// event adds an event to those that the next commit writes. details becomes the value of the key eventType.
func (u *update) event(eventType, dataset, flow, level, message string, details any) {
	text, err := json.Marshal(map[string]any{eventType: details})
	if err != nil {
		panic(err) // details are plain structs and maps of the engine's own
	}
	host, _ := os.Hostname()
	u.seq++
	u.events = append(u.events, schemas.Event{ID: uuid.NewString(), Sequence: schemas.Sequence{DataPlane: schemas.DataPlaneID{Instance: u.Update, SeqNo: u.seq}},
		Origin:    schemas.Origin{PipelineName: u.Plan.Name, UpdateID: u.Update, DatasetName: dataset, FlowName: flow, BatchID: u.commit + 1, Host: host},
		Timestamp: time.Now().UTC(), Message: message, Level: level, Maturity: "STABLE", Details: string(text), EventType: eventType})
}

func (u *update) flowEvent(d *plan.Dataset, f *plan.Flow, a schemas.Accounting, v expectations.Verdict, bytes int64, took time.Duration) {
	u.event("flow_progress", d.Name, f.Name, "METRICS", fmt.Sprintf("%s wrote %d rows", d.Name, a.Written), schemas.FlowProgress{
		Status:      "RUNNING",
		Metrics:     &schemas.FlowMetrics{OutputRows: a.Written, OutputBytes: bytes, ExecutorMS: took.Milliseconds()},
		DataQuality: &schemas.DataQuality{DroppedRecords: v.Dropped, Expectations: v.Results},
		Lakeflow:    &a,
	})
}

func fatal(err error) *schemas.EventError {
	return &schemas.EventError{Fatal: true, Exceptions: []schemas.Exception{{ClassName: fmt.Sprintf("%T", err), Message: err.Error()}}}
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
