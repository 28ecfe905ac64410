package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// probe is called when nothing came for a while. It returns an error when the brokers can't be reached. Partitions
// whose log ends in offsets without records, as compaction leaves them, are put at their end: the client does not tell
// of those.
func (r *reader) probe(ctx context.Context, admin *kgo.Client) error {
	if time.Since(r.lastMoved()) < patience {
		return nil
	}
	left := r.unfinished()
	if len(left) == 0 {
		return nil
	}
	meta, err := kadm.NewClient(admin).Metadata(ctx)
	if err != nil {
		return fmt.Errorf("nothing comes from the brokers: %w", err)
	}
	for topic, parts := range left {
		detail := meta.Topics[topic]
		for p, from := range parts {
			leader, ok := detail.Partitions[p]
			if !ok || leader.Leader < 0 {
				continue // the client waits for a leader too
			}
			next, err := r.probeOne(ctx, admin, detail, leader, from)
			if err != nil {
				return fmt.Errorf("nothing comes of topic %s, partition %d: %w", topic, p, err)
			}
			r.pass(topic, p, from, next)
		}
	}
	return nil
}

func (r *reader) lastMoved() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.moved
}

// unfinished are the partitions that have not reached their end.
func (r *reader) unfinished() map[string]map[int32]point {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := map[string]map[int32]point{}
	r.next.each(func(topic string, p int32, at point) {
		if r.until != nil && r.wants(topic, p, at.Next) && r.source.subscribed(topic) {
			addTo(left, topic, p, at)
		}
	})
	return left
}

// probeOne fetches once and returns the offset behind what came, if that has no records.
func (r *reader) probeOne(ctx context.Context, admin *kgo.Client, detail kadm.TopicDetail, leader kadm.PartitionDetail, from point) (int64, error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 100, 1, fetchBytes
	isolation := kgo.ReadUncommitted()
	if r.source.cfg.Isolation == "read_committed" {
		isolation, req.IsolationLevel = kgo.ReadCommitted(), 1
	}
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = detail.Topic, detail.ID
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = leader.Partition, from.Next, fetchBytes, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := admin.Broker(int(leader.Leader)).RetriableRequest(ctx, req)
	if err != nil {
		return 0, err
	}
	topics := resp.(*kmsg.FetchResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		return 0, errors.New("its leader's answer is empty")
	}
	got := &topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); kerr.IsRetriable(err) {
		return from.Next, nil
	} else if err != nil {
		return 0, err
	}
	opts := kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, Offset: from.Next, IsolationLevel: isolation, Topic: detail.Topic, Partition: leader.Partition}
	f, next := kgo.ProcessFetchPartition(opts, got, kgo.DefaultDecompressor(), nil)
	if f.Err != nil || len(f.Records) > 0 {
		return from.Next, f.Err
	}
	return next, nil
}

// pass moves a partition over offsets without records.
func (r *reader) pass(topic string, p int32, from point, next int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at := r.next[topic].Partitions[p]; at != from || r.wants(topic, p, next) {
		return // something came meanwhile, or there is more
	}
	r.reach(topic, p)
	n, err := r.open.add(context.Background(), r.pending)
	if r.pending = r.pending[n:]; err != nil {
		r.err, r.broken = err, true
	}
	r.changed.Broadcast()
}
