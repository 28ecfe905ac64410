package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lakeflow/lakeflow/sources"
)

// spread produces records with ids to all partitions.
func (b *bed) spread(partitions int32, from, to int) {
	var records []*kgo.Record
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{Partition: int32(i) % partitions, Value: fmt.Appendf(nil, `{"id":%d}`, i)})
	}
	b.put(records...)
}

// failed makes the answer of a request with an error in every partition.
func failed(req kmsg.Request, code int16) kmsg.Response {
	switch req := req.(type) {
	case *kmsg.FetchRequest:
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewFetchResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewFetchResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp
	case *kmsg.ListOffsetsRequest:
		resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewListOffsetsResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewListOffsetsResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp
	}
	return nil
}

// TestFaults lets every kind of request fail now and then, with errors that pass and with connections that break: every
// record is read once.
func TestFaults(t *testing.T) {
	kinds := map[string]int16{"fetch": int16(kmsg.Fetch), "list offsets": int16(kmsg.ListOffsets), "metadata": int16(kmsg.Metadata), "leader epochs": int16(kmsg.OffsetForLeaderEpoch), "versions": int16(kmsg.ApiVersions)}
	for name, kind := range kinds {
		for _, how := range []string{"broken connection", "passing error"} {
			if how == "passing error" && name != "fetch" && name != "list offsets" {
				continue
			}
			t.Run(name+"/"+how, func(t *testing.T) {
				const partitions, n = 3, 600
				b := newBed(t, partitions)
				b.spread(partitions, 0, n)
				var seen, broken atomic.Int64
				b.fake.ControlKey(kind, func(req kmsg.Request) (kmsg.Response, error, bool) {
					b.fake.KeepControl()
					if seen.Add(1)%3 != 0 || broken.Load() >= 5 {
						return nil, nil, false
					}
					broken.Add(1)
					if how == "passing error" {
						return failed(req, kerr.NotLeaderForPartition.Code), nil, true
					}
					return nil, errors.New("broken"), true
				})
				var rows []string
				for errs := 0; ; {
					s := b.source(func(c *Config) { c.MaxRows = 100 }) // a new process for each batch
					batch, err := s.Next(t.Context(), b.session, b.pos, nil)
					if err != nil { // it is the caller's to try again
						if errs++; errs > 12 {
							t.Fatal(err)
						}
						continue
					}
					if batch == nil {
						break
					}
					rows = append(rows, strings.Split(b.rows(batch, "id"), "\n")...)
					b.pos = batch.Position
				}
				if broken.Load() == 0 {
					t.Error("nothing failed")
				}
				slices.SortFunc(rows, func(a, b string) int { return len(a)*1e6 - len(b)*1e6 + strings.Compare(a, b) })
				b.check("rows", strings.Join(rows, "\n"), ids(0, n))
			})
		}
	}
}

// TestSlowBroker waits for a broker that takes long, also beyond the time after which it is asked what is wrong.
func TestSlowBroker(t *testing.T) {
	b := newBed(t, 1)
	b.numbered(0, 10)
	var n atomic.Int64
	b.fake.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		if n.Add(1) < 3 {
			b.fake.SleepControl(func() { time.Sleep(patience * 2 / 3) })
		}
		return nil, nil, false
	})
	rows, _ := b.drain(b.source(nil), "id")
	b.check("rows", strings.Join(rows, "\n"), ids(0, 10))
}

// TestBrokerAway gives an error, not a source that waits forever; the same source goes on when the broker is back.
func TestBrokerAway(t *testing.T) {
	b := newBed(t, 1)
	b.numbered(0, 10)
	s := b.source(func(c *Config) { c.MaxRows = 5 })
	batch := b.next(s)
	b.pos = batch.Position
	var away atomic.Bool
	away.Store(true)
	b.fake.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		return nil, errors.New("away"), away.Load()
	})
	s.stopReader()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if batch, err := s.Next(ctx, b.session, b.pos, nil); err == nil {
		t.Fatalf("batch %+v", batch)
	}
	away.Store(false)
	rows, _ := b.drain(s, "id")
	b.check("rows", strings.Join(rows, "\n"), ids(5, 10))
}

// TestUntil reads up to what was there at the first Next, and no further.
func TestUntil(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		b.numbered(0, 10)
		s := b.source(func(c *Config) { c.MaxRows = 4 })
		batch := b.next(s)
		b.pos = batch.Position
		if batch.Items != 4 || batch.Backlog != 6 || !batch.More {
			t.Errorf("%d records, %d behind", batch.Items, batch.Backlog)
		}
		b.numbered(10, 20)
		rows, _ := b.drain(s, "id")
		b.check("this update", strings.Join(rows, "\n"), ids(4, 10))
		rows, _ = b.drain(b.source(nil), "id")
		b.check("the next one", strings.Join(rows, "\n"), strings.Join(slices.Sorted(slices.Values(strings.Split(ids(10, 20), "\n"))), "\n"))
	})
}

