package files

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/sources"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	parquetmeta "github.com/parquet-go/parquet-go/format"
)

// plainFile writes a Parquet file with the columns i and v: 1, 2, … and plain values, which nobody looks at.
func plainFile(t *testing.T, node parquet.Node, values []parquet.Value) string {
	t.Helper()
	var out bytes.Buffer
	w := parquet.NewWriter(&out, parquet.NewSchema("root", parquet.Group{"i": parquet.Int(64), "v": node}))
	for i, v := range values {
		if _, err := w.WriteRows([]parquet.Row{{parquet.Int64Value(int64(i+1)).Level(0, 0, 0), v.Level(v.RepetitionLevel(), v.DefinitionLevel(), 1)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// refooted is a Parquet file with another footer.
func refooted(t *testing.T, content string, change func(meta *parquetmeta.FileMetaData)) string {
	t.Helper()
	path := t.TempDir() + "/a.parquet"
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	meta, _, err := readFooter(path)
	if err != nil {
		t.Fatal(err)
	}
	change(meta)
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), meta)
	if err != nil {
		t.Fatal(err)
	}
	return content + string(binary.LittleEndian.AppendUint32(footer, uint32(len(footer)))) + "PAR1"
}

func withoutStatistics(meta *parquetmeta.FileMetaData) {
	for _, g := range meta.RowGroups {
		for i := range g.Columns {
			g.Columns[i].MetaData.Statistics = parquetmeta.Statistics{}
		}
	}
}

func int64s(values ...int64) (out []parquet.Value) {
	for _, v := range values {
		out = append(out, parquet.Int64Value(v))
	}
	return out
}

func int32s(values ...int32) (out []parquet.Value) {
	for _, v := range values {
		out = append(out, parquet.Int32Value(v))
	}
	return out
}

func fixed(values ...string) (out []parquet.Value) {
	for _, v := range values {
		out = append(out, parquet.FixedLenByteArrayValue([]byte(v)))
	}
	return out
}

func byteArrays(values ...string) (out []parquet.Value) {
	for _, v := range values {
		out = append(out, parquet.ByteArrayValue([]byte(v)))
	}
	return out
}

// strayCase is plain values of a column, and what becomes of each: its text, or - for a dead letter.
type strayCase struct {
	name   string
	node   parquet.Node
	values []parquet.Value
	want   string
	change func(e *parquetmeta.SchemaElement)
}

func strayCases() []strayCase {
	ends64 := int64s(math.MinInt64, math.MinInt64+1, math.MaxInt64, math.MaxInt64-1, 0)
	ends32 := int32s(math.MinInt32, math.MinInt32+1, math.MaxInt32, math.MaxInt32-1, 0)
	month := func(m, d, ms uint32) string {
		return string(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, m), d), ms))
	}
	int96 := func(day uint32, nanos int64) parquet.Value {
		return parquet.Int96Value(deprecated.Int96{uint32(nanos), uint32(uint64(nanos) >> 32), day})
	}
	return []strayCase{
		{name: "time us", want: "- | - | - | - | 24:00:00 | 23:59:59.999999 | - | - | - | - | 00:00:00",
			node: parquet.Time(parquet.Microsecond), values: append(int64s(1<<62, -1<<62, -1, 86400000001, 86400000000, 86399999999), ends64...)},
		{name: "time ms", want: "- | - | 24:00:00 | 23:59:59.999 | - | - | - | - | 00:00:00",
			node: parquet.Time(parquet.Millisecond), values: append(int32s(-1, 86400001, 86400000, 86399999), ends32...)},
		{name: "time ns", want: "- | - | - | - | 24:00:00 | 23:59:59.999999 | - | - | - | - | 00:00:00",
			node: parquet.Time(parquet.Nanosecond), values: append(int64s(1<<62, -1<<62, -1, 86400000000001, 86400000000000, 86399999999999), ends64...)},
		{name: "timestamp us", want: "290309-12-22 (BC) 00:00:00+00 | - | - | - | - | 294247-01-10 04:00:54.776806+00 | 1970-01-01 00:00:00+00",
			node: parquet.Timestamp(parquet.Microsecond), values: append(int64s(firstMicro, firstMicro-1), ends64...)},
		{name: "timestamp ms", want: "290309-12-22 (BC) 00:00:00+00 | - | 294247-01-10 04:00:54.776+00 | - | - | - | - | - | 1970-01-01 00:00:00+00",
			node: parquet.Timestamp(parquet.Millisecond), values: append(int64s(firstMicro/1000, firstMicro/1000-1, lastMicro/1000, lastMicro/1000+1), ends64...)},
		{name: "timestamp ns", want: "1677-09-22 00:00:00+00 | - | - | - | - | 2262-04-11 23:47:16.854775+00 | 1970-01-01 00:00:00+00",
			node: parquet.Timestamp(parquet.Nanosecond), values: append(int64s(firstNano, firstNano-1), ends64...)},
		{name: "local timestamp us", want: "290309-12-22 (BC) 00:00:00 | - | - | - | - | 294247-01-10 04:00:54.775806 | 1970-01-01 00:00:00",
			node: parquet.TimestampAdjusted(parquet.Microsecond, false), values: append(int64s(firstMicro, firstMicro-1), ends64...)},
		{name: "local timestamp ms", want: "290309-12-22 (BC) 00:00:00 | - | 294247-01-10 04:00:54.775 | - | - | - | - | - | 1970-01-01 00:00:00",
			node: parquet.TimestampAdjusted(parquet.Millisecond, false), values: append(int64s(firstMicro/1000, firstMicro/1000-1, lastMicro/1000, lastMicro/1000+1), ends64...)},
		{name: "local timestamp ns", want: "1677-09-22 00:00:00 | - | - | - | - | 2262-04-11 23:47:16.854775 | 1970-01-01 00:00:00",
			node: parquet.TimestampAdjusted(parquet.Nanosecond, false), values: append(int64s(firstNano, firstNano-1), ends64...)},
		{name: "local time us", want: "- | - | - | - | 24:00:00 | 23:59:59.999999 | - | - | - | - | 00:00:00",
			node: parquet.TimeAdjusted(parquet.Microsecond, false), values: append(int64s(1<<62, -1<<62, -1, 86400000001, 86400000000, 86399999999), ends64...)},
		{name: "local time ns", want: "- | - | - | - | 24:00:00 | 23:59:59.999999 | - | - | - | - | 00:00:00",
			node: parquet.TimeAdjusted(parquet.Nanosecond, false), values: append(int64s(1<<62, -1<<62, -1, 86400000000001, 86400000000000, 86399999999999), ends64...)},
		{name: "date", want: "- | 5877642-06-26 (BC) | - | - | - | 5881580-07-10 | 1970-01-01",
			node: parquet.Date(), values: append(int32s(firstDay-1, firstDay+1), ends32...)},
		{name: "int96", want: "1970-01-01 00:00:00.000001 | 1969-12-31 23:59:59.999999 | 4714-11-24 (BC) 00:00:00 | - | - | 294247-01-10 04:00:54.775806 | - | 2262-04-11 23:47:16.854775 | 1677-09-21 00:12:43.145225",
			node: parquet.Leaf(parquet.Int96Type), values: []parquet.Value{int96(julianEpoch, 1000), int96(julianEpoch, -1000), int96(0, 0), int96(math.MaxUint32, 0), int96(math.MaxInt32, 0),
				int96(julianEpoch+106751991, 14454775806000), int96(julianEpoch+106751991, 14454775807000), int96(julianEpoch, math.MaxInt64), int96(julianEpoch, math.MinInt64)}},
		{name: "int8", want: "127 | - | -128 | - | - | - | - | - | - | 0",
			node: parquet.Int(8), values: append(int32s(127, 128, -128, -129, 256), ends32...)},
		{name: "int16", want: "32767 | - | -32768 | - | - | - | - | - | - | 0",
			node: parquet.Int(16), values: append(int32s(32767, 32768, -32768, -32769, 65536), ends32...)},
		{name: "uint8", want: "255 | - | - | - | - | - | - | 0",
			node: parquet.Uint(8), values: append(int32s(255, 256, -1), ends32...)},
		{name: "uint16", want: "65535 | - | - | - | - | - | - | 0",
			node: parquet.Uint(16), values: append(int32s(65535, 65536, -1), ends32...)},
		{name: "uint32", want: "4294967295 | 2147483648 | 2147483649 | 2147483647 | 2147483646 | 0",
			node: parquet.Uint(32), values: append(int32s(-1), ends32...)},
		{name: "uint64", want: "18446744073709551615 | 9223372036854775808 | 9223372036854775809 | 9223372036854775807 | 9223372036854775806 | 0",
			node: parquet.Uint(64), values: append(int64s(-1), ends64...)},
		{name: "decimal int32", want: "999.99 | - | -999.99 | - | 0.05 | -0.05 | - | - | - | - | 0.00",
			node: parquet.Decimal(2, 5, parquet.Int32Type), values: append(int32s(99999, 100000, -99999, -100000, 5, -5), ends32...)},
		{name: "decimal int64", want: "9999999999999999.99 | - | -0.05 | - | - | - | - | 0.00",
			node: parquet.Decimal(2, 18, parquet.Int64Type), values: append(int64s(999999999999999999, 1000000000000000000, -5), ends64...)},
		{name: "decimal fixed", want: "9.999 | - | -0.001 | -9.999 | - | - | -",
			node: parquet.Decimal(3, 4, parquet.FixedLenByteArrayType(3)), values: fixed("\x00\x27\x0f", "\x00\x27\x10", "\xff\xff\xff", "\xff\xd8\xf1", "\xff\xd8\xf0", "\x7f\xff\xff", "\x80\x00\x00")},
		{name: "decimal 16", want: "- | - | -1 | 1329227995784915872903807060280344575",
			node: parquet.Decimal(0, 38, parquet.FixedLenByteArrayType(16)), values: fixed("\x7f"+strings.Repeat("\xff", 15), "\x80"+strings.Repeat("\x00", 15), strings.Repeat("\xff", 16), "\x00"+strings.Repeat("\xff", 15))},
		{name: "decimal 20", want: "-1 | 7 | - | -5",
			node: parquet.Decimal(0, 38, parquet.FixedLenByteArrayType(20)), values: fixed(strings.Repeat("\xff", 20), strings.Repeat("\x00", 19)+"\x07", "\x01"+strings.Repeat("\x00", 19), strings.Repeat("\xff", 19)+"\xfb")},
		{name: "decimal bytes", want: "0.5 | -0.1 | 999.9 | - | 0.5 | 0.5 | -",
			node: parquet.Decimal(1, 4, parquet.ByteArrayType), values: byteArrays("\x05", "\xff", "\x27\x0f", "\x27\x10", "\x00\x00\x00\x05", strings.Repeat("\x00", 20)+"\x05", "")},
		{name: "float16", want: "inf | -inf | -nan | -0.0 | 5.9604645e-08",
			node: parquet.Leaf(parquet.FixedLenByteArrayType(2)), values: fixed("\x00\x7c", "\x00\xfc", "\xff\xff", "\x00\x80", "\x01\x00"), change: func(e *parquetmeta.SchemaElement) {
				e.LogicalType.Value = &parquetmeta.Float16Type{}
			}},
		{name: "interval", want: "1 month 2 days 00:00:00.003 | 178956970 years 7 months 2147483647 days 1193:02:47.295 | - | - | 1193:02:47.295",
			node: parquet.Leaf(parquet.FixedLenByteArrayType(12)), values: fixed(month(1, 2, 3), month(math.MaxInt32, math.MaxInt32, math.MaxUint32), month(math.MaxUint32, 0, 0), month(0, math.MaxUint32, 0), month(0, 0, math.MaxUint32)),
			change: func(e *parquetmeta.SchemaElement) { e.ConvertedType = thrift.New(deprecated.Interval) }},
		{name: "uuid", want: "ffffffff-ffff-ffff-ffff-ffffffffffff | 00000000-0000-0000-0000-000000000000",
			node: parquet.UUID(), values: fixed(strings.Repeat("\xff", 16), strings.Repeat("\x00", 16))},
		{name: "text", want: "a | - | é | - | a\x00b | ",
			node: parquet.String(), values: byteArrays("a", "\xff", "é", "\xed\xa0\x80", "a\x00b", "")},
		{name: "json", want: `{"a":1} | - | {`,
			node: parquet.JSON(), values: byteArrays(`{"a":1}`, "\xff", "{")},
		{name: "enum", want: "a | -",
			node: parquet.Enum(), values: byteArrays("a", "\xff")},
		{name: "int32", want: "-2147483648 | -2147483647 | 2147483647 | 2147483646 | 0",
			node: parquet.Leaf(parquet.Int32Type), values: ends32},
		{name: "int64", want: "-9223372036854775808 | -9223372036854775807 | 9223372036854775807 | 9223372036854775806 | 0",
			node: parquet.Leaf(parquet.Int64Type), values: ends64},
		{name: "double", want: "inf | nan | -0.0 | 5e-324",
			node: parquet.Leaf(parquet.DoubleType), values: []parquet.Value{parquet.DoubleValue(math.Inf(1)), parquet.DoubleValue(math.NaN()), parquet.DoubleValue(math.Copysign(0, -1)), parquet.DoubleValue(5e-324)}},
		{name: "millis converted", want: "- | - | - | - | 1970-01-01 00:00:00",
			node: parquet.Leaf(parquet.Int64Type), values: ends64, change: func(e *parquetmeta.SchemaElement) { e.ConvertedType = thrift.New(deprecated.TimestampMillis) }},
		{name: "micros converted", want: "- | - | - | - | 00:00:00",
			node: parquet.Leaf(parquet.Int64Type), values: ends64, change: func(e *parquetmeta.SchemaElement) { e.ConvertedType = thrift.New(deprecated.TimeMicros) }},
	}
}

