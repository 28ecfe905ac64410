package refresh

import (
	"context"
	"fmt"

	"github.com/lakeflow/lakeflow/engine/cdc"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/incremental"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// changesRelation holds the change rows of a flow, and mergePrefix begins the names of what is made of them.
const (
	changesRelation = "__changes"
	mergePrefix     = "__merge_"
)

// mergeRows applies the change rows of a query to a table by key, and returns how many there were. After an error
// nothing of it is left.
func (b *Batch) mergeRows(ctx context.Context, d *plan.Dataset, query string) (w written, n int64, err error) {
	changes := fmt.Sprintf("CREATE OR REPLACE TEMP TABLE %s AS SELECT %s FROM (%s\n)", changesRelation, d.Merge.Changes, query)
	if err := b.DB.Exec(ctx, changes); err != nil {
		return w, 0, err
	}
	defer func() {
		if e := b.DB.Exec(context.WithoutCancel(ctx), "DROP TABLE "+changesRelation); err == nil {
			err = e
		}
	}()
	target, state, err := b.placesOf(ctx, d)
	if err != nil {
		return w, 0, err
	}
	relations := cdc.Relations{Changes: changesRelation, Target: target.relation, State: state.relation}
	r, err := d.Merge.Spec.Apply(ctx, b.DB.Conn(), relations, mergePrefix, b.intake.began, d.Merge.Keep)
	if err != nil {
		return w, 0, err
	}
	defer func() {
		if e := r.Drop(context.WithoutCancel(ctx), b.DB.Conn()); err == nil {
			err = e
		}
	}()
	w, err = b.writeChanges(ctx, d, target, state, rowQueries{r.RemoveTarget, r.RemoveState, r.AddTarget, r.AddState})
	if err != nil {
		return written{}, 0, err
	}
	w.upserted, w.deleted = r.Upserted, r.Deleted
	w.changes.Applied, w.changes.Superseded, w.changes.Ignored = r.Applied, r.Superseded, r.Ignored
	return w, r.Changes, nil
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
	if target, err = b.placed(ctx, b.draft.stage(d), d.Columns); err != nil {
		return target, state, err
	}
	if hidden := b.draft.hidden(d); hidden != nil {
		_, columns := d.State()
		state, err = b.placed(ctx, hidden, columns)
	}
	return target, state, err
}

func (b *Batch) placed(ctx context.Context, change *lake.TableChange, columns schemas.Table) (place, error) {
	files, err := b.filesAfter(ctx, change)
	if err != nil {
		return place{}, err
	}
	relation, order := duck.ReadPlaces(change.Schema, files)
	shaped := func(relation string) string {
		return "(SELECT " + duck.Shaped(change.Schema, columns) + ", " + duck.FileColumn + ", " + duck.RowColumn + " FROM " + relation + ")"
	}
	rows, removed := duck.ReadStored(change.Schema, order)
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
		if w.rows, _, err = b.writeRows(ctx, d, q.add, 0); err != nil {
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
	layout := duck.Layout{Dir: b.Lake.DataDir(table), Schema: b.draft.hidden(d).Schema}
	files, _, err := b.DB.WriteParquet(ctx, "SELECT "+duck.Shaped(columns, layout.Schema)+" FROM ("+query+"\n)", layout)
	return files, err
}
