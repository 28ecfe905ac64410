package kafka

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/avro"

	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks"
	"github.com/lakeflow/lakeflow/sources/confluent"
)

var everyColumn = []string{"b BOOLEAN", "i INTEGER", "l BIGINT", "f FLOAT", "d DOUBLE", "m DECIMAL(12,2)", "big DECIMAL(38,9)", "day DATE", "at TIME", "ts TIMESTAMP",
	"tz TIMESTAMP WITH TIME ZONE", "s VARCHAR", "y BLOB", "u UUID", "r STRUCT(a INTEGER, ts TIMESTAMP, in_ STRUCT(y BLOB))", "n STRUCT(a INTEGER, \"B c\" VARCHAR)[]",
	"ls TIMESTAMP WITH TIME ZONE[]", "mp MAP(VARCHAR, DOUBLE)", "mk MAP(DATE, DECIMAL(5,2))", "ll BIGINT[][]"}

// everyRow has values of all types, everyEdge the ends of their ranges.
const (
	everyRow = `SELECT true, 42::INTEGER, 9007199254740993, 0.1::FLOAT, 0.1::DOUBLE, 12.50::DECIMAL(12,2), 12345678901234567890123456789.123456789::DECIMAL(38,9), DATE '2024-02-29', TIME '12:30:15.25',
		TIMESTAMP '2024-05-01 12:30:15.25', TIMESTAMPTZ '2024-05-01 12:30:15.123456+02:00', chr(0) || 'é"' || chr(10) || '\', '\x00\xFFa'::BLOB, '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::UUID,
		{a: 1, ts: TIMESTAMP '2024-05-01 00:00:00', in_: {y: 'k'::BLOB}}, [{a: 1, "B c": 'x'}, NULL], [TIMESTAMPTZ '2024-05-01 00:00:00+00', NULL], MAP {'k "1"': 0.5::DOUBLE, 'n': NULL},
		MAP {DATE '2024-02-29': 1.5::DECIMAL(5,2)}, [[1], [], NULL, [2, NULL]]`
	everyEdge = `SELECT false, (-2147483648)::INTEGER, 9223372036854775807, 'nan'::FLOAT, '-inf'::DOUBLE, (-9999999999.99)::DECIMAL(12,2), (-0.000000001)::DECIMAL(38,9), DATE '1969-12-31', TIME '00:00:00',
		TIMESTAMP '1969-12-31 23:59:59.999999', TIMESTAMPTZ '0001-01-01 00:00:00+00', '', ''::BLOB, '00000000-0000-0000-0000-000000000000'::UUID,
		{a: NULL::INTEGER, ts: NULL::TIMESTAMP, in_: NULL::STRUCT(y BLOB)}, []::STRUCT(a INTEGER, "B c" VARCHAR)[], []::TIMESTAMPTZ[], MAP {'inf': 'inf'::DOUBLE, 'nan': 'nan'::DOUBLE}, MAP {}::MAP(DATE, DECIMAL(5,2)), []::BIGINT[][]`
)

func everyType() sinks.Publication {
	names := make([]string, len(everyColumn))
	casts := make([]string, len(everyColumn))
	nulls := make([]string, len(everyColumn))
	for i, c := range everyColumn {
		name, typ, _ := strings.Cut(c, " ")
		names[i], nulls[i] = quote.Name(name), "NULL"
		casts[i] = "CAST(" + names[i] + " AS " + typ + ") AS " + names[i]
	}
	query := "SELECT " + strings.Join(casts, ", ") + " FROM (" + everyRow + " UNION ALL " + everyEdge + " UNION ALL SELECT " + strings.Join(nulls, ", ") + ") AS t(" + strings.Join(names, ", ") + ")"
	return publication(7, 3, query, everyColumn...)
}