// TestParquetStrays reads plain values at the ends of what there is, of every type: each is a row with just this value,
// or a dead letter.
func TestParquetStrays(t *testing.T) {
	for _, c := range strayCases() {
		for _, statistics := range []bool{true, false} {
			b := newBed(t)
			content := plainFile(t, c.node, c.values)
			content = refooted(t, content, func(meta *parquetmeta.FileMetaData) {
				if c.change != nil {
					c.change(&meta.Schema[2])
				}
				if !statistics {
					withoutStatistics(meta)
				}
			})
			b.put("a.parquet", content)
			batch := b.next(b.source("parquet", nil))
			b.rows(batch)
			got := b.outcomes(batch, len(c.values))
			if got != c.want {
				t.Errorf("%s, statistics %t: %s\nwant %s\n%s", c.name, statistics, got, c.want, b.rejects(batch))
			}
		}
	}
}

// outcomes are the texts of column v by i, or - where the row is a dead letter of its own.
func (b *bed) outcomes(batch *sources.Batch, n int) string {
	b.t.Helper()
	rejects := "(SELECT NULL AS line, NULL AS whole)"
	if batch.RejectCount > 0 {
		rejects = batch.Rejects
	}
	return strings.TrimSuffix(b.must(fmt.Sprintf("WITH v AS (SELECT i, CAST(v AS VARCHAR) AS v FROM %s UNION ALL SELECT line, '-' FROM %s WHERE NOT whole)"+
		" SELECT string_agg(coalesce(v, CASE WHEN v.i IS NULL THEN '' ELSE 'NULL' END), ' | ' ORDER BY n.i) FROM range(1, %d) AS n(i) LEFT JOIN v ON n.i = v.i", batch.Relation, rejects, n+1)), "\n")
}

