package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
	"github.com/lakeflow/lakeflow/sources/records"
)

// segment is the records of one batch, and where they were read from. It is filled by the reader and owned by the
// source once it is handed out.
type segment struct {
	*records.Spill
	from, next offsets
	topics     []string // places have the index
	index      map[string]int
}

// newSegment begins a segment. Its files appear in dir as they are needed.
func newSegment(s *Source, from offsets, dir string) *segment {
	seg := &segment{index: map[string]int{}, from: from.clone(), next: from.clone(),
		Spill: s.records.Spill(s.known, dir, records.Limits{Rows: s.cfg.MaxRows, Bytes: s.cfg.MaxBytes})}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		seg.name(name)
	}
	return seg
}

// name gives a topic its index.
func (s *segment) name(topic string) {
	if _, known := s.index[topic]; !known {
		s.index[topic] = len(s.topics)
		s.topics = append(s.topics, topic)
	}
}

// extend adds a partition that came up after the segment was begun.
func (s *segment) extend(topic, id string, p int32, at point) {
	s.name(topic)
	s.next.add(topic, id, p, at)
}

// add takes as many records as the limits allow, and returns how many.
func (s *segment) add(ctx context.Context, items []item) (int, error) {
	n := 0
	for ; n < len(items) && !s.Full(); n++ {
		it := items[n]
		var at time.Time
		if !it.passed && it.Attrs.TimestampType() >= 0 {
			at = it.Timestamp
		}
		if !it.passed && !s.Admit(len(it.Key)+len(it.Value), at) {
			break
		}
	}
	err := s.Write(ctx, n, func(i int, r *records.Record) bool {
		it := items[i]
		if it.passed {
			return false
		}
		r.Place = appendPlace(r.Place, s.index[it.Topic], it.Record)
		r.Key, r.Value = it.Key, it.Value
		for _, h := range it.Headers {
			r.Headers = append(r.Headers, records.Header(h))
		}
		return true
	})
	if err != nil {
		return n, err
	}
	for _, it := range items[:n] {
		s.next.set(it.Topic, it.Partition, point{it.Offset + 1, it.LeaderEpoch})
	}
	return n, nil
}

// appendPlace writes where a record stands: five numbers, which are the index of the topic, the partition, the offset,
// the timestamp in milliseconds, and its type.
func appendPlace(b []byte, topic int, rec *kgo.Record) []byte {
	for _, n := range [...]int64{int64(topic), int64(rec.Partition), rec.Offset, rec.Timestamp.UnixMilli()} {
		b = append(strconv.AppendInt(b, n, 10), ' ')
	}
	return strconv.AppendInt(b, int64(rec.Attrs.TimestampType()), 10)
}

// The numbers of a place in SQL.
const (
	topicSQL      = `CAST(split_part(m, ' ', 1) AS INTEGER)`
	partitionSQL  = `CAST(split_part(m, ' ', 2) AS INTEGER)`
	offsetSQL     = `CAST(split_part(m, ' ', 3) AS BIGINT)`
	millisSQL     = `CAST(split_part(m, ' ', 4) AS BIGINT)`
	timestampType = `CAST(split_part(m, ' ', 5) AS INTEGER)`
)

// maxMillis is the last millisecond of the year 9999. Timestamps beyond, and negative ones, are nobody's.
const maxMillis = 253402300799999

// places says where the records of the segment stand.
func (s *segment) places(c Config, keySQL string) records.Places {
	ids := make([]string, len(s.topics))
	for i, topic := range s.topics {
		ids[i] = strconv.FormatInt(sources.PlaceID(c.Name, topic), 10)
	}
	topic := records.Texts(s.topics) + "[" + topicSQL + " + 1]"
	return records.Places{
		Metadata: fmt.Sprintf(`CAST({'key': %s, 'headers': %s, 'topic': %s, 'partition': %s, 'offset': %s,`+
			` 'timestamp': CASE WHEN %s BETWEEN 0 AND %d THEN make_timestamptz(%s * 1000) END,`+
			` 'timestamp_type': CASE %s WHEN 0 THEN 'CreateTime' WHEN 1 THEN 'LogAppendTime' END} AS %s) AS %s,`+
			" CAST([%s] AS BIGINT[])[%s + 1] AS %s, %s AS %s, %s AS %s",
			keySQL, records.HeadersSQL, topic, partitionSQL, offsetSQL, millisSQL, maxMillis, millisSQL, timestampType, c.Metadata(),
			jsonrecords.MetadataColumn,
			strings.Join(ids, ", "), topicSQL, schemas.PlaceColumn, partitionSQL, schemas.PartitionColumn, offsetSQL, schemas.PositionColumn),
		Origin: fmt.Sprintf(`%s AS file, 0::BIGINT AS line, %s AS "offset", %s AS "partition"`, topic, offsetSQL, partitionSQL),
		Rescued: func(place string) string {
			topic, partition, offset := s.parse(place)
			quoted := jsonrecords.AppendText(nil, []byte(topic))
			return fmt.Sprintf(`"_topic":%s,"_partition":%s,"_offset":%s`, quoted, partition, offset)
		},
		Describe: func(place string) string {
			topic, partition, offset := s.parse(place)
			return fmt.Sprintf("topic %s, partition %s, offset %s", topic, partition, offset)
		},
		Holder: "topic",
	}
}

// parse reads a place that appendPlace wrote.
func (s *segment) parse(place string) (topic, partition, offset string) {
	numbers := strings.Fields(place)
	if len(numbers) != 5 {
		return place, "", "" // the file is damaged
	}
	if n, err := strconv.Atoi(numbers[0]); err == nil && n >= 0 && n < len(s.topics) {
		topic = s.topics[n]
	}
	return topic, numbers[1], numbers[2]
}
