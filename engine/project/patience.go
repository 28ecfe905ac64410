package project

import (
	"context"
	"time"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/event"
	"github.com/lakeflow/lakeflow/engine/retry"
)

// patience has a continuous update that begins wait for what goes away by itself, as one does that is under way: a full
// disk, a locked catalog, brokers that are away.
type patience struct {
	allowed bool
	tell    func(event.Event)
	first   func() error // what is to be called before anything is waited for; nil once it was
}

// begin calls what is to be done before anything is waited for.
func (w *patience) begin() error {
	do := w.first
	w.first = nil
	if do == nil {
		return nil
	}
	return do()
}

// until does something until it succeeds, or fails with what stays. That it waits can be asked for by then.
func (w *patience) until(ctx context.Context, do func() error) error {
	for backoff := (retry.Backoff{}); ; {
		err := do()
		if err == nil || !w.allowed || !retry.Transient(err) || ctx.Err() != nil {
			return err
		}
		if err := w.begin(); err != nil {
			return err
		}
		if err := w.pause(ctx, duckerr.Text(err), backoff.Next()); err != nil {
			return err
		}
	}
}

// pause tells what is waited for, and waits. Its error is that of ctx.
func (w *patience) pause(ctx context.Context, reason string, wait time.Duration) error {
	w.tell(event.Waiting{Message: reason, Pause: wait})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}
