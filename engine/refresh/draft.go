package refresh

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/engine/journal"
	"github.com/lakeflow/lakeflow/engine/ledger"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/engine/state"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// draft is a commit that is being made.
type draft struct {
	plan      *plan.Plan
	state     *state.State
	number    int64
	summary   map[string]string            // of each snapshot
	changes   map[string]*lake.TableChange // by table: of the pipeline's own and of the system's, dead letters, ledger and event log
	positions position.Set
	ledger    []ledger.Change
	events    []schemas.Event // of the batch's flows
	full      map[string]bool // materialized views that follow changes, and are computed from the beginning this time
}

func newDraft(p *plan.Plan, st *state.State, update string) *draft {
	return &draft{plan: p, state: st, number: st.Commit() + 1, summary: map[string]string{"lakeflow.update": update},
		changes: map[string]*lake.TableChange{}, positions: position.Set{}, full: map[string]bool{}}
}

// stage returns the change of a table, begun when it is not there yet. Its rows stay, unless it is computed from the
// beginning.
func (c *draft) stage(d *plan.Dataset) *lake.TableChange {
	if change := c.changes[d.Name]; change != nil {
		return change
	}
	stored, exists := c.state.Table(d.Name)
	reset := c.state.Reset(d.Name)
	change := &lake.TableChange{Table: d.Name, Partition: d.Partition, Base: stored.Snapshot, Recreate: reset,
		Properties: definitions.Properties(c.plan, d, stored), Summary: maps.Clone(c.summary)}
	change.Schema = fit(stored, exists, d.Columns, reset)
	if reset {
		c.replace(d, change, exists)
	}
	c.changes[d.Name] = change
	return change
}

// stageRows is stage for a change that brings rows: of a table whose rows are replaced, the new ones.
func (c *draft) stageRows(d *plan.Dataset) *lake.TableChange {
	begun := c.changes[d.Name] != nil
	change := c.stage(d)
	if _, exists := c.state.Table(d.Name); !begun && c.begins(d) && exists && change.Mode != lake.Replace {
		c.replace(d, change, true)
	}
	return change
}

// replace has a change remove the rows that the table has, and the dead letters that belong to them; also those of a
// table that another program dropped.
func (c *draft) replace(d *plan.Dataset, change *lake.TableChange, exists bool) {
	if exists {
		change.Mode = lake.Replace
	}
	if _, ok := c.state.Table(c.plan.DeadLetter); !ok {
		return
	}
	c.replaceLetters(d.Name)
}

// replaceLetters removes the dead letters that a table has.
func (c *draft) replaceLetters(table string) {
	letters := c.letters()
	letters.Mode = lake.ReplacePartition
	letters.Where = append(letters.Where, map[string]string{"table": table})
}

// system returns the change of a table of the system, begun when it is not there yet.
func (c *draft) system(name string, schema schemas.Table, partition []schemas.PartitionField) *lake.TableChange {
	if change := c.changes[name]; change != nil {
		return change
	}
	stored, exists := c.state.Table(name)
	change := &lake.TableChange{Table: name, Partition: partition, Base: stored.Snapshot, Schema: fit(stored, exists, schema, false), Summary: maps.Clone(c.summary)}
	c.changes[name] = change
	return change
}

// hidden returns the change of the table in which a dataset keeps what it must remember beside its rows, nil where there
// is none. It begins anew with the dataset.
func (c *draft) hidden(d *plan.Dataset) *lake.TableChange {
	name, columns := d.State()
	if name == "" {
		return nil
	}
	if change := c.changes[name]; change != nil {
		return change
	}
	stored, exists := c.state.Table(name)
	begins := c.begins(d)
	change := &lake.TableChange{Table: name, Base: stored.Snapshot, Recreate: begins, Summary: maps.Clone(c.summary),
		Schema: fit(stored, exists, columns, begins)}
	if exists && begins {
		change.Mode = lake.Replace
	}
	c.changes[name] = change
	return change
}

// begins reports whether the rows of a dataset are computed from the beginning.
func (c *draft) begins(d *plan.Dataset) bool {
	return d.Refresh == plan.Replace || c.full[d.Name] || c.state.Reset(d.Name)
}

func (c *draft) letters() *lake.TableChange {
	return c.system(c.plan.DeadLetter, schemas.DeadLetter(), schemas.DeadLetterPartition())
}

