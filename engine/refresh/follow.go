package refresh

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/incremental"
	"github.com/lakeflow/lakeflow/engine/journal"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// followInputs brings a materialized view up to date by what was changed in its inputs since it was the last time. Where
// that cannot be done, or would cost more, it is computed from everything that they hold.
func (b *Batch) followInputs(ctx context.Context, d *plan.Dataset) (worked bool, err error) {
	holds, err := b.inputsHold(ctx, d)
	if err != nil {
		return false, err
	}
	if !b.outdated(d, holds) {
		return false, nil
	}
	maps.Copy(b.draft.positions, holds)
	stored, _ := b.state.Table(d.Name)
	if err := d.Incremental.Analyze(ctx, b.DB.Conn(), definitions.Taken(stored)); err != nil {
		return true, fmt.Errorf("find out how %s can follow its inputs: %w", d.Name, err)
	}
	whys := b.unfollowed(d)
	if len(whys) == 0 {
		whys, err = b.applyInputs(ctx, d)
	}
	if err == nil && len(whys) > 0 {
		err = b.computeAll(ctx, d, whys)
	}
	return true, err
}

// unfollowed says why a view must be computed from the beginning; it is empty when its rows can follow its inputs.
func (b *Batch) unfollowed(d *plan.Dataset) []journal.Why {
	stored, exists := b.state.Table(d.Name)
	switch {
	case d.Incremental.Name == incremental.CompleteRecompute:
		return whyInFull(d)
	case !exists:
		return because(journal.NothingToFollow, "it is computed for the first time")
	case b.state.Reset(d.Name):
		return because(journal.NothingToFollow, "it is computed from the beginning")
	case !definitions.Equal(b.plan, d, stored):
		return because(journal.DefinitionChanged, "its definition has changed")
	case stored.Snapshot != 0 && stored.Commit == 0:
		return because(journal.RowsChanged, "another program has written to it")
	case string(b.state.At(plan.RulesKey(d, d.Flows[0]))) != string(b.draft.positions[plan.RulesKey(d, d.Flows[0])]):
		return because(journal.ConfigurationOther, "its expectations have changed, or how it is refreshed")
	}
	if _, known := b.totals(d); !known && len(d.Rules.Rules) > 0 {
		return because(journal.NothingToFollow, "it is not known what its expectations said of its rows")
	}
	for _, name := range b.plan.Whole(d.Flows[0]) {
		if !b.state.Has(plan.WholeKey(d, d.Flows[0], name)) {
			return because(journal.NothingToFollow, "it did not read "+name+" the last time")
		}
	}
	if table, columns := d.State(); table != "" {
		state, exists := b.state.Table(table)
		never := !exists && b.state.Recorded(table) == 0 && d.Incremental.State == nil // no row was ever dropped
		if !never && (!exists || state.Commit == 0 || state.Commit < b.state.Recorded(table) || !columns.Equal(state.Schema)) {
			return because(journal.NothingToFollow, "what it must remember of its groups is not there, or another program has changed it")
		}
	}
	return nil
}

func because(code, text string) []journal.Why { return []journal.Why{{Code: code, Text: text}} }

// computeAll computes a view from everything that its inputs hold.
func (b *Batch) computeAll(ctx context.Context, d *plan.Dataset, whys []journal.Why) error {
	table, _ := d.State()
	delete(b.draft.changes, d.Name) // begun for changes, of which nothing came
	delete(b.draft.changes, table)
	b.draft.full[d.Name] = true
	b.Journal.Planned(d.Name, incremental.CompleteRecompute, whys...)
	if err := b.evaluate(ctx, d, d.Flows[0], &input{}); err != nil {
		return err
	}
	if table == "" || d.Incremental.State == nil {
		return nil
	}
	_, state, err := d.Incremental.Full(incremental.Inputs{New: b.tablesNow(ctx, d)})
	if err != nil {
		return err
	}
	files, err := b.writeState(ctx, d, stateRows(d, d.Incremental.State, state))
	if err != nil {
		return fmt.Errorf("compute what %s must remember: %w", d.Name, err)
	}
	rowChange{add: files}.stage(b.draft.hidden(d))
	return nil
}

