package plan

import (
	"encoding/json"
	"io"
	"slices"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/graph"
	"github.com/lakeflow/lakeflow/schemas"
)

// The JSON form of a plan. Its names are part of the command line's contract: fields are added, not renamed.
type (
	planJSON struct {
		Name       string        `json:"name"`
		Schema     string        `json:"schema"`
		Warehouse  string        `json:"warehouse"`
		DeadLetter string        `json:"dead_letter"`
		Mode       string        `json:"mode"`
		Trigger    triggerJSON   `json:"trigger"`
		Sources    []sourceJSON  `json:"sources"`
		Datasets   []datasetJSON `json:"datasets"`
		Sinks      []sinkJSON    `json:"sinks"`
	}
	triggerJSON struct {
		Interval string `json:"interval"`
		MaxRows  int    `json:"max_rows"`
		MaxBytes int64  `json:"max_bytes"`
	}
	sourceJSON struct {
		Name    string       `json:"name"`
		Format  string       `json:"format"`
		Columns []columnJSON `json:"columns"`
	}
	datasetJSON struct {
		Name          string       `json:"name"`
		Kind          string       `json:"kind"`
		Layer         string       `json:"layer,omitempty"`
		Description   string       `json:"description,omitempty"`
		Streaming     bool         `json:"streaming"`
		Deterministic bool         `json:"deterministic"`
		Refresh       string       `json:"refresh"`
		RefreshEvery  string       `json:"refresh_every,omitempty"`
		Technique     string       `json:"technique,omitempty"`
		Issues        []issueJSON  `json:"incrementalization_issues,omitempty"`
		Wave          int          `json:"wave"`
		Guarantee     string       `json:"guarantee"`
		AutoCDC       *autoCDCJSON `json:"auto_cdc,omitempty"`
		Columns       []columnJSON `json:"columns"`
		Partition     []partJSON   `json:"partition_by,omitempty"`
		Flows         []flowJSON   `json:"flows"`
		Expectations  []ruleJSON   `json:"expectations,omitempty"`
		RuleSet       string       `json:"rule_set_hash,omitempty"`
		Reset         *bool        `json:"reset,omitempty"` // false where a full refresh leaves the rows
		Ignored       []nameValue  `json:"ignored,omitempty"`
	}
	nameValue struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	issueJSON struct {
		Code    string `json:"issue_type"`
		Message string `json:"issue_message"`
		File    string `json:"file"`
		Line    int    `json:"line"`
		Column  int    `json:"column"`
	}
	autoCDCJSON struct {
		SCDType            int          `json:"scd_type"`
		FromSnapshot       string       `json:"from_snapshot,omitempty"` // stream or whole
		SnapshotVersion    string       `json:"snapshot_version,omitempty"`
		Keys               []string     `json:"keys"`
		SequenceBy         []string     `json:"sequence_by"`
		SequenceType       string       `json:"sequence_type"`
		ApplyAsDelete      string       `json:"apply_as_delete,omitempty"`
		ApplyAsTruncate    string       `json:"apply_as_truncate,omitempty"`
		IgnoreNullUpdates  []string     `json:"ignore_null_updates,omitempty"`
		TrackHistoryOn     []string     `json:"track_history_on,omitempty"`
		TombstoneRetention string       `json:"tombstone_retention,omitempty"`
		FilledIn           []string     `json:"filled_in,omitempty"`
		FilledInBy         string       `json:"filled_in_by,omitempty"`
		Changes            []columnJSON `json:"changes"` // the columns of the rows that the flows give
	}
	sinkJSON struct {
		Name      string   `json:"name"`
		From      string   `json:"from"`
		Key       []string `json:"key,omitempty"` // of tables whose rows change
		Format    string   `json:"format"`
		Guarantee string   `json:"guarantee"`
	}
	columnJSON struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	partJSON struct {
		Name      string `json:"name"`
		Column    string `json:"column"`
		Transform string `json:"transform"`
		Arg       int    `json:"arg,omitempty"`
	}
	flowJSON struct {
		Name        string   `json:"name"`
		Streams     []string `json:"streams"`
		Changes     []string `json:"changes,omitempty"`
		Reads       []string `json:"reads"`
		SQL         string   `json:"sql"`
		Fingerprint string   `json:"fingerprint"`
		Once        bool     `json:"once,omitempty"`
	}
	ruleJSON struct {
		Name   string `json:"name"`
		Expect string `json:"expect"`
		Action string `json:"on_violation"`
	}
)

