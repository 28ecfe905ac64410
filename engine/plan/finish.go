package plan

import (
	"context"
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/schemas"
)

// The words for how a dataset is kept up to date, and what is promised of it.
const (
	refreshAppend   = "appends new rows"
	refreshMerge    = "applies changes by key (SCD type %d)"
	refreshSnapshot = "follows full snapshots by key (SCD type %d)"
	refreshReplace  = "recomputed in full when an input changed"
	refreshFollow   = "follows the changes of its inputs"
	refreshAlways   = "recomputed in full by every update"
	refreshRead     = "computed when read"
	guaranteeOnce   = "exactly once"
	guaranteeInputs = "that of what it reads"
)

// finish writes down, for every dataset, how it is refreshed and what is promised, and finishes its flows.
func (c *compiler) finish(context.Context) error {
	for _, d := range c.ordered {
		if d.failed || d.doubtful {
			continue
		}
		d.out.Deterministic, d.out.Types = true, d.writtenTypes()
		for _, f := range d.flows {
			f.out.Project = project(f, f.out.SQL, d.rows)
			if len(f.out.Provenance) > 0 {
				f.out.TracedProject = project(f, f.out.Traced, d.rows, f.out.Provenance...)
				f.out.LocatedProject = project(f, f.out.Traced, d.rows, schemas.Provenance(true)...)
			}
			d.out.Deterministic = d.out.Deterministic && c.deterministic(f)
		}
		for _, f := range d.flows {
			f.out.Rescan = c.rescan(f)
			d.out.Flows = append(d.out.Flows, f.out)
		}
		for _, x := range d.changes.expressions() {
			d.out.Deterministic = d.out.Deterministic && x.facts.deterministic()
		}
		d.out.Refresh = refreshOf(d.decl)
		switch d.out.Refresh {
		case Append:
			d.out.Technique, d.out.Guarantee = refreshAppend, guaranteeOnce
		case Merge:
			d.out.Technique, d.out.Guarantee = fmt.Sprintf(refreshMerge, d.out.Merge.SCDType()), guaranteeOnce
			if d.out.Merge.Spec.Snapshots {
				d.out.Technique = fmt.Sprintf(refreshSnapshot, d.out.Merge.SCDType())
			}
		case Inline:
			d.out.Technique, d.out.Guarantee = refreshRead, guaranteeInputs
		case Replace:
			d.out.Technique, d.out.Guarantee = refreshReplace, guaranteeOnce
			if !d.out.Deterministic {
				d.out.Technique = refreshAlways
			}
		}
	}
	return nil
}

// deterministic reports whether the flow gives the same rows as long as what it reads stays the same. A view is looked
// through, for it is evaluated again by every reader.
func (c *compiler) deterministic(f *flow) bool {
	if !f.facts.deterministic() || f.facts.samples {
		return false
	}
	for _, r := range f.refs {
		if r.dataset != nil && r.dataset.decl.Kind == dsl.View && !r.dataset.out.Deterministic {
			return false
		}
	}
	return true
}

// rescan reports whether the flow may be evaluated again with the same result at little cost: a projection and filter
// of one stored table. Sources are costly to read, and a view may hide anything. Rules count too, for they are
// evaluated along with the rows.
func (c *compiler) rescan(f *flow) bool {
	if !f.facts.plain || !f.facts.deterministic() || len(f.refs) != 1 || f.refs[0].changes || f.refs[0].dataset == nil || f.refs[0].dataset.decl.Kind == dsl.View {
		return false
	}
	for _, x := range f.ds.expressions() {
		if x.facts == nil || !x.facts.deterministic() {
			return false
		}
	}
	return true
}

// project wraps the flow's SQL so that it gives the columns of the dataset's rows in their order and stored types, and
// behind them hidden ones as they are.
func project(f *flow, query string, columns schemas.Table, hidden ...schemas.Column) string {
	own := map[string]column{}
	for _, col := range f.columns {
		own[strings.ToLower(col.name)] = col
	}
	cells := make([]string, len(columns), len(columns)+len(hidden))
	for i, col := range columns {
		name, want := ident(col.Name), col.Type.String()
		switch have, there := own[strings.ToLower(col.Name)]; {
		case !there:
			cells[i] = "CAST(NULL AS " + want + ") AS " + name
		case have == column{col.Name, want} && f.narrowed(col.Name) == "":
			cells[i] = name
		case f.narrowed(col.Name) != "":
			cells[i] = "CAST(CAST(" + name + " AS " + f.narrowed(col.Name) + ") AS " + want + ") AS " + name
		default:
			cells[i] = "CAST(" + name + " AS " + want + ") AS " + name
		}
	}
	for _, col := range hidden {
		cells = append(cells, ident(col.Name))
	}
	// The line break ends a comment in the query's last line.
	return "SELECT " + strings.Join(cells, ", ") + " FROM (\n" + query + "\n)"
}
