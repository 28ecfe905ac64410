package kafka

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lakeflow/lakeflow/sources"
)

// TestOutcomes says what becomes of every odd record: a row, or a reject with a reason. The columns are declared: id
// BIGINT, name VARCHAR.
func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		name   string
		value  []byte // nil is a tombstone
		row    string // id, name
		reject string // the reason
	}{
		{"plain", []byte(`{"id":1,"name":"a"}`), "1 | a", ""},
		{"missing keys", []byte(`{}`), "<nil> | <nil>", ""},
		{"null", []byte(" null\n"), "", "the record is not a JSON object but null"},
		{"tombstone", nil, "<nil> | <nil>", ""},
		{"empty value", []byte{}, "", "the value is empty"},
		{"spaces", []byte("  "), "", "the record is not valid JSON"},
		{"no JSON", []byte(`{"id":1`), "", "the record is not valid JSON"},
		{"out of its line", []byte(`{"id":1}},{"v":{"id":2}`), "", "the record is not valid JSON"},
		{"two values", []byte(`{"id":1} {"id":2}`), "", "the record is not valid JSON"},
		{"lines", []byte("{\n\"id\": 1,\r\n\"name\": \"a\"}\n"), "1 | a", ""},
		{"a line end in a text", []byte("{\"id\":1,\"name\":\"a\nb\"}"), "", "the record is not valid JSON"},
		{"an escaped line end", []byte(`{"id":1,"name":"a\nb"}`), "1 | a\nb", ""},
		{"array", []byte(`[{"id":1}]`), "", "the record is not a JSON object but an array"},
		{"number", []byte(`7`), "", "the record is not a JSON object but a number"},
		{"invalid UTF-8", []byte("{\"id\":1,\"name\":\"\xff\"}"), "", "the value is not valid UTF-8"},
		{"NUL byte", []byte("{\"id\":1,\"name\":\"\x00\"}"), "", "the record is not valid JSON"},
		{"escaped NUL", []byte(`{"id":1,"name":"a\u0000b"}`), "1 | a\x00b", ""},
		{"byte order mark", []byte("\xef\xbb\xbf{\"id\":1}"), "", "the record is not valid JSON"},
		{"wrong type", []byte(`{"id":"x","name":"a"}`), "", `column id: "x" is not BIGINT`},
		{"fraction", []byte(`{"id":1.5}`), "", `column id: 1.5 is not BIGINT`},
		{"known key twice", []byte(`{"id":1,"id":2}`), "", "a key occurs twice in the record"},
		{"inferred key twice", []byte(`{"id":1,"z":2,"z":3}`), "", "a key occurs twice in the record"},
		{"nested", []byte(`{"id":1,"name":` + nested(999) + `,"z":` + nested(999) + `}`), "1 | " + nested(999), ""},
		{"nested too deep", []byte(`{"id":1,"name":` + nested(1000) + `}`), "", "the record nests more than 1000 levels deep"},
		{"nested far too deep", []byte(`{"id":1,"z":` + nested(100_000) + `}`), "", "the record nests more than 1000 levels deep"},
		{"never closed", []byte(strings.Repeat("[", 100_000)), "", "the record nests more than 1000 levels deep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBrokers(t, func(t *testing.T, b *bed) {
				b.put(&kgo.Record{Value: []byte(`{"id":0,"name":"before"}`)}, &kgo.Record{Key: []byte("k"), Value: c.value}, &kgo.Record{Value: []byte(`{"id":9,"name":"behind"}`)})
				s := b.source(func(c *Config) {
					c.MaxBytes, c.Evolution, c.Hints = 1<<30, sources.None, []sources.Hint{{Name: "id", Type: "BIGINT"}, {Name: "name", Type: "VARCHAR"}}
				})
				batch := b.next(s)
				if got := b.rows(batch, "count(*), count(*) FILTER (_metadata.key = 'k'::BLOB)"); got != map[bool]string{true: "3 | 1", false: "2 | 0"}[c.row != ""] {
					t.Errorf("rows and rows with the key: %s", got)
				}
				if c.row != "" {
					got, err := b.query("SELECT id, name FROM " + batch.Relation + " WHERE _metadata.offset = 1")
					if err != nil || got != c.row {
						t.Errorf("row %.300s, %v; want %.300s", got, err, c.row)
					}
				}
				reject := ""
				if c.reject != "" {
					reject = fmt.Sprintf("%s | 0 | 0 | 1 | %s | false | %d | true", b.topic, c.reject, min(len(c.value), 1<<20))
				}
				got := b.rejects(batch, `file, line, "partition", "offset", reason, whole, octet_length(raw), raw[1:1000] = `+blob(c.value))
				b.check("rejects", got, reject)
				b.pos = batch.Position
				if b.next(s) != nil {
					t.Error("there is more")
				}
			})
		})
	}
}

