package refresh

import (
	"context"
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/incremental"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// droppedRelation holds the rows that violate a drop rule, with the ids of their dead letters, for views that keep such
// rows in their hidden state.
const droppedRelation = "__dropped_rows"

// keepsDropped reports whether a table must find the rows again that it drops.
func keepsDropped(d *plan.Dataset) bool {
	_, columns := d.State()
	return d.Refresh == plan.Follow && columns.Column(plan.DroppedColumn) != nil
}

// setAside writes the dead letters of the rows that violate a drop rule, and those rows into the hidden state of a view
// that must find them again.
func (b *Batch) setAside(ctx context.Context, d *plan.Dataset, f *plan.Flow, in *input,
	n int64) (letters, state []lake.DataFile, err error) {
	info := b.info(d, f, "")
	if keepsDropped(d) {
		info.ID = quote.Name(plan.DroppedColumn)
		if err := b.keepDropped(ctx, d, f); err != nil {
			return nil, nil, err
		}
		if state, err = b.writeState(ctx, d, stateRows(d, d.Dropped(), droppedRows(d))); err != nil {
			return nil, nil, err
		}
	}
	if !d.Rules.DeadLetter {
		return nil, state, nil
	}
	if info.Provenance, err = b.places(ctx, f); err == nil && info.Provenance != nil {
		info.Provenance.Records, err = b.records(ctx, d, f, in)
	}
	if err == nil {
		letters, err = b.writeLetters(ctx, d, d.Rules.DeadLetterSQL(brokenRelation, info), n)
	}
	if err != nil {
		duck.Remove(state)
		return nil, nil, err
	}
	return letters, state, nil
}

// keepDropped makes droppedRelation, and what is needed of its rows as dead letters of the same ids.
func (b *Batch) keepDropped(ctx context.Context, d *plan.Dataset, f *plan.Flow) error {
	id := quote.Name(plan.DroppedColumn)
	err := b.DB.Exec(ctx, "CREATE OR REPLACE TEMP TABLE "+droppedRelation+" AS SELECT *, CAST(uuid() AS VARCHAR) AS "+id+
		" FROM ("+d.Rules.DroppedSQL(rowsRelation)+")")
	if err != nil {
		return err
	}
	beside := append(f.Provenance.Clone(), schemas.Column{Name: plan.DroppedColumn})
	return b.DB.Exec(ctx, "CREATE OR REPLACE TEMP TABLE "+brokenRelation+" AS "+d.Rules.BrokenSQL(droppedRelation, beside...))
}

// droppedRows selects the rows of droppedRelation as those of the hidden state.
func droppedRows(d *plan.Dataset) string {
	cells := []string{quote.Name(plan.DroppedColumn)}
	for i, c := range d.StoredColumns() {
		cells = append(cells, quote.Name(c.Name)+" AS "+quote.Name(d.Dropped()[i+1].Name))
	}
	return "SELECT " + strings.Join(cells, ", ") + " FROM " + droppedRelation
}

// stateRows selects rows of some columns of the hidden state as rows of it.
func stateRows(d *plan.Dataset, have schemas.Table, query string) string {
	_, columns := d.State()
	return "SELECT " + duck.Shaped(have, columns) + " FROM (" + query + "\n)"
}

// asComputed are a view and its state as its technique has left them: what the rules dropped are rows of the view, whose
// files are counted on from its own. There are so many of these.
func asComputed(d *plan.Dataset, view, state place, dropped int64) (asView, asState incremental.Stored) {
	asView, asState = view.stored, state.stored
	if !keepsDropped(d) {
		return asView, asState
	}
	file, row, id := quote.Name(duck.FileColumn), quote.Name(duck.RowColumn), quote.Name(plan.DroppedColumn)
	behind := fmt.Sprintf("%s + %d AS %[1]s", file, len(view.files))
	var cells []string
	for i, c := range d.StoredColumns() {
		cells = append(cells, quote.Name(d.Dropped()[i+1].Name)+" AS "+quote.Name(c.Name))
	}
	asView.Rows = fmt.Sprintf("(SELECT %s, %s, %s FROM %s\nUNION ALL SELECT %s, %s, %[3]s FROM %[7]s WHERE %[8]s IS NOT NULL)",
		strings.Join(names(d.StoredColumns()), ", "), file, row, view.stored.Rows,
		strings.Join(cells, ", "), behind, state.stored.Rows, id)
	asState.Rows = fmt.Sprintf("(SELECT * EXCLUDE (%s) FROM %s WHERE %s IS NULL)",
		strings.Join(names(d.Dropped()), ", "), state.stored.Rows, id)
	var removed []string
	if view.stored.Removed != "" {
		removed = append(removed, fmt.Sprintf("SELECT %s, %s FROM %s", file, row, view.stored.Removed))
	}
	if state.stored.Removed != "" {
		removed = append(removed, fmt.Sprintf("SELECT %s, %s FROM %s", behind, row, state.stored.Removed))
	}
	if len(removed) > 0 {
		asView.Removed = "(" + strings.Join(removed, " UNION ALL ") + ")"
	}
	asView.Count, asState.Count = asView.Count+dropped, asState.Count-dropped
	return asView, asState
}

// lettersThatStay writes the dead letters of a view anew, without those of rows that are not dropped any more and without
// the samples of updates that failed, if there are such. Otherwise someGo is false, and all of them stay where they are.
// There are some of so many rows; gone is a relation with the ids of those that go, n how many there are.
func (b *Batch) lettersThatStay(ctx context.Context, d *plan.Dataset, some int64, gone string,
	n int64) (files []lake.DataFile, someGo bool, err error) {
	if !d.Rules.DeadLetter || some == 0 && !d.Rules.Has(expectations.Fail) {
		return nil, false, nil
	}
	stored, err := b.stored(ctx, b.plan.DeadLetter)
	if err != nil {
		return nil, false, err
	}
	schema := stored.Schema
	if len(schema) == 0 {
		schema = schemas.DeadLetter()
	}
	from := fmt.Sprintf(`(SELECT * FROM %s WHERE "table" = %s)`, duck.ReadFiles(schema, stored.Files), quote.Text(d.Name))
	sample, goes := "status = "+quote.Text(expectations.StatusFailedUpdate), "id IN (FROM "+gone+")"
	var samples, open, leave int64
	const count = "SELECT count(*) FILTER (%[1]s), count(*) FILTER (NOT %[1]s), count(*) FILTER (%[2]s) FROM %[3]s"
	err = b.DB.Conn().QueryRowContext(ctx, fmt.Sprintf(count, sample, goes, from)).Scan(&samples, &open, &leave)
	switch {
	case err != nil:
		return nil, false, fmt.Errorf("look for the dead letters of %s: %w", d.Name, err)
	case open != some || leave != n:
		return nil, false, errLetters
	case samples+n == 0:
		return nil, false, nil
	}
	columns := duck.Shaped(schema, b.draft.letters().Schema)
	query := fmt.Sprintf("SELECT %s FROM %s WHERE NOT (%s OR %s)", columns, from, sample, goes)
	files, err = b.writeLetters(ctx, d, query, 0)
	return files, true, err
}
