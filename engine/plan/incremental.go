package plan

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/incremental"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
)

// Incremental is how a materialized view follows the changes of what it reads.
type Incremental struct {
	// Technique is nil before Analyze.
	*incremental.Technique
	// Table is the hidden table beside it, where the technique needs one.
	Table string

	query incremental.Query
	// untraced is the query as the user wrote it, where query has it pass on where rows are from.
	untraced *incremental.Query
	place    func(incremental.Issue) diag.Range
}

// Analyze finds the technique, once. It takes DuckDB longer than everything else of a plan, so that it is left to those
// who refresh the view or tell of it; they do so one at a time. taken is what a technique says itself, of the last time
// that the view was refreshed, or empty: it takes less time when nothing is different.
func (v *Incremental) Analyze(ctx context.Context, conn *sql.Conn, taken string) (err error) {
	if v.Technique != nil {
		return nil
	}
	v.query.Taken = taken
	v.Technique, err = incremental.Analyze(ctx, conn, v.query)
	if err == nil && v.Name == incremental.CompleteRecompute && v.untraced != nil { // whose places are those of the file
		v.Technique, err = incremental.Analyze(ctx, conn, *v.untraced)
	}
	return err
}

// Explain finds the techniques of all materialized views, for people.
func (p *Plan) Explain(ctx context.Context, conn *sql.Conn) error {
	for _, d := range p.Datasets {
		if d.Incremental == nil {
			continue
		}
		if err := d.Incremental.Analyze(ctx, conn, ""); err != nil {
			return fmt.Errorf("materialized view %s: %w", d.Name, err)
		}
		if d.Refresh == Follow && d.Incremental.Name == incremental.CompleteRecompute {
			d.Technique = refreshReplace
		}
	}
	return nil
}

// The reasons for COMPLETE_RECOMPUTE that are not the query's.
const (
	issueInput  = "INPUT_NOT_IN_LAKE"
	issuePolicy = "REFRESH_POLICY_FULL"
)

// expectationPlace begins what stands for an expectation where an issue names a view; no view is called so.
const expectationPlace = "expectation "

// State is the hidden table in which a dataset keeps what it must remember beside its rows; there is none where the name
// is empty. It is written by the same commits.
func (d *Dataset) State() (table string, columns schemas.Table) {
	switch {
	case d.Merge != nil:
		return d.Merge.State, d.Merge.Spec.State()
	case d.Refresh == Follow && d.Incremental.Technique != nil && d.Incremental.Name != incremental.CompleteRecompute:
		if columns = append(d.Incremental.State.Clone(), d.Dropped()...); len(columns) > 0 {
			return d.Incremental.Table, columns
		}
	}
	return "", nil
}

// DroppedColumn has the id of the dead letter in those rows of a hidden state that are rows which were dropped. Columns
// of users do not begin so.
const DroppedColumn = "__lakeflow_dropped"

// Dropped are the columns in which the hidden state of a materialized view keeps the rows that its expectations drop:
// DroppedColumn, and then those of its rows, by other names. What goes of the view later may be one of these rows. In
// the rows of the technique they are NULL.
func (d *Dataset) Dropped() schemas.Table {
	if !d.Rules.Has(expectations.Drop) {
		return nil
	}
	all := schemas.Table{{Name: DroppedColumn, Type: schemas.Type{Kind: schemas.Varchar}}}
	for i, c := range d.StoredColumns() {
		all = append(all, schemas.Column{Name: fmt.Sprintf("__d%d", i), Type: c.Type})
	}
	return all.Clone()
}

// follow finds the materialized views of which the rows need perhaps not be computed all again when an input changed.
func (c *compiler) follow(ctx context.Context) error {
	for _, d := range c.ordered {
		if d.failed || d.doubtful || d.out.Refresh != Replace {
			continue
		}
		v := c.incremental(d)
		d.out.Incremental = v
		if v.Technique == nil && d.out.Deterministic {
			d.out.Refresh, d.out.Technique = Follow, refreshFollow
		}
		if d.decl.Refresh != dsl.RefreshIncremental || c.diags.HasErrors() {
			continue
		}
		if err := v.Analyze(ctx, c.in.Conn, ""); err != nil {
			return fmt.Errorf("materialized view %s: %w", d.name, err)
		}
		c.checkIncremental(d, v)
	}
	return nil
}

