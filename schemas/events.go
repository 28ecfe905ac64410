package schemas

import (
	"cmp"
	"time"
)

// Event is one row of the event_log table: Databricks' field names and event types where they apply. Its JSON, one
// object per line, is read by read_json with the columns of EventLog.
type Event struct {
	ID        string    `json:"id"`
	Sequence  Sequence  `json:"sequence"`
	Origin    Origin    `json:"origin"`
	Timestamp time.Time `json:"timestamp"`
	Message   string    `json:"message"`
	Level     string    `json:"level"` // INFO, WARN, ERROR, METRICS
	// Maturity is STABLE in every event; it is there because Databricks' queries select it.
	Maturity string      `json:"maturity_level"`
	Error    *EventError `json:"error"` // nil where nothing failed
	// Details is a JSON text: an object with one key, the event type.
	Details   string `json:"details"`
	EventType string `json:"event_type"`
}

// Sequence orders the events of an update.
type Sequence struct {
	DataPlane    DataPlaneID `json:"data_plane_id"`
	ControlPlane int64       `json:"control_plane_seq_no"`
}

// DataPlaneID numbers the events of one process: SeqNo grows within Instance, the update id.
type DataPlaneID struct {
	Instance string `json:"instance"`
	SeqNo    int64  `json:"seq_no"`
}

// Origin says where an event comes from. The column has more fields, which are there because Databricks' queries select
// them: its cloud and cluster, of which there are none.
type Origin struct {
	PipelineID   string `json:"pipeline_id,omitempty"`
	PipelineType string `json:"pipeline_type,omitempty"` // WORKSPACE
	PipelineName string `json:"pipeline_name"`
	UpdateID     string `json:"update_id"`
	TableName    string `json:"table_name,omitempty"` // DatasetName
	DatasetName  string `json:"dataset_name,omitempty"`
	SinkName     string `json:"sink_name,omitempty"`
	FlowID       string `json:"flow_id,omitempty"`
	FlowName     string `json:"flow_name,omitempty"`
	BatchID      int64  `json:"batch_id,omitempty"` // the commit number
	Host         string `json:"host,omitempty"`
}

// EventError is what failed. Fatal ends the update.
type EventError struct {
	Fatal      bool        `json:"fatal"`
	Exceptions []Exception `json:"exceptions"`
}

// Exception is one link of a chain of errors, outermost first.
type Exception struct {
	ClassName string `json:"class_name"`
	Message   string `json:"message"`
}

// FlowProgress is the details of a flow_progress event. One with status RUNNING is written by each
// commit for every flow that the batch fed, one with COMPLETED, SKIPPED or FAILED ends the flow in an update.
type FlowProgress struct {
	Status      string       `json:"status"`
	Metrics     *FlowMetrics `json:"metrics,omitempty"`
	DataQuality *DataQuality `json:"data_quality,omitempty"`
	Lakeflow    *Accounting  `json:"lakeflow,omitempty"`
}

// DatasetDefinition is the details of a dataset_definition event.
type DatasetDefinition struct {
	Type         string                  `json:"dataset_type"` // STREAMING_TABLE, MATERIALIZED_VIEW, VIEW
	Flows        int                     `json:"num_flows"`
	Expectations []ExpectationDefinition `json:"expectations"`
}

// ExpectationDefinition is a rule as it was declared.
type ExpectationDefinition struct {
	Name       string `json:"name"`
	Expression string `json:"expression"`
	Action     string `json:"action"`
}

// FlowDefinition is the details of a flow_definition event: the edges of the lineage graph. The query is left out: it
// may hold the values of secrets.
type FlowDefinition struct {
	Inputs   []string `json:"input_datasets"`
	Output   string   `json:"output_dataset"`
	Type     string   `json:"flow_type"` // APPEND, CHANGE, MATERIALIZED_VIEW, VIEW
	Schema   any      `json:"schema"`    // of the output, as SparkSchema
	Language string   `json:"language"`
	Comment  string   `json:"comment,omitempty"`
}

// UpdateDefinition is the details of a create_update event.
type UpdateDefinition struct {
	Cause            string   `json:"cause"`            // USER_ACTION
	RunAs            string   `json:"run_as,omitempty"` // the user of the operating system
	FullRefresh      bool     `json:"full_refresh"`     // of all tables
	FullSelection    []string `json:"full_refresh_selection,omitempty"`
	RefreshSelection []string `json:"refresh_selection,omitempty"`
	Continuous       bool     `json:"continuous"`
}

// PlanningInformation is the details of a planning_information event.
type PlanningInformation struct {
	Techniques []TechniqueInformation `json:"technique_information"`
}

// TechniqueInformation is a way to bring a materialized view up to date.
type TechniqueInformation struct {
	Type       string                  `json:"maintenance_type"` // MAINTENANCE_TYPE_ROW_BASED and others
	Chosen     bool                    `json:"is_chosen"`
	Applicable bool                    `json:"is_applicable"`
	Issues     []IncrementalizingIssue `json:"incrementalization_issues,omitempty"`
}

// IncrementalizingIssue is in the way of a cheaper technique. Type and the sub-types are Databricks' names; Type is empty
// where it has none. The message is lakeflow's addition.
type IncrementalizingIssue struct {
	Type             string `json:"issue_type,omitempty"`
	Prevents         bool   `json:"prevent_incrementalization"`
	NotIncremental   string `json:"plan_not_incrementalizable_sub_type,omitempty"`
	NotDeterministic string `json:"plan_not_deterministic_sub_type,omitempty"`
	Message          string `json:"issue_message"`
}

