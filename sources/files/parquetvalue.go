package files

import (
	"fmt"
	"strings"
)

// allowed is true where a plain value stands for something.
func (m *meaning) allowed(x string) string {
	switch {
	case m.kind == meansText:
		return fmt.Sprintf("TRY(decode(%s)) IS NOT NULL", x)
	case m.kind == meansInterval:
		return fmt.Sprintf("greatest(%s, %s) <= 2147483647", little(x, 0, 4), little(x, 4, 4))
	case m.kind == meansInt96:
		return fmt.Sprintf("%s BETWEEN %d AND %d", int96(x), int64(firstMicro), int64(lastMicro))
	case m.kind == meansDecimal:
		most := strings.Repeat("9", m.decimal.precision)
		allowed := fmt.Sprintf("%s BETWEEN -%s AND %[2]s", m.decimal.unscaled(x), most)
		if m.decimal.bytes {
			allowed = fmt.Sprintf("CASE WHEN %s THEN %s ELSE false END", short(x), allowed)
		}
		return allowed
	}
	return fmt.Sprintf("%s BETWEEN %d AND %d", x, m.low, m.high)
}

// value is what a plain value stands for that is allowed.
func (m *meaning) value(x string) string {
	switch m.kind {
	case meansText:
		return fmt.Sprintf("decode(%s)", x)
	case meansDate:
		return fmt.Sprintf("(DATE '1970-01-01' + %s)", x)
	case meansTime:
		return m.time(x)
	case meansTimestamp:
		return m.timestamp(x)
	case meansInt96:
		return fmt.Sprintf("make_timestamp(CAST(%s AS BIGINT))", int96(x))
	case meansInterval:
		return fmt.Sprintf("(to_months(CAST(%s AS INTEGER)) + to_days(CAST(%s AS INTEGER)) + to_milliseconds(%s))", little(x, 0, 4), little(x, 4, 4), little(x, 8, 4))
	case meansDecimal:
		return m.decimal.value(x)
	}
	return fmt.Sprintf("CAST(%s AS %s)", x, m.duck)
}

// time goes through a text, which has all digits.
func (m *meaning) time(x string) string {
	unit, zone := m.unit, ""
	if strings.HasSuffix(m.duck, "ZONE") {
		zone = "+00"
		if unit == 1e9 { // which has no nanoseconds
			x, unit = fmt.Sprintf("(%s // 1000)", x), 1e6
		}
	}
	digits := len(fmt.Sprint(unit)) - 1
	return fmt.Sprintf("CAST(printf('%%02d:%%02d:%%02d.%%0%dd%s', %s // %d, %[3]s // %[5]d %% 60, %[3]s // %[6]d %% 60, %[3]s %% %[6]d) AS %[7]s)",
		digits, zone, x, 3600*unit, 60*unit, unit, m.duck)
}

func (m *meaning) timestamp(x string) string {
	zoned := strings.HasSuffix(m.duck, "ZONE")
	switch {
	case m.unit == 1e3:
		x = fmt.Sprintf("(%s * 1000)", x)
	case m.unit == 1e9 && zoned: // which has no nanoseconds
		x = fmt.Sprintf("(%s // 1000)", x)
	case m.unit == 1e9:
		return fmt.Sprintf("make_timestamp_ns(%s)", x)
	}
	if zoned {
		return fmt.Sprintf("make_timestamptz(%s)", x)
	}
	return fmt.Sprintf("make_timestamp(%s)", x)
}

// little is a number without a sign in some of the bytes of a BLOB, in little endian.
func little(x string, at, bytes int) string {
	digits := make([]string, bytes)
	for i := range digits {
		digits[i] = fmt.Sprintf("substr(hex(%s), %d, 2)", x, 2*(at+bytes-i)-1)
	}
	typ := "BIGINT"
	if bytes == 8 {
		typ = "UBIGINT"
	}
	return fmt.Sprintf("CAST('0x' || %s AS %s)", strings.Join(digits, " || "), typ)
}

// int96 are the microseconds of the nanoseconds of a day, which have a sign, and the number of the day.
func int96(x string) string {
	nanos := fmt.Sprintf("CAST(%s AS HUGEINT)", little(x, 0, 8))
	return fmt.Sprintf("((%s - %d) * %d + (CASE WHEN %s > 9223372036854775807 THEN %[4]s - 18446744073709551616 ELSE %[4]s END) // 1000)",
		"CAST("+little(x, 8, 4)+" AS HUGEINT)", julianEpoch, int64(secondsOfDay*1e6), nanos)
}

// unscaled is the number without its decimal point.
func (d decimalShape) unscaled(x string) string {
	if !d.bytes {
		return fmt.Sprintf("CAST(%s AS HUGEINT)", x)
	}
	return fmt.Sprintf("CAST(CAST(unhex(right(repeat(%s, %d) || hex(%s), %[2]d)) AS BIT) AS HUGEINT)", signDigit(x), 2*int128Bytes, x)
}

// signDigit is what the hexadecimal digits of a number continue with to the left.
func signDigit(x string) string {
	return fmt.Sprintf(`CASE WHEN %s >= '\x80'::BLOB THEN 'F' ELSE '0' END`, x)
}

// short says whether a number has 16 bytes at most, but for such digits, which the first of the 16 has to begin with
// too.
func short(x string) string {
	const rest = "right(hex(%[1]s), %[2]d)"
	return fmt.Sprintf("octet_length(%[1]s) > 0 AND (octet_length(%[1]s) <= %[3]d OR left(hex(%[1]s), -%[2]d) = repeat(%[4]s, 2 * octet_length(%[1]s) - %[2]d) AND ("+rest+" >= '8') = (%[4]s = 'F'))",
		x, 2*int128Bytes, int128Bytes, signDigit(x))
}

func (d decimalShape) value(x string) string {
	n := d.unscaled(x)
	text := fmt.Sprintf("lpad(replace(CAST(%s AS VARCHAR), '-', ''), %d, '0')", n, d.precision+1)
	if d.scale > 0 {
		text = fmt.Sprintf("left(%s, %d) || '.' || right(%[1]s, %[3]d)", text, d.precision+1-d.scale, d.scale)
	}
	return fmt.Sprintf("CAST(CASE WHEN %s < 0 THEN '-' ELSE '' END || %s AS DECIMAL(%d,%d))", n, text, d.precision, d.scale)
}
