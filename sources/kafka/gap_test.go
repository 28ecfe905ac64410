package kafka

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lakeflow/lakeflow/sources"
)

// numbered produces records with ids to partition 0.
func (b *bed) numbered(from, to int) {
	var values []string
	for i := from; i < to; i++ {
		values = append(values, fmt.Sprintf(`{"id":%d}`, i))
	}
	b.values(values...)
}

func ids(from, to int) string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprint(i))
	}
	return strings.Join(out, "\n")
}

// deleteTo deletes the records of partition 0 before an offset.
func (b *bed) deleteTo(offset int64) {
	b.t.Helper()
	var o kadm.Offsets
	o.AddOffset(b.topic, 0, offset, -1)
	resp, err := kadm.NewClient(b.cl).DeleteRecords(b.t.Context(), o)
	if err == nil {
		err = resp.Error()
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// recreate deletes the topic, and creates it anew if it is to be there.
func (b *bed) recreate(again bool) {
	b.t.Helper()
	adm := kadm.NewClient(b.cl)
	if _, err := adm.DeleteTopic(b.t.Context(), b.topic); err != nil {
		b.t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) { // a new client has no metadata of before
		cl, err := kgo.NewClient(kgo.SeedBrokers(b.brokers...))
		if err != nil {
			b.t.Fatal(err)
		}
		there, err := kadm.NewClient(cl).ListTopics(b.t.Context(), b.topic)
		cl.Close()
		if err == nil && there[b.topic].Err != nil {
			break
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("the topic is not deleted: %v", err)
		}
	}
	if again {
		b.create(b.topic, 1)
		b.cl.PurgeTopicsFromProducing(b.topic)
	}
}

// TestGaps loses records in every way that can be made to happen at a broker.
func TestGaps(t *testing.T) {
	for _, c := range []struct {
		name   string
		lose   func(b *bed)
		gap    GapError // as it is expected
		reason string
		rest   string // what is read once the gap is accepted
	}{
		{"retention", func(b *bed) { b.numbered(5, 9); b.deleteTo(7) }, GapError{Wanted: 5, Start: 7, End: 9}, "deleted", ids(7, 9)},
		{"everything deleted", func(b *bed) { b.numbered(5, 9); b.deleteTo(9) }, GapError{Wanted: 5, Start: 9, End: 9}, "deleted", ""},
		{"created again", func(b *bed) { b.recreate(true); b.numbered(100, 110) }, GapError{Wanted: 5, Start: 0, End: 10}, "created again", ids(100, 110)},
		{"deleted", func(b *bed) { b.recreate(false) }, GapError{Wanted: 5, Start: -1, End: -1}, "topic was deleted", ""},
		{"cut", func(b *bed) { b.pos = []byte(strings.Replace(string(b.pos), "[5,", "[50,", 1)) }, GapError{Wanted: 50, Start: 0, End: 5}, "end of the log was lost", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBrokers(t, func(t *testing.T, b *bed) {
				b.numbered(0, 5)
				rows, _ := b.drain(b.source(nil), "id")
				b.check("before", strings.Join(rows, "\n"), ids(0, 5))
				c.lose(b)
				_, err := b.source(nil).Next(t.Context(), b.session, b.pos, nil)
				var gap *GapError
				if !errors.As(err, &gap) {
					t.Fatalf("error %v", err)
				}
				if gap.Topic != b.topic || gap.Partition != 0 || gap.Wanted != c.gap.Wanted || gap.Start != c.gap.Start || gap.End != c.gap.End || !strings.Contains(gap.Reason, c.reason) ||
					!strings.Contains(err.Error(), "--accept-gap feed") {
					t.Errorf("gap %+v; %v", gap, err)
				}
				accepting := b.source(func(c *Config) { c.AcceptGap = true })
				batch := b.next(accepting)
				if batch == nil || len(batch.Notices) != 1 || batch.Notices[0].Kind != "gap_accepted" {
					t.Fatalf("batch %+v", batch)
				}
				if got := b.rows(batch, "id"); got != c.rest {
					t.Errorf("read %q behind the gap; want %q", got, c.rest)
				}
				b.pos = batch.Position
				batch, err = b.source(nil).Next(t.Context(), b.session, b.pos, nil)
				if missing := err != nil && strings.Contains(err.Error(), "create it, or correct topic"); batch != nil || missing != (c.gap.Start < 0) {
					t.Errorf("there is more, or the gap again: %+v, %v", batch, err)
				}
			})
		})
	}
}

// TestLaterGap accepts what was lost before the source began, at every position that it begins with, and not what is
// lost later.
func TestLaterGap(t *testing.T) {
	b := newBed(t, 1)
	b.numbered(0, 6)
	var began []sources.Position
	first := b.source(func(c *Config) { c.MaxRows = 2 })
	for range 2 {
		b.pos = b.next(first).Position
		began = append(began, b.pos) // behind 2, and 4
	}
	b.deleteTo(5)
	s := b.source(func(c *Config) { c.AcceptGap = true })
	var batch *sources.Batch
	for range 2 { // asked again, as after a batch that failed
		for _, from := range began {
			var err error
			if batch, err = s.Next(t.Context(), b.session, from, nil); err != nil || batch == nil || len(batch.Notices) != 1 {
				t.Fatalf("from %s: batch %+v, %v", from, batch, err)
			}
			b.check("rows", b.rows(batch, "id"), "5")
		}
	}
	b.numbered(6, 9)
	b.deleteTo(8)
	s.stopReader() // as if it were continuous, and had nothing ahead
	s.until = nil
	_, err := s.Next(t.Context(), b.session, batch.Position, nil)
	var gap *GapError
	if !errors.As(err, &gap) || gap.Wanted != 6 || gap.Start != 8 {
		t.Fatalf("error %v", err)
	}
	if batch, err = b.source(func(c *Config) { c.AcceptGap = true }).Next(t.Context(), b.session, batch.Position, nil); err != nil {
		t.Fatal(err)
	}
	b.check("another process", b.rows(batch, "id"), "8")
}

// TestLeaderEpoch lets the broker say that the log was cut below the position and written anew to beyond it.
func TestLeaderEpoch(t *testing.T) {
	b := newBed(t, 1)
	b.numbered(0, 8)
	b.drain(b.source(nil), "id")
	b.numbered(8, 12)
	b.fake.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
		topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
		topic.Topic = b.topic
		p := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
		p.EndOffset, p.LeaderEpoch = 3, 0
		topic.Partitions = append(topic.Partitions, p)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	_, err := b.source(nil).Next(t.Context(), b.session, b.pos, nil)
	var gap *GapError
	if !errors.As(err, &gap) || gap.Wanted != 8 || gap.End != 12 || !strings.Contains(gap.Reason, "cut at offset 3") {
		t.Fatalf("error %v", err)
	}
}

// TestGapWhileReading deletes records between the look at the brokers and the fetch, where the client would move to
// what is there.
func TestGapWhileReading(t *testing.T) {
	b := newBed(t, 1)
	b.numbered(0, 20)
	b.deleteTo(7)
	for name, at := range map[string]point{"without epoch": {3, -1}, "with epoch": {3, 0}, "behind the end": {30, -1}} {
		t.Run(name, func(t *testing.T) {
			s := b.source(nil)
			there, from, err := s.position(t.Context(), nil)
			if err != nil || there == nil {
				t.Fatal(err)
			}
			from.set(b.topic, 0, at)
			if s.reader, err = s.startReader(from, map[string]map[int32]int64{b.topic: {0: 100}}, b.session.TempDir); err != nil {
				t.Fatal(err)
			}
			if at.Next == 30 { // the client waits there, or is moved to the end and reads what comes
				b.numbered(20, 22)
			}
			seg, err := s.reader.hand(t.Context())
			if err == nil || !lost(err) {
				t.Fatalf("segment %+v, error %v", seg, err)
			}
		})
	}
}

// TestOutOfRange lets a fetch fail as if retention had passed the reader.
func TestOutOfRange(t *testing.T) {
	b := newBed(t, 1)
	b.numbered(0, 10)
	s := b.source(func(c *Config) { c.MaxRows = 4 })
	batch := b.next(s)
	b.check("first", b.rows(batch, "id"), ids(0, 4))
	b.pos = batch.Position
	s.stopReader() // what was fetched ahead is good
	b.fake.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		f := req.(*kmsg.FetchRequest)
		resp := f.ResponseKind().(*kmsg.FetchResponse)
		for _, t := range f.Topics {
			rt := kmsg.NewFetchResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewFetchResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, kerr.OffsetOutOfRange.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	if _, err := s.Next(t.Context(), b.session, b.pos, nil); !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Fatalf("error %v", err)
	}
}

// TestAborted reads transactions: aborted records are passed over, and the position gets behind the marks that end
// them.
func TestAborted(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		b.numbered(0, 2)
		cl, err := kgo.NewClient(kgo.SeedBrokers(b.brokers...), kgo.TransactionalID(b.topic), kgo.DefaultProduceTopic(b.topic))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
			if err := cl.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := cl.ProduceSync(t.Context(), &kgo.Record{Value: fmt.Appendf(nil, `{"id":%d}`, 10+i)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if err := cl.EndTransaction(t.Context(), end); err != nil {
				t.Fatal(err)
			}
		}
		b.settle()
		rows, _ := b.drain(b.source(nil), "id")
		b.check("committed", strings.Join(rows, " "), "0 1 10")
		if !strings.Contains(string(b.pos), "[6,") { // two records, one and its mark, one and its mark
			t.Errorf("position %s", b.pos)
		}
		b.pos = nil
		rows, _ = b.drain(b.source(func(c *Config) { c.Isolation = "read_uncommitted" }), "id")
		b.check("uncommitted", strings.Join(rows, " "), "0 1 10 11")
	})
}

