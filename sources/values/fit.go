package values

import (
	"bytes"
	"fmt"

	"github.com/lakeflow/lakeflow/schemas"
)

// Fits is a quick look at the text of a CSV field, the content of a JSON string or a JSON number: true says that it becomes a t as it
// is written. False says only that it may not: Lossy and a cast in SQL decide, always those of nested types.
func Fits(b []byte, t schemas.Type) bool {
	switch t.Kind {
	case schemas.BigInt:
		return isWhole(b, bigintDigits)
	case schemas.Integer:
		return isWhole(b, 9)
	case schemas.Decimal:
		n := readNumber(b)
		return n.ok && n.exponent == 0 && n.places <= t.Scale && n.digits-n.places <= t.Precision-t.Scale && !bytes.ContainsAny(b, "eE")
	case schemas.Double:
		n := readNumber(b)
		return n.ok && n.digits <= exactDigits && n.exponent > -mostExponent && n.exponent < mostExponent
	case schemas.Float:
		n := readNumber(b)
		return n.ok && n.digits <= 6 && n.exponent > -30 && n.exponent < 30
	case schemas.Boolean:
		return string(b) == "true" || string(b) == "false"
	case schemas.Date:
		return momentOf(b) == date
	case schemas.Timestamp:
		k := momentOf(b)
		return k == timestamp || k == date
	case schemas.TimestampTZ:
		k := momentOf(b)
		return k == zoned || k == timestamp
	case schemas.Time:
		rest, ok := readTime(b)
		return ok && len(rest) == 0
	case schemas.UUID:
		return isUUID(b)
	case schemas.Blob:
		return bytes.IndexByte(b, '\\') < 0
	}
	return t.Kind == schemas.Varchar
}

