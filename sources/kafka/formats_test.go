package kafka

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/confluent"
	"github.com/lakeflow/lakeflow/sources/records"
)

// fakeRegistry answers as a schema registry does.
type fakeRegistry struct {
	*httptest.Server
	mu      sync.Mutex
	schemas map[string]map[string]any // by path
	asked   int
	auth    string
}

func newFakeRegistry(t *testing.T) *fakeRegistry {
	r := &fakeRegistry{schemas: map[string]map[string]any{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asked++
		r.auth = req.Header.Get("Authorization")
		s := r.schemas[req.URL.Path]
		if s == nil {
			w.WriteHeader(http.StatusNotFound)
			s = map[string]any{"error_code": 40403, "message": "Schema not found"}
		}
		_ = json.NewEncoder(w).Encode(s)
	}))
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		r.Close()
	})
	return r
}

func (r *fakeRegistry) set(id int, kind, schema string, refs ...map[string]any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.schemas[fmt.Sprintf("/schemas/ids/%d", id)] = map[string]any{"schema": schema, "schemaType": kind, "references": refs}
}

// wire puts the registry's header before a value.
func wire(id int, index []byte, value []byte) []byte {
	return append(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), index...), value...)
}

const everyAvro = `{"type":"record","name":"R","namespace":"x.y","fields":[
	{"name":"b","type":"boolean"},{"name":"i","type":"int"},{"name":"l","type":"long"},{"name":"f","type":"float"},{"name":"d","type":"double"},
	{"name":"s","type":"string"},{"name":"y","type":"bytes"},{"name":"fx","type":{"type":"fixed","name":"F","size":2}},{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},
	{"name":"dec","type":{"type":"bytes","logicalType":"decimal","precision":38,"scale":4}},
	{"name":"date","type":{"type":"int","logicalType":"date"}},{"name":"tm","type":{"type":"long","logicalType":"time-micros"}},
	{"name":"ms","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"us","type":{"type":"long","logicalType":"timestamp-micros"}},
	{"name":"lus","type":{"type":"long","logicalType":"local-timestamp-micros"}},{"name":"ns","type":{"type":"long","logicalType":"timestamp-nanos"}},
	{"name":"u","type":{"type":"string","logicalType":"uuid"}},
	{"name":"n","type":["null","string"]},{"name":"un","type":["null","int","string"]},
	{"name":"a","type":{"type":"array","items":["null","long"]}},{"name":"m","type":{"type":"map","values":"double"}},
	{"name":"r","type":{"type":"record","name":"Inner","fields":[{"name":"k","type":"string"},{"name":"y","type":{"type":"array","items":{"type":"map","values":["null","bytes"]}}},{"name":"dec","type":["null",{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}]}]}},
	{"name":"again","type":["null","Inner"]},{"name":"node","type":["null",{"type":"record","name":"Node","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","x.y.Node"]}]}]}]}`

func rat(s string) *big.Rat { r, _ := new(big.Rat).SetString(s); return r }

func everyAvroValue() map[string]any {
	at := time.Date(2024, 5, 1, 12, 30, 15, 123456789, time.UTC)
	return map[string]any{"b": true, "i": int32(-2147483648), "l": int64(9223372036854775807), "f": float32(0.1), "d": 1e-300, "s": "é\"\n\x00", "y": []byte{0, '\\', 'a', 255}, "fx": []byte{1, 2}, "e": "B",
		"dec": rat("-1234567890123456789012345678901234.5678"), "date": time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), "tm": 13*time.Hour + time.Microsecond, "ms": at, "us": at, "lus": at, "ns": at,
		"u": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "n": nil, "un": "x", "a": []any{int64(1), nil, int64(-9223372036854775808)}, "m": map[string]any{"k": 0.5},
		"r": map[string]any{"k": "q", "y": []any{map[string]any{"z": []byte{255}}, map[string]any{"n": nil}}, "dec": rat("0.10")}, "again": map[string]any{"k": "w", "y": []any{}, "dec": nil}, "node": map[string]any{"v": int32(1), "next": map[string]any{"v": int32(2), "next": nil}}}
}

const everyAvroRow = `true | -2147483648 | 9223372036854775807 | 0.1 | 1e-300 | 00 5C 61 FF | 0102 | B | -1234567890123456789012345678901234.5678 | 1969-12-31 | 13:00:00.000001 | 2024-05-01 12:30:15.123+00 | 2024-05-01 12:30:15.123456+00 | 2024-05-01 12:30:15.123456 | 1714566615123456789 | 6ba7b810-9dad-11d1-80b4-00c04fd430c8 | <nil> | x | [1, NULL, -9223372036854775808] | {k=0.5} | {'k': q, 'y': [{z=\xFF}, {n=NULL}], 'dec': 0.10} | {'k': w, 'y': [], 'dec': NULL} | {'v': 1, 'next': '{"v":2,"next":null}'}`

