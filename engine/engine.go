// Package engine runs a compiled pipeline: it moves new rows from the sources through the tables in bounded batches,
// wave by wave, and publishes each batch with one commit.
package engine

import (
	"context"
	"errors"
	"time"

	"github.com/lakeflow/lakeflow/engine/definitions"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/event"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/publish"
	"github.com/lakeflow/lakeflow/engine/state"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks"
	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sources"
)

// Lake is what the engine publishes to and reads back from.
type Lake interface {
	lake.Lake
	lake.Reader
}

// Env is what an update works with. The caller has acquired the lake, owns everything in it, and closes it.
type Env struct {
	Plan *plan.Plan
	// Compile makes the plan anew when the columns of a source changed. It touches nothing that the update has made in
	// DB.
	Compile func(ctx context.Context, columns map[string]schemas.Table) (*plan.Plan, error)
	Sources map[string]sources.Source
	Sinks   map[string]sinks.Publisher
	Lake    Lake
	State   *lake.State // read after Acquire
	Epoch   int64
	DB      *duck.DB
	// Fold keeps what readers pay for removed rows within bounds, between two commits. It changes no row, and reports
	// whether it did anything. nil where no table's rows are removed one by one.
	Fold func(ctx context.Context, state *lake.State) (bool, error)
	// Update is the id of this update, unique for ever.
	Update string
	// Events are told what the update does, in the goroutine of Run.
	Events event.Subscribers
}

// Options of an update.
type Options struct {
	definitions.Selection
	Republish []string // sinks that publish all rows of their table again
	Follow    *Follow  // nil for an update that ends when everything available is done
}

// Follow makes an update continuous.
type Follow struct {
	// Interval is the time from the beginning of one batch to that of the next, unless a full one is there before.
	Interval time.Duration
	// Stop ends the update once it is closed: the batch under way is finished, and the materialized views are brought
	// up to date.
	Stop <-chan struct{}
}

// Result of an update.
type Result struct {
	Update  string        `json:"update_id"`
	Status  string        `json:"status"` // completed, failed, canceled
	Commits int           `json:"commits"`
	Tables  []event.Table `json:"tables"`
	Sinks   []event.Sink  `json:"sinks,omitempty"` // those that published something
	Kept    []string      `json:"kept,omitempty"`  // tables that a full refresh of all has left as they are
	Seconds float64       `json:"seconds"`
}

// ErrConflict says that somebody else changed the tables or took the writer's place.
var ErrConflict = errors.New("the tables changed under this update, or another update took over; nothing of the batch was published; run again")

// CheckDefinitions compares a plan with what is stored, as an update does that begins, and starts none. What Run would
// refuse with is its error, a diag.List where a definition changed.
func CheckDefinitions(p *plan.Plan, lake *lake.State, opts Options) error {
	choice, err := opts.Choose(p)
	if err != nil {
		return err
	}
	if err := publish.CheckRepublish(p, opts.Republish); err != nil {
		return err
	}
	_, err = definitions.Check(p, state.New(lake, choice.Resets()), choice)
	return err
}

// Run does one update: everything that is available in bounded batches, then the materialized views; a continuous one
// goes on until it is stopped. It returns a *refresh.ViolationError when an expectation stopped it, a diag.List when a
// changed definition needs the user's word.
func Run(ctx context.Context, env Env, opts Options) (*Result, error) {
	u, err := newUpdate(env, opts)
	if err != nil {
		return nil, err
	}
	u.journal.Created(schemas.UpdateDefinition{FullRefresh: opts.FullAll, FullSelection: opts.FullRefresh, RefreshSelection: opts.Refresh,
		Continuous: opts.Follow != nil})
	u.journal.Progress("SETTING_UP_TABLES")
	u.journal.Define(u.plan)
	u.journal.Progress("RUNNING")
	if opts.Follow == nil {
		err = u.trigger(ctx)
	} else {
		err = u.follow(ctx)
	}
	if err == nil {
		return u.result("completed"), nil
	}
	u.fail(ctx, err)
	if ctx.Err() != nil {
		return u.result("canceled"), err
	}
	return u.result("failed"), err
}
