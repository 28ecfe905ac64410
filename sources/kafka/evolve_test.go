package kafka

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lakeflow/lakeflow/sources"
)

// TestEvolution reads records with a new key by every mode, after a first batch without it, in one process, which has
// fetched them ahead, and in another.
func TestEvolution(t *testing.T) {
	rescued := func(offset int) string {
		return fmt.Sprintf(`{"b":{"x":1},"_topic":"TOPIC","_partition":0,"_offset":%d}`, offset)
	}
	for _, c := range []struct {
		mode                   sources.Evolution
		rows, columns, refused string
		notices                []string
	}{
		{sources.AddNewColumns, "2 | {'x': 1}\n3 | NULL", `"a" BIGINT, "b" STRUCT(x BIGINT)`, "", []string{"column_added b"}},
		{sources.AddAndRescue, "2 | {'x': 1} | NULL\n3 | NULL | NULL", `"a" BIGINT, "b" STRUCT(x BIGINT), "_rescued_data" VARCHAR`, "", []string{"column_added b"}},
		{sources.Rescue, "2 | " + rescued(2) + "\n3 | <nil>", `"a" BIGINT, "_rescued_data" VARCHAR`, "", nil},
		{sources.None, "2\n3", `"a" BIGINT`, "", nil},
		{sources.Fail, "", "", `partition 0, offset 2: the record has the column "b"`, nil},
	} {
		for _, same := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/same process %t", c.mode, same), func(t *testing.T) {
				b := newBed(t, 1)
				b.values(`{"a":0}`, `{"a":1}`, `{"a":2,"b":{"x":1}}`, `{"a":3}`)
				open := func() *Source { return b.source(func(cfg *Config) { cfg.Evolution, cfg.MaxRows = c.mode, 2 }) }
				s := open()
				batch := b.next(s)
				b.check("first", b.rows(batch, "a"), "0\n1")
				b.pos = batch.Position
				if !same {
					s = open()
				}
				batch, err := s.Next(t.Context(), b.session, b.pos, nil)
				if c.refused != "" {
					if err == nil || !strings.Contains(err.Error(), c.refused) {
						t.Errorf("error %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				columns := "* EXCLUDE (_metadata, __lakeflow_place, __lakeflow_partition, __lakeflow_position)"
				switch c.mode {
				case sources.AddNewColumns:
					columns = "a, b::VARCHAR"
				case sources.AddAndRescue:
					columns = "a, b::VARCHAR, _rescued_data"
				}
				got := strings.ReplaceAll(b.rows(batch, columns), b.topic, "TOPIC")
				if c.mode.Adds() {
					got = strings.ReplaceAll(got, "<nil>", "NULL")
				}
				b.check("rows", got, c.rows)
				b.check("columns", batch.Columns.SQLColumns(), c.columns)
				var notices []string
				for _, n := range batch.Notices {
					notices = append(notices, n.Kind+" "+n.Subject)
				}
				b.check("notices", strings.Join(notices, "\n"), strings.Join(c.notices, "\n"))
			})
		}
	}
}

// TestLossyAfterEvolution sets aside values that DuckDB would cut, also where the column was not known when the records
// came.
func TestLossyAfterEvolution(t *testing.T) {
	b := newBed(t, 1)
	b.values(`{"a":1}`, `{"a":2}`, `{"a":2.5,"b":1}`, `{"a":3,"b":2}`)
	s := b.source(func(c *Config) { c.MaxRows = 2 })
	rows, rejects := b.drain(s, "a")
	b.check("rows", strings.Join(rows, " "), "1 2 3")
	b.check("rejects", strings.Join(rejects, "\n"), "2 | column a: 2.5 is not BIGINT")
}

