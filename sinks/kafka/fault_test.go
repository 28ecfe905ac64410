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

	"github.com/lakeflow/lakeflow/sinks"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
)

// ids are the numbers of the rows that are published, sorted as texts.
func (b *bed) ids() string {
	b.t.Helper()
	var out []string
	for _, v := range b.values() {
		id, _, _ := strings.Cut(strings.TrimPrefix(v, `{"id":`), ",")
		out = append(out, id)
	}
	return strings.Join(out, " ")
}

// refused publishes, and expects an error that is not the world's.
func (b *bed) refused(s *Sink, p sinks.Publication, want string) {
	b.t.Helper()
	err := s.Publish(b.t.Context(), b.conn, p)
	if err == nil || !strings.Contains(err.Error(), want) || unavailable(err) {
		b.t.Errorf("error %v, want one with %q", err, want)
	}
}

// TestCrash leaves transactions open at every step, as a process does that is killed. Nobody sees them, and Begin ends
// them.
func TestCrash(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		b.publish(b.begun(0, nil), numbers(1, 0, 2))
		b.check("at first", b.ids(), "0 1")
		p := numbers(2, 2, 4)
		for step := range 3 {
			dead := b.begun(1, nil)
			if err := dead.producer.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if step > 0 {
				f, err := dead.write(t.Context(), b.conn, p)
				if err != nil {
					t.Fatal(err)
				}
				if err := dead.send(t.Context(), f, p); err != nil {
					t.Fatal(err)
				}
				f.remove()
			}
			if step > 1 {
				if err := dead.commitOffset(t.Context(), standing{Published: p.At}); err != nil {
					t.Fatal(err)
				}
			}
			dead.drop()
			b.open = true
			b.check("before Begin", b.ids(), "0 1")
			b.open = false
			b.begun(1, nil)
			b.check("after Begin", b.ids(), "0 1")
		}
		b.publish(b.begun(1, nil), p)
		b.begun(2, nil)
		b.check("published", b.ids(), "0 1 2 3")
	})
}

// TestFenced lets a second producer take the place of the first.
func TestFenced(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		for _, rows := range []int64{2, 0} {
			first := b.begun(0, nil)
			second := b.begun(0, nil)
			b.refused(first, numbers(1, 0, rows), "another process publishes as "+first.id())
			if err := first.Publish(t.Context(), b.conn, numbers(1, 0, 2)); err == nil {
				t.Error("a sink with an error publishes")
			}
			b.begin(second, 0)
		}
		s := b.begun(0, nil)
		b.publish(s, numbers(3, 5, 6))
		b.check("published", b.ids(), "5")
	})
}

// TestLostAnswer cuts the connection at the end of the transaction, before and after the broker did it. Begin finds out
// which.
func TestLostAnswer(t *testing.T) {
	for _, done := range []bool{false, true} {
		for _, rows := range []int64{2, 0} {
			t.Run(fmt.Sprint(done, rows), func(t *testing.T) {
				b := newBed(t, 1)
				s := b.begun(0, nil)
				b.publish(s, numbers(1, 0, 1))
				other, err := kgo.NewClient(kgo.SeedBrokers(b.brokers...))
				if err != nil {
					t.Fatal(err)
				}
				defer other.Close()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var passing, asked atomic.Bool
				b.fake.ControlKey(kmsg.EndTxn.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
					b.fake.KeepControl()
					if passing.Load() {
						return nil, nil, false
					}
					if asked.Swap(true) {
						cancel() // it is asked again: enough
					} else if done {
						b.fake.SleepControl(func() {
							passing.Store(true)
							if _, err := other.Request(context.Background(), req); err != nil {
								t.Error(err)
							}
							passing.Store(false)
						})
					}
					return nil, errors.New("cut"), true
				})
				if err := s.Publish(ctx, b.conn, numbers(2, 1, 1+rows)); err == nil || !asked.Load() {
					t.Fatal("the answer was not lost")
				}
				passing.Store(true)
				commit, want := int64(1), "0"
				if done {
					commit, want = 2, "0 1 2"[:1+2*rows]
				}
				b.begin(s, commit)
				b.check("published", b.ids(), want)
				b.publish(s, numbers(3, 7, 8))
				b.check("published then", b.ids(), want+" 7")
			})
		}
	}
}

