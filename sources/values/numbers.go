package values

import (
	"bytes"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
)

// A number is stored without a change when the digits of the stored value are those that were written. Of DOUBLE and
// FLOAT these are as many of its digits as were written: 0.1 is the closest DOUBLE to a tenth, and 9999999999999999.5
// is none that is written so. A whole number without an exponent is to be exact. Go says so of texts (inDouble,
// inFloat), and SQL of the values that DuckDB made (changed); neither relies on the other.

// inDouble says of a number that it is stored as DOUBLE without a change. Of whole numbers of more than 15 digits it
// may not know.
func (n number) inDouble() bool {
	switch {
	case n.digits == 0:
		return true
	case n.digits <= exactDigits && n.first > -290 && n.first < 290:
		return true
	}
	return n.digits <= doubleDigits && !n.isWhole() && n.survives(64)
}

// inFloat is inDouble for FLOAT.
func (n number) inFloat() bool {
	switch {
	case n.digits == 0:
		return true
	case n.digits <= singleDigits && n.first > -36 && n.first < 36:
		return true
	}
	return n.digits <= floatDigits && !n.isWhole() && n.survives(32)
}

// isWhole says whether there is neither an exponent nor anything but zeros behind the point.
func (n number) isWhole() bool { return n.places == 0 && !bytes.ContainsAny(n.text, "eE") }

// survives says whether the floating point number has the digits that are written, when it is written with as many.
func (n number) survives(bits int) bool {
	most := doubleDigits
	if bits == 32 {
		most = floatDigits
	}
	f, err := strconv.ParseFloat(string(n.text), bits)
	var a, b, printed [64]byte
	written := significantDigits(a[:0], n.text)
	if err != nil || len(written) == 0 || len(written) > most {
		return false
	}
	return string(written) == string(significantDigits(b[:0], strconv.AppendFloat(printed[:0], f, 'e', len(written)-1, bits)))
}

// significantDigits appends the digits of a number without zeros in front and at the end.
func significantDigits(out, text []byte) []byte {
	for _, c := range text {
		if c == 'e' || c == 'E' {
			break
		}
		if isDigit(c) && (c != '0' || len(out) > 0) {
			out = append(out, c)
		}
	}
	return bytes.TrimRight(out, "0")
}

// Same says whether the value that DuckDB made of a text, as it writes it, is the number that the text is. Of types
// that are no numbers it knows nothing, and says so.
func Same(text, value string, t schemas.Type) bool {
	n := readNumber([]byte(strings.Trim(text, " ")))
	switch t.Kind {
	case schemas.BigInt, schemas.Integer, schemas.Decimal:
		a, ok1 := new(big.Rat).SetString(string(n.text))
		b, ok2 := new(big.Rat).SetString(value)
		return n.ok && ok1 && ok2 && a.Cmp(b) == 0 && inRange(value, t)
	case schemas.Double:
		return n.stored(value, 64)
	case schemas.Float:
		return n.stored(value, 32)
	}
	return true
}

// inRange says of a DECIMAL whether it has as many digits as it may: DuckDB makes longer ones of numbers with an
// exponent.
func inRange(value string, t schemas.Type) bool {
	n := readNumber([]byte(value))
	return t.Kind != schemas.Decimal || n.digits-n.places <= t.Precision-t.Scale
}

// stored says whether a floating point number is this number. What is none, such as nan, is what ParseFloat takes for
// the same.
func (n number) stored(value string, bits int) bool {
	a, err1 := strconv.ParseFloat(string(n.text), bits)
	b, err2 := strconv.ParseFloat(value, bits)
	switch {
	case err1 != nil || err2 != nil:
		return false
	case !n.ok:
		return a == b || a != a && b != b
	case a != b:
		return false
	case n.isWhole():
		exact, ok := new(big.Rat).SetString(string(n.text))
		return ok && new(big.Rat).SetFloat64(a).Cmp(exact) == 0
	}
	return n.digits == 0 || n.survives(bits)
}

const (
	wholeForm  = `-?(0|[1-9][0-9]*)(\.0*)?`
	numberForm = `-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?`
)

// changed is SQL that is true or NULL for a text v that is no number, or another one than that which DuckDB made of it.
func changed(v string, t schemas.Type) string {
	value := fmt.Sprintf("TRY_CAST(%s AS %s)", v, t)
	switch t.Kind {
	case schemas.Double:
		return rounded(v, value, doubleDigits)
	case schemas.Float:
		return rounded(v, value, floatDigits)
	}
	text := "CAST(" + value + " AS VARCHAR)" // of a number with an exponent, DuckDB may make a DECIMAL of more digits than it has, but not of this
	return fmt.Sprintf("NOT regexp_full_match(%s, '%s') OR %s <> %s OR %s OR TRY_CAST(%s AS %s) IS NULL", v, numberForm, digitsOf(v), digitsOf(text), distant(v, value), text, t)
}

// rounded is changed for floating point numbers of at most so many digits. Whole numbers are compared as such.
func rounded(v, value string, most int) string {
	count := fmt.Sprintf("length(%s)", digitsOf(v))
	printed := fmt.Sprintf("format('{:.' || CAST(greatest(%s, 1) - 1 AS VARCHAR) || 'e}', CAST(%s AS DOUBLE))", count, value)
	return fmt.Sprintf(`CASE WHEN regexp_full_match(%[1]s, '%[2]s')
		THEN coalesce(TRY_CAST(%[3]s AS DECIMAL(38,0)) <> TRY_CAST(%[1]s AS DECIMAL(38,0)), true)
		WHEN regexp_full_match(%[1]s, '%[4]s')
		THEN isinf(%[3]s) OR %[5]s > %[6]d OR %[7]s <> %[8]s OR %[9]s
		ELSE NOT regexp_full_match(lower(%[1]s), '[-+]?(nan|inf|infinity)') END`,
		v, wholeForm, value, numberForm, count, most, digitsOf(v), digitsOf(printed), distant(v, value))
}

// digitsOf is the SQL of the digits of a number's text without zeros in front and at the end.
func digitsOf(v string) string {
	return fmt.Sprintf(`rtrim(regexp_replace(%s, '^-?[0.]*|[eE].*$|\.', '', 'g'), '0')`, v)
}

// distant is SQL that is true for a value that is not of the sign and size of its text: digits alone do not tell.
func distant(v, value string) string {
	return fmt.Sprintf("coalesce(abs(TRY_CAST(%[1]s AS DOUBLE) - CAST(%[2]s AS DOUBLE)) > 0.5 * abs(TRY_CAST(%[1]s AS DOUBLE)), true)", v, value)
}
