package records_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/records"
)

var debeziumValues = records.Format{Format: "debezium"}

// insert is a change event without a schema.
func insert(lsn int, row string) string {
	return fmt.Sprintf(`{"op":"c","before":null,"after":%s,"source":{"connector":"postgresql","lsn":%d}}`, row, lsn)
}

// typedInsert is one with a schema of these fields.
func typedInsert(lsn int, row string, fields ...string) string {
	columns := strings.Join(fields, ",")
	return fmt.Sprintf(`{"schema":{"type":"struct","fields":[{"type":"struct","fields":[%s],"optional":true,"field":"before"},{"type":"struct","fields":[%s],"optional":true,"field":"after"}]},"payload":%s}`,
		columns, columns, insert(lsn, row))
}

// connect is a field of a Connect schema.
func connect(name, typ string) string {
	return fmt.Sprintf(`{"type":%q,"optional":true,"field":%q}`, typ, name)
}

func (b *bed) columns(batch *sources.Batch) string { return batch.Columns.SQLColumns() }

// advance commits the batch.
func (b *bed) advance(batch *sources.Batch) { b.pos = batch.Position }

const eventColumns = `, "_op" VARCHAR, "_sequence" VARCHAR, "_source_ts" TIMESTAMP WITH TIME ZONE`

// TestEvents reads change events with schemas, whose types change, beside others without.
func TestEvents(t *testing.T) {
	b := newBed(t, records.Config{Value: debeziumValues})
	b.put(typedInsert(1, `{"id":1,"photo":"AP8="}`, connect("id", "int32"), connect("photo", "bytes")), `{"ts_ms":5}`,
		typedInsert(2, `{"id":2147483648,"photo":null}`, connect("id", "int32"), connect("photo", "bytes")))
	batch := b.next()
	b.check("columns", b.columns(batch), `"id" INTEGER, "photo" BLOB`+eventColumns)
	b.check("rows", b.rows(batch, "id, hex(photo), _op, _sequence"), "1 00FF c 00000000000000000001.1.00000000000000000001")
	b.check("rejects", b.rejects(batch, `"offset", reason, decode(raw)`), "2 after: column id: 2147483648 is not int32 "+string(b.feed.log[2].value))
	if batch.Items != 3 || batch.Ignored != 1 {
		t.Errorf("%d items, %d ignored", batch.Items, batch.Ignored)
	}
	b.advance(batch)

	// A wider type, a new column, and a record without a schema that has one more.
	b.put(typedInsert(3, `{"id":2147483648,"photo":"","note":"x"}`, connect("id", "int64"), connect("photo", "bytes"), connect("note", "string")), insert(4, `{"id":4,"tags":["a"]}`))
	batch = b.next()
	b.check("columns", b.columns(batch), `"id" BIGINT, "photo" BLOB`+eventColumns+`, "note" VARCHAR, "tags" VARCHAR[]`)
	b.check("rows", b.rows(batch, "id, hex(photo), note, tags"), "4 <nil> <nil> [a]\n2147483648  x <nil>")
	b.advance(batch)

	// A type that the column does not hold, and a column that is called as one of those behind.
	b.put(typedInsert(5, `{"id":"x"}`, connect("id", "string")), insert(6, `{"id":6,"_op":"c"}`), typedInsert(7, `{"id":7,"_op":"c"}`, connect("id", "int64"), connect("_op", "string")),
		insert(8, `{"id":8.5}`), insert(9, `{"id":9}`))
	batch = b.next()
	b.check("rows", b.rows(batch, "id, _op"), "9 c")
	if got := b.rejects(batch, `"offset"`); got != "5\n6\n7\n8" {
		t.Errorf("rejects %s: %s", got, b.rejects(batch, "reason"))
	}
}