// applyInputs computes what the changes of its inputs do to a view. It says why that was not done, if it was not: then
// nothing is left of it.
func (b *Batch) applyInputs(ctx context.Context, d *plan.Dataset) (whys []journal.Why, err error) {
	began := time.Now()
	in, whys, err := b.changedInputs(ctx, d)
	if err != nil || len(whys) > 0 {
		return whys, err
	}
	view, state, err := b.placesOf(ctx, d)
	if err != nil {
		return nil, err
	}
	totals, _ := b.totals(d)
	in.View, in.State = asComputed(d, view, state, totals.Dropped)
	r, err := d.Incremental.Apply(ctx, b.DB.Conn(), in, mergePrefix)
	if errors.Is(err, lake.ErrExpired) {
		return because(journal.NothingToFollow, "the rows that its inputs had have been expired; keep more with retention.snapshots"), nil
	}
	if err != nil {
		return b.failedToFollow(ctx, d, err)
	}
	defer func() {
		if e := r.Drop(context.WithoutCancel(ctx), b.DB.Conn()); err == nil {
			err = e
		}
	}()
	if r.Recompute != "" {
		return because(r.Code, r.Recompute), nil
	}
	out, err := b.writeComputed(ctx, d, r, view, state, in.View.Rows)
	var violation *ViolationError
	switch {
	case errors.As(err, &violation):
		return nil, err
	case err != nil:
		return b.failedToFollow(ctx, d, err)
	}
	b.Journal.Planned(d.Name, r.Technique)
	return nil, b.account(ctx, d, d.Flows[0], &input{}, out, began)
}

// writeComputed writes what the changes of its inputs do to a view. After an error nothing of it is left.
func (b *Batch) writeComputed(ctx context.Context, d *plan.Dataset, r *incremental.Result, view, state place, computed string) (outcome, error) {
	if len(d.Rules.Rules) > 0 {
		return b.judgedChange(ctx, d, r, view, state, computed)
	}
	w, err := b.writeChanges(ctx, d, view, state, rowQueries{r.RemoveView, r.RemoveState, r.AddView, r.AddState})
	if err != nil {
		return outcome{}, err
	}
	w.changes.Applied = rowsOf(w.rows)
	return outcome{written: w, verdict: d.Rules.Judge([]expectations.Count{{Rows: w.changes.Applied}})}, nil
}

// failedToFollow has a view computed in full after an error: where its query fails on a value, that tells where.
func (b *Batch) failedToFollow(ctx context.Context, d *plan.Dataset, cause error) ([]journal.Why, error) {
	if ctx.Err() != nil || duckerr.World(cause) {
		return nil, cause
	}
	why := "its rows could not be computed from what has changed: " + duckerr.FirstLine(cause)
	b.notice(d.Name, d.Name+" is computed in full: "+why)
	return because("", why), nil
}

// changedInputs are a view's inputs, with what has changed since it was refreshed the last time. It says why that is of
// no use, if it is not.
func (b *Batch) changedInputs(ctx context.Context, d *plan.Dataset) (in incremental.Inputs, whys []journal.Why, err error) {
	since := func(name string) int64 { return b.state.CommitAt(plan.WholeKey(d, d.Flows[0], name)) }
	in = incremental.Inputs{New: b.tablesNow(ctx, d), Added: map[string]string{}, Removed: map[string]string{}}
	in.Old = func(name string) (string, error) { return b.relationAt(ctx, d, name, since(name)) }
	var changed, removed, total int64
	for _, name := range b.plan.Whole(d.Flows[0]) {
		c, err := b.changesSince(ctx, name, since(name))
		if errors.Is(err, lake.ErrRewritten) {
			return in, because(journal.NothingToFollow, "the rows or columns of "+name+" were replaced"), nil
		}
		if errors.Is(err, lake.ErrExpired) {
			return in, because(journal.NothingToFollow,
				fmt.Sprintf("what has changed in %s since commit %d has been expired; keep more with retention.snapshots", name, since(name))), nil
		}
		if err != nil {
			return in, nil, err
		}
		in.Added[name], in.Removed[name] = b.changeRelations(d, name, c)
		table, _ := b.state.Table(name)
		changed, removed, total = changed+c.rows(), removed+c.rows()-rowsOf(c.added), total+table.Rows
	}
	linear := d.Incremental.Name == incremental.AppendOnly || d.Incremental.Name == incremental.RowBased
	if changed > incremental.FewRows && (changed > total/2 || linear && removed > total/removedShare) {
		return in, because(incremental.TooCostly, fmt.Sprintf("%d rows of its inputs have changed, of %d", changed, total)), nil
	}
	return in, nil, nil
}

// removedShare is the part of the inputs' rows that may go where each is looked for in the view by all of its values:
// of more, that costs as much as to compute all of them; see incremental.BenchmarkShare.
const removedShare = 12

// inputChanges are the rows that an input has gained and lost.
type inputChanges struct {
	schema  schemas.Table
	added   []lake.DataFile
	removed []lake.Removed
}

func (c inputChanges) rows() (n int64) {
	n = rowsOf(c.added)
	for _, r := range c.removed {
		n += r.Rows
	}
	return n
}

