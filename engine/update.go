package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/event"
	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/engine/journal"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/publish"
	"github.com/lakeflow/lakeflow/engine/refresh"
	"github.com/lakeflow/lakeflow/engine/state"
	"github.com/lakeflow/lakeflow/schemas"
)

// update goes through the waves of a plan. What it is at, between two batches, is plan, columns and state, of which
// each commit gives the next.
type update struct {
	Env
	follows *Follow
	choice  definitions.Choice
	forget  []string // tables of the system whose lost rows are given up
	started time.Time

	plan    *plan.Plan
	columns map[string]schemas.Table // of the sources, that the plan was made with
	state   *state.State

	journal   *journal.Journal
	evaluator *refresh.Evaluator
	publisher *publish.Publisher

	did       totals
	skipped   map[string]bool // materialized views that were left as they are
	uncertain *attempt        // a commit of which it is not known whether it took place
}

// totals are what the update did, by table.
type totals struct {
	tables  map[string]*event.Table
	commits int
}

func newUpdate(env Env, opts Options) (*update, error) {
	choice, err := opts.Choose(env.Plan)
	if err != nil {
		return nil, err
	}
	u := &update{Env: env, follows: opts.Follow, choice: choice, started: time.Now(), plan: env.Plan, columns: map[string]schemas.Table{},
		state: state.New(env.State, choice.Resets()), journal: journal.New(env.Plan, env.Update, env.State.Commit), did: totals{tables: map[string]*event.Table{}},
		skipped: map[string]bool{}}
	for _, s := range env.Plan.Sources {
		u.columns[s.Name] = s.Columns
	}
	u.publisher, err = publish.New(publish.Config{Sinks: env.Sinks, Lake: env.Lake, DB: env.DB, Journal: u.journal, Events: env.Events,
		Republish: opts.Republish, Again: opts.Again, Continuous: opts.Follow != nil}, u.plan, u.state)
	if err != nil {
		return nil, err
	}
	if u.forget, err = definitions.Check(u.plan, u.state, choice); err != nil {
		return nil, err
	}
	u.evaluator = refresh.New(refresh.Config{DB: env.DB, Lake: env.Lake, Sources: env.Sources, Journal: u.journal, Events: env.Events, Choice: choice,
		Update: env.Update, Bisect: opts.Follow != nil})
	for _, table := range choice.Kept {
		text := table + " keeps its rows and goes on where it stands: it has reset: false (pipelines.reset.allowed)"
		u.journal.Notice(table, text)
		u.Events.Emit(event.Notice{Table: table, Message: text})
	}
	for _, text := range u.state.Repaired() {
		u.journal.Notice("", text)
		u.Events.Emit(event.Notice{Message: text})
	}
	return u, nil
}

// trigger does everything that is available now: for each wave, batches until nothing is new, and then its materialized
// views.
func (u *update) trigger(ctx context.Context) error {
	for wave := range u.plan.Waves {
		for more := true; more; {
			var err error
			if more, err = u.step(ctx, wave); err != nil {
				return err
			}
			if err = u.publishSinks(ctx); err != nil {
				return err
			}
		}
		if err := u.lastViews(ctx, wave); err != nil {
			return err
		}
	}
	if err := u.publishSinks(ctx); err != nil { // of views
		return err
	}
	failpoint.Hit("update.before-done")
	return nil
}

// step does one batch over the streaming tables of a wave. It returns whether there may be more to do: in a triggered
// update until nothing is new, in a continuous one while more is known to wait.
func (u *update) step(ctx context.Context, wave int) (bool, error) {
	in, err := u.evaluator.Read(ctx, u.plan, u.state, wave, u.columns)
	if err != nil {
		return false, err
	}
	p := u.plan
	if in.Grown {
		if p, err = u.compile(ctx, in.Columns); err != nil {
			return false, err
		}
	}
	a := u.begin(p, in)
	a.read = time.Since(a.batch.Began())
	for _, d := range p.InWave(wave, plan.Append, plan.Merge) {
		if !u.choice.Includes(d.Name) {
			continue
		}
		if _, err := a.refresh(ctx, d); err != nil {
			return false, err
		}
	}
	if !a.work {
		u.plan, u.columns = p, in.Columns
		return false, nil
	}
	return a.batch.More() || u.follows == nil, u.commit(ctx, a)
}

