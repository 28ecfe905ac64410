package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/event"
	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/refresh"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// attempt is a batch on its way to its commit.
type attempt struct {
	batch     *refresh.Batch
	columns   map[string]schemas.Table // that its plan was made with
	work      bool                     // something is to be committed
	read      time.Duration            // how long the sources were read
	evaluated time.Time                // when all rows were written
}

// begin begins a batch that goes on from where the update is at.
func (u *update) begin(p *plan.Plan, in *refresh.Intake) *attempt {
	return &attempt{batch: u.evaluator.Begin(p, u.state, in), columns: in.Columns}
}

// refresh brings a table up to date, and reports whether there was anything to do. After an error nothing of the batch
// is left.
func (a *attempt) refresh(ctx context.Context, d *plan.Dataset) (worked bool, err error) {
	worked, err = a.batch.Refresh(ctx, d)
	a.work = a.work || worked
	if err != nil {
		a.batch.Discard()
	}
	return worked, err
}

// commit publishes a batch, and goes on from there.
func (u *update) commit(ctx context.Context, a *attempt) error {
	failpoint.Hit("batch.after-balance")
	a.evaluated = time.Now()
	u.journal.Define(a.batch.Plan())
	c, err := a.batch.Commit(ctx, u.journal.Waiting(), u.publisher.Positions(a.batch.Plan(), u.state))
	if err != nil {
		a.batch.Discard()
		return err
	}
	c.Epoch, c.Forget = u.Epoch, u.forget
	u.uncertain = a
	out, err := u.Lake.Commit(ctx, c)
	if err != nil {
		return fmt.Errorf("commit batch %d: %w", c.Number, err)
	}
	if out.Status == lake.Conflict {
		u.uncertain = nil
		a.batch.Discard()
		return ErrConflict
	}
	after, err := u.Lake.State(ctx)
	if err != nil {
		return fmt.Errorf("read back batch %d: %w", c.Number, err)
	}
	u.committed(a, after)
	if err := u.fold(ctx, after); err != nil {
		return err
	}
	return u.acknowledge(ctx, a.batch)
}

// fold keeps tables whose rows change quick to read, and takes over what that made of the lake.
func (u *update) fold(ctx context.Context, after *lake.State) error {
	if u.Fold == nil {
		return nil
	}
	done, err := u.Fold(ctx, after)
	if err != nil || !done {
		return err
	}
	if after, err = u.Lake.State(ctx); err != nil {
		return fmt.Errorf("read back what was folded: %w", err)
	}
	u.state = u.state.After(after, nil)
	return nil
}

// committed takes over the state that a commit left, and tells what it did.
func (u *update) committed(a *attempt, after *lake.State) {
	tables := a.batch.Tables()
	computed := make([]string, len(tables))
	for i, t := range tables {
		computed[i] = t.Table
	}
	u.plan, u.columns, u.state, u.uncertain = a.batch.Plan(), a.columns, u.state.After(after, computed), nil
	u.journal.Written(u.state.Commit())
	u.did.commits++
	u.did.add(tables)
	if len(tables) == 0 {
		return
	}
	began := a.batch.Began()
	u.Events.Emit(event.Committed{Batch: a.batch.Number(), Tables: tables, Sources: a.batch.SourcesRead(), Elapsed: time.Since(began),
		Stages: event.Stages{Read: a.read, Evaluate: a.evaluated.Sub(began) - a.read, Commit: time.Since(a.evaluated)}})
}

// acknowledge tells the sources that want to know it how far they are read.
func (u *update) acknowledge(ctx context.Context, b *refresh.Batch) error {
	for name, err := range b.Acknowledge(ctx) {
		u.Events.Emit(event.Notice{Message: fmt.Sprintf("source %s could not be told that batch %d is committed, which only tools outside miss: %s",
			name, b.Number(), duckerr.Text(err))})
	}
	return ctx.Err()
}

// recover goes back to what the lake has after a batch that failed.
func (u *update) recover(ctx context.Context) error {
	stored, err := u.Lake.State(ctx)
	if err != nil {
		return err
	}
	a := u.uncertain
	if a != nil && stored.Commit >= a.batch.Number() { // its answer was lost
		u.committed(a, stored)
		return nil
	}
	if a != nil {
		a.batch.Discard()
	}
	u.uncertain, u.state = nil, u.state.After(stored, nil)
	u.journal.At(stored.Commit)
	return nil
}