// incremental is how a materialized view follows its inputs: what of it stands before its query is looked at.
func (c *compiler) incremental(d *dataset) *Incremental {
	f := d.flows[0]
	v := &Incremental{Table: schemas.ViewState(d.name)}
	relations, queries, source := c.relationsOf(f)
	v.place = func(issue incremental.Issue) diag.Range {
		q := queries[issue.View]
		if q == nil || issue.At < 0 {
			return d.decl.Range
		}
		return token(q, issue.At)
	}
	full := func(issues ...incremental.Issue) *Incremental {
		v.Technique = &incremental.Technique{Name: incremental.CompleteRecompute, Issues: issues}
		return v
	}
	var unsteady []incremental.Issue
	for i, e := range d.decl.Expectations {
		if x := d.rules[i]; x.facts != nil && !x.facts.deterministic() {
			at := expectationPlace + e.Name
			queries[at] = e.Expect
			unsteady = append(unsteady, incremental.Issue{Code: incremental.NotDeterministic, View: at,
				Message: "Expectation " + e.Name + " says another thing of the same row at another time."})
		}
	}
	switch {
	case d.decl.Refresh == dsl.RefreshFull:
		return full(incremental.Issue{Code: issuePolicy, Message: "refresh_policy is full.", At: -1})
	case source != "":
		return full(incremental.Issue{Code: issueInput, At: -1,
			Message: "It reads the source " + source + ", of which nothing is stored; read a table that the source feeds."})
	case len(unsteady) > 0:
		return full(unsteady...)
	}
	v.query = incremental.Query{SQL: f.out.SQL, Columns: d.out.Columns, Relations: relations, Functions: incrementalClass}
	if len(f.out.Provenance) > 0 {
		plain := v.query
		v.untraced = &plain
		v.query.SQL, v.query.Columns, v.query.Relations = f.out.TracedProject, d.out.StoredColumns(), traced(f, relations)
	}
	return v
}

// traced are the relations that a query reads which passes on where its rows are from.
func traced(f *flow, relations map[string]incremental.Relation) map[string]incremental.Relation {
	all := maps.Clone(relations)
	for _, r := range f.refs { // it is one
		known := relations[r.name]
		if r.dataset.decl.Kind != dsl.View {
			all[r.name] = incremental.Relation{Columns: slices.Concat(known.Columns, schemas.Provenance(true))}
			continue
		}
		view := r.dataset.flows[0]
		all = traced(view, all)
		all[r.name] = incremental.Relation{View: view.out.Traced}
	}
	return all
}

// relationsOf are the tables and views that a query reads, by itself and through views, the queries of the views, its own
// by the empty name, and a source among what is read, if any.
func (c *compiler) relationsOf(f *flow) (relations map[string]incremental.Relation, queries map[string]*sqltext.Query, source string) {
	relations, queries = map[string]incremental.Relation{}, map[string]*sqltext.Query{"": f.query}
	var add func(f *flow)
	add = func(f *flow) {
		for _, r := range f.refs {
			switch {
			case r.dataset == nil:
				source = r.name
			case r.dataset.decl.Kind == dsl.View:
				view := r.dataset.flows[0]
				relations[r.name], queries[r.name] = incremental.Relation{View: view.out.SQL}, view.query
				add(view)
			default:
				relations[r.name] = incremental.Relation{Columns: r.columns, RowsChange: r.dataset.out.Refresh != Append}
			}
		}
	}
	add(f)
	return relations, queries, source
}

// incrementalClass is functionClass in the words of package incremental.
func incrementalClass(name string) incremental.Class {
	switch functionClass(name) {
	case aggregate:
		return incremental.Aggregate
	case perQuery, volatile:
		return incremental.Unstable
	}
	return incremental.Pure
}

// checkIncremental reports a view whose policy its query does not allow.
func (c *compiler) checkIncremental(d *dataset, v *Incremental) {
	if v.Name != incremental.CompleteRecompute {
		return
	}
	for _, issue := range v.Issues {
		what := "the query"
		if strings.HasPrefix(issue.View, expectationPlace) {
			what = "the expectation"
		}
		c.diags.Errorf(codeNotIncremental, v.place(issue), "change "+what+", or remove refresh_policy: incremental",
			"%s is recomputed in full when an input changed: %s: %s", d.name, issue.Code, strings.TrimSuffix(issue.Message, "."))
	}
}
