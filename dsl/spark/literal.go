package spark

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Unquote gives the characters of a string token: what stands between its quotes, with Spark's escapes resolved. \% and
// \_ stay as they are, for LIKE.
func Unquote(text string) string {
	if isRaw(text) {
		return strings.TrimSuffix(text[2:], text[1:2])
	}
	if len(text) < 2 {
		return ""
	}
	quote := text[0]
	inner := text[1:]
	if inner[len(inner)-1] == quote {
		inner = inner[:len(inner)-1]
	}
	if !strings.ContainsAny(inner, `\`+string(rune(quote))) {
		return inner
	}
	var b strings.Builder
	for i := 0; i < len(inner); {
		switch c := inner[i]; {
		case c == '\\' && i+1 < len(inner):
			n := escape(&b, inner[i+1:])
			i += 1 + n
		case c == quote && i+1 < len(inner) && inner[i+1] == quote:
			b.WriteByte(quote)
			i += 2
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}

// escape writes what an escape stands for, and returns how much of s, which begins behind the backslash, belongs to it.
func escape(b *strings.Builder, s string) int {
	switch s[0] {
	case '0', '1', '2', '3':
		if len(s) >= 3 && isOctal(s[1]) && isOctal(s[2]) {
			n, _ := strconv.ParseUint(s[:3], 8, 16)
			b.WriteRune(rune(n))
			return 3
		}
		if s[0] == '0' {
			b.WriteByte(0)
			return 1
		}
	case 'u':
		if n, ok := hexRune(s, 4); ok {
			b.WriteRune(n)
			return 5
		}
	case 'U':
		if n, ok := hexRune(s, 8); ok {
			b.WriteRune(n)
			return 9
		}
	case 'b', 'n', 'r', 't', 'Z':
		b.WriteByte("\b\n\r\t\x1a"[strings.IndexByte("bnrtZ", s[0])])
		return 1
	case '%', '_':
		b.WriteByte('\\')
	}
	_, n := utf8.DecodeRuneInString(s)
	b.WriteString(s[:n])
	return n
}

func hexRune(s string, digits int) (rune, bool) {
	if len(s) <= digits {
		return 0, false
	}
	n, err := strconv.ParseUint(s[1:1+digits], 16, 32)
	return rune(n), err == nil && n <= utf8.MaxRune
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

// unname gives the name that a Word or Name token spells.
func unname(t Token, text string) string {
	if t.Kind != Name {
		return text
	}
	return strings.ReplaceAll(strings.TrimSuffix(text[1:], "`"), "``", "`")
}

// number reads a Number token: its digits, and DuckDB's type for them. It is false for one that the type cannot hold.
func number(text string) (digits, typ string, ok bool) {
	lower := strings.ToLower(text)
	for _, s := range []struct {
		suffix, typ string
		bits        int
	}{{"bd", "", -1}, {"l", "BIGINT", 64}, {"s", "SMALLINT", 16}, {"y", "TINYINT", 8}, {"d", "DOUBLE", 0}, {"f", "FLOAT", 0}} {
		digits, found := strings.CutSuffix(lower, s.suffix)
		if !found {
			continue
		}
		if s.bits > 0 {
			_, err := strconv.ParseInt(digits, 10, s.bits)
			// The smallest number of a type is written as minus and one that the type cannot hold.
			if err != nil && strings.TrimLeft(digits, "0") != strconv.FormatUint(1<<(s.bits-1), 10) {
				return digits, s.typ, false
			}
		}
		if s.bits < 0 {
			return digits, "DECIMAL", true
		}
		return digits, s.typ, true
	}
	if strings.Contains(lower, "e") {
		return lower, "DOUBLE", true
	}
	return lower, "", true
}

// decimal gives digits without an exponent, and their precision and scale. It is false for more than 38 of them.
func decimal(digits string) (plain string, precision, scale int, ok bool) {
	mantissa, exp, found := strings.Cut(digits, "e")
	power := 0
	if found {
		n, err := strconv.Atoi(exp)
		if err != nil || n > 100 || n < -100 {
			return "", 0, 0, false
		}
		power = n
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	for ; power > 0; power-- {
		next := "0"
		if fraction != "" {
			next, fraction = fraction[:1], fraction[1:]
		}
		whole += next
	}
	for ; power < 0; power++ {
		last := "0"
		if whole != "" {
			last, whole = whole[len(whole)-1:], whole[:len(whole)-1]
		}
		fraction = last + fraction
	}
	whole = strings.TrimLeft(whole, "0")
	scale = len(fraction)
	precision = max(len(whole)+scale, 1)
	if len(whole) == 0 {
		precision = max(scale, 1)
	}
	plain = whole
	if plain == "" {
		plain = "0"
	}
	if scale > 0 {
		plain += "." + fraction
	}
	return plain, precision, scale, precision <= 38
}

// Literal spells a value in Spark's SQL: nil, bool, int64, float64 or string. What it gives can stand in a comment too.
func Literal(value any) string {
	switch v := value.(type) {
	case nil:
		return "NULL"
	case bool:
		return strings.ToUpper(strconv.FormatBool(v))
	case int64:
		return inBrackets(strconv.FormatInt(v, 10))
	case float64:
		switch {
		case math.IsNaN(v):
			return "CAST('NaN' AS DOUBLE)"
		case math.IsInf(v, 0):
			return "CAST('" + map[bool]string{true: "-"}[v < 0] + "Infinity' AS DOUBLE)"
		}
		return inBrackets(strconv.FormatFloat(v, 'e', -1, 64)) // with an exponent it is a DOUBLE
	default:
		return "'" + escaper.Replace(fmt.Sprint(v)) + "'"
	}
}

var escaper = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`, "*/", `*\/`)

// inBrackets keeps a minus from making a comment of one in front of it.
func inBrackets(number string) string {
	if strings.HasPrefix(number, "-") {
		return "(" + number + ")"
	}
	return number
}