// TestKeysThatAreNoColumns expects keys in another letter case in their column, and dead letters of keys that can't be
// columns, also inside of objects.
func TestKeysThatAreNoColumns(t *testing.T) {
	b := newBed(t, 1)
	b.values(`{"a":1,"s":{"p":1}}`, `{"A":2,"S":{"P":2}}`, `{"_metadata":3,"a":4}`, `{"a":5,"A":6}`, `{"a":7,"s":{"":1}}`, `{"a":8,"s":{"p":8,"q":1.0}}`)
	batch := b.next(b.source(nil))
	b.check("columns", batch.Columns.SQLColumns(), `"a" BIGINT, "s" STRUCT(p BIGINT, q DOUBLE)`)
	b.check("rows", b.rows(batch, "a, s.p"), "1 | 1\n2 | 2\n8 | 8")
	const advice = `; schema_evolution: add_new_columns_and_rescue keeps the values of such keys, none ignores them`
	b.check("rejects", b.rejects(batch, `"offset", reason`), strings.Join([]string{
		`2 | the key "_metadata" can't be a column: lakeflow uses this name itself` + advice,
		`3 | the record has the keys "a" and "A", which differ in letter case only`,
		`4 | the key "s." can't be a column: it is empty` + advice}, "\n"))
}

// TestManyTopics reads topics with the same records but for the name.
func TestManyTopics(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		other := b.topic + ".other"
		b.create(other, 1)
		b.values(`{"a":1}`)
		b.cl.ForceMetadataRefresh()
		first := b.topic
		b.topic = other
		b.values(`{"a":2}`, `{`)
		batch := b.next(b.source(func(c *Config) { c.Topics = []string{other, first} }))
		b.check("rows", strings.ReplaceAll(b.rows(batch, "a, _metadata.topic"), first, "T"), "1 | T\n2 | T.other")
		b.check("rejects", strings.ReplaceAll(b.rejects(batch, `file, "offset"`), first, "T"), "T.other | 1")
	})
}

// TestOnlyTombstones can't know columns, and does not lose the records by going on.
func TestOnlyTombstones(t *testing.T) {
	b := newBed(t, 1)
	b.values(`null`, `{}`)
	if batch, err := b.source(nil).Next(t.Context(), b.session, nil, nil); err == nil || !strings.Contains(err.Error(), "write them under schema") {
		t.Errorf("batch %+v, error %v", batch, err)
	}
	batch := b.next(b.source(func(c *Config) { c.Hints = []sources.Hint{{Name: "a", Type: "BIGINT"}} }))
	b.check("declared", b.rows(batch, "a"), "<nil>")
	b.check("rejects", b.rejects(batch, `"offset"`), "0")
}

// TestCompactedEnd finishes a log whose last offsets have no records any more: the client passes over them without a
// word.
func TestCompactedEnd(t *testing.T) {
	b := newBed(t, 1)
	b.numbered(0, 5)
	b.fake.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		resp := failed(req, 0).(*kmsg.ListOffsetsResponse)
		resp.Topics[0].Partitions[0].Offset = 8
		return resp, nil, req.(*kmsg.ListOffsetsRequest).Topics[0].Partitions[0].Timestamp == -1
	})
	b.fake.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		f := req.(*kmsg.FetchRequest)
		if len(f.Topics) == 0 || f.Topics[0].Partitions[0].FetchOffset < 5 {
			return nil, nil, false
		}
		resp := failed(req, 0).(*kmsg.FetchResponse)
		p := &resp.Topics[0].Partitions[0]
		p.HighWatermark, p.LastStableOffset = 8, 8
		if f.Topics[0].Partitions[0].FetchOffset < 8 {
			p.RecordBatches = emptyBatch(5, 2)
		}
		return resp, nil, true
	})
	rows, _ := b.drain(b.source(nil), "id")
	b.check("rows", strings.Join(rows, "\n"), ids(0, 5))
	if !strings.Contains(string(b.pos), "[8,") {
		t.Errorf("position %s", b.pos)
	}
}

// emptyBatch is what compaction leaves of a batch.
func emptyBatch(first int64, delta int32) []byte {
	rb := kmsg.RecordBatch{FirstOffset: first, Magic: 2, LastOffsetDelta: delta, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1}
	raw := rb.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}
