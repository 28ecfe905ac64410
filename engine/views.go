package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
)

// refreshViews recomputes the materialized views of a wave that are due and whose inputs or query changed. A nil due means all, for the last
// time in this update: those that are left as they are say so. The caller commits the batch.
func (u *update) refreshViews(ctx context.Context, wave int, due func(*plan.Dataset) bool) (*batch, error) {
	b := u.newBatch()
	for _, d := range u.Plan.Datasets {
		if d.Kind != plan.MaterializedView || d.Wave != wave || !u.selected[d.Name] || due != nil && !due(d) {
			continue
		}
		changed, err := b.viewChanged(ctx, d)
		if err != nil {
			return nil, err
		}
		if !changed && due != nil {
			continue
		}
		if !changed {
			u.Observe(Progress{Kind: "skipped", Table: d.Name, Message: "none of its inputs changed", Elapsed: time.Since(u.started)})
			u.event("flow_progress", d.Name, d.Name, "INFO", d.Name+" is skipped: none of its inputs changed", schemas.FlowProgress{Status: "SKIPPED"})
			u.planned(d, "NO_OP")
			u.skipped[d.Name] = true
			continue
		}
		b.work = true
		u.planned(d, "COMPLETE_RECOMPUTE")
		for _, f := range d.Flows {
			if err := b.evaluate(ctx, d, f, &input{}); err != nil {
				b.discard()
				return nil, err
			}
		}
	}
	b.settleDefinitions(wave)
	return b, nil
}

// settleDefinitions brings streaming tables to which no rows came to their definition: those that are new are made, empty, and changes
// that were accepted are remembered.
func (b *batch) settleDefinitions(wave int) {
	for _, d := range b.u.Plan.Datasets {
		if d.Kind == plan.View || d.Wave != wave || !b.u.selected[d.Name] || len(d.Columns) == 0 {
			continue
		}
		stored, exists := b.u.tables[d.Name]
		if d.Kind == plan.MaterializedView { // whose definition is that of its last computation
			if exists && b.changes[d.Name] == nil && !described(d, stored) && stored.Properties[definitionKey] == b.u.definition(d).String() {
				b.stage(d, false)
				b.work = true
			}
			continue
		}
		_, changes, _ := schemas.Evolve(stored.Schema, d.Columns)
		if !exists || len(changes) > 0 || !described(d, stored) || stored.Properties[definitionKey] != b.u.definition(d).String() {
			b.stage(d, false)
			b.work = true
		}
	}
}

// viewChanged compares what a view was computed from with what is there now, and notes the latter in the batch.
func (b *batch) viewChanged(ctx context.Context, d *plan.Dataset) (bool, error) {
	stored, exists := b.u.tables[d.Name]
	changed := !exists || b.u.reset[d.Name] || !d.Steady || stored.Properties[definitionKey] != b.u.definition(d).String()
	note := func(k position.Key, p sources.Position) {
		changed = changed || string(b.u.positions[k]) != string(p)
		b.positions[k] = p
	}
	for _, f := range d.Flows {
		note(position.Key{Kind: position.Rules, Table: d.Name, Flow: f.Name}, sources.Position(`"`+d.Rules.Hash()+`"`))
		for _, name := range b.u.Plan.Whole(f) {
			src, isSource := b.u.Sources[name]
			if !isSource {
				at := b.u.tables[name].Commit
				if b.changes[name] != nil {
					at = b.number
				}
				note(wholeKey(d, f, name), position.AtCommit(at))
				continue
			}
			held, err := b.holds(ctx, name, src)
			if err != nil {
				return false, err
			}
			note(wholeKey(d, f, name), held)
		}
	}
	return changed, nil
}

// fail commits what a failed update leaves behind: its events and, after a violated fail rule, a sample of the rows. It is best effort:
// the error itself is what the user must see.
func (u *update) fail(ctx context.Context, cause error) {
	if errors.Is(cause, ErrConflict) {
		return
	}
	if ctx.Err() != nil {
		u.event("update_progress", "", "", "WARN", "Update "+u.Update+" is CANCELED", map[string]any{"state": "CANCELED", "cancellation_cause": "USER_ACTION"})
	} else {
		u.event("update_progress", "", "", "ERROR", fmt.Sprintf("Update %s is FAILED: %s", u.Update, duckerr.Text(cause)), map[string]any{"state": "FAILED"})
		u.events[len(u.events)-1].Error = u.fatal(cause)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	b := u.newBatch()
	if len(u.sample) > 0 {
		b.letters().Add = u.sample
	}
	if err := b.commit(ctx); err != nil {
		u.Observe(Progress{Kind: "notice", Message: "the failure could not be noted in the event log: " + duckerr.Text(err)})
	}
}
