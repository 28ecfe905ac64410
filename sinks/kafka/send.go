package kafka

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lakeflow/lakeflow/sinks"
	"github.com/lakeflow/lakeflow/sources"
)

// CommitHeader is the header of every record that says which commit of the lake it was published with.
const CommitHeader = "lakeflow.commit"

// delivery is the records of one publication on their way.
type delivery struct {
	sent, confirmed atomic.Int64
	fail            context.CancelCauseFunc
}

// done is called for every record, by the producer.
func (d *delivery) done(r *kgo.Record, err error) {
	if err != nil {
		d.fail(&recordError{err, len(r.Key) + len(r.Value)})
		return
	}
	d.confirmed.Add(1)
}

// recordError is why a record was not taken.
type recordError struct {
	err  error
	size int
}

func (e *recordError) Error() string { return "send a record: " + e.err.Error() }

func (e *recordError) Unwrap() error { return e.err }

// send produces the lines of the file, and waits until all are confirmed.
func (s *Sink) send(ctx context.Context, f *rowFile, p sinks.Publication) error {
	within, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	d := &delivery{fail: fail}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(within, d)
	}()
	err := s.produce(within, f, p, d)
	if err == nil {
		err = s.producer.Flush(within)
	}
	if err == nil {
		// The client lets the first records of a topic go before it knows of their partitions itself. EndTransaction
		// could then find that nothing was sent, and abort with no error. Nothing is left to abort here, but this waits
		// until the client is that far.
		err = s.producer.AbortBufferedRecords(within)
	}
	if cause := context.Cause(within); cause != nil {
		err = cause // Flush and what follows a failure tell of nothing but the end
	}
	fail(nil)
	<-watched
	return err
}

func (s *Sink) produce(ctx context.Context, f *rowFile, p sinks.Publication, d *delivery) error {
	var rows int64
	for records, err := range s.records(f, p.At.Commit) {
		if err != nil {
			return err
		}
		for _, r := range records {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			d.sent.Add(1)
			s.producer.Produce(ctx, r, d.done)
		}
		rows += int64(len(records))
	}
	if rows != p.Rows {
		return countError(rows, p)
	}
	return nil
}

func countError(rows int64, p sinks.Publication) error {
	return fmt.Errorf("%d rows were read where commit %d has %d: nothing of it was published. Files of the warehouse were changed; lakeflow audit tells more", rows, p.At.Commit, p.Rows)
}

// watch ends a delivery of which nothing is confirmed for too long.
func (s *Sink) watch(ctx context.Context, d *delivery) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last, since := int64(0), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if confirmed := d.confirmed.Load(); confirmed != last || confirmed == d.sent.Load() {
			last, since = confirmed, time.Now()
		} else if time.Since(since) > s.patience() {
			d.fail(s.stalled(ctx))
			return
		}
	}
}

// patience is how long the brokers may confirm nothing although records wait: time for a broker to go, and another to
// take its place.
func (s *Sink) patience() time.Duration { return 2 * s.cfg.Timeout }

// stalled says why nothing is confirmed.
func (s *Sink) stalled(ctx context.Context) error {
	soon, cancel := context.WithTimeout(ctx, abandonTimeout)
	defer cancel()
	err := fmt.Errorf("no record was confirmed for %s", s.patience())
	if ping := s.control.Ping(soon); ping != nil {
		err = fmt.Errorf("%w: %w", err, ping)
	}
	return &sources.UnavailableError{Err: err}
}