// TestEventsOfModes reads columns that the source does not have.
func TestEventsOfModes(t *testing.T) {
	first := typedInsert(1, `{"id":1}`, connect("id", "int32"))
	for _, more := range []string{typedInsert(2, `{"id":2,"x":"y"}`, connect("id", "int32"), connect("x", "string")), insert(2, `{"id":2,"x":"y"}`)} {
		for mode, want := range map[sources.Evolution]string{sources.None: "2", sources.Rescue: `2 {"x":"y","_subject":"s","_sequence":1}`, sources.AddNewColumns: "2 y"} {
			b := newBed(t, records.Config{Value: debeziumValues, Evolution: mode})
			b.put(first)
			batch := b.next()
			b.check("first", b.rows(batch, "id"), "1")
			b.advance(batch)
			b.put(more)
			batch = b.next()
			b.check(string(mode), b.rows(batch, "COLUMNS(c -> c NOT IN ('_op', '_sequence', '_source_ts', '_metadata') AND NOT starts_with(c, '__'))"), want)
		}
		b := newBed(t, records.Config{Value: debeziumValues, Evolution: sources.Fail})
		b.put(first)
		b.advance(b.next())
		b.put(more)
		if _, err := b.feed.Next(t.Context(), b.session, b.pos, nil); err == nil || !strings.Contains(err.Error(), `has the column "x", which the source does not have`) {
			t.Errorf("fail: %v", err)
		}
	}
}

// TestNoEvents reads what brings no row before any columns are known, and columns that are declared.
func TestNoEvents(t *testing.T) {
	b := newBed(t, records.Config{Value: debeziumValues})
	b.feed.log = append(b.feed.log, message{subject: "s", key: []byte(`{"id":1}`)}) // a tombstone
	batch := b.next()
	if batch.Relation != "" || batch.Ignored != 1 || batch.RejectCount != 0 {
		t.Errorf("%+v", batch)
	}
	b.advance(batch)
	b.put(`{"op":"x"}`)
	batch = b.next()
	if batch.Relation != "" || batch.RejectCount != 1 {
		t.Errorf("%+v", batch)
	}
	hinted := records.Config{Value: debeziumValues, Hints: []sources.Hint{{Name: "price", Type: "DECIMAL(12,2)"}, {Name: "id", Type: "BIGINT"}}}
	b.open(hinted)
	b.advance(batch)
	b.put(insert(3, `{"id":3,"price":1.5}`), insert(4, `{"id":4,"price":"many"}`))
	batch = b.next()
	b.check("columns", b.columns(batch), `"id" BIGINT, "price" DECIMAL(12,2)`+eventColumns)
	b.check("rows", b.rows(batch, "id, price"), "3 1.5")
	b.check("rejects", b.rejects(batch, "reason"), `column price: "many" is not DECIMAL(12,2)`)
	hinted.Hints[0].Name = "_op"
	if _, err := records.New(hinted); err == nil || !strings.Contains(err.Error(), `"_op" is taken`) {
		t.Errorf("a column that is taken: %v", err)
	}
}