const everyAvroColumns = `b, i, l, f::VARCHAR, d::VARCHAR, regexp_replace(hex(y), '(..)(..)(..)(..)', '\1 \2 \3 \4'), hex(fx), e, dec::VARCHAR, date::VARCHAR, tm::VARCHAR, ms::VARCHAR, us::VARCHAR, lus::VARCHAR, ns, u::VARCHAR, n, un, a::VARCHAR, m::VARCHAR, r::VARCHAR, again::VARCHAR, node::VARCHAR`

// TestAvro decodes every Avro type without a loss, with the registry's header and with a declared schema.
func TestAvro(t *testing.T) {
	b, reg := newBed(t, 1), newFakeRegistry(t)
	reg.set(7, "", everyAvro)
	value, err := avro.MustParse(everyAvro).Encode(everyAvroValue())
	if err != nil {
		t.Fatal(err)
	}
	b.put(&kgo.Record{Value: wire(7, nil, value)}, &kgo.Record{Value: wire(7, nil, value[:20])}, &kgo.Record{Value: wire(8, nil, value)}, &kgo.Record{Value: []byte("x")}, &kgo.Record{}, &kgo.Record{Value: wire(7, nil, append(value, 0))})
	b.put(&kgo.Record{Value: wire(8, nil, value)})
	batch := b.next(b.source(func(c *Config) {
		c.Value.Format, c.Registry = "avro", confluent.Registry{URL: reg.URL, Username: "u", Password: "p"}
	}))
	b.check("rows", b.rows(batch, everyAvroColumns+", _metadata.offset"), everyAvroRow+" | 0\n"+strings.Repeat("<nil> | ", 23)+"4")
	b.check("text", b.rows(batch, `s = E'é"\n' || chr(0), _metadata.offset`), "true | 0\n<nil> | 4")
	if len(strings.Split(b.rejects(batch, "reason"), "\n")) != 5 || batch.RejectCount != 5 {
		t.Errorf("rejects: %s", b.rejects(batch, "reason"))
	}
	rejects := b.rejects(batch, `"offset", octet_length(raw), regexp_replace(reason, ': .*', '')`)
	b.check("rejects", rejects, fmt.Sprintf("1 | 25 | the value can't be decoded as avro\n2 | %d | the value has the schema id 8, which the registry does not have\n3 | 1 | the value does not begin with the registry's zero byte and schema id\n5 | %d | the value can't be decoded as avro\n6 | %d | the value has the schema id 8, which the registry does not have", len(value)+5, len(value)+6, len(value)+5))
	if reg.asked != 2 || !strings.HasPrefix(reg.auth, "Basic ") {
		t.Errorf("the registry was asked %d times, with %q", reg.asked, reg.auth)
	}

	b = newBed(t, 1)
	soe, err := avro.MustParse(everyAvro).AppendSingleObject(nil, everyAvroValue())
	if err != nil {
		t.Fatal(err)
	}
	b.put(&kgo.Record{Value: value}, &kgo.Record{Value: soe})
	batch = b.next(b.source(func(c *Config) { c.Value = records.Format{Format: "avro", Schema: everyAvro} }))
	b.check("declared", b.rows(batch, everyAvroColumns), everyAvroRow+"\n"+everyAvroRow)
}

