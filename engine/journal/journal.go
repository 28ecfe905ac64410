// Package journal makes the events that an update leaves in the lake's event log. They are written by the commits that
// they tell of.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
)

// Table is the table of the lake that is part of every commit.
const Table = "event_log"

// Journal collects the events of one update. It is used by one goroutine.
type Journal struct {
	origin  schemas.Origin // of every event
	update  string
	hide    func(string) string
	seq     int64
	commit  int64 // the number of the next commit
	waiting []schemas.Event
	defined *plan.Plan // that the events tell of
}

// New makes the journal of an update that goes on after a commit. Messages pass through hide, which knows the secrets.
func New(p *plan.Plan, update string, commit int64) *Journal {
	host, _ := os.Hostname()
	return &Journal{origin: schemas.Origin{PipelineID: PipelineID(p.Schema, p.Name), PipelineType: "WORKSPACE", PipelineName: p.Name, UpdateID: update, Host: host},
		update: update, hide: p.Secrets.Hide, commit: commit + 1}
}

// ids are the names that the ids of pipelines and flows are made of.
var ids = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/lakeflow/lakeflow"))

// PipelineID is the id of a pipeline, which follows from its name and that of its schema.
func PipelineID(schema, pipeline string) string { return id(schema, pipeline) }

// id is the same for the same names.
func id(names ...string) string {
	return uuid.NewSHA1(ids, []byte(strings.Join(names, "\x00"))).String()
}

// Waiting are the events that the next commit is to write.
func (j *Journal) Waiting() []schemas.Event { return j.waiting }

// Written takes note that a commit has written what was waiting.
func (j *Journal) Written(commit int64) { j.waiting, j.commit = nil, commit+1 }

// At takes note of the number of the last commit, after one that was not this update's own or that failed.
func (j *Journal) At(commit int64) { j.commit = commit + 1 }

// add has an event wait for the next commit. details becomes the value of the key eventType.
func (j *Journal) add(eventType, dataset, flow, level, message string, details any) {
	j.waiting = append(j.waiting, j.event(eventType, dataset, flow, level, message, details))
}

func (j *Journal) event(eventType, dataset, flow, level, message string, details any) schemas.Event {
	text, err := json.Marshal(map[string]any{eventType: details})
	if err != nil {
		panic(err) // details are plain structs and maps of this package
	}
	j.seq++
	from := j.origin
	from.TableName, from.DatasetName, from.FlowName, from.BatchID = dataset, dataset, flow, j.commit
	if flow != "" {
		from.FlowID = id(from.PipelineID, dataset, flow)
	}
	return schemas.Event{ID: uuid.NewString(), Sequence: schemas.Sequence{DataPlane: schemas.DataPlaneID{Instance: j.update, SeqNo: j.seq}},
		Origin: from, Timestamp: time.Now().UTC(), Message: j.hide(message), Level: level, Maturity: "STABLE", Details: string(text), EventType: eventType}
}

// Created notes that the update begins, and what was asked of it.
func (j *Journal) Created(as schemas.UpdateDefinition) {
	as.Cause = "USER_ACTION"
	if u, err := user.Current(); err == nil {
		as.RunAs = u.Username
	}
	j.add("user_action", "", "", "INFO", "User "+as.RunAs+" started update "+j.update, map[string]any{"action": "START", "user_name": as.RunAs})
	j.add("create_update", "", "", "INFO", "Update "+j.update+" started", as)
}

// Progress notes a state of the update.
func (j *Journal) Progress(state string) {
	j.add("update_progress", "", "", "INFO", "Update "+j.update+" is "+state, map[string]any{"state": state})
}

// Define notes what a plan holds, once for each plan of the update.
func (j *Journal) Define(p *plan.Plan) {
	if j.defined == p {
		return
	}
	j.defined = p
	for _, d := range p.Datasets {
		j.add("dataset_definition", d.Name, "", "INFO", "Dataset "+d.Name+" is defined", definition(d))
		for _, f := range d.Flows {
			j.add("flow_definition", d.Name, f.Name, "INFO", "Flow "+f.Name+" is defined", schemas.FlowDefinition{
				Inputs: slices.Concat(f.Streams, f.Changes, f.Reads), Output: d.Name, Type: flowType(d), Schema: schemas.SparkSchema(d.Columns), Language: "SQL", Comment: d.Description})
		}
	}
}