// fit gives the columns that a table will have, with field ids.
func fit(stored lake.TableState, exists bool, want schemas.Table, recreate bool) schemas.Table {
	merged := want
	switch {
	case exists && recreate:
		merged = schemas.Recreate(stored.Schema, want)
	case exists:
		merged, _, _ = schemas.Evolve(stored.Schema, want)
	}
	merged, _ = schemas.AssignIDs(merged, stored.LastID)
	return merged
}

// Commit writes what of the batch is not written yet, the ledger and the event log, and returns the commit. events are
// written before those of the batch, positions are those of sinks. After an error the batch is to be discarded.
func (b *Batch) Commit(ctx context.Context, events []schemas.Event, sinkPositions position.Set) (*lake.Commit, error) {
	c := b.draft
	c.noteUnread()
	if len(c.ledger) > 0 {
		if err := b.writeLedger(ctx); err != nil {
			return nil, err
		}
	}
	if err := b.writeEvents(ctx, slices.Concat(events, c.events)); err != nil {
		return nil, err
	}
	maps.Copy(c.positions, sinkPositions)
	return &lake.Commit{Number: c.number, Tables: c.tables(), Positions: c.positions}, nil
}

// tables are the changes to commit, in a stable order. One of a system table that adds nothing was begun for nothing.
func (c *draft) tables() []lake.TableChange {
	var out []lake.TableChange
	for _, name := range slices.Sorted(maps.Keys(c.changes)) {
		change := c.changes[name]
		if len(change.Add)+len(change.Remove) > 0 || change.Mode != lake.Append || c.plan.Dataset(name) != nil {
			out = append(out, *change)
		}
	}
	return out
}

// noteUnread gives every input of the tables that the commit writes a position, so that one which is missing later is
// known to be lost, and removes those of flows that a table no longer has when it is computed from the beginning.
func (c *draft) noteUnread() {
	for _, d := range c.plan.Datasets {
		if c.changes[d.Name] == nil {
			continue
		}
		if c.state.Reset(d.Name) { // it may have been another kind of table
			for _, k := range c.state.Keys() {
				if k.Table == d.Name && k.Kind != position.Sink && c.positions[k] == nil {
					c.positions[k] = nil
				}
			}
		}
		if !d.Refresh.Resumes() {
			continue
		}
		for _, f := range d.Flows {
			c.noteInputs(d, f)
		}
	}
}

func (c *draft) noteInputs(d *plan.Dataset, f *plan.Flow) {
	if k := plan.OnceKey(d, f); f.Once && c.positions[k] == nil && !c.state.Has(k) {
		c.positions[k] = position.Unread
	}
	for _, name := range c.plan.Inputs(f) {
		k := c.plan.Key(d, f, name)
		switch {
		case c.positions[k] != nil || c.state.Has(k):
		case k.Kind == position.Upstream:
			c.positions[k] = position.AtCommit(0)
		default:
			c.positions[k] = position.Unread
		}
	}
	for _, name := range c.plan.Changed(f) {
		if k := plan.ChangesKey(d, f, name); c.positions[k] == nil && !c.state.Has(k) {
			c.positions[k] = position.AtCommit(0)
		}
	}
}

// writeLedger stages the change of the ledger.
func (b *Batch) writeLedger(ctx context.Context) error {
	failpoint.Hit("ledger.before-write")
	query, mode, err := ledger.Query(ctx, b.DB, b.Lake, b.draft.number, b.draft.ledger)
	if err != nil {
		return err
	}
	c := b.draft.system(ledger.Table, ledger.Schema(), nil)
	c.Mode = mode
	c.Add, _, err = b.DB.WriteParquet(ctx, query, duck.Layout{Dir: b.Lake.DataDir(ledger.Table), Schema: c.Schema})
	if err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	failpoint.Hit("ledger.after-write")
	return nil
}

// writeEvents stages the change of the event log.
func (b *Batch) writeEvents(ctx context.Context, events []schemas.Event) error {
	failpoint.Hit("events.before-write")
	log := b.draft.system(journal.Table, schemas.EventLog(), nil)
	var err error
	log.Add, _, err = b.DB.WriteParquet(ctx, journal.SQL(events),
		duck.Layout{Dir: b.Lake.DataDir(journal.Table), Schema: log.Schema, MaxRows: int64(len(events))})
	if err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	failpoint.Hit("events.after-write")
	return nil
}
