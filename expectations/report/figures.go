package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/lakeflow/lakeflow/schemas"
)

// update is the events of one update, in order.
type update struct {
	id, pipeline string
	events       []schemas.Event
}

// groupUpdates gives the updates, oldest first.
func groupUpdates(events []schemas.Event) []*update {
	byID := map[string]*update{}
	var updates []*update
	for _, e := range events {
		u := byID[e.Origin.UpdateID]
		if u == nil {
			u = &update{id: e.Origin.UpdateID, pipeline: e.Origin.PipelineName}
			byID[u.id] = u
			updates = append(updates, u)
		}
		u.events = append(u.events, e)
	}
	for _, u := range updates {
		slices.SortStableFunc(u.events, func(a, b schemas.Event) int {
			return cmp.Or(cmp.Compare(a.Sequence.DataPlane.SeqNo, b.Sequence.DataPlane.SeqNo), a.Timestamp.Compare(b.Timestamp))
		})
	}
	slices.SortStableFunc(updates, func(a, b *update) int { return cmp.Or(a.started().Compare(b.started()), cmp.Compare(a.id, b.id)) })
	return updates
}

func (u *update) started() time.Time { return u.events[0].Timestamp }

func (u *update) ended() time.Time { return u.events[len(u.events)-1].Timestamp }

// status is the state that the update reached last.
func (u *update) status() string {
	status := "CREATED"
	for _, e := range u.events {
		var d struct {
			Progress struct {
				State string `json:"state"`
			} `json:"update_progress"`
		}
		if e.EventType == "update_progress" && json.Unmarshal([]byte(e.Details), &d) == nil && d.Progress.State != "" {
			status = d.Progress.State
		}
	}
	return status
}

func terminal(status string) bool {
	return status == "COMPLETED" || status == "FAILED" || status == "CANCELED"
}

// failure is the message of the last fatal error.
func (u *update) failure() string {
	for _, e := range slices.Backward(u.events) {
		if e.Error != nil && e.Error.Fatal && len(e.Error.Exceptions) > 0 {
			return e.Error.Exceptions[0].Message
		}
	}
	return ""
}

// figures are an update's flow_progress events, by table and flow in the order of their first event.
type figures struct {
	names   []string
	byTable map[string]*tableFigures
}

type tableFigures struct {
	status  string
	mode    string
	refused bool
	flows   []*flowFigures
}

type flowFigures struct {
	Flow
	results []schemas.ExpectationResult
}

func (u *update) figures() (*figures, error) {
	f := &figures{byTable: map[string]*tableFigures{}}
	for _, e := range u.events {
		if e.EventType != "flow_progress" {
			continue
		}
		var d struct {
			Progress schemas.FlowProgress `json:"flow_progress"`
		}
		if err := json.Unmarshal([]byte(e.Details), &d); err != nil {
			return nil, fmt.Errorf("read the details of event %s of update %s: %w", e.ID, u.id, err)
		}
		f.add(e.Origin.DatasetName, e.Origin.FlowName, d.Progress)
	}
	return f, nil
}

func (f *figures) add(table, flow string, p schemas.FlowProgress) {
	t := f.byTable[table]
	if t == nil {
		t = &tableFigures{}
		f.byTable[table] = t
		f.names = append(f.names, table)
	}
	if t.status != "FAILED" {
		t.status = p.Status
	}
	// The figures of batches are in RUNNING events, one for each commit, and those of a refused batch in FAILED.
	switch {
	case p.Status == "RUNNING" && p.Lakeflow != nil:
		t.mode = p.Lakeflow.Mode
		into := t.flow(flow)
		if t.mode == "replace" {
			*into = flowFigures{Flow: Flow{Name: flow, Balances: true}}
		}
		into.add(*p.Lakeflow)
		if p.Lakeflow.View != nil { // these are of all rows of the view
			into.results = nil
		}
		into.addResults(p.DataQuality)
	case p.Status == "FAILED" && p.DataQuality != nil:
		t.refused = true
		t.flow(flow).addResults(p.DataQuality)
	}
}

func (t *tableFigures) flow(name string) *flowFigures {
	for _, f := range t.flows {
		if f.Name == name {
			return f
		}
	}
	f := &flowFigures{Flow: Flow{Name: name, Balances: true}}
	t.flows = append(t.flows, f)
	return f
}

func (f *flowFigures) add(a schemas.Accounting) {
	f.Flow = f.plus(Flow{Batches: 1, InputFiles: a.InputFiles, InputBytes: a.InputBytes, Unreadable: a.Unreadable, QueryRows: a.QueryRows,
		Written: a.Written, DeadLettered: a.DeadLettered, Discarded: a.Discarded, Changes: a.Changes, Balances: a.Balances()})
}

func (f *flowFigures) addResults(q *schemas.DataQuality) {
	if q != nil {
		f.results = append(f.results, q.Expectations...)
	}
}

// rules sums the rules over the table's flows and batches. What a rule says is taken from its last result.
func (t *tableFigures) rules() []RuleResult {
	rules := []RuleResult{}
	for _, f := range t.flows {
		for _, x := range f.results {
			i := slices.IndexFunc(rules, func(r RuleResult) bool { return r.Name == x.Name })
			if i < 0 {
				i = len(rules)
				rules = append(rules, RuleResult{Name: x.Name, Trend: []Point{}})
			}
			r := &rules[i]
			r.Action, r.Expression = x.Action, x.Expression
			r.Passed += x.Passed
			r.Failed += x.Failed
			r.FailedPercent = percent(r.Failed, r.Passed+r.Failed)
		}
	}
	return rules
}

func (f *figures) tables() []Table {
	tables := []Table{}
	for _, name := range f.names {
		t := f.byTable[name]
		out := Table{Name: name, Status: t.status, Mode: t.mode, Refused: t.refused, Rules: t.rules(), Flows: []Flow{}}
		for _, flow := range t.flows {
			if flow.Batches > 0 {
				out.Flows = append(out.Flows, flow.Flow)
			}
		}
		tables = append(tables, out)
	}
	return tables
}
