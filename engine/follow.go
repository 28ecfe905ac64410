package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/sources"
)

// Follow makes an update continuous.
type Follow struct {
	// Interval is the time from the beginning of one batch to that of the next, unless a full one is there before.
	Interval time.Duration
	// Stop ends the update once it is closed: the batch under way is finished, and the materialized views are brought up to date.
	Stop <-chan struct{}
}

// The waits between attempts grow from the first to the last.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 30 * time.Second
)

// follow does batch after batch until it is stopped. What goes away by itself (a broker that cannot be reached, a full disk) is waited
// for; everything else ends the update.
func (u *update) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer u.leave()
	defer u.absent.asking.Wait()
	defer cancel()
	wait := firstWait
	for {
		began := time.Now()
		more, err := u.turn(ctx)
		for err != nil {
			if !Transient(err) || ctx.Err() != nil {
				return err
			}
			u.Observe(Progress{Kind: "waiting", Message: duckerr.Text(err), Elapsed: wait})
			if u.sleep(ctx, wait) { // nothing is under way, so the update ends in order
				return errors.Join(ctx.Err(), u.recover(ctx))
			}
			wait = min(2*wait, lastWait)
			if err = u.recover(ctx); err == nil {
				more, err = u.turn(ctx)
			}
		}
		wait = firstWait
		u.Observe(Progress{Kind: "idle", Message: u.whyAway(), Elapsed: time.Since(u.started)})
		pause := u.opts.Follow.Interval - time.Since(began)
		if more {
			pause = 0
		}
		if end, err := u.pause(ctx, pause); end || err != nil {
			return errors.Join(err, ctx.Err())
		}
	}
}

// pause waits until the next batch is due, or a source has a full one, and reports whether the update is to end. Sinks that answer again are served meanwhile.
func (u *update) pause(ctx context.Context, d time.Duration) (end bool, err error) {
	due, cancel := context.WithTimeout(ctx, max(d, 0))
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer cancel()
	for _, s := range u.Sources {
		if w, ok := s.(sources.Waiter); ok {
			waiting.Go(func() { w.Wait(due); cancel() })
		}
	}
	for {
		select {
		case <-due.Done():
			return u.stopped(ctx), nil
		case <-u.opts.Follow.Stop:
			return true, nil
		case <-u.absent.answers:
			if err := u.publishSinks(ctx); err != nil {
				return false, err
			}
		}
	}
}

func (u *update) stopped(ctx context.Context) bool {
	select {
	case <-u.opts.Follow.Stop:
		return true
	default:
		return ctx.Err() != nil
	}
}

// turn does one batch of each wave, and the views that are due. When the update begins, a wave is first read to its end, so that what is read in full by the next one is
// complete.
func (u *update) turn(ctx context.Context) (more bool, err error) {
	for wave := range u.Plan.Waves {
		waits := true
		for waits {
			if waits, err = u.step(ctx, wave); err != nil {
				return false, err
			}
			if u.caughtUp || wave == u.Plan.Waves-1 {
				break
			}
		}
		more = more || waits
		if err := u.dueViews(ctx, wave); err != nil {
			return false, err
		}
	}
	u.caughtUp = true
	return more, u.publishSinks(ctx)
}

// dueViews refreshes the materialized views of a wave that are due: each with every batch, or once in its own interval. One whose refresh failed stays due.
func (u *update) dueViews(ctx context.Context, wave int) error {
	var looked []string
	b, err := u.refreshViews(ctx, wave, func(d *plan.Dataset) bool {
		due := time.Since(u.refreshed[d.Name]) >= d.RefreshEvery
		if due {
			looked = append(looked, d.Name)
		}
		return due
	})
	if err == nil && b.work {
		err = b.commit(ctx)
	}
	if err != nil {
		return err
	}
	for _, name := range looked {
		u.refreshed[name] = time.Now()
	}
	return nil
}

// sleep waits, and reports whether the update is to end.
func (u *update) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-u.opts.Follow.Stop:
	case <-ctx.Done():
	}
	return u.stopped(ctx)
}

// recover goes back to what the lake has after a batch that failed.
func (u *update) recover(ctx context.Context) error {
	state, err := u.Lake.State(ctx)
	if err != nil {
		return err
	}
	b := u.uncertain
	switch {
	case b == nil:
	case state.Commit >= b.number: // its answer was lost
		b.landed(state)
		b.committed()
		return nil
	default:
		u.uncertain = nil
		b.discard()
	}
	u.adopt(state)
	return nil
}

// Transient reports whether an error may go away by itself.
func Transient(err error) bool {
	var unavailable *sources.UnavailableError
	return errors.As(err, &unavailable) || errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "No space left on device") ||
		strings.Contains(err.Error(), "database or disk is full")
}
