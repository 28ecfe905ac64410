package values

import (
	"bytes"
	"fmt"

	"github.com/lakeflow/lakeflow/schemas"
)

// Fits is a quick look at the text of a CSV field, the content of a JSON string or a JSON number: true says that it
// becomes a t as it is written. False says only that it may not: Lossy and a cast in SQL decide, always those of nested
// types.
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
		return n.ok && n.inDouble()
	case schemas.Float:
		n := readNumber(b)
		return n.ok && n.inFloat()
	case schemas.Boolean:
		return string(b) == "true" || string(b) == "false"
	case schemas.Date:
		return momentOf(b) == date
	case schemas.Timestamp:
		k := momentOf(b)
		return k == timestamp || k == date
	case schemas.TimestampTZ:
		k := momentOf(b)
		return k == timestamp || k == zoned && !withoutSeconds(b)
	case schemas.Time:
		rest, ok := readTime(b)
		return ok && len(rest) == 0
	case schemas.UUID:
		return isUUID(b)
	}
	return t.Kind == schemas.Varchar || t.Kind == schemas.Blob
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

// Cast is an SQL expression of the t that the text v becomes, NULL where it becomes none: a BLOB has the bytes of the
// text. Whether that changes it, Lossy says.
func Cast(v string, t schemas.Type) string {
	switch t.Kind {
	case schemas.Varchar:
		return v
	case schemas.Blob:
		return fmt.Sprintf("encode(%s)", v)
	case schemas.Timestamp, schemas.TimestampTZ:
		return fmt.Sprintf("TRY_CAST(%s AS %s)", momentText(v), t)
	case schemas.Struct, schemas.List, schemas.Map:
		return fmt.Sprintf("TRY(TRY_CAST(%s AS %s))", v, t) // of a key that a MAP has twice it is an error
	}
	return fmt.Sprintf("TRY_CAST(%s AS %s)", v, t)
}

// momentText is the text of a date with a time and an offset, as far as they are there, and NULL of any other text:
// after the name of a zone DuckDB reads the times of other rows in that zone. A time that has an offset gets seconds,
// which DuckDB misses.
func momentText(v string) string {
	const date, time, offset = dateForm, "[T ][0-9]{1,2}:[0-9]{1,2}", "( *(Z|UTC|[-+][0-9:]+))"
	return fmt.Sprintf(`CASE WHEN regexp_full_match(%[1]s, ' *%[2]s(%[3]s(:[0-9]{1,2}(\.[0-9]*)?)?%[4]s?)? *') THEN regexp_replace(%[1]s, '^( *%[2]s%[3]s)(%[4]s *)$', '\1:00\2') END`,
		v, date, time, offset)
}

// Lossy is an SQL expression over the text v, a VARCHAR expression of a CSV field, a JSON string's content or a JSON
// number: it is true when v does not become a t, or does only with a change: rounded, cut, moved, or without its zeros
// in front. It is false for NULL. Spaces around the text do not count, but in a VARCHAR. A text of a nested type is
// what DuckDB reads of it, when that has the same text but for quotes and spaces.
func Lossy(v string, t schemas.Type) string {
	return fmt.Sprintf("coalesce(%s IS NOT NULL AND %s, true)", v, lossy(v, t))
}

func lossy(v string, t schemas.Type) string {
	value := Cast(v, t)
	misfit := value + " IS NULL"
	trimmed := "trim(" + v + ")"
	switch t.Kind {
	case schemas.Varchar, schemas.Blob:
		return misfit
	case schemas.Struct, schemas.List, schemas.Map:
		return fmt.Sprintf("(%s OR %s <> %s)", misfit, bare(fmt.Sprintf("CAST(%s AS VARCHAR)", value)), bare(v))
	case schemas.BigInt, schemas.Integer, schemas.Decimal, schemas.Double, schemas.Float:
		return fmt.Sprintf("(%s OR %s)", misfit, changed(trimmed, t))
	case schemas.Boolean:
		return fmt.Sprintf("(%s OR NOT regexp_full_match(lower(%s), 'true|false|t|f|yes|no|y|n|1|0'))", misfit, trimmed)
	case schemas.Date: // of a time DuckDB reads nothing, whatever it is
		return fmt.Sprintf("(%s OR NOT regexp_full_match(%s, '%s') AND coalesce(%s <> TRY(CAST(%s AS TIMESTAMP)) OR %s, true))", misfit, trimmed, dateForm,
			Cast(v, schemas.Type{Kind: schemas.Timestamp}), value, lossy(v, schemas.Type{Kind: schemas.Timestamp}))
	case schemas.Timestamp:
		return fmt.Sprintf("(%s OR coalesce(%s <> TRY(CAST(%s AS TIMESTAMPTZ)), true) OR %s)",
			misfit, Cast(v, schemas.Type{Kind: schemas.TimestampTZ}), value, nanoseconds(v))
	case schemas.TimestampTZ:
		return "(" + misfit + " OR " + nanoseconds(v) + ")"
	case schemas.Time: // DuckDB takes words, and does not look at what follows the seconds
		return fmt.Sprintf("(%s OR %s OR NOT regexp_full_match(%s, '[0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\\.[0-9]+)?)?( *(Z|UTC))?'))", misfit, nanoseconds(v), trimmed)
	case schemas.UUID:
		return fmt.Sprintf("(%s OR lower(%s) <> CAST(TRY_CAST(%s AS UUID) AS VARCHAR))", misfit, trimmed, v)
	}
	return misfit
}

// dateForm is the form of a date of three numbers: DuckDB takes words such as epoch, too.
const dateForm = "[0-9]{4,6}[-/][0-9]{1,2}[-/][0-9]{1,2}"

// bare is the text of a nested value without what may be written in one way or another.
func bare(v string) string {
	return fmt.Sprintf(`replace(regexp_replace(lower(%s), '[ "'']', '', 'g'), '=', ':')`, v)
}

// nanoseconds is true for a text with more than six digits behind the point that are not zeros.
func nanoseconds(v string) string {
	return fmt.Sprintf("regexp_matches(%s, '\\.[0-9]{6}[0-9]*[1-9]')", v)
}
