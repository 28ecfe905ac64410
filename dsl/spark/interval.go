package spark

import (
	"math"
	"strconv"
	"strings"
)

const (
	second = int64(1_000_000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// units are the units of intervals: months, or microseconds.
var units = map[string]struct{ months, micros int64 }{
	"year": {months: 12}, "quarter": {months: 3}, "month": {months: 1}, "week": {micros: 7 * day}, "day": {micros: day}, "hour": {micros: hour},
	"minute": {micros: minute}, "second": {micros: second}, "millisecond": {micros: 1000}, "microsecond": {micros: 1},
}

// unitOf is the unit of a word, in the singular.
func unitOf(word string) (string, bool) {
	w := strings.ToLower(word)
	if _, ok := units[w]; ok {
		return w, true
	}
	w = strings.TrimSuffix(w, "s")
	_, ok := units[w]
	return w, ok
}

// isInterval reports whether the word INTERVAL begins an interval, and is no name.
func (p *parser) isInterval() bool {
	switch t := p.token(p.i + 1); {
	case p.i+1 >= len(p.toks):
		return false
	case t.Kind == Number || t.Kind == String:
		return true
	case p.op(p.i+1) == "(":
		_, ok := unitOf(p.text(p.match[p.i+1] + 1))
		return ok && p.match[p.i+1] > 0
	case p.op(p.i+1) == "-" || p.op(p.i+1) == "+":
		_, ok := unitOf(p.text(p.i + 3))
		return ok
	default:
		_, ok := unitOf(p.text(p.i + 2))
		return ok && t.Kind == Word && !isClause(t.Text(p.sql))
	}
}

const intervalHelp = "write INTERVAL 1 DAY, INTERVAL '1-6' YEAR TO MONTH or INTERVAL '1 day 2 hours'"

// interval reads INTERVAL in all its forms.
func (p *parser) interval() expr {
	v := &interval{span: p.here(), daysOnly: true}
	p.i++
	for n := 0; ; n++ {
		at := p.here()
		sign := int64(1)
		if p.accept("-") {
			sign = -1
		} else if n == 0 {
			p.accept("+")
		}
		t := p.peek()
		switch {
		case t.Kind == String:
			p.intervalText(v, sign, n == 0)
		case t.Kind == Number:
			p.i++
			p.intervalAdd(v, t.Text(p.sql), sign, p.unit(), at)
		case n == 0 && sign == 1:
			v.value = p.primaryExpression()
			v.unit = p.unit()
			v.daysOnly = units[v.unit].micros%day == 0
		default:
			p.fail("a number is missing", intervalHelp)
		}
		next := p.peek()
		if v.value != nil || next.Kind != Number && (next.Kind != String || p.i >= len(p.toks)) {
			break
		}
	}
	v.span = p.since(v.span)
	v.text = strings.Join(strings.Fields(p.sql[v.start:v.end]), " ")
	return v
}

func (p *parser) unit() string {
	unit, ok := unitOf(p.text(p.i))
	if !ok {
		p.fail("a unit is missing", intervalHelp)
	}
	p.i++
	return unit
}

// intervalText reads '1' DAY, '1-6' YEAR TO MONTH, '1 02:03:04' DAY TO SECOND, or '1 day 2 hours'.
func (p *parser) intervalText(v *interval, sign int64, first bool) {
	at := p.here()
	text := strings.TrimSpace(Unquote(p.text(p.i)))
	p.i++
	unit, ok := unitOf(p.text(p.i))
	switch {
	case !ok && first:
		p.intervalWords(v, text, sign, at)
	case !ok:
		p.fail("a unit is missing", intervalHelp)
	case p.isAt(p.i+1, "to"):
		p.i += 2
		p.intervalRange(v, text, sign, unit, p.unit(), at)
	default:
		p.i++
		p.intervalAdd(v, text, sign, unit, at)
	}
}

// intervalWords reads 1 day 2 hours.
func (p *parser) intervalWords(v *interval, text string, sign int64, at span) {
	words := strings.Fields(strings.TrimPrefix(strings.ToLower(text), "interval "))
	if len(words) == 0 || len(words)%2 == 1 {
		p.failAt(at, intervalHelp, "this is no interval")
	}
	for i := 0; i < len(words); i += 2 {
		unit, ok := unitOf(words[i+1])
		if !ok {
			p.failAt(at, intervalHelp, "there is no unit %s", clip(words[i+1]))
		}
		p.intervalAdd(v, words[i], sign, unit, at)
	}
}

// intervalAdd adds so many units.
func (p *parser) intervalAdd(v *interval, number string, sign int64, unit string, at span) {
	number = strings.TrimSuffix(strings.ToLower(number), "l")
	u := units[unit]
	if u.micros%day != 0 {
		v.daysOnly = false
	}
	whole, err := strconv.ParseInt(number, 10, 64)
	if err != nil && unit == "second" {
		f, bad := strconv.ParseFloat(number, 64)
		if err = bad; err == nil {
			v.micros += sign * int64(math.Round(f*float64(second)))
			return
		}
	}
	const most = 1 << 40
	if err != nil || whole > most || whole < -most || u.micros > 0 && whole > math.MaxInt64/2/u.micros {
		p.failAt(at, intervalHelp, "%s is no number of %ss", clip(number), unit)
	}
	v.months += sign * whole * u.months
	v.micros += sign * whole * u.micros
}

// intervalRange reads 1-6 and 1 02:03:04.5.
func (p *parser) intervalRange(v *interval, text string, sign int64, from, to string, at span) {
	if strings.HasPrefix(text, "-") {
		text, sign = text[1:], -sign
	}
	order := []string{"day", "hour", "minute", "second"}
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ':' })
	if from == "year" && to == "month" {
		order = []string{"year", "month"}
		parts = strings.Split(text, "-")
	}
	begin := -1
	for i, u := range order {
		if u == from {
			begin = i
		}
	}
	if begin < 0 || begin+len(parts) > len(order) || len(parts) == 0 || order[begin+len(parts)-1] != to {
		p.failAt(at, intervalHelp, "this is no interval from %s to %s", from, to)
	}
	for i, part := range parts {
		p.intervalAdd(v, part, sign, order[begin+i], at)
	}
}
