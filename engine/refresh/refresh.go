// Package refresh brings tables up to date: it has one evaluator for each way that a plan knows (append.go,
// replace.go). What they do is collected in a batch, which one commit publishes.
package refresh

import (
	"context"
	"fmt"
	"time"

	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/event"
	"github.com/lakeflow/lakeflow/engine/journal"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/state"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sources"
)

// Config is what batches are made with.
type Config struct {
	DB      *duck.DB
	Lake    lake.Reader
	Sources map[string]sources.Source
	Journal *journal.Journal
	Events  event.Subscribers
	Choice  definitions.Choice
	Update  string // its id
	// Bisect looks for the new rows on which a query fails and dead-letters them, instead of failing.
	Bisect bool
}

// Evaluator makes the batches of one update. It is used by one goroutine.
type Evaluator struct {
	Config
	began   time.Time
	checked lake.Checked
}

// New makes the Evaluator of an update that begins now.
func New(c Config) *Evaluator {
	return &Evaluator{Config: c, began: time.Now(), checked: lake.Checked{}}
}

// Batch is what one commit will publish. It is good for one state: when another commit comes first, it is discarded.
type Batch struct {
	*Evaluator
	plan   *plan.Plan
	state  *state.State
	intake *Intake
	whole  *wholeSources
	draft  *draft
	// results are by table, of those to which something was done.
	results map[string]*event.Table
	more    bool // stored rows of upstream tables wait
}

// Begin begins a batch that goes on from st, with what was read of the sources.
func (e *Evaluator) Begin(p *plan.Plan, st *state.State, in *Intake) *Batch {
	return &Batch{Evaluator: e, plan: p, state: st, intake: in, whole: newWholeSources(), draft: newDraft(p, st, e.Update), results: map[string]*event.Table{}}
}

// Number is that of the commit to be.
func (b *Batch) Number() int64 { return b.draft.number }

// Plan is the plan that the batch follows.
func (b *Batch) Plan() *plan.Plan { return b.plan }

// Began is when the batch began to read.
func (b *Batch) Began() time.Time { return b.intake.began }

// More reports whether more rows are known to wait.
func (b *Batch) More() bool { return b.more || b.intake.more }

// Refresh brings a table up to date in the way that its plan says, and reports whether there was anything to do. After
// an error the batch is to be discarded; it is a *ViolationError when rows violate a fail rule.
func (b *Batch) Refresh(ctx context.Context, d *plan.Dataset) (worked bool, err error) {
	switch d.Refresh {
	case plan.Append, plan.Merge:
		if d.Merge != nil && d.Merge.Whole {
			return b.takeSnapshot(ctx, d)
		}
		return b.appendNew(ctx, d)
	case plan.Replace:
		return b.replaceAll(ctx, d)
	case plan.Follow:
		return b.followInputs(ctx, d)
	}
	return false, fmt.Errorf("%s is a %s, which nothing is stored of: please report this", d.Name, d.Kind)
}

// Define brings tables of a wave to which no rows came to their definition: those that are new are made, empty, and
// changes that were accepted are remembered. It reports whether there was anything to do.
func (b *Batch) Define(wave int) (worked bool) {
	for _, d := range b.plan.Stored() {
		if d.Wave != wave || !b.Choice.Includes(d.Name) || len(d.Columns) == 0 || b.draft.changes[d.Name] != nil {
			continue
		}
		stored, exists := b.state.Table(d.Name)
		same := definitions.Equal(b.plan, d, stored)
		_, changes, _ := schemas.Evolve(stored.Schema, d.Columns)
		switch {
		case !d.Refresh.Resumes() && (!exists || !same): // its definition is that of its last computation
		case !exists, !same, !definitions.Described(d, stored), d.Refresh.Resumes() && len(changes) > 0:
			b.draft.stage(d)
			b.draft.events = append(b.draft.events, b.Journal.Made(d)) // a commit has events, and there may be no others
			worked = true
		}
	}
	return worked
}

// AddDeadLetters has the batch commit files of dead letters.
func (b *Batch) AddDeadLetters(files []lake.DataFile) {
	if len(files) > 0 {
		letters := b.draft.letters()
		letters.Add = append(letters.Add, files...)
	}
}

// Discard removes the files of a batch that will not be published. Those of a killed process stay behind, unnamed by
// any table.
func (b *Batch) Discard() {
	for _, c := range b.draft.changes {
		duck.Remove(c.Add)
		removeAll(c.Remove)
	}
}

// Tables are what the batch did to tables, in the plan's order.
func (b *Batch) Tables() (tables []event.Table) {
	for _, d := range b.plan.Datasets {
		if r := b.results[d.Name]; r != nil {
			tables = append(tables, *r)
		}
	}
	return tables
}

// notice tells the user something about a table that stops nothing.
func (b *Batch) notice(table, message string) {
	b.Journal.Notice(table, message)
	b.Events.Emit(event.Notice{Table: table, Message: message})
}