// TestLargeRecord reads records of 64 MB. Their bytes stay in the database, and Go's garbage is collected early: copies
// of them are what the test's memory consists of.
func TestLargeRecord(t *testing.T) {
	before := debug.SetMemoryLimit(768 << 20)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	const size = 64 << 20
	for _, c := range []struct{ name, head, tail, rows, rejects string }{
		{"JSON", `{"id":1,"name":"`, `"}`, fmt.Sprintf("0 | 0 | d41d8cd98f00b204e9800998ecf8427e\n1 | 1 | %x\n2 | 9 | d41d8cd98f00b204e9800998ecf8427e", md5.Sum(bytes.Repeat([]byte("x"), size))), ""},
		{"no JSON", "", "", "0 | 0 | d41d8cd98f00b204e9800998ecf8427e\n2 | 9 | d41d8cd98f00b204e9800998ecf8427e", "1 | the record is not valid JSON | true | true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBrokers(t, func(t *testing.T, b *bed) {
				value := make([]byte, 0, len(c.head)+size+len(c.tail))
				value = append(append(append(value, c.head...), bytes.Repeat([]byte("x"), size)...), c.tail...)
				b.put(&kgo.Record{Value: []byte(`{"id":0,"name":""}`)}, &kgo.Record{Value: value}, &kgo.Record{Value: []byte(`{"id":9,"name":""}`)})
				value = nil
				batch := b.next(b.source(func(cfg *Config) {
					cfg.MaxBytes, cfg.Evolution, cfg.Hints = 1<<30, sources.None, []sources.Hint{{Name: "id", Type: "BIGINT"}, {Name: "name", Type: "VARCHAR"}}
				}))
				b.check("rows", b.rows(batch, "_metadata.offset, id, md5(name)"), c.rows)
				b.check("rejects", b.rejects(batch, `"offset", reason, octet_length(raw) BETWEEN 262144 AND 1048576, raw[1:1000] = `+blob(bytes.Repeat([]byte("x"), 1000))), c.rejects)
			})
		})
	}
}

func nested(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }

// blob is the literal of bytes.
func blob(b []byte) string { return "from_hex('" + fmt.Sprintf("%x", b[:min(len(b), 1000)]) + "')" }

// TestMetadata reads everything that Kafka says of a record.
func TestMetadata(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		at := time.Date(2024, 5, 1, 12, 0, 0, 123e6, time.UTC)
		b.put(&kgo.Record{Key: []byte("k\xff"), Value: []byte(`{"a":1}`), Timestamp: at, Headers: []kgo.RecordHeader{{Key: `h"1`, Value: []byte{0, 255}}, {Key: "h2", Value: nil}, {Key: `h"1`, Value: []byte{}}}},
			&kgo.Record{Value: []byte(`{"a":"x"}`), Timestamp: at, Headers: []kgo.RecordHeader{{Key: "n", Value: nil}}})
		columns := "a, CAST(to_json(_metadata) AS VARCHAR), typeof(_metadata)"
		want := func(a, key, headers, offset string) string {
			return fmt.Sprintf(`%s | {"key":%s,"headers":%s,"topic":%q,"partition":0,"offset":%s,"timestamp":"2024-05-01 12:00:00.123+00","timestamp_type":"CreateTime"}`, a, key, headers, b.topic, offset)
		}
		first := want("1", `"k\\xFF"`, `[{"key":"h\"1","value":"\\x00\\xFF"},{"key":"h2","value":null},{"key":"h\"1","value":""}]`, "0")
		second := want("x", "null", `[{"key":"n","value":null}]`, "1")
		typ := " | " + MetadataStruct
		got := b.rows(b.next(b.source(nil)), columns)
		b.check("all good", strings.ReplaceAll(got, `"`, ""), strings.ReplaceAll(first+typ+"\n"+second+typ, `"`, ""))
		// Read record by record it is the same.
		batch := b.next(b.source(func(c *Config) { c.Hints = []sources.Hint{{Name: "a", Type: "BIGINT"}} }))
		b.check("by record", strings.ReplaceAll(b.rows(batch, columns), `"`, ""), strings.ReplaceAll(first+typ, `"`, ""))
		if batch.RejectCount != 1 {
			t.Errorf("%d rejects", batch.RejectCount)
		}
	})
}

