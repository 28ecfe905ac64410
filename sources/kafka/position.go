package kafka

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/records"
)

// state is what a position holds.
type state struct {
	topics offsets
	schema schemas.Table // nil until something was inferred
	keys   []string      // of change events, as their first key names them
}

// offsets are how far topics have been read.
type offsets map[string]topicOffsets

// topicOffsets are how far the partitions of a topic have been read.
type topicOffsets struct {
	ID         string          `json:"id,omitempty"` // differs when the topic is deleted and made anew; empty when the broker has none
	Partitions map[int32]point `json:"partitions"`
}

// point is the next offset to read of a partition, and the epoch of the leader that gave the last one, -1 if unknown.
type point struct {
	Next  int64
	Epoch int32
}

// MarshalJSON writes [next, epoch].
func (p point) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "[%d,%d]", p.Next, p.Epoch), nil
}

// UnmarshalJSON reads [next, epoch].
func (p *point) UnmarshalJSON(b []byte) error {
	var v [2]int64
	err := json.Unmarshal(b, &v)
	p.Next, p.Epoch = v[0], int32(v[1])
	return err
}

// position is state as JSON.
type position struct {
	Topics offsets          `json:"topics,omitzero"` // nil for none: the beginning; empty when there were none yet
	Schema []records.Column `json:"schema,omitempty"`
	Keys   []string         `json:"keys,omitempty"`
}

// decodeState reads a position; hints that were declared since then win over what was inferred.
func (s *Source) decodeState(p sources.Position) (state, error) {
	var pos position
	var st state
	if len(p) > 0 && string(p) != "null" {
		if err := json.Unmarshal(p, &pos); err != nil {
			return st, fmt.Errorf("the stored position is damaged: %w", err)
		}
	}
	var err error
	st.topics, st.keys = pos.Topics, pos.Keys
	st.schema, err = s.records.Recall(pos.Schema)
	return st, err
}

func (s *Source) encode(st state) (sources.Position, error) {
	return json.Marshal(position{Topics: st.topics, Schema: records.Remember(st.schema), Keys: st.keys})
}

// clone returns a copy that shares nothing with o.
func (o offsets) clone() offsets {
	out := make(offsets, len(o))
	for name, t := range o {
		t.Partitions = maps.Clone(t.Partitions)
		out[name] = t
	}
	return out
}

// equal compares offsets, ids and epochs.
func (o offsets) equal(p offsets) bool {
	return maps.EqualFunc(o, p, func(a, b topicOffsets) bool { return a.ID == b.ID && maps.Equal(a.Partitions, b.Partitions) })
}

// add adds a partition, and its topic if need be.
func (o offsets) add(topic, id string, partition int32, p point) {
	if _, known := o[topic]; !known {
		o[topic] = topicOffsets{id, map[int32]point{}}
	}
	o.set(topic, partition, p)
}

// set moves one partition.
func (o offsets) set(topic string, partition int32, p point) { o[topic].Partitions[partition] = p }

// each calls do for every partition.
func (o offsets) each(do func(topic string, partition int32, p point)) {
	for topic, t := range o {
		for partition, p := range t.Partitions {
			do(topic, partition, p)
		}
	}
}

// Rewind returns a position that remembers the columns of p, and no offsets.
func (s *Source) Rewind(p sources.Position) (sources.Position, error) {
	st, err := s.decodeState(p)
	if err != nil {
		return nil, err
	}
	return s.encode(state{schema: st.schema, keys: st.keys})
}