const everyJSON = `{"b":false,"i":-2147483648,"l":9223372036854775807,"f":"NaN","d":"-Infinity","m":-9999999999.99,"big":-0.000000001,"day":"1969-12-31","at":"00:00:00","ts":"1969-12-31T23:59:59.999999","tz":"0001-01-01T00:00:00Z","s":"","y":"","u":"00000000-0000-0000-0000-000000000000","r":{"a":null,"ts":null,"in_":null},"n":[],"ls":[],"mp":{"inf":"Infinity","nan":"NaN"},"mk":{},"ll":[]}
{"b":null,"i":null,"l":null,"f":null,"d":null,"m":null,"big":null,"day":null,"at":null,"ts":null,"tz":null,"s":null,"y":null,"u":null,"r":null,"n":null,"ls":null,"mp":null,"mk":null,"ll":null}
{"b":true,"i":42,"l":9007199254740993,"f":0.1,"d":0.1,"m":12.5,"big":12345678901234567890123456789.123456789,"day":"2024-02-29","at":"12:30:15.25","ts":"2024-05-01T12:30:15.25","tz":"2024-05-01T10:30:15.123456Z","s":"\u0000é\"\n\\","y":"AP9h","u":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","r":{"a":1,"ts":"2024-05-01T00:00:00","in_":{"y":"aw=="}},"n":[{"a":1,"B c":"x"},null],"ls":["2024-05-01T00:00:00Z",null],"mp":{"k \"1\"":0.5,"n":null},"mk":{"2024-02-29":1.5},"ll":[[1],[],null,[2,null]]}`

// TestJSONValues publishes every type. The expected values are written by hand.
func TestJSONValues(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		b.publish(b.begun(0, nil), everyType())
		b.check("values", strings.Join(b.values(), "\n"), everyJSON)
		for _, r := range b.records() {
			if len(r.Headers) != 1 || r.Headers[0].Key != "lakeflow.commit" || string(r.Headers[0].Value) != "7" || r.Key != nil {
				t.Errorf("key %q, headers %v", r.Key, r.Headers)
			}
		}
	})
}

// TestKeys makes keys of one column and of several.
func TestKeys(t *testing.T) {
	query := `SELECT * FROM (VALUES (1, 'plain', TIMESTAMP '2024-05-01 12:00:00', 'a'::BLOB, 1.50::DECIMAL(9,2), {x: 1}), (2, 'q"\' || chr(10) || 'é', NULL, NULL, NULL, NULL), (3, NULL, NULL, NULL, NULL, NULL), (4, '', NULL, NULL, NULL, NULL)) AS t(id, s, ts, y, m, r)`
	columns := []string{"id INTEGER", "s VARCHAR", "ts TIMESTAMP", "y BLOB", "m DECIMAL(9,2)", "r STRUCT(x INTEGER)"}
	for _, c := range []struct {
		key  []string
		want string // by id
	}{
		{[]string{"s"}, "\"plain\" \"q\\\"\\\\\\né\" nil \"\""},
		{[]string{"id"}, `"1" "2" "3" "4"`},
		{[]string{"ts"}, `"2024-05-01T12:00:00" nil nil nil`},
		{[]string{"y"}, `"YQ==" nil nil nil`},
		{[]string{"m"}, `"1.50" nil nil nil`},
		{[]string{"R"}, `"{\"x\":1}" nil nil nil`},
		{[]string{"s", "ts"}, `"{\"s\":\"plain\",\"ts\":\"2024-05-01T12:00:00\"}" "{\"s\":\"q\\\"\\\\\\né\",\"ts\":null}" nil "{\"s\":\"\",\"ts\":null}"`},
	} {
		t.Run(strings.Join(c.key, "+"), func(t *testing.T) {
			b := newBed(t, 1)
			b.publish(b.begun(0, func(cfg *Config) { cfg.Key = c.key }), publication(1, 4, query, columns...))
			keys := make([]string, 4)
			for _, r := range b.records() {
				var row struct{ ID int }
				if err := json.Unmarshal(r.Value, &row); err != nil {
					t.Fatalf("%s: %v", r.Value, err)
				}
				if keys[row.ID-1] = fmt.Sprintf("%q", r.Key); r.Key == nil {
					keys[row.ID-1] = "nil"
				}
			}
			b.check("keys", strings.Join(keys, " "), c.want)
		})
	}
}