// TestContinuous follows a topic while it is written, with partitions that come up.
func TestContinuous(t *testing.T) {
	b := newBed(t, 2)
	s := b.source(func(c *Config) { c.Continuous, c.MaxRows = true, 100 })
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		for i := range 20 {
			b.spread(2, i*30, i*30+30)
		}
	}()
	var rows []string
	for deadline := time.Now().Add(time.Minute); len(rows) < 600 && time.Now().Before(deadline); {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		s.Wait(ctx)
		cancel()
		batch := b.next(s)
		if batch == nil {
			continue
		}
		if batch.Items > 100 {
			t.Errorf("%d records in a batch", batch.Items)
		}
		rows = append(rows, strings.Split(b.rows(batch, "id"), "\n")...)
		b.pos = batch.Position
	}
	<-wrote
	b.grow(2)
	b.put(&kgo.Record{Partition: 2, Value: []byte(`{"id":600}`)})
	s.looked = time.Time{} // as if lookAgain had passed
	for deadline := time.Now().Add(time.Minute); len(rows) < 601 && time.Now().Before(deadline); {
		if batch := b.next(s); batch != nil {
			rows = append(rows, strings.Split(b.rows(batch, "id"), "\n")...)
			b.pos = batch.Position
		}
		time.Sleep(5 * time.Millisecond)
	}
	slices.SortFunc(rows, func(a, b string) int { return len(a)*1e6 - len(b)*1e6 + strings.Compare(a, b) })
	b.check("rows", strings.Join(rows, "\n"), ids(0, 601))
}

// TestOtherPositions reads at two positions in turn, as two flows of a pipeline do that stand at different ones.
func TestOtherPositions(t *testing.T) {
	b := newBed(t, 1)
	b.numbered(0, 9)
	s := b.source(func(c *Config) { c.MaxRows = 3 })
	var at [2]sources.Position
	var got [2][]string
	for range 5 {
		for i := range at {
			b.pos = at[i]
			if batch := b.next(s); batch != nil {
				got[i] = append(got[i], b.rows(batch, "id"))
				at[i] = batch.Position
			}
		}
	}
	for i := range got {
		b.check("flow", strings.Join(got[i], "\n"), ids(0, 9))
	}
}

// TestAcknowledge tells a consumer group of positions, which nothing else depends on.
func TestAcknowledge(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		b.numbered(0, 7)
		s := b.source(func(c *Config) { c.Group = b.topic + "-lag" })
		b.drain(s, "id")
		if err := s.Acknowledge(t.Context(), b.pos); err != nil {
			t.Fatal(err)
		}
		got, err := kadm.NewClient(b.cl).FetchOffsets(t.Context(), b.topic+"-lag")
		if o, ok := got.Lookup(b.topic, 0); err != nil || !ok || o.At != 7 {
			t.Errorf("the group is at %+v, %v", o, err)
		}
	})
}

// TestMissingTopic names what is not there.
func TestMissingTopic(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		_, err := b.source(func(c *Config) { c.Topics = []string{"no-such-topic"} }).Next(t.Context(), b.session, nil, nil)
		if err == nil || !strings.Contains(err.Error(), "topic no-such-topic is not there") {
			t.Errorf("error %v", err)
		}
	})
}

// TestNoBroker ends with an error that names the address.
func TestNoBroker(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	addr := fake.ListenAddrs()
	fake.Close()
	s, err := New(Config{Brokers: addr, Topics: []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := s.Next(ctx, sources.Session{}, nil, nil); err == nil {
		t.Error("no error")
	}
}

// TestStarts begins where the configuration says, and stays there.
func TestStarts(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		at := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
		for i := range 6 {
			b.put(&kgo.Record{Value: fmt.Appendf(nil, `{"id":%d}`, i), Timestamp: at.Add(time.Duration(i) * time.Second)})
		}
		for name, c := range map[string]struct {
			start Start
			want  string
		}{
			"earliest": {Start{}, "0 1 2 3 4 5"}, "latest": {Start{At: "latest"}, ""},
			"timestamp": {Start{At: "timestamp", Time: at.Add(2500 * time.Millisecond)}, "3 4 5"}, "late timestamp": {Start{At: "timestamp", Time: at.Add(time.Hour)}, ""},
			"offsets": {Start{At: "offsets", Offsets: map[string]map[int32]int64{b.topic: {0: 4}}}, "4 5"},
		} {
			b.pos = nil
			first, _ := b.drain(b.source(func(cfg *Config) { cfg.Start = c.start }), "id")
			if b.pos == nil {
				t.Fatalf("%s: no position", name)
			}
			b.check(name, strings.Join(first, " "), c.want)
		}
		_, err := b.source(func(cfg *Config) {
			cfg.Start = Start{At: "offsets", Offsets: map[string]map[int32]int64{b.topic: {0: 99}}}
		}).Next(t.Context(), b.session, nil, nil)
		if err == nil || !strings.Contains(err.Error(), "write one of them instead of 99") {
			t.Errorf("error %v", err)
		}
		// From latest, what comes after the first look is read by the next update, even when the first one found
		// nothing.
		b.pos = nil
		latest := func() *Source { return b.source(func(cfg *Config) { cfg.Start.At = "latest" }) }
		b.drain(latest(), "id")
		b.numbered(6, 7)
		rows, _ := b.drain(latest(), "id")
		b.check("after latest", strings.Join(rows, " "), "6")
	})
}