// TestParquetStraysNested finds values that stand for nothing inside structs, lists and maps, beside what is in order;
// the sound file beside it is read too.
func TestParquetStraysNested(t *testing.T) {
	text := func(e *parquetmeta.SchemaElement) { e.ConvertedType = thrift.New(deprecated.UTF8) }
	clock := func(e *parquetmeta.SchemaElement) { e.ConvertedType = thrift.New(deprecated.TimeMicros) }
	query := `SELECT i, {'a': t, 'l': [s, 'x'::BLOB]} AS v, MAP{s: t} AS m, [[t], NULL] AS n FROM (VALUES
		(1::BIGINT, 5::BIGINT, 'é'::BLOB), (2, -5, 'b'), (3, 4611686018427387904, '\xFF'), (4, NULL, 'd'), (5, 86400000000, '\xFF')) AS v(i, t, s)`
	for _, mode := range []Evolution{AddNewColumns, Rescue} {
		b := newBed(t)
		b.write("a.parquet", strings.ReplaceAll(query, "'é'", "encode('é')"))
		content, err := os.ReadFile(b.dir + "/a.parquet")
		if err != nil {
			t.Fatal(err)
		}
		b.put("a.parquet", refooted(t, string(content), func(meta *parquetmeta.FileMetaData) {
			withoutStatistics(meta)
			for i := range meta.Schema {
				switch e := &meta.Schema[i]; {
				case e.Type.Valid && e.Type.V == parquetmeta.ByteArray:
					text(e)
				case e.Type.Valid && e.Name != "i":
					clock(e)
				}
			}
		}))
		b.write("b.parquet", "SELECT 6::BIGINT AS i, {'a': TIME '10:00:00', 'l': ['b']} AS v, MAP{'k': TIME '11:00:00'} AS m, [[TIME '12:00:00']] AS n")
		batch := b.next(b.source("parquet", func(c *Config) { c.Evolution = mode }))
		b.rows(batch)
		wantText(t, "types", batch.Columns[:4].SQLColumns(), `"i" BIGINT, "v" STRUCT(a TIME, l VARCHAR[]), "m" MAP(VARCHAR, TIME), "n" TIME[][]`)
		wantText(t, "rows", b.must("SELECT i, v::VARCHAR, m::VARCHAR, n::VARCHAR FROM "+batch.Relation+" ORDER BY i"),
			"1|{'a': '00:00:00.000005', 'l': [é, x]}|{é='00:00:00.000005'}|[['00:00:00.000005'], NULL]\n4|{'a': NULL, 'l': [d, x]}|{d=NULL}|[[NULL], NULL]\n"+
				"6|{'a': '10:00:00', 'l': [b]}|{k='11:00:00'}|[['12:00:00']]\n")
		wantText(t, "rejects", b.must("SELECT line, reason FROM "+batch.Rejects+" ORDER BY ALL"), strings.Join([]string{
			`2|column v: {'a': -5, 'l': [b, x]} has a value that is not a time of the day, or UTF-8; column m: {b=-5} has a value that is not UTF-8, or a time of the day; ` +
				`column n: [[-5], NULL] has a value that is not a time of the day`,
			`3|column v: {'a': 4611686018427387904, 'l': [\xFF, x]} has a value that is not a time of the day, or UTF-8; column m: {\xFF=4611686018427387904} has a value that is not UTF-8, or a time of the day; ` +
				`column n: [[4611686018427387904], NULL] has a value that is not a time of the day`,
			`5|column v: {'a': 86400000000, 'l': [\xFF, x]} has a value that is not a time of the day, or UTF-8; column m: {\xFF=86400000000} has a value that is not UTF-8, or a time of the day`,
		}, "\n")+"\n")
	}
}