// compile makes the plan for new columns of the sources, which must fit what is stored.
func (u *update) compile(ctx context.Context, columns map[string]schemas.Table) (*plan.Plan, error) {
	p, err := u.Compile(ctx, columns)
	if err != nil {
		return nil, err
	}
	return p, definitions.CheckChanged(p, u.state, u.choice)
}

// lastViews brings the materialized views of a wave up to date for the last time in this update: those that are left as
// they are say so. The commit of the last wave also ends the update.
func (u *update) lastViews(ctx context.Context, wave int) error {
	failpoint.Hit("view.before-refresh")
	a := u.begin(u.plan, u.evaluator.Nothing(u.columns))
	for _, d := range u.plan.InWave(wave, plan.Replace, plan.Follow) {
		if !u.choice.Includes(d.Name) {
			continue
		}
		worked, err := a.refresh(ctx, d)
		if err != nil {
			return err
		}
		if !worked {
			u.skip(d)
		}
	}
	a.work = a.batch.Define(wave) || a.work
	failpoint.Hit("view.after-refresh")
	if wave == u.plan.Waves-1 {
		u.ended()
	} else if !a.work {
		return nil
	}
	return u.commit(ctx, a)
}

// skip notes that a materialized view is left as it is.
func (u *update) skip(d *plan.Dataset) {
	const why = "none of its inputs changed"
	u.journal.Skipped(d.Name, why)
	u.Events.Emit(event.Skipped{Table: d.Name, Message: why})
	u.skipped[d.Name] = true
}

// publishSinks has the sinks follow the last commit.
func (u *update) publishSinks(ctx context.Context) error {
	return u.publisher.Publish(ctx, u.plan, u.state, u.choice.Includes)
}

// ended notes how the flows of an update that came to its end stand.
func (u *update) ended() {
	for _, d := range u.plan.Stored() {
		if u.skipped[d.Name] {
			continue
		}
		status := "COMPLETED"
		if !u.choice.Includes(d.Name) {
			status = "EXCLUDED"
		}
		for _, f := range d.Flows {
			u.journal.Ended(d.Name, f.Name, status)
		}
	}
	u.journal.Progress("COMPLETED")
}

// fail commits what a failed update leaves behind: its events and, after a violated fail rule, a sample of the rows. It
// is best effort: the error itself is what the user must see.
func (u *update) fail(ctx context.Context, cause error) {
	if errors.Is(cause, ErrConflict) {
		return
	}
	if ctx.Err() != nil {
		u.journal.Canceled()
	} else {
		u.journal.Failed(cause)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	a := u.begin(u.plan, u.evaluator.Nothing(u.columns))
	var violation *refresh.ViolationError
	if errors.As(cause, &violation) {
		a.batch.AddDeadLetters(violation.Sample)
	}
	if err := u.commit(ctx, a); err != nil {
		u.Events.Emit(event.Notice{Message: "the failure could not be noted in the event log: " + duckerr.Text(err)})
	}
}

func (u *update) result(status string) *Result {
	r := &Result{Update: u.Update, Status: status, Commits: u.did.commits, Sinks: u.publisher.Totals(), Kept: u.choice.Kept, Seconds: time.Since(u.started).Seconds()}
	for _, d := range u.plan.Stored() {
		t := event.Table{Table: d.Name, Kind: string(d.Kind), Layer: d.Layer, Status: "unchanged"}
		switch did := u.did.tables[d.Name]; {
		case did != nil:
			t = *did
		case !u.choice.Includes(d.Name):
			t.Status = "excluded"
		}
		r.Tables = append(r.Tables, t)
	}
	return r
}

// add adds what a batch did.
func (t *totals) add(tables []event.Table) {
	for _, did := range tables {
		if have := t.tables[did.Table]; have != nil {
			have.Add(did)
			continue
		}
		did.Rules = slices.Clone(did.Rules)
		t.tables[did.Table] = &did
	}
}
