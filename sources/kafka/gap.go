package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lakeflow/lakeflow/sources"
)

// GapError says that the records at a position are lost: the broker does not hold them any more, or holds others. The
// source does not go on by itself.
type GapError struct {
	Source    string
	Topic     string
	Partition int32
	Wanted    int64 // the offset to be read next
	// Start and End are what the broker has: the offsets from Start up to, and without, End. Both are -1 when the
	// partition is gone.
	Start, End int64
	Reason     string // what happened, as a clause
}

func (e *GapError) Error() string {
	has := fmt.Sprintf("the broker has the offsets %d to %d", e.Start, e.End)
	if e.Start < 0 {
		has = "the broker has nothing of it"
	}
	return fmt.Sprintf("topic %s, partition %d: offset %d is wanted, but %s: %s. Records may be lost; to go on with what is there, run again with --accept-gap %s",
		e.Topic, e.Partition, e.Wanted, has, e.Reason, e.Source)
}

// resolved is where to go on from a position.
type resolved struct {
	at      offsets
	notices []sources.Notice
}

// resolve checks every partition of a position against what the brokers have, and adds partitions that it does not
// know.
func (s *Source) resolve(ctx context.Context, from offsets, there map[string]topic) (*resolved, error) {
	if err := s.missing(from, there); err != nil {
		return nil, err
	}
	begin, err := s.begin(ctx, there, from == nil)
	if err != nil {
		return nil, err
	}
	ends, err := s.epochEnds(ctx, from, there)
	if err != nil {
		return nil, err
	}
	r := &resolved{at: from.clone()}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		if !s.subscribed(name) {
			continue // kept as it is, in case the topic is declared again
		}
		if err := s.resolveTopic(r, name, from[name], there, begin, ends[name]); err != nil {
			return nil, err
		}
	}
	for name, t := range begin {
		if _, known := r.at[name]; !known {
			r.at[name] = topicOffsets{t.ID, map[int32]point{}}
		}
		for p, at := range t.Partitions {
			if _, known := r.at[name].Partitions[p]; !known {
				r.at.set(name, p, at)
			}
		}
	}
	return r, nil
}

// resolveTopic checks one topic of a position. It changes r where gaps are accepted.
func (s *Source) resolveTopic(r *resolved, name string, from topicOffsets, there map[string]topic, begin offsets, ends map[int32]kadm.OffsetForLeaderEpoch) error {
	now, found := there[name]
	again := found && from.ID != "" && now.id != "" && from.ID != now.id
	for _, p := range slices.Sorted(maps.Keys(from.Partitions)) {
		want := from.Partitions[p]
		b, has := now.bounds[p]
		gap := &GapError{Source: s.cfg.Name, Topic: name, Partition: p, Wanted: want.Next, Start: -1, End: -1}
		if has {
			gap.Start, gap.End = b.start, b.end
		}
		to := point{b.start, -1}
		end, asked := ends[p]
		switch {
		case !found:
			gap.Reason = "the topic was deleted"
		case again:
			gap.Reason = "the topic was deleted and created again (its id was " + from.ID + " and is " + now.id + ")"
		case !has:
			gap.Reason = "the partition is gone"
		case want.Next < b.start:
			gap.Reason = "retention, or somebody, deleted the records before it was read"
		case want.Next > b.end:
			gap.Reason, to.Next = "the end of the log was lost", b.end
		case asked && end.Err == nil && end.EndOffset >= 0 && end.EndOffset < want.Next:
			gap.Reason = fmt.Sprintf("the log was cut at offset %d and written anew (leader epoch %d)", end.EndOffset, want.Epoch)
			to.Next = max(end.EndOffset, b.start)
		default:
			continue
		}
		if !s.accepts(partition{name, from.ID, p}, want.Next) {
			return gap
		}
		r.accept(gap, has, to)
	}
	if again || !found {
		delete(r.at, name)
		if again {
			r.at[name] = topicOffsets{now.id, maps.Clone(begin[name].Partitions)}
			for p, b := range now.bounds { // everything of a new topic is new
				r.at.set(name, p, point{b.start, -1})
			}
		}
	}
	return nil
}

// partition is one partition of a topic as long as the topic lives.
type partition struct {
	topic, id string
	number    int32
}

// span is a range of offsets, both ends included.
type span struct{ first, last int64 }

// accepts says whether to go on behind a gap at an offset. Gaps were accepted at the positions that the process began
// with: where a batch of it has been, a gap is a new one.
func (s *Source) accepts(p partition, at int64) bool {
	return s.cfg.AcceptGap && !slices.ContainsFunc(s.covered[p], func(c span) bool { return c.first <= at && at <= c.last })
}

// cover remembers where a batch has been. Ranges that touch become one, so that there are no more than positions that
// the process began with.
func (s *Source) cover(seg *segment) {
	if !s.cfg.AcceptGap {
		return
	}
	if s.covered == nil {
		s.covered = map[partition][]span{}
	}
	seg.next.each(func(topic string, n int32, to point) {
		from, known := seg.from[topic].Partitions[n]
		if !known {
			from = to // it came up while the batch was filled
		}
		p := partition{topic, seg.next[topic].ID, n}
		for i, c := range s.covered[p] {
			if from.Next <= c.last && c.first <= to.Next {
				s.covered[p][i] = span{min(c.first, from.Next), max(c.last, to.Next)}
				return
			}
		}
		s.covered[p] = append(s.covered[p], span{from.Next, to.Next})
	})
}

// accept goes on behind a gap.
func (r *resolved) accept(gap *GapError, has bool, to point) {
	message := fmt.Sprintf("topic %s, partition %d: the gap at offset %d was accepted: %s; ", gap.Topic, gap.Partition, gap.Wanted, gap.Reason)
	if has {
		r.at.set(gap.Topic, gap.Partition, to)
		message += fmt.Sprintf("reading goes on at offset %d", to.Next)
	} else {
		delete(r.at[gap.Topic].Partitions, gap.Partition)
		message += "nothing is there to go on with"
	}
	r.notices = append(r.notices, sources.Notice{Kind: "gap_accepted", Subject: fmt.Sprintf("%s/%d", gap.Topic, gap.Partition), Message: message})
}

// epochEnds asks for the ends of the leader epochs that a position was read in: a log that was cut below it has its end
// there.
func (s *Source) epochEnds(ctx context.Context, from offsets, there map[string]topic) (kadm.OffsetsForLeaderEpochs, error) {
	var req kadm.OffsetForLeaderEpochRequest
	from.each(func(topic string, p int32, at point) {
		if _, has := there[topic].bounds[p]; has && at.Epoch >= 0 && s.subscribed(topic) {
			req.Add(topic, p, at.Epoch)
		}
	})
	if len(req) == 0 {
		return nil, nil
	}
	ends, err := kadm.NewClient(s.admin).OffsetForLeaderEpoch(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("compare leader epochs: %w", err)
	}
	return ends, nil
}

// subscribed says whether the configuration names the topic.
func (s *Source) subscribed(name string) bool {
	if s.pattern != nil {
		return s.pattern.MatchString(name)
	}
	return slices.Contains(s.cfg.Topics, name)
}