// TestParquetVariantStrays sets files aside with values inside a VARIANT that stand for nothing.
func TestParquetVariantStrays(t *testing.T) {
	for _, c := range []struct {
		name  string
		kind  byte
		value uint64
	}{{"time", 17, 1 << 62}, {"time below", 17, 1<<64 - 1<<62}, {"timestamp", 12, 1 << 63}, {"local timestamp", 13, 1 << 63}, {"nanos", 18, 1 << 63}, {"date", 11, 1 << 31}} {
		b := newBed(t)
		value := binary.LittleEndian.AppendUint64([]byte{c.kind << 2}, c.value)
		var out bytes.Buffer
		w := parquet.NewWriter(&out, parquet.NewSchema("root", parquet.Group{"v": parquet.Group{"metadata": parquet.Leaf(parquet.ByteArrayType), "value": parquet.Leaf(parquet.ByteArrayType)}}))
		if _, err := w.WriteRows([]parquet.Row{{parquet.ByteArrayValue([]byte{1, 0, 0}).Level(0, 0, 0), parquet.ByteArrayValue(value).Level(0, 0, 1)}}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		b.put("a.parquet", refooted(t, out.String(), func(meta *parquetmeta.FileMetaData) {
			meta.Schema[1].LogicalType.Value = &parquetmeta.VariantType{SpecificationVersion: 1}
		}))
		b.write("b.parquet", "SELECT 1 AS i")
		batch := b.next(b.source("parquet", nil))
		wantText(t, c.name, b.rows(batch)+notices(batch), "NULL|1\nfile_corrupt a.parquet")
	}
}
