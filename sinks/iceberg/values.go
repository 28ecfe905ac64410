package iceberg

import (
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/iceberg-go"
)

// value reads DuckDB's text of a value of an Iceberg type. Blobs are read as DuckDB's statistics spell them, in hex.
func value(t iceberg.Type, text string) (iceberg.Literal, error) {
	switch t.(type) {
	case iceberg.BooleanType:
		switch text {
		case "1", "true":
			return iceberg.BoolLiteral(true), nil
		case "0", "false":
			return iceberg.BoolLiteral(false), nil
		}
	case iceberg.DateType:
		days, err := date(text)
		return iceberg.DateLiteral(days), err
	case iceberg.TimeType:
		micros, err := clock(text)
		return iceberg.TimeLiteral(micros), err
	case iceberg.TimestampType, iceberg.TimestampTzType:
		micros, err := timestamp(text)
		return iceberg.TimestampLiteral(micros), err
	case iceberg.BinaryType:
		b, err := hex.DecodeString(text)
		return iceberg.BinaryLiteral(b), err
	case iceberg.StringType:
		if utf8.ValidString(text) {
			return iceberg.StringLiteral(text), nil
		}
	case iceberg.Int32Type:
		n, err := strconv.ParseInt(text, 10, 32)
		return iceberg.Int32Literal(n), err
	case iceberg.Int64Type, iceberg.Float32Type, iceberg.Float64Type, iceberg.UUIDType, iceberg.DecimalType:
		return iceberg.StringLiteral(text).To(t)
	}
	return nil, fmt.Errorf("%q is no value of %s", text, t)
}

// date reads DuckDB's text of a DATE as days since 1970: 2024-05-06, 294247-01-10, 0044-03-15 (BC), infinity.
func date(text string) (int32, error) {
	switch text {
	case "infinity":
		return math.MaxInt32, nil
	case "-infinity":
		return -math.MaxInt32, nil
	}
	seconds, rest, err := day(text)
	if err != nil || rest != "" {
		return 0, fmt.Errorf("%q is no date", text)
	}
	return int32(seconds / 86400), nil
}

// day reads a date at the beginning of text and returns its first second, and the rest.
func day(text string) (seconds int64, rest string, err error) {
	year, rest, _ := strings.Cut(text, "-")
	y, err1 := strconv.Atoi(year)
	if len(rest) < 5 || rest[2] != '-' {
		return 0, "", errors.New("no date")
	}
	m, err2 := strconv.Atoi(rest[:2])
	d, err3 := strconv.Atoi(rest[3:5])
	if err := errors.Join(err1, err2, err3); err != nil {
		return 0, "", err
	}
	rest = rest[5:]
	if after, bc := strings.CutPrefix(rest, " (BC)"); bc {
		y, rest = 1-y, after
	}
	return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC).Unix(), rest, nil
}

// clock reads DuckDB's text of a TIME as microseconds.
func clock(text string) (int64, error) {
	if text == "24:00:00" { // DuckDB's end of the day, which time.Parse does not know
		return 86400_000_000, nil
	}
	t, err := time.Parse("15:04:05.999999", text)
	if err != nil {
		return 0, err
	}
	return t.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)).Microseconds(), nil
}

// timestamp reads DuckDB's text of a TIMESTAMP, or of a TIMESTAMP WITH TIME ZONE in UTC, as microseconds. Other zones
// are refused: DuckDB leaves out the seconds that old offsets have.
func timestamp(text string) (int64, error) {
	switch text {
	case "infinity":
		return math.MaxInt64, nil
	case "-infinity":
		return -math.MaxInt64, nil
	}
	seconds, rest, err := day(text)
	if err != nil || len(rest) < 9 || rest[0] != ' ' {
		return 0, fmt.Errorf("%q is no timestamp", text)
	}
	rest = strings.TrimSuffix(rest[1:], "+00")
	micros, err := clock(rest)
	if err != nil {
		return 0, fmt.Errorf("%q is no timestamp: %w", text, err)
	}
	return seconds*1_000_000 + micros, nil
}

// boundLength is how much of a text or blob goes into a bound: Iceberg's default, in code points or bytes.
const boundLength = 16

// lowerBound and upperBound turn a statistic into Iceberg's bytes of a bound. They return nil where there is no bound
// to be had: a missing bound costs a reader time, a wrong one costs rows.
func lowerBound(t iceberg.Type, text string) []byte {
	switch t.(type) {
	case iceberg.StringType:
		if !utf8.ValidString(text) {
			return nil
		}
		return []byte(text[:codePoints(text, boundLength)])
	case iceberg.BinaryType:
		b, err := hex.DecodeString(text)
		if err != nil {
			return nil
		}
		return append([]byte{}, b[:min(len(b), boundLength)]...)
	case iceberg.Float32Type, iceberg.Float64Type:
		text = signedZero(text, "-0")
	}
	return encode(t, text)
}

func upperBound(t iceberg.Type, text string) []byte {
	switch t.(type) {
	case iceberg.StringType:
		if !utf8.ValidString(text) {
			return nil
		}
		n := codePoints(text, boundLength)
		if n == len(text) {
			return []byte(text)
		}
		return nextText([]rune(text[:n]))
	case iceberg.BinaryType:
		b, err := hex.DecodeString(text)
		if err != nil {
			return nil
		}
		if len(b) <= boundLength {
			return append([]byte{}, b...)
		}
		return nextBytes(append([]byte{}, b[:boundLength]...))
	case iceberg.Float32Type, iceberg.Float64Type:
		text = signedZero(text, "0")
	}
	return encode(t, text)
}

func encode(t iceberg.Type, text string) []byte {
	v, err := value(t, text)
	if err != nil {
		return nil
	}
	m, ok := v.(encoding.BinaryMarshaler)
	if !ok {
		return nil
	}
	b, err := m.MarshalBinary()
	if err != nil {
		return nil
	}
	return b
}

// signedZero replaces a zero: Parquet writers do not tell -0 from 0, and Iceberg's order has -0 first.
func signedZero(text, zero string) string {
	if f, err := strconv.ParseFloat(text, 64); err == nil && f == 0 {
		return zero
	}
	return text
}

// codePoints returns the length in bytes of the first n code points.
func codePoints(text string, n int) int {
	for i := range text {
		if n == 0 {
			return i
		}
		n--
	}
	return len(text)
}

// nextText returns the smallest text that is above everything that begins with prefix, nil when there is none.
func nextText(prefix []rune) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		next := prefix[i] + 1
		if next == 0xD800 { // surrogates are no code points
			next = 0xE000
		}
		if next <= utf8.MaxRune {
			return []byte(string(append(prefix[:i:i], next)))
		}
	}
	return nil
}

// nextBytes is nextText for bytes; it changes prefix.
func nextBytes(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			prefix[i]++
			return prefix[:i+1]
		}
	}
	return nil
}
