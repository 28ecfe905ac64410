package refresh

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/cdc"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/incremental"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// mergePrefix begins the names of the tables that are made of the change rows of a flow.
const mergePrefix = "__merge_"

// mergedAtOnce is how many change rows are applied at once, which takes several times the memory that the rows take.
// Those of a large batch are applied in parts, each that of some keys; each part looks for its keys in all of the table.
const mergedAtOnce = 1_000_000

// mergeRows applies the change rows of a query, of which there are so many, to a table by key. It returns how many there
// were. After an error nothing of it is left.
func (b *Batch) mergeRows(ctx context.Context, d *plan.Dataset, query string, rows int64) (w written, n int64, err error) {
	defer func() {
		if err != nil {
			w.discard()
			w, n = written{}, 0
		}
	}()
	target, state, err := b.placesOf(ctx, d)
	if err != nil {
		return w, 0, err
	}
	changes := d.Merge.ChangesOf(query)
	parts := max(1, (rows+mergedAtOnce-1)/mergedAtOnce)
	if d.Merge.Spec.Truncates || d.Merge.Spec.Snapshots { // which are of all keys
		parts = 1
	}
	keys := make([]string, len(d.Merge.Spec.Keys))
	for i, key := range d.Merge.Spec.Keys { // equal values of two types have different hashes
		keys[i] = fmt.Sprintf("CAST(%s AS %s)", quote.Name(key), d.Columns.Column(key).Type)
	}
	w.changes = &schemas.ChangeCounts{}
	for i := range parts {
		relations := cdc.Relations{Changes: changes, Target: target.relation, State: state.relation}
		if parts > 1 {
			some := fmt.Sprintf(" WHERE hash(%s) %% %d = %d)", strings.Join(keys, ", "), parts, i)
			relations.Changes, relations.State = "(FROM "+changes+some, "(FROM "+state.relation+some
		}
		merged, err := b.mergePart(ctx, d, relations, target, state, &w)
		if err != nil {
			return w, n, err
		}
		n += merged
	}
	if d.Merge.Feed {
		w.changes.Superseded += rows - n
		n = rows
	}
	return w, n, nil
}

// mergePart applies changes of some keys, adds what it writes to w, and returns how many there were.
func (b *Batch) mergePart(ctx context.Context, d *plan.Dataset, relations cdc.Relations, target, state place, w *written) (n int64, err error) {
	var r *cdc.Result
	if d.Merge.Spec.Snapshots {
		r, err = b.applySnapshots(ctx, d, relations)
	} else {
		r, err = d.Merge.Spec.Apply(ctx, b.DB.Conn(), relations, mergePrefix, b.intake.began, d.Merge.Keep)
	}
	if err != nil {
		return 0, err
	}
	defer func() {
		if e := r.Drop(context.WithoutCancel(ctx), b.DB.Conn()); err == nil {
			err = e
		}
	}()
	part, err := b.writeChanges(ctx, d, target, state, rowQueries{r.RemoveTarget, r.RemoveState, r.AddTarget, r.AddState})
	if err != nil {
		return 0, err
	}
	w.rows, w.remove = append(w.rows, part.rows...), append(w.remove, part.remove...)
	w.state.add, w.state.remove = append(w.state.add, part.state.add...), append(w.state.remove, part.state.remove...)
	w.upserted, w.deleted = w.upserted+r.Upserted, w.deleted+r.Deleted
	w.changes = w.changes.Plus(&schemas.ChangeCounts{Applied: r.Applied, Superseded: r.Superseded, Ignored: r.Ignored,
		Removed: part.changes.Removed})
	w.tooLate, w.unusable = r.TooLate, d.Merge.Spec.Snapshots && r.RemoveTarget == ""
	return r.Changes, nil
}

// rowQueries are SELECTs of the places of rows that go, and of the rows that come, of a table and of its hidden state.
// They are empty where there are none.
type rowQueries struct{ remove, removeState, add, addState string }

// place is a table as the batch leaves it so far: as a relation that tells where its rows are, and as one that has the
// removed rows too, for who looks for few of them.
type place struct {
	relation string
	stored   incremental.Stored
	files    []lake.DataFile
}

// placesOf are a dataset's table and its hidden state, where it has one.
func (b *Batch) placesOf(ctx context.Context, d *plan.Dataset) (target, state place, err error) {
	if target, err = b.placed(ctx, b.draft.stage(d), d.Columns, d.Provenance...); err != nil {
		return target, state, err
	}
	if hidden := b.draft.hidden(d); hidden != nil {
		_, columns := d.State()
		state, err = b.placed(ctx, hidden, columns)
	}
	return target, state, err
}

// placed is a table with these columns; behind them the files have hidden ones.
func (b *Batch) placed(ctx context.Context, change *lake.TableChange, columns schemas.Table, hidden ...schemas.Column) (place, error) {
	files, err := b.filesAfter(ctx, change)
	if err != nil {
		return place{}, err
	}
	schema := schemas.WithProvenance(change.Schema, hidden)
	relation, order := duck.ReadPlaces(schema, files)
	shaped := func(relation string) string {
		list := duck.Shaped(schema, slices.Concat(columns, hidden)) + ", " + duck.FileColumn + ", " + duck.RowColumn
		return "(SELECT " + list + " FROM " + relation + ")"
	}
	rows, removed := duck.ReadStored(schema, order)
	table, _ := b.state.Table(change.Table)
	return place{shaped(relation), incremental.Stored{Rows: shaped(rows), Removed: removed, Count: table.Rows}, order}, nil
}

// writeChanges writes which rows of a table and of its hidden state go, and the rows that come. After an error nothing of
// it is left.
func (b *Batch) writeChanges(ctx context.Context, d *plan.Dataset, target, state place, q rowQueries) (w written, err error) {
	defer func() {
		if err != nil {
			w.discard()
		}
	}()
	w.changes = &schemas.ChangeCounts{}
	if w.remove, err = b.writeDeletes(ctx, d.Name, q.remove, target); err != nil {
		return w, err
	}
	for _, f := range w.remove {
		w.changes.Removed += f.Rows
	}
	if q.add != "" {
		if w.rows, _, err = b.writeRows(ctx, d, q.add, 0, d.Provenance...); err != nil {
			return w, err
		}
	}
	table, _ := d.State()
	if table == "" {
		return w, nil
	}
	if w.state.remove, err = b.writeDeletes(ctx, table, q.removeState, state); err != nil || q.addState == "" {
		return w, err
	}
	w.state.add, err = b.writeState(ctx, d, q.addState)
	return w, err
}

// writeDeletes writes which rows of a table go.
func (b *Batch) writeDeletes(ctx context.Context, table, query string, at place) ([]lake.DeleteFile, error) {
	if query == "" || len(at.files) == 0 {
		return nil, nil
	}
	return b.DB.WriteDeletes(ctx, query, at.files, b.Lake.DataDir(table))
}

// writeState writes rows of a dataset's hidden state.
func (b *Batch) writeState(ctx context.Context, d *plan.Dataset, query string) ([]lake.DataFile, error) {
	table, columns := d.State()
	layout := duck.Layout{Dir: b.Lake.DataDir(table), Schema: b.draft.hidden(d).Schema, Hidden: true}
	files, _, err := b.DB.WriteParquet(ctx, "SELECT "+duck.Shaped(columns, layout.Schema)+" FROM ("+query+"\n)", layout)
	return files, err
}
