package kafka

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/records"
)

func TestRowsThatAreRecords(t *testing.T) {
	at := time.Date(2024, 5, 1, 10, 0, 0, 123e6, time.UTC)
	b := newBed(t, 1)
	b.put(&kgo.Record{Key: []byte("k"), Value: []byte("\xff{"), Timestamp: at, Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}},
		&kgo.Record{Value: nil, Timestamp: at})
	s := b.source(func(c *Config) { c.Row, c.Value = "record_and_headers", records.Format{Format: "bytes"} })
	batch := b.next(s)
	b.check("columns", batch.Columns.SQLColumns(), `"key" BLOB, "value" BLOB, "topic" VARCHAR, "partition" INTEGER, "offset" BIGINT, "timestamp" TIMESTAMP WITH TIME ZONE,`+
		` "timestampType" INTEGER, "headers" STRUCT(key VARCHAR, value BLOB)[]`)
	b.check("rows", b.rows(batch, `key::VARCHAR, value::VARCHAR, topic = '`+b.topic+`', "partition", "offset", timestamp::VARCHAR, timestampType, headers::VARCHAR, _metadata."offset"`),
		`k | \xFF{ | true | 0 | 0 | 2024-05-01 10:00:00.123+00 | 0 | [{'key': h, 'value': v}] | 0`+"\n"+
			`<nil> | <nil> | true | 0 | 1 | 2024-05-01 10:00:00.123+00 | 0 | [] | 1`)
	found, err := b.source(func(c *Config) { c.Row, c.Value = "record", records.Format{Format: "string"} }).Schema(t.Context(), b.session, nil)
	if err != nil || len(found.Columns) != 7 || found.Columns[1].Type.String() != "VARCHAR" {
		t.Error(found, err)
	}
}

func TestRowsThatAreRecordsMistakes(t *testing.T) {
	for _, change := range []func(*Config){
		func(c *Config) { c.Row = "all" },
		func(c *Config) { c.Row = "record" }, // of JSON
		func(c *Config) {
			c.Row, c.Value, c.Hints = "record", records.Format{Format: "bytes"}, []sources.Hint{{Name: "value", Type: "BLOB"}}
		},
	} {
		c := Config{Brokers: []string{"localhost:1"}, Topics: []string{"t"}}
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
