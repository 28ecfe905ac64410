package refresh

import (
	"context"
	"fmt"

	"github.com/lakeflow/lakeflow/engine/cdc"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// changesRelation holds the change rows of a flow, and mergePrefix begins the names of what is made of them.
const (
	changesRelation = "__changes"
	mergePrefix     = "__merge_"
)

// merged is what applying change rows has done beside adding rows to the table.
type merged struct {
	remove            []lake.DeleteFile // rows of the table
	state             rowChange         // of its hidden state
	counts            schemas.ChangeCounts
	upserted, deleted int64
}

// rowChange are rows that a table gains and loses.
type rowChange struct {
	add    []lake.DataFile
	remove []lake.DeleteFile
}

func (r rowChange) stage(c *lake.TableChange) {
	c.Add = append(c.Add, r.add...)
	c.Remove = append(c.Remove, r.remove...)
}

func (m *merged) discard() {
	removeAll(m.remove)
	removeAll(m.state.remove)
	duck.Remove(m.state.add)
}

// removeAll deletes files that name rows and that no table will name.
func removeAll(files []lake.DeleteFile) {
	for _, f := range files {
		duck.Remove([]lake.DataFile{f.DataFile})
	}
}

// mergeRows applies the change rows of a query to a table by key. It returns the rows that the table gains, what is done
// beside that, and how many changes there were. After an error nothing of it is left.
func (b *Batch) mergeRows(ctx context.Context, d *plan.Dataset, query string) (rows []lake.DataFile, m *merged, n int64, err error) {
	changes := fmt.Sprintf("CREATE OR REPLACE TEMP TABLE %s AS SELECT %s FROM (%s\n)", changesRelation, d.Merge.Changes, query)
	if err := b.DB.Exec(ctx, changes); err != nil {
		return nil, nil, 0, err
	}
	defer func() {
		if e := b.DB.Exec(context.WithoutCancel(ctx), "DROP TABLE "+changesRelation); err == nil {
			err = e
		}
	}()
	target, err := b.places(ctx, b.draft.stage(d), d.Columns)
	if err != nil {
		return nil, nil, 0, err
	}
	state, err := b.places(ctx, b.draft.hidden(d), d.Merge.Spec.State())
	if err != nil {
		return nil, nil, 0, err
	}
	relations := cdc.Relations{Changes: changesRelation, Target: target.relation, State: state.relation}
	result, err := d.Merge.Spec.Apply(ctx, b.DB.Conn(), relations, mergePrefix, b.intake.began, d.Merge.Keep)
	if err != nil {
		return nil, nil, 0, err
	}
	defer func() {
		if e := result.Drop(context.WithoutCancel(ctx), b.DB.Conn()); err == nil {
			err = e
		}
	}()
	m = &merged{upserted: result.Upserted, deleted: result.Deleted,
		counts: schemas.ChangeCounts{Applied: result.Applied, Superseded: result.Superseded, Ignored: result.Ignored}}
	if rows, err = b.writeMerged(ctx, d, result, target, state, m); err != nil {
		duck.Remove(rows)
		m.discard()
		return nil, nil, 0, err
	}
	return rows, m, result.Changes, nil
}

// place is a table as the batch leaves it so far, as a relation that tells where its rows are.
type place struct {
	change   *lake.TableChange
	relation string
	files    []lake.DataFile
}

func (b *Batch) places(ctx context.Context, change *lake.TableChange, columns schemas.Table) (place, error) {
	files, err := b.filesAfter(ctx, change)
	if err != nil {
		return place{}, err
	}
	relation, order := duck.ReadPlaces(change.Schema, files)
	list := duck.Shaped(change.Schema, columns) + ", " + duck.FileColumn + ", " + duck.RowColumn
	return place{change, "(SELECT " + list + " FROM " + relation + ")", order}, nil
}

// writeMerged writes what is removed and added. It returns the rows that the table gains, those of an error included.
func (b *Batch) writeMerged(ctx context.Context, d *plan.Dataset, r *cdc.Result, target, state place, m *merged) (rows []lake.DataFile, err error) {
	if m.remove, err = b.DB.WriteDeletes(ctx, r.RemoveTarget, target.files, b.Lake.DataDir(d.Name)); err != nil {
		return nil, err
	}
	for _, f := range m.remove {
		m.counts.Removed += f.Rows
	}
	if rows, _, err = b.writeRows(ctx, d, r.AddTarget, 0); err != nil {
		return nil, err
	}
	if m.state.remove, err = b.DB.WriteDeletes(ctx, r.RemoveState, state.files, b.Lake.DataDir(d.Merge.State)); err != nil {
		return rows, err
	}
	layout := duck.Layout{Dir: b.Lake.DataDir(d.Merge.State), Schema: state.change.Schema}
	m.state.add, _, err = b.DB.WriteParquet(ctx, "SELECT "+duck.Shaped(d.Merge.Spec.State(), layout.Schema)+" FROM ("+r.AddState+"\n)", layout)
	return rows, err
}
