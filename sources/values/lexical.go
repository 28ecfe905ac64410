package values

import "strings"

// How many significant digits a type holds whatever they are.
const (
	bigintDigits  = 18
	exactDigits   = 15 // of DOUBLE
	doubleDigits  = 17 // of DOUBLE where it is as close as that: what programs print so that the same DOUBLE is read again
	singleDigits  = 6  // of FLOAT
	floatDigits   = 9  // of FLOAT where it is as close as that
	decimalDigits = 38
)

// number is a number as it is written.
type number struct {
	ok       bool
	text     []byte
	fraction bool // it has a point or an exponent, or is a negative zero
	digits   int  // significant: without zeros in front and, of a fraction, at the end
	places   int  // digits behind the point, without zeros at the end
	exponent int  // as written
	first    int  // the power of ten of the first significant digit
	// asText says that a text like that is a number, too, rather than an identifier: no zeros in front, digits around
	// the point, and an exponent only with a point or a sign.
	asText bool
}

// readNumber reads a number of JSON, or one that begins with its point.
func readNumber(b []byte) number {
	n := number{text: b, asText: true}
	i := 0
	if i < len(b) && b[i] == '-' {
		i++
	}
	start := i
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	ints := b[start:i]
	if len(ints) > 1 && ints[0] == '0' {
		return n
	}
	point := i < len(b) && b[i] == '.'
	var decimals []byte
	if point {
		i++
		from := i
		for i < len(b) && isDigit(b[i]) {
			i++
		}
		decimals = b[from:i]
		n.asText = len(decimals) > 0
	}
	if len(ints) == 0 && len(decimals) == 0 {
		return n
	}
	exponent, signed, ok := readExponent(b[i:])
	if !ok {
		return n
	}
	n.exponent = exponent
	written := i < len(b)
	n.asText = n.asText && (!written || point || signed)
	n.ok = true
	n.count(ints, decimals)
	n.fraction = point || written || len(ints) == 1 && ints[0] == '0' && start == 1
	return n
}

// count counts significant digits.
func (n *number) count(ints, decimals []byte) {
	end := len(decimals)
	for end > 0 && decimals[end-1] == '0' {
		end--
	}
	n.places = end
	ints = trimZeros(ints)
	n.digits, n.first = len(ints)+end, n.exponent+len(ints)-1
	if len(ints) == 0 {
		n.digits = len(trimZeros(decimals[:end]))
		n.first = n.exponent + n.digits - end - 1
	}
}

func trimZeros(b []byte) []byte {
	for len(b) > 0 && b[0] == '0' {
		b = b[1:]
	}
	return b
}

// readExponent reads what may follow a number's digits: nothing, or an exponent of up to four digits, to the end.
func readExponent(b []byte) (value int, signed, ok bool) {
	if len(b) == 0 {
		return 0, false, true
	}
	if b[0] != 'e' && b[0] != 'E' {
		return 0, false, false
	}
	b = b[1:]
	negative := false
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		signed, negative = true, b[0] == '-'
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 4 {
		return 0, false, false
	}
	for _, c := range b {
		if !isDigit(c) {
			return 0, false, false
		}
		value = value*10 + int(c-'0')
	}
	if negative {
		value = -value
	}
	return value, signed, true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// fitsBigint says whether a whole number without zeros in front is in the range of BIGINT.
func fitsBigint(b []byte) bool {
	limit := "9223372036854775807"
	if len(b) > 0 && b[0] == '-' {
		b, limit = b[1:], "9223372036854775808"
	}
	return len(b) < len(limit) || len(b) == len(limit) && strings.Compare(string(b), limit) <= 0
}

// momentOf is date, timestamp or zoned for a text in the form of ISO 8601 with all its dashes and colons, else text.
// Years have four digits, seconds at most six behind the point.
func momentOf(b []byte) kind {
	if len(b) < 10 || !isDate(b[:10]) {
		return text
	}
	if b = b[10:]; len(b) == 0 {
		return date
	}
	if b[0] != 'T' && b[0] != ' ' {
		return text
	}
	rest, ok := readTime(b[1:])
	switch {
	case !ok:
		return text
	case len(rest) == 0:
		return timestamp
	case isOffset(rest):
		return zoned
	}
	return text
}

// withoutSeconds says whether a moment with an offset has hours and minutes only.
func withoutSeconds(b []byte) bool { return len(b) < 17 || b[16] != ':' }

func isDate(b []byte) bool {
	if b[4] != '-' || b[7] != '-' {
		return false
	}
	year, ok1 := digits(b[:4])
	month, ok2 := digits(b[5:7])
	day, ok3 := digits(b[8:10])
	return ok1 && ok2 && ok3 && year > 0 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month)
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// readTime reads HH:MM, HH:MM:SS or HH:MM:SS.ffffff and returns what follows.
func readTime(b []byte) (rest []byte, ok bool) {
	if len(b) < 5 || b[2] != ':' || !below(b[:2], 24) || !below(b[3:5], 60) {
		return nil, false
	}
	if b = b[5:]; len(b) == 0 || b[0] != ':' {
		return b, true
	}
	if len(b) < 3 || !below(b[1:3], 60) {
		return nil, false
	}
	if b = b[3:]; len(b) == 0 || b[0] != '.' {
		return b, true
	}
	i := 1
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return b[i:], i >= 2 && i <= 7
}

// isOffset says whether the text is Z, +HH or +HH:MM.
func isOffset(b []byte) bool {
	switch {
	case len(b) == 1:
		return b[0] == 'Z'
	case len(b) != 3 && len(b) != 6, b[0] != '+' && b[0] != '-', !below(b[1:3], 16):
		return false
	}
	return len(b) == 3 || b[3] == ':' && below(b[4:], 60)
}

func below(b []byte, limit int) bool {
	n, ok := digits(b)
	return ok && n < limit
}

func digits(b []byte) (n int, ok bool) {
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, len(b) > 0
}
