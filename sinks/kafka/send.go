package kafka

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
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
		// The client lets the first records of a topic go before it knows of their partitions itself. EndTransaction could then find that nothing was
		// sent, and abort with no error. Nothing is left to abort here, but this waits until the client is that far.
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
	headers := []kgo.RecordHeader{{Key: CommitHeader, Value: strconv.AppendInt(nil, p.At.Commit, 10)}}
	var slab []kgo.Record
	var rows int64
	for ; ctx.Err() == nil; rows++ {
		line, err := f.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read the rows: %w", err)
		}
		if len(slab) == 0 {
			slab = make([]kgo.Record, 256)
		}
		r := &slab[0]
		slab = slab[1:]
		r.Topic, r.Headers = s.cfg.Topic, headers
		if r.Key, r.Value, err = s.record(line); err != nil {
			return err
		}
		d.sent.Add(1)
		s.producer.Produce(ctx, r, d.done)
	}
	if ctx.Err() == nil && rows != p.Rows {
		return countError(rows, p)
	}
	return nil
}

func countError(rows int64, p sinks.Publication) error {
	return fmt.Errorf("%d rows were read where commit %d has %d: nothing of it was published. Files of the warehouse were changed; lakeflow audit tells more", rows, p.At.Commit, p.Rows)
}

// record divides a line into the key and the value.
func (s *Sink) record(line []byte) (key, value []byte, err error) {
	value = line
	if len(s.cfg.Key) > 0 {
		if key, value, err = divide(line); err != nil {
			return nil, nil, err
		}
	}
	if s.avro != nil {
		value, err = s.avro.encode(value)
	}
	return key, value, err
}

var (
	keyBegins, keyNull = []byte(`{"k":"`), []byte(`{"k":null,"v":`)
	keyEnds            = []byte(`","v":`)
)

// divide takes {"k":"…","v":…} apart. The value stays as it is.
func divide(line []byte) (key, value []byte, err error) {
	if rest, ok := bytes.CutPrefix(line, keyNull); ok {
		return nil, rest[:len(rest)-1], nil
	}
	rest, ok := bytes.CutPrefix(line, keyBegins)
	end := bytes.IndexByte(rest, '"')
	if simple := bytes.IndexByte(rest[:max(end, 0)], '\\') < 0; !simple {
		for end = 0; end < len(rest) && rest[end] != '"'; end++ {
			if rest[end] == '\\' {
				end++
			}
		}
	}
	if !ok || end < 0 || !bytes.HasPrefix(rest[min(end, len(rest)):], keyEnds) {
		return nil, nil, errors.New("read the rows: a line has no key")
	}
	key, value = rest[:end:end], rest[end+len(keyEnds):len(rest)-1]
	if bytes.IndexByte(key, '\\') >= 0 {
		var text string
		if err := json.Unmarshal(line[len(keyBegins)-1:len(keyBegins)+end+1], &text); err != nil {
			return nil, nil, fmt.Errorf("read the rows: %w", err)
		}
		key = []byte(text)
	}
	return key, value, nil
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

// patience is how long the brokers may confirm nothing although records wait: time for a broker to go, and another to take its place.
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