// JSON writes the plan for machines.
func (p *Plan) JSON(w io.Writer) error {
	out := planJSON{Name: p.Name, Schema: p.Schema, Warehouse: p.Warehouse, DeadLetter: p.DeadLetter,
		Mode: string(p.Mode), Trigger: triggerJSON{short(p.Trigger.Interval), p.Trigger.MaxRows, p.Trigger.MaxBytes}, Sources: []sourceJSON{}, Datasets: []datasetJSON{}, Sinks: []sinkJSON{}}
	for _, s := range p.Sources {
		out.Sources = append(out.Sources, sourceJSON{s.Name, s.Format, columnsJSON(s.Columns)})
	}
	for _, d := range p.Datasets {
		out.Datasets = append(out.Datasets, d.json())
	}
	for _, x := range p.Sinks {
		out.Sinks = append(out.Sinks, sinkJSON{x.Name, x.From, x.Key, x.Format, x.Guarantee})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}

func (d *Dataset) json() datasetJSON {
	j := datasetJSON{Name: d.Name, Kind: string(d.Kind), Layer: d.Layer, Description: d.Description, Streaming: d.Streaming, Deterministic: d.Deterministic,
		Refresh: d.Technique, Wave: d.Wave + 1, Guarantee: d.Guarantee, Columns: columnsJSON(d.Columns), Flows: []flowJSON{}}
	if d.RefreshEvery > 0 {
		j.RefreshEvery = short(d.RefreshEvery)
	}
	if d.Merge != nil {
		j.AutoCDC = d.Merge.json()
	}
	if d.Incremental != nil && d.Incremental.Technique != nil {
		j.Technique = d.Incremental.Name
		for _, issue := range d.Incremental.Issues {
			at := d.Incremental.place(issue)
			j.Issues = append(j.Issues, issueJSON{issue.Code, issue.Message, at.File, at.Start.Line, at.Start.Column})
		}
	}
	for _, f := range d.Partition {
		j.Partition = append(j.Partition, partJSON{f.Name, f.Column, f.Transform, f.Arg})
	}
	for _, f := range d.Flows {
		j.Flows = append(j.Flows, flowJSON{f.Name, listJSON(f.Streams), f.Changes, listJSON(f.Reads), f.query.Raw, f.Fingerprint, f.Once})
	}
	for _, r := range d.Rules.Rules {
		j.Expectations = append(j.Expectations, ruleJSON{r.Name, r.Expr, string(r.Action)})
	}
	if d.NoReset {
		j.Reset = new(bool)
	}
	for _, x := range d.Ignored {
		j.Ignored = append(j.Ignored, nameValue{x.Name, x.Value})
	}
	if len(d.Rules.Rules) > 0 {
		j.RuleSet = d.Rules.Hash()
	}
	return j
}

func (m *AutoCDC) json() *autoCDCJSON {
	j := &autoCDCJSON{SCDType: m.SCDType(), Keys: m.Spec.Keys, SequenceBy: m.SequenceBy,
		SequenceType:  m.Spec.Sequence.String(),
		ApplyAsDelete: m.DeleteWhen, ApplyAsTruncate: m.TruncateWhen, IgnoreNullUpdates: m.Spec.IgnoreNulls,
		TrackHistoryOn: m.Spec.Tracked, FilledIn: m.Filled, FilledInBy: m.FilledBy, Changes: columnsJSON(m.Rows)}
	switch {
	case m.Spec.Snapshots:
		j.FromSnapshot, j.SnapshotVersion, j.SequenceBy = m.snapshotSource(), m.versionText(), []string{}
	case !m.Spec.History:
		j.TombstoneRetention = short(m.Keep)
	}
	return j
}

func columnsJSON(columns schemas.Table) []columnJSON {
	out := make([]columnJSON, len(columns))
	for i, c := range columns {
		out[i] = columnJSON{c.Name, c.Type.String()}
	}
	return out
}

// listJSON makes nil an empty list.
func listJSON(names []string) []string { return append([]string{}, names...) }

// Graph is the sources, datasets and sinks, with an edge from everything to what reads it.
func (p *Plan) Graph() *graph.Graph {
	g := &graph.Graph{}
	for _, s := range p.Sources {
		g.AddNode(s.Name)
	}
	for _, d := range p.Datasets {
		g.AddNode(d.Name)
		for _, f := range d.Flows {
			for _, in := range slices.Concat(f.Streams, f.Changes, f.Reads) {
				g.AddEdge(in, d.Name)
			}
		}
	}
	for _, s := range p.Sinks {
		g.AddNode(s.Name)
		g.AddEdge(s.From, s.Name)
	}
	return g
}

// Mermaid writes the graph as a Mermaid flowchart.
func (p *Plan) Mermaid(w io.Writer) error {
	_, err := io.WriteString(w, diag.Visible(p.Graph().Mermaid(p.label, p.edge)))
	return err
}

// DOT writes the graph in Graphviz's language.
func (p *Plan) DOT(w io.Writer) error {
	_, err := io.WriteString(w, diag.Visible(p.Graph().DOT(p.Name, p.label, p.edge)))
	return err
}

// label is how a node of the graph is drawn.
func (p *Plan) label(name string) graph.Label {
	if d := p.Dataset(name); d != nil {
		l := graph.Label{Lines: []string{name, d.labels()[0]}, Class: d.Layer}
		if d.Kind == "view" {
			l.Shape = "rounded"
		}
		if n := len(d.Rules.Rules); n > 0 {
			l.Lines = append(l.Lines, count(n, "expectation"))
		}
		return l
	}
	for _, s := range p.Sources {
		if s.Name == name {
			return graph.Label{Lines: []string{name, s.Format}, Class: "source", Shape: "cylinder"}
		}
	}
	for _, s := range p.Sinks {
		if s.Name == name {
			return graph.Label{Lines: []string{name, s.Format}, Class: "sink", Shape: "cylinder"}
		}
	}
	return graph.Label{Lines: []string{name}}
}

// edge says how a dataset, or a sink, reads another one.
func (p *Plan) edge(from, to string) string {
	if p.Dataset(to) == nil {
		return "stream"
	}
	for _, f := range p.Dataset(to).Flows {
		switch {
		case slices.Contains(f.Streams, from):
			return "stream"
		case slices.Contains(f.Changes, from):
			return "changes"
		}
	}
	return ""
}
