package project

import (
	"context"
	"errors"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/audit"
	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// recompute is what an audit needs to compute rows again. A plan that cannot be made is no error: it says why.
func (p *Project) recompute(ctx context.Context) *audit.Recompute {
	made, err := p.look(ctx)
	if err != nil {
		return &audit.Recompute{Why: p.Pipeline.Secrets.Hide(whyNot(err))}
	}
	out := &audit.Recompute{}
	for _, d := range made.Stored() {
		c := audit.Computed{Name: d.Name, Columns: d.Columns, Rules: d.Rules, Appends: d.Refresh.Resumes()}
		if m := d.Merge; m != nil {
			c.Merge = &audit.Merge{Spec: m.Spec, Changes: m.ChangesOf}
			if !m.Spec.History && (m.Feed || m.DeleteWhen != "" || m.TruncateWhen != "") {
				c.Merge.Keep = m.Keep
			}
		}
		for _, f := range d.Flows {
			c.Flows = append(c.Flows, audit.Flow{Name: f.Name, SQL: f.Project, Fingerprint: f.Fingerprint,
				Relations: relationsOf(made, f)})
		}
		c.Why = unrepeatable(made, d, p.place.state)
		out.Tables = append(out.Tables, c)
	}
	return out
}

// look makes the plan as those do who only look, in a project of its own: this one has neither sources nor a plan. That
// the file says other things of the tables than are stored is no obstacle.
func (p *Project) look(ctx context.Context) (made *plan.Plan, err error) {
	pipeline, diags, err := p.opts.load(p.file)
	if err != nil {
		return nil, err
	}
	if pipeline == nil {
		return nil, diags
	}
	opts := p.opts
	opts.Purpose, opts.Events, opts.Placed = Look, nil, nil
	other := newProject(pipeline, p.file, opts, diags)
	other.lenient = true
	defer func() { err = errors.Join(err, other.close()) }()
	if err := other.open(ctx); err != nil {
		return nil, err
	}
	return other.Plan()
}

// whyNot is an error on one line.
func whyNot(err error) string {
	var mistakes diag.List
	if errors.As(err, &mistakes) {
		for _, d := range mistakes {
			if d.Severity == diag.Error {
				return "the pipeline file has mistakes, which lakeflow validate shows: " + d.Message
			}
		}
	}
	return duckerr.Text(err)
}

// relationsOf are the relations that a flow's query names, those of views before the views.
func relationsOf(p *plan.Plan, f *plan.Flow) (out []audit.Relation) {
	add := func(names []string, fresh bool) {
		for _, name := range names {
			r := audit.Relation{Name: name, New: fresh}
			if d := p.Dataset(name); d != nil && !d.Refresh.Stored() {
				out = append(out, relationsOf(p, d.Flows[0])...)
				r.View = d.Flows[0].SQL
			}
			out = append(out, r)
		}
	}
	add(f.Reads, false)
	add(f.Streams, true)
	return out
}

// unrepeatable says why the rows of a table cannot be computed again; it is empty when they can.
func unrepeatable(p *plan.Plan, d *plan.Dataset, st *lake.State) string {
	if d.Merge != nil && d.Merge.Spec.Snapshots {
		return "its rows are made of snapshots by key"
	}
	if !d.Deterministic {
		return "its query gives other rows at another time"
	}
	var sources []string
	for _, f := range d.Flows {
		for _, name := range append(p.Inputs(f), p.Whole(f)...) {
			if p.InputKind(name) != plan.TableInput {
				sources = append(sources, name)
			}
		}
	}
	switch {
	case len(sources) > 0:
		return "it reads " + strings.Join(sources, " and ") + ", which is no table"
	case !d.Refresh.Resumes():
		if stored, exists := st.Tables[d.Name]; exists && !definitions.Equal(p, d, stored) {
			return "its query has changed since rows were written"
		}
		return ""
	}
	for _, f := range d.Flows {
		if len(f.Changes) > 0 {
			return "it reads the changes of " + strings.Join(f.Changes, " and ") + ", which are not read again"
		}
		if !f.Rescan || len(f.Streams) != 1 {
			return "its query does more than choose columns and rows of one table"
		}
	}
	return ""
}