// TestCounts refuses rows that are more or less than they should be, and publishes none of them.
func TestCounts(t *testing.T) {
	b := newBed(t, 1)
	for _, rows := range []int64{0, 2, 4} {
		p := numbers(4, 0, 3)
		p.Rows = rows
		s := b.begun(0, nil)
		b.refused(s, p, fmt.Sprintf("3 rows were read where commit 4 has %d", rows))
		b.begin(s, 0)
		b.check("published", b.ids(), "")
	}
}

// TestTooLarge names the size that a topic takes, and publishes nothing of what has a larger row.
func TestTooLarge(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		set := func(bytes string) {
			resp, err := b.admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &bytes}}, b.topic)
			if err != nil || resp[0].Err != nil {
				t.Fatal(err, resp[0].Err)
			}
			b.await("max.message.bytes", func(ctx context.Context) bool {
				configs, err := b.admin.DescribeTopicConfigs(ctx, b.topic)
				return err == nil && slices.ContainsFunc(configs[0].Configs, func(c kadm.Config) bool { return c.Key == "max.message.bytes" && c.MaybeValue() == bytes })
			})
		}
		p := publication(1, 50, "SELECT i AS id, repeat(md5(i::VARCHAR), CASE WHEN i = 40 THEN 60000 ELSE 1 END) AS v FROM range(50) AS t(i)", "id BIGINT", "v VARCHAR")
		set("1000012")
		s := b.begun(0, nil)
		b.refused(s, p, "a row of 1920016 bytes is larger than topic "+b.topic+" takes (max.message.bytes is 1000012)")
		b.begin(s, 0)
		b.check("published", b.ids(), "")
		set("3000000")
		b.begin(s, 0)
		b.publish(s, p)
		if got := len(b.records()); got != 50 {
			t.Errorf("%d records", got)
		}
	})
}

// TestNoTopic says how to create it.
func TestNoTopic(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		s := b.begun(0, nil)
		if _, err := b.admin.DeleteTopics(t.Context(), b.topic); err != nil {
			t.Fatal(err)
		}
		b.await("the end of the topic", func(ctx context.Context) bool {
			topics, err := b.admin.ListTopics(ctx, b.topic)
			return err == nil && !topics.Has(b.topic)
		})
		want := "topic " + b.topic + " is not there; create it, with as many partitions as it is to have: kafka-topics.sh --bootstrap-server " + b.brokers[0] + " --create"
		b.refused(s, numbers(1, 0, 1), want)
		if _, err := s.Begin(t.Context()); err == nil || !strings.Contains(err.Error(), want) || unavailable(err) {
			t.Errorf("error %v", err)
		}
	})
}

// TestRefused tells which permission is missing, and what brokers do not allow.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		key  kmsg.Key
		err  *kerr.Error
		want string
	}{
		{kmsg.InitProducerID, kerr.TransactionalIDAuthorizationFailed, "Describe and Write on transactional id lakeflow."},
		{kmsg.InitProducerID, kerr.ClusterAuthorizationFailed, "IdempotentWrite on the cluster"},
		{kmsg.InitProducerID, kerr.InvalidTransactionTimeout, "raise transaction.max.timeout.ms"},
		{kmsg.Metadata, kerr.TopicAuthorizationFailed, "Describe, Read and Write on topic t"},
		{kmsg.OffsetFetch, kerr.GroupAuthorizationFailed, "Read on group lakeflow."},
		{kmsg.Produce, kerr.TopicAuthorizationFailed, "Describe, Read and Write on topic t"},
		{kmsg.AddOffsetsToTxn, kerr.GroupAuthorizationFailed, "Read on group lakeflow."},
		{kmsg.TxnOffsetCommit, kerr.TopicAuthorizationFailed, "Describe, Read and Write on topic t"},
		{kmsg.Produce, kerr.InvalidRecord, "cleanup.policy=compact takes none without a key"},
		{kmsg.Produce, kerr.ProducerFenced, "another process publishes"},
		{kmsg.AddOffsetsToTxn, kerr.InvalidProducerEpoch, "another process publishes"},
	} {
		t.Run(c.key.Name()+"/"+c.err.Message, func(t *testing.T) {
			b := newBed(t, 1)
			fault := b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{c.key}, Err: c.err, Count: -1})
			s := b.sink(nil)
			_, err := s.Begin(t.Context())
			if err == nil {
				err = s.Publish(t.Context(), b.conn, numbers(1, 0, 2))
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || unavailable(err) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			fault.Remove()
			b.begin(s, 0)
			b.check("published", b.ids(), "")
		})
	}
}