// isWhole says whether the text is a whole number of at most so many digits, without zeros in front.
func isWhole(b []byte, most int) bool {
	if len(b) > 0 && b[0] == '-' {
		b = b[1:]
		if len(b) == 1 && b[0] == '0' {
			return false
		}
	}
	if len(b) == 0 || len(b) > most || b[0] == '0' && len(b) > 1 {
		return false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// isUUID knows the form that tables give back.
func isUUID(b []byte) bool {
	if len(b) != 36 {
		return false
	}
	for i, c := range b {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && !isDigit(c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Lossy is an SQL expression over the text v, a VARCHAR expression of a CSV field, a JSON string's content or a JSON number: it is true when v does not
// become a t, or does only with a change: rounded, cut, moved, or without its zeros in front. It is false for NULL. Spaces around the text do not count, but in a
// VARCHAR. A text of a nested type is what DuckDB reads of it, when that has the same text but for quotes and spaces.
func Lossy(v string, t schemas.Type) string {
	return fmt.Sprintf("coalesce(%s IS NOT NULL AND %s, true)", v, lossy(v, t))
}

func lossy(v string, t schemas.Type) string {
	misfit := fmt.Sprintf("TRY_CAST(%s AS %s) IS NULL", v, t)
	const form = "-?(0|[1-9][0-9]*)"
	trimmed := "trim(" + v + ")"
	double := func(x string) string { return fmt.Sprintf("TRY_CAST(%s AS DOUBLE)", x) }
	// Numbers of so few digits are equal when they are as DOUBLE, but for those that are so small that DOUBLE makes 0 of them.
	exponent := fmt.Sprintf("(NOT regexp_full_match(%[1]s, '%[2]s(\\.[0-9]*)?[eE][+-]?[0-9]+') OR %[3]s > %[4]d OR %[3]s > 0 AND %[5]s = 0 OR %[5]s <> CAST(TRY_CAST(%[6]s AS %[7]s) AS DOUBLE))",
		trimmed, form, significant(trimmed), exactDigits, double(v), v, t)
	switch t.Kind {
	case schemas.Varchar:
		return misfit
	case schemas.Struct, schemas.List, schemas.Map:
		return fmt.Sprintf("(%s OR %s <> %s)", misfit, bare(fmt.Sprintf("CAST(TRY_CAST(%s AS %s) AS VARCHAR)", v, t)), bare(v))
	case schemas.BigInt, schemas.Integer:
		return fmt.Sprintf("(%s OR NOT regexp_full_match(%s, '%s(\\.0*)?') AND %s)", misfit, trimmed, form, exponent)
	case schemas.Decimal:
		below := "0+" // the digits of .5
		if t.Scale > 0 {
			below = fmt.Sprintf("[0-9]{1,%d}0*", t.Scale)
		}
		return fmt.Sprintf("(%s OR NOT regexp_full_match(%s, '%s(\\.[0-9]{0,%d}0*)?|-?\\.%s') AND %s)", misfit, trimmed, form, t.Scale, below, exponent)
	case schemas.Double:
		return "(" + misfit + " OR " + inexact(trimmed, "DOUBLE", doubleDigits) + ")"
	case schemas.Float:
		return "(" + misfit + " OR " + inexact(trimmed, "FLOAT", 9) + ")"
	case schemas.Boolean:
		return fmt.Sprintf("(%s OR NOT regexp_full_match(lower(%s), 'true|false|t|f|yes|no|y|n|1|0'))", misfit, trimmed)
	case schemas.Date:
		return fmt.Sprintf("(%s OR %s OR coalesce(TRY_CAST(%s AS TIMESTAMPTZ) <> TRY(CAST(TRY_CAST(%s AS DATE) AS TIMESTAMPTZ)), false))", misfit, undated(trimmed), v, v)
	case schemas.Timestamp:
		return fmt.Sprintf("(%s OR %s OR coalesce(TRY_CAST(%s AS TIMESTAMPTZ) <> TRY(CAST(TRY_CAST(%s AS TIMESTAMP) AS TIMESTAMPTZ)), false) OR %s)",
			misfit, undated(trimmed), v, v, nanoseconds(v))
	case schemas.TimestampTZ:
		return "(" + misfit + " OR " + undated(trimmed) + " OR " + nanoseconds(v) + ")"
	case schemas.Time:
		return fmt.Sprintf("(%s OR %s OR regexp_matches(%s, '[-+]'))", misfit, nanoseconds(v), v)
	case schemas.UUID:
		return fmt.Sprintf("(%s OR lower(%s) <> CAST(TRY_CAST(%s AS UUID) AS VARCHAR))", misfit, trimmed, v)
	}
	return misfit
}

// undated is true for a text that does not begin with a date of three numbers: DuckDB takes words such as epoch, too.
func undated(v string) string {
	return fmt.Sprintf(`NOT regexp_full_match(%s, '[0-9]{4,6}[-/][0-9]{1,2}[-/][0-9]{1,2}([T ][0-9].*)?')`, v)
}

// bare is the text of a nested value without what may be written in one way or another.
func bare(v string) string {
	return fmt.Sprintf(`replace(regexp_replace(lower(%s), '[ "'']', '', 'g'), '=', ':')`, v)
}

// nanoseconds is true for a text with more than six digits behind the point that are not zeros.
func nanoseconds(v string) string {
	return fmt.Sprintf("regexp_matches(%s, '\\.[0-9]{6}[0-9]*[1-9]')", v)
}

// inexact is true for a text that is no number, one that the type does not hold exactly where it is whole, or one of more digits where it is a fraction.
func inexact(v, typ string, digits int) string {
	cast := fmt.Sprintf("TRY_CAST(%s AS %s)", v, typ)
	return fmt.Sprintf(`CASE WHEN regexp_full_match(%[1]s, '-?(0|[1-9][0-9]*)(\.0*)?')
		THEN coalesce(TRY_CAST(%[2]s AS DECIMAL(38,0)) <> TRY_CAST(%[1]s AS DECIMAL(38,0)), %[3]s > %[4]d)
		WHEN regexp_full_match(%[1]s, '-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?')
		THEN %[3]s > %[4]d OR isinf(%[2]s) OR %[2]s = 0 AND %[3]s > 0
		ELSE NOT regexp_full_match(lower(%[1]s), '[-+]?(nan|inf|infinity)') END`, v, cast, significant(v), digits)
}

// significant is how many digits the text of a number has, without zeros in front and at the end.
func significant(v string) string {
	const zeros = `'^-?[0.]*|[eE].*$|\.'`
	return fmt.Sprintf("length(rtrim(regexp_replace(%s, %s, '', 'g'), '0'))", v, zeros)
}
