package files

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	parquetmeta "github.com/parquet-go/parquet-go/format"
)

// meaning is what the plain values of a leaf of a Parquet file stand for, where not all of them stand for something.
// DuckDB takes most of the others for something all the same, or fails, or ends the process when it writes them.
type meaning struct {
	duck string // DuckDB's type
	noun string // for messages: a value "is not " this
	kind meaningKind
	// low and high bound the values of INT32 and INT64.
	low, high int64
	unit      int64 // of times: how many a second has
	decimal   decimalShape
	variant   bool // it is part of a VARIANT
}

type decimalShape struct {
	precision, scale int
	bytes            bool // in big endian; otherwise it is an INT32 or INT64
}

type meaningKind int

const (
	meansWhole meaningKind = iota
	meansText
	meansDate
	meansTime
	meansTimestamp
	meansInt96
	meansInterval
	meansDecimal
	meansVariant // days and times are in it
)

// What DuckDB has. Days are counted from 1970-01-01; the first of the microseconds is the first midnight.
const (
	firstDay, lastDay       = -2147483646, 2147483646
	firstMicro, lastMicro   = -9223372022400000000, math.MaxInt64 - 1
	firstNano, lastNano     = -9223286400000000000, math.MaxInt64 - 1
	secondsOfDay            = 24 * 60 * 60
	julianEpoch             = 2440588 // 1970-01-01
	int96Bytes, int128Bytes = 12, 16
)

// meaningOf is nil where every value stands for something, or where DuckDB reads the plain values anyway.
func meaningOf(e parquetmeta.SchemaElement) *meaning {
	physical := e.Type.V
	switch logical := e.LogicalType.Value.(type) {
	case *parquetmeta.TimestampType:
		return timestampOf(physical, unitOf(logical.Unit), logical.IsAdjustedToUTC)
	case *parquetmeta.TimeType:
		return timeOf(physical, unitOf(logical.Unit), logical.IsAdjustedToUTC)
	case *parquetmeta.UUIDType, *parquetmeta.Float16Type, *parquetmeta.GeometryType, *parquetmeta.GeographyType:
		return nil
	}
	if physical == parquetmeta.Int96 {
		return &meaning{duck: "TIMESTAMP", noun: "a time between the years -290307 and 294247", kind: meansInt96}
	}
	if !e.ConvertedType.Valid {
		return nil
	}
	bytes := physical == parquetmeta.ByteArray || physical == parquetmeta.FixedLenByteArray
	switch c := e.ConvertedType.V; {
	case bytes && (c == deprecated.UTF8 || c == deprecated.Enum || c == deprecated.Json):
		return &meaning{duck: "VARCHAR", noun: "UTF-8", kind: meansText}
	case c == deprecated.Interval && physical == parquetmeta.FixedLenByteArray && e.TypeLength.V == int96Bytes:
		return &meaning{duck: "INTERVAL", noun: "an interval of at most 2147483647 months and days", kind: meansInterval}
	case c == deprecated.Decimal:
		return decimalOf(e)
	case c == deprecated.TimestampMillis || c == deprecated.TimestampMicros:
		return timestampOf(physical, map[bool]int64{true: 1e3, false: 1e6}[c == deprecated.TimestampMillis], false)
	case c == deprecated.TimeMillis || c == deprecated.TimeMicros:
		return timeOf(physical, map[bool]int64{true: 1e3, false: 1e6}[c == deprecated.TimeMillis], false)
	case physical != parquetmeta.Int32:
		return nil
	case c == deprecated.Date:
		return &meaning{duck: "DATE", noun: "a day between the years -5877641 and 5881580", kind: meansDate, low: firstDay, high: lastDay}
	case c == deprecated.Int8:
		return wholeOf("TINYINT", math.MinInt8, math.MaxInt8)
	case c == deprecated.Int16:
		return wholeOf("SMALLINT", math.MinInt16, math.MaxInt16)
	case c == deprecated.Uint8:
		return wholeOf("UTINYINT", 0, math.MaxUint8)
	case c == deprecated.Uint16:
		return wholeOf("USMALLINT", 0, math.MaxUint16)
	}
	return nil
}

func wholeOf(duck string, low, high int64) *meaning {
	return &meaning{duck: duck, noun: fmt.Sprintf("between %d and %d, as the file says of the column", low, high), kind: meansWhole, low: low, high: high}
}

// unitOf is how many of a unit a second has.
func unitOf(u parquetmeta.TimeUnit) int64 {
	switch u.Value.(type) {
	case *parquetmeta.MilliSeconds:
		return 1e3
	case *parquetmeta.MicroSeconds:
		return 1e6
	}
	return 1e9
}

