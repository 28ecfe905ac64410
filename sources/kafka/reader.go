package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// fetchBytes bounds what one broker may send ahead of need.
	fetchBytes = 8 << 20
	// maxMessage bounds a response, and so a record: Kafka sends the first batch of a response however large it is.
	maxMessage = 512 << 20
	// pollRecords bounds one round of reading, so that a batch can be handed out soon.
	pollRecords = 20_000
)

// reader fetches from where a segment ends, and fills the next segment while the last one is in use. When that is full
// it waits: this is the backpressure.
type reader struct {
	cl      *kgo.Client
	source  *Source // its configuration only: others use the rest
	tempDir string
	until   map[string]map[int32]int64 // nil: without end
	cancel  context.CancelFunc
	done    chan struct{}

	mu      sync.Mutex
	changed *sync.Cond // of mu: records came, or went
	open    *segment   // being filled
	pending []item
	next    offsets // behind the last record that came, which may be pending
	left    int     // partitions that have not reached until
	high    map[string]map[int32]int64
	err     error // ends the reader
	broken  bool  // the segment being filled lacks records that it should have
	moved   time.Time
}

// startReader starts a reader at the offsets.
func (s *Source) startReader(at offsets, until map[string]map[int32]int64, tempDir string) (*reader, error) {
	parts := map[string]map[int32]kgo.Offset{}
	r := &reader{source: s, tempDir: tempDir, until: until, done: make(chan struct{}), next: at.clone(), high: map[string]map[int32]int64{}, moved: time.Now()}
	r.changed = sync.NewCond(&r.mu)
	r.next.each(func(topic string, p int32, from point) {
		if s.subscribed(topic) && r.wants(topic, p, from.Next) {
			addTo(parts, topic, p, start(from))
			r.left++
		}
	})
	r.open = newSegment(s, at, tempDir)
	isolation := kgo.ReadCommitted()
	if s.cfg.Isolation == "read_uncommitted" {
		isolation = kgo.ReadUncommitted()
	}
	var err error
	r.cl, err = s.client(kgo.ConsumePartitions(parts), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.FetchIsolationLevel(isolation),
		// Control records are not data, but positions must get past them.
		kgo.KeepControlRecords(),
		kgo.FetchMaxBytes(fetchBytes), kgo.FetchMaxPartitionBytes(fetchBytes/4), kgo.BrokerMaxReadBytes(maxMessage), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go r.run(ctx)
	return r, nil
}

// start makes the client check the leader epoch, where it is known, before it fetches.
func start(from point) kgo.Offset { return kgo.NewOffset().At(from.Next).WithEpoch(from.Epoch) }

func addTo[V any](m map[string]map[int32]V, topic string, p int32, v V) {
	if m[topic] == nil {
		m[topic] = map[int32]V{}
	}
	m[topic][p] = v
}

// wants says whether a record at the offset is to be read.
func (r *reader) wants(topic string, p int32, offset int64) bool {
	if r.until == nil {
		return true
	}
	end, ok := r.until[topic][p]
	return ok && offset < end
}

// stop ends the reader and removes what nobody took.
func (r *reader) stop() {
	r.cancel()
	r.mu.Lock()
	r.changed.Broadcast()
	r.mu.Unlock()
	<-r.done
	r.cl.Close()
	r.open.Remove()
}

func (r *reader) run(ctx context.Context) {
	defer close(r.done)
	for ctx.Err() == nil {
		fetches := r.cl.PollRecords(ctx, pollRecords)
		if ctx.Err() != nil {
			return
		}
		if !r.take(ctx, fetches) {
			return
		}
	}
}

// take puts what was fetched into segments, and waits while they are full. It returns false when the reader is to end.
func (r *reader) take(ctx context.Context, fetches kgo.Fetches) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.sort(fetches); err != nil {
		r.err = err
	}
	for {
		n, err := r.open.add(ctx, r.pending)
		if r.pending = r.pending[n:]; len(r.pending) == 0 {
			r.pending = nil // let go of the records
		}
		if err != nil {
			r.err, r.broken = err, true
		}
		r.changed.Broadcast()
		if r.err != nil || r.ended() {
			return false
		}
		if len(r.pending) == 0 && !r.open.Full() {
			return true
		}
		r.changed.Wait()
		if ctx.Err() != nil {
			return false
		}
	}
}

// ended says whether everything up to the end was read.
func (r *reader) ended() bool { return r.until != nil && r.left == 0 && len(r.pending) == 0 }

// item is a record on its way into a segment. One that is passed over only moves the position.
type item struct {
	*kgo.Record
	passed bool
}