// Made is the event that a table has got its definition without rows. It belongs to the batch: it is written with it,
// or never.
func (j *Journal) Made(d *plan.Dataset) schemas.Event {
	return j.event("dataset_definition", d.Name, "", "INFO", "Table "+d.Name+" has its definition now", definition(d))
}

func definition(d *plan.Dataset) schemas.DatasetDefinition {
	def := schemas.DatasetDefinition{Type: strings.ToUpper(string(d.Kind)), Flows: len(d.Flows), Expectations: []schemas.ExpectationDefinition{}}
	for _, r := range d.Rules.Rules {
		def.Expectations = append(def.Expectations, schemas.ExpectationDefinition{Name: r.Name, Expression: r.Expr, Action: string(r.Action)})
	}
	return def
}

func flowType(d *plan.Dataset) string {
	switch d.Refresh {
	case plan.Append:
		return "APPEND"
	case plan.Merge:
		if d.Merge.Spec.Snapshots {
			return "SNAPSHOT_CHANGE"
		}
		return "CHANGE"
	}
	return strings.ToUpper(string(d.Kind))
}

// Flow makes the event that tells what a batch did in a flow. It belongs to the batch: it is written with it, or never.
func (j *Journal) Flow(table, flow, message string, p schemas.FlowProgress) schemas.Event {
	return j.event("flow_progress", table, flow, "METRICS", message, p)
}

// Published notes what was published to a sink.
func (j *Journal) Published(sink, table string, rows int64, took time.Duration) {
	e := j.Flow(table, sink, sink+" published "+Rows(rows),
		schemas.FlowProgress{Status: "RUNNING", Metrics: &schemas.FlowMetrics{OutputRows: rows, ExecutorMS: took.Milliseconds()}})
	e.Origin.SinkName = sink
	j.waiting = append(j.waiting, e)
}

// Violated notes that rows violate a fail rule of a flow, which ends the update with the error.
func (j *Journal) Violated(table, flow string, rules []schemas.ExpectationResult, cause error) {
	e := j.event("flow_progress", table, flow, "ERROR", "expectation failed",
		schemas.FlowProgress{Status: "FAILED", DataQuality: &schemas.DataQuality{Expectations: rules}})
	e.Error = j.failure(cause)
	j.waiting = append(j.waiting, e)
}

// Notice notes what the user should know.
func (j *Journal) Notice(table, message string) {
	j.add("flow_progress", table, table, "WARN", message, map[string]any{"status": "RUNNING"})
}

// Skipped notes that a materialized view is left as it is.
func (j *Journal) Skipped(table, why string) {
	j.add("flow_progress", table, table, "INFO", table+" is skipped: "+why, schemas.FlowProgress{Status: "SKIPPED"})
	j.Planned(table, "NO_OP")
}

// Ended notes how a flow of an update stands that came to its end: COMPLETED or EXCLUDED.
func (j *Journal) Ended(table, flow, status string) {
	j.add("flow_progress", table, flow, "INFO", "Flow "+flow+" is "+status, schemas.FlowProgress{Status: status})
}

// Canceled notes that the update was interrupted.
func (j *Journal) Canceled() {
	j.add("update_progress", "", "", "WARN", "Update "+j.update+" is CANCELED", map[string]any{"state": "CANCELED", "cancellation_cause": "USER_ACTION"})
}

// Failed notes the error that ended the update.
func (j *Journal) Failed(cause error) {
	text := duckerr.Text(cause)
	e := j.event("update_progress", "", "", "ERROR", fmt.Sprintf("Update %s is FAILED: %s", j.update, text), map[string]any{"state": "FAILED"})
	e.Error = j.failure(cause)
	j.waiting = append(j.waiting, e)
}

func (j *Journal) failure(cause error) *schemas.EventError {
	return &schemas.EventError{Fatal: true, Exceptions: []schemas.Exception{{ClassName: className(cause), Message: j.hide(duckerr.Text(cause))}}}
}

// className names the kind of an error for those who count failures: the first in the chain that has a type of its own.
func className(err error) string {
	for e := err; e != nil; e = errors.Unwrap(e) {
		name := fmt.Sprintf("%T", e)
		pkg, kind, _ := strings.Cut(strings.TrimPrefix(name, "*"), ".")
		if pkg != "fmt" && pkg != "errors" && unicode.IsUpper(rune(kind[0])) {
			return kind
		}
	}
	return "Error"
}

// Rows is a number of rows in words.
func Rows(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}