// TestBusy waits for brokers that are busy for a moment.
func TestBusy(t *testing.T) {
	b := newBed(t, 1)
	for _, f := range []kfake.Fault{
		{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.ConcurrentTransactions, Count: 3}, {Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.CoordinatorLoadInProgress, Count: 2},
		{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.UnstableOffsetCommit, Count: 3}, {Keys: []kmsg.Key{kmsg.AddOffsetsToTxn}, Err: kerr.ConcurrentTransactions, Count: 3},
		{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.CoordinatorLoadInProgress, Count: 3}, {Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.ConcurrentTransactions, Count: 6},
		{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: 1},
	} {
		b.fake.Fault(f)
	}
	s := b.begun(0, nil)
	b.publish(s, numbers(1, 0, 2))
	b.publish(s, numbers(2, 0, 0))
	b.publish(s, numbers(3, 2, 3))
	b.begin(s, 3)
	b.check("published", b.ids(), "0 1 2")
}

// TestForgotten lets brokers forget the producer, or its transaction: Begin makes it known again.
func TestForgotten(t *testing.T) {
	b := newBed(t, 1)
	s := b.begun(0, nil)
	for commit, f := range []struct {
		key  kmsg.Key
		err  *kerr.Error
		rows int64
	}{
		{kmsg.AddOffsetsToTxn, kerr.InvalidProducerIDMapping, 0}, {kmsg.AddOffsetsToTxn, kerr.InvalidTxnState, 1}, {kmsg.Produce, kerr.TransactionAbortable, 1},
		{kmsg.Produce, kerr.OutOfOrderSequenceNumber, 1}, {kmsg.EndTxn, kerr.TransactionAbortable, 1}, {kmsg.EndTxn, kerr.InvalidTxnState, 0},
	} {
		at := int64(commit)
		fault := b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{f.key}, Err: f.err, Count: -1})
		if err := s.Publish(t.Context(), b.conn, numbers(at+1, at, at+f.rows)); !unavailable(err) {
			t.Errorf("%s of %s: error %v", f.err.Message, f.key.Name(), err)
		}
		fault.Remove()
		b.begin(s, at)
		b.publish(s, numbers(at+1, at, at+1))
	}
	b.check("published", b.ids(), "0 1 2 3 4 5")
}

// TestAway takes the brokers away before Begin, and while records wait.
func TestAway(t *testing.T) {
	b := newBed(t, 1)
	s := b.begun(0, nil)
	s.cfg.Timeout = 500 * time.Millisecond // for patience alone: what asks the brokers has its own
	b.fake.ControlKey(kmsg.Produce.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		return nil, errors.New("cut"), true
	})
	soon, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Publish(soon, b.conn, numbers(1, 0, 5)); !unavailable(err) || !strings.Contains(err.Error(), "no record was confirmed") {
		t.Errorf("error %v", err)
	}
	b.fake.Close()
	if _, err := s.Begin(soon); !unavailable(err) {
		t.Errorf("error %v", err)
	}
}

// TestCanceled gives up at once, and leaves nothing that is seen.
func TestCanceled(t *testing.T) {
	b := newBed(t, 1)
	s := b.begun(0, nil)
	ctx, cancel := context.WithCancel(t.Context())
	b.fake.ControlKey(kmsg.AddOffsetsToTxn.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		cancel()
		return nil, nil, false
	})
	if err := s.Publish(ctx, b.conn, numbers(1, 0, 5)); !errors.Is(err, context.Canceled) || unavailable(err) {
		t.Errorf("error %v", err)
	}
	b.check("published", b.ids(), "")
	b.begin(s, 0)
}

