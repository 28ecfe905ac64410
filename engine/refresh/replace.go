package refresh

import (
	"context"
	"maps"

	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/incremental"
	"github.com/lakeflow/lakeflow/engine/journal"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// replaceAll computes a table from everything that its inputs hold, if they, its query or its rules have changed since
// it was computed the last time.
func (b *Batch) replaceAll(ctx context.Context, d *plan.Dataset) (worked bool, err error) {
	holds, err := b.inputsHold(ctx, d)
	if err != nil {
		return false, err
	}
	if !b.outdated(d, holds) {
		return false, nil
	}
	maps.Copy(b.draft.positions, holds)
	b.Journal.Planned(d.Name, incremental.CompleteRecompute, whyInFull(d)...)
	for _, f := range d.Flows {
		if err := b.evaluate(ctx, d, f, &input{}); err != nil {
			return true, err
		}
	}
	return true, nil
}

// whyInFull are the reasons of a view's query, or of its table, against a cheaper way.
func whyInFull(d *plan.Dataset) (whys []journal.Why) {
	if d.Incremental == nil || d.Incremental.Technique == nil {
		return nil
	}
	for _, issue := range d.Incremental.Issues {
		whys = append(whys, journal.Why{Code: issue.Code, Text: issue.Code + ": " + issue.Message})
	}
	return whys
}

// outdated reports whether a table is to be computed again: from inputs that now hold this.
func (b *Batch) outdated(d *plan.Dataset, holds position.Set) bool {
	stored, exists := b.state.Table(d.Name)
	if !exists || b.state.Reset(d.Name) || !d.Deterministic || !definitions.Equal(b.plan, d, stored) {
		return true
	}
	for k, p := range holds {
		if string(b.state.At(k)) != string(p) {
			return true
		}
	}
	return false
}

// inputsHold are the positions of a table that is computed now: its rules, the fingerprints of the sources and the
// commits of the tables that it reads in full.
func (b *Batch) inputsHold(ctx context.Context, d *plan.Dataset) (position.Set, error) {
	holds := position.Set{}
	for _, f := range d.Flows {
		rules, err := b.rulesPosition(d)
		if err != nil {
			return nil, err
		}
		holds[plan.RulesKey(d, f)] = rules
		for _, name := range b.plan.Whole(f) {
			if b.Sources[name] == nil {
				holds[plan.WholeKey(d, f, name)] = position.AtCommit(b.commitOf(name))
				continue
			}
			p, err := b.fingerprint(ctx, name)
			if err != nil {
				return nil, err
			}
			holds[plan.WholeKey(d, f, name)] = p
		}
	}
	return holds, nil
}

// commitOf is the commit that wrote to a table last, this one included.
func (b *Batch) commitOf(table string) int64 {
	if c := b.draft.changes[table]; c != nil && (len(c.Add)+len(c.Remove) > 0 || c.Mode != lake.Append) {
		return b.draft.number
	}
	return b.state.TableCommit(table)
}