// TestRemoved publishes what became of keys: rows, and tombstones for those that are gone, in the order that they are given.
func TestRemoved(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		reg := newFakeRegistry(t)
		states := publication(4, 5, `SELECT * FROM (VALUES (1, 'a', 'x', false), (2, 'null', NULL, true), (1, 'a', NULL, true), (1, 'a', 'null', false), (3, 'c', 'z', false)) AS t(id, "K", v, `+sinks.RemovedColumn+`)`,
			"id INTEGER", "K VARCHAR", "v VARCHAR")
		states.Key = []string{"id", "k"}
		b.publish(b.begun(0, func(c *Config) { c.Key = []string{"v"} }), states) // that of the publication counts
		states.At.Commit = 5
		b.publish(b.begun(4, avroSink(reg)), states)
		schema := avro.MustParse(reg.schemas[0])
		got := map[string][]string{}
		for _, r := range b.records() {
			value := string(r.Value)
			switch {
			case r.Value == nil:
				value = "tombstone"
			case string(r.Headers[0].Value) == "5":
				var row map[string]any
				if _, err := schema.Decode(r.Value[5:], &row); err != nil || len(row) != 3 {
					t.Fatal(err, row)
				}
				value = fmt.Sprintf("%v %v %v", row["id"], row["K"], row["v"])
			}
			got[string(r.Key)] = append(got[string(r.Key)], value)
		}
		want := map[string][]string{
			`{"id":1,"k":"a"}`:    {`{"id":1,"K":"a","v":"x"}`, "tombstone", `{"id":1,"K":"a","v":"null"}`, "1 a x", "tombstone", "1 a null"},
			`{"id":2,"k":"null"}`: {"tombstone", "tombstone"},
			`{"id":3,"k":"c"}`:    {`{"id":3,"K":"c","v":"z"}`, "3 c z"},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	})
}

// TestPartitions expects the partitions that Java's producer chooses: these are murmur2's hashes of the keys, as the
// Java client's own tests have them.
func TestPartitions(t *testing.T) {
	known := map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107}
	onBrokers(t, func(t *testing.T, b *bed) {
		var rows []string
		for key := range known {
			rows = append(rows, "('"+key+"')")
		}
		b.publish(b.begun(0, func(c *Config) { c.Key = []string{"k"} }), publication(1, int64(len(rows)), "SELECT * FROM (VALUES "+strings.Join(rows, ", ")+") AS t(k)", "k VARCHAR"))
		for _, r := range b.records() {
			if want := (known[string(r.Key)] & math.MaxInt32) % 3; r.Partition != want {
				t.Errorf("%s is in partition %d, want %d", r.Key, r.Partition, want)
			}
		}
	})
}

// fakeRegistry takes schemas as a registry does, and numbers them from 7.
type fakeRegistry struct {
	*httptest.Server
	mu       sync.Mutex
	schemas  []string
	subjects []string
	refuse   int // a status to answer with
}

func newFakeRegistry(t testing.TB) *fakeRegistry {
	r := &fakeRegistry{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		body, _ := io.ReadAll(req.Body)
		var given struct{ Schema string }
		if r.refuse != 0 || req.Method != http.MethodPost || json.Unmarshal(body, &given) != nil {
			w.WriteHeader(max(r.refuse, http.StatusBadRequest))
			_ = json.NewEncoder(w).Encode(map[string]any{"error_code": r.refuse, "message": "refused"})
			return
		}
		r.schemas, r.subjects = append(r.schemas, given.Schema), append(r.subjects, req.URL.Path)
		_ = json.NewEncoder(w).Encode(map[string]any{"id": 6 + len(r.schemas)})
	}))
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		r.Close()
	})
	return r
}

func avroSink(reg *fakeRegistry) func(*Config) {
	return func(c *Config) { c.Format, c.Registry = "avro", confluent.Registry{URL: reg.URL} }
}

