package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
)

// topic is what the brokers have of a topic.
type topic struct {
	id     string
	bounds map[int32]bounds
}

// bounds are the offsets that a partition has: from start up to, and without, end. Those from visible to end belong to
// transactions that are not decided, or are not yet on all replicas.
type bounds struct{ start, visible, end int64 }

// look asks the brokers for the topics that the source reads.
func (s *Source) look(ctx context.Context) (map[string]topic, error) {
	adm := kadm.NewClient(s.admin)
	details, err := s.list(ctx, adm)
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(details))
	if len(names) == 0 {
		return nil, nil
	}
	start, err := adm.ListStartOffsets(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("list start offsets: %w", err)
	}
	end, err := adm.ListEndOffsets(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("list end offsets: %w", err)
	}
	visible := end
	if s.cfg.Isolation == "read_committed" {
		if visible, err = adm.ListCommittedOffsets(ctx, names...); err != nil {
			return nil, fmt.Errorf("list stable offsets: %w", err)
		}
	}
	out := map[string]topic{}
	for name, d := range details {
		t := topic{bounds: map[int32]bounds{}}
		if d.ID != (kadm.TopicID{}) {
			t.id = d.ID.String()
		}
		for p := range d.Partitions {
			a, b, c := start[name][p], visible[name][p], end[name][p]
			if err := errors.Join(a.Err, b.Err, c.Err); err != nil {
				return nil, fmt.Errorf("list offsets of topic %s, partition %d: %w", name, p, err)
			}
			t.bounds[p] = bounds{a.Offset, b.Offset, c.Offset}
		}
		out[name] = t
	}
	return out, nil
}

// Fingerprint is the topics' ids and the offsets that their partitions have.
func (s *Source) Fingerprint(ctx context.Context) (sources.Position, error) {
	if err := s.connect(); err != nil {
		return nil, err
	}
	there, err := s.look(ctx)
	if err != nil {
		return nil, broker.Worldly(ctx, err)
	}
	type held struct {
		ID         string             `json:"id"`
		Partitions map[int32][2]int64 `json:"partitions"`
	}
	all := map[string]held{}
	for name, t := range there {
		h := held{t.id, map[int32][2]int64{}}
		for p, b := range t.bounds {
			h.Partitions[p] = [2]int64{b.start, b.visible}
		}
		all[name] = h
	}
	return json.Marshal(all)
}

// Reach asks the brokers for the topics.
func (s *Source) Reach(ctx context.Context) error {
	if err := s.connect(); err != nil {
		return err
	}
	_, err := s.list(ctx, kadm.NewClient(s.admin))
	return broker.Worldly(ctx, err)
}

// connect makes the client for questions where there is none yet.
func (s *Source) connect() (err error) {
	if s.admin == nil {
		s.admin, err = s.client()
	}
	return err
}

// list returns the topics of the configuration that there are.
func (s *Source) list(ctx context.Context, adm *kadm.Client) (kadm.TopicDetails, error) {
	all, err := adm.ListTopics(ctx, s.cfg.Topics...)
	if err != nil {
		return nil, fmt.Errorf("ask %s for topics: %w", strings.Join(s.cfg.Brokers, ", "), err)
	}
	if s.pattern != nil {
		maps.DeleteFunc(all, func(name string, _ kadm.TopicDetail) bool { return !s.pattern.MatchString(name) })
	}
	for name, d := range all {
		switch {
		case errors.Is(d.Err, kerr.UnknownTopicOrPartition):
			delete(all, name)
		case d.Err != nil:
			return nil, fmt.Errorf("ask for topic %s: %w", name, d.Err)
		}
	}
	return all, nil
}

// missing names a topic that is declared, was not read before, and is not there.
func (s *Source) missing(from offsets, there map[string]topic) error {
	for _, name := range s.cfg.Topics {
		_, known := from[name]
		if _, ok := there[name]; !ok && !known {
			return fmt.Errorf("topic %s is not there; create it, or correct topic", name)
		}
	}
	return nil
}

// begin is where partitions are read from that have no position. With a position they came up since, and are read from
// their first record.
func (s *Source) begin(ctx context.Context, there map[string]topic, first bool) (offsets, error) {
	out := offsets{}
	var listed kadm.ListedOffsets
	if s.cfg.Start.At == "timestamp" && len(there) > 0 {
		var err error
		listed, err = kadm.NewClient(s.admin).ListOffsetsAfterMilli(ctx, s.cfg.Start.Time.UnixMilli(), slices.Sorted(maps.Keys(there))...)
		if err != nil {
			return nil, fmt.Errorf("list offsets at %s: %w", s.cfg.Start.Time, err)
		}
	}
	for name, t := range there {
		out[name] = topicOffsets{t.id, map[int32]point{}}
		for p, b := range t.bounds {
			at := point{b.start, -1}
			switch {
			case s.cfg.Start.At == "latest" && first:
				at.Next = b.visible
			case s.cfg.Start.At == "timestamp":
				l, ok := listed.Lookup(name, p)
				if !ok || l.Err != nil {
					return nil, fmt.Errorf("list the offset at %s of topic %s, partition %d: %w", s.cfg.Start.Time, name, p, errors.Join(l.Err, ctx.Err()))
				}
				at.Next = min(max(l.Offset, b.start), b.end)
			case s.cfg.Start.At == "offsets" && first:
				if o, ok := s.cfg.Start.Offsets[name][p]; ok {
					if o < b.start || o > b.end {
						return nil, fmt.Errorf("start: topic %s, partition %d has the offsets %d to %d; write one of them instead of %d", name, p, b.start, b.end, o)
					}
					at.Next = o
				}
			}
			out.set(name, p, at)
		}
	}
	return out, nil
}

// client opens a connection to the brokers; nothing is sent yet.
func (s *Source) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return broker.Client(s.cfg.Brokers, s.cfg.Timeout, append(slices.Clone(s.options), opts...)...)
}
