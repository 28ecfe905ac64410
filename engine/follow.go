package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/event"
	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/retry"
	"github.com/lakeflow/lakeflow/sources"
)

// follower is a continuous update.
type follower struct {
	*update
	refreshed map[string]time.Time // when views were last looked at
	caughtUp  bool                 // all waves were read to their ends once
}

// follow does batch after batch until it is stopped, and then the materialized views once more.
func (u *update) follow(ctx context.Context) error {
	f := &follower{update: u, refreshed: map[string]time.Time{}}
	if err := f.loop(ctx); err != nil {
		return err
	}
	for wave := range u.plan.Waves {
		if err := u.lastViews(ctx, wave); err != nil {
			return err
		}
	}
	if err := u.lastSinks(ctx); err != nil {
		return err
	}
	failpoint.Hit("update.before-done")
	return nil
}

// lastSinks publishes what the last views have brought. A sink that is unavailable gets it from the next update.
func (u *update) lastSinks(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer u.publisher.Wait()
	defer cancel()
	return u.publishSinks(ctx)
}

// loop does batches until the update is to end. What goes away by itself (a broker that cannot be reached, a full disk)
// is waited for; everything else ends the update.
func (f *follower) loop(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer func() { f.publisher.Leave(f.plan) }()
	defer f.publisher.Wait()
	defer cancel()
	var backoff retry.Backoff
	for {
		began := time.Now()
		more, err := f.turn(ctx)
		for err != nil {
			if !retry.Transient(err) || ctx.Err() != nil {
				return err
			}
			pause := backoff.Next()
			f.Events.Emit(event.Waiting{Message: duckerr.Text(err), Pause: pause})
			if f.sleep(ctx, pause) { // nothing is under way, so the update ends in order
				return errors.Join(ctx.Err(), f.recover(ctx))
			}
			if err = f.recover(ctx); err == nil {
				more, err = f.turn(ctx)
			}
		}
		backoff.Reset()
		f.Events.Emit(event.Idle{Unavailable: f.publisher.Unavailable()})
		pause := f.follows.Interval - time.Since(began)
		if more {
			pause = 0
		}
		if end, err := f.pause(ctx, pause); end || err != nil {
			return errors.Join(err, ctx.Err())
		}
	}
}

// pause waits until the next batch is due, or a source has a full one, and reports whether the update is to end. Sinks
// that answer again are served meanwhile.
func (f *follower) pause(ctx context.Context, d time.Duration) (end bool, err error) {
	due, cancel := context.WithTimeout(ctx, max(d, 0))
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer cancel()
	for _, s := range f.Sources {
		if w, ok := s.(sources.Waiter); ok {
			waiting.Go(func() { w.Wait(due); cancel() })
		}
	}
	for {
		select {
		case <-due.Done():
			return f.stopped(ctx), nil
		case <-f.follows.Stop:
			return true, nil
		case <-f.publisher.Answers():
			if err := f.publishSinks(ctx); err != nil {
				return false, err
			}
		}
	}
}

func (f *follower) stopped(ctx context.Context) bool {
	select {
	case <-f.follows.Stop:
		return true
	default:
		return ctx.Err() != nil
	}
}

// turn does one batch of each wave, and the views that are due. When the update begins, a wave is first read to its
// end, so that what is read in full by the next one is complete.
func (f *follower) turn(ctx context.Context) (more bool, err error) {
	for wave := range f.plan.Waves {
		waits := true
		for waits {
			if waits, err = f.step(ctx, wave); err != nil {
				return false, err
			}
			if f.caughtUp || wave == f.plan.Waves-1 {
				break
			}
		}
		more = more || waits
		if err := f.dueViews(ctx, wave); err != nil {
			return false, err
		}
	}
	f.caughtUp = true
	return more, f.publishSinks(ctx)
}

// dueViews refreshes the materialized views of a wave that are due: each with every batch, or once in its own interval.
// One whose refresh failed stays due.
func (f *follower) dueViews(ctx context.Context, wave int) error {
	a := f.begin(f.plan, f.evaluator.Nothing(f.columns))
	var looked []string
	for _, d := range f.plan.InWave(wave, plan.Replace, plan.Follow) {
		if !f.choice.Includes(d.Name) || time.Since(f.refreshed[d.Name]) < d.RefreshEvery {
			continue
		}
		looked = append(looked, d.Name)
		if _, err := a.refresh(ctx, d); err != nil {
			return err
		}
	}
	if a.batch.Define(wave) || a.work {
		if err := f.commit(ctx, a); err != nil {
			return err
		}
	}
	for _, name := range looked {
		f.refreshed[name] = time.Now()
	}
	return nil
}

// sleep waits, and reports whether the update is to end.
func (f *follower) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.follows.Stop:
	case <-ctx.Done():
	}
	return f.stopped(ctx)
}
