package debezium_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/sources/debezium"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// event is an envelope with a schema, of one column besides id.
func event(column, value string) []byte {
	return fmt.Appendf(nil, `{"schema":{"type":"struct","fields":[{"type":"struct","optional":true,"field":"after","fields":[`+
		`{"type":"int32","optional":false,"field":"id"},%s]}]},"payload":{"op":"c","after":{"id":1,"x":%s},"source":{"lsn":5}}}`, column, value)
}

func field(typ, name, more string) string {
	out := `{"optional":true,"field":"x","type":"` + typ + `"`
	if name != "" {
		out += `,"name":"` + name + `"`
	}
	return out + more + "}"
}

// TestTypes goes through the types of Connect and Debezium: the column, and each value as it is written for it, or why
// it is refused. What DuckDB makes of the texts is seen by the scripts.
func TestTypes(t *testing.T) {
	decimal := `,"parameters":{"scale":"2","connect.decimal.precision":"5"}`
	tests := []struct {
		field, column string
		values        map[string]string // by the value; what begins with ! is a part of the reason
	}{
		{field("int8", "", ""), "INTEGER", map[string]string{"-128": "-128", "1.5": "!1.5 is not int8", `"1"`: "!is not int8"}},
		{field("int32", "", ""), "INTEGER", map[string]string{"2147483647": "2147483647", "2147483648": "!is not int32"}},
		{field("int64", "", ""), "BIGINT", map[string]string{"9223372036854775807": "9223372036854775807", "9223372036854775808": "!is not int64"}},
		{field("float", "", ""), "FLOAT", map[string]string{"1.25": "1.25", `"NaN"`: `"NaN"`, "1e39": "!is not float32"}},
		{field("double", "", ""), "DOUBLE", map[string]string{"1e300": "1e300", `"-Infinity"`: `"-Infinity"`, "1e309": "!is not float64", "true": "!is not float64"}},
		{field("boolean", "", ""), "BOOLEAN", map[string]string{"true": "true", "1": "!1 is not boolean"}},
		{field("string", "", ""), "VARCHAR", map[string]string{`"ä\n"`: `"ä\n"`, "5": "!5 is not a text", "null": "null"}},
		{field("bytes", "", ""), "BLOB", map[string]string{`"AP8="`: `"\\x00ff"`, `""`: `"\\x"`, `"?"`: "!is not bytes"}},
		{field("bytes", "io.debezium.data.Bits", ""), "BLOB", map[string]string{`"Ag=="`: `"\\x02"`}},
		{field("bytes", "org.apache.kafka.connect.data.Decimal", decimal), "DECIMAL(5,2)", map[string]string{`"AMk="`: `"2.01"`, `"/w=="`: `"-0.01"`, `"AA=="`: `"0.00"`,
			`"D0I/"`: "!9999.99 is not DECIMAL(5,2)", "12.5": `"12.50"`, "12.345": "!is not DECIMAL(5,2)", "1e3": "!is not DECIMAL(5,2)", "1.5e2": `"150.00"`, "1e999999999": "!is not a decimal", `"!"`: "!is not a decimal"}},
		{field("bytes", "org.apache.kafka.connect.data.Decimal", `,"parameters":{"scale":"0"}`), "DECIMAL(38,0)", map[string]string{`"gA=="`: `"-128"`}},
		{field("bytes", "org.apache.kafka.connect.data.Decimal", `,"parameters":{"scale":"1","connect.decimal.precision":"60"}`), "VARCHAR",
			map[string]string{`"fwAAAAAAAAAAAAAAAAAAAAAAAA=="`: `"283219464021338913897503622062634191125951283.2"`}},
		{field("struct", "io.debezium.data.VariableScaleDecimal", ""), "VARCHAR", map[string]string{`{"scale":3,"value":"BNI="}`: `"1.234"`, `{"scale":-2,"value":"DA=="}`: `"1200"`, `{"value":"DA=="}`: "!is not a decimal with its scale"}},
		{field("int32", "io.debezium.time.Date", ""), "DATE", map[string]string{"0": `"1970-01-01"`, "-719162": `"0001-01-01"`, "2932896": `"9999-12-31"`, "2147483647": "!stands for no year", "-719163": "!stands for no year"}},
		{field("int32", "org.apache.kafka.connect.data.Date", ""), "DATE", map[string]string{"19844": `"2024-05-01"`}},
		{field("int64", "io.debezium.time.Timestamp", ""), "TIMESTAMP", map[string]string{"1714564800123": `"2024-05-01 12:00:00.123000"`, "-1": `"1969-12-31 23:59:59.999000"`}},
		{field("int64", "org.apache.kafka.connect.data.Timestamp", ""), "TIMESTAMP", map[string]string{"0": `"1970-01-01 00:00:00.000000"`}},
		{field("int64", "io.debezium.time.MicroTimestamp", ""), "TIMESTAMP", map[string]string{"1714564800123456": `"2024-05-01 12:00:00.123456"`, "9223372036825200000": "!stands for no year"}},
		{field("int64", "io.debezium.time.NanoTimestamp", ""), "BIGINT", map[string]string{"1714564800123456789": "1714564800123456789"}},
		{field("int32", "io.debezium.time.Time", ""), "TIME", map[string]string{"3723004": `"01:02:03.004000"`, "86400000": "!is not a time of the day", "-1": "!is not a time of the day"}},
		{field("int32", "org.apache.kafka.connect.data.Time", ""), "TIME", map[string]string{"0": `"00:00:00.000000"`}},
		{field("int64", "io.debezium.time.MicroTime", ""), "TIME", map[string]string{"3723004005": `"01:02:03.004005"`}},
		{field("string", "io.debezium.time.ZonedTimestamp", ""), "TIMESTAMP WITH TIME ZONE", map[string]string{`"2024-05-01T14:00:00.5+02:00"`: `"2024-05-01 12:00:00.500000Z"`,
			`"2024-05-01T12:00:00.1234567Z"`: "!is not whole microseconds", `"infinity"`: "!is not a time with its zone"}},
		{field("string", "io.debezium.time.ZonedTime", ""), "VARCHAR", map[string]string{`"10:15:30+01:00"`: `"10:15:30+01:00"`}},
		{field("string", "io.debezium.data.Json", ""), "VARCHAR", map[string]string{`"{\"a\":1}"`: `"{\"a\":1}"`}},
		{field("string", "io.debezium.data.Uuid", ""), "UUID", map[string]string{`"6f1b2c3d-0000-4000-8000-000000000001"`: `"6f1b2c3d-0000-4000-8000-000000000001"`}},
		{field("string", "io.debezium.data.Enum", `,"parameters":{"allowed":"a,b"}`), "VARCHAR", map[string]string{`"a"`: `"a"`}},
		{field("array", "", `,"items":{"type":"int32"}`), "INTEGER[]", map[string]string{"[1,null]": "[1,null]", "[1,2.5]": "!2.5 is not int32", "{}": "!is not an array"}},
		{field("map", "", `,"keys":{"type":"string"},"values":{"type":"string"}`), "MAP(VARCHAR, VARCHAR)", map[string]string{`{"b":"1", "a":null}`: `{"b":"1","a":null}`}},
		{field("struct", "io.debezium.data.geometry.Point", `,"fields":[{"type":"double","field":"x"},{"type":"bytes","optional":true,"field":"wkb"},{"type":"int32","optional":true,"field":"srid"}]`),
			"STRUCT(x DOUBLE, wkb BLOB, srid INTEGER)", map[string]string{`{"x":1.5,"wkb":"AQ=="}`: `{"x":1.5,"wkb":"\\x01","srid":null}`, `{"y":1}`: "!its schema has no column y"}},
	}
	var d debezium.Decoder
	for _, test := range tests {
		for value, want := range test.values {
			row := d.Decode(nil, nil, event(test.field, value))
			if reason, ok := strings.CutPrefix(want, "!"); ok {
				if !strings.Contains(row.Refused, reason) || !strings.Contains(row.Refused, "after: column x: ") && !strings.Contains(reason, "schema") {
					t.Errorf("%s: %s: %q, want %q", test.field, value, row.Refused, reason)
				}
				continue
			}
			if row.Refused != "" {
				t.Errorf("%s: %s is refused: %s", test.field, value, row.Refused)
				continue
			}
			var got struct{ X json.RawMessage }
			if err := json.Unmarshal(row.Text, &got); err != nil {
				t.Fatalf("%s: %v", row.Text, err)
			}
			if text := row.Schema.Columns.SQLColumns(); !strings.HasPrefix(text, "id INTEGER, x "+test.column+", _op") && !strings.HasPrefix(text, `"id" INTEGER, "x" `+test.column+`, "_op"`) {
				t.Errorf("%s: columns %s, want %s", test.field, text, test.column)
			}
			if string(got.X) != want {
				t.Errorf("%s: %s becomes %s, want %s", test.field, value, got.X, want)
			}
		}
	}
}