// TestAvroValues publishes every type as Avro, and decodes it with the schema that was registered. The expected values
// are written by hand.
func TestAvroValues(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		reg := newFakeRegistry(t)
		s := b.begun(0, func(c *Config) { avroSink(reg)(c); c.Key = []string{"i"} })
		p := everyType()
		p.Query = strings.ReplaceAll(p.Query, `"B c"`, "B_c")
		p.Columns[15].Type.Elem.Fields[1].Name = "B_c"
		b.publish(s, p)
		p.At.Commit = 8
		b.publish(s, p)
		if len(reg.schemas) != 1 || reg.subjects[0] != "/subjects/"+b.topic+"-value/versions" {
			t.Fatalf("registered %d schemas: %v", len(reg.schemas), reg.subjects)
		}
		schema, err := avro.Parse(reg.schemas[0])
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]any{}
		for _, r := range b.records() {
			if len(r.Value) < 5 || r.Value[0] != 0 || binary.BigEndian.Uint32(r.Value[1:]) != 7 {
				t.Fatalf("no header of the registry: %x", r.Value)
			}
			var v any
			if rest, err := schema.Decode(r.Value[5:], &v); err != nil || len(rest) > 0 {
				t.Fatal(err, rest)
			}
			got[string(r.Key)] = v
		}
		rats := cmp.Transformer("rat", func(r *big.Rat) string { return r.FloatString(9) })
		nans := cmp.Transformer("nan", func(f float64) string { return fmt.Sprint(f) })
		if d := cmp.Diff(everyAvro, got, rats, nans, cmp.Transformer("nan32", func(f float32) string { return fmt.Sprint(f) })); d != "" {
			t.Errorf("values differ (-want +got):\n%s", d)
		}
	})
}

func rat(s string) *big.Rat { r, _ := new(big.Rat).SetString(s); return r }

var everyAvro = map[string]any{
	"42": map[string]any{"b": true, "i": int32(42), "l": int64(9007199254740993), "f": float32(0.1), "d": 0.1, "m": rat("12.5"), "big": rat("12345678901234567890123456789.123456789"),
		"day": time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), "at": 12*time.Hour + 30*time.Minute + 15250*time.Millisecond, "ts": time.Date(2024, 5, 1, 12, 30, 15, 250_000_000, time.UTC),
		"tz": time.Date(2024, 5, 1, 10, 30, 15, 123_456_000, time.UTC), "s": "\x00é\"\n\\", "y": []byte{0, 255, 'a'}, "u": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
		"r": map[string]any{"a": int32(1), "ts": time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC), "in_": map[string]any{"y": []byte("k")}}, "n": []any{map[string]any{"a": int32(1), "B_c": "x"}, nil},
		"ls": []any{time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC), nil}, "mp": map[string]any{`k "1"`: 0.5, "n": nil}, "mk": map[string]any{"2024-02-29": rat("1.5")},
		"ll": []any{[]any{int64(1)}, []any{}, nil, []any{int64(2), nil}}},
	"-2147483648": map[string]any{"b": false, "i": int32(math.MinInt32), "l": int64(math.MaxInt64), "f": float32(math.NaN()), "d": math.Inf(-1), "m": rat("-9999999999.99"), "big": rat("-0.000000001"),
		"day": time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), "at": time.Duration(0), "ts": time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC), "tz": time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
		"s": "", "y": []byte{}, "u": "00000000-0000-0000-0000-000000000000", "r": map[string]any{"a": nil, "ts": nil, "in_": nil}, "n": []any{}, "ls": []any{},
		"mp": map[string]any{"inf": math.Inf(1), "nan": math.NaN()}, "mk": map[string]any{}, "ll": []any{}},
	"": map[string]any{"b": nil, "i": nil, "l": nil, "f": nil, "d": nil, "m": nil, "big": nil, "day": nil, "at": nil, "ts": nil, "tz": nil, "s": nil, "y": nil, "u": nil, "r": nil, "n": nil, "ls": nil,
		"mp": nil, "mk": nil, "ll": nil},
}