// TestNewPartitions reads partitions and topics that come up after the position, from their first record.
func TestNewPartitions(t *testing.T) {
	for _, start := range []string{"earliest", "latest"} {
		t.Run(start, func(t *testing.T) {
			onBrokers(t, func(t *testing.T, b *bed) {
				pattern := "^" + b.topic + "(-more)?$"
				again := func() *Source {
					return b.source(func(c *Config) { c.Topics, c.Pattern, c.Start.At = nil, pattern, start })
				}
				b.numbered(0, 3)
				rows, _ := b.drain(again(), "id")
				if want := map[string]string{"earliest": "0 1 2", "latest": ""}[start]; strings.Join(rows, " ") != want || b.pos == nil {
					t.Fatalf("read %v to %s", rows, b.pos)
				}
				b.grow(1)
				b.create(b.topic+"-more", 1)
				b.put(&kgo.Record{Partition: 1, Value: []byte(`{"id":10}`)}, &kgo.Record{Topic: b.topic + "-more", Value: []byte(`{"id":20}`)})
				b.numbered(3, 4)
				rows, _ = b.drain(again(), "id, _metadata.partition, _metadata.topic = '"+b.topic+"'")
				b.check("after", strings.Join(rows, "\n"), "10 | 1 | true\n20 | 0 | false\n3 | 0 | true")
			})
		})
	}
}