// sort takes the records that are wanted into pending, and finds errors and gaps.
func (r *reader) sort(fetches kgo.Fetches) (err error) {
	r.pending = slices.Grow(r.pending, fetches.NumRecords())
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if err == nil {
			err = r.sortPartition(f)
		}
	})
	return err
}

// errGap is wrapped by errors after which the position must be compared with what the brokers have.
var errGap = errors.New("the log does not go on where it was read to")

func (r *reader) sortPartition(f kgo.FetchTopicPartition) error {
	at, known := r.next[f.Topic].Partitions[f.Partition]
	switch {
	case known && !r.wants(f.Topic, f.Partition, at.Next):
		return nil // a fetch that was under way when the end was reached
	case f.Err != nil:
		return fmt.Errorf("fetch topic %s, partition %d: %w", f.Topic, f.Partition, f.Err)
	case len(f.Records) == 0:
		return nil
	}
	// A client may be moved by a broker's answers; the offsets say whether it was.
	if first := f.Records[0].Offset; first < at.Next || first > at.Next && f.LogStartOffset > at.Next {
		return fmt.Errorf("topic %s, partition %d: offset %d came where %d was wanted: %w", f.Topic, f.Partition, first, at.Next, errGap)
	}
	r.moved = time.Now()
	addTo(r.high, f.Topic, f.Partition, f.HighWatermark)
	for _, rec := range f.Records {
		if !r.wants(f.Topic, f.Partition, rec.Offset) {
			break
		}
		at = point{rec.Offset + 1, rec.LeaderEpoch}
		r.pending = append(r.pending, item{rec, rec.Attrs.IsControl()})
	}
	r.next.set(f.Topic, f.Partition, at)
	if last := f.Records[len(f.Records)-1].Offset; !r.wants(f.Topic, f.Partition, last+1) {
		r.reach(f.Topic, f.Partition)
	}
	return nil
}

// reach puts a partition at its end. Offsets before that which have no record, because the log was compacted, are
// passed over.
func (r *reader) reach(topic string, p int32) {
	at, end := r.next[topic].Partitions[p], r.until[topic][p]
	if at.Next < end {
		at.Next = end
		r.next.set(topic, p, at)
		r.pending = append(r.pending, item{&kgo.Record{Topic: topic, Partition: p, Offset: end - 1, LeaderEpoch: at.Epoch}, true})
	}
	r.left--
	r.cl.PauseFetchPartitions(map[string][]int32{topic: {p}})
}

// hand gives the segment that was filled, or nil when there is nothing new. It waits for a full one, or the end;
// without an end it takes what is there.
func (r *reader) hand(ctx context.Context) (*segment, error) {
	defer r.wake(ctx)()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.ready() && ctx.Err() == nil {
		r.changed.Wait()
	}
	full := r.open
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case r.broken, full.Rows() == 0 && r.err != nil:
		return nil, r.err
	case full.Rows() == 0 && (r.until == nil || full.next.equal(full.from)):
		return nil, nil
	}
	if err := full.Close(); err != nil {
		return nil, err
	}
	r.open = newSegment(r.source, full.next, r.tempDir)
	r.changed.Broadcast()
	return full, nil
}

func (r *reader) ready() bool {
	switch {
	case r.err != nil, r.open.Full():
		return true
	case r.until == nil:
		return len(r.pending) == 0
	}
	return r.ended()
}

// at says whether the segment being filled begins at the offsets.
func (r *reader) at(from offsets) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open.from.equal(from)
}

// extend adds partitions that came up since the reader was started.
func (r *reader) extend(to offsets) {
	r.mu.Lock()
	defer r.mu.Unlock()
	parts := map[string]map[int32]kgo.Offset{}
	to.each(func(topic string, p int32, from point) {
		if _, known := r.next[topic].Partitions[p]; known || !r.source.subscribed(topic) {
			return
		}
		addTo(parts, topic, p, start(from))
		r.next.add(topic, to[topic].ID, p, from)
		r.open.extend(topic, to[topic].ID, p, from)
	})
	r.cl.AddConsumePartitions(parts)
}

// wait returns when a full segment is there, or when the reader has ended.
func (r *reader) wait(ctx context.Context) {
	defer r.wake(ctx)()
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.err == nil && !r.open.Full() && ctx.Err() == nil {
		r.changed.Wait()
	}
}

// wake lets waiting end with ctx.
func (r *reader) wake(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.changed.Broadcast()
	})
}

// backlog is how many records are known to wait behind a segment.
func (r *reader) backlog(from offsets) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := int64(0)
	from.each(func(topic string, p int32, at point) {
		end := r.high[topic][p]
		if r.until != nil {
			end = r.until[topic][p]
		}
		n += max(end-at.Next, 0)
	})
	return int(n)
}