// FlowMetrics are Databricks' figures of a flow.
type FlowMetrics struct {
	OutputRows  int64 `json:"num_output_rows"`
	OutputBytes int64 `json:"num_output_bytes"`
	ExecutorMS  int64 `json:"executor_time_ms"`
	// Upserted and Deleted are those of change rows that are applied by key.
	Upserted int64 `json:"num_upserted_rows,omitempty"`
	Deleted  int64 `json:"num_deleted_rows,omitempty"`
	Backlog
	Sources []SourceMetrics `json:"source_metrics,omitempty"`
}

// Backlog is what is known to wait behind a batch: files and their bytes, or records of topics. nil is not known.
type Backlog struct {
	Bytes   *int64 `json:"backlog_bytes,omitempty"`
	Records *int64 `json:"backlog_records,omitempty"`
	Files   *int64 `json:"backlog_files,omitempty"`
}

// Add adds what waits elsewhere.
func (b *Backlog) Add(c Backlog) {
	b.Bytes, b.Records, b.Files = plus(b.Bytes, c.Bytes), plus(b.Records, c.Records), plus(b.Files, c.Files)
}

func plus(a, b *int64) *int64 {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	n := *a + *b
	return &n
}

// SourceMetrics is the backlog of one source.
type SourceMetrics struct {
	Source string `json:"source_name"`
	Backlog
}

// DataQuality is Databricks' block that dashboards read.
type DataQuality struct {
	DroppedRecords int64               `json:"dropped_records"`
	Expectations   []ExpectationResult `json:"expectations"`
}

// ExpectationResult counts one rule over the rows of one flow in one batch. Passed + Failed is the number of rows the
// query gave; where Accounting.View is set, its Rows.
type ExpectationResult struct {
	Name    string `json:"name"`
	Dataset string `json:"dataset"`
	Passed  int64  `json:"passed_records"`
	Failed  int64  `json:"failed_records"`
	// Action and Expression are lakeflow's additions.
	Action     string `json:"action"`
	Expression string `json:"expression"`
}

// Accounting is where every row of one flow in one batch went. It balances when
// QueryRows = Written + DeadLettered + Discarded, and of change rows that are applied by key, when
// QueryRows = Applied + Superseded + Ignored + DeadLettered + Discarded; Unreadable records never became rows.
type Accounting struct {
	Commit       int64  `json:"commit"`
	Mode         string `json:"mode"`                      // append, replace, merge
	InputFiles   int64  `json:"input_files"`               // files, or snapshots of an upstream table
	InputBytes   int64  `json:"input_bytes"`               // of those files
	InputRows    int64  `json:"input_rows"`                // of upstream tables
	Unreadable   int64  `json:"unreadable_records"`        // dead-lettered because they could not be parsed or cast
	Ignored      int64  `json:"ignored_records,omitempty"` // of sources, that brought no row and are no mistake
	QueryRows    int64  `json:"query_rows"`                // rows that the flow's query gave
	Written      int64  `json:"written_records"`           // rows in the table's new files
	DeadLettered int64  `json:"quarantined_records"`       // rows in the dead-letter table
	Discarded    int64  `json:"discarded_records"`         // dropped by a table with dead_letter: false
	RuleSet      string `json:"rule_set_hash"`             // of the expectations that were applied
	Query        string `json:"query_fingerprint"`         // of the query that gave the rows; empty in older logs
	Table        string `json:"quarantine_table"`          // the dead-letter table; empty for a table with dead_letter: false
	Files        int64  `json:"output_files"`              // files written
	// Changes is set for rows that are changes, applied by key; Mode is merge then, or replace for a table that is
	// computed from the beginning.
	Changes *ChangeCounts `json:"changes,omitempty"`
	// View is set for a materialized view with expectations that has followed the changes of its inputs: the figures of
	// its expectations are then those of all its rows after the commit, not of the rows of this commit.
	View *ViewCounts `json:"view,omitempty"`
}

// ViewCounts are the rows that a view's query gives over everything.
type ViewCounts struct {
	Rows    int64 `json:"rows"`
	Dropped int64 `json:"dropped_rows"` // of those, the ones that are not stored
}

// ChangeCounts are where change rows went that were applied to a table by key, and what that did to its rows.
type ChangeCounts struct {
	Applied    int64 `json:"applied_records"`
	Superseded int64 `json:"superseded_records"` // a newer change of the key is there
	Ignored    int64 `json:"ignored_records"`    // the same change was there already
	Removed    int64 `json:"removed_records"`    // rows of the table that are there no more, or were replaced by written ones
}

// Plus adds counts; nil are none.
func (c *ChangeCounts) Plus(d *ChangeCounts) *ChangeCounts {
	if c == nil || d == nil {
		if c == nil {
			return d
		}
		return c
	}
	return &ChangeCounts{c.Applied + d.Applied, c.Superseded + d.Superseded, c.Ignored + d.Ignored, c.Removed + d.Removed}
}

// Balances reports whether every row is accounted for.
func (a Accounting) Balances() bool {
	went := a.Written
	if c := a.Changes; c != nil {
		went = c.Applied + c.Superseded + c.Ignored
	}
	return a.QueryRows == went+a.DeadLettered+a.Discarded
}