// TestUnnoticedAbort lets the broker abort where the client asked for a commit and hears of nothing wrong. Where it is
// silent, it says once that the offset is not there, and nothing then. Commit 1 is published before; publishing it
// again, with rows or without, moves no offset.
func TestUnnoticedAbort(t *testing.T) {
	for _, c := range []struct {
		silent bool
		p      sinks.Publication
	}{{false, numbers(2, 5, 7)}, {true, numbers(2, 5, 7)}, {false, numbers(1, 0, 1)}, {false, numbers(1, 0, 0)}} {
		t.Run(fmt.Sprintf("silent=%v commit=%d rows=%d", c.silent, c.p.At.Commit, c.p.Rows), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 1)
			s := b.begun(0, nil)
			b.publish(s, numbers(1, 0, 1))
			var aborts, asked atomic.Int32
			b.fake.ControlKey(kmsg.EndTxn.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
				if aborts.Add(-1) >= 0 {
					req.(*kmsg.EndTxnRequest).Commit = false
				}
				return nil, nil, false
			})
			aborts.Store(1)
			b.fake.ControlKey(kmsg.OffsetFetch.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
				b.fake.KeepControl()
				if asked.Add(1) == 2 && c.silent {
					b.fake.SleepControl(func() {
						select {
						case <-time.After(confirmTimeout + time.Second):
						case <-t.Context().Done():
						}
					})
				}
				return nil, nil, false
			})
			if err := s.Publish(t.Context(), b.conn, c.p); !unavailable(err) || !strings.Contains(err.Error(), "did not commit") {
				t.Errorf("error %v", err)
			}
			b.begin(s, 1)
			b.publish(s, numbers(2, 1, 2))
			b.check("published", b.ids(), "0 1")
		})
	}
}

// TestPermissions publishes with the permissions that the reference names, and not with one less.
func TestPermissions(t *testing.T) {
	needed := []kfake.ACL{
		{Resource: kmsg.ACLResourceTypeTopic, Name: "t", Operation: kmsg.ACLOperationWrite},
		{Resource: kmsg.ACLResourceTypeTopic, Name: "t", Operation: kmsg.ACLOperationRead},
		{Resource: kmsg.ACLResourceTypeGroup, Name: "lakeflow.shop.out", Operation: kmsg.ACLOperationRead},
		{Resource: kmsg.ACLResourceTypeTransactionalId, Name: "lakeflow.shop.out", Operation: kmsg.ACLOperationWrite},
	}
	for i := range needed {
		needed[i].Pattern, needed[i].Allow = kmsg.ACLResourcePatternTypeLiteral, true
	}
	try := func(t *testing.T, acls []kfake.ACL) error {
		fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "admin", "a"), kfake.User("PLAIN", "u", "p", acls...), kfake.SeedTopics(1, "t"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(fake.Close)
		b := &bed{t: t, brokers: fake.ListenAddrs(), dir: t.TempDir()}
		b.openDuck()
		s := b.sink(func(c *Config) {
			c.Pipeline, c.Topic, c.Security = "shop", "t", broker.Security{Protocol: "SASL_PLAINTEXT", Mechanism: "PLAIN", Username: "u", Password: "p"}
		})
		if _, err := s.Begin(t.Context()); err != nil {
			return err
		}
		for commit := range int64(3) {
			if err := s.Publish(t.Context(), b.conn, numbers(commit+1, 0, commit)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := try(t, needed); err != nil {
		t.Error(err)
	}
	for i, without := range needed {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			err := try(t, slices.Concat(needed[:i], needed[i+1:]))
			if err == nil || !strings.Contains(err.Error(), "the user needs ") || !strings.Contains(err.Error(), without.Name) || unavailable(err) {
				t.Errorf("error %v", err)
			}
		})
	}
}