// TestAvroFloats keeps the bits of numbers that are hard to round: the first is another FLOAT when it is read as a
// DOUBLE and rounded then.
func TestAvroFloats(t *testing.T) {
	floats := []float32{7.038531e-26, math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.Copysign(0, -1))}
	doubles := []float64{math.MaxFloat64, math.SmallestNonzeroFloat64, 2.2250738585072011e-308, 9007199254740993}
	var rows []string
	for i := range floats {
		rows = append(rows, fmt.Sprintf("(%d, '%v'::FLOAT, '%v'::DOUBLE)", i, floats[i], doubles[i]))
	}
	b, reg := newBed(t, 1), newFakeRegistry(t)
	b.publish(b.begun(0, avroSink(reg)), publication(1, int64(len(rows)), "SELECT * FROM (VALUES "+strings.Join(rows, ", ")+") AS t(i, f, d)", "i INTEGER", "f FLOAT", "d DOUBLE"))
	schema := avro.MustParse(reg.schemas[0])
	for _, r := range b.records() {
		var row struct {
			I int     `avro:"i"`
			F float32 `avro:"f"`
			D float64 `avro:"d"`
		}
		if _, err := schema.Decode(r.Value[5:], &row); err != nil {
			t.Fatal(err)
		}
		if math.Float32bits(row.F) != math.Float32bits(floats[row.I]) || math.Float64bits(row.D) != math.Float64bits(doubles[row.I]) {
			t.Errorf("row %d: %v %v, want %v %v", row.I, row.F, row.D, floats[row.I], doubles[row.I])
		}
	}
}

// TestAvroErrors names what a registry refuses, and columns that make no Avro.
func TestAvroErrors(t *testing.T) {
	b, reg := newBed(t, 1), newFakeRegistry(t)
	s := b.begun(0, avroSink(reg))
	odd := publication(1, 1, `SELECT 1 AS "a b"`, "x INTEGER")
	odd.Columns[0].Name = "a b"
	if err := s.Publish(t.Context(), b.conn, odd); err == nil || !strings.Contains(err.Error(), "letters, digits and _") {
		t.Errorf("error %v", err)
	}
	for status, want := range map[int]string{http.StatusConflict: "compatibility", http.StatusUnauthorized: "refused (401); write username and password", http.StatusForbidden: "refused (403); write username",
		http.StatusNotFound: "correct url under schema_registry", http.StatusServiceUnavailable: "refused (503)"} {
		reg.refuse = status
		b.begin(s, 0)
		err := s.Publish(t.Context(), b.conn, numbers(1, 0, 1))
		if err == nil || !strings.Contains(err.Error(), want) || unavailable(err) != (status == http.StatusServiceUnavailable) {
			t.Errorf("%d: %v", status, err)
		}
	}
	reg.refuse = 0
	b.begin(s, 0)
	b.publish(s, numbers(1, 0, 1))
}

// TestLines cuts lines of every length at block ends.
func TestLines(t *testing.T) {
	b := newBed(t, 1)
	s := b.begun(0, func(c *Config) { c.Key = []string{"k"} })
	b.publish(s, publication(1, 400, "SELECT i AS k, repeat('x', CASE WHEN i % 100 = 0 THEN 900000 ELSE i::INTEGER * 37 END) AS v FROM range(400) AS t(i)", "k BIGINT", "v VARCHAR"))
	seen := map[string]bool{}
	for _, r := range b.records() {
		var row struct {
			K int
			V string
		}
		if err := json.Unmarshal(r.Value, &row); err != nil {
			t.Fatal(err)
		}
		want := row.K * 37
		if row.K%100 == 0 {
			want = 900000
		}
		if seen[string(r.Key)] = true; len(row.V) != want || string(r.Key) != fmt.Sprint(row.K) {
			t.Errorf("row %d has %d bytes, want %d", row.K, len(row.V), want)
		}
	}
	if len(seen) != 400 {
		t.Errorf("%d rows", len(seen))
	}
}

func TestDivide(t *testing.T) {
	for line, want := range map[string][2]string{
		`{"k":"a","v":{"x":1}}`: {"a", `{"x":1}`}, `{"k":"","v":{}}`: {"", "{}"}, `{"k":"\"\\\u0000","v":{"k":"y"}}`: {"\"\\\x00", `{"k":"y"}`}, `{"k":"\",\"v\":","v":{}}`: {`","v":`, "{}"},
	} {
		key, value, err := divide([]byte(line))
		if err != nil || string(key) != want[0] || string(value) != want[1] || key == nil {
			t.Errorf("%s: %q %q %v", line, key, value, err)
		}
	}
	for _, line := range []string{"", "{}", `{"k":"a`, `{"k":"a\`, `{"k":1,"v":2}`, `{"k":"a","w":1}`} {
		if _, _, err := divide([]byte(line)); err == nil {
			t.Errorf("%s is taken", line)
		}
	}
}