// TestKeys decodes keys as texts.
func TestKeys(t *testing.T) {
	b := newBed(t, 1)
	b.put(&kgo.Record{Key: []byte("é"), Value: []byte(`{"a":1}`)}, &kgo.Record{Key: []byte("\xff"), Value: []byte(`{"a":2}`)}, &kgo.Record{Key: []byte(`{"k":1}`), Value: []byte(`{"a":3}`)})
	batch := b.next(b.source(func(c *Config) { c.Key.Format = "string" }))
	b.check("string", b.rows(batch, "a, _metadata.key, typeof(_metadata)"), "1 | é | "+MetadataStructText+"\n3 | {\"k\":1} | "+MetadataStructText)
	b.check("rejects", b.rejects(batch, "reason, raw::VARCHAR"), `the key is not valid UTF-8 | {\x22a\x22:2}`)
	batch = b.next(b.source(func(c *Config) { c.Key.Format = "json" }))
	b.check("json", b.rows(batch, "a, _metadata.key"), `3 | {"k":1}`)
	b.check("rejects", b.rejects(batch, "reason"), "the key is not valid JSON\nthe key is not valid UTF-8")
}

// TestPlain reads values that are not looked into.
func TestPlain(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		long := strings.Repeat("é", 2<<20)
		b.values("a\"\\\n\x00\x01é", "", "\xff\x00", long, "null")
		b.put(&kgo.Record{})
		batch := b.next(b.source(func(c *Config) { c.Value.Format = "string" }))
		if got, want := b.rows(batch, `_metadata.offset, "value"`), "0 | a\"\\\n\x00\x01é\n1 | \n3 | "+long+"\n4 | null\n5 | <nil>"; got != want {
			t.Errorf("strings: %.200q, want %.200q", got, want)
		}
		b.check("rejects", b.rejects(batch, `"offset", raw::VARCHAR, reason`), `2 | \xFF\x00 | the value is not valid UTF-8`)
		batch = b.next(b.source(func(c *Config) { c.Value.Format = "bytes" }))
		if got, want := b.rows(batch, `_metadata.offset, octet_length("value"), left(hex("value"), 20)`), "0 | 8 | 61225C0A0001C3A9\n1 | 0 | \n2 | 2 | FF00\n3 | 4194304 | C3A9C3A9C3A9C3A9C3A9\n4 | 4 | 6E756C6C\n5 | <nil> | <nil>"; got != want {
			t.Errorf("bytes: %s\nwant %s", got, want)
		}
		if batch.RejectCount != 0 || batch.Columns.SQLColumns() != `"value" BLOB` {
			t.Errorf("%d rejects; %s", batch.RejectCount, batch.Columns.SQLColumns())
		}
	})
}

// TestNothingYet gives the declared columns while there is nothing to read.
func TestNothingYet(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		b.values(`{"id":1,"other":2}`)
		for name, c := range map[string]struct {
			change func(*Config)
			want   string
		}{
			"latest": {func(c *Config) { c.Start.At, c.Hints = "latest", []sources.Hint{{Name: "id", Type: "BIGINT"}} }, `"id" BIGINT`},
			"rescue": {func(c *Config) {
				c.Start.At, c.Hints, c.Evolution = "latest", []sources.Hint{{Name: "id", Type: "BIGINT"}}, sources.Rescue
			}, `"id" BIGINT, "_rescued_data" VARCHAR`},
			"none":    {func(c *Config) { c.Start.At = "latest" }, ""},
			"strings": {func(c *Config) { c.Start.At, c.Value.Format = "latest", "string" }, `"value" VARCHAR`},
		} {
			t.Run(name, func(t *testing.T) {
				b.t = t
				got, err := b.source(c.change).Schema(t.Context(), b.session, nil)
				if err != nil {
					t.Fatal(err)
				}
				b.check("schema", got.Columns.SQLColumns(), c.want)
				b.pos = nil
				batch := b.next(b.source(c.change))
				b.check("columns of the batch", batch.Columns.SQLColumns(), c.want)
				if !batch.Newest.IsZero() || batch.Items != 0 {
					t.Errorf("%d records, the newest of %s", batch.Items, batch.Newest)
				}
				b.pos = batch.Position
				b.values(`{"id":2,"other":3}`)
				if name == "latest" { // columns that are not declared are still found
					b.check("rows", b.rows(b.next(b.source(c.change)), "id, other"), "2 | 3")
				}
			})
		}
	})
}

// TestNewest tells the time of the newest record, wherever it stands in the batch.
func TestNewest(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		at := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
		for _, seconds := range []int{3, 9, 1, 4, 2} {
			b.put(&kgo.Record{Value: []byte(`{"a":1}`), Timestamp: at.Add(time.Duration(seconds) * time.Second)})
		}
		s := b.source(func(c *Config) { c.MaxRows = 3 })
		for _, want := range []int{9, 4} {
			batch := b.next(s)
			if got := batch.Newest.Sub(at); got != time.Duration(want)*time.Second {
				t.Errorf("the newest is %s after; want %d s", got, want)
			}
			b.pos = batch.Position
		}
	})
}
