package refresh

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/ledger"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sources"
)

// appendNew feeds a table with what is new for each of its flows.
func (b *Batch) appendNew(ctx context.Context, d *plan.Dataset) (worked bool, err error) {
	for _, f := range d.Flows {
		if f.Once {
			did, err := b.runOnce(ctx, d, f)
			worked = worked || did
			if err != nil {
				return worked, err
			}
			continue
		}
		in, err := b.gather(ctx, d, f)
		if err != nil {
			return worked, err
		}
		if !in.any && !b.state.Reset(d.Name) {
			continue
		}
		worked = true
		if err := b.evaluate(ctx, d, f, in); err != nil {
			return worked, err
		}
		maps.Copy(b.draft.positions, in.positions)
		b.advance(d, f)
	}
	return worked, nil
}

// runOnce evaluates a flow over everything that its inputs hold, unless that was done since the table began. Where one of
// them is not there yet, a folder without files or a table that was never computed, it is done later.
func (b *Batch) runOnce(ctx context.Context, d *plan.Dataset, f *plan.Flow) (worked bool, err error) {
	k, begins := plan.OnceKey(d, f), b.state.Reset(d.Name)
	if b.state.At(k) != nil {
		return false, nil
	}
	missing, err := b.missing(ctx, f)
	if err != nil || missing && !begins {
		return false, err
	}
	if err := b.evaluate(ctx, d, f, &input{streams: map[string]string{}, feeds: map[string]string{}}); err != nil {
		return true, err
	}
	if !missing {
		b.draft.positions[k] = position.AtCommit(b.draft.number)
	}
	return true, nil
}

// input is what one flow reads in one batch.
type input struct {
	any       bool
	streams   map[string]string // relation of the new rows by input
	feeds     map[string]string // relation of the changes by table
	reads     []read            // of sources
	poison    []read            // rows on which the query fails, once they are found
	positions position.Set
	files     int64 // of upstream tables
	bytes     int64
	rows      int64
}

// read is what a flow reads of a source: a batch of new records, or everything.
type read struct {
	source string
	batch  *sources.Batch
	whole  bool
}

// gather finds the new rows of each input: of a source, its batch; of a table that the flow has read up to its last
// commit, what this batch staged; of a table that it lags behind, stored files.
func (b *Batch) gather(ctx context.Context, d *plan.Dataset, f *plan.Flow) (*input, error) {
	in := &input{streams: map[string]string{}, feeds: map[string]string{}, positions: position.Set{}}
	for _, name := range b.plan.Inputs(f) {
		k := b.plan.Key(d, f, name)
		if b.Sources[name] != nil {
			b.gatherSource(in, k, name)
			continue
		}
		if !b.state.Reset(name) && b.state.CommitAt(k) < b.state.TableCommit(name) {
			if err := b.catchUp(ctx, in, k); err != nil {
				return nil, err
			}
			continue
		}
		in.streams[name] = duck.Empty(append(slices.Clone(b.plan.Dataset(name).Columns), b.provenanceOf(name)...))
		if c := b.draft.changes[name]; c != nil {
			in.any = in.any || len(c.Add) > 0
			in.streams[name] = b.readRows(name, c.Schema, c.Add)
			in.count(c.Add)
			in.positions[k] = position.AtCommit(b.draft.number)
		}
	}
	for _, name := range b.plan.Changed(f) {
		if err := b.gatherChanges(ctx, in, plan.ChangesKey(d, f, name)); err != nil {
			return nil, err
		}
	}
	return in, nil
}

func (b *Batch) gatherSource(in *input, k position.Key, name string) {
	in.streams[name] = b.emptySource(name)
	got := b.intake.batches[name]
	if got == nil || !b.intake.readers[k] {
		return
	}
	r := read{source: name, batch: got}
	in.any, in.reads, in.streams[name] = true, append(in.reads, r), b.relationOf(r)
}

// maxCatchUp bounds the stored bytes that one batch of a lagging flow reads.
const maxCatchUp = 1 << 30

// catchUp has a flow read stored rows of an upstream table from where it stands.
func (b *Batch) catchUp(ctx context.Context, in *input, k position.Key) error {
	name := k.Input
	c, err := b.Lake.Appended(ctx, name, b.state.CommitAt(k), maxCatchUp)
	switch {
	case errors.Is(err, lake.ErrRewritten):
		return fmt.Errorf("table %s streams from %s, whose rows were replaced; recompute it: %s --full-refresh %s", k.Table, name, b.Choice.Again, k.Table)
	case errors.Is(err, lake.ErrExpired):
		return fmt.Errorf("table %s streams from %s, whose history from where it stands has been expired; keep more with retention.snapshots, "+
			"and recompute it: %s --full-refresh %s", k.Table, name, b.Choice.Again, k.Table)
	case err == nil:
		err = b.checked.Check(c.Files)
	}
	if err != nil {
		return fmt.Errorf("read the new rows of %s: %w", name, err)
	}
	in.any, b.more = true, true
	in.streams[name] = b.storedRelation(name, c)
	in.count(c.Files)
	in.positions[k] = position.AtCommit(c.Commit)
	return nil
}

func (in *input) count(files []lake.DataFile) {
	for _, f := range files {
		in.files++
		in.bytes += f.Bytes
		in.rows += f.Rows
	}
}

// advance takes over positions and ledger entries of the source batches that the flow has read.
func (b *Batch) advance(d *plan.Dataset, f *plan.Flow) {
	for _, name := range b.plan.Inputs(f) {
		k := b.plan.Key(d, f, name)
		if b.Sources[name] == nil {
			continue
		}
		change := ledger.Change{Key: k, Clear: b.state.Reset(d.Name)}
		if got := b.intake.batches[name]; got != nil && b.intake.readers[k] {
			b.draft.positions[k] = got.Position
			change.Set = got.Ledger
			for _, n := range got.Notices {
				b.notice(d.Name, n.Message)
			}
		}
		if change.Clear || len(change.Set) > 0 {
			b.draft.ledger = append(b.draft.ledger, change)
		}
	}
}
