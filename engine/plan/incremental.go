package plan

import (
	"context"
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/incremental"
	"github.com/lakeflow/lakeflow/schemas"
)

// Incremental is how a materialized view follows the changes of what it reads.
type Incremental struct {
	// Technique is incremental's, or COMPLETE_RECOMPUTE with the reasons.
	*incremental.Technique
	// Table is the hidden table beside it, where the technique needs one.
	Table  string
	places []diag.Range // of Technique.Issues, in the user's files
}

// The reasons for COMPLETE_RECOMPUTE that are not the query's.
const (
	issueInput        = "INPUT_NOT_IN_LAKE"
	issueExpectations = "EXPECTATIONS_NOT_SUPPORTED"
	issuePolicy       = "REFRESH_POLICY_FULL"
)

// State is the hidden table in which a dataset keeps what it must remember beside its rows; there is none where the name
// is empty. It is written by the same commits.
func (d *Dataset) State() (table string, columns schemas.Table) {
	switch {
	case d.Merge != nil:
		return d.Merge.State, d.Merge.Spec.State()
	case d.Refresh == Follow && d.Incremental.State != nil:
		return d.Incremental.Table, d.Incremental.State
	}
	return "", nil
}

// follow finds out of which materialized views the rows need not be computed all again when an input changed.
func (c *compiler) follow(ctx context.Context) error {
	if c.diags.HasErrors() {
		return nil
	}
	for _, d := range c.ordered {
		if d.failed || d.doubtful || d.out.Refresh != Replace {
			continue
		}
		v, err := c.view(ctx, d)
		if err != nil {
			return fmt.Errorf("materialized view %s: %w", d.name, err)
		}
		d.out.Incremental = v
		if v.Name != incremental.CompleteRecompute {
			d.out.Refresh, d.out.Technique = Follow, refreshFollow
		} else if d.decl.Refresh == dsl.RefreshIncremental {
			c.notIncremental(d, v)
		}
	}
	return nil
}

// view picks how a materialized view is refreshed.
func (c *compiler) view(ctx context.Context, d *dataset) (*Incremental, error) {
	f := d.flows[0]
	v := &Incremental{Table: "__state_" + d.name}
	full := func(code, message string) (*Incremental, error) {
		v.Technique = &incremental.Technique{Name: incremental.CompleteRecompute, Issues: []incremental.Issue{{Code: code, Message: message, At: -1}}}
		v.places = []diag.Range{d.decl.Range}
		return v, nil
	}
	relations, source := c.relationsOf(f)
	switch {
	case d.decl.Refresh == dsl.RefreshFull:
		return full(issuePolicy, "refresh_policy is full.")
	case source != "":
		return full(issueInput, "It reads the source "+source+", of which nothing is stored; read a table that the source feeds.")
	case len(d.out.Rules.Rules) > 0:
		return full(issueExpectations, "It has expectations, which are evaluated on all rows.")
	}
	q := incremental.Query{SQL: f.out.SQL, Columns: d.out.Columns, Relations: relations, Functions: incrementalClass}
	technique, err := incremental.Analyze(ctx, c.in.Conn, q)
	if err != nil {
		return nil, err
	}
	v.Technique = technique
	for _, issue := range technique.Issues {
		v.places = append(v.places, c.placeOf(f, issue))
	}
	return v, nil
}

// relationsOf are the tables and views that a query reads, by itself and through views, and a source among them, if any.
func (c *compiler) relationsOf(f *flow) (relations map[string]incremental.Relation, source string) {
	relations = map[string]incremental.Relation{}
	var add func(f *flow)
	add = func(f *flow) {
		for _, r := range f.refs {
			switch {
			case r.dataset == nil:
				source = r.name
			case r.dataset.decl.Kind == dsl.View:
				relations[r.name] = incremental.Relation{View: r.dataset.flows[0].out.SQL}
				add(r.dataset.flows[0])
			default:
				relations[r.name] = incremental.Relation{Columns: r.columns}
			}
		}
	}
	add(f)
	return relations, source
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

// placeOf is where the user wrote what an issue is about.
func (c *compiler) placeOf(f *flow, issue incremental.Issue) diag.Range {
	if issue.View != "" {
		if e := c.entities[strings.ToLower(issue.View)]; e != nil && e.dataset != nil {
			f = e.dataset.flows[0]
		}
	}
	if issue.At < 0 {
		return f.decl.Range
	}
	return token(f.decl.SQL, issue.At)
}

// notIncremental reports a view whose policy its query does not allow.
func (c *compiler) notIncremental(d *dataset, v *Incremental) {
	for i, issue := range v.Issues {
		c.diags.Errorf(codeNotIncremental, v.places[i], "change the query, or remove refresh_policy: incremental",
			"%s is recomputed in full when an input changed: %s: %s", d.name, issue.Code, strings.TrimSuffix(issue.Message, "."))
	}
	if len(v.Issues) == 0 {
		c.diags.Errorf(codeNotIncremental, d.decl.RefreshAt, "remove refresh_policy: incremental", "%s is recomputed in full when an input changed", d.name)
	}
}