// changesSince are the changes of a table by the commits after one, and by this batch.
func (b *Batch) changesSince(ctx context.Context, table string, since int64) (inputChanges, error) {
	stored, err := b.Lake.Changes(ctx, table, since, b.state.Commit(), 0)
	if errors.Is(err, lake.ErrNoTable) {
		stored, err = &lake.Changes{Schema: b.plan.Dataset(table).Columns}, nil
	}
	if err != nil {
		return inputChanges{}, fmt.Errorf("read what has changed in %s: %w", table, err)
	}
	if stored.After != since {
		return inputChanges{}, fmt.Errorf("%w: commit %d is not in the history of %s any more", lake.ErrRewritten, since, table)
	}
	out := inputChanges{schema: stored.Schema}
	for _, c := range stored.Commits {
		out.added, out.removed = append(out.added, c.Added...), append(out.removed, c.Removed...)
	}
	if change := b.draft.changes[table]; change != nil {
		if err := b.addDraft(ctx, &out, change); err != nil {
			return out, err
		}
	}
	files := slices.Clone(out.added)
	for _, r := range out.removed {
		files = append(files, r.Files...)
		for _, path := range r.By {
			files = append(files, lake.DataFile{Path: path})
		}
	}
	return out, b.checked.Check(files)
}

// addDraft adds what this batch does to a table.
func (b *Batch) addDraft(ctx context.Context, out *inputChanges, change *lake.TableChange) error {
	out.schema, out.added = change.Schema, append(out.added, change.Add...)
	before, err := b.stored(ctx, change.Table)
	if err != nil {
		return err
	}
	if change.Mode == lake.Replace {
		out.removed = append(out.removed, lake.Removed{Files: before.Files, Rows: rowsOf(before.Files)})
	}
	for _, d := range change.Remove {
		r := lake.Removed{By: []string{d.Path}, Rows: d.Rows}
		for _, f := range slices.Concat(before.Files, change.Add) {
			if slices.Contains(d.Of, f.Path) {
				r.Files = append(r.Files, f)
			}
		}
		out.removed = append(out.removed, r)
	}
	return nil
}

// inputColumns are those of an input that the query of a view may need: what the plan knows, and where rows are from,
// where the query passes that on.
func (b *Batch) inputColumns(d *plan.Dataset, input string) schemas.Table {
	columns := b.plan.Dataset(input).Columns
	if len(d.Provenance) > 0 {
		columns = slices.Concat(columns, b.provenanceOf(input))
	}
	return columns
}

// changeRelations are the rows that an input of a view has gained and lost, in the columns that the view may need; empty
// where there are none.
func (b *Batch) changeRelations(d *plan.Dataset, input string, c inputChanges) (added, removed string) {
	stored := schemas.WithProvenance(c.schema, b.provenanceOf(input))
	shaped := func(relation string) string {
		return "(SELECT " + duck.Shaped(stored, b.inputColumns(d, input)) + " FROM " + relation + ")"
	}
	if len(c.added) > 0 {
		added = shaped(duck.ReadFiles(stored, c.added))
	}
	var parts []string
	for _, r := range c.removed {
		if len(r.Files) > 0 {
			parts = append(parts, "FROM "+duck.ReadRemoved(stored, r))
		}
	}
	if len(parts) > 0 {
		removed = shaped("(" + strings.Join(parts, " UNION ALL ") + ")")
	}
	return added, removed
}

// tablesNow tells of everything that an input of a view holds, in the columns that the view may need. Its files are
// checked then: who does not ask does not wait for it.
func (b *Batch) tablesNow(ctx context.Context, d *plan.Dataset) func(string) (string, error) {
	return func(input string) (string, error) {
		relation, err := b.wholeRelation(ctx, input)
		return "(SELECT " + strings.Join(names(b.inputColumns(d, input)), ", ") + " FROM " + relation + ")", err
	}
}

// relationAt is an input of a view as a commit left it, in the columns that the view may need. The error is
// lake.ErrExpired when that is not known any more.
func (b *Batch) relationAt(ctx context.Context, d *plan.Dataset, input string, commit int64) (string, error) {
	if commit == 0 || b.state.TableCommit(input) == 0 {
		return duck.Empty(b.inputColumns(d, input)), nil
	}
	contents, err := b.Lake.Files(ctx, input, lake.Version{Commit: commit})
	if errors.Is(err, lake.ErrNoTable) { // it is there now
		err = fmt.Errorf("%w: %w", lake.ErrExpired, err)
	}
	if err == nil {
		err = b.checked.Check(contents.Files)
	}
	if err != nil {
		return "", fmt.Errorf("read table %s as of commit %d: %w", input, commit, err)
	}
	stored := schemas.WithProvenance(contents.Schema, b.provenanceOf(input))
	return "(SELECT " + duck.Shaped(stored, b.inputColumns(d, input)) + " FROM " + duck.ReadFiles(stored, contents.Files) + ")", nil
}
