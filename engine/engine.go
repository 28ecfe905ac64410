// Package engine runs a compiled pipeline: it moves new rows from the sources through the tables in bounded batches, applies
// the expectations, and publishes each batch with one commit.
package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks"
	"github.com/lakeflow/lakeflow/sources"
)

// Lake is what the engine publishes to and reads back from.
type Lake interface {
	sinks.Lake
	sinks.Reader
}

// Env is what an update works with. The caller has acquired the lake, owns everything in it, and closes it.
type Env struct {
	Plan *plan.Plan
	// Compile makes the plan anew when the columns of a source changed.
	Compile func(ctx context.Context, columns map[string]schemas.Table) (*plan.Plan, error)
	Sources map[string]sources.Source
	Sinks   map[string]sinks.Publisher
	Lake    Lake
	State   *sinks.State // read after Acquire
	Epoch   int64
	DB      *duck.DB
	// Update is the id of this update, unique for ever.
	Update string
	// Observe is called from the goroutine of Run after each step.
	Observe func(Progress)
}

// Options of an update.
type Options struct {
	Refresh     []string // only these tables; empty means all
	FullRefresh []string // recompute these from the beginning
	FullAll     bool     // recompute all
	Accept      []string // go on with changed queries of these streaming tables
	Republish   []string // sinks that publish all rows of their table again
	Again       string   // the command line that starts such an update, without the selections above: remedies begin with it
	Follow      *Follow  // nil for an update that ends when everything available is done
}

// Progress is one step of an update, for whoever watches.
type Progress struct {
	Kind    string        // evaluating, committed, published, notice, skipped, idle (nothing is under way), waiting, away and back (of a sink)
	Table   string        // empty for committed, and for notices about the update
	Batch   int64         // the number of the commit; for published, of the last one that is
	Tables  []TableResult // what a committed batch did, in the plan's order
	Sources []SourceResult
	Sinks   []SinkResult  // what was published just now
	Stages  Stages        // of a committed batch
	Message string        // for idle and back, why sinks are still away
	Elapsed time.Duration // of the batch for committed, until the next attempt for waiting, else of the update
}

// SourceResult is what a batch read of a source.
type SourceResult struct {
	Source  string
	Items   int
	Bytes   int64
	Backlog int       // items that are known to wait
	Newest  time.Time // of the records, zero when the source does not tell
}

// SinkResult is what a sink published.
type SinkResult struct {
	Sink    string  `json:"sink"`
	Table   string  `json:"table"`
	Rows    int64   `json:"rows"`
	Seconds float64 `json:"seconds"`
}

// Stages says how long the parts of a batch took.
type Stages struct{ Read, Evaluate, Commit time.Duration }

// TableResult is what an update, or a batch of it, did to a table.
type TableResult struct {
	Table        string                      `json:"table"`
	Kind         string                      `json:"kind"`
	Layer        string                      `json:"layer,omitempty"`
	Status       string                      `json:"status"` // updated, unchanged, excluded
	Written      int64                       `json:"written"`
	DeadLettered int64                       `json:"dead_lettered"`
	Discarded    int64                       `json:"discarded"`
	Unreadable   int64                       `json:"unreadable"`
	Files        int64                       `json:"files"`
	Bytes        int64                       `json:"bytes"`
	Seconds      float64                     `json:"seconds"`
	Rules        []schemas.ExpectationResult `json:"expectations,omitempty"`
}

// Result of an update.
type Result struct {
	Update  string        `json:"update_id"`
	Status  string        `json:"status"` // completed, failed, canceled
	Commits int           `json:"commits"`
	Tables  []TableResult `json:"tables"`
	Sinks   []SinkResult  `json:"sinks,omitempty"` // those that published something
	Seconds float64       `json:"seconds"`
}

// ViolationError says that rows violated an expectation with action fail: nothing of the batch was published.
type ViolationError struct {
	Table, Flow string
	Rules       []schemas.ExpectationResult
}

func (e *ViolationError) Error() string {
	text := fmt.Sprintf("table %s: the update is stopped and nothing of the batch is published:", e.Table)
	for _, r := range e.Rules {
		verb := "violate"
		if r.Failed == 1 {
			verb = "violates"
		}
		text += fmt.Sprintf("\n  %s %s %s: %s", countRows(r.Failed), verb, r.Name, r.Expression)
	}
	return text + "\n  a sample of the rows is in the dead-letter table; see lakeflow dead-letters list"
}