// TestAvroEvolution reads records of three versions of a schema by every mode.
func TestAvroEvolution(t *testing.T) {
	versions := []string{`{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`,
		`{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":["null","string"]}]}`,
		`{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":"b","type":["null","string"]}]}`}
	for _, c := range []struct {
		mode                   sources.Evolution
		rows, columns, refused string
		notices                int
	}{
		{sources.AddNewColumns, "1 | <nil>\n2 | x\n9007199254740993 | y", `"a" BIGINT, "b" VARCHAR`, "", 1},
		{sources.AddAndRescue, "1 | <nil> | <nil>\n2 | x | <nil>\n9007199254740993 | y | <nil>", `"a" BIGINT, "b" VARCHAR, "_rescued_data" VARCHAR`, "", 1},
		{sources.None, "1\n2", `"a" INTEGER`, "", 0},
		{sources.Rescue, "1 | <nil>\n2 | {\"b\":\"x\",\"_topic\":\"TOPIC\",\"_partition\":0,\"_offset\":1}\n<nil> | {\"b\":\"y\",\"a\":9007199254740993,\"_topic\":\"TOPIC\",\"_partition\":0,\"_offset\":2}", `"a" INTEGER, "_rescued_data" VARCHAR`, "", 0},
		{sources.Fail, "", "", `schema 2 of the registry has the column "b"`, 0},
	} {
		t.Run(string(c.mode), func(t *testing.T) {
			b, reg := newBed(t, 1), newFakeRegistry(t)
			s := b.source(func(cfg *Config) {
				cfg.Value.Format, cfg.Registry.URL, cfg.Evolution = "avro", reg.URL, c.mode
			})
			put := func(version int, v map[string]any) {
				reg.set(version, "AVRO", versions[version-1])
				value, err := avro.MustParse(versions[version-1]).Encode(v)
				if err != nil {
					t.Fatal(err)
				}
				b.put(&kgo.Record{Value: wire(version, nil, value)})
			}
			put(1, map[string]any{"a": int32(1)})
			batch := b.next(s)
			got := b.rows(batch, "* EXCLUDE (_metadata, __lakeflow_place, __lakeflow_partition, __lakeflow_position)")
			b.pos = batch.Position
			put(2, map[string]any{"a": int32(2), "b": "x"})
			put(3, map[string]any{"a": int64(9007199254740993), "b": "y"})
			s = b.source(func(cfg *Config) {
				cfg.Value.Format, cfg.Registry.URL, cfg.Evolution = "avro", reg.URL, c.mode
			})
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
			if c.mode.Adds() {
				got += " | <nil>"
			}
			got += "\n" + b.rows(batch, "* EXCLUDE (_metadata, __lakeflow_place, __lakeflow_partition, __lakeflow_position)")
			lines := strings.Split(strings.ReplaceAll(got, b.topic, "TOPIC"), "\n")
			b.check("rows", strings.Join(lines, "\n"), c.rows)
			b.check("columns", batch.Columns.SQLColumns(), c.columns)
			if len(batch.Notices) != c.notices {
				t.Errorf("notices %+v", batch.Notices)
			}
		})
	}
}

// TestAvroReferences reads a schema that needs others of the registry.
func TestAvroReferences(t *testing.T) {
	b, reg := newBed(t, 1), newFakeRegistry(t)
	money := `{"type":"record","name":"Money","namespace":"x","fields":[{"name":"cents","type":"long"}]}`
	order := `{"type":"record","name":"Order","namespace":"x","fields":[{"name":"price","type":"x.Money"}]}`
	reg.schemas["/subjects/money/versions/3"] = map[string]any{"subject": "money", "version": 3, "id": 1, "schema": money}
	reg.set(2, "AVRO", order, map[string]any{"name": "x.Money", "subject": "money", "version": 3})
	b.put(&kgo.Record{Value: wire(2, nil, []byte{14})})
	batch := b.next(b.source(func(c *Config) { c.Value.Format, c.Registry.URL = "avro", reg.URL }))
	b.check("rows", b.rows(batch, "price.cents"), "7")
}

// TestRegistryAway fails while the registry does, and goes on afterwards. No record becomes a reject.
func TestRegistryAway(t *testing.T) {
	b, reg := newBed(t, 1), newFakeRegistry(t)
	var broken sync.Once
	up := make(chan struct{})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-up:
			reg.Config.Handler.ServeHTTP(w, req)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer front.Close()
	reg.set(1, "AVRO", `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`)
	b.put(&kgo.Record{Value: wire(1, nil, []byte{2})})
	s := b.source(func(c *Config) { c.Value.Format, c.Registry.URL = "avro", front.URL })
	for range 2 {
		if batch, err := s.Next(t.Context(), b.session, nil, nil); err == nil || !strings.Contains(err.Error(), "ask the schema registry") {
			t.Fatalf("batch %+v, error %v", batch, err)
		}
	}
	broken.Do(func() { close(up) })
	batch := b.next(s)
	b.check("rows", b.rows(batch, "a"), "1")
	if batch.RejectCount != 0 {
		t.Errorf("rejects: %s", b.rejects(batch, "reason"))
	}
}

const everyProto = `syntax = "proto3";
package x;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "money.proto";
message Other { string s = 1; }
message Every {
  bool b = 1; int32 i = 2; int64 l = 3; uint32 u = 4; uint64 ul = 5; sint64 sl = 6; fixed64 fl = 7; float f = 8; double d = 9; string s = 10; bytes y = 11;
  enum Color { RED = 0; BLUE = 1; } Color e = 12; repeated int64 a = 13; map<int32, string> m = 14; google.protobuf.Timestamp ts = 15; google.protobuf.Int64Value w = 16;
  optional int32 o = 17; oneof which { string p = 18; int32 q = 19; } Money money = 20; Every again = 21; message Inner { int32 k = 1; } repeated Inner inner = 22; google.protobuf.StringValue none = 23;
}`