// TestEventTypes reads a value of every type back from DuckDB. The texts that it is given for them are those of package
// debezium's test.
func TestEventTypes(t *testing.T) {
	tests := []struct{ field, value, column, want string }{
		{`"type":"int16"`, "-5", "INTEGER", "-5"},
		{`"type":"int64"`, "-9223372036854775808", "BIGINT", "-9223372036854775808"},
		{`"type":"float"`, "0.1", "FLOAT", "0.1"},
		{`"type":"double"`, "0.30000000000000004", "DOUBLE", "0.30000000000000004"},
		{`"type":"double"`, `"NaN"`, "DOUBLE", "nan"},
		{`"type":"boolean"`, "false", "BOOLEAN", "false"},
		{`"type":"string"`, `"é\"\\ \u0041"`, "VARCHAR", `é"\ A`},
		{`"type":"string","name":"io.debezium.data.Json"`, `"{\"a\": 1.50}"`, "VARCHAR", `{"a": 1.50}`},
		{`"type":"string","name":"io.debezium.data.Uuid"`, `"6f1b2c3d-0000-4000-8000-000000000001"`, "UUID", "6f1b2c3d-0000-4000-8000-000000000001"},
		{`"type":"bytes"`, `"AFwi/w=="`, "BLOB", `\x00\x5C\x22\xFF`},
		{`"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"10","connect.decimal.precision":"38"}`, `"SztMqFqGxHoJiiJAAAAAAA=="`, "DECIMAL(38,10)", "!not DECIMAL(38,10)"},
		{`"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"10","connect.decimal.precision":"38"}`, `"SztMqFqGxHoJiiI//////w=="`, "DECIMAL(38,10)", "9999999999999999999999999999.9999999999"},
		{`"type":"struct","name":"io.debezium.data.VariableScaleDecimal"`, `{"scale":3,"value":"BNI="}`, "VARCHAR", "1.234"},
		{`"type":"int32","name":"io.debezium.time.Date"`, "-719162", "DATE", "0001-01-01"},
		{`"type":"int32","name":"org.apache.kafka.connect.data.Date"`, "2932896", "DATE", "9999-12-31"},
		{`"type":"int64","name":"io.debezium.time.Timestamp"`, "-62135596800000", "TIMESTAMP", "0001-01-01 00:00:00"},
		{`"type":"int64","name":"io.debezium.time.MicroTimestamp"`, "253402300799999999", "TIMESTAMP", "9999-12-31 23:59:59.999999"},
		{`"type":"int64","name":"io.debezium.time.NanoTimestamp"`, "1714564800123456789", "BIGINT", "1714564800123456789"},
		{`"type":"int64","name":"io.debezium.time.MicroTime"`, "86399999999", "TIME", "23:59:59.999999"},
		{`"type":"int32","name":"io.debezium.time.Time"`, "1", "TIME", "00:00:00.001"},
		{`"type":"string","name":"io.debezium.time.ZonedTimestamp"`, `"0001-01-01T00:00:00+00:00"`, "TIMESTAMP WITH TIME ZONE", "0001-01-01 00:00:00+00"},
		{`"type":"string","name":"io.debezium.time.ZonedTime"`, `"10:15:30+01:00"`, "VARCHAR", "10:15:30+01:00"},
		{`"type":"array","items":{"type":"bytes"}`, `["AQ==",null]`, "BLOB[]", `[\x01, NULL]`},
		{`"type":"map","keys":{"type":"string"},"values":{"type":"int32","name":"io.debezium.time.Date"}`, `{"a":0,"b":null}`, "MAP(VARCHAR, DATE)", "{a=1970-01-01, b=NULL}"},
		{`"type":"struct","name":"io.debezium.data.geometry.Geometry","fields":[{"type":"bytes","field":"wkb"},{"type":"int32","optional":true,"field":"srid"}]`, `{"wkb":"AQE=","srid":4326}`,
			"STRUCT(wkb BLOB, srid INTEGER)", `{'wkb': \x01\x01, 'srid': 4326}`},
	}
	for _, test := range tests {
		b := newBed(t, records.Config{Value: debeziumValues})
		b.put(typedInsert(1, `{"id":1,"x":`+test.value+`}`, connect("id", "int32"), `{"optional":true,"field":"x",`+test.field+`}`))
		batch := b.next()
		if reason, ok := strings.CutPrefix(test.want, "!"); ok {
			if got := b.rejects(batch, "reason"); !strings.Contains(got, reason) {
				t.Errorf("%s %s: %q, want %q", test.field, test.value, got, reason)
			}
			continue
		}
		if got := b.rows(batch, "typeof(x), CAST(x AS VARCHAR)"); strings.ReplaceAll(got, `"`, "") != strings.ReplaceAll(test.column+" "+test.want, `"`, "") || batch.RejectCount > 0 {
			t.Errorf("%s %s: %s, want %s %s; %s", test.field, test.value, got, test.column, test.want, b.rejects(batch, "reason"))
		}
	}
}