func countRows(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

// UnknownTableError says that the options name a table that the pipeline does not have.
type UnknownTableError struct {
	Name   string
	Tables []string // that it has
}

func (e *UnknownTableError) Error() string {
	return fmt.Sprintf("no table %q in this pipeline: %s", e.Name, diag.DidYouMean(e.Name, e.Tables, "see lakeflow plan for the names"))
}

// UnknownSinkError says that the options name a sink that the pipeline does not have.
type UnknownSinkError struct {
	Name  string
	Sinks []string // that it has
}

func (e *UnknownSinkError) Error() string {
	return fmt.Sprintf("no sink %q in this pipeline: %s", e.Name, diag.DidYouMean(e.Name, e.Sinks, "see lakeflow plan for the names"))
}

// ErrConflict says that somebody else changed the tables or took the writer's place.
var ErrConflict = errors.New("the tables changed under this update, or another update took over; nothing of the batch was published; run again")

// update is the state of one run.
type update struct {
	Env
	opts            Options
	started         time.Time
	storedPositions position.Set // as the last commit has them
	positions       position.Set // without those of tables in reset
	tables          map[string]sinks.TableState
	commit          int64
	reset           map[string]bool // tables whose full refresh is still to be committed
	selected        map[string]bool
	results         map[string]*TableResult
	events          []schemas.Event // waiting for the next commit
	seq             int64
	defined         *plan.Plan      // the plan that the events tell of
	skipped         map[string]bool // materialized views that were left as they are
	commits         int
	known           map[string]schemas.Table // columns of the sources
	sample          []sinks.DataFile         // dead letters of the rows that violate a fail rule, still to be committed
	uncertain       *batch                   // of whose commit it is not known whether it took place
	refreshed       map[string]time.Time     // when views were last looked at
	published       map[string]int64         // the commits up to which sinks have published for sure; what is not known is missing
	begun           map[string]bool          // sinks that can go on publishing
	absent          *absences
	sinks           []SinkResult
	given           []string        // tables whose lost rows somebody has given up
	sound           map[string]bool // data files whose checksum is right
	caughtUp        bool            // a continuous update has read all waves to their ends once
}

// Run does one update: everything that is available in bounded batches, then the materialized views; a continuous one goes on until it is stopped. It returns a
// *ViolationError when an expectation stopped it, a diag.List when a changed definition needs the user's word.
func Run(ctx context.Context, env Env, opts Options) (*Result, error) {
	u, err := newUpdate(env, opts)
	if err != nil {
		return nil, err
	}
	u.event("create_update", "", "", "INFO", "Update "+u.Update+" started", map[string]any{"cause": "USER_ACTION"})
	u.define()
	u.progress("RUNNING")
	err = u.run(ctx)
	if err != nil {
		u.fail(ctx, err)
		if ctx.Err() != nil {
			return u.result("canceled"), err
		}
		return u.result("failed"), err
	}
	return u.result("completed"), nil
}

// run goes through the waves of the plan. A continuous update does so in each of its turns, and once more for the views when it is stopped.
func (u *update) run(ctx context.Context) error {
	if u.opts.Follow != nil {
		if err := u.follow(ctx); err != nil {
			return err
		}
	}
	for wave := range u.Plan.Waves {
		if u.opts.Follow == nil {
			if err := u.drain(ctx, wave); err != nil {
				return err
			}
		}
		if err := u.lastViews(ctx, wave); err != nil {
			return err
		}
	}
	failpoint.Hit("update.before-done")
	return nil
}

// drain does batches of a wave until nothing is new.
func (u *update) drain(ctx context.Context, wave int) error {
	for more := true; more; {
		var err error
		if more, err = u.step(ctx, wave); err != nil {
			return err
		}
		if err = u.publishSinks(ctx); err != nil {
			return err
		}
	}
	return nil
}

// lastViews brings the materialized views of a wave up to date for the last time. The commit of the last wave also ends the update.
func (u *update) lastViews(ctx context.Context, wave int) error {
	failpoint.Hit("view.before-refresh")
	b, err := u.refreshViews(ctx, wave, nil)
	if err != nil {
		return err
	}
	failpoint.Hit("view.after-refresh")
	if wave == u.Plan.Waves-1 {
		u.ended()
	} else if !b.work {
		return nil
	}
	return b.commit(ctx)
}

func newUpdate(env Env, opts Options) (*update, error) {
	u := prepare(env, opts)
	u.Observe = func(p Progress) {
		p.Message = u.Plan.Secrets.Hide(p.Message)
		env.Observe(p)
	}
	if err := u.check(); err != nil {
		return nil, err
	}
	for _, s := range env.Plan.Sources {
		u.known[s.Name] = s.Columns
	}
	for _, text := range env.State.Repaired {
		u.notice("", text)
	}
	u.levelSinks()
	return u, nil
}

// prepare makes an update that has not looked at anything yet.
func prepare(env Env, opts Options) *update {
	return &update{Env: env, opts: opts, started: time.Now(), reset: map[string]bool{}, selected: map[string]bool{}, results: map[string]*TableResult{}, known: map[string]schemas.Table{},
		skipped: map[string]bool{}, refreshed: map[string]time.Time{}, published: map[string]int64{}, begun: map[string]bool{}, absent: newAbsences(), sound: map[string]bool{}}
}

// check compares the plan and the options with what the last commit left.
func (u *update) check() error {
	u.adopt(u.State)
	if err := u.choose(); err != nil {
		return err
	}
	return u.checkStored()
}

// choose reads the selections of tables.
func (u *update) choose() error {
	all := len(u.opts.Refresh) == 0
	for _, d := range u.Plan.Datasets {
		if d.Kind == plan.View {
			continue
		}
		u.selected[d.Name] = all
		if u.opts.FullAll {
			u.reset[d.Name] = true
		}
	}
	for _, list := range [][]string{u.opts.Refresh, u.opts.FullRefresh, u.opts.Accept} {
		for _, name := range list {
			if _, ok := u.selected[name]; !ok && name != u.Plan.DeadLetter {
				return &UnknownTableError{Name: name, Tables: slices.Sorted(maps.Keys(u.selected))}
			}
		}
	}
	for _, name := range u.opts.Refresh {
		u.selected[name] = true
	}
	for _, name := range u.opts.FullRefresh {
		u.selected[name], u.reset[name] = true, true
	}
	u.forgetPositions()
	if err := u.checkRepublish(); err != nil {
		return err
	}
	return u.checkResets()
}

func (u *update) checkRepublish() error {
	var names []string
	for _, s := range u.Plan.Sinks {
		names = append(names, s.Name)
	}
	for _, name := range u.opts.Republish {
		if !slices.Contains(names, name) {
			return &UnknownSinkError{Name: name, Sinks: names}
		}
	}
	return nil
}

// adopt takes over what the last commit left.
func (u *update) adopt(state *sinks.State) {
	u.commit, u.storedPositions, u.positions, u.tables = state.Commit, state.Positions, state.Positions.Merged(nil), maps.Clone(state.Tables)
	u.forgetPositions()
}

// forgetPositions puts tables that are to be recomputed back to the beginning.
func (u *update) forgetPositions() {
	for key := range u.positions {
		if u.reset[key.Table] && key.Kind != position.Sink {
			delete(u.positions, key)
		}
	}
}

func (u *update) result(status string) *Result {
	r := &Result{Update: u.Update, Status: status, Commits: u.commits, Sinks: u.sinks, Seconds: time.Since(u.started).Seconds()}
	for _, d := range u.Plan.Datasets {
		if d.Kind == plan.View {
			continue
		}
		t := TableResult{Table: d.Name, Kind: string(d.Kind), Layer: d.Layer, Status: "unchanged"}
		switch {
		case u.results[d.Name] != nil:
			t = *u.results[d.Name]
		case !u.selected[d.Name]:
			t.Status = "excluded"
		}
		r.Tables = append(r.Tables, t)
	}
	return r
}

// add adds the figures of the same table.
func (t *TableResult) add(o TableResult) {
	t.Written += o.Written
	t.DeadLettered += o.DeadLettered
	t.Discarded += o.Discarded
	t.Unreadable += o.Unreadable
	t.Files += o.Files
	t.Bytes += o.Bytes
	t.Seconds += o.Seconds
	for _, r := range o.Rules {
		i := slices.IndexFunc(t.Rules, func(have schemas.ExpectationResult) bool { return have.Name == r.Name })
		if i < 0 {
			t.Rules = append(t.Rules, r)
			continue
		}
		t.Rules[i].Passed += r.Passed
		t.Rules[i].Failed += r.Failed
	}
}

func (u *update) notice(table, message string) {
	u.event("flow_progress", table, table, "WARN", message, map[string]any{"status": "RUNNING"})
	u.Observe(Progress{Kind: "notice", Table: table, Message: message, Elapsed: time.Since(u.started)})
}