// TestRecords goes through what records can be.
func TestRecords(t *testing.T) {
	const source = `"source":{"connector":"postgresql","lsn":7,"ts_us":1714564800000001}`
	const meta = `,"_sequence":"00000000000000000007.1.00000000000000000007","_source_ts":"2024-05-01T12:00:00.000001Z"}`
	tests := []struct{ name, key, value, want string }{
		{"insert", "", `{"op":"c","before":null,"after":{"id":1,"n":1.50},` + source + `}`, `{"id":1,"n":1.50,"_op":"c"` + meta},
		{"no columns", "", `{"op":"u","after":{ },` + source + `}`, `{"_op":"u"` + meta},
		{"delete", "", `{"op":"d","before":{"id":1,"n":null},"after":null,` + source + `}`, `{"id":1,"n":null,"_op":"d"` + meta},
		{"delete by key", `{"id":1}`, `{"op":"d","before":null,` + source + `}`, `{"id":1,"_op":"d"` + meta},
		{"delete by key with schema", `{"schema":{},"payload":{"id":1}}`, `{"op":"d",` + source + `}`, `{"id":1,"_op":"d"` + meta},
		{"delete of a part", "", strings.Replace(strings.Replace(string(event(field("string", "", ""), `"y"`)), `"op":"c","after"`, `"op":"d","before"`, 1), `{"id":1,`, `{`, 1), `{"id":null,"x":"y","_op":"d","_sequence":"00000000000000000005.1.00000000000000000005","_source_ts":null}`},
		{"insert of a part", "", strings.Replace(string(event(field("string", "", ""), `"y"`)), `{"id":1,`, `{`, 1), "!after: the column id is missing"},
		{"delete of nothing", "", `{"op":"d",` + source + `}`, "!the deleted row is not known"},
		{"delete of what was not sent", "", `{"op":"d","before":{"id":1,"n":"__debezium_unavailable_value"},` + source + `}`, `{"id":1,"n":null,"_op":"d"` + meta},
		{"truncate", "", `{"op":"t","before":null,"after":null,` + source + `}`, `{"_op":"t"` + meta},
		{"message", "", `{"op":"m","message":{},` + source + `}`, "-"},
		{"schema null", "", `{"schema":null,"payload":{"op":"c","after":{"id":1},` + source + `}}`, `{"id":1,"_op":"c"` + meta},
		{"no payload", "", `{"schema":{},"payload":7}`, "!the envelope has no payload"},
		{"a tombstone as JsonConverter has it", "", `{"schema":null,"payload":null}`, "-"},
		{"a tombstone with a schema", "", `{"schema":{},"payload":null}`, "-"},
		{"a table of schema and payload", "", `{"schema":1,"payload":2,"x":3}`, "!has no op"},
		{"heartbeat", "", `{"ts_ms":1}`, "-"},
		{"transaction", "", `{"status":"END","id":"5","event_count":2}`, "-"},
		{"schema change", "", `{"ddl":"CREATE TABLE x","tableChanges":[],"source":{}}`, "-"},
		{"flat row", "", `{"id":1}`, "!has no op"},
		{"unknown op", "", `{"op":"x","after":{}}`, `!the op "x" is unknown`},
		{"no after", "", `{"op":"c","after":null}`, "!the change has no after"},
		{"after is a text", "", `{"op":"c","after":"{}"}`, "!after is not a JSON object"},
		{"text not sent", "", `{"op":"u","after":{"a":1,"b":"__debezium_unavailable_value"}}`, "!the column b did not change"},
		{"bytes not sent", "", `{"op":"u","after":{"b":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="}}`, "!the column b did not change"},
		{"array not sent", "", `{"op":"u","after":{"b":["__debezium_unavailable_value"]}}`, "!the column b did not change"},
		{"numbers not sent", "", `{"op":"u","after":{"b":[95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,95,118,97,108,117,101]}}`, "!the column b did not change"},
		{"hstore not sent", "", `{"op":"u","after":{"b":{"__debezium_unavailable_value":"__debezium_unavailable_value"}}}`, "!the column b did not change"},
		{"hstore as text not sent", "", `{"op":"u","after":{"b":"{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}"}}`, "!the column b did not change"},
		{"a text with it", "", `{"op":"u","after":{"b":"see __debezium_unavailable_value"},` + source + `}`, `{"b":"see __debezium_unavailable_value","_op":"u"` + meta},
		{"not JSON", "", `{"op":`, "!not valid JSON"},
		{"array", "", `[]`, "!not a JSON object"},
		{"a tombstone in a file", "", ` null `, "-"},
		{"no position", "", `{"op":"c","after":{"id":1}}`, `{"id":1,"_op":"c","_sequence":null,"_source_ts":null}`},
	}
	var d debezium.Decoder
	for _, test := range tests {
		row := d.Decode(nil, []byte(test.key), []byte(test.value))
		got := string(row.Text)
		switch {
		case row.Ignored:
			got = "-"
		case row.Refused != "" && strings.HasPrefix(test.want, "!") && strings.Contains(row.Refused, test.want[1:]):
			got = test.want
		case row.Refused != "":
			got = row.Refused
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	if row := d.Decode(nil, []byte(`{"id":1}`), nil); !row.Ignored {
		t.Errorf("a tombstone is %+v", row)
	}
	if got := debezium.Keys([]byte(`{"schema":{"type":"struct"},"payload":{"b":1,"a":{"x":[2]}}}`)); !cmp.Equal(got, []string{"b", "a"}) {
		t.Errorf("keys %v", got)
	}
	for _, key := range []string{"", "7", "null", `"x"`, `{"schema":null,"payload":null}`} {
		if got := debezium.Keys([]byte(key)); got != nil {
			t.Errorf("keys of %s: %v", key, got)
		}
	}
}

// sequence is that of a change with this source.
func sequence(t *testing.T, op, source string) string {
	t.Helper()
	var d debezium.Decoder
	row := d.Decode(nil, nil, fmt.Appendf(nil, `{"op":%q,"after":{},"before":{},"source":%s}`, op, source))
	var got struct {
		Sequence string `json:"_sequence"`
	}
	if err := json.Unmarshal(row.Text, &got); err != nil {
		t.Fatalf("%+v: %v", row, err)
	}
	return got.Sequence
}

// TestOrder holds the order of sequences against that of changes, which are listed as they happened.
func TestOrder(t *testing.T) {
	for name, changes := range map[string][]string{
		"postgresql": {
			`r {"lsn":100,"sequence":"[null,\"100\"]"}`,
			`c {"lsn":110,"sequence":"[null,\"110\"]"}`,
			`c {"lsn":120,"sequence":"[\"115\",\"120\"]"}`,
			`d {"lsn":140,"sequence":"[\"115\",\"140\"]"}`,
			`c {"lsn":130,"sequence":"[\"150\",\"130\"]"}`, // written before the delete, committed after it
			`r {"lsn":1000,"sequence":"[null,\"1000\"]"}`,  // a snapshot later on
			`u {"lsn":1001,"sequence":"[\"1000\",\"1001\"]"}`,
		},
		"postgresql without sequence": {`r {"lsn":9}`, `u {"lsn":9}`, `u {"lsn":10}`},
		"mysql": {
			`r {"file":"bin.000009","pos":154,"row":0}`,
			`c {"file":"bin.000009","pos":154,"row":0}`,
			`c {"file":"bin.000009","pos":154,"row":2}`,
			`c {"file":"bin.000009","pos":154,"row":10}`,
			`c {"file":"bin.000009","pos":1000}`,
			`c {"file":"bin.000010","pos":4,"row":0}`,
			`c {"file":"bin.1000000","pos":4,"row":0}`,
		},
		"sqlserver": {
			`r {"commit_lsn":"00000027:00000758:0005","change_lsn":null}`,
			`c {"commit_lsn":"00000027:00000758:0005","change_lsn":"00000027:00000758:0003","event_serial_no":1}`,
			`c {"commit_lsn":"00000027:00000758:0005","change_lsn":"00000027:00000758:0003","event_serial_no":2}`,
			`c {"commit_lsn":"00000027:00000ac0:0002","change_lsn":"00000027:00000758:0001","event_serial_no":1}`,
		},
		"oracle": {
			`r {"scn":"2122184","commit_scn":null}`,
			`c {"scn":"2122180","commit_scn":"2122185"}`,
			`c {"scn":"2122183","commit_scn":"2122185","ssn":1}`,
			`c {"scn":"2122183","commit_scn":"2122185","ssn":2}`,
			`c {"scn":"2122182","commit_scn":"12122185"}`,
		},
		"others": {`r {"ts_ms":99}`, `c {"ts_ms":99,"ts_us":99000}`, `c {"ts_ms":99,"ts_us":99001,"ts_ns":99001000}`, `c {"ts_ms":100}`},
	} {
		var got []string
		for _, change := range changes {
			op, text, _ := strings.Cut(change, " ")
			got = append(got, sequence(t, op, text))
		}
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) < len(got) || got[0] == "" {
			t.Errorf("%s: %s", name, strings.Join(got, "\n"))
		}
	}
	for _, source := range []string{`{"lsn":null}`, `{"lsn":"x"}`, `{"file":"bin","pos":4}`, `{}`, `{"commit_lsn":null}`, `{"scn":null}`} {
		if got := sequence(t, "c", source); got != "" {
			t.Errorf("%s has the position %s", source, got)
		}
	}
}

// BenchmarkDecode is about the time for one event, with a schema and without one.
func BenchmarkDecode(b *testing.B) {
	columns := `{"type":"int32","optional":false,"field":"id"},{"type":"string","optional":false,"field":"name"},{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"12"},"field":"balance"},` +
		`{"type":"int64","optional":true,"name":"io.debezium.time.MicroTimestamp","version":1,"field":"made"}`
	payload := `{"before":null,"after":{"id":1,"name":"Ann of the shop","balance":"AMk=","made":1714564800123456},"source":{"version":"2.7.0.Final","connector":"postgresql","name":"pg","ts_ms":1714564800000,"snapshot":"first","db":"shop","sequence":"[null,\"24023000\"]","ts_us":1714564800000000,"ts_ns":1714564800000000000,"schema":"public","table":"customers","txId":555,"lsn":24023000,"xmin":null},"transaction":null,"op":"r","ts_ms":1714564800100}`
	typed := `{"schema":{"type":"struct","fields":[{"type":"struct","fields":[` + columns + `],"optional":true,"field":"before"},{"type":"struct","fields":[` + columns + `],"optional":true,"field":"after"}]},"payload":` + payload + `}`
	for name, value := range map[string][]byte{"schema": []byte(typed), "plain": []byte(payload)} {
		b.Run(name, func(b *testing.B) {
			var d debezium.Decoder
			var buf []byte
			b.SetBytes(int64(len(value)))
			for b.Loop() {
				row := d.Decode(buf[:0], nil, value)
				if row.Refused != "" {
					b.Fatal(row.Refused)
				}
				buf = row.Text
			}
		})
	}
}

// FuzzDecode holds that every record becomes one thing only: a row, which is JSON, or ignored, or refused.
func FuzzDecode(f *testing.F) {
	for _, value := range []string{`{"op":"c","after":{"id":1},"source":{"lsn":1,"sequence":"[\"1\",\"2\"]","ts_ms":1}}`, `{"op":"d","before":null}`, string(event(field("bytes", "", ""), `"AQ=="`)),
		string(event(field("int32", "org.apache.kafka.connect.data.Decimal", `,"parameters":{"scale":"2"}`), "1e2")), `{"schema":{},"payload":{"op":"t"}}`,
		string(event(field("map", "", `,"keys":{"type":"string"},"values":{"type":"array","items":{"type":"string"}}`), `{"a":["__debezium_unavailable_value"]}`))} {
		f.Add([]byte(`{"id":1}`), []byte(value))
	}
	var d debezium.Decoder
	f.Fuzz(func(t *testing.T, key, value []byte) {
		for range 2 { // the second time its schema is known
			row := d.Decode(nil, key, value)
			n := 0
			for _, is := range []bool{row.Text != nil, row.Ignored, row.Refused != ""} {
				if is {
					n++
				}
			}
			if n != 1 {
				t.Fatalf("%+v", row)
			}
			if row.Text != nil && jsonrecords.Valid(row.Text) != nil {
				t.Fatalf("%q becomes %q", value, row.Text)
			}
		}
	})
}
