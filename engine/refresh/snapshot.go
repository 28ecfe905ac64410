package refresh

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/engine/cdc"
	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/journal"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// takeSnapshot has a table follow what its flow reads in full, where that has changed since the last time: the
// inputs, or the query of a view.
func (b *Batch) takeSnapshot(ctx context.Context, d *plan.Dataset) (worked bool, err error) {
	stored, exists := b.state.Table(d.Name)
	holds, changed := position.Set{}, b.state.Reset(d.Name) || exists && !definitions.Equal(b.plan, d, stored)
	all, err := b.inputsHold(ctx, d)
	if err != nil {
		return false, err
	}
	for k, p := range all {
		if k.Kind != position.Whole {
			continue
		}
		holds[k] = p
		changed = changed || string(b.state.At(k)) != string(p)
	}
	if !changed {
		return false, nil
	}
	for _, f := range d.Flows {
		missing, err := b.missing(ctx, f)
		if err != nil || missing && !b.state.Reset(d.Name) {
			return false, err
		}
		if err := b.evaluate(ctx, d, f, &input{streams: map[string]string{}}); err != nil {
			return true, err
		}
	}
	maps.Copy(b.draft.positions, holds)
	return true, nil
}

// missing reports whether something that a flow reads in full is not there, which is not the same as being empty: a
// folder without files, a table that was never computed.
func (b *Batch) missing(ctx context.Context, f *plan.Flow) (bool, error) {
	for _, name := range b.plan.Whole(f) {
		if b.Sources[name] == nil {
			if _, exists := b.state.Table(name); !exists && b.draft.changes[name] == nil {
				return true, nil
			}
			continue
		}
		s, err := b.snapshot(ctx, name)
		if err != nil {
			return false, err
		}
		if s.Items == 0 && s.RejectCount == 0 {
			return true, nil
		}
	}
	return false, nil
}

// snapshotRows is the query of what a flow's rows say of snapshots. A row that is dropped says that its key is there,
// where the key and the version can be read: the dead letter must not delete the row that the table has.
func snapshotRows(d *plan.Dataset) string {
	var readable []string
	for _, key := range d.Merge.Spec.Keys {
		readable = append(readable, quote.Name(key)+" IS NOT NULL")
	}
	if !d.Merge.Timed {
		readable = append(readable, `"__sequence" IS NOT NULL`)
	}
	return fmt.Sprintf(`SELECT * FROM (
	SELECT %s, CASE WHEN %s THEN 'upsert' ELSE 'keep' END AS "__op" FROM %s)
WHERE %s`, d.Merge.Changes, d.Rules.Keeps(), rowsRelation, strings.Join(readable, " AND "))
}

// changesRelation holds what a flow's rows say of snapshots.
const changesRelation = "__changes"

// applySnapshots has a table follow the snapshots of a flow's rows.
func (b *Batch) applySnapshots(ctx context.Context, d *plan.Dataset, relations cdc.Relations) (r *cdc.Result, err error) {
	relations.Changes = changesRelation
	if err := b.DB.Exec(ctx, "CREATE OR REPLACE TEMP TABLE "+changesRelation+" AS "+snapshotRows(d)); err != nil {
		return nil, err
	}
	defer func() {
		if e := b.DB.Exec(context.WithoutCancel(ctx), "DROP TABLE "+changesRelation); err == nil {
			err = e
		}
	}()
	var taken time.Time
	if d.Merge.Whole {
		readable, err := b.checkWhole(ctx, d)
		if err != nil {
			return nil, err
		}
		if d.Merge.Timed && readable {
			taken = b.intake.began
		}
	}
	if d.Merge.Timed && taken.IsZero() { // there are no rows, and they are no snapshot
		return &cdc.Result{}, nil
	}
	return d.Merge.Spec.ApplySnapshots(ctx, b.DB.Conn(), relations, mergePrefix, taken)
}

// checkWhole looks at what was read in full. It is a snapshot when a row of it can be applied, or when it is empty: not
// when none of its rows, or records, can be read. A version of the rows must be the same in all of them.
func (b *Batch) checkWhole(ctx context.Context, d *plan.Dataset) (snapshot bool, err error) {
	var usable, rows, versions int64
	query := "SELECT (SELECT count(*) FROM " + changesRelation + "), (SELECT count(*) FROM " + rowsRelation + "), 1"
	if !d.Merge.Timed {
		query = strings.TrimSuffix(query, "1") + `(SELECT count(DISTINCT "__sequence") FROM ` + changesRelation + ")"
	}
	if err := b.DB.Conn().QueryRowContext(ctx, query).Scan(&usable, &rows, &versions); err != nil {
		return false, err
	}
	if versions > 1 {
		return false, fmt.Errorf("table %s: its snapshot_version, %s, has %d values in what from_snapshot reads; "+
			"that is one snapshot, so that it must have one value: leave out the other rows with a view, "+
			"or read the snapshots one after the other with from_snapshot: STREAM …",
			d.Name, d.Merge.SequenceBy[0], versions)
	}
	for _, f := range d.Flows {
		for _, name := range b.plan.Whole(f) {
			if s := b.whole.batches[name]; s != nil {
				rows += s.RejectCount
			}
		}
	}
	return usable > 0 || rows == 0, nil
}

// noteSnapshots tells of snapshots that were not applied.
func (b *Batch) noteSnapshots(d *plan.Dataset, w written) {
	if w.tooLate > 0 {
		b.notice(d.Name, fmt.Sprintf("%s of snapshots that are older than the newest one of %s came too late: "+
			"they are superseded", journal.Rows(w.tooLate), d.Name))
	}
	if w.unusable {
		b.notice(d.Name, fmt.Sprintf("no row of the snapshot of %s can be read or applied, so that the table stays "+
			"as it was: see the dead letters", d.Name))
	}
}
