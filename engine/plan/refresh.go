package plan

import (
	"slices"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/engine/cdc"
	"github.com/lakeflow/lakeflow/engine/position"
)

// Refresh is how a dataset is brought up to date. The set is closed: engine/refresh has one evaluator for each that is
// stored.
type Refresh int

const (
	// Inline is that of a view: nothing is stored, its query becomes part of those that read it.
	Inline Refresh = iota
	// Append evaluates the queries over what is new since the last time, and adds their rows.
	Append
	// Merge evaluates the queries over what is new since the last time, and applies their rows as changes, by key.
	Merge
	// Follow computes what the changes of the inputs since the last time do to the rows. Where that is not possible this
	// time, or costs more, it is as Replace.
	Follow
	// Replace evaluates the queries over everything when an input has changed, and its rows take the place of those
	// before.
	Replace
)

// refreshOf is how a dataset is brought up to date.
func refreshOf(t *dsl.Table) Refresh {
	switch {
	case t.AutoCDC != nil:
		return Merge
	case t.Kind == dsl.StreamingTable:
		return Append
	case t.Kind == dsl.MaterializedView:
		return Replace
	}
	return Inline
}

// Stored reports whether the dataset is a table of the lake.
func (r Refresh) Stored() bool { return r != Inline }

// Resumes reports whether the queries go on where they stopped: their rows cannot be made again from a part of the
// input.
func (r Refresh) Resumes() bool { return r == Append || r == Merge }

// Changes reports whether single rows of the table are removed.
func (r Refresh) Changes() bool { return r == Merge || r == Follow }

// TableInput is the kind of an input that is a table of the pipeline; that of a source is its connector.
const TableInput = "table"

// InputKind is the connector of a source, or TableInput.
func (p *Plan) InputKind(input string) string {
	for _, s := range p.Sources {
		if s.Name == input {
			return s.Kind
		}
	}
	return TableInput
}

// InLedger reports whether an input is a source of which the ledger says what was read.
func (p *Plan) InLedger(input string) bool {
	return slices.ContainsFunc(p.Sources, func(s *Source) bool { return s.Name == input && s.Ledger })
}

// Key names an input that a flow streams from.
func (p *Plan) Key(d *Dataset, f *Flow, input string) position.Key {
	k := position.Key{Kind: position.Upstream, Table: d.Name, Flow: f.Name, Input: input}
	if p.InputKind(input) != TableInput {
		k.Kind = position.Source
	}
	return k
}

// ChangesKey names a table of which a flow reads what was changed.
func ChangesKey(d *Dataset, f *Flow, input string) position.Key {
	return position.Key{Kind: position.Changes, Table: d.Name, Flow: f.Name, Input: input}
}

// WholeKey names an input that a flow reads in full.
func WholeKey(d *Dataset, f *Flow, input string) position.Key {
	return position.Key{Kind: position.Whole, Table: d.Name, Flow: f.Name, Input: input}
}

// OnceKey names whether a flow that runs once has done so.
func OnceKey(d *Dataset, f *Flow) position.Key {
	return position.Key{Kind: position.Once, Table: d.Name, Flow: f.Name}
}

// RulesKey names the expectations that a table was computed with.
func RulesKey(d *Dataset, f *Flow) position.Key {
	return position.Key{Kind: position.Rules, Table: d.Name, Flow: f.Name}
}

// TotalsKey names what the expectations say of all rows of a table that follows its inputs.
func TotalsKey(d *Dataset, f *Flow) position.Key {
	return position.Key{Kind: position.Totals, Table: d.Name, Flow: f.Name}
}

// SinkKey names how far a sink has published its table.
func SinkKey(s *Sink) position.Key {
	return position.Key{Kind: position.Sink, Table: s.From, Input: s.Name}
}

// Identity are the columns by which rows that a commit removes and adds are versions of each other: the keys that changes
// are applied by. Other tables have none.
func (d *Dataset) Identity() []string {
	if d.Merge == nil {
		return nil
	}
	if d.Merge.Spec.History {
		return append(slices.Clone(d.Merge.Spec.Keys), cdc.StartAt)
	}
	return d.Merge.Spec.Keys
}

// Sees reports whether a flow reads a view, by itself or through other views.
func (p *Plan) Sees(f *Flow, view string) bool {
	for _, names := range [][]string{f.Streams, f.Reads} { // a view has no changes
		for _, name := range names {
			d := p.Dataset(name)
			if name == view || d != nil && !d.Refresh.Stored() && p.Sees(d.Flows[0], view) {
				return true
			}
		}
	}
	return false
}

// Roots are the sources that the rows of a flow which has Provenance may be made of.
func (p *Plan) Roots(f *Flow) (sources []string) {
	for _, name := range slices.Concat(f.Streams, f.Reads) {
		d := p.Dataset(name)
		if d == nil {
			sources = append(sources, name)
			continue
		}
		for _, up := range d.Flows {
			if len(up.Provenance) > 0 {
				sources = append(sources, p.Roots(up)...)
			}
		}
	}
	slices.Sort(sources)
	return slices.Compact(sources)
}

// Stored are the datasets that are tables of the lake, upstream before downstream.
func (p *Plan) Stored() []*Dataset {
	var stored []*Dataset
	for _, d := range p.Datasets {
		if d.Refresh.Stored() {
			stored = append(stored, d)
		}
	}
	return stored
}

// InWave are the tables that are refreshed in one of these ways in a wave, upstream before downstream.
func (p *Plan) InWave(wave int, ways ...Refresh) []*Dataset {
	var tables []*Dataset
	for _, d := range p.Datasets {
		if d.Wave == wave && slices.Contains(ways, d.Refresh) {
			tables = append(tables, d)
		}
	}
	return tables
}