// TestProtobuf decodes every Protobuf type without a loss.
func TestProtobuf(t *testing.T) {
	money := `syntax = "proto3"; message Money { int64 cents = 1; }`
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"every.proto": everyProto, "money.proto": money})})}
	files, err := compiler.Compile(t.Context(), "every.proto")
	if err != nil {
		t.Fatal(err)
	}
	msg := dynamicpb.NewMessage(files[0].Messages().ByName("Every"))
	text := `{"b":true,"i":-2147483648,"l":"9223372036854775807","u":4294967295,"ul":"18446744073709551615","sl":"-9223372036854775808","fl":"18446744073709551614","f":0.1,"d":"Infinity","s":"é","y":"AP8=",
		"e":1,"a":["1","2"],"m":{"-5":"five"},"ts":"2024-05-01T12:30:15.123456Z","w":"0","o":0,"q":3,"money":{"cents":"7"},"again":{"i":1},"inner":[{"k":1},{}]}`
	if err := protojson.Unmarshal([]byte(text), msg); err != nil {
		t.Fatal(err)
	}
	value, err := proto.Marshal(msg)
	if err != nil {
		t.Fatal(err)
	}
	b, reg := newBed(t, 1), newFakeRegistry(t)
	reg.schemas["/subjects/money/versions/1"] = map[string]any{"subject": "money", "version": 1, "id": 1, "schemaType": "PROTOBUF", "schema": money}
	reg.set(9, "PROTOBUF", everyProto, map[string]any{"name": "money.proto", "subject": "money", "version": 1})
	index := []byte{2, 2} // one index, 1: zigzag
	b.put(&kgo.Record{Value: wire(9, index, value)}, &kgo.Record{Value: wire(9, index, []byte{8})}, &kgo.Record{Value: wire(9, []byte{2, 20}, value)}, &kgo.Record{Value: wire(9, index, nil)})
	batch := b.next(b.source(func(c *Config) { c.Value.Format, c.Registry.URL = "protobuf", reg.URL }))
	columns := `b, i, l, u, ul::VARCHAR, sl, fl::VARCHAR, f::VARCHAR, d::VARCHAR, s, hex(y), e, a::VARCHAR, m::VARCHAR, ts::VARCHAR, w, o, p, q, money::VARCHAR, again, "inner"::VARCHAR, none, _metadata.offset`
	b.check("rows", b.rows(batch, columns), `false | 0 | 0 | 0 | 0 | 0 | 0 | 0.0 | 0.0 |  |  | RED | [] | {} | <nil> | <nil> | <nil> | <nil> | <nil> | <nil> | <nil> | [] | <nil> | 3
true | -2147483648 | 9223372036854775807 | 4294967295 | 18446744073709551615 | -9223372036854775808 | 18446744073709551614 | 0.1 | inf | é | 00FF | BLUE | [1, 2] | {-5=five} | 2024-05-01 12:30:15.123456+00 | 0 | 0 | <nil> | 3 | {'cents': 7} | {"b":false,"i":1,"l":0,"u":0,"ul":0,"sl":0,"fl":0,"f":0,"d":0,"s":"","y":"\\x","e":"RED","a":[],"m":{},"inner":[]} | [{'k': 1}, {'k': 0}] | <nil> | 0`)
	b.check("types", batch.Columns.SQLColumns(), `"b" BOOLEAN, "i" INTEGER, "l" BIGINT, "u" BIGINT, "ul" DECIMAL(20,0), "sl" BIGINT, "fl" DECIMAL(20,0), "f" FLOAT, "d" DOUBLE, "s" VARCHAR, "y" BLOB, "e" VARCHAR, "a" BIGINT[], "m" MAP(INTEGER, VARCHAR), "ts" TIMESTAMP WITH TIME ZONE, "w" BIGINT, "o" INTEGER, "p" VARCHAR, "q" INTEGER, "money" STRUCT(cents BIGINT), "again" VARCHAR, "inner" STRUCT(k INTEGER)[], "none" VARCHAR`)
	b.check("rejects", b.rejects(batch, `"offset", regexp_replace(reason, ': .*', '')`), "1 | the value can't be decoded as protobuf\n2 | the value has the message index [10], which its schema lacks")
}
