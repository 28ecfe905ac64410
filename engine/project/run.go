package project

import (
	"context"
	"errors"
	"time"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/event"
)

// Run does one update, which the options select; it sets Again and Follow itself. A continuous one goes on until ctx is
// done, finishes its batch then, and maintains the lake beside it. A project runs once.
//
// The result is nil when the update did not begin. Tables and sinks that the pipeline does not have are a *UsageError,
// an expectation that stopped the update is an *refresh.ViolationError, changed definitions that need somebody's word
// are a diag.List.
func (p *Project) Run(ctx context.Context, opts engine.Options) (*engine.Result, error) {
	if p.opts.Purpose != Write {
		return nil, errors.New("the project is not open for writing")
	}
	if err := p.claim(ctx); err != nil {
		return nil, p.hide(err)
	}
	opts.Again = p.Again()
	env := engine.Env{Plan: p.plan, Compile: p.recompile, Sources: p.ends.sources, Sinks: p.ends.sinks, Lake: p.place.lake,
		State: p.place.state, Epoch: p.place.epoch, DB: p.db, Update: p.update, Events: p.opts.Events, Fold: p.fold()}
	var result *engine.Result
	var err error
	if p.Pipeline.Mode == dsl.Continuous {
		result, err = p.follow(ctx, env, opts)
	} else {
		result, err = engine.Run(ctx, env, opts)
	}
	if err != nil && ctx.Err() == nil {
		err = advised(usage(err))
	}
	return result, p.hide(err)
}

// follow does a continuous update until ctx is done, and maintains the lake beside it.
func (p *Project) follow(ctx context.Context, env engine.Env, opts engine.Options) (result *engine.Result, err error) {
	var m *maintenance
	err = p.wait.until(ctx, func() (err error) {
		m, err = startMaintenance(ctx, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.end()) }()
	opts.Follow = &engine.Follow{Interval: p.Pipeline.Trigger.Interval, Stop: ctx.Done()}
	ctx, cancel := drained(ctx)
	defer cancel()
	return engine.Run(ctx, env, opts)
}

// maintenanceFailed tells what went wrong beside the update.
func (p *Project) maintenanceFailed(err error) {
	p.opts.Events.Emit(event.Notice{Message: "maintenance beside the update failed, nothing is lost, and it is " +
		"tried again: " + duckerr.Text(err)})
}

// drain is how long a continuous update may take to finish its batch after it is told to stop.
const drain = 30 * time.Second

// drained is a context that outlives ctx by the time to drain.
func drained(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(drain, cancel) })
	return longer, cancel
}