func timestampOf(physical parquetmeta.Type, unit int64, utc bool) *meaning {
	if physical != parquetmeta.Int64 {
		return nil
	}
	m := &meaning{duck: "TIMESTAMP", noun: "a time between the years -290307 and 294247", kind: meansTimestamp, low: firstMicro, high: lastMicro, unit: unit}
	switch {
	case unit == 1e3:
		m.low, m.high = firstMicro/1000, lastMicro/1000
	case unit == 1e9:
		m.duck, m.noun, m.low, m.high = "TIMESTAMP_NS", "a time between the years 1677 and 2262", firstNano, lastNano
	}
	if utc {
		m.duck = "TIMESTAMP WITH TIME ZONE"
	}
	return m
}

func timeOf(physical parquetmeta.Type, unit int64, utc bool) *meaning {
	if (unit == 1e3) != (physical == parquetmeta.Int32) || unit != 1e3 && physical != parquetmeta.Int64 {
		return nil
	}
	m := &meaning{duck: "TIME", noun: "a time of the day", kind: meansTime, high: secondsOfDay * unit, unit: unit}
	switch {
	case utc:
		m.duck = "TIME WITH TIME ZONE"
	case unit == 1e9:
		m.duck = "TIME_NS"
	}
	return m
}

func decimalOf(e parquetmeta.SchemaElement) *meaning {
	d := decimalShape{precision: int(e.Precision.V), scale: int(e.Scale.V), bytes: e.Type.V == parquetmeta.ByteArray || e.Type.V == parquetmeta.FixedLenByteArray}
	if d.precision < 1 || d.precision > decimalDigits || d.scale > d.precision {
		return nil // DuckDB refuses it
	}
	m := &meaning{duck: fmt.Sprintf("DECIMAL(%d,%d)", d.precision, d.scale), noun: fmt.Sprintf("a DECIMAL(%d,%d)", d.precision, d.scale), kind: meansDecimal, decimal: d,
		low: math.MinInt64, high: math.MaxInt64}
	if d.precision < bigintDigits {
		m.high = int64(math.Pow10(d.precision)) - 1
		m.low = -m.high
	}
	switch e.Type.V {
	case parquetmeta.Int32, parquetmeta.Int64, parquetmeta.ByteArray, parquetmeta.FixedLenByteArray:
		return m
	}
	return nil
}

// allows says whether a plain value, in little endian where it is a number, stands for something.
func (m *meaning) allows(plain []byte) bool {
	switch {
	case m.kind == meansInterval:
		return len(plain) == int96Bytes && int32(binary.LittleEndian.Uint32(plain)) >= 0 && int32(binary.LittleEndian.Uint32(plain[4:])) >= 0
	case m.kind == meansInt96:
		return len(plain) == int96Bytes && int96Micros(plain) != nil
	case m.kind == meansDecimal:
		return m.decimal.allows(plain)
	case m.kind == meansVariant:
		return variantMeans(plain)
	case m.kind == meansText:
		return true // DuckDB says so when it is none
	case len(plain) == 4:
		return m.within(int64(int32(binary.LittleEndian.Uint32(plain))))
	}
	return len(plain) == 8 && m.within(int64(binary.LittleEndian.Uint64(plain)))
}

func (m *meaning) within(n int64) bool { return n >= m.low && n <= m.high }

// int96Micros are the microseconds of an INT96, or nil when there are too many.
func int96Micros(plain []byte) *big.Int {
	day := big.NewInt(int64(binary.LittleEndian.Uint32(plain[8:])) - julianEpoch)
	nanos := int64(binary.LittleEndian.Uint64(plain))
	micros := day.Mul(day, big.NewInt(secondsOfDay*1e6))
	micros.Add(micros, big.NewInt(nanos/1000))
	if !micros.IsInt64() || micros.Int64() < firstMicro || micros.Int64() > lastMicro {
		return nil
	}
	return micros
}

// allows says whether the bytes, in big endian, are a number of so many digits.
func (d decimalShape) allows(plain []byte) bool {
	if len(plain) == 0 {
		return false
	}
	n := new(big.Int).SetBytes(plain)
	if plain[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(plain))))
	}
	return n.CmpAbs(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(d.precision)), nil)) < 0
}

// allowsValue is allows for what parquet-go has read.
func (m *meaning) allowsValue(v parquet.Value) bool {
	switch v.Kind() {
	case parquet.Int32:
		return m.within(int64(v.Int32()))
	case parquet.Int64:
		return m.within(v.Int64())
	case parquet.Int96:
		n := v.Int96()
		var plain [int96Bytes]byte
		for i, word := range n {
			binary.LittleEndian.PutUint32(plain[4*i:], word)
		}
		return m.allows(plain[:])
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return m.allows(v.ByteArray())
	}
	return true
}
